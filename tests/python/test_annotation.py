"""Preparation, energies, tables and weights of annotation, without its runs (test_annotation_runs.py)."""

from __future__ import annotations

import gzip
import math

import mdtraj
import numpy as np
import openmm
import pytest
from annotation_cases import CHIGNOLIN, DIPEPTIDE, FAST, read_models, write_heavy, write_pdb
from openmm import app, unit
from openmmjump import annotation
from openmmjump.annotation import worker
from openmmjump.annotation.inputs import find_sources, list_items
from openmmjump.annotation.molecules import MoleculeSpec
from openmmjump.annotation.preparation import prepare, prepare_molecule
from openmmjump.testsystems.peptides import ATOMS, build_peptide, trp_cage
from openmmjump.testsystems.snapshots import snapshots


def read(*files, **settings):
    """Residues and conformations of files."""
    chosen = annotation.LabelSettings(**settings) if settings else FAST
    sources = find_sources(annotation.Request(tuple(map(str, files)), "labels.parquet", settings=chosen))
    found = [each.polymer.conformation(frame) for each in sources for frame in each.read()]
    return sources[0].polymer.residues, found


@pytest.fixture(scope="module")
def histidine():
    """Two chains, ALA-HIS-ALA and GLY-GLY, whose end is far away or where a hydrogen on NE2 finds an acceptor."""
    topology, positions = build_peptide([("ALA", -60, 140), ("HIS", -62, 140), ("ALA", -62, 140)])
    index = {(atom.residue.name, atom.name): atom.index for atom in topology.atoms()}
    nitrogen, *neighbours = (positions[index["HIS", name]] for name in ("NE2", "CD2", "CE1"))
    outwards = 2 * nitrogen - sum(neighbours)
    outwards /= np.linalg.norm(outwards)
    modeller = app.Modeller(topology, positions * unit.nanometer)
    glycine, shape = build_peptide(2 * [("GLY", -60, 140)])
    oxygen = next(atom.index for atom in glycine.atoms() if atom.name == "OXT")
    away = shape[oxygen] - shape.mean(0)
    rotation = rotate(-away / np.linalg.norm(away), outwards)
    modeller.add(glycine, ((shape - shape[oxygen]) @ rotation.T) * unit.nanometer)
    both = np.array(modeller.positions.value_in_unit(unit.nanometer))
    first = len(positions)
    near, far = both.copy(), both.copy()
    near[first:] += nitrogen + 0.28 * outwards
    far[first:] += nitrogen + 2.0 * outwards
    return modeller.topology, far, near


def rotate(start, end):
    """The rotation that takes one unit vector to another."""
    cross = np.cross(start, end)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + start @ end)


def test_all_conformations_have_the_tautomer_of_the_first(histidine, tmp_path):
    topology, far, near = histidine
    files = [write_heavy(tmp_path / f"{name}.pdb", topology, at) for name, at in (("far", far), ("near", near))]
    chosen = {}
    for order in (files, files[::-1]):
        residues, (first, second) = read(*order)
        molecule = prepare_molecule(residues, first, FAST)
        chosen[order[0].stem] = molecule.variants[1]
        assert prepare(molecule, second).shape == (len(molecule.atoms), 3)
    assert chosen == {"far": "HID", "near": "HIE"}  # what each would be alone: the test is about something


def test_given_tautomer_is_kept_and_given_to_all(histidine, tmp_path):
    topology, far, near = histidine
    modeller = app.Modeller(topology, far * unit.nanometer)
    variants = [None, "HIP", None, None, None]
    modeller.addHydrogens(variants=variants, platform=openmm.Platform.getPlatform("Reference"))
    positions = np.array(modeller.positions.value_in_unit(unit.nanometer))
    protonated = write_pdb(tmp_path / "protonated.pdb", modeller.topology, positions)
    residues, (first, other) = read(protonated, write_heavy(tmp_path / "near.pdb", topology, near))
    molecule = prepare_molecule(residues, first, FAST)
    assert molecule.variants[1] == "HIP"
    names = {atom.name for atom in molecule.atoms if atom.residue == 1}
    assert {"HD1", "HE2"} <= names
    assert len(prepare(molecule, other)) == modeller.topology.getNumAtoms()


