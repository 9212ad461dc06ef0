"""UniSim in NumPy, written from its formulas alone (docs/theory/unisim.md, equations 1 to 26).

TestUniSimNetwork compares the C++ network with it.

    python unisim_reference.py FOLDER

writes the weights and, for several molecules, inputs and results as safetensors files. Everything is in double
precision and works on complex numbers too, so that derivatives come from the complex step: Im f(x + ih) / h, exact to
rounding. Lengths are in Angstrom.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

ELEMENTS = "H Li Be B C N O F Na Mg Al Si P S Cl K Ca Mn Fe Co Cu Zn As Se Br I Xe Au Hg".split()
ATOMIC_NUMBERS = dict(H=1, C=6, N=7, O=8, S=16, Zn=30)
STEP = 1e-40

# Sizes of the narrow network, the same as narrowUniSimConfig() in UniSimCases.h.
H, F, R, D, HEADS, LAYERS, K, ENERGIES = 32, 48, 8, 4, 4, 2, 16, 2
CUTOFF, HYDROGEN_CUTOFF = 5.0, 3.5
SIGMA = 0.2 * np.sqrt(0.0083144626 * 300)
VEL_SCALE, GAMMA_CLIP, STRENGTH, FORCE_SCALE = 0.5, 0.1, 0.05, 0.5

Weights = dict[str, np.ndarray]


@dataclass
class Molecule:
    """Elements by symbol, which atoms are of the second body, and positions."""

    elements: list[str]
    ligand: np.ndarray
    x: np.ndarray

    @property
    def types(self) -> np.ndarray:
        return np.array([ELEMENTS.index(element) for element in self.elements])


# --- weights ---


def make_weights(rng: np.random.Generator) -> Weights:
    """Random tensors of a network with energy heads, vector heads and a guidance kernel."""
    weights: Weights = {}

    def linear(name: str, outputs: int, inputs: int, bias: bool = True) -> None:
        weights[name + ".weight"] = rng.normal(0, 1 / np.sqrt(inputs), (outputs, inputs))
        if bias:
            weights[name + ".bias"] = rng.normal(0, 0.2, outputs)

    def norm(name: str) -> None:
        weights[name + ".weight"] = rng.normal(1, 0.2, H)
        weights[name + ".bias"] = rng.normal(0, 0.2, H)

    def encoder(prefix: str) -> None:
        weights[prefix + "embedding.weight"] = rng.normal(size=(29, H - 1))
        start = np.exp(-CUTOFF)
        weights[prefix + "distance_expansion.means"] = np.linspace(start, 1, R) + rng.normal(0, 0.02, R)
        weights[prefix + "distance_expansion.betas"] = (2 / R * (1 - start)) ** -2 * rng.uniform(0.8, 1.2, R)
        neighbor = prefix + "neighbor_embedding."
        weights[neighbor + "embedding.weight"] = rng.normal(size=(29, H))
        linear(neighbor + "distance_proj", H, R)
        linear(neighbor + "combine", H, 3 * H)
        weights[neighbor + "expand_embedding"] = rng.normal(size=(29, D, H))
        linear(neighbor + "expand_weight", D, 2 * H)
        for layer in range(LAYERS):
            name = f"{prefix}attention_layers.{layer}."
            norm(name + "layernorm")
            for projection, width in dict(q_proj=H, k_proj=H, v_proj=3 * H, o_proj=3 * H).items():
                linear(name + projection, width, H)
            linear(name + "vec_proj", 3 * H, H, bias=False)
            linear(name + "dk_proj", H, R)
            linear(name + "dv_proj", 3 * H, R)
        norm(prefix + "out_norm")

    def head(prefix: str, outputs: int) -> None:
        linear(prefix + "linear_v", H + outputs, H, bias=False)
        linear(prefix + "ffn_mlp.0", F, 2 * H)
        linear(prefix + "ffn_mlp.2", H + outputs, F)
        if outputs > 1:
            weights[prefix + "so3_norm.gamma"] = np.array(rng.uniform(0.5, 1.5))

    encoder("encoder.net.")
    for index in range(ENERGIES):
        head(f"energy_heads.{index}.", 1)
    head("velocity.", H)
    head("denoiser.", H)
    encoder("guidance.net.")
    for name in ("b0", "b1", "m"):
        head(f"guidance.{name}.", H)
    return weights


# --- graph (docs/theory/unisim.md, equations 2 to 4) ---


def find_edges(molecule: Molecule) -> np.ndarray:
    """(2, E): sources and centres."""
    x = molecule.x.real
    n = len(x)
    distance = np.sqrt(((x[:, None] - x[None, :]) ** 2).sum(-1))
    edges = [
        (i, j)
        for i in range(n)
        for j in range(n)
        if molecule.ligand[i] == molecule.ligand[j] and distance[i, j] < CUTOFF
    ]
    others = np.flatnonzero(molecule.ligand == 0)
    for i in np.flatnonzero(molecule.ligand == 1):
        for j in others[np.argsort(distance[i, others], kind="stable")][:K]:
            edges += [(i, j), (j, i)]
    is_hydrogen = molecule.types == 0
    kept = [(i, j) for i, j in edges if not ((is_hydrogen[i] or is_hydrogen[j]) and distance[i, j] > HYDROGEN_CUTOFF)]
    return np.array(kept).T


# --- network (docs/theory/unisim.md, equations 5 to 12) ---


def silu(x):
    return x / (1 + np.exp(-x))


def linear(weights: Weights, name: str, x):
    result = x @ weights[name + ".weight"].T
    return result + weights[name + ".bias"] if name + ".bias" in weights else result


def layer_norm(weights: Weights, name: str, x):
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * weights[name + ".weight"] + weights[name + ".bias"]


def softmax(x):
    powers = np.exp(x - x.real.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def length(vectors, axis: int):
    """Length of vectors, whose derivative is 0 where it is 0."""
    squared = (vectors**2).sum(axis)
    return np.where(squared.real > 0, np.sqrt(np.where(squared.real > 0, squared, 1)), 0)


def sum_at(values, index, n: int):
    result = np.zeros((n, *values.shape[1:]), values.dtype)
    np.add.at(result, index, values)
    return result


def encode(weights: Weights, prefix: str, molecule: Molecule, t):
    """Scalars (N, H) and vectors (N, 3, H)."""
    n, types = len(molecule.x), molecule.types
    source, center = find_edges(molecule)
    loop = source == center
    difference = molecule.x[source] - molecule.x[center]
    d = length(difference, 1)
    unit = np.where(loop[:, None], 0, difference / np.where(loop, 1, d)[:, None])
    cutoff = np.where(d.real < CUTOFF, 0.5 * (np.cos(np.pi * d / CUTOFF) + 1), 0)
    means, betas = (weights[prefix + "distance_expansion." + name] for name in ("means", "betas"))
    rbf = cutoff[:, None] * np.exp(-betas * (np.exp(-d * 5 / CUTOFF)[:, None] - means) ** 2)

    time = np.full((n, 1), t)
    x = np.concatenate([weights[prefix + "embedding.weight"][types], time], 1)
    name = prefix + "neighbor_embedding."
    other = weights[name + "embedding.weight"][types[center]]  # summed at the source, as published
    filters = linear(weights, name + "distance_proj", rbf) * cutoff[:, None] * ~loop[:, None]
    neighbors = sum_at(filters * other, source, n)
    mixture = softmax(linear(weights, name + "expand_weight", np.concatenate([x, neighbors], 1)))
    mixed = np.einsum("nd,ndh->nh", mixture, weights[name + "expand_embedding"][types])
    x = linear(weights, name + "combine", np.concatenate([x, mixed, neighbors], 1))
    v = np.zeros((n, 3, H))
    for layer in range(LAYERS):
        dx, dv = attend(weights, f"{prefix}attention_layers.{layer}.", x, v, (source, center), unit, cutoff, rbf)
        x, v = x + dx, v + dv
    return layer_norm(weights, prefix + "out_norm", x), v


def attend(weights: Weights, name: str, x, v, edges, unit, cutoff, rbf):
    source, center = edges
    n, width = len(x), H // HEADS
    normed = layer_norm(weights, name + "layernorm", x)
    q, k = (linear(weights, name + p, normed).reshape(n, HEADS, width) for p in ("q_proj", "k_proj"))
    values = linear(weights, name + "v_proj", normed).reshape(n, HEADS, 3 * width)
    u1, u2, u3 = np.split(linear(weights, name + "vec_proj", v), 3, axis=2)
    dk = silu(linear(weights, name + "dk_proj", rbf)).reshape(-1, HEADS, width)
    dv = silu(linear(weights, name + "dv_proj", rbf)).reshape(-1, HEADS, 3 * width)
    a = silu((q[center] * k[source] * dk).sum(2)) * cutoff[:, None]
    mx, m1, m2 = np.split(values[source] * dv, 3, axis=2)
    scalar_sum = sum_at((a[:, :, None] * mx).reshape(-1, H), center, n)
    m1, m2 = m1.reshape(-1, 1, H), m2.reshape(-1, 1, H)
    vector_sum = sum_at(v[source] * m1 + m2 * unit[:, :, None], center, n)
    o1, o2, o3 = np.split(linear(weights, name + "o_proj", scalar_sum), 3, axis=1)
    return (u1 * u2).sum(1) * o2 + o3, u3 * o1[:, None] + vector_sum


def run_head(weights: Weights, prefix: str, x, v):
    """Scalar (N, H) and vector (N, 3, o) outputs."""
    if prefix + "so3_norm.gamma" in weights:
        norms = length(v, 1)
        centred = norms - norms.mean(1, keepdims=True)
        squared = (centred**2).sum(1) / (H - 1)
        deviation = np.where(squared.real > 0, np.sqrt(np.where(squared.real > 0, squared, 1)), 0)
        v = weights[prefix + "so3_norm.gamma"] * v / (deviation[:, None, None] + 1e-5)
    projected = linear(weights, prefix + "linear_v", v)
    v1, v2 = projected[:, :, :H], projected[:, :, H:]
    s = silu(linear(weights, prefix + "ffn_mlp.0", np.concatenate([x, length(v1, 1)], 1)))
    s = linear(weights, prefix + "ffn_mlp.2", s)
    return s[:, :H], s[:, None, H:] * v2


def energies(weights: Weights, molecule: Molecule, t) -> np.ndarray:
    x, v = encode(weights, "encoder.net.", molecule, t)
    return np.array([run_head(weights, f"energy_heads.{head}.", x, v)[0].mean(1).sum() for head in range(ENERGIES)])


def fields(weights: Weights, molecule: Molecule, t):
    """Scaled velocity and denoiser."""
    x, v = encode(weights, "encoder.net.", molecule, t)
    return tuple(run_head(weights, head, x, v)[1].sum(2) for head in ("velocity.", "denoiser."))


def guidance_heads(weights: Weights, molecule: Molecule, t):
    base, _ = encode(weights, "encoder.net.", molecule, t)
    own, v = encode(weights, "guidance.net.", molecule, t)
    return tuple(run_head(weights, f"guidance.{name}.", own + base, v)[1].sum(2) for name in ("b0", "b1", "m"))


def guidance(weights: Weights, molecule: Molecule, t):
    b0, b1, m = guidance_heads(weights, molecule, t)
    return (1 - t) * b0 + t * b1 + t * (1 - t) * m


# --- sampler (sections 7 and 8), in its textbook form ---


def drift(weights: Weights, molecule: Molecule, t: float, guided: bool) -> np.ndarray:
    v_hat, eta = fields(weights, molecule, t)
    gamma = SIGMA * max(np.sqrt(t * (1 - t)), GAMMA_CLIP)
    b = v_hat / VEL_SCALE + (0.5 - t) * SIGMA**2 / gamma * eta
    result = b + SIGMA**2 / 2 * (-eta / gamma)
    return result - STRENGTH * guidance(weights, molecule, t) / FORCE_SCALE if guided else result


def sample(weights: Weights, molecule: Molecule, grid, noise: np.ndarray, guided: bool) -> np.ndarray:
    """All states, (steps + 1, N, 3)."""
    states = [molecule.x]
    for step in range(len(grid) - 1):
        t, dt = grid[step], grid[step + 1] - grid[step]
        x = states[-1] + dt * drift(weights, replace(molecule, x=states[-1]), t, guided)
        if step < len(grid) - 2:
            x = x + SIGMA * np.sqrt(dt) * noise[step]
        states.append(x)
    return np.array(states)


def sample_bridge(weights: Weights, molecule: Molecule, grid, noise: np.ndarray) -> np.ndarray:
    """As sample(), guided, with the noise of a Brownian bridge and steps that extrapolate the expected end point."""
    half_log_snr = [0.5 * np.log(t / (1 - t)) if 0 < t < 1 else np.nan for t in grid]
    states, ends = [molecule.x], []
    for step in range(len(grid) - 1):
        t, after, x = grid[step], grid[step + 1], states[-1]
        now = replace(molecule, x=x)
        v_hat, eta = fields(weights, now, t)
        gamma = SIGMA * max(np.sqrt(t * (1 - t)), GAMMA_CLIP)
        ends.append(x + (1 - t) * v_hat / VEL_SCALE - SIGMA**2 * t * (1 - t) / gamma * eta)
        ends[-1] -= (1 - t) * STRENGTH * guidance(weights, now, t) / FORCE_SCALE
        end = ends[-1]
        if 2 <= step < len(grid) - 2:
            rate = (end - ends[-2]) / (half_log_snr[step] - half_log_snr[step - 1])
            end = end + rate * (half_log_snr[step + 1] - half_log_snr[step]) / 2
        x = ((1 - after) * x + (after - t) * end) / (1 - t)
        if step < len(grid) - 2:
            x = x + SIGMA * np.sqrt((after - t) * (1 - after) / (1 - t)) * noise[step]
        states.append(x)
    return np.array(states)


# --- derivatives ---


def forces(weights: Weights, molecule: Molecule, t: float) -> np.ndarray:
    """(heads, N, 3): -d energy / dx."""
    result = np.zeros((ENERGIES, *molecule.x.shape))
    for index in np.ndindex(molecule.x.shape):
        x = molecule.x.astype(complex)
        x[index] += 1j * STEP
        result[(slice(None), *index)] = -energies(weights, replace(molecule, x=x), t).imag / STEP
    return result


def score(weights: Weights, molecule: Molecule, t, probe: np.ndarray):
    """A number that depends on every output, for derivatives: the sum of outputs weighted with (5 N, 3) numbers."""
    outputs = np.concatenate([*fields(weights, molecule, t), *guidance_heads(weights, molecule, t)])
    return (outputs * probe).sum() + energies(weights, molecule, t).sum()


def derivatives(weights: Weights, molecule: Molecule, t: float, probe: np.ndarray, directions: Weights) -> Weights:
    """Derivatives of the score along a direction in each tensor, and by each coordinate and the time."""
    result = {}
    for name, direction in directions.items():
        changed = {**weights, name: weights[name] + 1j * STEP * direction}
        result["score." + name] = score(changed, molecule, t, probe).imag / STEP
    by_x = np.zeros_like(molecule.x)
    for index in np.ndindex(molecule.x.shape):
        x = molecule.x.astype(complex)
        x[index] += 1j * STEP
        by_x[index] = score(weights, replace(molecule, x=x), t, probe).imag / STEP
    result["score.x"] = by_x
    result["score.t"] = score(weights, molecule, t + 1j * STEP, probe).imag / STEP
    return {name: np.asarray(value) for name, value in result.items()}


# --- cases ---


def make_chain(rng: np.random.Generator, n: int, ligand: int = 0, elements: str = "HCNOHCHS") -> Molecule:
    """A random walk of steps of 1.5 A; the ligand is a walk of its own beside it."""
    symbols = (elements * n)[:n]
    steps = rng.normal(size=(n, 3))
    x = np.cumsum(1.5 * steps / np.linalg.norm(steps, axis=1, keepdims=True), 0)
    mask = np.zeros(n, int)
    if ligand > 0:
        mask[-ligand:] = 1
        x[-ligand:] += x[:-ligand].mean(0) - x[-ligand:].mean(0) + np.array([4.0, 0.5, -0.5])
    return Molecule(list(symbols), mask, x)


def make_cases(rng: np.random.Generator) -> dict[str, Molecule]:
    stray = make_chain(rng, 9)
    stray.x[[2, 7]] += [[30.0, 0, 0], [0, -40.0, 0]]  # alone, and with no neighbour to hear
    far = make_chain(rng, 12, 4)
    far.x[-4:] += [12.0, 0, 0]  # edges between the bodies that are longer than the cutoff
    far.elements[3] = "Zn"
    return {
        "chain": make_chain(rng, 14),
        "stray": stray,
        "small_body": make_chain(rng, 14, 5),  # fewer than 16 candidates
        "far_body": far,
        "complex": make_chain(rng, 40, 9),
    }


def evaluate(weights: Weights, molecule: Molecule, rng: np.random.Generator, full: bool) -> Weights:
    n = len(molecule.x)
    grid, noise = np.array([0, 0.2, 0.45, 0.9, 1]), rng.normal(size=(3, n, 3))
    case: Weights = {
        "atom_type": np.array([ATOMIC_NUMBERS[element] - 1 for element in molecule.elements]),
        "edge_mask": molecule.ligand.astype(np.int64),
        "x": molecule.x,
        "edges": find_edges(molecule),
        "grid": grid,
        "noise": noise,
        "forces": forces(weights, molecule, 1.0),
        "states": sample(weights, molecule, grid, noise, guided=False),
        "guided_states": sample(weights, molecule, grid, noise, guided=True),
        "bridge_states": sample_bridge(weights, molecule, grid, noise),
    }
    for index, t in enumerate((0.0, 0.37, 1.0)):
        name = f"t{index}."
        case[name + "t"] = np.array(t)
        case[name + "scalars"], case[name + "vectors"] = encode(weights, "encoder.net.", molecule, t)
        case[name + "energies"] = energies(weights, molecule, t)
        case[name + "velocity"], case[name + "denoiser"] = fields(weights, molecule, t)
        for head, value in zip(("b0", "b1", "m"), guidance_heads(weights, molecule, t), strict=True):
            case[name + head] = value
        case[name + "guidance"] = guidance(weights, molecule, t)
    if full:
        probe = rng.normal(size=(5 * n, 3))
        directions = {name: rng.normal(size=tensor.shape) for name, tensor in weights.items()}
        case |= {"probe": probe, **derivatives(weights, molecule, 0.37, probe, directions)}
        case |= {"direction." + name: direction for name, direction in directions.items()}
    return case


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2506)
    weights = make_weights(rng)
    save(folder / "weights.safetensors", weights)
    for name, molecule in make_cases(rng).items():
        save(folder / f"{name}.safetensors", evaluate(weights, molecule, rng, full=name != "complex"))


def save(path: Path, tensors: Weights) -> None:
    save_file({name: np.ascontiguousarray(tensor).reshape(np.shape(tensor)) for name, tensor in tensors.items()}, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
