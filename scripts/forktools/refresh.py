"""scripts/refresh: every edit into the patch that holds its file, and the patches into patches/.

Promises: a file that one patch holds goes into that one by itself; a file that several hold, or none, is named with
them, and waits for `--into PATCH`, a number or any part of a patch's file name (never "the last one": that would drain
the first patches into the later ones). Nothing is taken over unless the tree is the same before and after, to the byte.
Where it stops at a conflict, and how it goes on: see `work`. `--check` writes nothing and fails on any difference
between the tree, the commits and patches/; `--budget` counts the lines of upstream's files that the series touches.
"""

from __future__ import annotations

import os
import re
import sys
import argparse
from typing import Mapping, Sequence
from pathlib import Path

from . import ROOT, Refusal, lay, pin, work, compose
from .series import TIP, WRITTEN, UPSTREAM, Commit, Series, alone

# A conventional commit, as upstream writes them, and what a message of ours says at its end.
_SUBJECT = re.compile(r"[a-z]+(\([a-z0-9_./-]+\))?!?: [\x20-\x7e]+")
_TRAILERS = ("Bug", "Forwarded", "Patch", "Verify")
# Lines at which `git am` would end the message or take it for something else.
_BREAKS_MAIL = re.compile(r"^(---|diff |Index: |From |>+From |-- $)", re.MULTILINE)
# How many lines of upstream's own files the series may add and remove.
MOST_ADDED, MOST_REMOVED = 200, 9


def fold(series: Series, into: str | None, within: Sequence[str]) -> None:
    """Folds the edits into their patches; those outside the paths `within`, if any are given, stay edits.

    into: the patch for files that several patches hold, or none.
    Raises Refusal, with the edits where they were, when a file has no patch or two changes meet.
    """
    tip, tree, commits = series.tip(), series.tree(), series.commits()
    edited = series.paths(tip, tree, *within)
    if not edited:
        return
    for commit in commits:
        check_message(commit)
    held = {commit: series.paths(f"{commit.sha}^", commit.sha) for commit in commits}
    holders = {path: [commit for commit in commits if path in held[commit]] for path in edited}
    target = series.find(into) if into else None
    # A file that is named goes where it is told to; all others only where they have no one place of their own.
    homes = {
        path: found[0] if len(found) == 1 and not (target and path in within) else target
        for path, found in holders.items()
    }
    if homeless := [path for path, home in homes.items() if home is None]:
        lines = [f"  {path}: {', '.join(one.name for one in holders[path]) or 'in no patch'}" for path in homeless]
        raise Refusal(
            "say --into PATCH (and for which files, if not for all of these); nothing was folded:\n" + "\n".join(lines)
        )
    git = series.link(work.FOLDER, tip)
    for commit in commits:
        if paths := [path for path, home in homes.items() if home == commit]:
            git.must("restore", f"--source={tree}", "--staged", "--worktree", "--", *paths)
            git.must("commit", "--quiet", f"--message=fixup! {commit.sha}")
    work.begin(series, git)
    adopt(series)


def adopt(series: Series) -> None:
    """Makes the rebased commits the series, unless they were given up. Raises Refusal when they do not end in the very
    tree that the edits made."""
    if new := work.result(series):
        if other := series.paths(work.FROM, new):
            raise Refusal(
                f"{', '.join(other)}: not what the edit made of it, so nothing was taken over; amend it in "
                f"{pin.CACHE}/{work.FOLDER}, or scripts/refresh --abort."
            )
        lay.move(series, series.tip(), new)
        series.point({TIP: new})
    work.forget(series)


def check_message(commit: Commit) -> None:
    """Raises Refusal unless the message can go into a mail and says what ours say."""
    if not _SUBJECT.fullmatch(commit.subject):
        raise Refusal(f"{commit.subject!r} is not the subject of a conventional commit.")
    if found := _BREAKS_MAIL.search(commit.message):
        raise Refusal(
            f"a line in the message of {commit.name} starts with {found[0]!r}, which ends a message in a mail."
        )
    for key in _TRAILERS:
        if not commit.trailer(key):
            raise Refusal(
                f"the message of {commit.name} has no {key} line (scripts/series commit --amend, or rebase -i)."
            )


def changes(series: Series, pinned: pin.Pin, base: str = UPSTREAM, tip: str = TIP) -> dict[str, bytes | None]:
    """The files of the repository in which it is not what the commits say: patches, sums and NOTICE; None is one that
    has to go. Raises Refusal unless the patches, applied the way the build applies them, give the tree again."""
    paths = series.paths(base, tip, compose.HOME, only="AM")
    theirs = set(series.listed(base, compose.HOME))
    mails = series.mails(base, tip)
    sums = compose.write_sums({path: series.git.must("cat-file", "blob", f"{tip}:{path}").out for path in paths})
    notice = compose.notice(pinned, {path: "changed" if path in theirs else "added" for path in paths})
    files = {
        **{f"patches/{name}": None for name in series.patches()},
        **{f"patches/{name}": content for name, content in mails.items()},
        compose.SUMS: sums.encode(),
        compose.NOTICE: notice.encode(),
    }
    changed = {path: content for path, content in files.items() if read(series.root / path) != content}
    if changed:
        texts = {name: content.decode() for name, content in mails.items()}
        applied = compose.apply_series(texts, pin.cached(series.root, pinned.upstream).files)
        compose.check_sums(applied, compose.parse_sums(sums))
    return changed


