"""pytest in a process of its own, and how each of its tests ended: `run`, over the plugin in `outcomes`.

Promises: outcomes are returned only when pytest got to its end; anything else is a Refusal that says where to look.
"""

from __future__ import annotations

import os
import json
import subprocess
from typing import Mapping, Sequence
from pathlib import Path
from contextlib import nullcontext

from . import ROOT, Refusal, outcomes


def run(
    python: Path,
    folder: Path,
    arguments: Sequence[str],
    *,
    variables: Mapping[str, str],
    target: Path,
    import_from: Sequence[Path] = (),
    log: Path | None = None,
    timeout: float | None = None,
) -> dict[str, str]:
    """Run pytest in `folder` and return node id to outcome, for the tests that pass as for those that fail.

    variables:   the whole environment of the process, without PYTHONPATH.
    target:      a file for the outcomes; it is gone afterwards.
    import_from: folders that come before the environment's packages.
    log:         gets the output, which otherwise is shown.
    timeout:     seconds.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    path = os.pathsep.join(map(str, [*import_from, ROOT / "scripts"]))
    environment = {**variables, "PYTHONPATH": path, outcomes.VARIABLE: str(target)}
    command = [str(python), "-m", "pytest", "-q", "-p", "forktools.outcomes", *arguments]
    where = f"in {folder}" + (f"; its output is in {log}" if log is not None else "")
    with open(log, "wb") if log is not None else nullcontext() as stream:
        errors = subprocess.STDOUT if stream is not None else None
        try:
            done = subprocess.run(command, cwd=folder, env=environment, stdout=stream, stderr=errors, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Refusal(f"pytest did not end within {timeout:g} seconds {where}.") from None
    # 0: all passed; 1: some failed, or some file could not be collected. Anything else is no result.
    if done.returncode not in (0, 1) or not target.is_file():
        raise Refusal(f"pytest ended with status {done.returncode} {where}.")
    found: dict[str, str] = json.loads(target.read_text(encoding="utf-8"))
    target.unlink()
    return found
