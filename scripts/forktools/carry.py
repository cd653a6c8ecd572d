"""The series, carried from the release it was made for to another one.

Promises: a patch that applies as it is, is applied so; one that does not is merged three-way, with the old release's
files as the common ancestor; one that cannot be merged stops the work with every conflict named by file and hunk, and
the work can be taken up after somebody has mended the files. All of it happens in a scratch repository.
"""

from __future__ import annotations

import re
from typing import Mapping, Sequence
from pathlib import Path
from dataclasses import field, dataclass

from . import Refusal
from .series import Patch
from .scratch import Done, Scratch

# Names in the scratch repository.
OLD, NEW = "old", "new"

_CONFLICT = re.compile(r"^<<<<<<< .*?^>>>>>>> [^\n]*$", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"^(<<<<<<< |>>>>>>> )", re.MULTILINE)


@dataclass(frozen=True)
class Conflict:
    """A place where a patch and the new release disagree: `hunk` is both sides, from line `line` on of `path`."""

    path: str
    line: int
    hunk: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}\n{self.hunk}" if self.line else f"{self.path}: {self.hunk}"


class Stopped(Refusal):
    """Raised when a patch cannot be carried by a machine."""

    def __init__(self, patch: str, conflicts: Sequence[Conflict]) -> None:
        self.patch = patch
        self.conflicts = tuple(conflicts)
        super().__init__(f"{patch} does not fit:\n" + "\n".join(map(str, conflicts)))


@dataclass
class Progress:
    """How far the series is carried.

    done:    file names of the patches that are applied.
    merged:  those of them that needed the three-way merge.
    by_hand: those of them that somebody mended.
    """

    done: list[str] = field(default_factory=list[str])
    merged: list[str] = field(default_factory=list[str])
    by_hand: list[str] = field(default_factory=list[str])


def prepare(
    scratch: Scratch, patches: Sequence[Patch], folder: Path, old: Mapping[str, bytes], new: Mapping[str, bytes]
) -> None:
    """Puts both releases into the repository, and every stage of every file that the series touches.

    folder: where the patches are. Raises Refusal when they do not apply to the old release, for which they were made.
    """
    _write(scratch, old)
    scratch.commit("old")
    scratch.git("tag", OLD)
    # A later patch changes what an earlier one left, so the merge needs the stages in between as well.
    done = scratch.am([folder / patch.file_name for patch in patches]) if patches else Done(0, "", "")
    if done.status:
        raise Refusal(f"the series does not apply to the release it names: {' '.join(done.err.split())}")
    scratch.git("checkout", "--quiet", "-B", "carried", OLD)
    scratch.git("rm", "--quiet", "-r", ".")
    _write(scratch, new)
    scratch.commit("new")
    scratch.git("tag", NEW)


def carry(scratch: Scratch, patches: Sequence[Patch], folder: Path, progress: Progress) -> None:
    """Applies the patches that are not in `progress` yet, which is brought up to date. Raises Stopped."""
    for patch in patches:
        name = patch.file_name
        if name in progress.done:
            continue
        if scratch.am([folder / name]).status:
            scratch.git("am", "--abort")
            done = scratch.am([folder / name], "--3way")
            if done.status:
                raise Stopped(name, conflicts(scratch, done))
            progress.merged.append(name)
        progress.done.append(name)


def resume(scratch: Scratch, patches: Sequence[Patch], progress: Progress) -> None:
    """Takes what somebody made of the conflicts for the patch that stopped. Raises Stopped while any is left."""
    name = next(patch.file_name for patch in patches if patch.file_name not in progress.done)
    left: list[Conflict] = []
    for path in _unmerged(scratch):
        text = _text(scratch.folder / path)
        # A whole conflict, or what somebody left of one.
        found = list(_CONFLICT.finditer(text)) or list(_MARKER.finditer(text))
        left += [Conflict(path, _line(text, hunk.start()), hunk[0]) for hunk in found]
    if left:
        raise Stopped(name, left)
    scratch.git("add", "--all", "--force", ".")
    if scratch.git("diff", "--cached", "--name-only"):
        scratch.git("am", "--continue")
    else:
        scratch.git("am", "--skip")  # nothing of the patch is left: the new release has it already
    progress.done.append(name)
    progress.by_hand.append(name)


def conflicts(scratch: Scratch, done: Done) -> list[Conflict]:
    """Every conflict of the `git am --3way` that just stopped."""
    found: list[Conflict] = []
    for path in _unmerged(scratch):
        text = _text(scratch.folder / path)
        hunks = [Conflict(path, _line(text, hunk.start()), hunk[0]) for hunk in _CONFLICT.finditer(text)]
        found += hunks or [
            Conflict(path, 0, "changed by the patch, but removed or added in another way by the release")
        ]
    # Where there is no common ancestor to merge with, git only says so.
    return found or [Conflict("git am", 0, " ".join((done.err + done.out).split()))]


def results(scratch: Scratch) -> dict[str, bytes]:
    """Every path that the carried series changes or adds, with its content."""
    names = scratch.git("diff", "--name-only", "--no-renames", "--diff-filter=AM", "-z", NEW, "HEAD").split("\0")
    return {path: (scratch.folder / path).read_bytes() for path in sorted({*names} - {""})}


def _unmerged(scratch: Scratch) -> list[str]:
    return sorted({*scratch.git("diff", "--name-only", "--diff-filter=U", "-z").split("\0")} - {""})


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _write(scratch: Scratch, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        target = scratch.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
