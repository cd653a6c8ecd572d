"""The tree that upstream's tools run on, as stock and as patched, and the environments in which they do.

Promises: `STOCK` is the verified sdist of the pinned release; `PATCHED` is the same with every patch of the series
applied by `git am`, one commit each, or nothing is run and the patch is named. They are two commits of one work tree,
so that everything else is the same for both, the environment included. That one is what upstream's own lock file says,
made by uv.
"""

from __future__ import annotations

import sys
import shutil
import subprocess
from typing import Sequence
from pathlib import Path
from dataclasses import dataclass

from .. import ROOT, Refusal, git as git_, pin, sdist, compose, variables_without
from ..git import Git

STOCK, PATCHED = "stock", "patched"
BESIDE = "requirements/upstream-suite.txt"


@dataclass(frozen=True)
class Tree:
    """The work tree in `folder`."""

    folder: Path
    version: str

    def turn(self, side: str) -> None:
        """Makes it STOCK or PATCHED."""
        Git.of(self.folder).must("checkout", "--quiet", "--force", side)

    def added_tests(self) -> list[str]:
        """The test files that the series adds."""
        changes = ("diff", "--name-only", "--diff-filter=A", "-z", STOCK, PATCHED, "--", "tests")
        names = Git.of(self.folder).must(*changes).names
        return [path for path in names if Path(path).name.startswith("test_")]


def make(root: Path, data: Path | None = None) -> Tree:
    """The tree, patched. What an earlier call unpacked is used again, every file of it as it was.

    data: a folder of upstream's own files that the sdist leaves out; copied into the tree, into stock as well.
    Raises Refusal when a patch does not apply, or when the result is not what SHA256SUMS records.
    """
    version = pin.load(root).upstream
    folder = root / pin.CACHE / "suite" / version / "tree"
    if not folder.is_dir():
        part = folder.with_name("tree.part")
        shutil.rmtree(part, ignore_errors=True)
        sdist.unpack(root, version, part)
        git_.create(part / ".git")
        _commit(Git.of(part), f"openai {version}", "release")
        part.rename(folder)
    git = Git.of(folder)
    git.run("am", "--abort")  # of a call that was broken off
    git.must("checkout", "--quiet", "--force", "-B", PATCHED, "release")
    git.must("clean", "--quiet", "--force", "-d", "-x", "--exclude=__pycache__")
    if data is not None:
        shutil.copytree(data, folder, dirs_exist_ok=True)
    _commit(git, "what the sdist lacks", STOCK)
    git_.apply(git, sorted((root / "patches").glob("*.patch")))
    sums = compose.read_sums(root)
    compose.check_sums({path: (folder / path).read_bytes() for path in sums}, sums)
    return Tree(folder, version)


def _commit(git: Git, message: str, tag: str) -> None:
    git.must("add", "--all", "--force", "--", ".", ":!**/__pycache__")
    git.must("commit", "--quiet", "--allow-empty", f"--message={message}")
    git.must("tag", "--force", tag)


def environment(
    folder: Path, tree: Path, *, python: str = sys.executable, v1: bool = False, also: Sequence[str] = ()
) -> Path:
    """The interpreter of an environment in `folder` for `tree`, made or brought up to date from the tree's lock file.

    python: a version or a path, which uv finds. v1: with pydantic 1.10, as upstream's own script for it does.
    also:   files of requirements.
    Raises Refusal when uv fails.
    """
    groups = ("--no-default-groups", "--group", "dev", "--group", "pydantic-v1") if v1 else ()
    beside = [word for file in (BESIDE, *also) for word in ("--requirement", str(ROOT / file))]
    for command in (
        # Its own version is in BESIDE: the lock names one that not every index has.
        ("sync", "--frozen", "--all-extras", "--no-install-package=inline-snapshot", *groups, "--python", python),
        ("pip", "install", "--python", str(folder), *beside),
    ):
        done = subprocess.run(
            [str(Path(sys.executable).with_name("uv")), "--quiet", *command],
            cwd=tree,
            env={**clean(), "UV_PROJECT_ENVIRONMENT": str(folder)},
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise Refusal(f"uv cannot make the environment {folder.name}: {done.stderr.strip()}")
    return folder / "bin" / "python"


def clean() -> dict[str, str]:
    """The variables for upstream's tools: the user's, without what would lead them out of the tree or to a real API."""
    kept = variables_without("OPENAI_", "AZURE_", "PYTEST_", "AWS_", "GOOGLE_", "PYTHONPATH", "VIRTUAL_ENV")
    kept.pop("CI", None)
    return {**kept, "DEFER_PYDANTIC_BUILD": "false"}
