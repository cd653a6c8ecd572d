"""Libraries on top of the SDK: their own suites, of their source distributions, end on the fork as they end on stock,
test by test. What fails on both is not ours: it wants the network, a key or another library.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from forktools import ROOT, recorded
from forktools.recorded import BAD, GOOD
from forktools.suite.compare import compare

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


def run_suite(side: str, folder: Path, tests: Sequence[str], scratch: Path, *options: str) -> dict[str, str]:
    """How each test ended."""
    arguments = ["-p", "no:cacheprovider", "-o", "addopts=", "--continue-on-collection-errors", *options, *tests]
    return recorded.run(
        python(REQUIREMENTS, f"suites-{side}"),
        folder,
        arguments,
        variables=environment(),
        target=scratch / "reports.jsonl",
        log=scratch / "log",
        timeout=SECONDS,
    )


@pytest.mark.parametrize("name", SUITES)
def test_suite_ends_on_the_fork_as_on_stock(name: str, tmp_path: Path) -> None:
    folder = source(name)

    def rerun(tree: str, tests: Sequence[str]) -> Mapping[str, str]:
        return run_suite("fork" if tree == "patched" else "stock", folder, tests, tmp_path)

    stock, fork = (run_suite(side, folder, SUITES[name], tmp_path) for side in ("stock", "fork"))
    print(name, "on stock:", dict(Counter(stock.values())))
    assert sum(outcome in GOOD for outcome in stock.values()) > 500  # or it did not run
    assert fork.keys() == stock.keys()
    assert compare(stock, fork, rerun).regressions == {}
    mended = [test for test, outcome in fork.items() if outcome in GOOD and stock[test] in BAD]
    assert [test for test, outcome in (rerun("stock", mended) if mended else {}).items() if outcome in BAD] == []


def test_page_names_the_suites(request: pytest.FixtureRequest) -> None:
    rows = [(pinned(REQUIREMENTS, name), ", ".join(f"`{part}`" for part in subset)) for name, subset in SUITES.items()]
    check("suites", table([("suite", "tests"), *rows]), write=request.config.getoption("--write"))
