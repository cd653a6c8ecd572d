"""`./scripts/demo`: background runs to every way of ending, with the flag and as stock does it.

Promises: nothing in the output is written beforehand, every value was read from an answer or an exception of this
process; no line is longer than 100 columns; there is colour where rich finds a terminal that has it. Exit code 0 when all
was shown, 1 when a live run could not be made or was not over in time, a port is taken, or a payload is unexplained or
other than its file expects, 2 when something is missing from the command (a key, a file, a member).
"""

from __future__ import annotations

import os
import sys
import time
import argparse
import threading
from typing import NamedTuple
from collections.abc import Callable, Collection

from rich.text import Text
from rich.console import Console

import openai
from openai import OpenAI, BackgroundResponseError, BackgroundPollTimeoutError
from openai.types.responses import Response

from .loopback import CATALOGUE, Loopback, Scenario
from .demo_payloads import WIDTH, BadPayloads, say, in_seconds, show_payloads

LIVE_MODEL = "gpt-5.4-nano"

# The cells of a run, which takes two lines: the head, the width and the style of each.
ABOVE = (
    ("how the run ends", 19, "bold"),
    ("status", 10, ""),
    ("code or reason", 29, ""),
    ("retryable", 9, ""),
    ("retry_after", 11, ""),
    ("partial text", 0, ""),
)
BELOW = (("raised with the flag", 34, "red"), ("caught by `except`", 30, ""), ("without the flag (stock)", 0, "dim"))

Ended = Response | BackgroundResponseError


class Row(NamedTuple):
    """What the table shows of a run."""

    above: tuple[str, ...]
    below: tuple[str, ...]


def outcome(ask: Callable[[], Response]) -> Ended:
    """Asks until the run is over; returns the completed response, or the error that was raised."""
    try:
        while (run := ask()).status != "completed":
            pass
    except BackgroundResponseError as error:
        return error
    return run


def row(title: str, ended: Ended, client: OpenAI, response_id: str) -> Row:
    """What the caller of a run got, and what a retrieve without the flag gives."""
    try:
        stock = f"returns, status {client.responses.retrieve(response_id).status or 'missing'}"
    except openai.OpenAIError as error:
        stock = f"raises {type(error).__name__}"
    if isinstance(ended, Response):
        return Row((title, str(ended.status), "-", "-", "-", "-"), ("nothing", "-", stock))
    code = ended.code or ended.reason or (f"type: {ended.type}" if ended.type else "-")
    kept = f"{len(ended.output_text)} chars" if ended.output_text else "-"
    retry = "yes" if ended.retryable else "no", in_seconds(ended.retry_after)
    # What catches it in a program that was written for synchronous calls.
    equivalent = ended.equivalent or openai.APIError
    caught = equivalent.__name__ if isinstance(ended, equivalent) else "-"
    return Row((title, ended.status or "-", code, *retry, kept), (type(ended).__name__, caught, stock))


def run_scenario(client: OpenAI, scenario: Scenario) -> Row:
    """One run from its create to its end."""
    run = client.responses.create(
        model="gpt-5.6", input="Write about the harbour.", background=True, metadata={"scenario": scenario.name}
    ).id
    ended = outcome(lambda: client.responses.retrieve(run, raise_on_failure=True))
    return row(scenario.title, ended, client, run)


def show_scenarios(console: Console, shown: Collection[str] = CATALOGUE) -> None:
    """The table of all runs, from real requests to the embedded server; prints the rows that are `shown`."""
    started = time.perf_counter()
    with Loopback() as server:
        with OpenAI(base_url=server.base_url, api_key="loopback", max_retries=0) as client:
            rows = {name: run_scenario(client, scenario) for name, scenario in CATALOGUE.items()}
    seconds = time.perf_counter() - started
    raised = [one.below for one in rows.values() if one.below[0] != "nothing"]
    returned = sum(stock.startswith("returns") for *_, stock in raised)
    console.print(f"openai {openai.__version__} against {server.base_url} (embedded: no key, no network)")
    console.print("Each run: create(background=True), then retrieve(id, raise_on_failure=True) until it is over.\n")
    print_table([rows[name] for name in shown], console)
    if len(shown) < len(rows):
        console.print("…\n")
    console.print(f"{len(rows)} runs, {server.total} requests, {seconds:.1f} s.")
    console.print(f"{len(raised)} did not complete and were raised. Without the flag, which is what stock openai does,")
    console.print(f"{returned} of these {len(raised)} came back as an ordinary return value.")


def print_table(rows: list[Row], console: Console) -> None:
    heads = Row(*(tuple(head for head, _, _ in columns) for columns in (ABOVE, BELOW)))
    for number, (above, below) in enumerate([heads, *rows]):
        for indent, cells, columns in (("", above, ABOVE), ("    ", below, BELOW)):
            texts = [
                Text(cell.ljust(width), ("green" if cell == "nothing" else style) if number else "")
                for cell, (_, width, style) in zip(cells, columns, strict=True)
            ]
            console.print(Text(indent) + Text("  ").join(texts))
        console.print("" if number else "=" * WIDTH)


def show_live(model: str, max_wait_seconds: float, console: Console) -> int:
    """One real run."""
    if not os.environ.get("OPENAI_API_KEY"):
        print("OPENAI_API_KEY is not set: --live makes one small real run and needs a key.", file=sys.stderr)
        print("Set it and try again, or leave --live out: the embedded server needs none.", file=sys.stderr)
        return 2
    run = ""
    try:
        with OpenAI() as client:
            say(f"openai {openai.__version__} against {client.base_url}, model {model}", console, indent=0)
            run = client.responses.create(
                model=model, input="Name one harbour.", background=True, max_output_tokens=64
            ).id
            console.print(f"created {run}\n")
            ended = outcome(
                lambda: client.responses.poll(run, raise_on_failure=True, max_wait_seconds=max_wait_seconds)
            )
            print_table([row("a real run", ended, client, run)], console)
    except BackgroundPollTimeoutError as error:
        print(error, file=sys.stderr)
        return 1
    except openai.OpenAIError as error:
        print(f"The run could not be made or followed: {type(error).__name__}: {error}", file=sys.stderr)
        print("Look at the key, the model (--model NAME) and the network.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nInterrupted; {f'{run} goes on' if run else 'no run was created'}.", file=sys.stderr)
        return 130
    say(ended.output_text if isinstance(ended, Response) else str(ended), console, indent=0)
    return 0


def serve(port: int, console: Console) -> int:
    """The embedded server for other programs, until Ctrl-C."""
    try:
        with Loopback(port=port, log=False) as server:
            console.print(f"export OPENAI_BASE_URL={server.base_url} OPENAI_API_KEY=none\n")
            console.print("Create a run with metadata={'scenario': NAME}, or retrieve resp_NAME, NAME being one of\n")
            for scenario in CATALOGUE.values():
                console.print(f"  {scenario.name:<32}{scenario.title}")
            console.print("\nCtrl-C stops it.")
            threading.Event().wait()
    except OSError as error:
        print(f"Cannot listen on 127.0.0.1:{port}: {error.strerror}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def main(arguments: list[str] | None = None) -> int:
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
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if options.live:
        return show_live(options.model, options.max_wait, console)
    if options.serve:
        return serve(options.port, console)
    if options.payloads is None:
        show_scenarios(console)
        return 0
    try:
        return 0 if show_payloads(options.payloads, console) else 1
    except BadPayloads as problem:
        print(problem, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
