"""The contract for readers: JSON for programs, text for a terminal (`_guide` has the Markdown).

Everything is made from the one table, the classes and the verdict itself, so that it cannot say something else. The SDK
never imports this module; `python -m openai.lib.background` and the checks of the pages do.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from difflib import get_close_matches
from textwrap import fill

from openai._exceptions import OpenAIError

from ._table import CONTRACT, CONTRACT_VERSION, Rule
from ._errors import BackgroundResponseError, BackgroundIncompleteError
from ._verdict import lookup, make_background_error

__all__ = [
    "ENDINGS",
    "KINDS",
    "Ending",
    "also_a",
    "article",
    "document",
    "explain",
    "explain_text",
    "outcome",
    "table_text",
    "to_json",
    "yes",
]

KINDS = {
    "code": "error.code",
    "status": "a number in the place of a code",
    "type": "error.type",
    "reason": "incomplete_details.reason",
}
"""Where the key of a row stands in a response, by the kind of the row, in the order in which they are asked."""

ATTESTED = {
    "official": "documented by the API",
    "observed": "seen in real payloads",
    "peer": "taken from other clients",
    "inferred": "inferred",
}


_TOO_LARGE = "request too large"
"""In a message, in any case of letters: the request is larger than the limit and never succeeds unchanged."""


class Ending(NamedTuple):
    """One value of `response.status`."""

    status: str
    set_by: str
    """Who may bring a run to this status."""
    terminal: bool
    meaning: str


ENDINGS = (
    Ending("queued", "the API", False, "The run waits for its turn."),
    Ending("in_progress", "the API", False, "The run is being worked on."),
    Ending("completed", "the API", True, "The run has done what was asked."),
    Ending("failed", "the API", True, "The run broke off; `error` says why."),
    Ending("incomplete", "the API", True, "The run stopped early; `incomplete_details.reason` says why."),
    Ending("cancelled", "whoever has the id and the key", True, "Somebody called `responses.cancel(id)`."),
)
"""The life of a run: every documented `response.status`, in the order in which a run can have them."""


def outcome(status: str) -> type[BackgroundResponseError] | None:
    """What a run of that status raises when nothing else is known of it; None where it is returned."""
    error = make_background_error({"id": "resp_", "status": status})
    return type(error) if error is not None else None


def also_a(error_class: type[BackgroundResponseError] | None) -> str | None:
    """The class of stock `openai` that an error of ours also is, beside `APIError`; None where there is none."""
    for base in (error_class or BackgroundResponseError).__mro__:
        ours = issubclass(base, BackgroundResponseError) or issubclass(BackgroundResponseError, base)
        if issubclass(base, OpenAIError) and not ours:
            return base.__name__
    return None


# For programs


def document() -> dict[str, Any]:
    """The whole contract as JSON-ready data: the content of `background_errors.json`."""
    return {
        "$schema": "background_errors.schema.json",
        "contract_version": CONTRACT_VERSION,
        "endings": [_ending_data(ending) for ending in ENDINGS],
        "failed": {
            "order": [kind for kind in KINDS if kind != "reason"],
            "otherwise": _class_data(BackgroundResponseError),
        },
        "incomplete": {"order": ["reason"], "otherwise": _class_data(BackgroundIncompleteError)},
        "never_retryable": {"types": _quota_types(), "message_contains": [_TOO_LARGE]},
        "rules": [_rule_data(rule) for rule in CONTRACT],
    }


def to_json(data: object) -> str:
    """JSON as it is published: readable, and one row a few lines, so that a changed row is a small diff."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def explain(term: str) -> dict[str, Any]:
    """What the contract knows of a code, reason, type, HTTP status or `response.status`, as JSON-ready data."""
    term = term.strip()
    rules = [_rule_data(rule) for rule in lookup(term)]
    endings = [_ending_data(ending) for ending in ENDINGS if ending.status == term]
    found: dict[str, Any] = {"query": term, "known": bool(rules or endings), "rules": rules, "endings": endings}
    if not found["known"]:
        known = [rule.key for rule in CONTRACT] + [ending.status for ending in ENDINGS]
        found["otherwise"] = {**_class_data(BackgroundResponseError), "retryable": False}
        found["nearest"] = get_close_matches(term.lower(), dict.fromkeys(known), n=3, cutoff=0.6)
    return found


