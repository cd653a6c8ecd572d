"""The pinned package with patches/ applied, in memory, without git: what the wheel holds.

Promises: a hunk goes exactly where it says or nothing is composed, every file that the patches change has the SHA-256
recorded in patches/SHA256SUMS, and every other file is upstream's to the byte. Nothing is read through a link, nothing
outside the package is written, and what is refused leaves nothing behind.
"""

from __future__ import annotations

import os
import re
from typing import Mapping, NamedTuple
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from . import Refusal, pin as pins, diff
from .pin import PREFIX, PACKAGE, Pin, Upstream, digest

SUMS = "patches/SHA256SUMS"
NOTICE = "NOTICE"
HOME = f"{PREFIX}{PACKAGE}/"
OWN = f"{HOME}lib/background/"

_PATCH = re.compile(r"[0-9]{4}-[A-Za-z0-9_.+-]+\.patch")
_SUM = re.compile(r"(?P<sum>[0-9a-f]{64})  (?P<path>\S.*)\n?")


class Composed(NamedTuple):
    """The whole package by repository path ("src/openai/…"), and those paths that the patches change or add."""

    files: Mapping[str, bytes]
    changed: tuple[str, ...]


def compose(root: Path, upstream: Upstream) -> Composed:
    """Composes the fork from the repository at `root`. Raises Refusal when anything does not fit exactly."""
    results = apply_series(patch_texts(root), upstream.files)
    check_sums(results, read_sums(root))
    files = {**upstream.files, **results}
    for path in results:
        if below := [str(parent) for parent in PurePosixPath(path).parents if str(parent) in files]:
            raise Refusal(f"the series adds {path} below {below[0]}, which is a file.")
    return Composed(files, tuple(sorted(results)))


def patch_texts(root: Path) -> dict[str, str]:
    """The patches, file name to text, in the order of their names."""
    names = sorted(path.name for path in (root / "patches").glob("*.patch"))
    for name in names:
        if not _PATCH.fullmatch(name):
            raise Refusal(f"patches/{name} is not named as a patch of the series is.")
    return {name: pins.text(root, f"patches/{name}") for name in names}


