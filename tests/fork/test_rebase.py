"""The series goes to another release whole, or the repository stays as it was to the byte."""

from __future__ import annotations

import shutil
import subprocess
from typing import Mapping
from pathlib import Path

import pytest

from forktools import ROOT, lay, pin, tree, rebase, compose
from tests.fork.support import OWN, CLIENT, MODELS, VERSION, UPSTREAM, Fork, row, install

NEWER = "1.3.0"
DRIFT = f"{rebase.DRIFT}::test_rows"


class Candidate:
    """Stands in for pytest in the candidate: gives `outcomes`, and keeps what it was shown."""

    def __init__(self, **outcomes: str) -> None:
        self.outcomes = {DRIFT: "passed", **outcomes}
        self.seen: list[dict[str, str]] = []

    def __call__(self, candidate: Path) -> Mapping[str, str]:
        self.seen.append({path: (candidate / path).read_text() for path in (CLIENT, OWN)})
        return self.outcomes


@pytest.fixture
def repository(patched: Fork) -> Fork:
    """A refreshed fork in a git repository, with everything that a rebase rewrites."""
    patched.write("pyproject.toml", f'[build-system]\nrequires = ["openai=={VERSION}"]\n[project]\n')
    patched.write("requirements/dev.txt", "pytest==9.2.0  # tests\nhttpx2==2.14.0  # upstream's\n")
    patched.write("LICENSE", "Do as you please.\n")
    patched.write("README.md", f"For openai {VERSION}.\nNot for 1.2.01.\n")
    patched.write(".gitignore", "/.upstream/\n/.laid.json\n/src/openai/*\n!/src/openai/lib/\n")
    subprocess.run(["git", "init", "--quiet"], cwd=patched.root, check=True)
    return patched


def release(fork: Fork, version: str = NEWER, *, metadata: str = "", **changes: str | None) -> None:
    """Makes another release available; `changes` names its files by their stem, None removes one."""
    files = dict(UPSTREAM)
    for name, text in changes.items():
        path = f"openai/{name}.py"
        if text is None:
            del files[path]
        else:
            files[path] = text
    folder = install(fork.root / pin.CACHE / version, files, version)
    info = folder / f"openai-{version}.dist-info"
    old = (info / "METADATA").read_bytes()
    (info / "METADATA").write_bytes(new := old + metadata.encode())
    name = f"{info.name}/METADATA"
    (info / "RECORD").write_text((info / "RECORD").read_text().replace(row(name, old), row(name, new)))


def client(*, above: str = "", third: str = "line 3\n", last: str = "line 30\n") -> str:
    """The client of another release."""
    return above + UPSTREAM["openai/client.py"].replace("line 3\n", third).replace("line 30\n", last)


def state_of(fork: Fork) -> dict[str, bytes]:
    """Every file but what is kept below .upstream/ and git's own."""
    return {path: text for path, text in fork.snapshot().items() if not path.startswith((".upstream/", ".git/"))}


def run(fork: Fork, *arguments: str, tests: Candidate | None = None) -> int:
    return rebase.main(list(arguments), fork.root, tests or Candidate())


