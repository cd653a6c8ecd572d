"""patches/series.toml: the pin, the order, and which path belongs to which patch.

Promises: a `Series` is complete and consistent when `load` returns it (every message has its trailers, slugs and
subjects are usable as they are in a file name and in a mail), and `assign` gives each path exactly one patch or refuses
and names the path.

    upstream = "3.54.0"       the pinned release
    revision = 1              the fork's own, counted anew for each upstream release
    own = ["…"]               globs: files that exist only here and travel with the series
    [author]                  name, email, date: fixed, so that the patches are the same bytes on every machine
    [[patch]]                 slug, subject, message, paths; in the order in which they apply

In globs `*` also crosses `/`, as in fnmatch.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Mapping, Iterable, cast
from fnmatch import fnmatchcase
from pathlib import Path
from dataclasses import dataclass

from . import Refusal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "patches/series.toml"
TRAILERS = ("Bug", "Forwarded", "Verify")

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# A conventional commit, as upstream writes them.
_SUBJECT = re.compile(r"[a-z]+(\([a-z0-9_./-]+\))?!?: [\x20-\x7e]+")
# Lines at which `git am` would end the message or take it for something else.
_BREAKS_MAIL = re.compile(r"^(---|diff |Index: |From |>+From |-- $)", re.MULTILINE)


@dataclass(frozen=True)
class Patch:
    """One patch: what the mail says, and the paths it holds (exact ones or globs)."""

    number: int
    slug: str
    subject: str
    message: str
    paths: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """Its file in patches/, e.g. "0001-errors.patch"."""
        return f"{self.number:04}-{self.slug}.patch"

    def holds(self, path: str) -> bool:
        """Whether `path` belongs to this patch."""
        return any(fnmatchcase(path, pattern) for pattern in self.paths)


@dataclass(frozen=True)
class Author:
    """Who the patches are from; `date` in a form that git reads, e.g. "2026-11-22T00:00:00+00:00"."""

    name: str
    email: str
    date: str


@dataclass(frozen=True)
class Series:
    """The whole of series.toml."""

    upstream: str
    revision: int
    own: tuple[str, ...]
    author: Author
    patches: tuple[Patch, ...]

    @property
    def version(self) -> str:
        """The version of the fork's distribution, e.g. "3.54.0+background.1"."""
        return f"{self.upstream}+background.{self.revision}"

    def is_own(self, path: str) -> bool:
        """Whether `path` exists only in the fork and travels with the series."""
        return any(fnmatchcase(path, pattern) for pattern in self.own)


def load(root: Path) -> Series:
    """Reads and checks series.toml of the repository at `root`. Raises Refusal and names what is wrong."""
    try:
        data = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refusal(f"{FILE} is missing, so there is no pin and no series.") from None
    except tomllib.TOMLDecodeError as error:
        raise Refusal(f"{FILE} is no valid TOML: {error}.") from None
    table = _Table(data, FILE)
    author = _Table(table.take("author", dict), f"{FILE} [author]")
    series = Series(
        upstream=table.take("upstream", str),
        revision=table.take("revision", int),
        own=_strings(table.take("own", list), f"own in {FILE}"),
        author=Author(author.take("name", str), author.take("email", str), author.take("date", str)),
        patches=tuple(_patch(number, entry) for number, entry in enumerate(table.take("patch", list, []), start=1)),
    )
    author.done()
    table.done()
    slugs = [patch.slug for patch in series.patches]
    for slug in slugs:
        if slugs.count(slug) > 1:
            raise Refusal(f"two patches in {FILE} have the slug {slug}.")
    return series


def assign(series: Series, paths: Iterable[str]) -> dict[str, Patch]:
    """Each path's one patch. Raises Refusal and names every path that has none or more than one, and every exact path
    and every patch of the series that is there for nothing."""
    paths = sorted(paths)
    wrong: list[str] = []
    assigned: dict[str, Patch] = {}
    for path in paths:
        holders = [patch for patch in series.patches if patch.holds(path)]
        if len(holders) == 1:
            assigned[path] = holders[0]
        elif holders:
            wrong.append(f"{path} belongs to {' and to '.join(patch.slug for patch in holders)}")
        else:
            wrong.append(f"{path} is changed and belongs to no patch")
    for patch in series.patches:
        for pattern in patch.paths:
            if not any(fnmatchcase(path, pattern) for path in paths):
                wrong.append(f"{pattern}, listed in {patch.slug}, is not changed")
    if wrong:
        raise Refusal(f"{FILE} does not fit the tree: {'; '.join(wrong)}.")
    return assigned


def _patch(number: int, entry: Mapping[str, Any]) -> Patch:
    where = f"patch {number} in {FILE}"
    table = _Table(dict(entry), where)
    patch = Patch(
        number=number,
        slug=table.take("slug", str),
        subject=table.take("subject", str),
        message=table.take("message", str).strip() + "\n",
        paths=_strings(table.take("paths", list), f"paths of {where}"),
    )
    table.done()
    if not _SLUG.fullmatch(patch.slug):
        raise Refusal(f"the slug {patch.slug!r} of {where} is not lower-case words joined by hyphens.")
    if not _SUBJECT.fullmatch(patch.subject) or len(patch.subject) > 72:
        raise Refusal(f"the subject of {patch.slug} is not a conventional commit of at most 72 ASCII characters.")
    if found := _BREAKS_MAIL.search(patch.message):
        raise Refusal(f"a line in the message of {patch.slug} starts with {found[0]!r}, where `git am` would cut it.")
    missing = [name for name in TRAILERS if not re.search(rf"^{name}: \S", patch.message, re.MULTILINE)]
    if missing:
        raise Refusal(f"the message of {patch.slug} has no {', '.join(missing)} line.")
    if not patch.paths:
        raise Refusal(f"{patch.slug} in {FILE} lists no paths.")
    return patch


def _strings(values: list[Any], where: str) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise Refusal(f"{where} has to be a list of strings.")
    return tuple(cast("list[str]", values))


class _Table:
    """A TOML table of which every key is asked for once, with its type, and no other key is left."""

    def __init__(self, data: dict[str, Any], where: str) -> None:
        self._data = data
        self._where = where

    def take(self, key: str, kind: type[Any], default: Any = None) -> Any:
        value = self._data.pop(key, default)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise Refusal(f"{key} in {self._where} is missing or is not a {kind.__name__}.")
        return value

    def done(self) -> None:
        if self._data:
            raise Refusal(f"{self._where} has a key that means nothing: {', '.join(sorted(self._data))}.")
