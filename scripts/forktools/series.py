"""The series as a git branch: .series.git, a git directory of its own over the work tree of this repository.

    upstream         the release: src/openai, helpers.md and api.md of the sdist, checked against the wheel
    series           one commit for each patch on it; what the tree was last laid from
    series/written   the commits that patches/ was last read from or written to

Promises: the tree *is* the work tree, so that nothing is copied, and git itself knows what was edited. The same patches
give the same commits on every machine, and the same commits the same patches. Rewriting happens in linked work trees
below .upstream, never in the tree.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import Mapping, Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from contextlib import contextmanager
from dataclasses import dataclass

from . import Refusal, git as git_, pin, sdist
from .git import Git

# What the series may hold: git pathspecs. The first three are the base's, too.
BASE = ("src/openai", "helpers.md", "api.md")
TRAVELS = (
    *BASE,
    "background.md",
    "examples/responses/background_progress.py",
    "examples/responses/background_retry.py",
    "tests/lib/background",
    "tests/test_aiohttp_malformed_answers.py",
    "tests/lib/test_error_pickling.py",
)
# What editors and interpreters leave there, which is nobody's work.
_LITTER = (":(exclude,glob)**/.*", ":(exclude,glob)**/*.pyc")

# How the commits are written down. No numbering ("[PATCH 2/7]"): a patch's bytes would change whenever one comes or goes.
_FORMAT = (
    *("--quiet", "--no-numbered", "--zero-commit", "--full-index", "--no-signature", "--no-stat", "--no-renames"),
    *("--no-color", "--no-ext-diff", "--diff-algorithm=histogram", "--unified=3", "--src-prefix=a/", "--dst-prefix=b/"),
)

TIP, UPSTREAM, WRITTEN = "refs/heads/series", "refs/tags/upstream", "refs/series/written"


@dataclass(frozen=True)
class Commit:
    """A commit of the series: its name in git, its place from 1, its whole message."""

    sha: str
    number: int
    message: str

    @property
    def name(self) -> str:
        """Its patch's file name without the suffix, e.g. "0003-streams", for which the message has a line."""
        return f"{self.number:04}-{self.trailer('Patch') or 'without-a-name'}"

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]

    def trailer(self, key: str) -> str | None:
        """The value of the line `key: value` in the message, if there is one."""
        found = re.search(rf"^{key}: *(.*\S)", self.message, re.MULTILINE)
        return found[1] if found else None


