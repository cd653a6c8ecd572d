"""Two trees are compared test by test: what got worse is named, what only chance made fail is excused and named, too."""

from __future__ import annotations

import os
import sys
from typing import Any, Mapping, Sequence
from pathlib import Path

import pytest

from forktools import Refusal, recorded
from forktools.suite import lanes, trees, compare, __main__ as suite
from forktools.suite.compare import TRIES, MOST_RETRIED, Comparison

ONE, TWO = "tests/test_a.py::test_one", "tests/test_a.py::test_two[x::y]"


class Again:
    """Answers as tests do that are run again; `calls` are the runs that were asked for."""

    def __init__(
        self, stock: Sequence[str] = ("passed",) * TRIES, patched: Sequence[str] = ("failed",) * TRIES
    ) -> None:
        self.answers = {"stock": list(stock), "patched": list(patched)}
        self.calls: list[tuple[str, list[str]]] = []

    def __call__(self, tree: str, names: Sequence[str]) -> Mapping[str, str]:
        self.calls.append((tree, list(names)))
        return dict.fromkeys(names, self.answers[tree].pop(0))


@pytest.mark.parametrize("after", ["passed", "xfailed"])
def test_compare_passing_test_is_no_finding_and_not_run_again(after: str) -> None:
    again = Again()
    assert compare.compare([ONE], {ONE: after, TWO: "skipped"}, again) == Comparison({}, {}, {})
    assert again.calls == []


@pytest.mark.parametrize("after", ["failed", "error", "xpassed"])
def test_compare_test_that_fails_each_time_is_a_regression(after: str) -> None:
    again = Again()
    found = compare.compare([ONE, TWO], {ONE: after, TWO: "passed"}, again)
    assert found == Comparison({ONE: after}, {}, {})
    assert again.calls == [("patched", [ONE]), ("stock", [ONE])] * TRIES


@pytest.mark.parametrize("after", [{ONE: "skipped"}, {}], ids=["skipped", "gone"])
@pytest.mark.parametrize("before", ["passed", "skipped", "failed"])
def test_compare_test_that_no_longer_runs_is_a_regression_where_stock_passes_it(
    before: str, after: dict[str, str]
) -> None:
    again = Again(stock=[before])
    found = compare.compare([ONE], after, again)
    assert found == Comparison({ONE: after.get(ONE, "gone")} if before == "passed" else {}, {}, {})
    assert again.calls == [("stock", [ONE])]


def test_compare_test_that_passes_alone_is_a_named_flake() -> None:
    found = compare.compare([ONE], {ONE: "failed"}, Again(patched=["failed", "passed"]))
    assert found == Comparison({}, {ONE: "passed alone at try 2"}, {})


@pytest.mark.parametrize("name", [ONE, "tests/test_a.py"], ids=["test", "file"])
def test_compare_test_that_fails_alone_on_stock_too_is_known(name: str) -> None:
    found = compare.compare([ONE], {ONE: "passed", name: "error"}, Again(stock=["passed", "passed", "failed"]))
    assert found == Comparison({}, {}, {name: "failed on stock, too, alone at try 3"})


def test_compare_added_test_has_to_pass_and_is_not_asked_of_stock() -> None:
    again = Again()
    found = compare.compare([], {ONE: "passed", TWO: "failed"}, again)
    assert found == Comparison({TWO: "failed"}, {}, {})
    assert again.calls == [("patched", [TWO])] * TRIES


def test_compare_too_many_failures_are_regressions_without_a_second_try() -> None:
    names = [f"tests/test_a.py::test_{number}" for number in range(MOST_RETRIED + 1)]
    again = Again()
    assert sorted(compare.compare(names, dict.fromkeys(names, "failed"), again).regressions) == sorted(names)
    assert again.calls == []


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
        target=folder / "outcomes.jsonl",
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


# The lanes.


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "api_reference").mkdir(parents=True)
    (tmp_path / "data" / "api_reference" / "openapi.transformed.yml").touch()
    (tmp_path / "data" / lanes.TOO_NEW).write_text("tests/api_resources/test_new.py\n")
    return tmp_path / "data"


def ignored(lane: lanes.Lane) -> set[str]:
    return {word.removeprefix("--ignore=") for word in lane.selection()} - {"tests"}


