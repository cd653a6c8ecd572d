"""The repository as it will be after a rebase, made beside it, and put in its place in one step.

Promises: nothing in the repository changes before `install`; `install` refuses when the repository changed since the
work began, and puts everything back when it does not get to its end.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import Mapping
from pathlib import Path
from importlib.metadata import Distribution

from packaging.requirements import Requirement

from . import Refusal, lay, pin, tree, series, compose, refresh

PYPROJECT = "pyproject.toml"

_TOOL = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^\s;#]+)", re.MULTILINE)


def fingerprint(root: Path) -> dict[str, str]:
    """Path to SHA-256 of every file of the repository that git would commit; of a link, to where it points."""
    found: dict[str, str] = {}
    for path in tree.listed(root):
        if (root / path).is_symlink():
            found[path] = f"-> {os.readlink(root / path)}"
        elif (digest := lay.digest_of(root / path)) is not None:
            found[path] = digest
    return found


def build(
    root: Path, candidate: Path, upstream: pin.Upstream, carried: Mapping[str, bytes], plan: series.Series
) -> series.Series:
    """Makes the repository for `upstream` in the folder `candidate`, with patches, sums and NOTICE not written yet.

    carried: every path that the carried series changes or adds, with its content.
    Returns the plan of the new repository.
    """
    shutil.rmtree(candidate, ignore_errors=True)
    for path in fingerprint(root):
        target = candidate / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, target, follow_symlinks=False)
    for path, content in {**upstream.files, **carried, "LICENSE": upstream.licence}.items():
        target = candidate / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    _replace(candidate / series.FILE, r'^upstream = "[^"]*"', f'upstream = "{upstream.version}"')
    _replace(candidate / series.FILE, r"^revision = \d+", "revision = 1")
    _replace(candidate / PYPROJECT, rf'"openai=={re.escape(plan.upstream)}"', f'"openai=={upstream.version}"')
    return series.load(candidate)


def write_series(candidate: Path, upstream: pin.Upstream) -> tuple[list[str], refresh.Outcome]:
    """Rewrites the candidate's patches, sums and NOTICE from its tree; safe to do again after an edit there."""
    outcome = refresh.project(candidate, series.load(candidate), upstream)
    return refresh.write(candidate, outcome, upstream), outcome


def unmet(candidate: Path, found: Distribution) -> list[str]:
    """What the new release requires and the pins of requirements/dev.txt do not give."""
    text = (candidate / "requirements" / "dev.txt").read_text(encoding="utf-8")
    pins = {_canonical(name): version for name, version in _TOOL.findall(text)}
    lines: list[str] = []
    for line in found.requires or []:
        requirement = Requirement(line)
        pinned = pins.get(_canonical(requirement.name))
        if pinned is not None and not requirement.specifier.contains(pinned, prereleases=True):
            lines.append(f"requires {requirement.name} {requirement.specifier}, but it is pinned to {pinned}")
    return lines


def mentions(candidate: Path, paths: list[str], version: str) -> list[str]:
    """Where the old version is still written, as path:line; the patches themselves and the change log may."""
    found: list[str] = []
    word = re.compile(rf"(?<![\d.]){re.escape(version)}(?![\d.]*\d)")
    for path in paths:
        file = candidate / path
        if path.startswith(("patches/0", "CHANGELOG")) or not file.is_file():
            continue
        text = file.read_bytes().decode("utf-8", "replace")
        found += [f"{path}:{number}" for number, line in enumerate(text.splitlines(), start=1) if word.search(line)]
    return found


def install(root: Path, candidate: Path, upstream: pin.Upstream, began: Mapping[str, str]) -> list[str]:
    """Puts the candidate in the repository's place and lays the tree; returns the paths that changed.

    began: the repository's fingerprint from before the work. Raises Refusal, and leaves everything as it was, when the
    repository is another one by now or the tree cannot be laid.
    """
    now = fingerprint(root)
    if now != began:
        names = sorted(path for path in {*now, *began} if now.get(path) != began.get(path))
        raise Refusal(f"{', '.join(names)}: changed since the rebase began, so nothing was written.")
    files = (path for path in candidate.rglob("*") if path.is_file() and not path.is_symlink())
    wanted = {path.relative_to(candidate).as_posix(): path for path in files}
    composed = tuple(path for path in wanted if path.startswith(compose.HOME) and not path.startswith(compose.OWN))
    skipped = {*composed, lay.MANIFEST}
    changes: dict[str, bytes | None] = {
        path: file.read_bytes()
        for path, file in sorted(wanted.items())
        if path not in skipped and "__pycache__" not in path and lay.digest_of(root / path) != lay.digest_of(file)
    }
    changes |= {path: None for path in began if path.startswith("patches/") and path not in wanted}
    backup = {path: (root / path).read_bytes() if (root / path).is_file() else None for path in changes}
    before = series.load(root)
    try:
        _put(root, changes)
        plan = series.load(root)
        lay.lay(root, compose.compose(root, plan, upstream), upstream)
    except BaseException:
        _put(root, backup)
        old = pin.cached(root, before.upstream)
        lay.lay(root, compose.compose(root, before, old), old, keep_edits=True)
        raise
    return sorted(changes)


def _put(root: Path, files: Mapping[str, bytes | None]) -> None:
    for path, content in files.items():
        if content is None:
            (root / path).unlink(missing_ok=True)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)


def _replace(file: Path, pattern: str, text: str) -> None:
    before = file.read_text(encoding="utf-8")
    after, count = re.subn(pattern, text, before, flags=re.MULTILINE)
    if count != 1:
        raise Refusal(f"{file.name} names the pin {count} times where it should once.")
    file.write_text(after, encoding="utf-8")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
