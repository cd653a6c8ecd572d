"""Whatever is changed in an input of the build is refused in one sentence, in wheel, editable and sdist alike.

The hooks themselves run, on a small release; `test_install` builds for real. Each row is one thing that somebody could
do to a patch, the sums, the pin, the release in the build environment, our own package or the files beside them.
"""

from __future__ import annotations

import io
import os
import re
import sys
import shutil
import tarfile
import zipfile
from typing import Any, Callable, Iterator
from pathlib import Path

import pytest
import hatch_build

from forktools import Refusal, pin, compose
from tests.fork.support import OWN, CLIENT, MODELS, PROJECT, VERSION, Fork, row, with_two_patches

ERRORS, HOOKS = "patches/0001-errors.patch", "patches/0002-hooks.patch"
SITE = f"{pin.CACHE}/{VERSION}"
INFO = f"openai-{VERSION}.dist-info"
RECORD = f"{SITE}/{INFO}/RECORD"
METADATA = f"{SITE}/{INFO}/METADATA"
LISTED = ["LICENSE", "NOTICE", "patches/SHA256SUMS", "pyproject.toml"]
BUILDS = ("wheel", "editable", "sdist")

Tamper = Callable[[Fork], object]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Fork:
    """What a clone holds: patches, sums and our own package, with nothing laid."""
    folder = tmp_path_factory.mktemp("honest")
    for name in ("laid", "clone"):
        (folder / name).mkdir()
    return with_two_patches(Fork(folder / "laid")).clone(folder / "clone")


