"""Median, interval and verdict of what was measured, and the table.

Promises: a bound is called met only where the whole interval is within it, and missed only where none of it is; between
these the run cannot tell, and says so.
"""

from __future__ import annotations

from math import comb
from typing import Sequence
from statistics import median

HEAD = ("fork to stock", "median", "95 % interval", "at most", "met", "stock, other")


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Where the median of all rounds that could be made is, with 95 %, whatever their distribution: from the k-th
    smallest value to the k-th largest. None for fewer than six."""
    count, ordered = len(values), sorted(values)
    # That median is below the k-th smallest value when fewer than k of so many coins show heads.
    below = [sum(comb(count, heads) for heads in range(k)) / 2**count for k in range(count // 2 + 1)]
    k = max(k for k, chance in enumerate(below) if chance <= 0.025)
    return (ordered[k - 1], ordered[-k]) if k else None


def met(between: tuple[float, float] | None, most: float | None) -> str:
    """Whether all values of an interval are within a bound."""
    if most is None:
        return ""
    if between is None or between[0] <= most < between[1]:
        return "cannot tell"
    return "yes" if between[1] <= most else "NO"


def row(title: str, values: Sequence[float], most: float | None, absolute: str, *, unit: str = "") -> tuple[str, ...]:
    """A line of the table. A value with a unit is the same in each round; one without is a ratio."""
    between = (values[0], values[0]) if unit else interval(values)
    shown = "exact" if unit else "{:.3f} to {:.3f}".format(*between) if between else "-"
    middle = f"{median(values):.2f} {unit}" if unit else f"{median(values):.3f}"
    return title, middle, shown, f"{most:.2f}" if most else "", met(between, most), absolute


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Reads in a terminal and in Markdown."""
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    lines = [HEAD, tuple("-" * width for width in widths), *rows]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)
