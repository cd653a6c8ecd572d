"""The command behind scripts/test-upstream; see `suite` for the parts.

Promises: exit status 0 when no test of upstream's got worse and every test that the series adds passes (with --lint:
when every check passes), 1 when not, or when something could not be run, which is said in one sentence.
"""

from __future__ import annotations

import os
import sys
import time
import signal
import argparse
import platform
from typing import Mapping, Sequence
from pathlib import Path
from datetime import datetime, timezone
from urllib.request import urlopen

from . import lanes, trees, checks, compare
from .. import ROOT, Refusal
from ..recorded import BAD, GOOD

KINDS = {
    lanes.PYDANTIC_V1: "under pydantic 1.10",
    lanes.LEGACY_HTTPX: "the six files that legacy httpx matters to",
}


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/test-upstream", description="Upstream's own suite on the patched tree, compared with stock."
    )
    parser.add_argument("--upstream-data", type=Path, metavar="DIR", help="upstream's files that the sdist lacks")
    parser.add_argument("--api-resources", metavar="URL", help="also the generated tests, with the mock server there")
    kinds = parser.add_mutually_exclusive_group()
    for kind, what in KINDS.items():
        kinds.add_argument(f"--{kind}", dest="kind", action="store_const", const=kind, default="", help=what)
    parser.add_argument("--python", metavar="3.X", default=sys.executable, help="another interpreter, which uv finds")
    parser.add_argument("--whole", action="store_true", help="run all tests on stock, too, once for each release")
    parser.add_argument("--lint", action="store_true", help="linters and breaking changes instead of the suite")
    options = parser.parse_args(arguments)
    # A shell's background job ignores it, and so would the children; some of upstream's tests send it to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        check(options.upstream_data, options.api_resources)
        tree = trees.make(root, options.upstream_data)
        machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
        print(f"{datetime.now(timezone.utc).date()}, openai {tree.version}, {machine}")
        if options.lint:
            return 0 if checks.run(tree) else 1
        lane = lanes.Lane(
            tree, options.kind, options.python, data=options.upstream_data, api_resources=options.api_resources
        )
        return 0 if suite(lane, whole=options.whole) else 1
    except Refusal as refusal:
        print(f"test-upstream: {refusal}", file=sys.stderr)
        return 1


def check(data: Path | None, api_resources: str | None) -> None:
    """Raises Refusal unless upstream's data is there, and what the generated tests need."""
    if data is not None and not data.is_dir():
        raise Refusal(f"{data} is no folder.")
    if api_resources is None:
        return
    if data is None:
        raise Refusal("--api-resources needs --upstream-data, whose specification the mock server serves.")
    try:
        urlopen(f"{api_resources}/_x-steady/health", timeout=10).close()
    except OSError:
        raise Refusal(
            f"no mock server answers at {api_resources}; docs/upstream-suite.md says how to start it."
        ) from None


def suite(lane: lanes.Lane, *, whole: bool) -> bool:
    """Runs a lane, says what was found, and returns whether nothing got worse. Raises Refusal when a test file that the
    series adds was not run, which no comparison could show."""

    def rerun(side: str, tests: Sequence[str]) -> Mapping[str, str]:
        print(f"{len(tests)} on {side}, alone", file=sys.stderr, flush=True)
        return lane.alone(side, tests)

    began = time.monotonic()
    stock = lane.stock(whole=whole)
    between = time.monotonic()
    patched = lane.run(trees.PATCHED)
    ended = time.monotonic()
    ran = {name.partition("::")[0] for name in patched}
    if silent := [path for path in lane.tree.added_tests() if path not in ran]:
        raise Refusal(f"{', '.join(silent)}: added by the series, but no test of it was run.")
    found = compare.compare(stock, patched, rerun)
    print(f"{lane}")
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


if __name__ == "__main__":
    sys.exit(main())
