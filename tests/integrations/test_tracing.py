"""Six instrumentations see on the fork what they see on stock, and the flag's errors as far as they see any: the typed
error arrives, a poll leaves the spans of a loop of `retrieve`, and nothing is recorded that stock keeps to itself.

docs/integrations.md has the table; `--write` renews it.
"""

from __future__ import annotations

import json
from typing import Any
from dataclasses import replace

import pytest

from forktools.loopback import CATALOGUE, Fault, Request, Loopback

from ._page import check, table
from ._support import run
from ._environments import python
from .programs.ways import WAYS
from .programs.tracing_program import PROMPT, LIBRARIES, STOCK_RAISES, run_of

TYPED = "BackgroundRateLimitError"
SEEN_BY_NONE = {"opentelemetry", "langfuse"}
"""They instrument other calls than these."""

Cells = dict[str, dict[str, Any]]


def refuse(request: Request) -> Fault | None:
    return Fault.status(429) if "_refused_" in request.path else None


def measure(library: str, side: str) -> tuple[str, Cells]:
    """Each way has a run of its own, which is queued, in progress, then failed."""
    with Loopback(faults=refuse) as server:
        for way in (*WAYS, *STOCK_RAISES):
            scenario = CATALOGUE["late_cause" if way == "broken" else "rate_limit_exceeded"]
            scenario = replace(scenario, ending={**scenario.ending, "instructions": PROMPT})
            for kind in ("sync", "async"):
                for flag in (False, True):
                    server.add(scenario, run_of(way, kind, flag))
        program = python("integrations-tracing", f"tracing-{side}")
        printed = run(
            program, "-m", f"{__package__}.programs.tracing_program", library, OPENAI_BASE_URL=server.base_url
        )
    told = json.loads(printed.splitlines()[-1])
    return told["version"], told["found"]


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[str, Cells, Cells]]:
    """For each library its version, what it saw on the fork, and what it saw on stock."""
    return {library: (*measure(library, "fork"), measure(library, "stock")[1]) for library in LIBRARIES}


@pytest.fixture(params=list(LIBRARIES))
def library(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def fork(measured: dict[str, tuple[str, Cells, Cells]], library: str) -> Cells:
    return measured[library][1]


@pytest.fixture
def stock(measured: dict[str, tuple[str, Cells, Cells]], library: str) -> Cells:
    return measured[library][2]


def test_typed_error_arrives_by_every_way(fork: Cells) -> None:
    with_flag = {name: cell["raised"] for name, cell in fork.items() if name.endswith(" flag")}
    assert with_flag == dict.fromkeys((f"{kind} {way} flag" for kind in ("sync", "async") for way in WAYS), TYPED)


def test_without_the_flag_everything_is_as_on_stock(fork: Cells, stock: Cells) -> None:
    assert {name: fork[name] for name in stock} == stock
    assert {name for name, cell in stock.items() if cell["raised"]} == {
        f"{kind} {way}" for kind in ("sync", "async") for way in STOCK_RAISES
    }


def test_async_code_is_seen_as_sync_code(fork: Cells) -> None:
    assert [fork[f"async {way} flag"] for way in WAYS] == [fork[f"sync {way} flag"] for way in WAYS]


def test_poll_leaves_the_spans_of_a_loop(fork: Cells) -> None:
    assert fork["sync poll"]["spans"] == fork["sync loop"]["spans"]
    loop, poll = fork["sync loop flag"]["spans"], fork["sync poll flag"]["spans"]
    # With the flag, a poll asks once more, so that what sees a `retrieve` that raises sees it.
    assert poll in (loop, [*loop[:1], *loop])
    assert fork["sync poll flag"]["logged"] == []


@pytest.mark.parametrize("way", ["loop", "poll", "stream", "helper"])
def test_call_that_raised_is_a_span_with_the_error(fork: Cells, library: str, way: str) -> None:
    spans = fork[f"sync {way} flag"]["spans"]
    if library in SEEN_BY_NONE:
        assert spans == []
    elif library == "sentry" or (library == "logfire" and way in ("stream", "helper")):
        # Sentry looks at HTTP, and logfire's span of a stream has ended before the stream is read.
        assert {error for _, error in spans} == {None}
    else:
        assert spans[-1][1] == TYPED
        assert {error for _, error in spans[:-1]} <= {None}


def test_nothing_is_recorded_that_stock_does_not_record(fork: Cells, stock: Cells) -> None:
    by_stock = {secret for cell in stock.values() for secret in cell["told"]}
    assert by_stock <= {PROMPT}
    # A response that was returned may be recorded; one that failed says no more than a call that was refused.
    for way in WAYS:
        told = set(fork[f"sync {way} flag"]["told"])
        assert told <= by_stock
        if way in ("stream", "helper"):
            assert told <= set(stock["sync stream"]["told"]) | set(stock["sync broken"]["told"])


def test_page_shows_what_was_measured(
    measured: dict[str, tuple[str, Cells, Cells]], request: pytest.FixtureRequest
) -> None:
    rows = [("", "`retrieve` in a loop", "`poll`", "stream", "`responses.stream`", "raw `.parse()`")]
    for library, (version, cells, _) in measured.items():
        ways = [_shown(cells[f"sync {way} flag"]) for way in ("loop", "poll", "stream", "helper", "raw")]
        rows.append((f"{LIBRARIES[library][0]} {version}", *ways))
    check("instrumentations", table(rows), write=request.config.getoption("--write"))


def _shown(cell: dict[str, Any]) -> str:
    errors = [error for _, error in cell["spans"]]
    good = errors.count(None)
    parts = [f"{good} without error"] * bool(good) + ["the error" for error in errors if error is not None]
    parts += ["an error in its log"] * bool(cell["logged"])
    return ", ".join(parts) or "no span"
