"""The lanes: which of upstream's tests are run, in which environment, and how each test ended.

Promises: a lane runs the same files, the same way, on both trees; a test is left out only where the sdist lacks files
that it reads, and the reason stands here.
"""

from __future__ import annotations

import os
import sys
import json
import time
import subprocess
from typing import Mapping, Sequence
from pathlib import Path
from dataclasses import field, dataclass

from . import trees, compare
from .. import ROOT, Refusal, recorded, interpreters

# Reads hidden folders (.github and others), which no sdist ships.
HIDDEN = ("tests/test_uv_workflows.py",)
# Reads recorded streams, which the sdist does not ship; `--upstream-data` has them.
RECORDED = ("tests/lib/chat/test_completions_streaming.py",)
# Talk to the mock server, which needs upstream's specification; `--upstream-data` has it, `--api-resources` starts it.
MOCKED = ("tests/api_resources", "tests/lib/test_fine_tuning_positional_arguments.py")
# Newer than that specification; read from the data folder, because it changes with it.
TOO_NEW = "api_resources_ignore_files.txt"
# Upstream runs these with the legacy httpx installed beside httpx2.
LEGACY_FILES = (
    "tests/test_client.py",
    "tests/test_httpx_compat.py",
    "tests/test_legacy_response.py",
    "tests/test_streaming.py",
    "tests/test_tls_hostname.py",
    "tests/test_x509_workload_identity.py",
)
LEGACY_REQUIREMENTS = "requirements/legacy-httpx.txt"
# Needs a running API.
V1_LEFT_OUT = ("tests/functional",)


@dataclass(frozen=True)
class Lane:
    """One way to run the suite.

    python: version of the interpreter, e.g. "3.11".
    data:   upstream's own files that the sdist leaves out, or None.
    """

    python: str
    data: Path | None = None
    api_resources: bool = False
    pydantic_v1: bool = False
    legacy_httpx: bool = False

    @property
    def title(self) -> str:
        """The lane in words, for tables."""
        parts = ["bare sdist" if self.data is None else "with upstream-data"]
        parts += ["api_resources"] if self.api_resources else []
        parts += ["pydantic 1.10"] if self.pydantic_v1 else []
        parts += ["legacy httpx, six files"] if self.legacy_httpx else []
        return ", ".join([*parts, f"Python {self.python}"])

    @property
    def environment(self) -> str:
        """The name of its environment; lanes with the same name share it."""
        kind = "-pydantic-v1" if self.pydantic_v1 else "-legacy-httpx" if self.legacy_httpx else ""
        return f"py{self.python}{kind}"

    @property
    def groups(self) -> tuple[str, ...]:
        """Arguments that choose upstream's dependency groups, as its own script for pydantic 1 does."""
        return ("--no-default-groups", "--group", "dev", "--group", "pydantic-v1") if self.pydantic_v1 else ()

    def selection(self) -> list[str]:
        """The arguments with which pytest gets the lane's files."""
        if self.legacy_httpx:
            return list(LEGACY_FILES)
        ignored = [*HIDDEN, *(V1_LEFT_OUT if self.pydantic_v1 else ())]
        if self.data is None:
            ignored += RECORDED
        if not self.api_resources:
            ignored += MOCKED
        elif self.data is not None:
            ignored += (self.data / TOO_NEW).read_text(encoding="utf-8").split()
        return ["tests", *(f"--ignore={path}" for path in ignored)]


@dataclass(frozen=True)
class Run:
    """How a lane ended on one tree: node id to outcome, seconds of wall clock, and whether it comes from the cache."""

    outcomes: Mapping[str, str]
    seconds: float
    cached: bool = field(default=False, compare=False)

    def count(self, *names: str) -> int:
        """How many tests ended in one of these ways."""
        return sum(outcome in names for outcome in self.outcomes.values())


