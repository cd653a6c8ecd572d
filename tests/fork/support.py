"""A whole fork in a temporary folder: a small upstream release, a series and a tree, without any network."""

from __future__ import annotations

import base64
import shutil
import hashlib
import subprocess
from typing import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from forktools import lay, pin, rebase, compose, refresh
from forktools.git import environment
from forktools.series import Series
from forktools.compose import Composed

VERSION = "1.2.0"
CLIENT = "src/openai/client.py"
MODELS = "src/openai/models.py"
OWN = "src/openai/lib/background/errors.py"
TEST = "tests/lib/background/test_errors.py"

UPSTREAM = {
    "openai/__init__.py": "from .client import Client\n",
    "openai/client.py": "".join(f"line {number}\n" for number in range(1, 31)),
    "openai/models.py": "class Model:\n    pass\n",
    "openai/py.typed": "",
}
LICENCE = "Do as you please.\n"


def row(path: str, content: bytes) -> str:
    """The line of a RECORD for a file."""
    value = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={value},{len(content)}\n"


def brought(version: str) -> dict[str, str]:
    """What the wheel of the small release has beside its package."""
    metadata = (
        f"Metadata-Version: 2.4\nName: openai\nVersion: {version}\nSummary: The official library\n"
        "Author-email: Upstream <up@example.com>\nProject-URL: Homepage, https://example.com/up\n"
        "License-Expression: MIT\nRequires-Python: >=3.10\nRequires-Dist: idna\n"
        "Description-Content-Type: text/markdown\n\n# Upstream\n"
    )
    info = f"openai-{version}.dist-info"
    return {f"{info}/METADATA": metadata, f"{info}/licenses/LICENSE": LICENCE}


def project(files: Mapping[str, str], version: str = VERSION) -> str:
    """A pyproject.toml that pins the small release with these files."""
    everything = {**files, **brought(version)}
    rows = sorted(row(path, text.encode()).rpartition(",")[0] for path, text in everything.items())
    record = hashlib.sha256("".join(f"{line}\n" for line in rows).encode()).hexdigest()
    return f'[build-system]\nrequires = ["openai=={version}"]\n[project]\n[tool.hatch]\nrevision = 7\nrecord = "{record}"\n'


def install(folder: Path, files: Mapping[str, str], version: str = VERSION) -> Path:
    """Writes an installed `openai` distribution, as pip leaves it, into `folder` and returns the folder."""
    info = f"openai-{version}.dist-info"
    everything = {**files, **brought(version), f"{info}/INSTALLER": "pip\n"}
    record = "".join(row(path, text.encode()) for path, text in everything.items())
    record += f"openai/__pycache__/client.cpython-311.pyc,,\n../../bin/openai,sha256=x,1\n{info}/RECORD,,\n"
    put(folder, {**everything, f"{info}/RECORD": record})
    return folder


def put(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())


def release(root: Path, files: Mapping[str, str], version: str = VERSION, **more: str) -> None:
    """Makes a release available to the fork at `root`: the wheel, and the sdist, which holds `more` as well."""
    install(root / pin.CACHE / version, files, version)
    with TemporaryDirectory() as folder:
        source = {f"src/{path}": text for path, text in files.items()}
        put(Path(folder, f"openai-{version}"), {**source, "helpers.md": "# Helpers\n", "api.md": "", **more})
        shutil.make_archive(f"{root / pin.CACHE}/sdist/openai-{version}", "gztar", folder)


PROJECT = project(UPSTREAM)


