"""A patch as git writes it, read and applied by the letter: every line is accounted for, or the patch is refused.

Promises: behind the mail's own header and message there is nothing but sections of the form that `git format-patch`
gives a file with added or changed lines; a hunk has just the lines that its header counts, and what follows it is a
hunk, a file or the end of the mail, which has no signature. All names of a section agree, and are plain: no part that
is empty, `..` or a drive, no backslash. A link, a rename, a removal, binary content or another mode is refused, and so
is a second section for a file. A hunk goes exactly where it says: no fuzz, no offset, no whitespace forgiven.

No library reads it: unidiff and whatthepatch drop lines beyond a hunk's counts in silence, patch-ng takes a patch that
is applied already for a success, and each would be one more download that the build has to trust.
"""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple

from . import Refusal
from .pin import plain

_FILE = re.compile(
    r"diff --git a/(?P<old>.+) b/(?P<path>.+)\n"
    r"(?P<added>new file mode 100644\n)?"
    r"(?:index [0-9a-f]{7,64}\.\.[0-9a-f]{7,64}(?: 100644)?\n)?"
    r"(?P<names>--- (?(added)/dev/null|a/(?P=path))\n\+\+\+ b/(?P=path)\n)?"
)
_HUNK = re.compile(r"@@ -([0-9]{1,9})(?:,([0-9]{1,9}))? \+([0-9]{1,9})(?:,([0-9]{1,9}))? @@.*\n")
_LINE = re.compile(r"([ +-])(.*\n)(\\ No newline at end of file\n)?")


class _Hunk(NamedTuple):
    start: int
    goal: int
    old: list[str]
    new: list[str]


def split(text: str) -> list[str]:
    """The lines of `text` with their ends. Not splitlines(): a form feed or a line separator ends no line of a patch."""
    return re.findall(r".*\n|.+", text)


def apply(name: str, text: str, files: Mapping[str, bytes], home: str) -> dict[str, bytes]:
    """Those of `files` below `home` that the patch `name` changes or adds, after it; its other sections are only read.

    Raises Refusal at the first line that is not what it has to be, and where a hunk does not fit.
    """
    begin = re.search(r"^diff --git ", text, re.MULTILINE)
    if begin is None:
        raise Refusal(f"{name} holds no diff.")
    at = begin.start()
    seen: set[str] = set()
    after: dict[str, bytes] = {}
    while at < len(text):
        head = _FILE.match(text, at)
        if head is None:
            raise _bad(name, text, at, "no hunk, no file and not the end of the mail is")
        path, added = head["path"], bool(head["added"])
        for one in (head["old"], path):
            if not plain(one):
                raise Refusal(f"{name} names {one!r}, which is no plain path below this repository.")
        # A file that is added empty has neither its name again nor a hunk.
        if head["old"] != path or not (head["names"] or added):
            raise Refusal(f"{name} does something else to {path} than change or add lines.")
        hunks, at = _hunks(name, text, head.end())
        if bool(head["names"]) != bool(hunks):
            raise _bad(name, text, at, "no hunk is")
        if path in seen:
            raise Refusal(f"{name} has two sections for {path}.")
        seen.add(path)
        if path.startswith(home):
            does, state = ("adds", "already exists") if added else ("changes", "does not exist")
            if added == (path in files):
                raise Refusal(f"{name} {does} {path}, which {state}.")
            after[path] = _applied(name, path, hunks, files.get(path, b""))
    return after


def _hunks(name: str, text: str, at: int) -> tuple[list[_Hunk], int]:
    """The hunks from `at` on, each with as many lines as its header says, and where they end."""
    hunks: list[_Hunk] = []
    while head := _HUNK.match(text, at):
        start, old, goal, new = (1 if number is None else int(number) for number in head.groups())
        hunk, at = _Hunk(start, goal, [], []), head.end()
        while len(hunk.old) < old or len(hunk.new) < new:
            line = _LINE.match(text, at)
            if line is None:
                raise _bad(name, text, at, "the hunk is shorter than its header says, or has no marker")
            content = line[2][:-1] if line[3] else line[2]
            for side in {" ": (hunk.old, hunk.new), "-": (hunk.old,), "+": (hunk.new,)}[line[1]]:
                side.append(content)
            at = line.end()
        if len(hunk.old) != old or len(hunk.new) != new or text.startswith((" ", "+", "\\"), at):
            raise _bad(name, text, at, "the hunk is longer than its header says")
        hunks.append(hunk)
    return hunks, at


def _bad(name: str, text: str, at: int, why: str) -> Refusal:
    line = text.count("\n", 0, at) + 1
    return Refusal(f"{name} cannot be read as a patch: {why} in line {line}.")


def _applied(name: str, path: str, hunks: list[_Hunk], content: bytes) -> bytes:
    # A byte that is no UTF-8 is in no hunk, and comes out as it went in.
    lines = split(content.decode("utf-8", "surrogateescape"))
    shift = done = 0  # how far the hunks before moved what follows them, and where the last one ended
    for hunk in hunks:
        # A side without lines is named by the line before it, every other one by its first line.
        at = hunk.goal - bool(hunk.new)
        fits = at >= done and at == hunk.start - bool(hunk.old) + shift
        if not fits or lines[at : at + len(hunk.old)] != hunk.old:
            raise Refusal(f"{name} does not apply exactly to {path}: the hunk for line {hunk.start} differs.")
        lines[at : at + len(hunk.old)] = hunk.new
        shift += len(hunk.new) - len(hunk.old)
        done = at + len(hunk.new)
    return "".join(lines).encode("utf-8", "surrogateescape")
