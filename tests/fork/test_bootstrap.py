"""A fresh clone sets itself up, takes edits, records them, and never loses one."""

from __future__ import annotations

import os
import sys
import subprocess
from pathlib import Path

import pytest

from forktools import ROOT, tree

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
    third = script(clone, "scripts/bootstrap")
    assert (third.returncode, third.stderr) == (0, f"lay: edited, and in no patch yet: {EDITED}\n")

    homeless = script(clone, "scripts/refresh")
    assert homeless.returncode == 1
    assert f"  {EDITED}: in no patch\n" in homeless.stderr
    assert (clone / EDITED).read_text() == before + "# mine\n"

    folded = script(clone, "scripts/refresh", "--into", "2")
    assert folded.returncode == 0, folded.stderr
    assert script(clone, "scripts/refresh", "--check").returncode == 0
    assert EDITED in script(clone, "scripts/series", "diff", "--name-only", "upstream").stdout
    assert (clone / EDITED).read_text() == before + "# mine\n"
