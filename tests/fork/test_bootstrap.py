"""A fresh clone sets itself up, takes edits, records them, and never loses one."""

from __future__ import annotations

import os
import sys
import subprocess
from pathlib import Path

import pytest

from forktools import ROOT, lay, tree

pytestmark = pytest.mark.install

EDITED = "src/openai/_qs.py"


def script(clone: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    env["PYTHON"] = sys.executable
    return subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True)


def test_bootstrap_in_a_fresh_clone_then_edit_then_refresh(tmp_path: Path) -> None:
    clone = tmp_path / "a clone"
    for path in tree.listed(ROOT):
        if (ROOT / path).is_file():
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            (clone / path).write_bytes((ROOT / path).read_bytes())
            (clone / path).chmod((ROOT / path).stat().st_mode)

    first = script(clone, "scripts/bootstrap")
    assert first.returncode == 0, first.stderr
    show = "import openai, importlib.metadata as m; print(m.version('openai'), openai.__file__)"
    shown = script(clone, ".venv/bin/python", "-c", show).stdout
    assert "+background." in shown
    assert shown.strip().endswith(str(clone / "src" / "openai" / "__init__.py"))

    second = script(clone, "scripts/bootstrap")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")

    before = (clone / EDITED).read_text()
    (clone / EDITED).write_text(before + "# mine\n")
    manifest = (clone / lay.MANIFEST).read_bytes()
    stopped = script(clone, "scripts/bootstrap")
    assert stopped.returncode == 1
    assert stopped.stderr.startswith(f"lay: {EDITED}: edited, and the edit is in no patch; nothing was laid.")
    assert (clone / EDITED).read_text() == before + "# mine\n"
    assert (clone / lay.MANIFEST).read_bytes() == manifest

    unlisted = script(clone, "scripts/refresh", "--check")
    assert unlisted.returncode == 1
    assert f"{EDITED} is changed and belongs to no patch" in unlisted.stderr

    series = clone / "patches" / "series.toml"
    series.write_text(
        series.read_text() + '\n[[patch]]\nslug = "mine"\nsubject = "chore: mine"\n'
        f'message = "Bug: none\\nForwarded: no\\nVerify: by eye"\npaths = ["{EDITED}"]\n'
    )
    assert script(clone, "scripts/refresh").returncode == 0
    assert script(clone, "scripts/refresh", "--check").returncode == 0
    third = script(clone, "scripts/bootstrap")
    assert third.returncode == 0, third.stderr
    assert (clone / EDITED).read_text() == before + "# mine\n"
