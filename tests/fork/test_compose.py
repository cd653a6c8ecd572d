"""Pin and patches give just the recorded files, and a version that stands for its release; test_tampering refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from packaging.version import Version
from packaging.specifiers import SpecifierSet

from forktools import ROOT, Refusal, pin, compose
from tests.fork.support import OWN, CLIENT, MODELS, PROJECT, VERSION, UPSTREAM, Fork


def test_load_and_written_know_the_one_place(tmp_path: Path) -> None:
    (tmp_path / pin.PYPROJECT).write_text(PROJECT)
    assert pin.load(tmp_path) == pin.Pin(VERSION, 7)
    assert pin.load_record(tmp_path) in PROJECT
    (tmp_path / pin.PYPROJECT).write_text(pin.Pin("1.3.0", 1).written(PROJECT, "0" * 64))
    assert pin.load(tmp_path) == pin.Pin("1.3.0", 1)
    assert pin.load_record(tmp_path) == "0" * 64


def test_version_is_in_its_normal_form_after_the_release_and_satisfies_what_that_satisfies() -> None:
    text = pin.Pin("1.2.0", 2).version
    assert text == str(Version(text)) == "1.2.0.0+background.2"
    assert Version("1.2.0") < Version(pin.Pin("1.2.0", 1).version) < Version(text) < Version("1.2.1")
    for wanted in ("==1.2.0", "~=1.2", ">=1.2", ">=1.2.0", "<2", "==1.2.*"):
        assert SpecifierSet(wanted).contains(text)


def test_find_nothing_installed_refuses(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="^no openai distribution is installed here"):
        pin.find(VERSION, [tmp_path])


def test_cached_other_than_recorded_refuses_and_says_how_to_fetch_it_anew(fork: Fork) -> None:
    with open(fork.root / pin.CACHE / VERSION / "openai/py.typed", "a") as file:
        file.write("#\n")
    with pytest.raises(Refusal, match=r"^\.upstream/1\.2\.0 is no good, remove it .*: openai/py.typed of .* not match"):
        fork.upstream()


def test_compose_empty_series_is_upstream(fork: Fork) -> None:
    composed = fork.compose()
    assert composed.files == {f"src/{path}": text.encode() for path, text in UPSTREAM.items()}
    assert composed.changed == ()


def test_compose_changes_only_the_files_of_the_patches_and_needs_nothing_of_the_tree(patched: Fork) -> None:
    shutil.rmtree(patched.root / "src")
    shutil.rmtree(patched.root / ".series.git")
    composed, upstream = patched.compose(), patched.upstream()
    assert composed.changed == (CLIENT, OWN, MODELS)
    assert b"line 3\nhook\n" in composed.files[CLIENT] and b"line twenty\n" in composed.files[CLIENT]
    assert {path for path, data in composed.files.items() if data != upstream.files.get(path)} == {CLIENT, MODELS, OWN}
    notice = patched.read(compose.NOTICE)
    assert notice.endswith("\n\n  openai/client.py  (changed)\n  openai/models.py  (changed)\n")


def test_compose_this_repository_gives_the_recorded_files() -> None:
    upstream = pin.cached(ROOT, pin.load(ROOT).upstream)
    composed = compose.compose(ROOT, upstream)
    assert len(upstream.files) > 2000
    assert f'__version__ = "{upstream.version}"' in upstream.files["src/openai/_version.py"].decode()
    assert set(composed.changed) == set(compose.read_sums(ROOT))
    assert all(composed.files[path] == upstream.files[path] for path in set(upstream.files) - set(composed.changed))


def test_lay_missing_writes_what_is_missing_and_nothing_else(patched: Fork) -> None:
    before, composed = patched.snapshot(), patched.compose()
    (patched.root / CLIENT).unlink()
    (patched.root / OWN).unlink()
    compose.lay_missing(patched.root, composed, keep_edits=False)
    assert patched.snapshot() == before
    patched.edit(MODELS, "False", "True")
    (patched.root / CLIENT).unlink()
    before = patched.snapshot()
    with pytest.raises(Refusal, match=f"^{MODELS}: not what pin and patches make of it, so nothing was laid"):
        compose.lay_missing(patched.root, composed, keep_edits=False)
    assert patched.snapshot() == before
    compose.lay_missing(patched.root, composed, keep_edits=True)
    assert patched.snapshot() == before | {CLIENT: composed.files[CLIENT]}


# Lines with whatever could be taken for a part of a diff or for a line end.
_LINE = st.sampled_from(
    ["", "a", "b", " a", "-- a", "++ b", "@@ -1 +1 @@", "\\ No newline", "a\r", "x\x0cy", "p\u2028q"]
)


@st.composite
def _texts(draw: st.DrawFn) -> str:
    return "\n".join(draw(st.lists(_LINE, max_size=12))) + draw(st.sampled_from(["", "\n", "\n\n"]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=_texts(), after=_texts())
def test_apply_what_git_wrote_gives_the_tree_again(patched: Fork, before: str, after: str) -> None:
    if before == after:
        return
    patched.write(CLIENT, after)
    series = patched.series
    commit = series.git.ask("commit-tree", series.tree(), "-p", "upstream", "-m", "feat: x")
    # The release with `before` as its file, and then the edit.
    patched.write(CLIENT, before)
    base = series.git.ask("commit-tree", series.tree(), "-m", "openai")
    tip = series.git.ask("commit-tree", f"{commit}^{{tree}}", "-p", base, "-m", "feat: x")
    patches = {name: text.decode() for name, text in series.mails(base, tip).items()}
    assert compose.apply_series(patches, {CLIENT: before.encode()}) == {CLIENT: after.encode()}
