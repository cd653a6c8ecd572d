"""The result as Markdown: one row for each lane, then every test that has to be named.

Promises: numbers are those of the runs given; nothing is rounded away, and a time that comes from the cache says so. The
cover letter gets the same tables, between two marks, and nothing else in it is touched.
"""

from __future__ import annotations

import os
import platform
from typing import Iterator, Sequence
from pathlib import Path
from datetime import datetime, timezone
from dataclasses import dataclass

from .. import Refusal, interpreters
from .lint import Check
from .lanes import Run, Lane
from .compare import Comparison

INTRODUCTION = """\
# Upstream's own suite, stock against patched

Written by `scripts/test-upstream --all-lanes --write`; not edited by hand. Both trees are the source distribution of openai
{version}; the patched one has the series applied by `git am`. Every test is compared with itself. A regression is a test
that passes on stock and not on the patched tree, or a test that the series adds and that does not pass. A known failure
fails on stock in the same environment, and again each time that it is run alone. A test that fails on the patched tree
only is run again alone, up to three times on both trees, before it counts; what is excused so is named as a flake.

Measured on {date} on {machine}.
"""


@dataclass(frozen=True)
class Result:
    """One lane on both trees."""

    lane: Lane
    stock: Run
    patched: Run
    comparison: Comparison

    @property
    def passed(self) -> bool:
        """Whether nothing got worse."""
        return not self.comparison.regressions


PAGE, LETTER = "docs/upstream-suite.md", "patches/cover-letter.md"
BEGIN, END = "<!-- generated: upstream-suite -->\n", "<!-- /generated -->"


def machine() -> str:
    """The kind of machine, without its name."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"


def row(result: Result) -> str:
    """The lane's row."""
    comparison = result.comparison
    cells = [result.lane.title, _counts(result.stock), _counts(result.patched)]
    cells += [f"{len(found):,}" for found in (comparison.added, comparison.known, comparison.flakes)]
    cells += [f"**{len(comparison.regressions)}**", f"{_time(result.stock)} / {_time(result.patched)}"]
    return f"| {' | '.join(cells)} |"


COUNTS = "Counts are passed / failed / skipped"
HEAD = """\
| lane | stock | patched | added by the series | known failures | flakes | regressions | time |
|---|---|---|---|---|---|---|---|"""


def table(results: Sequence[Result]) -> str:
    """The lanes' table; counts are passed / failed / skipped."""
    return "\n".join([HEAD, *map(row, results)])


def markdown(version: str, results: Sequence[Result], checks: Sequence[Check]) -> str:
    """The whole page."""
    parts = [INTRODUCTION.format(version=version, date=_today(), machine=machine())]
    if results:
        parts += [
            "## Lanes\n",
            f"{COUNTS}; times are of stock / patched, and `earlier` is a result that was kept from the same trees.\n",
        ]
        parts += [table(results) + "\n"]
        absent = [python for python in interpreters.SUPPORTED if python not in {one.lane.python for one in results}]
        parts += [f"Not run: Python {', '.join(absent)}.\n"] if absent else []
        parts += [text for result in results for text in _named(result)]
    if checks:
        parts += ["## Linters and the breaking-change check, on the patched tree\n", _checks(checks) + "\n"]
    return "\n".join(parts)


def letter(before: str, version: str, results: Sequence[Result], checks: Sequence[Check]) -> str:
    """The cover letter with the results between its marks. Raises Refusal where the marks are not there."""
    head, begun, rest = before.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not begun or not ended:
        raise Refusal(f"{LETTER} has no {BEGIN.strip()} and {END} behind it; nothing was written.")
    about = f"On {_today()}, on {machine()}, against openai {version}. {COUNTS}."
    return "\n".join([f"{head}{BEGIN}{about}", "", table(results), "", _checks(checks), f"{END}{tail}"])


def write(root: Path, version: str, results: Sequence[Result], checks: Sequence[Check]) -> list[str]:
    """Writes the page and the cover letter's block; returns the paths."""
    written = {
        LETTER: letter((root / LETTER).read_text(encoding="utf-8"), version, results, checks),
        PAGE: markdown(version, results, checks),
    }
    for path, content in written.items():
        (root / path).write_text(content, encoding="utf-8")
    return list(written)


def _checks(checks: Sequence[Check]) -> str:
    rows = [
        f"| {check.title} | {'passed' if check.passed else '**failed**'} | {check.last or '(none)'} |"
        for check in checks
    ]
    return "\n".join(["| check | result | its last line |", "|---|---|---|", *rows])


def _today() -> str:
    return datetime.now(timezone.utc).date().isoformat()


def _named(result: Result) -> Iterator[str]:
    comparison = result.comparison
    lists = {
        "Regressions": [f"`{nodeid}`: {change}" for nodeid, change in comparison.regressions.items()],
        "Flakes": [f"`{nodeid}`: {change}" for nodeid, change in comparison.flakes.items()],
        "Known failures, the same on stock": [f"`{nodeid}`" for nodeid in comparison.known],
        "Fail on stock only": [f"`{nodeid}`" for nodeid in comparison.mended],
    }
    for title, lines in lists.items():
        if lines:
            yield f"{title} ({result.lane.title}):\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"


def _counts(run: Run) -> str:
    good = run.count("passed", "xfailed")
    return f"{good:,} / {run.count('failed', 'error', 'xpassed'):,} / {run.count('skipped'):,}"


def _time(run: Run) -> str:
    return f"{run.seconds:.0f} s" + (" (earlier)" if run.cached else "")
