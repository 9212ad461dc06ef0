"""Puts together the report of benchmarks/device_check.sh from the results of its stages.

Ends with 0 if every stage and every test passed. A skipped test has not passed: it says nothing about the device.
"""

from __future__ import annotations

import argparse
import json
import platform as machine
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from turns import describe_machine

PRECISIONS = ("Single", "Mixed", "Double")
#: What nvidia-smi is asked for, with the name of each in the report.
GPU_FIELDS = {"name": "name", "driver_version": "driver", "memory.total": "memory", "compute_cap": "compute_capability"}
PACKAGES = ("openmm", "OpenMM-CUDA-13", "OpenMM-CUDA-12", "torch", "numpy", "cmake", "swig")
#: Lines of a failed stage's output that the report keeps.
TAIL = 40


def make_report(platform: str, folder: Path) -> dict[str, Any]:
    """Everything that is known about a run.

    Args:
        platform: name of the OpenMM platform that was checked
        folder: the build folder of device_check.sh, with `logs` and `results`
    """
    results = folder / "results"
    report = {
        "platform": platform,
        "passed": False,
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": output_of("git", "rev-parse", "HEAD"),
        "device": describe_gpu(),
        "machine": describe_machine(),
        "versions": versions(),
        "stages": list(read_stages(folder)),
        "tests": read_tests(results / "tests.xml"),
        "sanitizer": read_sanitizer(folder),
        "benchmarks": {file.stem: read_benchmark(file) for file in sorted(results.glob("Benchmark*.json"))},
        "jump_cycle": read_json(results / "jump_cycle.json"),
        "diagnose": read_json(results / "diagnose.json"),
    }
    report["passed"] = has_passed(report)
    return without_paths(report, folder)


def has_passed(report: dict[str, Any]) -> bool:
    """Whether every stage that was run passed, and every test, of which there must be some."""
    stages = {stage["name"]: stage["result"] for stage in report["stages"]}
    tests = [each["result"] for precisions in report["tests"].values() for each in precisions.values()]
    return "failed" not in stages.values() and bool(tests) and set(tests) == {"passed"}


# ---- What the stages left ------------------------------------------------------------------------------------------


def read_stages(folder: Path) -> Iterator[dict[str, Any]]:
    """Each stage with its result; of one that failed also the end of its output."""
    for name, status, last in read_table(folder / "results" / "stages.tsv"):
        if status == "skipped":
            yield {"name": name, "result": "skipped", "why": last}
            continue
        stage = {"name": name, "result": "passed" if status == "0" else "failed", "seconds": int(last)}
        if status != "0":
            log = folder / "logs" / f"{name}.txt"
            stage |= {"status": int(status), "errors": errors_of(log), "output": tail_of(log)}
        yield stage


