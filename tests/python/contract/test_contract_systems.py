"""Systems as people simulate them: water models, ions, proteins, ligands, constraints, dummies, Drude particles."""

from __future__ import annotations

import gzip
import random
from functools import cache
from pathlib import Path

import numpy as np
import openmm
import pytest
from contract_cases import (
    BOLTZ,
    LAG_TIME,
    STEP,
    TEMPERATURE,
    OpenMMException,
    build_vacuum,
    largest_constraint_error,
    make,
    open_gate,
    platform,
    positions,
    raises_sentence,
    shipped,
    simulate,
    time_of,
    vacuum,
    velocities,
    walk,
)  # fmt: skip
from openmm import app, unit
from openmmjump import JumpIntegrator, MolecularGraph, data
from openmmjump.molecule import Molecule
from unisim_cases import make_noise_model

DATA = Path(__file__).parents[2] / "data"
WATER = {  # force field and whether the water is rigid
    "tip3p": ("amber14/tip3p.xml", True),
    "tip4pew": ("amber14/tip4pew.xml", True),
    "spce-flexible": ("amber14/spce.xml", False),
}


def to_nm(quantity):
    return np.array(quantity.value_in_unit(unit.nanometer))


@cache
def solution(water: str) -> Molecule:
    """Alanine dipeptide in a box of water and ions of 2 nm, with PME and a barostat."""
    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    xml, rigid = WATER[water]
    field = app.ForceField("amber14-all.xml", xml)
    modeller = app.Modeller(pdb.topology, pdb.positions)
    model = water.split("-")[0]
    random.seed(1)  # by which OpenMM chooses the places of ions
    modeller.addSolvent(field, model, boxSize=openmm.Vec3(2, 2, 2), ionicStrength=0.5 * unit.molar)
    system = field.createSystem(
        modeller.topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=0.8,
        constraints=app.HBonds,
        rigidWater=rigid,
        hydrogenMass=3 * unit.amu,
    )
    barostat = openmm.MonteCarloBarostat(1, TEMPERATURE, 2)  # not in the first step; often enough to be seen
    barostat.setRandomNumberSeed(1)
    system.addForce(barostat)
    context = openmm.Context(system, openmm.VerletIntegrator(STEP), *platform("CPU"))
    context.setPositions(modeller.positions)
    openmm.LocalEnergyMinimizer.minimize(context, 10, 50)
    return Molecule(modeller.topology, system, positions(context))


@pytest.mark.parametrize("model", [shipped, walk])
@pytest.mark.parametrize("water", WATER)
def test_explicit_water(water, model):
    """Jumps in periodic water with PME, ions and a barostat, the water rigid, with virtual sites, or flexible."""
    molecule = solution(water)
    integrator = make(molecule, model=model(), steps=5)
    integrator.getRelaxationIntegrator().setStepSize(STEP if WATER[water][1] else STEP / 4)
    run = simulate(molecule, integrator, "CPU")
    assert {atom.residue.name for atom in molecule.topology.atoms()} >= {"NA", "CL", "HOH", "ALA"}
    run.context.setVelocitiesToTemperature(TEMPERATURE, 1)
    volume = run.context.getState().getPeriodicBoxVolume()._value
    graph = integrator.getMolecularGraph()
    assert (graph.getNumAtoms(), graph.getNumRidingAtoms()) == (10, 12)
    run.step(3)
    assert integrator.getStatistics().accepted == 3
    assert time_of(run) == pytest.approx(3 * integrator.getStepSize()._value)
    x = positions(run)
    assert largest_constraint_error(run.system, x) < 2e-5 and np.isfinite(x).all()
    assert run.context.getState().getPeriodicBoxVolume()._value != volume
    run.context.computeVirtualSites()
    assert np.abs(positions(run) - x).max() < 1e-5  # they were where they belong
    state = run.context.getState(positions=True, enforcePeriodicBox=True)
    edge = state.getPeriodicBoxVectors(asNumpy=True)._value[0, 0]
    wrapped = state.getPositions(asNumpy=True)._value
    for residue in list(molecule.topology.residues())[::40]:
        center = wrapped[[atom.index for atom in residue.atoms()]].mean(axis=0)
        assert (center > -0.3).all() and (center < edge + 0.3).all()


def moved_by_a_jump(run):
    """The particles that a jump without relaxation moves; constraints are brought in line first, as it would do."""
    run.context.applyConstraints(1e-7)
    before = positions(run)
    run.step(1)
    assert run.integrator.getLastJump().accepted
    return set(np.flatnonzero(np.abs(positions(run) - before).max(axis=1) > 5e-6))  # nm; less is within the tolerance


