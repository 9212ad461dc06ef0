"""The networks in Python: the published numbers, and everything PyTorch expects of a module."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from pathlib import Path

import pytest
import torch
from openmmjump.families.pvb import PVB
from openmmjump.network import Atoms, NoiseStream, dense_grid, uniform_grid
from safetensors.torch import load_file

DATA = Path(__file__).parent.parent / "data" / "pvb"
NARROW = {
    "hidden_dim": 48,
    "ffn_dim": 80,
    "rbf_dim": 20,
    "heads": 4,
    "layers": 3,
    "k_neighbors": 12,
    "cutoff_lower": 0.0,
    "cutoff_upper": 10.0,
    "sigma": 0.2,
    "coord_prior_var": 0.5,
}
SMALL = {"hidden_dim": 12, "ffn_dim": 10, "rbf_dim": 5, "heads": 3, "layers": 2, "k_neighbors": 6}
PRECISIONS = {torch.float64: 1e-10, torch.float32: 1e-5}


def read(name: str, dtype: torch.dtype | None = None) -> dict[str, torch.Tensor]:
    tensors = load_file(DATA / f"{name}.safetensors")
    return {key: value.to(dtype) if dtype and value.is_floating_point() else value for key, value in tensors.items()}


def assert_close(value: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    difference = (value.detach().double() - expected.double()).norm() / expected.double().norm()
    assert difference <= tolerance


def make_chain(atoms: int) -> Atoms:
    return Atoms([5] * atoms, [5] * atoms, [list(range(atoms - 1)), list(range(1, atoms))])


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def small() -> PVB:
    return PVB.initialize(SMALL, seed=3).double()


@pytest.fixture
def example() -> tuple[Atoms, torch.Tensor, torch.Tensor]:
    """Atoms, Y0 and Y_t."""
    return make_chain(8), 2 * normal(8, 3, seed=1), 2 * normal(8, 3, seed=2)


# --- the published numbers ---


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_agrees_with_the_published_network(dtype, fused):
    weights, inputs = read("narrow.weights", dtype), read("ala2.inputs", dtype)
    expected = read("ala2.narrow." + str(dtype).removeprefix("torch."))
    tolerance = PRECISIONS[dtype]
    network = PVB(NARROW, weights)
    network.fused = fused
    atoms = Atoms(inputs["atype"], inputs["btype"], inputs["bond_index"], inputs["edge_mask"], inputs["abid"])
    assert_close(network.log_variance(atoms, inputs["x0"]), expected["encoder.logvar"], tolerance)
    for index, t in enumerate((0, 0.35, torch.tensor([0.9], dtype=torch.float64))):
        drift, velocity = (expected[f"decoder.t{index}.{field}"] for field in ("drift", "velocity"))
        assert_close(network.drift(atoms, t, inputs["y0"], inputs["yt"]), drift, tolerance)
        assert_close(network.velocity(atoms, t, inputs["y0"], inputs["yt"]), velocity, tolerance)
        both = network.fields(atoms, t, inputs["y0"], inputs["yt"])
        assert_close(both[0], velocity, tolerance)
        assert_close(both[1], drift, tolerance)
    states = network.jump(
        atoms, inputs["x0"], torch.cat([inputs["eps_encoder"][None], inputs["eps_sde"]]), all_states=True
    )
    assert states.shape == (11, 10, 3)
    assert_close(states, expected["jump.states"], tolerance)
    losses = network.bridge_loss(
        atoms,
        inputs["x0"],
        inputs["x1"],
        0.6180339887,
        inputs["eps_encoder"],
        inputs["eps_bridge"],
        mask=inputs["mask"],
    )
    losses["loss"].backward()
    values = torch.stack([losses[part] for part in ("loss", "kl", "velocity", "drift")])
    assert_close(values, expected["train.md.loss_kl_vel_drf"], tolerance)
    prefix = "train.md.grad."
    for key in expected:
        if key.startswith(prefix):
            gradient = network.get_parameter(key.removeprefix(prefix)).grad
            assert_close(gradient.flatten(), expected[key], tolerance)


def test_signatures():
    def names(function):
        return [name for name in inspect.signature(function).parameters if name != "self"]

    assert names(PVB) == ["config", "tensors"]
    assert names(Atoms) == ["atom_type", "block_type", "bonds", "edge_mask", "molecule"]
    assert names(PVB.log_variance) == ["atoms", "x0"]
    assert names(PVB.drift) == names(PVB.velocity) == ["atoms", "t", "y0", "yt"]
    assert names(PVB.jump)[:4] == ["atoms", "x0", "noise", "time_grid"]


# --- a module like any other ---


def test_parameters_have_the_published_names():
    network = PVB(NARROW, read("narrow.weights"))
    assert set(network.state_dict()) == set(read("narrow.weights"))
    shapes = PVB.tensor_shapes(NARROW)
    assert set(shapes) == set(network.state_dict()) - {"W_vec_mu.weight"}
    assert all(tuple(network.get_parameter(name).shape) == shape for name, shape in shapes.items())


def test_an_optimizer_step_changes_the_network_and_lowers_the_loss(small, example):
    atoms, x0, x1 = example
    noise = normal(8, 3, seed=5), normal(8, 3, seed=6)
    optimizer = torch.optim.Adam(small.parameters(), lr=3e-3)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = small.bridge_loss(atoms, x0, x1, 0.4, *noise)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_every_parameter_gets_a_gradient(small, example):
    atoms, x0, x1 = example
    small.bridge_loss(atoms, x0, x1, 0.4, normal(8, 3, seed=5), normal(8, 3, seed=6))["loss"].backward()
    assert all(parameter.grad is not None for parameter in small.parameters())


def test_state_dict_makes_the_round_trip(small, example):
    atoms, y0, yt = example
    other = PVB.initialize(SMALL, seed=4).double()
    before = other.drift(atoms, 0.3, y0, yt)
    other.load_state_dict(small.state_dict())
    assert not torch.equal(other.drift(atoms, 0.3, y0, yt), before)
    assert torch.equal(other.drift(atoms, 0.3, y0, yt), small.drift(atoms, 0.3, y0, yt))


def test_precision_follows_the_parameters(small, example):
    atoms, y0, yt = example
    double = small.drift(atoms, 0.3, y0, yt)
    single = small.to(torch.float32).drift(atoms, 0.3, y0, yt)
    assert (double.dtype, single.dtype) == (torch.float64, torch.float32)
    assert_close(single, double, 1e-5)
    assert small.to(torch.float64).drift(atoms, 0.3, y0, yt).dtype == torch.float64


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_copies_are_independent(small, example, duplicate):
    atoms, y0, yt = example
    small.fused = False
    before = small.drift(atoms, 0.3, y0, yt)
    twin = duplicate(small)
    assert twin.config == small.config
    assert not twin.fused and not twin.native().fused
    assert torch.equal(twin.drift(atoms, 0.3, y0, yt), before)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.mul_(1.5)
    assert torch.equal(twin.drift(atoms, 0.3, y0, yt), before)
    assert not torch.equal(small.drift(atoms, 0.3, y0, yt), before)


def test_a_replaced_parameter_is_used(small, example):
    atoms, y0, yt = example
    small.drf_ffn.linear_v.weight = torch.nn.Parameter(torch.zeros_like(small.drf_ffn.linear_v.weight))
    assert small.drift(atoms, 0.3, y0, yt).abs().max() == 0


def test_gradients_reach_the_positions(small, example):
    atoms, y0, yt = example
    yt.requires_grad_()
    weight = normal(8, 3, seed=9)

    def value(y):
        return (small.drift(atoms, 0.3, y0, y) * weight).sum()

    (gradient,) = torch.autograd.grad(value(yt), yt)
    with torch.no_grad():
        difference = (value(yt + 1e-5 * weight) - value(yt - 1e-5 * weight)) / 2e-5
    assert (gradient * weight).sum().item() == pytest.approx(difference.item(), rel=1e-6)


def test_config_is_filled_in():
    config = PVB.initialize(SMALL).config
    assert (config["hidden_dim"], config["sigma"], config["head"], config["order"]) == (12, 0.2, "drift", 1)
    assert isinstance(config["layers"], int)


# --- jumps ---


def test_jumps_are_reproducible_and_independent_of_the_batch(small, example):
    atoms, x0, _ = example
    grid = dense_grid(4)
    streams = [NoiseStream(seed=1, jump=7), NoiseStream(seed=1, jump=8, attempt=2)]
    both = small.jump(atoms.repeat(2), torch.cat([x0, x0]), streams, time_grid=grid)
    assert both.shape == (16, 3)
    for index, stream in enumerate(streams):
        alone = small.jump(atoms, x0, [stream], time_grid=grid)
        assert_close(both[8 * index : 8 * index + 8], alone, 1e-12)


def test_jumps_without_noise_follow_the_velocity(small, example):
    atoms, x0, _ = example
    states = small.jump(atoms, x0, torch.zeros(1, 8, 3), time_grid=[0, 0.3, 1], ode=True, all_states=True)
    y, expected = x0, [x0]
    for t, dt in ((0, 0.3), (0.3, 0.7)):
        y = y + dt * small.velocity(atoms, t, x0, y)
        expected.append(y)
    assert_close(states, torch.stack(expected), 1e-13)
    assert not states.requires_grad


def test_guidance_is_added_to_the_drift(small, example):
    atoms, x0, _ = example
    noise = torch.zeros(2, 8, 3)
    times = []

    def push(y, t):
        times.append(t)
        return torch.ones_like(y)

    pushed = small.jump(atoms, x0, noise, time_grid=[0, 0.25, 1], guidance=push, all_states=True)
    free = small.jump(atoms, x0, noise, time_grid=[0, 0.25, 1], all_states=True)
    assert times == [0, 0.25]
    assert_close(pushed[1], free[1] + 0.25, 1e-13)


def test_an_error_in_the_guidance_reaches_the_caller(small, example):
    atoms, x0, _ = example

    def fail(y, t):
        raise RuntimeError("no force today")

    with pytest.raises(RuntimeError, match="no force today"):
        small.jump(atoms, x0, [NoiseStream(1, 2)], guidance=fail)


def test_grids():
    assert uniform_grid(4) == [0, 0.25, 0.5, 0.75, 1]
    assert dense_grid(2) == [0, 0.5625, 1]


@pytest.mark.parametrize("head, power", [("endpoint", 1), ("scaled", 0.5)])
def test_other_heads_and_a_fixed_encoder(example, head, power):
    atoms, y0, yt = example
    config = {**SMALL, "head": head, "encoder": "fixed", "coord_prior_var": 0.04, "step_noise": "bridge", "order": 2}
    network = PVB.initialize(config, seed=1).double()
    assert not network.has_velocity
    assert torch.allclose(network.log_variance(atoms, y0), torch.full((8, 3), math.log(0.04)).double())
    velocity, prediction = network.fields(atoms, 0.75, y0, yt)
    assert velocity is None
    assert_close(network.drift(atoms, 0.75, y0, yt), prediction / 0.25**power, 1e-13)
    assert network.jump(atoms, y0, [NoiseStream(1, 1)], time_grid=dense_grid(6)).isfinite().all()


# --- atoms ---


def test_atoms():
    atoms = Atoms([5, 6, 7], [5, 6, 7], [[1], [0]])
    assert (len(atoms), atoms.num_molecules, atoms.edge_mask.tolist()) == (3, 1, [0, 0, 0])
    assert atoms.bonds.tolist() == [[0, 1], [1, 0]]
    assert "num_atoms=3" in repr(atoms)
    twin = pickle.loads(pickle.dumps(atoms))
    assert (twin.atom_type.tolist(), twin.bonds.tolist()) == ([5, 6, 7], [[0, 1], [1, 0]])
    batch = Atoms.batched([atoms, atoms.repeat(2), Atoms([0], [0], [])])
    assert batch.molecule.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert batch.bonds.tolist() == [[0, 1, 3, 4, 6, 7], [1, 0, 4, 3, 7, 6]]


# --- errors ---


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([200], [5], []), "atom_type must lie between 0 and 117"),
        (([5], [138], []), "block_type must lie between 0 and 137"),
        (([5, 5], [5, 5], [[0], [2]]), "bonds must lie between 0 and 1"),
        (([5, 5], [5, 5], [[0], [0]]), "bonded to itself"),
        (([5.5], [5], []), "atom_type must be a tensor of integers"),
        (([5, 5], [5, 5], [], [0]), "edge_mask must hold one number for each atom"),
        (([5, 5], [5, 5], [], None, [0, 2]), "molecule must rise from 0"),
    ],
)
def test_bad_atoms(arguments, message):
    with pytest.raises(ValueError, match=message):
        Atoms(*arguments)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"hidden_dims": 12}, "no setting named hidden_dims"),
        ({"heads": 5}, "must divide hidden_dim"),
        ({"layers": 1.5}, "whole number"),
        ({"head": "force"}, "'drift', 'endpoint' or 'scaled'"),
        ({"cutoff_lower": 2}, "cutoff_lower is 2"),
    ],
)
def test_bad_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        PVB.initialize({**SMALL, **changes})


def test_bad_tensors(small):
    tensors = small.state_dict()
    with pytest.raises(ValueError, match=r"decoder\.out_norm\.bias is missing"):
        PVB(SMALL, {name: tensor for name, tensor in tensors.items() if name != "decoder.out_norm.bias"})
    with pytest.raises(ValueError, match="'extra' does not belong"):
        PVB(SMALL, {**tensors, "extra": torch.zeros(1).double()})
    with pytest.raises(ValueError, match=r"has the shape \(11\), but the config asks for \(12\)"):
        PVB(SMALL, {**tensors, "decoder.out_norm.bias": torch.zeros(11).double()})


def test_bad_arguments(small, example):
    atoms, y0, yt = example
    with pytest.raises(ValueError, match=r"y0 must have the shape \(8, 3\)"):
        small.drift(atoms, 0.3, y0[:5], yt)
    with pytest.raises(ValueError, match="one for each of the 1 molecules"):
        small.drift(atoms, torch.zeros(2), y0, yt)
    with pytest.raises(ValueError, match="must rise"):
        small.jump(atoms, y0, [NoiseStream(1, 1)], time_grid=[0, 0.5, 0.4, 1])
    with pytest.raises(ValueError, match="no noise for step 1"):
        small.jump(atoms, y0, torch.zeros(1, 8, 3), time_grid=[0, 0.5, 1])
    with pytest.raises(ValueError, match="x1 must have the shape"):
        small.bridge_loss(atoms, y0, yt[:5], 0.3, y0, y0)
