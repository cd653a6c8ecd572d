"""The tree as a series of patches, written by git itself.

Promises: the same tree and the same series.toml give the same bytes on every machine, whatever git is configured to do
there; and the patches, applied the way the build applies them, give the tree again. Works in a temporary repository;
the project's own repository is neither read nor changed.
"""

from __future__ import annotations

import os
import subprocess
from typing import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from dataclasses import dataclass

from . import Refusal
from .series import Patch, Series


@dataclass(frozen=True)
class File:
    """A file's content and whether it is executable."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Recorded:
    """patches: file name to text; lines: changed file of upstream to (added, removed) lines over the whole series."""

    patches: Mapping[str, str]
    lines: Mapping[str, tuple[int, int]]


def record(
    series: Series, before: Mapping[str, bytes], after: Mapping[str, File], assigned: Mapping[str, Patch]
) -> Recorded:
    """Writes the patches.

    before: those files of `after` that upstream has.
    after:  every changed or new file, repository path to file.
    assigned: each path's patch.
    Raises Refusal when git is missing or fails.
    """
    with TemporaryDirectory(prefix="openai-fork-") as folder:
        repository = _Repository(Path(folder), series)
        repository.write({path: File(content) for path, content in before.items()})
        repository.commit("upstream")
        base = repository.git("rev-parse", "HEAD").strip()
        for patch in series.patches:
            repository.write({path: after[path] for path, holder in assigned.items() if holder is patch})
            repository.commit(f"{patch.subject}\n\n{patch.message}")
        patches = repository.format(base, series.patches)
        numbers = repository.git("diff", "--numstat", "--no-renames", base, "HEAD", "--", *(before or ["."]))
        lines = {path: (int(added), int(gone)) for added, gone, path in map(str.split, numbers.splitlines())}
        return Recorded(patches, {path: lines[path] for path in sorted(lines) if path in before})


class _Repository:
    """A git repository that no configuration outside it reaches."""

    def __init__(self, folder: Path, series: Series) -> None:
        self._folder = folder
        self._tree = folder / "tree"
        self._tree.mkdir()
        author = series.author
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "LC_ALL": "C",
            "TZ": "UTC",
            **{
                f"GIT_{role}_{key}": value
                for role in ("AUTHOR", "COMMITTER")
                for key, value in (("NAME", author.name), ("EMAIL", author.email), ("DATE", author.date))
            },
        }
        self.git("init", "--quiet", "--template=", "--initial-branch=series")
        self.git("config", "core.autocrlf", "false")
        self.git("config", "gc.auto", "0")

    def git(self, *arguments: str, text: str | None = None) -> str:
        """Runs git and returns what it printed."""
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self._tree,
                env=self._environment,
                input=text.encode("utf-8") if text is not None else None,
                stdin=subprocess.DEVNULL if text is None else None,
                capture_output=True,
            )
        except OSError:
            raise Refusal("git is not on the PATH, and writing patches needs it (building does not).") from None
        if done.returncode:
            raise Refusal(f"git {arguments[0]} failed: {done.stderr.decode('utf-8', 'replace').strip()}.")
        return done.stdout.decode("utf-8")

    def write(self, files: Mapping[str, File]) -> None:
        """Puts files into the working tree."""
        for path, file in files.items():
            target = self._tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            target.chmod(0o755 if file.executable else 0o644)

    def commit(self, message: str) -> None:
        """Commits everything; the first commit may be empty, as a series without changes to upstream has it."""
        self.git("add", "--all", "--force", ".")
        empty = ["--allow-empty"] if message == "upstream" else []
        self.git("commit", "--quiet", "--no-verify", "--cleanup=verbatim", *empty, "--file=-", text=message)

    def format(self, base: str, patches: Sequence[Patch]) -> dict[str, str]:
        """The commits after `base` as mails, named by their patch."""
        mails = self._folder / "mails"
        # No numbering ("[PATCH 2/7]"): a patch's bytes would change whenever another one comes or goes.
        self.git(
            *("format-patch", "--quiet", f"--output-directory={mails}", "--no-numbered", "--suffix=.patch"),
            *("--zero-commit", "--full-index", "--no-signature", "--no-stat", "--no-renames", "--no-color"),
            *("--no-ext-diff", "--diff-algorithm=histogram", "--unified=3", "--src-prefix=a/", "--dst-prefix=b/"),
            f"{base}..HEAD",
        )
        written = sorted(mails.glob("*.patch")) if mails.is_dir() else []
        return {
            patch.file_name: mail.read_bytes().decode("utf-8") for patch, mail in zip(patches, written, strict=True)
        }
