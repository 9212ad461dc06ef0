"""Learning rate, averaged weights, early stopping and steps with gradients that aren't finite."""

import math

import pytest
import torch
from openmmjump.training.optimise import Average, LearningRate, Patience, make_optimizer, step
from openmmjump.training.settings import Schedule


def test_warm_up_and_cosine():
    rate = LearningRate(1.0, Schedule(kind="cosine", warmup_iterations=10, minimum=0.0), 110)
    assert [rate.at(k) for k in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert [rate.at(k) for k in (10, 60, 110)] == pytest.approx([1.0, 0.5, 0.0])


def test_plateau_follows_torch():
    """The same rates as torch's ReduceLROnPlateau with the published settings."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=1e-4)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.8, patience=5, min_lr=1e-7)
    ours = LearningRate(1e-4, Schedule(kind="plateau", warmup_iterations=0), 10**6)
    for loss in torch.rand(200, generator=torch.Generator().manual_seed(0)).tolist():
        theirs.step(loss)
        ours.validated(loss)
        assert ours.at(0) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-3)
    again = LearningRate(1e-4, Schedule(kind="plateau", warmup_iterations=0), 10**6)
    again.load_state_dict(ours.state_dict())
    assert again.at(0) == ours.at(0)


def test_averaged_weights():
    network = torch.nn.Linear(3, 2)
    average = Average(network, 0.9)
    expected = {name: p.detach().clone() for name, p in network.named_parameters()}
    for k in range(300):
        with torch.no_grad():
            network.weight.add_(0.01 * k)
        average.update()
        decay = min(0.9, (1 + k) / (10 + k))
        for name, p in network.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * p.detach()
    for name, value in expected.items():
        assert torch.allclose(average.weights[name], value, rtol=1e-5)
    before = network.weight.detach().clone()
    with average:
        assert torch.allclose(network.weight, expected["weight"], rtol=1e-5)
    assert torch.equal(network.weight, before)


def test_patience_keeps_the_best_and_ends():
    network = torch.nn.Linear(2, 1)
    patience, average = Patience(2), Average(network, 0.5)
    losses, over = [3.0, 2.0, 2.0, 1.5, math.nan, 1.5], []
    for k, loss in enumerate(losses):
        average.set({"weight": torch.full((1, 2), float(k))})
        patience.validated(loss, 10 * k, average)
        over.append(patience.over)
    assert over == [False] * 5 + [True]
    assert (patience.best, patience.iteration, patience.waited) == (1.5, 30, 2)
    assert torch.equal(patience.weights["weight"], torch.full((1, 2), 3.0))
    again = Patience(2)
    again.load_state_dict(patience.state_dict())
    assert again.over and again.state_dict() == patience.state_dict()


def test_clipping_and_bad_gradients():
    parameters = [torch.nn.Parameter(torch.ones(4)), torch.nn.Parameter(torch.ones(2))]
    optimizer = make_optimizer(parameters, 0.1)
    parameters[0].grad = torch.full((4,), 10.0)  # the other has none: a part that a stage doesn't train
    assert step(optimizer, parameters, 1.0, 0.1) == pytest.approx(20.0)
    assert optimizer.state[parameters[0]]["exp_avg"].norm() == pytest.approx(0.1, rel=1e-4)  # 0.1 x clipped norm 1
    assert torch.allclose(parameters[0], torch.full((4,), 0.9)) and torch.equal(parameters[1], torch.ones(2))
    for bad in (math.nan, math.inf):
        kept = parameters[0].detach().clone()
        parameters[0].grad = torch.tensor([1.0, bad, 1.0, 1.0])
        assert not math.isfinite(step(optimizer, parameters, 1.0, 0.1))
        assert torch.equal(parameters[0], kept) and parameters[0].grad is None
