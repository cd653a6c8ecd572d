"""Every patch is looked at alone, and whether the follow-ups need each other is found out, not believed."""

from __future__ import annotations

import sys
import subprocess
from pathlib import Path

import pytest

from forktools import Refusal, walk, recorded, independence
from tests.fork.support import Fork
from forktools.workbench import Pythons

HOME = "src/openai/lib/background/"
NAMES = HOME + "__init__.py"
TESTS = "tests/lib/background/"
RELEASE = {f"openai/{path}": "" for path in ("__init__.py", "lib/__init__.py", "resources/__init__.py")}


@pytest.fixture
def fork(tmp_path: Path) -> Fork:
    """A laid fork of a release that can be imported."""
    (tmp_path / "fork").mkdir()
    files = {**RELEASE, "openai/resources/responses.py": ""}
    made = Fork(tmp_path / "fork", files, **{"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-n auto'\n"})
    assert made.lay() == 0
    return made


def feature(fork: Fork, name: str, part: str, *, uses: str = "", needs: str = "") -> None:
    """A patch with a file, a test of its own and a line among the names; `uses` is another one that its test imports."""
    fork.write(f"{HOME}_{name}.py", f"{name.upper()} = 1\n")
    used = uses or name
    test = f"from openai.lib.background._{used} import {used.upper()}\n\n\ndef test_value() -> None:\n"
    fork.write(f"{TESTS}test_{name}.py", f"{test}    assert {used.upper()} == 1\n")
    names = fork.read(NAMES) if (fork.root / NAMES).exists() else "".join(f"# {at}\n#\n#\n#\n" for at in range(9))
    place = ("core", "family", "streams", "poll", "follow", "pages", "nothing").index(name)
    fork.write(NAMES, names.replace(f"# {place}\n", f"# {place}\n{name.upper()} = 1\n"))
    trailers = f"Verify: pytest {TESTS}test_{name}.py\nPart: {part}" + (f"\nNeeds: {needs}" if needs else "")
    fork.commit(name, f"{HOME}_{name}.py", f"{TESTS}test_{name}.py", NAMES, trailers=trailers)


def walked(fork: Fork, *arguments: str) -> int:
    return walk.main(list(arguments), fork.root)


def twice(_: Path) -> dict[str, Path]:
    """Two environments, which are one here."""
    return {"first": Path(sys.executable), "last": Path(sys.executable)}


def steps(fork: Fork, pythons: Pythons = walk.on_one) -> dict[str, str]:
    """Each step of the walk, and what is wrong with it."""
    found = walk.walk(fork.series, pythons, quick=False)
    return {step.name: " ".join(step.wrong) for step in found}


