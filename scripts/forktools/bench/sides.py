"""Where stock and fork are, and the processes in which they run.

Promises: every process runs this interpreter with this environment, but for the folder from which `openai` comes; it
proves that it got the one that was meant. No key, proxy or setting of the user's shell reaches it.
"""

from __future__ import annotations

import os
import sys
import json
import subprocess
from typing import Any
from pathlib import Path
from typing_extensions import Self

from .. import ROOT, Refusal, pin

STOCK, FORK = "stock", "fork"


def folder_of(side: str) -> Path:
    """The folder to put on the path, so that `import openai` gives that side. Stock is checked against its RECORD."""
    if side == FORK:
        return ROOT / "src"
    version = pin.load(ROOT).upstream
    pin.cached(ROOT, version)
    return ROOT / pin.CACHE / version


def environment(folder: Path, seed: int) -> dict[str, str]:
    """The environment of a process; `seed` fixes its hashes, so that both sides of a round have the same."""
    private = ("openai_", "azure_openai_", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "python")
    kept = {key: value for key, value in os.environ.items() if not key.lower().startswith(private)}
    path = os.pathsep.join([str(folder), str(ROOT / "scripts")])
    return {**kept, "PYTHONPATH": path, "PYTHONHASHSEED": str(seed)}


def run(folder: Path, arguments: list[str], *, seed: int = 0) -> str:
    """Runs the interpreter once and returns what it printed. Raises Refusal when it fails."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment(folder, seed), capture_output=True, text=True)
    if done.returncode:
        raise Refusal(f"{' '.join(arguments[:3])} failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    return done.stdout


class Worker:
    """A process that measures blocks of calls when it is told to."""

    def __init__(self, folder: Path, side: str, *, seed: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "forktools.bench.worker", side, str(folder)],
            cwd=ROOT,
            env=environment(folder, seed),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, case: str, calls: int) -> float:
        """Seconds of CPU time for `calls` calls of a case."""
        return float(self._ask({"case": case, "calls": calls})["seconds"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(json.dumps(question) + "\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # what went wrong stands on the error stream
        answer = stdout.readline()
        if not answer:
            raise Refusal(f"a process of the benchmark ended during {question}.")
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()
