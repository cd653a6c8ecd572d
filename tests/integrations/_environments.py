"""The other environments of these tests, made when a test first asks, and servers that run in them."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest

from forktools import ROOT

from ._support import environment

HOME = ROOT / ".venv-integrations"


@functools.cache
def _made(requirements: str) -> str | None:
    """What stands in the way of making them, None if they are there."""
    command = [str(ROOT / ".venv" / "bin" / "python"), "-m", "forktools.integrations", requirements]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
    return None if done.returncode == 0 else (done.stderr.splitlines() or ["it cannot be made"])[-1]


def python(requirements: str, name: str) -> Path:
    """The Python of an environment of `forktools.integrations`. Skips the test where it cannot be made."""
    problem = _made(requirements)
    if problem is not None:
        pytest.skip(f"no environment of requirements/{requirements}.txt: {problem}")
    return HOME / name / "bin" / "python"
