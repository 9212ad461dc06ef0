"""UniSim's training stages: losses by hand, subgraphs by brute force, runs that learn, resume and export."""

from __future__ import annotations

import gzip
import json
import math

import contract_cases as cases
import mdtraj
import numpy as np
import openmm
import pytest
import torch
from openmm import app, unit
from openmmjump import JumpIntegrator, JumpModel, MolecularGraph
from openmmjump.families.unisim import UniSim
from openmmjump.families.unisim.batches import (
    EnergyExample,
    FieldExample,
    GuidanceExample,
    Subgraphs,
    choose_center,
    near_pairs,
    relative_energies,
    subgraph,
)
from openmmjump.families.unisim.labels import write_conformers
from openmmjump.families.unisim.objective import (
    UniSimLoss,
    UniSimObjective,
    energy_loss,
    field_loss,
    freeze,
    guidance_loss,
)
from openmmjump.families.unisim.stages import UniSimStage
from openmmjump.modelfile import ModelFile
from openmmjump.network import Atoms
from openmmjump.training.checkpoint import Checkpoints
from openmmjump.training.config import load
from openmmjump.training.config_schema import ConfigError
from openmmjump.training.trainer import Trainer
from training_cases import DATA, write_config
from unisim_training_cases import TINY, WIDER, make_labels, make_raw


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def network() -> UniSim:
    return UniSim.initialize(TINY, seed=3).double()


@pytest.fixture
def atoms() -> Atoms:
    """Two molecules, the second with a ligand of two atoms."""
    types = [5, 0, 6, 5, 0, 7, 15]
    return Atoms(types, types, [], [0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1, 1])


MASK = torch.tensor([1, 0, 1, 2, 1, 1, 0], dtype=torch.float64)
TIMES = torch.tensor([0.3, 0.002], dtype=torch.float64)  # the second is in the clipped part
OF_ATOM = [0, 0, 0, 1, 1, 1, 1]


def field_example(atoms: Atoms) -> FieldExample:
    x0, x1, noise = 1.5 * normal(7, 3, seed=1), 1.5 * normal(7, 3, seed=2), normal(7, 3, seed=4)
    parts = slice(0, 3), slice(3, 7)
    counts = [MASK[p].numpy() > 0 for p in parts]
    near = [torch.from_numpy(near_pairs([x[p].numpy() for p in parts], counts, 3.0)) for x in (x0, x1)]
    return FieldExample(atoms, x0, x1, noise, TIMES, MASK, *near, 1.0)


def weighted(error: np.ndarray, weight: np.ndarray) -> float:
    return float((weight[:, None] * error**2).sum() / (3 * weight.sum()))


def test_energy_loss_by_hand(network, atoms):
    x, target = 1.5 * normal(7, 3, seed=1), normal(7, 3, seed=2)
    t = torch.ones(2, dtype=torch.float64)
    loss = energy_loss(network, EnergyExample(atoms, x, target, t, 2, MASK, 1.0))["loss"]
    moved = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network.energy(atoms, 1.0, moved, 2).sum(), moved)
    assert float(loss.detach()) == pytest.approx(weighted((-gradient - target).numpy(), MASK.numpy()), rel=1e-9)


def test_field_loss_by_hand(network, atoms):
    e = field_example(atoms)
    parts = field_loss(network, e, UniSimLoss(distance_cutoff_A=3.0))
    x0, x1, z, mask = (a.numpy() for a in (e.x0, e.x1, e.noise, MASK))
    t = TIMES.numpy()[OF_ATOM][:, None]
    sigma = 0.2 * math.sqrt(0.0083144626 * 300)
    width = sigma * np.sqrt(t * (1 - t))
    xt = (1 - t) * x0 + t * x1 + width * z
    scaled, eta = (a.detach().numpy() for a in network.fields(atoms, TIMES, torch.from_numpy(xt)))
    error = scaled - 0.5 * (x1 - x0)
    start = xt - t * scaled / 0.5 - width * eta
    aux = 0.0
    for true, expected, time in ((x0, start, 1 - t), (x1, start + scaled / 0.5, t)):
        total, count = 0.0, 0.0
        for i in range(7):
            for j in range(i):
                d = np.linalg.norm(true[i] - true[j])
                if OF_ATOM[i] == OF_ATOM[j] and d < 3.0 and mask[i] > 0 and mask[j] > 0:
                    weight = mask[j]  # the pairs are given with the smaller index first
                    total += weight * time[i, 0] * (np.linalg.norm(expected[i] - expected[j]) - d) ** 2
                    count += weight
        aux += total / count
    ligand = weighted(error, mask * np.array([0, 0, 0, 0, 0, 1, 1]))
    velocity, denoiser = weighted(error, mask), weighted(eta - z, mask)
    for name, value in (("velocity", velocity), ("denoiser", denoiser), ("ligand", ligand), ("distances", aux)):
        assert float(parts[name]) == pytest.approx(value, rel=1e-9), name
    assert float(parts["loss"].detach()) == pytest.approx(5 * velocity + denoiser + 5 * ligand + 0.25 * aux, rel=1e-9)


