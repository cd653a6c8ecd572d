"""scripts/verify: whether the installed `openai` is this fork, of which release, and to the byte.

Promises: one line, and exit status 0 only when every file of the installed package has the hash that this clone says:
those of the series by patches/SHA256SUMS, all others by the one SHA-256 of the release's content in pyproject.toml.
The wheel brings upstream's rows for the files that it replaces; they are believed only as far as that SHA-256 comes out.
Needs nothing but Python and a clone at the tag of the installed version; imports nothing of what it looks at. Not
looked at: what Python compiled, and other packages.
"""

from __future__ import annotations

import sys
from typing import Mapping, Container
from pathlib import Path
from importlib.metadata import Distribution, distributions

from . import ROOT, Refusal, pin, compose

ROWS = "extra_metadata/UPSTREAM"


def replaced(rows: Mapping[str, str], changed: Container[str]) -> dict[str, str]:
    """Those of the rows whose files a wheel of the fork has not from upstream; `changed` are the series' paths."""
    return {p: one for p, one in rows.items() if pin.PREFIX + p in changed or not p.startswith(f"{pin.PACKAGE}/")}


def verify(root: Path, found: Distribution) -> str:
    """The line for an honest installation. Raises Refusal for every other one."""
    version, pinned = pin.version_of(found), pin.load(root)
    name = f"{pin.PACKAGE} {version}"
    if "+background." not in version:
        raise Refusal(f"stock: this is {name} (or another build of it), not the fork.")
    if version != pinned.version:
        raise Refusal(f"not known: this is {name}, but this clone is {pinned.version}; check out the tag of yours.")
    brought = found.read_text(ROWS)
    if brought is None:
        raise Refusal(
            f"not known: {name} was not installed from a wheel (an editable install has no files to compare)."
        )
    try:
        there = pin.read(found)
    except Refusal as refusal:
        raise Refusal(f"changed: {refusal}") from None
    more = compose.below(Path(str(found.locate_file(""))), pin.PACKAGE) - there.rows.keys()
    if more:
        raise Refusal(f"changed: {min(more)} of {name} is not in its RECORD.")
    sums = compose.read_sums(root)
    for path, one in sums.items():
        if path not in there.files or pin.digest(there.files[path]) != one:
            raise Refusal(f"changed: {path[len(pin.PREFIX) :]} of {name} is not what the series makes of it.")
    ours = replaced(there.rows, sums)
    theirs = {path: one for path, one in there.rows.items() if path not in ours}
    told = {path: one for path, _, one in (line.partition(",") for line in brought.splitlines())}
    if pin.sum_of({**theirs, **replaced(told, sums)}) != pin.load_record(root):
        raise Refusal(
            f"changed: {name} holds something else than openai {pinned.upstream}, and its RECORD says the same."
        )
    return (
        f"the fork: {name}, made from {pin.PACKAGE} {pinned.upstream}, all {len(there.files)} files as they should be"
    )


def main(root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    try:
        found = next(iter(distributions(name=pin.PACKAGE)), None)
        if found is None:
            raise Refusal(f"missing: {sys.executable} has no {pin.PACKAGE} installed.")
        print(verify(root, found))
    except (Refusal, OSError, UnicodeDecodeError) as refusal:
        print(f"verify: {refusal}", file=sys.stderr)
        return 1
    return 0
