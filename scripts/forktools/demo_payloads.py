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
import logging
import textwrap
from typing import Any, TextIO, NamedTuple, cast
from pathlib import Path
from collections.abc import Mapping, Sequence

from openai import (
    OpenAIError,
    APIStatusError,
    BackgroundResponseError,
    ContentFilterFinishReasonError,
)
from openai._models import construct_type
from openai.types.responses import Response

from .demo_routes import JSON, Seen, go, created, is_tried

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

    line: int
    title: str
    routes: Sequence[str]
    case: Mapping[str, Any]
    """`body`, `events` (or `raw`, `raw_tail`), `answers`, …; see the corpora's README."""
    expect: Mapping[str, Any]


# -- reading


def read_payloads(path: str) -> list[Row]:
    """The rows of a file. Raises BadPayloads when it cannot be read, or a line is not what it should be."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as problem:
        raise BadPayloads(f"Cannot read {path}: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise BadPayloads(f"Cannot read {path}: it is not UTF-8 text.") from None
    # Not `splitlines`: JSON may hold line separators of Unicode as they are.
    rows = [
        _read(f"{path}, line {number}", number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()
    ]
    if not rows:
        raise BadPayloads(f"{path} holds no payload: one JSON object a line is expected.")
    return rows


def _read(where: str, number: int, line: str) -> Row:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise BadPayloads(f"{where}: not JSON ({problem}).") from None
    if not isinstance(row, dict):
        raise BadPayloads(f"{where}: a JSON object is expected.")
    row = cast("JSON", row)
    expect: JSON = row.get("expect") or {}
    if isinstance(row.get("input"), dict) and isinstance(row.get("routes"), list):
        return Row(number, f"{row.get('id', '')}  {row.get('source', '')}", row["routes"], row["input"], expect)
    kind, payload = row.get("kind", "retrieve" if expect else None), row.get("payload")
    if kind not in list(KINDS) or not isinstance(payload, dict):
        raise BadPayloads(f"{where}: 'kind' must be one of {', '.join(KINDS)}, and 'payload' a JSON object.")
    name = row.get("source") or f"{row.get('server', '')}: {row.get('cause', '')}".strip(": ")
    status = f", HTTP {row['http_status']}" if kind == "http" and row.get("http_status") else ""
    return Row(number, f"{kind}{status}  {name}", KINDS[kind], _case(kind, cast("JSON", payload)), expect)


def _case(kind: str, payload: JSON) -> JSON:
    if kind == "sse":
        return {"events": [created({}), payload]}
    if kind == "http":
        return {"body": {"id": "resp_f", "object": "response", "status": "failed", "error": payload.get("error")}}
    sent = payload.get("id")
    return {"body": payload, "id": sent if kind == "retrieve" and isinstance(sent, str) and sent else "resp_f"}


# -- whether it is right


class Tried(NamedTuple):
    """A row, when its routes were taken."""

    shown: Seen | None
    """By the first of them; None where none is known."""
    explained: bool
    wrong: list[str]
    """What is other than expected, each as a sentence that names the route."""
    skipped: list[str]
    """Routes that are not known here."""


def try_row(row: Row) -> Tried:
    """Takes every route of a row."""
    seen = {route: go(route, row.case) for route in row.routes if is_tried(route)}
    foreign = [
        f"{route}: {type(one.error).__name__}: {one.error}" for route, one in seen.items() if _is_foreign(one.error)
    ]
    wrong = [f"{route}: {told}" for route, one in seen.items() for told in _other_than(row.expect, one)]
    verdicts = {(type(one.error), one.error.retryable): route for route, one in seen.items()
                if isinstance(one.error, BackgroundResponseError)}  # fmt: skip
    if len(verdicts) > 1:
        wrong.append(f"{' and '.join(verdicts.values())} do not agree")
    skipped = [route for route in row.routes if route not in seen]
    return Tried(next(iter(seen.values()), None), not foreign, foreign + wrong, skipped)


def _is_foreign(error: Exception | None) -> bool:
    """Whether it is none of the SDK's, nor what `raise_on_failure` says of a thing that is no response."""
    no_response = isinstance(error, TypeError) and str(error).startswith("Expected a response")
    return error is not None and not isinstance(error, OpenAIError) and not no_response


