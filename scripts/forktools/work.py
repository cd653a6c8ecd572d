"""Rewriting commits: how scripts/refresh and scripts/rebase begin it, stop at a conflict, go on and give up.

Promises: git rebases in the linked work tree .upstream/work, and until the result is taken over, tree, commits and
patches/ are as they were, to the byte. A conflict is mended there with git's own commands. What is taken over has been
rebased whole, from the series as it is now.
"""

from __future__ import annotations

from . import Refusal, pin
from .git import Git
from .series import UPSTREAM, Series

FOLDER = "work"
# While it is under way: the commits that are rebased, and where to when that is another release.
FROM, ONTO = "refs/work/from", "refs/work/onto"
FOLD, REBASE = "scripts/refresh", "scripts/rebase"


def under_way(series: Series) -> str | None:
    """The command that has begun, if one has."""
    return REBASE if series.ref(ONTO) else FOLD if series.ref(FROM) else None


def begin(series: Series, git: Git, onto: str | None = None) -> None:
    """Rebases what the work tree `git` holds, fixups squashed; `onto` is another release. Raises Refusal when it stops."""
    series.point({FROM: git.ask("rev-parse", "HEAD"), **({ONTO: onto} if onto else {})})
    how = ("--interactive", "--autosquash", "--keep-empty", "--empty=drop")
    if git.run("rebase", "--quiet", *how, "--onto", onto or UPSTREAM, UPSTREAM).status:
        raise _stopped(git, under_way(series))


def result(series: Series) -> str | None:
    """The last of the rebased commits; None when it was given up there, or is the series already. Raises Refusal when it is
    not at its end, or not of the series as it is."""
    command, begun, git = under_way(series), series.ref(FROM), _there(series)
    if begun is None or git is None:
        return None
    if any((git.folder / git.ask("rev-parse", "--git-path", f"rebase-{how}")).exists() for how in ("merge", "apply")):
        raise _stopped(git, command)
    base, head = ONTO if command == REBASE else UPSTREAM, git.ask("rev-parse", "HEAD")
    if head == begun or series.git.run("merge-base", "--is-ancestor", base, head).status:
        return None
    new = series.normal(base, head)
    if new == series.tip():  # an interrupt came behind it
        return None
    if series.git.run("merge-base", "--is-ancestor", series.tip(), begun).status:
        raise Refusal(f"the series has moved since it began; {command} --abort, then begin anew. No edit is lost.")
    return new


def forget(series: Series) -> None:
    """Ends it; edits and commits stay as they are."""
    for name in (FROM, ONTO):
        series.git.must("update-ref", "-d", name)
    series.unlink(FOLDER)


def _there(series: Series) -> Git | None:
    folder, admin = series.root / pin.CACHE / FOLDER, series.directory / "worktrees" / FOLDER
    if not folder.is_dir() or not admin.is_dir():
        return None
    # Each knows the other by its whole path, which is another one when the repository was moved or copied.
    (folder / ".git").write_text(f"gitdir: {admin}\n", encoding="utf-8")
    (admin / "gitdir").write_text(f"{folder / '.git'}\n", encoding="utf-8")
    return Git.of(folder)


def _stopped(git: Git, command: str | None) -> Refusal:
    return Refusal(
        f"stopped in {git.folder}:\n{git.ask('status')}\nMend it there with git; then {command} "
        f"{'--continue' if command == REBASE else 'again'}, or {command} --abort. Nothing else has changed, and the edits "
        "are where they were."
    )
