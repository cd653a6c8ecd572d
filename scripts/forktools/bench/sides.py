"""The processes in which stock and fork run, and what one round gives.

Promises: every process runs this interpreter with this environment, but for the folder from which `openai` comes; it
proves that it got the one that was meant. No key, proxy or setting of the user's shell reaches it. A round has
processes and a hash seed of its own, because the layout of one process alone can shift a ratio by a percent; within a
round short blocks alternate (stock other, other stock, …) and the ratio is the median over neighbouring blocks, so that
a change in the machine's speed meets both.
"""

from __future__ import annotations

import os
import time
import timeit
from typing import Mapping, Sequence, Generator, NamedTuple
from pathlib import Path
from contextlib import ExitStack, contextmanager
from statistics import median
from unittest.mock import patch
from multiprocessing import get_context
from concurrent.futures import ProcessPoolExecutor

from .. import ROOT, Refusal, pin, variables_without
from .cases import FORK, TWIN, CASES, STOCK, measure, package

IMPORTS = {TWIN: "import openai, stock against itself: the noise", FORK: "import openai"}
_PRIVATE = ("OPENAI_", "AZURE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "PYTHON")


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


class Side:
    """A process with the `openai` of a folder, and how long its import took. Raises Refusal when it is another one."""

    def __init__(self, pool: ProcessPoolExecutor, folder: Path) -> None:
        self.pool = pool
        path = f"import sys; sys.path.insert(0, {str(folder)!r})"
        self.imported = pool.submit(timeit.timeit, "import openai", path, time.process_time, 1).result()
        found = pool.submit(package).result()
        if not found.is_relative_to(folder.resolve()):
            raise Refusal(f"openai came from {found}, not from {folder}.")

    def measure(self, title: str, half: int, calls: int) -> float:
        """Seconds of CPU time for `calls` calls of one half of a case."""
        return self.pool.submit(measure, title, half, calls).result()


@contextmanager
def started(folder: Path, seed: int = 0) -> Generator[Side]:
    """A side, until the end of the block; `seed` fixes its hashes, so that all sides of a round have the same."""
    kept = variables_without(*_PRIVATE, *(name.lower() for name in _PRIVATE))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with patch.dict(os.environ, {**kept, "PYTHONHASHSEED": str(seed)}, clear=True):
            side = Side(pool, folder)
        yield side


def one_round(number: int, titles: Sequence[str], *, blocks: int, seconds: float) -> dict[str, Taken]:
    """Measures these cases and the import once, in fresh processes; `seconds` is about how long a block is."""
    places = list(folders().items())
    turn = number % len(places)  # who imports first
    with ExitStack() as stack:
        order = places[turn:] + places[:turn]
        sides = {name: stack.enter_context(started(folder, number)) for name, folder in order}
        taken = {title: compare(title, sides, blocks=blocks, seconds=seconds) for title in titles}
        first = sides[STOCK].imported
        for name, title in IMPORTS.items():
            taken[title] = Taken(first, sides[name].imported, sides[name].imported / first)
        return taken


def compare(title: str, sides: Mapping[str, Side], *, blocks: int, seconds: float) -> Taken:
    """One case in one round."""
    halves = [(sides[STOCK], 0), (sides[CASES[title].on], 1)]
    sides[STOCK].measure(title, 0, 1)
    calls = max(1, round(seconds / (sides[STOCK].measure(title, 0, 10) / 10)))
    pairs: list[dict[int, float]] = []
    for number in range(blocks):
        turn = halves[::-1] if number % 2 else halves
        pairs.append({half: side.measure(title, half, calls) / calls for side, half in turn})
    return Taken(
        median(pair[0] for pair in pairs),
        median(pair[1] for pair in pairs),
        median(pair[1] / pair[0] for pair in pairs),
    )