@pytest.fixture
def spoilt(honest: Fork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fork:
    """A copy that the test may spoil, with its release in front of everything else on the path."""
    fork = Fork.__new__(Fork)
    fork.root = tmp_path / "fork"
    shutil.copytree(honest.root, fork.root)
    monkeypatch.setattr(sys, "path", [str(fork.root / SITE), *sys.path])
    return fork


def build(fork: Fork, kind: str, files: list[str] = LISTED) -> dict[str, Any]:
    """Runs the hooks as hatchling does, up to the archive; returns what they told it, and what the archive has to hold."""
    metadata: dict[str, Any] = {}
    hatch_build.UpstreamMetadata(str(fork.root), {}).update(metadata)
    target = "sdist" if kind == "sdist" else "wheel"
    made: Any = hatch_build.ComposedPackage
    hook = made(str(fork.root), {"files": files}, None, None, str(fork.root / "dist"), target)
    data: dict[str, Any] = {"force_include": {}, "extra_metadata": {}}
    hook.initialize("editable" if kind == "editable" else "standard", data)
    written = {
        str(path.relative_to(top)): path.read_bytes()
        for top in map(Path, data["force_include"])
        for path in top.rglob("*")
        if path.is_file()
    }
    if hook._folder:
        hook._folder.cleanup()
    return {"metadata": metadata, "written": written, "holds": hook._holds}


def edit(path: str, old: str, new: str) -> Tamper:
    return lambda fork: fork.edit(path, old, new)


def append(path: str, text: str) -> Tamper:
    return lambda fork: fork.write(path, fork.read(path) + text)


def write(path: str, content: str | bytes) -> Tamper:
    return lambda fork: (
        fork.write(path, content) if isinstance(content, str) else (fork.root / path).write_bytes(content)
    )


def remove(path: str) -> Tamper:
    return lambda fork: shutil.rmtree(fork.root / path) if (fork.root / path).is_dir() else (fork.root / path).unlink()


def instead(path: str, tamper: Tamper) -> Tamper:
    """Removes the folder first."""
    return lambda fork: (remove(path)(fork), tamper(fork))


def folder(path: str) -> Tamper:
    def tamper(fork: Fork) -> None:
        (fork.root / path).unlink(missing_ok=True)
        (fork.root / path).mkdir(parents=True)

    return tamper


def link(path: str, *, whole: bool = False) -> Tamper:
    """The same content, by way of a link to outside of the repository."""

    def tamper(fork: Fork) -> None:
        place, target = fork.root / path, fork.root.parent / "elsewhere"
        if place.exists():
            place.rename(target)
        elif whole:
            target.mkdir()
        else:
            target.write_text("secret\n")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    return tamper


def section(body: str, path: str = MODELS) -> Tamper:
    """A patch with one section, with the line in the sums that goes with a file of one line."""

    def tamper(fork: Fork) -> None:
        fork.write("patches/0003-more.patch", f"Subject: x\n\ndiff --git a/{path} b/{path}\n{body.format(path)}")
        fork.write(compose.SUMS, fork.read(compose.SUMS) + f"{pin.digest(b'x' + bytes([10]))}  {path}\n")

    return tamper


def added(path: str, mode: int = 100644) -> Tamper:
    body = "new file mode {}\nindex 0000000..1111111\n--- /dev/null\n+++ b/{{0}}\n@@ -0,0 +1 @@\n+x\n"
    return section(body.format(mode), path)


def released(path: str, text: str | None, *, recorded: bool = True) -> Tamper:
    """A file of the release changed, added or removed, and its line in RECORD with it."""

    def tamper(fork: Fork) -> None:
        if text is None:
            (fork.root / SITE / path).unlink()
        else:
            fork.write(f"{SITE}/{path}", text)
        if recorded:
            kept = [line for line in fork.read(RECORD).splitlines(keepends=True) if not line.startswith(f"{path},")]
            fork.write(RECORD, "".join(kept) + (row(path, text.encode()) if text is not None else ""))

    return tamper


def rows(pattern: str, new: str) -> Tamper:
    """Another line in RECORD, with the files as they were."""
    return lambda fork: fork.write(RECORD, re.sub(pattern, new, fork.read(RECORD), flags=re.MULTILINE))


HERE = "src/openai/lib/background"
PY, SUMS = "pyproject.toml", compose.SUMS
NOT_PLAIN = "names .*, which is no plain path"
ELSE = "does something else"
INEXACT = f"^0002-hooks.patch does not apply exactly to {CLIENT}: the hunk for line"
UNENDED = "\\ No newline at end of file"
UP = ["src/openai/../../../x", "src/openai/lib/../x.py", "src/openai/./x.py", "src/openai//x.py", "tests/../../x", "/x"]
ODD = ["C:/src/openai/x.py", "src/openai/..\\..\\..\\x", "src/openai/x.", "src/openai/x y.py", "src/openai/x\x1b", "ä"]
EVIL = f"Metadata-Version: 2.4\nName: openai\nVersion: {VERSION}\nRequires-Dist: evil\n"

IN_EVERY_BUILD: list[tuple[str, Tamper, str]] = [
    # The patches
    *((f"patch for {path}", added(path), NOT_PLAIN) for path in (*UP, *ODD)),
    ("patch makes a link", added(f"{HERE}/l", 120000), ELSE),
    ("patch makes a program", added(f"{HERE}/p", 100755), ELSE),
    ("patch file below a file", added(f"{CLIENT}/x.py"), "which is a file"),
    ("patch adds what is there", added(MODELS), f"adds {MODELS}, which already exists"),
    ("patch no such file", section("--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-x\n+y\n", "src/openai/x"), "does not exist"),
    ("patch removes", section("deleted file mode 100644\n--- a/{0}\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"), ELSE),
    ("patch renames", section("similarity index 100%\nrename from {0}\nrename to src/openai/y\n"), ELSE),
    ("patch another mode", section("old mode 100644\nnew mode 100755\n"), ELSE),
    ("patch binary", section("Binary files a/{0} and b/{0} differ\n"), ELSE),
    ("patch binary, added", section("new file mode 100644\nGIT binary patch\n", "src/openai/x"), "cannot be read"),
    ("patch two names", edit(HOOKS, f"+++ b/{CLIENT}", f"+++ b/{MODELS}"), ELSE),
    ("patch old name elsewhere", edit(HOOKS, f"--- a/{CLIENT}", "--- a/x"), ELSE),
    ("patch other name at first", edit(HOOKS, f"diff --git a/{CLIENT}", f"diff --git a/{MODELS}"), ELSE),
    ("patch lines beyond the counts", edit(HOOKS, " line 6\n", " line 6\n+evil\n"), "longer"),
    ("patch removed line beyond", edit(HOOKS, " line 6\n", " line 6\n-line 7\n"), "no hunk, no file"),
    ("patch context beyond", edit(HOOKS, " line 6\n", " line 6\n line 7\n"), "longer"),
    ("patch line too few", edit(HOOKS, " line 6\n", ""), "shorter"),
    ("patch line without marker", edit(HOOKS, " line 2\n", "line 2\n"), "shorter"),
    ("patch count too low", edit(HOOKS, "-1,6 +1,7", "-1,6 +1,6"), "longer"),
    ("patch huge counts", edit(HOOKS, "-1,6", "-1,999999999"), "shorter"),
    ("patch huge digits", edit(HOOKS, "-1,6", "-1," + "9" * 5000), "no hunk is"),
    ("patch text between files", edit(HOOKS, f"diff --git a/{MODELS}", f"x\ndiff --git a/{MODELS}"), "no file"),
    ("patch text at the end", append(HOOKS, "evil\n"), "cannot be read as a patch"),
    ("patch signature that goes on", append(HOOKS, "-- \n2.39\ndiff --git a/x b/x\n"), "cannot be read"),
    ("patch hunk elsewhere", edit(HOOKS, "-1,6 +1,7", "-2,6 +2,7"), INEXACT),
    ("patch other start", edit(HOOKS, "-1,6 +1,7", "-2,6 +1,7"), INEXACT),
    ("patch other goal", edit(HOOKS, "-1,6 +1,7", "-1,6 +2,7"), INEXACT),
    ("patch other goal of a later hunk", edit(HOOKS, "-17,7 +18,7", "-17,7 +17,7"), INEXACT),
    ("patch other context", edit(HOOKS, " line 2\n", " line two\n"), INEXACT),
    ("patch space in the context", edit(HOOKS, " line 2\n", " line 2 \n"), INEXACT),
    ("patch line end in the context", edit(HOOKS, " line 2\n", " line 2\r\n"), INEXACT),
    ("patch other line removed", edit(HOOKS, "-line 20\n", "-line 2O\n"), INEXACT),
    ("patch twice", lambda f: f.write("patches/0003-hooks.patch", f.read(HOOKS)), "does not apply exactly"),
    ("patch two sections", lambda f: f.write(HOOKS, f.read(HOOKS) + diffs(f.read(HOOKS))), "two sections for"),
    ("patch end of file too early", edit(HOOKS, "+hook\n", f"+hook\n{UNENDED}\n"), "not the recorded one"),
    ("patch other line", edit(HOOKS, "+hook\n", "+hock\n"), f"^{CLIENT} is not the recorded one after the series"),
    ("patch empty", write(HOOKS, ""), "^0002-hooks.patch holds no diff"),
    ("patch gone", remove(HOOKS), f"records a SHA-256 for {CLIENT}, which the series does not change"),
    ("patch one more", write("patches/0009-x.patch", "secret\n"), "holds no diff"),
    ("patch an editor's", write("patches/.#0002-x.patch", "x"), "not named as a patch"),
    ("patches a link", link("patches", whole=True), "patches is a link"),
    # The sums
    *((f"sums {path}", append(SUMS, f"{'0' * 64}  {path}\n"), NOT_PLAIN) for path in (*UP, "scripts/x.py")),
    ("sums one more", append(SUMS, f"{'0' * 64}  src/openai/py.typed\n"), "which the series does not change"),
    ("sums one less", lambda f: f.write(SUMS, f.read(SUMS).partition("\n")[2]), "records no SHA-256"),
    ("sums no sum", append(SUMS, "abc  src/openai/client.py\n"), "a line that is not a SHA-256 and a path"),
    ("sums twice", lambda f: f.write(SUMS, f.read(SUMS) * 2), "twice"),
    ("sums other ends", lambda f: f.write(SUMS, f.read(SUMS).replace("\n", "\r\n")), "path"),
    ("sums empty", write(SUMS, ""), "records no SHA-256"),
    ("sums gone", remove(SUMS), "is missing"),
    # The pin
    *(
        (f"revision {value[:9]}", edit(PY, "revision = 7", f"revision = {value}"), "no number from 1")
        for value in ("-1", "0", "x", '"7"', "\u0667", "9" * 5000)
    ),
    ("revision gone", edit(PY, "revision = 7", ""), "0 times"),
    ("pin a path", edit(PY, f"=={VERSION}", "==../../x"), "no release of the form"),
    ("pin a range", edit(PY, f"=={VERSION}", f">={VERSION}"), "names the pinned release .*0 times"),
    ("pin twice", append(PY, f'dependencies = ["openai=={VERSION}"]\n'), "names the pinned release .*2 times"),
    ("pin another", edit(PY, f"=={VERSION}", "==1.3.0"), "holds openai 1.2.0, but the series is made for .*1.3.0"),
    ("record gone", edit(PY, "record =", "rec ="), "0 times"),
    ("record a word", write(PY, re.sub("record = .*", 'record = "x"', PROJECT)), "no SHA-256"),
    ("record another", write(PY, re.sub('rd = ".', 'rd = "z', PROJECT)), "no SHA-256"),
    # What all of these may turn into
    *((f"{path} not UTF-8", write(path, b"\xff\xfe"), f"^{path} is not UTF-8") for path in (HOOKS, SUMS, PY)),
    *((f"{path} a link", link(path), f"^{path}: .*is a link") for path in (HOOKS, SUMS, PY)),
    *((f"{path} a folder", folder(path), f"^{path} is not a file") for path in (HOOKS, SUMS, OWN)),
    # The release
    ("release gone", remove(SITE), "this fork itself|^no openai"),
    ("release another", edit(METADATA, f"Version: {VERSION}", "Version: 1.3.0"), "holds openai 1.3.0"),
    ("release file", released("openai/client.py", "x\n", recorded=False), "does not match its RECORD"),
    ("release file and row", released("openai/client.py", "x\n"), "not the pinned one"),
    ("release file more", released("openai/evil.py", "x\n"), "not the pinned one"),
    ("release file less", released("openai/py.typed", None), "not the pinned one"),
    ("release file gone", released("openai/py.typed", None, recorded=False), "cannot be read"),
    ("release row up", released("openai/../evil.py", "x\n"), "no plain path"),
    ("release row less", rows("^openai/models.py,.*\n", ""), "not the pinned one"),
    ("release row without hash", rows("^openai/models.py,.*", "openai/models.py,,"), "does not match its RECORD"),
    ("release row with another", rows("^openai/models.py,sha256=.*", "openai/models.py,md5=abc,22"), "does not match"),
    ("release row cut", rows("^openai/models.py,.*", "openai/models.py"), "does not match its RECORD"),
    ("release row twice", append(RECORD, "openai/models.py,sha256=x,22\n"), "does not match its RECORD"),
    ("release metadata", append(METADATA, "x"), "does not match its RECORD"),
    ("release METADATA and row", released(f"{INFO}/METADATA", EVIL), "not the pinned one"),
    ("release METADATA not UTF-8", write(METADATA, b"\xff"), "holds openai without a version"),
    ("release METADATA gone", remove(METADATA), "holds openai without a version"),
    ("release licence and row", released(f"{INFO}/licenses/LICENSE", "x"), "not the pinned one"),
    ("release licence gone", released(f"{INFO}/licenses/LICENSE", None), "lists no LICENSE"),
    ("release record gone", remove(RECORD), "has no RECORD"),
    ("release record not UTF-8", write(RECORD, b"\xff"), "has no RECORD"),
    # The place
    ("settings elsewhere", write("hatch.toml", ""), "^hatch.toml can turn off"),
    ("own package a link", link(HERE, whole=True), "link|in no patch"),
    ("own package a file", instead(HERE, write(HERE, "x")), "not a f|in no patch"),
]
IN_WHEEL_AND_SDIST: list[tuple[str, Tamper, str]] = [
    # Our own package in the tree
    ("own file edited", append(OWN, "# mine\n"), "the edit is in no patch"),
    *(
        (f"own {name}", write(f"{HERE}/{name}", "sk-"), f"^{HERE}/{name}: in no patch")
        for name in ("secrets.txt", "errors.py.orig", ".env", "x.pyc", "__pycache__/x.txt", "sub/x y.py")
    ),
    ("own link for a file", link(OWN), "is a link"),
    ("own link more", link(f"{HERE}/l.py"), "l.py: in no patch"),
    ("own link to a folder", link(f"{HERE}/sub", whole=True), "sub: in no patch"),
    # What stands beside it
    ("licence other", append("LICENSE", "x"), "LICENSE is not the licence"),
    ("licence gone", remove("LICENSE"), "LICENSE is missing"),
    ("licence a link", link("LICENSE"), "is a link"),
    ("licence a folder", folder("LICENSE"), "is not a file"),
    ("notice other", append("NOTICE", "x"), "NOTICE does not name"),
    ("notice not UTF-8", write("NOTICE", b"\xff"), "NOTICE does not name"),
    ("notice gone", remove("NOTICE"), "NOTICE is missing"),
]
IN_AN_EDITABLE: list[tuple[str, Tamper, str]] = [
    ("tree a link", instead("src", link("src", whole=True)), "is a link"),
    ("tree a file", instead("src", write("src", "x")), "src is not a folder"),
    ("tree a folder for a file", folder(CLIENT), "is not a file"),
    ("tree another file", write(CLIENT, "x\n"), f"^{CLIENT}: not what pin and patches make of it, so nothing was laid"),
    ("tree a link for a file", link(CLIENT), "so nothing was laid"),
]
TABLE = {BUILDS: IN_EVERY_BUILD, ("wheel", "sdist"): IN_WHEEL_AND_SDIST, ("editable",): IN_AN_EDITABLE}


def everything(folder: Path) -> dict[str, bytes | str]:
    """All that is below a folder, links as where they point to."""
    found: dict[str, bytes | str] = {}
    for where, folders, files in os.walk(folder):
        for path in (Path(where, name) for name in [*folders, *files]):
            name = str(path.relative_to(folder))
            found[name] = os.readlink(path) if path.is_symlink() else "folder" if path.is_dir() else path.read_bytes()
    return found


@pytest.mark.parametrize(
    ("kind", "tamper", "says"),
    [
        pytest.param(kind, tamper, says, id=f"{name}-{kind}")
        for kinds, table in TABLE.items()
        for name, tamper, says in table
        for kind in kinds
    ],
)
def test_tampering_is_refused_in_one_sentence_and_leaves_nothing(
    spoilt: Fork, kind: str, tamper: Tamper, says: str
) -> None:
    tamper(spoilt)
    before = everything(spoilt.root.parent)
    with pytest.raises(SystemExit) as refused:
        build(spoilt, kind)
    said = str(refused.value)
    assert said.startswith("openai fork: ") and "\n" not in said and said.endswith(".")
    assert re.search(says, said.removeprefix("openai fork: ")), said
    assert everything(spoilt.root.parent) == before


@pytest.mark.parametrize("kind", BUILDS)
def test_honest_tree_builds(spoilt: Fork, kind: str) -> None:
    composed = spoilt.compose()
    # Not listed: how the release came here; what Python compiled; another branch's file of upstream's, in the tree.
    append(RECORD, f"{INFO}/direct_url.json,sha256=x,1\n{INFO}/uv_cache.json,sha256=y,1\n")(spoilt)
    write(f"{HERE}/__pycache__/errors.cpython-311.pyc", b"")
    if kind != "editable":
        spoilt.write(CLIENT, "x\n")
    told = build(spoilt, kind)
    if kind == "wheel":
        assert told["holds"] == {path[len("src/") :]: content for path, content in composed.files.items()}
    elif kind == "sdist":
        assert set(told["holds"]) == {*LISTED, ERRORS, HOOKS, OWN}
    else:
        assert all((spoilt.root / path).read_bytes() == content for path, content in composed.files.items())
    assert told["written"] == (told["holds"] if kind != "editable" else {})


def test_build_without_its_hook_is_refused(spoilt: Fork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HATCH_BUILD_NO_HOOKS", "true")
    with pytest.raises(SystemExit, match="^openai fork: HATCH_BUILD_NO_HOOKS can turn off what makes the package"):
        build(spoilt, "wheel")


def test_editable_takes_our_own_package_as_it_stands(spoilt: Fork) -> None:
    spoilt.write(OWN, "# mine\n")
    spoilt.write(f"{HERE}/new.py", "")
    build(spoilt, "editable")
    assert spoilt.read(OWN) == "# mine\n"


@pytest.mark.parametrize("path", ["../x", "/x", "a/../b", "C:/x"])
def test_sdist_listing_that_leaves_the_repository_is_refused(spoilt: Fork, path: str) -> None:
    with pytest.raises(SystemExit, match="which is no plain path"):
        build(spoilt, "sdist", [path])


def test_metadata_is_upstreams_but_for_version_and_summary(spoilt: Fork) -> None:
    metadata = build(spoilt, "wheel")["metadata"]
    assert metadata["version"] == "1.2.0.0+background.7"
    assert metadata["description"] == hatch_build.SUMMARY.format(VERSION)
    assert metadata["authors"] == [{"name": "Upstream", "email": "up@example.com"}]
    assert metadata["urls"] == {"Homepage": "https://example.com/up"}
    assert metadata["readme"]["text"] == "# Upstream\n"
    assert (metadata["license"], metadata["dependencies"]) == ("MIT", ["idna"])


def diffs(patch: str) -> str:
    """A patch without its message."""
    return patch[patch.index("diff --git ") :]


def mutations(text: str) -> Iterator[str]:
    """For every line: without it, twice, with another last letter, and with a line of its own behind it."""
    lines = text.splitlines(keepends=True)
    for at, line in enumerate(lines):
        for new in ("", line * 2, line[:-1] + "~\n", line + "+x\n", line + " x\n", line[1:]):
            yield "".join([*lines[:at], new, *lines[at + 1 :]])


@pytest.mark.parametrize("path", [ERRORS, HOOKS, compose.SUMS])
def test_every_line_of_patches_and_sums_counts(spoilt: Fork, path: str) -> None:
    upstream, want, text = spoilt.upstream(), spoilt.compose(), spoilt.read(path)
    start = max(text.find("diff --git "), 0)
    tried = taken = 0
    for mutant in mutations(text[start:]):
        spoilt.write(path, text[:start] + mutant)
        tried += 1
        try:
            got = compose.compose(spoilt.root, upstream)
        except Refusal as refusal:
            assert "\n" not in str(refusal)
        else:
            taken += 1
            assert got == want
    assert tried > 10 and taken < tried / 2


def archived(path: Path, members: list[tuple[str, bytes | None]]) -> None:
    """Makes a wheel or an sdist with these members, and what hatchling adds; None stands for a link."""
    with zipfile.ZipFile(path, "w") if path.suffix == ".whl" else tarfile.open(path, "w:gz") as made:
        for name, content in [*members, ("PKG-INFO", b""), ("openai-1.dist-info/METADATA", b"")]:
            if isinstance(made, zipfile.ZipFile):
                made.writestr(name, content or b"")
            else:
                member = tarfile.TarInfo(f"openai-1/{name}")
                member.type = tarfile.SYMTYPE if content is None else tarfile.REGTYPE
                member.size = len(content or b"")
                made.addfile(member, io.BytesIO(content or b""))


A: tuple[str, bytes | None] = ("openai/a.py", b"x")


@pytest.mark.parametrize(
    ("kinds", "members", "wrong"),
    [
        ("whl tar.gz", [("openai/a.py", b"y")], "openai/a.py"),
        ("whl tar.gz", [], "openai/a.py"),
        ("whl tar.gz", [A, ("evil.pth", b"")], "evil.pth"),
        ("whl tar.gz", [A, ("openai-1.dist-info/entry_points.txt", b"")], "openai-1.dist-info/entry_points.txt"),
        ("tar.gz", [A, A], "openai/a.py"),
        ("tar.gz", [("openai/a.py", None)], "openai/a.py"),
    ],
)
def test_finished_archive_that_holds_something_else_is_refused(
    tmp_path: Path, kinds: str, members: list[tuple[str, bytes | None]], wrong: str
) -> None:
    for path in (tmp_path / f"openai-1.{kind}" for kind in kinds.split()):
        archived(path, [A])
        hatch_build.check_archive(path, {"openai/a.py": b"x"})
        archived(path, members)
        with pytest.raises(Refusal, match=rf"holds something else than what was composed: {wrong}\.$"):
            hatch_build.check_archive(path, {"openai/a.py": b"x"})
