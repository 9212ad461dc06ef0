"""The training loop: stages, checkpoints, validation, logs."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from openmmjump import families
from openmmjump.families.base import Stage, StageObjective, Weights

from . import randomness
from .checkpoint import Checkpoints
from .config import Config, as_dict, from_dict
from .config_schema import ConfigError, differences
from .export import Run, export, load_weights, model_file, prepare_all
from .frames import PreparedSystem
from .optimise import Average, LearningRate, Patience, make_optimizer, step
from .pairs import PairSet, make_pairs
from .processes import Processes
from .randomness import Stream
from .report import Report
from .validation import Validator, jump_statistics

LARGEST_RUN_OF_BAD_STEPS = 100


class Interrupted(Exception):
    """The run was asked to stop; everything is saved."""


class Trainer:
    """A training run.

    Args:
        config: what to do.
        resume: go on from the newest checkpoint in the output folder, if there is one.
        command: how the run was started, for the model file.

    Raises:
        ConfigError: the configuration doesn't fit the data, or the checkpoint another configuration.
    """

    def __init__(self, config: Config, resume: bool = True, command: str = ""):
        self.config, self.command = config, command
        self.family = families.find(config.family)
        self.output = Path(config.output)
        self.processes = Processes(config.device, config.threads)
        self.checkpoints = Checkpoints(self.output, config.keep_checkpoints)
        if not resume and self.processes.first:
            self.checkpoints.retire()
        self.processes.wait()
        state = self.checkpoints.latest() if resume else None
        self.systems = self._systems(resumed=state is not None)
        self.network = self._network(state)
        self.stage, self.iteration, self.total = 0, 0, 0
        self.skipped, self.seconds = 0, 0.0
        self.stop = False
        self.pending = state
        if state is not None:
            self._check_same(state)
            self.stage, self.iteration, self.total = state["stage"], state["iteration"], state["total"]
            self.skipped, self.seconds = state["skipped"], state["seconds"]
        left = sum(stage.iterations for stage in config.stages[self.stage :]) - self.iteration
        self.report = Report(config, self.total, left, self.processes.first)

    # ------------------------------------------------------------------------------------------------ preparation

    def _systems(self, resumed: bool) -> list[list[PreparedSystem]]:
        """The prepared systems of every entry of the data; the first process prepares them, the others wait."""
        cache = Path(self.config.cache or self.output / "cache")

        def read(resume: bool) -> list[list[PreparedSystem]]:
            return prepare_all(self.config, cache, resume)

        fault = None
        if self.processes.first:
            try:
                systems = read(resumed)
            except ConfigError as error:
                fault = error.faults
        fault = self.processes.share(fault)
        if fault:
            raise ConfigError(fault)
        return systems if self.processes.first else read(True)

    def _network(self, state: dict[str, Any] | None) -> torch.nn.Module:
        """The network on its device, with its first weights."""
        network = self.family.make_network(self.config)
        dtype = torch.float64 if self.config.network.precision == "double" else torch.float32
        network = network.to(self.processes.device, dtype)
        if self.config.start_from and state is None:
            load_weights(network, Path(self.config.start_from), self.family.optional_parts)
        return network

    def _check_same(self, state: dict[str, Any]) -> None:
        """Refuse to go on from the checkpoint of another run."""
        found = differences(from_dict(state["config"]), self.config)
        if state["fingerprints"] != self.fingerprints():
            found.append("the training data are not the same.")
        if found:
            raise ConfigError(
                [f"{self.checkpoints.folder} holds checkpoints of another run: {found[0]}"]
                + [f"Also, {sentence}" for sentence in found[1:]]
                + ["Give another --output, or --no-resume to begin anew."]
            )

    def fingerprints(self) -> list[str]:
        """What identifies the training data."""
        return [system.fingerprint for entry in self.systems for system in entry]

    def pair_sets(self, stage: Stage, held_out: bool) -> list[PairSet]:
        """The pairs of a stage. The systems of one entry of the data share its weight by their number of pairs."""
        sets = []
        entries = zip(self.config.data, self.config.data_names(), self.systems, strict=True)
        for k, (data, name, systems) in enumerate(entries):
            if stage.data is not None and name not in stage.data:
                continue
            paired = stage.needs_lag and data.trajectories
            lag = (data.lag_time_ps or self.config.lag_time_ps) if paired else None
            settings = self.config.validation, held_out, f"data.{k}", self.family.keeps_place
            entry = [make_pairs(s, data, lag, *settings) for s in systems]
            entry = [s for s in entry if len(s.index)]
            total = sum(len(s.index) for s in entry)
            sets += [replace(s, weight=s.weight * len(s.index) / total, cost=stage.cost(s)) for s in entry]
        return sets

    # ---------------------------------------------------------------------------------------------------- running

    def run(self) -> Path | None:
        """Train to the end and write the model file.

        Returns:
            The model file; None if the configuration doesn't say what one needs (lag time and temperature).

        Raises:
            Interrupted: SIGTERM or SIGINT came; the state is saved.
        """
        try:
            with self._signals():
                for number in range(self.stage, len(self.config.stages)):
                    self._run_stage(number)
                return self._finish()
        finally:
            self.report.close()
            self.processes.close()

    def _run_stage(self, number: int) -> None:
        stage = self.config.stages[number]
        self._begin_stage(number, stage)
        saved = time.monotonic()
        while self.iteration < stage.iterations and not self._is_over():
            begin = time.perf_counter()
            values = self._iterate(stage)
            self.iteration, self.total = self.iteration + 1, self.total + 1
            self.seconds += time.perf_counter() - begin
            self.report.iteration(self.total, values)
            self._measure(stage)
            stop = self.processes.any(self.stop)
            every = self.config.checkpoint_iterations
            due = time.monotonic() - saved > 60 * self.config.checkpoint_minutes
            if stop or due or (every and self.total % every == 0):
                self.save()
                saved = time.monotonic()
            if stop:
                raise Interrupted
        self._end_stage(number)

    def _write_model(self, weights: Weights, file: Path) -> None:
        """Write a model file of weights as they are, for a policy to jump with."""
        systems = [system for entry in self.systems for system in entry]
        model_file(weights, Run(self.config, systems, 0, 0.0, "")).save(file)

    def _sample(self, stage: Stage) -> None:
        """Let the averaged weights make a round of conformations, and learn from what there then is."""
        with self.average:
            made = self.policy.make(self.network.state_dict()) if self.processes.first else None
            self.policy.add(self.processes.share(made))
            if self.policy.refreshes:
                self._bare_objective().refresh(self.network.state_dict())
        self.report.say(self.policy.said)
        self._take_policy_sets(stage)

    def _take_policy_sets(self, stage: Stage) -> None:
        """Draw from what the policy has made, if it has made anything yet."""
        sets = self.policy.sets(self.sets)
        if sets is not None:
            self.sets = sets
            self.collator = stage.collator(self.sets, self.processes.device, next(self.network.parameters()).dtype)

    def _is_over(self) -> bool:
        """Whether early stopping ends the stage."""
        return self.patience is not None and self.patience.over

    def _begin_stage(self, number: int, stage: Stage) -> None:
        """Set up what belongs to a stage, from the checkpoint if the run goes on within it."""
        p = self.processes
        dtype = next(self.network.parameters()).dtype
        self.sets = self.pair_sets(stage, held_out=False)
        self.policy = stage.policy(self.config, number, self.systems, self._write_model)
        self.collator = stage.collator(self.sets, p.device, dtype)
        held_out = stage.usable(self.pair_sets(stage, held_out=True))
        self.validator = Validator(self.config, stage, number, held_out, p.device, dtype)
        self.objective = p.parallel(stage.objective(self.network))
        self.parameters = [q for q in self.network.parameters() if q.requires_grad]
        self.optimizer = make_optimizer(self.parameters, stage.learning_rate)
        self.rate = LearningRate(stage.learning_rate, stage.schedule, stage.iterations)
        self.average = Average(self.network, stage.ema_decay)
        self.patience = Patience(stage.early_stopping.validations) if stage.early_stopping else None
        if self.patience and not self.validator.sets:
            raise ConfigError(
                [f"stages.{number}.early_stopping needs validations, but no pairs are held out for them."]
            )
        self.bad = 0
        if self.pending is not None:
            self.load(self.pending)
            self.pending = None
        if self.policy is None and not stage.usable(self.sets):
            raise ConfigError([f"stages.{number}.data holds too few conformations for such mini-batches."])
        self.report.stage(number, stage, self.iteration, self.sets, sum(q.numel() for q in self.parameters))

    def _end_stage(self, number: int) -> None:
        """Go on with the averaged weights: with early stopping those of the best validation, else the last ones."""
        if self.patience is not None:
            self.report.best(number, self.patience, self.config.stages[number].iterations - self.iteration)
            self.average.set(self.patience.weights)
        self.average.swap()
        self.stage, self.iteration = number + 1, 0
        self.average = Average(self.network, 0.0)
        self.optimizer.state.clear()
        self.save()

    def _iterate(self, stage: Stage) -> dict[str, float]:
        """One optimizer step; returns what is logged."""
        if self.policy is not None and self.policy.due(self.iteration):
            self._sample(stage)
        p, seed, at = self.processes, self.config.seed, (self.stage, self.iteration)
        items = stage.draw(self.sets, randomness.generator(seed, Stream.PAIRS, *at))
        times = stage.draw_times(len(items.sets), randomness.generator(seed, Stream.TIMES, *at))
        noise = randomness.generator(seed, Stream.NOISE, *at)
        example = self.collator.example(items, times, noise, p.rank, p.world)
        parts = self.objective(example)
        (parts["loss"] * example.share).backward()
        rate = self.rate.at(self.iteration)
        norm = step(self.optimizer, self.parameters, stage.clip_norm, rate)
        self._note_norm(norm)
        values = {name: float(value.detach()) for name, value in parts.items()}
        return values | {"learning_rate": rate, "gradient_norm": norm, "skipped": float(self.skipped)}

    def _note_norm(self, norm: float) -> None:
        """Average the weights after a good step; count a bad one, and give up after many in a row."""
        if math.isfinite(norm):
            self.bad = 0
            self.average.update()
            return
        self.skipped, self.bad = self.skipped + 1, self.bad + 1
        if self.bad >= LARGEST_RUN_OF_BAD_STEPS:
            raise FloatingPointError(
                f"The gradients were not finite in {self.bad} steps in a row (iteration {self.total}): lower the "
                "learning rate, or look for coincident atoms in the data."
            )

    def _measure(self, stage: Stage) -> None:
        """Validate with the averaged weights when it is time."""
        v = self.config.validation
        last = self.iteration == stage.iterations
        validate = self.validator.sets and (self.iteration % v.every == 0 or last)
        jump = v.jumps_every and stage.needs_lag and (self.iteration % v.jumps_every == 0 or last)
        if not validate and not jump:
            return
        values: dict[str, float] = {}
        if self.processes.first:
            with self.average:
                values = self.validator.losses(self._bare_objective()) if validate else {}
                self.report.validation(self.total, values)
                if jump:
                    network = stage.sampling_network(self.network)
                    self.report.jumps(self.total, jump_statistics(network, self.sets, self.config, self.total))
        if validate:
            loss = self.processes.share(values.get("loss", math.inf))
            self.rate.validated(loss)
            if self.patience is not None:
                self.patience.validated(loss, self.iteration, self.average)

    def _bare_objective(self) -> StageObjective:
        return getattr(self.objective, "module", self.objective) if self.processes.world > 1 else self.objective

    # ----------------------------------------------------------------------------------------------------- saving

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines how the run goes on, and what it was."""
        return {
            "config": as_dict(self.config),
            "fingerprints": self.fingerprints(),
            "stage": self.stage,
            "iteration": self.iteration,
            "total": self.total,
            "skipped": self.skipped,
            "seconds": self.seconds,
            "network": {k: v.detach() for k, v in self.network.state_dict().items()},
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rate": self.rate.state_dict(),
            "patience": self.patience.state_dict() if self.patience else None,
            "bad": self.bad,
            "objective": self._bare_objective().kept_state(),
            "policy": self.policy.state_dict() if self.policy else None,
        }

    def save(self) -> None:
        """Write a checkpoint (the first process only)."""
        if self.processes.first:
            self.report.flush()
            self.checkpoints.save(self.state_dict(), self.total)

    def load(self, state: dict[str, Any]) -> None:
        """Take over the state of a checkpoint within a stage."""
        self.network.load_state_dict(state["network"])
        if state["iteration"] == 0 and state["stage"] > 0:  # the checkpoint ends a stage: this one begins afresh
            self.average = Average(self.network, self.average.decay)
            self._bare_objective().refresh(self.network.state_dict())
            return
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rate.load_state_dict(state["rate"])
        if self.patience is not None:
            self.patience.load_state_dict(state["patience"])
        self.bad = state["bad"]
        self._bare_objective().load_kept_state(state["objective"])
        if self.policy is not None:
            self.policy.load_state_dict(state["policy"])
            self._take_policy_sets(self.config.stages[self.stage])

    def _finish(self) -> Path | None:
        """Write the model file (the first process only)."""
        if self.pending is not None:  # resumed after the last stage
            self.network.load_state_dict(self.pending["network"])
        if not self.processes.first:
            return None
        systems = [system for entry in self.systems for system in entry]
        run = Run(self.config, systems, self.total, self.seconds, self.command)
        file = export(self.network.state_dict(), run)
        self.report.finished(file, self.skipped)
        return file

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Make SIGTERM and SIGINT end the run after the current iteration."""

        def ask(*_: Any) -> None:
            self.stop = True

        try:
            before = {s: signal.signal(s, ask) for s in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:  # not the main thread
            before = {}
        try:
            yield
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)
