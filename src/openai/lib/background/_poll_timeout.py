"""The time of a wait: the error that says it is up, and the time-outs that keep a poll within it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx2

from openai._exceptions import OpenAIError

LAST_REQUEST = 1.0  # seconds that a request gets at least, also at the end of the time
LONGEST_REQUEST = 86_400.0  # and at most, where its own time-out is None; sockets take no more than 24 days


class BackgroundPollTimeoutError(OpenAIError, TimeoutError):
    """Raised when `max_wait_seconds` have passed and the run has not ended. Nothing was cancelled: poll the same id again.

    `__cause__` is the fault of the last poll, if that one failed. You get a fault itself instead when it does not pass
    by waiting, or when an outage lasts too long.
    """

    message: str

    response_id: str
    """The id that was asked for."""

    status: str | None
    """The last status that was seen, in lower case; None where the run was never seen."""

    elapsed_seconds: float
    """How long the wait was."""

    polls: int
    """How many polls were made."""

    def __init__(
        self,
        message: str,
        *,
        response_id: str = "",
        status: str | None = None,
        elapsed_seconds: float = 0.0,
        polls: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.response_id = response_id
        self.status = status
        self.elapsed_seconds = elapsed_seconds
        self.polls = polls


class TimeLeft(httpx2.Timeout):
    """The time-outs of a poll that is not to outlast the wait.

    They are worked out when they are read, because a client that retries makes several requests of one poll.
    """

    def __init__(self, wanted: httpx2.Timeout, deadline: float) -> None:
        self._wanted = wanted
        self._deadline = deadline

    if not TYPE_CHECKING:  # which takes them for the plain attributes of the base class
        connect = property(lambda self: self._left(self._wanted.connect))
        read = property(lambda self: self._left(self._wanted.read))
        write = property(lambda self: self._left(self._wanted.write))
        pool = property(lambda self: self._left(self._wanted.pool))

    def _left(self, wanted: float | None) -> float:
        left = max(self._deadline - time.monotonic(), LAST_REQUEST)
        return min(left, LONGEST_REQUEST if wanted is None else wanted)
