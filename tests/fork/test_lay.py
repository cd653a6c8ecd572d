"""Laying makes the tree the composed one and never touches an edit that is in no patch."""

from __future__ import annotations

import pytest

from forktools import Refusal, lay
from tests.fork.support import OWN, CLIENT, MODELS, VERSION, UPSTREAM, Fork, install


def test_lay_empty_tree_writes_everything(fork: Fork) -> None:
    done = fork.lay()
    assert set(done.written) == set(fork.upstream().files)
    assert fork.read(CLIENT) == UPSTREAM["openai/client.py"]


def test_lay_twice_writes_nothing(patched: Fork) -> None:
    patched.lay()
    before = patched.snapshot()
    assert patched.lay() == lay.Laid()
    assert patched.snapshot() == before


def test_lay_missing_file_is_laid_anew(patched: Fork) -> None:
    expected = patched.read(CLIENT)
    (patched.root / CLIENT).unlink()
    assert patched.lay().written == [CLIENT]
    assert patched.read(CLIENT) == expected


def test_lay_pristine_tree_without_manifest_gets_the_series(patched: Fork) -> None:
    (patched.root / lay.MANIFEST).unlink()
    patched.write(CLIENT, UPSTREAM["openai/client.py"])
    assert patched.lay().written == [CLIENT]
    assert "hook\n" in patched.read(CLIENT)


@pytest.mark.parametrize("manifest", [True, False], ids=["recorded", "not recorded"])
def test_lay_edited_file_refuses_names_it_and_writes_nothing(patched: Fork, manifest: bool) -> None:
    if not manifest:
        (patched.root / lay.MANIFEST).unlink()
    (patched.root / MODELS).unlink()
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    before = patched.snapshot()
    with pytest.raises(Refusal, match=f"^{CLIENT}: edited, and the edit is in no patch; nothing was laid"):
        patched.lay()
    assert patched.snapshot() == before


def test_lay_every_edited_file_is_named(patched: Fork) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.edit(MODELS, "Model", "Models")
    with pytest.raises(Refusal, match=f"^{CLIENT}, {MODELS}: edited"):
        patched.lay()


def test_lay_file_put_back_to_upstream_is_an_edit_too(patched: Fork) -> None:
    patched.write(CLIENT, UPSTREAM["openai/client.py"])
    with pytest.raises(Refusal, match=f"^{CLIENT}: edited"):
        patched.lay()


def test_lay_keep_edits_leaves_the_edit_and_lays_the_rest(patched: Fork) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    edited = patched.read(CLIENT)
    (patched.root / MODELS).unlink()
    done = patched.lay(keep_edits=True)
    assert (done.kept, done.written) == ([CLIENT], [MODELS])
    assert patched.read(CLIENT) == edited


def test_lay_keep_edits_does_not_make_the_edit_count_as_laid(patched: Fork) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    patched.lay(keep_edits=True)
    with pytest.raises(Refusal, match=f"^{CLIENT}: edited"):
        patched.lay()


def test_lay_keep_edits_with_something_new_for_the_file_refuses(patched: Fork) -> None:
    older = patched.snapshot()
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    assert patched.refresh() == 0
    patched.edit(CLIENT, "line 12\n", "line twelve\n")
    for path in ("patches/0002-hooks.patch", "patches/SHA256SUMS"):  # the series as it was before
        patched.write(path, older[path].decode())
    before = patched.snapshot()
    with pytest.raises(Refusal, match=f"^{CLIENT}: edited"):
        patched.lay(keep_edits=True)
    assert patched.snapshot() == before


def test_lay_after_refresh_goes_on_working(patched: Fork) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    assert patched.refresh() == 0
    assert patched.lay() == lay.Laid()
    assert "line nine\n" in patched.read(CLIENT)


def test_lay_older_series_after_refresh_takes_the_recorded_edit_back(patched: Fork) -> None:
    older = patched.snapshot()
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    assert patched.refresh() == 0
    for path in ("patches/0002-hooks.patch", "patches/SHA256SUMS"):
        patched.write(path, older[path].decode())
    assert patched.lay().written == [CLIENT]
    assert patched.read(CLIENT).encode() == older[CLIENT]


def test_lay_other_pin_replaces_and_removes_what_was_laid(fork: Fork) -> None:
    fork.lay()
    newer = {**UPSTREAM, "openai/client.py": "all new\n", "openai/fresh.py": "fresh\n"}
    del newer["openai/models.py"]
    install(fork.root / ".upstream" / "1.3.0", newer, "1.3.0")
    fork.series(upstream="1.3.0")
    done = fork.lay()
    assert (done.written, done.removed) == ([CLIENT, "src/openai/fresh.py"], [MODELS])
    assert fork.read(CLIENT) == "all new\n"
    assert not (fork.root / MODELS).exists()


def test_lay_other_pin_without_an_edited_file_refuses(fork: Fork) -> None:
    fork.lay()
    fork.edit(MODELS, "Model", "Models")
    newer = {path: text for path, text in UPSTREAM.items() if path != "openai/models.py"}
    install(fork.root / ".upstream" / "1.3.0", newer, "1.3.0")
    fork.series(upstream="1.3.0")
    with pytest.raises(Refusal, match=f"^{MODELS}: edited"):
        fork.lay()
    assert "Models" in fork.read(MODELS)


def test_lay_own_and_unknown_files_are_not_touched(patched: Fork) -> None:
    patched.write(OWN, "changed at will\n")
    patched.write("src/openai/notes.txt", "mine\n")
    assert patched.lay() == lay.Laid()
    assert patched.read(OWN) == "changed at will\n"
    assert patched.read("src/openai/notes.txt") == "mine\n"


def test_lay_unreadable_manifest_refuses(patched: Fork) -> None:
    patched.write(lay.MANIFEST, "{")
    with pytest.raises(Refusal, match=".laid.json cannot be read"):
        patched.lay()


def test_main_edited_file_exits_1_and_names_it(patched: Fork, capsys: pytest.CaptureFixture[str]) -> None:
    patched.edit(CLIENT, "line 9\n", "line nine\n")
    assert lay.main([], patched.root) == 1
    assert f"lay: {CLIENT}: edited" in capsys.readouterr().err
    assert lay.main(["--keep-edits"], patched.root) == 0
    assert f"lay: edited, and in no patch yet: {CLIENT}" in capsys.readouterr().err
    assert VERSION in patched.read(lay.MANIFEST)
