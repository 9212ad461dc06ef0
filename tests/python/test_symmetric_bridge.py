"""Bridges whose paths have a density both ways: against a plain NumPy implementation, and as a Metropolis move."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from openmmjump import _network
from openmmjump.families.pvb import PVB
from openmmjump.network import Atoms, NoiseStream
from openmmjump.testsystems.alanine_dipeptide import build_molecule
from openmmjump.topology import fromTopology

SMALL = {
    "hidden_dim": 8, "ffn_dim": 8, "rbf_dim": 6, "heads": 2, "layers": 2, "k_neighbors": 32, "sigma": 0.3,
    "head": "scaled", "encoder": "fixed", "reference": "vectors",
}  # fmt: skip
WIDTHS = {"bond": 0.03, "angle": 0.0576, "improper": 0.06, "stiff_torsion": 0.16, "soft_torsion": 0.4}


def make_network(dtype=torch.float64, **changes) -> PVB:
    """A network with random weights whose drift is small, so that a path does not leave all sense."""
    network = PVB.initialize({**SMALL, **changes}, seed=3).to(dtype)
    with torch.no_grad():
        network.get_parameter("drf_ffn.so3_norm.gamma").mul_(0.01)
    return network


def chain(count: int = 4, copies: int = 1) -> Atoms:
    """A chain of carbon atoms."""
    atoms = Atoms([5] * count, [5] * count, [list(range(count - 1)), list(range(1, count))])
    return atoms.repeat(copies) if copies > 1 else atoms


def dipeptide() -> tuple[Atoms, np.ndarray]:
    """The heavy atoms of alanine dipeptide and their positions in A."""
    molecule = build_molecule()
    graph = fromTopology(molecule.topology)
    atoms = [graph.getAtom(i) for i in range(graph.getNumAtoms())]
    bonds = np.array([(b.atom1, b.atom2) for b in (graph.getBond(i) for i in range(graph.getNumBonds()))]).T
    x = 10 * np.asarray(molecule.positions)[[a.particle for a in atoms]]
    return Atoms([a.atomicNumber - 1 for a in atoms], [a.blockType for a in atoms], bonds), x - x.mean(0)


def ring() -> tuple[Atoms, np.ndarray]:
    """Toluene's heavy atoms and an ethyl group's beside them in one molecule that is in two pieces."""
    angles = np.arange(6) * np.pi / 3
    x = 1.39 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1)
    x = np.concatenate([x, [[2.9, 0, 0], [0, 0, 4.0], [1.5, 0.1, 4.2]]])
    bonds = [[0, 1, 2, 3, 4, 5, 0, 7], [1, 2, 3, 4, 5, 0, 6, 8]]
    return Atoms([5] * 9, [5] * 9, bonds), x - x.mean(0)


# ------------------------------------------------------------------------------------------------ a plain reference


def coordinate(kind: int, x: torch.Tensor) -> torch.Tensor:
    """A coordinate of a kind from the positions of its atoms."""

    def unit(v):
        return v / v.norm()

    if kind == 0:
        return (x[0] - x[1]).norm()
    if kind == 1:
        return torch.acos(unit(x[0] - x[1]) @ unit(x[2] - x[1]))
    if kind == 2:
        return unit(x[1] - x[0]) @ torch.linalg.cross(unit(x[2] - x[0]), unit(x[3] - x[0]))
    b1, b2, b3 = x[1] - x[0], x[2] - x[1], x[3] - x[2]
    n1, n2 = torch.linalg.cross(b1, b2), torch.linalg.cross(b2, b3)
    return torch.atan2(b2.norm() * (b1 @ n2), n1 @ n2)


def derivatives(listed, x: np.ndarray) -> np.ndarray:
    """Of all coordinates, (coordinates, 3 N), by autograd."""
    rows = []
    for kind, atoms in listed:
        used = list(atoms[: 2 if kind == 0 else 3 if kind == 1 else 4])
        point = torch.tensor(x).reshape(-1, 3).requires_grad_(True)
        rows.append(torch.autograd.grad(coordinate(kind, point[used]), point)[0].flatten().numpy())
    return np.array(rows)


def plain_log_density(network, atoms, grid, points: np.ndarray, rotation=0.02, anything=5.0) -> float:
    """The logarithm of the density of a path of one molecule, by eigenvalues in the centred space."""
    sigma, count = network.config["sigma"], points.shape[1]

    def center(v):
        return v - v.mean(0)

    x = center(points[0])
    size = 3 * count
    axes = np.array([np.cross(np.broadcast_to(axis, x.shape), x).ravel() for axis in np.eye(3)]).T
    r = np.linalg.qr(axes)[0]
    shifts = np.kron(np.ones((count, 1)), np.eye(3)) / math.sqrt(count)
    centred = np.linalg.svd(np.eye(size) - shifts @ shifts.T)[0][:, : size - 3]
    listed = _network.internal_coordinates(atoms._batch, torch.tensor(x))[0]
    weights = np.array([1 / list(WIDTHS.values())[kind] ** 2 for kind, _ in listed])
    total = 0.0
    for k in range(len(grid) - 1):
        t, dt = grid[k], grid[k + 1] - grid[k]
        tau, phi = sigma**2 * (1 - t), dt / (1 - t)
        y, following = center(points[k]).ravel(), center(points[k + 1]).ravel()
        drift = network.drift(atoms, t, torch.tensor(points[0]), torch.tensor(points[k])).detach().numpy()
        d = center(drift * (1 - t)).ravel()
        along = r.T @ y
        d = d + r @ (along * (rotation**2 / (tau + t * rotation**2) - 1) - r.T @ d)
        b = derivatives(listed, (y + d).reshape(-1, 3))
        h = b.T @ (weights[:, None] * b) + np.eye(size) / anything**2
        keep = np.eye(size) - r @ r.T
        h = keep @ h @ keep + r @ r.T / rotation**2
        values, vectors = np.linalg.eigh(centred.T @ h @ centred)
        variances = sigma**2 * dt * (1 - phi + phi / (tau * values + t))
        z = vectors.T @ centred.T @ (following - y - phi * d)
        total -= 0.5 * (z**2 / variances + np.log(2 * np.pi * variances)).sum()
    return total


# ------------------------------------------------------------------------------------------------------------ tests


@pytest.mark.parametrize("case", [dipeptide, ring], ids=["dipeptide", "ring"])
def test_derivatives_of_internal_coordinates(case):
    atoms, x = case()
    x = x + 0.1 * np.random.default_rng(1).normal(size=x.shape)
    listed, given = _network.internal_coordinates(atoms._batch, torch.tensor(x))
    np.testing.assert_allclose(given, derivatives(listed, x), atol=1e-9)
    kinds = [kind for kind, _ in listed]
    if case is dipeptide:
        assert [kinds.count(k) for k in range(5)] == [9, 11, 3, 2, 2]  # two amides, phi and psi
    else:
        assert [kinds.count(k) for k in range(5)] == [8, 8, 1, 0, 6]


@pytest.mark.parametrize("case", [dipeptide, ring], ids=["dipeptide", "ring"])
def test_densities_are_those_of_a_plain_implementation(case):
    atoms, x = case()
    network = make_network()
    grid = _network.SymmetricBridge.make_grid(6, 1.8)
    bridge = _network.SymmetricBridge(network.native(), grid)
    points, forward = bridge.draw(atoms._batch, torch.tensor(x), [NoiseStream(seed=4, jump=2)])
    assert points.shape == (7, len(x), 3) and np.abs(points[-1].numpy() - x).max() > 0.01
    np.testing.assert_allclose(points.mean(1), points[0].mean(0).expand(7, 3), atol=1e-12)  # the centre stays
    assert float(forward) == pytest.approx(plain_log_density(network, atoms, grid, points.numpy()), abs=1e-7)
    assert float(bridge.log_density(atoms._batch, points)) == pytest.approx(float(forward), abs=1e-9)
    back = points.flip(0)
    backward = float(bridge.log_density(atoms._batch, back))
    assert backward == pytest.approx(plain_log_density(network, atoms, grid, back.numpy()), abs=1e-7)


def test_molecules_of_a_batch_are_as_if_alone():
    network = make_network()
    bridge = _network.SymmetricBridge(network.native(), _network.SymmetricBridge.make_grid(4, 2))
    x = torch.tensor(place(*sample_target(3, np.random.default_rng(1))))
    streams = [NoiseStream(seed=1, jump=k) for k in range(3)]
    points, densities = bridge.draw(chain(4, 3)._batch, x.reshape(-1, 3), streams)
    for k in range(3):
        alone, density = bridge.draw(chain()._batch, x[k], [streams[k]])
        torch.testing.assert_close(points[:, 4 * k : 4 * k + 4], alone, rtol=0, atol=1e-10)
        assert float(densities[k]) == pytest.approx(float(density), abs=1e-9)


def test_what_makes_no_path_is_refused():
    network = PVB.initialize(SMALL, seed=3).native()
    with pytest.raises(ValueError, match="symmetric about 1/2, but number 1 is not"):
        _network.SymmetricBridge(network, [0, 0.3, 1])
    with pytest.raises(ValueError, match="width of angle is 0"):
        _network.SymmetricBridge(network, [0, 1], angle=0)
    with pytest.raises(ValueError, match=r"a path must have the shape \(3, 4, 3\)"):
        _network.SymmetricBridge(network, [0, 0.5, 1]).log_density(chain()._batch, torch.zeros(2, 4, 3))


# ------------------------------------------------------------------------------------- exactness, on a known target

BOND, ANGLE = (1.5, 0.04), (1.9, 0.06)  # mean and width: A, rad


def torsion_energy(phi):
    """In kT: three wells of different depth."""
    return 1.2 * np.cos(3 * phi) + 0.6 * np.cos(phi - 0.5)


def energy(x: np.ndarray) -> np.ndarray:
    """Potential energy in kT of chains of four atoms, (n, 4, 3)."""
    bonds, angles, phi = measure(x)
    return (
        ((bonds - BOND[0]) ** 2 / (2 * BOND[1] ** 2)).sum(1)
        + ((angles - ANGLE[0]) ** 2 / (2 * ANGLE[1] ** 2)).sum(1)
        + torsion_energy(phi)
    )


def measure(x: np.ndarray):
    b = np.diff(x, axis=1)
    bonds = np.linalg.norm(b, axis=2)
    u = b / bonds[:, :, None]
    angles = np.arccos(np.clip(-(u[:, :-1] * u[:, 1:]).sum(2), -1, 1))
    n1, n2 = np.cross(u[:, 0], u[:, 1]), np.cross(u[:, 1], u[:, 2])
    phi = np.arctan2((u[:, 0] * n2).sum(1), (n1 * n2).sum(1))
    return bonds, angles, phi


def draw_from(density, low: float, high: float, size, rng) -> np.ndarray:
    grid = np.linspace(low, high, 4001)
    cumulative = np.cumsum(density(grid))
    return np.interp(rng.random(size), cumulative / cumulative[-1], grid)


def sample_target(count: int, rng):
    """Bonds, angles and torsions of independent conformations: the volume element is b^2 sin(angle)."""
    bonds = draw_from(lambda b: b**2 * np.exp(-((b - BOND[0]) ** 2) / (2 * BOND[1] ** 2)), 1.2, 1.8, (count, 3), rng)
    # The first bond has no direction to lose, so all three have b^2.
    angles = draw_from(
        lambda a: np.sin(a) * np.exp(-((a - ANGLE[0]) ** 2) / (2 * ANGLE[1] ** 2)), 1.4, 2.4, (count, 2), rng
    )
    phi = draw_from(lambda p: np.exp(-torsion_energy(p)), -np.pi, np.pi, count, rng)
    return bonds, angles, phi


def place(bonds, angles, phi) -> np.ndarray:
    """Positions (n, 4, 3) of chains, turned at random."""
    n = len(phi)
    x = np.zeros((n, 4, 3))
    x[:, 1, 0] = bonds[:, 0]
    turn = np.pi - angles[:, 0]
    direction = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1)
    x[:, 2] = x[:, 1] + bonds[:, 1, None] * direction
    side = np.stack([-np.sin(turn), np.cos(turn), 0 * turn], 1)
    turn = np.pi - angles[:, 1]
    sideways = np.cos(phi)[:, None] * -side - np.sin(phi)[:, None] * np.array([0, 0, 1.0])
    x[:, 3] = x[:, 2] + bonds[:, 2, None] * (np.cos(turn)[:, None] * direction + np.sin(turn)[:, None] * -sideways)
    rotations = np.linalg.qr(np.random.default_rng(7).normal(size=(n, 3, 3)))[0]
    rotations *= np.linalg.det(rotations)[:, None, None]
    return np.einsum("nij,nkj->nki", rotations, x - x.mean(1, keepdims=True))


def walk(bridge, x: np.ndarray, cycles: int, use_path: bool):
    """Metropolis moves of all chains; returns where they are and the share that was accepted."""
    rng, atoms, count = np.random.default_rng(3), chain(4, len(x))._batch, len(x)
    accepted = 0
    for cycle in range(cycles):
        streams = [NoiseStream(seed=11, jump=cycle * count + k) for k in range(count)]
        points, forward = bridge.draw(atoms, torch.tensor(x.reshape(-1, 3)), streams)
        log_ratio = energy(x) - energy(points[-1].numpy().reshape(x.shape))
        if use_path:
            log_ratio += (bridge.log_density(atoms, points.flip(0)) - forward).numpy()
        taken = np.log(rng.random(count)) < log_ratio
        x = np.where(taken[:, None, None], points[-1].numpy().reshape(x.shape), x)
        accepted += taken.mean() / cycles
    return x, accepted


def deviations(x: np.ndarray, exact) -> list[float]:
    """How many standard errors averages lie from those of the target."""
    found, result = measure(x), []
    averages = [lambda b, a, p: b.mean(1), lambda b, a, p: a.mean(1), lambda b, a, p: np.cos(3 * p)]
    averages += [lambda b, a, p: np.cos(p), lambda b, a, p: np.sin(p), lambda b, a, p: (b - BOND[0]).var(1)]
    for average in averages:
        values, true = average(*found), average(*exact)
        error = math.hypot(values.std() / math.sqrt(len(values)), true.std() / math.sqrt(len(true)))
        result.append(abs(values.mean() - true.mean()) / error)
    return result


@pytest.mark.slow
def test_moves_accepted_on_their_paths_are_exact():
    """Chains that begin as the target has them stay so, though the network knows nothing of it; a rule that takes no
    notice of the path does not."""
    network = make_network(torch.float32, sigma=0.05)
    bridge = _network.SymmetricBridge(network.native(), _network.SymmetricBridge.make_grid(4, 1.8), bond=0.04)
    rng = np.random.default_rng(5)
    exact = sample_target(200_000, rng)
    start = place(*sample_target(1500, rng))
    assert max(deviations(start, exact)) < 4
    end, accepted = walk(bridge, start, 12, use_path=True)
    assert accepted > 0.05
    assert max(deviations(end, exact)) < 4
    wrong, _ = walk(bridge, start, 12, use_path=False)
    assert max(deviations(wrong, exact)) > 8
