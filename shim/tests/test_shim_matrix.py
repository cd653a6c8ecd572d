"""The shim where it is for: installed by the front ends, on stock releases, held to the fork's own behavioural tests."""

from __future__ import annotations

import re
import sys
import json
import shutil
import tarfile
import zipfile
import threading
from typing import Any, Iterator, cast
from pathlib import Path
from collections import Counter
from http.server import ThreadingHTTPServer, BaseHTTPRequestHandler
from email.parser import Parser
from typing_extensions import override

import pytest
import shim_matrix
from shim_matrix import run, make, must

from forktools import ROOT, compose
from tests.fork.test_installed_types import Check, checkers

pytestmark = [pytest.mark.install, pytest.mark.slow]

RELEASES = shim_matrix.releases()
PROGRAM = re.findall(r"```python\n(.*?)```", shim_matrix.README.read_text(encoding="utf-8"), re.DOTALL)[0]
ENDING = "BackgroundRateLimitError: rate_limit_exceeded, retryable: True"


# -- the matrix


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The interpreter of a release's environment, made when it is asked for first."""
    made: dict[str, Path] = {}

    def get(release: str) -> Path:
        if release not in made:
            made[release] = shim_matrix.make_stock(tmp_path_factory.mktemp("stock") / release, release)
        return made[release]

    return get


@pytest.mark.parametrize("release", RELEASES)
def test_own_tests_of_the_shim_pass_on_a_stock_release(environments: Any, release: str) -> None:
    python = environments(release)
    assert must(run(python, "-c", "import openai; print(openai.__version__)")).strip() == release
    must(run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "shim/tests/test_shim.py"))


def test_behavioural_tests_pass_on_stock_as_the_readme_says(environments: Any, tmp_path: Path) -> None:
    reports = {one: shim_matrix.behave(environments(one), tmp_path / f"{one}.json") for one in RELEASES}
    assert shim_matrix.shown() == shim_matrix.table(reports), "run: ./scripts/test-matrix --shim"


@checkers
@pytest.mark.parametrize("release", [RELEASES[0], RELEASES[2], RELEASES[-1]])
def test_checker_finds_nothing_in_a_callers_file(check: Check, environments: Any, release: str, tmp_path: Path) -> None:
    caller = ROOT / "tests" / "typing" / "shim.py"
    assert check(environments(release), Path(shutil.copy(caller, tmp_path))) == {}


# -- the program in the README


@pytest.fixture
def server() -> Iterator[str]:
    """The API, on which every run has hit a rate limit."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            error = {"code": "rate_limit_exceeded", "message": "Please try again in 3s."}
            body = json.dumps({"id": self.path.rpartition("/")[2], "status": "failed", "error": error}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/v1"
        http.shutdown()
        thread.join()


def ends(python: Path, server: str, folder: Path) -> str:
    """What the program says at its end."""
    done = run(python, "-c", PROGRAM, "resp_1", cwd=folder, OPENAI_BASE_URL=server, OPENAI_API_KEY="k")
    assert done.returncode == 1, done.stderr
    return done.stderr.strip()


def test_program_of_the_readme_has_ten_lines_at_most() -> None:
    assert len(PROGRAM.splitlines()) <= 10


@pytest.mark.parametrize("front_end", ["pip", "uv"])
def test_program_on_stock_installed_from_git_raises(
    repository: Path, server: str, tmp_path: Path, front_end: str
) -> None:
    url = f"git+{repository.as_uri()}#subdirectory=shim"
    stock = f"openai=={RELEASES[-1]}"
    if front_end == "uv":
        python = make(tmp_path / "env", stock, url)
    else:
        must(run(sys.executable, "-m", "venv", tmp_path / "env"))
        python = tmp_path / "env" / "bin" / "python"
        must(run(python, "-m", "pip", "install", "--quiet", stock, url))
    assert ends(python, server, tmp_path) == ENDING
    place = "from openai_background import _side; print(_side.contract.__name__)"
    assert must(run(python, "-c", place, cwd=tmp_path)).strip() == "openai_background._contract"


def test_program_on_the_fork_installed_from_git_raises(repository: Path, server: str, tmp_path: Path) -> None:
    git = f"git+{repository.as_uri()}"
    python = make(tmp_path / "env", f"openai @ {git}", f"openai-background @ {git}#subdirectory=shim")
    assert ends(python, server, tmp_path) == ENDING
    place = "from openai_background import _side; print(_side.contract.__name__)"
    assert must(run(python, "-c", place, cwd=tmp_path)).strip() == "openai.lib.background"


def test_program_on_stock_installed_as_editable_raises(repository: Path, server: str, tmp_path: Path) -> None:
    python = make(tmp_path / "env", f"openai=={RELEASES[-1]}", "--editable", repository / "shim")
    assert ends(python, server, tmp_path) == ENDING


# -- what is built


def own_files(root: Path) -> dict[str, bytes]:
    folder = root / compose.OWN
    names = {path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in names}


@pytest.fixture(scope="module")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source distribution, and the wheel that is made from it and not from the repository."""
    folder = tmp_path_factory.mktemp("dist")
    must(run(sys.executable, "-m", "build", "--outdir", folder, repository / "shim"))
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def test_sdist_and_wheel_hold_the_contract_but_for_imports_from_where_they_are_served(
    repository: Path, built: tuple[Path, Path]
) -> None:
    place = "openai_background/_contract/"
    with zipfile.ZipFile(built[1]) as wheel:
        packed = {name.removeprefix(place): wheel.read(name) for name in wheel.namelist() if name.startswith(place)}
        rest = {name for name in wheel.namelist() if not name.startswith(place) and ".dist-info/" not in name}
    with tarfile.open(built[0]) as sdist:
        names = [name for name in sdist.getnames() if "_contract/" in name]
        source = {name.partition(place)[2]: cast(Any, sdist.extractfile(name)).read() for name in names}
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


def test_metadata_asks_for_openai_and_has_the_version_of_the_contract(
    repository: Path, built: tuple[Path, Path]
) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata.get_all("Requires-Dist") == ["openai<4,>=1.109.1"]
    table = own_files(repository)["_table.py"].decode()
    assert f'CONTRACT_VERSION = "{metadata["Version"].partition(".post")[0]}"' in table


def test_build_without_the_repository_says_what_is_missing(repository: Path, tmp_path: Path) -> None:
    alone = tmp_path / "shim"
    alone.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md"):
        (alone / name).write_bytes((repository / "shim" / name).read_bytes())
    done = run(sys.executable, "-m", "build", "--wheel", alone)
    assert done.returncode != 0
    assert "does not hold the contract; build from a whole checkout" in done.stdout + done.stderr
