"""Make molecular dynamics of alanine dipeptide: the training set and the reference.

    python generate.py OUT --seed 1 --nanoseconds 10000
    python generate.py OUT --flatten-phi                          with a bias under which phi turns freely
    python generate.py OUT --start alpha_L --restart --chunk 6    many visits of 6 ns to alpha_L

amber14 with GBn2 implicit solvent at 300 K, X-H bonds constrained, hydrogens of 3 amu, LangevinMiddle with 4 fs and
1/ps.  Many replicas run at once in `replica_md.cpp`, one per SIMD lane.  Before it runs, forces, energies and a
stretch of deterministic trajectory are compared with OpenMM's Reference platform; the program refuses to go on when
they differ.  `--engine openmm` runs the same System as one replica in OpenMM instead.

alpha_L is entered so rarely that its population and the way there come from two other kinds of run.  `--flatten-phi`
adds torsion terms on phi that cancel its free energy, fitted by a few short runs, written to settings.json and, as
part of the System, verified like the rest; such a run is reweighted by exp(V/kT).  `--restart` begins every chunk
from new starting points, `--start` takes these from one basin.

OUT then holds, per chunk of simulation,

    frames-00000.npy    float32 [frames, replicas, 10, 3], nm: heavy atoms (with --all-atoms all 22) every --interval,
                        centred
    energies-00000.npy  float32 [frames, replicas, 2], kJ/mol: potential and kinetic energy of the same frames
    fine-00000.npy      float32 [frames, fine replicas, 10, 3]: heavy atoms of the first replicas every --fine-interval

with topology.pdb (the heavy atoms), settings.json (everything that determines the run), starts.json (how each replica
was started) and state.npz (from which the next call goes on).  Frames follow each other without a gap over chunks,
except with --restart.  The energies of a biased run contain the bias.
A chunk counts once state.npz is written, so an interrupted one is made again, identically.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
LANES = 16  # W of replica_md.cpp
TEMPERATURE, FRICTION, STEP = 300.0, 1.0, 0.004  # K, 1/ps, ps
FORCE_FIELD = ("amber14-all.xml", "implicit/gbn2.xml")
COULOMB = 138.93545764438198  # OpenMM's ONE_4PI_EPS0, kJ nm / (mol e^2)
GAS_CONSTANT = 8.31446261815324e-3  # kJ / (mol K)
PHI = (("ACE", "C"), ("ALA", "N"), ("ALA", "CA"), ("ALA", "C"))
PSI = (("ALA", "N"), ("ALA", "CA"), ("ALA", "C"), ("NME", "N"))
OMEGA = (
    (("ACE", "CH3"), ("ACE", "C"), ("ALA", "N"), ("ALA", "CA")),
    (("ALA", "CA"), ("ALA", "C"), ("NME", "N"), ("NME", "C")),
)
# Where replicas start: name, share, bounds of phi and psi in degrees.  Recorded per replica in starts.json.
BASINS = (
    ("beta", 0.375, (-180, -40), (90, 180)),
    ("alpha_R", 0.375, (-180, -40), (-80, 20)),
    ("alpha_L", 0.25, (20, 120), (-180, 180)),
)
FLATTEN_ROUNDS, FLATTEN_LENGTH, FLATTEN_CAP = 12, 200, 12.0  # short runs, ps of each, largest free energy in kT
PERIODICITIES = range(1, 7)  # of the bias, all that replica_md.cpp has


# ----------------------------------------------------------------------------------------------------- the molecule


def molecule():
    """Return (topology, System, positions in nm) of ACE-ALA-NME, as the shipped data was made."""
    from openmm import app, unit

    pdb = app.PDBFile(str(HERE / "alanine-dipeptide.pdb"))
    system = app.ForceField(*FORCE_FIELD).createSystem(
        pdb.topology,
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds,
        hydrogenMass=3 * unit.amu,
        removeCMMotion=False,
    )
    return pdb.topology, system, np.array(pdb.positions.value_in_unit(unit.nanometer))


def heavy_atoms(topology):
    return [atom.index for atom in topology.atoms() if atom.element.symbol != "H"]


def atom_index(topology, names):
    """Return the indices of (residue name, atom name) pairs."""
    found = {(atom.residue.name, atom.name): atom.index for atom in topology.atoms()}
    return [found[name] for name in names]


def dihedral(x, atoms):
    """Return the dihedral angle in degrees (IUPAC sign) of four atoms of x [..., atoms, 3]."""
    a, b, c, d = (x[..., i, :] for i in atoms)
    first, axis, last = b - a, c - b, d - c
    m, n = np.cross(first, axis), np.cross(axis, last)
    length = np.linalg.norm(axis, axis=-1)
    return np.degrees(np.arctan2(length * (first * n).sum(-1), (m * n).sum(-1)))


def save_topology(topology, positions, written, path):
    """Write the atoms of a topology that frames have as PDB."""
    from openmm import app, unit

    modeller = app.Modeller(topology, positions * unit.nanometer)
    modeller.delete([atom for atom in topology.atoms() if atom.index not in written])
    with open(path, "w") as file:
        app.PDBFile.writeFile(modeller.topology, modeller.positions, file)


# ----------------------------------------------------------------------- the System as parameters of replica_md.cpp


def forces_by_name(system):
    known = {
        "HarmonicBondForce",
        "HarmonicAngleForce",
        "PeriodicTorsionForce",
        "NonbondedForce",
        "CustomGBForce",
        "CMMotionRemover",
    }
    forces = {force.getName(): force for force in system.getForces()}
    if unknown := set(forces) - known:
        raise ValueError(f"replica_md.cpp has no {', '.join(sorted(unknown))}")
    return forces


def values(quantities):
    """Strip OpenMM units (its default unit system)."""
    from openmm import unit

    return [q.value_in_unit_system(unit.md_unit_system) if unit.is_quantity(q) else q for q in quantities]


def pair_rows(nonbonded, gb):
    """Yield i, j, qq, a, b, neck (m0, d0) of i by j and of j by i for all pairs; exceptions replace combined ones."""
    n = nonbonded.getNumParticles()
    particles = [values(nonbonded.getParticleParameters(i)) for i in range(n)]
    special = {}
    for k in range(nonbonded.getNumExceptions()):
        i, j, *parameters = values(nonbonded.getExceptionParameters(k))
        special[min(i, j), max(i, j)] = parameters
    tables = {gb.getTabulatedFunctionName(k): gb.getTabulatedFunction(k).getFunctionParameters() for k in range(2)}
    necks = {name: np.array(table).reshape(rows, rows).T for name, (rows, _, table) in tables.items()}
    kind = [int(gb.getParticleParameters(i)[6]) for i in range(n)]
    for i in range(n):
        for j in range(i + 1, n):
            (qi, si, ei), (qj, sj, ej) = particles[i], particles[j]
            qq, sigma, epsilon = special.get((i, j), (qi * qj, (si + sj) / 2, np.sqrt(ei * ej)))
            both = (kind[i], kind[j]), (kind[j], kind[i])
            neck = [necks[name][kinds] for kinds in both for name in ("getm0", "getd0")]
            yield i, j, COULOMB * qq, 4 * epsilon * sigma**12, 4 * epsilon * sigma**6, *neck


def torsion_rows(force):
    """Yield i, j, k, l, constant, cosines 1-6, sines 1-6: all terms k (1 + cos(n phi - phase)) of four atoms in one."""
    rows = {}
    for index in range(force.getNumTorsions()):
        *atoms, periodicity, phase, k = values(force.getTorsionParameters(index))
        row = rows.setdefault(tuple(atoms), np.zeros(13))
        row[0] += k
        row[periodicity] += k * np.cos(phase)
        row[6 + periodicity] += k * np.sin(phase)
    for atoms, row in rows.items():
        yield *atoms, *row


def constraint_rows(system):
    """Return heavy atom, hydrogen, distance, those of one heavy atom together."""
    rows = []
    for k in range(system.getNumConstraints()):
        i, j, distance = values(system.getConstraintParameters(k))
        mass = [system.getParticleMass(a)._value for a in (i, j)]
        rows.append((i, j, distance) if mass[0] > mass[1] else (j, i, distance))
    return sorted(rows)


def solvent_row(gb):
    """Read prefactor, offset, neck scale, neck cut-off, surface energy and probe radius from the expressions."""
    pair, single = gb.getComputedValueParameters(0)[1], gb.getEnergyTermParameters(0)[0]
    terms = " ".join(gb.getEnergyTermParameters(k)[0] for k in range(gb.getNumEnergyTerms()))

    def constant(name, text):
        return float(re.search(rf"\b{name}=([0-9.e+-]+)", text)[1])

    prefactor = float(re.search(r"-0\.5\*([0-9.]+)\*\(1/soluteDielectric-1/solventDielectric\)", single)[1])
    prefactor *= 1 / constant("soluteDielectric", single) - 1 / constant("solventDielectric", single)
    surface = re.search(r"([0-9.]+)\*\(radius\+([0-9.]+)\)\^2\*\(radius/B\)\^6", terms)
    return prefactor, *(constant(n, pair) for n in ("offset", "neckScale", "neckCut")), *(surface or "000").groups()


def engine_parameters(topology, system, written):
    """Return the parameter file of replica_md.cpp for a System (amber bonded terms, no cut-off, GBn2)."""
    forces = forces_by_name(system)
    bonds, angles, gb = forces["HarmonicBondForce"], forces["HarmonicAngleForce"], forces["CustomGBForce"]
    masses = [system.getParticleMass(i)._value for i in range(system.getNumParticles())]
    sections = {
        "atoms": [(mass, *gb.getParticleParameters(i)[:6]) for i, mass in enumerate(masses)],
        "pairs": list(pair_rows(forces["NonbondedForce"], gb)),
        "bonds": [values(bonds.getBondParameters(i)) for i in range(bonds.getNumBonds())],
        "angles": [values(angles.getAngleParameters(i)) for i in range(angles.getNumAngles())],
        "torsions": list(torsion_rows(forces["PeriodicTorsionForce"])),
        "constraints": constraint_rows(system),
        "solvent": [solvent_row(gb)],
        "written": [(i,) for i in written],
    }
    lines = []
    for name, rows in sections.items():
        lines.append(f"{name} {len(rows)}")
        lines += [" ".join(f"{float(v):.10g}" if isinstance(v, float) else str(v) for v in row) for row in rows]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------------------------- the engine


class Engine:
    """replica_md.cpp compiled for this machine, with the parameters of one System.

    Frames have the atoms `written`, by default the heavy ones.
    """

    def __init__(self, topology, system, build, written=None):
        build.mkdir(parents=True, exist_ok=True)
        self.written = heavy_atoms(topology) if written is None else written
        text = engine_parameters(topology, system, self.written)
        self.parameters = build / f"parameters-{hashlib.sha256(text.encode()).hexdigest()[:12]}.txt"
        self.parameters.write_text(text)
        self.program = self.compile(build)
        self.atoms = system.getNumParticles()

    @staticmethod
    def compile(build):
        source = HERE / "replica_md.cpp"
        program = build / f"replica_md-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
        if not program.exists():
            fresh = program.with_suffix(f".{os.getpid()}")
            flags = ["-O3", "-std=c++17", "-march=native", "-ffast-math", "-Wno-psabi"]
            subprocess.run([os.environ.get("CXX", "g++"), *flags, str(source), "-o", str(fresh)], check=True)
            fresh.replace(program)
        return program

    def call(self, command, *arguments):
        subprocess.run([str(a) for a in (self.program, command, self.parameters, *arguments)], check=True)

    def evaluate(self, x):
        """Return energies [n] and forces [n, atoms, 3] of conformations, n a multiple of LANES."""
        with tempfile.TemporaryDirectory() as folder:
            given, out = Path(folder) / "x", Path(folder) / "out"
            x.astype(np.float32).tofile(given)
            self.call("evaluate", given, out)
            result = np.fromfile(out, np.float32).reshape(len(x), 1 + 3 * self.atoms)
        return result[:, 0], result[:, 1:].reshape(x.shape)

    def run(self, state, steps, stride=None, fine=(None, 0), dt=STEP, friction=FRICTION, temperature=TEMPERATURE):
        """Advance a state (positions, velocities, generator) and return the next one and the three outputs."""
        n, stride, fine_stride = len(state[0]), stride or steps, fine[0] or steps
        with tempfile.TemporaryDirectory() as folder:
            given, out = Path(folder) / "state", Path(folder) / "out"
            given.write_bytes(b"".join(a.tobytes() for a in state))
            self.call("run", given, out, steps, stride, fine_stride, fine[1], dt, friction, temperature)
            raw = {p.suffix[1:]: p.read_bytes() for p in Path(folder).glob("out.*")}
        frames = np.frombuffer(raw["frames"], np.float32).reshape(-1, n, len(self.written), 3)
        energies = np.frombuffer(raw["energies"], np.float32).reshape(-1, n, 2)
        fine = np.frombuffer(raw["fine"], np.float32).reshape(steps // fine_stride, fine[1], len(self.written), 3)
        size = n * self.atoms * 12
        x, v = (np.frombuffer(raw["state"][k : k + size], np.float32).reshape(n, -1, 3) for k in (0, size))
        after = x, v, np.frombuffer(raw["state"][2 * size :], np.uint32).reshape(n, 4)
        if not (np.isfinite(x).all() and np.isfinite(energies).all()):
            raise FloatingPointError("a replica blew up")
        return after, frames, energies, fine


def thermal_state(system, positions, random, temperature):
    """Return a state with Maxwell velocities and fresh generators; positions [n, atoms, 3]."""
    mass = np.array([system.getParticleMass(i)._value for i in range(system.getNumParticles())])
    velocities = random.standard_normal(positions.shape) * np.sqrt(GAS_CONSTANT * temperature / mass)[:, None]
    generators = random.integers(1, 2**32, (len(positions), 4), np.uint32)
    return positions.astype(np.float32), velocities.astype(np.float32), generators


def conformations(engine, topology, system, positions, random):
    """Return diverse conformations [n, atoms, 3]: snapshots at 700 K, without cis peptides and mirror images."""
    state = thermal_state(system, np.repeat(positions[None], 2 * LANES, axis=0), random, 700.0)
    pool = []
    for _ in range(40):
        state = engine.run(state, 2500, dt=0.002, temperature=700.0)[0]
        pool.append(state[0])
    pool = np.concatenate(pool)
    trans = [np.abs(dihedral(pool, atom_index(topology, names))) > 150 for names in OMEGA]
    n, ca, c, cb = (pool[:, i] for i in atom_index(topology, [("ALA", a) for a in ("N", "CA", "C", "CB")]))
    left = (np.cross(n - ca, c - ca) * (cb - ca)).sum(-1) > 0
    return pool[trans[0] & trans[1] & left]


def starting_state(engine, topology, system, positions, random, replicas, start="all"):
    """Return an equilibrated state, from one of BASINS or spread over all, and where each replica came from."""
    pool = conformations(engine, topology, system, positions, random)
    phi, psi = (dihedral(pool, atom_index(topology, names)) for names in (PHI, PSI))
    shares = [share if start == "all" else name == start for name, share, *_ in BASINS]
    shares = np.round(np.cumsum(shares) * replicas).astype(int)
    names = np.repeat([name for name, *_ in BASINS], np.diff(shares, prepend=0))
    picked = []
    for name, _, (p0, p1), (q0, q1) in BASINS:
        inside = np.flatnonzero((phi > p0) & (phi < p1) & (psi > q0) & (psi < q1))
        picked.extend(random.choice(inside, (names == name).sum(), replace=False))
    state = thermal_state(system, pool[picked], random, TEMPERATURE)
    state = engine.run(state, 2500, dt=0.002)[0]
    state = engine.run(state, 25000)[0]
    angles = [dihedral(state[0], atom_index(topology, names)) for names in (PHI, PSI)]
    record = [
        {
            "replica": r,
            "picked from": str(names[r]),
            "picked phi, psi": [round(float(phi[i])), round(float(psi[i]))],
            "first phi, psi": [round(float(a[r])) for a in angles],
        }
        for r, i in enumerate(picked)
    ]
    return state, record


# ------------------------------------------------------------------------------------------------------------- bias


def add_bias(topology, system, terms):
    """Add torsion terms on phi to a System: rows of periodicity, phase in radians, k in kJ/mol."""
    force = forces_by_name(system)["PeriodicTorsionForce"]
    for periodicity, phase, k in terms:
        force.addTorsion(*atom_index(topology, PHI), int(periodicity), phase, k)


def bias_energy(phi, terms):
    """Return the bias in kJ/mol at phi in degrees."""
    return sum(k * (1 + np.cos(n * np.radians(phi) - phase)) for n, phase, k in terms) + np.zeros_like(phi)


def fit_bias(counts, biases):
    """Return the bias that cancels the free energy in phi found by runs under other biases.

    `counts` and `biases` (kT) are [runs, bins]: the free energy is that of the weighted histogram method, with half a
    count more in each bin so that bins not yet seen are high but finite, and at most FLATTEN_CAP.
    """
    totals, weights = counts.sum(1), np.ones(len(counts))
    for _ in range(2000):
        p = (counts.sum(0) + 0.5) / ((totals * weights) @ np.exp(-biases))
        p /= p.sum()
        weights = 1 / (np.exp(-biases) @ p)
    free_energy = np.minimum(-np.log(p / p.max()), FLATTEN_CAP)
    phi = np.radians((np.arange(len(p)) + 0.5) * 360 / len(p) - 180)
    waves = [np.exp(1j * n * phi) for n in PERIODICITIES]
    heights = [-2 * GAS_CONSTANT * TEMPERATURE * (free_energy * wave).mean() for wave in waves]
    return [(n, float(np.angle(h)), float(abs(h))) for n, h in zip(PERIODICITIES, heights, strict=True)]


def flatten_phi(build, random, replicas):
    """Return bias terms under which phi is nearly uniform, from short runs each of which fills more of the valleys."""
    bins = np.linspace(-180, 180, 73)
    centres, counts, biases, terms, state = (bins[1:] + bins[:-1]) / 2, [], [], [], None
    for _ in range(FLATTEN_ROUNDS):
        topology, system, positions = molecule()
        add_bias(topology, system, terms)
        engine = Engine(topology, system, build)
        if state is None:
            state, _ = starting_state(engine, topology, system, positions, random, replicas)
        state, frames, *_ = engine.run(state, round(FLATTEN_LENGTH / STEP), round(1 / STEP))
        heavy = heavy_atoms(topology)
        phi = dihedral(frames, [heavy.index(i) for i in atom_index(topology, PHI)])
        counts.append(np.histogram(phi, bins)[0])
        biases.append(bias_energy(centres, terms) / (GAS_CONSTANT * TEMPERATURE))
        terms = fit_bias(np.array(counts), np.array(biases))
        print("counts of phi, 30 degrees each:", counts[-1].reshape(12, 6).sum(1), flush=True)
    return terms


# ----------------------------------------------------------------------------------------------------- verification


def verify(engine, topology, system, positions, seed=0):
    """Compare the engine with OpenMM's Reference platform; return the figures, raise when they are too far apart."""
    random = np.random.default_rng(seed)
    pool = conformations(engine, topology, system, positions, random)
    phi = dihedral(pool, atom_index(topology, PHI))
    left, right = np.flatnonzero(phi > 0), np.flatnonzero(phi < 0)
    chosen = pool[np.concatenate([random.choice(part, LANES, replace=False) for part in (left, right)])]
    figures = verify_forces(engine, system, chosen) | verify_trajectory(engine, system, chosen, random)
    limits = {
        "force error / rms force": 1e-4,
        "energy error, kJ/mol": 2e-3,
        "trajectory error, nm": 5e-5,
        "distance": 3e-6,
    }
    for name, limit in limits.items():
        if not figures[name] < limit:
            raise RuntimeError(f"the engine differs from OpenMM: {name} {figures[name]:.2g}, limit {limit:.2g}")
    return figures | {"conformations": len(chosen), "with phi > 0": LANES}


