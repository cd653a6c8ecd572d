"""What these tests share: the two environments, and real servers and workers that end with the block that starts them."""

from __future__ import annotations

import os
import sys
import time
import shutil
import subprocess
from typing import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from contextlib import contextmanager

from forktools import ROOT

PYTHONS = {side: ROOT / ".venv-integrations" / side / "bin" / "python" for side in ("fork", "stock")}
"""Same packages, same versions; only `openai` is the fork's wheel in one and the pinned release in the other."""
PATIENCE = 180.0  # seconds for a process to start and answer on a busy machine


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that a test starts: quiet, and without a key of the person who runs it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "CELERY_", "PYTEST_"))}
    paths = os.pathsep.join((str(ROOT), str(ROOT / "scripts")))
    return {**kept, "PYTHONPATH": paths, "OPENAI_API_KEY": "sk-of-the-tests", **more}


def run(python: Path, *arguments: str, seconds: float = 120, **more: str) -> str:
    """What a program prints. Fails when it fails."""
    done = subprocess.run(
        [str(python), *arguments], cwd=ROOT, env=environment(**more), capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, f"{' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def redis_server() -> Generator[str | None]:
    """A Redis server of its own, on a socket in a temporary folder; yields its URL, None where there is no Redis."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with TemporaryDirectory(prefix="redis-") as folder:
        socket = Path(folder, "redis.sock")
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", folder]
        with _process([program, *options], Path(folder, "log")) as process:
            deadline = time.monotonic() + PATIENCE
            while not socket.exists():
                assert process.poll() is None and time.monotonic() < deadline, Path(folder, "log").read_text()
                time.sleep(0.02)
            yield f"redis+socket://{socket}"


@contextmanager
def celery_worker(module: str, **more: str) -> Generator[Path]:
    """A worker with two processes, for the application in `module`; yields the file that it logs to."""
    options = [
        "--concurrency",
        "2",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--loglevel",
        "WARNING",
    ]
    command = [sys.executable, "-m", "celery", "--app", module, "worker", "--pool", "prefork", *options]
    with TemporaryDirectory(prefix="celery-") as folder:
        log = Path(folder, "log")
        # WARNING, because at INFO the HTTP library logs each URL, as it does in every program that turns INFO on.
        # C_FORCE_ROOT: without it the worker does not run as root, as in a container.
        with _process(command, log, C_FORCE_ROOT="1", **more):
            yield log


@contextmanager
def _process(command: list[str], log: Path, **more: str) -> Generator[subprocess.Popen[bytes]]:
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(**more),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