def guidance_example(atoms: Atoms) -> GuidanceExample:
    e = field_example(atoms)
    labels = normal(7, 3, seed=5), normal(7, 3, seed=6), -normal(2, seed=7).sigmoid(), -normal(2, seed=8).sigmoid()
    return GuidanceExample(atoms, e.x0, e.x1, e.noise, TIMES, MASK, *labels, 1.0)


def test_guidance_loss_by_hand(network, atoms):
    e = guidance_example(atoms)
    parts = guidance_loss(network, e, UniSimLoss())
    t = TIMES.numpy()[OF_ATOM][:, None]
    sigma = network.sigma
    mean = (1 - t) * e.x0.numpy() + t * e.x1.numpy()
    xt = mean + sigma * np.sqrt(t * (1 - t)) * e.noise.numpy()
    clipped = sigma * np.maximum(np.sqrt(t * (1 - t)), 0.1)
    given = torch.from_numpy(xt)
    eta = network.fields(atoms, TIMES, given)[1].detach().numpy()
    b0, b1, m = (h.detach().numpy() for h in network.guidance_heads(atoms, TIMES, given))
    difference = -eta / clipped + (xt - mean) / clipped**2  # score_q - score(X_t | X_0, X_1)
    boltzmann, likelihood = [], []
    for k, rows in enumerate((slice(0, 3), slice(3, 7))):
        per_dimension = ((xt - mean)[rows] / clipped[rows]) ** 2 / 2 + np.log(clipped[rows] * math.sqrt(2 * math.pi))
        likelihood.append(math.exp(-np.mean(per_dimension)))
        boltzmann.append(math.exp(-float(e.energy0[k] + e.energy1[k])))
    factor = np.array(boltzmann) / np.mean(np.array(likelihood) * np.array(boltzmann))
    target = 0.5 * factor[OF_ATOM][:, None] * difference
    force = (1 - t) * b0 + t * b1 + t * (1 - t) * m
    mask = MASK.numpy()
    boundary = weighted(b0 + e.force0.numpy(), mask) + weighted(b1 + e.force1.numpy(), mask)
    assert float(parts["boundary"]) == pytest.approx(boundary, rel=1e-9)
    assert float(parts["interior"]) == pytest.approx(weighted(force - target, mask), rel=1e-9)
    assert float(parts["loss"].detach()) == pytest.approx(float(parts["boundary"] + parts["interior"]), rel=1e-9)


def test_gradients_reach_what_a_stage_trains(network, atoms):
    x = normal(7, 3, seed=1)
    energy = EnergyExample(atoms, x, normal(7, 3, seed=2), TIMES, 1, MASK, 1.0)
    examples = {"energy": energy, "field": field_example(atoms), "guidance": guidance_example(atoms)}
    reached = {
        "energy": {"encoder", "energy_heads"},
        "field": {"encoder", "velocity", "denoiser"},
        "guidance": {"guidance"},
    }
    for kind, example in examples.items():
        stage = UniSimStage(kind=kind, iterations=1)
        freeze(network, stage)
        network.zero_grad(set_to_none=True)
        UniSimObjective(network, stage)(example)["loss"].backward()
        found = {n.split(".")[0] for n, p in network.named_parameters() if p.grad is not None}
        assert found == reached[kind]