def reference_context(system, friction=FRICTION):
    import openmm as mm

    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE, friction, STEP)
    integrator.setConstraintTolerance(1e-7)
    return mm.Context(system, integrator, mm.Platform.getPlatform("Reference"))


def verify_forces(engine, system, x):
    """Energies and forces, some with a conformation shaken by 0.005 nm so that every term is strained."""
    x = x + np.random.default_rng(1).normal(0, 0.005, x.shape) * (np.arange(len(x)) % 2)[:, None, None]
    x = x.astype(np.float32)
    energies, forces = engine.evaluate(x)
    context = reference_context(system)
    expected = []
    for frame in x:
        context.setPositions(frame.astype(float))
        expected.append(context.getState(energy=True, forces=True))
    expected_forces = np.array([s.getForces(asNumpy=True)._value for s in expected])
    expected_energies = np.array([s.getPotentialEnergy()._value for s in expected])
    rms = np.sqrt((expected_forces**2).mean())
    return {
        "force error / rms force": float(np.abs(forces - expected_forces).max() / rms),
        "energy error, kJ/mol": float(np.abs(energies - expected_energies).max()),
        "rms force, kJ/mol/nm": float(rms),
    }


def verify_trajectory(engine, system, x, random, steps=50):
    """Integrator and constraints: without friction the trajectory is deterministic."""
    context = reference_context(system, friction=0.0)
    state = thermal_state(system, x, random, TEMPERATURE)
    mass = np.array([system.getParticleMass(i)._value for i in range(engine.atoms)])
    after = engine.run(state, steps, friction=0.0)[0]
    errors, speeds = [], []
    for position, velocity, mine, speed in zip(*state[:2], *after[:2], strict=True):
        context.setPositions(position.astype(float))
        context.setVelocities(velocity.astype(float))
        context.getIntegrator().step(steps)
        found = context.getState(positions=True, velocities=True)
        expected = found.getPositions(asNumpy=True)._value
        errors.append(np.abs(mine - (expected - mass @ expected / mass.sum())).max())
        speeds.append(np.abs(speed - found.getVelocities(asNumpy=True)._value).max())
    lengths = constraint_rows(system)
    distances = [np.linalg.norm(after[0][:, i] - after[0][:, j], axis=-1) / d - 1 for i, j, d in lengths]
    return {
        "trajectory error, nm": float(max(errors)),
        "velocity error, nm/ps": float(max(speeds)),
        "distance": float(np.abs(distances).max()),
    }