def read(file: Path) -> bytes | None:
    """The content of a file, if it is there."""
    return file.read_bytes() if file.is_file() else None


def put(root: Path, files: Mapping[str, bytes | None]) -> None:
    """Writes files, each at once, and removes those that are None."""
    for path, content in files.items():
        if content is None:
            (root / path).unlink(missing_ok=True)
        else:
            part = root / f"{path}.part"
            part.write_bytes(content)
            os.replace(part, root / path)


def write(series: Series) -> list[str]:
    """Writes what differs and removes what is no more; returns one line for each."""
    for commit in series.commits():
        check_message(commit)
    changed = changes(series, pin.load(series.root))
    put(series.root, changed)
    series.point({WRITTEN: series.tip()})
    return [f"{'removed' if content is None else 'rewritten'}: {path}" for path, content in sorted(changed.items())]


def check(series: Series) -> list[str]:
    """One line for each thing in which the tree, the commits, the pin and patches/ disagree."""
    tip, pinned = series.tip(), pin.load(series.root)
    if (version := series.version()) != pinned.upstream:
        return [f"{pin.PYPROJECT} pins openai {pinned.upstream}, the commits stand on {version}: run scripts/bootstrap"]
    if command := work.under_way(series):
        return [f"{command} has stopped in {pin.CACHE}/{work.FOLDER}, and waits"]
    wrong = {*series.paths(tip, series.tree()), *changes(series, pinned)}
    return [f"{path}: differs from the commits" for path in sorted(wrong)]


def budget(series: Series) -> tuple[str, bool]:
    """The lines that each patch changes in upstream's own files, and whether the series keeps to its limits."""
    theirs = series.paths(UPSTREAM, TIP, only="MD")
    if not theirs:
        return "no file of upstream's is changed", True
    log = series.git.ask("log", "--reverse", "--format=%n%s", "--numstat", f"{UPSTREAM}..{TIP}", "--", *theirs)
    whole = series.git.ask("diff", "--numstat", UPSTREAM, TIP, "--", *theirs)
    # Over the whole series, where a line that one patch adds and another removes counts for nothing.
    added, removed = (sum(int(line.split()[at]) for line in whole.splitlines()) for at in (0, 1))
    last = f"In upstream's files in all: +{added} -{removed}, of at most +{MOST_ADDED} -{MOST_REMOVED}."
    return f"{log}\n\n{whole}\n\n{last}", added <= MOST_ADDED and removed <= MOST_REMOVED


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/refresh", description="Folds the edits into the patches.")
    parser.add_argument("paths", nargs="*", help="fold the edits of these files and folders only")
    parser.add_argument(
        "--into", metavar="PATCH", help="for files of several patches or none: a number, or a part of its name"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing; fail when tree, commits and patches/ differ")
    mode.add_argument("--budget", action="store_true", help="show the lines changed in upstream's files")
    mode.add_argument("--abort", action="store_true", help="forget a fold that has stopped; the edits stay")
    options = parser.parse_args(arguments)
    series = Series(root)
    try:
        if options.check:
            lines = check(series)
            good = f"patches/ is the tree: {len(series.commits())} patches on openai {series.version()}"
            print("\n".join(lines) or good)
            return 1 if lines else 0
        series.tip()
        if options.budget:
            table, within_limits = budget(series)
            print(table)
            return 0 if within_limits else 1
        with alone(root):
            if work.under_way(series) == work.REBASE:
                raise Refusal(f"a rebase is under way: {work.REBASE} --continue goes on with it, --abort forgets it.")
            if options.abort:
                work.forget(series)
                return 0
            return _refresh(series, options.into, options.paths)
    except Refusal as refusal:
        print(f"refresh: {refusal}", file=sys.stderr)
        return 1


def _refresh(series: Series, into: str | None, within: Sequence[str]) -> int:
    adopt(series)  # what has stopped and was mended
    lay.lay(series)  # patches/ may be newer than the commits: another branch, a pull
    fold(series, into, within)
    print("\n".join(write(series)) or "nothing to rewrite")
    if left := series.paths(series.tip(), series.tree()):
        print(f"in no patch yet: {', '.join(left)}")
    table, within_limits = budget(series)
    if not within_limits:
        print(table)
    return 1 if left or not within_limits else 0


if __name__ == "__main__":
    sys.exit(main())
