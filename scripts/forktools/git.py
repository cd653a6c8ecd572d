"""git, run so that nothing outside the call reaches it.

Promises: the same commands on the same files give the same commits on every machine. No global or system setting, no
hook, no signing key, no identity and no variable of the person who runs it takes part, and no byte of a file is turned
into another one. The project's own repository is neither read nor changed, unless it is the one that is named.
"""

from __future__ import annotations

import os
import subprocess
from typing import Mapping, Sequence
from pathlib import Path
from dataclasses import replace, dataclass

from . import Refusal, variables_without

# Who every commit and every patch is from, and when: what a patch says must not depend on who wrote it down.
NAME, EMAIL, DATE = "openai-python background fork", "background@localhost", "2026-11-22T00:00:00+00:00"

# Of every repository made here, and of the person's own git in it, for whom the variables below do not hold.
_SETTINGS = {
    "core.bare": "false",
    "core.autocrlf": "false",
    "core.commentChar": ";",  # a line of a message may begin with "#3212"
    "core.hooksPath": os.devnull,
    "core.quotePath": "false",
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "merge.conflictStyle": "merge",
    "rerere.enabled": "false",
    "status.showUntrackedFiles": "no",
    "user.name": NAME,
    "user.email": EMAIL,
}


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit status and what it printed on both streams."""

    status: int
    out: bytes
    err: str

    @property
    def names(self) -> list[str]:
        """What it printed, ended by NUL each, as git prints paths with -z."""
        return [name for name in self.out.decode("utf-8").split("\0") if name]

    @property
    def said(self) -> str:
        """Both streams on one line, for a person."""
        return " ".join((self.err or self.out.decode("utf-8", "replace")).split())


@dataclass(frozen=True)
class Git:
    """git in `folder`: with `where`, the arguments that name a repository, and with more `variables`."""

    where: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path) -> Git:
        """git in the work tree `folder`."""
        return cls((), folder, {})

    @classmethod
    def over(cls, directory: Path, tree: Path) -> Git:
        """git with the git directory `directory` over the work tree `tree`."""
        return cls((f"--git-dir={directory}", f"--work-tree={tree}"), tree, {})

    def using(self, **variables: str) -> Git:
        """The same with more variables, such as GIT_INDEX_FILE."""
        return replace(self, variables={**self.variables, **variables})

    def run(self, *arguments: str, text: bytes = b"") -> Done:
        """Runs it, with `text` on its standard input."""
        command, variables = ["git", *self.where, *arguments], {**environment(), **self.variables}
        try:
            done = subprocess.run(command, cwd=self.folder, env=variables, input=text, capture_output=True)
        except OSError:
            raise Refusal("git is not on the PATH, and the series needs it (building does not).") from None
        return Done(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))

    def must(self, *arguments: str, text: bytes = b"") -> Done:
        """The same; raises Refusal when it fails."""
        done = self.run(*arguments, text=text)
        if done.status:
            raise Refusal(f"git {arguments[0]} failed: {done.said}")
        return done

    def ask(self, *arguments: str, text: bytes = b"") -> str:
        """What it printed, without the last line end. Raises Refusal when it fails."""
        return self.must(*arguments, text=text).out.decode("utf-8").strip("\n")


def apply(git: Git, files: Sequence[Path]) -> None:
    """Applies patches by `git am`. Raises Refusal and names the one that does not fit."""
    if not files:
        return
    before = git.ask("rev-parse", "HEAD")
    # No whitespace mending, no three-way merge: what is applied is what the patch says.
    done = git.run("am", "--quiet", "--keep-cr", "--whitespace=nowarn", *map(str, files))
    if done.status:
        name = files[int(git.ask("rev-list", "--count", f"{before}..HEAD"))].name
        raise Refusal(f"git am patches/{name} fails: {done.said}")


def environment() -> dict[str, str]:
    """The variables of every git here."""
    return variables_without("GIT_") | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        # Where git would look for attributes and ignored names, too.
        "XDG_CONFIG_HOME": os.devnull,
        # Nothing here waits for an editor: a list of steps is taken as it is, a message too.
        "GIT_SEQUENCE_EDITOR": ":",
        "GIT_EDITOR": ":",
        "LC_ALL": "C",
        "TZ": "UTC",
        **{f"GIT_{who}_NAME": NAME for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": EMAIL for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_DATE": DATE for who in ("AUTHOR", "COMMITTER")},
    }


def create(directory: Path) -> None:
    """Makes a git directory that holds nothing yet; one that is there stays as it is."""
    if directory.is_dir():
        return
    part = directory.with_name(f"{directory.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    git = Git((f"--git-dir={part}",), part, {})
    git.must("init", "--quiet", "--bare", "--template=", "--initial-branch=series", str(part))
    for key, value in _SETTINGS.items():
        git.must("config", key, value)
    # Before every .gitattributes: what is stored is the file, to the byte.
    (part / "info").mkdir(exist_ok=True)
    (part / "info" / "attributes").write_text("* -text -ident -filter -working-tree-encoding\n", encoding="utf-8")
    part.rename(directory)  # a half-made one is never taken for one
