"""The environment in which the scripts run: .venv, with the tools, upstream's requirements and the fork as editable.

Promises: needs nothing but this interpreter and a package index (no module here is from outside the standard library);
when it is done, `.venv/bin/python` imports `openai` from src/ and its metadata is there; when nothing changed since,
only the tree is laid, in silence. Whatever takes longer says so every few seconds. Safe to run twice, also at the same
time, and after an interrupt.
"""

from __future__ import annotations

import os
import sys
import time
import venv
import hashlib
import argparse
import threading
import subprocess
from typing import Generator
from pathlib import Path
from contextlib import contextmanager

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
SERIES = ROOT / ".series.git"  # of forktools.series, which imports more than there is yet
STAMP = VENV / ".stamp"
OLDEST = (3, 10)
EVERY = 8  # seconds in which a step that takes long says so


def main() -> int:
    """Sets up the environment and lays the tree; returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/bootstrap")
    parser.add_argument("--tools", action="store_true", help="only the tools, when a tree is laid already")
    options = parser.parse_args()
    if sys.version_info < OLDEST:
        print(f"bootstrap: Python {sys.version.split()[0]} is too old, 3.10 is the oldest.", file=sys.stderr)
        return 1
    with _alone():
        if not _same_interpreter():
            with step(f"making .venv with Python {sys.version.split()[0]}"):
                venv.create(VENV, clear=True, with_pip=True)
        stale = not STAMP.is_file() or STAMP.read_text(encoding="utf-8") != _state()
        if stale:
            with step("installing the tools"):
                status = _pip("install", "--requirement", "requirements/dev.txt")
            if status:
                return status
        if options.tools and not stale and SERIES.is_dir():
            return 0
        with step("laying the tree", at_once=stale):
            status = subprocess.run([str(PYTHON), "-m", "forktools.lay"], cwd=ROOT, env=_environment()).returncode
        if status or not stale:
            return status
        with step("installing the fork as editable"):
            status = _pip("install", "--editable", ".")
        if not status:
            STAMP.write_text(_state(), encoding="utf-8")
        return status


@contextmanager
def step(text: str, *, at_once: bool = True) -> Generator[None]:
    """Says what goes on (`at_once` or only when it takes long), and again and again while it does."""
    started, done = time.monotonic(), threading.Event()

    def tell() -> None:
        while not done.wait(EVERY):
            _say(f"{text}, since {time.monotonic() - started:.0f} s")

    if at_once:
        _say(text)
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _say(text: str) -> None:
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


def _environment() -> dict[str, str]:
    # The tree was laid with the edits looked at already, so that the editable install need not stop at them again.
    return {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "OPENAI_FORK_KEEP_EDITS": "1"}


def _pip(*arguments: str) -> int:
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "-qq", *arguments]
    # PYTHONPATH would reach into pip's isolated build environment.
    environment = {key: value for key, value in _environment().items() if key != "PYTHONPATH"}
    return subprocess.run(pip, cwd=ROOT, env=environment).returncode


def _same_interpreter() -> bool:
    """Whether .venv is there, of this interpreter's version, and has pip (one that `uv sync` made has none)."""
    code = "import sys, pip; print(sys.version)"
    try:
        answer = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True)
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == sys.version.strip()


def _state() -> str:
    """What the installed packages depend on, and which ones are there: `uv sync`, say, removes some."""
    state = hashlib.sha256()
    for path in [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "pyproject.toml"]:
        state.update(path.read_bytes())
    for path in sorted(VENV.glob("lib/python*/site-packages/*.dist-info")):
        state.update(path.name.encode())
    return state.hexdigest()


@contextmanager
def _alone() -> Generator[None]:
    try:
        import fcntl
    except ImportError:  # no such lock on this system; two runs at the same time are then the user's affair
        yield
        return
    with open(ROOT / ".venv.lock", "w") as lock:
        with step("waiting for another set-up of this clone", at_once=False):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _say("interrupted; the next run goes on")
        sys.exit(130)
