"""Every patch is looked at alone: what is wrong with one is said for that one, though a later patch mends it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from forktools import Refusal, pin, walk, sdist, series
from tests.fork.support import VERSION, TRAILERS, UPSTREAM, Fork, install

HELPER = "src/openai/lib/background/helper.py"
TEST = "tests/lib/test_helper.py"
GOOD_TEST = "from openai.lib.background.helper import VALUE\n\n\ndef test_value() -> None:\n    assert VALUE == 1\n"


@pytest.fixture
def importable(fork: Fork) -> Fork:
    """A laid fork whose small upstream has an sdist, and a package that can be imported."""
    site = fork.root / pin.CACHE / VERSION
    files = {
        **{path: (site / path).read_text() for path in UPSTREAM},
        "openai/__init__.py": "",
        "openai/client.py": "",
        "openai/resources/__init__.py": "",
        "openai/resources/responses.py": "",
        "openai/lib/__init__.py": "",
    }
    install(site, files)
    archive = fork.root / pin.CACHE / "sdist" / f"openai-{VERSION}.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        for path, text in {**{f"src/{path}": text for path, text in files.items()}, "pyproject.toml": ""}.items():
            member = tarfile.TarInfo(f"openai-{VERSION}/{path}")
            member.size, member.mode = len(text), 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    fork.lay()
    return fork


def walked(fork: Fork, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    assert fork.refresh() == 0
    capsys.readouterr()
    status = walk.main(list(arguments), fork.root)
    return status, capsys.readouterr().out


def verify(fork: Fork, slug: str, command: str) -> None:
    """Gives a patch its Verify line."""
    fork.edit(
        "patches/series.toml", f"Why {slug}.\n\n{TRAILERS}", f"Why {slug}.\n\nBug: x\nForwarded: no\nVerify: {command}"
    )


def test_walk_patch_with_its_own_passing_tests_is_good(importable: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    importable.write(HELPER, "VALUE = 1\n")
    importable.write(TEST, GOOD_TEST)
    importable.series(("helper", [HELPER, TEST]))
    verify(importable, "helper", f"pytest {TEST}")
    status, out = walked(importable, capsys)
    assert status == 0, out
    assert "0001-helper.patch: git am ok, import ok, ruff check ok, ruff format ok, tests ok (1 passed" in out
    assert "1 patches walked, each good on its own" in out


def test_walk_failing_test_is_named_for_its_patch(importable: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    importable.write(HELPER, "VALUE = 2\n")
    importable.write(TEST, GOOD_TEST)
    importable.series(("helper", [HELPER, TEST]))
    verify(importable, "helper", f"pytest {TEST}")
    status, out = walked(importable, capsys)
    assert status == 1
    assert "tests FAILED" in out and "test_value" in out
    assert "tests" not in walked(importable, capsys, "--quick")[1].splitlines()[0]


def test_walk_tests_that_come_later_than_their_verify_line_are_named(
    importable: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    importable.write(HELPER, "VALUE = 1\n")
    importable.write(TEST, GOOD_TEST)
    importable.series(("helper", [HELPER]), ("tests", [TEST]))
    for slug in ("helper", "tests"):
        verify(importable, slug, f"pytest {TEST}")
    status, out = walked(importable, capsys)
    assert status == 1
    assert f"tests: {TEST}, which the Verify line names, is not there after this patch" in out
    assert "not good: 0001-helper.patch" in out


@pytest.mark.parametrize(
    ("text", "check"),
    [("import os\n", "ruff check"), ("VALUE=1\n", "ruff format"), ("import warnings; warnings.warn('x')\n", "ruff")],
)
def test_walk_untidy_file_is_named(importable: Fork, capsys: pytest.CaptureFixture[str], text: str, check: str) -> None:
    importable.write(HELPER, text)
    importable.write("pyproject.toml", "")
    importable.write(TEST, "def test_x() -> None: ...\n")
    importable.series(("helper", [HELPER, TEST]))
    verify(importable, "helper", f"pytest {TEST}")
    status, out = walked(importable, capsys, "--quick")
    assert status == 1
    assert f"{check}" in out and "FAILED" in out


def test_walk_package_that_does_not_import_is_named_though_the_next_patch_mends_it(
    importable: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    importable.write("src/openai/__init__.py", "from openai.lib.background.helper import VALUE as VALUE\n")
    importable.write(HELPER, "VALUE = 1\n")
    importable.write(TEST, GOOD_TEST)
    importable.series(("export", ["src/openai/__init__.py", TEST]), ("helper", [HELPER]))
    for slug in ("export", "helper"):
        verify(importable, slug, f"pytest {TEST}")
    status, out = walked(importable, capsys, "--quick")
    assert status == 1
    assert "0001-export.patch: git am ok, import FAILED" in out
    assert "0002-helper.patch: git am ok, import ok" in out


def test_walk_patch_that_does_not_apply_ends_the_walk(importable: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    importable.write(HELPER, "VALUE = 1\n")
    importable.write(TEST, GOOD_TEST)
    importable.series(("helper", [HELPER, TEST]))
    verify(importable, "helper", f"pytest {TEST}")
    assert importable.refresh() == 0
    patch = importable.root / "patches" / "0001-helper.patch"
    patch.write_text(patch.read_text().replace("@@ -0,0 +1 @@", "@@ -1,2 +1 @@"))
    capsys.readouterr()
    assert walk.main([], importable.root) == 1
    assert "0001-helper.patch: git am FAILED" in capsys.readouterr().out


def patch(line: str, number: int = 1) -> series.Patch:
    return series.Patch(number, "helper", "feat: helper", f"Why.\n\nBug: x\n{line}\n", ("src/*",))


@pytest.mark.parametrize(
    "line", ["Verify: make test", "Verify: pytest", "Verify: pytest -k x", "Verify: pytest tests --co", "Bug: none"]
)
def test_walk_verify_line_that_is_not_pytest_and_paths_refuses(line: str) -> None:
    with pytest.raises(Refusal, match="the Verify line of helper has to be `pytest` and paths"):
        walk.verify(patch(line))


def test_walk_verify_line_gives_its_paths_and_when_they_are_due() -> None:
    assert walk.verify(patch("Verify: pytest tests/a.py tests/b.py::test_c", 2)) == (
        ["tests/a.py", "tests/b.py::test_c"],
        2,
    )
    assert walk.verify(patch("Verify: pytest tests/a.py (with patch 5)", 2)) == (["tests/a.py"], 5)
    with pytest.raises(Refusal, match="names the earlier patch 1"):
        walk.verify(patch("Verify: pytest tests/a.py (with patch 1)", 2))


def test_walk_deferred_tests_run_with_the_patch_that_their_verify_line_names(
    importable: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "tests/lib/test_other.py"
    importable.write(HELPER, "VALUE = 2\n")
    importable.write(TEST, GOOD_TEST)
    importable.write(other, "def test_other() -> None: ...\n")
    importable.series(("helper", [HELPER]), ("tests", [TEST, other]))
    verify(importable, "helper", f"pytest {TEST} (with patch 2)")
    verify(importable, "tests", f"pytest {other}")
    status, out = walked(importable, capsys)
    assert status == 1
    assert "0001-helper.patch: git am ok, import ok, ruff check ok, ruff format ok (verified with patch 2)" in out
    assert (
        "0002-tests.patch: git am ok, import ok, ruff check ok, ruff format ok, tests FAILED (1 failed, 1 passed" in out
    )
    importable.edit("patches/series.toml", "(with patch 2)", "(with patch 3)")
    assert importable.refresh() == 0
    assert walk.main([], importable.root) == 1
    assert "names patch 3, but there are 2" in capsys.readouterr().err


def test_sdist_that_is_not_the_wheel_refuses(importable: Fork, tmp_path: Path) -> None:
    upstream = importable.upstream()
    sdist.unpack(importable.root, VERSION, tmp_path / "good")
    (tmp_path / "good" / "src/openai/models.py").write_text("changed\n")
    with pytest.raises(Refusal, match="src/openai/models.py of openai .* differs between"):
        sdist.check(upstream, tmp_path / "good")
    (tmp_path / "good" / "src/openai/models.py").unlink()
    with pytest.raises(Refusal, match="src/openai/models.py of openai .* is in the wheel only"):
        sdist.check(upstream, tmp_path / "good")
