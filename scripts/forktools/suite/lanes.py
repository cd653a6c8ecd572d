"""The lanes: which of upstream's tests are run, in which environment, and how each test ended.

Promises: a lane runs the same files, the same way, on stock and on the patched tree; a test is left out only where the
sdist lacks files that it reads, and the reason stands here.
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
from concurrent.futures import ThreadPoolExecutor

from . import trees
from .. import Refusal, recorded

# Reads hidden folders (.github and others), which no sdist ships.
HIDDEN = ("tests/test_uv_workflows.py",)
# Reads recorded streams, which the sdist does not ship; `--upstream-data` has them.
RECORDED = ("tests/lib/chat/test_completions_streaming.py",)
# Talk to the mock server, which needs upstream's specification; `--upstream-data` has it, `--api-resources` says where
# it runs.
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

    def left_out(self) -> list[str]:
        """Files and folders of which no test is run."""
        paths = [*HIDDEN, *(V1_LEFT_OUT if self.pydantic_v1 else ())]
        if self.data is None:
            paths += RECORDED
        if not self.api_resources:
            paths += MOCKED
        elif self.data is not None:
            paths += (self.data / TOO_NEW).read_text(encoding="utf-8").split()
        return paths


class Runner:
    """A lane in its environment, on either side of the tree."""

    def __init__(self, lane: Lane, tree: trees.Tree) -> None:
        self.lane = lane
        self.tree = tree
        home = tree.folder.parent
        self.results = home / "results"
        kind = "-pydantic-v1" if lane.pydantic_v1 else "-legacy-httpx" if lane.legacy_httpx else ""
        also = (LEGACY_REQUIREMENTS,) if lane.legacy_httpx else ()
        self.python = trees.environment(
            home / "env" / f"{Path(lane.python).name}{kind}",
            tree.folder,
            python=lane.python,
            v1=lane.pydantic_v1,
            also=also,
        )
        self.variables = trees.clean()
        if lane.legacy_httpx:
            self.variables["OPENAI_TEST_LEGACY_HTTPX"] = "1"
        if lane.api_resources is not None:
            self.variables["TEST_API_BASE_URL"] = lane.api_resources

    def files(self) -> list[str]:
        """The lane's test files, of the side that the tree is on."""
        if self.lane.legacy_httpx:
            chosen = [*LEGACY_FILES, *self.tree.added_tests()]
            return [path for path in chosen if (self.tree.folder / path).is_file()]
        found = sorted(
            path.relative_to(self.tree.folder).as_posix() for path in self.tree.folder.glob("tests/**/test_*.py")
        )
        apart = tuple(f"{path}/" for path in self.lane.left_out())
        return [path for path in found if not f"{path}/".startswith(apart)]

    def run(self, side: str) -> dict[str, str]:
        """Runs the lane with upstream's settings and returns how each test ended.

        Each processor gets a pytest of its own with a part of the files, at most four: workers of pytest-xdist would
        collect all of them each, which takes as long as some hundred tests.
        """
        self.tree.turn(side)
        count, files = min(os.cpu_count() or 1, 4), self.files()
        with ThreadPoolExecutor(count) as pool:
            parts = [pool.submit(self.pytest, f"{side}-{at}", files[at::count]) for at in range(count)]
        return {name: outcome for part in parts for name, outcome in part.result().items()}

    def alone(self, side: str, tests: Sequence[str]) -> dict[str, str]:
        """Runs tests one after the other."""
        self.tree.turn(side)
        return self.pytest(f"{side}-alone", tests)

    def pytest(self, name: str, arguments: Sequence[str]) -> dict[str, str]:
        """One process. Raises Refusal when it did not get to the end."""
        if not arguments:
            return {}
        target, log = (self.results / f"{name}-{os.getpid()}{kind}" for kind in (".jsonl", ".log"))
        options = ["-o", "addopts=--tb=native", "--continue-on-collection-errors"]
        return recorded.run(
            self.python, self.tree.folder, [*options, *arguments], variables=self.variables, target=target, log=log
        )

    def collect(self) -> list[str]:
        """The tests that stock has in this lane, none of which is run."""
        command = [str(self.python), "-m", "pytest", "-o", "addopts=", "--collect-only", "-q", *self.files()]
        done = subprocess.run(command, cwd=self.tree.folder, env=self.variables, capture_output=True, text=True)
        names = [line for line in done.stdout.partition("\n\n")[0].splitlines() if "::" in line]
        if not names:
            raise Refusal(f"pytest collected nothing on stock: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return names

    @property
    def version(self) -> str:
        """Of its interpreter."""
        code = "import platform; print(platform.python_version())"
        return subprocess.run([str(self.python), "-c", code], capture_output=True, text=True).stdout.strip()

    def stock(self, *, whole: bool = False) -> dict[str, str]:
        """Stock's tests and how each ended, which is nothing when it was only collected; `whole` runs them all.

        Kept where release, lock file, interpreter and lane are the same.
        """
        self.tree.turn(trees.STOCK)
        lock = (self.tree.folder / "uv.lock").read_text(encoding="utf-8")
        parts = (self.lane.title, self.version, *self.files(), lock)
        kept = self.results / f"stock-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.json"
        found: Mapping[str, str] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        if not found or (whole and not any(found.values())):
            found = self.run(trees.STOCK) if whole else dict.fromkeys(self.collect(), "")
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_suffix(".part")
            part.write_text(json.dumps(found), encoding="utf-8")
            part.replace(kept)
        return dict(found)
