"""The tree becomes the patches and the patches become the tree; what fits no patch is named and nothing is written."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from forktools import compose, refresh
from tests.fork.support import OWN, CLIENT, MODELS, UPSTREAM, Fork

ERRORS, HOOKS = "patches/0001-errors.patch", "patches/0002-hooks.patch"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@localhost"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_refresh_empty_series_writes_an_empty_one(fork: Fork) -> None:
    fork.lay()
    assert fork.refresh() == 0
    assert fork.refresh("--check") == 0
    assert fork.read(compose.SUMS) == ""
    assert list((fork.root / "patches").glob("*.patch")) == []


def test_refresh_writes_mails_with_subject_message_and_author(patched: Fork) -> None:
    text = patched.read(HOOKS)
    assert text.startswith("From " + "0" * 40 + " Mon Sep 17 00:00:00 2001\nFrom: A <a@localhost>\n")
    assert "Date: Fri, 2 Jan 2026 03:04:05 +0000\nSubject: [PATCH] feat: hooks\n\nWhy hooks.\n\nBug: none\n" in text
    assert "\nindex " + "0" * 40 in patched.read(ERRORS)  # --full-index
    assert "@@ -1,6 +1,7 @@" in text
    assert not text.rstrip().endswith(("2.0", "2.39.5")), "a signature would name the git that wrote it"


def test_refresh_patches_apply_with_git_am_and_give_the_tree(patched: Fork, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for path, text in UPSTREAM.items():
        (other / "src" / path).parent.mkdir(parents=True, exist_ok=True)
        (other / "src" / path).write_bytes(text.encode())
    git(other, "init", "--quiet")
    git(other, "add", "--all")
    git(other, "commit", "--quiet", "--message=upstream")
    git(other, "am", "--quiet", *(str(patched.root / path) for path in (ERRORS, HOOKS)))
    assert git(other, "log", "--format=%s|%an|%ad", "--date=iso-strict", "-2").splitlines() == [
        "feat: hooks|A|2026-01-02T03:04:05+00:00",
        "feat: errors|A|2026-01-02T03:04:05+00:00",
    ]
    for path in (*(f"src/{path}" for path in UPSTREAM), OWN):
        assert (other / path).read_bytes() == (patched.root / path).read_bytes()


def test_refresh_other_git_configuration_gives_the_same_bytes(
    patched: Fork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = patched.snapshot()
    config = tmp_path / "gitconfig"
    config.write_text(
        "[core]\nautocrlf = true\nabbrev = 4\n[diff]\nnoprefix = true\nmnemonicPrefix = true\ncontext = 9\n"
        "algorithm = patience\n[format]\nnumbered = true\nsignature = me\nsuffix = .txt\nattach = true\n"
        "signOff = true\nsubjectPrefix = RFC\n[color]\nui = always\n[commit]\ngpgSign = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert patched.refresh() == 0
    assert patched.snapshot() == before


def test_refresh_check_clean_tree_passes_and_writes_nothing(patched: Fork) -> None:
    before = patched.snapshot()
    assert patched.refresh("--check") == 0
    assert patched.snapshot() == before


@pytest.mark.parametrize("path", [CLIENT, OWN])
def test_refresh_check_edited_file_fails_names_the_patch_and_writes_nothing(
    patched: Fork, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    patched.write(path, patched.read(path) + "more\n")
    before = patched.snapshot()
    assert patched.refresh("--check") == 1
    assert f"{ERRORS if path == OWN else HOOKS}: differs from the tree" in capsys.readouterr().out
    assert patched.snapshot() == before


@pytest.mark.parametrize("path", [HOOKS, compose.SUMS, compose.NOTICE])
def test_refresh_check_edited_result_fails_and_names_it(
    patched: Fork, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    patched.write(path, patched.read(path) + "\n")
    assert patched.refresh("--check") == 1
    assert f"{path}: differs from the tree" in capsys.readouterr().out
    (patched.root / path).unlink()
    assert patched.refresh("--check") == 1
    assert f"{path}: missing" in capsys.readouterr().out


@pytest.mark.parametrize("mode", [(), ("--check",)], ids=["write", "check"])
@pytest.mark.parametrize("path", ["src/openai/__init__.py", "src/openai/types/new.py", "tests/lib/test_new.py"])
def test_refresh_changed_path_of_no_patch_fails_names_it_and_writes_nothing(
    patched: Fork, mode: tuple[str, ...], path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    patched.write(path, "x = 1\n")
    before = patched.snapshot()
    assert patched.refresh(*mode) == 1
    assert f"{path} is changed and belongs to no patch" in capsys.readouterr().err
    assert patched.snapshot() == before


def test_refresh_path_of_two_patches_fails_and_names_it(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    patched.series(("errors", [OWN, CLIENT]), ("hooks", [CLIENT, MODELS]))
    assert patched.refresh() == 1
    assert f"{CLIENT} belongs to errors and to hooks" in capsys.readouterr().err


def test_refresh_ignores_files_that_do_not_travel(patched: Fork) -> None:
    patched.write("tests/fork/test_x.py", "x\n")
    patched.write("src/openai/__pycache__/client.pyc", "x\n")
    patched.write("src/openai/lib/background/.errors.py.swp", "x\n")
    patched.write("notes.md", "x\n")
    assert patched.refresh("--check") == 0


def test_refresh_removes_patches_that_left_the_series(patched: Fork) -> None:
    (patched.root / OWN).unlink()
    patched.series(("hooks", [CLIENT, MODELS]))
    assert patched.refresh("--check") == 1
    assert patched.refresh() == 0
    assert sorted(path.name for path in (patched.root / "patches").glob("*.patch")) == ["0001-hooks.patch"]
    assert patched.refresh("--check") == 0


def test_refresh_missing_file_of_upstream_fails_and_names_it(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    (patched.root / MODELS).unlink()
    assert patched.refresh() == 1
    assert f"{MODELS} is not in the tree; scripts/bootstrap lays it" in capsys.readouterr().err


def test_refresh_file_that_is_no_text_fails_and_names_it(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    (patched.root / OWN).write_bytes(b"\xff\xfe")
    assert patched.refresh() == 1
    assert f"{OWN} is not UTF-8 text" in capsys.readouterr().err


def test_refresh_executable_own_file_stays_executable(patched: Fork) -> None:
    os.chmod(patched.root / OWN, 0o755)
    assert patched.refresh() == 0
    assert "new file mode 100755" in patched.read(ERRORS)


def test_refresh_without_git_fails_in_one_sentence(
    patched: Fork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    assert patched.refresh() == 1
    assert capsys.readouterr().err.startswith("refresh: git is not on the PATH")


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="this system has no sha256sum")
def test_refresh_sums_are_read_by_sha256sum(patched: Fork) -> None:
    done = subprocess.run(["sha256sum", "-c", compose.SUMS], cwd=patched.root, capture_output=True, text=True)
    assert done.stdout == f"{CLIENT}: OK\n{MODELS}: OK\n"


def test_budget_counts_lines_of_upstream_files_only(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    assert patched.refresh("--budget") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1:3] == [["2", "1", CLIENT], ["1", "1", MODELS]]
    assert rows[3][:2] == ["3", "2"]


def test_budget_of_this_repository_is_200_and_5() -> None:
    assert (refresh.MOST_ADDED, refresh.MOST_REMOVED) == (200, 5)


@pytest.mark.parametrize(
    ("added", "removed", "status"), [(200, 0, 0), (201, 0, 1), (0, 5, 0), (0, 6, 1)], ids=lambda value: str(value)
)
def test_budget_over_the_limit_fails_check(fork: Fork, added: int, removed: int, status: int) -> None:
    fork.lay()
    lines = UPSTREAM["openai/client.py"].splitlines(keepends=True)
    fork.write(CLIENT, "".join([*lines[removed:], *(f"new {number}\n" for number in range(added))]))
    fork.series(("hooks", [CLIENT]))
    assert fork.refresh() == status  # written all the same, so that the patch can be looked at
    assert fork.refresh("--check") == status
    assert fork.refresh("--budget") == status
