"""Median, interval and verdict of what was measured, and the table.

Promises: a bound is called met only where the whole interval is within it, and missed only where none of it is; between
these the run cannot tell, and says so.
"""

from __future__ import annotations

from math import comb
from typing import Sequence
from statistics import median
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Row:
    """One line: a value for each round, what it may be at most, and the absolute numbers behind it."""

    title: str
    values: Sequence[float]
    most: float | None = None
    absolute: str = ""
    exact: bool = False
    """Whether each round would give the same: one value says all, in kilobytes."""

    @property
    def middle(self) -> float:
        """The median over the rounds."""
        return median(self.values)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the median of all rounds that could be made is, with CONFIDENCE, whatever their distribution: from the
        k-th smallest value to the k-th largest. None for fewer than six."""
        if self.exact:
            return self.middle, self.middle
        count, ordered = len(self.values), sorted(self.values)
        outside = [sum(comb(count, below) for below in range(at)) / 2**count for at in range(count // 2 + 1)]
        sure = [at for at, chance in enumerate(outside) if at and 2 * chance <= 1 - CONFIDENCE]
        return (ordered[sure[-1] - 1], ordered[-sure[-1]]) if sure else None

    @property
    def met(self) -> str:
        """Whether it is within its bound."""
        if self.most is None:
            return ""
        if self.interval is None:
            return "cannot tell"
        low, high = self.interval
        return "yes" if high <= self.most else "NO" if low > self.most else "cannot tell"

    def cells(self) -> tuple[str, ...]:
        """For the table."""
        interval = "-" if self.interval is None else "{:.3f} to {:.3f}".format(*self.interval)
        middle = f"{self.middle:.2f} kB" if self.exact else f"{self.middle:.3f}"
        most = "" if self.most is None else f"{self.most:.2f}"
        return self.title, middle, "exact" if self.exact else interval, most, self.met, self.absolute


HEAD = ("fork to stock", "median", "95 % interval", "at most", "met", "stock, other")


def table(rows: Sequence[Row]) -> str:
    """All rows as a table that reads in a terminal and in Markdown."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "|".join("-" * (width + 2) for width in widths)
    shown = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([shown[0], f"|{rule}|", *shown[1:]])
