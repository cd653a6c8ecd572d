"""Two runs are compared test by test: what got worse is named, what only chance made fail is excused and named, too."""

from __future__ import annotations

import os
import sys
import dataclasses
from typing import Any, Mapping, Sequence
from pathlib import Path

import pytest

from forktools import Refusal, recorded, upstream_suite
from forktools.suite import lint, lanes, trees, report, compare
from forktools.suite.compare import TRIES, MOST_RETRIED

ONE, TWO = "tests/test_a.py::test_one", "tests/test_a.py::test_two[x::y]"


class Again:
    """Answers as tests do that are run again; `calls` are the runs that were asked for."""

    def __init__(self, stock: list[str] | None = None, patched: list[str] | None = None) -> None:
        self.answers = {"stock": stock or ["passed"] * TRIES, "patched": patched or ["failed"] * TRIES}
        self.calls: list[tuple[str, list[str]]] = []

    def __call__(self, tree: str, nodeids: Sequence[str]) -> Mapping[str, str]:
        self.calls.append((tree, list(nodeids)))
        return dict.fromkeys(nodeids, self.answers[tree].pop(0))


@pytest.mark.parametrize("after", ["passed", "xfailed"])
def test_compare_passing_test_that_still_passes_is_no_finding(after: str) -> None:
    again = Again()
    found = compare.compare({ONE: "passed"}, {ONE: after}, again)
    assert found == compare.Comparison({}, {}, [], [], [])
    assert again.calls == []


@pytest.mark.parametrize("after", ["failed", "error"])
def test_compare_test_that_fails_each_time_is_a_regression(after: str) -> None:
    again = Again()
    found = compare.compare({ONE: "passed", TWO: "passed"}, {ONE: after, TWO: "passed"}, again)
    assert found.regressions == {ONE: f"passed → {after}"}
    assert again.calls == [("patched", [ONE]), ("stock", [ONE])] * TRIES


@pytest.mark.parametrize("after", ["skipped", None], ids=["skipped", "gone"])
def test_compare_test_that_no_longer_runs_is_a_regression_without_a_second_try(after: str | None) -> None:
    again = Again(patched=["passed"])
    found = compare.compare({ONE: "passed"}, {ONE: after} if after else {}, again)
    assert list(found.regressions) == [ONE]
    assert again.calls == []


def test_compare_test_that_passes_alone_is_a_named_flake() -> None:
    found = compare.compare({ONE: "passed"}, {ONE: "failed"}, Again(patched=["failed", "passed"]))
    assert found.regressions == {}
    assert found.flakes == {ONE: "passed → failed, but passed alone at try 2"}


def test_compare_test_that_fails_alone_on_stock_too_is_a_named_flake() -> None:
    found = compare.compare({ONE: "passed"}, {ONE: "failed"}, Again(stock=["passed", "passed", "failed"]))
    assert found.regressions == {}
    assert found.flakes == {ONE: "passed → failed, but failed alone on stock, too, at try 3"}


def test_compare_known_failure_of_stock_is_known_and_not_run_again() -> None:
    again = Again()
    found = compare.compare({ONE: "failed", TWO: "error"}, {ONE: "failed", TWO: "passed"}, again)
    assert (found.regressions, list(found.known), list(found.mended)) == ({}, [ONE], [TWO])
    assert again.calls == []


def test_compare_added_test_has_to_pass() -> None:
    again = Again()
    found = compare.compare({}, {ONE: "passed", TWO: "failed"}, again)
    assert list(found.added) == [ONE, TWO]
    assert found.regressions == {TWO: "missing → failed"}
    assert again.calls == [("patched", [TWO])] * TRIES, "stock has no such test"


def test_compare_too_many_failures_are_regressions_without_a_second_try() -> None:
    names = [f"tests/test_a.py::test_{number}" for number in range(MOST_RETRIED + 1)]
    again = Again()
    found = compare.compare(dict.fromkeys(names, "passed"), dict.fromkeys(names, "failed"), again)
    assert sorted(found.regressions) == sorted(names)
    assert again.calls == []


def test_settle_failure_of_stock_that_does_not_come_again_is_no_known_failure() -> None:
    again = Again(stock=["failed", "passed"])
    settled = compare.settle({ONE: "failed", TWO: "passed"}, again)
    assert settled == {ONE: "passed", TWO: "passed"}
    assert again.calls == [("stock", [ONE])] * 2
    assert list(compare.compare(settled, {ONE: "failed", TWO: "passed"}, Again()).regressions) == [ONE]


def test_settle_failure_that_comes_each_time_stays() -> None:
    again = Again(stock=["error", "failed", "failed"])
    assert compare.settle({ONE: "error"}, again) == {ONE: "error"}
    assert len(again.calls) == TRIES


OUTCOMES = """
import pytest

def test_passes(): ...
def test_fails(): assert False
@pytest.mark.skip
def test_skipped(): ...
@pytest.mark.xfail(strict=True)
def test_xfails(): assert False
@pytest.mark.xfail(strict=False)
def test_xpasses(): ...
@pytest.fixture
def broken():
    yield
    raise RuntimeError
def test_errors(broken): ...
@pytest.mark.parametrize("value", ["a::b", "c d"])
def test_value(value): ...
"""


