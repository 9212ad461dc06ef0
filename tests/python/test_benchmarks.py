"""The Python side of the benchmarks: turns, and the report of a check on a device."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import device_report  # noqa: E402
import turns  # noqa: E402

JUNIT = """<testsuite>
<testcase name="TestCUDAJumpSingle" time="1.5" status="run"><system-out>[  PASSED  ] 21 tests.</system-out></testcase>
<testcase name="TestCUDAJumpMixed" time="2" status="fail"><failure message=""/><system-out>wrong</system-out></testcase>
<testcase name="TestCUDAJumpDouble" time="0" status="notrun"><skipped message=""/></testcase>
<testcase name="TestGate" time="1" status="run"><system-out>[  SKIPPED ] A
[  PASSED  ] 0 tests.</system-out></testcase>
</testsuite>"""


def test_turns_measure_speed_and_ratio():
    works = {"slow": lambda units: time.sleep(0.004 * units), "fast": lambda units: time.sleep(0.001 * units)}
    speeds = turns.take_turns(works, seconds=0.05, rounds=3)
    assert {len(rounds) for rounds in speeds.rounds.values()} == {3}
    assert 0 < speeds.typical()["slow"] < 251  # it can't sleep less
    assert speeds.ratio("fast", ["slow"]) > 1


def test_ratio_is_to_the_fastest_of_the_same_round():
    speeds = turns.Speeds({"a": [4.0, 40.0, 9.0], "b": [2.0, 10.0, 1.0], "c": [1.0, 20.0, 3.0]})
    assert speeds.ratio("a", ["b", "c"]) == 2.0
    assert speeds.typical() == {"a": 9.0, "b": 2.0, "c": 3.0}


@pytest.fixture
def folder(tmp_path):
    """What a run of device_check.sh leaves."""
    for name in ("logs", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "results" / "stages.tsv").write_text("build\t0\t60\ntests\t8\t5\nsanitizer\tskipped\tas asked for\n")
    (tmp_path / "logs" / "tests.txt").write_text(f"in {tmp_path}/tree\nx.cpp:1: error: wrong\n")
    (tmp_path / "results" / "tests.xml").write_text(JUNIT)
    return tmp_path


def test_report_has_every_test_by_precision(folder):
    report = device_report.make_report("CUDA", folder)
    jump = report["tests"]["TestCUDAJump"]
    assert {key: each["result"] for key, each in jump.items()} == {
        "single": "passed",
        "mixed": "failed",
        "double": "skipped",
    }
    assert jump["single"]["cases"] == 21 and jump["mixed"]["output"] == ["wrong"]
    assert report["tests"]["TestGate"]["any"]["result"] == "skipped"
    assert [stage["result"] for stage in report["stages"]] == ["passed", "failed", "skipped"]
    assert report["stages"][1]["output"] == ["in BUILD/tree", "x.cpp:1: error: wrong"]
    assert report["stages"][1]["errors"] == ["x.cpp:1: error: wrong"]
    assert report["passed"] is False and str(folder) not in json.dumps(report)


@pytest.mark.parametrize(
    ("stages", "results", "passed"),
    [
        (["passed", "skipped"], ["passed", "passed"], True),
        (["passed", "failed"], ["passed"], False),
        (["passed"], ["passed", "skipped"], False),
        (["passed"], [], False),
    ],
)
def test_what_counts_as_passed(stages, results, passed):
    report = {
        "stages": [{"name": str(i), "result": result} for i, result in enumerate(stages)],
        "tests": {"Test": {str(i): {"result": result} for i, result in enumerate(results)}} if results else {},
    }
    assert device_report.has_passed(report) is passed


def test_sanitizer_results(folder):
    (folder / "results" / "sanitizer.tsv").write_text("TestCUDAJump\tsingle\t0\nTestCUDAJump\tmixed\t9\n")
    (folder / "logs" / "sanitizer.TestCUDAJump.mixed.txt").write_text("bad\n========= ERROR SUMMARY: 3 errors\n")
    found = device_report.read_sanitizer(folder)["TestCUDAJump"]
    assert found["single"]["result"] == "passed" and found["mixed"]["result"] == "failed"
    assert found["mixed"]["summary"] == ["========= ERROR SUMMARY: 3 errors"]


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there may be a GPU")
def test_check_says_in_a_sentence_that_there_is_no_gpu(tmp_path):
    command = [BENCHMARKS / "device_check.sh", "--build", tmp_path / "build"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr == ""
    assert result.stdout == "There is no NVIDIA GPU here (nvidia-smi lists none), so nothing was checked.\n"
    assert not (tmp_path / "build").exists()
