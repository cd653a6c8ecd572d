"""The pinned package with patches/ applied, in memory, without git: what the wheel holds.

Promises: a hunk goes exactly where it says or nothing is composed (no fuzz, no offset, no whitespace forgiven), every
file that the patches change has the SHA-256 recorded in patches/SHA256SUMS, and every other file is upstream's to the
byte. Nothing is read through a link, nothing outside the package is written, and what is refused leaves nothing behind.
"""

from __future__ import annotations

import os
import re
from typing import Mapping, Iterator
from pathlib import Path, PurePosixPath
from dataclasses import dataclass

from . import Refusal, pin as pins, diff
from .pin import PREFIX, PACKAGE, Pin, Upstream, digest

SUMS = "patches/SHA256SUMS"
NOTICE = "NOTICE"
HOME = f"{PREFIX}{PACKAGE}/"
OWN = f"{HOME}lib/background/"

_PATCH = re.compile(r"[0-9]{4}-[A-Za-z0-9_.+-]+\.patch")
_SUM = re.compile(r"(?P<sum>[0-9a-f]{64})  (?P<path>\S.*)")


@dataclass(frozen=True)
class Composed:
    """The result.

    files:   repository path ("src/openai/…") to content, for the whole package.
    changed: the paths in `files` that the patches change or add.
    """

    files: Mapping[str, bytes]
    changed: tuple[str, ...]

    def package(self) -> Iterator[tuple[str, bytes]]:
        """Every file of the wheel's package as (path below the package's parent, content), in path order."""
        for path, content in sorted(self.files.items()):
            yield path[len(PREFIX) :], content


def compose(root: Path, upstream: Upstream) -> Composed:
    """Composes the fork from the repository at `root`. Raises Refusal when anything does not fit exactly."""
    results = apply_series(patch_texts(root), upstream.files)
    check_sums(results, read_sums(root))
    files = {**upstream.files, **results}
    for path in results:
        if below := [str(parent) for parent in PurePosixPath(path).parents if str(parent) in files]:
            raise Refusal(f"the series adds {path} below {below[0]}, which is a file.")
    return Composed(files, tuple(sorted(results)))


def check_own(root: Path, composed: Composed, upstream: Upstream) -> None:
    """Raises Refusal when a file of our own, which is in the tree as well, is not what the patches make of it.

    In the folder of our own there may be nothing else: no link, no leftover of an editor, nothing hidden.
    """
    theirs = [path for path in composed.changed if path not in upstream.files and os.path.lexists(root / path)]
    found = sorted({*_below(root, OWN.rstrip("/")), *theirs})
    if wrong := [path for path in found if path not in composed.files]:
        raise Refusal(f"{', '.join(wrong)}: in no patch; scripts/refresh --into puts it into one, if it belongs there.")
    if wrong := [path for path in found if pins.content(root, path) != composed.files[path]]:
        raise Refusal(f"{', '.join(wrong)}: edited, and the edit is in no patch; scripts/refresh puts it into one.")


def lay_missing(root: Path, composed: Composed, *, keep_edits: bool) -> None:
    """Writes the files that are missing in the tree, for an editable install, which needs no git.

    keep_edits: leave a file that is there and another one. Otherwise Refusal, naming them, before anything is written;
    our own package stays as it stands in any case.
    """
    for path in composed.files:
        _check_place(root, path)
    there = {path: root / path for path in composed.files if (root / path).is_file()}
    other = [path for path, file in there.items() if not path.startswith(OWN) and _differs(file, composed.files[path])]
    if other and not keep_edits:
        more = f" and {len(other) - 3} more" if other[3:] else ""
        raise Refusal(
            f"{', '.join(other[:3])}{more}: not what pin and patches make of it, so nothing was laid; scripts/bootstrap "
            "lays what is new and keeps edits, and a removed file is laid anew."
        )
    for path in sorted(composed.files.keys() - there.keys()):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # By way of a second file: a half-written one would be taken for an edit afterwards.
        part = target.with_name(f".{target.name}.part")
        try:
            part.write_bytes(composed.files[path])
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)


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
        for part in diff.parts(name, text):
            if part.path.startswith(HOME):
                after[part.path] = apply_part(name, part, after.get(part.path, before.get(part.path)))
    return after


