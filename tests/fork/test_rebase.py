"""The series goes to another release whole, or the repository stays as it was to the byte."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any, Mapping
from pathlib import Path

import pytest

from forktools import ROOT, pin, tree, walk, rebase, compose
from forktools.series import Series
from tests.fork.support import OWN, TEST, CLIENT, MODELS, VERSION, UPSTREAM, Fork, release

NEWER = "1.3.0"


class Stand:
    """Is there for the tests that travel, and for uv: says whether they are good, and keeps what it was shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.good = True
        self.seen: list[tuple[str, str, str]] = []

        def run(place: walk.Bench, _: str, checks: walk.Checks) -> bool:
            client, conftest = ((place.git.folder / path).read_text() for path in (CLIENT, "tests/conftest.py"))
            (command,) = checks.values()
            self.seen.append((client, conftest, command[-1]))
            return self.good

        def constraints(_: str, new: pin.Pin) -> str:
            return f"openai=={new.upstream}\n"

        monkeypatch.setattr(walk.Bench, "run", run)
        monkeypatch.setattr(rebase, "constraints", constraints)


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    return Stand(monkeypatch)


@pytest.fixture
def repository(patched: Fork, stand: Stand) -> Fork:
    """A fork in a git repository, with what names the release."""
    assert not stand.seen
    patched.write("README.md", f"For openai {VERSION}.\nNot for 1.2.01.\n")
    patched.write(".gitignore", "/.upstream/\n/.series.git/\n/helpers.md\n/api.md\n/src/openai/*\n!/src/openai/lib/\n")
    patched.write(rebase.CONSTRAINTS, f"openai=={VERSION}\n")
    subprocess.run(["git", "init", "--quiet"], cwd=patched.root, check=True)
    return patched


def newer(fork: Fork, **changes: str | None) -> None:
    """Makes another release available; `changes` names its files by their stem, None removes one."""
    changed = {f"openai/{name}.py": text for name, text in changes.items()}
    files = {path: text for path, text in {**UPSTREAM, **changed}.items() if text is not None}
    release(fork.root, files, NEWER, **{"tests/conftest.py": "# theirs\n"})


def client(*, above: str = "", third: str = "line 3\n", last: str = "line 30\n") -> str:
    """The client of another release."""
    return above + UPSTREAM["openai/client.py"].replace("line 3\n", third).replace("line 30\n", last)


