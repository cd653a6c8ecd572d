"""What the patched tree changed, test by test.

Promises: a test of stock's that is not green on the patched tree (it fails, is skipped or is gone) is asked of stock,
alone; where stock passes it, it is a regression, and so is a test that the series adds and that does not pass, unless
running it again shows that the tree is not to blame: within TRIES runs, alone and one test after the other, it passes
on the patched tree, or fails on stock. Then it is a flake, or known to fail, and is named as one.
"""

from __future__ import annotations

from typing import Mapping, Callable, Iterable, Sequence
from dataclasses import dataclass

from ..recorded import BAD, GOOD

TRIES = 3
# More than this many are no flakes; running them again would only take long to say so.
MOST_RETRIED = 200

# Runs tests one after the other on a tree ("stock" or "patched") and returns each one's outcome.
Rerun = Callable[[str, Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True)
class Comparison:
    """Node id to what was found: what got worse, what passed on the patched tree when it was run again, and what fails
    on stock as well."""

    regressions: Mapping[str, str]
    flakes: Mapping[str, str]
    known: Mapping[str, str]


def compare(stock: Iterable[str], patched: Mapping[str, str], rerun: Rerun) -> Comparison:
    """Compares how the patched tree's tests ended with stock's, which are given by name and run where it matters."""
    there = set(stock)
    failing = sorted(name for name, outcome in patched.items() if outcome in BAD)
    absent = sorted(name for name in there if patched.get(name, "gone") in ("gone", "skipped"))
    before: Mapping[str, str] = rerun("stock", absent) if absent else {}
    worse = {name: patched.get(name, "gone") for name in absent if before.get(name) in GOOD}
    flakes: dict[str, str] = {}
    known: dict[str, str] = {}
    files = {name.partition("::")[0] for name in there}
    for attempt in range(1, TRIES + 1) if len(failing) <= MOST_RETRIED else ():
        for tree, signs, found in (("patched", GOOD, flakes), ("stock", BAD, known)):
            left = [name for name in failing if name not in flakes and name not in known]
            # What only the series has cannot be asked of stock; a file that cannot be collected has no test's name.
            left = [name for name in left if tree == "patched" or name in there or name in files]
            again: Mapping[str, str] = rerun(tree, left) if left else {}
            word = "passed" if found is flakes else "failed on stock, too,"
            found.update({name: f"{word} alone at try {attempt}" for name in left if again.get(name) in signs})
    worse |= {name: patched[name] for name in failing if name not in flakes and name not in known}
    return Comparison(worse, flakes, known)
