"""What the torch modules around the C++ networks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from openmmjump import _network
from openmmjump.network.atoms import Atoms

Config = Mapping[str, float | int | bool | str]
#: Which jump a replica makes: seed, jump number and attempt.
NoiseStream = _network.NoiseStream
#: A force in A at a point in A and a time from 0 to 1.
Guidance = Callable[[Tensor, float], Tensor]
#: Standard normal numbers (draws, N, 3), or a stream for each replica of the batch.
Noise = Tensor | Sequence[NoiseStream]


def uniform_grid(steps: int) -> list[float]:
    """Times 0 ... 1 of equal steps, the published grid."""
    return _network.uniform_grid(steps)


def dense_grid(steps: int) -> list[float]:
    """Times 0 ... 1 that are dense at both ends: t = (1 - (1 - u)^2)^2 at equal steps of u."""
    return _network.dense_grid(steps)


class NetworkModule(nn.Module):
    """A network whose parameters are in torch; a family of networks derives a class from it.

    Jumps are those of the family's sampler in C++, which simulations use.

    Attributes:
        config: all settings by name.
        time_grid: times of the sampler's steps, 0 to 1; None for equal steps.
        length_scale: length units of the network in one nm.
        lag_time: time in ps that a jump covers, for families that take one.
        temperature: K, for families that take one.

    Args:
        config: settings by name; what is absent has the published value.
        tensors: parameters by name.

    Raises:
        ValueError: naming the setting or the tensor that is wrong.
    """

    #: The name of the family.
    family: ClassVar[str]

    def __init__(self, config: Config, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.config = _network.family(self.family).complete(dict(config))
        self.time_grid: list[float] | None = None
        self.length_scale, self.lag_time, self.temperature = 10.0, 0.0, 0.0
        for name, tensor in tensors.items():
            _register(self, name, tensor)
        self.check_tensors()

    @classmethod
    def initialize(cls, config: Config, seed: int = 0) -> Self:
        """A network with fresh random parameters."""
        return cls(config, _network.family(cls.family).initialize(dict(config), seed))

    @classmethod
    def tensor_shapes(cls, config: Config) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters that a network of this config needs."""
        return {name: tuple(shape) for name, shape in _network.family(cls.family).list_tensors(dict(config))}

    def check_tensors(self) -> None:
        """Compare names and shapes of the parameters with those that the config asks for."""
        given = {name: tuple(parameter.shape) for name, parameter in self.named_parameters()}
        for name, shape in self.tensor_shapes(self.config).items():
            if given.get(name) != shape:
                found = f"has the shape {given[name]}" if name in given else "is missing"
                raise ValueError(f"Tensor {name} {found}, but must have the shape {shape}.")

    def draws(self, steps: int) -> int:
        """How many sets of normal numbers a jump of so many steps takes, when they are given as a tensor."""
        return self._sampler(uniform_grid(steps)).num_draws

    def jump(self, atoms: Atoms, x0: Tensor, noise: Noise, time_grid: Sequence[float] | None = None) -> Tensor:
        """One jump of the sampler, without gradients. Families take further keywords.

        Args:
            x0: (N, 3) present conformation in A.
            noise: (draws, N, 3) standard normal numbers, see :meth:`draws`; or noise streams, one for each replica of
                the batch.
            time_grid: the times from 0 to 1; default: those of the model file, or else equal steps.

        Returns:
            The next conformation, (N, 3), in A.
        """
        sampler, inputs = self._sampler(self.times(noise, time_grid)), (atoms._batch, x0, noise)
        return sampler.sample(*inputs, lag_time=self.lag_time, temperature=self.temperature)

    def times(self, noise: Noise, time_grid: Sequence[float] | None) -> list[float]:
        """The time grid of a jump: as given, of the model file, or of as many steps as the noise is for."""
        if time_grid is not None:
            return list(time_grid)
        if self.time_grid is not None:
            return self.time_grid
        family = _network.family(self.family)
        if not isinstance(noise, Tensor) or not family.has_time_grid:
            return uniform_grid(family.default_steps)
        steps = next((n for n in range(1, len(noise) + 2) if self.draws(n) == len(noise)), None)
        if steps is None:
            raise ValueError(f"The noise holds {len(noise)} draws, which fit no number of steps.")
        return uniform_grid(steps)

    def _sampler(self, grid: list[float]) -> Any:
        tensors = {name: parameter.detach() for name, parameter in self.named_parameters()}
        return _network.family(self.family).make_sampler(self.config, tensors, grid)

    def forward(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method by name. DistributedDataParallel averages gradients only of what went through `forward`:
        `ddp("bridge_loss", atoms, ...)`."""
        return getattr(self, method)(*arguments, **options)


class NativeNetwork(NetworkModule):
    """A network of which everything but the parameters is in C++."""

    #: The class of the network in C++.
    native_class: ClassVar[type]

    _handle: tuple[tuple[int, ...], Any] | None = None
    _fused = True

    def check_tensors(self) -> None:
        self.native()

    @property
    def fused(self) -> bool:
        """Whether attention is one fused operation (default, on the CPU) or a composition of plain ones, slower."""
        return self._fused

    @fused.setter
    def fused(self, use: bool) -> None:
        self._fused = use
        self.native().fused = use

    def native(self) -> Any:
        """The C++ network on the present parameters; made anew when a parameter was replaced by another object."""
        parameters = dict(self.named_parameters())
        # .to(), optimizers and load_state_dict() change a parameter in place: C++ sees that, but no replaced object.
        key = tuple(id(p) for p in parameters.values())
        if self._handle is None or self._handle[0] != key:
            network = self.native_class(self.config, parameters)
            network.fused = self._fused
            self._handle = (key, network)
        return self._handle[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}


def _register(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Register a parameter under a dotted name: one plain module for each part of the name."""
    parameter = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor.detach())
    *path, last = name.split(".")
    for part in path:
        if not hasattr(module, part):
            module.add_module(part, nn.Module())
        module = getattr(module, part)
    module.register_parameter(last, parameter)
