"""Make molecular dynamics of chignolin (GYDPETGTWG) with the engine of ../alanine-dipeptide: 16 replicas at a time.

    python generate.py OUT --seed 1
    python generate.py OUT --seed 3 --restrain        with the distance of examples/guidance_distance.py restrained

amber14 with GBn2 at 300 K, X-H bonds constrained, hydrogens of 3 amu, LangevinMiddle with 4 fs and 1/ps. The replicas
start from snapshots of 600 K dynamics, equilibrated for 0.2 ns without restraint. OUT holds, for each chunk,
frames-NNNNN.npy (float32 [frames, 16, heavy atoms, 3], nm), the heavy atoms as topology.pdb, and state.npz, from which
the same command goes on.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import app, unit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "alanine-dipeptide"))

import generate as engine_of  # noqa: E402

REPLICAS = 16
MOLECULE = HERE / "chignolin.pdb"
# The hydrogen bond that closes the turn, as a harmonic restraint.
RESTRAINED, LENGTH, STRENGTH = ((3, "N"), (7, "O")), 0.3, 200.0  # residue and atom; nm; kJ/mol/nm^2


def restrain(topology, system):
    """Add the restraint to the bonds, which replica_md.cpp knows."""
    index = {(atom.residue.index + 1, atom.name): atom.index for atom in topology.atoms()}
    (bonds,) = (force for force in system.getForces() if isinstance(force, mm.HarmonicBondForce))
    bonds.addBond(*(index[name] for name in RESTRAINED), LENGTH, STRENGTH)


def make_engine(build, restrained=False):
    """Return (engine, topology, System, positions in nm), verified against OpenMM's Reference platform."""
    pdb = app.PDBFile(str(MOLECULE))
    options = {"constraints": app.HBonds, "hydrogenMass": 3 * unit.amu, "removeCMMotion": False}
    field = app.ForceField(*engine_of.FORCE_FIELD)
    system = field.createSystem(pdb.topology, nonbondedMethod=app.NoCutoff, **options)
    if restrained:
        restrain(pdb.topology, system)
    positions = np.array(pdb.positions.value_in_unit(unit.nanometer))
    engine = engine_of.Engine(pdb.topology, system, build)
    verify(engine, system, positions)
    return engine, pdb.topology, system, positions


def verify(engine, system, positions):
    """Compare forces and energies with OpenMM's."""
    figures = engine_of.verify_forces(engine, system, np.repeat(positions[None], engine_of.LANES, axis=0))
    print("verified: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items()), flush=True)
    if not (figures["force error / rms force"] < 1e-4 and figures["energy error, kJ/mol"] < 2e-2):
        raise RuntimeError("the engine differs from OpenMM")


def starting_state(engine, system, positions, random):
    """Replicas that have forgotten the given conformation at 600 K, equilibrated at 300 K."""
    state = engine_of.thermal_state(system, np.repeat(positions[None], REPLICAS, axis=0), random, 600.0)
    for _ in range(20):
        state = engine.run(state, 5000, dt=0.002, temperature=600.0)[0]
    return engine.run(state, 50000)[0]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the run; a started one is continued")
    parser.add_argument("--nanoseconds", type=float, default=150, help="stop when all replicas together have this")
    parser.add_argument("--chunk", type=float, default=0.1, help="nanoseconds per replica between checkpoints")
    parser.add_argument("--interval", type=float, default=2, help="picoseconds between frames")
    parser.add_argument("--restrain", action="store_true", help="restrain the distance of Asp3 N and Gly7 O")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build", type=Path, default=Path.home() / ".cache" / "openmmjump" / "replica_md")
    return parser.parse_args()


def main():
    args = arguments()
    engine, topology, system, positions = make_engine(args.build)
    args.out.mkdir(parents=True, exist_ok=True)
    if not (args.out / "state.npz").exists():
        engine_of.save_topology(topology, positions, engine.written, args.out / "topology.pdb")
        random = np.random.default_rng(args.seed)
        engine_of.save_state(args.out, starting_state(engine, system, positions, random), 0)
    if args.restrain:
        engine = make_engine(args.build, restrained=True)[0]
    state, chunk = engine_of.load_state(args.out)
    steps, stride = round(args.chunk * 1000 / engine_of.STEP), round(args.interval / engine_of.STEP)
    while chunk * args.chunk * REPLICAS < args.nanoseconds:
        start = time.perf_counter()
        state, frames, _, _ = engine.run(state, steps, stride)
        engine_of.save(args.out / f"frames-{chunk:05d}.npy", frames)
        chunk += 1
        engine_of.save_state(args.out, state, chunk)
        rate = args.chunk * REPLICAS / (time.perf_counter() - start)
        print(f"{chunk * args.chunk * REPLICAS:.1f} ns, {3600 * rate:.0f} ns/h", flush=True)


if __name__ == "__main__":
    main()