def test_the_rest_of_the_system_stays():
    """A jump without relaxation moves no particle outside the graph."""
    molecule = solution("tip4pew")
    run = simulate(molecule, open_gate(make(molecule, steps=0)), "CPU")
    moved = moved_by_a_jump(run)
    graph = run.integrator.getMolecularGraph()
    inside = {graph.getAtom(i).particle for i in range(graph.getNumAtoms())}
    inside |= {graph.getRidingAtom(i).particle for i in range(graph.getNumRidingAtoms())}
    assert moved == inside


def test_an_anisotropic_barostat():
    """The box scales along the axes that it may, and only there."""
    molecule = solution("tip3p")
    system = openmm.XmlSerializer.clone(molecule.system)
    system.removeForce(system.getNumForces() - 1)
    barostat = openmm.MonteCarloAnisotropicBarostat(openmm.Vec3(1, 1, 1), TEMPERATURE, False, True, True, 2)
    system.addForce(barostat)
    molecule = Molecule(molecule.topology, system, molecule.positions)
    run = simulate(molecule, make(molecule, steps=10), "CPU")
    before = run.context.getState().getPeriodicBoxVectors(asNumpy=True)._value
    run.step(3)
    after = run.context.getState().getPeriodicBoxVectors(asNumpy=True)._value
    assert before[0, 0] == after[0, 0] and (before[1, 1], before[2, 2]) != (after[1, 1], after[2, 2])
    assert run.integrator.getStatistics().accepted == 3


def test_a_molecule_across_the_box():
    """The same molecule cut by the box, and whole: the same jump. (OpenMM's constraints do not reach across a box.)"""
    molecule = build_vacuum(constraints=None)
    for force in molecule.system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
        elif hasattr(force, "setUsesPeriodicBoundaryConditions"):
            force.setUsesPeriodicBoundaryConditions(True)  # OpenMM's bonds do not look across the box by themselves
    vectors = 4.0 * np.eye(3)
    molecule.system.setDefaultPeriodicBoxVectors(*vectors)
    whole = molecule.positions - molecule.positions.mean(axis=0)
    results = []
    for start in (whole, whole - 4.0 * np.floor(whole / 4.0)):
        run = simulate(Molecule(molecule.topology, molecule.system, start), make(molecule, steps=0))
        run.step(1)
        assert run.integrator.getLastJump().accepted
        results.append(positions(run))
    difference = results[1] - results[0]
    assert np.abs(difference - 4.0 * np.round(difference / 4.0)).max() < 1e-6
    assert np.ptp(whole - 4.0 * np.floor(whole / 4.0), axis=0).max() > 3  # it was cut


# ------------------------------------------------------------------------------------------------------- many molecules


def two_molecules():
    """Two alanine dipeptides 2 nm apart, in vacuum."""
    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.add(pdb.topology, (to_nm(pdb.positions) + np.array([2.0, 0, 0])) * unit.nanometer)
    system = app.ForceField("amber14-all.xml").createSystem(modeller.topology, constraints=app.HBonds)
    return Molecule(modeller.topology, system, to_nm(modeller.positions))


def test_several_molecules_in_one_graph(name):
    """Both jump, independently."""
    molecule = two_molecules()
    graph = MolecularGraph.fromTopology(molecule.topology, walk(), system=molecule.system)
    assert sorted(set(graph.getMolecules())) == [0, 1]
    run = simulate(molecule, open_gate(make(molecule, graph=graph, steps=0)), name)
    before = positions(run)
    run.step(1)
    moved = positions(run) - before
    first, second = moved[:22], moved[22:]
    assert np.abs(first).max() > 1e-4 and np.abs(second).max() > 1e-4 and np.abs(first - second).max() > 1e-4
    assert largest_constraint_error(run.system, positions(run)) < 2e-5


def test_part_of_a_system(name):
    """One of two molecules jumps; the other is moved by the relaxation only."""
    molecule = two_molecules()
    residues = [residue.index for residue in molecule.topology.residues()][:3]
    graph = MolecularGraph.fromTopology(molecule.topology, walk(), system=molecule.system, residues=residues)
    run = simulate(molecule, open_gate(make(molecule, graph=graph, steps=0)), name)
    assert moved_by_a_jump(run) == set(range(22))
    run.integrator.setRelaxationSteps(10)
    assert moved_by_a_jump(run) == set(range(44))


