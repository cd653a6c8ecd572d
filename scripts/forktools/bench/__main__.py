"""`./scripts/bench`: the fork against stock openai of the same version, in one run.

Rounds are made for as long as another one fits in, so that the run ends when it should on any machine; a slow or busy
one gives fewer of them, and wider intervals. It ends with status 0 when everything was measured, also where a bound was
not met.
"""

from __future__ import annotations

import os
import sys
import time
import argparse
import platform
from typing import Sequence
from datetime import datetime, timezone
from statistics import median
from collections import defaultdict

from .. import ROOT, Refusal, pin
from .cases import FORK, CASES
from .sides import IMPORTS, Taken, folders, started, one_round
from .memory import held
from .report import row, table

MINUTES = 4.8
BLOCKS, SECONDS = 4, 0.025  # of a case in a round; of a block
TASKS, LOOPS = 2_000, 200  # stock's loop keeps whole models; fewer tasks show the same
MOST = {title: case.most for title, case in CASES.items()} | {IMPORTS[FORK]: 1.01}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="./scripts/bench", description="The fork against stock openai of the same version, in one run."
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="within which to end (default: %(default)g)")
    parser.add_argument("--only", metavar="WORD", default="", help="only the cases with this in their title")
    options = parser.parse_args(arguments)
    titles = [title for title in CASES if options.only in title]
    try:
        sizes = memory()
        found = rounds(titles, until=began + 60 * options.minutes)
    except Refusal as refusal:
        print(f"bench: {refusal}", file=sys.stderr)
        return 1
    rows = [
        row(title, [one.ratio for one in taken], MOST.get(title), absolute(taken)) for title, taken in found.items()
    ]
    print(f"{circumstances()}, {len(found[IMPORTS[FORK]])} rounds\n\n{table([*rows, *sizes])}")
    return 0


def rounds(titles: Sequence[str], *, until: float) -> dict[str, list[Taken]]:
    """What each round gave: one, and as many as fit in before `until`."""
    found: dict[str, list[Taken]] = defaultdict(list)
    number, began, ended = 0, 0.0, 0.0
    while not number or 2 * ended - began < until:
        began = time.monotonic()
        for title, taken in one_round(number, titles, blocks=BLOCKS, seconds=SECONDS).items():
            found[title].append(taken)
        ended, number = time.monotonic(), number + 1
        print(f"round {number}: {ended - began:.0f} s", file=sys.stderr, flush=True)
    return found


def memory() -> list[tuple[str, ...]]:
    """The rows of what a waiting task holds. It allocates the same each time, so that one run says all."""
    rows: list[tuple[str, ...]] = []
    for name, size in {"1.5 kB": 1_500, "28 kB": 28_000}.items():
        with started(folders()[FORK]) as side:
            waiting = side.pool.submit(held, "poll", size, TASKS).result()
            looping = side.pool.submit(held, "loop", size, LOOPS).result()
        compared = f"{looping / 1e3:.1f} kB a loop"
        rows.append(row(f"held by a waiting task, {name}", [waiting / 1e3], 2.0, compared, unit="kB"))
    return rows


def circumstances() -> str:
    """When and on what it was measured; nothing that names a machine or its user."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    day, load = datetime.now(timezone.utc).date(), os.getloadavg()[0]
    return f"{day}, openai {pin.load(ROOT).upstream}, {python}, {machine}, load {load:.1f} at the end"


def absolute(taken: Sequence[Taken]) -> str:
    """The times behind the ratios."""
    middle = (median(one.stock for one in taken), median(one.other for one in taken))
    return ", ".join(f"{one * 1e3:.0f} ms" if one > 0.05 else f"{one * 1e6:.1f} µs" for one in middle)


if __name__ == "__main__":
    sys.exit(main())
