"""Forces of the System steer jumps: the settings from Python, and what guidance does to the shipped model.

What guidance adds to the drift is tested in C++ (tests/platforms/TestGuidance.cpp), on every platform.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
import pytest
from contract_cases import make, positions, shipped, simulate, solvated_by_formula
from openmm import Context, Platform, VerletIntegrator, app, unit
from openmmjump import GuidanceSettings, data
from openmmjump.demo.guidance import guide
from openmmjump.demo.runs import remove_safeguards

EXAMPLES = Path(__file__).parents[2] / "examples"
GROUP = 7


def test_settings():
    settings = make().getGuidanceSettings()
    assert settings == GuidanceSettings()
    assert (settings.forceGroups, settings.strength, settings.steps) == (0, 1, 0)
    assert (settings.schedule, settings.point) == (GuidanceSettings.FromModel, GuidanceSettings.OnPath)
    for groups, mask in (({0, 5, 31}, (1 | 1 << 5 | 1 << 31) - (1 << 32)), (6, 6), (0xFFFFFFFF, -1), (set(), 0)):
        settings.forceGroups = groups
        assert settings.forceGroups == mask == GuidanceSettings(forceGroups=groups).forceGroups
    settings.forceCap = 1 * unit.kilocalorie_per_mole / unit.angstrom
    assert settings.forceCap == pytest.approx(41.84)
    with pytest.raises(openmm.OpenMMException, match="force groups are numbers from 0 to 31"):
        settings.forceGroups = {32}
    with pytest.raises(TypeError, match=r"the forceCap must be in .* or a compatible unit, not in nanometer"):
        settings.forceCap = 3 * unit.nanometer
    with pytest.raises(openmm.OpenMMException, match="strength"):
        make().setGuidanceSettings(GuidanceSettings(strength=-1))
    with pytest.raises(openmm.OpenMMException, match="largest guiding force"):
        GuidanceSettings(forceCap=0).validate()


def test_settings_survive_pickling():
    settings = GuidanceSettings(
        forceGroups={3}, strength=0.5, schedule=GuidanceSettings.Falling, point=GuidanceSettings.EndPoint, steps=4
    )
    integrator = make()
    integrator.setGuidanceSettings(settings)
    assert pickle.loads(pickle.dumps(integrator)).getGuidanceSettings() == settings != GuidanceSettings()
    assert settings.forceGroups == 8


def proposals(forces, change, name, count=20):
    """Raw jumps of alanine dipeptide from one conformation, with the same noise however they are guided.

    Returns:
        positions `[count, atoms, 3]` in nm, energies `[count]` in kJ/mol, and the integrator
    """
    molecule = solvated_by_formula()
    system = openmm.XmlSerializer.clone(molecule.system)
    for force in forces:
        force.setForceGroup(GROUP)
        system.addForce(force)
    integrator = make(molecule, model=shipped())
    integrator.setIntegrationForceGroups({0})
    remove_safeguards(integrator)
    change(integrator)
    run = simulate(replace(molecule, system=system), integrator, name)
    frames, energies = [], []
    for _ in range(count):
        run.context.setPositions(molecule.positions)
        run.step(1)
        frames.append(positions(run))
        energies.append(integrator.getLastJump().energyProposal)
    return np.array(frames), np.array(energies), integrator


def biases():
    """Forces that a user might steer with, each with what it should make small."""
    molecule = solvated_by_formula()
    ends = (1, 18)  # the carbons of both methyl groups
    target = molecule.positions.copy()
    target[ends[1]] += 0.1

    bond = openmm.CustomBondForce("500*r^2")
    bond.addBond(*ends)

    rmsd = openmm.CustomCVForce("300*rmsd")
    heavy = [int(i) for i in molecule.heavy_atoms]
    rmsd.addCollectiveVariable("rmsd", openmm.RMSDForce(target, heavy))

    torsion = openmm.PeriodicTorsionForce()
    torsion.addTorsion(4, 6, 8, 14, 1, 0.0, 20.0)

    def distance(frames):
        return np.linalg.norm(frames[:, ends[0]] - frames[:, ends[1]], axis=1)

    def deviation(frames):
        import mdtraj

        made = mdtraj.Trajectory(frames, mdtraj.Topology.from_openmm(molecule.topology))
        return mdtraj.rmsd(made, mdtraj.Trajectory(target, made.topology), atom_indices=heavy)

    return {"distance": (bond, distance), "RMSD": (rmsd, deviation), "torsion": (torsion, None)}


@pytest.mark.parametrize("name", ["Reference", "CPU"])
@pytest.mark.parametrize("point", ["OnPath", "EndPoint"])
@pytest.mark.parametrize("bias", ["distance", "RMSD", "torsion"])
def test_any_force_steers(bias, point, name):
    force, measure = biases()[bias]

    def on(integrator):
        integrator.setGuidanceSettings(
            GuidanceSettings(
                forceGroups={GROUP}, schedule=GuidanceSettings.Constant, point=getattr(GuidanceSettings, point)
            )
        )

    guided, _, integrator = proposals([force], on, name)
    free, _, _ = proposals([], lambda integrator: None, name)
    steps = len(integrator.getTimeGrid()) - 1
    assert integrator.getStatistics().guidanceEvaluations == 20 * (steps - 1)  # the last has no noise
    assert np.isfinite(guided).all()
    assert not np.allclose(guided, free, atol=1e-4)
    if measure is not None:
        assert measure(guided).mean() < measure(free).mean() - 2 * measure(free).std() / np.sqrt(len(free))


def test_the_force_field_lowers_the_energy_of_raw_jumps():
    _, free, _ = proposals([], lambda integrator: None, "CPU", count=60)
    _, guided, integrator = proposals([], lambda integrator: guide(integrator, 1.0), "CPU", count=60)
    assert integrator.getStatistics().guidanceEvaluations == 60 * 6
    # 6 kJ/mol in 2000 jumps: docs/guidance.md.
    assert guided.mean() < free.mean() - 2
    assert np.median(guided - free) < -2


def test_example_of_rmsd_guidance(tmp_path):
    command = [sys.executable, EXAMPLES / "guidance_rmsd.py", "--strengths", "0", "400", "--trials", "3"]
    options = ["--limit", "30", "--platform", "Reference", "--out", tmp_path]
    subprocess.run([*command, *options], check=True, capture_output=True)
    free, guided = json.loads((tmp_path / "guidance_rmsd.json").read_text())
    assert free["force_evaluations"] == 0 and guided["force_evaluations"] > 1
    assert guided["jumps"] < free["jumps"]
    assert (tmp_path / "guidance_rmsd.png").stat().st_size > 5000


@pytest.mark.slow
def test_example_of_a_measured_distance(tmp_path):
    """With the shipped model of chignolin: guided at the end point, jumps obey the restraint; unguided they can't."""
    command = [sys.executable, EXAMPLES / "guidance_distance.py", "--runs", "2", "--jumps", "4"]
    subprocess.run([*command, "--platform", "CPU", "--out", tmp_path], check=True, capture_output=True)
    free, on_path, at_end = json.loads((tmp_path / "guidance_distance.json").read_text())
    assert min(row["accepted"] for row in (free, on_path, at_end)) > 0.6
    assert at_end["distance"] < free["distance"] - 0.1
    assert at_end["energy"] == pytest.approx(free["energy"], abs=100)  # no broken structures; MD: sd 26 kJ/mol
    assert (tmp_path / "guidance_distance.png").stat().st_size > 5000


