"""Frames, pairs and batches: units, borders between trajectories, weights, and randomness by counter."""

from pathlib import Path

import mdtraj
import numpy as np
import pytest
import torch
from openmmjump.evaluation.torsions import dihedral
from openmmjump.training import randomness
from openmmjump.training.batches import draw_times
from openmmjump.training.config_schema import ConfigError
from openmmjump.training.frames import expand, prepare
from openmmjump.training.pairs import Items, PairSet, draw, make_pairs, superpose
from openmmjump.training.randomness import Stream
from openmmjump.training.settings import Batch, Data, Stratify, Times, Validation

DATA = Path(__file__).parent.parent / "data"
TOPOLOGY = DATA / "alanine-dipeptide-heavy.pdb"
TRAJECTORIES = [str(DATA / f"alanine-dipeptide-md-{k}.xtc") for k in (1, 2)]
PHI = (1, 3, 4, 6)


def entry(**changes):
    settings = {"topology": str(TOPOLOGY), "trajectories": TRAJECTORIES, "frame_interval_ps": 10.0} | changes
    return Data(**settings)


def system(tmp_path, resume=False, **changes):
    (only,) = prepare(entry(**changes), "ala", tmp_path / "cache", "data.0", resume)
    return only


# ------------------------------------------------------------------------------------------------------------- frames


def test_frames_are_centred_and_in_angstrom(tmp_path):
    s = system(tmp_path)
    assert s.frames.shape == (2000, 10, 3) and s.frames.dtype == np.float32
    assert s.starts.tolist() == [0, 1000, 2000]
    assert np.abs(s.frames.mean(1)).max() < 1e-5
    expected = mdtraj.load(TRAJECTORIES[1], top=str(TOPOLOGY)).xyz[17]
    moved = (expected - expected.mean(0)) * 10
    assert np.abs(s.frames[1017] - moved).max() < 1e-4


def test_the_molecule_is_what_the_network_sees(tmp_path):
    m = system(tmp_path).molecule
    assert (m.atom_type + 1).tolist() == [6, 6, 8, 7, 6, 6, 6, 8, 7, 6]
    assert m.block_type.tolist() == [5, 5, 7] + [119] * 5 + [6, 5]  # caps: element blocks; alanine: 119
    assert len(m.bonds) == 9 and m.edge_mask.sum() == 0
    assert m.torsions == {"phi": [list(PHI)], "psi": [[3, 4, 6, 8]]}


def test_hydrogens_and_water_are_left_out(tmp_path):
    top = mdtraj.Topology()
    chain = top.add_chain()
    carbon, hydrogen, oxygen = (mdtraj.element.get_by_symbol(s) for s in ("C", "H", "O"))
    ethane, water, ion = (top.add_residue(name, chain) for name in ("LIG", "HOH", "NA"))
    atoms = [top.add_atom(n, e, ethane) for n, e in (("C1", carbon), ("H1", hydrogen), ("C2", carbon))]
    top.add_atom("O", oxygen, water)
    top.add_atom("NA", mdtraj.element.sodium, ion)
    top.add_bond(atoms[0], atoms[2])
    top.add_bond(atoms[0], atoms[1])
    xyz = np.random.default_rng(0).normal(0, 0.05, (6, 5, 3)).astype(np.float32)
    trajectory = mdtraj.Trajectory(xyz, top)
    trajectory[0].save_pdb(str(tmp_path / "t.pdb"))
    trajectory.save_dcd(str(tmp_path / "t.dcd"))
    s = system(tmp_path, topology=str(tmp_path / "t.pdb"), trajectories=[str(tmp_path / "t.dcd")])
    assert len(s.frames) == 6
    assert s.molecule.atoms.tolist() == [0, 2]
    assert s.molecule.edge_mask.tolist() == [1, 1]  # a residue called LIG is a ligand, as for a MolecularGraph
    assert s.molecule.block_type.tolist() == [5, 5]


def test_arrays_with_replicas(tmp_path):
    rng = np.random.default_rng(0)
    base = mdtraj.load(str(TOPOLOGY)).xyz[0]
    x = (base + rng.normal(0, 0.002, (2, 30, 3, 10, 3))).astype(np.float32)  # file, frame, replica
    for k in range(2):
        np.save(tmp_path / f"frames-{k + 9}.npy", x[k])  # 9 before 10: natural order
    pattern = [str(tmp_path / "frames-*.npy")]
    joined = system(tmp_path, trajectories=pattern, joined=True)
    assert joined.starts.tolist() == [0, 60, 120, 180]
    replica = x[:, :, 1].reshape(60, 10, 3)
    assert np.abs(joined.frames[60:120] - (replica - replica.mean(1, keepdims=True)) * 10).max() < 1e-4
    apart = system(tmp_path, trajectories=pattern, first_frame=5)
    assert np.diff(apart.starts).tolist() == [25] * 6


