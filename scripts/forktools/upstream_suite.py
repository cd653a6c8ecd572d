"""The command behind scripts/test-upstream; see `suite` for the parts.

Promises: exit status 0 when no test of upstream's got worse and every test that the series adds passes (with --lint:
when every check passes), 1 when not, or when something could not be run, which is said in one sentence.
"""

from __future__ import annotations

import sys
import signal
import argparse
from typing import Mapping, Sequence
from pathlib import Path
from contextlib import ExitStack, nullcontext

from . import ROOT, Refusal, interpreters
from .suite import lint, mock, lanes, trees, report, compare


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    options = _parser().parse_args(arguments)
    # A shell's background job ignores it, and so would the children; some of upstream's tests send it to theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        chosen = [] if options.lint and not options.write else choose(options)
        made = trees.make(root, options.upstream_data)
        results = [run(root, lane, made, fresh=options.fresh) for lane in chosen]
        checks: list[lint.Check] = []
        if options.lint or options.all_lanes:
            lane = lanes.Lane(interpreters.running())
            checks = lint.run(made, lanes.prepare(lane, trees.PATCHED, made))
        if options.write:
            _say("written: " + ", ".join(report.write(root, made.version, results, checks)))
    except Refusal as refusal:
        print(f"test-upstream: {refusal}", file=sys.stderr)
        return 1
    if results:
        print(report.table(results))
    for check in checks:
        print(
            f"{check.title}: {'passed' if check.passed else 'failed'}" + ("" if check.passed else f"\n{check.output}")
        )
    for result in results:
        for title, tests in (("regression", result.comparison.regressions), ("flake", result.comparison.flakes)):
            for nodeid, change in tests.items():
                print(f"{title} ({result.lane.title}): {nodeid}: {change}")
    worse = [result for result in results if not result.passed]
    return 1 if worse or not all(check.passed for check in checks) else 0


def choose(options: argparse.Namespace) -> list[lanes.Lane]:
    """The lanes that the arguments ask for. Raises Refusal when they contradict each other."""
    data: Path | None = options.upstream_data
    if options.write and not options.all_lanes:
        raise Refusal("--write takes --all-lanes: a page with some of them would hide the others.")
    if options.api_resources and data is None:
        raise Refusal("--api-resources needs --upstream-data, whose specification the mock server serves.")
    if data is not None and not (data / mock.SPECIFICATION).is_file():
        raise Refusal(f"there is no {mock.SPECIFICATION} in {data}.")
    if options.pydantic_v1 and options.legacy_httpx:
        raise Refusal("--pydantic-v1 and --legacy-httpx are two lanes, not one.")
    pythons: list[str] = options.python or []
    if not options.all_lanes:
        if len(pythons) > 1:
            raise Refusal("--python is given once, but for --all-lanes.")
        python = pythons[0] if pythons else interpreters.running()
        return [lanes.Lane(python, data, options.api_resources, options.pydantic_v1, options.legacy_httpx)]
    default = interpreters.running()
    mocked = data is not None
    chosen = [lanes.Lane(default)]
    if data is not None:
        chosen += [lanes.Lane(default, data, mocked)]
    chosen += [lanes.Lane(default, data, mocked, pydantic_v1=True), lanes.Lane(default, legacy_httpx=True)]
    return chosen + [lanes.Lane(python) for python in pythons or interpreters.available() if python != default]


def run(root: Path, lane: lanes.Lane, made: trees.Trees, *, fresh: bool = False) -> report.Result:
    """One lane on both trees, compared."""
    pythons = {name: lanes.prepare(lane, name, made) for name in (trees.STOCK, trees.PATCHED)}
    with ExitStack() as stack:
        log = made.home / "results" / "mock.log"
        server = mock.serve(root, lane.data, log) if lane.api_resources and lane.data else nullcontext(None)
        url = stack.enter_context(server)

        def rerun(name: str, nodeids: Sequence[str]) -> Mapping[str, str]:
            _say(f"{lane.title}: {len(nodeids)} of {name} again")
            results = made.home / "results" / "again"
            return lanes.pytest(lane, made.of(name), pythons[name], nodeids, url, results, workers=0).outcomes

        _say(f"{lane.title}: stock")
        stock = lanes.stock(lane, made, pythons[trees.STOCK], url, rerun, fresh=fresh)
        _say(f"{lane.title}: patched")
        patched = lanes.patched(lane, made, pythons[trees.PATCHED], url, fresh=fresh)
        result = report.Result(lane, stock, patched, compare.compare(stock.outcomes, patched.outcomes, rerun))
    check_added(made, lane, patched.outcomes)
    _say(report.row(result))
    return result


def check_added(made: trees.Trees, lane: lanes.Lane, outcomes: Mapping[str, str]) -> None:
    """Raises Refusal when a test file that the series adds was not run, which no comparison could show."""
    ran = {nodeid.partition("::")[0] for nodeid in outcomes}
    silent = [path for path in lanes.added_tests(made) if path not in ran]
    if silent:
        raise Refusal(f"{', '.join(silent)}: added by the series, but no test of it was run ({lane.title}).")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/test-upstream",
        description="Runs upstream's own suite on stock and on the patched tree, and compares test by test.",
    )
    parser.add_argument("--upstream-data", type=_folder, metavar="DIR", help="upstream's files that the sdist lacks")
    parser.add_argument("--api-resources", action="store_true", help="also the generated tests, with the mock server")
    parser.add_argument("--pydantic-v1", action="store_true", help="under pydantic 1.10")
    parser.add_argument("--legacy-httpx", action="store_true", help="the six files that legacy httpx matters to")
    parser.add_argument(
        "--python",
        metavar="3.X",
        action="append",
        help="another interpreter than the running one; for --all-lanes, each one to run besides it",
    )
    parser.add_argument("--all-lanes", action="store_true", help="every lane that this machine has, and --lint")
    parser.add_argument("--lint", action="store_true", help="linters and breaking changes instead of the suite")
    parser.add_argument("--fresh", action="store_true", help="run everything again instead of taking kept results")
    parser.add_argument("--write", action="store_true", help=f"write {report.PAGE} and the table of {report.LETTER}")
    return parser


def _folder(text: str) -> Path:
    folder = Path(text).resolve()
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return folder


if __name__ == "__main__":
    sys.exit(main())
