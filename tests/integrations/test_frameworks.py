"""Libraries on top of the SDK, and what instruments it: their own suites, of their source distributions, end on the fork
as they end on stock, test by test. What fails on both is not ours: it wants the network, a key, a recording that the
SDK's transport does not read, or another version of something.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from collections import Counter
from dataclasses import dataclass
from collections.abc import Mapping, Sequence

import pytest

from forktools import ROOT, recorded

from ._page import check, table, pinned, written
from ._support import environment
from ._environments import HOME, python

SECONDS = 1500  # on a busy machine
TRIES = 3
OPTIONS = (
    *("-c", "pyproject.toml"),  # its own configuration, and where it has none not that of this repository
    *("-p", "no:cacheprovider", "-o", "addopts=", "--continue-on-collection-errors"),
    *("--allow-unix-socket", "--allow-hosts=127.0.0.1,::1,localhost"),  # of pytest-socket
)


@dataclass(frozen=True)
class Suite:
    """requirements: names the file with the version of the library and with what the suite needs, hence also the pair
    of environments. tests: the part of the suite that uses the SDK."""

    requirements: str
    tests: Sequence[str]
    options: Sequence[str] = ()


SUITES = {
    "langchain-openai": Suite("integrations-suites", ["tests/unit_tests"]),
    "openai-agents": Suite(
        "integrations-suites",
        [
            "tests/models",
            "tests/model_settings",
            "tests/test_agent_runner.py",
            "tests/test_agent_runner_streamed.py",
            "tests/test_openai_provider_client_options.py",
            "tests/test_responses.py",
            "tests/test_responses_tracing.py",
        ],
    ),
    "instructor": Suite(
        "integrations-suites",
        [
            "tests/llm/test_openai",
            "tests/v2",
            "tests/coverage/test_batch_openai_coverage.py",
            "tests/coverage/test_openai_handlers_coverage.py",
            "tests/coverage/test_openai_support_coverage.py",
            "tests/test_import_lazy_openai.py",
            "tests/test_openai_responses_tools.py",
            "tests/test_streaming_reask_bug.py",
        ],
    ),
    "mistral-haystack": Suite("integrations-suites", ["tests"]),
    "openrouter-haystack": Suite("integrations-suites", ["tests"]),
    "pydantic-ai": Suite(
        "integrations-pydantic",
        ["tests/models/test_openai.py", "tests/models/test_openai_responses.py", "tests/providers/test_openai.py"],
        ["-p", "no:asyncio"],  # it uses anyio's plugin, and takes the other one's warning for an error
    ),
    # Two plugins read recordings, and refuse to run beside each other: each suite takes its own.
    "sentry-sdk": Suite("integrations-tracing", ["tests/integrations/openai"], ["-p", "no:vcr"]),
    "logfire-sdk": Suite(
        "integrations-tracing",
        ["tests/otel_integrations/test_openai.py", "tests/otel_integrations/test_openai_stream_errors.py"],
        ["-p", "no:vcr"],
    ),
    "opentelemetry-instrumentation-openai": Suite("integrations-tracing", ["tests"], ["-p", "no:vcr"]),
    "opentelemetry-instrumentation-openai-v2": Suite("integrations-tracing", ["tests"], ["-p", "no:recording"]),
}

WITHOUT = {
    "haystack-ai 3.4.1": "mistral-haystack and openrouter-haystack, whose generators are subclasses of its own",
    "pydantic-ai 2.66.0": "pydantic-ai 1.24.0, the last with tests",
    "semantic-kernel 1.45.0": "nothing",
    "dspy 3.4.1": "nothing",
    "openinference-instrumentation-openai 0.1.66": "nothing",
    "langfuse 4.18.0": "nothing",
}
"""Whose source distribution has no test that uses the SDK, with what is run in its place."""

COUNTED: dict[str, list[str]] = {}
"""How the suites that were run ended, on stock and on the fork."""


def source(name: str, version: str) -> Path:
    """The source distribution, unpacked. Skips the test where it cannot be had."""
    stem = f"{name.replace('-', '_')}-{version}"
    folder = HOME / "sdists"
    if not (folder / stem).is_dir():
        pip = [str(ROOT / ".venv" / "bin" / "python"), "-m", "pip", "-qq", "download", "--no-deps", "--no-binary", name]
        done = subprocess.run([*pip, "--dest", str(folder), f"{name}=={version}"], env=environment())
        if done.returncode:
            pytest.skip(f"no source distribution of {name} {version}")
        subprocess.run(["tar", "-xf", f"{stem}.tar.gz"], cwd=folder, check=True)
    return folder / stem


def run_suite(name: str, side: str, tests: Sequence[str], scratch: Path) -> Mapping[str, str]:
    """How each test ended."""
    suite = SUITES[name]
    return recorded.run(
        python(suite.requirements, f"{suite.requirements.removeprefix('integrations-')}-{side}"),
        source(*pinned(suite.requirements, name).split()),
        [*OPTIONS, *suite.options, *tests],
        variables=environment(),
        target=scratch / "reports.jsonl",
        log=scratch / "log",
        timeout=SECONDS,
    )


@pytest.mark.parametrize("name", SUITES)
def test_suite_ends_on_the_fork_as_on_stock(name: str, tmp_path: Path) -> None:
    def run(tests: Sequence[str]) -> list[Mapping[str, str]]:
        return [run_suite(name, side, tests, tmp_path) for side in ("stock", "fork")]

    def differing(tests: set[str]) -> set[str]:
        return {test for test in tests if stock.get(test) != fork.get(test)}

    stock, fork = run(SUITES[name].tests)
    COUNTED[name] = [
        ", ".join(f"{number} {outcome}" for outcome, number in sorted(Counter(ended.values()).items()))
        for ended in (stock, fork)
    ]
    assert list(stock.values()).count("passed") > len(stock) / 4  # or it did not run
    left = differing({*stock, *fork})
    first = {test: (stock.get(test), fork.get(test)) for test in left}
    for _ in range(TRIES):
        if left:  # what differs once and not again is a flake
            stock, fork = run(sorted(left))
            left = differing(left)
    assert {test: first[test] for test in left} == {}, "test: on stock, on the fork"


@pytest.mark.parametrize("name", WITHOUT)
def test_source_distribution_has_no_suite(name: str) -> None:
    """Where this fails, there is a suite to add."""
    uses = re.compile(r"^\s*(import|from) openai\b", re.MULTILINE)
    tests = source(*name.split()).rglob("test_*.py")
    assert [path for path in tests if uses.search(path.read_text(encoding="utf-8"))] == []


def test_page_names_the_suites(request: pytest.FixtureRequest) -> None:
    """The numbers are those of the last `--write`: other Pythons skip other tests."""
    write = request.config.getoption("--write")
    rows = [["suite", "tests", "on stock", "on the fork"]]
    for name, suite in SUITES.items():
        row = [pinned(suite.requirements, name), ", ".join(f"`{part}`" for part in suite.tests)]
        rows.append([*row, *(write and COUNTED.get(name) or written(row) or ["", ""])])
    check("suites", table(rows), write=write)
    check("none", table([["without tests of it", "in its place"], *WITHOUT.items()]), write=write)
