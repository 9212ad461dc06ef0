"""MolecularGraph.fromTopology: every atom accounted for, blocks, bonds, stereocentres, riding atoms, plain errors."""

import os
from pathlib import Path
from types import SimpleNamespace

import openmm
import pytest
from openmm import app, unit
from openmmjump import data as shipped
from openmmjump import topology
from rdkit import Chem
from rdkit.Chem import AllChem

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
ALANINE_DIPEPTIDE = ROOT / "python/openmmjump/data/alanine-dipeptide/alanine-dipeptide.pdb"


@pytest.fixture
def make():
    """fromTopology with any options."""
    return topology.fromTopology


def model_atoms(graph):
    return [graph.getAtom(i) for i in range(graph.getNumAtoms())]


def riders(graph):
    """Parent particle of each riding particle."""
    items = [graph.getRidingAtom(i) for i in range(graph.getNumRidingAtoms())]
    return {rider.particle: graph.getAtom(rider.parent).particle for rider in items}


def bonds(graph):
    """Bond order by pair of particles."""
    items = [graph.getBond(i) for i in range(graph.getNumBonds())]
    return {(graph.getAtom(b.atom1).particle, graph.getAtom(b.atom2).particle): b.order for b in items}


def stereocenters(graph):
    """Particles of each stereocentre."""
    items = [graph.getStereocenter(i) for i in range(graph.getNumStereocenters())]
    return [tuple(graph.getAtom(i).particle for i in item.atoms) for item in items]


def stereo_bonds(graph):
    """Particles of each stereo bond."""
    items = [graph.getStereoBond(i) for i in range(graph.getNumStereoBonds())]
    return [tuple(graph.getAtom(i).particle for i in item.atoms) for item in items]


def named(top, centers):
    atoms = list(top.atoms())
    return [(atoms[c[0]].residue.name, " ".join(atoms[i].name for i in c)) for c in centers]


def assert_complete(graph, top):
    """Every atom outside water and ions is a model atom or a rider, in the order of the Topology."""
    expected = [a for a in top.atoms() if a.residue.name not in ("HOH", "NA", "CL", "Na", "Cl")]
    heavy = [a.index for a in expected if a.element is not None and a.element.atomic_number > 1]
    light = [a.index for a in expected if a.element is None or a.element.atomic_number == 1]
    assert [atom.particle for atom in model_atoms(graph)] == heavy
    assert list(riders(graph)) == light


def alanine_dipeptide():
    return app.PDBFile(str(ALANINE_DIPEPTIDE))


def build_peptide(names, templates=None):
    """A Topology with the atoms and bonds of Amber's residue templates; MSE is made of MET."""
    templates = templates or app.ForceField("amber14-all.xml")._templates
    top = app.Topology()
    chain, previous = top.addChain("A"), None
    for name in names:
        template = templates["MET" if name == "MSE" else name]
        residue = top.addResidue(name, chain)
        atoms = []
        for atom in template.atoms:
            selenium = name == "MSE" and atom.name == "SD"
            element = app.element.selenium if selenium else atom.element
            atoms.append(top.addAtom("SE" if selenium else atom.name, element, residue))
        for i, j in template.bonds:
            top.addBond(atoms[i], atoms[j])
        by_name = {atom.name: atom for atom in atoms}
        if previous is not None:
            top.addBond(previous, by_name["N"])
        previous = by_name.get("C")
    return top


