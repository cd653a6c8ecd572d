"""What the series costs: lines added and removed, for each patch, and in upstream's own files for each of them.

Promises: lines in files that the release has are counted apart from those in new ones; so are those in files that
upstream's generator rewrites, because upstream asks not to edit them. `within` says whether the whole series keeps to
its limits; `letter` writes the table of patches/cover-letter.md.
"""

from __future__ import annotations

import re
import json
import tarfile
from typing import Mapping

from . import Refusal, pin, sdist
from .series import TIP, UPSTREAM, Series

# Over the whole series, where a line that one patch adds and another removes counts for nothing.
MOST_ADDED, MOST_REMOVED = 200, 9
# What upstream's generator rewrites: its own list in the sdist, or where there is none, what it has said.
_INVENTORY = "scripts/castiron/generated-files.json"
_GENERATED = re.compile(r"api\.md|src/openai/(__init__|_client)\.py|src/openai/(resources|types)/.*")

# The letter, and what stands around the part of it that is written here.
LETTER = "patches/cover-letter.md"
_BEGIN, _END = "<!-- generated: lines -->\n", "<!-- /generated -->"

# File to lines (added, removed).
Lines = Mapping[str, tuple[int, int]]


def within(series: Series) -> bool:
    """Whether the series keeps to the limits."""
    added, removed = _sum(lines(series, UPSTREAM, TIP))
    return added <= MOST_ADDED and removed <= MOST_REMOVED


def table(series: Series) -> str:
    """A row for each patch, one for each file, and the sum."""
    made = generated(series)
    rows = [("in upstream's files", "of them generated", "")]
    for commit in series.commits():
        found = lines(series, f"{commit.sha}^", commit.sha)
        rows.append((_text(found), _text({path: of for path, of in found.items() if path in made}), commit.name))
    found = lines(series, UPSTREAM, TIP)
    rows += [("", "", ""), *((_text({path: of}), "", path) for path, of in found.items())]
    rows.append((_text(found), "", f"in all, of at most +{MOST_ADDED} -{MOST_REMOVED}"))
    return "\n".join(f"{all_:>19}  {of_them:>17}  {name}".rstrip() for all_, of_them, name in rows)


def letter(series: Series, text: str) -> str:
    """The cover letter `text` with its table of the patches made anew. Raises Refusal where the letter has no place for it."""
    head, begun, rest = text.partition(_BEGIN)
    _, ended, tail = rest.partition(_END)
    if not begun or not ended:
        raise Refusal(f"{LETTER} has no {_BEGIN.strip()} and {_END} behind it.")
    made, theirs = generated(series), set(series.listed(UPSTREAM))
    rows = [
        "| patch | part | source | tests | in upstream's files | of these generated |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for commit in series.commits():
        found = changed(series, f"{commit.sha}^", commit.sha)
        tests = {path: of for path, of in found.items() if path.startswith("tests/")}
        source = {path: of for path, of in found.items() if path not in tests}
        upstreams = {path: of for path, of in source.items() if path in theirs}
        parts = [
            _text(of)
            for of in (source, tests, upstreams, {path: upstreams[path] for path in upstreams if path in made})
        ]
        needs = commit.trailer("Needs")
        part = (commit.trailer("Part") or "") + (f", needs {needs}" if needs else "")
        rows.append(f"| {commit.name} | {part} | {' | '.join(parts)} |")
    whole = _text(lines(series, UPSTREAM, TIP))
    return f"{head}{_BEGIN}" + "\n".join([*rows, "", f"In upstream's files in all: {whole}.", f"{_END}{tail}"])


def lines(series: Series, old: str, new: str) -> Lines:
    """The lines between two trees, in files of the release."""
    theirs = set(series.listed(UPSTREAM))
    return {path: of for path, of in changed(series, old, new).items() if path in theirs}


def changed(series: Series, old: str, new: str) -> Lines:
    """The lines between two trees."""
    rows = series.git.must("diff-tree", "-r", "-z", "--numstat", "--no-renames", old, new).names
    parts = [row.split("\t") for row in rows]
    return {path: (int(added), int(removed)) for added, removed, path in parts}


def generated(series: Series) -> set[str]:
    """The files of the release that upstream's generator rewrites."""
    version = series.version()
    with tarfile.open(sdist.fetch(series.root, version)) as tar:
        try:
            content = tar.extractfile(f"{pin.PACKAGE}-{version}/{_INVENTORY}")
        except KeyError:
            content = None
        if content is not None:
            return set(json.loads(content.read())["files"])
    return {path for path in series.listed(UPSTREAM) if _GENERATED.fullmatch(path)}


def _sum(found: Lines) -> tuple[int, int]:
    return sum(added for added, _ in found.values()), sum(removed for _, removed in found.values())


def _text(found: Lines) -> str:
    added, removed = _sum(found)
    return f"+{added} -{removed}"
