"""The program of one process that is measured: `python -m forktools.bench.worker SIDE FOLDER`.

It reads one JSON object a line, `{"case": …, "calls": …}`, and answers each with the CPU seconds of that block. The
first block of a case prepares it and is preceded by a warm-up; garbage is collected before each block and what exists
by then is set aside for good, so that a block pays for its own garbage only, and two blocks follow each other closely.
"""

from __future__ import annotations

import gc
import sys
import json
import time
from pathlib import Path

import openai

from .cases import CASES, Block


def main(side: str, folder: str) -> None:
    """Answers until the input ends."""
    package = Path(openai.__file__).resolve()
    if not package.is_relative_to(Path(folder).resolve()):
        raise SystemExit(f"openai came from {package.parent}, not from the {side} folder")
    blocks: dict[str, Block] = {}
    for line in sys.stdin:
        question = json.loads(line)
        name, calls = question["case"], question["calls"]
        if name not in blocks:
            blocks[name] = CASES[name].prepare(side)
            blocks[name](calls)
        block = blocks[name]
        gc.collect()
        gc.freeze()
        started = time.process_time()
        block(calls)
        seconds = time.process_time() - started
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
