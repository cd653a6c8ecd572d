"""Stock and patched are compared test by test: what got worse is named, and so is what only chance made fail."""

from __future__ import annotations

import os
import sys
from typing import Any, Mapping, Sequence
from pathlib import Path
from unittest.mock import Mock

import pytest

from forktools import Refusal, git, recorded
from forktools.git import Git
from forktools.suite import lanes, trees, compare, __main__ as suite

STOCK = """
import pathlib, pytest
def test_stays(): ...
@pytest.mark.parametrize("value", ["a::b", "c d"])
def test_value(value): ...
@pytest.mark.skip
def test_skipped(): ...
def test_fails(): assert False
def test_wavers(): ...
def test_breaks(): ...
def test_hides(): ...
def test_goes(): ...
"""
WAVERS = "seen = pathlib.Path('seen'); again = seen.exists(); seen.touch(); assert again"
WORSE = (
    STOCK.replace("test_wavers(): ...", f"test_wavers(): {WAVERS}")
    .replace("test_breaks(): ...", "test_breaks(): assert False")
    .replace("test_hides(): ...", "test_hides(): pytest.skip()")
    .replace("def test_goes(): ...\n", "")
)
FOUND = """\
regression: tests/test_a.py::test_goes: gone
regression: tests/test_a.py::test_hides: skipped
regression: tests/lib/test_x.py::test_new: failed
regression: tests/test_a.py::test_breaks: failed
flake: tests/test_a.py::test_wavers: passed alone at try 1
fails on stock as well: tests/test_a.py::test_fails: failed on stock, too, alone at try 1
regression: 4, flake: 1, fails on stock as well: 1
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trees.Tree:
    """A release with tests of its own, in the place of upstream's; `commit` puts the series on it."""
    made = trees.Tree(tmp_path / "suite/tree", "1.2.0")
    git.create(made.folder / ".git")
    monkeypatch.setattr(trees, "make", Mock(return_value=made))
    monkeypatch.setattr(trees, "environment", Mock(return_value=Path(sys.executable)))
    commit(made, {"pytest.ini": "[pytest]", "uv.lock": "", ".gitignore": "__pycache__\nseen", "tests/test_a.py": STOCK})
    Git.of(made.folder).must("tag", trees.STOCK)
    Git.of(made.folder).must("branch", trees.PATCHED)
    return made


