"""The shim on stock releases: what its tests stand on, and the table of shim/README.md.

./scripts/test-matrix --shim           runs all of it (noxfile.py), and has the table written by this
./scripts/test-matrix --shim 2.20.0    only runs one release
"""

from __future__ import annotations

import os
import sys
import json
import subprocess
from typing import Any, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
README = ROOT / "shim" / "README.md"
BEGIN, END = "<!-- generated: ./scripts/test-matrix --shim -->\n", "<!-- /generated -->\n"


def run(*command: Any, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command without this interpreter's environment in the way."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=2400,  # far beyond what the longest one takes: a hang has to end as a failure
    )


def must(done: subprocess.CompletedProcess[str]) -> str:
    """The output of a command that has to succeed."""
    assert done.returncode == 0, f"{done.args}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def make(folder: Path, *requirements: Any) -> Path:
    """A new environment with these requirements; returns its interpreter."""
    must(run(UV, "venv", "--quiet", "--python", sys.executable, folder))
    python = folder / "bin" / "python"
    must(run(UV, "pip", "install", "--quiet", "--python", python, *requirements))
    return python


def table(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """The part of the README that was measured: what runs on each release, and the reasons of what cannot."""
    lines = [
        f"| `openai` | {' | '.join(reports)} |",
        f"|---|{'---:|' * len(reports)}",
        f"| tests that run on both | {' | '.join(str(report['counts']['passed']) for report in reports.values())} |",
        f"| tests that cannot | {' | '.join(str(report['counts'].get('cannot', 0)) for report in reports.values())} |",
        "",
        "Those that cannot, and why, in the same order. A parametrised test counts once for each of its cases.",
        "",
        "| tests | why, and what to write instead |",
        "|---|---|",
    ]
    rows = {
        reason: tuple(report["reasons"].get(reason, 0) for report in reports.values())
        for reason in {reason for report in reports.values() for reason in report["reasons"]}
    }
    for reason, counts in sorted(rows.items(), key=lambda row: ([-count for count in reversed(row[1])], row[0])):
        shown = counts[:1] if len({*counts}) == 1 else counts
        lines.append(f"| {' / '.join(map(str, shown))} | {reason} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    reports = {path.stem.removeprefix("shim-"): json.loads(path.read_bytes()) for path in map(Path, sys.argv[1:])}
    head, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(head + BEGIN + table(reports) + END + rest.partition(END)[2], encoding="utf-8")
