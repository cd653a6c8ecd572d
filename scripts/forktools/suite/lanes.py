"""The lanes: which of upstream's tests are run, in which environment, and how each test ended.

Promises: a lane runs the same files, the same way, on both trees; a test is left out only where the sdist lacks files
that it reads, and the reason stands here.
"""

from __future__ import annotations

import os
import sys
import json
import hashlib
import subprocess
from typing import Mapping, Sequence
from pathlib import Path
from dataclasses import dataclass

from . import trees
from .. import Refusal, recorded

# Reads hidden folders (.github and others), which no sdist ships.
HIDDEN = ("tests/test_uv_workflows.py",)
# Reads recorded streams, which the sdist does not ship; `--upstream-data` has them.
RECORDED = ("tests/lib/chat/test_completions_streaming.py",)
# Talk to the mock server, which needs upstream's specification; `--upstream-data` has it, `--api-resources` says where it runs.
MOCKED = ("tests/api_resources", "tests/lib/test_fine_tuning_positional_arguments.py")
# Newer than that specification; read from the data folder, because it changes with it.
SPECIFICATION = "api_reference/openapi.transformed.yml"
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

    python:        the interpreter, as uv finds it: "3.12", or a path.
    data:          upstream's own files that the sdist leaves out, or None.
    api_resources: the URL of the mock server, or None.
    """

    python: str = sys.executable
    data: Path | None = None
    api_resources: str | None = None
    pydantic_v1: bool = False
    legacy_httpx: bool = False

    @property
    def title(self) -> str:
        """The lane in words, without its interpreter."""
        parts = ["bare sdist" if self.data is None else "with upstream's data"]
        parts += ["api_resources"] if self.api_resources else []
        parts += ["pydantic 1.10"] if self.pydantic_v1 else []
        parts += ["legacy httpx, six files"] if self.legacy_httpx else []
        return ", ".join(parts)

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


class Side:
    """One tree of a lane, with its environment."""

    def __init__(self, lane: Lane, name: str, made: trees.Trees) -> None:
        self.lane = lane
        self.tree = made.of(name)
        self.results = made.home / "results"
        kind = "-pydantic-v1" if lane.pydantic_v1 else "-legacy-httpx" if lane.legacy_httpx else ""
        folder = made.home / "env" / f"{name}-{Path(lane.python).name}{kind}"
        also = (LEGACY_REQUIREMENTS,) if lane.legacy_httpx else ()
        self.python = trees.environment(folder, self.tree, python=lane.python, v1=lane.pydantic_v1, also=also)
        self.variables = trees.clean()
        if lane.legacy_httpx:
            self.variables["OPENAI_TEST_LEGACY_HTTPX"] = "1"
        if lane.api_resources is not None:
            self.variables["TEST_API_BASE_URL"] = lane.api_resources

    def run(self, selection: Sequence[str], *, workers: int | None = None) -> dict[str, str]:
        """Runs pytest with upstream's settings and returns how each test ended.

        workers: 0 runs the tests in one process; None takes one worker for each processor, at most four.
        Raises Refusal when pytest itself did not get to the end.
        """
        count = min(os.cpu_count() or 1, 4) if workers is None else workers
        arguments = ["-o", "addopts=--tb=native", "-n", str(count), "--continue-on-collection-errors", *selection]
        target, log = (self.results / f"{self.tree.name}-{os.getpid()}{kind}" for kind in (".jsonl", ".log"))
        return recorded.run(self.python, self.tree, arguments, variables=self.variables, target=target, log=log)

    def collect(self) -> list[str]:
        """The lane's tests, none of which is run."""
        command = [str(self.python), "-m", "pytest", "-o", "addopts=", "--collect-only", "-q", *self.lane.selection()]
        done = subprocess.run(command, cwd=self.tree, env=self.variables, capture_output=True, text=True)
        names = [line for line in done.stdout.partition("\n\n")[0].splitlines() if "::" in line]
        if not names:
            raise Refusal(f"pytest collected nothing in {self.tree}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return names

    @property
    def version(self) -> str:
        """Of its interpreter."""
        code = "import platform; print(platform.python_version())"
        return subprocess.run([str(self.python), "-c", code], capture_output=True, text=True).stdout.strip()


def stock(side: Side, *, whole: bool = False) -> dict[str, str]:
    """Stock's tests and how each ended, which is nothing when it was only collected; `whole` runs them all.

    Kept where release, lock file, interpreter and lane are the same.
    """
    parts = (side.lane.title, side.version, *side.lane.selection(), (side.tree / "uv.lock").read_text(encoding="utf-8"))
    kept = side.results / f"stock-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.json"
    found: Mapping[str, str] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if not found or (whole and not any(found.values())):
        found = side.run(side.lane.selection()) if whole else dict.fromkeys(side.collect(), "")
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(kept)
    return dict(found)
