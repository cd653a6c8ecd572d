"""The two trees that are compared, and the environments in which upstream's tools run on them.

Promises: `stock` is the verified sdist of the pinned release; `patched` is the same with every patch of the series
applied by `git am`, one commit each, or nothing is run and the patch is named. Each lane's environment is what
upstream's own lock file says, made by uv, outside the trees so that these can be thrown away.
"""

from __future__ import annotations

import sys
import shutil
import hashlib
import subprocess
from typing import Mapping
from pathlib import Path
from dataclasses import dataclass

from .. import Refusal, pin, sdist, series, compose, variables_without
from ..scratch import Scratch

FOLDER = "suite"
STOCK, PATCHED = "stock", "patched"
BASE_TAG = "upstream"


@dataclass(frozen=True)
class Trees:
    """The two folders, the paths that the series adds to the tree, in order, and a digest of its patches."""

    home: Path
    version: str
    added: tuple[str, ...]
    series: str = ""

    @property
    def stock(self) -> Path:
        return self.home / STOCK

    @property
    def patched(self) -> Path:
        return self.home / PATCHED

    def of(self, name: str) -> Path:
        """The folder of STOCK or PATCHED."""
        return self.home / name


def make(root: Path, data: Path | None = None) -> Trees:
    """Unpacks the pinned sdist twice and applies the series once.

    data: a folder of upstream's own files that the sdist leaves out; copied into both trees.
    Raises Refusal when a patch does not apply, or when the result is not what SHA256SUMS records.
    """
    plan = series.load(root)
    home = root / pin.CACHE / FOLDER / plan.version.partition("+")[0]
    for name in (STOCK, PATCHED):
        shutil.rmtree(home / name, ignore_errors=True)
        sdist.unpack(root, plan.upstream, home / name)
        if data is not None:
            shutil.copytree(data, home / name, dirs_exist_ok=True)
    repository = Scratch(home / PATCHED, plan.author)
    base = repository.commit(f"openai {plan.upstream}")
    repository.git("tag", BASE_TAG, base)
    apply(repository, root, plan)
    compose.check_sums(
        {path: (home / PATCHED / path).read_bytes() for path in compose.read_sums(root)}, compose.read_sums(root)
    )
    added = repository.git("diff", "--name-only", "--diff-filter=A", "-z", BASE_TAG, "HEAD").split("\0")
    Scratch(home / STOCK, plan.author).commit(f"openai {plan.upstream}")  # a repository too, so that both are alike
    state = hashlib.sha256()
    for patch in plan.patches:
        state.update((root / "patches" / patch.file_name).read_bytes())
    return Trees(home, plan.upstream, tuple(sorted(set(added) - {""})), state.hexdigest())


def apply(repository: Scratch, root: Path, plan: series.Series) -> None:
    """Applies every patch with plain `git am`, no three-way merge. Raises Refusal and names the one that fails."""
    for patch in plan.patches:
        done = repository.am([root / "patches" / patch.file_name])
        if done.status:
            raise Refusal(f"git am {patch.file_name} fails on openai {plan.upstream}: {' '.join(done.err.split())}")


def environment(name: str, tree: Path, home: Path, python: Path, groups: tuple[str, ...]) -> Path:
    """The interpreter of the environment `name` for `tree`, made or brought up to date from the tree's lock file.

    groups: arguments that choose upstream's dependency groups. Raises Refusal when uv fails.
    """
    folder = home / "env" / name
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "sync", "--quiet", "--locked", "--all-extras", *groups, "--python", str(python)]
    variables = {**clean(), "UV_PROJECT_ENVIRONMENT": str(folder), "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(command, cwd=tree, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise Refusal(f"uv cannot make the environment {name} from upstream's lock file: {done.stderr.strip()}")
    return folder / "bin" / "python"


def clean() -> dict[str, str]:
    """The variables for upstream's tools: the user's, without what would lead them out of the tree or to a real API."""
    dropped = ("OPENAI_", "AZURE_", "PYTEST_", "AWS_", "GOOGLE_")
    kept = variables_without(*dropped)
    for key in ("PYTHONPATH", "VIRTUAL_ENV", "CI"):
        kept.pop(key, None)
    return {**kept, "DEFER_PYDANTIC_BUILD": "false"}


def fingerprint(trees: Trees, parts: Mapping[str, str]) -> str:
    """A short digest of everything that stock's result depends on, for its cache."""
    state = hashlib.sha256()
    state.update((trees.stock / "uv.lock").read_bytes())
    for key, value in sorted({**parts, "version": trees.version}.items()):
        state.update(f"{key}={value}\0".encode())
    return state.hexdigest()[:16]
