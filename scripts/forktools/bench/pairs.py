"""The rounds: in each, two fresh processes measure every case, block by block in turn.

Promises: one ratio for each round and case. A round has its own processes and hash seed, because the layout of one
process alone can shift a ratio by a percent; within a round short blocks alternate (stock fork, fork stock, …) and
the ratio is the median over neighbouring blocks, so that a change in the machine's speed meets both.
"""

from __future__ import annotations

import sys
from typing import Protocol, Sequence
from statistics import median
from dataclasses import field, dataclass

from .cases import CASES
from .sides import FORK, STOCK, Worker, folder_of


class Measures(Protocol):
    """What a round needs of a worker."""

    def measure(self, case: str, calls: int) -> float:
        """Seconds of CPU time for `calls` calls of a case."""
        ...


@dataclass
class Paired:
    """What the rounds gave for one case: ratios fork to stock, and microseconds per unit of each side."""

    ratios: list[float] = field(default_factory=list[float])
    stock_us: list[float] = field(default_factory=list[float])
    fork_us: list[float] = field(default_factory=list[float])


def measure(
    names: Sequence[str], *, rounds: int, blocks: int, block_seconds: float, most_calls: int | None = None
) -> dict[str, Paired]:
    """Runs the rounds.

    blocks: pairs of blocks in a round; block_seconds: about how long one block is; most_calls: in a block, for a run
    whose numbers do not matter.
    """
    found = {name: Paired() for name in names}
    calls: dict[str, int] = {}
    stock_folder, fork_folder = folder_of(STOCK), folder_of(FORK)
    for number in range(rounds if names else 0):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        with Worker(stock_folder, STOCK, seed=number) as stock, Worker(fork_folder, FORK, seed=number) as fork:
            for name in names:
                if name not in calls:
                    calls[name] = min(_calls(stock, name, block_seconds), most_calls or sys.maxsize)
                if name == "twin":
                    with Worker(stock_folder, STOCK, seed=number) as other:
                        _round(found[name], name, calls[name], blocks, (stock, other))
                else:
                    _round(found[name], name, calls[name], blocks, (stock, fork))
    return found


def _calls(worker: Worker, name: str, block_seconds: float) -> int:
    worker.measure(name, 1)
    once = worker.measure(name, 1)
    if once > block_seconds:
        return 1
    once = worker.measure(name, 10) / 10
    return max(1, round(block_seconds / once))


def _round(found: Paired, name: str, calls: int, blocks: int, sides: tuple[Measures, Measures]) -> None:
    taken: list[tuple[float, float]] = []
    for number in range(blocks * CASES[name].blocks):
        if number % 2:
            second = sides[1].measure(name, calls)
            taken.append((sides[0].measure(name, calls), second))
        else:
            taken.append((sides[0].measure(name, calls), sides[1].measure(name, calls)))
    found.ratios.append(median(fork / stock for stock, fork in taken))
    found.stock_us.append(median(stock for stock, _ in taken) / calls * 1e6)
    found.fork_us.append(median(fork for _, fork in taken) / calls * 1e6)
