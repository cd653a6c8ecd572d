"""`./scripts/demo --payloads FILE…`: what the contract says about recorded payloads, why, and whether that is right.

A line of a file is a JSON object in one of three forms; what it does not name is not judged:

    {"kind": …, "payload": …}                        a `retrieve` body, the data of an `sse` event, the `http` body with
                                                     which the same failure ends a synchronous call, or a `webhook` body
    {"payload": …, "expect": …}                      a body, and the class and `retryable` that it should give
    {"input": …, "routes": […], "expect": …}         answers or events, the routes to try, and what each should give

Each row goes by all its routes (see `demo_routes`), which have to agree. The reason that is shown is read off the error
and the table. Every row gets one, also where nothing is raised.
"""

from __future__ import annotations

import json
import logging
import textwrap
from typing import Any, TextIO, NamedTuple, cast
from pathlib import Path
from dataclasses import dataclass
from collections.abc import Mapping, Sequence

from openai import (
    OpenAIError,
    APIStatusError,
    BackgroundResponseError,
    APIResponseValidationError,
    ContentFilterFinishReasonError,
)
from openai._models import construct_type
from openai.types.responses import Response
from openai.lib.background._table import find_rule
from openai.lib.background._errors import text_of
from openai.lib.background._verdict import read_outcome

from .demo_routes import Seen, go, is_tried

KINDS = {
    "retrieve": ("retrieve", "poll", "raise"),
    "sse": ("stream", "raise:last"),
    "http": ("retrieve", "poll", "raise"),
    "webhook": ("raise",),
}
"""The routes of a payload, by its kind; the first decides what is shown."""


class BadPayloads(Exception):
    """The file cannot be used; the text names the file, the line, and what is wrong with it."""


@dataclass(frozen=True)
class Row:
    """One recorded payload."""

    line: int
    title: str
    routes: tuple[str, ...]
    case: Mapping[str, Any]
    """What `demo_routes.go` takes."""
    expect: Mapping[str, Any] | None = None
    http_status: int | None = None
    """With which the same failure ended a synchronous call."""


class Tried(NamedTuple):
    """A row, when its routes were taken."""

    shown: Seen
    why: str
    """In one line; '' where there is no explanation, which is a fault of ours."""
    wrong: list[str]
    """What is other than expected, each as a sentence that names the route."""
    skipped: list[str]
    """Routes that are not tried here."""