def test_hydrogens_are_the_same_each_time_and_given_atoms_stay(tmp_path):
    topology, models = read_models(CHIGNOLIN)
    residues, (heavy,) = read(write_heavy(tmp_path / "heavy.pdb", topology, models[0]))
    molecule = prepare_molecule(residues, heavy, FAST)
    placed = [prepare(molecule, heavy) for _ in range(2)]
    assert np.array_equal(*placed)
    at = dict(zip(molecule.atoms, placed[0], strict=True))
    assert all(np.array_equal(at[atom], position) for atom, position in zip(heavy.atoms, heavy.positions, strict=True))
    other = annotation.LabelSettings(force_field=("amber14-all.xml",), seed=2)
    assert not np.array_equal(prepare(prepare_molecule(residues, heavy, other), heavy), placed[0])


def test_complete_conformations_are_taken_as_they_are():
    residues, frames = read(CHIGNOLIN)
    molecule = prepare_molecule(residues, frames[0], FAST)
    assert len(frames) == 16 and len(molecule.atoms) == 138
    assert all(np.array_equal(prepare(molecule, frame), frame.positions) for frame in frames)


def test_formats_hold_the_same_conformation(tmp_path):
    topology, models = read_models(CHIGNOLIN)
    with open(tmp_path / "a.cif", "w") as file:
        app.PDBxFile.writeFile(topology, models[0] * unit.nanometer, file)
    pdb = write_pdb(tmp_path / "b.pdb", topology, models[0])
    with gzip.open(tmp_path / "c.pdb.gz", "wb") as file:
        file.write(pdb.read_bytes())
    residues, (cif, plain, packed) = read(tmp_path / "a.cif", pdb, tmp_path / "c.pdb.gz")
    assert len(residues) == 10 and cif.atoms == plain.atoms == packed.atoms
    assert np.abs(cif.positions - plain.positions).max() < 1e-4 and np.array_equal(plain.positions, packed.positions)


def test_topology_of_other_formats(tmp_path):
    frames = mdtraj.load(CHIGNOLIN)
    frames[0].save_gro(str(tmp_path / "top.gro"))
    frames.save_xtc(str(tmp_path / "run.xtc"))
    request = annotation.Request((tmp_path / "run.xtc",), tmp_path / "t.parquet", topology=tmp_path / "top.gro")
    (source,) = find_sources(request)
    residues, (expected, *_) = read(CHIGNOLIN)
    assert [residue.name for residue in source.polymer.residues] == [residue.name for residue in residues]
    assert source.polymer.atoms == expected.atoms and source.frames == 16
    assert np.abs(next(source.read()) - expected.positions).max() < 1e-3


def test_own_force_field_files(tmp_path):
    own = tmp_path / "own.xml"
    own.write_text('<ForceField><Include file="amber14-all.xml"/></ForceField>')
    settings = annotation.LabelSettings(force_field=(str(own),), platform="CPU", max_iterations=1)
    files = [each["file"] for each in settings.describe()["force_field"]]
    assert files[:3] == ["own.xml", "amber14-all.xml", "amber14/protein.ff14SB.xml"]
    residues, frames = read(DIPEPTIDE)
    own.unlink()  # as on the machine of a worker
    assert worker.label(
        worker.build_molecule(MoleculeSpec(residues, tuple(frames), settings)), frames[0], False
    ).columns["outcome"]


def test_caps_are_kept():
    residues, (frame,) = read(DIPEPTIDE)
    molecule = prepare_molecule(residues, frame, FAST)
    assert [residue.name for residue in molecule.residues] == ["ACE", "ALA", "NME"]
    assert np.array_equal(prepare(molecule, frame), frame.positions)


def test_water_and_ligands_go_and_modified_residues_become_standard(tmp_path):
    topology, positions = build_peptide([("ALA", -60, 140), ("SER", -62, -42), ("ALA", -62, 140)])
    for residue in topology.residues():
        residue.name = "SEP" if residue.name == "SER" else residue.name
    chain = topology.addChain("W")
    for name in ("HOH", "ABC"):
        topology.addAtom("O", app.element.oxygen, topology.addResidue(name, chain))
    positions = np.vstack([positions, positions[:2] + 3.0])
    residues, (frame,) = read(write_pdb(tmp_path / "modified.pdb", topology, positions))
    assert [residue.name for residue in residues] == ["ALA", "SER", "ALA"]
    assert "HG" in {atom.name for atom in prepare_molecule(residues, frame, FAST).atoms}