def _other_than(expect: Mapping[str, Any], seen: Seen) -> list[str]:
    """What is not as `expect` has it, in words."""
    error: Any = seen.error
    if expect.get("or_raises") and isinstance(error, OpenAIError):
        return []
    final = _final(seen.last)
    found: list[tuple[str, Any, Any]] = []
    if "class" in expect and not _is_of(error, expect["class"]):
        found.append(("class", expect["class"], type(error).__name__ if error is not None else None))
    facts = {name: getattr(error, name, None) for name in ("retryable", "code", "reason", "sequence_number")}
    facts |= {"partial": getattr(error, "output_text", None), "first": seen.first}
    facts = facts if error is not None else {}
    facts |= {"last_status": getattr(final, "status", None), "last_id": getattr(final, "id", None)}
    found += [(name, expect[name], value) for name, value in facts.items() if expect.get(name) not in (None, value)]
    if expect.get("parsed") and getattr(final, "output_parsed", None) is None:
        found.append(("parsed", True, None))
    if expect.get("retry_after") is not None:
        wait = getattr(error, "retry_after", None)
        if wait is None or abs(wait - expect["retry_after"]) > expect.get("retry_after_within", 0.01):
            found.append(("retry_after", expect["retry_after"], wait))
    found += [("text", part, str(error)) for part in expect.get("text", ()) if part not in str(error)]
    found += [("no_text", part, str(error)) for part in expect.get("no_text", ()) if part in str(error)]
    if seen.seconds > expect.get("within_s", float("inf")):
        found.append(("within_s", expect["within_s"], round(seen.seconds, 1)))
    return [f"{name} {was!r}, expected {wanted!r}" for name, wanted, was in found]


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


def show_payloads(paths: Sequence[str], out: TextIO) -> bool:
    """Prints the verdict on each row; returns whether every row is explained and as expected.

    Raises:
        BadPayloads: see `read_payloads`; nothing was printed then.
    """
    files = {path: read_payloads(path) for path in paths}
    logging.getLogger("openai").addHandler(logging.NullHandler())  # what a wait logs on the way is not shown
    count = raised = 0
    unexplained: list[str] = []
    other: list[str] = []
    for path, rows in files.items():
        for row in rows:
            tried = try_row(row)
            where = f"{Path(path).name}:{row.line}" if len(files) > 1 else f"line {row.line}"
            count += 1
            raised += tried.shown is not None and tried.shown.error is not None
            unexplained += [where] * (not tried.explained)
            other += [where] * bool(tried.wrong)
            say(f"{where}  {row.title}", out, indent=0)
            _show(tried, out)
    print(f"{count} payloads: {raised} raise, {count - raised} do not.", file=out)
    if not unexplained and not other:
        print("No row unexplained, none other than expected.", file=out)
        return True
    named = f"Unexplained: {', '.join(unexplained) or 'none'}. Other than expected: {', '.join(other) or 'none'}."
    say(named, out, indent=0)
    return False


def _show(tried: Tried, out: TextIO) -> None:
    error = tried.shown.error if tried.shown is not None else None
    if isinstance(error, BackgroundResponseError):
        label = f"reason {error.reason}" if error.reason and not error.code else f"code {error.code or '-'}"
        retry = f"retryable {'yes' if error.retryable else 'no'}  retry_after {in_seconds(error.retry_after)}"
        say(f"{type(error).__name__}  {label}  {retry}", out)
    elif error is not None:
        say(type(error).__name__, out)
    elif tried.shown is not None:
        say(f"nothing raised, status {getattr(_final(tried.shown.last), 'status', None) or 'missing'}", out)
    if error is not None:
        say(f"because {error}", out)
    if tried.skipped:
        say(f"not tried here: {', '.join(tried.skipped)}", out)
    for told in tried.wrong:
        say(f"WRONG  {told}", out)
    print("", file=out)


def in_seconds(value: float | None) -> str:
    """A waiting time to read."""
    return "-" if value is None else f"{value:.3f}".rstrip("0").rstrip(".") + " s"


def say(text: str, out: TextIO, *, indent: int = 4) -> None:
    """Prints a text in lines of at most `WIDTH` columns, with nothing left out."""
    # Payloads come from anywhere: what is no printable character must not reach the terminal as it is.
    clean = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    first, then = " " * indent, " " * (indent + 4)
    wrapped = textwrap.wrap(clean, WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)
    print("\n".join(wrapped), file=out)
