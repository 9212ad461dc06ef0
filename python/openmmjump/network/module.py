"""What the torch modules around the C++ networks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor, nn

Config = Mapping[str, float | int | bool | str]


@dataclass(frozen=True)
class Family:
    """What `openmmjump._network` has for a family of networks."""

    #: The class of the network.
    network: type
    #: Fills in the defaults of a config.
    full_config: Callable[[dict[str, Any]], dict[str, Any]]
    #: Lists names and shapes of the tensors that a config asks for.
    list_tensors: Callable[[dict[str, Any]], list[tuple[str, list[int]]]]
    #: Makes fresh tensors for a config, with a seed.
    initialize: Callable[[dict[str, Any], int], dict[str, Tensor]]
    #: Settings that are neither a float nor a word.
    kinds: Mapping[str, type]

    def complete(self, config: Config) -> dict[str, float | int | bool | str]:
        """The config with defaults filled in, after validation."""
        values = self.full_config(dict(config))
        return {key: self.kinds[key](value) if key in self.kinds else value for key, value in values.items()}


class NetworkModule(nn.Module):
    """A network whose parameters are in torch and everything else in C++.

    Args:
        config: settings by name; what is absent has the published value.
        tensors: parameters by name.

    Raises:
        ValueError: naming the setting or the tensor that is wrong.
    """

    _family: ClassVar[Family]

    def __init__(self, config: Config, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.config = self._family.complete(config)
        for name, tensor in tensors.items():
            _register(self, name, tensor)
        self._handle: tuple[tuple[int, ...], Any] | None = None
        self._fused = True
        self.native()  # validates names and shapes

    @classmethod
    def initialize(cls, config: Config, seed: int = 0) -> Self:
        """A network with fresh random parameters: embeddings N(0, 1), weights Xavier, biases 0."""
        return cls(config, cls._family.initialize(dict(config), seed))

    @classmethod
    def tensor_shapes(cls, config: Config) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters that a network of this config needs."""
        return {name: tuple(shape) for name, shape in cls._family.list_tensors(dict(config))}

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
            network = self._family.network(self.config, parameters)
            network.fused = self._fused
            self._handle = (key, network)
        return self._handle[1]

    def forward(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method by name. DistributedDataParallel averages gradients only of what went through `forward`:
        `ddp("bridge_loss", atoms, ...)`."""
        return getattr(self, method)(*arguments, **options)

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
