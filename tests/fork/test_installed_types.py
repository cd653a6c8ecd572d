"""What a caller's type checker says on an installed wheel: nothing to right code, and an error to each wrong call.

In the tree a checker reads the sources beside the caller's, and forgives what it does not forgive in site-packages. So
the wheel is installed into an empty environment. The code is that of tests/typing, where wrong calls are marked with the
error that each checker has to find: a mark without an error is one, too.
"""

from __future__ import annotations

import re
import json
import shutil
import subprocess
from pathlib import Path
from collections.abc import Callable

import pytest

from forktools import ROOT
from openai.lib import background
from tests.fork.real import UV, run, shared, environment

pytestmark = pytest.mark.install

BIN = UV.parent


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and what it requires, and nothing else."""

    def make(folder: Path) -> None:
        run(UV, "pip", "install", "-q", "--python", environment(folder / "env"), wheel, cwd=folder)

    return shared(tmp_path_factory, "types", make) / "env" / "bin" / "python"


# Each is strict, looks at all files beside `file`, and returns the findings as "name:line" to the whole line.


def pyright(python: Path, file: Path) -> dict[str, str]:
    config = {"typeCheckingMode": "strict", "reportPrivateUsage": False, "enableTypeIgnoreComments": False}
    file.with_name("pyrightconfig.json").write_text(json.dumps({**config, "reportUnnecessaryTypeIgnoreComment": True}))
    return findings(BIN / "pyright", "--pythonpath", python, "-p", file.parent)


def mypy(python: Path, file: Path) -> dict[str, str]:
    cache = f"--cache-dir={file.parent / 'cache'}"
    return findings(BIN / "mypy", "--strict", cache, "--python-executable", python, file.parent)


def ty(python: Path, file: Path) -> dict[str, str]:
    strict = ("--error", "unused-ignore-comment", "--output-format", "concise")
    return findings(BIN / "ty", "check", *strict, "--python", python.parents[1], file.parent)


def findings(*command: str | Path) -> dict[str, str]:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    lines = re.finditer(r"^ *(?:.*/)?(\w+\.py:\d+):.*(?:error|warning).*$", done.stdout, re.MULTILINE)
    return {one[1]: one[0] for one in lines}


Check = Callable[[Path, Path], dict[str, str]]
checkers = pytest.mark.parametrize("check", [pyright, mypy, ty], ids=lambda check: check.__name__)


@checkers
def test_checker_finds_every_wrong_call_and_nothing_else(check: Check, python: Path, tmp_path: Path) -> None:
    for name in ("errors", "retrieve", "waiting", "wrong"):
        shutil.copy(ROOT / "tests" / "typing" / f"{name}.py", tmp_path)
    assert check(python, tmp_path / "wrong.py") == {}


def test_caller_imports_every_name() -> None:
    text = (ROOT / "tests" / "typing" / "errors.py").read_text(encoding="utf-8")
    assert set(background.__all__) <= set(re.findall(r"^    (\w+),$", text, re.MULTILINE))
