"""Seeds, and models and graphs that are found, broken or refused."""

from __future__ import annotations

import copy
import gc

import numpy as np
import openmm
import pytest
from integrator_cases import (
    graph,
    make,
    model,
    molecule,
    platform,
    positions,
    raises_sentence,
    simulate,
)
from openmm import OpenMMException, app
from openmmjump import (
    JumpModel,
    MolecularGraph,
)


def test_seeds(name):
    """Equal seeds give equal runs, other seeds other ones, and 0 is a new seed for every Context."""

    def result(seed):
        made = simulate(name, make(seed))
        made.step(2)
        return positions(made)

    assert np.array_equal(result(3), result(3))
    assert not np.array_equal(result(3), result(4))
    assert not np.array_equal(result(0), result(0))


def test_models_by_name_and_path(tmp_path):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(model().getBytes())
    for where in (file, str(file)):
        assert JumpModel.load(where).getBytes() == model().getBytes()
    loaded = JumpModel(str(file))
    assert (loaded.getName(), loaded.getFamily(), loaded.getLengthScale()) == ("alanine-dipeptide", "pvb", 10)
    assert loaded.getNumParameters() > 1000 and '"alanine-dipeptide"' in loaded.getMetadata()
    assert loaded.knowsAtom(6, 5) and not loaded.knowsAtom(17, 16)
    raises_sentence(FileNotFoundError, "'nonsense'.* 'alanine-dipeptide'", lambda: JumpModel.load("nonsense"))
    raises_sentence(OpenMMException, "nonsense", lambda: JumpModel("nonsense"))


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "header", "directory"])
def test_broken_model_files_are_named(tmp_path, damage):
    whole = model().getBytes()
    file = tmp_path / "broken.safetensors"
    if damage == "directory":
        file.mkdir()
        raises_sentence(FileNotFoundError, r"broken\.safetensors", lambda: JumpModel.load(file))
        raises_sentence(OpenMMException, r"broken\.safetensors", lambda: JumpModel(str(file)))
        return
    content = {
        "empty": b"",
        "text": b"this is not a model file",
        "cut": whole[:-5],
        "header": whole[:8] + whole[8:200].replace(b'"', b"'") + whole[200:],
    }
    file.write_bytes(content[damage])
    raises_sentence(OpenMMException, r"broken\.safetensors", lambda: JumpModel.load(file))
    raises_sentence(OpenMMException, "thing", lambda: JumpModel.fromBytes(content[damage], "thing"))


def peptide(element="C", bonds=True):
    """Topology of three heavy atoms in a residue called ALA."""
    made = app.Topology()
    residue = made.addResidue("ALA", made.addChain())
    symbols = ("N", element, "C")
    atoms = [made.addAtom(s, app.Element.getBySymbol(s), residue) for s in symbols]
    if bonds:
        made.addBond(*atoms[:2])
        made.addBond(*atoms[1:])
    return made


def test_graphs_that_cannot_be_made():
    """One sentence naming the residue or the atom."""
    assert MolecularGraph.fromTopology(peptide(), model()).getNumBonds() == 2
    water = app.Topology()
    water.addAtom("O", app.Element.getBySymbol("O"), water.addResidue("HOH", water.addChain()))
    for topology, options, words in (
        (peptide("Cl"), {}, r"'alanine-dipeptide' was not trained for atom Cl of residue ALA 1.*\(Cl, block type"),
        (peptide(bonds=False), {}, "residue ALA .* has 3 atoms and no bonds"),
        (water, {}, "no heavy atom"),
        (peptide(), {"system": molecule().system}, "Topology has 3 atoms, but the System has 22 particles"),
        (peptide(), {"residues": [4]}, "There is no residue 4"),
        (peptide(), {"atoms": [0, 1]}, "which is not selected"),
    ):
        raises_sentence(ValueError, words, lambda t=topology, o=options: MolecularGraph.fromTopology(t, model(), **o))
    assert MolecularGraph.fromTopology(peptide("Cl")).getAtom(1).atomicNumber == 17  # without a model


def test_items_of_a_graph_outlive_it():
    """Atoms, bonds, stereocentres and riders are copies; so are neighbours and molecules."""
    atoms = [graph().getAtom(i) for i in range(10)]
    bonds = [graph().getBond(i) for i in range(9)]
    riders = [graph().getRidingAtom(i) for i in range(12)]
    center, neighbors = graph().getStereocenter(0), graph().getNeighbors(4)
    omega = graph().getStereoBond(1)
    gc.collect()
    junk = [graph() for _ in range(20)]  # overwrite what was freed
    heavy = [atom for atom in molecule().topology.atoms() if atom.element.symbol != "H"]
    assert [a.particle for a in atoms] == [a.index for a in heavy]
    assert [a.atomicNumber for a in atoms] == [a.element.atomic_number for a in heavy]
    assert not any(a.ligand for a in atoms) and {a.blockType for a in atoms} == {5, 6, 7, 119}
    assert all(0 <= b.atom1 < b.atom2 < 10 for b in bonds)
    assert sorted([*(r.particle for r in riders), *(a.particle for a in atoms)]) == list(range(22))
    names = {heavy[i].name for i in center.atoms}
    assert names == {"CA", "N", "C", "CB"} and heavy[center.atoms[0]].name == "CA" == heavy[4].name
    assert set(neighbors) == set(center.atoms[1:])
    assert [heavy[i].name for i in omega.atoms] == ["CA", "C", "N", "C"]
    assert junk[0].getMolecules() == (0,) * 10
    raises_sentence(OpenMMException, "no model atom 99", lambda: graph().getAtom(99))


def test_a_graph_of_another_system_is_refused(name):
    """When the Context is created, in one sentence; System and integrator can be used further."""
    integrator = make()
    small, massless, coupled = openmm.System(), copy.deepcopy(molecule().system), copy.deepcopy(molecule().system)
    for _ in range(5):
        small.addParticle(12)
    particle = integrator.getMolecularGraph().getAtom(0).particle
    for i in reversed(range(massless.getNumConstraints())):
        massless.removeConstraint(i)
    massless.setParticleMass(particle, 0)
    rider = integrator.getMolecularGraph().getRidingAtom(0)
    far = next(a for a in map(integrator.getMolecularGraph().getAtom, range(10)) if a.particle > 15)
    coupled.addConstraint(rider.particle, far.particle, 0.5)
    found, properties = platform(name)
    for system, words in ((small, "particle"), (massless, "mass"), (coupled, "constraint")):
        raises_sentence(OpenMMException, words, lambda s=system: openmm.Context(s, integrator, found, properties))
    made = simulate(name, integrator)
    made.step(1)
    assert integrator.getStatistics().steps == 1
    raises_sentence(OpenMMException, "already bound", lambda: simulate(name, integrator))
