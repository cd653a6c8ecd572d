"""The commits are the patches, the tree is theirs, and no edit and no commit is ever lost."""

from __future__ import annotations

import shutil
from typing import Any, Callable
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor

import pytest

from forktools import Refusal
from forktools.git import Git
from tests.fork.support import OWN, TEST, CLIENT, MODELS, UPSTREAM, Fork


def test_lay_in_a_clone_elsewhere_also_twice_at_once_gives_the_same_tree_and_commits(
    patched: Fork, tmp_path: Path
) -> None:
    other = patched.clone(tmp_path / "a clone")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(other.lay) for _ in range(2)]
        assert [one.result() for one in both] == [0, 0]
    assert (other.snapshot(), other.series.tip()) == (patched.snapshot(), patched.series.tip())


def test_lay_edits_are_left_and_named(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    fresh, laid = "src/openai/types/fresh.py", patched.read(MODELS)
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.write(fresh, "x = 1\n")
    for path in (MODELS, TEST):  # a missing file of upstream's is laid anew, one of ours was removed
        (patched.root / path).unlink()
    before = patched.snapshot()
    assert patched.lay() == 0
    assert patched.snapshot() == {**before, MODELS: laid.encode()}
    assert f"in no patch yet: {CLIENT}, {fresh}, {TEST}\n" in capsys.readouterr().err
    assert "line nine" in patched.series.git.ask("diff")


def test_lay_first_time_over_a_tree_that_is_there_keeps_what_is_other(patched: Fork, tmp_path: Path) -> None:
    other = patched.clone(tmp_path / "other")
    other.write(CLIENT, "mine\n")
    assert other.lay() == 0
    assert (other.read(CLIENT), other.read(MODELS)) == ("mine\n", patched.read(MODELS))


@pytest.fixture
def pulled(patched: Fork, tmp_path: Path) -> Fork:
    """After a pull of the main repository, where somebody elsewhere has changed both patches and removed a file."""
    other = patched.clone(tmp_path / "other")
    assert other.lay() == 0
    other.edit(CLIENT, "hook\n", "hook, longer\n")
    other.write(OWN, "class TheirError(Exception): ...\n")
    (other.root / TEST).unlink()
    assert other.refresh() == 0
    (patched.root / TEST).unlink()
    for path, text in other.snapshot().items():
        if path.startswith(("patches/", "NOTICE", "src/openai/lib/")):
            patched.write(path, text.decode())
    return patched


def test_lay_after_a_pull_moves_what_was_not_edited(pulled: Fork) -> None:
    pulled.edit(MODELS, "    flag", "    mine = True\n    flag")
    assert pulled.lay() == 0
    assert "hook, longer\n" in pulled.read(CLIENT)
    assert "mine" in pulled.read(MODELS)
    assert pulled.series.paths("series", pulled.series.tree()) == [MODELS]


def test_lay_after_a_pull_stops_at_an_edit_that_collides_and_changes_nothing(
    pulled: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    pulled.edit(CLIENT, "line 9\n", "line nine\n")
    before = pulled.snapshot()
    assert pulled.lay() == 1
    assert f"lay: {CLIENT}: edited, and the edit is in no patch" in capsys.readouterr().err
    assert pulled.refresh("--check") == 1
    assert pulled.snapshot() == before
    pulled.edit(CLIENT, "line nine\n", "line 9\n")
    assert pulled.lay() == 0
    assert "hook, longer\n" in pulled.read(CLIENT)


def test_lay_interrupted_is_finished_by_the_next(pulled: Fork, monkeypatch: pytest.MonkeyPatch) -> None:
    must = Git.must

    def interrupted(git: Git, *arguments: str, **more: Any) -> Any:
        done = must(git, *arguments, **more)
        if arguments[:3] == ("read-tree", "-m", "-u"):
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Git, "must", interrupted)
        pulled.lay()
    assert pulled.lay() == 0
    assert pulled.refresh("--check") == 0
    assert "hook, longer\n" in pulled.read(CLIENT)


def commit_a_third(fork: Fork) -> None:
    fork.edit(CLIENT, "line 9\n", "line nine\n")
    fork.commit("third", CLIENT)


def spoil_a_patch(fork: Fork) -> None:
    fork.edit("patches/0002-hooks.patch", " line 2\n", " line two\n")


def detach(fork: Fork) -> None:
    fork.series.git.must("checkout", "--quiet", "--detach")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (commit_a_third, "patches/ or the pin has changed, and so have the commits"),
        (spoil_a_patch, "git am patches/0002-hooks"),
        (detach, "git is in the middle of something in this tree"),
    ],
)
def test_lay_where_it_cannot_refuses_and_changes_nothing(
    pulled: Fork, change: Callable[[Fork], None], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(pulled)
    tip, before = pulled.series.ref("HEAD"), pulled.snapshot()
    assert pulled.lay() == 1
    assert says in capsys.readouterr().err
    assert (pulled.series.ref("HEAD"), pulled.snapshot()) == (tip, before)


def test_lay_source_distribution_that_is_not_the_wheel_refuses(
    fork: Fork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Fork(tmp_path / "other", {**UPSTREAM, "openai/client.py": "x\n"})
    shutil.copytree(other.root / ".upstream/sdist", fork.root / ".upstream/sdist", dirs_exist_ok=True)
    assert fork.lay() == 1
    assert f"{CLIENT} of openai 1.2.0 is not the same in source distribution and wheel" in capsys.readouterr().err
    assert not (fork.root / CLIENT).exists()


def test_series_before_bootstrap_refuses(fork: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    assert fork.refresh("--check") == fork.rebase("1.3.0") == 1
    assert capsys.readouterr().err.count("scripts/bootstrap makes it") == 2


def test_find_takes_a_number_or_a_part_of_the_name(patched: Fork) -> None:
    for word in ("2", "02", "hook", "0002-hooks"):
        assert patched.series.find(word).name == "0002-hooks"
    with pytest.raises(Refusal, match="'o' means more than one patch:\n  0001-errors\n  0002-hooks"):
        patched.series.find("o")
    with pytest.raises(Refusal, match="'poll' means no patch:\n  0001-errors"):
        patched.series.find("poll")