def test_part_of_a_molecule_is_refused():
    """A jump would tear the bond between what it moves and what it does not."""
    molecule = vacuum()
    action = lambda: MolecularGraph.fromTopology(molecule.topology, walk(), residues=[0])  # noqa: E731
    raises_sentence("select whole molecules", action, ValueError)


def test_chignolin():
    """A small protein, all of it: sound geometry after jumps that move every atom."""
    pdb = app.PDBFile(str(DATA / "chignolin.pdb"))
    system = openmm.XmlSerializer.deserialize((DATA / "chignolin.system.xml").read_text())
    molecule = Molecule(pdb.topology, system, to_nm(pdb.positions))
    run = simulate(molecule, make(molecule, steps=5), "CPU")
    run.minimizeEnergy(maxIterations=20)
    before = positions(run)
    run.step(3)
    assert run.integrator.getStatistics().accepted == 3
    assert (np.abs(positions(run) - before).max(axis=1) > 0).all()
    assert largest_constraint_error(system, positions(run)) < 2e-5


@pytest.fixture(scope="module")
def lysozyme(tmp_path_factory):
    """T4 lysozyme L99A with p-xylene, as Amber files."""
    folder = tmp_path_factory.mktemp("lysozyme")
    for file in ("complex.prmtop", "complex.crd"):
        (folder / file).write_bytes(gzip.decompress((DATA / "t4-lysozyme" / f"{file}.gz").read_bytes()))
    prmtop = app.AmberPrmtopFile(str(folder / "complex.prmtop"))
    system = prmtop.createSystem(
        nonbondedMethod=app.CutoffNonPeriodic, nonbondedCutoff=1.0, constraints=app.HBonds, implicitSolvent=None
    )
    return Molecule(prmtop.topology, system, to_nm(app.AmberInpcrdFile(str(folder / "complex.crd")).positions))


def test_a_protein_with_its_ligand(lysozyme):
    """Protein and ligand are two molecules of one graph, which says which is which; both jump."""
    graph = MolecularGraph.fromTopology(lysozyme.topology, walk(), system=lysozyme.system, ligand_residues=["TMP"])
    assert (graph.getNumAtoms(), len(set(graph.getMolecules()))) == (1298, 2)
    assert sum(graph.getAtom(i).ligand for i in range(graph.getNumAtoms())) == 8
    run = simulate(lysozyme, make(lysozyme, graph=graph, steps=2), "CPU")
    before = positions(run)
    run.step(1)
    assert run.integrator.getLastJump().accepted
    moved = np.abs(positions(run) - before).max(axis=1)
    assert (moved > 0).all() and moved.max() < 0.05
    assert largest_constraint_error(run.system, positions(run)) < 2e-5


def test_only_the_ligand(lysozyme):
    """The ligand jumps in its pocket, the protein does not."""
    ligand = [r.index for r in lysozyme.topology.residues() if r.name == "TMP"]
    graph = MolecularGraph.fromTopology(
        lysozyme.topology, walk(), system=lysozyme.system, ligand_residues=["TMP"], residues=ligand
    )
    assert (graph.getNumAtoms(), graph.getNumRidingAtoms()) == (8, 10)
    run = simulate(lysozyme, open_gate(make(lysozyme, graph=graph, steps=0)), "CPU")
    assert moved_by_a_jump(run) == set(range(2621 - 18, 2621))


def test_a_model_that_does_not_know_the_molecule():
    """The shipped model knows alanine dipeptide only, and the sentence names the first atom it does not know."""
    pdb = app.PDBFile(str(DATA / "chignolin.pdb"))
    raises_sentence(
        "was not trained for atom",
        lambda: MolecularGraph.fromTopology(pdb.topology, shipped()),
        ValueError,
    )
    system = openmm.XmlSerializer.deserialize((DATA / "chignolin.system.xml").read_text())
    molecule = Molecule(pdb.topology, system, to_nm(pdb.positions))
    graph = MolecularGraph.fromTopology(pdb.topology, walk(), system=system)
    integrator = make(molecule, model=shipped(), graph=graph)
    raises_sentence("was not trained for", lambda: openmm.Context(system, integrator, *platform("Reference")))


# ---------------------------------------------------------------------------------------------------------- constraints


