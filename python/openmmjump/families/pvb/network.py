"""PVB (Pretrained Variational Bridge, arXiv 2602.07588) as a torch module around the C++ network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from openmmjump import _network
from openmmjump.network.atoms import Atoms
from openmmjump.network.module import Guidance, NativeNetwork, Noise


class PVB(NativeNetwork):
    """The encoder, decoder and heads of PVB; everything but the parameters lives in C++.

    The parameters are the given tensors, under their published names, so `state_dict()` is what a model file holds.
    Positions are (N, 3) in Angstrom in any floating point type; results have the type of the parameters. All methods
    are differentiable, except `jump`.

    Args:
        config: hidden_dim, ffn_dim, rbf_dim, heads, layers, encoder_layers, k_neighbors, cutoff_lower, cutoff_upper,
            sigma, coord_prior_var and order (1 or 2), and the words head ("drift", as published, "endpoint" or
            "scaled"), encoder ("learned" or "fixed"), reference ("distances" or "vectors") and step_noise ("euler" or
            "bridge"). What is absent has the published value.
        tensors: parameters by name.

    Raises:
        ValueError: naming the setting or the tensor that is wrong.
    """

    family = "pvb"
    native_class = _network.PvbNetwork

    @property
    def has_velocity(self) -> bool:
        """Whether there is a velocity head."""
        return self.native().has_velocity

    def log_variance(self, atoms: Atoms, x0: Tensor) -> Tensor:
        """Logarithm of the variance (A^2) of the bridge's starting point around x0, (N, 3)."""
        return self.native().log_variance(atoms._batch, x0)

    def drift(self, atoms: Atoms, t: float | Tensor, y0: Tensor, yt: Tensor) -> Tensor:
        """Drift (A) at t and yt of the bridge that began at y0, (N, 3). t is one number or (M), one per molecule."""
        return self.native().drift(atoms._batch, t, y0, yt)

    def velocity(self, atoms: Atoms, t: float | Tensor, y0: Tensor, yt: Tensor) -> Tensor:
        """Velocity (A) of the probability flow at time t and point yt, (N, 3)."""
        return self.native().velocity(atoms._batch, t, y0, yt)

    def fields(self, atoms: Atoms, t: float | Tensor, y0: Tensor, yt: Tensor) -> tuple[Tensor | None, Tensor]:
        """Velocity (if there is such a head) and the other head's prediction, from one pass: the drift, or the
        displacement Y1 - Y_t of an endpoint network."""
        return self.native().fields(atoms._batch, t, y0, yt)

    def draws(self, steps: int) -> int:
        return steps

    def jump(
        self,
        atoms: Atoms,
        x0: Tensor,
        noise: Noise,
        time_grid: Sequence[float] | None = None,
        *,
        ode: bool = False,
        guidance: Guidance | None = None,
        guidance_at_end_point: bool = False,
        all_states: bool = False,
    ) -> Tensor:
        """One jump of the sampler.

        Args:
            x0: (N, 3) present conformation in A.
            noise: (steps, N, 3) standard normal numbers, the first of them for the encoder; or noise streams, one for
                each replica of the batch.
            time_grid: the steps + 1 times from 0 to 1; default: those of the model file, or else equal steps, as many
                as the noise is for (else 10).
            ode: follow the velocity without noise instead of the drift.
            guidance: function of (Y_t, t) giving a force (N, 3) in A to add to the drift.
            guidance_at_end_point: give the function the expected end point instead of Y_t, and bring its force back by
                the transposed Jacobian of the network.
            all_states: return every point, (steps + 1, N, 3), the first being Y0; or else only the last, (N, 3).
        """
        given: Any = noise if isinstance(noise, Tensor) else list(noise)
        grid = self.times(noise, time_grid)
        return _network.jump_pvb(
            self.native(), atoms._batch, x0, given, grid, ode, guidance, guidance_at_end_point, all_states
        )

    def bridge_loss(
        self,
        atoms: Atoms,
        x0: Tensor,
        x1: Tensor,
        t: float | Tensor,
        encoder_noise: Tensor,
        bridge_noise: Tensor,
        augmentation: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        kl_weight: float = 0.8,
        bridge_weight: float = 1.0,
        velocity_weight: float = 1.0,
        endpoint_weight_cap: float = 20.0,
    ) -> dict[str, Tensor]:
        """The training loss and its parts: "loss", "kl", "velocity", "drift", each a single number.

        Args:
            x0, x1: (N, 3) conformation now and one lag time later in A.
            t: bridge time, one number or (M), one for each molecule.
            encoder_noise, bridge_noise: (N, 3) standard normal numbers.
            augmentation: (N, 3) displacement in A added to x0 (published: 0.2 A times normal numbers).
            mask: (N) 1 for the atoms that count; default all.
            endpoint_weight_cap: largest weight 1 / (1 - t) of an endpoint network's loss.
        """
        return _network.bridge_loss(
            self.native(),
            atoms._batch,
            x0,
            x1,
            t,
            encoder_noise,
            bridge_noise,
            augmentation,
            mask,
            kl_weight,
            bridge_weight,
            velocity_weight,
            endpoint_weight_cap,
        )
