"""The generated parts of `background.md`: the table in Markdown, and the tree of the classes, read from the classes.

`python -m openai.lib.background --markdown` prints them; the SDK never imports this module.
"""

from __future__ import annotations

from typing import Iterator, Sequence

from openai._exceptions import OpenAIError

from . import _errors  # pyright: ignore[reportPrivateUsage]
from ._pages import ENDINGS, yes, also_a, article, outcome
from ._table import CONTRACT, CONTRACT_VERSION, Rule
from ._errors import BackgroundResponseError

__all__ = ["classes", "ladder", "sections"]


def sections() -> dict[str, str]:
    """The generated parts of `background.md`, by the name in their markers."""
    return {
        "version": f"The contract described here is version **{CONTRACT_VERSION}**.",
        "endings": _table(
            ("`status`", "set by", "with the flag", "meaning"),
            [(_code(one.status), one.set_by, _raises(outcome(one.status)), one.meaning) for one in ENDINGS],
        ),
        "ladder": f"```text\n{ladder()}```",
        "table code": _by_class("code", "code"),
        "table status": _flat("status", "number"),
        "table type": _by_class("type", "type"),
        "table reason": _flat("reason", "reason"),
    }


def _by_class(kind: str, title: str) -> str:
    """A table for each class: with long keys and long names of classes, one table is too wide for a page."""
    rules = [rule for rule in CONTRACT if rule.kind == kind]
    parts: list[str] = []
    for cls in dict.fromkeys(rule.error_class for rule in rules):
        also = also_a(cls)
        parts.append(f"**{_raises(cls)}**" + (f", also {article(also, mark='`')}" if also else ", the base class"))
        rows = [
            (_code(rule.key), yes(rule.retryable), str(rule.http_status or "-"), _text(rule), rule.attested)
            for rule in rules
            if rule.error_class is cls
        ]
        parts.append(_table((title, "retryable", "HTTP", "meaning, and what to do", "known"), rows))
    return "\n\n".join(parts)


def _flat(kind: str, title: str) -> str:
    rows = [
        (_code(rule.key), _raises(rule.error_class), yes(rule.retryable), _text(rule), rule.attested)
        for rule in CONTRACT
        if rule.kind == kind
    ]
    return _table((title, "raised", "retryable", "meaning, and what to do", "known"), rows)


def classes() -> list[type[OpenAIError]]:
    """The classes, in the order in which they are defined."""
    return [value for name, value in vars(_errors).items() if name in _errors.__all__]


def ladder() -> str:
    """The tree of the classes, read from the classes."""
    children: dict[type, list[type]] = {}
    also: dict[type, str] = {}
    for cls in classes():
        _hang(cls, children, also)
    lines = [(OpenAIError.__name__, OpenAIError), *_branches(OpenAIError, children)]
    width = max(len(text) for text, _ in lines) + 2
    return "".join(f"{text:<{width}}{also.get(cls, '')}".rstrip() + "\n" for text, cls in lines)


def _hang(cls: type, children: dict[type, list[type]], also: dict[type, str]) -> None:
    """Put a class below its first base, and note the others."""
    first, *others = [base for base in cls.__bases__ if not base.__name__.startswith("_")]
    if cls in children.get(first, ()):
        return
    if first is not OpenAIError:
        _hang(first, children, also)
    children.setdefault(first, []).append(cls)
    if others:
        also[cls] = "also " + " and ".join(article(base.__name__) for base in others)


def _branches(cls: type, children: dict[type, list[type]], indent: str = "") -> Iterator[tuple[str, type]]:
    below = children.get(cls, [])
    for number, child in enumerate(below, 1):
        last = number == len(below)
        yield f"{indent}{'└─' if last else '├─'} {child.__name__}", child
        yield from _branches(child, children, indent + ("   " if last else "│  "))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _text(rule: Rule) -> str:
    return f"{rule.meaning} {rule.action}"


def _code(text: str) -> str:
    return f"`{text}`"


def _raises(error_class: type[BackgroundResponseError] | None) -> str:
    return _code(error_class.__name__) if error_class else "returned"