@pytest.mark.parametrize("constraints", [None, app.HBonds])
def test_constraints(name, constraints):
    """None and HBonds work: lengths are kept through jumps."""
    molecule = build_vacuum(constraints)
    integrator = make(molecule, steps=5)
    integrator.getRelaxationIntegrator().setStepSize(0.0005)
    run = simulate(molecule, integrator, name)
    run.minimizeEnergy(maxIterations=50)
    for _ in range(5):
        run.step(1)
        assert largest_constraint_error(run.system, positions(run)) < 2e-5
    assert integrator.getStatistics().accepted == 5


def test_constrained_hydrogens_are_model_atoms(name):
    """A model that moves hydrogens keeps HBonds: the end of a jump is put on the constraints."""
    molecule, model = build_vacuum(app.HBonds), make_noise_model()
    graph = MolecularGraph.fromTopology(molecule.topology, model, system=molecule.system)
    assert graph.getNumRidingAtoms() == 0
    integrator = make(molecule, model=model, graph=graph, steps=5)
    run = simulate(molecule, integrator, name)
    for _ in range(10):
        run.step(1)
        assert largest_constraint_error(run.system, positions(run)) < 2e-5
    assert integrator.getStatistics().accepted > 5


@pytest.mark.parametrize("constraints", [app.AllBonds, app.HAngles])
def test_constraints_between_heavy_atoms(name, constraints):
    """Refused in one sentence when the Context is made; or, if jumps learn to keep them, they hold."""
    molecule = build_vacuum(constraints)
    integrator = make(molecule, steps=5)
    try:
        run = simulate(molecule, integrator, name)
    except OpenMMException as error:
        assert "constraint" in str(error) and "constraints=HBonds" in str(error) and "\n" not in str(error)
        return
    run.minimizeEnergy(maxIterations=50)
    for _ in range(5):
        run.step(1)
        assert largest_constraint_error(run.system, positions(run)) < 2e-5
    assert integrator.getStatistics().accepted > 0


def test_a_flexible_rigid_mix(name):
    """A constraint between a hydrogen and an atom it does not ride on is refused, one outside the graph is not."""
    molecule = two_molecules()
    residues = [residue.index for residue in molecule.topology.residues()][:3]
    graph = MolecularGraph.fromTopology(molecule.topology, walk(), system=molecule.system, residues=residues)
    x = molecule.positions
    molecule.system.addConstraint(26, 28, float(np.linalg.norm(x[26] - x[28])))  # in the molecule that does not jump
    run = simulate(molecule, make(molecule, graph=graph), name)
    run.step(1)
    assert largest_constraint_error(run.system, positions(run)) < 2e-5
    molecule.system.addConstraint(0, 30, float(np.linalg.norm(x[0] - x[30])))
    raises_sentence("constraint", lambda: simulate(molecule, make(molecule, graph=graph), name))


# --------------------------------------------------------------------------------------------- particles without a mass


def test_massless_particles(name):
    """A dummy outside the graph stays where it is; a massless atom of the graph is refused."""
    molecule = vacuum()
    molecule.system.addParticle(0)
    for force in molecule.system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.addParticle(0, 0.1, 0)
    anchor = openmm.CustomBondForce("10 * r^2")
    anchor.addBond(8, molecule.system.getNumParticles() - 1)
    molecule.system.addForce(anchor)
    graph = MolecularGraph.fromTopology(molecule.topology, walk())
    start = np.vstack([molecule.positions, [0.3, 0.3, 0.3]])
    context = openmm.Context(molecule.system, make(graph=graph), *platform(name))
    context.setPositions(start)
    context.getIntegrator().step(3)
    assert context.getIntegrator().getStatistics().accepted == 3
    assert np.allclose(positions(context)[-1], start[-1], atol=1e-7) and not velocities(context)[-1].any()

    unconstrained = build_vacuum(None)
    unconstrained.system.setParticleMass(8, 0)
    raises_sentence("has no mass, so it is held fixed", lambda: simulate(unconstrained, make(unconstrained), name))


def test_position_restraints(name):
    """Restraints are Forces like others: jumps that pull away are rejected by the energy, and the rest stays near."""
    molecule = vacuum()
    restraint = openmm.CustomExternalForce("1000 * ((x-x0)^2 + (y-y0)^2 + (z-z0)^2)")
    for parameter in ("x0", "y0", "z0"):
        restraint.addPerParticleParameter(parameter)
    for atom in molecule.heavy_atoms:
        restraint.addParticle(int(atom), molecule.positions[atom])
    molecule.system.addForce(restraint)
    run = simulate(molecule, make(molecule, steps=5), name)
    for _ in range(20):
        run.step(1)
    deviation = np.sqrt(((positions(run) - molecule.positions)[molecule.heavy_atoms] ** 2).sum(axis=1).mean())
    assert deviation < 3 * np.sqrt(3 * BOLTZ * TEMPERATURE / 2000)


