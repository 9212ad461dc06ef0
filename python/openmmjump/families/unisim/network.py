"""UniSim (arXiv 2506.03157) as a torch module around the C++ network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from openmmjump import _network
from openmmjump.network.atoms import Atoms
from openmmjump.network.module import Guidance, NativeNetwork, Noise


class UniSim(NativeNetwork):
    """The encoder and heads of UniSim, and its guidance kernel; everything but the parameters lives in C++.

    The parameters are the given tensors, under their names, so `state_dict()` is what a model file holds. Positions are
    (N, 3) in Angstrom in any floating point type; results have the type of the parameters. Forces are in MJ/mol/nm and
    energies, whose negative gradient by Angstrom they are, in 100 kJ/mol. The time t, from 0 to 1, is one number, or
    (M), one for each molecule. All methods are differentiable, except `jump`.

    Args:
        config: hidden_dim, ffn_dim, rbf_dim, expansion_dim, heads, layers, inter_neighbors, energy_heads, vector_heads,
            guidance_kernel (both True or False), cutoff, hydrogen_cutoff, noise_scale, vel_scale, gamma_clip,
            guidance_strength, guidance_scale, temperature (K), and those of the sampler: step_noise ("euler" or
            "bridge") and order (1 or 2). What is absent has the published value.
        tensors: parameters by name.

    Raises:
        ValueError: naming the setting, the tensor or the atom that is wrong.
    """

    family = "unisim"
    native_class = _network.UniSimNetwork

    @property
    def sigma(self) -> float:
        """Diffusion coefficient of the interpolant in A."""
        return self.native().sigma

    def encode(self, atoms: Atoms, t: float | Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scalar (N, H) and vector (N, 3, H) features of the encoder."""
        return self.native().encode(atoms._batch, t, x)

    def energy(self, atoms: Atoms, t: float | Tensor, x: Tensor, head: int = 0) -> Tensor:
        """Energy of each molecule by one of the energy heads, (M), in 100 kJ/mol."""
        return self.native().energy(atoms._batch, t, x, head)

    def force(self, atoms: Atoms, t: float | Tensor, x: Tensor, head: int = 0) -> Tensor:
        """Negative gradient of the energy, (N, 3), in MJ/mol/nm; a loss of it can be differentiated."""
        return self.native().force(atoms._batch, t, x, head)

    def fields(self, atoms: Atoms, t: float | Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """vel_scale times the velocity (A), and the denoiser, at the point y of the interpolant: (N, 3) each."""
        return self.native().fields(atoms._batch, t, y)

    def guidance_heads(self, atoms: Atoms, t: float | Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The heads B0, B1 and M of the guidance kernel, (N, 3) each, in MJ/mol/nm."""
        return self.native().guidance_heads(atoms._batch, t, y)

    def guidance_force(self, atoms: Atoms, t: float | Tensor, y: Tensor) -> Tensor:
        """The guidance kernel (1 - t) B0 + t B1 + t (1 - t) M, (N, 3), in MJ/mol/nm."""
        return self.native().guidance(atoms._batch, t, y)

    def draws(self, steps: int) -> int:
        return steps - 1  # none for the last step

    def jump(
        self,
        atoms: Atoms,
        x0: Tensor,
        noise: Noise,
        time_grid: Sequence[float] | None = None,
        *,
        guidance: Guidance | None = None,
        guidance_at_end_point: bool = False,
        max_atoms: int | None = None,
        all_states: bool = False,
    ) -> Tensor:
        """One jump of the sampler.

        Args:
            x0: (N, 3) present conformation in A.
            noise: (steps - 1, N, 3) standard normal numbers; or noise streams, one for each replica of the batch.
            time_grid: the steps + 1 times from 0 to 1; default: those of the model file, or else equal steps, as many
                as the noise is for (else 15).
            guidance: function of (X_t, t) giving a force (N, 3) in A to add to the drift.
            guidance_at_end_point: give the function the expected end point instead of X_t, and bring its force back by
                the transposed Jacobian of the network.
            max_atoms: above so many atoms the network is evaluated in tiles; 0 for no limit.
            all_states: return every point, (steps + 1, N, 3), the first being x0; or else only the last, (N, 3).
        """
        return _network.jump_unisim(
            self.native(),
            atoms._batch,
            x0,
            noise if isinstance(noise, Tensor) else list(noise),
            self.times(noise, time_grid),
            guidance,
            guidance_at_end_point,
            max_atoms,
            all_states,
        )
