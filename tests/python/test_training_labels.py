"""Labelled frames: which force fields fit which molecules, and what is stored."""

from __future__ import annotations

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmjump.families.unisim.labels import FORCE_FIELDS, label_frames, main, make_system
from training_cases import DATA

ALANINE_DIPEPTIDE = DATA.parents[1] / "models" / "alanine-dipeptide" / "alanine-dipeptide.pdb"
CHIGNOLIN = DATA / "chignolin.pdb"


def terms(system: openmm.System, kind: type) -> openmm.Force:
    (force,) = [f for f in system.getForces() if isinstance(f, kind)]
    return force


def charges(system: openmm.System) -> list[float]:
    force = terms(system, openmm.NonbondedForce)
    charge = unit.elementary_charge
    return [force.getParticleParameters(k)[0].value_in_unit(charge) for k in range(force.getNumParticles())]


def with_hydrogen(topology: app.Topology, residue: str, carbon: str, name: str) -> app.Topology:
    """A topology with a hydrogen in the place of a methyl group, whose residue gets another name."""
    modeller = app.Modeller(topology, np.zeros((topology.getNumAtoms(), 3)) * unit.nanometer)
    (changed,) = [r for r in modeller.topology.residues() if r.name == residue]
    (atom,) = [a for a in changed.atoms() if a.name == carbon]
    bonded = {a for bond in modeller.topology.bonds() if atom in bond for a in bond}
    modeller.delete([a for a in bonded if a.element == app.element.hydrogen])
    (changed,) = [r for r in modeller.topology.residues() if r.name == residue]
    changed.name = name
    for atom in changed.atoms():
        if atom.name == carbon:
            atom.element = app.element.hydrogen
    return modeller.topology


def test_charmm_knows_alanine_dipeptide_as_a_peptide():
    """With the backbone map of proteins, which the small molecule of the same atoms hasn't."""
    topology = app.PDBFile(str(ALANINE_DIPEPTIDE)).topology
    system = make_system(topology, FORCE_FIELDS["charmm36-vacuum"])
    assert terms(system, openmm.CMAPTorsionForce).getNumTorsions() == 1
    found = dict(zip([(a.residue.name, a.name) for a in topology.atoms()], charges(system), strict=True))
    expected = {("ACE", "C"): 0.51, ("ALA", "N"): -0.47, ("ALA", "H"): 0.31, ("ALA", "CB"): -0.27, ("NME", "C"): -0.11}
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    assert sum(found.values()) == pytest.approx(0, abs=1e-9)


def test_charmm_has_caps_as_parts_of_the_residues_they_cap():
    """Of ACE-GLY-NH2, which no template fits as a whole."""
    topology = app.PDBFile(str(ALANINE_DIPEPTIDE)).topology
    topology = with_hydrogen(with_hydrogen(topology, "ALA", "CB", "GLY"), "NME", "C", "NH2")
    assert [r.name for r in topology.residues()] == ["ACE", "GLY", "NH2"]
    found = charges(make_system(topology, FORCE_FIELDS["charmm36-vacuum"]))
    names = [(a.residue.name, a.name) for a in topology.atoms()]
    assert found[names.index(("NH2", "N"))] == pytest.approx(-0.62)
    assert found[names.index(("GLY", "CA"))] == pytest.approx(-0.02)
    assert sum(found) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("pdb", [ALANINE_DIPEPTIDE, CHIGNOLIN], ids=lambda pdb: pdb.stem)
def test_the_command_labels_with_charmm(tmp_path, pdb):
    settings = "--frames 3 --interval-ps 0.005 --equilibration-ps 0.01 --platform Reference".split()
    main([str(pdb), "--force-field", "charmm36-vacuum", *settings, "--output", str(tmp_path)])
    labelled = app.PDBFile(str(tmp_path / pdb.name))
    topology = app.PDBFile(str(pdb)).topology
    assert [(a.name, a.residue.name) for a in labelled.topology.atoms()] == [
        (a.name, a.residue.name) for a in topology.atoms()
    ]
    with np.load(tmp_path / f"{pdb.stem}.npz") as stored:
        positions, forces, energies = (stored[name] for name in ("positions", "forces", "energies"))
    assert positions.shape == forces.shape == (3, topology.getNumAtoms(), 3) and len(set(energies)) == 3
    system = make_system(labelled.topology, FORCE_FIELDS["charmm36-vacuum"])
    context = openmm.Context(system, openmm.VerletIntegrator(1e-3), openmm.Platform.getPlatform("Reference"))
    context.setPositions(positions[-1].astype(float))
    state = context.getState(energy=True, forces=True)
    per_nm = unit.kilojoule_per_mole / unit.nanometer
    assert np.abs(state.getForces(asNumpy=True).value_in_unit(per_nm) - forces[-1]).max() < 1  # positions in float32
    assert state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) == pytest.approx(energies[-1], abs=0.1)


def test_a_molecule_that_no_template_fits_is_refused_in_a_sentence(tmp_path, capsys):
    faulty = tmp_path / "faulty.pdb"
    faulty.write_text("".join(line for line in open(ALANINE_DIPEPTIDE) if " HB3 ALA" not in line))
    with pytest.raises(SystemExit) as exit:
        main([str(faulty), "--force-field", "amber14-vacuum", "--output", str(tmp_path)])
    assert exit.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("The force field amber14-all.xml doesn't fit the molecule: No template found for residue 1")


def test_the_default_platform_is_the_fastest(tmp_path, monkeypatch):
    used = []
    step = app.Simulation.step
    monkeypatch.setattr(
        app.Simulation, "step", lambda s, n: (used.append(s.context.getPlatform().getSpeed()), step(s, n))
    )
    pdb = app.PDBFile(str(ALANINE_DIPEPTIDE))
    options = dict(frames=1, interval_ps=0.001, equilibration_ps=0.001)
    label_frames(pdb.topology, pdb.positions, "amber14-vacuum", tmp_path / "a.npz", **options)
    platforms = [openmm.Platform.getPlatform(k) for k in range(openmm.Platform.getNumPlatforms())]
    assert set(used) == {max(p.getSpeed() for p in platforms)} and used[0] > 1  # that of Reference
