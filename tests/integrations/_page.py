"""docs/integrations.md: its tables are made of what was measured, its text is written by hand around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from forktools import ROOT

PAGE = ROOT / "docs" / "integrations.md"


def table(rows: Iterable[Sequence[str]]) -> str:
    """In Markdown; the first row is the head."""
    head, *others = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *others))


def check(name: str, made: str, *, write: bool) -> None:
    """Holds the page to what was measured, or writes it."""
    text = PAGE.read_text(encoding="utf-8")
    block = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- /measured -->)", re.DOTALL)
    assert block.search(text), f"{PAGE.name} has no place for {name}"
    now = block.sub(lambda match: f"{match[1]}{made}{match[2]}", text)
    if write:
        PAGE.write_text(now, encoding="utf-8")
    assert write or text == now, "./scripts/test --integrations --write renews docs/integrations.md"


def written(start: Sequence[str]) -> list[str]:
    """The cells that the page has behind the first ones of a row; none where it has no such row."""
    line = rf"^{re.escape('| ' + ' | '.join(start))} \| (.*) \|$"
    found = re.search(line, PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].split(" | ") if found else []


def pinned(requirements: str, name: str) -> str:
    """The name and the version of one of the requirements."""
    text = (ROOT / "requirements" / f"{requirements}.txt").read_text(encoding="utf-8")
    (version,) = re.findall(rf"^{re.escape(name)}(?:\[\w+\])?==(\S+)", text, re.MULTILINE)
    return f"{name} {version}"
