"""The benchmark runs and computes what it says; nothing here depends on a clock."""

from __future__ import annotations

import json
import math
from typing import Any
from pathlib import Path
from statistics import median

import pytest

from forktools import Refusal
from forktools.bench import pairs, sides, report, payloads, simulate
from forktools.bench.cases import CASES, Block
from forktools.bench.report import Row
from forktools.bench.__main__ import NAMES, main


class Scripted:
    """In the place of a worker: blocks take the seconds that the test says."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.asked: list[int] = []

    def measure(self, case: str, calls: int) -> float:
        assert case == "raise"
        self.asked.append(calls)
        return self.seconds.pop(0)


def row(*values: float, most: float | None = None, least: float | None = None) -> Row:
    return Row("poll", "a poll", "x", list(values), most, least, "")


def data(rows: list[Row]) -> dict[str, Any]:
    return {
        "about": report.circumstances("./scripts/bench --write", 7),
        "rows": [one.data() for one in rows],
        "waits": [],
    }


# One run, as CI does it, for all that is said about its output.


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    target = tmp_path_factory.mktemp("bench") / "bench.json"
    assert main(["--quick", "--rounds", "1", "--json", str(target)]) == 0
    return json.loads(target.read_text(encoding="utf-8"))


def test_bench_quick_run_has_every_row(measured: dict[str, Any]) -> None:
    assert [one["name"] for one in measured["rows"]] == [name for name in NAMES if name != "simulate"]
    assert {wait["length"] for wait in measured["waits"]} == set(simulate.LENGTHS)


def test_bench_rows_hold_the_statistics_of_their_rounds(measured: dict[str, Any]) -> None:
    for one in measured["rows"]:
        assert one["min"] == min(one["rounds"]) and one["max"] == max(one["rounds"])
        assert one["median"] == pytest.approx(median(one["rounds"]), abs=1e-4)
        assert all(map(math.isfinite, one["rounds"]))
        assert one["unit"] != "x" or one["min"] > 0


def test_bench_import_loads_only_our_own_modules_besides_those_of_stock(measured: dict[str, Any]) -> None:
    (found,) = [one for one in measured["rows"] if one["name"] == "import"]
    named = found["note"].partition("modules loaded besides: ")[2].split(", ")
    assert named and all(name.startswith("openai.lib.background") for name in named)


def test_bench_waiting_tasks_hold_the_same_for_every_body(measured: dict[str, Any]) -> None:
    held = [one["median"] for one in measured["rows"] if one["name"].startswith("memory/")]
    # Bytes that tracemalloc counts, no clock; the last kilobyte is for what other versions of Python hold.
    assert len(held) == 3 and max(held) < 3 and max(held) - min(held) < 0.2


# The arithmetic.


def test_round_ratio_is_the_median_of_neighbouring_blocks() -> None:
    found = pairs.Paired()
    stock, fork = Scripted(1.0, 2.0, 4.0), Scripted(0.5, 1.8, 1.0)
    pairs._round(found, "raise", 10, 3, (stock, fork))
    assert found.ratios == [0.5]
    assert found.stock_us == [pytest.approx(2.0 / 10 * 1e6)]
    assert found.fork_us == [pytest.approx(1.0 / 10 * 1e6)]
    assert stock.asked == fork.asked == [10, 10, 10]


@pytest.mark.parametrize(
    "values, most, least, met",
    [
        ((1.2, 1.0, 0.9), 1.01, 0.99, True),
        ((1.2, 1.02, 0.9), 1.01, 0.99, False),
        ((0.98, 0.98, 0.98), 1.01, 0.99, False),
        ((1.014,), 1.01, None, True),
        ((1.016,), 1.01, None, False),
        ((5.0,), None, None, None),
    ],
)
def test_row_median_decides_whether_the_bound_was_met(
    values: tuple[float, ...], most: float | None, least: float | None, met: bool | None
) -> None:
    assert row(*values, most=most, least=least).met is met


@pytest.mark.parametrize("end, requests, latency", [(10.0, 3, 0.0), (10.5, 4, 4.5), (0.5, 2, 4.5)])
def test_fixed_interval_counts_the_request_that_sees_the_end(end: float, requests: int, latency: float) -> None:
    assert simulate.wait_fixed(end, 5) == (requests, latency)


def test_simulated_poll_stays_within_the_bounds_of_requests_and_latency() -> None:
    for wait in simulate.measure(runs=2):
        assert wait.policy != "poll()" or wait.met is not False
        assert 0 <= wait.latency <= wait.most_latency


@pytest.mark.parametrize("size", [1_500, 28_000, 300_000])
@pytest.mark.parametrize("make", [payloads.pending, payloads.completed, payloads.failed])
def test_payload_has_the_size_that_was_asked_for(make: Any, size: int) -> None:
    assert len(make(size)) == size


@pytest.mark.parametrize("name", CASES)
def test_case_block_runs_on_the_fork(name: str) -> None:
    block: Block = CASES[name].prepare(sides.FORK)
    block(2)


# The pages.


def test_write_replaces_the_generated_block_and_nothing_else(tmp_path: Path) -> None:
    rows = [row(0.4, 0.5, 0.6, most=0.55)]
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold numbers\n{report.END}\nafter\n", encoding="utf-8")
    assert report.write(data(rows), rows, tmp_path) == [report.DATA, report.PAGE, report.README]
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{report.BEGIN}\n") and text.endswith(f"{report.END}\nafter\n")
    assert "old numbers" not in text and "| a poll | 0.400 | **0.500** | 0.600 | at most 0.55 | yes |" in text
    assert "`./scripts/bench --write`" in text
    assert json.loads((tmp_path / report.DATA).read_text(encoding="utf-8"))["rows"][0]["median"] == 0.5


def test_write_leaves_rows_without_a_bound_to_the_page(tmp_path: Path) -> None:
    rows = [
        row(0.5, most=0.55),
        row(0.7)._replace(title="unbounded"),
        row(1.0)._replace(name=report.NOISE, title="noise"),
    ]
    (tmp_path / report.README).write_text(f"{report.BEGIN}\n{report.END}\n", encoding="utf-8")
    report.write(data(rows), rows, tmp_path)
    readme, page = (tmp_path.joinpath(path).read_text(encoding="utf-8") for path in (report.README, report.PAGE))
    assert "unbounded" in page and "unbounded" not in readme
    assert "noise" in readme and report.PAGE in readme


def test_write_without_a_block_leaves_the_readme(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no block\n", encoding="utf-8")
    assert report.README not in report.write(data([row(1.0)]), [row(1.0)], tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "no block\n"


def test_write_with_an_open_block_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"{report.BEGIN}\n", encoding="utf-8")
    with pytest.raises(Refusal, match="nothing was written"):
        report.write(data([row(1.0)]), [row(1.0)], tmp_path)
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--rounds", "0"], "at least 1"),
        (["--only", "nothing"], "names no row"),
        (["--write", "--quick"], "at least 7 rounds"),
        (["--write", "--only", "poll"], "at least 7 rounds"),
    ],
)
def test_bench_bad_arguments_are_refused_before_anything_runs(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert sentence in capsys.readouterr().err


def test_environment_holds_no_setting_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY", "HTTPS_PROXY", "PYTHONDEVMODE"):
        monkeypatch.setenv(name, "private")
    kept = sides.environment(tmp_path, 3)
    assert "private" not in kept.values()
    assert kept["PYTHONHASHSEED"] == "3" and kept["PYTHONPATH"].startswith(str(tmp_path))


def test_folder_of_each_side_holds_its_own_package() -> None:
    stock, fork = sides.folder_of(sides.STOCK), sides.folder_of(sides.FORK)
    assert not (stock / "openai" / "lib" / "background").exists()
    assert (fork / "openai" / "lib" / "background").is_dir()
