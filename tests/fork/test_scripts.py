"""Every script says what it does without setting anything up, and sets up aloud."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any
from pathlib import Path

import pytest

from forktools import ROOT, env

SCRIPTS = sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the scripts, with a set-up that only makes noise and an interpreter that says how it was called."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("forktools"))
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for path, text in (
        ("scripts/bootstrap", "echo noise >&2; exit ${BOOTSTRAP_STATUS:-0}"),
        (".venv/bin/python", 'echo "$PYTHONPATH $PWD $*"'),
    ):
        (tmp_path / path).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / path).chmod(0o755)
    return tmp_path


def run(script: Path, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(script), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env={**os.environ, **environment}, timeout=60
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_asked_for_help_says_what_it_does_in_a_screen_and_sets_nothing_up(tmp_path: Path, name: str) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for asked in ("--help", "-h"):
        done = run(tmp_path / "scripts" / name, asked)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.match(rf"usage: (PYTHON )?\./scripts/{name}\b", done.stdout)
        assert 3 <= done.stdout.count("\n") <= 24 and max(map(len, done.stdout.splitlines())) <= 120
    assert [path.name for path in tmp_path.iterdir()] == ["scripts"]

    # What the program knows is what the text names.
    text = (ROOT / "scripts" / name).read_text(encoding="utf-8")
    for module in re.findall(r"^(?:forktools|.* -m forktools\.) ?(\w+)", text, re.MULTILINE):
        places = (ROOT / "scripts/forktools" / place for place in (f"{module}.py", f"{module}/__main__.py"))
        source = "".join(place.read_text(encoding="utf-8") for place in places if place.is_file())
        assert set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', source)) - {"--own"} <= set(
            re.findall(r"--[\w-]+", text)
        )


def test_demo_sets_up_beside_its_output_and_runs_where_it_was_called(checkout: Path, tmp_path_factory: Any) -> None:
    here: Path = tmp_path_factory.mktemp("elsewhere")
    done = run(checkout / "scripts/demo", "--payloads", "a b", cwd=here)
    assert (done.returncode, done.stderr) == (0, "noise\n")
    assert done.stdout == f"{checkout}/scripts {here} -m forktools.demo --payloads a b\n"


@pytest.mark.parametrize("name", ["demo", "bench", "test"])
def test_script_whose_set_up_fails_ends_with_its_status(checkout: Path, name: str) -> None:
    done = run(checkout / "scripts" / name, BOOTSTRAP_STATUS="3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "noise\n")


def test_step_that_takes_long_says_so_until_it_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with env.step("laying", at_once=False):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(env, "EVERY", 0.001)
    said = ""
    with env.step("laying"):
        while "bootstrap: laying, since 0 s\n" not in said:
            said += capsys.readouterr().err
    assert said.startswith("bootstrap: laying\n")