def read_tests(file: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Results by test program and precision, from CTest's JUnit file. A platform with one precision has "any"."""
    if not file.exists():
        return {}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for case in ElementTree.parse(file).getroot().iter("testcase"):
        program, precision = split_name(case.get("name", ""))
        entry: dict[str, Any] = {"result": result_of(case), "seconds": float(case.get("time", 0))}
        output = case.findtext("system-out") or ""
        if counted := re.search(r"\[  PASSED  \] (\d+) test", output):
            entry["cases"] = int(counted[1])
        if entry["result"] != "passed":
            entry["output"] = output.splitlines()[-TAIL:]
        found.setdefault(program, {})[precision] = entry
    return found


def split_name(test: str) -> tuple[str, str]:
    """Program and precision of a CTest entry: TestCUDAJumpIntegratorMixed has ("TestCUDAJumpIntegrator", "mixed")."""
    for precision in PRECISIONS:
        if test.endswith(precision):
            return test.removesuffix(precision), precision.lower()
    return test, "any"


def result_of(case: ElementTree.Element) -> str:
    """ "passed", "skipped" or "failed". A program whose every case is skipped ends with 0 all the same."""
    if case.get("status") != "run":
        return "failed" if case.find("failure") is not None else "skipped"
    output = case.findtext("system-out") or ""
    return "skipped" if "[  SKIPPED ]" in output and "[  PASSED  ] 0 tests" in output else "passed"


def read_sanitizer(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Results by test program and precision; of one that failed also the end of the output."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for program, precision, status in read_table(folder / "results" / "sanitizer.tsv"):
        log = folder / "logs" / f"sanitizer.{program}.{precision}.txt"
        summary = [line for line in tail_of(log) if "ERROR SUMMARY" in line or "LEAK SUMMARY" in line]
        entry: dict[str, Any] = {"result": "passed" if status == "0" else "failed", "summary": summary}
        if status != "0":
            entry["output"] = tail_of(log)
        found.setdefault(program, {})[precision] = entry
    return found


def read_benchmark(file: Path) -> list[dict[str, Any]]:
    """The entries of a Google Benchmark file, without what says nothing about the figures."""
    noise = {"family_index", "per_family_instance_index", "run_name", "run_type", "repetitions", "repetition_index"}
    found = read_json(file) or {}
    return [{key: value for key, value in each.items() if key not in noise} for each in found.get("benchmarks", [])]


def read_table(file: Path) -> Iterator[list[str]]:
    if file.exists():
        yield from (line.split("\t") for line in file.read_text().splitlines())


def read_json(file: Path) -> Any:
    """Content of a JSON file; None if it isn't there or was not finished."""
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return None


def errors_of(log: Path) -> list[str]:
    """The first lines of a compiler's or CMake's output that name an error."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [line for line in lines if re.search(r"\berror:|CMake Error", line)][:TAIL]


def tail_of(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-TAIL:] if log.exists() else []


# ---- The machine ---------------------------------------------------------------------------------------------------


def describe_gpu() -> dict[str, str] | None:
    """Name, driver, memory and compute capability of the first GPU; None if there is none."""
    line = output_of("nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader")
    if not line:
        return None
    return dict(zip(GPU_FIELDS.values(), line.splitlines()[0].split(", "), strict=False))


def versions() -> dict[str, str]:
    """Versions of everything that matters and is there."""
    found = {"python": machine.python_version(), "compiler": output_of("g++", "--version").partition("\n")[0]}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {name: version for name, version in found.items() if version}


def output_of(*command: str) -> str:
    """What a program prints; nothing if there is no such program or it fails."""
    if shutil.which(command[0]) is None:
        return ""
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stdout.strip() if result.returncode == 0 else ""


def without_paths(value: Any, folder: Path) -> Any:
    """The same with paths of this machine taken out, so that a report can be published."""
    if isinstance(value, dict):
        return {key: without_paths(each, folder) for key, each in value.items()}
    if isinstance(value, list):
        return [without_paths(each, folder) for each in value]
    if not isinstance(value, str):
        return value
    for path, name in ((folder, "BUILD"), (Path.cwd(), "."), (Path(sys.prefix), "PREFIX"), (Path.home(), "~")):
        value = re.sub(rf"{re.escape(str(path))}(?![\w.-])", name, value)
    return value


# ---- Output --------------------------------------------------------------------------------------------------------


def summary_of(report: dict[str, Any]) -> str:
    """A few lines for the terminal."""
    lines = [f"{stage['name']}: {stage['result']}" for stage in report["stages"]]
    for program, precisions in report["tests"].items():
        lines.append(f"{program}: " + ", ".join(f"{key} {each['result']}" for key, each in precisions.items()))
    if report["jump_cycle"]:
        speeds = report["jump_cycle"]["jumps_per_second"]
        lines.append("jumps per second: " + ", ".join(f"{name} {speed:.3g}" for name, speed in speeds.items()))
    device = (report["device"] or {}).get("name", report["machine"]["processor"])
    lines.append(f"{report['platform']} on {device}: {'all passed' if report['passed'] else 'not all passed'}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", required=True, help="that was checked")
    parser.add_argument("--results", required=True, type=Path, help="build folder of device_check.sh")
    parser.add_argument("--report", required=True, type=Path, help="file to write")
    arguments = parser.parse_args()
    report = make_report(arguments.platform, arguments.results.resolve())
    arguments.report.write_text(json.dumps(report, indent=2) + "\n")
    print(summary_of(report))
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
