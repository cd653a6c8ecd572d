"""Where stock and fork are, the processes in which they run, and what one round gives.

Promises: every process runs this interpreter with this environment, but for the folder from which `openai` comes; it
proves that it got the one that was meant. No key, proxy or setting of the user's shell reaches it. A round has processes
and a hash seed of its own, because the layout of one process alone can shift a ratio by a percent; within a round short
blocks alternate (stock other, other stock, …) and the ratio is the median over neighbouring blocks, so that a change in
the machine's speed meets both.
"""

from __future__ import annotations

import os
import sys
import subprocess
from typing import Mapping, Sequence, NamedTuple
from pathlib import Path
from contextlib import ExitStack
from statistics import median
from typing_extensions import Self

from .. import ROOT, Refusal, pin, variables_without
from .cases import FORK, TWIN, CASES, STOCK

IMPORT = "import time; at = time.process_time(); import openai; print(time.process_time() - at)"


class Taken(NamedTuple):
    """Seconds of CPU time for one call: stock's half, the other half, and how they compare."""

    stock: float
    other: float
    ratio: float


def folders() -> dict[str, Path]:
    """What to put on the path, so that `import openai` gives each side. Stock is checked against its RECORD."""
    version = pin.load(ROOT).upstream
    pin.cached(ROOT, version)
    stock = ROOT / pin.CACHE / version
    return {STOCK: stock, TWIN: stock, FORK: ROOT / "src"}


def environment(folder: Path, seed: int) -> dict[str, str]:
    """The environment of a process; `seed` fixes its hashes, so that all sides of a round have the same."""
    private = ("OPENAI_", "AZURE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "PYTHON")
    kept = variables_without(*private, *(name.lower() for name in private))
    return {**kept, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "scripts")]), "PYTHONHASHSEED": str(seed)}


def run(folder: Path, *arguments: str, seed: int = 0) -> str:
    """Runs the interpreter once and returns what it printed. Raises Refusal when it fails."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment(folder, seed), capture_output=True, text=True)
    if done.returncode:
        raise Refusal(f"{' '.join(arguments[:3])} failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    return done.stdout


class Worker:
    """A process that measures blocks of calls when it is told to."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "forktools.bench.cases", str(folder)],
            cwd=ROOT,
            env=environment(folder, seed),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, case: int, half: int, calls: int) -> float:
        """Seconds of CPU time for `calls` calls of one half of a case."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(f"{case} {half} {calls}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what went wrong stands on the error stream
        answer = self._process.stdout.readline()
        if not answer:
            raise Refusal(f"a process of the benchmark ended during {CASES[case].title}.")
        return float(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def round_of_cases(number: int, cases: Sequence[int], *, blocks: int, seconds: float) -> dict[int, Taken]:
    """Measures the cases once, in fresh processes; `seconds` is about how long a block is."""
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(folder, seed=number)) for name, folder in folders().items()}
        return {case: compare(case, workers, blocks=blocks, seconds=seconds) for case in cases}


def compare(case: int, workers: Mapping[str, Worker], *, blocks: int, seconds: float) -> Taken:
    """One case in one round."""
    stock, other = workers[STOCK], workers[CASES[case].on]
    stock.measure(case, 0, 1)
    calls = max(1, round(seconds / (stock.measure(case, 0, 10) / 10)))
    taken: list[tuple[float, float]] = []
    for number in range(blocks):
        if number % 2:
            second = other.measure(case, 1, calls)
            taken.append((stock.measure(case, 0, calls), second))
        else:
            taken.append((stock.measure(case, 0, calls), other.measure(case, 1, calls)))
    middle = [median(side) / calls for side in zip(*taken, strict=True)]
    return Taken(middle[0], middle[1], median(second / first for first, second in taken))


def round_of_imports(number: int) -> dict[str, Taken]:
    """What `import openai` takes on stock again and on the fork, against stock, in fresh interpreters in turn."""
    places = list(folders().items())
    turn = number % len(places)
    took = {name: float(run(folder, "-c", IMPORT, seed=number)) for name, folder in places[turn:] + places[:turn]}
    stock = took.pop(STOCK)
    return {name: Taken(stock, other, other / stock) for name, other in took.items()}