def apply_series(patches: Mapping[str, str], before: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of upstream's package that `patches` change or add, with their content after the last patch.

    Parts of a patch outside the package (tests, examples) are read as strictly, and left out.
    """
    after: dict[str, bytes] = {}
    for name, text in patches.items():
        after.update(diff.apply(name, text, {**before, **after}, HOME))
    return after


def check_sums(results: Mapping[str, bytes], sums: Mapping[str, str]) -> None:
    """Raises Refusal unless `results` are just the files in `sums`, each with the SHA-256 recorded there."""
    for path in sorted({*results, *sums}):
        if path not in sums:
            raise Refusal(f"the series changes {path}, for which {SUMS} records no SHA-256.")
        if path not in results:
            raise Refusal(f"{SUMS} records a SHA-256 for {path}, which the series does not change.")
        if digest(results[path]) != sums[path]:
            raise Refusal(f"{path} is not the recorded one after the series: its SHA-256 differs from {SUMS}.")


def read_sums(root: Path) -> dict[str, str]:
    """Path to SHA-256 as patches/SHA256SUMS has them."""
    return parse_sums(pins.text(root, SUMS))


def parse_sums(text: str) -> dict[str, str]:
    """Path to SHA-256 in the text of a SHA256SUMS."""
    sums: dict[str, str] = {}
    for line in diff.split(text):
        found = _SUM.fullmatch(line)
        if not found:
            raise Refusal(f"{SUMS} has a line that is not a SHA-256 and a path: {line!r}.")
        path = found["path"]
        if not path.startswith(HOME) or not pins.plain(path):
            raise Refusal(f"{SUMS} names {path!r}, which is no plain path below {HOME}.")
        if path in sums:
            raise Refusal(f"{SUMS} names {path} twice.")
        sums[path] = found["sum"]
    return sums


def write_sums(results: Mapping[str, bytes]) -> str:
    """The text of patches/SHA256SUMS for `results`; `sha256sum -c` reads it at the root of a laid tree."""
    return "".join(f"{digest(content)}  {path}\n" for path, content in sorted(results.items()))


def below(root: Path, folder: str) -> set[str]:
    """Everything below a folder that is no folder itself, but for what Python compiles; links are not followed."""
    return {
        path.relative_to(root).as_posix()
        for path in (root / folder).rglob("*")
        if path.is_symlink() or not (path.is_dir() or (path.suffix == ".pyc" and path.parent.name == "__pycache__"))
    }


def check_own(root: Path, composed: Composed, upstream: Upstream) -> None:
    """Raises Refusal when a file of our own, which is in the tree as well, is not what the patches make of it.

    In the folder of our own there may be nothing else: no link, no leftover of an editor, nothing hidden.
    """
    if stray := sorted(below(root, OWN) - composed.files.keys()):
        raise Refusal(f"{', '.join(stray)}: in no patch; scripts/refresh --into puts it into one, if it belongs there.")
    added = [path for path in composed.changed if path not in upstream.files and pins.place(root, path).exists()]
    if edited := [path for path in added if pins.content(root, path) != composed.files[path]]:
        raise Refusal(f"{', '.join(edited)}: edited, and the edit is in no patch; scripts/refresh puts it into one.")


def lay_missing(root: Path, composed: Composed, *, keep_edits: bool) -> None:
    """Writes the files that are missing in the tree, for an editable install, which needs no git.

    keep_edits: leave a file that is there and another one. Otherwise Refusal, naming them, before anything is written;
    our own package stays as it stands in any case.
    """
    there = [path for path in composed.files if (root / path).is_file()]
    kept = {path for path in there if (root / path).is_symlink() or (root / path).read_bytes() != composed.files[path]}
    edited = sorted(path for path in kept if not path.startswith(OWN))
    if edited and not keep_edits:
        more = f" and {len(edited) - 3} more" if edited[3:] else ""
        raise Refusal(
            f"{', '.join(edited[:3])}{more}: not what pin and patches make of it, so nothing was laid; "
            "scripts/bootstrap lays what is new and keeps edits, and a removed file is laid anew."
        )
    targets = {path: pins.place(root, path) for path in sorted(composed.files.keys() - kept)}
    # By way of a second file: a half-written one would be taken for an edit afterwards.
    with TemporaryDirectory(prefix=".laying-", dir=root) as folder:
        for path in sorted(targets.keys() - there):
            whole = Path(folder, "file")
            whole.write_bytes(composed.files[path])
            targets[path].parent.mkdir(parents=True, exist_ok=True)
            os.replace(whole, targets[path])


def notice(pin: Pin, how: Mapping[str, str]) -> str:
    """The text of NOTICE, which names every changed file, as section 4 of the licence asks.

    how: path to "changed" or "added".
    """
    named = (f"  {path[len(PREFIX) :]}  ({done})\n" for path, done in sorted(how.items()) if not path.startswith(OWN))
    return f"""\
openai {pin.version}

This is a modified redistribution of openai {pin.upstream}, Copyright 2026 OpenAI,
licensed under the Apache License, Version 2.0. It is not published, endorsed or supported by OpenAI.
The package keeps its import name, and its licence is in the file LICENSE.

Everything in {OWN[len(PREFIX) :]} was added.
These files of the original were changed, or added beside it:

{"".join(named)}"""


def check_notice(root: Path, pin: Pin, composed: Composed, upstream: Upstream) -> None:
    """Raises Refusal unless LICENSE is upstream's and NOTICE names what was changed."""
    if pins.content(root, "LICENSE") != upstream.licence:
        raise Refusal(f"LICENSE is not the licence that openai {upstream.version} carries.")
    how = {path: "changed" if path in upstream.files else "added" for path in composed.changed}
    if pins.content(root, NOTICE) != notice(pin, how).encode("utf-8"):
        raise Refusal("NOTICE does not name the changed files; scripts/refresh writes it.")
