"""`./scripts/demo`: background runs to every way of ending, with the flag and as stock does it.

    demo                     against the embedded loopback server; no key, no network
    demo --live              one tiny real run; needs OPENAI_API_KEY
    demo --payloads FILE…    the verdict on recorded payloads, one JSON object a line

Promises: nothing in the output is written beforehand, every value was read from an answer or an exception of this
process; no line is longer than 100 columns; there is no colour. Exit code 0 when all was shown, 1 when a live run
could not be made or was not over in time, or a payload is unexplained or other than its file expects, 2 when something
is missing from the command (a key, a file, a member).
"""

from __future__ import annotations

import os
import sys
import time
import argparse
from io import TextIOWrapper
from typing import TextIO
from dataclasses import dataclass
from collections.abc import Callable, Sequence

import openai
from openai import OpenAI
from openai.types.responses import Response

from .loopback import CATALOGUE, Loopback, Scenario
from .demo_payloads import BadPayloads, say, in_seconds, show_payloads

WIDTH = 100
LIVE_MODEL = "gpt-5.4-nano"

# The rungs of a program that was written for synchronous calls, in the order of its `except` clauses.
STOCK_LADDER: tuple[type[openai.OpenAIError], ...] = (
    openai.BadRequestError,
    openai.AuthenticationError,
    openai.PermissionDeniedError,
    openai.NotFoundError,
    openai.ConflictError,
    openai.UnprocessableEntityError,
    openai.RateLimitError,
    openai.InternalServerError,
    openai.ContentFilterFinishReasonError,
    openai.APIStatusError,
    openai.APIError,
)


@dataclass(frozen=True)
class Outcome:
    """How one run ended, as a caller sees it."""

    response: Response | None
    error: openai.BackgroundResponseError | None

    @property
    def _last(self) -> object:
        return self.error if self.error is not None else self.response

    @property
    def status(self) -> str:
        """`response.status` or what the error says it was."""
        return getattr(self._last, "status", None) or "-"

    @property
    def code(self) -> str:
        """The error's code; for an incomplete response its reason."""
        if self.error is not None:
            return self.error.code or self.error.reason or (f"type: {self.error.type}" if self.error.type else "-")
        return "-"

    @property
    def raised(self) -> str:
        """The class."""
        return type(self.error).__name__ if self.error is not None else "nothing"

    @property
    def caught_by(self) -> str:
        """The first rung of a stock program that catches it."""
        return next((rung.__name__ for rung in STOCK_LADDER if isinstance(self.error, rung)), "-")

    @property
    def retryable(self) -> str:
        """Whether to create the run again."""
        return "-" if self.error is None else "yes" if self.error.retryable else "no"

    @property
    def retry_after(self) -> str:
        """After how long."""
        return in_seconds(self.error.retry_after if self.error is not None else None)

    @property
    def partial(self) -> str:
        """How much text is there although the run did not complete."""
        text = self.error.output_text if self.error is not None else ""
        return f"{len(text)} chars" if text else "-"


def wait(fetch: Callable[[], Response], *, pause: Callable[[], None] = lambda: None) -> Outcome:
    """Asks until the run is over."""
    while True:
        try:
            response = fetch()
        except openai.BackgroundResponseError as error:
            return Outcome(None, error)
        if response.status == "completed":
            return Outcome(response, None)
        pause()


def what_stock_does(fetch: Callable[[], Response]) -> str:
    """What a retrieve without the flag gives at the end."""
    try:
        response = fetch()
    except openai.OpenAIError as error:
        return f"raises {type(error).__name__}"
    return f"returns, status {response.status or 'missing'}"


Line = tuple[str, ...]
Pair = tuple[Line, Line]


def _pair(title: str, outcome: Outcome, stock: str) -> Pair:
    above = (title, outcome.status, outcome.code, outcome.retryable, outcome.retry_after, outcome.partial)
    return above, ("", outcome.raised, outcome.caught_by, stock)


def run_scenario(client: OpenAI, scenario: Scenario) -> Pair:
    """One run from its create to its end, with the flag; and what a retrieve without it gives."""
    run = client.responses.create(
        model="gpt-5.6", input="Write about the harbour.", background=True, metadata={"scenario": scenario.name}
    ).id
    outcome = wait(lambda: client.responses.retrieve(run, raise_on_failure=True))
    return _pair(scenario.title, outcome, what_stock_does(lambda: client.responses.retrieve(run)))


