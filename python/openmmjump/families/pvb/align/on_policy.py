"""On-policy alignment: the model that is aligned makes its own conformations, and the force field labels them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from openmmjump.families.base import Weights
from openmmjump.molecule import Molecule
from openmmjump.platforms import ONE_THREAD
from openmmjump.training import randomness
from openmmjump.training.config_schema import ConfigError
from openmmjump.training.frames import ANGSTROM_PER_NM, PreparedSystem, count_residues, load_topology
from openmmjump.training.pairs import PairSet
from openmmjump.training.randomness import Stream

from .settings import OnPolicy

if TYPE_CHECKING:
    from openmmjump.training.config import Config

FRICTION = 1.0  # 1/ps, of the dynamics after a jump


@dataclass
class Made:
    """What one round has made.

    Attributes:
        positions: (n, all atoms, 3) nm, before minimisation.
        energies: (n) kJ/mol, after it.
        last: (all atoms, 3) nm, where the next round goes on.
        failed: conformations that could not be labelled.
    """

    positions: np.ndarray
    energies: np.ndarray
    last: np.ndarray
    failed: int


class OnPolicySampling:
    """The samples of the model being aligned, in a replay buffer.

    Args:
        config, number: of the run, and which of its stages.
        topology: file of the molecule with all its atoms; its positions are where the first round starts.
        system: the prepared molecule.
        write: writes the model file that samples.

    Raises:
        ConfigError: the System or the force field doesn't fit the topology.
    """

    def __init__(
        self,
        config: Config,
        number: int,
        topology: Path,
        system: PreparedSystem,
        write: Callable[[Weights, Path], None],
    ):
        stage = config.stages[number]
        self.config, self.number, self.settings = config, number, stage.on_policy
        self.every = stage.iterations // stage.on_policy.rounds
        self.stage, self.system, self.write = stage, system, write
        self.refreshes = stage.on_policy.refresh_reference
        self.residues = count_residues(load_topology(topology).topology)
        self.molecule = load_molecule(topology, stage.on_policy, f"stages.{number}.on_policy")
        self.frames = np.empty((0, system.molecule.size, 3), np.float32)
        self.energies = np.empty(0)
        self.round, self.newest, self.last, self.said = 0, 0, None, ""

    def due(self, iteration: int) -> bool:
        """Whether a round begins before this iteration of the stage."""
        return iteration >= self.round * self.every and self.round < self.settings.rounds

    def make(self, weights: Weights) -> Made:
        """Sample and label one round with the given weights; the same for the same seed, stage and round."""
        rng = randomness.generator(self.config.seed, Stream.SAMPLES, self.number, self.round)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.safetensors"
            self.write(weights, file)
            seed = int(rng.integers(1, 2**31 - 1))
            positions = jump_samples(file, self.molecule, self.settings, self.config.temperature_K, self.last, seed)
        energies = annotate(self.molecule, self.settings, positions)
        good = np.isfinite(energies)
        return Made(positions[good], energies[good], positions[-1], int((~good).sum()))

    def add(self, made: Made) -> None:
        """Put a round into the buffer and forget the oldest conformations beyond its size."""
        x = made.positions[:, self.system.molecule.atoms]
        x = ((x - x.mean(1, keepdims=True)) * ANGSTROM_PER_NM).astype(np.float32)
        keep = self.settings.buffer
        self.frames = np.concatenate([self.frames, x])[-keep:]
        self.energies = np.concatenate([self.energies, made.energies])[-keep:]
        self.round, self.newest, self.last = self.round + 1, min(len(x), keep), made.last
        if self.newest <= self.stage.size:
            raise FloatingPointError(
                f"Of the conformations of round {self.round}, only {self.newest} could be labelled."
            )
        failed = f", {made.failed} could not be labelled" if made.failed else ""
        self.said = (
            f"Round {self.round} of {self.settings.rounds}: {len(x)} conformations, energies "
            f"{made.energies.mean():.1f} (std {made.energies.std():.1f}) kJ/mol{failed}."
        )

    def sets(self, sets: Sequence[PairSet]) -> list[PairSet] | None:
        """The replay buffer, and ordinary pairs."""
        return [self.pair_set(), *(s for s in sets if s.lag > 0)] if self.round > 0 else None

    def pair_set(self) -> PairSet:
        """The buffer as something to draw from; the newest round alone tells the populations of states."""
        total = len(self.frames)
        starts = np.arange(total + 1)
        names = self.system.name, self.system.molecule
        labels = {"energies": self.energies, "residues": self.residues}
        system = PreparedSystem(*names, self.frames, starts, None, [], "", **labels)
        counted = np.arange(total - self.newest, total)
        return PairSet(system, np.arange(total), 0, None, 1.0, None, counted=counted)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values from which the stage goes on."""
        arrays = {"frames": self.frames, "energies": self.energies, "last": self.last}
        tensors = {name: None if a is None else torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
        return tensors | {"round": self.round, "newest": self.newest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.frames, self.energies = state["frames"].numpy(), state["energies"].numpy()
        self.last = None if state["last"] is None else state["last"].numpy()
        self.round, self.newest = state["round"], state["newest"]


def load_molecule(topology: Path, settings: OnPolicy, path: str) -> Molecule:
    """Read the molecule and make its System.

    Raises:
        ConfigError: one sentence; the file isn't PDB or PDBx/mmCIF, or System or force field don't fit it.
    """
    import openmm
    from openmm import app, unit

    try:
        reader = app.PDBxFile if topology.suffix.lower() in (".cif", ".mmcif") else app.PDBFile
        file = reader(str(topology))
        if settings.system:
            system = openmm.XmlSerializer.deserialize(Path(settings.system).read_text())
        else:
            system = app.ForceField(*settings.force_field).createSystem(file.topology, constraints=app.HBonds)
    except Exception as error:  # OpenMM's readers raise many types
        raise ConfigError([f"{path}: no System for {topology.name}: {' '.join(str(error).split())}"]) from error
    if not isinstance(system, openmm.System):
        raise ConfigError([f"{path}.system: {Path(settings.system).name} holds no System."])
    if system.getNumParticles() != file.topology.getNumAtoms():
        counts = f"{system.getNumParticles()} particles, but {topology.name} {file.topology.getNumAtoms()} atoms"
        raise ConfigError([f"{path}.system has {counts}."])
    return Molecule(file.topology, system, np.array(file.positions.value_in_unit(unit.nanometer)))


def jump_samples(
    model: Path, molecule: Molecule, settings: OnPolicy, temperature: float, start: np.ndarray | None, seed: int
) -> np.ndarray:
    """Conformations (samples, atoms, 3) in nm of a JumpIntegrator: jumps, each followed by a little dynamics.

    Args:
        model: model file.
        molecule, settings: what jumps, and how.
        temperature: K.
        start: (atoms, 3) nm; None for the molecule's own positions, minimised.
        seed: of jumps and dynamics.
    """
    import openmm
    from openmm import unit

    import openmmjump as oj

    jump_model = oj.JumpModel.load(str(model))
    graph = oj.MolecularGraph.fromTopology(molecule.topology, jump_model)
    integrator = oj.JumpIntegrator(
        jump_model,
        graph,
        temperature * unit.kelvin,
        FRICTION / unit.picosecond,
        settings.time_step_fs * unit.femtosecond,
    )
    integrator.setRandomNumberSeed(seed)
    integrator.setRelaxationSteps(settings.relaxation_steps)
    context = openmm.Context(molecule.system, integrator, *_platform(settings))
    context.setPositions(molecule.positions if start is None else start)
    if start is None:
        openmm.LocalEnergyMinimizer.minimize(context)
    context.setVelocitiesToTemperature(temperature * unit.kelvin, seed)
    integrator.step(settings.discard)
    result = np.empty((settings.samples, *molecule.positions.shape))
    for k in range(settings.samples):
        integrator.step(settings.jumps)
        result[k] = context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    return result


def annotate(molecule: Molecule, settings: OnPolicy, positions: np.ndarray) -> np.ndarray:
    """Energies (n), kJ/mol, of conformations (n, atoms, 3) in nm after minimisation; NaN where that failed."""
    from openmmjump.annotation import LabelSettings
    from openmmjump.annotation.worker import make_annotator

    annotator = make_annotator(molecule.system, LabelSettings(platform=settings.platform))
    return np.array([_final_energy(annotator, x) for x in positions])


def _final_energy(annotator: Any, positions: np.ndarray) -> float:
    """Energy of one conformation; NaN for a broken one, which has no label, so that the others go on."""
    import openmm

    try:
        return annotator.annotate(positions).finalEnergy
    except openmm.OpenMMException:
        return float("nan")


def _platform(settings: OnPolicy) -> tuple[Any, dict[str, str]]:
    """The platform and its properties, with which the same seed gives the same samples."""
    import openmm

    properties = ONE_THREAD if settings.platform == "CPU" else {}
    return openmm.Platform.getPlatform(settings.platform), properties
