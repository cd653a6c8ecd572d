"""What `import openai` costs: fresh interpreters, stock and fork in turn.

CPU time of the import alone, measured inside the interpreter; its own start is left out. A second row adds what a
program does next: a client and its `responses`, which loads the resource classes.

An import takes most of a second and what the fork adds less than a thousandth of that, so a round compares the fastest
import of each side: whatever disturbs one makes it slower.
"""

from __future__ import annotations

from typing import NamedTuple

from .sides import FORK, STOCK, run, folder_of

_CODE = "import time; at = time.process_time(); {}; print(time.process_time() - at)"
STATEMENTS = {
    "import": "import openai",
    "import-client": "import openai; openai.OpenAI(api_key='bench').responses",
}
TITLES = {
    "import": "`import openai`, added by the fork",
    "import-client": "`import openai` and `OpenAI().responses`, added by the fork",
}


_MODULES = "import sys; import openai; print(*sorted(sys.modules))"


class Imported(NamedTuple):
    """Milliseconds, one for each round: the fastest import of the fork less that of stock, and stock's."""

    added_ms: list[float]
    stock_ms: list[float]


def modules_added() -> list[str]:
    """The modules that `import openai` loads on the fork and not on stock: what noise cannot hide."""
    stock, fork = (set(run(folder_of(side), ["-c", _MODULES]).split()) for side in (STOCK, FORK))
    return sorted(fork - stock)


def measure(name: str, *, rounds: int, pairs: int) -> Imported:
    """Runs `rounds` times `pairs` pairs of interpreters."""
    code = _CODE.format(STATEMENTS[name])
    folders = {side: folder_of(side) for side in (STOCK, FORK)}
    for folder in folders.values():
        run(folder, ["-c", code])  # compiles what was not compiled yet
    found = Imported([], [])
    for number in range(rounds):
        taken: dict[str, list[float]] = {STOCK: [], FORK: []}
        for pair in range(pairs):
            for side in (STOCK, FORK) if (number + pair) % 2 else (FORK, STOCK):
                taken[side].append(float(run(folders[side], ["-c", code], seed=number)) * 1e3)
        found.added_ms.append(min(taken[FORK]) - min(taken[STOCK]))
        found.stock_ms.append(min(taken[STOCK]))
    return found
