"""Where a choice of patches is tried: the sdist of the pinned release with the series' commits on it.

Promises: the work tree is upstream's own, with its tests and its linters' settings, linked to the series, so that git can
check out and cherry-pick there; it is gone afterwards, and nothing of the repository is in it.
"""

from __future__ import annotations

import os
import subprocess
from typing import Mapping, Callable, Sequence, Generator
from pathlib import Path
from contextlib import contextmanager
from dataclasses import field, dataclass
from concurrent.futures import ThreadPoolExecutor

from . import Refusal, sdist, recorded, variables_without
from .git import Git
from .series import UPSTREAM, Series

FOLDER = "walk"

Pythons = Callable[[Path], Mapping[str, Path]]
"""The environments in which tests are run, by title, for the work tree in this folder."""


@dataclass
class Step:
    """What was found after one patch, or one choice of patches: check to what is wrong, if anything is."""

    name: str
    wrong: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        lines = [f"{self.name}: {'NOT GOOD' if self.wrong else 'good'}, {', '.join(self.notes)}"]
        return "\n".join([*lines, *(f"  {check}: {what}" for check, what in self.wrong.items())])


class Bench:
    """A linked work tree of the series with the rest of the sdist in it, and what can be tried there."""

    def __init__(self, series: Series, git: Git, pythons: Mapping[str, Path]) -> None:
        self.series = series
        self.git = git
        self.folder = git.folder
        self.pythons = pythons

    def tests(self) -> list[str]:
        """The test files that the series has added so far."""
        paths = self.git.must("diff", "--name-only", "--diff-filter=A", "-z", UPSTREAM, "HEAD", "--", "tests").names
        return [path for path in paths if Path(path).name.startswith("test_")]

    def test(self, step: Step, own: Sequence[str] = (), *, everything: bool = True) -> None:
        """Runs in each environment the tests in `own`, if any are given, else all that were added so far; with
        `everything` all in the last one. None of a file in `own` having run is wrong."""
        there = self.tests()
        mine = [path for path in own if (self.folder / path).exists()] if own else there
        if not mine:
            step.notes.append("no tests")
            for title in self.pythons if own else ():
                step.wrong[f"tests ({title})"] = f"{', '.join(own)}, which the Verify line names: not there"
            return
        last = list(self.pythons)[-1]
        for title, python in self.pythons.items():
            tests = there if everything and title == last else mine
            workers = "2" if len(tests) > 3 else "0"
            try:
                outcomes = recorded.run(
                    python,
                    self.folder,
                    ["-o", "addopts=--tb=short", "-n", workers, "-p", "no:cacheprovider", *tests],
                    variables=self.variables,
                    target=self.folder.with_name(f"{FOLDER}.json"),
                    import_from=[self.folder / "src"],
                    log=self.folder.with_name(f"{FOLDER}.log"),
                )
            except Refusal as refusal:
                step.wrong[f"tests ({title})"] = str(refusal)
                continue
            bad = sorted(test for test, outcome in outcomes.items() if outcome in recorded.BAD)
            silent = [path for path in own if not any(test.startswith(path.rstrip("/")) for test in outcomes)]
            if bad or silent:
                what = [*bad[:20], *(f"{path}, which the Verify line names: no test was run" for path in silent)]
                step.wrong[f"tests ({title})"] = "\n    ".join([f"{len(bad)} failed", *what])
            count = sum(test.startswith(tuple(own)) for test in outcomes) if own else 0
            step.notes.append(
                f"{count} own and {len(outcomes) - count} other tests on {title}" if own else f"{len(outcomes)} tests"
            )

    def run(self, step: Step, checks: Mapping[str, Sequence[str | Path]]) -> None:
        """Runs checks, by title, side by side; their exit status tells."""
        environment = {**self.variables, "PYTHONPATH": str(self.folder / "src")}

        def said(command: Sequence[str | Path]) -> str:
            words = [str(word) for word in command]
            done = subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True)
            return ((done.stdout + done.stderr).strip() or f"status {done.returncode}") if done.returncode else ""

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = dict(zip(checks, pool.map(said, checks.values()), strict=True))
        step.wrong |= {check: what for check, what in found.items() if what}

    @property
    def variables(self) -> dict[str, str]:
        """The environment of every check, without what could change its result."""
        return {**variables_without("OPENAI_", "PYTEST_", "PYTHONPATH"), "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def bench(series: Series, pythons: Pythons) -> Generator[Bench]:
    """A bench at the release itself, gone afterwards."""
    with series.linked(FOLDER, UPSTREAM) as git:
        sdist.unpack(series.root, series.version(), git.folder)
        yield Bench(series, git, pythons(git.folder))
