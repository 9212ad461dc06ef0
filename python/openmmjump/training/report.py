"""What a run tells: a progress bar or plain lines, TensorBoard scalars, and ``metrics.jsonl``."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openmmjump.families.base import Stage

from .config import Config
from .optimise import Patience
from .pairs import PairSet

log = logging.getLogger("openmmjump.training")


class Report:
    """Writes down what happens in a run; silent in every process but the first.

    Args:
        config: of the run.
        total: iterations done before (a resumed run).
        left: iterations still to do.
        active: whether this process writes.
    """

    def __init__(self, config: Config, total: int, left: int, active: bool = True):
        self.config, self.active = config, active
        self.sums: dict[str, float] = {}
        self.count = 0
        self.begin = time.perf_counter()
        self.bar: Any = None
        if not active:
            return
        output = Path(config.output)
        output.mkdir(parents=True, exist_ok=True)
        self.file = _reopen(output / "metrics.jsonl", total)
        self.board = _tensorboard(output / "tensorboard", total)
        self.iterations = total + left
        if sys.stdout.isatty():
            self._open_bar(total)

    def _open_bar(self, total: int) -> None:
        from rich import progress

        self.bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[state]}"),
        )
        self.task = self.bar.add_task("training", total=self.iterations, completed=total, state="")
        self.bar.start()

    def say(self, text: str) -> None:
        """One line for the reader, above the progress bar where there is one."""
        if not self.active:
            return
        if self.bar is not None:
            self.bar.console.print(text, highlight=False)
        else:
            print(text, flush=True)

    def stage(self, number: int, stage: Stage, iteration: int, sets: Sequence[PairSet], parameters: int) -> None:
        """A stage begins, or goes on."""
        count = sum(len(s.index) for s in sets)
        what = "pairs" if any(s.lag for s in sets) else "conformations"
        again = f", going on from iteration {iteration}" if iteration else ""
        self.say(
            f"Stage {number + 1} of {len(self.config.stages)}, {stage.kind}: {stage.iterations} iterations, "
            f"{count} {what} of {len(sets)} system{'s' * (len(sets) != 1)}, {parameters} parameters{again}."
        )
        self.begin = time.perf_counter()

    def iteration(self, total: int, values: Mapping[str, float]) -> None:
        """An iteration is done; every so often the means since the last time are written."""
        if not self.active:
            return
        for name, value in values.items():
            if math.isfinite(value):
                self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if self.bar is not None:
            self.bar.update(self.task, completed=total)
        if self.count < self.config.log_every:
            return
        now = time.perf_counter()
        means = {name: value / self.count for name, value in self.sums.items()}
        means["skipped"] = values.get("skipped", 0.0)
        means["iterations_per_s"] = self.count / (now - self.begin)
        self.sums, self.count, self.begin = {}, 0, now
        self._write("train", total, means)
        text = f"loss {means.get('loss', math.nan):.4f}  {means['iterations_per_s']:.1f} it/s"
        if self.bar is not None:
            self.bar.update(self.task, state=text)
        else:
            self.say(f"{total:>9}/{self.iterations}  {text}  lr {means['learning_rate']:.2e}")

    def validation(self, total: int, values: Mapping[str, float]) -> None:
        """Losses on held-out pairs."""
        if self.active and values:
            self._write("validation", total, values)
            self.say(f"{total:>9}  validation  " + "  ".join(f"{k} {v:.4f}" for k, v in values.items()))

    def jumps(self, total: int, values: Mapping[str, float]) -> None:
        """Statistics of jumps in a closed loop."""
        if self.active and values:
            self._write("jumps", total, values)
            self.say(f"{total:>9}  jumps  " + "  ".join(f"{k} {v:.4g}" for k, v in values.items()))

    def best(self, number: int, patience: Patience, left: int) -> None:
        """A stage with early stopping is over, so many iterations before its last one."""
        if not self.active:
            return
        self.iterations -= left
        if self.bar is not None:
            self.bar.update(self.task, total=self.iterations)
        why = (
            f"{patience.waited} validations brought nothing better" if patience.over else "it is at its last iteration"
        )
        self.say(
            f"Stage {number + 1} ends, because {why}, with the averaged weights of its iteration {patience.iteration} "
            f"(loss {patience.best:.4f})."
        )

    def finished(self, file: Path | None, skipped: int) -> None:
        """The run is over."""
        if skipped:
            self.say(f"{skipped} steps were left out because their gradients were not finite.")
        self.say(f"Wrote {file}." if file else "Wrote no model file: that needs lag_time_ps and temperature_K.")

    def _write(self, kind: str, total: int, values: Mapping[str, float]) -> None:
        self.file.write(json.dumps({"kind": kind, "iteration": total, **values}) + "\n")
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(f"{kind}/{name}", value, total)

    def flush(self) -> None:
        """Put everything on disk."""
        if self.active:
            self.file.flush()
            if self.board is not None:
                self.board.flush()

    def close(self) -> None:
        if not self.active:
            return
        if self.bar is not None:
            self.bar.stop()
        self.file.close()
        if self.board is not None:
            self.board.close()


def _reopen(file: Path, total: int) -> Any:
    """Open the metrics of a run to append to, without entries from after the checkpoint it goes on from."""
    kept = []
    if file.exists():
        for line in file.read_text().splitlines():
            try:
                if json.loads(line)["iteration"] <= total:
                    kept.append(line)
            except (ValueError, KeyError):  # the last line of a killed run
                continue
    file.write_text("".join(line + "\n" for line in kept if total > 0))
    return open(file, "a", buffering=1)


def _tensorboard(folder: Path, total: int) -> Any:
    """A TensorBoard writer, or None without the tensorboard package."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.warning("No TensorBoard logs: the package tensorboard is not installed.")
        return None
    return SummaryWriter(str(folder), purge_step=total + 1 if total else None)