class Series:
    """The series of the repository at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / ".series.git"
        self.folder = root / "patches"
        self.git = Git.over(self.directory, root)

    # What is there.

    def ref(self, name: str) -> str | None:
        """The commit that `name` means, or None."""
        done = self.git.run("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
        return done.out.decode().strip() or None

    def tip(self) -> str:
        """The last commit. Raises Refusal when there is no series yet, or git is in the middle of something in the tree."""
        if not self.directory.is_dir() or not (tip := self.ref(TIP)):
            raise Refusal(f"{self.directory.name} is not there yet; scripts/bootstrap makes it.")
        busy = [name for name in ("rebase-merge", "rebase-apply", "MERGE_HEAD") if (self.directory / name).exists()]
        if busy or self.git.run("symbolic-ref", "HEAD").out.decode().strip() != TIP:
            raise Refusal("git is in the middle of something in this tree: `scripts/series status` says what to do.")
        return tip

    def commits(self, base: str = UPSTREAM, tip: str = TIP) -> list[Commit]:
        """The commits of the series, in order."""
        entries = self.git.must("log", "--reverse", "-z", "--format=%H%n%B", f"{base}..{tip}").names
        parts = [entry.split("\n", 1) for entry in entries]
        return [Commit(sha, at, message) for at, (sha, message) in enumerate(parts, start=1)]

    def find(self, word: str) -> Commit:
        """The one patch whose number is `word`, or whose file name has `word` in it. Raises Refusal, naming what is there."""
        commits = self.commits()
        found = [one for one in commits if word.isdigit() and int(word) == one.number]
        found = found or [one for one in commits if word.lower().replace(" ", "-") in one.name.lower()]
        if len(found) != 1:
            names = "".join(f"\n  {one.name}" for one in found or commits)
            raise Refusal(f"{word!r} means {'more than one' if found else 'no'} patch:{names}")
        return found[0]

    def paths(self, old: str, new: str, *within: str, only: str = "") -> list[str]:
        """The paths in which two trees differ; only: kinds of change as in git's --diff-filter."""
        chosen = [f"--diff-filter={only}"] if only else []
        return self.git.must(
            "diff-tree", "-r", "-z", "--name-only", "--no-renames", *chosen, old, new, "--", *within
        ).names

    def listed(self, tree: str, *within: str) -> list[str]:
        """The paths in a tree."""
        return self.git.must("ls-tree", "-r", "-z", "--name-only", tree, "--", *within).names

    def mails(self, base: str = UPSTREAM, tip: str = TIP) -> dict[str, bytes]:
        """The commits as patches: file name to content."""
        with TemporaryDirectory() as folder:
            self.git.must("format-patch", *_FORMAT, f"--output-directory={folder}", f"{base}..{tip}")
            files = sorted(Path(folder).iterdir())
            commits = self.commits(base, tip)
            return {f"{one.name}.patch": file.read_bytes() for one, file in zip(commits, files, strict=True)}

    def patches(self) -> dict[str, bytes]:
        """What patches/ holds: file name to content."""
        return {path.name: path.read_bytes() for path in sorted(self.folder.glob("*.patch"))}

    @contextmanager
    def staged(self, *, keep: bool = False) -> Generator[Git]:
        """git on a copy of the index that holds the tree as it stands; with `keep` the copy takes its place in the end,
        when all went well."""
        index = self.directory / "index"
        with TemporaryDirectory(dir=self.directory) as folder:
            copy = Path(folder, "index")
            if index.is_file():
                shutil.copy2(index, copy)
            git = self.git.using(GIT_INDEX_FILE=str(copy))
            # Not `git add`, which leaves out what the main repository ignores, and fails for a path that is not there.
            there = git.must("ls-files", "-z", "--cached", "--others", "--", *TRAVELS, *_LITTER).out
            git.must("update-index", "-z", "--add", "--remove", "--stdin", text=there)
            yield git
            if keep:
                os.replace(copy, index)

    def tree(self) -> str:
        """The tree as it stands, as a tree object."""
        with self.staged() as git:
            return git.ask("write-tree")

    # Making it.

    def base(self, version: str) -> str:
        """The commit that holds a release."""
        name = f"refs/tags/openai-{version}"
        if found := self.ref(name):
            return found
        with TemporaryDirectory() as folder:
            tree = Path(folder, "tree")
            sdist.unpack(self.root, version, tree)
            git = Git.over(self.directory, tree).using(GIT_INDEX_FILE=f"{folder}/index")
            git.must("add", "--all", "--force", "--", *BASE)
            commit = git.ask("commit-tree", git.ask("write-tree"), "-m", f"openai {version}")
        self.git.must("update-ref", name, commit)
        return commit

    def version(self, base: str = UPSTREAM) -> str:
        """The release that a base commit holds."""
        return self.git.ask("log", "-1", "--format=%s", base).removeprefix("openai ")

    @contextmanager
    def linked(self, name: str, at: str) -> Generator[Git]:
        """git in a linked work tree .upstream/<name> at the commit `at`, gone afterwards."""
        try:
            yield self.link(name, at)
        finally:
            self.unlink(name)

    def link(self, name: str, at: str) -> Git:
        """git in a new linked work tree .upstream/<name> at the commit `at`."""
        self.unlink(name)
        folder = self.root / pin.CACHE / name
        folder.parent.mkdir(exist_ok=True)
        self.git.must("worktree", "add", "--quiet", "--detach", str(folder), at)
        return Git.of(folder)

    def unlink(self, name: str) -> None:
        """Removes a linked work tree, if it is there."""
        shutil.rmtree(self.root / pin.CACHE / name, ignore_errors=True)
        shutil.rmtree(self.directory / "worktrees" / name, ignore_errors=True)

    def applied(self, base: str) -> str:
        """The last commit of patches/, applied to `base` by `git am`. Raises Refusal and names the one that fails."""
        with self.linked("am", base) as git:
            git_.apply(git, sorted(self.folder.glob("*.patch")))
            return self.normal(base, git.ask("rev-parse", "HEAD"))

    def normal(self, base: str, tip: str) -> str:
        """The same commits on `base` with nobody's name and time but the series', so that the same series is the same
        commits. Raises Refusal when there is a merge among them."""
        if merges := self.git.ask("rev-list", "--merges", f"{base}..{tip}"):
            raise Refusal(f"{merges.split()[0]} is a merge, which no patch can hold.")
        parent = self.git.ask("rev-parse", f"{base}^{{commit}}")
        for commit in self.git.ask("rev-list", "--reverse", f"{base}..{tip}").split():
            message = self.git.must("cat-file", "commit", commit).out.partition(b"\n\n")[2]
            parent = self.git.ask("commit-tree", f"{commit}^{{tree}}", "-p", parent, text=message)
        return parent

    def point(self, refs: Mapping[str, str]) -> None:
        """Sets refs, all or none."""
        self.git.must(
            "update-ref", "--stdin", text="".join(f"update {name} {at}\n" for name, at in refs.items()).encode()
        )


@contextmanager
def alone(root: Path, name: str = "series") -> Generator[None]:
    """One with this name at a time in the repository at `root`; a second one waits."""
    try:
        import fcntl
    except ImportError:  # no such lock on this system; two runs at the same time are then the user's affair
        yield
        return
    folder = root / pin.CACHE
    folder.mkdir(exist_ok=True)
    with open(folder / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
