"""Builds and installs for real: a command in a clean environment, and what all tests of a run share."""

from __future__ import annotations

import os
import sys
import fcntl
import subprocess
from typing import Mapping, Callable
from pathlib import Path

import pytest

UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, fails: bool = False) -> str:
    """Runs a command as from a fresh shell and returns all that it printed; it has to succeed, or to fail."""
    ours = ("PYTHON", "VIRTUAL_ENV", "GIT_", "PYTEST", "COV_", "SOURCE_DATE_EPOCH", "MYPY")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def environment(folder: Path, *, pip: bool = False) -> Path:
    """A new virtual environment; returns its interpreter."""
    run(UV, "venv", "-q", *(["--seed"] if pip else []), "--python", sys.executable, folder, cwd=folder.parent)
    return folder / "bin" / "python"


def clone(repository: Path, target: Path) -> Path:
    """A clone of a repository on this machine."""
    run("git", "clone", "--quiet", repository, target, cwd=repository)
    return target


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills once for all workers of a run."""
    folder = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    target, part = folder / name, folder / f"{name}.part"
    with open(folder / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            part.mkdir()
            make(part)
            part.rename(target)
    return target
