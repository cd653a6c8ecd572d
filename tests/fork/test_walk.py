"""Every patch is looked at alone, and whether the follow-ups need each other is found out, not believed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from forktools import walk
from tests.fork.support import Fork

HOME = "src/openai/lib/background/"
NAMES = HOME + "__init__.py"
TESTS = "tests/lib/background/"
PLACES = ("core", "family", "streams", "poll", "follow", "pages")
RELEASE = {f"openai/{path}": "" for path in ("__init__.py", "lib/__init__.py", "resources/__init__.py")}


@pytest.fixture
def fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fork:
    """A laid fork of a release that can be imported; both environments are the one that there is."""
    (tmp_path / "fork").mkdir()
    files = {**RELEASE, "openai/resources/responses.py": ""}
    made = Fork(tmp_path / "fork", files, **{"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-n auto'\n"})
    assert made.lay() == 0

    def environment(*_: object, **__: object) -> Path:
        return Path(sys.executable)

    monkeypatch.setattr(walk.trees, "environment", environment)
    return made


def feature(fork: Fork, name: str, part: str, *, uses: str = "", needs: str = "") -> None:
    """A patch with a file, a test of its own and a line among the names, which stands behind that of what it needs; `uses`
    is another one that its test imports."""
    fork.write(f"{HOME}_{name}.py", f"{name.upper()} = 1\n")
    used = uses or name
    test = f"from openai.lib.background._{used} import {used.upper()}\n\n\ndef test_value() -> None:\n"
    fork.write(f"{TESTS}test_{name}.py", f"{test}    assert {used.upper()} == 1\n")
    names = fork.read(NAMES) if (fork.root / NAMES).exists() else "".join(f"# {at}\n#\n#\n#\n" for at in PLACES)
    before = f"{used.upper()} = 1\n" if needs else f"# {name}\n"
    fork.write(NAMES, names.replace(before, f"{before}{name.upper()} = 1\n"))
    trailers = f"Verify: pytest {TESTS}test_{name}.py\nPart: {part}" + (f"\nNeeds: {needs}" if needs else "")
    fork.commit(name, f"{HOME}_{name}.py", f"{TESTS}test_{name}.py", NAMES, trailers=trailers)


def walked(fork: Fork, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, str], str]:
    """The status, each step with what came behind its name, and all that was printed."""
    capsys.readouterr()
    status = walk.main(list(arguments), fork.root)
    said = capsys.readouterr()
    lines = [line.partition(": ") for line in said.out.splitlines()]
    steps = {name: rest for name, _, rest in lines if rest.startswith(("good", "NOT GOOD"))}
    assert not (fork.root / ".upstream" / "walk").exists()
    return status, steps, said.out + said.err


def test_walk_says_of_each_patch_whether_it_is_good_alone(fork: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    feature(fork, "core", "core")
    fork.write(f"{HOME}_bad.py", "import os\nx: int = ''\ndef f(y): return y\n")
    fork.write("src/openai/__init__.py", "from .lib.background import _bad, missing\n")
    bad = (f"{HOME}_bad.py", "src/openai/__init__.py")
    fork.commit("bad", *bad, trailers=f"Verify: pytest {TESTS}test_none.py")
    fork.write(f"{HOME}_bad.py", "X = 1\n")
    fork.write("src/openai/__init__.py", "")
    fork.write(f"{TESTS}test_more.py", "def test_one() -> None: ...\n")
    fork.commit("mended", *bad, f"{TESTS}test_more.py", trailers=f"Verify: pytest {TESTS}test_more.py")
    status, steps, said = walked(fork, capsys)
    assert status == 1
    assert steps["0001-core"].startswith("good; tests, pydantic 2: 1 passed in ")
    assert steps["0002-bad"].startswith("NOT GOOD; ")
    wrong = said.split("0002-bad")[1].split("0003-mended")[0]
    for check in (
        "tests, pydantic 2",
        "tests, pydantic 1.10",
        "mypy",
        "pyright",
        "ty",
        "ruff check",
        "ruff format",
        "import",
    ):
        assert f"\n{check}:\n" in wrong
    for one in steps["0003-mended"].split("; ")[1:]:
        assert re.match(r"tests, pydantic (2|1\.10): 1 passed", one)
    assert said.endswith("\n3 steps on openai 1.2.0, not good: 0002-bad\n")


def test_walk_quick_runs_no_tests(fork: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    feature(fork, "core", "core")
    assert walked(fork, capsys, "--quick")[:2] == (0, {"0001-core": "good"})


INDEPENDENT = {
    "core": "good",
    "core and family": "good",
    "0003-streams": "good",
    "0004-poll": "good",
    "0005-follow with 0003-streams, 0004-poll": "good",
    "all, in order": "good",
    "all, in the opposite order": "good",
}


def test_independence_of_follow_ups_that_are_is_shown(fork: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    feature(fork, "core", "core")
    feature(fork, "family", "core, to take or leave")
    feature(fork, "streams", "follow-up")
    feature(fork, "poll", "follow-up")
    feature(fork, "follow", "follow-up", uses="poll", needs="streams, poll")
    feature(fork, "pages", "last")
    assert walked(fork, capsys, "--independence", "--quick")[:2] == (0, INDEPENDENT)


def test_independence_need_that_is_not_said_is_found(fork: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    feature(fork, "core", "core", uses="family")  # does not work without the family
    feature(fork, "family", "core, to take or leave")
    feature(fork, "poll", "follow-up")
    fork.edit(NAMES, "POLL = 1\n", "POLL = 2\n")
    fork.commit("twice", NAMES, trailers="Verify: pytest x\nPart: follow-up")
    status, steps, said = walked(fork, capsys, "--independence")
    assert status == 1
    assert steps["core"].startswith("NOT GOOD; tests") and steps["core and family"].startswith("good; tests")
    assert steps["0004-twice"] == f"NOT GOOD; 'feat: twice' does not fit: {NAMES}"
    assert steps["all, in order"].startswith("good") and steps["all, in the opposite order"].startswith("NOT GOOD")
    assert "  the tree is another one than in order\n" in said


@pytest.mark.parametrize(
    ("arguments", "trailers", "says"),
    [
        ([], "Verify: by eye", "has to be `pytest` and paths, not 'by eye'"),
        (["--independence"], "Verify: pytest x", "no Part line"),
        (
            ["--independence"],
            "Part: follow-up\nNeeds: poll",
            "needs poll, of which not every one is a follow-up before it",
        ),
    ],
)
def test_walk_message_that_does_not_say_enough_refuses(
    fork: Fork, arguments: list[str], trailers: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    feature(fork, "core", "core")
    fork.write(f"{HOME}_x.py", "")
    fork.commit("x", f"{HOME}_x.py", trailers=trailers)
    status, steps, said = walked(fork, capsys, *arguments)
    assert (status, steps) == (1, {})
    assert says in said
