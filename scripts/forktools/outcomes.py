"""A pytest plugin that writes down how each test ended, and nothing else: `pytest -p forktools.outcomes`.

Promises: one JSON object, node id to `passed`, `failed`, `error`, `skipped`, `xfailed` or `xpassed`, written to the file
that OPENAI_FORK_OUTCOMES names when the session ends. A file that cannot be collected counts as one test with the
outcome `error`. It runs inside upstream's environment, so it imports nothing but the standard library and pytest.
(pytest's own JUnit report names tests by class and title, from which their ids cannot be had back.)
"""

from __future__ import annotations

import os
import json
from pathlib import Path

import pytest

VARIABLE = "OPENAI_FORK_OUTCOMES"

# A test has up to three reports, of set-up, call and tear-down; the worst one counts.
_WORSE = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")


class Recorder:
    """Collects the reports of one session."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of the controller, for every worker's tests."""
        self._note(report.nodeid, outcome_of(report))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file or class whose collection failed; with workers each of them reports it."""
        if report.failed:
            self._note(report.nodeid, "error")

    def pytest_sessionfinish(self) -> None:
        """Writes the file in one step."""
        part = self.target.with_name(self.target.name + ".part")
        part.write_text(json.dumps(self.outcomes, indent=0, sort_keys=True), encoding="utf-8")
        part.replace(self.target)

    def _note(self, nodeid: str, outcome: str) -> None:
        before = self.outcomes.get(nodeid, "passed")
        self.outcomes[nodeid] = max(before, outcome, key=_WORSE.index)


def outcome_of(report: pytest.TestReport) -> str:
    """The outcome of one report."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return "skipped" if report.skipped else "passed"


def pytest_configure(config: pytest.Config) -> None:
    """Registers the recorder, in the controller only."""
    target = os.environ.get(VARIABLE)
    if target and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(Path(target)), "forktools-outcomes")
