"""The pinned distribution is taken only when it is the asked version and every file is as its RECORD says."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version
from packaging.specifiers import SpecifierSet

from forktools import ROOT, Refusal, pin
from tests.fork.support import PROJECT, VERSION, UPSTREAM, row, install

INFO = f"openai-{VERSION}.dist-info"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return install(tmp_path / "site", UPSTREAM)


def test_load_and_written_know_the_one_place(tmp_path: Path) -> None:
    (tmp_path / pin.PYPROJECT).write_text(PROJECT)
    assert pin.load(tmp_path) == pin.Pin(VERSION, 7)
    assert pin.load_record(tmp_path) in PROJECT
    (tmp_path / pin.PYPROJECT).write_text(pin.Pin("1.3.0", 1).written(PROJECT, "0" * 64))
    assert pin.load(tmp_path) == pin.Pin("1.3.0", 1)
    assert pin.load_record(tmp_path) == "0" * 64


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (f"openai=={VERSION}", f"openai>={VERSION}", "names the pinned release .* 0 times, not once"),
        ("[project]", f'[project]\ndependencies = ["openai=={VERSION}"]', "names the pinned release .* 2 times"),
        ("revision = 7", 'revision = "7"', r"gives \"7\" as the fork's revision, which is no number from 1\.$"),
        ("revision = 7", "revision = -1", "gives -1 as the fork's revision"),
        ("revision = 7", "revision = 0", "gives 0 as the fork's revision"),
        ("revision = 7", "revision = \u0667", "as the fork's revision"),
        ("revision = 7", "revision = " + "9" * 5000, "as the fork's revision"),
        ("revision = 7", "", "names the fork's revision .* 0 times"),
        (f"openai=={VERSION}", "openai==../..", "which is no release of the form"),
    ],
)
def test_load_of_anything_but_one_pin_refuses(tmp_path: Path, old: str, new: str, says: str) -> None:
    (tmp_path / pin.PYPROJECT).write_text(PROJECT.replace(old, new))
    with pytest.raises(Refusal, match=says):
        pin.load(tmp_path)


@pytest.mark.parametrize("wanted", ["==1.2.0", "~=1.2", ">=1.2", ">=1.2.0", "<2", "==1.2.*"])
def test_version_satisfies_what_the_release_satisfies(wanted: str) -> None:
    assert SpecifierSet(wanted).contains(pin.Pin("1.2.0", 1).version)


def test_version_is_in_its_normal_form_and_after_the_release() -> None:
    text = pin.Pin("1.2.0", 2).version
    assert text == str(Version(text)) == "1.2.0.0+background.2"
    assert Version("1.2.0") < Version(pin.Pin("1.2.0", 1).version) < Version(text) < Version("1.2.1")
    assert [int(part) for part in text.split("+")[0].split(".")[:3]] == [1, 2, 0]


def read(site: Path) -> pin.Upstream:
    return pin.read(pin.find(VERSION, [site]))


def replace_in_record(site: Path, path: str, line: str) -> None:
    record = site / INFO / "RECORD"
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line if old.startswith(f"{path},") else old for old in lines))


def test_read_intact_distribution_gives_every_file(site: Path) -> None:
    upstream = read(site)
    assert upstream.version == VERSION
    assert {path: text.decode() for path, text in upstream.files.items()} == {
        f"src/{path}": text for path, text in UPSTREAM.items()
    }
    assert upstream.licence == b"Do as you please.\n"


def test_read_pinned_release_is_what_its_record_says() -> None:
    upstream = pin.cached(ROOT, pin.load(ROOT).upstream)
    assert len(upstream.files) > 2000
    assert f'__version__ = "{upstream.version}"' in upstream.files["src/openai/_version.py"].decode()


def test_prove_takes_what_pip_and_uv_add_and_refuses_a_changed_row(site: Path) -> None:
    record = pin.sum_of(pin.rows(pin.find(VERSION, [site])))
    listed = (site / INFO / "RECORD").read_text()
    (site / INFO / "RECORD").write_text(
        listed + f"{INFO}/direct_url.json,sha256=x,1\n{INFO}/uv_cache.json,sha256=y,1\n"
    )
    pin.prove(pin.find(VERSION, [site]), record)
    (site / INFO / "RECORD").write_text(listed)
    text = (site / "openai/client.py").read_text().replace("line 7", "Line 7")
    (site / "openai/client.py").write_text(text)
    replace_in_record(site, "openai/client.py", row("openai/client.py", text.encode()))
    pin.read(pin.find(VERSION, [site]))  # RECORD alone does not see it
    with pytest.raises(Refusal, match=r"^the RECORD of openai 1\.2\.0 is not the pinned one"):
        pin.prove(pin.find(VERSION, [site]), record)


@pytest.mark.parametrize("path", ["..", "a/../b", "/a", "a//b", "C:/a", "a\\b", "./a", "", "a.", "a\n", "a b", "ä"])
def test_plain_refuses_what_may_leave_its_folder(path: str) -> None:
    assert not pin.plain(path)


@pytest.mark.parametrize("path", ["a", "a/b.py", ".keep", "src/openai/_x.py", "a-b/c+d.1"])
def test_plain_takes_a_name(path: str) -> None:
    assert pin.plain(path)


def test_find_nothing_installed_refuses(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="^no openai distribution is installed here"):
        pin.find(VERSION, [tmp_path])


def test_find_other_version_refuses_and_names_both(tmp_path: Path) -> None:
    install(tmp_path, UPSTREAM, "1.3.0")
    with pytest.raises(Refusal, match=r"holds openai 1\.3\.0, but the series is made for openai==1\.2\.0\.$"):
        pin.find(VERSION, [tmp_path])


def test_find_fork_itself_refuses_and_says_so(tmp_path: Path) -> None:
    install(tmp_path, UPSTREAM, pin.Pin(VERSION, 1).version)
    with pytest.raises(Refusal, match="this fork itself"):
        pin.find(VERSION, [tmp_path])


@pytest.mark.parametrize(
    "path", ["openai/client.py", "openai/py.typed", f"{INFO}/METADATA", f"{INFO}/licenses/LICENSE"]
)
def test_read_changed_file_refuses_and_names_it(site: Path, path: str) -> None:
    with open(site / path, "a") as file:
        file.write("#\n")
    with pytest.raises(Refusal, match=f"^{path} of openai 1.2.0 does not match its RECORD"):
        read(site)


def test_read_changed_file_of_the_same_size_refuses(site: Path) -> None:
    text = (site / "openai/client.py").read_text()
    (site / "openai/client.py").write_text(text.replace("line 7", "Line 7"))
    with pytest.raises(Refusal, match="does not match its RECORD"):
        read(site)


def test_read_wrong_size_in_record_refuses(site: Path) -> None:
    record = site / INFO / "RECORD"
    line = next(line for line in record.read_text().splitlines() if line.startswith("openai/models.py,"))
    replace_in_record(site, "openai/models.py", line.rpartition(",")[0] + ",1\n")
    with pytest.raises(Refusal, match="^openai/models.py of openai 1.2.0 does not match its RECORD"):
        read(site)


def test_read_missing_file_refuses_and_names_it(site: Path) -> None:
    (site / "openai/models.py").unlink()
    with pytest.raises(Refusal, match="^openai/models.py of openai 1.2.0 is in its RECORD but cannot be read"):
        read(site)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("openai/models.py,,\n", "gives no hash for openai/models.py"),
        ("openai/models.py,md5=abc,22\n", "a hash of the kind 'md5', which proves nothing"),
        ("openai/models.py\n", "has a line that is not one"),
    ],
)
def test_read_record_that_proves_nothing_refuses(site: Path, line: str, says: str) -> None:
    replace_in_record(site, "openai/models.py", line)
    with pytest.raises(Refusal, match=says):
        read(site)


def test_read_without_record_refuses(site: Path) -> None:
    (site / INFO / "RECORD").unlink()
    with pytest.raises(Refusal, match="has no RECORD"):
        read(site)


def test_read_record_without_package_refuses(site: Path) -> None:
    (site / INFO / "RECORD").write_text(f"{INFO}/RECORD,,\n")
    with pytest.raises(Refusal, match="lists no file of the package"):
        read(site)


def test_read_without_licence_refuses(tmp_path: Path) -> None:
    site = install(tmp_path, UPSTREAM)
    replace_in_record(site, f"{INFO}/licenses/LICENSE", "")
    with pytest.raises(Refusal, match="carries no LICENSE"):
        read(site)
