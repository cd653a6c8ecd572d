"""Other Pythons on this machine, for the scripts that test on more than one.

Promises: `find` returns an interpreter that was run and said that it is of the asked version. Nothing is downloaded or
installed. Looked at, in this order: the running one, `python3.X` on the PATH, and what pyenv and uv keep in the user's
home.
"""

from __future__ import annotations

import os
import re
import sys
import shutil
import subprocess
from typing import Iterator
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
    for candidate in _candidates(version):
        if (full(candidate) or "").startswith(f"{version}."):
            return candidate
    raise Refusal(
        f"no Python {version} is on this machine, neither on the PATH as python{version} nor from pyenv or uv."
    )


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


def _candidates(version: str) -> Iterator[Path]:
    if version == running():
        yield Path(sys.executable)
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    home = Path.home()
    folders = (
        (Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions", f"{version}.*"),
        (Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python"), f"cpython-{version}.*"),
    )
    for folder, pattern in folders:
        for installed in sorted(folder.glob(pattern), reverse=True):
            yield installed / "bin" / "python3"