# ---------------------------------------------------------------------------------------------------------- running


def save(path, array):
    """Write an array so that the file is either whole or absent."""
    fresh = path.with_name(f".{path.name}")
    with open(fresh, "wb") as file:
        np.save(file, array)
    fresh.replace(path)


def save_state(out, state, chunk):
    fresh = out / ".state.npz"
    np.savez(fresh, positions=state[0], velocities=state[1], generators=state[2], chunk=chunk)
    fresh.replace(out / "state.npz")


def load_state(out):
    with np.load(out / "state.npz") as saved:
        return (saved["positions"], saved["velocities"], saved["generators"]), int(saved["chunk"])


def prepare(args):
    """Make the folder of a new run and its settings, bias included; refuse a folder made otherwise."""
    names = ("engine", "seed", "replicas", "start", "restart", "flatten_phi", "all_atoms")
    names += ("chunk", "interval", "fine_interval", "fine_replicas")
    settings = {name: getattr(args, name) for name in names}
    settings |= {
        "force field": FORCE_FIELD,
        "temperature, K": TEMPERATURE,
        "friction, 1/ps": FRICTION,
        "step, ps": STEP,
    }
    settings = json.loads(json.dumps(settings))
    path = args.out / "settings.json"
    if path.exists():
        found = json.loads(path.read_text())
        bias = found.pop("bias: periodicity, phase, k in kJ/mol")
        if found != settings:
            raise SystemExit(f"{path} was made with other settings")
        return bias
    args.out.mkdir(parents=True, exist_ok=True)
    bias = flatten_phi(args.build, np.random.default_rng((args.seed, 1)), args.replicas) if args.flatten_phi else []
    path.write_text(json.dumps(settings | {"bias: periodicity, phase, k in kJ/mol": bias}, indent=1))
    return bias