def test_missing_side_chains_are_built(tmp_path):
    topology, models = read_models(CHIGNOLIN)
    modeller = app.Modeller(topology, models[0] * unit.nanometer)
    backbone = {"N", "CA", "C", "O", "CB"}
    modeller.delete([a for a in topology.atoms() if a.residue.name == "TRP" and a.name not in backbone])
    kept = np.array(modeller.positions.value_in_unit(unit.nanometer))
    files = write_pdb(tmp_path / "a.pdb", topology, models[0]), write_pdb(tmp_path / "b.pdb", modeller.topology, kept)
    residues, (whole, cut) = read(*files)
    molecule = prepare_molecule(residues, whole, FAST)
    positions = [prepare(molecule, cut) for _ in range(2)]
    assert np.array_equal(*positions) and len(positions[0]) == 138


def test_missing_residues_are_built_only_on_request(tmp_path):
    topology, positions = build_peptide([("ALA", -60, 140), *3 * [("GLY", -62, -42)], ("ALA", -62, 140)])
    modeller = app.Modeller(topology, positions * unit.nanometer)
    modeller.delete([list(topology.residues())[2]])
    file = write_pdb(tmp_path / "gap.pdb", modeller.topology, np.array(modeller.positions._value))
    file.write_text("SEQRES   1 A    5  ALA GLY GLY GLY ALA\n" + file.read_text())
    assert len(read(file)[0]) == 4
    settings = {"force_field": ("amber14-all.xml",), "add_missing_residues": True}
    residues, (frame,) = read(file, **settings)
    molecule = prepare_molecule(residues, frame, annotation.LabelSettings(**settings))
    assert len(residues) == 5 and len(molecule.atoms) == topology.getNumAtoms()


def test_disulfide_bonds_are_those_of_the_first(tmp_path):
    topology, positions = build_peptide([("CYS", -60, 140), ("GLY", -60, 140), ("CYS", -62, 140)])
    sulfurs = [atom.index for atom in topology.atoms() if atom.name == "SG"]
    close = positions.copy()
    close[sulfurs[1]] = close[sulfurs[0]] + [0.2, 0, 0]
    files = [write_heavy(tmp_path / f"{i}.pdb", topology, at) for i, at in enumerate((close, positions))]
    residues, (first, second) = read(*files)
    molecule = worker.build_molecule(MoleculeSpec(residues, (first,), FAST))
    assert molecule.error is None and molecule.disulfides == ((0, 2),) and molecule.variants[0] == "CYX"
    assert len(prepare(molecule, second)) == topology.getNumAtoms() - 2


def test_energies_are_those_of_openmm(tmp_path):
    settings = annotation.LabelSettings(platform="CPU", max_iterations=1)
    residues, frames = read(CHIGNOLIN)
    molecule = worker.build_molecule(MoleculeSpec(residues, tuple(frames[:1]), settings))
    columns = worker.label(molecule, frames[0], False).columns
    pdb = app.PDBFile(CHIGNOLIN)
    system = app.ForceField("charmm36.xml", "implicit/gbn2.xml").createSystem(
        pdb.topology, constraints=app.HBonds, soluteDielectric=1.0, solventDielectric=78.5
    )
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPositions(pdb.positions)
    expected = context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoules_per_mole)
    assert abs(columns["initial_energy_kJ_mol"] - expected) <= min(0.3, 2e-5 * abs(expected))
    groups = columns["initial_group_energies_kJ_mol"]
    assert sum(groups.values()) == pytest.approx(columns["initial_energy_kJ_mol"], abs=0.05)
    assert {"HarmonicBondForce", "CMAPTorsionForce", "CustomGBForce"} <= set(groups)


def test_salt_screens():
    settings = annotation.LabelSettings(force_field=("amber14-all.xml", "implicit/gbn2.xml"), salt=0.15)
    assert settings.kappa == pytest.approx(367.434915 * math.sqrt(0.15 / (78.5 * 300)))
    assert 1 / settings.kappa == pytest.approx(0.785 / 0.73, rel=0.02)  # Debye length of 0.15 M, Amber's ion exclusion


def test_forces_beyond_the_last_group_share_it():
    system = openmm.System()
    for _ in range(40):
        system.addForce(openmm.HarmonicBondForce())
    names = worker.separate_forces(system)
    assert [force.getForceGroup() for force in system.getForces()] == [min(i, 31) for i in range(40)]
    assert names[0] == "HarmonicBondForce" and names[1] == "HarmonicBondForce 2" and names[31] == "others"
    assert len(set(names.values())) == 32


