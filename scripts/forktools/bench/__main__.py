"""`./scripts/bench`: the fork against stock openai of the same version, in one run.

Rounds are made for as long as another one fits in, so that the run ends when it should on any machine; a slow or busy one
gives fewer of them, and wider intervals. It ends with status 0 when everything was measured, whether or not a bound was met.
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

from . import sides
from .. import ROOT, Refusal, pin
from .cases import FORK, TWIN, CASES
from .sides import Taken
from .report import Row, table

MINUTES = 4.8
TASKS, LOOPS = 2_000, 200  # stock's loop keeps whole models; fewer tasks show the same
IMPORTED = {TWIN: ("import openai, stock against itself: the noise", None), FORK: ("import openai", 1.01)}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="./scripts/bench", description="The fork against stock openai of the same version, in one run."
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="within which to end (default: %(default)g)")
    parser.add_argument("--only", metavar="WORD", default="", help="only rows with this in their title")
    options = parser.parse_args(arguments)
    try:
        exact = memory(options.only)
        rows, rounds = ratios(options.only, until=began + 60 * options.minutes)
    except Refusal as refusal:
        print(f"bench: {refusal}", file=sys.stderr)
        return 1
    if not rows and not exact:
        print(f"bench: no row has {options.only!r} in its title.", file=sys.stderr)
        return 1
    print(f"{circumstances()}, {rounds} rounds\n\n{table([*rows, *exact])}")
    return 0


def ratios(only: str, *, until: float, blocks: int = 4, seconds: float = 0.025) -> tuple[list[Row], int]:
    """The rows with `only` in their titles, and how many rounds were made: one, and as many as fit in before `until`."""
    cases = [at for at, case in enumerate(CASES) if only in case.title]
    imported = [name for name, (title, _) in IMPORTED.items() if only in title]
    found: dict[int, list[Taken]] = {at: [] for at in cases}
    imports: dict[str, list[Taken]] = {name: [] for name in imported}
    rounds, began, ended = 0, 0.0, 0.0
    while (cases or imported) and (not rounds or 2 * ended - began < until):
        began = time.monotonic()
        if cases:
            for at, taken in sides.round_of_cases(rounds, cases, blocks=blocks, seconds=seconds).items():
                found[at].append(taken)
        if imported:
            fresh = sides.round_of_imports(rounds)
            for name in imported:
                imports[name].append(fresh[name])
        ended, rounds = time.monotonic(), rounds + 1
        print(f"round {rounds}: {ended - began:.0f} s", file=sys.stderr, flush=True)
    rows = [_row(CASES[at].title, CASES[at].most, taken) for at, taken in found.items()]
    return rows + [_row(*IMPORTED[name], taken) for name, taken in imports.items()], rounds


def memory(only: str = "", *, tasks: int = TASKS) -> list[Row]:
    """What a waiting task holds above a sleeping one. It allocates the same each time, so that one run says all."""
    sizes = {f"held by a waiting task, {size / 1000:g} kB": size for size in (1_500, 28_000)}
    chosen = {title: size for title, size in sizes.items() if only in title}

    def held(kind: str, size: int, count: int) -> float:
        module = ("-m", "forktools.bench.memory", kind, str(size), str(count))
        return float(sides.run(sides.folders()[FORK], *module)) / 1000

    bare = held("bare", 1_500, tasks) if chosen else 0.0
    return [
        Row(
            title,
            [held("poll", size, tasks) - bare],
            2.0,
            f"{held('loop', size, min(tasks, LOOPS)) - bare:.1f} kB a loop",
            exact=True,
        )
        for title, size in chosen.items()
    ]


def circumstances() -> str:
    """When and on what it was measured; nothing that names a machine or its user."""
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return (
        f"{datetime.now(timezone.utc).date()}, openai {pin.load(ROOT).upstream}, {platform.python_implementation()} "
        f"{platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores{load}"
    )


def _row(title: str, most: float | None, taken: Sequence[Taken]) -> Row:
    middle = [median(side) for side in ([one.stock for one in taken], [one.other for one in taken])]
    shown = [f"{one * 1e3:.0f} ms" if one > 0.05 else f"{one * 1e6:.1f} µs" for one in middle]
    return Row(title, [one.ratio for one in taken], most, ", ".join(shown))


if __name__ == "__main__":
    sys.exit(main())
