"""scripts/walk-series: every patch alone, as a maintainer who reads one mail after the other meets it.

Promises: starting from the verified sdist of the pinned release, after each `git am` the package imports with warnings as
errors, the patch's own Python files pass upstream's ruff rules, the tests that its Verify line names are there, and they
pass. A Verify line may end in `(with patch 5)` where what the patch does has no public face before that one; its tests
are then run there. The walk goes to the last patch that applies; one line for each, and an exit status of 1 when any line is bad.

`--quick` leaves the tests out.
"""

from __future__ import annotations

import re
import sys
import shlex
import argparse
import subprocess
from typing import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from dataclasses import dataclass

from . import ROOT, Refusal, sdist, series, variables_without
from .scratch import Scratch

_VERIFY = re.compile(r"^Verify: (?P<command>.+?)(?: \(with patch (?P<due>\d+)\))?$", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """What was found after one patch: the name of each check, and None or what is wrong."""

    patch: str
    checks: dict[str, str | None]
    note: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return all(wrong is None for wrong in self.checks.values())

    def __str__(self) -> str:
        parts = [f"{name} {'ok' if wrong is None else 'FAILED'}" for name, wrong in self.checks.items()]
        lines = [f"{self.patch}: {', '.join(parts)}" + (f" ({self.note})" if self.note else "")]
        lines += [f"  {name}: {wrong}" for name, wrong in self.checks.items() if wrong is not None]
        return "\n".join(lines)


def walk(root: Path, folder: Path, *, quick: bool) -> list[Step]:
    """Walks the series in the empty folder `folder`. Raises Refusal when there is nothing to walk on."""
    plan = series.load(root)
    sdist.unpack(root, plan.upstream, folder)
    repository = Scratch(folder, plan.author)
    repository.commit(f"openai {plan.upstream}")
    steps: list[Step] = []
    due: dict[int, list[str]] = {}  # patch number to the tests that pass from then on
    for patch in plan.patches:
        paths, number = verify(patch)
        due.setdefault(number, []).extend(paths)
        if number > len(plan.patches):
            raise Refusal(f"the Verify line of {patch.slug} names patch {number}, but there are {len(plan.patches)}.")
    for patch in plan.patches:
        done = repository.am([root / "patches" / patch.file_name])
        if done.status:
            steps.append(Step(patch.file_name, {"git am": " ".join(done.err.split())}))
            break
        steps.append(_look(repository, sorted(set(due.get(patch.number, []))), patch, quick=quick))
        print(steps[-1], flush=True)
    return steps


def verify(patch: series.Patch) -> tuple[list[str], int]:
    """The tests that the Verify line of `patch` names, and the number of the patch after which they pass.

    Raises Refusal when it runs something else than pytest, or names an earlier patch.
    """
    found = _VERIFY.search(patch.message)
    words = shlex.split(found["command"]) if found else []
    if words[:1] != ["pytest"] or len(words) < 2 or any(word.startswith("-") for word in words):
        raise Refusal(f"the Verify line of {patch.slug} has to be `pytest` and paths, not {' '.join(words)!r}.")
    due = int(found["due"]) if found and found["due"] else patch.number
    if due < patch.number:
        raise Refusal(f"the Verify line of {patch.slug}, patch {patch.number}, names the earlier patch {due}.")
    return words[1:], due


def _look(repository: Scratch, tests: Sequence[str], patch: series.Patch, *, quick: bool) -> Step:
    folder = repository.folder
    paths = repository.paths_of("HEAD")
    python = [path for path in paths if path.endswith(".py")]
    tools = Path(sys.executable).parent
    checks: dict[str, str | None] = {"git am": None}
    checks["import"] = _run(folder, [sys.executable, "-W", "error", "-c", "import openai, openai.resources.responses"])
    if python:
        checks["ruff check"] = _run(folder, [str(tools / "ruff"), "check", "--no-cache", *python])
        checks["ruff format"] = _run(folder, [str(tools / "ruff"), "format", "--no-cache", "--check", *python])
    missing = [path for path in tests if not (folder / path.partition("::")[0]).exists()]
    note = ""
    if missing:
        checks["tests"] = f"{', '.join(missing)}, which the Verify line names, is not there after this patch"
    elif not tests:
        note = f"verified with patch {verify(patch)[1]}"
    elif not quick:
        checks["tests"], note = _test(folder, tests)
    return Step(patch.file_name, checks, note)


def _test(folder: Path, tests: Sequence[str]) -> tuple[str | None, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=--tb=short", "-n", "2", "-p", "no:cacheprovider"]
    done = _call(folder, [*command, *tests])
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    note = lines[-1].strip("= ") if lines else ""
    # Status 5 is a run without any test, which proves nothing.
    return (None, note) if done.returncode == 0 else ("\n".join(["", *lines[-40:]]), note)


def _run(folder: Path, command: Sequence[str]) -> str | None:
    done = _call(folder, command)
    return None if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"status {done.returncode}"


def _call(folder: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # Before the editable install of this repository, which holds the whole series.
    variables = {
        **variables_without("OPENAI_", "PYTEST_"),
        "PYTHONPATH": str(folder / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/walk-series", description="Checks every patch of the series alone.")
    parser.add_argument("--quick", action="store_true", help="apply, import and lint only")
    options = parser.parse_args(arguments)
    try:
        with TemporaryDirectory(prefix="openai-fork-") as folder:
            steps = walk(root, Path(folder, "tree"), quick=options.quick)
    except Refusal as refusal:
        print(f"walk-series: {refusal}", file=sys.stderr)
        return 1
    bad = [step.patch for step in steps if not step.good]
    if bad and "git am" in steps[-1].checks and steps[-1].checks["git am"]:
        print(steps[-1])
    print(f"{len(steps)} patches walked, " + (f"not good: {', '.join(bad)}" if bad else "each good on its own"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
