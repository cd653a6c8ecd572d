from __future__ import annotations

from pathlib import Path

import pytest
from shim_matrix import run, must

from forktools import ROOT


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the tree as it is now, committed or not."""
    root = tmp_path_factory.mktemp("repository")
    listed = must(run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")).split("\0")
    for name in sorted({*listed} - {""}):
        source, target = ROOT / name, root / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink():
                target.symlink_to(source.readlink())
            else:
                target.write_bytes(source.read_bytes())
    identity = "-c", "user.name=A", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false"
    must(run("git", "init", "--quiet", root))
    must(run("git", "-C", root, "add", "--all"))
    must(run("git", "-C", root, *identity, "commit", "--quiet", "--message", "now"))
    return root
