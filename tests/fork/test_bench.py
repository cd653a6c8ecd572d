"""The benchmark runs and computes what it says, and what needs no clock is asserted here; nothing depends on one."""

from __future__ import annotations

import sys
import time
import subprocess
from typing import Any
from pathlib import Path

import httpx2
import pytest

from openai import OpenAI
from forktools.bench import sides, report, __main__ as bench
from forktools.bench.cases import FORK, JSON, TWIN, CASES, STOCK, RESPONSE_ID, pending

NINE = [1.0, 1.002, 1.004, 1.006, 1.008, 1.010, 1.012, 1.014, 3.0]


class Scripted:
    """In the place of a process: blocks take the seconds that the test says."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.asked: list[int] = []

    def measure(self, _title: str, half: int, calls: int) -> float:
        self.asked.append(calls if half == 0 else -calls)
        return self.seconds.pop(0)


def test_bench_prints_every_row_with_its_bound_and_the_noise_beside_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"BLOCKS": 1, "SECONDS": 0.0, "TASKS": 50, "LOOPS": 50}.items():
        monkeypatch.setattr(bench, name, value)
    # Settings of the user, each of which would end the run.
    for name in ("OPENAI_BASE_URL", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://x:port")
    assert bench.main(["--minutes", "0"]) == 0
    said, _, shown = capsys.readouterr().out.partition("\n\n")
    assert f"openai {sides.pin.load(sides.ROOT).upstream}" in said and said.endswith(", 1 rounds")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines()]
    rows = {cells[0]: cells for cells in lines[2:]}
    held = {title: cells for title, cells in rows.items() if title.startswith("held by a waiting task")}
    assert rows.keys() - held.keys() == {*CASES, *sides.IMPORTS.values()}
    assert {title: cells[3] for title, cells in rows.items() if cells[3]} == {
        **{title: f"{case.most:.2f}" for title, case in CASES.items() if case.most},
        "import openai": "1.01",
        **dict.fromkeys(held, "2.00"),
    }
    # Bytes that tracemalloc counts, no clock; the last kilobyte is for what other versions of Python hold.
    sizes = [float(cells[1].removesuffix(" kB")) for cells in held.values()]
    assert len(sizes) == 2 and 0 < min(sizes) <= max(sizes) < min(3, min(sizes) + 0.2)


def test_side_of_another_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sides.Refusal, match=f"openai came from .*, not from {tmp_path}"):
        with sides.started(tmp_path):
            pass


def test_folder_of_each_side_holds_its_own_package_and_its_process_loads_only_our_modules_more() -> None:
    places = sides.folders()
    assert places[STOCK] == places[TWIN] != places[FORK]
    code = "import sys; sys.path.insert(0, sys.argv[1]); import openai; print(*sys.modules)"
    stock, fork = (
        set(subprocess.run([sys.executable, "-c", code, places[side]], capture_output=True, text=True).stdout.split())
        for side in (STOCK, FORK)
    )
    assert stock < fork
    assert all(name.startswith("openai.lib.background") for name in fork - stock)


def test_round_ratio_is_the_median_of_neighbouring_blocks_in_turn() -> None:
    stock, twin = Scripted(9.0, 1.0, 1.0, 2.0, 4.0), Scripted(0.5, 1.8, 1.0)
    given: Any = {STOCK: stock, TWIN: twin}
    assert sides.compare(next(iter(CASES)), given, blocks=3, seconds=1.0) == (0.2, 0.1, 0.5)
    assert stock.asked == [1, 10, 10, 10, 10] and twin.asked == [-10, -10, -10]


@pytest.mark.parametrize(
    ("values", "most", "met"),
    [
        (NINE, 1.02, "yes"),
        (NINE, 1.01, "cannot tell"),
        (NINE, 1.001, "NO"),
        (NINE, None, ""),
        ([0.1] * 5, 1.0, "cannot tell"),
        ([0.1] * 6, 1.0, "yes"),
    ],
)
def test_ratio_is_within_its_bound_only_where_the_interval_is(
    values: list[float], most: float | None, met: str
) -> None:
    assert report.row("import", values, most, "")[4] == met


def test_interval_leaves_out_what_one_round_in_nine_may_be() -> None:
    assert report.interval(NINE) == (1.002, 1.014)
    assert report.interval(NINE[:8]) == (1.0, 1.014)


# What is counted instead of timed.


@pytest.mark.parametrize(("length", "requests", "late"), [(1_800, 150, 90.0), (28_800, 600, 60.0)])
def test_poll_of_a_long_run_asks_seldom_and_sees_its_end_soon(
    monkeypatch: pytest.MonkeyPatch, length: float, requests: int, late: float
) -> None:
    now, asked = 0.0, 0

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        body = pending(1_500).replace(b"in_progress", b"completed" if now >= length else b"queued")
        return httpx2.Response(200, headers=JSON, content=body)

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    with OpenAI(api_key="bench", http_client=httpx2.Client(transport=httpx2.MockTransport(answer))) as client:
        monkeypatch.setattr(client.responses, "_sleep", sleep)
        monkeypatch.setattr(time, "monotonic", lambda: now)
        assert client.responses.poll(RESPONSE_ID).status == "completed"
    assert asked <= requests and now - length <= late
