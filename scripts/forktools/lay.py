"""The tree and the commits of the series, brought together: the part of scripts/bootstrap that needs git.

Promises: what is missing is laid, what is as it was laid is moved when patches/ or the pin changed, and an edit is never
overwritten or removed: one that stands where something new has to be stops it, named, before anything is written.
Commits that are in no patch yet are never thrown away. Safe twice at once, and after an interrupt.
"""

from __future__ import annotations

import sys
from pathlib import Path

from . import ROOT, Refusal, git as git_, pin
from .git import Git
from .series import TIP, WRITTEN, UPSTREAM, Series, alone


def lay(series: Series) -> list[str]:
    """Brings commits and tree up to patches/ and the pin; returns the paths with edits that are in no patch yet."""
    git_.create(series.directory)
    # Whoever has committed something meanwhile.
    old = series.normal(UPSTREAM, series.tip()) if series.ref(TIP) else None
    refs = _source(series, series.base(pin.load(series.root).upstream), old)
    if old is None:
        # A tree of nothing but our own files, which the main repository has, is one from which the rest is missing.
        series.point({UPSTREAM: refs[UPSTREAM]})
    edits = move(series, old or refs[TIP], refs[TIP])
    series.point(refs)
    return edits


def _source(series: Series, base: str, old: str | None) -> dict[str, str]:
    """What the refs are to be: from the commits that are there, or from patches/, whichever has moved."""
    written, upstream = series.ref(WRITTEN), series.ref(UPSTREAM)
    if old is not None and written is not None and upstream is not None:
        mails, ours, theirs = series.patches(), series.mails(upstream, old), series.mails(upstream, written)
        if base == upstream and mails == ours:
            return {TIP: old, WRITTEN: old}
        if ours != theirs:
            # Commits that are in no patch yet, or of which some are, because refresh was interrupted.
            names = {*mails, *ours, *theirs}
            if base == upstream and all(mails.get(name) in (ours.get(name), theirs.get(name)) for name in names):
                return {TIP: old}
            raise Refusal(
                "patches/ or the pin has changed, and so have the commits, which are in no patch yet. To go on from "
                "patches/, with what the commits did as edits: scripts/series reset --soft series/written; to go on "
                "from the commits: git checkout patches pyproject.toml. Then again."
            )
    tip = series.applied(base)
    return {UPSTREAM: base, TIP: tip, WRITTEN: tip}


def move(series: Series, old: str, new: str) -> list[str]:
    """Moves the tree from one commit to another and returns the paths with edits, which all stay as they are.

    What is missing of upstream's files is laid; a missing file of our own is an edit, which removed it. Raises
    Refusal, before anything is written, and names every file whose edit stands where something new has to be.
    """
    with series.staged(keep=True) as git:
        if gone := set(_differ(git, old, "--diff-filter=D")) & set(series.listed(UPSTREAM)):
            paths = "\0".join(sorted(gone)).encode()
            git.must("checkout", "--quiet", old, "--pathspec-from-file=-", "--pathspec-file-nul", text=paths)
        if collide := sorted({*series.paths(old, new)} & {*_differ(git, old)} & {*_differ(git, new)}):
            raise Refusal(
                f"{', '.join(collide)}: edited, and the edit is in no patch, but patches/ has something new for it; "
                "nothing was laid. `scripts/series diff` shows the edits: put that one aside, then again."
            )
        git.must("read-tree", "-m", "-u", old, new)
        edits = _differ(git, new)
        git.must("read-tree", "-m", new)  # so that an edit is one for `scripts/series diff`, too
    return edits


def _differ(git: Git, tree: str, *options: str) -> list[str]:
    """The paths in which the index differs from a tree."""
    return git.must("diff-index", "--cached", "-z", "--name-only", "--no-renames", *options, tree).names


def main(root: Path = ROOT) -> int:
    """Lays the tree of the repository at `root` and names the edits; returns the exit status."""
    series = Series(root)
    try:
        with alone(root):
            edits = lay(series)
    except Refusal as refusal:
        print(f"lay: {refusal}", file=sys.stderr)
        return 1
    if edits:
        print(f"lay: edited, and in no patch yet: {', '.join(edits)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