def test_walk_good_patches_are_good_and_their_tests_are_counted(fork: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    feature(fork, "core", "core")
    feature(fork, "poll", "follow-up")
    assert steps(fork, twice) == {"0001-core": "", "0002-poll": ""}
    own, both = "1 own and 0 other tests on first", "own and 0 other tests on last"
    assert capsys.readouterr().out == (
        f"0001-core: good, 3 Python files, 3 of them new, {own}, 1 {both}\n"
        f"0002-poll: good, 3 Python files, 2 of them new, {own}, {both.replace('own and 0', '1 own and 1')}\n"
    )


def test_walk_fault_that_a_later_patch_mends_is_said_for_the_one_that_has_it(fork: Fork) -> None:
    feature(fork, "core", "core")
    fork.write(f"{HOME}_bad.py", "import os\nx: int = ''\ndef f(y): return y\n")
    fork.write("src/openai/__init__.py", "from .lib.background import _bad, missing\n")
    paths = (f"{HOME}_bad.py", "src/openai/__init__.py")
    fork.commit("bad", *paths, trailers=f"Verify: pytest {TESTS}test_none.py")
    fork.write(f"{HOME}_bad.py", "X = 1\n")
    fork.write("src/openai/__init__.py", "")
    fork.commit("mended", *paths, trailers=f"Verify: pytest {TESTS}")
    assert steps(fork) == {
        "0001-core": "",
        "0002-bad": "import ruff check ruff format ty pyright mypy tests (pydantic 2)",
        "0003-mended": "",
    }


def test_walk_quick_runs_no_tests_and_gives_the_status(fork: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    fork.write("src/openai/__init__.py", "from . import missing\n")
    fork.commit("core", "src/openai/__init__.py", trailers="Verify: pytest tests")
    assert walked(fork, "--quick") == 1
    said = capsys.readouterr().out
    assert "0001-core: NOT GOOD, 1 Python files, 0 of them new\n  import: " in said
    assert "1 steps on openai 1.2.0, not good: 0001-core\n" in said
    assert not (fork.root / ".upstream" / "walk").exists()


def test_walk_verify_line_without_pytest_refuses(fork: Fork) -> None:
    fork.write(f"{HOME}_x.py", "")
    fork.commit("x", f"{HOME}_x.py", trailers="Verify: by eye")
    with pytest.raises(Refusal, match="has to be `pytest` and paths, not 'by eye'"):
        steps(fork)


def independent(fork: Fork, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Each choice of patches, and what is wrong with it; a plain interpreter is there for pytest, which is slower."""

    def run(python: Path, folder: Path, arguments: list[str], **_: object) -> dict[str, str]:
        found: dict[str, str] = {}
        for path in (word for word in arguments if word.endswith(".py")):
            code = f"import runpy; runpy.run_path({path!r})['test_value']()"
            done = subprocess.run([python, "-c", code], cwd=folder, env={"PYTHONPATH": "src"}, capture_output=True)
            found[f"{path}::test_value"] = "failed" if done.returncode else "passed"
        return found

    monkeypatch.setattr(recorded, "run", run)
    steps = independence.run(fork.series, walk.on_one, quick=False)
    return {step.name: " ".join(step.wrong) for step in steps}


def test_independence_of_follow_ups_that_are_is_shown(fork: Fork, monkeypatch: pytest.MonkeyPatch) -> None:
    feature(fork, "core", "core")
    feature(fork, "family", "core, to take or leave")
    feature(fork, "streams", "follow-up")
    feature(fork, "poll", "follow-up")
    feature(fork, "follow", "follow-up", uses="poll", needs="streams, poll")
    feature(fork, "pages", "last")
    assert independent(fork, monkeypatch) == {
        "core": "",
        "core and family": "",
        "0003-streams": "",
        "0004-poll": "",
        "0005-follow with 0003-streams, 0004-poll": "",
        "all, in order": "",
        "all, in the opposite order": "",
    }


def test_independence_need_that_is_not_said_is_found(
    fork: Fork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feature(fork, "core", "core", uses="family")  # does not work without the family
    feature(fork, "family", "core, to take or leave")
    feature(fork, "poll", "follow-up")
    feature(fork, "follow", "follow-up", uses="poll")
    fork.edit(NAMES, "POLL = 1\n", "POLL = 2\n")
    fork.commit("twice", NAMES, trailers="Verify: pytest x\nPart: follow-up")
    found = independent(fork, monkeypatch)
    assert found["core"] == found["0004-follow"] == "tests (pydantic 2)"
    assert found["0005-twice"] == "cherry-pick"
    assert found["all, in order"] == ""
    assert "cherry-pick tree" == found["all, in the opposite order"]
    assert f"'feat: twice' does not fit: {NAMES}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "needs", "says"),
    [("", "", "no Part line"), ("follow-up", "poll", "needs 'poll', which is no one follow-up before it")],
)
def test_independence_without_its_lines_refuses(
    fork: Fork, part: str, needs: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    feature(fork, "core", part or "core")
    feature(fork, "follow", part, needs=needs)
    assert walked(fork, "--independence") == 1
    assert says in capsys.readouterr().err
