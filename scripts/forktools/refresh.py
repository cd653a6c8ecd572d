"""scripts/refresh: every edit into the patch that holds its file, and the patches into patches/.

Promises: a file that one patch holds goes into that one by itself; a file that several hold, or none, is named with
them, and waits for `--into PATCH`, a number or any part of a patch's file name (never "the last one": that would drain
the first patches into the later ones). Nothing is taken over unless the tree is the same before and after, to the byte.
The rewriting is done in .upstream/work; when it stops at a conflict, the edits are where they were, git mends it there,
and refresh, called again, takes up the result. `--check` writes nothing and fails on any difference between the tree,
the commits and patches/; `--budget` counts the lines of upstream's files that the series touches.
"""

from __future__ import annotations

import os
import re
import sys
import argparse
from typing import Mapping, Iterable, Sequence
from pathlib import Path

from . import ROOT, Refusal, lay, pin, budget, compose
from .git import Git
from .series import TIP, ONTO, FOLDING, WRITTEN, UPSTREAM, Commit, Series, alone

WORK = "work"
_MEND = "Mend it there, then run scripts/refresh again, or scripts/refresh --abort. The edits are where they were."

# A conventional commit, as upstream writes them, and what a message of ours says at its end.
_SUBJECT = re.compile(r"[a-z]+(\([a-z0-9_./-]+\))?!?: [\x20-\x7e]+")
_TRAILERS = ("Bug", "Forwarded", "Verify")
# Lines at which `git am` would end the message or take it for something else.
_BREAKS_MAIL = re.compile(r"^(---|diff |Index: |From |>+From |-- $)", re.MULTILINE)


def fold(series: Series, into: str | None, within: Sequence[str]) -> list[str]:
    """Folds the edits into their patches and returns the paths; those that are left outside `within` stay edits.

    into:   the patch for files that several patches hold, or none.
    Raises Refusal, with the edits where they were, when a file has no patch or two changes meet.
    """
    tip, tree = series.tip(), series.tree()
    edited = series.paths(tip, tree, *within)
    if not edited:
        return []
    commits = series.commits()
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
    if open_ := [path for path, home in homes.items() if home is None]:
        lines = [f"  {path}: {', '.join(one.name for one in holders[path]) or 'in no patch'}" for path in open_]
        raise Refusal(
            "say --into PATCH (and for which files, if not for all of these); nothing was folded:\n" + "\n".join(lines)
        )
    fixed = tip
    for commit in commits:
        if paths := [path for path, home in homes.items() if home == commit]:
            fixed = _fixup(series, fixed, tree, paths, commit)
    git = series.link(WORK, fixed)
    done = git.run("rebase", "--quiet", "--interactive", "--autosquash", "--keep-empty", UPSTREAM)
    if done.status:
        series.point({FOLDING: fixed})
        raise Refusal(f"{stopped(git)}\n{_MEND}")
    adopt(series, git, tip, fixed)
    return edited


def resume(series: Series) -> bool:
    """Takes up a fold that has stopped and was mended. False when there is none, or git has given it up there."""
    fixed = series.ref(FOLDING)
    git = series.linked_at(WORK) if fixed else None
    if fixed is None or git is None:
        abort(series)
        return False
    if in_progress(git):
        raise Refusal(f"{stopped(git)}\n{_MEND}")
    if git.ask("rev-parse", "HEAD") == fixed:  # git rebase --abort
        abort(series)
        return False
    adopt(series, git, series.tip(), fixed)
    return True


def adopt(series: Series, git: Git, tip: str, fixed: str) -> None:
    """Makes the rebased commits the series. Raises Refusal unless they end in the very tree that the edits made."""
    if series.git.run("merge-base", "--is-ancestor", tip, fixed).status:
        raise Refusal(
            "the series has moved since the fold began; scripts/refresh --abort forgets the fold, the edits stay."
        )
    new = series.normal(UPSTREAM, git.ask("rev-parse", "HEAD"))
    if other := series.paths(fixed, new):
        raise Refusal(
            f"{', '.join(other)}: not what the edit made of it, so nothing was taken over; amend it in {git.folder}, or "
            "scripts/refresh --abort."
        )
    lay.move(series, tip, new)
    series.point({TIP: new})
    abort(series)


def abort(series: Series) -> None:
    """Forgets a fold that has stopped; the edits are in the tree."""
    series.git.must("update-ref", "-d", FOLDING)
    series.unlink(WORK)


def in_progress(git: Git) -> bool:
    """Whether git is in the middle of a rebase in the linked work tree."""
    names = ("rebase-merge", "rebase-apply")
    return any((git.folder / git.ask("rev-parse", "--git-path", name)).exists() for name in names)


def stopped(git: Git) -> str:
    """Where a rebase has stopped, in words."""
    names = git.must("diff", "--name-only", "--diff-filter=U", "-z").names
    at = git.run("log", "-1", "--format=%s", "REBASE_HEAD").out.decode().strip()
    what = f"conflict in {', '.join(names)}" if names else "stopped"
    return f"{what}, at {at!r}, in {git.folder}: `git status` there says what to do (git add, git rebase --continue)."


