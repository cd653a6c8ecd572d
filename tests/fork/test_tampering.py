"""Whatever is changed in an input of the build is refused in one sentence, in wheel, editable and sdist alike.

The hooks themselves run, on a small release; `test_install` builds for real. Each row is one thing that somebody could
do to a patch, the sums, the pin, the release in the build environment, our own package or the files beside them.
"""

from __future__ import annotations

import os
import re
import sys
import shutil
import tarfile
import zipfile
from io import BytesIO
from typing import Any, Callable, Iterator
from pathlib import Path

import pytest
import hatch_build

from forktools import Refusal, pin, compose
from tests.fork.support import OWN, CLIENT, MODELS, PROJECT, VERSION, Fork, row, with_two_patches

ERRORS, HOOKS = "patches/0001-errors.patch", "patches/0002-hooks.patch"
SITE = f"{pin.CACHE}/{VERSION}"
INFO = f"{SITE}/openai-{VERSION}.dist-info"
LISTED = ["LICENSE", "NOTICE", "patches/SHA256SUMS", "pyproject.toml"]
BUILDS = ("wheel", "editable", "sdist")
STRICT = ("wheel", "sdist")

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
    """Runs the hooks as hatchling does, up to the archive; returns what they told it."""
    metadata: dict[str, Any] = {}
    hatch_build.UpstreamMetadata(str(fork.root), {}).update(metadata)
    target = "sdist" if kind == "sdist" else "wheel"
    made: Any = hatch_build.ComposedPackage
    hook = made(str(fork.root), {"files": files}, None, None, str(fork.root / "dist"), target)
    data: dict[str, Any] = {"force_include": {}, "extra_metadata": {}}
    hook.initialize("editable" if kind == "editable" else "standard", data)
    if hook._folder:
        hook._folder.cleanup()
    return {**data, "metadata": metadata, "holds": hook._holds}


def replace(path: str, old: str, new: str) -> Tamper:
    return lambda fork: fork.edit(path, old, new)


def write(path: str, text: str) -> Tamper:
    return lambda fork: fork.write(path, text)


def append(path: str, text: str) -> Tamper:
    return lambda fork: fork.write(path, fork.read(path) + text)


def raw(path: str, content: bytes) -> Tamper:
    return lambda fork: (fork.root / path).write_bytes(content)


def remove(path: str) -> Tamper:
    return lambda fork: (fork.root / path).unlink()


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


def added(path: str, head: str = "new file mode 100644\n") -> Tamper:
    """A patch that adds a file, with the line in the sums that goes with it."""

    def tamper(fork: Fork) -> None:
        text = f"diff --git a/{path} b/{path}\n{head}index 0000000..1111111\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
        fork.write("patches/0003-more.patch", "Subject: x\n\n" + text)
        fork.write(compose.SUMS, fork.read(compose.SUMS) + f"{pin.digest(b'x' + bytes([10]))}  {path}\n")

    return tamper


def released(path: str, text: str | None, *, recorded: bool) -> Tamper:
    """A file of the release changed, added or removed, and its line in RECORD with it."""

    def tamper(fork: Fork) -> None:
        record = fork.read(f"{INFO}/RECORD").splitlines(keepends=True)
        if text is None:
            (fork.root / SITE / path).unlink()
        else:
            fork.write(f"{SITE}/{path}", text)
        if recorded:
            kept = [line for line in record if not line.startswith(f"{path},")]
            fork.write(f"{INFO}/RECORD", "".join(kept) + (row(path, text.encode()) if text is not None else ""))

    return tamper


