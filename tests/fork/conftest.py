from __future__ import annotations

from pathlib import Path

import pytest

from tests.fork.support import Fork, with_two_patches


@pytest.fixture
def fork(tmp_path: Path) -> Fork:
    """A fork with an empty series and nothing laid."""
    (tmp_path / "fork").mkdir()
    return Fork(tmp_path / "fork")


@pytest.fixture
def patched(fork: Fork) -> Fork:
    """A laid fork of two patches."""
    return with_two_patches(fork)
