"""The network of a model file as a function, without OpenMM: for the test of equivariance, which rotates the noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmmjump.evaluation.equivariance import Jump


def model_atoms(graph: Any) -> NDArray[np.int64]:
    """Indices in the System of the model atoms of a MolecularGraph."""
    return np.array([graph.getAtom(i).particle for i in range(graph.getNumAtoms())])


def network_atoms(graph: Any) -> Any:
    """What the network sees of a MolecularGraph."""
    import torch

    from openmmjump.network import Atoms

    atoms = [graph.getAtom(i) for i in range(graph.getNumAtoms())]
    bonds = [graph.getBond(i) for i in range(graph.getNumBonds())]
    return Atoms(
        atom_type=torch.tensor([atom.atomicNumber - 1 for atom in atoms]),
        block_type=torch.tensor([atom.blockType for atom in atoms]),
        bonds=torch.tensor([[b.atom1 for b in bonds], [b.atom2 for b in bonds]], dtype=torch.long),
        edge_mask=torch.tensor([int(atom.ligand) for atom in atoms]),
        molecule=torch.tensor(list(graph.getMolecules())),
    )


def network_jump(name: str, graph: Any, double: bool = False) -> tuple[Jump, int]:
    """A jump of a model as a function of positions in nm and noise, and how many sets of noise it takes.

    Args:
        name: a shipped model, or a model file
        graph: MolecularGraph of the molecule
        double: in double precision instead of single
    """
    import torch

    from openmmjump.network import load

    dtype = torch.float64 if double else torch.float32
    network, atoms = load(name, dtype), network_atoms(graph)

    def jump(x: NDArray, noise: NDArray) -> NDArray:
        with torch.inference_mode():
            given = torch.tensor(x * network.length_scale, dtype=dtype)
            end = network.jump(atoms, given, torch.tensor(noise, dtype=dtype))
        return end.double().numpy() / network.length_scale

    return jump, network.draws(len(network.time_grid) - 1)
