"""What a network knows of the atoms besides their positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch  # loads the libraries that the extension module needs
from torch import Tensor

from openmmjump import _network

Integers = Tensor | Sequence[int]


class Atoms:
    """N atoms of M molecules, one molecule after the other; immutable.

    Keep and reuse an object of this class: small molecules' neighbour graphs are stored in it.

    Args:
        atom_type: (N) atomic number - 1.
        block_type: (N) kind of residue or, in small molecules, the atom type once more.
        bonds: (2, E) bonded atoms, in one direction or both.
        edge_mask: (N) 1 for the atoms of a ligand in a complex, 0 for others (default).
        molecule: (N) number of the molecule of each atom, rising from 0 without gaps (default: all 0).

    Raises:
        ValueError: for a wrong shape or value.
    """

    def __init__(
        self,
        atom_type: Integers,
        block_type: Integers,
        bonds: Tensor | Sequence[Sequence[int]],
        edge_mask: Integers | None = None,
        molecule: Integers | None = None,
    ) -> None:
        optional = [None if values is None else _integers(values) for values in (edge_mask, molecule)]
        bond_index = _integers(bonds)
        if bond_index.numel() == 0:
            bond_index = bond_index.reshape(2, 0)
        self._batch = _network.MoleculeBatch(_integers(atom_type), _integers(block_type), bond_index, *optional)

    @classmethod
    def _wrap(cls, batch: _network.MoleculeBatch) -> Atoms:
        atoms = cls.__new__(cls)
        atoms._batch = batch
        return atoms

    def repeat(self, copies: int) -> Atoms:
        """A batch of several copies of these molecules; positions are concatenated likewise, (copies N, 3)."""
        return Atoms._wrap(self._batch.repeat(copies))

    @classmethod
    def batched(cls, molecules: Sequence[Atoms]) -> Atoms:
        """A batch of different molecules, one after the other."""
        parts = [(m.atom_type, m.block_type, m.edge_mask) for m in molecules]
        atoms, count, bonds, molecule = 0, 0, [], []
        for part in molecules:
            bonds.append(part.bonds + atoms)
            molecule.append(part.molecule + count)
            atoms += part.num_atoms
            count += part.num_molecules
        atom_type, block_type, edge_mask = (torch.cat(values) for values in zip(*parts, strict=True))
        return cls(atom_type, block_type, torch.cat(bonds, 1), edge_mask, torch.cat(molecule))

    @property
    def num_atoms(self) -> int:
        """N."""
        return self._batch.num_atoms

    @property
    def num_molecules(self) -> int:
        """M."""
        return self._batch.num_molecules

    @property
    def atom_type(self) -> Tensor:
        """(N) int64."""
        return self._batch.atom_type

    @property
    def block_type(self) -> Tensor:
        """(N) int64."""
        return self._batch.block_type

    @property
    def bonds(self) -> Tensor:
        """(2, E) int64, every bond in both directions."""
        return self._batch.bonds

    @property
    def edge_mask(self) -> Tensor:
        """(N) int64."""
        return self._batch.edge_mask

    @property
    def molecule(self) -> Tensor:
        """(N) int64."""
        return self._batch.molecule

    def __len__(self) -> int:
        return self.num_atoms

    def __repr__(self) -> str:
        return (
            f"Atoms(num_atoms={self.num_atoms}, num_molecules={self.num_molecules}, bonds={self.bonds.shape[1] // 2})"
        )

    def __reduce__(self) -> tuple:
        return Atoms, (self.atom_type, self.block_type, self.bonds, self.edge_mask, self.molecule)


def _integers(values: Integers | Sequence[Sequence[int]]) -> Tensor:
    if isinstance(values, Tensor):
        return values
    tensor = torch.as_tensor(values)
    return tensor.to(torch.int64) if tensor.numel() == 0 else tensor
