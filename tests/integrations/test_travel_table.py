"""docs/travel.md says what becomes of each error on each way out of a process, as measured now.

Five runs of one program: the background classes on the fork, the SDK's own classes and a program's own on the fork and
on the stock release. `--write` renews the page.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

import openai
from forktools import ROOT

from ._support import PYTHONS, NO_REDIS, found, environment
from .travel._page import PAGE, written
from .travel._subjects import FAMILIES

pytestmark = pytest.mark.skipif(found("redis-server") is None, reason=NO_REDIS)

RUNS = {
    "background": ("fork", "background"),
    "mended": ("fork", "stock"),
    "stock": ("stock", "stock"),
    "own": ("fork", "own"),
    "own_stock": ("stock", "own"),
}
MENDED = [name for name in FAMILIES["stock"] if issubclass(getattr(openai, name, type), openai.APIError)]
"""What the patch is about; the SDK's other exceptions are left as they are."""
SECONDS = 900  # on a busy machine; a free one needs a fraction

# What reaches the caller by JSON is Celery's doing: it stores class and `args`, and calls the class with them.
POOR = {"Celery, json"}


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """The cells of each run, by class and way. The runs go on at the same time; they mostly wait."""
    processes = {
        name: subprocess.Popen(
            [str(PYTHONS[side]), "-m", f"{__package__}.travel", family],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, (side, family) in RUNS.items()
    }
    found: dict[str, Any] = {}
    try:
        for name, process in processes.items():
            output, problems = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, problems
            found[name] = json.loads(output.splitlines()[-1])
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return found


def test_background_error_arrives_whole_by_every_way(measured: dict[str, Any]) -> None:
    for name, row in measured["background"].items():
        assert len(row) == 13
        for way, (outcome, _) in row.items():
            if way in POOR:
                continue
            # Python pickles no cause, and a pool puts the worker's traceback there. A wait and a stream have no JSON form.
            lasting = issubclass(getattr(openai, name), openai.BackgroundResponseError)
            assert outcome in ({"whole"} if lasting else {"whole", "without cause", ""}), (name, way, outcome)


@pytest.mark.parametrize(("run", "names"), [("background", list(FAMILIES["background"])), ("mended", MENDED)])
def test_fork_leaks_nothing_by_any_way(measured: dict[str, Any], run: str, names: list[str]) -> None:
    leaks = {(name, way): cell[1] for name in names for way, cell in measured[run][name].items() if cell[1]}
    assert leaks == {}


def test_mended_error_arrives_whole_where_python_carries_it(measured: dict[str, Any]) -> None:
    poor = {
        (name, way): outcome
        for name in MENDED
        for way, (outcome, _) in measured["mended"][name].items()
        if way not in POOR and outcome not in ("whole", "")
    }
    assert poor == {}


def test_exception_of_another_family_travels_as_on_stock(measured: dict[str, Any]) -> None:
    others = [name for name in FAMILIES["stock"] if name not in MENDED]
    assert [measured["mended"][name] for name in others] == [measured["stock"][name] for name in others]


def test_exception_of_a_program_is_copied_and_pickled_as_on_stock_or_better(measured: dict[str, Any]) -> None:
    for probe, row in measured["own"].items():
        for way, outcome in row.items():
            stock = measured["own_stock"][probe][way]
            lock = {"without lock", "without callback"} if way == "pickle, RateLimitError" else set[str]()
            assert outcome == stock or outcome in {"kept", *lock}, (probe, way, stock, outcome)
            assert outcome == stock or way.endswith("RateLimitError")


def test_stock_error_breaks_pools_and_shows_the_key(measured: dict[str, Any]) -> None:
    # The reason for the last patch. When upstream mends it, this fails, and the patch can go.
    row = measured["stock"]["RateLimitError"]
    assert row["pickle"][0].startswith("cannot be loaded")
    assert {"key", "prompt"} <= set(row["pickle"][1])
    assert row["ProcessPoolExecutor, spawn"][0] == row["ProcessPoolExecutor, fork"][0] == "breaks the pool"
    assert row["multiprocessing.Pool, spawn"][0] == row["multiprocessing.Pool, fork"][0] == "hangs the pool"
    assert row["Celery, pickle"][0] == "becomes OpenAIError"


def test_page_shows_what_was_measured(measured: dict[str, Any], request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text(encoding="utf-8")
    now = written(text, measured)
    if request.config.getoption("--write"):
        PAGE.write_text(now, encoding="utf-8")
        return
    assert text == now, "./scripts/test --integrations --write renews docs/travel.md"
