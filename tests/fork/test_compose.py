"""Hunks go exactly where they say, every result is the recorded one, and whatever else comes is refused."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from forktools import ROOT, Refusal, pin, compose
from tests.fork.support import OWN, CLIENT, MODELS, Fork

HOOKS = "patches/0002-hooks.patch"


def test_compose_empty_series_is_upstream(fork: Fork) -> None:
    composed = fork.compose()
    assert composed.files == fork.upstream().files
    assert composed.changed == ()


def test_compose_two_patches_changes_only_their_files(patched: Fork) -> None:
    composed, upstream = patched.compose(), patched.upstream()
    assert composed.changed == (CLIENT, OWN, MODELS)
    assert b"line 3\nhook\n" in composed.files[CLIENT]
    assert b"line twenty\n" in composed.files[CLIENT]
    assert {path for path in composed.files if composed.files[path] != upstream.files.get(path)} == {
        CLIENT,
        MODELS,
        OWN,
    }
    assert [path for path, _ in composed.package()] == sorted(path[len("src/") :] for path in composed.files)


def test_compose_needs_nothing_of_the_tree_but_patches_and_sums(patched: Fork) -> None:
    before = patched.compose()
    shutil.rmtree(patched.root / "src")
    shutil.rmtree(patched.root / ".series.git")
    assert patched.compose() == before


def test_check_own_file_that_is_in_no_patch_refuses_and_names_it(patched: Fork) -> None:
    patched.write(CLIENT, "of another branch, and not committed\n")
    compose.check_own(patched.root, patched.compose(), patched.upstream())
    patched.write(OWN, "x = 1\n")
    patched.write("src/openai/lib/background/_new.py", "")
    with pytest.raises(Refusal, match="^src/openai/lib/background/_new.py: in no patch; scripts/refresh"):
        compose.check_own(patched.root, patched.compose(), patched.upstream())
    (patched.root / "src/openai/lib/background/_new.py").unlink()
    with pytest.raises(Refusal, match=rf"^{OWN}: edited, and the edit is in no patch"):
        compose.check_own(patched.root, patched.compose(), patched.upstream())


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


def test_compose_this_repository_gives_the_recorded_files() -> None:
    upstream = pin.cached(ROOT, pin.load(ROOT).upstream)
    composed = compose.compose(ROOT, upstream)
    assert set(composed.changed) == set(compose.read_sums(ROOT))
    assert all(composed.files[path] == upstream.files[path] for path in set(upstream.files) - set(composed.changed))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(" line 2\n", " line two\n", id="context"),
        pytest.param(" line 2\n", " line 2 \n", id="trailing space"),
        pytest.param(" line 2\n", " line 2\r\n", id="line end"),
        pytest.param("-line 20\n", "-line 2O\n", id="removed line"),
        pytest.param("@@ -1,6 +1,7 @@", "@@ -2,6 +2,7 @@", id="offset"),
        pytest.param("@@ -1,6 +1,7 @@", "@@ -1,6 +2,7 @@", id="target line"),
        pytest.param("@@ -17,7 +18,7 @@", "@@ -17,7 +17,7 @@", id="target line of a later hunk"),
    ],
)
def test_compose_hunk_that_does_not_fit_refuses(patched: Fork, old: str, new: str) -> None:
    patched.edit(HOOKS, old, new)
    with pytest.raises(Refusal, match=rf"^0002-hooks.patch does not apply exactly to {CLIENT}: the hunk for line \d+"):
        patched.compose()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("@@ -1,6 +1,7 @@", "@@ -1,6 +1,8 @@", id="short"),
        pytest.param("@@ -1,6 +1,7 @@", "@@ -1,6 +1,6 @@", id="long"),
        pytest.param(" line 2\n", "line 2\n", id="no marker"),
    ],
)
def test_compose_malformed_hunk_refuses(patched: Fork, old: str, new: str) -> None:
    patched.edit(HOOKS, old, new)
    with pytest.raises(Refusal, match="^0002-hooks.patch cannot be read as a patch"):
        patched.compose()


def test_compose_applied_twice_refuses(patched: Fork) -> None:
    text = patched.read(HOOKS)
    upstream = patched.upstream()
    once = compose.apply_series({"a.patch": text}, upstream.files)
    with pytest.raises(Refusal, match="does not apply exactly"):
        compose.apply_series({"a.patch": text}, {**upstream.files, **once})


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("deleted file mode 100644\n--- a/{0}\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-class Model:\n-    pass\n", "else"),
        ("similarity index 100%\nrename from {0}\nrename to src/openai/other.py\n", "something else"),
        ("old mode 100644\nnew mode 100755\n", "something else"),
        ("Binary files a/{0} and b/{0} differ\n", "something else"),
        ("new file mode 100644\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+x\n", "adds {0}, which already exists"),
    ],
)
def test_compose_other_than_changed_lines_refuses(fork: Fork, section: str, says: str) -> None:
    text = f"diff --git a/{MODELS} b/{MODELS}\n" + section.format(MODELS)
    with pytest.raises(Refusal, match=says.format(MODELS)):
        compose.apply_series({"a.patch": text}, fork.upstream().files)


def test_compose_patch_for_a_missing_file_refuses(fork: Fork) -> None:
    text = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-x\n+y\n".format("src/openai/gone.py")
    with pytest.raises(Refusal, match="changes src/openai/gone.py, which does not exist"):
        compose.apply_series({"a.patch": text}, fork.upstream().files)


def test_compose_no_diff_refuses(fork: Fork) -> None:
    with pytest.raises(Refusal, match="^a.patch holds no diff"):
        compose.apply_series({"a.patch": "Subject: nothing\n"}, fork.upstream().files)


def test_compose_result_other_than_recorded_refuses(patched: Fork) -> None:
    patched.edit(HOOKS, "+hook\n", "+hock\n")
    with pytest.raises(Refusal, match=rf"^{CLIENT} is not the recorded one after the series: its SHA-256 differs"):
        patched.compose()


def test_compose_result_without_sum_refuses(patched: Fork) -> None:
    lines = patched.read(compose.SUMS).splitlines(keepends=True)
    patched.write(compose.SUMS, lines[0])
    with pytest.raises(Refusal, match=f"changes {OWN}, for which patches/SHA256SUMS records no SHA-256"):
        patched.compose()


def test_compose_sum_without_result_refuses(patched: Fork) -> None:
    patched.write(compose.SUMS, patched.read(compose.SUMS) + "0" * 64 + "  src/openai/py.typed\n")
    with pytest.raises(Refusal, match="src/openai/py.typed, which the series does not change"):
        patched.compose()


def test_compose_malformed_sum_refuses(patched: Fork) -> None:
    patched.write(compose.SUMS, "abc  src/openai/client.py\n")
    with pytest.raises(Refusal, match="has a line that is not a SHA-256 and a path"):
        patched.compose()


def test_compose_without_sums_refuses(patched: Fork) -> None:
    (patched.root / compose.SUMS).unlink()
    with pytest.raises(Refusal, match="patches/SHA256SUMS is missing"):
        patched.compose()


def test_compose_patch_missing_refuses_and_names_what_it_gives(patched: Fork) -> None:
    (patched.root / HOOKS).unlink()
    with pytest.raises(Refusal, match=f"records a SHA-256 for {CLIENT}, which the series does not change"):
        patched.compose()


def test_notice_names_every_changed_file(patched: Fork) -> None:
    notice = patched.read(compose.NOTICE)
    assert "openai/client.py  (changed)" in notice
    assert "openai/models.py  (changed)" in notice
    assert "openai/__init__.py" not in notice


def test_check_notice_other_licence_refuses(patched: Fork) -> None:
    patched.write("LICENSE", "Keep out.\n")
    with pytest.raises(Refusal, match="LICENSE is not the licence that openai 1.2.0 carries"):
        compose.check_notice(patched.root, pin.load(patched.root), patched.compose(), patched.upstream())


def test_check_notice_that_misses_a_file_refuses(patched: Fork) -> None:
    patched.write("LICENSE", "Do as you please.\n")
    compose.check_notice(patched.root, pin.load(patched.root), patched.compose(), patched.upstream())
    patched.edit(compose.NOTICE, "  openai/models.py  (changed)\n", "")
    with pytest.raises(Refusal, match="NOTICE does not name the changed files"):
        compose.check_notice(patched.root, pin.load(patched.root), patched.compose(), patched.upstream())


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
