"""Labelled frames for UniSim: molecular dynamics of a molecule, stored with forces and energies.

::

    python -m openmmjump.training.labels molecule.pdb --force-field amber14-gbn2 --frames 1000 --output labels
    python -m openmmjump.training.labels --smiles 'CC(=O)NC' --frames 50 --output labels

The first writes ``labels/molecule.pdb`` and ``labels/molecule.npz`` (``positions`` in nm, ``forces`` in kJ/mol/nm,
``energies`` in kJ/mol), an entry of ``data``; the second ``labels/conformers.pdb`` with conformers from RDKit, an entry
with ``denoising: true``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit

#: Force field files of OpenMM by a short name.
FORCE_FIELDS = {
    "amber14-vacuum": ["amber14-all.xml"],
    "amber14-gbn2": ["amber14-all.xml", "implicit/gbn2.xml"],
    "amber14-obc1": ["amber14-all.xml", "implicit/obc1.xml"],
    "charmm36-vacuum": ["charmm36.xml"],
}


def label_frames(
    topology: app.Topology,
    positions: unit.Quantity,
    force_field: str | Sequence[str],
    file: Path,
    *,
    frames: int,
    interval_ps: float = 1.0,
    temperature_K: float = 300.0,
    equilibration_ps: float = 10.0,
    step_fs: float = 0.5,
    seed: int = 0,
    platform: str | None = None,
) -> Path:
    """Run molecular dynamics without constraints, so that forces are complete, and store frames with their labels.

    Args:
        topology, positions: the molecule with all its hydrogens, without a periodic box.
        force_field: a key of FORCE_FIELDS, or force field files of OpenMM.
        file: where to write the .npz; a PDB file of the same name goes beside it.
        frames, interval_ps: how many frames, and the time between two; the longer, the less they are correlated.
        temperature_K: of the Langevin dynamics (friction 1/ps).
        equilibration_ps: time that is left out at the start, after a minimisation.
        step_fs: step of the integrator; bonds of hydrogens are free, so 0.5 to 1 fs.
        seed: of velocities and Langevin noise.
        platform: of OpenMM; by default the fastest.

    Returns:
        The .npz file: positions (frames, N, 3) nm, forces (frames, N, 3) kJ/mol/nm, energies (frames) kJ/mol.

    Raises:
        ValueError: the force field is not known or doesn't fit the molecule, or the interval is shorter than a step.
    """
    steps = round(1000 * interval_ps / step_fs)
    if steps < 1:
        raise ValueError(f"An interval of {interval_ps} ps is shorter than the step of {step_fs} fs.")
    simulation = _simulation(topology, force_field, temperature_K, step_fs, seed, platform)
    simulation.context.setPositions(positions)
    simulation.minimizeEnergy()
    simulation.context.setVelocitiesToTemperature(temperature_K * unit.kelvin, seed)
    simulation.step(round(1000 * equilibration_ps / step_fs))
    stored = []
    for _ in range(frames):
        simulation.step(steps)
        stored.append(_labels(simulation.context))
    arrays = {name: np.stack([frame[name] for frame in stored]) for name in stored[0]}
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **arrays)
    with open(file.with_suffix(".pdb"), "w") as out:
        app.PDBFile.writeFile(topology, positions, out, keepIds=True)
    return file


def _simulation(
    topology: app.Topology,
    force_field: str | Sequence[str],
    temperature_K: float,
    step_fs: float,
    seed: int,
    platform: str | None,
) -> app.Simulation:
    """A simulation of the molecule alone in space, without constraints."""
    if isinstance(force_field, str) and force_field not in FORCE_FIELDS:
        raise ValueError(f"The force field must be one of {', '.join(FORCE_FIELDS)}, not {force_field!r}.")
    files = FORCE_FIELDS[force_field] if isinstance(force_field, str) else force_field
    options = dict(nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, removeCMMotion=True)
    system = app.ForceField(*files).createSystem(topology, **options)
    settings = temperature_K * unit.kelvin, 1 / unit.picosecond, step_fs * unit.femtosecond
    integrator = openmm.LangevinMiddleIntegrator(*settings)
    integrator.setRandomNumberSeed(seed)
    where = () if platform is None else (openmm.Platform.getPlatform(platform),)
    return app.Simulation(topology, system, integrator, *where)


def _labels(context: openmm.Context) -> dict[str, np.ndarray]:
    """positions (N, 3) nm, forces (N, 3) kJ/mol/nm and the energy in kJ/mol of a Context."""
    state = context.getState(positions=True, forces=True, energy=True)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    return {
        "positions": state.getPositions(asNumpy=True).value_in_unit(unit.nanometer).astype(np.float32),
        "forces": forces.astype(np.float32),
        "energies": np.float64(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)),
    }


def write_conformers(smiles: str, file: Path, count: int, seed: int = 0) -> Path:
    """Write conformers of a small molecule, hydrogens included, to a PDB file of several models, for denoising.

    Args:
        smiles: the molecule.
        file: where to write.
        count: how many conformers (RDKit's ETKDG, relaxed with MMFF94 where it has parameters).
        seed: of the embedding.

    Raises:
        ImportError: RDKit is not installed.
        ValueError: the SMILES is not valid, or no conformer was found.
    """
    from rdkit import Chem
    from rdkit.Chem import AllChem

    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise ValueError(f"{smiles!r} is not a valid SMILES.")
    molecule = Chem.AddHs(molecule)
    if not list(AllChem.EmbedMultipleConfs(molecule, count, randomSeed=seed)):
        raise ValueError(f"RDKit found no conformer of {smiles!r}.")
    if AllChem.MMFFHasAllMoleculeParams(molecule):
        AllChem.MMFFOptimizeMoleculeConfs(molecule)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(Chem.MolToPDBBlock(molecule))
    return file


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``python -m openmmjump.training.labels``."""
    parser = argparse.ArgumentParser(description="Make labelled frames, or conformers, to train UniSim with.")
    parser.add_argument("pdb", type=Path, nargs="?", help="molecule with all its hydrogens")
    parser.add_argument("--smiles", help="instead of a PDB file: write conformers of this small molecule")
    parser.add_argument("--force-field", choices=FORCE_FIELDS, default="amber14-gbn2")
    parser.add_argument("--frames", type=int, default=1000, help="frames, or conformers, to write")
    parser.add_argument("--interval-ps", type=float, default=1.0, help="time between two frames")
    parser.add_argument("--temperature", type=float, default=300.0, help="in K")
    parser.add_argument("--step-fs", type=float, default=0.5, help="step of the dynamics, which has no constraints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--platform", help="of OpenMM; by default the fastest")
    parser.add_argument("--output", type=Path, default=Path("labels"), help="folder to write to")
    given = parser.parse_args(arguments)
    if (given.pdb is None) == (given.smiles is None):
        parser.error("give either a PDB file or --smiles")
    if given.smiles:
        print(f"Wrote {write_conformers(given.smiles, given.output / 'conformers.pdb', given.frames, given.seed)}.")
        return
    pdb = app.PDBFile(str(given.pdb))
    options = dict(frames=given.frames, interval_ps=given.interval_ps, temperature_K=given.temperature)
    options |= dict(step_fs=given.step_fs, seed=given.seed, platform=given.platform)
    file = given.output / f"{given.pdb.stem}.npz"
    print(f"Wrote {label_frames(pdb.topology, pdb.positions, given.force_field, file, **options)}.")


if __name__ == "__main__":
    main()
