"""The tools behind `scripts/` and behind the build.

The fork is a pin, a series and a folder of its own files; everything else is computed from them:

    pin      the pinned upstream distribution, every file of it checked against its RECORD
    series   patches/series.toml: the pin, the order, which path belongs to which patch
    compose  pin + series + own files, each result checked against patches/SHA256SUMS
    lay      the composed files into src/openai, never over an edit
    record   the tree into patches/*.patch, through git
    refresh  the command over `record`, with its --check and --budget
    tree     what else has to hold for the files of this repository
    env      the virtual environment that the scripts run in (standard library only)

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