def _fixup(series: Series, parent: str, tree: str, paths: Iterable[str], commit: Commit) -> str:
    """A commit on `parent` that takes `paths` as they are in `tree`, and says which commit it belongs to."""
    lines = series.git.must("diff-tree", "-r", "-z", "--no-renames", parent, tree, "--", *paths).names
    entries = [
        f"{head.split()[1]} {head.split()[3]}\t{path}\0" for head, path in zip(lines[::2], lines[1::2], strict=True)
    ]
    with series.index() as git:
        git.must("read-tree", parent)
        git.must("update-index", "-z", "--index-info", text="".join(entries).encode())
        new = git.ask("write-tree")
    return series.git.ask("commit-tree", new, "-p", parent, "-m", f"fixup! {commit.sha}")


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


def projected(series: Series, pinned: pin.Pin, base: str = UPSTREAM, tip: str = TIP) -> dict[str, bytes]:
    """What the commits say that the files of the repository are: patches, sums and NOTICE."""
    paths = series.paths(base, tip, compose.HOME, only="AM")
    theirs = set(series.listed(base, compose.HOME))
    files = {f"patches/{name}": content for name, content in series.mails(base, tip).items()}
    files[compose.SUMS] = compose.write_sums(series.contents(tip, paths)).encode()
    files[compose.NOTICE] = compose.notice(
        pinned, {path: "changed" if path in theirs else "added" for path in paths}
    ).encode()
    return files


def differences(root: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Path to what is wrong with it, of those that the commits say and those that are there."""
    found = {path.relative_to(root).as_posix(): path for path in sorted((root / "patches").glob("*.patch"))}
    wrong = {path: "not in the series" for path in found if path not in files}
    for path, content in files.items():
        if not (root / path).is_file():
            wrong[path] = "missing"
        elif (root / path).read_bytes() != content:
            wrong[path] = "differs from the commits"
    return wrong


def with_letter(series: Series, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files, and the cover letter, if there is one, with its table made anew."""
    path = series.root / budget.LETTER
    if path.is_file():
        files[budget.LETTER] = budget.letter(series, path.read_text(encoding="utf-8")).encode()
    return files


def write(series: Series) -> list[str]:
    """Writes what differs and removes what is no more; returns one line for each."""
    for commit in series.commits():
        check_message(commit)
    pinned = pin.load(series.root)
    files = with_letter(series, projected(series, pinned))
    wrong = sorted(differences(series.root, files))
    if wrong:
        prove(files, pin.cached(series.root, pinned.upstream))
    put(series.root, {path: files.get(path) for path in wrong})
    series.point({WRITTEN: series.tip()})
    return [f"{'rewritten' if path in files else 'removed'}: {path}" for path in wrong]


def prove(files: Mapping[str, bytes], upstream: pin.Upstream) -> None:
    """Raises Refusal unless the patches among `files`, applied the way the build applies them, give the tree again."""
    texts = {path: text.decode() for path, text in files.items() if path.endswith(".patch")}
    compose.check_sums(compose.apply_series(texts, upstream.files), compose.parse_sums(files[compose.SUMS].decode()))


def put(root: Path, files: Mapping[str, bytes | None]) -> None:
    """Writes files, each at once, and removes those that are None."""
    for path, content in files.items():
        if content is None:
            (root / path).unlink(missing_ok=True)
        else:
            part = root / f"{path}.part"
            part.write_bytes(content)
            os.replace(part, root / path)


def check(series: Series) -> list[str]:
    """One line for each thing in which the tree, the commits, the pin and patches/ disagree."""
    tip, pinned = series.tip(), pin.load(series.root)
    lines: list[str] = []
    if (version := series.version()) != pinned.upstream:
        lines.append(
            f"{pin.PYPROJECT} pins openai {pinned.upstream}, but the commits stand on {version}; run scripts/bootstrap"
        )
    if series.ref(FOLDING):
        lines.append(
            "a fold has stopped and waits in .upstream/work: scripts/refresh again, or scripts/refresh --abort"
        )
    lines += [f"{path}: differs from the commits" for path in series.paths(tip, series.tree())]
    return lines + [
        f"{path}: {what}"
        for path, what in differences(series.root, with_letter(series, projected(series, pinned))).items()
    ]


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
            print(
                "\n".join(lines)
                or f"patches/ is the tree: {len(series.commits())} patches on openai {series.version()}"
            )
            return 1 if lines else 0
        series.tip()
        with alone(root):
            if options.abort:
                abort(series)
            if not options.budget and not options.abort:
                return _refresh(series, options.into, options.paths)
        if options.budget:
            print(budget.table(series))
        return 0 if options.abort or budget.within(series) else 1
    except Refusal as refusal:
        print(f"refresh: {refusal}", file=sys.stderr)
        return 1


def _refresh(series: Series, into: str | None, within: Sequence[str]) -> int:
    if series.ref(ONTO):
        raise Refusal(
            "a rebase is under way: scripts/rebase --continue goes on with it, scripts/rebase --abort forgets it."
        )
    resume(series)
    lay.lay(series)  # patches/ may be newer than the commits: another branch, a pull
    fold(series, into, within)
    print("\n".join(write(series)) or "nothing to rewrite")
    if left := series.paths(series.tip(), series.tree()):
        print(f"in no patch yet: {', '.join(left)}")
    if not (within_budget := budget.within(series)):
        print(budget.table(series))
    return 1 if left or not within_budget else 0


if __name__ == "__main__":
    sys.exit(main())