def test_solvent_example_prints_the_table_of_the_documentation(tmp_path):
    command = [sys.executable, EXAMPLES / "guidance_solvent.py", "--solvents", "hexane", "--path", "1", "--end", "0.5"]
    command += ["--jumps", "40", "--platform", "CPU", "--out", tmp_path]
    subprocess.run(command, check=True, capture_output=True, text=True)
    free, on_path, at_end, filtered = json.loads((tmp_path / "guidance_solvent.json").read_text())
    kinds = [row["kind"] for row in (free, on_path, at_end, filtered)]
    assert kinds == ["unguided", "on path, α = 1", "end point, α = 0.5", "filter"]
    assert min(row["accepted"] for row in (free, on_path, at_end)) > 0.9 > filtered["accepted"] > 0.1
    assert np.sum(at_end["histogram"]) == pytest.approx(1)
    assert at_end["histogram"] != on_path["histogram"] != free["histogram"]
    assert (tmp_path / "guidance_solvent.png").stat().st_size > 5000


def test_solvent_example_guides_by_what_changed():
    """The two force groups together have the energy of the new solvent minus that of water."""
    sys.path.insert(0, str(EXAMPLES))
    import guidance_solvent as example

    sys.path.remove(str(EXAMPLES))
    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))

    def energy(system, groups=-1):
        context = Context(system, VerletIntegrator(0.001), Platform.getPlatform("Reference"))
        context.setPositions(pdb.positions)
        return context.getState(energy=True, groups=groups).getPotentialEnergy()._value

    new, water = (example.make_system(pdb.topology, permittivity) for permittivity in (1.9, example.WATER))
    moved = example.move(pdb.topology, 1.9)
    assert energy(moved, {example.NEW, example.OLD}) == pytest.approx(energy(new) - energy(water), abs=1e-6)
    assert energy(moved, {0, example.NEW}) == pytest.approx(energy(new), abs=1e-6)