def test_lane_leaves_out_what_it_has_no_data_for_and_nothing_else(data: Path) -> None:
    assert ignored(lanes.Lane()) == {*lanes.HIDDEN, *lanes.RECORDED, *lanes.MOCKED}
    assert ignored(lanes.Lane(data=data)) == {*lanes.HIDDEN, *lanes.MOCKED}
    assert ignored(lanes.Lane(data=data, api_resources="http://127.0.0.1:4010")) == {
        *lanes.HIDDEN,
        "tests/api_resources/test_new.py",
    }
    assert ignored(lanes.Lane(pydantic_v1=True)) - ignored(lanes.Lane()) == {*lanes.V1_LEFT_OUT}
    assert lanes.Lane(legacy_httpx=True).selection() == [*lanes.LEGACY_FILES]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--api-resources", "http://127.0.0.1:1"], "needs --upstream-data"),
        (["--pydantic-v1", "--legacy-httpx"], "two lanes"),
        (["--upstream-data", "scripts"], "there is no api_reference/openapi.transformed.yml"),
        (["--upstream-data", "DATA", "--api-resources", "http://127.0.0.1:1"], "no mock server answers at"),
    ],
)
def test_lane_of_contradicting_arguments_is_refused(
    arguments: list[str], says: str, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trees.ROOT)
    assert suite.main([word.replace("DATA", str(data)) for word in arguments]) == 1
    assert says in capsys.readouterr().err


class Ran(lanes.Side):
    """A side whose tests are not run; `asked` tells which would have been."""

    def __init__(self, home: Path, lane: lanes.Lane, version: str = "3.12.1") -> None:
        self.lane, self.tree, self.results, self.asked = lane, home, home / "results", list[str]()
        self._version = version

    @property
    def version(self) -> str:
        return self._version

    def run(self, *_: Any, **__: Any) -> dict[str, str]:
        self.asked.append("run")
        return {ONE: "passed"}

    def collect(self) -> list[str]:
        self.asked.append("collect")
        return [ONE]


def test_stock_is_kept_for_release_lock_file_interpreter_and_lane(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("one")
    side = Ran(tmp_path, lanes.Lane())
    assert lanes.stock(side) == lanes.stock(side) == {ONE: ""}
    assert lanes.stock(side, whole=True) == lanes.stock(side, whole=True) == lanes.stock(side) == {ONE: "passed"}
    assert side.asked == ["collect", "run"]
    for other in (Ran(tmp_path, lanes.Lane(pydantic_v1=True)), Ran(tmp_path, lanes.Lane(), "3.13.0")):
        assert lanes.stock(other) == {ONE: ""} and other.asked == ["collect"]
    (tmp_path / "uv.lock").write_text("two")
    assert lanes.stock(side) == {ONE: ""}


def test_added_tests_that_did_not_run_are_refused_and_named(tmp_path: Path) -> None:
    made = trees.Trees(tmp_path, "1.2.0", ("src/openai/lib/x.py", "tests/lib/test_x.py", "tests/lib/conftest.py"))
    suite.check_added(made, {"tests/lib/test_x.py::test_y": "passed"})
    with pytest.raises(Refusal, match=r"tests/lib/test_x\.py: added by the series, but no test of it was run"):
        suite.check_added(made, {ONE: "passed"})


# The whole command.


@pytest.mark.parametrize("after", ["passed", "failed"])
def test_suite_says_what_was_found_and_whether_it_got_worse(
    after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = {ONE: "passed", TWO: after, "tests/lib/test_x.py::test_y": "skipped"}

    class Patched(Ran):
        def run(self, *_: Any, **__: Any) -> dict[str, str]:
            return outcomes

    def side(lane: lanes.Lane, name: str, made: trees.Trees) -> Ran:
        return {"stock": Ran, "patched": Patched}[name](made.home, lane)

    monkeypatch.setattr(lanes, "Side", side)
    (tmp_path / "uv.lock").touch()
    good = suite.suite(lanes.Lane(), trees.Trees(tmp_path, "1.2.0", ("tests/lib/test_x.py",)), whole=False)
    said = capsys.readouterr().out
    assert good is (after == "passed")
    assert "bare sdist, Python 3.12.1\nstock:   1 collected (" in said
    assert f"patched: {1 + good} passed, {1 - good} failed, 1 skipped (" in said and "2 added" in said
    assert (f"regression: {TWO}: failed\n" in said) is not good
    assert said.endswith(f"regression: {1 - good}, flake: 0, fails on stock as well: 0\n")
