"""`./scripts/demo --payloads FILE`: what the contract says about recorded payloads, and why.

A line of the file is a JSON object with `payload` and `kind`:

    retrieve  the body of a Response
    sse       the data of one server-sent event
    http      the body with which the same failure ends a synchronous call; its `error` is put into a failed Response
    webhook   the body of a webhook

and, if known, `source`, `note` and `http_status`, which are shown and not judged. The verdict is that of
`raise_on_failure`; the reason names the witness that decided it. Every row gets a reason, also where nothing is raised.
"""

from __future__ import annotations

import json
import textwrap
from typing import Any, TextIO, cast
from pathlib import Path
from dataclasses import dataclass

from openai import BackgroundResponseError
from openai.lib.background import raise_on_failure
from openai.lib.background._verdict import find, classify

KINDS = ("retrieve", "sse", "http", "webhook")


class BadPayloads(Exception):
    """The file cannot be used; the text names the file, the line, and what is wrong with it."""


@dataclass(frozen=True)
class Row:
    """One recorded payload."""

    line: int
    kind: str
    payload: dict[str, Any]
    source: str
    http_status: int | None

    @property
    def judged(self) -> dict[str, Any]:
        """What `raise_on_failure` is asked about."""
        if self.kind == "http":
            return {"status": "failed", "error": self.payload.get("error")}
        return self.payload


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
    if row.get("kind") not in KINDS:
        raise BadPayloads(f"{where}: 'kind' must be one of {', '.join(KINDS)}.")
    if not isinstance(row.get("payload"), dict):
        raise BadPayloads(f"{where}: 'payload' must be a JSON object.")
    status = row.get("http_status")
    return Row(
        number, row["kind"], row["payload"], str(row.get("source", "")), status if isinstance(status, int) else None
    )


def verdict(row: Row) -> tuple[BackgroundResponseError | None, str]:
    """The error that is raised, or None, and why in one line."""
    try:
        raise_on_failure(row.judged)
    except BackgroundResponseError as error:
        return error, _why_raised(row, error)
    return None, _why_not(row)


def _why_raised(row: Row, error: BackgroundResponseError) -> str:
    finding = find(row.judged)
    assert finding is not None  # something was raised
    if row.payload.get("object") == "event":
        return f"a webhook carries only an id: retrieve {error.response_id} with the flag to learn the cause"
    if error.status == "incomplete":
        return f"status incomplete, reason {error.reason}" if error.reason else "status incomplete, no reason given"
    if error.status == "cancelled":
        return "status cancelled"
    rule = classify(finding.error, http_status=finding.http_status)
    code = f"unknown code {error.code}" if error.code else "no code"
    if rule is None:
        if not finding.error:
            why = "failed without an error object: no class is claimed, no retry"
        else:
            kind = f"unknown type {error.type}" if error.type else "no type"
            why = f"{code}, {kind}: no class is claimed, no retry"
    elif rule.kind == "code":
        why = f"known code {rule.key}"
    elif rule.kind == "type":
        why = f"{code}: the type {rule.key} decides"
    elif error.code == rule.key:
        why = f"the code {rule.key} is a number: read as an HTTP status"
    else:
        why = f"{code}, no known type: the status {rule.key} of the event decides"
    if rule is not None and rule.retryable and not error.retryable:
        too_large = "request too large" in error.message.lower()
        why += "; the request is too large, so never retryable" if too_large else f"; type {error.type} forbids a retry"
    twin = getattr(error, "status_code", None)
    if row.kind == "http" and None not in (twin, row.http_status) and twin != row.http_status:
        why += f"; this call was answered with {row.http_status}, which the table has as {twin}"
    return why


def _why_not(row: Row) -> str:
    inner = _members(row.judged.get("response")) or row.judged
    status = inner.get("status")
    reason = _members(inner.get("incomplete_details")).get("reason")
    if status == "incomplete" and reason is not None:
        return f"reason {reason} is no failure: a successor carries on"
    if isinstance(status, str):
        return f"status {status} is no failure"
    output = inner.get("output")
    for number, item in enumerate(cast("list[object]", output) if isinstance(output, list) else ()):
        failure = _members(_members(item).get("error"))
        if failure:
            return (
                f"the Response itself has no status and no error; its output[{number}] failed "
                f"({_members(item).get('type')}: {failure.get('code')}), which the caller reads from that item"
            )
    members = ", ".join(row.judged) or "none"
    return f"not a Response, an event or an error body of the API; its members: {members}"


def _members(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def in_seconds(value: float | None) -> str:
    """A waiting time to read."""
    return "-" if value is None else f"{value:.3f}".rstrip("0").rstrip(".") + " s"


def _code(error: BackgroundResponseError) -> str:
    return f"reason {error.reason}" if error.reason and not error.code else f"code {error.code or '-'}"


def show_payloads(path: str, out: TextIO, *, width: int) -> None:
    """Prints the verdict on each row.

    Raises:
        BadPayloads: see `read_payloads`; nothing was printed then.
    """
    rows = read_payloads(path)
    raised = 0
    for row in rows:
        error, why = verdict(row)
        raised += error is not None
        status = f", HTTP {row.http_status}" if row.http_status is not None else ""
        say(f"line {row.line}  {row.kind}{status}  {row.source}", out, width, indent=0)
        if error is None:
            say("nothing raised", out, width)
        else:
            what = f"{type(error).__name__}  {_code(error)}"
            how = f"retryable {'yes' if error.retryable else 'no'}  retry_after {in_seconds(error.retry_after)}"
            for line in [f"{what}  {how}"] if len(what) + len(how) + 6 <= width else [what, how]:
                say(line, out, width)
        say(f"because {why}", out, width)
        print("", file=out)
    print(f"{len(rows)} payloads: {raised} raise, {len(rows) - raised} do not.", file=out)


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
