"""`./scripts/bench`: the fork against stock openai of the same version, in one run.

It ends with status 0 when everything was measured, whether or not a bound was met: a shared machine decides too much
of that. The table says which were.
"""

from __future__ import annotations

import sys
import argparse
from typing import Any
from pathlib import Path
from dataclasses import dataclass
from collections.abc import Sequence

from . import pairs, memory, report, imports, simulate
from .. import Refusal
from .cases import CASES
from .report import Row

_MEMORY_KB = 2.0
_IMPORT_SHARE = 0.01  # of stock's


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int
    blocks: int = 12
    block_seconds: float = 0.03
    import_pairs: int = 6
    tasks: int = memory.TASKS
    runs: int = 12
    most_calls: int | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="./scripts/bench", description="The fork against stock openai of the same version, in one run."
    )
    parser.add_argument("--quick", action="store_true", help="few and short rounds: it runs, the numbers say little")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of two fresh processes (default: 9)")
    parser.add_argument("--only", metavar="NAME", action="append", help="rows whose name begins so; may be repeated")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the numbers there")
    parser.add_argument("--write", action="store_true", help=f"rewrite {report.PAGE}, {report.DATA} and the README's")
    parser.add_argument("--list", action="store_true", help="print the names of the rows, and stop")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(NAMES))
        return 0
    rounds = options.rounds if options.rounds is not None else 2 if options.quick else 9
    if rounds < 1:
        return report.fail("--rounds needs at least 1.")
    effort = Effort(rounds, 2, 0.002, 1, 20, 2, 300) if options.quick else Effort(rounds)
    names = [name for name in NAMES if not options.only or name.startswith(tuple(options.only))]
    if not names:
        return report.fail("--only names no row; --list prints their names.")
    if options.write and (options.only or options.quick or rounds < 7):
        return report.fail("--write takes all rows and at least 7 rounds, without --only and --quick.")
    try:
        data, rows = measure(names, effort, command=_command(options, rounds))
        print(report.text(data, rows))
        if options.json is not None:
            options.json.write_text(report.dumps(data), encoding="utf-8")
        if options.write:
            print("written:", ", ".join(report.write(data, rows)))
    except Refusal as refusal:
        return report.fail(str(refusal))
    return 0


def _names() -> list[str]:
    sizes = [f"memory/{size}" for size in memory.SIZES]
    return [*CASES, *imports.STATEMENTS, *sizes, "simulate"]


NAMES = _names()


def measure(names: Sequence[str], effort: Effort, *, command: str) -> tuple[dict[str, Any], list[Row]]:
    """Measures the rows of these names; the data of the JSON file and the rows of the table."""
    rows: list[Row] = []
    cases = [name for name in names if name in CASES]
    found = pairs.measure(
        cases,
        rounds=effort.rounds,
        blocks=effort.blocks,
        block_seconds=effort.block_seconds,
        most_calls=effort.most_calls,
    )
    for name, paired in found.items():
        case = CASES[name]
        note = f"{_middle(paired.stock_us):.1f} µs stock, {_middle(paired.fork_us):.1f} µs fork"
        rows.append(Row(name, case.title, "x", paired.ratios, case.most, case.least, note))
    for name in names:
        if name in imports.STATEMENTS:
            taken = imports.measure(name, rounds=effort.rounds, pairs=effort.import_pairs)
            most = round(_middle(taken.stock_ms) * _IMPORT_SHARE, 1) if name == "import" else None
            note = f"{_middle(taken.stock_ms):.0f} ms stock"
            if name == "import":
                note += f"; modules loaded besides: {', '.join(imports.modules_added()) or 'none'}"
            rows.append(Row(name, imports.TITLES[name], "ms", taken.added_ms, most, None, note))
        elif name.startswith("memory/"):
            size = name.partition("/")[2]
            held = memory.measure(size, rounds=min(effort.rounds, 3), tasks=effort.tasks)
            title = f"held by a waiting task above a sleeping one, body of {size[:-1]} kB, {effort.tasks} tasks"
            kilobytes = [value / 1000 for value in held.poll]
            note = f"{held.loop / 1000:.1f} kB for a loop of stock's `retrieve`"
            rows.append(Row(name, title, "kB", kilobytes, _MEMORY_KB, None, note))
    data: dict[str, Any] = {
        "about": report.circumstances(command, effort.rounds),
        "rows": [row.data() for row in rows],
        "waits": [wait._asdict() for wait in simulate.measure(runs=effort.runs)] if "simulate" in names else [],
    }
    return data, rows


def _command(options: argparse.Namespace, rounds: int) -> str:
    only: list[str] = options.only or []
    words = ["./scripts/bench"]
    words += ["--quick"] if options.quick else []
    words += [f"--rounds {rounds}"] if options.rounds is not None else []
    words += [f"--only {name}" for name in only]
    words += ["--write"] if options.write else []
    return " ".join(words)


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    sys.exit(main())
