"""What runs without anybody: every gate, the tag of a version, the look at upstream's newest release."""

from __future__ import annotations

import os
import re
import sys
import shutil
import subprocess
from pathlib import Path

import pytest

from forktools import ROOT

TAG = "v1.2.0.0+background.7"
PROJECT = '[build-system]\nrequires = ["openai==1.2.0"]\n[tool.hatch]\nrevision = 7\n'
# It lists the issues in $THERE, and says what it was told otherwise.
GH = '[ "$GH_TOKEN" = secret ] || exit 1; [ "$2" != list ] || { echo "$THERE"; exit; }; echo "$*" >>said; cat >>said'
GATES = [
    "bootstrap",
    "lint",
    "test --install",
    "test-upstream",
    "test-upstream --lint",
    "walk-series",
    "walk-series --independence --quick",
]


class Clone:
    """A repository with the real .ci, and programs in the place of all others."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / ".ci", root / ".ci")
        for path in ("scripts/forktools/__init__.py", "scripts/forktools/pin.py"):
            self.write(path, (ROOT / path).read_text(encoding="utf-8"))
        self.write("pyproject.toml", PROJECT)
        self.program("bin/gh", GH)
        self.program("bin/python3", f'[ "$1" != -m ] || {{ echo "openai (1.3.0)"; exit; }}\nexec {sys.executable} "$@"')

    def write(self, path: str, text: str) -> Path:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")
        return self.root / path

    def program(self, path: str, body: str) -> None:
        self.write(path, f"#!/usr/bin/env bash\n{body}\n").chmod(0o755)

    def run(self, *command: str, there: str = "") -> tuple[int, str]:
        path = f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}"
        told = {**os.environ, "PATH": path, "GH_TOKEN": "secret", "THERE": there}
        out = subprocess.PIPE
        done = subprocess.run(command, cwd=self.root, env=told, stdout=out, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    @property
    def said(self) -> list[str]:
        return (self.root / "said").read_text(encoding="utf-8").splitlines() if (self.root / "said").exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


@pytest.mark.parametrize("failing", ["", "bootstrap", "lint", "walk-series", "test-upstream", "test"])
def test_run_runs_every_gate_and_fails_where_one_does(clone: Clone, failing: str) -> None:
    for name in {gate.split()[0] for gate in GATES}:
        clone.program(
            f"scripts/{name}", f"echo {name} $* >>said; echo output of {name} $*; exit {int(name == failing)}"
        )
    status, output = clone.run(".ci/run")
    assert status == bool(failing)
    assert clone.said[0] == "bootstrap" and sorted(clone.said) == GATES
    for gate in GATES:
        how = "FAILED" if gate.split()[0] == failing else "passed"
        assert re.search(rf"^==> ./scripts/{gate}: {how} in \d+ s$", output, re.MULTILINE)
        assert f"\n==> {gate}\noutput of {gate}\n" in output
    assert output.endswith("\noutput of test --install\n")


def test_tag_is_published_once_and_left_where_it_is(clone: Clone) -> None:
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    for command in (
        ("init", "--quiet", "--bare", "remote.git"),
        ("init", "--quiet"),
        ("remote", "add", "origin", "remote.git"),
        ("commit", "--quiet", "--allow-empty", "--message=one"),
    ):
        assert clone.run(*git, *command)[0] == 0
    assert clone.run(".ci/tag") == (0, f"{TAG} published\n")
    first = clone.run("git", "rev-parse", "HEAD")[1]
    clone.run(*git, "commit", "--quiet", "--allow-empty", "--message=two")
    assert clone.run(".ci/tag") == (0, f"{TAG} is there already\n")
    assert clone.run("git", "--git-dir=remote.git", "rev-parse", TAG) == (0, first)
    clone.write("pyproject.toml", PROJECT.replace("7", "8"))
    assert clone.run(".ci/tag") == (0, "v1.2.0.0+background.8 published\n")


@pytest.mark.parametrize(("status", "how"), [(0, "carried"), (1, "stopped on its way from")])
def test_weekly_rebase_opens_one_issue_for_a_release_with_what_rebase_printed(
    clone: Clone, status: int, how: str
) -> None:
    clone.program("scripts/rebase", f'echo "rebase $* knows ${{GH_TOKEN:-nothing}}"; exit {status}')
    title = "openai 1.3.0 is out"
    assert clone.run(".ci/rebase", there=title) == (0, f"{title}: there is an issue already\n")
    assert clone.said == []
    assert clone.run(".ci/rebase", there="openai 1.3.0 is out of reach")[0] == 0
    body = ["", "```text", "rebase 1.3.0 knows nothing", "```"]
    create = f"issue create --title {title} --body-file -"
    assert clone.said == [create, f"`./scripts/rebase 1.3.0` {how} `1.2.0` to `1.3.0`:", *body]
    clone.write("pyproject.toml", PROJECT.replace("1.2.0", "1.3.0"))
    assert clone.run(".ci/rebase") == (0, "the pin is the newest release, 1.3.0\n")


def test_workflow_pins_every_action_by_its_commit_and_runs_what_is_there() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    actions = re.findall(r"uses: (.*)", workflow)
    assert actions
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in actions)
    programs = re.findall(r"run: \./(\S+)", workflow)
    assert {".ci/run", ".ci/tag", ".ci/rebase", "scripts/test", "scripts/test-matrix"} == set(programs)
    assert all(os.access(ROOT / path, os.X_OK) for path in programs)
