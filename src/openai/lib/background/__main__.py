"""`python -m openai.lib.background [CODE …]`: the contract in a terminal, for whoever has a code from a log.

Without arguments it prints the table; with a code, type, reason or number what that raises and whether a new run is
worth trying; with `--json` the same for programs. The exit code is 0, or 1 when an argument is not in the contract, or
2 for a wrong option.
"""

from __future__ import annotations

import sys
import json
import argparse
from typing import Any, Mapping
from difflib import get_close_matches
from textwrap import fill

from ._table import CONTRACT, CONTRACT_VERSION, Rule
from ._verdict import GOING_WELL, ENDED_BADLY, make_background_error

_PLACES = {
    "code": "error.code",
    "wrapper": "error.code, around a cause",
    "status": "a number in the place of a code",
    "type": "error.type",
    "reason": "incomplete_details.reason",
}
"""Where the key of a row stands, by the row's kind."""


def main(arguments: list[str] | None = None) -> int:
    """Print what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description="What a failed background run raises: the table, or rows of it."
    )
    parser.add_argument("code", nargs="*", help="an error code or type, an incomplete reason, or an HTTP status")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    options = parser.parse_args(arguments)
    found = {term: [row_of(rule) for rule in CONTRACT if rule.key == _key(term)] for term in options.code}
    if options.json:
        data = {"contract_version": CONTRACT_VERSION, "found": found} if found else document()
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    else:
        text = "\n".join(_explained(term, rows) for term, rows in found.items()) or _table()
    sys.stdout.write(text)
    return 0 if all(found.values()) else 1


def document() -> dict[str, Any]:
    """The whole contract as JSON-ready data: what each ending raises, and every row."""
    endings = {status: _raised({"status": status}) for status in (*GOING_WELL, *ENDED_BADLY)}
    return {"contract_version": CONTRACT_VERSION, "endings": endings, "rules": [row_of(rule) for rule in CONTRACT]}


def row_of(rule: Rule) -> dict[str, Any]:
    """A row as JSON-ready data, with the class that is raised for it."""
    raised = _raised(_response(rule.kind, rule.key.replace("xx", "00")))
    return {**rule._asdict(), "raised": raised, "equivalent": rule.equivalent.__name__ if rule.equivalent else None}


def _response(kind: str, key: str) -> dict[str, Any]:
    """A response that ended for what a row is about."""
    if kind == "reason":
        return {"status": "incomplete", "incomplete_details": {"reason": key}}
    return {"status": "failed", "error": {"type" if kind == "type" else "code": key}}


def _raised(response: dict[str, Any]) -> str | None:
    error = make_background_error(response)
    return type(error).__name__ if error is not None else None


def _key(term: str) -> str:
    """The key that a term is found under: `5xx` stands for every status without a row of its own."""
    return term if not term.isdigit() or term in {rule.key for rule in CONTRACT} else f"{term[:1]}xx"


def _explained(term: str, rows: list[dict[str, Any]]) -> str:
    """What the contract says of a term: one paragraph for each row, or the nearest keys."""
    if not rows:
        nearest = get_close_matches(term.lower(), {rule.key: rule for rule in CONTRACT})
        raised = "BackgroundResponseError; for a reason, BackgroundIncompleteError"
        facts = {"raised": raised, "retryable": "not known, so False", "nearest": ", ".join(nearest) or "none"}
        return _paragraph(f"{term}: not in the contract, version {CONTRACT_VERSION}", facts)
    return "\n".join(
        _paragraph(
            f"{row['key']} ({_PLACES[row['kind']]})",
            {
                "raised": row["raised"],
                "also a": row["equivalent"],
                "retryable": row["retryable"],
                "HTTP": row["http_status"],
                "meaning": row["meaning"],
            },
        )
        for row in rows
    )


def _paragraph(title: str, facts: Mapping[str, object]) -> str:
    lines = [f"  {name:<11}{fact}" for name, fact in facts.items() if fact is not None]
    return "\n".join([title, *(fill(line, 100, subsequent_indent=" " * 13) for line in lines)]) + "\n"


def _table() -> str:
    lines = [f"The contract of failed background runs, version {CONTRACT_VERSION}"]
    for kind, place in _PLACES.items():
        rows = [row_of(rule) for rule in CONTRACT if rule.kind == kind]
        lines += ["", f"{place:<42}{'raised':<38}{'HTTP':<6}retryable"] if rows else []
        for row in rows:
            lines.append(f"{row['key']:<42}{row['raised']:<38}{row['http_status'] or '-':<6}{row['retryable']}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
