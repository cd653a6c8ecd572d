"""The tools behind `scripts/` and behind the build.

The fork is a pin and a series; everything else is computed from them:

    pin      the pin in pyproject.toml, and the release that it names, every file checked against its RECORD
    diff     a patch, read and applied by the letter
    compose  pin + patches/, without git: the wheel
    installed  whether an installed wheel is that one
    git      git that nothing outside the call reaches
    series   one commit for each patch, in a git directory over the work tree of this repository
    lay      the commits into the tree, never over an edit
    work     rewriting commits: begun, stopped at a conflict, gone on with, given up
    refresh  the edits into the patches, with --check and --budget
    rebase   the series onto another release
    walk     every patch alone, on upstream's sdist, with linters and tests; each follow-up alone on the core
    tree     what else has to hold for the files of this repository

Whatever does not hold ends in one `Refusal`, whose text is one sentence for the person at the terminal.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def variables_without(*prefixes: str) -> dict[str, str]:
    """The variables of this process whose names begin with none of `prefixes`, for a process that they must not reach."""
    return {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}


class Refusal(Exception):
    """Raised when a tool stops; the text is one sentence which says what is wrong and where."""
