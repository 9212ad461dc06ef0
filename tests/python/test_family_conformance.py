"""What must hold for the network and the sampler of every family that is registered."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from openmmjump import families
from openmmjump.evaluation.equivariance import random_rotation
from openmmjump.network import Atoms, NoiseStream, uniform_grid

STEPS = 4
#: Settings with which a family is equivariant, where others aren't: PVB's learned encoder, as published, has a variance
#: for each axis of space, which does not turn with the molecule.
EQUIVARIANT = {"pvb": {"encoder": "fixed"}}
ELEMENTS = (6, 7, 6, 8, 6, 1, 6, 16)


@pytest.fixture(params=[*(family.name for family in families.list_families()), "toy"])
def family(request):
    """Each family in turn, the one that lives in the tests among them."""
    return request.getfixturevalue("toy") if request.param == "toy" else families.find(request.param)


def make_atoms(first: int = 0, count: int = 8) -> Atoms:
    """A chain of some elements, as a molecule without residues."""
    numbers = [z - 1 for z in ELEMENTS[first : first + count]]
    return Atoms(numbers, numbers, [list(range(count - 1)), list(range(1, count))])


def positions(count: int, seed: int) -> torch.Tensor:
    """Positions in A of a bent chain."""
    random = np.random.default_rng(seed)
    steps = random.normal(size=(count, 3))
    return torch.from_numpy(np.cumsum(1.4 * steps / np.linalg.norm(steps, axis=1, keepdims=True), axis=0))


def make_network(family, dtype=torch.float64, **settings):
    network = family.network.initialize({**family.native.small_settings, **settings}, seed=5).to(dtype)
    network.lag_time, network.temperature = 20.0, 300.0
    return network


def draw(network, count: int, seed: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(network.draws(STEPS), count, 3, dtype=torch.float64, generator=generator)


def jump(network, atoms, x, noise):
    return network.jump(atoms, x, noise, uniform_grid(STEPS) if network_has_steps(network) else None)


def network_has_steps(network) -> bool:
    return families.find(network.family).native.has_time_grid


def test_equivariance(family):
    """A turned and shifted start with turned noise gives the turned and shifted end."""
    network = make_network(family, **EQUIVARIANT.get(family.name, {}))
    atoms, x = make_atoms(), positions(8, 1)
    noise, rotation = draw(network, 8), torch.from_numpy(random_rotation(np.random.default_rng(2)))
    shift = torch.tensor([3.0, -7.0, 1.0], dtype=torch.float64)
    plain = jump(network, atoms, x, noise)
    turned = jump(network, atoms, x @ rotation.T + shift, noise @ rotation.T)
    assert (plain - x).abs().max() > 1e-3
    torch.testing.assert_close(turned, plain @ rotation.T + shift, rtol=0, atol=1e-9)


def test_the_same_noise_gives_the_same_answer(family):
    network, atoms, x = make_network(family), make_atoms(), positions(8, 1)
    streams = [NoiseStream(seed=9, jump=4)]
    first = jump(network, atoms, x, streams)
    assert torch.equal(first, jump(network, atoms, x, streams))
    for other in (NoiseStream(seed=8, jump=4), NoiseStream(seed=9, jump=5), NoiseStream(seed=9, jump=4, attempt=1)):
        assert not torch.equal(first, jump(network, atoms, x, [other]))
    noise = draw(network, 8)
    assert torch.equal(jump(network, atoms, x, noise), jump(network, atoms, x, noise))


def test_a_batch_equals_its_replicas(family):
    network, atoms = make_network(family), make_atoms()
    starts = [positions(8, seed) for seed in (1, 2, 3)]
    streams = [NoiseStream(seed=1, jump=7), NoiseStream(seed=1, jump=8), NoiseStream(seed=2, jump=7, attempt=3)]
    together = jump(network, atoms.repeat(3), torch.cat(starts), streams).reshape(3, 8, 3)
    for end, start, stream in zip(together, starts, streams, strict=True):
        torch.testing.assert_close(end, jump(network, atoms, start, [stream]), rtol=0, atol=1e-9)


def test_molecules_of_a_batch_do_not_feel_each_other(family):
    """Molecules of different sizes in one batch, one on top of the other, jump as if they were alone."""
    network = make_network(family)
    molecules = [make_atoms(0, 8), make_atoms(2, 5), make_atoms(1, 3)]
    starts = [positions(len(m), seed) for seed, m in enumerate(molecules)]
    noises = [draw(network, len(m), seed) for seed, m in enumerate(molecules)]
    together = jump(network, Atoms.batched(molecules), torch.cat(starts), torch.cat(noises, 1))
    alone = [jump(network, *given) for given in zip(molecules, starts, noises, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-9)


def test_single_precision_is_close_to_double(family):
    atoms, x = make_atoms(), positions(8, 1)
    double, single = make_network(family), make_network(family, torch.float32)
    noise = draw(double, 8)
    rough = jump(single, atoms, x.float(), noise.float())
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough.double(), jump(double, atoms, x, noise), rtol=0, atol=1e-4)


def test_the_engine_jumps_as_the_module_does(family):
    """The sampler that simulations use, on the same parameters and noise."""
    network, atoms, x = make_network(family), make_atoms(), positions(8, 1)
    streams, grid = [NoiseStream(seed=3, jump=2)], uniform_grid(STEPS if network_has_steps(network) else 1)
    tensors = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    sampler = family.native.make_sampler(network.config, tensors, grid)
    given = sampler.sample(atoms._batch, x, streams, lag_time=network.lag_time, temperature=network.temperature)
    torch.testing.assert_close(given, network.jump(atoms, x, streams, grid), rtol=0, atol=1e-9)


def test_gradients_of_each_stage_are_those_of_finite_differences(family):
    """Of the loss of every kind of stage that learns from pairs, in the direction of its own gradient."""
    from conformance_cases import losses

    for kind, loss, network in losses(family):
        trained = [p for p in network.parameters() if p.requires_grad]
        network.zero_grad(set_to_none=True)
        loss().backward()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in trained]
        length = torch.sqrt(sum(g.square().sum() for g in gradients))
        assert length > 0, kind
        step, values = 1e-5, []
        for sign in (1, -2):  # to +step, then to -step
            with torch.no_grad():
                for p, g in zip(trained, gradients, strict=True):
                    p.add_(g / length, alpha=sign * step)
            values.append(float(loss().detach()))
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(float(length), rel=1e-4), kind


def test_settings_have_defaults_and_limits(family):
    """The one table of settings: defaults pass, and what is beyond a limit is refused by name."""
    family.native.complete({})
    for row in family.native.settings:
        assert row.help and row.section in ("architecture", "sampler", "model"), row.key
        if row.kind in ("int", "float") and np.isfinite(row.low):
            with pytest.raises(ValueError, match=row.key):
                family.native.complete({row.key: row.low - 1})
        if row.kind == "word":
            with pytest.raises(ValueError, match=row.key):
                family.native.complete({row.key: "nothing of the kind"})
