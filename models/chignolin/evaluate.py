"""How the model of chignolin does in OpenMM: jumps with relaxation from 16 conformations against molecular dynamics.

    python evaluate.py [MODEL] [--jumps 16] [--relaxation 50] [--platform OpenCL]

Printed are the share of accepted jumps, how many proposals were drawn and why others were rejected; size, distance of
Asp3 N and Gly7 O, and the Jensen-Shannon divergence of phi/psi (mean over residues) against MD, with what as many
conformations of MD itself would give; the potential energy after a jump against that of plain dynamics from the same
conformations; and milliseconds.
"""

import argparse
import time

import numpy as np
import openmm
import openmmjump as oj
from make_reference import ramachandran, sizes
from openmm import app, unit
from openmmjump import data
from openmmjump.evaluation.histograms import jensen_shannon

TURN = ((3, "N"), (7, "O"))


def make_context(topology, integrator, platform):
    field = app.ForceField("amber14-all.xml", "implicit/gbn2.xml")
    system = field.createSystem(topology, constraints=app.HBonds, hydrogenMass=3 * unit.amu)
    return openmm.Context(system, integrator, openmm.Platform.getPlatform(platform))


def run(context, pdb, steps, count):
    """Positions [count, conformations, atoms, 3] and energies [count, conformations] after every so many steps."""
    frames, energies = [], []
    for k in range(pdb.getNumFrames()):
        context.setPositions(pdb.getPositions(frame=k))
        context.setVelocitiesToTemperature(300, 1 + k)
        for _ in range(count):
            context.getIntegrator().step(steps)
            state = context.getState(positions=True, energy=True)
            frames.append(state.getPositions(asNumpy=True)._value)
            energies.append(state.getPotentialEnergy()._value)
    shape = pdb.getNumFrames(), count
    return np.array(frames).reshape(*shape, -1, 3).swapaxes(0, 1), np.array(energies).reshape(shape).T


def report_conformations(frames, topology, reference):
    """Compare what the jumps visit, [jumps, conformations, atoms, 3], with MD."""
    index = {(atom.residue.index + 1, atom.name): atom.index for atom in topology.atoms()}
    first, second = (index[name] for name in TURN)
    heavy = [atom.index for atom in topology.atoms() if atom.element.symbol != "H"]
    turn = np.linalg.norm(frames[:, :, first] - frames[:, :, second], axis=-1)
    for name, values, md in (
        ("size", sizes(frames[:, :, heavy]), reference["free_size"]),
        ("Asp3 N - Gly7 O", turn, reference["free"]),
    ):
        md = md.astype(float)
        print(f"{name}: {values.mean():.3f} ± {values.std():.3f} nm (MD: {md.mean():.3f} ± {md.std():.3f})")
    random, floor, found = np.random.default_rng(0), [], []
    for mine, md in zip(ramachandran(frames, topology), reference["rama"].astype(float), strict=True):
        draw = random.multinomial(frames.shape[0] * frames.shape[1], (md / md.sum()).ravel())
        found.append(jensen_shannon(mine, md))
        floor.append(jensen_shannon(draw, md.ravel()))
    print(f"JSD of phi/psi: {np.mean(found):.3f} bits (as many conformations of MD: {np.mean(floor):.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="chignolin", help="a shipped model or a file")
    parser.add_argument("--jumps", type=int, default=16, help="from each of 16 conformations (default: 16)")
    parser.add_argument("--relaxation", type=int, default=50, help="steps of 4 fs after each jump (default: 50)")
    parser.add_argument("--platform", default="OpenCL")
    args = parser.parse_args()
    pdb = app.PDBFile(data.path("chignolin.pdb"))
    model = oj.JumpModel.load(args.model)
    integrator = oj.JumpIntegrator(model, oj.MolecularGraph.fromTopology(pdb.topology, model), 300, 1, 0.004)
    integrator.setRandomNumberSeed(1)
    integrator.setRepairSettings(oj.RepairSettings(policy=oj.RepairSettings.Always))
    integrator.setRelaxationSteps(args.relaxation)
    context = make_context(pdb.topology, integrator, args.platform)
    start = time.perf_counter()
    frames, energies = run(context, pdb, 1, args.jumps)
    seconds = time.perf_counter() - start
    statistics = integrator.getStatistics().asDict()
    print(f"{statistics['accepted']} of {statistics['steps']} jumps accepted, {statistics['attempts']} proposals drawn")
    print("rejected: " + ", ".join(f"{cause} {n}" for cause, n in statistics["rejections"].items() if n))
    with np.load(data.path("chignolin/md.npz")) as reference:
        report_conformations(frames, pdb.topology, reference)
    plain = make_context(pdb.topology, openmm.LangevinMiddleIntegrator(300, 1, 0.004), args.platform)
    md = run(plain, pdb, 2500, 3)[1][1:]
    print(f"energy: {energies.mean():.1f} ± {energies.std():.1f} kJ/mol (MD: {md.mean():.1f} ± {md.std():.1f})")
    print(f"{1000 * seconds / statistics['steps']:.0f} ms a jump")


if __name__ == "__main__":
    main()