def prepare(lane: Lane, name: str, made: trees.Trees) -> Path:
    """The interpreter in which `lane` runs on the tree `name`."""
    python = interpreters.find(lane.python)
    env = trees.environment(f"{name}-{lane.environment}", made.of(name), made.home, python, lane.groups)
    if lane.legacy_httpx:
        uv = Path(sys.executable).with_name("uv")
        command = [str(uv), "pip", "install", "--quiet", "--python", str(env)]
        done = subprocess.run([*command, "--requirement", str(ROOT / LEGACY_REQUIREMENTS)], env=trees.clean())
        if done.returncode:
            raise Refusal("the legacy httpx cannot be installed.")
    return env


def stock(
    lane: Lane, made: trees.Trees, python: Path, base_url: str | None, rerun: compare.Rerun, *, fresh: bool = False
) -> Run:
    """The lane's result on stock, from the cache where version, lock file, interpreter and lane are the same.

    What fails is run again before it is kept: the cache must hold no failure of a busy machine.
    """
    cache = _cache(lane, made, python, trees.STOCK)
    if cache.is_file() and not fresh:
        data = json.loads(cache.read_text(encoding="utf-8"))
        run = Run(data["outcomes"], data["seconds"], cached=True)
        if data.get("settled"):
            return run
    else:
        run = pytest(lane, made.stock, python, lane.selection(), base_url, made.home / "results")
        _keep(cache, lane, run, settled=False)
    run = Run(compare.settle(run.outcomes, rerun), run.seconds, run.cached)
    _keep(cache, lane, run, settled=True)
    return run


def patched(lane: Lane, made: trees.Trees, python: Path, base_url: str | None, *, fresh: bool = False) -> Run:
    """The lane's result on the patched tree, with the tests that the series adds.

    It is kept like stock's, for the very same series: so a run of many lanes can be taken up where it was broken off.
    """
    cache = _cache(lane, made, python, trees.PATCHED)
    if cache.is_file() and not fresh:
        data = json.loads(cache.read_text(encoding="utf-8"))
        return Run(data["outcomes"], data["seconds"], cached=True)
    added = [] if not lane.legacy_httpx else added_tests(made)
    run = pytest(lane, made.patched, python, [*lane.selection(), *added], base_url, made.home / "results")
    _keep(cache, lane, run, settled=False)
    return run


def _cache(lane: Lane, made: trees.Trees, python: Path, name: str) -> Path:
    parts = {
        "lane": lane.title,
        "selection": " ".join(lane.selection()),
        "python": interpreters.full(python) or "",
        "added": (ROOT / LEGACY_REQUIREMENTS).read_text(encoding="utf-8") if lane.legacy_httpx else "",
    }
    if name == trees.PATCHED:
        parts["series"] = made.series
    return made.home / "results" / f"{name}-{trees.fingerprint(made, parts)}.json"


def _keep(cache: Path, lane: Lane, run: Run, *, settled: bool) -> None:
    part = cache.with_suffix(".part")
    data = {"lane": lane.title, "seconds": run.seconds, "settled": settled, "outcomes": run.outcomes}
    part.write_text(json.dumps(data), encoding="utf-8")
    part.replace(cache)


def added_tests(made: trees.Trees) -> list[str]:
    """The test files that the series adds."""
    return [path for path in made.added if path.startswith("tests/") and Path(path).name.startswith("test_")]


def pytest(
    lane: Lane,
    tree: Path,
    python: Path,
    selection: Sequence[str],
    base_url: str | None,
    results: Path,
    *,
    workers: int | None = None,
) -> Run:
    """Runs pytest in `tree` with upstream's settings and returns how each test ended.

    workers: 0 runs the tests in one process; None takes one worker for each processor, at most four.
    Raises Refusal when pytest itself did not get to the end.
    """
    count = min(os.cpu_count() or 1, 4) if workers is None else workers
    arguments = ["-o", "addopts=--tb=native", "-n", str(count), "--continue-on-collection-errors", *selection]
    variables = trees.clean()
    if lane.legacy_httpx:
        variables["OPENAI_TEST_LEGACY_HTTPX"] = "1"
    if base_url is not None:
        variables["TEST_API_BASE_URL"] = base_url
    began = time.monotonic()
    target, log = results / f"{tree.name}-{os.getpid()}.json", results / f"{tree.name}.log"
    found = recorded.run(python, tree, arguments, variables=variables, target=target, log=log)
    return Run(found, time.monotonic() - began)