def record(folder: Path, *arguments: str, timeout: float | None = None) -> Mapping[str, str]:
    return recorded.run(
        Path(sys.executable),
        folder,
        ["-c", os.devnull, "-p", "no:cacheprovider", *arguments],
        variables=os.environ,
        target=folder / "outcomes.json",
        log=folder / "pytest.log",
        timeout=timeout,
    )


@pytest.mark.parametrize("workers", ["0", "2"])
def test_outcomes_name_every_test_as_pytest_does(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_kinds.py").write_text(OUTCOMES)
    (tmp_path / "test_broken.py").write_text("import there_is_no_such_module\n")
    arguments = ["-n", workers, "--rootdir", str(tmp_path), "--continue-on-collection-errors", "."]
    assert record(tmp_path, *arguments) == {
        "test_broken.py": "error",
        "test_kinds.py::test_passes": "passed",
        "test_kinds.py::test_fails": "failed",
        "test_kinds.py::test_skipped": "skipped",
        "test_kinds.py::test_xfails": "xfailed",
        "test_kinds.py::test_xpasses": "xpassed",
        "test_kinds.py::test_errors": "error",
        "test_kinds.py::test_value[a::b]": "passed",
        "test_kinds.py::test_value[c d]": "passed",
    }


def test_outcomes_of_a_session_that_breaks_off_are_none(tmp_path: Path) -> None:
    (tmp_path / "test_exits.py").write_text("import pytest\n\ndef test_exits(): pytest.exit('away', returncode=3)\n")
    with pytest.raises(Refusal, match=r"status 3 .*its output is in .*pytest\.log"):
        record(tmp_path)
    assert "away" in (tmp_path / "pytest.log").read_text()


def test_outcomes_that_take_too_long_are_none(tmp_path: Path) -> None:
    (tmp_path / "test_passes.py").write_text("def test_passes(): ...\n")
    with pytest.raises(Refusal, match=r"did not end within 0\.001 seconds in .*its output is in .*pytest\.log"):
        record(tmp_path, timeout=0.001)


def options(**chosen: Any) -> Any:
    defaults = ("api_resources", "pydantic_v1", "legacy_httpx", "all_lanes", "write")
    return type("Options", (), {**dict.fromkeys(defaults, False), "upstream_data": None, "python": None, **chosen})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "api_reference").mkdir()
    (tmp_path / "api_reference" / "openapi.transformed.yml").write_text("openapi: 3.1.0\n")
    (tmp_path / lanes.TOO_NEW).write_text("tests/api_resources/test_new.py\n")
    return tmp_path


def test_lane_bare_sdist_leaves_out_just_what_the_sdist_lacks_files_for() -> None:
    (lane,) = upstream_suite.choose(options())
    assert lane.selection() == [
        "tests",
        *(f"--ignore={path}" for path in (*lanes.HIDDEN, *lanes.RECORDED, *lanes.MOCKED)),
    ]


def test_lane_with_data_and_mock_leaves_out_hidden_and_too_new_files(data: Path) -> None:
    (lane,) = upstream_suite.choose(options(upstream_data=data, api_resources=True))
    assert lane.selection() == ["tests", f"--ignore={lanes.HIDDEN[0]}", "--ignore=tests/api_resources/test_new.py"]
    (lane,) = upstream_suite.choose(options(upstream_data=data))
    assert "--ignore=tests/api_resources" in lane.selection()
    assert f"--ignore={lanes.RECORDED[0]}" not in lane.selection()


def test_lane_all_lanes_has_each_kind_once(data: Path) -> None:
    chosen = upstream_suite.choose(options(all_lanes=True, upstream_data=data))
    assert len({lane.title for lane in chosen}) == len(chosen)
    assert sum(lane.pydantic_v1 for lane in chosen) == sum(lane.legacy_httpx for lane in chosen) == 1
    assert sum(lane.api_resources for lane in chosen) == 2


