"""A fresh clone sets itself up, takes edits, records them, and never loses one."""

from __future__ import annotations

import os
import sys
import shutil
import subprocess
from pathlib import Path

import pytest

from forktools import ROOT, tree

pytestmark = pytest.mark.install

EDITED = "src/openai/_qs.py"


def test_bootstrap_in_a_fresh_clone_then_edit_then_refresh(tmp_path: Path) -> None:
    clone = tmp_path / "a clone"
    for path in tree.listed(ROOT):
        if (ROOT / path).is_file():
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, clone / path)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def run(*command: str) -> tuple[int, str, str]:
        environment = {**kept, "PYTHON": sys.executable}
        done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    assert run("scripts/bootstrap")[0] == 0
    show = "import openai, importlib.metadata as m; print(m.version('openai'), openai.__file__)"
    version, _, file = run(".venv/bin/python", "-c", show)[1].strip().partition(" ")
    assert "+background." in version and file == str(clone / "src" / "openai" / "__init__.py")
    assert run("scripts/bootstrap") == (0, "", "")

    edited = (clone / EDITED).read_text() + "# mine\n"
    (clone / EDITED).write_text(edited)
    assert run("scripts/bootstrap") == (0, "", f"lay: edited, and in no patch yet: {EDITED}\n")
    status, _, error = run("scripts/refresh")
    assert status == 1 and f"  {EDITED}: in no patch\n" in error
    assert run("scripts/refresh", "--into", "2")[0] == 0
    assert run("scripts/refresh", "--check")[0] == 0
    assert EDITED in run("scripts/series", "diff", "--name-only", "upstream")[1]
    assert (clone / EDITED).read_text() == edited