def show_scenarios(out: TextIO) -> None:
    """The table, from real requests to the embedded server."""
    started = time.perf_counter()
    with Loopback() as server:
        with OpenAI(base_url=server.base_url, api_key="loopback", max_retries=0) as client:
            rows = [run_scenario(client, scenario) for scenario in CATALOGUE.values()]
    seconds = time.perf_counter() - started
    raised = [below for _, below in rows if below[1] != "nothing"]
    returned = sum(below[3].startswith("returns") for below in raised)
    print(f"openai {openai.__version__} against {server.base_url} (embedded: no key, no network)", file=out)
    print("Each run: create(background=True), then retrieve(id, raise_on_failure=True) until it is over.", file=out)
    print("", file=out)
    _print_table(rows, out)
    print(f"{len(rows)} runs, {server.total} requests, {seconds:.1f} s.", file=out)
    print(
        f"{len(raised)} did not complete and were raised. Without the flag, which is what stock openai does,", file=out
    )
    print(f"{returned} of these {len(raised)} came back as an ordinary return value.", file=out)


def _print_table(rows: Sequence[Pair], out: TextIO) -> None:
    heads = (
        ("how the run ends", "status", "code or reason", "retryable", "retry_after", "partial text"),
        ("", "raised with the flag", "caught by `except`", "without the flag (stock)"),
    )
    above = _aligned([heads[0], *(pair[0] for pair in rows)])
    below = _aligned([heads[1], *(pair[1] for pair in rows)], first=2)
    for number, lines in enumerate(zip(above, below, strict=True)):
        print(*lines, "" if number else "=" * max(map(len, above + below)), sep="\n", file=out)


def _aligned(cells: Sequence[Line], *, first: int = 0) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widths[0] = first or widths[0]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def show_live(model: str, max_wait_seconds: float, out: TextIO) -> int:
    """One real run."""
    if not os.environ.get("OPENAI_API_KEY"):
        print("OPENAI_API_KEY is not set: --live makes one small real run and needs a key.", file=sys.stderr)
        print("Set it and try again, or leave --live out: the embedded server needs none.", file=sys.stderr)
        return 2
    run: str | None = None
    deadline = time.monotonic() + max_wait_seconds

    def pause() -> None:
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(1)

    try:
        with OpenAI() as client:
            say(f"openai {openai.__version__} against {client.base_url}, model {model}", out, WIDTH, indent=0)
            run = client.responses.create(
                model=model, input="Name one harbour.", background=True, max_output_tokens=64
            ).id
            print(f"created {run}", file=out, flush=True)
            one = wait(lambda: client.responses.retrieve(run, raise_on_failure=True), pause=pause)
            stock = what_stock_does(lambda: client.responses.retrieve(run))
    except TimeoutError:
        print(
            f"{run} was not over after {max_wait_seconds:g} s; it goes on, and can be retrieved later.", file=sys.stderr
        )
        return 1
    except openai.OpenAIError as error:
        print(f"The run could not be made or followed: {type(error).__name__}: {error}", file=sys.stderr)
        print("Look at the key, the model (--model NAME) and the network.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nInterrupted; {run or 'no run was created'}{' goes on' if run else ''}.", file=sys.stderr)
        return 130
    print("", file=out)
    _print_table([_pair("a real run", one, stock)], out)
    text = one.response.output_text if one.response is not None else str(one.error)
    say(text, out, WIDTH, indent=0)
    return 0


def main(arguments: list[str] | None = None, out: TextIO | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="./scripts/demo", description="Background runs to every way of ending, with the flag and without it."
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--live", action="store_true", help="one tiny real run; needs OPENAI_API_KEY")
    what.add_argument("--payloads", metavar="FILE", nargs="+", help="the verdict on recorded payloads (JSON lines)")
    parser.add_argument("--model", default=LIVE_MODEL, help="for --live (default: %(default)s)")
    parser.add_argument(
        "--max-wait", type=float, default=120, metavar="SECONDS", help="for --live (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    stream = out if out is not None else sys.stdout
    if options.live:
        return show_live(options.model, options.max_wait, stream)
    if options.payloads is None:
        show_scenarios(stream)
        return 0
    try:
        return 0 if show_payloads(options.payloads, stream, width=WIDTH) else 1
    except BadPayloads as problem:
        print(problem, file=sys.stderr)
        return 2


if __name__ == "__main__":
    # A terminal that cannot show a character gets its escape; a reader that has gone away (`| head`) is no error.
    for standard in (sys.stdout, sys.stderr):
        if isinstance(standard, TextIOWrapper):
            standard.reconfigure(errors="backslashreplace")
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
