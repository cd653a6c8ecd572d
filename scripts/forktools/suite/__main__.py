"""The command behind scripts/test-upstream; see `suite` for the parts.

Promises: exit status 0 when no test of upstream's got worse and every test that the series adds passes (with --lint:
when every check passes), 1 when not, or when something could not be run, which is said in one sentence. Each check of
--lint is upstream's own, at the version in its lock file, with its settings; griffe also looks at every signature, where
upstream's check looks at names.
"""

from __future__ import annotations

import os
import sys
import time
import signal
import argparse
import platform
import subprocess
from typing import Mapping, Sequence
from pathlib import Path
from datetime import datetime, timezone
from urllib.request import urlopen
from concurrent.futures import ThreadPoolExecutor

from . import lanes, trees, compare
from .. import ROOT, Refusal
from ..recorded import BAD, GOOD


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/test-upstream", description="Upstream's own suite on the patched tree, compared with stock."
    )
    parser.add_argument("--upstream-data", type=_folder, metavar="DIR", help="upstream's files that the sdist lacks")
    parser.add_argument("--api-resources", metavar="URL", help="also the generated tests, with the mock server there")
    parser.add_argument("--pydantic-v1", action="store_true", help="under pydantic 1.10")
    parser.add_argument("--legacy-httpx", action="store_true", help="the six files that legacy httpx matters to")
    parser.add_argument("--python", metavar="3.X", default=sys.executable, help="another interpreter, which uv finds")
    parser.add_argument("--whole", action="store_true", help="run all tests on stock, too, once for each release")
    parser.add_argument("--lint", action="store_true", help="linters and breaking changes instead of the suite")
    options = parser.parse_args(arguments)
    # A shell's background job ignores it, and so would the children; some of upstream's tests send it to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        lane = choose(options)
        made = trees.make(root, lane.data)
        print(f"{datetime.now(timezone.utc).date()}, openai {made.version}, {_machine()}")
        return 0 if (lint(made) if options.lint else suite(lane, made, whole=options.whole)) else 1
    except Refusal as refusal:
        print(f"test-upstream: {refusal}", file=sys.stderr)
        return 1


def choose(options: argparse.Namespace) -> lanes.Lane:
    """The lane that the arguments ask for. Raises Refusal when they contradict each other."""
    data: Path | None = options.upstream_data
    if options.api_resources and data is None:
        raise Refusal("--api-resources needs --upstream-data, whose specification the mock server serves.")
    if data is not None and not (data / lanes.SPECIFICATION).is_file():
        raise Refusal(f"there is no {lanes.SPECIFICATION} in {data}.")
    if options.api_resources is not None and not answers(options.api_resources):
        raise Refusal(
            f"no mock server answers at {options.api_resources}; docs/upstream-suite.md says how to start it."
        )
    if options.pydantic_v1 and options.legacy_httpx:
        raise Refusal("--pydantic-v1 and --legacy-httpx are two lanes, not one.")
    return lanes.Lane(options.python, data, options.api_resources, options.pydantic_v1, options.legacy_httpx)


def answers(url: str) -> bool:
    """Whether the mock server is there."""
    try:
        with urlopen(f"{url}/_x-steady/health", timeout=10):
            return True
    except OSError:
        return False


def suite(lane: lanes.Lane, made: trees.Trees, *, whole: bool) -> bool:
    """Runs a lane, says what was found, and returns whether nothing got worse."""
    sides = {name: lanes.Side(lane, name, made) for name in (trees.STOCK, trees.PATCHED)}

    def rerun(name: str, tests: Sequence[str]) -> Mapping[str, str]:
        print(f"{len(tests)} on {name}, alone", file=sys.stderr, flush=True)
        return sides[name].run(tests, workers=0)

    began = time.monotonic()
    stock = lanes.stock(sides[trees.STOCK], whole=whole)
    between = time.monotonic()
    patched = sides[trees.PATCHED].run([*lane.selection(), *(made.added_tests if lane.legacy_httpx else ())])
    ended = time.monotonic()
    found = compare.compare(stock, patched, rerun)
    check_added(made, patched)
    print(f"{lane.title}, Python {sides[trees.PATCHED].version}")
    print(f"stock:   {counts(stock)} ({between - began:.0f} s)")
    print(f"patched: {counts(patched)} ({ended - between:.0f} s), {len(patched.keys() - stock.keys()):,} added")
    kinds = {"regression": found.regressions, "flake": found.flakes, "fails on stock as well": found.known}
    for kind, tests in kinds.items():
        for name, what in tests.items():
            print(f"{kind}: {name}: {what}")
    print(", ".join(f"{kind}: {len(tests)}" for kind, tests in kinds.items()))
    return not found.regressions


def counts(outcomes: Mapping[str, str]) -> str:
    """How many tests ended in which way."""
    if not any(outcomes.values()):
        return f"{len(outcomes):,} collected"
    kinds = {"passed": GOOD, "failed": BAD, "skipped": ("skipped",)}
    return ", ".join(f"{sum(one in kind for one in outcomes.values()):,} {name}" for name, kind in kinds.items())


def check_added(made: trees.Trees, outcomes: Mapping[str, str]) -> None:
    """Raises Refusal when a test file that the series adds was not run, which no comparison could show."""
    ran = {name.partition("::")[0] for name in outcomes}
    if silent := [path for path in made.added_tests if path not in ran]:
        raise Refusal(f"{', '.join(silent)}: added by the series, but no test of it was run.")


def lint(made: trees.Trees) -> bool:
    """Runs upstream's linters and breaking-change checks in the patched tree; returns whether all pass."""
    python = lanes.Side(lanes.Lane(), trees.PATCHED, made).python
    tools, pyright = python.parent, Path(sys.executable).with_name("pyright")
    commands: dict[str, tuple[str | Path, ...]] = {
        "ruff check": (tools / "ruff", "check", "."),
        "ruff format": (tools / "ruff", "format", "--check", "."),
        # The file cannot be checked without hidden folders that the sdist does not ship.
        "ty": (tools / "ty", "check", "--python", python, *(f"--exclude={path}" for path in lanes.HIDDEN)),
        "import": (python, "-W", "error", "-c", "import openai"),
        "callers": (pyright, "-p", "scripts/pyrightconfig.breaking-changes.json", "--pythonpath", python),
        "names": (python, "scripts/detect-breaking-changes.py", trees.BASE_TAG),
        "signatures": (tools / "griffe", "check", "openai", "--search=src", f"--against={trees.BASE_TAG}"),
    }

    def passes(title: str) -> bool:
        done = subprocess.run(
            [str(word) for word in commands[title]],
            cwd=made.of(trees.PATCHED),
            env=trees.clean(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(f"{title}: passed" if not done.returncode else f"{title}: FAILED\n{done.stdout}", flush=True)
        return not done.returncode

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return all(list(pool.map(passes, commands)))


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"


def _folder(text: str) -> Path:
    folder = Path(text).resolve()
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return folder


if __name__ == "__main__":
    sys.exit(main())
