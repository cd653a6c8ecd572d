"""The benchmark runs and computes what it says, and what needs no clock is asserted here; nothing depends on one."""

from __future__ import annotations

import time
from typing import Any
from pathlib import Path

import httpx2
import pytest

from openai import OpenAI
from forktools.bench import sides, __main__ as bench
from forktools.bench.cases import FORK, JSON, TWIN, CASES, STOCK, RESPONSE_ID, pending
from forktools.bench.report import Row, table

NOISE = "retrieve 1.5 kB, stock against itself: the noise"


class Scripted:
    """In the place of a process: blocks take the seconds that the test says."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.asked: list[int] = []

    def measure(self, case: int, half: int, calls: int) -> float:
        assert (case, half) in ((0, 0), (0, 1))
        self.asked.append(calls)
        return self.seconds.pop(0)


# It runs.


def test_case_halves_run_where_they_are_measured() -> None:
    for side, folder in sides.folders().items():
        with sides.Worker(folder, seed=0) as worker:
            for at, case in enumerate(CASES):
                halves = [0] * (side == STOCK) + [1] * (side == case.on)
                assert all(worker.measure(at, half, 2) > 0 for half in halves), case.title


def test_bench_prints_a_row_with_the_noise_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--only", NOISE, "--minutes", "0"]) == 0
    said = capsys.readouterr().out
    assert ", 1 rounds\n" in said and f"\n| {NOISE} | " in said
    assert f"openai {sides.pin.load(sides.ROOT).upstream}" in said


def test_bench_word_of_no_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--only", "no such row"]) == 1
    assert "no row has 'no such row'" in capsys.readouterr().err


def test_bench_waiting_tasks_hold_the_same_for_every_body() -> None:
    held = [row.middle for row in bench.memory(tasks=50)]
    # Bytes that tracemalloc counts, no clock; the last kilobyte is for what other versions of Python hold.
    assert len(held) == 2 and max(held) < 3 and max(held) - min(held) < 0.2


def test_worker_of_another_package_is_refused(tmp_path: Path) -> None:
    with sides.Worker(tmp_path, seed=0) as worker, pytest.raises(sides.Refusal, match="ended during retrieve 1.5 kB"):
        worker.measure(0, 0, 1)


# What it computes.


def test_round_ratio_is_the_median_of_neighbouring_blocks() -> None:
    stock, twin = Scripted(9.0, 1.0, 1.0, 2.0, 4.0), Scripted(0.5, 1.8, 1.0)
    workers: Any = {STOCK: stock, TWIN: twin}
    assert sides.compare(0, workers, blocks=3, seconds=1.0) == (0.2, 0.1, 0.5)
    assert stock.asked == [1, 10, 10, 10, 10] and twin.asked == [10, 10, 10]


NINE = [1.0, 1.002, 1.004, 1.006, 1.008, 1.010, 1.012, 1.014, 3.0]


@pytest.mark.parametrize(
    ("values", "most", "met"),
    [
        (NINE, 1.02, "yes"),
        (NINE, 1.01, "cannot tell"),
        (NINE, 1.001, "NO"),
        (NINE, None, ""),
        ([-199.98, -4.4, 151.07], 1.0, "cannot tell"),
        ([0.1] * 5, 1.0, "cannot tell"),
        ([0.1] * 6, 1.0, "yes"),
    ],
)
def test_row_is_within_its_bound_only_where_the_interval_is(values: list[float], most: float | None, met: str) -> None:
    assert Row("import", values, most).met == met


def test_row_interval_leaves_out_what_one_round_in_nine_may_be() -> None:
    assert Row("import", NINE).interval == (1.002, 1.014)
    assert Row("import", NINE[:8]).interval == (1.0, 1.014)


def test_table_shows_bound_and_verdict_beside_the_numbers() -> None:
    lines = table([Row("import", NINE, 1.02, "540 ms, 541 ms"), Row("held", [1.35], 2.0, exact=True)]).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[2] == ["import", "1.008", "1.002 to 1.014", "1.02", "yes", "540 ms, 541 ms"]
    assert cells[3] == ["held", "1.35 kB", "exact", "2.00", "yes", ""]


def test_environment_holds_no_setting_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "HTTPS_PROXY", "https_proxy", "PYTHONDEVMODE"):
        monkeypatch.setenv(name, "private")
    kept = sides.environment(tmp_path, 3)
    assert "private" not in kept.values()
    assert kept["PYTHONHASHSEED"] == "3" and kept["PYTHONPATH"].startswith(str(tmp_path))


def test_folder_of_each_side_holds_its_own_package() -> None:
    places = sides.folders()
    assert places[STOCK] == places[TWIN]
    assert not (places[STOCK] / "openai" / "lib" / "background").exists()
    assert (places[FORK] / "openai" / "lib" / "background").is_dir()


# What is counted instead of timed.


def test_import_loads_only_our_own_modules_besides_those_of_stock() -> None:
    code = "import sys; import openai; print(*sorted(sys.modules))"
    stock, fork = (set(sides.run(sides.folders()[side], "-c", code).split()) for side in (STOCK, FORK))
    assert stock < fork
    assert all(name.startswith("openai.lib.background") for name in fork - stock)


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
