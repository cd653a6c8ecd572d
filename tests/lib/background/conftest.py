from __future__ import annotations

import pytest

from ._support import HAS_HOOKS, Api

if not HAS_HOOKS:
    # The module runs outside the SDK here, on a client that has no `raise_on_failure`.
    collect_ignore_glob = ["test_hooks_*.py"]


@pytest.fixture(params=["sync", "async"])
def api(request: pytest.FixtureRequest) -> Api:
    """The sync and the async client, one after the other."""
    return Api(request.param)