def test_names_are_unique_and_sequences_make_molecules(tmp_path):
    topology, models = read_models(DIPEPTIDE)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_pdb(tmp_path / folder / "same.pdb", topology, models[0])
    request = annotation.Request((tmp_path / "a", tmp_path / "b" / "*.pdb", CHIGNOLIN), tmp_path / "t.parquet")
    items = list_items(find_sources(request), tmp_path)
    assert [item.name for item in items[:3]] == ["a/same.pdb", "b/same.pdb", "chignolin_0"]
    assert [item.molecule for item in items[:3]] == ["same", "same", "chignolin"]


# ---- Weights and tables --------------------------------------------------------------------------------------------


def test_weights_by_hand():
    kt = 8.31446261815324e-3 * 300
    weights = annotation.boltzmann_weights([0.0, 2 * kt * math.log(3), None, float("nan")], 300.0, 4)
    assert weights == pytest.approx([0.75, 0.25, 0, 0], abs=1e-12)
    assert annotation.boltzmann_weights([1e6, 1e6], 300.0).tolist() == [0.5, 0.5]
    assert annotation.boltzmann_weights([None, None]).tolist() == [0, 0]
    with pytest.raises(ValueError, match="above 0"):
        annotation.boltzmann_weights([1.0], 0.0)


def test_pairs_by_hand():
    energies = [5.0, None, 2.0, 5.0, 9.0]
    pairs = list(annotation.pairwise_preferences(energies))
    assert pairs == [(2, 0, 3.0), (2, 3, 3.0), (2, 4, 7.0), (0, 4, 4.0), (3, 4, 4.0)]
    assert list(annotation.pairwise_preferences(energies, 5.0)) == [(2, 4, 7.0)]


def test_tables_are_read_as_they_were_written(tmp_path):
    rows = [{"molecule": "m", "name": "a", "final_group_energies_kJ_mol": {"GB": -1.5}}, {"molecule": "m", "name": "b"}]
    table = annotation.make_table(rows, {"made": "by hand"})
    annotation.write_labels(table, tmp_path / "t.parquet")
    again = annotation.read_labels(tmp_path / "t.parquet")
    assert again.equals(table) and annotation.provenance_of(again) == {"made": "by hand"}
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]


def test_tables_refuse_what_they_cannot_hold(tmp_path):
    with pytest.raises(annotation.AnnotationError, match="no column 'energy'"):
        annotation.make_table([{"molecule": "m", "name": "a", "energy": 1.0}], {})
    with pytest.raises(annotation.AnnotationError, match="must have a name"):
        annotation.make_table([{"molecule": "m"}], {})
    (tmp_path / "t.parquet").write_text("no table")
    with pytest.raises(annotation.AnnotationError, match="no Parquet file"):
        annotation.read_labels(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"mode": "loose"}, "mode must be one of preconditioned, local-minimizer"),
        ({"ph": 15.0}, "pH must be between"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"tolerance": 0.0}, "tolerance must be above 0"),
        ({"max_iterations": -1}, "must not be negative"),
        ({"force_field": ("nothing.xml",)}, "no force field file 'nothing.xml'"),
        ({"force_field": ("amber14-all.xml",), "salt": 0.1}, "salt needs an implicit solvent"),
        ({"platform": "Abacus"}, "platform must be one of"),
        ({"precision": "single"}, "precision must be one of mixed, double"),
    ],
)
def test_settings_are_checked(settings, sentence):
    with pytest.raises(annotation.AnnotationError, match=sentence):
        annotation.LabelSettings(**settings)


# ---- Molecules for tests and benchmarks ----------------------------------------------------------------------------


def test_trp_cage_is_a_protein():
    topology, positions = trp_cage()
    assert topology.getNumAtoms() == len(positions) == ATOMS
    index = {(atom.residue.index, atom.name): atom.index for atom in topology.atoms()}
    for residue in topology.residues():
        if residue.name != "GLY":
            n, ca, c, cb = (positions[index[residue.index, name]] for name in ("N", "CA", "C", "CB"))
            assert np.cross(n - ca, c - ca) @ (cb - ca) > 0  # L


def test_snapshots_are_different_and_repeatable():
    topology, models = read_models(DIPEPTIDE)
    first, again = (snapshots(topology, models[0], 3, seed=7, picoseconds=0.2) for _ in range(2))
    assert first.shape == (3, 22, 3) and np.array_equal(first, again)
    assert np.abs(first[0] - first[1]).max() > 0.01
    with pytest.raises(ValueError, match="at least 1"):
        snapshots(topology, models[0], 0)