def begin(args, engine, molecule):
    """Write topology and starting points of a new run."""
    if (args.out / "state.npz").exists():
        return
    random = np.random.default_rng(args.seed)
    state, record = starting_state(engine, *molecule, random, args.replicas, args.start)
    save_topology(molecule[0], molecule[2], engine.written, args.out / "topology.pdb")
    (args.out / "starts.json").write_text(json.dumps(record, indent=1))
    save_state(args.out, state, 0)


def restart(args, engine, molecule, chunk):
    """Return new starting points for a chunk after the first and add them to starts.json."""
    random = np.random.default_rng((args.seed, 2, chunk))
    state, record = starting_state(engine, *molecule, random, args.replicas, args.start)
    path = args.out / "starts.json"
    earlier = [row for row in json.loads(path.read_text()) if row.get("chunk", 0) < chunk]
    path.write_text(json.dumps(earlier + [row | {"chunk": chunk} for row in record], indent=1))
    return state


def advance_openmm(system, state, args, seed):
    """Run the chunk of a single replica in OpenMM, on the fastest platform or the named one."""
    import openmm as mm

    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, STEP)
    integrator.setRandomNumberSeed(seed)
    platform = [mm.Platform.getPlatform(args.platform)] if args.platform else []
    context = mm.Context(system, integrator, *platform)
    context.setPositions(state[0][0].astype(float))
    context.setVelocities(state[1][0].astype(float))
    mass = np.array([system.getParticleMass(i)._value for i in range(system.getNumParticles())])
    frames, energies = [], []
    for _ in range(round(args.chunk * 1000 / args.interval)):
        integrator.step(round(args.interval / STEP))
        found = context.getState(positions=True, velocities=True, energy=True)
        x = found.getPositions(asNumpy=True)._value
        frames.append(x - mass @ x / mass.sum())
        energies.append([found.getPotentialEnergy()._value, found.getKineticEnergy()._value])
    written = slice(None) if args.all_atoms else np.flatnonzero(mass > 3.5)
    v = found.getVelocities(asNumpy=True)._value
    after = frames[-1][None].astype(np.float32), v[None].astype(np.float32), state[2][:1]
    return after, np.array(frames, np.float32)[:, None, written], np.array(energies, np.float32)[:, None], None


