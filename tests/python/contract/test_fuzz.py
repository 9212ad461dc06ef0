"""Fuzz: whatever a caller, a network or a damaged file brings, one sentence comes out and the Context stays usable.

10,000 cases of three kinds: sequences of calls with good, borderline and wrong arguments; networks whose outputs are
anything but a molecule; damaged model files. Each case ends with a step that must work. The cases are the same in every
run; JUMP_FUZZ_EXAMPLES=100000 draws as many at random instead. The number of cases, steps and errors is printed at the
end.
"""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import struct
from collections import Counter
from fractions import Fraction
from functools import cache, partial

import numpy as np
import openmm
import pytest
from contract_cases import change
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openmm import unit
from openmmjump import (
    GateSettings,
    GuidanceSettings,
    JumpIntegrator,
    JumpModel,
    MolecularGraph,
    RepairSettings,
    SamplerSettings,
)
from walk_model import tiny_architecture

pytestmark = [pytest.mark.contract, pytest.mark.slow]

ERRORS = (TypeError, ValueError, OverflowError, AttributeError, FileNotFoundError, openmm.OpenMMException)
RANDOM_CASES = int(os.environ.get("JUMP_FUZZ_EXAMPLES", "0"))
CASES = 10_000
COUNTS = Counter()  # of cases, steps and refusals


