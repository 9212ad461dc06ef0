"""A thousand jumps of alanine dipeptide in implicit solvent: `python alanine_dipeptide.py`, in this folder."""

# The script of the README, as it stands there.
# ruff: noqa: I001
# fmt: off
from openmm import *
from openmm.app import *
from openmm.unit import *
import openmmjump as oj

pdb = PDBFile("alanine-dipeptide.pdb")
system = ForceField("amber14-all.xml", "implicit/gbn2.xml").createSystem(
    pdb.topology, constraints=HBonds, hydrogenMass=3 * amu
)
model = oj.JumpModel.load("alanine-dipeptide")  # shipped; or a path to a .safetensors file
integrator = oj.JumpIntegrator(
    model, oj.MolecularGraph.fromTopology(pdb.topology, model), 300 * kelvin, 1 / picosecond, 4 * femtoseconds
)
simulation = Simulation(pdb.topology, system, integrator)
simulation.context.setPositions(pdb.positions)
simulation.reporters.append(DCDReporter("out.dcd", 1))
simulation.step(1000)  # 1000 jumps, each followed by repair and short MD
print(integrator.getStatistics())
