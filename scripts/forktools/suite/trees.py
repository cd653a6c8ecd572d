"""The two trees that are compared, and the environments in which upstream's tools run on them.

Promises: `stock` is the verified sdist of the pinned release; `patched` is the same with every patch of the series
applied by `git am`, one commit each, or nothing is run and the patch is named. An environment is what upstream's own lock
file says, made by uv, outside the trees so that these can be thrown away.
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
BASE_TAG = "upstream"
BESIDE = "requirements/upstream-suite.txt"


@dataclass(frozen=True)
class Trees:
    """The folder that holds both, and the paths that the series adds to the tree."""

    home: Path
    version: str
    added: tuple[str, ...]

    def of(self, name: str) -> Path:
        """The folder of STOCK or PATCHED."""
        return self.home / name

    @property
    def added_tests(self) -> list[str]:
        """The test files that the series adds."""
        return [path for path in self.added if path.startswith("tests/") and Path(path).name.startswith("test_")]


def make(root: Path, data: Path | None = None) -> Trees:
    """Unpacks the pinned sdist twice and applies the series once.

    data: a folder of upstream's own files that the sdist leaves out; copied into both trees.
    Raises Refusal when a patch does not apply, or when the result is not what SHA256SUMS records.
    """
    version = pin.load(root).upstream
    home = root / pin.CACHE / "suite" / version
    for name in (STOCK, PATCHED):
        shutil.rmtree(home / name, ignore_errors=True)
        sdist.unpack(root, version, home / name)
        if data is not None:
            shutil.copytree(data, home / name, dirs_exist_ok=True)
        git_.create(home / name / ".git")  # both, so that they are alike
        for arguments in (("add", "--all", "--force"), ("commit", "--quiet", f"--message=openai {version}")):
            Git.of(home / name).must(*arguments)
    repository = Git.of(home / PATCHED)
    repository.must("tag", BASE_TAG)
    git_.apply(repository, sorted((root / "patches").glob("*.patch")))
    sums = compose.read_sums(root)
    compose.check_sums({path: (home / PATCHED / path).read_bytes() for path in sums}, sums)
    added = repository.must("diff", "--name-only", "--diff-filter=A", "-z", BASE_TAG, "HEAD").names
    return Trees(home, version, tuple(sorted(added)))


def environment(
    folder: Path, tree: Path, *, python: str = sys.executable, v1: bool = False, also: Sequence[str] = ()
) -> Path:
    """The interpreter of an environment in `folder` for `tree`, made or brought up to date from the tree's lock file.

    python: a version or a path, which uv finds. v1: with pydantic 1.10, as upstream's own script for it does.
    also:   files of requirements.
    Raises Refusal when uv fails.
    """
    uv = Path(sys.executable).with_name("uv")
    groups = ("--no-default-groups", "--group", "dev", "--group", "pydantic-v1") if v1 else ()
    beside = [word for file in (BESIDE, *also) for word in ("--requirement", str(ROOT / file))]
    commands = (
        # Its own version is in BESIDE: the lock names one that not every index has.
        ("sync", "--frozen", "--all-extras", "--no-install-package=inline-snapshot", *groups, "--python", python),
        ("pip", "install", "--python", str(folder), *beside),
    )
    for command in commands:
        done = subprocess.run(
            [str(uv), "--quiet", *command],
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
