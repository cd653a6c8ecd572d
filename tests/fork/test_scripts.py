"""Every script says what it does without setting anything up, and sets up aloud."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from forktools import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix)
# What stands for Python: it says how it is called, makes an environment of itself, and takes until that was told.
PYTHON = """
[ "$1" = -m ] || { echo a version; exit; }
echo "$*" >>calls
case "$*" in *venv*)
  until grep -q "making .venv with a version, since" told; do :; done
  mkdir -p .venv/bin .venv/lib/python3/site-packages/a.dist-info && cp "$0" .venv/bin/python
esac
exit ${STATUS:-0}
"""


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def run(script: Path, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    told = {**os.environ, **variables}
    return subprocess.run([script, *arguments], capture_output=True, text=True, cwd=cwd, env=told, timeout=60)


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
        known = set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', source))
        assert known - {"--own"} <= set(re.findall(r"--[\w-]+", text))


@pytest.mark.parametrize("name", ["demo", "bench", "test"])
def test_script_sets_up_beside_its_output_and_ends_where_that_fails(tmp_path: Path, name: str) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("forktools"))
    program(tmp_path / "scripts/bootstrap", "echo noise >&2; exit $STATUS")
    program(tmp_path / ".venv/bin/python", 'echo "$PWD $*"')
    done = run(tmp_path / "scripts" / name, "a b", STATUS="3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "noise\n")
    here = Path.cwd() if name == "demo" else tmp_path  # where its files are meant from
    done = run(tmp_path / "scripts" / name, "a b", STATUS="0")
    assert (done.returncode, done.stderr) == (0, "noise\n")
    assert re.fullmatch(rf"{here} -m .*\ba b\n", done.stdout)


def test_bootstrap_says_what_takes_long_does_what_is_missing_and_then_is_silent(tmp_path: Path) -> None:
    for path in ("scripts/bootstrap", "scripts/begin.sh", "requirements/dev.txt", "pyproject.toml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    program(tmp_path / "bin/python", PYTHON)
    program(tmp_path / "bin/sleep", "[ ! -d .venv ] || exec /bin/sleep 8")

    def bootstrap(**variables: str) -> tuple[int, list[str], str]:
        """Its status, what the interpreter was asked for, and what it said."""
        (tmp_path / "calls").write_text("")
        command = "PATH=$PWD/bin:$PATH PYTHON=bin/python exec scripts/bootstrap 2>told"
        status = run(Path("/bin/sh"), "-c", command, cwd=tmp_path, **variables).returncode
        calls = (tmp_path / "calls").read_text().splitlines()
        return status, [call.split("-m ")[1].split(" ")[0] for call in calls], (tmp_path / "told").read_text()

    status, calls, told = bootstrap(STATUS="3")
    assert (status, calls) == (3, ["venv"])
    assert "bootstrap: making .venv with a version\n" in told
    status, calls, told = bootstrap()
    assert (status, calls) == (0, ["pip", "pip", "forktools.lay", "pip"])
    assert told.endswith("bootstrap: installing the fork as editable\n")
    assert bootstrap() == (0, ["forktools.lay"], "")
    (tmp_path / "requirements/dev.txt").write_text("uv==1 # newer\n")
    assert bootstrap()[:2] == (0, ["pip", "pip", "forktools.lay", "pip"])