def test_the_interior_loss_trains_only_the_middle(network, atoms):
    freeze(network, UniSimStage(kind="guidance", iterations=1))
    guidance_loss(network, guidance_example(atoms), UniSimLoss(boundary=0.0))["loss"].backward()
    size = {n: 0.0 if p.grad is None else float(p.grad.abs().sum()) for n, p in network.named_parameters()}
    assert size["guidance.m.linear_v.weight"] > 0
    assert size["guidance.b0.linear_v.weight"] == size["guidance.b1.linear_v.weight"] == 0


def test_subgraphs_by_brute_force():
    x = np.random.default_rng(0).uniform(0, 40, (2300, 3))
    settings = Subgraphs()
    environment, gradient = subgraph(x, 1234, settings)
    near = [math.dist(x[k], x[1234]) for k in range(len(x))]
    assert environment.tolist() == [k for k, d in enumerate(near) if d < 20]
    assert environment[gradient].tolist() == [k for k, d in enumerate(near) if d < 8]
    rng = np.random.default_rng(1)
    centers = np.array([choose_center(2300, rng.random(2)) for _ in range(3000)])
    assert centers.min() >= 0 and centers.max() < 2300
    assert np.bincount(centers // 1000) == pytest.approx([1000] * 3, rel=0.1)
    assert choose_center(2000, [1 - 1e-12, 1 - 1e-12]) == 1999


# ------------------------------------------------------------------------------------------------------ whole runs


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """Frames of alanine dipeptide in vacuum 10 fs apart, with forces and energies."""
    return make_labels(tmp_path_factory.mktemp("labels") / "ala.npz")


def run(folder, raw, **changes):
    folder.mkdir(exist_ok=True)
    trainer = Trainer(load(write_config(folder, raw, **changes)))
    return trainer, trainer.run()


def metrics(folder) -> list[dict]:
    """What a run has written down."""
    return [json.loads(line) for line in (folder / "out" / "metrics.jsonl").read_text().splitlines()]


def untrained_loss(folder, raw, number: int, weights=None) -> float:
    """Validation loss of a stage with the weights a run begins with, or with given ones."""
    folder.mkdir()
    trainer = Trainer(load(write_config(folder, raw)))
    if weights is not None:
        trainer.network.load_state_dict(weights)
    trainer._begin_stage(number, trainer.config.stages[number])
    loss = trainer.validator.losses(trainer.objective)["loss"]
    trainer.report.close()
    return loss


@pytest.fixture(scope="module")
def trained(labels, tmp_path_factory):
    """A run of all three stages with a checkpoint at the end of each: folder, configuration, trainer, model file."""
    folder = tmp_path_factory.mktemp("run")
    raw = make_raw(labels, "energy", "field", "guidance")
    trainer, file = run(folder, raw, keep_checkpoints=9)
    return folder, raw, trainer, file


def test_every_stage_lowers_its_loss(trained, tmp_path):
    folder, raw, _, _ = trained
    after = [line["loss"] for line in metrics(folder) if line["kind"] == "validation"]
    files = Checkpoints(folder / "out").files()
    assert [int(f.stem) for f in files] == [30, 60, 90]
    for number, loss in enumerate(after):
        weights = torch.load(files[number - 1], weights_only=True)["network"] if number else None
        before = untrained_loss(tmp_path / str(number), raw, number, weights)
        print(f"stage {number}: {before:.4f} -> {loss:.4f}")
        assert loss < before


def test_one_stage_trains_the_heads_of_two_force_fields(labels, tmp_path):
    """AMBER and CHARMM36 labels of one molecule, each with a head of its own; both losses fall to less than half."""
    charmm = make_labels(tmp_path / "charmm.npz", "charmm36-vacuum")
    raw = make_raw(labels, "energy")
    entry = raw["data"][0]
    files = {"topology": str(charmm.with_suffix(".pdb")), "trajectories": [str(charmm)]}
    raw["data"] = [entry | {"name": "amber"}, entry | files | {"name": "charmm", "energy_head": 0}]
    raw["network"] |= WIDER
    raw["stages"][0]["iterations"] = 100
    trainer, _ = run(tmp_path / "run", raw)
    for head, name in ((1, "amber"), (0, "charmm")):
        alone = raw | {"stages": [raw["stages"][0] | {"data": [name]}]}
        before = untrained_loss(tmp_path / f"{name}-before", alone, 0)
        after = untrained_loss(tmp_path / f"{name}-after", alone, 0, trainer.network.state_dict())
        print(f"head {head}: {before:.4f} -> {after:.4f}")
        assert after < 0.5 * before
    fresh = UniSim.initialize(trainer.network.config, int(trainer.config.seed)).state_dict()
    moved = {n.split(".")[1] for n, v in trainer.network.state_dict().items() if not torch.equal(v, fresh[n])}
    assert {"0", "1"} <= moved and "2" not in moved  # heads


def test_a_protein_trains_on_subgraphs(tmp_path):
    """T4 lysozyme with its ligand, 2621 atoms: more than subgraphs.above_atoms, which is left as it is."""
    for name in ("complex.prmtop", "complex.crd"):
        (tmp_path / name).write_bytes(gzip.decompress((DATA / "t4-lysozyme" / f"{name}.gz").read_bytes()))
    files = app.AmberPrmtopFile(str(tmp_path / "complex.prmtop")), app.AmberInpcrdFile(str(tmp_path / "complex.crd"))
    with open(tmp_path / "t4.pdb", "w") as out:
        app.PDBFile.writeFile(files[0].topology, files[1].positions, out)
    x = files[1].getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    x = x + np.random.default_rng(0).normal(0, 0.003, (6, *x.shape))
    platform = openmm.Platform.getPlatform("CPU")
    context = openmm.Context(files[0].createSystem(constraints=None), openmm.VerletIntegrator(1e-3), platform)
    forces = []
    for positions in x:
        context.setPositions(positions)
        force = context.getState(forces=True).getForces(asNumpy=True)
        forces.append(force.value_in_unit(unit.kilojoule_per_mole / unit.nanometer))
    np.savez(tmp_path / "t4.npz", positions=x, forces=forces)

    raw = make_raw(tmp_path / "t4.npz", "energy")
    raw["data"] = [raw["data"][0] | {"ligand": "resname TMP"}]
    raw["network"] |= WIDER
    raw["stages"][0] |= {"iterations": 20, "batch": {"atoms": 1200}}
    raw["validation"] |= {"every": 20, "batches": 2}
    trainer, file = run(tmp_path / "run", raw)
    assert trainer.skipped == 0 and file.exists()
    (t4,) = trainer.sets
    assert t4.system.molecule.size == 2621 and 500 < t4.cost < 1500  # half of the environment, and its centre
    example = trainer.collator.example(*_batch(trainer))
    assert 600 < len(example.mask) < 2621 and 50 < int((example.mask > 0).sum()) < 400
    loss = [line["loss"] for line in metrics(tmp_path / "run") if line["kind"] == "validation"]
    before = untrained_loss(tmp_path / "before", raw, 0)
    print(f"{before:.4f} -> {loss[-1]:.4f}")
    assert loss[-1] < before


def test_a_stage_leaves_the_rest_alone(trained):
    states = [torch.load(f, weights_only=True)["network"] for f in Checkpoints(trained[0] / "out").files()]
    for before, after, parts in ((*states[:2], ("encoder", "velocity", "denoiser")), (*states[1:], ("guidance",))):
        for name in before:
            changed = not torch.equal(before[name], after[name])
            assert not changed or name.split(".")[0] in parts, name
        assert not all(torch.equal(before[n], after[n]) for n in before)


def test_a_resumed_run_is_the_uninterrupted_one(labels, tmp_path):
    raw = make_raw(labels, "field")
    raw["stages"][0]["iterations"] = 8
    whole, _ = run(tmp_path / "a", raw, keep_checkpoints=9, checkpoint_iterations=4)
    files = Checkpoints(tmp_path / "a" / "out").files()
    assert [int(f.stem) for f in files] == [4, 8]
    files[1].unlink()
    again, _ = run(tmp_path / "a", raw, keep_checkpoints=9, checkpoint_iterations=4)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name


def test_the_exported_model_jumps(trained, labels):
    file = trained[3]
    stored = ModelFile.load(file)
    assert (stored.family, stored.metadata()["sampler"]["type"], len(stored.time_grid)) == ("unisim", "interpolant", 6)
    assert (stored.settings["step_noise"], stored.settings["order"]) == ("bridge", 2)
    assert (stored.settings["gamma_clip"], stored.settings["guidance_strength"]) == (0.03, 0.05)
    assert any(z == 1 for z, _ in stored.vocabulary)
    model = JumpModel(str(file))
    assert (stored.guidance_schedule, model.getGuidanceSchedule()) == ("constant", "constant")
    pdb = app.PDBFile(str(labels.with_suffix(".pdb")))
    system = app.ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=None)
    graph = MolecularGraph.fromTopology(pdb.topology, model)
    integrator = JumpIntegrator(model, graph, 300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtoseconds)
    integrator.setRelaxationSteps(0)
    simulation = app.Simulation(
        pdb.topology, system, cases.open_gate(integrator), openmm.Platform.getPlatform("Reference")
    )
    simulation.context.setPositions(pdb.positions)
    simulation.step(1)
    x = simulation.context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    assert (
        np.isfinite(x).all() and np.abs(x - pdb.getPositions(asNumpy=True).value_in_unit(unit.nanometer)).max() > 0.01
    )
    assert (integrator.getStatistics().steps, integrator.getStatistics().accepted) == (1, 1)