def build_ligand(smiles, name="LIG"):
    """Topology and RDKit molecule of a SMILES string with explicit hydrogens and bond orders."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    Chem.Kekulize(molecule)
    top = app.Topology()
    residue = top.addResidue(name, top.addChain("L"))
    atoms = [
        top.addAtom(f"{a.GetSymbol()}{a.GetIdx()}", app.Element.getByAtomicNumber(a.GetAtomicNum()), residue)
        for a in molecule.GetAtoms()
    ]
    types = {1.0: app.topology.Single, 2.0: app.topology.Double, 3.0: app.topology.Triple}
    for b in molecule.GetBonds():
        order = b.GetBondTypeAsDouble()
        top.addBond(atoms[b.GetBeginAtomIdx()], atoms[b.GetEndAtomIdx()], types[order], int(order))
    return top, molecule


# ---- Alanine dipeptide ---------------------------------------------------------------------------------------------


def test_alanine_dipeptide(make):
    pdb = alanine_dipeptide()
    graph = make(pdb.topology)
    assert_complete(graph, pdb.topology)
    assert graph.getNumAtoms() == 10
    assert graph.getNumRidingAtoms() == 12
    names = [a.residue.name + "-" + a.name for a in pdb.topology.atoms()]
    assert [names[a.particle] for a in model_atoms(graph)] == (
        "ACE-CH3 ACE-C ACE-O ALA-N ALA-CA ALA-CB ALA-C ALA-O NME-N NME-C".split()
    )
    # Caps have element blocks; alanine is the second residue of the vocabulary.
    assert [a.blockType for a in model_atoms(graph)] == [5, 5, 7, 119, 119, 119, 119, 119, 6, 5]
    assert [a.atomicNumber for a in model_atoms(graph)] == [6, 6, 8, 7, 6, 6, 6, 8, 7, 6]
    assert not any(a.ligand for a in model_atoms(graph))
    assert graph.getNumBonds() == 9
    assert named(pdb.topology, stereocenters(graph)) == [("ALA", "CA N C CB")]
    assert named(pdb.topology, stereo_bonds(graph)) == [("ACE", "CH3 C N CA"), ("ALA", "CA C N C")]
    for hydrogen, parent in riders(graph).items():
        assert names[hydrogen].split("-")[0] == names[parent].split("-")[0]


def test_shipped_structure_fits_the_force_field(make):
    pdb = app.PDBFile(shipped.path("alanine-dipeptide.pdb"))
    field = app.ForceField("amber14-all.xml", "implicit/gbn2.xml")
    system = field.createSystem(pdb.topology, constraints=app.HBonds)
    assert pdb.topology.getNumAtoms() == system.getNumParticles() == 22
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPositions(pdb.positions)
    energy = context.getState(energy=True).getPotentialEnergy()
    assert energy < -130 * unit.kilojoules_per_mole  # minimised
    make(pdb.topology, system=system)


def test_unknown_shipped_file_lists_the_known_ones():
    with pytest.raises(FileNotFoundError, match=r"alanine-dipeptide\.pdb"):
        shipped.path("benzene.pdb")


# ---- Residues ------------------------------------------------------------------------------------------------------


def test_capped_peptide_with_variants(make):
    names = "ACE HIE CYX MSE LYN HID ASH GLH ILE THR GLY NME".split()
    top = build_peptide(names)
    graph = make(top)
    assert_complete(graph, top)
    blocks = {r.name: set() for r in top.residues()}
    for atom, source in zip(model_atoms(graph), (a for a in top.atoms() if a.element.atomic_number > 1), strict=True):
        blocks[source.residue.name].add(atom.blockType)
        assert atom.atomicNumber == source.element.atomic_number
    order = topology.RESIDUE_BLOCKS
    standard = dict(HIE="HIS", CYX="CYS", MSE="MET", LYN="LYS", HID="HIS", ASH="ASP", GLH="GLU", ILE="ILE", THR="THR")
    for name, residue in standard.items():
        assert blocks[name] == {118 + order.index(residue)}, name
    assert blocks["ACE"] == {5, 7}
    assert blocks["NME"] == {5, 6}
    centers = named(top, stereocenters(graph))
    assert [c for c in centers if c[0] == "ILE"] == [("ILE", "CA N C CB"), ("ILE", "CB CA CG2 CG1")]
    assert [c for c in centers if c[0] == "THR"] == [("THR", "CA N C CB"), ("THR", "CB CA CG2 OG1")]
    omegas = named(top, stereo_bonds(graph))
    assert omegas == [("ACE", "CH3 C N CA"), *((name, "CA C N CA") for name in names[1:-2]), ("GLY", "CA C N CH3")]
    assert len(centers) == 9 + 2
    assert not any(c[0] in ("ACE", "GLY", "NME") for c in centers)


def test_vocabulary():
    assert topology.RESIDUE_BLOCKS == (
        "GLY ALA VAL LEU ILE PHE TRP TYR ASP HIS ASN GLU LYS GLN MET ARG SER THR CYS PRO".split()
    )
    assert topology.block_type("GLY", 6) == 118
    assert topology.block_type("PRO", 7) == 137
    assert topology.block_type("pro", 7) == 137
    assert topology.block_type("ZN", 30) == 29
    assert topology.block_type("ALA", 6, ligand=True) == 5


@pytest.mark.parametrize(
    ("name", "residue"),
    [
        *dict(HIP="HIS", HSD="HIS", HSP="HIS", CHIE="HIS", CYM="CYS", NALA="ALA", NMET="MET", ARN="ARG").items(),
        *dict.fromkeys(("NLE", "NME", "SEP", "DA", "")).items(),
    ],
)
def test_residue_names(name, residue):
    assert topology.standard_residue(name) == residue


def test_chignolin(make):
    pdb = app.PDBFile(str(DATA / "chignolin.pdb"))
    graph = make(pdb.topology)
    assert_complete(graph, pdb.topology)
    assert graph.getNumAtoms() == 77
    names = [a.name for a in pdb.topology.atoms()]
    oxt = next(a for a in model_atoms(graph) if names[a.particle] == "OXT")
    assert oxt.blockType == 118  # stays in its glycine
    centers = named(pdb.topology, stereocenters(graph))
    assert [c for c in centers if c[1] != "CA N C CB"] == [("THR", "CB CA OG1 CG2")] * 2
    assert len(centers) == 7 + 2
    # The peptide bonds, that before proline as well; the amide of asparagine has only hydrogens.
    residues = [residue.name for residue in pdb.topology.residues()]
    assert "PRO" in residues
    assert named(pdb.topology, stereo_bonds(graph)) == [(name, "CA C N CA") for name in residues[:-1]]


def test_named_stereocentres_without_hydrogens(make):
    pdb = app.PDBFile(str(DATA / "chignolin.pdb"))
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.delete([a for a in pdb.topology.atoms() if a.element.atomic_number == 1])
    expected = named(pdb.topology, stereocenters(make(pdb.topology)))
    graph = make(modeller.topology)
    assert graph.getNumRidingAtoms() == 0
    assert named(modeller.topology, stereocenters(graph)) == expected
    assert named(modeller.topology, stereo_bonds(graph)) == named(pdb.topology, stereo_bonds(make(pdb.topology)))
    # Positions add nothing here: the other carbons with three heavy neighbours are flat.
    graph = make(modeller.topology, positions=modeller.positions)
    assert named(modeller.topology, stereocenters(graph)) == expected


# ---- Ligands -------------------------------------------------------------------------------------------------------


def test_ligand_beside_a_peptide(make):
    pdb = alanine_dipeptide()
    ligand, _ = build_ligand("CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O")
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.add(ligand, [openmm.Vec3(2, 0, 0.1 * i) for i in range(ligand.getNumAtoms())] * unit.nanometer)
    top = modeller.topology
    graph = make(top)
    assert_complete(graph, top)
    own = model_atoms(graph)[10:]
    assert len(own) == 15
    assert all(a.ligand and a.blockType == a.atomicNumber - 1 for a in own)
    assert not any(a.ligand for a in model_atoms(graph)[:10])
    orders = list(bonds(graph).values())
    assert sorted(orders[9:]) == [1] * 11 + [2] * 4  # Kekule benzene and the carboxyl group
    assert orders[:9] == [0] * 9  # the PDB file does not say
    assert len(stereocenters(graph)) == 2  # CA and the chiral carbon of ibuprofen; isopropyl is none
    # Other ways to name the ligand, and no ligand at all.
    for chosen in ("LIG", ["LIG"], [3], [list(top.residues())[3]]):
        assert [a.ligand for a in model_atoms(make(top, ligand_residues=chosen))] == [False] * 10 + [True] * 15
    assert not any(a.ligand for a in model_atoms(make(top, ligand_residues=())))


@pytest.mark.parametrize(
    ("smiles", "count"),
    [
        ("C[C@@H](O)[C@H](N)C(=O)O", 2),  # threonine
        ("CC(C)C", 0),  # isobutane
        ("CC(F)Cl", 1),
        ("OC1CCCCC1O", 2),
        ("OC1CCC(C)CC1", 2),  # cis or trans: both arms of each centre are alike
        ("OCC(O)C(O)C(O)CO", 3),  # xylitol: the middle centre is pseudoasymmetric
        ("C1CCCCC1C", 0),
        ("OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O", 5),  # glucose
        ("C[C@]12CC[C@H]3[C@@H](CCc4cc(O)ccc34)[C@@H]1CC[C@@H]2O", 5),  # oestradiol
        ("c1ccccc1C#N", 0),
    ],
)
def test_stereocentres_are_those_of_rdkit(make, smiles, count):
    top, molecule = build_ligand(smiles)
    centers = stereocenters(make(top))
    assert len(centers) == count
    for center, *others in centers:
        near = {a.GetIdx() for a in molecule.GetAtomWithIdx(center).GetNeighbors()}
        assert set(others) <= near
        assert all(molecule.GetAtomWithIdx(i).GetAtomicNum() > 1 for i in others)
    Chem.AssignStereochemistry(molecule, force=True, flagPossibleStereoCenters=True, cleanIt=True)
    rdkit = {i for i, _ in Chem.FindMolChiralCenters(molecule, includeUnassigned=True, useLegacyImplementation=False)}
    assert {c[0] for c in centers} >= rdkit


def test_stereocentre_of_a_ligand_without_hydrogens(make):
    top, molecule = build_ligand("C[C@@H](c1ccccc1)C(=O)O")
    AllChem.EmbedMolecule(molecule, randomSeed=1)
    xyz = molecule.GetConformer().GetPositions() * unit.angstrom
    modeller = app.Modeller(top, xyz)
    modeller.delete([a for a in top.atoms() if a.element.atomic_number == 1])
    assert stereocenters(make(modeller.topology)) == []
    assert [c[0] for c in stereocenters(make(modeller.topology, positions=modeller.positions))] == [1]


@pytest.mark.parametrize(
    ("smiles", "elements"),
    [
        ("CC=CC", ["CCCC"]),  # but-2-ene
        ("CC=C", []),  # propene
        ("CC(C)=CC", []),  # two methyl groups at one end
        ("CCC(C)=CC", ["CCCC"]),
        ("c1ccccc1C=Cc1ccccc1", ["CCCC"]),  # stilbene
        ("c1ccccc1N=Nc1ccccc1", ["CNNC"]),  # azobenzene
        ("CC=NC", ["CCNC"]),
        ("CC=NO", ["CCNO"]),  # acetaldoxime
        ("CC(C)=NO", []),  # acetone oxime
        ("CC=N", []),  # an imine of hydrogen
        ("CC=C=CC", []),  # an allene turns by 90 degrees, not 180
        ("CC=CC=CC", ["CCCC", "CCCC"]),  # hexadiene
        ("C1CCCCC=C1", []),  # cycloheptene
        ("C1CCCCCC=C1", ["CCCC"]),  # cyclooctene
        ("Oc1ccccc1", []),
        ("CN=C(N)N", []),  # methylguanidine
        ("FC=CCl", ["FCCCl"]),
        ("CC(=O)NC", ["CCNC"]),
        ("CC(=O)N(C)CC", ["CCNC"]),
        ("CC(=O)N(C)C", ["CCNC"]),
        ("O=CNC", ["OCNC"]),  # an amide of formic acid
        ("CC(=O)N", []),  # a primary amide
        ("COC(=O)NC", ["OCNC"]),  # a carbamate
        ("CNC(=O)NC", ["NCNC", "NCNC"]),  # a urea
        ("CC(=O)OC", []),  # esters turn
        ("O=C1NCCCC1", []),  # a lactam
        ("CC(O)NC", []),
        ("O=C1NCC(=O)NC1", []),  # diketopiperazine
        ("Cn1cnc2c1c(=O)n(C)c(=O)n2C", []),  # caffeine
    ],
)
def test_stereo_bonds(make, smiles, elements):
    top, _ = build_ligand(smiles)
    symbols = [atom.element.symbol for atom in top.atoms()]
    graph = make(top)
    assert ["".join(symbols[i] for i in four) for four in stereo_bonds(graph)] == elements
    assert stereo_bonds(graph) == topology.find_stereo_bonds(top)


def test_stereo_bonds_of_double_bonds_are_those_of_rdkit(make):
    for smiles in (
        "CC=CC(C)=C(CC)C=C",
        "OC(=O)C=CC(=O)O",
        "CC1=C(C(C)(C)CCC1)C=CC(C)=CC=CC(C)=CC=O",  # retinal
        "CC(=NO)C(=NOC)c1ccccc1",
        "C1CCC1=CC",
        "CCCCC=CCC=CCCCCCCCC(=O)O",  # linoleic acid
    ):
        top, molecule = build_ligand(smiles)
        found = {frozenset(four[1:3]) for four in stereo_bonds(make(top))}
        Chem.FindPotentialStereoBonds(molecule, cleanIt=True)
        expected = {
            frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))
            for bond in molecule.GetBonds()
            if bond.GetStereo() != Chem.BondStereo.STEREONONE
        }
        assert found == expected, smiles


def test_peptide_bond_before_proline_whatever_the_order_of_its_atoms(make):
    top = build_peptide(["ACE", "ALA", "PRO", "NME"])  # the template has CD before CA
    assert named(top, stereo_bonds(make(top)))[1:] == [("ALA", "CA C N CA"), ("PRO", "CA C N CH3")]


def test_stereo_bonds_are_sorted_and_survive_copies(make):
    import copy
    import pickle

    top = build_peptide(["ACE", "ALA", "PRO", "GLY", "NME"])
    graph = make(top)
    fours = stereo_bonds(graph)
    assert len(fours) == 4 and fours == sorted(fours, key=lambda four: sorted(four[1:3]))
    for other in (copy.copy(graph), copy.deepcopy(graph), pickle.loads(pickle.dumps(graph)), make(top)):
        assert stereo_bonds(other) == fours


def test_double_bonds_need_their_order(make):
    top = app.Topology()
    residue = top.addResidue("LIG", top.addChain())
    atoms = [top.addAtom(f"C{i}", app.element.carbon, residue) for i in range(4)]
    for i, j in ((0, 1), (1, 2), (2, 3)):
        top.addBond(atoms[i], atoms[j])
    assert stereo_bonds(make(top)) == []
    top.addBond(atoms[2], atoms[1], app.topology.Double, 2)  # told twice, once with its order
    assert stereo_bonds(make(top)) == [(0, 1, 2, 3)]


def test_deuterium_rides_and_does_not_distinguish(make):
    top = app.Topology()
    residue = top.addResidue("LIG", top.addChain())
    carbon = top.addAtom("C", app.element.carbon, residue)
    oxygen = top.addAtom("O", app.element.oxygen, residue)
    top.addBond(carbon, oxygen)
    for i, element in enumerate([app.element.deuterium, app.element.hydrogen, app.element.hydrogen]):
        top.addBond(carbon, top.addAtom(f"H{i}", element, residue))
    graph = make(top)
    assert riders(graph) == {2: 0, 3: 0, 4: 0}
    assert stereocenters(graph) == []


# ---- Water, ions, extra particles ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def solvated():
    pdb = alanine_dipeptide()
    field = app.ForceField("amber14-all.xml", "amber14/tip4pew.xml")
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.addSolvent(field, model="tip4pew", boxSize=openmm.Vec3(2.2, 2.2, 2.2), ionicStrength=0.5 * unit.molar)
    system = field.createSystem(modeller.topology, nonbondedMethod=app.PME, nonbondedCutoff=1.0, constraints=app.HBonds)
    return modeller, system


def test_solvent_is_left_out(make, solvated):
    modeller, system = solvated
    assert any(a.element is None for a in modeller.topology.atoms())
    graph = make(modeller.topology, system=system)
    assert_complete(graph, modeller.topology)
    assert graph.getNumAtoms() == 10
    assert max(riders(graph)) < 22


def test_selected_water_takes_its_virtual_site_along(make, solvated):
    modeller, system = solvated
    water = next(r for r in modeller.topology.residues() if r.name == "HOH")
    first = next(water.atoms()).index
    for given in (None, system):
        graph = make(modeller.topology, system=given, residues=[water])
        assert [a.particle for a in model_atoms(graph)] == [first]
        assert riders(graph) == {first + 1: first, first + 2: first, first + 3: first}
    ion = next(r for r in modeller.topology.residues() if r.name == "NA")
    assert [a.blockType for a in model_atoms(make(modeller.topology, residues=[ion.index]))] == [10]


def test_virtual_site_rides_on_the_atom_the_system_names(make):
    top, _ = build_ligand("CCl")
    residue = next(top.residues())
    site = top.addAtom("EP", None, residue)
    assert riders(make(top))[site.index] == 0  # nothing known: the first heavy atom of the residue
    system = openmm.System()
    for atom in top.atoms():
        system.addParticle(0 if atom.element is None else atom.element.mass)
    system.setVirtualSite(site.index, openmm.TwoParticleAverageSite(1, 0, 1.3, -0.3))
    assert riders(make(top, system=system))[site.index] == 1
    top.addBond(site, list(top.atoms())[1])
    assert riders(make(top))[site.index] == 1
    assert stereocenters(make(top)) == []


# ---- Selection and errors ------------------------------------------------------------------------------------------


def test_selection_of_whole_molecules(make):
    pdb = alanine_dipeptide()
    ligand, _ = build_ligand("CCO")
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.add(ligand, [openmm.Vec3(2, 0, 0.1 * i) for i in range(ligand.getNumAtoms())] * unit.nanometer)
    for graph in (make(modeller.topology, residues=[3]), make(modeller.topology, atoms=[22, 23, 24])):
        assert [a.particle for a in model_atoms(graph)] == [22, 23, 24]
        assert len(riders(graph)) == 6
    with pytest.raises(ValueError, match=r"Atom C of residue ACE 1 of chain A is bonded to atom N of residue ALA 2"):
        make(modeller.topology, residues=[0])
    with pytest.raises(ValueError, match="There is no residue 9: the Topology has 4"):
        make(modeller.topology, residues=[9])
    with pytest.raises(ValueError, match="There is no atom -1"):
        make(modeller.topology, atoms=[-1])


def one_sentence(error):
    text = str(error.value)
    return text.endswith(".") and "\n" not in text and len(text) < 300


def test_missing_bonds(make):
    top = app.Topology()
    residue = top.addResidue("LIG", top.addChain("X"))
    for i in range(3):
        top.addAtom(f"C{i}", app.element.carbon, residue)
    with pytest.raises(ValueError, match="residue LIG 1 of chain X has 3 atoms and no bonds: add CONECT") as error:
        make(top)
    assert one_sentence(error)
    atoms = list(top.atoms())
    top.addBond(atoms[0], atoms[1])
    with pytest.raises(ValueError, match="Atom C2 of residue LIG 1 of chain X has no bonds") as error:
        make(top)
    assert one_sentence(error)


def test_nothing_to_move(make):
    top = app.PDBFile(os.path.join(os.path.dirname(app.__file__), "data", "tip3p.pdb")).topology
    with pytest.raises(ValueError, match="no heavy atom") as error:
        make(top)
    assert one_sentence(error)


def test_system_of_another_size(make):
    with pytest.raises(ValueError, match="The Topology has 22 atoms, but the System has 0 particles") as error:
        make(alanine_dipeptide().topology, system=openmm.System())
    assert one_sentence(error)


def test_model_that_was_trained_for_something_else(make):
    model = SimpleNamespace(
        knowsAtom=lambda number, block: block != 119, getName=lambda: "caps only", movesHydrogens=lambda: False
    )
    with pytest.raises(
        ValueError, match=r"'caps only' was not trained for atom N of residue ALA 2 of chain A"
    ) as error:
        make(alanine_dipeptide().topology, model)
    assert one_sentence(error)


def test_large_topology_is_quick(make):
    """Time must grow about linearly: a protein of 2,000 residues takes seconds at most."""
    import time

    top = build_peptide(["ACE"] + ["ALA", "VAL", "LYS", "PHE"] * 500 + ["NME"])
    start = time.perf_counter()
    centers = topology.find_stereocenters(top)
    assert len(centers) == 2000
    assert len(topology.find_stereo_bonds(top)) == 2001
    assert time.perf_counter() - start < 20
