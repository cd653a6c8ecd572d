"""docs/travel.md: its tables are made of what was measured, its text is written by hand around them."""

from __future__ import annotations

import re
from typing import Any, Mapping

from forktools import ROOT

PAGE = ROOT / "docs" / "travel.md"

Cells = Mapping[str, Mapping[str, Any]]
OWN = {"own", "own_stock"}
"""The runs about a program's own exceptions; one table shows both."""

_WAYS = {
    "pickle": "pickle 0–5",
    "tblib": "with tblib",
    "copy": "copy",
    "deepcopy": "deepcopy",
    "JSON": "`to_dict`, JSON",
    "ProcessPoolExecutor, spawn": "`ProcessPoolExecutor`, spawn",
    "ProcessPoolExecutor, fork": "`ProcessPoolExecutor`, fork",
    "multiprocessing.Pool, spawn": "`multiprocessing.Pool`, spawn",
    "multiprocessing.Pool, fork": "`multiprocessing.Pool`, fork",
    "joblib": "joblib",
    "Celery, pickle": "Celery, pickle",
    "Celery, json": "Celery, JSON",
    "Dask": "Dask",
}
_BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- /measured -->)", re.DOTALL)


def written(text: str, measured: Mapping[str, Cells]) -> str:
    """The page with its tables as measured now."""
    made = {name: table(cells) for name, cells in measured.items() if name not in OWN}
    made["own"] = own_table(measured["own_stock"], measured["own"])
    made["versions"] = versions()
    return _BLOCK.sub(lambda match: f"{match[1]}{made[match[2]]}{match[3]}", text)


def table(cells: Cells) -> str:
    """Classes that fared alike share a row, spawn and fork a column; a way that none of them has is left out."""
    ways = [way for way in _WAYS if any(row[way][0] for row in cells.values())]
    heads = [_WAYS[way] for way in ways]
    for way, twin in [(way, way.replace("spawn", "fork")) for way in ways if way.endswith("spawn")]:
        if all(row[way] == row[twin] for row in cells.values()):
            heads[ways.index(way)] += " and fork"
            del heads[ways.index(twin)], ways[ways.index(twin)]
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, row in cells.items():
        rows.setdefault(tuple(_shown(row[way]) for way in ways), []).append(f"`{name}`")
    lines = [["class", *heads], ["---"] * (len(ways) + 1)]
    lines += [[", ".join(names), *row] for row, names in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def own_table(stock: Cells, fork: Cells) -> str:
    """What each probe came to, below each of the two classes, without the patch and with it."""
    families = list(dict.fromkeys(way.partition(", ")[2] for row in stock.values() for way in row))
    heads = [f"`{family}`{patch}" for family in families for patch in (" on stock", " here")]
    lines = [["below", *heads], ["---"] * (len(heads) + 1)]
    for probe in stock:
        lines.append([probe, *(_ways(run[probe], family) for family in families for run in (stock, fork))])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _ways(row: Mapping[str, str], family: str) -> str:
    found = {way.partition(", ")[0]: outcome for way, outcome in row.items() if way.endswith(family)}
    if len(set(found.values())) == 1:
        return found["copy"]
    return ", ".join(f"{way}: {outcome}" for way, outcome in found.items())


def versions() -> str:
    """What was run, from the pins."""
    pins = re.findall(
        r"^(\S+)==([^\s;]+)", (ROOT / "requirements" / "integrations.txt").read_text("utf-8"), re.MULTILINE
    )
    return ", ".join(f"{name.partition('[')[0]} {version}" for name, version in pins) + ".\n"


def _shown(cell: Any) -> str:
    outcome, leaks = cell
    if outcome == "whole":
        outcome = "yes"
    elif outcome.startswith("without "):
        lost = outcome[len("without ") :].split(", ")
        outcome = f"without {lost[0]}" if len(lost) == 1 else "class and text"
    if leaks:
        outcome += f"; **shows the {'key' if 'key' in leaks else ', '.join(leaks)}**"
    return outcome
