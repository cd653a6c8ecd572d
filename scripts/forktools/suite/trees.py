"""The two trees that are compared, and the environments in which upstream's tools run on them.

Promises: `stock` is the verified sdist of the pinned release; `patched` is the same with every patch of the series
applied by `git am`, one commit each, or nothing is run and the patch is named. Each lane's environment is what
upstream's own lock file says, made by uv, outside the trees so that these can be thrown away.
"""

from __future__ import annotations

import re
import sys
import shutil
import hashlib
import subprocess
from typing import Mapping
from pathlib import Path
from dataclasses import dataclass

from .. import Refusal, git as git_, pin, sdist, compose, variables_without
from ..git import Git

FOLDER = "suite"
STOCK, PATCHED = "stock", "patched"
BASE_TAG = "upstream"

# How uv names a package of the lock file that it cannot get.
_LOCKED = re.compile(r"[A-Za-z0-9_.-]+==[0-9][\w.]*")


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
    version = pin.load(root).upstream
    home = root / pin.CACHE / FOLDER / version
    for name in (STOCK, PATCHED):
        shutil.rmtree(home / name, ignore_errors=True)
        sdist.unpack(root, version, home / name)
        if data is not None:
            shutil.copytree(data, home / name, dirs_exist_ok=True)
        git_.create(home / name / ".git")  # both, so that they are alike
        for arguments in (("add", "--all", "--force"), ("commit", "--quiet", f"--message=openai {version}")):
            Git.of(home / name).must(*arguments)
    repository, patches = Git.of(home / PATCHED), sorted((root / "patches").glob("*.patch"))
    repository.must("tag", BASE_TAG)
    git_.apply(repository, patches)
    compose.check_sums(
        {path: (home / PATCHED / path).read_bytes() for path in compose.read_sums(root)}, compose.read_sums(root)
    )
    added = repository.must("diff", "--name-only", "--diff-filter=A", "-z", BASE_TAG, "HEAD").names
    state = hashlib.sha256(b"".join(patch.read_bytes() for patch in patches))
    return Trees(home, version, tuple(sorted(added)), state.hexdigest())


def environment(name: str, tree: Path, home: Path, python: Path, groups: tuple[str, ...]) -> Path:
    """The interpreter of the environment `name` for `tree`, made or brought up to date from the tree's lock file.

    groups: arguments that choose upstream's dependency groups. Raises Refusal when uv fails.
    """
    folder = home / "env" / name
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "sync", "--quiet", "--all-extras", *groups, "--python", str(python)]
    variables = {**clean(), "UV_PROJECT_ENVIRONMENT": str(folder), "UV_PYTHON_DOWNLOADS": "never"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=tree, env=variables, capture_output=True, text=True)

    done = run(*command, "--locked")
    absent: list[str] = []
    # A lock may name a version that this machine's index has not got (yet): then the newest one that is older.
    while done.returncode and (found := _LOCKED.search(done.stderr)) and found[0] not in absent:
        absent.append(found[0])
        without = [word for pinned in absent for word in ("--no-install-package", pinned.partition("==")[0])]
        done = run(*command, "--frozen", *without)
    if absent and not done.returncode:
        wanted = [pinned.replace("==", "<=") for pinned in absent]
        done = run(str(uv), "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *wanted)
        print(f"test-upstream: not to be had, so an older one: {', '.join(absent)}", file=sys.stderr, flush=True)
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