def read_payloads(path: str) -> list[Row]:
    """The rows of a file.

    Raises:
        BadPayloads: it cannot be read, or a line is not what it should be.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as problem:
        raise BadPayloads(f"Cannot read {path}: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise BadPayloads(f"Cannot read {path}: it is not UTF-8 text.") from None
    # Not `splitlines`: JSON may hold line separators of Unicode as they are.
    rows = [_read(path, number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not rows:
        raise BadPayloads(f"{path} holds no payload: one JSON object a line is expected.")
    return rows


def _read(path: str, number: int, line: str) -> Row:
    where = f"{path}, line {number}"
    try:
        read = json.loads(line)
    except RecursionError:
        raise BadPayloads(f"{where}: nested too deeply.") from None
    except ValueError as problem:
        raise BadPayloads(f"{where}: not JSON ({problem}).") from None
    if not isinstance(read, dict):
        raise BadPayloads(f"{where}: a JSON object is expected.")
    row = cast("dict[str, Any]", read)
    expect = row.get("expect")
    if isinstance(row.get("input"), dict) and isinstance(row.get("routes"), list):
        return Row(number, f"{row.get('id', '')}  {row.get('source', '')}", tuple(row["routes"]), row["input"], expect)
    kind = row.get("kind", "retrieve" if expect is not None else None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadPayloads(f"{where}: 'kind' must be one of {', '.join(KINDS)}.")
    if not isinstance(row.get("payload"), dict):
        raise BadPayloads(f"{where}: 'payload' must be a JSON object.")
    status = row.get("http_status") if kind == "http" else None
    name = row.get("source") or f"{row.get('server', '')}: {row.get('cause', '')}".strip(": ")
    title = f"{kind}{f', HTTP {status}' if status else ''}  {name}"
    return Row(
        number, title, KINDS[kind], _case(kind, row["payload"]), expect, status if isinstance(status, int) else None
    )


def _case(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    if kind == "sse":
        created = {"type": "response.created", "sequence_number": 0, "response": {"status": "in_progress"}}
        return {"events": [created, payload]}
    if kind == "http":
        body = {"id": "resp_http", "object": "response", "status": "failed", "error": payload.get("error")}
        return {"id": "resp_http", "body": body}
    response_id = payload.get("id")
    return {
        "id": response_id if kind == "retrieve" and isinstance(response_id, str) and response_id else "resp_f",
        "body": payload,
    }


def try_row(row: Row) -> Tried:
    """Takes every route of a row."""
    seen = {route: go(route, row.case) for route in row.routes if is_tried(route)}
    shown = next(iter(seen.values()), Seen(None, None, 0.0))
    wrong = [f"{route}: {told}" for route, one in seen.items() for told in _other_than(row.expect or {}, one)]
    wrong += [f"{route}: {type(one.error).__name__}: {one.error}" for route, one in seen.items() if not _why(row, one)]
    verdicts = {(type(one.error), one.error.retryable): route for route, one in seen.items()
                if isinstance(one.error, BackgroundResponseError)}  # fmt: skip
    if len(verdicts) > 1:
        wrong.append(f"{' and '.join(verdicts.values())} do not agree")
    skipped = [route for route in row.routes if route not in seen]
    why = _why(row, shown) if seen else f"none of its routes is tried here: {', '.join(skipped)}"
    return Tried(shown, why, wrong, skipped)


# -- why


def _why(row: Row, seen: Seen) -> str:
    error = seen.error
    if error is None:
        return _why_not(row, seen)
    if isinstance(error, BackgroundResponseError):
        return _why_raised(row, error)
    text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    ours = type(error).__name__.startswith("Background")  # the stream broke off, the time is up
    no_response = isinstance(error, APIResponseValidationError) or (
        isinstance(error, TypeError) and text.startswith("TypeError: Expected a response")
    )
    refused = isinstance(error, APIStatusError)  # what the server answered to the request itself
    return text if ours or no_response or refused else ""


def _why_raised(row: Row, error: BackgroundResponseError) -> str:
    body = _members(row.case.get("body"))
    if body.get("object") == "event":
        return f"a webhook carries only an id: retrieve {error.response_id} with the flag to learn the cause"
    if error.status in ("cancelled", "expired"):
        return f"status {error.status}"
    if error.status == "incomplete":
        return f"status incomplete, {f'reason {error.reason}' if error.reason else 'no reason given'}"
    code, kind = find_rule("code", error.code), find_rule("type", error.type)
    unknown = f"unknown code {error.code}" if error.code else "no code"
    if not error.known:
        sent = error.code or error.type or error.param or read_outcome(body).error
        why = f"{unknown}, {f'unknown type {error.type}' if error.type else 'no type'}"
        why = (why if sent else "failed without an error object") + ": no class is claimed, no retry"
    elif code is not None and code.equivalent is error.equivalent:
        if code.kind == "status":
            why = f"the code {error.code} is a number: read as an HTTP status"
        else:
            why = f"known {code.kind} {error.code}" + (" in the place of a code" if code.kind == "type" else "")
    elif kind is not None and kind.equivalent is error.equivalent:
        why = f"{unknown}: the type {error.type} decides"
    else:
        why = (
            f"{f'code {error.code}' if error.code else 'no code'}: the cause stands in the message or beside the error"
        )
    if any(rule is not None and rule.retryable for rule in (code, kind)) and error.known and not error.retryable:
        why += "; the rest of it forbids a retry"
    outer = text_of(_members(body.get("error")).get("code"))
    if outer not in (None, error.code):
        why += f", inside {outer}"
    status = getattr(error, "status_code", None)
    if None not in (status, row.http_status) and status != row.http_status:
        why += f"; this call was answered with {row.http_status}, which the table has as {status}"
    return why


def _members(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _why_not(row: Row, seen: Seen) -> str:
    if row.routes[0].startswith("delivered:"):
        return f"{row.routes[0]}, at once"
    status = getattr(seen.last, "status", None) or getattr(getattr(seen.last, "response", None), "status", None)
    if status:
        return f"status {status} is no failure"
    body = _members(row.case.get("body") or row.case.get("events", [None])[-1])
    if read_outcome(body).status:
        return f"status {read_outcome(body).status} is no failure"
    return f"neither a status nor an error says that it has ended; its members: {', '.join(body) or 'none'}"


# -- whether it is right


def _other_than(expect: Mapping[str, Any], seen: Seen) -> list[str]:
    """What is not as `expect` has it, in words."""
    error: Any = seen.error
    if expect.get("or_raises") and isinstance(error, OpenAIError):
        return []
    final: Any = getattr(seen.last, "response", None) or seen.last
    if isinstance(final, dict):  # `raise_on_failure` gives back what it got
        final = construct_type(type_=Response, value=_members(seen.last))
    found: list[tuple[str, Any, Any]] = []
    if "class" in expect and not _is_of(error, expect["class"]):
        found.append(("class", expect["class"], type(error).__name__ if error is not None else None))
    for name, value in (
        ("retryable", getattr(error, "retryable", None)),
        ("code", getattr(error, "code", None)),
        ("reason", getattr(error, "reason", None)),
        ("sequence_number", getattr(error, "sequence_number", None)),
        ("partial", getattr(error, "output_text", None)),
        ("last_status", getattr(final, "status", None)),
        ("last_id", getattr(final, "id", None)),
    ):
        if expect.get(name) is not None and value != expect[name] and (error is not None or name.startswith("last")):
            found.append((name, expect[name], value))
    if expect.get("parsed") and getattr(final, "output_parsed", None) is None:
        found.append(("parsed", True, None))
    if expect.get("retry_after") is not None:
        wait = getattr(error, "retry_after", None)
        within = expect.get("retry_after_within", 0.01)
        if wait is None or abs(wait - expect["retry_after"]) > within:
            found.append(("retry_after", expect["retry_after"], wait))
    found += [("text", part, str(error)) for part in expect.get("text", ()) if part not in str(error)]
    found += [("no_text", part, str(error)) for part in expect.get("no_text", ()) if part in str(error)]
    if seen.seconds > expect.get("within_s", float("inf")):
        found.append(("within_s", expect["within_s"], round(seen.seconds, 1)))
    return [f"{name} {was!r}, expected {wanted!r}" for name, wanted, was in found]


def _is_of(error: Exception | None, name: str | None) -> bool:
    """Whether it is what a corpus calls so: None, `*`, `base`, `!TheirClass`, `BackgroundClass` or `StatusClass`."""
    ours = isinstance(error, BackgroundResponseError)
    if name is None:
        return error is None
    if name == "*":
        return ours
    if name == "base":
        return ours and not isinstance(error, (APIStatusError, ContentFilterFinishReasonError))
    # By name, so that a class which is not there is a miss and no fault of this program.
    names = {base.__name__ for base in type(error).__mro__}
    if name.startswith("!"):
        return name[1:] in names and not ours
    return name in names and (ours or name.startswith("Background"))


# -- on paper


def in_seconds(value: float | None) -> str:
    """A waiting time to read."""
    return "-" if value is None else f"{value:.3f}".rstrip("0").rstrip(".") + " s"


def show_payloads(paths: Sequence[str], out: TextIO, *, width: int) -> bool:
    """Prints the verdict on each row; returns whether every row is explained and as expected.

    Raises:
        BadPayloads: see `read_payloads`; nothing was printed then.
    """
    files = [(path, read_payloads(path)) for path in paths]
    logging.getLogger("openai").addHandler(logging.NullHandler())  # what a wait logs on the way is not shown
    count = raised = 0
    unexplained: list[str] = []
    other: list[str] = []
    for path, rows in files:
        if len(files) > 1:
            say(path, out, width, indent=0)
            print("", file=out)
        for row in rows:
            tried = try_row(row)
            where = f"{Path(path).name}:{row.line}" if len(files) > 1 else f"line {row.line}"
            count += 1
            raised += tried.shown.error is not None
            unexplained += [where] * (not tried.why)
            other += [where] * bool(tried.wrong)
            _show(row, tried, out, width)
    print(f"{count} payloads: {raised} raise, {count - raised} do not.", file=out)
    if not unexplained and not other:
        print("No row unexplained, none other than expected.", file=out)
        return True
    say(
        f"Unexplained: {', '.join(unexplained) or 'none'}. Other than expected: {', '.join(other) or 'none'}.",
        out,
        width,
        indent=0,
    )
    return False


def _show(row: Row, tried: Tried, out: TextIO, width: int) -> None:
    error = tried.shown.error
    say(f"line {row.line}  {row.title}", out, width, indent=0)
    if isinstance(error, BackgroundResponseError):
        label = f"reason {error.reason}" if error.reason and not error.code else f"code {error.code or '-'}"
        what = f"{type(error).__name__}  {label}"
        how = f"retryable {'yes' if error.retryable else 'no'}  retry_after {in_seconds(error.retry_after)}"
        for line in [f"{what}  {how}"] if len(what) + len(how) + 6 <= width else [what, how]:
            say(line, out, width)
    else:
        say("nothing raised" if error is None else type(error).__name__, out, width)
    say(f"because {tried.why or 'of nothing that is known here'}", out, width)
    if tried.skipped:
        say(f"not tried here: {', '.join(tried.skipped)}", out, width)
    for told in tried.wrong:
        say(f"WRONG  {told}", out, width)
    print("", file=out)


def say(text: str, out: TextIO, width: int, *, indent: int = 4) -> None:
    """Prints a text in lines of at most `width` columns, with nothing left out."""
    # Payloads come from anywhere: what is no printable character must not reach the terminal as it is.
    clean = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    space = " " * indent
    lines = textwrap.wrap(
        clean,
        width,
        initial_indent=space,
        subsequent_indent=space + "    ",
        drop_whitespace=True,
        break_on_hyphens=False,
    )
    print("\n".join(lines), file=out)
