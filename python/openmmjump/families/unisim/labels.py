"""Labelled frames for UniSim: molecular dynamics of a molecule, stored with forces and energies.

::

    python -m openmmjump.families.unisim.labels molecule.pdb --force-field amber14-gbn2 --frames 1000 --output labels
    python -m openmmjump.families.unisim.labels --smiles 'CC(=O)NC' --frames 50 --output labels

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

from openmmjump.units import Number, to_unit

#: Force field files of OpenMM by a short name.
FORCE_FIELDS = {
    "amber14-vacuum": ["amber14-all.xml"],
    "amber14-gbn2": ["amber14-all.xml", "implicit/gbn2.xml"],
    "amber14-obc1": ["amber14-all.xml", "implicit/obc1.xml"],
    "charmm36-vacuum": ["charmm36.xml"],
}

#: Residues of PDB files that CHARMM has as patches of the residue they cap: at the start and at the end of a chain.
FIRST_CAPS, LAST_CAPS = ("ACE",), ("NME", "NH2")
#: Molecules of several residues that CHARMM has templates of, where another one (AANM, without CMAP) fits, too.
CHARMM_MOLECULES = {("ACE", "ALA", "NME"): "ALAD"}


def label_frames(
    topology: app.Topology,
    positions: unit.Quantity,
    force_field: str | Sequence[str],
    file: Path,
    *,
    frames: int,
    interval_ps: Number = 1.0,
    temperature_K: Number = 300.0,
    equilibration_ps: Number = 10.0,
    step_fs: Number = 0.5,
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
        platform: of OpenMM; by default the one that OpenMM takes for the fastest: a GPU or OpenCL where there is one,
            else CPU.

    Returns:
        The .npz file: positions (frames, N, 3) nm, forces (frames, N, 3) kJ/mol/nm, energies (frames) kJ/mol.

    Raises:
        ValueError: the force field is not known or doesn't fit the molecule, or the interval is shorter than a step.
    """
    interval_ps = to_unit(interval_ps, unit.picosecond, "interval")
    temperature_K = to_unit(temperature_K, unit.kelvin, "temperature")
    equilibration_ps = to_unit(equilibration_ps, unit.picosecond, "time of equilibration")
    step_fs = to_unit(step_fs, unit.femtosecond, "step")
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
    system = make_system(topology, files)
    settings = temperature_K * unit.kelvin, 1 / unit.picosecond, step_fs * unit.femtosecond
    integrator = openmm.LangevinMiddleIntegrator(*settings)
    integrator.setRandomNumberSeed(seed)
    where = () if platform is None else (openmm.Platform.getPlatform(platform),)
    return app.Simulation(topology, system, integrator, *where)


def make_system(topology: app.Topology, files: Sequence[str]) -> openmm.System:
    """The System of a molecule alone in space, without constraints.

    Args:
        topology: the molecule, without a periodic box; caps of peptides (ACE, NME, NH2) may be residues of their own.
        files: force field files of OpenMM.

    Raises:
        ValueError: the force field doesn't fit the molecule.
    """
    templates = {}
    if any(Path(name).name.startswith("charmm") for name in files):
        topology, templates = join_caps(topology)
    options = dict(nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, removeCMMotion=True)
    force_field = app.ForceField(*files)
    try:
        return force_field.createSystem(topology, residueTemplates=templates, **options)
    except Exception as error:  # OpenMM raises plain Exceptions, too
        raise ValueError(f"The force field {', '.join(files)} doesn't fit the molecule: {error}") from error


def join_caps(topology: app.Topology) -> tuple[app.Topology, dict[app.topology.Residue, str]]:
    """The same molecules with every cap as part of the residue it caps, as CHARMM's patches have them.

    Returns:
        topology: its atoms in the order they were.
        templates: the template of each residue that several templates of CHARMM fit.
    """
    joined, templates, atoms = app.Topology(), {}, {}
    for chain in topology.chains():
        to = joined.addChain(chain.id)
        for group in _capped(list(chain.residues())):
            name = next((r.name for r in group if r.name not in FIRST_CAPS + LAST_CAPS), group[0].name)
            residue = joined.addResidue(name, to, group[0].id)
            for atom in (a for r in group for a in r.atoms()):
                atoms[atom] = joined.addAtom(atom.name, atom.element, residue, atom.id)
            if (template := CHARMM_MOLECULES.get(tuple(r.name for r in group))) is not None:
                templates[residue] = template
    for bond in topology.bonds():
        joined.addBond(atoms[bond.atom1], atoms[bond.atom2])
    return joined, templates


def _capped(residues: Sequence[app.topology.Residue]) -> list[list[app.topology.Residue]]:
    """The residues of a chain in groups, each a residue with its caps."""
    groups: list[list[app.topology.Residue]] = []
    for residue in residues:
        if groups and (groups[-1][-1].name in FIRST_CAPS or residue.name in LAST_CAPS):
            groups[-1].append(residue)
        else:
            groups.append([residue])
    return groups


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
    """The command ``python -m openmmjump.families.unisim.labels``."""
    parser = argparse.ArgumentParser(description="Make labelled frames, or conformers, to train UniSim with.")
    parser.add_argument("pdb", type=Path, nargs="?", help="molecule with all its hydrogens")
    parser.add_argument("--smiles", help="instead of a PDB file: write conformers of this small molecule")
    parser.add_argument("--force-field", choices=FORCE_FIELDS, default="amber14-gbn2")
    parser.add_argument("--frames", type=int, default=1000, help="frames, or conformers, to write")
    parser.add_argument("--interval-ps", type=float, default=1.0, help="time between two frames")
    parser.add_argument("--equilibration-ps", type=float, default=10.0, help="time left out at the start")
    parser.add_argument("--temperature", type=float, default=300.0, help="in K")
    parser.add_argument("--step-fs", type=float, default=0.5, help="step of the dynamics, which has no constraints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--platform", help="of OpenMM; by default the fastest there is")
    parser.add_argument("--output", type=Path, default=Path("labels"), help="folder to write to")
    given = parser.parse_args(arguments)
    if (given.pdb is None) == (given.smiles is None):
        parser.error("give either a PDB file or --smiles")
    if given.smiles:
        print(f"Wrote {write_conformers(given.smiles, given.output / 'conformers.pdb', given.frames, given.seed)}.")
        return
    pdb = app.PDBFile(str(given.pdb))
    options = dict(frames=given.frames, interval_ps=given.interval_ps, temperature_K=given.temperature)
    options |= dict(equilibration_ps=given.equilibration_ps, step_fs=given.step_fs)
    options |= dict(seed=given.seed, platform=given.platform)
    file = given.output / f"{given.pdb.stem}.npz"
    try:
        print(f"Wrote {label_frames(pdb.topology, pdb.positions, given.force_field, file, **options)}.")
    except ValueError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