def test_the_cache_follows_its_sources(tmp_path):
    file = tmp_path / "frames.npy"
    base = mdtraj.load(str(TOPOLOGY)).xyz[0]
    np.save(file, np.repeat(base[None], 4, 0))
    first = system(tmp_path, trajectories=[str(file)])
    np.save(file, np.repeat(base[None], 7, 0))
    resumed = system(tmp_path, resume=True, trajectories=[str(file)])
    assert resumed.fingerprint == first.fingerprint  # the data of a run are fixed when it starts
    fresh = system(tmp_path, trajectories=[str(file)])
    assert len(fresh.frames) == 7 and fresh.fingerprint != first.fingerprint


def test_faults_of_data_are_sentences(tmp_path):
    base = mdtraj.load(str(TOPOLOGY)).xyz[0]
    broken, nan, wrong = np.repeat(base[None], 3, 0), np.repeat(base[None], 3, 0), np.zeros((3, 9, 3), np.float32)
    broken[2, 0] += 1
    nan[1, 4, 0] = np.nan
    for name, array in (("broken", broken), ("nan", nan), ("wrong", wrong)):
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "text.xtc").write_text("no trajectory")
    cases = {
        "broken.npy": "atoms 0 and 1, which are bonded, .* A apart in frame 2",
        "nan.npy": "has a position that is not finite in frame 1",
        "wrong.npy": "has shape .*, but the topology has 10 atoms",
        "text.xtc": "can't be read with this topology",
        "none.xtc": "data.0.trajectories: there is no file",
    }
    for name, sentence in cases.items():
        with pytest.raises(ConfigError, match=sentence):
            system(tmp_path, trajectories=[str(tmp_path / name)])
    for changes, sentence in (
        ({"selection": "name XX"}, "data.0.selection holds no atom"),
        ({"selection": "nonsense and ("}, "is not a valid MDTraj selection"),
        ({"superpose": "name CB"}, "data.0.superpose selects 1 atoms"),
        ({"topology": str(tmp_path / "text.xtc")}, "can't be read as a topology"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            system(tmp_path, **changes)


def test_files_in_natural_order(tmp_path):
    for k in (1, 2, 10):
        (tmp_path / f"a{k}.xtc").touch()
    assert [f.name for f in expand([str(tmp_path / "a*.xtc")], "x")] == ["a1.xtc", "a2.xtc", "a10.xtc"]


# -------------------------------------------------------------------------------------------------------------- pairs


def test_pairs_stay_within_a_trajectory_and_a_share(tmp_path):
    s = system(tmp_path)
    kept, held = (make_pairs(s, entry(), 100.0, Validation(), h, "data.0") for h in (False, True))
    assert kept.lag == 10
    assert kept.index.tolist() == [*range(0, 790), *range(1000, 1790)]
    assert held.index.tolist() == [*range(800, 990), *range(1800, 1990)]
    whole = make_pairs(s, entry(), 100.0, Validation(fraction=0.5, split="trajectories"), True, "data.0")
    assert whole.index.tolist() == [*range(1000, 1990)]


def test_lag_times_that_do_not_fit(tmp_path):
    s = system(tmp_path)
    with pytest.raises(ConfigError, match="lag time of 15 ps is not a whole number of frames of 10 ps"):
        make_pairs(s, entry(), 15.0, Validation(), False, "data.0")
    with pytest.raises(ConfigError, match="no trajectory of ala is longer than the lag time of 20000"):
        make_pairs(s, entry(), 20000.0, Validation(), False, "data.0")


def test_superposition_is_a_proper_rotation():
    rng = np.random.default_rng(1)
    fixed = rng.normal(0, 2, (50, 7, 3))
    q, _ = np.linalg.qr(rng.normal(size=(50, 3, 3)))
    turn = q * np.sign(np.linalg.det(q))[:, None, None]
    moved = fixed @ turn + rng.normal(size=(50, 1, 3))
    assert np.abs(superpose(moved, fixed, np.arange(7)) - fixed).max() < 1e-12
    mirrored = moved * [1, 1, -1]
    left = superpose(mirrored, fixed, np.arange(7))
    volume = [np.linalg.det(x[:, 1:4] - x[:, :1]) for x in (mirrored, left)]
    assert np.allclose(*volume)  # the hand is kept


def test_stratified_starts_do_not_change_what_follows(tmp_path):
    """Starts are flattened along phi, but each pair is still a frame and what came one lag later."""
    s = system(tmp_path)
    pairs = make_pairs(s, entry(stratify=Stratify(torsions=["phi"], power=1.0, bins=6)), 100.0, Validation(), False, "")
    u = np.random.default_rng(0).random(20000)
    first = pairs.pick(u)
    share = np.bincount(((dihedral(s.frames[first], PHI) + 180) // 60).astype(int), minlength=6) / len(first)
    seen = np.bincount(((dihedral(s.frames[pairs.index], PHI) + 180) // 60).astype(int), minlength=6) > 0
    assert np.abs(share[seen] - 1 / seen.sum()).max() < 0.02
    x0, x1 = pairs.positions(first[:5])
    lengths = [np.linalg.norm(x[:, 1:] - x[:, :1], axis=-1) for x in (x1, s.frames[first[:5] + 10])]
    assert np.abs(np.subtract(*lengths)).max() < 1e-5 and np.array_equal(x0, s.frames[first[:5]])


def test_a_share_for_an_interval(tmp_path):
    s = system(tmp_path)
    share = Stratify(torsions=["phi"], interval_deg=[0.0, 150.0], share=0.4)
    pairs = make_pairs(s, entry(stratify=share), 100.0, Validation(), False, "data.0")
    first = pairs.pick(np.random.default_rng(0).random(20000))
    angle = dihedral(s.frames[first], PHI)
    assert abs(((angle > 0) & (angle < 150)).mean() - 0.4) < 0.02
    never = Stratify(torsions=["phi"], interval_deg=[-1.0, -0.9])
    with pytest.raises(ConfigError, match=r"no frame starts between -1 and -0\.9 degrees"):
        make_pairs(s, entry(stratify=never), 100.0, Validation(), False, "data.0")


def test_draws_depend_on_the_counter_alone(tmp_path):
    s = system(tmp_path)
    pairs = [make_pairs(s, entry(), 100.0, Validation(), False, "data.0")]

    def one(seed, iteration):
        return draw(pairs, Batch(molecules=32), randomness.generator(seed, Stream.PAIRS, 0, iteration)).first.tolist()

    assert one(1, 5) == one(1, 5)
    assert one(1, 5) != one(1, 6) and one(1, 5) != one(2, 5)
    numbers = [randomness.generator(3, stream, 0, 7).random() for stream in Stream]
    assert len(set(numbers)) == len(Stream)


def test_batches_by_atoms_and_by_weight(tmp_path):
    s = system(tmp_path)
    small = make_pairs(s, entry(weight=3.0), 100.0, Validation(), False, "data.0")
    tiny = PairSet(s, small.index[:1], 10, None, 1.0, None)
    rng = np.random.default_rng(0)
    items = draw([small, tiny], Batch(atoms=40005), rng)
    assert len(items.sets) == 4000
    assert abs((items.sets == 0).mean() - 0.75) < 0.03
    with pytest.raises(ConfigError, match="more than the 9 atoms"):
        draw([small], Batch(atoms=9), rng)


def test_bridge_times():
    rng = np.random.default_rng(0)
    assert len(set(draw_times(Times(), 8, rng))) == 1
    even = draw_times(Times(per="molecule", stratified=True), 100, rng)
    assert np.array_equal(np.sort((even * 100).astype(int)), np.arange(100))
    dense = draw_times(Times(per="molecule", density="dense_ends", maximum=0.9), 100_000, rng)
    assert dense.max() <= 0.9
    quantiles = np.quantile(dense, [0.25, 0.5, 0.75])
    assert quantiles == pytest.approx([0.9 * (1 - (1 - u) ** 2) ** 2 for u in (0.25, 0.5, 0.75)], abs=0.01)


# -------------------------------------------------------------------------------------------------------- loss weight

COPIES = 4


class EqualNoise:
    """The same noise for every molecule, so that copies of a pair are copies of an example."""

    def __init__(self, atoms=10):
        self.one = np.random.default_rng(3).standard_normal((3, atoms, 3)).astype(np.float32)

    def standard_normal(self, shape, dtype):
        return np.tile(self.one, (1, shape[1] // self.one.shape[1], 1)).astype(dtype)


@pytest.fixture(scope="module")
def loss(tmp_path_factory):
    """Pairs without and with a loss weight, and a function of an example: its loss and the gradient of that."""
    from openmmjump.families.pvb import PVB
    from openmmjump.families.pvb.objective import Objective
    from openmmjump.families.pvb.stages import PvbStage
    from openmmjump.training.batches import Collator

    folder = tmp_path_factory.mktemp("pairs")
    s = system(folder)

    def pairs(**changes):
        return make_pairs(s, entry(**changes), 100.0, Validation(), False, "data.0")

    sizes = dict(hidden_dim=16, ffn_dim=16, rbf_dim=8, heads=2, layers=1, encoder_layers=1, coord_prior_var=0.1)
    network = PVB.initialize(sizes, seed=1).double()
    objective = Objective(network, PvbStage(kind="trajectory", iterations=1))

    def evaluate(example, factor=1.0):
        network.zero_grad()
        value = objective(example)["loss"] * factor
        value.backward()
        gradients = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
        return value.item(), torch.cat(gradients).numpy()

    def collator(*sets):
        return Collator(sets, torch.device("cpu"), torch.float64)

    plain, rare = pairs(weight=3.0), pairs(weight=1.0)
    enriched = pairs(weight=float(COPIES), loss_weight=1 / COPIES)
    return {"natural": (plain, rare), "enriched": (plain, enriched), "collator": collator, "evaluate": evaluate}


def test_a_loss_weight_reaches_every_atom_and_process(loss):
    """The mask holds each pair's weight; the shares are those of the weights, not of the atoms."""
    collator = loss["collator"](*loss["enriched"])
    items = Items(np.array([0, 1, 1, 0, 1]), np.array([5, 17, 300, 1100, 9]))
    weights = [1, 0.25, 0.25, 1, 0.25]
    t = np.linspace(0.1, 0.9, 5)
    whole = collator.example(items, t, np.random.default_rng(0))
    assert whole.mask.tolist() == np.repeat(weights, 10).tolist() and whole.share == 1
    parts = [collator.example(items, t, np.random.default_rng(0), rank, 2) for rank in range(2)]
    assert parts[0].mask.tolist() == np.repeat([1, 0.25, 0.25], 10).tolist()
    assert parts[1].mask.tolist() == np.repeat([0.25, 1], 10).tolist()
    assert [part.share for part in parts] == pytest.approx([1.5 / 2.75 * 2, 1.25 / 2.75 * 2])


def test_the_loss_is_the_weighted_mean_over_molecules(loss):
    """So are its gradient, and the average that two processes make of their shares."""
    collator, evaluate = loss["collator"](*loss["enriched"]), loss["evaluate"]
    items = Items(np.array([0, 1, 1, 0, 1]), np.array([5, 17, 300, 1100, 9]))
    weights = np.array([1, 0.25, 0.25, 1, 0.25])
    t = np.linspace(0.1, 0.9, 5)

    def results(world, share):
        parts = [collator.example(items, t, np.random.default_rng(0), rank, world) for rank in range(world)]
        return [evaluate(part, part.share if share else 1.0) for part in parts]

    values, gradients = zip(*results(5, share=False), strict=True)  # one molecule each, whose own weight cancels
    expected = np.average(values, weights=weights), np.average(gradients, axis=0, weights=weights)
    assert np.ptp(values) > 0.01  # they differ, so the weights matter
    for world in (1, 2, 3):
        values, gradients = zip(*results(world, share=True), strict=True)
        assert np.mean(values) == pytest.approx(expected[0], rel=1e-10)
        assert np.abs(np.mean(gradients, axis=0) - expected[1]).max() < 1e-10 * np.abs(expected[1]).max()


def test_more_pairs_of_less_weight_give_the_same_gradient(loss):
    """Rare pairs drawn k times as often at 1/k of the loss: what natural sampling gives on average, with less noise."""
    natural, enriched = loss["natural"], loss["enriched"]
    chances = [[s.weight * s.loss_weight for s in sets] for sets in (natural, enriched)]
    assert chances[0] == chances[1] == [3.0, 1.0]
    drawn = draw(enriched, Batch(molecules=20_000), np.random.default_rng(0)).sets
    assert (drawn == 1).mean() == pytest.approx(COPIES / (3 + COPIES), abs=0.02)

    # Both samplings in their exact proportions: three plain pairs, and the rare one once or COPIES times.
    plain, rare = [5, 300, 1100], 17
    results = []
    for sets, count in ((natural, 1), (enriched, COPIES)):
        items = Items(np.array([0] * 3 + [1] * count), np.array(plain + [rare] * count))
        example = loss["collator"](*sets).example(items, np.full(3 + count, 0.4), EqualNoise())
        results.append(loss["evaluate"](example))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-10)
    assert np.abs(results[0][1] - results[1][1]).max() < 1e-10 * np.abs(results[0][1]).max()
