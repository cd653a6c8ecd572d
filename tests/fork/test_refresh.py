"""An edit goes into the patch that holds its file, and where that is not clear, it waits; nothing is lost on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forktools import budget, compose
from tests.fork.support import OWN, TEST, CLIENT, MODELS, PROJECT, VERSION, Fork

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


def test_refresh_patch_without_a_name_is_named_by_its_subject(fork: Fork) -> None:
    fork.lay()
    fork.write(OWN, "x = 1\n")
    fork.commit("add what was missing, at last", OWN, named=False)
    assert fork.refresh() == 0
    assert fork.names() == ["0001-feat-add-what-was-missing-at-last.patch"]


def test_refresh_edits_of_several_patches_each_go_to_their_own(
    patched: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.write(OWN, "class OurError(ValueError): ...\n")
    before = patched.snapshot()
    assert patched.refresh() == 0
    assert capsys.readouterr().out == f"rewritten: {ERRORS}\nrewritten: {HOOKS}\nrewritten: {compose.SUMS}\n"
    assert "+line nine\n" in patched.read(HOOKS) and "ValueError" not in patched.read(HOOKS)
    assert "+class OurError(ValueError)" in patched.read(ERRORS)
    after = patched.snapshot()
    assert {path for path in after if after[path] != before[path]} == {ERRORS, HOOKS, compose.SUMS}
    assert patched.refresh("--check") == 0
    assert patched.compose().files[CLIENT].decode() == patched.read(CLIENT)


def test_refresh_twice_has_nothing_to_rewrite(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    before, tip = patched.snapshot(), patched.series.tip()
    assert patched.refresh() == 0
    assert capsys.readouterr().out.endswith("nothing to rewrite\n")
    assert (patched.snapshot(), patched.series.tip()) == (before, tip)


def test_refresh_undone_edit_gives_the_same_bytes_and_the_same_commits(patched: Fork) -> None:
    before, tip = patched.snapshot(), patched.series.tip()
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    assert patched.refresh() == 0
    patched.edit(CLIENT, "line nine\n", "line 9\n")
    assert patched.refresh() == 0
    assert (patched.snapshot(), patched.series.tip()) == (before, tip)


def test_refresh_removed_file_goes_out_of_its_patch(patched: Fork) -> None:
    (patched.root / TEST).unlink()
    assert patched.refresh() == 0
    assert TEST not in patched.read(ERRORS)
    assert not (patched.root / TEST).exists()


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
    patched.edit(MODELS, "False", "True")
    assert patched.refresh("--into", "errors", MODELS) == 1, "the second patch changes that very line"
    assert patched.refresh("--abort") == 0
    patched.write(MODELS, patched.read(MODELS).replace("True", "False") + "\n\n\n\n\nclass Other: ...\n")
    assert patched.refresh("--into", "errors", MODELS) == 1
    assert patched.refresh("--abort") == 0
    assert patched.refresh() == 0
    assert "class Other" in patched.read(HOOKS)


def conflicting(stacked: Fork) -> str:
    """An edit that a later patch stands in the way of; returns the edited file."""
    stacked.edit(CLIENT, "hook more\n", "hook much more\n")
    assert stacked.refresh("--into", "hooks") == 1
    return stacked.read(CLIENT)


def test_refresh_conflict_leaves_the_edit_where_it_was_and_git_mends_it(
    stacked: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stacked.snapshot()
    text = conflicting(stacked)
    error = capsys.readouterr().err
    assert f"conflict in {CLIENT}" in error and "git rebase --continue" in error and "scripts/refresh again" in error
    assert {path for path, old in before.items() if stacked.snapshot()[path] != old} == {CLIENT}
    assert stacked.refresh() == 1, "nothing is mended yet"
    assert "conflict in" in capsys.readouterr().err

    stacked.mend(
        CLIENT, text.replace("hook much more\n", "hook much\n"), fails=True
    )  # the next patch conflicts as well
    stacked.mend(CLIENT, text)
    stacked.edit(MODELS, "False", "True")  # an edit meanwhile goes with it
    assert stacked.refresh() == 0
    assert "+hook much\n" in stacked.read(HOOKS)
    assert "-hook much\n+hook much more\n" in stacked.patch("more")
    assert "True" in stacked.read(HOOKS)
    assert stacked.read(CLIENT) == text
    assert stacked.refresh("--check") == 0
    assert "T <t@" not in stacked.read(HOOKS), "whoever mends it, the patch is from the series' author"


def test_refresh_mended_to_something_else_is_not_taken_over(stacked: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    text = conflicting(stacked)
    before = stacked.snapshot()
    stacked.mend(CLIENT, text.replace("hook much more\n", "hook much\n"), fails=True)
    stacked.mend(CLIENT, text.replace("line 30\n", "line thirty\n"))
    assert stacked.refresh() == 1
    assert f"{CLIENT}: not what the edit made of it, so nothing was taken over" in capsys.readouterr().err
    assert stacked.snapshot() == before


@pytest.mark.parametrize("how", ["refresh --abort", "git rebase --abort", "folder removed"])
def test_refresh_fold_given_up_keeps_the_edit(stacked: Fork, how: str) -> None:
    text = conflicting(stacked)
    if how == "refresh --abort":
        assert stacked.refresh("--abort") == 0
    elif how == "git rebase --abort":
        stacked.work("rebase", "--abort")
    else:
        (stacked.root / ".upstream" / "work").rename(stacked.root / ".upstream" / "elsewhere")
    assert stacked.read(CLIENT) == text
    assert stacked.refresh("--into", "more") == 0
    assert "+hook much more" in stacked.patch("more")
    assert stacked.read(CLIENT) == text


def test_refresh_repository_moved_in_the_middle_of_a_fold_goes_on(stacked: Fork, tmp_path: Path) -> None:
    text = conflicting(stacked)
    os.rename(stacked.root, tmp_path / "moved")
    stacked.root = tmp_path / "moved"
    assert stacked.refresh() == 1
    stacked.mend(CLIENT, text.replace("hook much more\n", "hook much\n"), fails=True)
    stacked.mend(CLIENT, text)
    assert stacked.refresh() == 0
    assert stacked.refresh("--check") == 0


def test_refresh_interrupted_while_writing_is_finished_by_the_next(
    patched: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.write(OWN, "class OurError(ValueError): ...\n")
    replace = os.replace

    def interrupted(source: str, target: Path) -> None:
        if Path(target).name == "0002-hooks.patch":
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", interrupted)
        patched.refresh()
    assert patched.lay() == 0
    assert patched.refresh() == 0
    assert "+line nine" in patched.read(HOOKS) and "ValueError" in patched.read(ERRORS)
    assert patched.refresh("--check") == 0


def test_refresh_whatever_git_is_configured_to_do_gives_the_same_bytes(
    patched: Fork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    other = patched.clone(tmp_path / "other")
    assert other.lay() == 0
    other.edit(CLIENT, "line 9\n", "line nine\n")
    assert patched.refresh() == 0
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[user]\nname = Somebody\nemail = some@body\n[core]\nautocrlf = true\nabbrev = 4\n[diff]\nnoprefix = true\n"
        "mnemonicPrefix = true\ncontext = 9\nalgorithm = patience\n[format]\nnumbered = true\nsignature = me\n"
        "suffix = .txt\nattach = true\nsignOff = true\nsubjectPrefix = RFC\n[color]\nui = always\n[commit]\ngpgSign = true\n"
    )
    for name, value in {"HOME": str(home), "GIT_AUTHOR_NAME": "A", "GIT_DIR": "/nowhere", "TZ": "Asia/Tokyo"}.items():
        monkeypatch.setenv(name, value)
    other.write(".gitattributes", "* text=auto eol=crlf\n")
    assert other.refresh() == 0
    assert {path: text for path, text in other.snapshot().items() if path != ".gitattributes"} == patched.snapshot()


def test_check_clean_tree_passes_and_writes_nothing(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    before = patched.snapshot()
    assert patched.refresh("--check") == 0
    assert "differs" not in capsys.readouterr().out
    assert patched.snapshot() == before


@pytest.mark.parametrize("path", [CLIENT, OWN, TEST, HOOKS, compose.SUMS, compose.NOTICE, "helpers.md"])
def test_check_changed_file_fails_and_names_it(patched: Fork, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    patched.write(path, patched.read(path) + "\n")
    before = patched.snapshot()
    assert patched.refresh("--check") == 1
    assert capsys.readouterr().out == f"{path}: differs from the commits\n"
    assert patched.snapshot() == before


def test_check_missing_and_superfluous_files_and_another_pin_fail(
    patched: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    (patched.root / HOOKS).unlink()
    patched.write("patches/0009-x.patch", "")
    patched.write("src/openai/lib/background/_new.py", "")
    patched.write("pyproject.toml", PROJECT.replace(VERSION, "1.3.0"))
    assert patched.refresh("--check") == 1
    said = capsys.readouterr().out
    for line in (
        f"{HOOKS}: missing",
        "patches/0009-x.patch: not in the series",
        "src/openai/lib/background/_new.py: differs from the commits",
        f"pins openai 1.3.0, but the commits stand on {VERSION}",
    ):
        assert line in said


@pytest.mark.parametrize(
    ("subject", "body", "says"),
    [
        ("Errors", "Bug: x\nForwarded: no\nVerify: pytest", "'Errors' is not the subject of a conventional commit"),
        ("feat: x", "Bug: x\nForwarded: no", "has no Verify line"),
        ("feat: x", "diff -u\n\nBug: x\nForwarded: no\nVerify: pytest", "starts with 'diff '"),
    ],
)
def test_refresh_message_with_a_fault_refuses_and_names_it(
    patched: Fork, subject: str, body: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = patched.names()
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.series.git.must("commit", "--quiet", "--all", f"--message={subject}\n\n{body}\n")
    assert patched.refresh() == 1
    assert says in capsys.readouterr().err
    assert patched.names() == before


def test_budget_counts_upstreams_files_and_the_generated_among_them(
    patched: Fork, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    patched.write("src/openai/__init__.py", "from .client import Client\nfrom .lib import background\n")
    patched.commit("names", "src/openai/__init__.py")
    assert patched.refresh() == 0
    capsys.readouterr()
    assert patched.refresh("--budget") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["+0", "-0", "+0", "-0", "0001-errors"] in lines
    assert ["+3", "-2", "+0", "-0", "0002-hooks"] in lines
    assert ["+1", "-0", "+1", "-0", "0003-names"] in lines
    assert ["+4", "-2", "in", "all,", "of", "at", "most", "+200", "-9"] in lines
    monkeypatch.setattr(budget, "MOST_ADDED", 3)
    assert patched.refresh("--budget") == 1
    assert patched.refresh() == 1
