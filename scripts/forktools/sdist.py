"""The source distribution of the pinned release: the tree on which a maintainer would apply the series.

Promises: what `unpack` leaves in a folder is upstream's sdist of exactly that version, with its tests and linters'
settings, and its `src/openai` is byte for byte the package of the verified wheel (see `pin`). Fetched once, through
pip, into .upstream/.
"""

from __future__ import annotations

import sys
import shutil
import tarfile
import subprocess
from pathlib import Path, PurePosixPath

from . import Refusal, pin

FOLDER = "sdist"


def fetch(root: Path, version: str) -> Path:
    """The archive in .upstream/, which pip fills when it is not there yet. Raises Refusal when it cannot."""
    folder = root / pin.CACHE / FOLDER
    archive = folder / f"{pin.PACKAGE}-{version}.tar.gz"
    if not archive.is_file():
        part = folder / f"{version}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "download", "--no-deps"]
        wanted = ["--no-binary", pin.PACKAGE, "--dest", str(part), f"{pin.PACKAGE}=={version}"]
        done = subprocess.run([*pip, *wanted], stdout=subprocess.DEVNULL)
        if done.returncode or not (part / archive.name).is_file():
            raise Refusal(f"pip could not fetch the source distribution of {pin.PACKAGE}=={version}.")
        (part / archive.name).rename(archive)
        shutil.rmtree(part)
    return archive


def unpack(root: Path, version: str, folder: Path) -> None:
    """Unpacks the sdist into `folder`, which must not exist. Raises Refusal when its package is not the wheel's."""
    archive = fetch(root, version)
    top = f"{pin.PACKAGE}-{version}"
    # Member by member, with nothing but files below one folder, on every Python alike: the `filter` of extractall()
    # came in the middle of the patch releases of 3.10.
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if member.isdir():
                continue
            if not member.isfile() or parts[0] != top or ".." in parts:
                raise Refusal(f"{archive.name} holds {member.name}, which is no file below {top}/.")
            content = tar.extractfile(member)
            assert content is not None  # it is a file
            target = folder.joinpath(*parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
            target.chmod(0o755 if member.mode & 0o100 else 0o644)
    check(pin.cached(root, version), folder)


def check(upstream: pin.Upstream, folder: Path) -> None:
    """Raises Refusal unless src/openai in `folder` is the package of `upstream`, file for file."""
    package = folder / pin.PREFIX / pin.PACKAGE
    found = {
        path.relative_to(folder).as_posix(): path
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    for path in sorted({*found, *upstream.files}):
        if path not in found or path not in upstream.files:
            only = "the wheel" if path in upstream.files else "the source distribution"
            raise Refusal(f"{path} of {pin.PACKAGE} {upstream.version} is in {only} only.")
        if found[path].read_bytes() != upstream.files[path]:
            raise Refusal(f"{path} of {pin.PACKAGE} {upstream.version} differs between source distribution and wheel.")
