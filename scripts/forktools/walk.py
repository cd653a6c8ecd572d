"""scripts/walk-series: every patch as a maintainer meets it, one after the other, on upstream's sdist.

Promises: after each patch the package imports with warnings as errors, the patch's own Python files pass ruff and ty with
upstream's settings, the sources that it adds pass pyright and mypy in strict mode (for which upstream has none), and its own
tests (those of its Verify line) pass, on pydantic 2 and on pydantic 1.10, with their number; after the last one all that
the series has added, on 1.10 (on 2 scripts/test-upstream runs them, on the same tree). One line for each patch; the exit status is 1 when anything is not good. `--quick` leaves the tests
out.

With `--independence`: see `independence`.
"""

from __future__ import annotations

import sys
import json
import shlex
import argparse
from typing import Mapping
from pathlib import Path

from . import ROOT, Refusal, pin, independence
from .suite import trees
from .series import Commit, Series, alone
from .workbench import FOLDER, Step, Bench, Pythons, bench

TOOLS = Path(sys.executable).parent


def walk(series: Series, pythons: Pythons, *, quick: bool) -> list[Step]:
    """One step for each patch, in order."""
    steps: list[Step] = []
    own = {commit: verify(commit) for commit in series.commits()}
    with bench(series, pythons) as place:
        for commit, tests in own.items():
            place.git.must("checkout", "--quiet", "--detach", commit.sha)
            step = Step(commit.name)
            look(place, step, commit)
            if not quick:
                place.test(step, tests, everything=commit.number == len(own))
            print(step, flush=True)
            steps.append(step)
    return steps


def look(place: Bench, step: Step, commit: Commit) -> None:
    """Imports the package and lints the Python files of a patch."""
    changed, added = (
        [
            path
            for path in place.series.paths(f"{commit.sha}^", commit.sha, only=kinds)
            if path.endswith((".py", ".pyi")) and "/_vendor/" not in path  # which upstream's linters leave out
        ]
        for kinds in ("AM", "A")
    )
    config = place.folder / "pyrightconfig.json"
    checks: dict[str, tuple[str | Path, ...]] = {
        "import": (sys.executable, "-W", "error", "-c", "import openai, openai.resources.responses")
    }
    if changed:
        checks["ruff check"] = (TOOLS / "ruff", "check", "--no-cache", *changed)
        checks["ruff format"] = (TOOLS / "ruff", "format", "--no-cache", "--check", *changed)
        checks["ty"] = (TOOLS / "ty", "check", "--python", sys.executable, *changed)
    if sources := [path for path in added if path.startswith("src/")]:
        settings = {"include": sources, "extraPaths": ["src"], "pythonVersion": "3.10", "typeCheckingMode": "strict"}
        config.write_text(json.dumps({**settings, "reportPrivateUsage": False}), encoding="utf-8")
        checks["pyright"] = (TOOLS / "pyright", "--pythonpath", sys.executable)
        cache = place.folder.with_name(f"{FOLDER}.mypy")
        strict = ("--strict", "--follow-imports=silent", "--python-version=3.10", f"--cache-dir={cache}")
        checks["mypy"] = (TOOLS / "mypy", *strict, *sources)
    place.run(step, checks)
    config.unlink(missing_ok=True)
    step.notes.append(f"{len(changed)} Python files, {len(added)} of them new")


def verify(commit: Commit) -> list[str]:
    """The tests that the Verify line of a patch names. Raises Refusal when it runs something else than pytest."""
    words = shlex.split(commit.trailer("Verify") or "")
    if words[:1] != ["pytest"] or len(words) < 2 or any(word.startswith("-") for word in words):
        raise Refusal(f"the Verify line of {commit.name} has to be `pytest` and paths, not {' '.join(words)!r}.")
    return words[1:]


def on_one(_: Path) -> Mapping[str, Path]:
    """The environment of the scripts."""
    return {"pydantic 2": Path(sys.executable)}


def on_both(folder: Path) -> Mapping[str, Path]:
    """That one, and upstream's own for pydantic 1.10."""
    home = folder.with_name(f"{FOLDER}-env")
    return {**on_one(folder), "pydantic 1.10": trees.environment(home, folder, v1=True)}


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/walk-series", description="Checks every patch of the series alone.")
    parser.add_argument("--quick", action="store_true", help="leave the tests out")
    parser.add_argument("--independence", action="store_true", help="the core alone, each follow-up on it, two orders")
    options = parser.parse_args(arguments)
    series = Series(root)
    try:
        series.tip()
        run = independence.run if options.independence else walk
        with alone(root, FOLDER):
            steps = run(series, on_one if options.quick or options.independence else on_both, quick=options.quick)
    except Refusal as refusal:
        print(f"walk-series: {refusal}", file=sys.stderr)
        return 1
    bad = [step.name for step in steps if step.wrong]
    print(
        f"{len(steps)} steps on openai {pin.load(root).upstream}, "
        + (f"not good: {'; '.join(bad)}" if bad else "each good")
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