def advance(args, engine, system, state, chunk):
    """Run one chunk and return the next state, frames, energies and fine frames."""
    if args.engine == "openmm":
        return advance_openmm(system, state, args, seed=1 + (args.seed * 100003 + chunk) % (2**31 - 1))
    strides = [round(interval / STEP) for interval in (args.interval, args.fine_interval)]
    return engine.run(state, round(args.chunk * 1000 / STEP), strides[0], (strides[1], args.fine_replicas))


def generate(args, engine, molecule):
    """Run chunks until the wanted total; each is on disk before the state that follows it."""
    state, chunk = load_state(args.out)
    per_chunk = args.chunk * args.replicas
    while chunk * per_chunk < args.nanoseconds:
        start = time.perf_counter()
        if args.restart and chunk > 0:
            state = restart(args, engine, molecule, chunk)
        state, frames, energies, fine = advance(args, engine, molecule[1], state, chunk)
        save(args.out / f"frames-{chunk:05d}.npy", frames)
        save(args.out / f"energies-{chunk:05d}.npy", energies)
        if fine is not None and fine.size:
            save(args.out / f"fine-{chunk:05d}.npy", fine)
        chunk += 1
        save_state(args.out, state, chunk)
        rate = per_chunk / (time.perf_counter() - start)
        mean = energies[..., 0].mean()
        print(f"{chunk * per_chunk:.0f} ns, {rate:.2f} ns/s, mean potential {mean:.2f} kJ/mol", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the run; a started one is continued")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nanoseconds", type=float, default=10000, help="stop when all replicas together have this")
    parser.add_argument("--replicas", type=int, default=32, help=f"a multiple of {LANES}; one for --engine openmm")
    starts = ["all", *(name for name, *_ in BASINS)]
    parser.add_argument("--start", choices=starts, default="all", help="basin of the starting points")
    parser.add_argument("--restart", action="store_true", help="begin every chunk from new starting points")
    parser.add_argument("--flatten-phi", action="store_true", help="bias phi so that it turns freely")
    parser.add_argument("--all-atoms", action="store_true", help="write hydrogens, too")
    parser.add_argument("--chunk", type=float, default=5, help="nanoseconds per replica between checkpoints")
    parser.add_argument("--interval", type=float, default=10, help="picoseconds between frames")
    parser.add_argument("--fine-interval", type=float, default=1, help="picoseconds between fine frames")
    parser.add_argument("--fine-replicas", type=int, default=4, help="replicas with fine frames")
    parser.add_argument("--engine", choices=["replica", "openmm"], default="replica")
    parser.add_argument("--platform", help="OpenMM platform of --engine openmm, by default the fastest")
    parser.add_argument("--build", type=Path, default=Path.home() / ".cache" / "openmmjump" / "replica_md")
    args = parser.parse_args()
    args.replicas = 1 if args.engine == "openmm" else args.replicas
    if args.engine == "replica" and args.replicas % LANES:
        parser.error(f"--replicas must be a multiple of {LANES}")
    return args


def main():
    args = arguments()
    bias = prepare(args)
    topology, system, positions = molecule()
    add_bias(topology, system, bias)
    engine = Engine(topology, system, args.build, list(range(topology.getNumAtoms())) if args.all_atoms else None)
    figures = verify(engine, topology, system, positions)
    print("verified: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items()), flush=True)
    begin(args, engine, (topology, system, positions))
    generate(args, engine, (topology, system, positions))


if __name__ == "__main__":
    sys.exit(main())
