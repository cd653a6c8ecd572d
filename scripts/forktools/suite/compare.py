"""Two runs of one lane, stock and patched, test by test.

Promises: a test that passed on stock and does not pass on the patched tree (it fails, is skipped or is gone) is a
regression, and so is a test that the series adds and that does not pass, unless running it again shows that the tree is
not to blame: within TRIES runs, alone and one test after the other, it passes on the patched tree, or fails on stock.
Then it is a flake, and is named as one. What fails on stock each time is known to fail; a failure that a busy machine
gave stock is no excuse for the patched tree.
"""

from __future__ import annotations

from typing import Mapping, Callable, Sequence
from dataclasses import dataclass

TRIES = 3
# More than this many are no flakes; running them again would only take long to say so.
MOST_RETRIED = 200

GOOD = ("passed", "xfailed")
BAD = ("failed", "error", "xpassed")


@dataclass(frozen=True)
class Comparison:
    """What the patched tree changed.

    regressions: node id to "<stock> → <patched>".
    flakes:      the same, for tests that are excused; the text says why.
    known:       tests that fail on both.
    mended:      tests that fail on stock only.
    added:       tests that only the patched tree has.
    """

    regressions: Mapping[str, str]
    flakes: Mapping[str, str]
    known: Sequence[str]
    mended: Sequence[str]
    added: Sequence[str]


# Runs tests one after the other on a tree ("stock" or "patched") and returns each one's outcome.
Rerun = Callable[[str, Sequence[str]], Mapping[str, str]]


def settle(outcomes: Mapping[str, str], rerun: Rerun) -> dict[str, str]:
    """Stock's outcomes, where a test that fails and then passes when it is run again has passed."""
    settled = dict(outcomes)
    failing = sorted(nodeid for nodeid, outcome in outcomes.items() if outcome in BAD)
    for _ in range(TRIES if len(failing) <= MOST_RETRIED else 0):
        again: Mapping[str, str] = rerun("stock", failing) if failing else {}
        settled |= {nodeid: outcome for nodeid, outcome in again.items() if nodeid in failing and outcome in GOOD}
        failing = [nodeid for nodeid in failing if settled[nodeid] in BAD]
    return settled


def compare(stock: Mapping[str, str], patched: Mapping[str, str], rerun: Rerun) -> Comparison:
    """Compares two runs; `stock` is settled."""
    suspects: dict[str, str] = {}
    known: list[str] = []
    mended: list[str] = []
    for nodeid in sorted({*stock, *patched}):
        before, after = stock.get(nodeid, "missing"), patched.get(nodeid, "missing")
        if before in BAD:
            (known if after in BAD else mended).append(nodeid)
        elif (before in GOOD and after not in GOOD) or after in BAD:
            suspects[nodeid] = f"{before} → {after}"
    # A test that is gone or skipped is not so by chance.
    doubtful = [nodeid for nodeid in suspects if patched.get(nodeid) in BAD]
    excuses = _excuses(doubtful, stock, rerun) if len(doubtful) <= MOST_RETRIED else {}
    return Comparison(
        regressions={nodeid: change for nodeid, change in suspects.items() if nodeid not in excuses},
        flakes={nodeid: f"{suspects[nodeid]}, but {excuse}" for nodeid, excuse in excuses.items()},
        known=known,
        mended=mended,
        added=[nodeid for nodeid in sorted(patched) if nodeid not in stock],
    )


def _excuses(doubtful: Sequence[str], stock: Mapping[str, str], rerun: Rerun) -> dict[str, str]:
    excuses: dict[str, str] = {}
    for attempt in range(1, TRIES + 1):
        for tree, signs, words in (("patched", GOOD, "passed alone"), ("stock", BAD, "failed alone on stock, too,")):
            left = [nodeid for nodeid in doubtful if nodeid not in excuses and (tree == "patched" or nodeid in stock)]
            again: Mapping[str, str] = rerun(tree, left) if left else {}
            excuses |= {nodeid: f"{words} at try {attempt}" for nodeid in left if again.get(nodeid) in signs}
    return excuses
