"""What was measured, as a table on the terminal, as JSON, and as the generated pages. No number is written by hand.

Promises: a page holds when, on what kind of machine and by which command its numbers were measured; whether a bound
was met is computed from the same numbers that are shown.
"""

from __future__ import annotations

import os
import sys
import json
import platform
from typing import Any, NamedTuple
from pathlib import Path
from datetime import datetime, timezone
from statistics import median
from collections.abc import Iterable, Sequence

from .. import ROOT, Refusal, pin

PAGE, DATA, README = "docs/benchmarks.md", "docs/benchmarks.json", "README.md"
NOISE = "twin"
BEGIN, END = "<!-- generated: bench -->", "<!-- /generated -->"


class Row(NamedTuple):
    """One line of the table: what was measured in each round."""

    name: str
    title: str
    unit: str
    """`x` for a ratio to stock, `ms`, `kB`."""

    values: list[float]
    most: float | None
    least: float | None
    note: str
    """The absolute values behind a ratio, for orientation; they depend on the machine."""

    @property
    def middle(self) -> float:
        """The median over the rounds, which is held against the bounds."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median is within the bounds; None where there are none."""
        if self.most is None and self.least is None:
            return None
        # As precise as the bounds are written.
        shown = round(self.middle, 2)
        return (self.most is None or shown <= self.most) and (self.least is None or shown >= self.least)

    @property
    def bound(self) -> str:
        """The bounds in words."""
        if self.most is None:
            return "-"
        return f"{self.least:g} to {self.most:g}" if self.least is not None else f"at most {self.most:g}"

    def data(self) -> dict[str, Any]:
        """For the JSON file."""
        values = [round(value, 4) for value in self.values]
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "min": min(values),
            "median": round(self.middle, 4),
            "max": max(values),
            "rounds": values,
            "most": self.most,
            "least": self.least,
            "met": self.met,
            "note": self.note,
        }


def circumstances(command: str, rounds: int) -> dict[str, Any]:
    """When, on what and how it was measured; nothing that names a machine or its user."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": command,
        "rounds": rounds,
        "upstream": pin.load(ROOT).upstream,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": round(load, 1) if load is not None else None,
    }


def text(data: dict[str, Any], rows: Sequence[Row]) -> str:
    """All tables for the terminal; those of the page below the first one."""
    parts = [_ratios(rows)] if rows else []
    parts += ["\n".join(_waits(data["waits"]))] if data["waits"] else []
    return "\n\n".join(parts)


def _ratios(rows: Sequence[Row]) -> str:
    lines = [("", "min", "median", "max", "bound", "met", "")]
    for row in rows:
        lines.append((row.title, *_numbers(row), row.bound, _yes(row.met), row.note))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = (0, 4, 6)  # words; the rest is numbers
    return "\n".join(
        "  ".join(
            cell.ljust(widths[at]) if at in left else cell.rjust(widths[at]) for at, cell in enumerate(line)
        ).rstrip()
        for line in lines
    )


def page(data: dict[str, Any], rows: Sequence[Row]) -> str:
    """docs/benchmarks.md."""
    parts = ["# Benchmarks", "", *_preface(data), "", *_table(rows), ""]
    if data["waits"]:
        parts += ["## Requests and detection latency", "", *_waits(data["waits"]), ""]
    return "\n".join(parts)


def write(data: dict[str, Any], rows: Sequence[Row], root: Path = ROOT) -> list[str]:
    """Writes the pages and the README's block; returns the paths. Raises Refusal where the block is not closed."""
    written = {DATA: dumps(data), PAGE: page(data, rows)}
    readme = root / README
    if readme.is_file():
        before = readme.read_text(encoding="utf-8")
        if BEGIN in before:
            head, _, rest = before.partition(BEGIN)
            _, closed, tail = rest.partition(END)
            if not closed:
                raise Refusal(f"{README} has {BEGIN} without {END} behind it; nothing was written.")
            few = [row for row in rows if row.met is not None or row.name == NOISE]
            block = "\n".join([BEGIN, *_preface(data), "", *_table(few), "", f"[All of it]({PAGE}).", END])
            written[README] = head + block + tail
    for path, content in written.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    return list(written)


def dumps(data: dict[str, Any]) -> str:
    """The JSON, as it is written to a file."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _preface(data: dict[str, Any]) -> Iterable[str]:
    about = data["about"]
    load = f", load {about['load']:g} at the end" if about["load"] is not None else ""
    yield (
        f"Measured on {about['date']} with `{about['command']}`: {about['rounds']} rounds, {about['python']}, "
        f"{about['system']}, {about['cores']} cores{load}. A ratio is the fork's CPU time to that of stock openai "
        f"{about['upstream']}, in the same run, over an in-process transport; a bound is held against the median, rounded "
        "as the bound is."
    )


def _table(rows: Sequence[Row]) -> Iterable[str]:
    yield "| what | min | median | max | bound | met | absolute |"
    yield "|---|---:|---:|---:|---|---|---|"
    for row in rows:
        low, middle, high = _numbers(row)
        yield f"| {row.title} | {low} | **{middle}** | {high} | {row.bound} | {_yes(row.met)} | {row.note} |"


def _waits(waits: Sequence[dict[str, Any]]) -> Iterable[str]:
    yield "Simulated runs on a virtual clock, no hint from the server; latency is from the end to its notice."
    yield ""
    yield "| run | policy | requests, median | most | latency, median | most | bound met |"
    yield "|---|---|---:|---:|---:|---:|---|"
    for wait in waits:
        yield (
            f"| {wait['length']} | {wait['policy']} | {wait['requests']:g} | {wait['most_requests']} "
            f"| {wait['latency']:.1f} s | {wait['most_latency']:.1f} s | {_yes(wait['met'])} |"
        )


def _numbers(row: Row) -> tuple[str, str, str]:
    def shown(value: float) -> str:
        return f"{value:.3f}" if row.unit == "x" else f"{value:.2f} {row.unit}"

    return shown(min(row.values)), shown(row.middle), shown(max(row.values))


def _yes(met: bool | None) -> str:
    return "-" if met is None else "yes" if met else "NO"


def fail(sentence: str) -> int:
    """Says why on the error stream; returns the exit status."""
    print(f"bench: {sentence}", file=sys.stderr)
    return 1
