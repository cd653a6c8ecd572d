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
from typing import Sequence
from pathlib import Path
from functools import cached_property
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


PYDANTIC_V1, LEGACY_HTTPX = "pydantic-v1", "legacy-httpx"


@dataclass(frozen=True)
class Lane:
    """One way to run the suite, on either side of the tree.

    kind:          "", PYDANTIC_V1 or LEGACY_HTTPX.
    python:        the interpreter, as uv finds it: "3.12", or a path.
    data:          upstream's own files that the sdist leaves out, or None.
    api_resources: the URL of the mock server, or None.
    """

    tree: trees.Tree
    kind: str = ""
    python: str = sys.executable
    data: Path | None = None
    api_resources: str | None = None

    def __str__(self) -> str:
        data = "with upstream's data" if self.data else "bare sdist"
        version = subprocess.run([self.interpreter, "--version"], capture_output=True, text=True).stdout.strip()
        return ", ".join(filter(None, [data, "api_resources" if self.api_resources else "", self.kind, version]))

    @cached_property
    def interpreter(self) -> Path:
        """Of the lane's environment, made or brought up to date."""
        folder = self.results.with_name("env") / f"{Path(self.python).name}{self.kind and '-'}{self.kind}"
        also = (LEGACY_REQUIREMENTS,) if self.kind == LEGACY_HTTPX else ()
        v1 = self.kind == PYDANTIC_V1
        return trees.environment(folder, self.tree.folder, python=self.python, v1=v1, also=also)

    @property
    def results(self) -> Path:
        """The folder for what pytest said, and for what is kept."""
        return self.tree.folder.with_name("results")

    @property
    def variables(self) -> dict[str, str]:
        """The environment of pytest."""
        more = {"OPENAI_TEST_LEGACY_HTTPX": "1"} if self.kind == LEGACY_HTTPX else {}
        return {**trees.clean(), **more, **({"TEST_API_BASE_URL": self.api_resources} if self.api_resources else {})}

    def files(self) -> list[str]:
        """The lane's test files, of the side that the tree is on."""
        if self.kind == LEGACY_HTTPX:
            chosen = [*LEGACY_FILES, *self.tree.added_tests()]
            return [path for path in chosen if (self.tree.folder / path).is_file()]
        apart = [*HIDDEN, *(V1_LEFT_OUT if self.kind == PYDANTIC_V1 else ()), *(() if self.data else RECORDED)]
        if not self.api_resources:
            apart += MOCKED
        elif self.data is not None:
            apart += (self.data / TOO_NEW).read_text(encoding="utf-8").split()
        left_out = tuple(f"{path}/" for path in apart)
        found = (path.relative_to(self.tree.folder).as_posix() for path in self.tree.folder.glob("tests/**/test_*.py"))
        return sorted(path for path in found if not f"{path}/".startswith(left_out))

    def run(self, side: str) -> dict[str, str]:
        """Runs the lane with upstream's settings and returns how each test ended.

        Each processor gets a pytest of its own with a part of the files, at most four: workers of pytest-xdist would
        collect all of them each, which takes as long as a thousand tests.
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
        arguments = ["-o", "addopts=--tb=native", "--continue-on-collection-errors", *arguments]
        variables, folder = self.variables, self.tree.folder
        return recorded.run(self.interpreter, folder, arguments, variables=variables, target=target, log=log)

    def collect(self) -> list[str]:
        """The tests that there are in this lane, none of which is run."""
        command = [self.interpreter, "-m", "pytest", "-o", "addopts=", "--collect-only", "-q", *self.files()]
        done = subprocess.run(command, cwd=self.tree.folder, env=self.variables, capture_output=True, text=True)
        names = [line for line in done.stdout.partition("\n\n")[0].splitlines() if "::" in line]
        if not names:
            raise Refusal(f"pytest collected nothing on stock: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return names

    def stock(self, *, whole: bool = False) -> dict[str, str]:
        """Stock's tests and how each ended, which is nothing when it was only collected; `whole` runs them all.

        Kept where release, lock file, interpreter and lane are the same.
        """
        self.tree.turn(trees.STOCK)
        same = (str(self), self.files(), (self.tree.folder / "uv.lock").read_text(encoding="utf-8"))
        kept = self.results / f"stock-{hashlib.sha256(repr(same).encode()).hexdigest()[:16]}.json"
        found: dict[str, str] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        if not found or (whole and not any(found.values())):
            found = self.run(trees.STOCK) if whole else dict.fromkeys(self.collect(), "")
            self.results.mkdir(parents=True, exist_ok=True)
            part = kept.with_suffix(".part")
            part.write_text(json.dumps(found), encoding="utf-8")
            part.replace(kept)
        return found