HERE = "src/openai/lib/background"
NOT_PLAIN = "names .*, which is no plain path"
TABLE: list[tuple[str, Tamper, str, tuple[str, ...]]] = [
    # The patches
    ("patch up and out", added("src/openai/../../../x"), NOT_PLAIN, BUILDS),
    ("patch up within", added("src/openai/lib/../x.py"), NOT_PLAIN, BUILDS),
    ("patch absolute", added("/src/openai/x.py"), NOT_PLAIN, BUILDS),
    ("patch other drive", added("C:/src/openai/x.py"), NOT_PLAIN, BUILDS),
    ("patch backslashes", added("src/openai/..\\..\\..\\x"), NOT_PLAIN, BUILDS),
    ("patch dot", added("src/openai/./x.py"), NOT_PLAIN, BUILDS),
    ("patch control character", added("src/openai/x\x1b.py"), NOT_PLAIN, BUILDS),
    ("patch up, outside the package", added("tests/../../x"), NOT_PLAIN, BUILDS),
    ("patch makes a link", added(f"{HERE}/l", "new file mode 120000\n"), "does something else", BUILDS),
    ("patch makes a program", added(f"{HERE}/p", "new file mode 100755\n"), "does something else", BUILDS),
    ("patch file below a file", added(f"{CLIENT}/x.py"), "which is a file", BUILDS),
    ("patch two names", replace(HOOKS, f"+++ b/{CLIENT}", f"+++ b/{MODELS}"), "does something else", BUILDS),
    ("patch old name elsewhere", replace(HOOKS, f"--- a/{CLIENT}", "--- a/x"), "does something else", BUILDS),
    (
        "patch lines beyond the counts",
        replace(HOOKS, " line 6\n", " line 6\n+evil\n"),
        "longer|something|no hunk",
        BUILDS,
    ),
    ("patch removed line beyond", replace(HOOKS, " line 6\n", " line 6\n-line 7\n"), "no hunk, no file", BUILDS),
    ("patch context beyond", replace(HOOKS, " line 6\n", " line 6\n line 7\n"), "longer", BUILDS),
    ("patch line too few", replace(HOOKS, " line 6\n", ""), "shorter", BUILDS),
    (
        "patch text between files",
        replace(HOOKS, f"diff --git a/{MODELS}", f"x\ndiff --git a/{MODELS}"),
        "longer|no file",
        BUILDS,
    ),
    ("patch text at the end", append(HOOKS, "evil\n"), "cannot be read as a patch", BUILDS),
    ("patch signature that goes on", append(HOOKS, "-- \n2.39\ndiff --git a/x b/x\n"), "cannot be read", BUILDS),
    ("patch hunk elsewhere", replace(HOOKS, "@@ -1,6 +1,7 @@", "@@ -2,6 +2,7 @@"), "not apply exactly", BUILDS),
    ("patch other context", replace(HOOKS, " line 2\n", " line two\n"), "does not apply exactly", BUILDS),
    ("patch other line", replace(HOOKS, "+hook\n", "+hock\n"), "not the recorded one", BUILDS),
    ("patch huge counts", replace(HOOKS, "-1,6", "-1,999999999"), "shorter", BUILDS),
    ("patch huge digits", replace(HOOKS, "-1,6", "-1," + "9" * 5000), "no hunk is|cannot be read", BUILDS),
    ("patch not UTF-8", raw(HOOKS, b"\xff\xfe"), f"^{HOOKS} is not UTF-8", BUILDS),
    ("patch empty", write(HOOKS, ""), "holds no diff", BUILDS),
    ("patch gone", remove(HOOKS), "which the series does not change", BUILDS),
    ("patch a folder", folder(HOOKS), f"^{HOOKS} is not a file", BUILDS),
    ("patch a link", link(HOOKS), "is a link", BUILDS),
    ("patches a link", link("patches", whole=True), "patches is a link", BUILDS),
    ("patch one more", write("patches/0009-x.patch", "secret\n"), "holds no diff", BUILDS),
    ("patch an editor's", write("patches/.#0002-x.patch", "x"), "not named as a patch", BUILDS),
    ("patch twice", lambda f: f.write("patches/0003-hooks.patch", f.read(HOOKS)), "does not apply exactly", BUILDS),
    # The sums
    ("sums up and out", append(compose.SUMS, f"{'0' * 64}  src/openai/../../x\n"), NOT_PLAIN, BUILDS),
    ("sums absolute", append(compose.SUMS, f"{'0' * 64}  /x\n"), NOT_PLAIN, BUILDS),
    ("sums elsewhere", append(compose.SUMS, f"{'0' * 64}  scripts/x.py\n"), NOT_PLAIN, BUILDS),
    ("sums twice", lambda f: f.write(compose.SUMS, f.read(compose.SUMS) * 2), "twice", BUILDS),
    ("sums other ends", lambda f: f.write(compose.SUMS, f.read(compose.SUMS).replace("\n", "\r\n")), "path", BUILDS),
    ("sums not UTF-8", raw(compose.SUMS, b"\xff"), "is not UTF-8", BUILDS),
    ("sums empty", write(compose.SUMS, ""), "records no SHA-256", BUILDS),
    ("sums gone", remove(compose.SUMS), "is missing", BUILDS),
    ("sums a folder", folder(compose.SUMS), "is not a file", BUILDS),
    ("sums a link", link(compose.SUMS), "is a link", BUILDS),
    # The pin
    ("revision -1", replace("pyproject.toml", "revision = 7", "revision = -1"), "no number from 1", BUILDS),
    ("revision 0", replace("pyproject.toml", "revision = 7", "revision = 0"), "no number from 1", BUILDS),
    ("revision a word", replace("pyproject.toml", "revision = 7", "revision = x"), "no number from 1", BUILDS),
    ("revision gone", replace("pyproject.toml", "revision = 7", ""), "0 times", BUILDS),
    ("pin a path", replace("pyproject.toml", f"=={VERSION}", "==../../x"), "no release of the form", BUILDS),
    ("pin another", replace("pyproject.toml", f"=={VERSION}", "==1.3.0"), "holds openai 1.2.0", BUILDS),
    ("record gone", replace("pyproject.toml", "record =", "rec ="), "0 times", BUILDS),
    (
        "record a word",
        lambda f: f.write("pyproject.toml", re.sub("record = .*", 'record = "x"', PROJECT)),
        "SHA",
        BUILDS,
    ),
    (
        "record another",
        lambda f: f.write("pyproject.toml", re.sub('rd = ".', 'rd = "z', PROJECT)),
        "no SHA-256",
        BUILDS,
    ),
    ("project not UTF-8", raw("pyproject.toml", b"\xff"), "is not UTF-8", BUILDS),
    ("project a link", link("pyproject.toml"), "is a link", BUILDS),
    # The release
    ("release file", released("openai/client.py", "x\n", recorded=False), "does not match its RECORD", BUILDS),
    ("release file and row", released("openai/client.py", "x\n", recorded=True), "not the pinned one", BUILDS),
    ("release file more", released("openai/evil.py", "x\n", recorded=True), "not the pinned one", BUILDS),
    ("release file less", released("openai/py.typed", None, recorded=True), "not the pinned one", BUILDS),
    ("release file gone", released("openai/py.typed", None, recorded=False), "cannot be read", BUILDS),
    ("release row up", released("openai/../evil.py", "x\n", recorded=True), "no plain path", BUILDS),
    ("release metadata", append(f"{INFO}/METADATA", "x"), "does not match its RECORD", BUILDS),
    (
        "release METADATA and row",
        released(
            f"openai-{VERSION}.dist-info/METADATA",
            f"Metadata-Version: 2.4\nName: openai\nVersion: {VERSION}\nRequires-Dist: evil\n",
            recorded=True,
        ),
        "not the pinned one",
        BUILDS,
    ),
    ("release record gone", remove(f"{INFO}/RECORD"), "has no RECORD", BUILDS),
    # Our own package in the tree
    ("own file edited", append(OWN, "# mine\n"), "the edit is in no patch", STRICT),
    ("own secrets", write(f"{HERE}/secrets.txt", "sk-"), "secrets.txt: in no patch", STRICT),
    ("own leftover", write(f"{OWN}.orig", "x"), "orig: in no patch", STRICT),
    ("own hidden", write(f"{HERE}/.env", "x"), "env: in no patch", STRICT),
    ("own compiled elsewhere", write(f"{HERE}/x.pyc", "x"), "x.pyc: in no patch", STRICT),
    ("own in the cache", write(f"{HERE}/__pycache__/x.txt", "x"), "x.txt: in no patch", STRICT),
    ("own link for a file", link(OWN), "is a link", STRICT),
    ("own link more", link(f"{HERE}/l.py"), "l.py: in no patch", STRICT),
    ("own link to a folder", link(f"{HERE}/sub", whole=True), "sub: in no patch", STRICT),
    ("own folder for a file", folder(OWN), "is not a file", BUILDS),
    ("own package a link", link(HERE, whole=True), "link|in no patch", BUILDS),
    ("own package a file", lambda f: (shutil.rmtree(f.root / HERE), f.write(HERE, "x")), "not a f|in no patch", BUILDS),
    # What stands beside it
    ("licence other", append("LICENSE", "x"), "LICENSE is not the licence", STRICT),
    ("licence gone", remove("LICENSE"), "LICENSE is missing", STRICT),
    ("licence a link", link("LICENSE"), "is a link", STRICT),
    ("licence a folder", folder("LICENSE"), "is not a file", STRICT),
    ("notice other", append("NOTICE", "x"), "NOTICE does not name", STRICT),
    ("notice not UTF-8", raw("NOTICE", b"\xff"), "NOTICE does not name", STRICT),
    ("notice gone", remove("NOTICE"), "NOTICE is missing", STRICT),
    # The place
    ("tree a link", lambda f: (shutil.rmtree(f.root / "src"), link("src", whole=True)(f)), "is a link", ("editable",)),
    (
        "tree a file",
        lambda f: (shutil.rmtree(f.root / "src"), f.write("src", "x")),
        "src is not a folder",
        ("editable",),
    ),
    ("tree a folder for a file", folder(CLIENT), "is not a file", ("editable",)),
    ("tree another file", write(CLIENT, "x\n"), "so nothing was laid", ("editable",)),
    ("tree a link for a file", link(CLIENT), "so nothing was laid", ("editable",)),
]
ROWS = [pytest.param(kind, tamper, says, id=f"{name}-{kind}") for name, tamper, says, kinds in TABLE for kind in kinds]


