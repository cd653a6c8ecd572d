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
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "download", "--no-deps"]
        wanted = ["--no-binary", pin.PACKAGE, "--dest", str(part), f"{pin.PACKAGE}=={version}"]
        done = subprocess.run([*pip, *wanted], stdout=subprocess.DEVNULL)
        if done.returncode or not (part / archive.name).is_file():
            raise Refusal(f"pip could not fetch the source distribution of {pin.PACKAGE}=={version}.")
        (part / archive.name).rename(archive)
        shutil.rmtree(part)
    return archive


def unpack(root: Path, version: str, folder: Path) -> None:
    """Unpacks the sdist over `folder`. Raises Refusal when its package is not the wheel's."""
    archive = fetch(root, version)
    # Member by member, with nothing but files below one folder, on every Python alike: the `filter` of extractall()
    # came in the middle of the patch releases of 3.10.
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts[1:]
            content = tar.extractfile(member) if member.isfile() and ".." not in parts else None
            if content:
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
    check(pin.cached(root, version), folder)


def check(upstream: pin.Upstream, folder: Path) -> None:
    """Raises Refusal unless src/openai in `folder` is the package of `upstream`, file for file."""
    files = [
        path for path in (folder / pin.PREFIX / pin.PACKAGE).rglob("*") if path.is_file() and path.suffix != ".pyc"
    ]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    if wrong := sorted(path for path in {*found, *upstream.files} if found.get(path) != upstream.files.get(path)):
        raise Refusal(
            f"{wrong[0]} of {pin.PACKAGE} {upstream.version} is not the same in source distribution and wheel."
        )
