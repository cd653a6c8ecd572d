"""scripts/test-matrix: the tests that travel, on every Python of this machine and under pydantic 1.10.

Promises: each lane has an environment of its own with the pinned tools, made by venv and pip and kept in .upstream/; the
laid tree is what is tested, in all of them the same. A version that is not on this machine is named as not tested; asked
for by --python, it is an error.
"""

from __future__ import annotations

import sys
import hashlib
import argparse
import subprocess
from pathlib import Path
from dataclasses import dataclass

from . import ROOT, Refusal, pin, recorded, interpreters, variables_without

FOLDER = "matrix"
TESTS = "tests/lib/background"
PYDANTIC_V1 = "requirements/pydantic-v1.txt"
# The parts of requirements/dev.txt that the tests need, by their headings.
PARTS = ("# Tests", "# What upstream requires")


@dataclass(frozen=True)
class Lane:
    """A Python ("3.11"), with pydantic 2 or 1.10."""

    python: str
    pydantic_v1: bool = False

    @property
    def name(self) -> str:
        """For a folder and for the table."""
        return f"{self.python}{'-pydantic-v1' if self.pydantic_v1 else ''}"


@dataclass(frozen=True)
class Result:
    """How a lane ended."""

    lane: Lane
    python: str
    pydantic: str
    outcomes: dict[str, str]

    @property
    def bad(self) -> list[str]:
        """The tests that do not pass."""
        return sorted(test for test, outcome in self.outcomes.items() if outcome in ("failed", "error", "xpassed"))

    def row(self) -> str:
        """The lane's row of the table."""
        good = sum(outcome in ("passed", "xfailed") for outcome in self.outcomes.values())
        skipped = sum(outcome == "skipped" for outcome in self.outcomes.values())
        return f"| {self.python} | {self.pydantic} | {good} | {len(self.bad)} | {skipped} |"


HEAD = "| Python | pydantic | passed | failed | skipped |\n|---|---|---|---|---|"


def requirements(root: Path, lane: Lane) -> list[str]:
    """The lane's environment: the pins of requirements/, and what else the pinned release requires."""
    version = pin.load(root).upstream
    pin.cached(root, version)  # fetches it, if need be
    found = pin.find(version, [root / pin.CACHE / version])
    chosen = [line for line in found.requires or [] if "extra" not in line.partition(";")[2]]
    wanted = False
    for line in (root / "requirements" / "dev.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            wanted = line.startswith(PARTS)
        elif wanted and line.strip():
            chosen.append(line.partition("#")[0].strip())
    if lane.pydantic_v1:
        old = (root / PYDANTIC_V1).read_text(encoding="utf-8").splitlines()
        pins = [line.partition("#")[0].strip() for line in old if line.strip() and not line.startswith("#")]
        chosen = [line for line in chosen if not line.startswith("pydantic==")] + pins
    return chosen


def prepare(root: Path, lane: Lane) -> Path:
    """The interpreter of the lane's environment, made or brought up to date."""
    base = interpreters.find(lane.python)
    folder = root / pin.CACHE / FOLDER / lane.name
    python = folder / "bin" / "python"
    pins = requirements(root, lane)
    state = hashlib.sha256("\n".join([interpreters.full(base) or "", *pins]).encode()).hexdigest()
    stamp = folder / ".stamp"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != state:
        print(f"test-matrix: making the environment for {lane.name}", file=sys.stderr, flush=True)
        commands = (
            [str(base), "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "--disable-pip-version-check", "-qq", "install", *pins],
        )
        for command in commands:
            if subprocess.run(command, env=_variables()).returncode:
                raise Refusal(f"the environment for {lane.name} could not be made.")
        stamp.write_text(state, encoding="utf-8")
    return python


def run(root: Path, lane: Lane, python: Path, arguments: list[str]) -> Result:
    """Runs the tests in the lane."""
    target = root / pin.CACHE / FOLDER / f"{lane.name}.json"
    command = ["-n", "2", "-p", "no:cacheprovider", TESTS, *arguments]
    found = recorded.run(python, root, command, variables=_variables(), target=target, import_from=[root / "src"])
    code = "import pydantic; print(pydantic.VERSION)"
    pydantic = subprocess.run([str(python), "-c", code], capture_output=True, text=True).stdout.strip()
    return Result(lane, interpreters.full(python) or "", pydantic, found)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/test-matrix", description="Runs the travelling tests on every Python and under pydantic 1.10."
    )
    parser.add_argument("--python", action="append", metavar="3.X", help="only these; may be given again")
    parser.add_argument("--only-pydantic-v1", action="store_true", help="only the lane with pydantic 1.10")
    options, rest = parser.parse_known_args(arguments)
    try:
        pythons: list[str] = options.python or interpreters.available()
        main_version = interpreters.running() if interpreters.running() in pythons else pythons[0]
        lanes = [Lane(main_version, pydantic_v1=True)]
        if not options.only_pydantic_v1:
            lanes = [*(Lane(python) for python in pythons), *lanes]
        results = [run(root, lane, prepare(root, lane), rest) for lane in lanes]
    except Refusal as refusal:
        print(f"test-matrix: {refusal}", file=sys.stderr)
        return 1
    print("\n".join([HEAD, *(result.row() for result in results)]))
    if not options.python:
        absent = [version for version in interpreters.SUPPORTED if version not in pythons]
        if absent:
            print(f"not tested, because not on this machine: Python {', '.join(absent)}")
    for result in results:
        for test in result.bad:
            print(f"failed ({result.lane.name}): {test}")
    return 1 if any(result.bad for result in results) else 0


def _variables() -> dict[str, str]:
    return {**variables_without("OPENAI_", "PYTEST_", "PYTHONPATH"), "PYTHONDONTWRITEBYTECODE": "1"}


if __name__ == "__main__":
    sys.exit(main())
