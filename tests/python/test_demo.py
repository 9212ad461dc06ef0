"""The demo: its parts, its table and picture from made-up figures, and all of it with few jumps."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openmm
import pytest
from openmm import unit
from openmmjump.demo import figures
from openmmjump.demo.runs import MDRun, take_turns
from openmmjump.demo.settings import Settings
from openmmjump.evaluation import report
from openmmjump.evaluation.compare import Series
from openmmjump.evaluation.estimates import Estimate
from openmmjump.evaluation.reference import Reference
from openmmjump.molecule import Molecule
from openmmjump.platforms import PlatformChoice, candidates, fastest
from openmmjump.reporters import REASONS, STAGES
from openmmjump.testsystems.alanine_dipeptide import build_molecule, equilibrate, langevin

CPU = PlatformChoice("CPU", {"Threads": "1", "DeterministicForces": "true"})


@pytest.fixture(scope="module")
def molecule() -> Molecule:
    return equilibrate(build_molecule(), seed=1, picoseconds=0.4)


def test_settings_are_checked_and_the_command_repeats_them():
    assert sum(Settings(jumps=1003, blocks=10).block_sizes()) == 1003
    command = Settings(jumps=50, seed=7).command("CPU")
    assert command == "openmm-jump demo --out demo --platform CPU --jumps 50 --seed 7"
    with pytest.raises(ValueError, match="too few"):
        Settings(jumps=1)
    with pytest.raises(ValueError, match="seed"):
        Settings(seed=0)


def test_the_start_is_the_same_for_the_same_seed(molecule):
    again = equilibrate(build_molecule(), seed=1, picoseconds=0.4)
    other = equilibrate(build_molecule(), seed=2, picoseconds=0.4)
    assert np.array_equal(molecule.positions, again.positions)
    assert not np.allclose(molecule.positions, other.positions, atol=1e-4)
    assert molecule.system.getNumConstraints() == 12
    assert len(molecule.heavy_atoms) == 10


def test_the_fastest_platform_is_one_that_supports_the_integrator(molecule):
    choices = candidates("CPU")
    best, speeds = fastest(molecule, lambda: langevin(1), [*choices, *candidates("Reference")], first=20)
    assert str(best) == max(speeds, key=speeds.__getitem__)
    assert speeds.keys() == {str(choice) for choice in choices}
    with pytest.raises(ValueError, match="no platform 'Abacus'"):
        candidates("Abacus")


def test_platforms_that_fail_are_reported(molecule):
    def no_context():
        integrator = openmm.CustomIntegrator(0.001)
        integrator.addComputeGlobal("x", "1")
        return integrator

    with pytest.raises(RuntimeError, match="no platform can run this: Reference: "):
        fastest(molecule, no_context, [PlatformChoice("Reference")], first=1)


class FakeJumps:
    """Takes a tenth of a second for each block."""

    def __init__(self):
        self.jumps, self.seconds, self.cycle_ps, self.integrator = [], [], 1000.1, self

    def advance(self, count, progress):
        progress(count)
        self.jumps.append(count)
        self.seconds.append(0.1)
        return 0.1

    def getStatistics(self):
        return self

    def asDict(self):
        return {"seconds": {"network": 0.12, "relaxation": 0.05}}


def test_jumps_and_dynamics_take_turns_and_are_timed(molecule):
    jumps, md, done = FakeJumps(), MDRun(molecule, CPU, seed=1), {}

    def progress(part, share):
        done[part] = done.get(part, 0.0) + share

    take_turns(jumps, md, Settings(jumps=40, blocks=2, md_share=0.5), progress)
    assert jumps.jumps == [20, 20]
    assert all(seconds >= 0.05 for seconds in md.seconds)
    assert done == pytest.approx({"jumps": 1.0, "molecular dynamics": 1.0})
    speed = figures.speeds(jumps, md)
    assert speed["ns_per_second_jump"] == pytest.approx(40 * 1.0001 / 0.2)
    assert speed["ns_per_second_md"] == pytest.approx(0.004 * (len(md.frames) - 1) / sum(md.seconds))
    assert len(speed["speed_ratio_blocks"]) == 2
    timings = figures.stage_timings(jumps)
    assert timings == pytest.approx({"network": 3.0, "relaxation": 1.25, "other": 0.75, "total": 5.0})


@pytest.fixture(scope="module")
def made_up():
    """A reference and a series of independent conformations in two basins."""
    random = np.random.default_rng(0)
    phi, psi = random.normal(-75, 15, 4000), np.where(random.random(4000) < 0.6, 140, -40) + random.normal(0, 15, 4000)
    phi[random.random(4000) < 0.05] += 135
    psi = (psi + 180) % 360 - 180
    counts = np.histogram2d(phi, psi, 36, [[-180, 180]] * 2)[0]
    lags = np.array([10.0, 100, 1000, 5000])
    reference = Reference(
        about={"nanoseconds used": 2000.0},
        histogram=2 * counts,
        halves=(counts, counts + 1e-3),
        populations={
            "beta_ppii": Estimate(0.57, 0.01),
            "alpha_r": Estimate(0.38, 0.01),
            "alpha_l": Estimate(0.05, 0.002),
        },
        energy=Estimate(-76.0, 0.1),
        energy_std=12.8,
        enter=Estimate(0.03, 0.001),
        leave=Estimate(0.5, 0.02),
        lags_ps=lags,
        correlation=np.exp(-lags / 1300),
        heavy_bonds=np.array([[0, 1]]),
        heavy_bond_statistics=np.array([[0.152, 0.003]]),
        heavy_angles=np.array([[0, 1, 2]]),
        heavy_angle_statistics=np.array([[120.0, 3.0]]),
    )
    return reference, Series(phi, psi, 1000.1)


@pytest.fixture(scope="module")
def summary(made_up, molecule):
    reference, series = made_up
    speed = {"ns_per_second_jump": 60.0, "ns_per_second_md": 0.06, "speed_ratio": 1000.0}
    noise = np.random.default_rng(1).normal(0, 1e-3, (50, 22, 3))
    frames = molecule.positions + noise
    standard = figures.geometry_standard(molecule, frames, reference)
    return {
        **figures.ensemble(series, reference, speed),
        **figures.soundness(standard, frames, frames * [1, 1, -1], frames),
        **speed,
        "energy_kJ_mol": figures.energies(np.full(9, -75.0), np.full(9, -76.0), np.array([np.nan, -60.0]), reference),
        "redraw_fraction": 0.01,
        "equivariance": {"max_nm": 1e-6, "max_nm_double": 1e-14, "jumps": 10},
        "platforms": {"jump": "CPU", "md": "OpenCL"},
        "command": Settings().command("CPU"),
        "jumps": 4000,
        "lag_ps": 1000.0,
        "seconds": {"total": 100.0},
        "versions": figures.versions(),
        "machine": figures.machine(),
    }


def test_summary_has_the_agreed_names_and_is_json(summary):
    loaded = json.loads(json.dumps(summary, allow_nan=False))
    names = {"jsd_rama", "jsd_rama_md", "jsd_ratio", "delta_f_kT", "rate_ratio", "energy_kJ_mol", "redraw_fraction"}
    names |= {"valid_fraction", "valid_fraction_raw", "ns_per_second_jump", "ns_per_second_md", "speed_ratio"}
    assert names | {"decorrelation_speedup", "equivariance", "versions", "command"} <= loaded.keys()
    assert loaded["delta_f_kT"].keys() == {"beta_ppii", "alpha_r", "alpha_l"}
    assert loaded["rate_ratio"].keys() == {"enter", "leave"}
    assert loaded["rate_ratio"]["enter"].keys() == {"value", "error"}
    assert loaded["energy_kJ_mol"]["jump"] == {"mean": -75.0, "std": 0.0}
    assert loaded["energy_kJ_mol"]["raw_jump_median"] == -60.0
    assert loaded["valid_fraction"] == 1.0
    assert loaded["valid_fraction_raw"] == 0.0
    assert loaded["faults"]["raw"]["chirality"] == 50


def test_report_prints_a_markdown_table(summary, tmp_path, capsys):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(summary))
    assert report.main([str(path)]) == 0
    printed = capsys.readouterr().out
    assert "| ratio of the two | 1,000 | 1000, at the least 300 |" in printed
    assert "| valid conformations after repair | 1.0000 | 1.000 |" in printed
    assert all(line.count("|") == 4 for line in printed.splitlines() if line.startswith("|"))


def test_report_updates_pages(summary, tmp_path):
    """Four rows go to the front page and all to another, as often as one likes."""
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(summary))
    readme, page = tmp_path / "README.md", tmp_path / "page.md"
    readme.write_text("before\n<!-- four figures: how -->\nold\n<!-- end of figures -->\nafter\n")
    page.write_text("before\n<!-- all figures: how -->\nold\n<!-- end of figures -->\nafter\n")
    for _ in range(2):
        assert report.main([str(path), "--update", str(readme), str(page)]) == 0
    for file, head, count in ((readme, "| figure | result |", 4), (page, "| figure | result | goal |", 19)):
        lines = file.read_text().splitlines()
        assert (lines[0], lines[2], lines[-1]) == ("before", head, "after")
        assert "old" not in lines
        assert sum(line.startswith("|") for line in lines) == count + 2
    assert "| nanoseconds per second, jumps (CPU) / MD (OpenCL) | 1,000 |" in readme.read_text()
    with pytest.raises(ValueError, match="no line"):
        report.update("nothing here", summary)
    with pytest.raises(ValueError, match="no line"):
        report.update("<!-- four figures: how -->\nno end\n", summary)


def test_the_table_of_the_terminal_has_the_same_rows(summary, tmp_path, capsys):
    from openmmjump.cli.demo import print_table

    print_table(summary, tmp_path)
    printed = capsys.readouterr().out
    assert "1,000" in printed
    assert "100 s in all" in printed


def test_picture_is_drawn(made_up, tmp_path):
    from matplotlib.image import imread
    from openmmjump.evaluation.plots import Picture, draw

    random = np.random.default_rng(2)
    energies = random.normal(-76, 12.8, (2, 1000))
    reference, series = made_up
    picture = Picture(series, reference, energies[0], energies[1], 60.0, 0.06, 1000.0, "made up")
    draw(picture, tmp_path / "figure.png")
    image = imread(tmp_path / "figure.png")
    assert image.shape[1] > image.shape[0] > 1000
    assert image[..., :3].std() > 0.05


class StandIn(openmm.LangevinMiddleIntegrator):
    """Speaks like a JumpIntegrator, but a cycle is one step of dynamics that counts as a nanosecond."""

    Never = 0

    def __init__(self, *arguments):
        super().__init__(300, 1, 0.004)
        self.cycles, self.relaxation = 0, 1

    def step(self, steps):
        for _ in range(steps):
            super().step(self.relaxation)
            self.cycles += 1

    def getStepSize(self):
        return 1000.004 * unit.picosecond

    def getStatistics(self):
        counts = dict.fromkeys(("steps", "accepted", "attempts"), self.cycles) | {
            "repaired": 0,
            "repair_evaluations": 0,
            "guidance_evaluations": 0,
            "redraw_fraction": 0.0,
        }
        return Totals(counts, rejections=dict.fromkeys(REASONS, 0), seconds=dict.fromkeys(STAGES, 1e-4 * self.cycles))

    def getLastJump(self):
        return SimpleNamespace(
            accepted=True,
            energyBefore=-70.0,
            energyProposal=-60.0,
            energyRepaired=-60.0,
            getRejectionName=lambda: "none",
        )

    def getRelaxationSteps(self):
        return self.relaxation

    def setRelaxationSteps(self, steps):
        self.relaxation = steps

    def getGateSettings(self):
        return SimpleNamespace()

    def setGateSettings(self, settings):
        assert not any(vars(settings).values())

    def setMaxAttempts(self, attempts):
        assert attempts == 1

    def getRepairSettings(self):
        return SimpleNamespace(Never=0)

    def setRepairSettings(self, settings):
        assert settings.policy == settings.Never


class Totals:
    def __init__(self, counts, **groups):
        self.values = counts | groups

    def asDict(self):
        return self.values


def test_the_demo_runs_through_with_a_stand_in_for_jumps(made_up, tmp_path, monkeypatch):
    import openmmjump
    from openmmjump import data
    from openmmjump.cli import demo as command
    from openmmjump.demo.run import Demo

    model = SimpleNamespace(getName=lambda: "stand-in", getLagTime=lambda: 1000.0 * unit.picosecond)
    graph = SimpleNamespace(fromTopology=lambda topology, model: None)
    names = {"JumpIntegrator": StandIn, "JumpModel": SimpleNamespace(load=lambda name: model), "MolecularGraph": graph}
    for name, value in names.items():
        monkeypatch.setitem(vars(openmmjump), name, value)
    shipped = data.path
    monkeypatch.setattr(data, "path", lambda name: name if name == "reference.npz" else shipped(name))
    monkeypatch.setattr(Reference, "load", classmethod(lambda cls, path: made_up[0]))
    monkeypatch.setattr(Demo, "equivariance", lambda self: {"jumps": 10, "max_nm": 0.0, "max_nm_double": 0.0})
    settings = Settings(tmp_path, "CPU", "CPU", jumps=60, blocks=2, raw_jumps=5, geometry_frames=100)
    summary = command.run_with_progress(settings)
    command.print_table(summary, tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())["platforms"]["jump"].startswith("CPU")
    assert summary["frames"]["jump"] == 60
    assert summary["frames"]["raw"] == 5
    assert summary["valid_fraction"] == pytest.approx(1, abs=0.05)
    assert summary["energy_kJ_mol"]["jump"]["mean"] == pytest.approx(-70, abs=5)
    assert summary["milliseconds_per_jump"]["network"] == pytest.approx(0.1)
    assert (tmp_path / "ramachandran.png").stat().st_size > 10_000
    assert len((tmp_path / "jumps.csv").read_text().splitlines()) == 61


def test_the_script_of_the_readme_is_the_example():
    root = Path(__file__).parents[2]
    script = (root / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert (root / "examples" / "alanine_dipeptide.py").read_text().endswith(script)


def test_demo_end_to_end(tmp_path):
    """Jumps twice with the same seed: all files, sensible figures, the same trajectory."""
    from openmmjump.demo import run
    from openmmjump.demo.run import without_infinities
    from openmmjump.demo.runs import read_dcd

    done = {}
    summaries = []
    for name in ("first", "second"):
        counts = {"jumps": 40, "blocks": 2, "raw_jumps": 10, "geometry_frames": 100}
        settings = Settings(tmp_path / name, "CPU", "CPU", seed=3, guidance=name == "first", **counts)
        summaries.append(run(settings, lambda part, share: done.update({part: done.get(part, 0) + share})))
    for file in ("trajectory.dcd", "topology.pdb", "summary.json", "jumps.csv", "ramachandran.png"):
        assert (tmp_path / "first" / file).stat().st_size > 0
    first, second = (read_dcd(tmp_path / name / "trajectory.dcd") for name in ("first", "second"))
    assert first.shape == (40, 22, 3)
    assert np.array_equal(first, second)
    summary = json.loads((tmp_path / "first" / "summary.json").read_text())
    assert summary["seed"] == 3
    assert summary["platforms"]["jump"].startswith("CPU")
    assert summary["valid_fraction"] > 0.9
    assert "guidance" not in summaries[1]
    unguided, *guided = summary["guidance"]
    assert (unguided["alpha"], unguided["force_evaluations"]) == (0, 0)
    assert unguided["valid_raw"] == summary["valid_fraction_raw"]
    assert unguided["median_energy_raw"] == summary["energy_kJ_mol"]["raw_jump_median"]
    assert [entry["force_evaluations"] for entry in guided] == [6] * 4
    assert all(entry["mean_energy_raw"] < unguided["mean_energy_raw"] for entry in guided[:3])
    assert abs(summary["energy_kJ_mol"]["jump"]["mean"] - summary["energy_kJ_mol"]["md"]["mean"]) < 15
    speeds = summary["ns_per_second_jump"], summary["ns_per_second_md"]
    assert summary["speed_ratio"] == pytest.approx(speeds[0] / speeds[1])
    cycle_ns = summary["cycle_ps"] / 1000
    assert speeds[0] == pytest.approx(cycle_ns * 1000 / summary["milliseconds_per_jump"]["total"], rel=1e-3)
    assert summary["equivariance"]["max_nm_double"] < 1e-6
    populations = [without_infinities(s["delta_f_kT"]) for s in summaries]
    assert populations[0] == populations[1]
    assert done["jumps"] == pytest.approx(2)


def test_the_demo_runs_with_an_all_atom_model(tmp_path):
    """From start to end, with the sampler of its file where the network is asked without OpenMM."""
    from openmmjump.demo import run

    counts = {"jumps": 4, "blocks": 2, "raw_jumps": 2, "geometry_frames": 20}
    run(Settings(tmp_path, "CPU", "CPU", model="alanine-dipeptide-unisim", **counts))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["model"], summary["jumps"]) == ("alanine-dipeptide-unisim", 4)
    assert summary["equivariance"]["max_nm_double"] < 1e-6
    assert (tmp_path / "ramachandran.png").stat().st_size > 10_000
