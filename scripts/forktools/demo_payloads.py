"""`./scripts/demo --payloads FILE…`: what the contract says about recorded payloads, and whether that is right.

A line of a file is a JSON object in one of three forms; what it does not name is not judged:

    {"kind": …, "payload": …}                    a `retrieve` body, the data of an `sse` event, the `http` body with which
                                                 the same failure ends a synchronous call, or a `webhook` body
    {"payload": …, "expect": …}                  a body, and the class and `retryable` that it should give
    {"input": …, "routes": […], "expect": …}     answers or events, the routes to try, and what each should give

Each row goes by all its routes (see `demo_routes`), which have to agree. It is unexplained when something else is raised
than what the SDK says that it raises.
"""

from __future__ import annotations

import json
import math
import logging
import textwrap
from typing import Any, NamedTuple, cast
from pathlib import Path
from collections.abc import Mapping, Iterator, Sequence

from rich.console import Console

from openai import OpenAIError, APIStatusError, BackgroundResponseError, ContentFilterFinishReasonError
from openai._models import construct_type
from openai.types.responses import Response

from .loopback import Loopback
from .demo_routes import JSON, Seen, go, created

WIDTH = 100

KINDS = {
    "retrieve": ("retrieve", "poll", "raise"),
    "sse": ("stream", "raise:last"),
    "http": ("retrieve", "poll", "raise"),
    "webhook": ("raise",),
}
"""The routes of a payload, by its kind; the first decides what is shown."""


class BadPayloads(Exception):
    """The file cannot be used; the text names the file, the line, and what is wrong with it."""


class Row(NamedTuple):
    """One recorded payload."""

    where: str
    title: str
    routes: Sequence[str]
    case: Mapping[str, Any]
    """`body`, `events` (or `raw`, `raw_tail`), `answers`, …; see the corpora's README."""
    expect: Mapping[str, Any]


# -- reading


def read_payloads(path: str) -> Iterator[Row]:
    """The rows of a file. Raises BadPayloads when it cannot be read, or a line is not what it should be."""
    where = path
    try:
        # Not `splitlines`: JSON may hold line separators of Unicode as they are.
        lines = Path(path).read_text(encoding="utf-8").split("\n")
        if not any(map(str.strip, lines)):
            raise ValueError("it holds no payload: one JSON object a line is expected")
        for number, line in enumerate(lines, 1):
            where = f"{path}, line {number}"
            if line.strip():
                yield _row(f"{Path(path).name}:{number}", json.loads(line))
    except (OSError, ValueError, RecursionError) as problem:
        said = problem.strerror if isinstance(problem, OSError) else problem
        raise BadPayloads(f"Cannot read {where}: {said}.") from None


def _row(where: str, row: Any) -> Row:
    if not isinstance(row, dict):
        raise ValueError("a JSON object is expected")
    row = cast("JSON", row)
    expect: JSON = row.get("expect") or {}
    if isinstance(row.get("input"), dict) and isinstance(row.get("routes"), list):
        return Row(where, f"{row.get('id', '')}  {row.get('source', '')}", row["routes"], row["input"], expect)
    kind, payload = row.get("kind", "retrieve" if expect else None), row.get("payload")
    if kind not in list(KINDS) or not isinstance(payload, dict):
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)}, and 'payload' a JSON object")
    name = row.get("source") or f"{row.get('server', '')}: {row.get('cause', '')}".strip(": ")
    status = f", HTTP {row['http_status']}" if kind == "http" and row.get("http_status") else ""
    return Row(where, f"{kind}{status}  {name}", KINDS[kind], _case(kind, cast("JSON", payload)), expect)


def _case(kind: str, payload: JSON) -> JSON:
    if kind == "sse":
        return {"events": [created({}), payload]}
    if kind == "http":
        return {"body": {"id": "resp_f", "object": "response", "status": "failed", "error": payload.get("error")}}
    sent = payload.get("id")
    return {"body": payload, "id": sent if kind == "retrieve" and isinstance(sent, str) and sent else "resp_f"}


# -- whether it is right


def try_row(row: Row, server: Loopback) -> tuple[Seen, list[str], list[str]]:
    """Takes every route of a row.

    Returns:
        What came of the first route, what nobody explains, and what is other than expected: sentences that name the route.
    """
    seen = {route: go(route, row.case, server) for route in row.routes}
    foreign = [f"{route}: {type(one.error).__name__}: {one.error}" for route, one in seen.items() if _is_foreign(one)]
    other = [f"{route}: {told}" for route, one in seen.items() for told in _other_than(row.expect, one)]
    ours = {route: one.error for route, one in seen.items() if isinstance(one.error, BackgroundResponseError)}
    if len({(type(error), error.retryable) for error in ours.values()}) > 1:
        other.append(f"{' and '.join(ours)} do not agree")
    return next(iter(seen.values())), foreign, other


def _is_foreign(seen: Seen) -> bool:
    """Whether it is none of the SDK's, nor what `raise_on_failure` says of a thing that is no response."""
    no_response = isinstance(seen.error, TypeError) and str(seen.error).startswith("Expected a response")
    return seen.error is not None and not isinstance(seen.error, OpenAIError) and not no_response


