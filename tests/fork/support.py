"""A whole fork in a temporary folder: a small upstream distribution, a series and a tree, without any network."""

from __future__ import annotations

import json
import base64
import hashlib
from typing import Mapping
from pathlib import Path

from forktools import ROOT, lay as lay_, pin, series as series_, compose as compose_, refresh as refresh_

VERSION = "1.2.0"
TRAILERS = "Bug: none\nForwarded: no\nVerify: pytest"
CLIENT = "src/openai/client.py"
MODELS = "src/openai/models.py"
OWN = "src/openai/lib/background/errors.py"

UPSTREAM = {
    "openai/__init__.py": "from .client import Client\n",
    "openai/client.py": "".join(f"line {number}\n" for number in range(1, 31)),
    "openai/models.py": "class Model:\n    pass\n",
    "openai/py.typed": "",
}


def row(path: str, content: bytes) -> str:
    """The line of a RECORD for a file."""
    value = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={value},{len(content)}\n"


def install(folder: Path, files: Mapping[str, str], version: str = VERSION) -> Path:
    """Writes an installed `openai` distribution, as pip leaves it, into `folder` and returns the folder."""
    info = f"openai-{version}.dist-info"
    everything = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: openai\nVersion: {version}\n",
        f"{info}/licenses/LICENSE": "Do as you please.\n",
        f"{info}/INSTALLER": "pip\n",
    }
    record = ""
    for path, text in everything.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
        record += row(path, text.encode())
    record += f"openai/__pycache__/client.cpython-311.pyc,,\n../../bin/openai,sha256=x,1\n{info}/RECORD,,\n"
    (folder / info / "RECORD").write_text(record)
    return folder


class Fork:
    """A repository like this one, at `root`, of the small upstream distribution."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.site = install(root / pin.CACHE / VERSION, UPSTREAM)
        (root / "patches").mkdir()
        (root / compose_.SUMS).write_text("")
        self.series()

    def series(self, *patches: tuple[str, list[str]], upstream: str = VERSION) -> None:
        """Writes series.toml with these (slug, paths)."""
        text = f'upstream = "{upstream}"\nrevision = 7\nown = ["src/openai/lib/background/*", "tests/lib/*"]\n'
        text += '[author]\nname = "A"\nemail = "a@localhost"\ndate = "2026-01-02T03:04:05+00:00"\n'
        for slug, paths in patches:
            text += f'[[patch]]\nslug = "{slug}"\nsubject = "feat: {slug}"\n'
            text += f'message = """\nWhy {slug}.\n\n{TRAILERS}\n"""\npaths = {json.dumps(paths)}\n'
        (self.root / series_.FILE).write_text(text)

    def load(self) -> series_.Series:
        return series_.load(self.root)

    def upstream(self) -> pin.Upstream:
        plan = self.load()
        return pin.cached(self.root, plan.upstream)

    def compose(self) -> compose_.Composed:
        return compose_.compose(self.root, self.load(), self.upstream())

    def lay(self, *, keep_edits: bool = False) -> lay_.Laid:
        return lay_.lay(self.root, self.compose(), self.upstream(), keep_edits=keep_edits)

    def refresh(self, *arguments: str) -> int:
        return refresh_.main(list(arguments), self.root)

    def read(self, path: str) -> str:
        return (self.root / path).read_bytes().decode()

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(text.encode())

    def edit(self, path: str, old: str, new: str) -> None:
        """Replaces the one `old` in a file of the tree."""
        text = self.read(path)
        assert text.count(old) == 1
        self.write(path, text.replace(old, new))

    def snapshot(self) -> dict[str, bytes]:
        """Every file below the root."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


def with_two_patches(fork: Fork) -> Fork:
    """Lays the tree, makes two patches of three edits, and leaves the tree refreshed."""
    fork.lay()
    fork.edit(CLIENT, "line 3\n", "line 3\nhook\n")
    fork.edit(CLIENT, "line 20\n", "line twenty\n")
    fork.write(OWN, "class OurError(Exception): ...\n")
    fork.edit(MODELS, "    pass\n", "    flag = False\n")
    fork.series(("errors", [OWN]), ("hooks", [CLIENT, MODELS]))
    assert fork.refresh() == 0
    return fork


__all__ = ["CLIENT", "MODELS", "OWN", "ROOT", "UPSTREAM", "VERSION", "Fork", "install", "row", "with_two_patches"]