def _quota_types() -> list[str]:
    """The types that forbid a retry beside a code that would allow one; asked of the verdict."""
    types = [rule.key for rule in CONTRACT if rule.kind == "type"]
    return [one for one in types if not _retryable({"code": "rate_limit_exceeded", "type": one})]


def _retryable(error: dict[str, str]) -> bool:
    made = make_background_error({"status": "failed", "error": error})
    return made is not None and made.retryable


def _class_data(error_class: type[BackgroundResponseError] | None) -> dict[str, Any]:
    return {"class": error_class.__name__ if error_class else None, "also_a": also_a(error_class)}


def _ending_data(ending: Ending) -> dict[str, Any]:
    raised = outcome(ending.status)
    return {**ending._asdict(), **_class_data(raised)}


def _rule_data(rule: Rule) -> dict[str, Any]:
    return {
        "kind": rule.kind,
        "key": rule.key,
        **_class_data(rule.error_class),
        "http_status": rule.http_status,
        "retryable": rule.retryable,
        "attested": rule.attested,
        "meaning": rule.meaning,
        "action": rule.action,
    }


# For a terminal: no colour, at most 90 columns, ASCII


def table_text() -> str:
    """The whole table, a line for each row."""
    rows = [(rule.key, _name(rule.error_class), _http(rule), yes(rule.retryable)) for rule in CONTRACT]
    heads = {kind: (place, "raised", "HTTP", "retryable") for kind, place in KINDS.items()}
    widths = [max(len(cell) for cell in column) for column in zip(*rows, *heads.values(), strict=True)]
    lines = [f"Failed background runs: the contract, version {CONTRACT_VERSION}"]
    for kind, head in heads.items():
        body = [row for rule, row in zip(CONTRACT, rows, strict=True) if rule.kind == kind]
        cells = [head, tuple("-" * width for width in widths), *body]
        lines += [
            "",
            *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells),
        ]
    return "\n".join(lines) + "\n"


def explain_text(term: str) -> str:
    """What the contract knows of one term, for someone with a log line."""
    found = explain(term)
    if not found["known"]:
        return _unknown_text(found)
    blocks: list[str] = []
    for rule in found["rules"]:
        also = f", also {article(rule['also_a'])}" if rule["also_a"] else ""
        facts = {
            "raised": f"{rule['class']}{also}" if rule["class"] else "nothing: the response is returned",
            "retryable": yes(rule["retryable"]),
            "HTTP": f"{rule['http_status']} for the same failure of a synchronous call" if rule["http_status"] else "",
            "do": rule["action"],
            "known": ATTESTED[rule["attested"]],
        }
        blocks.append(_block(f"{rule['key']} ({KINDS[rule['kind']]})", rule["meaning"], facts))
    for ending in found["endings"]:
        facts = {
            "raised": ending["class"] or "nothing: the response is returned",
            "set by": ending["set_by"],
            "more": "the class depends on the error: ask for its code or type" if ending["status"] == "failed" else "",
        }
        blocks.append(_block(f"{ending['status']} (response.status)", ending["meaning"], facts))
    return "\n".join(blocks)


def _unknown_text(found: dict[str, Any]) -> str:
    facts = {
        "as a code": "BackgroundResponseError, not retryable; unless `error.type` is known",
        "as a reason": "BackgroundIncompleteError, not retryable",
        "nearest": ", ".join(found["nearest"]) or "none",
    }
    return _block(found["query"] or '""', f"Not in the contract, version {CONTRACT_VERSION}.", facts)


def _block(title: str, meaning: str, facts: dict[str, str]) -> str:
    width = max(map(len, facts)) + 2
    lines = [title, fill(meaning, 88, initial_indent="  ", subsequent_indent="  ")]
    for name, text in facts.items():
        if text:
            lines.append(fill(text, 88, initial_indent=f"  {name:<{width}}", subsequent_indent=" " * (width + 2)))
    return "\n".join(lines) + "\n"


def _name(error_class: type[BackgroundResponseError] | None) -> str:
    return error_class.__name__ if error_class else "nothing"


def _http(rule: Rule) -> str:
    return str(rule.http_status) if rule.http_status else "-"


def yes(value: bool) -> str:
    """A bool in words."""
    return "yes" if value else "no"


def article(name: str, *, mark: str = "") -> str:
    """A class with its article, as in "an APIError"; `mark` goes around the name."""
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {mark}{name}{mark}"