def test_virtual_sites_in_the_graph(name):
    """A site of the jumping molecule rides with it and is where its parents put it."""
    molecule = vacuum()
    site = molecule.system.addParticle(0)
    molecule.system.setVirtualSite(site, openmm.TwoParticleAverageSite(4, 8, 0.4, 0.6))
    for force in molecule.system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.addParticle(0.1, 0.1, 0)
            force.addException(site, 4, 0, 0.1, 0)
            force.addException(site, 8, 0, 0.1, 0)
    graph = MolecularGraph.fromTopology(molecule.topology, walk())
    first = next(i for i in range(graph.getNumAtoms()) if graph.getAtom(i).particle == 4)
    graph.addRidingAtom(site, first)
    context = openmm.Context(molecule.system, make(graph=graph, steps=2), *platform(name))
    context.setPositions(np.vstack([molecule.positions, [0, 0, 0]]))
    context.computeVirtualSites()
    for _ in range(5):
        context.getIntegrator().step(1)
        x = positions(context)
        assert np.abs(x[site] - 0.4 * x[4] - 0.6 * x[8]).max() < 1e-6
    assert context.getIntegrator().getStatistics().accepted == 5


@pytest.mark.parametrize(
    "relaxation",
    [
        lambda: openmm.DrudeLangevinIntegrator(TEMPERATURE, 1, 1, 20, 0.001),
        lambda: openmm.DrudeSCFIntegrator(0.0005),
        lambda: openmm.LangevinMiddleIntegrator(TEMPERATURE, 1, 0.0001),
    ],
    ids=["DrudeLangevin", "DrudeSCF", "LangevinMiddle"],
)
def test_drude_particles(relaxation):
    """Refused in one sentence, or the relative motion of a Drude pair keeps its own low temperature."""
    pdb = app.PDBFile(data.path("alanine-dipeptide.pdb"))
    field = app.ForceField("charmm_polar_2019.xml")
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.addExtraParticles(field)
    system = field.createSystem(modeller.topology, constraints=app.HBonds)
    molecule = Molecule(modeller.topology, system, to_nm(modeller.positions))
    try:
        run = simulate(molecule, make(molecule, relaxation=relaxation(), steps=0))
    except OpenMMException as error:
        assert "Drude" in str(error) and "\n" not in str(error)
        return
    drude = next(f for f in system.getForces() if isinstance(f, openmm.DrudeForce))
    pairs = [tuple(drude.getParticleParameters(i)[:2]) for i in range(drude.getNumParticles())]
    masses = np.array([system.getParticleMass(i)._value for i in range(system.getNumParticles())])
    kinetic = []
    for _ in range(20):
        run.step(1)
        v = velocities(run)
        kinetic += [
            0.5 * masses[i] * masses[j] / (masses[i] + masses[j]) * ((v[i] - v[j]) ** 2).sum() for i, j in pairs
        ]
    assert np.mean(kinetic) / (1.5 * BOLTZ) < 10  # K


# ------------------------------------------------------------------------------------------------------------ platforms


def test_opencl_like_reference():
    """Furniture on a device: time, steps, constraints, groups and checkpoints in one Context."""
    molecule = vacuum()
    run = simulate(molecule, make(molecule, steps=3), "OpenCL")
    run.step(2)
    checkpoint, at = run.context.createCheckpoint(), positions(run)
    run.step(2)
    assert time_of(run) == pytest.approx(4 * (LAG_TIME + 3 * STEP)) and run.currentStep == 4
    assert largest_constraint_error(run.system, positions(run)) < 2e-5
    run.context.loadCheckpoint(checkpoint)
    assert run.integrator.getJumpNumber() == 2 and np.array_equal(positions(run), at)
    run.minimizeEnergy(maxIterations=5)
    run.context.setVelocitiesToTemperature(TEMPERATURE, 1)
    run.context.setPositions(positions(run) + 3.0)
    run.step(1)
    assert abs(positions(run).mean() - at.mean() - 3.0) < 0.05
    assert isinstance(run.integrator, JumpIntegrator) and run.integrator.getStatistics().accepted == 5
    run.context.reinitialize(preserveState=True)
    run.step(1)
    assert run.currentStep == 4
