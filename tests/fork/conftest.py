from __future__ import annotations

import sys
import shutil
from pathlib import Path

import pytest

from forktools import ROOT, tree
from tests.fork.real import UV, run, shared
from tests.fork.support import Fork, with_two_patches


@pytest.fixture
def fork(tmp_path: Path) -> Fork:
    """A fork with an empty series and nothing laid."""
    return Fork(tmp_path / "fork")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_two_patches(Fork(tmp_path_factory.mktemp("made") / "fork")).root


@pytest.fixture
def patched(made_once: Path, tmp_path: Path) -> Fork:
    """A laid fork of two patches."""
    return Fork.at(shutil.copytree(made_once, tmp_path / "fork"))


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository as it is now, all of it committed. Taken once, because somebody may be editing; not changed."""

    def copy(folder: Path) -> None:
        for path in tree.listed(ROOT):
            if (ROOT / path).is_file():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, folder / path)
        run("git", "init", "--quiet", "--initial-branch=main", cwd=folder)
        run("git", "add", "--all", cwd=folder)
        identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
        run("git", *identity, "commit", "--quiet", "--message=all", cwd=folder)

    return shared(tmp_path_factory, "repository", copy)


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with nothing but the content that the constraints name."""
    constraints = ("--require-hashes", "--build-constraints", repository / "requirements/constraints/build.txt")

    def build(folder: Path) -> None:
        target = ("--python", sys.executable, "--out-dir", folder)
        run(UV, "build", "-q", "--wheel", *constraints, *target, repository, cwd=folder)

    (built,) = shared(tmp_path_factory, "wheel", build).glob("*.whl")
    return built