def test_training_goes_on_from_a_file_without_a_kernel(labels, trained, tmp_path):
    """A model without guidance kernel may be given one later: the kernel begins with fresh weights."""
    file = tmp_path / "base.safetensors"
    base = ModelFile.load(trained[3])
    base.tensors = {n: v for n, v in base.tensors.items() if not n.startswith("guidance.")}
    base.settings["guidance_kernel"] = False
    base.save(file)
    raw = make_raw(labels, "guidance")
    trainer = Trainer(load(write_config(tmp_path, raw, start_from=str(file))))
    for name, tensor in trainer.network.state_dict().items():
        assert name.startswith("guidance.") or torch.equal(tensor, base.tensors[name])
    trainer.report.close()


def test_pairs_keep_their_translation(labels, tmp_path):
    """Both frames are shifted by the centroid of x0; nothing is superposed."""
    trainer = Trainer(load(write_config(tmp_path, make_raw(labels, "field"))))
    (md,) = trainer.pair_sets(trainer.config.stages[0], held_out=False)
    x0, x1 = md.positions(np.array([3]))
    with np.load(labels) as stored:
        frames = 10 * stored["positions"].astype(np.float64)
    origin = frames[3].mean(0)
    assert np.abs(x0[0] - (frames[3] - origin)).max() < 1e-5
    assert np.abs(x1[0] - (frames[8] - origin)).max() < 1e-5
    forces = md.system.forces
    with np.load(labels) as stored:
        assert forces == pytest.approx(stored["forces"] * 1e-3, rel=1e-5)
    energies = relative_energies(md.system)
    assert (energies.min(), energies.max()) == (-1, 0)
    trainer.report.close()


