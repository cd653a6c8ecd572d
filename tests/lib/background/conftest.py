from __future__ import annotations

import pytest


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    """Runs a test with both clients."""
    return request.param
