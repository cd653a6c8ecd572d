"""scripts/walk-series: every patch as a maintainer meets it, one after the other, on upstream's sdist.

Promises: after each patch the package imports with warnings as errors, the patch's own Python files pass ruff and ty with
upstream's settings, the sources that it adds pass pyright and mypy in strict mode (for which upstream has none), and its own
tests (those of its Verify line) pass, on pydantic 2 and on pydantic 1.10. What is tried after one patch is tried side by
side. `--quick` leaves the tests out. All tests after the last patch are scripts/test-upstream's, and scripts/test-matrix's.

With `--independence`: that the core stands alone, and each follow-up on it. What a patch is says its message: `Part:
core`, `Part: core, to take or leave` (the family), `Part: follow-up`, `Part: last`; a follow-up that needs others names
all of them, `Needs: streams, poll`. Nothing is edited to make it fit. Each choice is cherry-picked onto the release as it
is: the core; the core with the family; both with each follow-up, and what that one needs; both with all follow-ups, in the
series' order and in the opposite one as far as the needs allow. The tests that the chosen patches add pass, and the two
orders end in the same tree.

One line for each step, with what is not good below it; the exit status is 1 when anything is not.
"""

from __future__ import annotations

import os
import sys
import json
import shlex
import argparse
import subprocess
from typing import Mapping, Iterable, Sequence, Generator
from pathlib import Path
from contextlib import contextmanager
from dataclasses import dataclass
from concurrent.futures import ThreadPoolExecutor

from . import ROOT, Refusal, pin, sdist, variables_without
from .git import Git
from .suite import trees
from .series import UPSTREAM, Commit, Series, alone

FOLDER = "walk"
TOOLS = Path(sys.executable).parent
CORE, FAMILY, FOLLOW_UP, LAST = "core", "core, to take or leave", "follow-up", "last"
# Far more than anything takes; a series that does not fit may wait for ever.
LONGEST_SECONDS = 1800

# Programs with their arguments, by title.
Checks = dict[str, list[str]]


