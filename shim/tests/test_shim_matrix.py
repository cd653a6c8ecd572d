"""The shim where it is for: built, installed by the front ends, on stock releases and on the fork, under type checkers.
How it behaves on each release, ./scripts/test-matrix --shim asks."""

from __future__ import annotations

import re
import sys
import shutil
import tarfile
import zipfile
from typing import Any, cast
from pathlib import Path
from collections import Counter
from email.parser import Parser

import pytest
from shim_matrix import README, run, make, must

from forktools import ROOT, pin, compose
from forktools.loopback import Loopback
from tests.fork.test_installed_types import Check, checkers

pytestmark = [pytest.mark.install, pytest.mark.slow]

NEWEST = f"openai=={pin.load(ROOT).upstream}"
PROGRAM = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[0]


@checkers
@pytest.mark.parametrize("stock", ["openai==2.20.0", "openai==2.54.0", NEWEST])
def test_checker_finds_nothing_in_a_callers_file(check: Check, stock: str, tmp_path: Path) -> None:
    caller = Path(shutil.copy(ROOT / "tests" / "typing" / "shim.py", tmp_path))
    assert check(make(tmp_path / "env", stock, ROOT / "shim"), caller) == {}


# -- the program in the README


def test_program_of_the_readme_has_ten_lines_at_most() -> None:
    assert len(PROGRAM.splitlines()) <= 10


@pytest.mark.parametrize("how", ["pip", "uv", "editable", "on the fork"])
def test_program_raises_however_the_shim_is_installed(repository: Path, tmp_path: Path, how: str) -> None:
    url = f"git+{repository.as_uri()}"
    shim = f"openai-background @ {url}#subdirectory=shim"
    wanted: dict[str, list[Any]] = {
        "pip": [NEWEST, shim],
        "uv": [NEWEST, shim],
        "editable": [NEWEST, "--editable", repository / "shim"],
        "on the fork": [f"openai @ {url}", shim],
    }
    if how == "pip":
        python = make(tmp_path / "env", "pip")
        must(run(python, "-m", "pip", "install", "--quiet", *wanted[how]))
    else:
        python = make(tmp_path / "env", *wanted[how])
    with Loopback() as server:
        told = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "k"}
        done = run(python, "-c", PROGRAM, "resp_rate_limit_exceeded", cwd=tmp_path, **told)
    assert (done.returncode, done.stderr) == (1, "BackgroundRateLimitError: rate_limit_exceeded, retryable: True\n")
    place = must(run(python, "-c", "from openai_background import _side; print(_side.contract.__name__)", cwd=tmp_path))
    assert place.strip() == ("openai.lib.background" if how == "on the fork" else "openai_background._contract")


# -- what is built


def own_files(root: Path) -> dict[str, bytes]:
    folder = root / compose.OWN
    names = {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in names}


def test_sdist_and_wheel_hold_the_contract_but_for_imports_from_where_they_are_served(
    repository: Path, tmp_path: Path
) -> None:
    must(run(sys.executable, "-m", "build", "--outdir", tmp_path, repository / "shim"))
    (wheel_file,), (sdist_file,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    place = "openai_background/_contract/"
    with zipfile.ZipFile(wheel_file) as wheel:
        packed = {name.removeprefix(place): wheel.read(name) for name in wheel.namelist() if name.startswith(place)}
        rest = {name for name in wheel.namelist() if not name.startswith(place) and ".dist-info/" not in name}
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(wheel.read(name).decode())
    with tarfile.open(sdist_file) as sdist:
        names = [name for name in sdist.getnames() if "_contract/" in name]
        source = {name.partition(place)[2]: cast(Any, sdist.extractfile(name)).read() for name in names}
    assert metadata.get_all("Requires-Dist") == ["openai<4,>=1.109.1"]
    assert f'CONTRACT_VERSION = "{metadata["Version"].partition(".post")[0]}"' in source["_table.py"].decode()
    assert source == own_files(repository)
    assert packed.keys() == source.keys()
    moved: Counter[str] = Counter()
    for name, content in source.items():
        for old, new in zip(content.decode().splitlines(), packed[name].decode().splitlines(), strict=True):
            if old != new:
                moved[old.partition("import")[0].strip()] += 1
                assert new.strip() == f"from openai_background._openai import {old.partition('import ')[2]}"
    assert moved.keys() == {"", "from openai._httpx2", "from openai.types.beta", "from openai.lib._response_resources"}
    elsewhere = re.compile(rb"^\s*(import httpx|from (httpx|openai\._httpx))", re.MULTILINE)
    assert not [name for name, content in packed.items() if elsewhere.search(content)]
    own = (repository / "shim" / "src" / "openai_background").iterdir()
    assert rest == {f"openai_background/{path.name}" for path in own if path.is_file()}


def test_build_without_the_repository_says_what_is_missing(repository: Path, tmp_path: Path) -> None:
    alone = tmp_path / "shim"
    alone.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md"):
        (alone / name).write_bytes((repository / "shim" / name).read_bytes())
    done = run(sys.executable, "-m", "build", "--wheel", alone)
    assert done.returncode != 0
    assert "does not hold the contract; build from a whole checkout" in done.stdout + done.stderr
