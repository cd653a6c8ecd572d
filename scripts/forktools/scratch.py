"""A git repository for one job, in a folder of its own, that no configuration outside it reaches.

Promises: the same commands give the same commits on every machine; no hook, no global or system setting, no signing key
and no identity of the person who runs it takes part; the project's own repository is neither read nor changed.
"""

from __future__ import annotations

import os
import subprocess
from typing import Sequence
from pathlib import Path
from dataclasses import dataclass

from . import Refusal, variables_without
from .series import Author


@dataclass(frozen=True)
class Done:
    """How a git command ended: its exit status and what it printed on both streams."""

    status: int
    out: str
    err: str


class Scratch:
    """The repository in `folder`, which is made if it is not one yet."""

    def __init__(self, folder: Path, author: Author) -> None:
        self.folder = folder
        self._environment = variables_without("GIT_") | {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            # Where git would look for attributes and ignored names, too.
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            # A merge that stops must not start an editor.
            "GIT_EDITOR": "true",
            "LC_ALL": "C",
            "TZ": "UTC",
            **{f"GIT_COMMITTER_{key}": getattr(author, key.lower()) for key in ("NAME", "EMAIL", "DATE")},
            **{f"GIT_AUTHOR_{key}": getattr(author, key.lower()) for key in ("NAME", "EMAIL", "DATE")},
        }
        if not (folder / ".git").is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            self.git("init", "--quiet", "--template=", "--initial-branch=series")
            self.git("config", "core.autocrlf", "false")
            self.git("config", "gc.auto", "0")
            self.git("config", "merge.conflictStyle", "merge")

    def run(self, *arguments: str) -> Done:
        """Runs git in the repository."""
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
            )
        except OSError:
            raise Refusal("git is not on the PATH, and applying the series as mails needs it.") from None
        return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def git(self, *arguments: str) -> str:
        """Runs git and returns what it printed. Raises Refusal when it fails."""
        done = self.run(*arguments)
        if done.status:
            raise Refusal(f"git {arguments[0]} failed: {(done.err or done.out).strip()}.")
        return done.out

    def commit(self, message: str) -> str:
        """Commits the whole folder and returns the commit's name."""
        self.git("add", "--all", "--force", ".")
        self.git("commit", "--quiet", "--no-verify", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD").strip()

    def am(self, mails: Sequence[Path], *options: str) -> Done:
        """Applies `mails` in order; a failing one leaves `git am` in progress."""
        # --keep-cr and no whitespace mending: what is applied is what the patch says.
        return self.run("am", "--quiet", "--keep-cr", "--whitespace=nowarn", *options, *map(str, mails))

    def paths_of(self, commit: str) -> list[str]:
        """The paths that `commit` added or changed, in order."""
        names = self.git("diff-tree", "--no-commit-id", "--name-only", "-r", "-z", "--diff-filter=AM", commit)
        return sorted(set(names.split("\0")) - {""})