def test_rebase_release_with_moved_lines_rewrites_everything_and_lays_the_tree(
    repository: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    release(repository, client=client(above="new\n" * 5, last="line 30\nline 31\n"), fresh="fresh\n")
    tests = Candidate()
    assert run(repository, NEWER, tests=tests) == 0
    assert repository.read(CLIENT) == "new\n" * 5 + client(third="line 3\nhook\n", last="line 30\nline 31\n").replace(
        "line 20\n", "line twenty\n"
    )
    assert tests.seen == [{CLIENT: repository.read(CLIENT), OWN: repository.read(OWN)}]
    assert repository.read("src/openai/fresh.py") == "fresh\n"
    plan = repository.load()
    assert (plan.upstream, plan.revision) == (NEWER, 1)
    assert f'"openai=={NEWER}"' in repository.read("pyproject.toml")
    assert repository.refresh("--check") == 0
    assert repository.lay() == lay.Laid()
    compose.check_notice(repository.root, plan, repository.compose(), repository.upstream())
    out = capsys.readouterr().out
    assert f"[x] 2 patches carried from {VERSION} to {NEWER}\n" in out
    assert f"[ ] {VERSION} is still written in README.md:1\n" in out
    assert not rebase.home(repository.root).exists()


def test_rebase_there_and_back_gives_the_same_bytes(repository: Fork) -> None:
    repository.write(
        "patches/series.toml", repository.read("patches/series.toml").replace("revision = 7", "revision = 1")
    )
    assert repository.refresh() == 0
    before = state_of(repository)
    release(
        repository, client=client(above="new\n"), models="class Other: ...\n\n\nclass Model:\n    pass\n", fresh="f\n"
    )
    assert run(repository, NEWER) == 0
    assert state_of(repository) != before
    assert run(repository, VERSION) == 0
    assert state_of(repository) == before


def test_rebase_changed_context_is_merged_three_way_and_said(
    repository: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    release(repository, client=client(above="new\n").replace("line 18\n", "line eighteen\n"))
    assert run(repository, NEWER) == 0
    assert "line eighteen\nline 19\nline twenty\n" in repository.read(CLIENT)
    assert "[x] merged three-way: 0002-hooks.patch" in capsys.readouterr().out


def test_rebase_conflict_stops_names_file_and_hunk_and_changes_nothing(
    repository: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    release(repository, client=client(third="line three\n"))
    before = state_of(repository)
    assert run(repository, NEWER) == 1
    error = capsys.readouterr().err
    assert f"0002-hooks.patch does not fit:\n{CLIENT}:3\n<<<<<<<" in error
    assert "line three\n=======\nline 3\nhook\n>>>>>>>" in error
    assert "--continue" in error
    assert state_of(repository) == before


def test_rebase_continue_after_a_mended_conflict_goes_on_to_the_end(
    repository: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    release(repository, client=client(third="line three\n"))
    assert run(repository, NEWER) == 1
    assert run(repository, "--continue") == 1, "the markers are still there"
    assert f"{CLIENT}:3\n<<<<<<<" in capsys.readouterr().err
    file = rebase.home(repository.root) / "tree" / CLIENT
    merged = client(third="line three\nhook\n").replace("line 20\n", "line twenty\n")
    file.write_text(merged)
    assert run(repository, "--continue") == 0
    assert repository.read(CLIENT) == merged
    assert "[x] mended by hand: 0002-hooks.patch" in capsys.readouterr().out
    assert repository.refresh("--check") == 0


def test_rebase_removed_file_stops_and_names_it(repository: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    release(repository, models=None)
    before = state_of(repository)
    assert run(repository, NEWER) == 1
    assert f"{MODELS}: changed by the patch, but removed" in capsys.readouterr().err
    assert state_of(repository) == before


@pytest.mark.parametrize(
    ("test", "message"),
    [(DRIFT, "the contract has drifted"), ("tests/lib/background/test_x.py::test_y", "tests fail")],
    ids=["drift", "test"],
)
def test_rebase_failing_test_changes_nothing_and_continue_takes_the_mended_candidate(
    repository: Fork, capsys: pytest.CaptureFixture[str], test: str, message: str
) -> None:
    release(repository)
    before = state_of(repository)
    assert run(repository, NEWER, tests=Candidate(**{test: "failed"})) == 1
    error = capsys.readouterr().err
    assert f"rebase: {message}" in error and test in error
    assert state_of(repository) == before
    (rebase.home(repository.root) / "candidate" / OWN).write_text("class Mended(Exception): ...\n")
    assert run(repository, "--continue") == 0
    assert repository.read(OWN) == "class Mended(Exception): ...\n"
    assert "Mended" in repository.read("patches/0001-errors.patch")
    assert repository.refresh("--check") == 0


def test_rebase_without_a_drift_check_refuses(repository: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    release(repository)
    assert run(repository, NEWER, tests=Candidate(**{DRIFT: "passed"})) == 0
    tests = Candidate()
    tests.outcomes = {"tests/lib/background/test_x.py::test_y": "passed"}
    assert run(repository, VERSION, tests=tests) == 1
    assert f"{rebase.DRIFT} has no test" in capsys.readouterr().err


def test_rebase_unmet_requirement_refuses_and_names_the_pin(
    repository: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    release(repository, metadata="Requires-Dist: HTTPX2>=3\nRequires-Dist: pytest>=9\nRequires-Dist: anyio>=4\n")
    before = state_of(repository)
    assert run(repository, NEWER) == 1
    assert "requires HTTPX2 >=3, but it is pinned to 2.14.0. Raise the pin" in capsys.readouterr().err
    assert state_of(repository) == before


def test_rebase_edit_that_is_in_no_patch_refuses_before_anything(
    repository: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    release(repository)
    repository.edit(CLIENT, "line 9\n", "line nine\n")
    before = state_of(repository)
    assert run(repository, NEWER) == 1
    assert "0002-hooks.patch: differs from the tree" in (error := capsys.readouterr().err)
    assert "Run scripts/refresh first" in error
    assert state_of(repository) == before
    assert not rebase.home(repository.root).exists()


def test_rebase_repository_that_changed_meanwhile_refuses_and_keeps_the_change(
    repository: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    release(repository, client=client(third="line three\n"))
    assert run(repository, NEWER) == 1
    repository.write("README.md", "edited meanwhile\n")
    before = state_of(repository)
    (rebase.home(repository.root) / "tree" / CLIENT).write_text(client(third="line three\nhook\n"))
    assert run(repository, "--continue") == 1
    assert "README.md: changed since the rebase began, so nothing was written" in capsys.readouterr().err
    assert state_of(repository) == before


def test_rebase_interrupted_while_installing_puts_everything_back(
    repository: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(repository, client=client(above="new\n"))
    before = state_of(repository)
    real, calls = lay.lay, list[int]()

    def interrupted(*arguments: object, **options: bool) -> lay.Laid:
        calls.append(1)
        done = real(*arguments, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
        if len(calls) == 1:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr("forktools.transplant.lay.lay", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(repository, NEWER)
    assert state_of(repository) == before


def test_rebase_abort_forgets_and_another_may_begin(repository: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    release(repository, client=client(third="line three\n"))
    before = state_of(repository)
    assert run(repository, NEWER) == 1
    assert run(repository, NEWER) == 1
    assert f"a rebase to {NEWER} is under way" in capsys.readouterr().err
    assert run(repository, "--abort") == 0
    assert state_of(repository) == before
    release(repository, "1.4.0")
    assert run(repository, "1.4.0") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([VERSION], f"made for {VERSION} already"), (["--continue"], "no rebase is under way")],
)
def test_rebase_with_nothing_to_do_refuses(
    repository: Fork, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state_of(repository)
    assert run(repository, *arguments) == 1
    assert message in capsys.readouterr().err
    assert state_of(repository) == before


@pytest.mark.slow
@pytest.mark.install
def test_rebase_this_repository_goes_to_3_53_0_and_back_without_a_hand(tmp_path: Path) -> None:
    for path in tree.listed(ROOT):
        if (ROOT / path).is_file() or (ROOT / path).is_symlink():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, tmp_path / path, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    here = Fork.__new__(Fork)  # without the small upstream that its initializer installs
    here.root = tmp_path
    (tmp_path / pin.CACHE).mkdir()
    plan = here.load()
    if (ROOT / pin.CACHE / plan.upstream).is_dir():
        shutil.copytree(ROOT / pin.CACHE / plan.upstream, tmp_path / pin.CACHE / plan.upstream)
    here.lay()
    before = state_of(here)
    assert rebase.main(["3.53.0"], tmp_path) == 0
    assert here.load().version == "3.53.0+background.1"
    assert here.refresh("--check") == 0
    assert rebase.main([plan.upstream], tmp_path) == 0
    assert {path for path, text in state_of(here).items() if before.get(path) != text} <= {
        "patches/series.toml",
        "NOTICE",
    }
    assert here.refresh("--check") == 0
