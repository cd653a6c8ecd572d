"""`./scripts/demo`: background runs to every way of ending, with the flag and as stock does it.

    demo                     against the embedded loopback server; no key, no network
    demo --live              one tiny real run; needs OPENAI_API_KEY
    demo --payloads FILE…    the verdict on recorded payloads, one JSON object a line
    demo --serve             that server, until it is interrupted

Promises: nothing in the output is written beforehand, every value was read from an answer or an exception of this
process; no line is longer than 100 columns; there is colour on a terminal only. Exit code 0 when all was shown, 1 when
a live run could not be made or was not over in time, a port is taken, or a payload is unexplained or other than its file
expects, 2 when something is missing from the command (a key, a file, a member).
"""

from __future__ import annotations

import os
import sys
import time
import argparse
import threading
from io import TextIOWrapper
from typing import TextIO
from collections.abc import Callable, Sequence

import openai
from openai import OpenAI, BackgroundResponseError
from openai.types.responses import Response

from .loopback import CATALOGUE, Loopback, Scenario
from .demo_payloads import BadPayloads, say, in_seconds, show_payloads

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
HEADS = (
    ("how the run ends", "status", "code or reason", "retryable", "retry_after", "partial text"),
    ("", "raised with the flag", "caught by `except`", "without the flag (stock)"),
)
# How a terminal shows each cell of the two lines: bold, red (green where nothing is raised), dim.
STYLES = (("1", "", "", "", "", ""), ("", "31", "", "2"))
GREEN = "32"

Ended = Response | BackgroundResponseError
Line = tuple[str, ...]
Pair = tuple[Line, Line]


def wait(fetch: Callable[[], Response], *, pause: Callable[[], None] = lambda: None) -> Ended:
    """Asks until the run is over; returns the completed response, or the error that was raised."""
    while True:
        try:
            response = fetch()
        except BackgroundResponseError as error:
            return error
        if response.status == "completed":
            return response
        pause()


def what_stock_does(fetch: Callable[[], Response]) -> str:
    """What a retrieve without the flag gives at the end."""
    try:
        response = fetch()
    except openai.OpenAIError as error:
        return f"raises {type(error).__name__}"
    return f"returns, status {response.status or 'missing'}"


def cells(title: str, ended: Ended, stock: str) -> Pair:
    """The two lines of the table for a run, as its caller sees it."""
    status = ended.status or "-"
    if isinstance(ended, Response):
        return (title, status, "-", "-", "-", "-"), ("", "nothing", "-", stock)
    code = ended.code or ended.reason or (f"type: {ended.type}" if ended.type else "-")
    kept = f"{len(ended.output_text)} chars" if ended.output_text else "-"
    caught_by = next((rung.__name__ for rung in STOCK_LADDER if isinstance(ended, rung)), "-")
    above = (title, status, code, "yes" if ended.retryable else "no", in_seconds(ended.retry_after), kept)
    return above, ("", type(ended).__name__, caught_by, stock)


def run_scenario(client: OpenAI, scenario: Scenario) -> Pair:
    """One run from its create to its end, with the flag; and what a retrieve without it gives."""
    run = client.responses.create(
        model="gpt-5.6", input="Write about the harbour.", background=True, metadata={"scenario": scenario.name}
    ).id
    ended = wait(lambda: client.responses.retrieve(run, raise_on_failure=True))
    return cells(scenario.title, ended, what_stock_does(lambda: client.responses.retrieve(run)))


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
    print("Each run: create(background=True), then retrieve(id, raise_on_failure=True) until it is over.\n", file=out)
    print_table(rows, out)
    print(f"{len(rows)} runs, {server.total} requests, {seconds:.1f} s.", file=out)
    print(
        f"{len(raised)} did not complete and were raised. Without the flag, which is what stock openai does,", file=out
    )
    print(f"{returned} of these {len(raised)} came back as an ordinary return value.", file=out)


def print_table(rows: Sequence[Pair], out: TextIO) -> None:
    coloured = out.isatty() and not os.environ.get("NO_COLOR")
    above, below = (
        aligned([HEADS[0], *(row[0] for row in rows)]),
        aligned([HEADS[1], *(row[1] for row in rows)], first=2),
    )
    for number, pair in enumerate(zip(above, below, strict=True)):
        for line, styles in zip(pair, STYLES, strict=True):
            print(*(painted(line, styles) if coloured and number else line), sep="  ", file=out)
        print("" if number else "=" * max(len("  ".join(line)) for line in above + below), file=out)


def aligned(rows: Sequence[Line], *, first: int = 0) -> list[Line]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths = [first or widths[0], *widths[1:-1], 0]
    return [tuple(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def painted(line: Line, styles: Line) -> Line:
    chosen = [GREEN if cell.strip() == "nothing" else style for cell, style in zip(line, styles, strict=True)]
    return tuple(f"\x1b[{style}m{cell}\x1b[0m" if style else cell for cell, style in zip(line, chosen, strict=True))


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
            say(f"openai {openai.__version__} against {client.base_url}, model {model}", out, indent=0)
            run = client.responses.create(
                model=model, input="Name one harbour.", background=True, max_output_tokens=64
            ).id
            print(f"created {run}\n", file=out, flush=True)
            ended = wait(lambda: client.responses.retrieve(run, raise_on_failure=True), pause=pause)
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
        print(f"\nInterrupted; {f'{run} goes on' if run else 'no run was created'}.", file=sys.stderr)
        return 130
    print_table([cells("a real run", ended, stock)], out)
    say(ended.output_text if isinstance(ended, Response) else str(ended), out, indent=0)
    return 0


def serve(port: int, out: TextIO) -> int:
    """The embedded server for other programs, until Ctrl-C."""
    try:
        with Loopback(port=port, log=False) as server:
            print(f"export OPENAI_BASE_URL={server.base_url} OPENAI_API_KEY=none\n", file=out)
            print("Create a run with metadata={'scenario': NAME}, or retrieve resp_NAME, NAME being one of\n", file=out)
            for scenario in CATALOGUE.values():
                print(f"  {scenario.name:<32}{scenario.title}", file=out)
            print("\nCtrl-C stops it.", file=out, flush=True)
            threading.Event().wait()
    except OSError as error:
        print(f"Cannot listen on 127.0.0.1:{port}: {error.strerror}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def main(arguments: list[str] | None = None, out: TextIO | None = None) -> int:
    """Returns the exit code."""
    # Only the script shows what they mean: ./scripts/demo --help
    parser = argparse.ArgumentParser(prog="./scripts/demo")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--live", action="store_true")
    what.add_argument("--payloads", metavar="FILE", nargs="+")
    what.add_argument("--serve", action="store_true")
    parser.add_argument("--model", default=LIVE_MODEL)
    parser.add_argument("--max-wait", type=float, default=120, metavar="SECONDS")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(arguments)
    shown = out or sys.stdout
    if options.live:
        return show_live(options.model, options.max_wait, shown)
    if options.serve:
        return serve(options.port, shown)
    if options.payloads is None:
        show_scenarios(shown)
        return 0
    try:
        return 0 if show_payloads(options.payloads, shown) else 1
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