def fuzz(share):
    """Run a test on this share of all cases."""
    return settings(
        max_examples=max(1, round(share * (RANDOM_CASES or CASES))),
        derandomize=not RANDOM_CASES,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module", autouse=True)
def summary(last_lines):
    """One line with the figures, after the results of all tests."""
    yield
    errors = ", ".join(f"{name} {n}" for (kind, name), n in sorted(COUNTS.items()) if kind == "error")
    counts = {name: n for (kind, name), n in COUNTS.items() if kind != "error"}
    last_lines.append(
        f"fuzz: {sum(n for (kind, _), n in COUNTS.items() if kind == 'case')} cases, "
        + ", ".join(f"{n} {name}" for name, n in counts.items())
        + f"; errors raised, each in one sentence: {errors}"
    )


def refused(action):
    """Call; whether an error of an allowed kind came, which must be one sentence."""
    try:
        action()
    except ERRORS as error:
        text = str(error).strip()
        assert text and "\n" not in text and "prototypes" not in text and len(text) < 1000, repr(error)
        COUNTS["error", type(error).__name__] += 1
        return True
    return False


# ------------------------------------------------------------------------------------------------ molecule and model

# Four carbons, and a hydrogen that rides on the first.
POSITIONS = np.array([[0, 0, 0], [0.15, 0, 0], [0.2, 0.14, 0], [0.35, 0.14, 0.05], [-0.05, 0.1, 0.0]])
VELOCITIES = np.array([[0.1, 0, 0], [0, -0.2, 0], [0.1, 0.1, 0.1], [-0.2, 0, 0], [0.1, 0, 0]])
REFERENCE = partial(openmm.Platform.getPlatform, "Reference")


@cache
def system():
    made = openmm.System()
    for mass in (12, 12, 12, 12, 1):
        made.addParticle(mass)
    bonds = openmm.HarmonicBondForce()
    for i in range(3):
        bonds.addBond(i, i + 1, distance(i, i + 1), 2e5)
    made.addForce(bonds)
    made.addConstraint(0, 4, distance(0, 4))
    return made


def distance(i, j):
    return float(np.linalg.norm(POSITIONS[i] - POSITIONS[j]))


@cache
def chain():
    graph = MolecularGraph()
    for i in range(4):
        graph.addAtom(i, 6)
    for i in range(3):
        graph.addBond(i, i + 1)
    graph.addStereocenter(0, 1, 2, 3)
    graph.addRidingAtom(4, 0)
    return graph


def metadata():
    """What the model file says; the network sees Angstrom."""
    return {
        "format": 1,
        "name": "tiny",
        "family": "pvb",
        "architecture": tiny_architecture(4, 0.02, 1e-4),
        "length_scale": 10.0,
        "lag_time": 1000.0,
        "temperature": 300.0,
        "sampler": {"type": "bridge", "time_grid": [0, 0.5, 1], "step_noise": "euler"},
        "preserves": {"orientation": True, "center_of_mass": True},
    }


def shapes():
    """Shape of each tensor of the network."""
    hidden, ffn, rbf = 4, 4, 2
    found = {
        "decoder.atom_embedding.weight": (118, hidden - 1),
        "decoder.block_embedding.weight": (138, hidden - 1),
        "decoder.bond_embedding.weight": (2, rbf),
        "decoder.distance_expansion.means": (rbf,),
        "decoder.distance_expansion.betas": (rbf,),
        "decoder.neighbor_embedding.embedding.weight": (118, hidden),
        "decoder.out_norm.weight": (hidden,),
        "decoder.out_norm.bias": (hidden,),
        "decoder.attention_layers.0.layernorm.weight": (hidden,),
        "decoder.attention_layers.0.layernorm.bias": (hidden,),
        "decoder.attention_layers.0.vec_proj.weight": (3 * hidden, hidden),
    }
    linear = {
        "decoder.neighbor_embedding.distance_proj": (hidden, 2 * rbf),
        "decoder.neighbor_embedding.combine": (hidden, 2 * hidden),
        "decoder.crs_ffn.layers.0": (hidden, 2 * hidden),
        "decoder.crs_ffn.layers.2": (hidden, hidden),
        "decoder.crs_ffn.layers.4": (hidden, hidden),
        "decoder.attention_layers.0.q_proj": (hidden, hidden),
        "decoder.attention_layers.0.k_proj": (hidden, hidden),
        "decoder.attention_layers.0.v_proj": (3 * hidden, hidden),
        "decoder.attention_layers.0.o_proj": (3 * hidden, hidden),
        "decoder.attention_layers.0.dk_proj": (hidden, 2 * rbf),
        "decoder.attention_layers.0.dv_proj": (3 * hidden, 2 * rbf),
    }
    for head in ("vel_ffn", "drf_ffn"):
        found[f"{head}.linear_v.weight"] = (2 * hidden, hidden)
        found[f"{head}.so3_norm.gamma"] = ()
        linear |= {f"{head}.ffn_mlp.0": (ffn, 2 * hidden), f"{head}.ffn_mlp.2": (2 * hidden, ffn)}
    for name, (outputs, inputs) in linear.items():
        found |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
    return found


@cache
def weights():
    """Small random numbers, and zeros where the displacement is read: a jump is a random walk of small steps."""
    generator = np.random.default_rng(1)
    drawn = {name: generator.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes().items()}
    return drawn | {name: 0 * drawn[name] for name in drawn if name.endswith("linear_v.weight")}


def write(entry, tensors):
    """The bytes of a model file, with no check of what is in it."""
    header, data = {"__metadata__": {"openmmjump": json.dumps(entry)}}, b""
    for name, tensor in tensors.items():
        content = np.ascontiguousarray(tensor).tobytes()
        offsets = [len(data), len(data) + len(content)]
        dtype = {"f": "F", "i": "I"}[tensor.dtype.kind] + str(8 * tensor.dtype.itemsize)
        header[name] = {"dtype": dtype, "shape": tensor.shape, "data_offsets": offsets}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


@cache
def good_bytes():
    return write(metadata(), weights())


@cache
def good_model():
    return JumpModel.fromBytes(good_bytes(), "tiny")


# ----------------------------------------------------------------------------------------------------------- contexts


def snapshot(context):
    """Everything a refused step must leave as it was, to the bit."""
    state = context.getState(positions=True, velocities=True)
    arrays = [state.getPositions(asNumpy=True), state.getVelocities(asNumpy=True), state.getPeriodicBoxVectors(True)]
    return [array._value.tobytes() for array in arrays], context.getTime()._value, context.getStepCount()


def is_finite(context):
    state = context.getState(positions=True, velocities=True, energy=True)
    arrays = [state.getPositions(asNumpy=True), state.getVelocities(asNumpy=True)]
    return all(np.isfinite(array._value).all() for array in arrays) and math.isfinite(state.getPotentialEnergy()._value)


def put_back(context):
    """The state every case starts from."""
    context.setTime(0)
    context.setStepCount(0)
    context.setPositions(POSITIONS)
    context.setVelocities(VELOCITIES)


def try_step(context, integrator):
    """One step: it is done and counted, or it is refused and leaves no trace. Returns whether it was done."""
    before, jumps = snapshot(context), integrator.getJumpNumber()
    if refused(partial(integrator.step, 1)):
        assert snapshot(context) == before and integrator.getJumpNumber() == jumps
        COUNTS["step", "steps refused"] += 1
        return False
    state = context.getState(positions=True)
    assert np.isfinite(state.getPositions(asNumpy=True)._value).all()
    assert context.getStepCount() == before[2] + 1 and integrator.getJumpNumber() == jumps + 1
    COUNTS["step", "steps"] += 1
    return True


def must_step(context, integrator):
    put_back(context)
    integrator.step(1)
    assert is_finite(context) and context.getStepCount() == 1
    assert context.getTime() == integrator.getStepSize()
    COUNTS["step", "steps"] += 1


# ---------------------------------------------------------------------------------------------- (a) sequences of calls

JUNK = [
    math.nan, math.inf, -math.inf, -1, -1.0, 0, 0.0, -0.0, 5e-324, 1e-30, 1e30, 1e308, -1e308, 1.5, 2**31 - 1, 2**31,
    -(2**31), 2**63, -(2**63), 2**64, 10**400, True, None, "", "300", "~nobody", "a\nb", b"", b"\0", (), [], [1.0], {},
    object(), int, np.float32(3), np.int64(4), np.array(2.0), np.zeros(3), np.zeros((3, 3)), np.float64("nan"), 1 + 1j,
    Fraction(1, 3), [0, 1], [0.0, 0.5, 1.0], [0, math.nan, 1], [0, 0.5, 0.5, 1], [1, 0], [None], ["0", "1"], [[0, 1]],
    3 * unit.nanometer, 300 * unit.kelvin, math.nan * unit.kelvin, -3 * unit.kelvin, 2 / unit.picosecond,
    3 * unit.dimensionless, [1, 2] * unit.kelvin, unit.kelvin, unit.Quantity("x", unit.kelvin),
    GateSettings(), MolecularGraph(), GateSettings, RepairSettings.Always,
]  # fmt: skip
junk = st.sampled_from(JUNK)
no_steps = st.sampled_from([value for value in JUNK if not hasattr(value, "__float__")]) | st.integers(-5, 0)
index = st.one_of(st.integers(-1, 5), st.integers(), junk)
count = st.one_of(st.integers(0, 20), st.integers(), junk)
number = st.one_of(st.floats(0, 1000), st.floats(), junk)
flag = st.one_of(st.booleans(), junk)
grid = st.one_of(st.lists(st.floats(0, 1), max_size=4).map(lambda times: [0.0, *sorted(set(times)), 1.0]), junk)
name = st.one_of(st.text(max_size=5), junk)
damaged = st.builds(lambda size, extra: good_bytes()[:size] + extra, st.integers(0, 9000), st.binary(max_size=9))
position = st.sampled_from([math.nan, math.inf, 1e6, -1e6, 1e30, 1e-30, 0.0, 1e308])


class Bench:
    """One Context that all sequences of calls share, and objects of their own that cost little to make."""

    def __init__(self):
        relaxation = openmm.LangevinMiddleIntegrator(300, 1, 0.001)
        self.integrator = JumpIntegrator(good_model(), chain(), 300, relaxation)
        self.context = openmm.Context(system(), self.integrator, REFERENCE())
        self.begin()

    def begin(self):
        self.gate, self.graph = GateSettings(), MolecularGraph()
        self.rebuilt = False  # whether the Context was made anew with settings that are read then
        put_back(self.context)

    def recover(self):
        """Good settings everywhere; those read when a Context is made matter only if it was made anew."""
        integrator = self.integrator
        integrator.setTemperature(300)
        integrator.setRelaxationFriction(20)
        integrator.setRelaxationSteps(2)
        integrator.setMaxAttempts(3)
        integrator.setRepairSettings(RepairSettings(iterations=10))
        integrator.setGateSettings(GateSettings())
        integrator.setGuidanceSettings(GuidanceSettings())
        integrator.setSamplerSettings(SamplerSettings(threads=1))
        integrator.setRandomNumberSeed(1)
        integrator.setConstraintTolerance(1e-5)
        relaxation = integrator.getRelaxationIntegrator()
        relaxation.setStepSize(0.001)
        relaxation.setFriction(1)
        if self.rebuilt:
            put_back(self.context)
            self.context.reinitialize(True)

    def bound_work(self):
        """Counts that are allowed but would take hours."""
        integrator = self.integrator
        integrator.setRelaxationSteps(min(integrator.getRelaxationSteps(), 5))
        integrator.setMaxAttempts(min(integrator.getMaxAttempts(), 5))
        change(integrator, iterations=min(integrator.getRepairSettings().iterations, 10))
        change(integrator, threads=min(integrator.getSamplerSettings().threads, 2))

    # What a sequence may do beside calling one method of an object. What must work is not guarded by refused().

    def add_atom(self, particle, element):
        """An atom that fits the System; most graphs made of random calls would have none."""
        refused(partial(self.graph.addAtom, particle, element))

    def step(self):
        self.bound_work()
        try_step(self.context, self.integrator)

    def move(self, atom, value):
        """Put an atom where no step can start, or far away."""
        moved = POSITIONS.copy()
        moved[atom, 1] = value
        self.context.setPositions(moved)

    def rebuild(self):
        """Every setting that was let in makes a Context."""
        self.bound_work()
        self.rebuilt = True
        self.context.reinitialize(True)

    def set_setting(self, kind, field, value):
        """Change one setting of a struct."""
        held = getattr(self.integrator, f"get{kind}Settings")()
        refused(partial(setattr, held, field, value))
        refused(partial(getattr(self.integrator, f"set{kind}Settings"), held))

    def set_gate(self):
        refused(partial(self.integrator.setGateSettings, self.gate))

    def set_gate_field(self, field, value):
        refused(partial(setattr, self.gate, field, value))

    def use_graph(self):
        """A graph of any shape is refused by the Context, or jumps."""
        integrator = JumpIntegrator(good_model(), self.graph, 300, 1, 0.001)
        integrator.setRelaxationSteps(1)
        if refused(partial(self.graph.validate, system(), good_model())):
            assert refused(partial(openmm.Context, system(), integrator, REFERENCE()))
            return
        context = openmm.Context(system(), integrator, REFERENCE())
        must_step(context, integrator)

    def save(self):
        """A checkpoint brings back what was saved."""
        saved, jumps = self.context.createCheckpoint(), self.integrator.getJumpNumber()
        before = snapshot(self.context)
        put_back(self.context)
        self.context.loadCheckpoint(saved)
        assert snapshot(self.context) == before and self.integrator.getJumpNumber() == jumps

    def copy_integrator(self):
        """Every setting that was let in can be saved."""
        made = copy.copy(self.integrator)
        assert settings_of(made) == settings_of(self.integrator)

    def copy_graph(self):
        made = pickle.loads(pickle.dumps(self.graph))
        assert made.getNumAtoms() == self.graph.getNumAtoms() and made.getNumBonds() == self.graph.getNumBonds()


def settings_of(integrator):
    """All that is saved with a JumpIntegrator."""
    gate = integrator.getGateSettings()
    getters = ("Temperature", "RelaxationSteps", "RelaxationFriction", "MaxAttempts", "TimeGrid", "RandomNumberSeed")
    getters += ("RepairSettings", "GuidanceSettings", "SamplerSettings")
    return [getattr(integrator, f"get{getter}")() for getter in getters] + [getattr(gate, f) for f in GATE_FIELDS[:-1]]


def choose(*strategies):
    """One of the strategies, and twice as often one that is named twice (which one_of() takes no notice of)."""
    return st.sampled_from(strategies).flatmap(lambda chosen: chosen)


def own(method, *arguments):
    """One of the Bench's own actions."""
    return st.tuples(st.just("bench"), st.just(method), st.tuples(*arguments))


def call(target, method, *arguments, junk=junk):
    """A call of a method: (target, method, arguments), sometimes with a wrong number of wrong arguments."""
    wrong = st.lists(junk, max_size=6).map(tuple)
    chosen = choose(*[st.tuples(*arguments)] * 4, wrong) if arguments else st.just(())
    return st.tuples(st.just(target), st.just(method), chosen)


INTEGRATOR_CALLS = {
    "setTemperature": [number],
    "setRelaxationSteps": [count],
    "setRelaxationFriction": [number],
    "setMaxAttempts": [count],
    "setGateSettings": [junk],
    "setRepairSettings": [junk],
    "setGuidanceSettings": [junk],
    "setSamplerSettings": [junk],
    "setRandomNumberSeed": [index],
    "setStepSize": [number],
    "setConstraintTolerance": [st.floats(1e-8, 1e-2)],
    "addIntegrator": [junk],
    "setCurrentIntegrator": [index],
    "getLastJump": [],
    "getStatistics": [],
    "resetStatistics": [],
    "getModel": [],
    "getMolecularGraph": [],
    "nonsense": [],
}
GRAPH_CALLS = {
    "addAtom": [index, count],
    "addBond": [index, index, index],
    "addStereocenter": [index] * 4,
    "addRidingAtom": [index] * 5,
    "getAtom": [index],
    "getBond": [index],
    "getStereocenter": [index],
    "getRidingAtom": [index],
    "getNeighbors": [index],
    "getMolecules": [],
    "validate": [st.one_of(st.builds(system), junk)],
}
SETTINGS = {
    "policy": ("Repair", index),
    "iterations": ("Repair", count),
    "tolerance": ("Repair", number),
    "tetherStrength": ("Repair", number),
    "strength": ("Guidance", number),
    "schedule": ("Guidance", index),
    "point": ("Guidance", index),
    "forceCap": ("Guidance", number),
    "steps": ("Guidance", count),
    "timeGrid": ("Sampler", grid),
    "useDoublePrecision": ("Sampler", flag),
    "useCudaGraphs": ("Sampler", flag),
    "threads": ("Sampler", count),
}
GATE_FIELDS = ["minBondRatio", "maxBondRatio", "clashRatio", "maxEnergyIncrease", "checkBonds", "checkEnergy"]
GATE_FIELDS += ["chekBonds"]
gate_field = st.sampled_from(GATE_FIELDS)
model = st.one_of(st.builds(good_model), junk)
relaxation = st.one_of(st.builds(openmm.VerletIntegrator, st.just(0.001)), junk)
one_call = choose(
    *(call("integrator", method, *arguments) for method, arguments in INTEGRATOR_CALLS.items()),
    *(call("graph", method, *arguments) for method, arguments in GRAPH_CALLS.items()),
    *[own("add_atom", st.integers(0, 4), st.integers(1, 118))] * 4,
    call("integrator", "step", no_steps, junk=no_steps),
    call("graph", "addAtom", index, count, index, flag),
    call("graph", "addRidingAtom", index, index),
    call("graph", "validate", st.builds(system), model),
    call("relaxation", "setStepSize", st.sampled_from([1e-9, 0.0005, 1.0, 1e6])),
    call("relaxation", "setFriction", st.sampled_from([0.0, 1.0, 1e6])),
    *(own("set_setting", st.just(kind), st.just(field), values) for field, (kind, values) in SETTINGS.items()),
    *[own("set_gate_field", gate_field, number)] * 3,
    *[own("set_gate")] * 2,
    *[own("step")] * 16,
    *[own("move", st.integers(0, 4), position)] * 3,
    own("rebuild"),
    own("use_graph"),
    own("save"),
    own("copy_integrator"),
    own("copy_graph"),
    call("JumpModel", "fromBytes", damaged, name),
    call("JumpModel", "load", name),
    call("JumpModel", "__call__", name),
    call("model", "knowsAtom", index, index),
    call("JumpIntegrator", "__call__", model, st.one_of(st.builds(chain), junk), number, number, number),
    call("JumpIntegrator", "__call__", model, st.one_of(st.builds(chain), junk), number, relaxation),
)


@cache
def bench():
    return Bench()


def find_target(world, target):
    found = {
        "integrator": world.integrator,
        "graph": world.graph,
        "JumpModel": JumpModel,
        "JumpIntegrator": JumpIntegrator,
    }
    if target == "relaxation":
        return world.integrator.getRelaxationIntegrator()
    return good_model() if target == "model" else found[target]


def perform(world, target, method, arguments):
    owner = find_target(world, target)
    if method == "__call__":
        return owner(*arguments)
    return getattr(owner, method)(*arguments)


@fuzz(0.5)
@given(st.lists(one_call, min_size=1, max_size=8))
def test_calls(sequence):
    """Any sequence of calls: one sentence for each wrong one, and the Context steps on after it."""
    world = bench()
    world.begin()
    for target, method, arguments in sequence:
        if target == "bench":
            getattr(world, method)(*arguments)
        else:
            refused(partial(perform, world, target, method, arguments))
    world.recover()
    must_step(world.context, world.integrator)
    COUNTS["case", "sequences of calls"] += 1


# ------------------------------------------------------------------------------------------- (b) outputs of the network

# 1e7 A is the far end of the bench: a molecule that jumps a millimetre.
EXTREMES = [0.0, -0.0, 1e-45, 1e-30, 1e-6, 1.0, -1.0, 1e3, 1e7, -1e7, 1e15, 1e30, -1e30, 3.4e38, -3.4e38]
scale = st.sampled_from([1e-300, 1e-30, 1e-12, 1e-4, 0.02, 1.0, 1e3, 1e7, 1e12, 1e30, 1e300])
damage = st.tuples(
    st.sampled_from(sorted(shapes()) + ["drf_ffn.linear_v.weight"] * 20),
    st.sampled_from(["all", "one", "times"]),
    st.sampled_from([*EXTREMES, math.nan, math.inf, -math.inf]),
)
network = st.fixed_dictionaries(
    {
        "damages": st.lists(damage, max_size=3),
        "architecture": st.fixed_dictionaries({}, optional={"sigma": scale, "coord_prior_var": scale}),
        "length_scale": st.sampled_from([10.0] * 5 + [1e-6, 1.0, 1e6, 1e-300, 1e300]),
        "sampler": st.fixed_dictionaries(
            {
                "type": st.just("bridge"),
                "time_grid": st.sampled_from([[0, 1], [0, 0.5, 1], [0, 1e-300, 1], [0, 0.1, 0.2, 0.9, 1]]),
                "step_noise": st.sampled_from(["euler", "bridge"]),
            },
            optional={"order": st.sampled_from([1, 2])},
        ),
        "preserves": st.fixed_dictionaries({"orientation": st.booleans(), "center_of_mass": st.booleans()}),
    }
)
use = st.fixed_dictionaries(
    {
        "gate": st.lists(st.sampled_from(["checkBonds", "checkClashes", "checkStereocenters", "checkEnergy"])).map(set),
        "policy": st.sampled_from([RepairSettings.Never, RepairSettings.WhenNeeded, RepairSettings.Always]),
        "steps": st.integers(0, 3),
        "attempts": st.integers(1, 3),
        "double": st.booleans(),
        "seed": st.integers(1, 1000),
    }
)


def make_network(plan):
    """The bytes of a model file whose network is spoilt as planned."""
    entry = metadata() | {key: plan[key] for key in ("length_scale", "sampler", "preserves")}
    entry["architecture"] |= plan["architecture"]
    tensors = dict(weights())
    for tensor, mode, value in plan["damages"]:
        spoilt = tensors[tensor].copy()
        with np.errstate(all="ignore"):
            if mode == "times":
                spoilt *= np.float32(value)
            elif mode == "all":
                spoilt[...] = value
            else:
                spoilt.reshape(-1)[:1] = value
        tensors[tensor] = spoilt
    return write(entry, tensors)


def make_integrator(model, plan):
    """A JumpIntegrator that relaxes without noise, so that what follows a rejected jump is known to the bit."""
    integrator = JumpIntegrator(model, chain(), 300, openmm.VerletIntegrator(0.0005))
    integrator.setRelaxationSteps(plan["steps"])
    integrator.setMaxAttempts(plan["attempts"])
    integrator.setRepairSettings(RepairSettings(policy=plan["policy"], iterations=10))
    integrator.setSamplerSettings(SamplerSettings(useDoublePrecision=plan["double"], threads=1))
    integrator.setRandomNumberSeed(plan["seed"])
    gate = GateSettings()
    for check in ("checkBonds", "checkClashes", "checkStereocenters", "checkEnergy"):
        setattr(gate, check, check in plan["gate"])
    integrator.setGateSettings(gate)
    return integrator


@cache
def dynamics(steps):
    """The state after so many steps of dynamics from the start, to the bit."""
    context = openmm.Context(system(), openmm.VerletIntegrator(0.0005), REFERENCE())
    put_back(context)
    context.getIntegrator().step(steps)
    return snapshot(context)[0]


def check_jumps(content, plan):
    """Jumps of a model that loads: each is accepted in a finite state, or the step is dynamics alone."""
    model = JumpModel.fromBytes(content, "fuzz")
    integrator = make_integrator(model, plan)
    context = openmm.Context(system(), integrator, REFERENCE())
    for _ in range(2):  # twice from the start, with other noise
        put_back(context)
        integrator.step(1)
        COUNTS["step", "steps"] += 1
        record = integrator.getLastJump()
        assert is_finite(context) and context.getStepCount() == 1
        if record.accepted:
            COUNTS["jump", "jumps accepted"] += 1
        else:
            COUNTS["jump", "jumps rejected"] += 1
            assert snapshot(context)[0] == dynamics(plan["steps"]), record.getRejectionName()
    # From wherever a jump has led, dynamics may fail; then the step leaves no trace.
    try_step(context, integrator)


def fault(action):
    """The sentence with which a model file is refused, or None. It names the file."""
    try:
        action()
    except openmm.OpenMMException as error:
        text = str(error)
        assert "\n" not in text and len(text) < 1000, text
        assert "'fuzz'" in text or "was not trained for model atom" in text, text
        COUNTS["error", "OpenMMException"] += 1
        return text
    return None


@fuzz(0.25)
@given(network, use)
def test_network_outputs(plan, how):
    """NaN, infinity, millimetres: never in the Context, and a number that is not finite never in a network."""
    content = make_network(plan)
    COUNTS["case", "networks"] += 1
    said = fault(partial(check_jumps, content, how))
    tensors = [name for name, mode, value in plan["damages"]]
    if said is not None:
        assert "is not finite" in said and any(name in said for name in tensors), said


# -------------------------------------------------------------------------------------------------- (c) damaged files

VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 1.5, -0.5, 1e300, 2**31, 2**63, 2**64, 10**30, "", "pvb", "x" * 300, "a\nb", [],
    {}, [0], [0, 1], [1, 0], [0, "1"], [0, None, 1], [[6, 5]], [[6]], {"atoms": [[6, 5]]}, {"atoms": [[0, 0]]},
    {"atoms": [[7, 6]]}, {"type": "bridge"}, "endpoint", "scaled", "learned", "vectors", "bridge", "\ud800",
]  # fmt: skip
KEYS = [
    (key, inner)
    for key, entry in metadata().items()
    for inner in [None, "unknown", *(entry if isinstance(entry, dict) else [])]
] + [("vocabulary", None), ("provenance", None), ("unknown", None)]
SHAPES = [(), (0,), (1,), (4,), (5,), (4, 4), (3, 4), (2, 2, 2), (118, 4), (0, 4), (1, 118, 3)]
TYPES = [np.float16, np.float64, np.int8, np.int32, np.int64]


