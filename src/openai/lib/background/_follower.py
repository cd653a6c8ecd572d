"""How a run is followed, the same for sync and async: what is new, when to ask for the stream again, when to poll."""

from __future__ import annotations

import time
import random
import logging
from typing import Any, Generic, TypeVar, cast

import httpx2

from openai._httpx2 import normalize_httpx_timeout
from openai._models import construct_type
from openai._exceptions import APIError, APIStatusError, APIConnectionError

from ._errors import member, word_of
from ._stream import BackgroundStreamInterruptedError
from ._poll_timeout import TimeLeft, BackgroundPollTimeoutError
from ._stream_events import kind_of, number_of, response_at_end

log: logging.Logger = logging.getLogger(__name__)

# Seconds before each attempt to have the stream again; behind the last one without a new event, the run is polled.
PAUSES = (0.5, 1.0, 2.0)
JITTER = 0.25  # taken off at most, so that streams that broke together drift apart


ResponseT = TypeVar("ResponseT")


class Follower(Generic[ResponseT]):
    """What both kinds share: all that is not waiting."""

    def __init__(
        self, responses: Any, response_id: str, starting_after: int | None, max_wait_seconds: float | None
    ) -> None:
        self.sequence_number = starting_after
        """The number of the last event that was delivered, or the one to start behind."""

        self._responses = responses
        self._id = response_id
        self._began = time.monotonic()
        self._deadline = None if max_wait_seconds is None else self._began + max_wait_seconds
        self._response: ResponseT | None = None
        self._stream: Any = None
        self._closed = False
        self._polls = False
        """The stream is not to be had any more."""
        self._attempts = 0
        """How often the stream was asked for since the last new event."""
        self._behind: int | None = None
        """Events up to this number were delivered before this stream began."""
        self._unnumbered = False
        """Events were delivered that no stream can start behind."""

    @property
    def response(self) -> ResponseT:
        """The response of the run, which is completed.

        Raises:
          RuntimeError: The end was not reached; it is with the last event.
        """
        if self._response is None:
            raise RuntimeError("The run was not followed to its end; iterate over it first")
        return self._response

    @property
    def _is_over(self) -> bool:
        return self._closed or self._response is not None

    @property
    def _is_up(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _left(self) -> float | None:
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    def _stream_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"stream": True, "raise_on_failure": True}
        self._behind = self.sequence_number
        if self.sequence_number is not None:
            options["starting_after"] = self.sequence_number
        if self._deadline is not None:
            wanted: Any = normalize_httpx_timeout(self._responses._client.timeout)
            options["timeout"] = TimeLeft(httpx2.Timeout(wanted), self._deadline)
        return options

    def _poll_options(self) -> dict[str, Any]:
        left = self._left()
        return {"raise_on_failure": True, **({} if left is None else {"max_wait_seconds": left})}

    def _takes(self, event: Any) -> bool:
        """Whether an event is new; notes what it says."""
        ended = response_at_end(event, kind_of(event))
        number = number_of(event)
        if ended is None and self._behind is not None:
            if number is None or number <= self._behind:
                return False  # a server that begins anew, whatever it is asked
            self._behind = None
        if number is not None:
            self.sequence_number = number
            self._attempts = 0
        else:
            self._unnumbered = self._unnumbered or (kind_of(event) or "").startswith("response.")
        if ended is not None and word_of(ended.get("status")) == "completed":
            self._response = cast("ResponseT", member(event, "response"))
        return True

    def _timed_out(self, error: BackgroundPollTimeoutError) -> BackgroundPollTimeoutError:
        """The error of the last poll, as that of the whole."""
        elapsed = time.monotonic() - self._began
        timed_out = BackgroundPollTimeoutError(
            f"Followed for {elapsed:.1f} s; {error}",
            response_id=error.response_id,
            status=error.status,
            elapsed_seconds=elapsed,
            polls=error.polls,
        )
        timed_out.__cause__ = error.__cause__
        return timed_out

    def _broke(self, fault: Exception | None) -> float:
        """The seconds to pause before the next attempt, if there is one to be made."""
        refused = isinstance(fault, BackgroundStreamInterruptedError) and not fault.resumable
        if isinstance(fault, APIStatusError):
            refused = fault.status_code < 500 and fault.status_code not in (408, 409, 429)
        elif isinstance(fault, APIError) and not isinstance(fault, APIConnectionError):
            refused = True
        lost = self._unnumbered and self.sequence_number is None
        if fault is None or refused or lost or self._attempts >= len(PAUSES):
            log.info("The stream of a response is not to be had any more (%s); polling", type(fault).__name__)
            self._polls = True
            return 0.0
        pause = PAUSES[self._attempts] * (1 - JITTER * random.random())
        self._attempts += 1
        log.info("The stream of a response broke off (%s); asking again in %.1f s", type(fault).__name__, pause)
        left = self._left()
        return pause if left is None else min(pause, left)

    def _closing(self, response: Any) -> Any:
        """The closing event for a response that was polled."""
        from openai.types.beta import BetaResponse, BetaResponseCompletedEvent
        from openai.types.responses import ResponseCompletedEvent

        self._response = response
        self.sequence_number = 0 if self.sequence_number is None else self.sequence_number + 1
        kind = BetaResponseCompletedEvent if isinstance(response, BetaResponse) else ResponseCompletedEvent
        members = {"type": "response.completed", "sequence_number": self.sequence_number, "response": response}
        return construct_type(type_=kind, value=members)
