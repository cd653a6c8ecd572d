"""What a worker process is told to do in `test_travel_pools`. It imports nothing, so that a worker starts soon."""

from __future__ import annotations


def throw(error: BaseException) -> None:
    """Raises what was sent, so that an error goes there and back."""
    raise error
