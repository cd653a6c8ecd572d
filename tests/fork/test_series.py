"""The commits are the patches, the tree is theirs, and no edit and no commit is ever lost."""

from __future__ import annotations

from typing import Any
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor

import pytest

from forktools import Refusal
from forktools.git import Git
from tests.fork.support import OWN, TEST, CLIENT, MODELS, UPSTREAM, Fork


def test_lay_without_patches_lays_the_release(fork: Fork) -> None:
    assert fork.lay() == 0
    assert {path: fork.read(f"src/{path}") for path in UPSTREAM} == UPSTREAM
    assert fork.read("helpers.md") == "# Helpers\n"


def test_lay_in_a_clone_elsewhere_gives_the_same_tree_and_the_same_commits(patched: Fork, tmp_path: Path) -> None:
    other = patched.clone(tmp_path / "a clone")
    assert other.lay() == 0
    assert other.snapshot() == patched.snapshot()
    assert other.series.tip() == patched.series.tip()
    assert other.refresh() == 0
    assert other.snapshot() == patched.snapshot()


def test_lay_twice_at_once_in_a_fresh_clone_is_as_good_as_once(patched: Fork, tmp_path: Path) -> None:
    other = patched.clone(tmp_path / "other")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(other.lay) for _ in range(2)]
        assert [one.result() for one in both] == [0, 0]
    assert other.snapshot() == patched.snapshot()


def test_lay_missing_file_of_upstream_is_laid_anew_and_a_missing_one_of_ours_is_an_edit(
    patched: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = patched.read(CLIENT)
    (patched.root / CLIENT).unlink()
    (patched.root / TEST).unlink()
    assert patched.lay() == 0
    assert patched.read(CLIENT) == expected
    assert not (patched.root / TEST).exists()
    assert f"edited, and in no patch yet: {TEST}\n" in capsys.readouterr().err


def test_lay_edits_are_left_and_named(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.write("src/openai/types/fresh.py", "x = 1\n")
    before = patched.snapshot()
    assert patched.lay() == 0
    assert patched.snapshot() == before
    assert f"in no patch yet: {CLIENT}, src/openai/types/fresh.py\n" in capsys.readouterr().err
    assert "line nine" in patched.series.git.ask("diff")


def test_lay_first_time_over_a_tree_that_is_there_keeps_what_is_other(patched: Fork, tmp_path: Path) -> None:
    other = patched.clone(tmp_path / "other")
    other.write(CLIENT, "mine\n")
    assert other.lay() == 0
    assert other.read(CLIENT) == "mine\n"
    assert other.read(MODELS) == patched.read(MODELS)


def pulled(patched: Fork, tmp_path: Path) -> dict[str, bytes]:
    """What a pull of the main repository brings after somebody elsewhere has changed both patches."""
    other = patched.clone(tmp_path / "other")
    assert other.lay() == 0
    other.edit(CLIENT, "hook\n", "hook, longer\n")
    other.write(OWN, "class TheirError(Exception): ...\n")
    (other.root / TEST).unlink()
    assert other.refresh() == 0
    new = other.snapshot()
    return {path: text for path, text in new.items() if path.startswith(("patches/", "NOTICE", "src/openai/lib/"))}


def pull(fork: Fork, files: dict[str, bytes]) -> None:
    for path, text in files.items():
        fork.write(path, text.decode())
    (fork.root / TEST).unlink()


def test_lay_after_a_pull_moves_what_was_not_edited(patched: Fork, tmp_path: Path) -> None:
    pull(patched, pulled(patched, tmp_path))
    patched.edit(MODELS, "    flag", "    mine = True\n    flag")
    assert patched.lay() == 0
    assert "hook, longer\n" in patched.read(CLIENT)
    assert "mine" in patched.read(MODELS)
    assert patched.series.paths("series", patched.series.tree()) == [MODELS]


def test_lay_after_a_pull_stops_at_an_edit_that_collides_and_changes_nothing(
    patched: Fork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pull(patched, pulled(patched, tmp_path))
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    before = patched.snapshot()
    assert patched.lay() == 1
    assert f"lay: {CLIENT}: edited, and the edit is in no patch" in capsys.readouterr().err
    assert patched.refresh("--check") == 1
    assert patched.snapshot() == before
    patched.edit(CLIENT, "line nine\n", "line 9\n")
    assert patched.lay() == 0
    assert "hook, longer\n" in patched.read(CLIENT)


def test_lay_interrupted_is_finished_by_the_next(
    patched: Fork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(patched, pulled(patched, tmp_path))
    must = Git.must

    def interrupted(git: Git, *arguments: str, **more: Any) -> Any:
        done = must(git, *arguments, **more)
        if arguments[:3] == ("read-tree", "-m", "-u"):
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Git, "must", interrupted)
        patched.lay()
    assert patched.lay() == 0
    assert patched.refresh("--check") == 0
    assert "hook, longer\n" in patched.read(CLIENT)


def test_lay_commit_in_between_stays_and_becomes_a_patch(patched: Fork) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.commit("third", CLIENT)
    assert patched.lay() == 0
    assert patched.refresh("--check") == 1
    assert patched.refresh() == 0
    assert patched.names() == ["0001-errors.patch", "0002-hooks.patch", "0003-third.patch"]


def test_lay_commits_and_patches_both_changed_refuses_and_loses_neither(
    patched: Fork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = pulled(patched, tmp_path)
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.commit("third", CLIENT)
    pull(patched, files)
    tip, before = patched.series.tip(), patched.snapshot()
    assert patched.lay() == 1
    assert "patches/ or the pin has changed, and so have the commits" in capsys.readouterr().err
    assert (patched.series.tip(), patched.snapshot()) == (tip, before)


def test_lay_patch_that_does_not_apply_refuses_and_names_it(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    patched.edit("patches/0002-hooks.patch", " line 2\n", " line two\n")
    before = patched.snapshot()
    assert patched.lay() == 1
    assert "git am patches/0002-hooks.patch fails" in capsys.readouterr().err
    assert patched.snapshot() == before


def test_lay_while_git_is_in_the_middle_of_something_refuses(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    patched.series.git.must("checkout", "--quiet", "--detach")
    assert patched.lay() == 1
    assert "git is in the middle of something in this tree" in capsys.readouterr().err


def test_series_before_bootstrap_refuses(fork: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (fork.refresh, fork.rebase):
        assert command("--check" if command == fork.refresh else "1.3.0") == 1
        assert "scripts/bootstrap makes it" in capsys.readouterr().err


def test_find_takes_a_number_or_a_part_of_the_name(patched: Fork) -> None:
    found = {word: patched.series.find(word).name for word in ("2", "0001", "hook", "0002-hooks")}
    assert found == {"2": "0002-hooks", "0001": "0001-errors", "hook": "0002-hooks", "0002-hooks": "0002-hooks"}
    with pytest.raises(Refusal, match="'o' means more than one patch:\n  0001-errors\n  0002-hooks"):
        patched.series.find("o")
    with pytest.raises(Refusal, match="'poll' means no patch:\n  0001-errors"):
        patched.series.find("poll")
