"""Other Pythons on this machine, for the scripts that test on more than one. uv looks for them; nothing is downloaded.

Promises: `find` returns an interpreter that was run and said that it is of the asked version: the running one, one on the
PATH, one of uv's, or one of pyenv's.
"""

from __future__ import annotations

import os
import re
import sys
import subprocess
from pathlib import Path

from . import Refusal

# What upstream says it supports.
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")

_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])), sys.implementation.name)"


def running() -> str:
    """The running interpreter's version, e.g. "3.11"."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def find(version: str) -> Path:
    """A Python of `version` ("3.10"). Raises Refusal when there is none."""
    if not re.fullmatch(r"3\.\d+", version):
        raise Refusal(f"{version!r} is not the version of a Python, such as 3.10.")
    if version == running():
        return Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, sorted(pyenv.glob("*/bin"), reverse=True))])
    command = [sys.executable, "-m", "uv", "python", "find", "--system", "--no-project", "--no-python-downloads"]
    done = subprocess.run(
        [*command, f"cpython@{version}"], capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    found = Path(done.stdout.strip())
    if done.returncode or not (full(found) or "").startswith(f"{version}."):
        raise Refusal(f"no Python {version} is on this machine, neither on the PATH nor from uv or pyenv.")
    return found


def available() -> list[str]:
    """Those of SUPPORTED that `find` finds."""
    found: list[str] = []
    for version in SUPPORTED:
        try:
            find(version)
        except Refusal:
            continue
        found.append(version)
    return found


def full(python: Path) -> str | None:
    """The whole version of the CPython at `python`, e.g. "3.10.13"; None when it is none or does not run."""
    try:
        # Not through the shims' choice: a version manager's stub runs, and fails, for versions that are not selected.
        done = subprocess.run([str(python), "-I", "-c", _VERSION], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version, _, implementation = done.stdout.strip().partition(" ")
    return version if done.returncode == 0 and implementation == "cpython" else None