def commit(tree: trees.Tree, files: Mapping[str, str]) -> None:
    Git.of(tree.folder).run("checkout", "--quiet", trees.PATCHED)  # there is nothing yet before the first
    for path, text in files.items():
        (tree.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (tree.folder / path).write_text(text)
    Git.of(tree.folder).must("add", "--all")
    Git.of(tree.folder).must("commit", "--message=files")


def test_command_names_what_got_worse_until_nothing_is(
    tree: trees.Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "TRIES", 1)
    commit(tree, {"tests/test_a.py": WORSE, "tests/lib/test_x.py": "def test_new(): assert False"})
    assert suite.main([]) == 1
    said = capsys.readouterr().out
    assert "\nstock:   9 collected (" in said and "\npatched: 3 passed, 4 failed, 2 skipped (" in said
    assert said.endswith(f" s), 1 added\n{FOUND}")

    # What stock has is kept, until all of it is run; no test of a file that the series adds may be left out.
    monkeypatch.setattr(lanes.Lane, "collect", None)
    commit(tree, {"tests/test_a.py": STOCK, "tests/lib/test_x.py": "def test_new(): ..."})
    assert suite.main(["--whole"]) == 0
    said = capsys.readouterr().out
    assert "\nstock:   7 passed, 1 failed, 1 skipped (" in said
    assert said.endswith("regression: 0, flake: 0, fails on stock as well: 1\n")
    commit(tree, {f"{lanes.MOCKED[0]}/test_y.py": "def test_new(): ..."})
    assert suite.main([]) == 1
    assert "test_y.py: added by the series, but no test of it was run." in capsys.readouterr().err


def test_compare_too_many_failures_are_regressions_without_a_second_try() -> None:
    names = {f"tests/test_a.py::test_{number}": "failed" for number in range(compare.MOST_RETRIED + 1)}
    rerun = Mock()
    assert compare.compare({}, names, rerun).regressions == names and not rerun.called


def test_compare_asks_of_stock_only_what_it_has_and_takes_the_third_try() -> None:
    asked: list[tuple[str, list[str]]] = []

    def rerun(side: str, names: Sequence[str]) -> dict[str, str]:
        asked.append((side, list(names)))
        return dict.fromkeys(names, "failed" if len(asked) == 6 or side == "patched" else "passed")

    # A file that cannot be collected has no test's name.
    patched = {"test_a.py": "error", "test_a.py::test_one": "xfailed", "test_b.py::test_two": "xpassed"}
    found = compare.compare(["test_a.py::test_one"], patched, rerun)
    assert found.known == {"test_a.py": "failed on stock, too, alone at try 3"}
    assert found.regressions == {"test_b.py::test_two": "xpassed"} and not found.flakes
    assert asked == [("patched", ["test_a.py", "test_b.py::test_two"]), ("stock", ["test_a.py"])] * 3


def test_lane_leaves_out_what_it_has_no_data_for_and_nothing_else(tree: trees.Tree, tmp_path: Path) -> None:
    new, too_new = "tests/api_resources/test_new.py", "tests/api_resources/test_newer.py"
    (tmp_path / lanes.TOO_NEW).write_text(f"{too_new}\n")
    apart = {*lanes.HIDDEN, *lanes.RECORDED, lanes.MOCKED[1], new, too_new, "tests/functional/test_api.py"}
    commit(tree, dict.fromkeys([*apart, *lanes.LEGACY_FILES, "tests/lib/test_x.py"], ""))

    def left_out(**options: Any) -> set[str]:
        return {*lanes.Lane(tree).files(), *apart} - {*lanes.Lane(tree, **options).files()}

    needs_api = {"tests/functional/test_api.py"}
    assert left_out() == apart - needs_api
    assert left_out(kind=lanes.PYDANTIC_V1) == apart
    assert left_out(data=tmp_path) == apart - needs_api - {*lanes.RECORDED}
    assert left_out(data=tmp_path, api_resources="http://x") == {*lanes.HIDDEN, too_new}
    legacy = lanes.Lane(tree, kind=lanes.LEGACY_HTTPX)
    assert {*lanes.LEGACY_FILES, "tests/lib/test_x.py"} <= {*legacy.files()} <= {*tree.added_tests()}
    tree.turn(trees.STOCK)
    assert legacy.files() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--api-resources", "http://127.0.0.1:1"], "needs --upstream-data"),
        (["--upstream-data", "no-such-folder"], "no-such-folder is no folder"),
        (["--upstream-data", ".", "--api-resources", "http://127.0.0.1:1"], "no mock server answers at"),
    ],
)
def test_generated_tests_without_what_they_need_are_refused(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert suite.main(arguments) == 1
    assert says in capsys.readouterr().err


# How each test ended.

OUTCOMES = """
import pytest

@pytest.mark.xfail(strict=True)
def test_xfails(): assert False
@pytest.mark.xfail(strict=False)
def test_xpasses(): ...
@pytest.fixture
def broken():
    yield
    raise RuntimeError
def test_errors(broken): ...
"""


def record(folder: Path, timeout: float | None = None) -> Mapping[str, str]:
    return recorded.run(
        Path(sys.executable),
        folder,
        ["-c", os.devnull, "-p", "no:cacheprovider", "--rootdir=.", "--continue-on-collection-errors", "."],
        variables=os.environ,
        target=folder / "outcomes.jsonl",
        log=folder / "pytest.log",
        timeout=timeout,
    )


def test_outcomes_say_the_worst_of_each_test(tmp_path: Path) -> None:
    (tmp_path / "test_kinds.py").write_text(OUTCOMES)
    (tmp_path / "test_broken.py").write_text("import there_is_no_such_module\n")
    assert record(tmp_path) == {
        "test_broken.py": "error",
        "test_kinds.py::test_xfails": "xfailed",
        "test_kinds.py::test_xpasses": "xpassed",
        "test_kinds.py::test_errors": "error",
    }


@pytest.mark.parametrize(
    ("timeout", "says"), [(None, "ended with status 3"), (0.001, r"did not end within 0\.001 seconds")]
)
def test_outcomes_of_a_session_that_breaks_off_are_none(timeout: float | None, says: str, tmp_path: Path) -> None:
    (tmp_path / "test_exits.py").write_text("import pytest\n\ndef test_exits(): pytest.exit('away', returncode=3)\n")
    with pytest.raises(Refusal, match=rf"{says} in .*; its output is in .*pytest\.log"):
        record(tmp_path, timeout)