def everything(folder: Path) -> dict[str, bytes | str]:
    """All that is below a folder, links as where they point to."""
    found: dict[str, bytes | str] = {}
    for where, folders, files in os.walk(folder):
        for path in (Path(where, name) for name in [*folders, *files]):
            name = str(path.relative_to(folder))
            found[name] = os.readlink(path) if path.is_symlink() else "folder" if path.is_dir() else path.read_bytes()
    return found


@pytest.mark.parametrize(("kind", "tamper", "says"), ROWS)
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
    told = build(spoilt, kind)
    composed = spoilt.compose()
    if kind == "wheel":
        assert told["holds"] == dict(composed.package())
    elif kind == "sdist":
        assert set(told["holds"]) == {*LISTED, ERRORS, HOOKS, OWN}
        assert set(told["force_include"].values()) == set(told["holds"])
    else:
        assert all((spoilt.root / path).read_bytes() == content for path, content in composed.files.items())


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


def wheel_of(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "openai-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


INFO_FILES = {f"openai-1.dist-info/{name}": b"" for name in hatch_build.INFO}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"openai/a.py": b"x"}, None),
        ({"openai/a.py": b"y"}, "holds another openai/a.py"),
        ({}, "lacks openai/a.py"),
        ({"openai/a.py": b"x", "evil.pth": b""}, "holds evil.pth, which neither"),
        ({"openai/a.py": b"x", "openai-1.data/scripts/x": b""}, "openai-1.data/scripts/x"),
        ({"openai/a.py": b"x", "openai-1.dist-info/entry_points.txt": b""}, "entry_points.txt"),
    ],
)
def test_finished_wheel_holds_what_was_composed(tmp_path: Path, files: dict[str, bytes], says: str | None) -> None:
    wheel = wheel_of(tmp_path, {**files, **INFO_FILES})
    if says is None:
        return hatch_build.check_archive(wheel, {"openai/a.py": b"x"}, editable=False)
    with pytest.raises(Refusal, match=says):
        hatch_build.check_archive(wheel, {"openai/a.py": b"x"}, editable=False)


def test_finished_sdist_with_a_stray_file_or_a_link_is_refused(tmp_path: Path) -> None:
    for name, kind, says in (
        ("stray.md", tarfile.REGTYPE, "holds stray.md"),
        ("a.py", tarfile.SYMTYPE, "another a.py"),
    ):
        with tarfile.open(tmp_path / "openai-1.tar.gz", "w:gz") as tar:
            for path in sorted({"PKG-INFO", "a.py", name}):
                member = tarfile.TarInfo(f"openai-1/{path}")
                member.type, member.size = (kind if path == name else tarfile.REGTYPE), 0
                if path == "a.py" and member.isreg():
                    member.size = 1
                tar.addfile(member, BytesIO(b"x"))
        with pytest.raises(Refusal, match=says):
            hatch_build.check_archive(tmp_path / "openai-1.tar.gz", {"a.py": b"x"}, editable=False)
