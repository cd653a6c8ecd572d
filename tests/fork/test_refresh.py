"""An edit goes into the patch that holds its file, and where that is not clear, it waits; nothing is lost on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forktools import work, compose, refresh
from forktools.series import Series
from tests.fork.support import OWN, TEST, CLIENT, MODELS, PROJECT, VERSION, Fork

TRAILERS = "Bug: x\nForwarded: no\nPatch: x\nVerify: pytest"
ERRORS, HOOKS = "patches/0001-errors.patch", "patches/0002-hooks.patch"


@pytest.fixture
def stacked(patched: Fork) -> Fork:
    """A third patch that changes a line of the second."""
    patched.edit(CLIENT, "hook\n", "hook more\n")
    patched.commit("more", CLIENT)
    assert patched.refresh() == 0
    return patched


def test_refresh_writes_mails_with_subject_message_and_author(patched: Fork) -> None:
    text = patched.read(HOOKS)
    assert text.startswith("From " + "0" * 40 + " Mon Sep 17 00:00:00 2001\nFrom: openai-python background fork <")
    assert "Date: Sun, 22 Nov 2026 00:00:00 +0000\nSubject: [PATCH] feat: hooks\n\nWhy hooks.\n\nBug: none\n" in text
    assert "\nindex " + "0" * 40 in patched.read(ERRORS)  # --full-index
    assert not text.rstrip().endswith(("2.0", "2.39.5")), "a signature would name the git that wrote it"


def test_refresh_edits_of_several_patches_each_go_to_their_own_and_back(
    patched: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    first, tip = patched.snapshot(), patched.series.tip()
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.write(OWN, "class OurError(ValueError): ...\n")
    (patched.root / TEST).unlink()
    capsys.readouterr()
    assert patched.refresh() == 0
    assert capsys.readouterr().out == f"rewritten: {ERRORS}\nrewritten: {HOOKS}\nrewritten: {compose.SUMS}\n"
    assert "+line nine\n" in patched.read(HOOKS) and "ValueError" not in patched.read(HOOKS)
    assert "+class OurError(ValueError)" in patched.read(ERRORS) and TEST not in patched.read(ERRORS)
    assert not (patched.root / TEST).exists()
    assert patched.refresh("--check") == 0
    assert patched.compose().files[CLIENT].decode() == patched.read(CLIENT)

    assert patched.refresh() == 0
    assert capsys.readouterr().out.endswith("nothing to rewrite\n")
    for path in (CLIENT, OWN, TEST):
        patched.write(path, first[path].decode())
    assert patched.refresh("--into", "errors") == 0
    assert (patched.snapshot(), patched.series.tip()) == (first, tip)


def test_refresh_file_of_several_patches_or_none_waits_for_into(
    stacked: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = "src/openai/lib/background/_poll.py"
    stacked.edit(CLIENT, "line 12\n", "line twelve\n")
    stacked.write(fresh, "x = 1\n")
    stacked.edit(MODELS, "False", "True")
    before = stacked.snapshot()
    assert stacked.refresh() == 1
    error = capsys.readouterr().err
    assert f"  {CLIENT}: 0002-hooks, 0003-more\n  {fresh}: in no patch" in error
    assert MODELS not in error
    assert stacked.snapshot() == before

    assert stacked.refresh("--into", "errors", fresh) == 1, "two edits are left"
    assert f"in no patch yet: {CLIENT}, {MODELS}\n" in capsys.readouterr().out
    assert stacked.refresh("--into", "2") == 0
    assert fresh in stacked.read(ERRORS)
    assert "+line twelve" in stacked.read(HOOKS)
    assert "True" in stacked.read(HOOKS), "the file of one patch goes there whatever --into says"
    assert stacked.refresh("--check") == 0


def test_refresh_named_file_goes_where_it_is_told_to(patched: Fork) -> None:
    patched.write(MODELS, patched.read(MODELS) + "\n\n\n\n\nclass Other: ...\n")
    assert patched.refresh("--into", "errors", MODELS) == 1, "the second patch changes the lines beside it"
    assert patched.refresh("--abort") == 0
    assert patched.refresh() == 0
    assert "class Other" in patched.read(HOOKS)


@pytest.fixture
def conflicting(stacked: Fork, capsys: pytest.CaptureFixture[str]) -> Fork:
    """An edit that a later patch stands in the way of."""
    before = stacked.snapshot()
    stacked.edit(CLIENT, "hook more\n", "hook much more\n")
    assert stacked.refresh("--into", "hooks") == 1
    error = capsys.readouterr().err
    assert (
        f"both modified:   {CLIENT}" in error and "git rebase --continue" in error and "scripts/refresh again" in error
    )
    assert {path for path, old in before.items() if stacked.snapshot()[path] != old} == {CLIENT}
    return stacked


def mend(fork: Fork, text: str) -> None:
    """The two conflicts: of the patch that gets the edit, and of the next one."""
    fork.mend(CLIENT, text.replace("hook much more\n", "hook much\n"), fails=True)
    fork.mend(CLIENT, text)


def test_refresh_conflict_leaves_the_edit_where_it_was_and_git_mends_it(
    conflicting: Fork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fork, text = conflicting, conflicting.read(CLIENT)
    os.rename(fork.root, tmp_path / "moved")
    fork.root = tmp_path / "moved"
    assert fork.refresh("--check") == fork.refresh() == 1, "nothing is mended yet"
    assert "scripts/refresh has stopped in .upstream/work, and waits" in capsys.readouterr().out
    mend(fork, text)
    fork.edit(MODELS, "False", "True")  # an edit meanwhile goes with it
    assert fork.refresh() == 0
    assert "+hook much\n" in fork.read(HOOKS) and "True" in fork.read(HOOKS)
    assert "-hook much\n+hook much more\n" in fork.patch("more")
    assert fork.read(CLIENT) == text
    assert fork.refresh("--check") == 0


def test_refresh_mended_to_something_else_is_not_taken_over(
    conflicting: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    before = conflicting.snapshot()
    mend(conflicting, conflicting.read(CLIENT).replace("line 30\n", "line thirty\n"))
    assert conflicting.refresh() == 1
    assert f"{CLIENT}: not what the edit made of it, so nothing was taken over" in capsys.readouterr().err
    assert conflicting.snapshot() == before


def test_refresh_series_that_moved_meanwhile_is_not_taken_over(
    conflicting: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    mend(conflicting, conflicting.read(CLIENT))
    conflicting.edit(MODELS, "False", "True")
    conflicting.commit("meanwhile", MODELS)
    tip = conflicting.series.tip()
    assert conflicting.refresh() == 1
    assert "the series has moved since it began; scripts/refresh --abort" in capsys.readouterr().err
    assert conflicting.series.tip() == tip


@pytest.mark.parametrize("how", ["refresh --abort", "git rebase --abort", "folder removed"])
def test_refresh_fold_given_up_keeps_the_edit(conflicting: Fork, how: str) -> None:
    text = conflicting.read(CLIENT)
    if how == "refresh --abort":
        assert conflicting.refresh("--abort") == 0
    elif how == "git rebase --abort":
        conflicting.work("rebase", "--abort")
    else:
        (conflicting.root / ".upstream" / "work").rename(conflicting.root / ".upstream" / "elsewhere")
    assert conflicting.read(CLIENT) == text
    assert conflicting.refresh("--into", "more") == 0
    assert "+hook much more" in conflicting.patch("more")
    assert conflicting.read(CLIENT) == text


@pytest.mark.parametrize("where", ["in the middle of writing", "before the fold is forgotten"])
def test_refresh_interrupted_is_finished_by_the_next(
    patched: Fork, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.write(OWN, "class OurError(ValueError): ...\n")
    replace = os.replace

    def interrupted(source: str, target: Path) -> None:
        if Path(target).name == "0002-hooks.patch":
            raise KeyboardInterrupt
        replace(source, target)

    def not_forgotten(series: Series) -> None:
        if series.ref(work.FROM):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if where == "in the middle of writing":
            patch.setattr(os, "replace", interrupted)
        else:
            patch.setattr(work, "forget", not_forgotten)
        patched.refresh()
    assert patched.lay() == 0
    assert patched.refresh() == 0
    assert "+line nine" in patched.read(HOOKS) and "ValueError" in patched.read(ERRORS)
    assert patched.refresh("--check") == 0


def test_refresh_whatever_git_is_configured_to_do_gives_the_same_bytes(
    patched: Fork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = patched.clone(tmp_path / "other")
    assert other.lay() == 0
    for fork in (patched, other):
        fork.edit(CLIENT, "line 9\n", "line nine\n")
    assert patched.refresh() == 0
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.gitconfig").write_text(
        "[user]\nname = Somebody\nemail = some@body\n[core]\nautocrlf = true\nabbrev = 4\n[diff]\nnoprefix = true\n"
        "mnemonicPrefix = true\ncontext = 9\nalgorithm = patience\n[format]\nnumbered = true\nsignature = me\n"
        "suffix = .txt\nattach = true\nsignOff = true\nsubjectPrefix = RFC\n[color]\nui = always\n[commit]\ngpgSign = true\n"
    )
    variables = {"HOME": f"{tmp_path}/home", "GIT_AUTHOR_NAME": "A", "GIT_DIR": "/nowhere", "TZ": "Asia/Tokyo"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    other.write(".gitattributes", "* text=auto eol=crlf\n")
    assert other.refresh() == 0
    assert {path: text for path, text in other.snapshot().items() if path != ".gitattributes"} == patched.snapshot()


FRESH, SUPERFLUOUS = "src/openai/lib/background/_new.py", "patches/0009-x.patch"
CHECKED = [CLIENT, OWN, TEST, HOOKS, compose.SUMS, compose.NOTICE, "helpers.md", FRESH, SUPERFLUOUS]


@pytest.mark.parametrize("path", CHECKED)
def test_check_changed_file_fails_and_names_it_and_writes_nothing(
    patched: Fork, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert patched.refresh("--check") == 0
    assert "patches/ is the tree: 2 patches on openai 1.2.0\n" in capsys.readouterr().out
    there = (patched.root / path).exists()
    for change in (lambda: patched.write(path, "\n"), (patched.root / path).unlink)[: 2 if there else 1]:
        change()
        before = patched.snapshot()
        assert patched.refresh("--check") == 1
        assert capsys.readouterr().out == f"{path}: differs from the commits\n"
        assert patched.snapshot() == before


def test_check_another_pin_fails(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    patched.write("pyproject.toml", PROJECT.replace(VERSION, "1.3.0"))
    assert patched.refresh("--check") == 1
    assert f"pins openai 1.3.0, the commits stand on {VERSION}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (f"Errors\n\n{TRAILERS}", "'Errors' is not the subject of a conventional commit"),
        ("feat: x\n\n" + TRAILERS.replace("Verify", "Tests"), "0003-x has no Verify line"),
        ("feat: x\n\n" + TRAILERS.replace("Patch", "File"), "0003-without-a-name has no Patch line"),
        (f"feat: x\n\ndiff -u\n\n{TRAILERS}", "starts with 'diff '"),
    ],
)
def test_refresh_message_with_a_fault_refuses_and_names_it(
    patched: Fork, message: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = patched.names()
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.series.git.must("commit", "--quiet", "--all", f"--message={message}\n")
    assert patched.refresh() == 1
    assert says in capsys.readouterr().err
    assert patched.names() == before


def test_budget_counts_the_lines_of_upstreams_files(
    patched: Fork, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    assert patched.refresh("--budget") == 0
    assert capsys.readouterr().out == (
        f"feat: hooks\n\n2\t1\t{CLIENT}\n1\t1\t{MODELS}\n\n2\t1\t{CLIENT}\n1\t1\t{MODELS}\n\n"
        "In upstream's files in all: +3 -2, of at most +200 -9.\n"
    )
    monkeypatch.setattr(refresh, "MOST_ADDED", 2)
    assert patched.refresh("--budget") == patched.refresh() == 1