def change_metadata(key, value):
    entry = metadata()
    outer, inner = key
    if inner is None:
        entry[outer] = value
    elif isinstance(entry[outer], dict):
        entry[outer][inner] = value
    return write(entry, weights())


def change_tensor(tensor, change):
    tensors = dict(weights())
    if change is None:
        del tensors[tensor]
    elif isinstance(change, tuple):
        tensors[tensor] = np.ones(change, np.float32)
    elif isinstance(change, str):
        tensors[change] = tensors[tensor]
    else:
        tensors[tensor] = tensors[tensor].astype(change)
    return write(metadata(), tensors)


def change_bytes(changes, cut, extra):
    content = bytearray(good_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    return bytes(content[: len(content) - cut]) + extra


@cache
def header_size():
    return 8 + struct.unpack_from("<Q", good_bytes())[0]


places = choose(st.integers(0, 8), *[st.integers(0, header_size())] * 3, st.integers(0, len(good_bytes())))
broken_file = choose(
    st.builds(change_metadata, st.sampled_from(KEYS), st.sampled_from(VALUES)),
    st.builds(
        change_tensor,
        st.sampled_from(sorted(shapes())),
        st.one_of(st.none(), st.sampled_from(SHAPES), st.sampled_from(TYPES), st.sampled_from(["", "x", "a\nb"])),
    ),
    *[
        st.builds(
            change_bytes,
            st.lists(st.tuples(places, st.integers(0, 255)), max_size=4),
            st.sampled_from([0] * 8 + [1, 4, 100, 3000]),
            st.sampled_from([b""] * 8 + [b"\0", b"}" * 8]),
        )
    ]
    * 2,
)


@fuzz(0.25)
@given(broken_file, use)
def test_damaged_files(content, how):
    """A file that was damaged is refused with the fault, or its jumps are as sound as any."""
    COUNTS["case", "model files"] += 1
    try:
        loads = fault(partial(JumpModel.fromBytes, content, "fuzz")) is None
    except ERRORS as error:
        pytest.fail(f"not an OpenMMException: {error!r}")
    if loads:
        fault(partial(check_jumps, content, how))
