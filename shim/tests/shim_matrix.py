"""The shim on stock releases: an environment for each, the behavioural tests in it, and the table of shim/README.md.

    ./scripts/test-matrix --shim                runs all of it and writes the table
    ./scripts/test-matrix --shim 2.20.0         only shows what one release gives

Needs a package index, and uv, which is among the development tools.
"""

from __future__ import annotations

import os
import sys
import json
import subprocess
from typing import Any, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from forktools import ROOT, pin

UV = Path(sys.executable).with_name("uv")
README = ROOT / "shim" / "README.md"
BEGIN, END = "<!-- generated: ./scripts/test-matrix --shim -->\n", "<!-- /generated -->\n"

# What the tests need besides openai; at the versions of requirements/dev.txt, as everything else that is named there.
TOOLS = ("pytest", "pytest-asyncio", "pytest-xdist", "inline-snapshot", "httpx", "aiohttp")


def releases() -> tuple[str, ...]:
    """The oldest release that is promised, the pinned one, and some on the way."""
    return "2.20.0", "2.40.0", "2.54.0", "3.0.0", "3.20.0", "3.40.0", pin.load(ROOT).upstream


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


def make_stock(folder: Path, release: str) -> Path:
    """An environment with a stock release, the shim as built from this tree, and what the tests need."""
    constraints = "--constraint", ROOT / "requirements" / "dev.txt"
    return make(folder, f"openai[aiohttp]=={release}", ROOT / "shim", *constraints, *TOOLS)


def behave(python: Path, report: Path) -> dict[str, Any]:
    """Run the behavioural tests; returns how many passed, and how many cannot, by reason."""
    tests = run(
        *(python, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-p", "shim_on_stock"),
        *("--shim-report", report, "tests/lib/background"),
        PYTHONPATH=str(Path(__file__).parent),
        PYTHONDONTWRITEBYTECODE="1",
    )
    must(tests)
    return json.loads(report.read_text(encoding="utf-8"))


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


def shown() -> str:
    """That part as it stands."""
    return README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def main(wanted: Sequence[str]) -> int:
    """Measure, and write what was measured, if it was all."""
    reports: dict[str, Any] = {}
    with TemporaryDirectory(prefix="shim-matrix-") as folder:
        for release in wanted or releases():
            reports[release] = behave(make_stock(Path(folder, release), release), Path(folder, f"{release}.json"))
            print(release, reports[release]["counts"], flush=True)
    if wanted:
        print(table(reports))
        return 0
    head, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(head + BEGIN + table(reports) + END + rest.partition(END)[2], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
