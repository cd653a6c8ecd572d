"""The other environments of these tests, made when a test first asks, and servers that run in them."""

from __future__ import annotations

import time
import socket
import functools
import subprocess
from typing import Generator
from pathlib import Path
from contextlib import contextmanager

import pytest

from forktools import ROOT

from ._support import PATIENCE, environment

HOME = ROOT / ".venv-integrations"


@functools.cache
def _made(requirements: str) -> str | None:
    """What stands in the way of making them, None if they are there."""
    command = [str(ROOT / ".venv" / "bin" / "nox"), "--session", "environments", "--", requirements]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
    return None if done.returncode == 0 else (done.stderr.splitlines() or ["it cannot be made"])[-1]


def python(requirements: str, name: str) -> Path:
    """The Python of an environment that noxfile.py makes. Skips the test where it cannot be made."""
    problem = _made(requirements)
    if problem is not None:
        pytest.skip(f"no environment of requirements/{requirements}.txt: {problem}")
    return HOME / name / "bin" / "python"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def serving(command: list[str], port: int, log: Path, **more: str) -> Generator[subprocess.Popen[bytes]]:
    """A server of its own process, from when its port is open until the block ends, or it is killed before."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(**more), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