def test_rebase_rewrites_everything_and_lays_the_tree_and_back(
    repository: Fork, stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.edit("pyproject.toml", "revision = 7", "revision = 1")
    assert repository.refresh() == 0
    before, tip = repository.snapshot(), repository.series.tip()
    newer(repository, client=client(above="new\n" * 5, last="line 30\nline 31\n"), fresh="fresh\n")
    assert repository.rebase(NEWER) == 0
    merged = client(above="new\n" * 5, third="line 3\nhook\n", last="line 30\nline 31\n")
    merged = merged.replace("line 20\n", "line twenty\n")
    assert (repository.read(CLIENT), repository.read("src/openai/fresh.py")) == (merged, "fresh\n")
    assert stand.seen == [(merged, "# theirs\n", TEST)]
    assert pin.load(repository.root) == pin.Pin(NEWER, 1)
    assert repository.read(compose.NOTICE).startswith("openai 1.3.0.0+background.1\n")
    assert repository.compose().files[CLIENT].decode() == merged
    assert repository.refresh("--check") == 0
    said = capsys.readouterr().out
    assert "[x] 2 patches rebased from 1.2.0 to 1.3.0\n" in said
    assert "[ ] 1.2.0 is still written in README.md:1\n" in said
    assert repository.read(rebase.CONSTRAINTS) == f"openai=={NEWER}\n"

    release(repository.root, UPSTREAM, VERSION, **{"tests/conftest.py": ""})
    assert repository.rebase(VERSION) == 0
    assert (repository.snapshot(), repository.series.tip()) == (before, tip)


def test_rebase_conflict_changes_nothing_and_is_mended_with_git(
    repository: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    newer(repository, client=client(third="line three\n"))
    before = repository.snapshot()
    for arguments in ((NEWER,), ("--continue",)):
        assert repository.rebase(*arguments) == 1
        error = capsys.readouterr().err
        assert f"both modified:   {CLIENT}" in error and "then scripts/rebase --continue" in error
    for command, argument in ((repository.refresh, ""), (repository.refresh, "--abort"), (repository.rebase, "1.4.0")):
        assert command(*argument.split()) == 1
        assert "a rebase is under way" in capsys.readouterr().err
    assert repository.snapshot() == before
    merged = client(third="line three\nhook\n").replace("line 20\n", "line twenty\n")
    repository.mend(CLIENT, merged)
    repository.edit(MODELS, "class Model:\n", "class Model:  # an edit that does not collide\n")
    assert repository.rebase("--continue") == 0
    assert repository.read(CLIENT) == merged
    assert "an edit that does not collide" in repository.read(MODELS)
    assert repository.refresh() == 0
    assert repository.refresh("--check") == 0


def test_rebase_given_up_leaves_everything_as_it_was(repository: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    newer(repository, client=client(third="line three\n"), models=None)
    before, tip = repository.snapshot(), repository.series.tip()
    assert repository.rebase(NEWER) == 1
    assert f"deleted by us:   {MODELS}" in capsys.readouterr().err
    repository.work("rebase", "--abort")
    assert repository.rebase("--continue") == 1
    assert "the rebase was given up" in capsys.readouterr().err
    assert repository.rebase("--abort") == 0
    assert (repository.snapshot(), repository.series.tip()) == (before, tip)
    assert repository.refresh("--check") == 0


def test_rebase_onto_a_release_that_has_a_patch_says_that_it_is_gone(
    repository: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    newer(repository, client=repository.read(CLIENT), models=repository.read(MODELS))
    assert repository.rebase(NEWER) == 0
    assert "the release has it or the rebase dropped it: 0002-hooks" in capsys.readouterr().out
    assert repository.names() == ["0001-errors.patch"]


def test_rebase_failing_test_changes_nothing_and_the_mended_commits_are_taken(
    repository: Fork, stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    newer(repository)
    before, stand.good = repository.snapshot(), False
    assert repository.rebase(NEWER) == 1
    assert "tests fail. Mend the commits in .upstream/work" in capsys.readouterr().err
    assert repository.snapshot() == before
    (repository.root / pin.CACHE / "work" / OWN).write_text("class Mended(Exception): ...\n")
    fixed = repository.work("log", "--format=%H", "--grep=feat: errors", "HEAD").strip()
    repository.work("commit", "--quiet", "--all", f"--fixup={fixed}")
    repository.work("rebase", "--interactive", "--autosquash", f"{fixed}^")
    stand.good = True
    assert repository.rebase("--continue") == 0
    assert "Mended" in repository.read(OWN) and "Mended" in repository.patch("errors")
    assert repository.refresh("--check") == 0


def test_rebase_edit_that_is_in_no_patch_refuses_before_anything(
    repository: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    newer(repository)
    repository.edit(CLIENT, "line 9\n", "line nine\n")
    before = repository.snapshot()
    assert repository.rebase(NEWER) == 1
    assert f"{CLIENT}: differs from the commits. Run scripts/refresh first" in capsys.readouterr().err
    assert repository.snapshot() == before
    for argument, says in ((VERSION, f"made for {VERSION} already"), ("--continue", "no rebase is under way")):
        assert repository.rebase(argument) == 1
        assert says in capsys.readouterr().err


def test_rebase_interrupted_while_installing_puts_everything_back(
    repository: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(repository, client=client(above="new\n"), fresh="fresh\n")
    before, point = repository.snapshot(), Series.point

    def interrupted(self: Series, refs: Mapping[str, str]) -> Any:
        if len(refs) == 3:
            raise KeyboardInterrupt
        return point(self, refs)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Series, "point", interrupted)
        repository.rebase(NEWER)
    assert repository.snapshot() == before
    assert repository.rebase("--continue") == 0
    assert repository.refresh("--check") == 0


def test_at_most_six_lines_besides_the_pin_name_the_release() -> None:
    lines = rebase.mentions(ROOT, pin.load(ROOT).upstream)
    assert len([line for line in lines if not line.startswith("pyproject.toml:")]) <= 6, lines


@pytest.mark.slow
@pytest.mark.install
def test_rebase_this_repository_goes_to_3_55_0_and_back_without_a_hand(tmp_path: Path) -> None:
    for path in tree.listed(ROOT):
        if (ROOT / path).is_file() or (ROOT / path).is_symlink():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, tmp_path / path, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    here = Fork.at(tmp_path)
    pinned = pin.load(tmp_path)
    assert here.lay() == 0
    before = here.snapshot()
    for version in ("3.55.0", pinned.upstream):
        assert here.rebase(version) == 0
        assert here.refresh("--check") == 0
    changed = {path for path, text in here.snapshot().items() if before.get(path) != text and "__pycache__" not in path}
    assert changed <= ({"pyproject.toml", compose.NOTICE} if pinned.revision > 1 else set())


@pytest.mark.install
def test_constraints_of_the_pinned_release_are_those_in_the_repository() -> None:
    present = (ROOT / rebase.CONSTRAINTS).read_text(encoding="utf-8")
    assert rebase.constraints(present, pin.load(ROOT)) == present