def _other_than(expect: Mapping[str, Any], seen: Seen) -> list[str]:
    """What is not as `expect` has it, in words."""
    error, final, text = seen.error, _final(seen.last), str(seen.error)
    if expect.get("or_raises") and isinstance(error, OpenAIError):
        return []
    facts = {name: getattr(error, name, None) for name in ("retryable", "code", "reason", "sequence_number")}
    facts |= {
        "partial": getattr(error, "output_text", None),
        "first": seen.first,
        "last_status": getattr(final, "status", None),
        "last_id": getattr(final, "id", None),
        "parsed": getattr(final, "output_parsed", None) is not None,
        "text": [part for part in expect.get("text", ()) if part in text],
        "no_text": [part for part in expect.get("no_text", ()) if part not in text],
    }
    wrong = {name: fact for name, fact in facts.items() if expect.get(name) not in (None, fact)}
    if "class" in expect and not _is_of(error, expect["class"]):
        wrong["class"] = type(error).__name__
    wait, wanted = getattr(error, "retry_after", None), expect.get("retry_after")
    within = expect.get("retry_after_within", 0.01)
    if wanted is not None and (wait is None or abs(wait - wanted) > within):
        wrong["retry_after"] = wait
    if seen.seconds > expect.get("within_s", math.inf):
        wrong["within_s"] = round(seen.seconds, 1)
    return [f"{name} {fact!r}, expected {expect[name]!r}" for name, fact in wrong.items()]


def _final(last: Any) -> Any:
    """The response that was returned, also as the last event or as the JSON that `raise_on_failure` gives back."""
    found = getattr(last, "response", None) or last
    return construct_type(type_=Response, value=cast("JSON", found)) if isinstance(found, dict) else found


def _is_of(error: Exception | None, name: str | None) -> bool:
    """Whether it is what a corpus calls so: None, `*`, `base`, `!TheirClass`, `BackgroundClass` or `StatusClass`."""
    ours = isinstance(error, BackgroundResponseError)
    if name is None or name == "*":
        return ours if name else error is None
    if name == "base":
        return ours and not isinstance(error, (APIStatusError, ContentFilterFinishReasonError))
    # By name, so that a class which is not there is a miss and no fault of this program.
    names = {base.__name__ for base in type(error).__mro__}
    if name.startswith("!"):
        return name[1:] in names and not ours
    return name in names and (ours or name.startswith("Background"))


# -- on paper


def show_payloads(paths: Sequence[str], console: Console) -> bool:
    """Prints the verdict on each row; returns whether every row is explained and as expected.

    Raises:
        BadPayloads: see `read_payloads`; nothing was printed then.
    """
    rows = [row for path in paths for row in read_payloads(path)]
    logging.getLogger("openai").addHandler(logging.NullHandler())  # what a wait logs on the way is not shown
    raised = 0
    named: dict[str, list[str]] = {"Unexplained": [], "Other than expected": []}
    with Loopback(log=False) as server:
        for row in rows:
            shown, foreign, other = try_row(row, server)
            raised += shown.error is not None
            for rows_of, found in zip(named.values(), (foreign, other), strict=True):
                rows_of += [row.where] * bool(found)
            say(f"{row.where}  {row.title}", console, indent=0)
            for line in [*_verdict(shown), *(f"WRONG  {told}" for told in foreign + other)]:
                say(line, console)
            console.print()
    console.print(f"{len(rows)} payloads: {raised} raise, {len(rows) - raised} do not.")
    if not any(named.values()):
        console.print("No row unexplained, none other than expected.")
        return True
    say(" ".join(f"{what}: {', '.join(where) or 'none'}." for what, where in named.items()), console, indent=0)
    return False


def _verdict(seen: Seen) -> Iterator[str]:
    error = seen.error
    if error is None:
        yield f"nothing raised, status {getattr(_final(seen.last), 'status', None) or 'missing'}"
    elif isinstance(error, BackgroundResponseError):
        label = f"reason {error.reason}" if error.reason and not error.code else f"code {error.code or '-'}"
        retry = f"retryable {'yes' if error.retryable else 'no'}  retry_after {in_seconds(error.retry_after)}"
        yield f"{type(error).__name__}  {label}  {retry}"
        yield f"because {error}"
    else:
        yield f"{type(error).__name__}: {error}"


def in_seconds(value: float | None) -> str:
    """A waiting time to read."""
    return "-" if value is None else f"{value:.3f}".rstrip("0").rstrip(".") + " s"


def say(text: str, console: Console, *, indent: int = 4) -> None:
    """Prints a text in lines of at most `WIDTH` columns, with nothing left out."""
    # Payloads come from anywhere: what is no printable character must not reach the terminal as it is.
    clean = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    first, then = " " * indent, " " * (indent + 4)
    wrapped = textwrap.wrap(clean, WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)
    console.print("\n".join(wrapped))