@dataclass(frozen=True)
class Bench:
    """A linked work tree of the series with the rest of the sdist in it, and the interpreters for its tests, by title."""

    git: Git
    pythons: Mapping[str, Path]

    def changed(self, old: str, kinds: str) -> list[str]:
        """The paths that have changed since `old`; kinds as in git's --diff-filter."""
        return self.git.must("diff", "--name-only", f"--diff-filter={kinds}", "-z", old, "HEAD").names

    def tests(self, paths: Sequence[str] = ()) -> Checks:
        """Tests in each environment, by default all that the series has added so far."""
        added = [path for path in self.changed(UPSTREAM, "A") if Path(path).name.startswith("test_")]
        if not (paths or added):
            return {}  # without a path pytest would take all of upstream's
        # As many processes as there are cores only pay where there is much to do.
        workers = "0" if paths else "2"
        how = ["-m", "pytest", "-q", "-o", "addopts=--tb=short", "-n", workers, "-p", "no:cacheprovider"]
        return {f"tests, {title}": [str(python), *how, *(paths or added)] for title, python in self.pythons.items()}

    def run(self, step: str, checks: Checks) -> bool:
        """Runs checks side by side, the longest had better come first, and prints how they ended; whether all are good."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ended = dict(zip(checks, pool.map(self._run, checks.values()), strict=True))
        wrong = {title: one.stdout + one.stderr for title, one in ended.items() if one.returncode}
        # The last line of pytest is how many there were.
        last = {title: one.stdout.strip().rpartition("\n")[2] for title, one in ended.items()}
        counts = [f"{title}: {line}" for title, line in last.items() if title.startswith("tests")]
        print("; ".join([f"{step}: {'NOT GOOD' if wrong else 'good'}", *counts]), flush=True)
        for title, said in wrong.items():
            print(f"\n{title}:\n{said}", flush=True)
        return not wrong

    def _run(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        # Nothing of the person's that could change a result, and nothing into the tree.
        variables = variables_without("OPENAI_", "PYTEST_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        variables |= {"PYTHONPATH": f"{self.git.folder}/src", "PYTHONPYCACHEPREFIX": f"{self.git.folder}-bytecode"}
        where, limit = self.git.folder, LONGEST_SECONDS
        try:
            return subprocess.run(words, cwd=where, env=variables, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, 1, f"did not end within {LONGEST_SECONDS} seconds", "")


@contextmanager
def bench(series: Series, *, v1: bool = False, base: str = UPSTREAM) -> Generator[Bench]:
    """A bench at a release, gone afterwards, one at a time; with the environment of the scripts, and with `v1` upstream's
    own for pydantic 1.10."""
    with alone(series.root, FOLDER), series.linked(FOLDER, base) as git:
        sdist.unpack(series.root, series.version(base), git.folder)
        pythons = {"pydantic 2": Path(sys.executable)}
        if v1:
            pythons["pydantic 1.10"] = trees.environment(Path(f"{git.folder}-env"), git.folder, v1=True)
        yield Bench(git, pythons)


# One patch after the other. What follows yields the name of each step, and whether it is good.

Steps = Iterable[tuple[str, bool]]


def walk(series: Series, *, quick: bool) -> Steps:
    """One step for each patch, in order."""
    own = {commit: verify(commit) for commit in series.commits()}
    with bench(series, v1=not quick) as place:
        for commit, paths in own.items():
            place.git.must("checkout", "--quiet", "--detach", commit.sha)
            tests = {} if quick else place.tests(paths)
            yield commit.name, place.run(commit.name, {**tests, **linters(place)})


def linters(place: Bench) -> Checks:
    """What is asked of the Python files of a patch, and whether the package can be imported."""
    # The linters of upstream leave out what it has from others.
    changed, added = (
        [path for path in place.changed("HEAD^", kinds) if path.endswith((".py", ".pyi")) and "/_vendor/" not in path]
        for kinds in ("AM", "A")
    )
    checks: Checks = {}
    if sources := [path for path in added if path.startswith("src/")]:
        strict = ["--strict", "--follow-imports=silent", "--python-version=3.10"]
        checks["mypy"] = [f"{TOOLS}/mypy", *strict, f"--cache-dir={place.git.folder}.mypy", *sources]
        settings = {"include": sources, "extraPaths": ["src"], "pythonVersion": "3.10", "typeCheckingMode": "strict"}
        text = json.dumps({**settings, "reportPrivateUsage": False})
        (place.git.folder / "pyrightconfig.json").write_text(text, encoding="utf-8")
        checks["pyright"] = [f"{TOOLS}/pyright", "--pythonpath", sys.executable]
    if changed:
        checks["ty"] = [f"{TOOLS}/ty", "check", "--python", sys.executable, *changed]
        checks["ruff check"] = [f"{TOOLS}/ruff", "check", "--no-cache", *changed]
        checks["ruff format"] = [f"{TOOLS}/ruff", "format", "--no-cache", "--check", *changed]
    return {**checks, "import": [sys.executable, "-W", "error", "-c", "import openai, openai.resources.responses"]}


def verify(commit: Commit) -> list[str]:
    """The tests that the Verify line of a patch names. Raises Refusal when it runs something else than pytest."""
    words = shlex.split(commit.trailer("Verify") or "")
    if words[:1] != ["pytest"] or len(words) < 2 or any(word.startswith("-") for word in words):
        raise Refusal(f"the Verify line of {commit.name} has to be `pytest` and paths, not {' '.join(words)!r}.")
    return words[1:]


# Each follow-up alone on the core.


def independence(series: Series, *, quick: bool) -> Steps:
    """One step for each choice of patches."""
    parts: dict[str, list[Commit]] = {part: [] for part in (CORE, FAMILY, FOLLOW_UP, LAST)}
    for commit in series.commits():
        if (part := commit.trailer("Part") or "") not in parts:
            raise Refusal(f"{commit.name}: no Part line in the message that says core, follow-up or last.")
        parts[part].append(commit)
    base, follow_ups = [*parts[CORE], *parts[FAMILY]], parts[FOLLOW_UP]
    choices = {"core": parts[CORE], "core and family": base}
    needs: dict[Commit, list[Commit]] = {}
    for one in follow_ups:
        words = (one.trailer("Needs") or "").replace(",", " ").split()
        needs[one] = [other for other in needs if other.trailer("Patch") in words]
        if len(needs[one]) < len(words):
            raise Refusal(f"{one.name} needs {' and '.join(words)}, of which not every one is a follow-up before it.")
        also = ", ".join(other.name for other in needs[one])
        choices[f"{one.name} with {also}" if also else one.name] = [*base, *needs[one], one]
    choices["all, in order"] = [*base, *follow_ups]
    # Each behind what it needs, which needs less.
    backwards = sorted(reversed(follow_ups), key=lambda one: len(needs[one]))
    choices["all, in the opposite order"] = [*base, *backwards]
    made = ""
    with bench(series) as place:
        for title, chosen in choices.items():
            fits = pick(place.git, title, chosen)
            before, made = made, place.git.ask("rev-parse", "HEAD^{tree}")
            good = fits and place.run(title, {} if quick else place.tests())
            if title == list(choices)[-1] and made != before:
                print("  the tree is another one than in order")
                good = False
            yield title, good


def pick(git: Git, title: str, commits: Sequence[Commit]) -> bool:
    """Takes the commits onto the release; False, with the conflict named, when one does not fit."""
    git.must("checkout", "--quiet", "--force", "--detach", UPSTREAM)
    if not commits or not git.run("cherry-pick", *(one.sha for one in commits)).status:
        return True
    names = git.must("diff", "--name-only", "--diff-filter=U", "-z").names
    at = git.run("log", "-1", "--format=%s", "CHERRY_PICK_HEAD").out.decode().strip()
    print(f"{title}: NOT GOOD; {at!r} does not fit: {', '.join(names) or 'nothing is left of it'}", flush=True)
    git.must("cherry-pick", "--abort")
    return False


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/walk-series", description="Checks every patch of the series alone.")
    parser.add_argument("--quick", action="store_true", help="leave the tests out")
    parser.add_argument("--independence", action="store_true", help="the core alone, each follow-up on it, two orders")
    options = parser.parse_args(arguments)
    series = Series(root)
    try:
        series.tip()
        steps = list((independence if options.independence else walk)(series, quick=options.quick))
    except Refusal as refusal:
        print(f"walk-series: {refusal}", file=sys.stderr)
        return 1
    bad = [name for name, good in steps if not good]
    how = f"not good: {'; '.join(bad)}" if bad else "each good"
    print(f"{len(steps)} steps on openai {pin.load(root).upstream}, {how}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
