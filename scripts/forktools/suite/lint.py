"""Upstream's linters, type checks and breaking-change check on the patched tree.

Promises: each check is upstream's own, at the version in its lock file, with its settings, and must pass on the patched
tree as it does on stock; and the public API of the fork differs from stock's by additions only, in griffe's judgement of
every signature and not only of every name.
"""

from __future__ import annotations

import sys
import subprocess
from pathlib import Path
from dataclasses import dataclass

from . import trees
from .. import ROOT


@dataclass(frozen=True)
class Check:
    """One check: what it is called, whether it passed, and what it printed."""

    title: str
    passed: bool
    output: str

    @property
    def last(self) -> str:
        """The last line of its output, for a table."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def run(made: trees.Trees, python: Path) -> list[Check]:
    """Runs every check in the patched tree."""
    tools = python.parent
    breaking = ROOT / "scripts" / "forktools" / "breaking.py"
    pyright = Path(sys.executable).with_name("pyright")
    commands = {
        "ruff check": [str(tools / "ruff"), "check", "."],
        "ruff format --check": [str(tools / "ruff"), "format", "--check", "."],
        # The file cannot be checked without hidden folders that the sdist does not ship.
        "ty check": [str(tools / "ty"), "check", "--python", str(python), "--exclude", "tests/test_uv_workflows.py"],
        "import openai": [str(python), "-W", "error", "-c", "import openai; print(openai.__version__)"],
        "pyright on upstream's callers": [
            *(str(pyright), "-p", "scripts/pyrightconfig.breaking-changes.json", "--pythonpath", str(python)),
        ],
        "detect-breaking-changes.py": [str(python), "scripts/detect-breaking-changes.py", trees.BASE_TAG],
        "breaking changes of signatures": [str(python), str(breaking), str(made.stock), str(made.patched)],
    }
    checks: list[Check] = []
    for title, command in commands.items():
        done = subprocess.run(
            command, cwd=made.patched, env=trees.clean(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        checks.append(Check(title, done.returncode == 0, done.stdout))
        print(f"{title}: {'passed' if done.returncode == 0 else 'FAILED'}", file=sys.stderr, flush=True)
    return checks
