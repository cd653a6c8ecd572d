"""The pinned package with patches/ applied, in memory, without git: what the wheel holds.

Promises: a hunk goes exactly where it says or nothing is composed (no fuzz, no offset, no whitespace forgiven), every
file that the patches change has the SHA-256 recorded in patches/SHA256SUMS, and every other file is upstream's to the
byte. What is refused leaves nothing behind.

The patches are parsed with unidiff. It is typed, maintained and strict about the counts in a hunk's header, and keeps
line ends as they are; placing a hunk is then one comparison. whatthepatch (which also applies) silently drops lines
beyond the counts and cuts lines at form feeds; patch-ng takes a file that is already patched, or has other line ends,
for a success.
"""

from __future__ import annotations

import os
import re
from typing import Mapping, Iterator
from pathlib import Path
from dataclasses import dataclass

from unidiff.patch import Hunk, PatchSet, PatchedFile
from unidiff.errors import UnidiffParseError

from . import Refusal
from .pin import PREFIX, PACKAGE, Pin, Upstream, digest

SUMS = "patches/SHA256SUMS"
NOTICE = "NOTICE"
HOME = f"{PREFIX}{PACKAGE}/"
OWN = f"{HOME}lib/background/"

# How a patch names the file that is not there yet, or is no more.
_NO_FILE = "/dev/null"
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
    return Composed({**upstream.files, **results}, tuple(sorted(results)))


def check_own(root: Path, composed: Composed, upstream: Upstream) -> None:
    """Raises Refusal when a file of our own, which is in the tree as well, is not what the patches make of it."""
    there = {
        path.relative_to(root).as_posix(): path
        for path in sorted((root / OWN).rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".pyc"
    }
    added = {path: root / path for path in composed.changed if path not in upstream.files and (root / path).is_file()}
    wrong = [path for path, file in {**there, **added}.items() if file.read_bytes() != composed.files.get(path)]
    if wrong:
        raise Refusal(f"{', '.join(wrong)}: edited, and the edit is in no patch; scripts/refresh puts it into one.")


def lay_missing(root: Path, composed: Composed, *, keep_edits: bool) -> None:
    """Writes the files that are missing in the tree, for an editable install, which needs no git.

    keep_edits: leave a file that is there and another one. Otherwise Refusal, naming them, before anything is written.
    """
    there = {path: root / path for path in composed.files if (root / path).is_file()}
    other = [path for path, file in there.items() if file.read_bytes() != composed.files[path]]
    if other and not keep_edits:
        more = f" and {len(other) - 3} more" if other[3:] else ""
        raise Refusal(
            f"{', '.join(other[:3])}{more}: not what pin and patches make of it, so nothing was laid; scripts/bootstrap "
            "lays what is new and keeps edits, and a removed file is laid anew."
        )
    for path in composed.files.keys() - there.keys():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # By way of a second file: a half-written one would be taken for an edit afterwards.
        part = target.with_name(f".{target.name}.part")
        part.write_bytes(composed.files[path])
        os.replace(part, target)


def patch_texts(root: Path) -> dict[str, str]:
    """The patches, file name to text, in the order of their names."""
    return {path.name: path.read_bytes().decode("utf-8") for path in sorted((root / "patches").glob("*.patch"))}


def apply_series(patches: Mapping[str, str], before: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of upstream's package that `patches` change or add, with their content after the last patch.

    Parts of a patch outside the package (tests, examples) are left out.
    """
    after: dict[str, bytes] = {}
    for name, text in patches.items():
        for part in _parts(name, text):
            path = part.path
            if not path.startswith(HOME):
                continue
            content = after.get(path, before.get(path))
            after[path] = apply_part(name, part, content)
    return after


def apply_part(name: str, part: PatchedFile, content: bytes | None) -> bytes:
    """`content` after the hunks in `part`, a file's section of the patch `name`; None stands for no file."""
    path = part.path
    # By its names: part.is_added_file also holds for lines that are added to an empty file.
    added = part.source_file == _NO_FILE
    if part.target_file == _NO_FILE or part.is_rename or part.is_binary_file or not (part or added):
        raise Refusal(f"{name} does something else to {path} than change or add lines.")
    if added != (content is None):
        does = "adds" if added else "changes"
        state = "does not exist" if content is None else "already exists"
        raise Refusal(f"{name} {does} {path}, which {state}.")
    lines = _split((content or b"").decode("utf-8"))
    shift = 0  # how far the earlier hunks moved what follows them
    for hunk in part:
        source, target = _side(hunk, "-"), _side(hunk, "+")
        # A side without lines is named by the line before it, every other one by its first line.
        start = hunk.source_start + shift - (1 if source else 0)
        goal = hunk.target_start - (1 if target else 0)
        if start != goal or lines[start : start + len(source)] != source:
            raise Refusal(f"{name} does not apply exactly to {path}: the hunk for line {hunk.source_start} differs.")
        lines[start : start + len(source)] = target
        shift += len(target) - len(source)
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
    try:
        return parse_sums((root / SUMS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refusal(f"{SUMS} is missing, so no result could be checked.") from None


def parse_sums(text: str) -> dict[str, str]:
    """Path to SHA-256 in the text of a SHA256SUMS."""
    sums: dict[str, str] = {}
    for line in text.splitlines():
        found = _SUM.fullmatch(line)
        if not found:
            raise Refusal(f"{SUMS} has a line that is not a SHA-256 and a path: {line!r}.")
        sums[found["path"]] = found["sum"]
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
    if _bytes(root / "LICENSE") != upstream.licence:
        raise Refusal(f"LICENSE is not the licence that openai {upstream.version} carries.")
    how = {path: "changed" if path in upstream.files else "added" for path in composed.changed}
    if _bytes(root / NOTICE) != notice(pin, how).encode("utf-8"):
        raise Refusal("NOTICE does not name the changed files; scripts/refresh writes it.")


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _split(text: str) -> list[str]:
    # Not splitlines(): a form feed or a line separator inside a line ends no line of a patch.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _side(hunk: Hunk, marker: str) -> list[str]:
    """The lines of one side of a hunk, with their line ends; `marker` is "-" or "+"."""
    lines: list[str] = []
    ours = False
    for line in hunk:
        if line.line_type == "\\" and ours:  # no newline at the end of the file
            lines[-1] = lines[-1][:-1]
        ours = line.line_type in (" ", marker)
        if ours:
            lines.append(line.value)
    return lines


def _parts(name: str, text: str) -> PatchSet:
    # The mail's own header and message are no diff, whatever they look like.
    start = re.search(r"^diff --git ", text, re.MULTILINE)
    if start is None:
        raise Refusal(f"{name} holds no diff.")
    try:
        return PatchSet(_split(text[start.start() :]))
    except UnidiffParseError as error:
        raise Refusal(f"{name} cannot be read as a patch: {str(error).strip()}.") from None