def apply_part(name: str, part: diff.Part, content: bytes | None) -> bytes:
    """`content` after the hunks in `part`, a file's section of the patch `name`; None stands for no file."""
    path = part.path
    if part.added != (content is None):
        does = "adds" if part.added else "changes"
        state = "does not exist" if content is None else "already exists"
        raise Refusal(f"{name} {does} {path}, which {state}.")
    try:
        lines = diff.split((content or b"").decode("utf-8"))
    except UnicodeDecodeError:
        raise Refusal(f"{name} changes {path}, which is not UTF-8.") from None
    shift = 0  # how far the earlier hunks moved what follows them
    done = 0  # where the last hunk ended
    for hunk in part.hunks:
        # A side without lines is named by the line before it, every other one by its first line.
        start = hunk.start + shift - (1 if hunk.old else 0)
        goal = hunk.goal - (1 if hunk.new else 0)
        if start != goal or start < done or lines[start : start + len(hunk.old)] != hunk.old:
            raise Refusal(f"{name} does not apply exactly to {path}: the hunk for line {hunk.start} differs.")
        lines[start : start + len(hunk.old)] = hunk.new
        shift += len(hunk.new) - len(hunk.old)
        done = start + len(hunk.new)
    if any(not line.endswith("\n") for line in lines[:-1]):
        raise Refusal(f"{name} does not apply exactly to {path}: something follows the end of the file.")
    return "".join(lines).encode("utf-8")


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
    for line in text.split("\n")[:-1] if text.endswith("\n") else text.split("\n") if text else []:
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


def notice(pin: Pin, how: Mapping[str, str]) -> str:
    """The text of NOTICE, which names every changed file, as section 4 of the licence asks.

    how: path to "changed" or "added".
    """
    named = {path: done for path, done in how.items() if not path.startswith(OWN)}
    lines = [
        f"openai {pin.version}",
        "",
        f"This is a modified redistribution of openai {pin.upstream}, Copyright 2026 OpenAI,",
        "licensed under the Apache License, Version 2.0. It is not published, endorsed or supported by OpenAI.",
        "The package keeps its import name, and its licence is in the file LICENSE.",
        "",
        f"Everything in {OWN[len(PREFIX) :]} was added.",
    ]
    if named:
        lines += ["These files of the original were changed, or added beside it:", ""]
        lines += [f"  {path[len(PREFIX) :]}  ({done})" for path, done in sorted(named.items())]
    else:
        lines += ["No file of the original was changed."]
    return "\n".join(lines) + "\n"


def check_notice(root: Path, pin: Pin, composed: Composed, upstream: Upstream) -> None:
    """Raises Refusal unless LICENSE is upstream's and NOTICE names what was changed."""
    if pins.content(root, "LICENSE") != upstream.licence:
        raise Refusal(f"LICENSE is not the licence that openai {upstream.version} carries.")
    how = {path: "changed" if path in upstream.files else "added" for path in composed.changed}
    if pins.content(root, NOTICE) != notice(pin, how).encode("utf-8"):
        raise Refusal("NOTICE does not name the changed files; scripts/refresh writes it.")


def _below(root: Path, folder: str) -> Iterator[str]:
    """Every entry below a folder that is no folder itself, but for what Python compiles; links are not followed."""
    if (root / folder).is_symlink() or os.path.lexists(root / folder) and not (root / folder).is_dir():
        yield folder
        return
    for where, folders, files in os.walk(root / folder):
        here = Path(where)
        yield from ((here / one).relative_to(root).as_posix() for one in folders if (here / one).is_symlink())
        for one in files:
            if not (here.name == "__pycache__" and one.endswith(".pyc") and not (here / one).is_symlink()):
                yield (here / one).relative_to(root).as_posix()


def _check_place(root: Path, path: str) -> None:
    """Raises Refusal unless a file can be laid at `path`, inside of the tree: no link on the way, nothing in its place."""
    *above, _ = path.split("/")
    for depth in range(1, len(above) + 1):
        place = root.joinpath(*above[:depth])
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            what = "a link" if place.is_symlink() else "not a folder"
            raise Refusal(f"{'/'.join(above[:depth])} is {what}, so nothing was laid below it.")
    if os.path.lexists(root / path) and not (root / path).is_file():
        raise Refusal(f"{path} is not a file, so nothing was laid in its place.")


def _differs(file: Path, content: bytes) -> bool:
    return file.is_symlink() or file.read_bytes() != content