def test_forces_turn_with_superposed_frames(labels, tmp_path):
    """x1 is x0 turned, with its forces: superposed, both are those of x0."""
    turn = np.linalg.qr(normal(3, 3, seed=3).numpy())[0]
    turn[:, 2] *= np.sign(np.linalg.det(turn))
    with np.load(labels) as stored:
        x0, f0 = stored["positions"][0], stored["forces"][0]
    file = tmp_path / "turned.npz"
    np.savez(file, positions=[x0, x0 @ turn, x0], forces=[f0, f0 @ turn, f0], energies=[1.0, 2.0, 3.0])
    raw = make_raw(labels, "guidance") | {"lag_time_ps": 0.01}
    raw["data"] = [raw["data"][0] | {"trajectories": [str(file)], "superpose": True}]
    raw["validation"]["fraction"] = 0
    trainer = Trainer(load(write_config(tmp_path, raw)))
    (pairs,) = trainer.pair_sets(trainer.config.stages[0], held_out=False)
    first = np.array([0, 1])
    (x0, x1), (f0, f1) = pairs.positions(first), pairs.forces(first)
    assert np.abs(f0[1] - f0[0] @ turn).max() < 1e-5  # MJ/mol/nm
    assert np.abs(x1 - x0).max() < 1e-4
    assert np.abs(f1 - f0).max() < 1e-4
    trainer.report.close()


