"""pytest in a process of its own, and how each of its tests ended, as pytest-reportlog wrote it down.

Promises: outcomes are returned only when pytest got to its end; anything else is a Refusal that says where to look. They
are `passed`, `failed`, `error`, `skipped`, `xfailed` and `xpassed`, by node id; a file that cannot be collected counts as
one test with the outcome `error`. (pytest's JUnit report names tests by class and title, from which their ids cannot be
had back.)
"""

from __future__ import annotations

import os
import json
import subprocess
from typing import Any, Mapping, Sequence
from pathlib import Path
from contextlib import nullcontext

from . import Refusal

GOOD, BAD = ("passed", "xfailed"), ("failed", "error", "xpassed")
# A test has up to three reports, of set-up, call and tear-down; the worst one counts.
_WORSE = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")


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

    python:      of an environment that has pytest-reportlog.
    variables:   the whole environment of the process, without PYTHONPATH.
    target:      a file for the reports; it is gone afterwards.
    import_from: folders that come before the environment's packages.
    log:         gets the output, which otherwise is shown.
    timeout:     seconds.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    environment = {**variables, "PYTHONPATH": os.pathsep.join(map(str, import_from))}
    command = [str(python), "-m", "pytest", "-q", f"--report-log={target}", *arguments]
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
    found: dict[str, str] = {}
    with open(target, encoding="utf-8") as lines:
        for report in map(json.loads, lines):
            if outcome := _outcome(report):
                found[report["nodeid"]] = max(found.get(report["nodeid"], "passed"), outcome, key=_WORSE.index)
    target.unlink()
    return found


def _outcome(report: Mapping[str, Any]) -> str | None:
    """What one line of the log says of a test; None where it is about something else."""
    if report["$report_type"] == "CollectReport":
        return "error" if report["outcome"] == "failed" else None
    if report["$report_type"] != "TestReport":
        return None
    if "wasxfail" in report:
        return "xfailed" if report["outcome"] == "skipped" else "xpassed"
    if report["outcome"] == "failed":
        return "failed" if report["when"] == "call" else "error"
    outcome: str = report["outcome"]
    return outcome
