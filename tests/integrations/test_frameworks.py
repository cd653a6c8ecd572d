"""Libraries on top of the SDK: their own suites, of their source distributions, end on the fork as they end on stock,
test by test. What fails on both is not ours: it wants the network, a key or another library.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from forktools import ROOT, outcomes
from forktools.suite.compare import GOOD, settle, compare

from ._page import check, table, pinned
from ._support import environment
from ._environments import HOME, python

REQUIREMENTS = "integrations-suites"
SECONDS = 1500  # on a busy machine
SUITES = {
    "langchain-openai": ("tests/unit_tests",),
    "openai-agents": (
        "tests/models",
        "tests/model_settings",
        "tests/test_agent_runner.py",
        "tests/test_agent_runner_streamed.py",
        "tests/test_openai_provider_client_options.py",
        "tests/test_responses.py",
        "tests/test_responses_tracing.py",
    ),
}


def source(name: str) -> Path:
    """The source distribution of the version that is pinned, unpacked. Skips the test where it cannot be had."""
    version = pinned(REQUIREMENTS, name).split()[1]
    stem = f"{name.replace('-', '_')}-{version}"
    folder = HOME / "sdists"
    if not (folder / stem).is_dir():
        pip = [str(ROOT / ".venv" / "bin" / "python"), "-m", "pip", "-qq", "download", "--no-deps", "--no-binary", name]
        done = subprocess.run([*pip, "--dest", str(folder), f"{name}=={version}"], env=environment())
        if done.returncode:
            pytest.skip(f"no source distribution of {name} {version}")
        subprocess.run(["tar", "-xf", f"{stem}.tar.gz"], cwd=folder, check=True)
    return folder / stem


def run_suite(side: str, folder: Path, subset: Sequence[str], target: Path) -> dict[str, str]:
    """How each test ended."""
    options = ["-q", "-p", "forktools.outcomes", "-p", "no:cacheprovider", "-o", "addopts="]
    command = [str(python(REQUIREMENTS, f"suites-{side}")), "-m", "pytest", *options, "--continue-on-collection-errors"]
    quiet = subprocess.DEVNULL
    more = {"PYTHONPATH": str(ROOT / "scripts"), outcomes.VARIABLE: str(target)}
    subprocess.run(
        [*command, *subset], cwd=folder, env=environment(**more), timeout=SECONDS, stdout=quiet, stderr=quiet
    )
    return json.loads(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SUITES)
def test_suite_ends_on_the_fork_as_on_stock(name: str, tmp_path: Path) -> None:
    folder = source(name)

    def rerun(tree: str, tests: Sequence[str]) -> Mapping[str, str]:
        return run_suite("fork" if tree == "patched" else "stock", folder, tests, tmp_path / "again.json")

    stock = settle(run_suite("stock", folder, SUITES[name], tmp_path / "stock.json"), rerun)
    fork = run_suite("fork", folder, SUITES[name], tmp_path / "fork.json")
    print(name, "on stock:", dict(Counter(stock.values())))
    assert sum(outcome in GOOD for outcome in stock.values()) > 500  # or it did not run
    found = compare(stock, fork, rerun)
    assert (found.regressions, found.mended, found.added) == ({}, [], [])


def test_page_names_the_suites(request: pytest.FixtureRequest) -> None:
    rows = [(pinned(REQUIREMENTS, name), ", ".join(f"`{part}`" for part in subset)) for name, subset in SUITES.items()]
    check("suites", table([("suite", "tests"), *rows]), write=request.config.getoption("--write"))