class Fork:
    """A repository like this one, at `root`, of the small upstream release, with an empty series and nothing laid."""

    def __init__(self, root: Path, files: Mapping[str, str] = UPSTREAM, **more: str) -> None:
        self.root = root
        release(root, files, **more)
        (root / "patches").mkdir()
        put(root, {compose.SUMS: "", "pyproject.toml": project(files), "LICENSE": LICENCE})

    @classmethod
    def at(cls, root: Path) -> Fork:
        """One that is there."""
        made = cls.__new__(cls)
        made.root = root
        return made

    @property
    def series(self) -> Series:
        return Series(self.root)

    def upstream(self) -> pin.Upstream:
        return pin.cached(self.root, pin.load(self.root).upstream)

    def compose(self) -> Composed:
        return compose.compose(self.root, self.upstream())

    def lay(self) -> int:
        return lay.main(self.root)

    def refresh(self, *arguments: str) -> int:
        return refresh.main(list(arguments), self.root)

    def rebase(self, *arguments: str) -> int:
        return rebase.main(list(arguments), self.root)

    def commit(self, slug: str, *paths: str, trailers: str = "Verify: pytest") -> None:
        """Makes a patch of these files, as they are in the tree, as a person would."""
        message = f"feat: {slug}\n\nWhy {slug}.\n\nBug: none\nForwarded: no\nPatch: {slug}\n{trailers}\n"
        git = self.series.git.using(GIT_AUTHOR_NAME="A. Person", GIT_AUTHOR_DATE="2001-01-01T00:00:00")
        git.must("add", "--force", "--", *paths)
        git.must("commit", "--quiet", f"--message={message}")

    def names(self) -> list[str]:
        return list(self.series.patches())

    def patch(self, name: str) -> str:
        """The text of the one patch with `name` in its file name."""
        (path,) = (self.root / "patches").glob(f"*{name}*")
        return path.read_text()

    def read(self, path: str) -> str:
        return (self.root / path).read_bytes().decode()

    def write(self, path: str, text: str) -> None:
        put(self.root, {path: text})

    def edit(self, path: str, old: str, new: str) -> None:
        """Replaces the one `old` in a file of the tree."""
        text = self.read(path)
        assert text.count(old) == 1
        self.write(path, text.replace(old, new))

    def snapshot(self) -> dict[str, bytes]:
        """Every file of the repository, without git's and what was fetched."""
        files = {str(path.relative_to(self.root)): path for path in self.root.rglob("*") if path.is_file()}
        kept = {path: file for path, file in files.items() if not path.startswith((".upstream/", ".series.git/"))}
        return {path: file.read_bytes() for path, file in kept.items()}

    def clone(self, root: Path) -> Fork:
        """What a clone of the main repository in another folder has: neither the commits nor upstream's files."""
        other = Fork.at(root)
        tracked = [path for path in self.snapshot() if not path.startswith("src/") or "/lib/background/" in path]
        for path in (path for path in tracked if path not in ("helpers.md", "api.md")):
            other.write(path, self.read(path))
        shutil.copytree(self.root / pin.CACHE, root / pin.CACHE)
        return other

    def work(self, *arguments: str, fails: bool = False) -> str:
        """A person's own git in the linked work tree in which a rebase has stopped; only the editor is not a person's."""
        variables = {key: value for key, value in environment().items() if not key.startswith("GIT_")}
        variables |= {"GIT_EDITOR": "true", "GIT_SEQUENCE_EDITOR": "true"}
        folder = self.root / pin.CACHE / "work"
        done = subprocess.run(["git", *arguments], cwd=folder, env=variables, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout

    def mend(self, path: str, text: str, *, fails: bool = False) -> None:
        """Resolves a conflict there, as git says to do it."""
        (self.root / pin.CACHE / "work" / path).write_text(text)
        self.work("add", path)
        self.work("rebase", "--continue", fails=fails)


def with_two_patches(fork: Fork) -> Fork:
    """Lays the tree and makes two patches of four files."""
    assert fork.lay() == 0
    fork.write(OWN, "class OurError(Exception): ...\n")
    fork.write(TEST, "def test_nothing() -> None: ...\n")
    fork.commit("errors", OWN, TEST)
    fork.edit(CLIENT, "line 3\n", "line 3\nhook\n")
    fork.edit(CLIENT, "line 20\n", "line twenty\n")
    fork.edit(MODELS, "    pass\n", "    flag = False\n")
    fork.commit("hooks", CLIENT, MODELS)
    assert fork.refresh() == 0
    return fork
