"""UniSim in Python: the numbers of the reference in NumPy, and what PyTorch expects of a module."""

from __future__ import annotations

import copy
import importlib.util
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from openmmjump.families.unisim import UniSim
from openmmjump.network import Atoms, NoiseStream

SMALL = {
    "hidden_dim": 12,
    "ffn_dim": 10,
    "rbf_dim": 6,
    "expansion_dim": 3,
    "heads": 3,
    "layers": 2,
    "energy_heads": 2,
    "guidance_kernel": True,
}


@pytest.fixture(scope="module")
def reference():
    path = Path(__file__).parent.parent / "unisim_reference.py"
    spec = importlib.util.spec_from_file_location("unisim_reference", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def small() -> UniSim:
    return UniSim.initialize(SMALL, seed=3).double()


@pytest.fixture
def example() -> tuple[Atoms, torch.Tensor]:
    types = [5, 0, 6, 7, 5, 0, 15, 5]
    return Atoms(types, types, [], [0, 0, 0, 0, 0, 1, 1, 1]), 2 * normal(8, 3, seed=1)


def test_agrees_with_the_reference(reference):
    rng = np.random.default_rng(1)
    weights = reference.make_weights(rng)
    molecule = reference.make_cases(rng)["small_body"]
    config = {"hidden_dim": 32, "ffn_dim": 48, "rbf_dim": 8, "expansion_dim": 4, "heads": 4, "layers": 2}
    network = UniSim(
        {**config, "energy_heads": 2, "guidance_kernel": True},
        {name: torch.from_numpy(np.array(tensor)) for name, tensor in weights.items()},
    )
    types = [reference.ATOMIC_NUMBERS[element] - 1 for element in molecule.elements]
    atoms, x = Atoms(types, types, [], molecule.ligand), torch.from_numpy(molecule.x)
    velocity, denoiser = network.fields(atoms, 0.37, x)
    pairs = [
        ((velocity, denoiser), reference.fields(weights, molecule, 0.37)),
        (network.guidance_heads(atoms, 0.37, x), reference.guidance_heads(weights, molecule, 0.37)),
        ((network.guidance_force(atoms, 0.37, x),), (reference.guidance(weights, molecule, 0.37),)),
        (network.encode(atoms, 0.37, x), reference.encode(weights, "encoder.net.", molecule, 0.37)),
        ([network.energy(atoms, 1, x, head)[0] for head in range(2)], reference.energies(weights, molecule, 1)),
    ]
    for values, expected in pairs:
        for value, number in zip(values, expected, strict=True):
            np.testing.assert_allclose(value.detach().numpy(), number, rtol=1e-9, atol=1e-11)
    noise = rng.normal(size=(3, *molecule.x.shape))
    grid = [0, 0.2, 0.45, 0.9, 1]
    states = reference.sample(weights, molecule, grid, noise, guided=True)
    np.testing.assert_allclose(
        network.jump(atoms, x, torch.from_numpy(noise), grid, all_states=True).numpy(), states, rtol=1e-9
    )
    bridge = UniSim({**network.config, "step_noise": "bridge", "order": 2}, network.state_dict())
    assert (bridge.config["step_noise"], bridge.config["order"]) == ("bridge", 2)
    states = reference.sample_bridge(weights, molecule, grid, noise)
    np.testing.assert_allclose(
        bridge.jump(atoms, x, torch.from_numpy(noise), grid, all_states=True).numpy(), states, rtol=1e-9
    )


def test_parameters_have_the_names_of_the_list(small):
    shapes = UniSim.tensor_shapes(SMALL)
    assert {name: tuple(tensor.shape) for name, tensor in small.state_dict().items()} == shapes
    assert sum(np.prod(s, dtype=int) for n, s in UniSim.tensor_shapes({}).items()) == 3643011 + 4 * 460289 + 2 * 656385
    assert small.config["guidance_kernel"] is True
    assert isinstance(small.config["layers"], int)
    assert small.sigma == pytest.approx(0.3159, abs=5e-5)


def test_an_optimizer_step_on_forces_lowers_the_loss(small, example):
    atoms, x = example
    target = normal(8, 3, seed=5)
    optimizer = torch.optim.Adam(small.parameters(), lr=3e-3)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = (small("force", atoms, 1, x, head=1) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_every_parameter_gets_a_gradient(small, example):
    atoms, x = example
    velocity, denoiser = small.fields(atoms, 0.4, x)
    loss = velocity.square().sum() + denoiser.square().sum() + small.guidance_force(atoms, 0.4, x).square().sum()
    (loss + small.energy(atoms, 0, x, 0).sum() + small.energy(atoms, 1, x, 1).sum()).backward()
    assert all(parameter.grad is not None for parameter in small.parameters())


def test_force_is_the_gradient_of_the_energy(small, example):
    atoms, x = example
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(small.energy(atoms, 1, x, 1).sum(), x)
    assert torch.allclose(small.force(atoms, 1, x, 1), -gradient)
    with torch.no_grad():
        assert torch.allclose(small.force(atoms, 1, x, 1), -gradient)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_copies_are_independent(small, example, duplicate):
    atoms, x = example
    small.fused = False
    before = small.guidance_force(atoms, 0.3, x)
    twin = duplicate(small)
    assert twin.config == small.config and not twin.native().fused
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.mul_(1.5)
    assert torch.equal(twin.guidance_force(atoms, 0.3, x), before)
    assert not torch.equal(small.guidance_force(atoms, 0.3, x), before)


def test_precision_follows_the_parameters(small, example):
    atoms, x = example
    double = small.fields(atoms, 0.3, x)[0]
    single = small.to(torch.float32).fields(atoms, 0.3, x)[0]
    assert (double.dtype, single.dtype) == (torch.float64, torch.float32)
    assert torch.allclose(single.double(), double, rtol=1e-3, atol=1e-4)


def test_jumps(small, example):
    atoms, x = example
    streams = [NoiseStream(seed=1, jump=7), NoiseStream(seed=1, jump=8, attempt=2)]
    both = small.jump(atoms.repeat(2), torch.cat([x, x]), streams)
    for index, stream in enumerate(streams):
        states = small.jump(atoms, x, [stream], all_states=True)
        assert states.shape == (16, 8, 3) and torch.equal(states[0], x) and not states.requires_grad
        assert torch.allclose(both[8 * index : 8 * index + 8], states[-1], atol=1e-11)
    tiled = small.jump(atoms, x, [streams[1]], max_atoms=3, all_states=True)
    assert torch.allclose(tiled[-1], both[8:], atol=1e-11)

    times = []

    def push(y, t):
        times.append(t)
        return torch.ones_like(y)

    free, pushed = (
        small.jump(atoms, x, torch.zeros(1, 8, 3), guidance=force, all_states=True) for force in (None, push)
    )
    assert times == [0, 0.5]
    assert torch.allclose(pushed[1], free[1] + 0.5)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"hidden": 12}, "no setting named hidden"),
        ({"heads": 5}, "must divide hidden_dim"),
        ({"layers": 1.5}, "whole number"),
        ({"guidance_kernel": 2}, "true or false"),
        ({"gamma_clip": 0}, "gamma_clip is 0"),
        ({"order": 3}, "order is 3, but it must be a whole number between 1 and 2"),
        ({"step_noise": "none"}, "'euler' or 'bridge'"),
        ({"step_noise": 1}, "'euler' or 'bridge'"),
        ({"order": "2"}, "order is '2', but it must be a whole number"),
    ],
)
def test_bad_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        UniSim.initialize({**SMALL, **changes})


def test_bad_arguments(small, example):
    atoms, x = example
    with pytest.raises(ValueError, match=r"x must have the shape \(8, 3\), but has \(5, 3\)"):
        small.fields(atoms, 0.3, x[:5])
    with pytest.raises(ValueError, match="no energy head 2"):
        small.energy(atoms, 0.3, x, 2)
    with pytest.raises(ValueError, match=r"atom 1 has the atomic number 10 \(Ne\)"):
        small.fields(Atoms([5, 9], [5, 9], []), 0.3, x[:2])
    with pytest.raises(ValueError, match="'extra' does not belong"):
        UniSim(SMALL, {**small.state_dict(), "extra": torch.zeros(1).double()})
