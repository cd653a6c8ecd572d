"""The pin, and the distribution that it names: found, and proved to be what its RECORD says.

Promises: `load` finds the pin in pyproject.toml, the only file that says it, and once; what `read` returns is the `openai` distribution of exactly the asked version, and every file of its package
matched the hash and the size in its RECORD, with none missing. Nothing is executed or imported from it. The build finds
it in its build environment, where it is an ordinary pinned requirement; the scripts keep a copy that pip fetched.
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
_REVISION = re.compile(r"^revision = (\d+)$", re.MULTILINE)


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

    def written(self, text: str) -> str:
        """The text of a pyproject.toml with this pin in place of the one it has."""
        text = _REQUIREMENT.sub(f'"{PACKAGE}=={self.upstream}"', text)
        return _REVISION.sub(f"revision = {self.revision}", text)


def load(root: Path) -> Pin:
    """The pin of the repository at `root`. Raises Refusal unless pyproject.toml has it just once."""
    text = (root / PYPROJECT).read_text(encoding="utf-8")
    upstream, revision = _REQUIREMENT.findall(text), _REVISION.findall(text)
    if len(upstream) != 1:
        raise Refusal(f'{PYPROJECT} names the pinned release ("{PACKAGE}==…") {len(upstream)} times, not once.')
    if len(revision) != 1:
        raise Refusal(f"{PYPROJECT} names the fork's revision (revision = …) {len(revision)} times, not once.")
    return Pin(upstream[0], int(revision[0]))


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


def digest(content: bytes) -> str:
    """The SHA-256 of `content`, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


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
        return read(find(version, [folder]))
    except Refusal as refusal:
        raise Refusal(f"{CACHE}/{version} is no good, remove it to fetch it anew: {refusal}") from None


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
        content = _verified(name, Path(str(found.locate_file(path))), path, recorded, size)
        if ours:
            files[PREFIX + path] = content
        elif PurePosixPath(path).name == "LICENSE":
            licence = content
    if not files:
        raise Refusal(f"RECORD of {name} lists no file of the package, so there is nothing to compose from.")
    if licence is None:
        raise Refusal(f"{name} carries no LICENSE file, which a modified redistribution has to pass on.")
    return Upstream(found.version, dict(sorted(files.items())), licence)


def _record(found: Distribution) -> Iterator[tuple[str, str, str]]:
    # Not found.files: since Python 3.12 it leaves out files that do not exist, which are just what is looked for.
    text = found.read_text("RECORD")
    if text is None:
        raise Refusal(f"{PACKAGE} {found.version} has no RECORD, so its files cannot be checked.")
    for row in csv.reader(text.splitlines()):
        if len(row) == 3:
            yield row[0], row[1], row[2]
        elif row:
            raise Refusal(f"RECORD of {PACKAGE} {found.version} has a line that is not one: {','.join(row)}.")


def _verified(name: str, file: Path, path: str, recorded: str, size: str) -> bytes:
    try:
        content = file.read_bytes()
    except OSError:
        raise Refusal(f"{path} of {name} is in its RECORD but cannot be read.") from None
    algorithm, _, expected = recorded.partition("=")
    if algorithm not in ("sha256", "sha384", "sha512"):
        raise Refusal(f"RECORD of {name} gives {path} a hash of the kind {algorithm!r}, which proves nothing.")
    actual = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode("ascii")
    if actual != expected or size != str(len(content)):
        raise Refusal(f"{path} of {name} does not match its RECORD: the installed file was changed.")
    return content
