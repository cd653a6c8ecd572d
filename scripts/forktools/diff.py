"""A patch as git writes it, read by the letter: every line is accounted for, or the patch is refused.

Promises: behind the mail's own header and message there is nothing but sections of the form that `git format-patch`
gives a file with added or changed lines; a hunk has just the lines that its header counts, and what follows it is a
hunk, a file or the end of the mail. All names of a section agree, and are plain: no part that is empty, `..` or
a drive, no backslash. A link, a rename, a removal, binary content or another mode is refused, and so is a second
section for a file.

No library reads it: unidiff and whatthepatch drop lines beyond a hunk's counts in silence, patch-ng takes a patch that
is applied already for a success, and each would be one more download that the build has to trust.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import Refusal
from .pin import plain

_FILE = re.compile(r"diff --git a/(?P<old>.+) b/(?P<new>.+)\n")
_INDEX = re.compile(r"index [0-9a-f]{7,64}\.\.[0-9a-f]{7,64}(?: 100644)?\n")
_HUNK = re.compile(r"@@ -([0-9]{1,9})(?:,([0-9]{1,9}))? \+([0-9]{1,9})(?:,([0-9]{1,9}))? @@.*\n")
_ADDED = "new file mode 100644\n"
_UNENDED = "\\ No newline at end of file\n"
# How `git format-patch` ends a mail, if at all: two dashes and its version.
_END = re.compile(r"(-- \n[0-9][^\n]*\n)?\n*")


@dataclass(frozen=True)
class Hunk:
    """A hunk: the numbers in its header, and the lines of both sides with their line ends."""

    start: int
    goal: int
    old: list[str]
    new: list[str]


@dataclass(frozen=True)
class Part:
    """What a patch does to one file; `added`: the file is not there before."""

    path: str
    added: bool
    hunks: list[Hunk]


def split(text: str) -> list[str]:
    """The lines of `text` with their ends. Not splitlines(): a form feed or a line separator ends no line of a patch."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def parts(name: str, text: str) -> list[Part]:
    """The sections of the patch `name`. Raises Refusal at the first line that is not what it has to be."""
    start = re.search(r"^diff --git ", text, re.MULTILINE)
    if start is None:
        raise Refusal(f"{name} holds no diff.")
    reader = _Reader(name, split(text[start.start() :]), text[: start.start()].count("\n"))
    found: list[Part] = []
    while not reader.ended():
        part = reader.part()
        if part.path in {other.path for other in found}:
            raise Refusal(f"{name} has two sections for {part.path}.")
        found.append(part)
    return found


class _Reader:
    def __init__(self, name: str, lines: list[str], before: int) -> None:
        self.name, self.lines, self.before, self.at = name, lines, before, 0

    @property
    def line(self) -> str:
        return self.lines[self.at] if self.at < len(self.lines) else ""

    def bad(self, why: str) -> Refusal:
        return Refusal(f"{self.name} cannot be read as a patch: {why} in line {self.before + self.at + 1}.")

    def take(self, wanted: str) -> bool:
        taken = self.line == wanted
        self.at += taken
        return taken

    def ended(self) -> bool:
        return bool(_END.fullmatch("".join(self.lines[self.at : self.at + 4]))) and len(self.lines) - self.at <= 4

    def part(self) -> Part:
        named = _FILE.fullmatch(self.line)
        if not named:
            raise self.bad("no hunk, no file and not the end of the mail is")
        path = named["new"]
        for one in (named["old"], path):
            if not plain(one):
                raise Refusal(f"{self.name} names {one!r}, which is no plain path below this repository.")
        other = Refusal(f"{self.name} does something else to {path} than change or add lines.")
        if named["old"] != path:
            raise other
        self.at += 1
        added = self.take(_ADDED)
        if not _INDEX.fullmatch(self.line) and not self.line.startswith("--- "):
            raise other
        self.at += not self.line.startswith("--- ")
        if added and (not self.line or _FILE.fullmatch(self.line) or self.ended()):
            return Part(path, added, [])  # an empty file
        if not self.take("--- /dev/null\n" if added else f"--- a/{path}\n") or not self.take(f"+++ b/{path}\n"):
            raise other
        hunks: list[Hunk] = []
        while found := _HUNK.fullmatch(self.line):
            self.at += 1
            start, old, goal, new = (1 if number is None else int(number) for number in found.groups())
            hunks.append(self.hunk(start, goal, old, new))
        if not hunks:
            raise self.bad("no hunk is")
        return Part(path, added, hunks)

    def hunk(self, start: int, goal: int, old: int, new: int) -> Hunk:
        sides: dict[str, list[str]] = {"-": [], "+": []}
        while len(sides["-"]) < old or len(sides["+"]) < new:
            marker, rest = self.line[:1], self.line[1:]
            takes = {"-": "-", "+": "+", " ": "-+"}.get(marker, "")
            if not takes or not rest.endswith("\n"):
                raise self.bad("the hunk is shorter than its header says, or has no marker")
            for side in takes:
                sides[side].append(rest)
            self.at += 1
            if self.take(_UNENDED):
                for side in takes:
                    sides[side][-1] = rest[:-1]
        if len(sides["-"]) != old or len(sides["+"]) != new or self.line[:1] in tuple(" +\\"):
            raise self.bad("the hunk is longer than its header says")
        if any(not line.endswith("\n") for side in sides.values() for line in side[:-1]):
            raise self.bad("something follows the end of the file")
        return Hunk(start, goal, sides["-"], sides["+"])
