"""Physics with a known answer: the conditional distribution of an Ornstein-Uhlenbeck process on a bond."""

import mdtraj
import numpy as np
import pytest
import torch
from openmmjump.training import randomness
from openmmjump.training.config import load
from openmmjump.training.trainer import Trainer
from openmmjump.training.validation import closed_loop
from training_cases import write_config

MEAN, WIDTH, MEMORY = 1.6, 0.12, 0.7  # A, A, correlation from one frame to the next
ENCODER_VARIANCE = 0.001  # A^2

NETWORK = {
    "hidden_dim": 16,
    "ffn_dim": 32,
    "rbf_dim": 16,
    "heads": 2,
    "layers": 1,
    "cutoff_upper": 4.0,
    "sigma": 0.1,
    "head": "endpoint",
    "encoder": "fixed",
    "coord_prior_var": ENCODER_VARIANCE,
}


def diatomic(folder, frames=20_000):
    """Write a trajectory of two carbon atoms: r' = MEAN + MEMORY (r - MEAN) + noise, stationary, turning at random."""
    rng = np.random.default_rng(0)
    r = np.empty(frames)
    r[0] = MEAN
    kicks = rng.normal(0, WIDTH * np.sqrt(1 - MEMORY**2), frames)
    for k in range(1, frames):
        r[k] = MEAN + MEMORY * (r[k - 1] - MEAN) + kicks[k]
    axis = rng.normal(size=(frames, 3))
    half = 0.05 * r[:, None] * axis / np.linalg.norm(axis, axis=1, keepdims=True)  # nm
    np.save(folder / "frames.npy", np.stack([-half, half], 1).astype(np.float32))
    top = mdtraj.Topology()
    residue = top.add_residue("DIA", top.add_chain())
    atoms = [top.add_atom(name, mdtraj.element.carbon, residue) for name in ("C1", "C2")]
    top.add_bond(*atoms)
    mdtraj.Trajectory(np.zeros((1, 2, 3)), top).save_pdb(str(folder / "top.pdb"))


def config(folder, iterations):
    raw = {
        "name": "diatomic",
        "lag_time_ps": 1,
        "temperature_K": 300,
        "data": [
            {
                "topology": str(folder / "top.pdb"),
                "trajectories": [str(folder / "frames.npy")],
                "frame_interval_ps": 1,
                "superpose": True,
            }
        ],
        "network": NETWORK,
        "sampler": {"steps": 20, "time_grid": "dense_ends"},
        "stages": [
            {
                "kind": "trajectory",
                "iterations": iterations,
                "batch": {"molecules": 128},
                "learning_rate": 3e-3,
                "schedule": {"kind": "cosine", "warmup_iterations": 50},
                "times": {"per": "molecule", "stratified": True, "density": "dense_ends"},
                "augmentation_noise_A": 0,
            }
        ],
        "validation": {"every": 500, "jumps": 20, "replicas": 500},
    }
    return load(write_config(folder, raw))


@pytest.mark.slow
def test_jumps_follow_the_process_they_were_trained_on(tmp_path):
    """Slope and width of r(t + lag) given r(t), and the stationary distribution.

    The encoder moves both atoms by noise of variance v along the bond, so the network sees r with an error of variance
    2 v, and the best it can do has the slope s = MEMORY / (1 + 2 v / WIDTH^2) (regression with an error in the
    variable). The stationary distribution stays as it is, so the width about that line is WIDTH sqrt(1 - s^2).
    """
    diatomic(tmp_path)
    settings = config(tmp_path, 1200)
    trainer = Trainer(settings)
    trainer.run()
    states, valid = closed_loop(trainer.network, trainer.sets[0], settings, randomness.generator(1, 7))
    assert valid.mean() > 0.99
    r = np.linalg.norm(states[:, :, 0] - states[:, :, 1], axis=-1)
    before, after = r[:-1].ravel(), r[1:].ravel()
    slope, offset = np.polyfit(before, after, 1)
    residual = after - slope * before - offset
    exact = MEMORY / (1 + 2 * ENCODER_VARIANCE / WIDTH**2)
    assert slope == pytest.approx(exact, abs=0.05)
    assert residual.std() == pytest.approx(WIDTH * np.sqrt(1 - exact**2), rel=0.08)
    assert r[10:].mean() == pytest.approx(MEAN, abs=0.02)
    assert r[10:].std() == pytest.approx(WIDTH, rel=0.1)


def test_a_memorised_pair_is_reproduced(tmp_path):
    """Two frames: the end point of the only pair is known from everywhere on the bridge."""
    diatomic(tmp_path, 2)
    x = np.array([[[-0.07, 0, 0], [0.07, 0, 0]], [[-0.09, 0, 0], [0.09, 0, 0]]], np.float32)
    np.save(tmp_path / "frames.npy", x)
    settings = config(tmp_path, 250)
    trainer = Trainer(load(tmp_path / "config.yaml", ["validation.fraction=0", "stages.0.iterations=250"]))
    trainer.run()
    torch.manual_seed(0)
    states, _ = closed_loop(trainer.network, trainer.sets[0], settings, randomness.generator(1, 7))
    r = np.linalg.norm(states[1, :, 0] - states[1, :, 1], axis=-1)
    assert r.mean() == pytest.approx(1.8, abs=0.02)
    assert r.std() < 0.08
