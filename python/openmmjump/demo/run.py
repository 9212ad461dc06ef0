"""The demo from start to end."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from openmmjump.platforms import candidates, fastest
from openmmjump.testsystems.alanine_dipeptide import (
    FRICTION,
    STEP_PS,
    TEMPERATURE,
    build_molecule,
    equilibrate,
    langevin,
    write_topology,
)

from . import figures
from .guidance import guidance_table
from .runs import JumpRun, MDRun, raw_jumps, take_turns
from .settings import GUIDANCE_PART, Progress, Settings

EQUIVARIANCE_JUMPS = 10


def run(settings: Settings, progress: Progress = lambda part, share: None) -> dict[str, Any]:
    """Run the demo, write its files into `settings.out` and return the figures.

    Args:
        settings: number of jumps, platform, seed, folder
        progress: called with the name of a part and the share of it just done

    Raises:
        ValueError: if OpenMM has no platform of the name asked for
        RuntimeError: if no platform can run jumps
    """
    from openmmjump import cpu_opencl

    cpu_opencl.enable()  # before any Context exists
    demo = Demo(settings, progress)
    demo.set_up()
    demo.simulate()
    demo.jump_raw()
    demo.analyse()
    demo.guide()
    demo.draw()
    return demo.save()


class Demo:
    """A run of the demo. The steps are called once, in the order they stand in."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        import openmmjump as oj
        from openmmjump import data
        from openmmjump.evaluation.reference import Reference

        self.settings, self.progress = settings, progress
        self.start, self.parts = time.perf_counter(), {}
        self.reference = Reference.load(data.path("reference.npz"))
        self.model = oj.JumpModel.load(settings.model)
        self.molecule = build_molecule()
        self.graph = oj.MolecularGraph.fromTopology(self.molecule.topology, self.model)
        self.summary: dict[str, Any] = {}
        settings.out.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.parts[part] = time.perf_counter() - begin

    def integrator(self, seed: int) -> Any:
        """A JumpIntegrator with default settings."""
        import openmmjump as oj

        integrator = oj.JumpIntegrator(self.model, self.graph, TEMPERATURE, FRICTION, STEP_PS)
        integrator.setRandomNumberSeed(seed)
        return integrator

    def set_up(self) -> None:
        """Equilibrate and choose platforms."""
        seed = self.settings.seed
        with self._timed("setup"):
            self.molecule = equilibrate(self.molecule, seed)
            write_topology(self.molecule, self.settings.out / "topology.pdb")
            ours = candidates(self.settings.platform, repeatable=True)
            self.platform, jump_speeds = fastest(self.molecule, lambda: self.integrator(seed), ours, first=3)
            theirs = candidates(self.settings.md_platform)
            self.md_platform, md_speeds = fastest(self.molecule, lambda: langevin(seed), theirs, first=100)
            self.progress("platforms", 1.0)
        self.summary["platforms"] = {"jump": str(self.platform), "md": str(self.md_platform)}
        self.summary["steps_per_second"] = {"jump": jump_speeds, "md": md_speeds}

    def simulate(self) -> None:
        """Jumps and MD, in turn."""
        settings = self.settings
        with self._timed("jumps and MD"):
            self.jumps = JumpRun(self.molecule, self.integrator(settings.seed), self.platform, settings.out)
            self.md = MDRun(self.molecule, self.md_platform, settings.seed)
            take_turns(self.jumps, self.md, settings, self.progress)
            self.frames, self.energies = self.jumps.finish()
            self.geometry_frames = self.md.geometry(settings.geometry_frames, self.progress)

    def jump_raw(self) -> None:
        """Jumps without gate and MD, from conformations of the jump trajectory."""
        with self._timed("raw jumps"):
            count = min(self.settings.raw_jumps, len(self.frames))
            self.starts = self.frames[np.linspace(0, len(self.frames) - 1, count).astype(int)]
            integrator = self.integrator(self.settings.seed + 1)
            self.raw, self.raw_energies = raw_jumps(
                self.molecule, integrator, self.platform, self.starts, self.progress
            )

    def analyse(self) -> None:
        """All figures."""
        from openmmjump.evaluation.compare import Series
        from openmmjump.evaluation.torsions import phi_psi

        md_frames, md_energies = np.array(self.md.frames), np.array(self.md.energies)
        statistics = self.jumps.integrator.getStatistics().asDict()
        with self._timed("analysis"):
            self.series = Series(*phi_psi(self.frames, self.molecule.topology), self.jumps.cycle_ps)
            speed = figures.speeds(self.jumps, self.md)
            standard = figures.geometry_standard(self.molecule, self.geometry_frames, self.reference)
            self.summary |= figures.ensemble(self.series, self.reference, speed)
            self.summary |= figures.soundness(standard, self.frames, self.raw, md_frames) | speed
            self.summary["energy_kJ_mol"] = figures.energies(
                self.energies, md_energies, self.raw_energies, self.reference
            )
            self.summary["redraw_fraction"] = statistics["redraw_fraction"]
            self.summary["rejections"] = statistics["rejections"]
            self.summary["milliseconds_per_jump"] = figures.stage_timings(self.jumps)
            self.summary["equivariance"] = self.equivariance()
            self.standard = standard
            self.progress("analysis", 1.0)

    def guide(self) -> None:
        """Raw jumps again, guided by the force field."""
        if not self.settings.guidance:
            return
        with self._timed(GUIDANCE_PART):
            self.summary["guidance"] = guidance_table(
                self.molecule,
                lambda: self.integrator(self.settings.seed + 1),
                self.platform,
                self.starts,
                self.standard,
                self.reference,
                self.progress,
            )

    def equivariance(self) -> dict[str, Any]:
        """Deviation of the trajectory of a rotated and translated start, of jumps alone."""
        from openmmjump.evaluation.equivariance import equivariance_error

        from .network import model_atoms, network_jump

        start = self.molecule.positions[model_atoms(self.graph)]
        found = {"jumps": EQUIVARIANCE_JUMPS}
        for key, double in (("max_nm", False), ("max_nm_double", True)):
            jump, draws = network_jump(self.settings.model, self.graph, double)
            found[key] = equivariance_error(jump, start, draws, EQUIVARIANCE_JUMPS, self.settings.seed)
        return found

    def draw(self) -> None:
        """The picture."""
        from openmmjump.evaluation.plots import Picture, draw

        summary = self.summary
        picture = Picture(
            jump=self.series,
            reference=self.reference,
            jump_energies=self.energies,
            md_energies=np.array(self.md.energies),
            ns_per_second_jump=summary["ns_per_second_jump"],
            ns_per_second_md=summary["ns_per_second_md"],
            speedup=summary["decorrelation_speedup"],
            title="Alanine dipeptide in GBn2 at 300 K: "
            f"{summary['ns_per_second_jump']:.3g} ns/s by jumps, {summary['ns_per_second_md']:.2g} ns/s by MD",
        )
        with self._timed("picture"):
            draw(picture, self.settings.out / "ramachandran.png")

    def save(self) -> dict[str, Any]:
        """Write summary.json and return what is in it."""
        settings, jumps = self.settings, self.jumps
        self.summary |= {
            "command": settings.command(self.platform.name),
            "seed": settings.seed,
            "jumps": settings.jumps,
            "model": self.model.getName(),
            "lag_ps": self.model.getLagTime()._value,
            "cycle_ps": jumps.cycle_ps,
            "relaxation_steps": jumps.integrator.getRelaxationSteps(),
            "reference": self.reference.about,
            "versions": figures.versions(),
            "machine": figures.machine(),
            "seconds": {**self.parts, "total": time.perf_counter() - self.start},
        }
        text = json.dumps(without_infinities(self.summary), indent=2, allow_nan=False)
        (settings.out / "summary.json").write_text(text + "\n")
        return self.summary


def without_infinities(value: Any) -> Any:
    """A value as JSON can hold it: null for what is infinite or not a number, as where a basin was never visited."""
    if isinstance(value, dict):
        return {name: without_infinities(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [without_infinities(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