def test_lane_all_lanes_of_some_pythons_has_these_besides_the_running_one(data: Path) -> None:
    chosen = upstream_suite.choose(options(all_lanes=True, upstream_data=data, python=["3.98", "3.99"]))
    pythons = {lane.python for lane in chosen}
    assert pythons == {lanes.interpreters.running(), "3.98", "3.99"}
    with pytest.raises(Refusal, match="given once"):
        upstream_suite.choose(options(python=["3.98", "3.99"]))
    assert [lane.python for lane in upstream_suite.choose(options(python=["3.98"]))] == ["3.98"]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [({"api_resources": True}, "needs --upstream-data"), ({"pydantic_v1": True, "legacy_httpx": True}, "two lanes")],
)
def test_lane_contradicting_arguments_refuse(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        upstream_suite.choose(options(**chosen))


def test_lane_data_without_specification_refuses(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="there is no api_reference/openapi.transformed.yml"):
        upstream_suite.choose(options(upstream_data=tmp_path, api_resources=True))


def made(tmp_path: Path, *added: str) -> trees.Trees:
    (tmp_path / "stock").mkdir(exist_ok=True)
    (tmp_path / "stock" / "uv.lock").write_text("one")
    return trees.Trees(tmp_path, "1.2.0", added)


def test_added_tests_that_did_not_run_refuse_and_are_named(tmp_path: Path) -> None:
    tree = made(tmp_path, "src/openai/lib/x.py", "tests/lib/test_x.py", "tests/lib/conftest.py")
    upstream_suite.check_added(tree, lanes.Lane("3.11"), {"tests/lib/test_x.py::test_y": "passed"})
    with pytest.raises(Refusal, match=r"tests/lib/test_x\.py: added by the series, but no test of it was run"):
        upstream_suite.check_added(tree, lanes.Lane("3.11"), {ONE: "passed"})


def test_patched_result_is_kept_for_the_very_same_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    def ran(*_: Any) -> lanes.Run:
        runs.append("run")
        return lanes.Run({ONE: "passed"}, 1.0)

    def version(_: Path) -> str:
        return "3.12.1"

    monkeypatch.setattr(lanes, "pytest", ran)
    monkeypatch.setattr(lanes.interpreters, "full", version)
    (tmp_path / "results").mkdir()
    first, other = (dataclasses.replace(made(tmp_path), series=digest) for digest in ("one", "two"))
    lane, python = lanes.Lane("3.12"), tmp_path / "python"
    assert not lanes.patched(lane, first, python, None).cached
    assert lanes.patched(lane, first, python, None).cached
    assert not lanes.patched(lane, other, python, None).cached
    assert not lanes.patched(lane, first, python, None, fresh=True).cached
    assert not lanes.patched(lanes.Lane("3.13"), first, python, None).cached
    assert len(runs) == 4


def test_stock_cache_depends_on_lock_file_version_and_lane(tmp_path: Path) -> None:
    tree = made(tmp_path)
    keys = [trees.fingerprint(tree, {"lane": "a"}), trees.fingerprint(tree, {"lane": "b"})]
    (tmp_path / "stock" / "uv.lock").write_text("two")
    keys += [trees.fingerprint(tree, {"lane": "a"})]
    keys += [trees.fingerprint(trees.Trees(tmp_path, "1.3.0", ()), {"lane": "a"})]
    assert len(set(keys)) == 4
    assert trees.fingerprint(tree, {"lane": "a"}) == keys[2]


@pytest.fixture
def result() -> report.Result:
    stock = lanes.Run({ONE: "passed", TWO: "passed", "tests/b.py::test": "skipped"}, 61.4, cached=True)
    patched = lanes.Run({ONE: "passed", TWO: "failed", "tests/b.py::test": "skipped"}, 62.6)
    comparison = compare.compare(stock.outcomes, patched.outcomes, Again())
    return report.Result(lanes.Lane("3.12"), stock, patched, comparison)


CHECK = lint.Check("ruff check", True, "x\nAll good\n\n")
ROW = "| bare sdist, Python 3.12 | 2 / 0 / 1 | 1 / 1 / 1 | 0 | 0 | 0 | **1** | 61 s (earlier) / 63 s |"


def test_report_counts_and_names_what_was_found(result: report.Result) -> None:
    page = report.markdown("1.2.0", [result], [CHECK])
    assert ROW in page
    assert f"- `{TWO}`: passed → failed" in page
    assert "Not run: Python 3.10, 3.11, 3.13, 3.14." in page
    assert "| ruff check | passed | All good |" in page
    assert not result.passed


def test_write_fills_the_page_and_the_letters_block_only(tmp_path: Path, result: report.Result) -> None:
    for folder in ("docs", "patches"):
        (tmp_path / folder).mkdir()
    letter = tmp_path / report.LETTER
    letter.write_text(f"before\n{report.BEGIN}old\n{report.END}\nafter\n", encoding="utf-8")
    assert report.write(tmp_path, "1.2.0", [result], [CHECK]) == [report.LETTER, report.PAGE]
    text = letter.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{report.BEGIN}") and text.endswith(f"{report.END}\nafter\n")
    assert ROW in text and "| ruff check | passed | All good |" in text and "old" not in text
    assert ROW in (tmp_path / report.PAGE).read_text(encoding="utf-8")
    report.write(tmp_path, "1.2.0", [result], [CHECK])
    assert letter.read_text(encoding="utf-8") == text


def test_write_into_a_letter_without_marks_refuses_and_writes_nothing(tmp_path: Path, result: report.Result) -> None:
    (tmp_path / "patches").mkdir()
    (tmp_path / report.LETTER).write_text("before\n", encoding="utf-8")
    with pytest.raises(Refusal, match="nothing was written"):
        report.write(tmp_path, "1.2.0", [result], [CHECK])
    assert (tmp_path / report.LETTER).read_text(encoding="utf-8") == "before\n"
    assert not (tmp_path / report.PAGE).exists()


def test_write_of_some_lanes_refuses() -> None:
    with pytest.raises(Refusal, match="--all-lanes"):
        upstream_suite.choose(options(write=True))
