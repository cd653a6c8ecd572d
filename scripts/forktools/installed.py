"""scripts/verify: whether the installed `openai` is this fork, of which release, and to the byte.

Promises: one line, and exit status 0 only when every file of the installed package has the hash that this clone says:
those of the series by patches/SHA256SUMS, all others by the one SHA-256 of the release's content in pyproject.toml.
The wheel brings upstream's rows for the files that it replaces; they are believed only as far as that SHA-256 comes out.
Needs nothing but Python and a clone at the tag of the installed version; imports nothing of what it looks at. Not
looked at: what Python compiled, and other packages.
"""

from __future__ import annotations

import os
import csv
import sys
import base64
import hashlib
from typing import Iterator
from pathlib import Path
from importlib.metadata import Distribution, distributions

from . import ROOT, Refusal, pin, compose

ROWS = "extra_metadata/UPSTREAM"


def verify(root: Path, found: Distribution) -> str:
    """The line for an honest installation. Raises Refusal for every other one."""
    name, pinned = f"{pin.PACKAGE} {found.version}", pin.load(root)
    if "+background." not in found.version:
        raise Refusal(f"stock: this is {name} (or another build of it), not the fork.")
    if found.version != pinned.version:
        raise Refusal(f"not known: this is {name}, but this clone is {pinned.version}; check out the tag of yours.")
    brought = found.read_text(ROWS)
    if brought is None:
        raise Refusal(
            f"not known: {name} was not installed from a wheel (an editable install has no files to compare)."
        )
    sums = {path[len(pin.PREFIX) :]: one for path, one in compose.read_sums(root).items()}
    there = dict(_package(Path(str(found.locate_file(pin.PACKAGE)))))
    for path, one in sums.items():
        if path not in there or pin.digest(there[path]) != one:
            raise Refusal(f"changed: {path} of {name} is not what the series makes of it.")
    replaced = {row[0]: row[1] for row in csv.reader(brought.splitlines()) if len(row) == 2}
    rows = {path: _recorded(data) for path, data in there.items() if path not in sums}
    told = {path: one for path, one in replaced.items() if path in sums or not path.startswith(f"{pin.PACKAGE}/")}
    if pin.sum_of({**told, **rows}) != pin.load_record(root):
        raise Refusal(f"changed: {_suspect(found, there)} of {name} is not upstream's.")
    return f"the fork: {name}, made from {pin.PACKAGE} {pinned.upstream}, all {len(there)} files as they should be"


def _package(folder: Path) -> Iterator[tuple[str, bytes]]:
    for where, _, files in os.walk(folder):
        for file in (Path(where, name) for name in files):
            if not (file.suffix == ".pyc" and file.parent.name == "__pycache__"):
                yield f"{pin.PACKAGE}/{file.relative_to(folder).as_posix()}", file.read_bytes()


def _recorded(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")


def _suspect(found: Distribution, there: dict[str, bytes]) -> str:
    """The file that RECORD speaks against, if any; RECORD itself proves nothing."""
    record = {row[0]: row[1] for row in csv.reader((found.read_text("RECORD") or "").splitlines()) if len(row) == 3}
    listed = {path for path in record if path.startswith(f"{pin.PACKAGE}/") and not path.endswith(".pyc")}
    wrong = [
        path for path in sorted({*there, *listed}) if path not in there or record.get(path) != _recorded(there[path])
    ]
    return wrong[0] if wrong else "a file"


def main(root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    try:
        found = next(iter(distributions(name=pin.PACKAGE)), None)
        if found is None:
            raise Refusal(f"missing: {sys.executable} has no {pin.PACKAGE} installed.")
        print(verify(root, found))
    except (Refusal, OSError) as refusal:
        print(f"verify: {refusal}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