def test_runs_on_subgraphs_with_jumps_in_a_closed_loop(labels, tmp_path):
    raw = make_raw(labels, "energy", "field", "guidance")
    small = {"above_atoms": 10, "environment_A": 4, "gradient_A": 2.5}
    for stage in raw["stages"]:
        stage |= {"iterations": 2, "batch": {"atoms": 60}, "subgraphs": small}
    raw["validation"] |= {"jumps_every": 2, "jumps": 2, "replicas": 2}
    trainer, _ = run(tmp_path / "a", raw)
    assert trainer.skipped == 0
    example = trainer.collator.example(*_batch(trainer))
    assert (example.mask == 0).any() and (example.mask > 0).any()
    assert 0 < trainer.sets[0].cost < 22
    assert sum(line["kind"] == "jumps" for line in metrics(tmp_path / "a")) == 2  # none in stage energy


def _batch(trainer):
    """Pairs, times and a source of noise for one batch of the last stage."""
    stage, rng = trainer.config.stages[-1], np.random.default_rng(0)
    items = stage.draw(trainer.sets, rng)
    return items, stage.draw_times(len(items.sets), rng), rng


def test_conformers_for_denoising(tmp_path):
    pytest.importorskip("rdkit")
    conformers = mdtraj.load(str(write_conformers("CC(=O)NC", tmp_path / "conformers.pdb", 3)))
    assert (conformers.n_frames, conformers.n_atoms) == (3, 12)
    with pytest.raises(ValueError, match="is not a valid SMILES"):
        write_conformers("C(", tmp_path / "no.pdb", 1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r["network"].update(layer=2), "network.layer is not a known key; did you mean layers."),
        (lambda r: r["network"].update(family="pvp"), "network.family must be one of pvb, unisim, not 'pvp'."),
        (lambda r: r["network"].update(vector_heads=False), "network.vector_heads is false, but a stage needs"),
        (lambda r: r["network"].update(energy_heads=2), "stages.0.data holds 'noise', whose energy_head is 2, but"),
        (lambda r: r["network"].update(guidance_kernel=True), "network.guidance_kernel is true, but no stage"),
        (lambda r: r["stages"][1].update(kind="guidance"), "network.guidance_kernel is false, but a stage"),
        (lambda r: r["stages"][1].update(kind="trajectory"), "stages.1.kind is trajectory, a stage of pvb"),
        (lambda r: r["data"][0].pop("energy_head"), "stages.0.data holds 'md', which names no energy_head."),
        (lambda r: r["data"][1].pop("energy_head"), "data.1.energy_head is missing"),
        (lambda r: r["data"][0].pop("frame_interval_ps"), "stages.1.data holds 'md', which has no frame_interval_ps"),
        (lambda r: r["data"][0]["trajectories"].append("b.xtc"), "data.0.trajectories mixes labelled frames"),
        (lambda r: r["stages"][0].update(subgraphs={"gradient_A": 30}), "stages.0.subgraphs.gradient_A must not be"),
        (lambda r: r["sampler"].update(order=3), "sampler.order must be one of 1, 2, not 3."),
        (lambda r: r.pop("temperature_K"), "temperature_K is missing"),
    ],
)
def test_each_fault_is_one_sentence(labels, tmp_path, change, sentence):
    raw = make_raw(labels, "energy", "field")
    change(raw)
    with pytest.raises(ConfigError) as error:
        load(write_config(tmp_path, raw))
    assert len(error.value.faults) == 1, error.value.faults
    assert error.value.faults[0].startswith(sentence) and error.value.faults[0].endswith(".")


def test_faulty_labels(labels, tmp_path):
    with np.load(labels) as stored:
        arrays = dict(stored)
    for name, change, sentence in (
        ("none", {"forces": None}, "has no array 'forces'"),
        ("short", {"forces": arrays["forces"][:3]}, r"forces has shape \(3, 22, 3\), but must have \(40, 22, 3\)"),
        ("nan", {"energies": arrays["energies"] * math.nan}, "energies holds a number that is not finite"),
    ):
        file = tmp_path / f"{name}.npz"
        np.savez(file, **{k: v for k, v in (arrays | change).items() if v is not None})
        raw = make_raw(labels, "field")
        raw["data"][0]["trajectories"] = [str(file)]
        with pytest.raises(ConfigError, match=sentence):
            Trainer(load(write_config(tmp_path, raw)))
