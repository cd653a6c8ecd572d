"""How a wait goes, the same for sync and async: when it ends, how often to ask, and how long to bear what fails.

    completed, failed, incomplete, cancelled, expired     the wait ends
    any other word, or none, with an error                the same: to the verdict it is a failure
    any other word                                        waited on; logged once, unless it is queued or in_progress
    no status, or one that is no string                   an answer that cannot be read, a fault of the poll

`_faults` knows which faults pass by waiting; the limits of patience with them are below. An outage is logged when it
begins and when it ends.
"""

from __future__ import annotations

import time
import logging
from random import random
from typing import Any, cast
from contextlib import AbstractContextManager

import anyio
import jiter
import httpx2

from openai._types import Omit, NotGiven
from openai._utils import is_given
from openai._httpx2 import normalize_httpx_timeout
from openai._exceptions import OpenAIError, APITimeoutError, APIResponseValidationError

from ._faults import number, passes, described, is_missing, retry_after, is_unreadable
from ._verdict import GOING_WELL, ENDED_BADLY, Outcome, _shown, is_response, read_outcome
from ._poll_timeout import LAST_REQUEST, TimeLeft, BackgroundPollTimeoutError

log: logging.Logger = logging.getLogger(__name__)

# Seconds between two polls.
FIRST_INTERVAL, LONGEST_INTERVAL = 0.5, 60.0
SHORTEST_INTERVAL = 0.1  # whatever a server or a caller says
GROWTH = 0.05  # of the time waited: a long run costs few requests, and its end is still seen soon
JITTER = 0.05  # taken off at most, so that waits that began together drift apart
LONGEST_BACKOFF, BACKOFF_JITTER = 30.0, 0.25  # after a fault; the pauses double from `FIRST_INTERVAL`

# The limits of patience, in seconds.
OUTAGE = 600.0  # without one good answer
MISSING_GRACE = 15.0  # of 404, from the first one: a new response may not be found yet, and outages look like that
UNREADABLE_ANSWERS, UNREADABLE_SECONDS = 3, 30.0  # in a row: a page for logging in does not pass by waiting

LONGEST_WAIT = 366 * 86_400.0  # a longer one is a slip


class Wait:
    """The state of one wait. While it sleeps it holds the last status, and nothing else of any answer."""

    __slots__ = (
        "_deadline",
        "_fault",
        "_faults",
        "_faulty_since",
        "_interval",
        "_missing_since",
        "_next",
        "_outage",
        "_started",
        "_unknown",
        "_unreadable",
        "_unreadable_since",
        "polls",
        "response_id",
        "status",
    )

    def __init__(
        self,
        response_id: str,
        poll_interval_ms: float | Omit,
        max_wait_seconds: float | Omit,
        max_outage_seconds: float | Omit,
    ) -> None:
        if not isinstance(cast(object, response_id), str):
            raise TypeError(f"Expected `response_id` to be a string but received {type(response_id).__name__}")
        if not response_id:
            raise ValueError(f"Expected a non-empty value for `response_id` but received {response_id!r}")
        interval_ms = _checked("poll_interval_ms", poll_interval_ms, LONGEST_WAIT * 1000)
        limit = _checked("max_wait_seconds", max_wait_seconds, LONGEST_WAIT)
        outage = _checked("max_outage_seconds", max_outage_seconds, LONGEST_WAIT)
        self._interval = None if interval_ms is None else max(interval_ms / 1000, SHORTEST_INTERVAL)
        self._outage = OUTAGE if outage is None else outage
        self._started = time.monotonic()
        self._deadline = None if limit is None else self._started + limit
        self._next: float | None = None
        self._fault: OpenAIError | None = None
        self._faults = self._unreadable = 0
        self._faulty_since = self._unreadable_since = self._started
        self._missing_since: float | None = None
        self._unknown: tuple[str, ...] = ()
        self.response_id = response_id
        self.status: str | None = None
        self.polls = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began."""
        return time.monotonic() - self._started

    def headers(self) -> dict[str, str]:
        """What upstream's other poll helpers tell the server."""
        headers = {"X-Stainless-Poll-Helper": "true"}
        if self._interval is not None:
            headers["X-Stainless-Custom-Poll-Interval"] = f"{self._interval * 1000:g}"
        return headers

    def timeout(self, client: Any, wanted: float | httpx2.Timeout | None | NotGiven) -> Any:
        """The time-outs of the next request."""
        if self._deadline is None:
            return wanted
        asked: Any = normalize_httpx_timeout(client.timeout if isinstance(wanted, NotGiven) else wanted)
        return TimeLeft(httpx2.Timeout(asked), self._deadline)

    def time_limit(self) -> AbstractContextManager[object]:
        """Cuts off, in async code, a request that goes on a second after the end of the time, or for a whole `OUTAGE`.

        Time-outs alone do not: they are those of one attempt, and of one piece of an answer. Of a bad chunk behind the
        headers aiohttp tells nobody, and waits for ever.
        """
        left = OUTAGE if self._deadline is None else min(self._deadline - time.monotonic(), OUTAGE)
        return anyio.move_on_after(max(left, 0.0) + LAST_REQUEST)

    def read(self, answer: Any) -> Any:
        """The response in a raw answer, parsed, once the run has ended; None until then.

        Args:
          answer: The raw answer; None where it was cut off.

        Raises:
          APITimeoutError: It was cut off.
          APIResponseValidationError: It is no response, or has no status that can be read.
        """
        if answer is None:
            raise APITimeoutError(httpx2.Request("GET", ""))
        outcome = _read_outcome(answer.http_response)
        if outcome is None or (outcome.status is None and not _is_bad(outcome)):
            raise self._unreadable_answer(answer)
        response: Any = None
        if outcome.status == "completed" or _is_bad(outcome):
            try:
                response = answer.parse()
            except OpenAIError:
                raise
            except Exception:  # whatever a decoder or a model makes of odd bytes
                raise self._unreadable_answer(answer) from None
        elif outcome.status not in GOING_WELL:
            self._log_unknown(outcome.status or "")
        self._log_end_of_outage()
        self._faults = self._unreadable = 0
        self._missing_since = None
        self.status = outcome.status
        if self._interval is None:
            self._next = _hint(answer.http_response.headers.get("openai-poll-after-ms"))
        return response

    def has_ended(self, response: object) -> bool:
        """Whether the run has, by a later answer than the last one that was read."""
        self.status = read_outcome(response).status
        return self.status == "completed"

    def bears(self, fault: Exception) -> bool:
        """Whether a fault is waited out. Should the time be up, it is the cause."""
        if not isinstance(fault, OpenAIError):
            return False
        now = time.monotonic()
        if not self._faults:
            self._faulty_since = now
        patience = self._patience(fault, now)
        if patience <= 0 or not passes(fault):
            self._add_note(fault)
            return False
        if not self._faults:
            log.warning("Poll %d of response %s failed, which may pass: %s", self.polls, self._id(), described(fault))
        asked = retry_after(fault)
        if is_missing(fault):
            seconds = FIRST_INTERVAL
        elif asked is not None:
            seconds = asked
        else:
            seconds = min(FIRST_INTERVAL * 2.0 ** min(self._faults, 10), LONGEST_BACKOFF)
            seconds *= 1 - BACKOFF_JITTER * random()
        self._next = min(seconds, patience)  # one more poll is made when it ends
        self._fault = fault
        self._faults += 1
        return True

    def pause(self) -> float:
        """Seconds to sleep before the next poll.

        Raises:
          BackgroundPollTimeoutError: The time is up.
        """
        elapsed = self.elapsed
        fault, self._fault = self._fault, None  # nothing of it is kept during the sleep
        seconds, self._next = self._next, None
        if seconds is None:
            seconds = self._interval
        if seconds is None:
            seconds = min(max(FIRST_INTERVAL, GROWTH * elapsed), LONGEST_INTERVAL) * (1 - JITTER * random())
        seconds = max(seconds, SHORTEST_INTERVAL)
        if self._deadline is None:
            return seconds
        left = self._deadline - self._started - elapsed
        if left <= 0:
            raise self._timed_out(elapsed, fault) from fault
        return min(seconds, left)  # one more poll is made when it ends, and tells how things stand

    def _patience(self, fault: OpenAIError, now: float) -> float:
        """Seconds for which such a fault is still borne."""
        patience = self._faulty_since + self._outage - now
        if is_unreadable(fault):
            self._unreadable_since = self._unreadable_since if self._unreadable else now
            self._unreadable += 1
            left = self._unreadable_since + UNREADABLE_SECONDS - now
            return min(patience, left) if left > 0 or self._unreadable >= UNREADABLE_ANSWERS else patience
        self._unreadable = 0
        if is_missing(fault):
            self._missing_since = now if self._missing_since is None else self._missing_since
            return min(patience, self._missing_since + MISSING_GRACE - now)
        return patience

    def _unreadable_answer(self, answer: Any) -> APIResponseValidationError:
        return APIResponseValidationError(
            answer.http_response,
            None,
            message=f"The answer to poll {self.polls} of response {self._id()} could not be read as a response.",
        )

    def _timed_out(self, elapsed: float, fault: OpenAIError | None) -> BackgroundPollTimeoutError:
        polls = f"{self.polls} poll" + ("s" if self.polls != 1 else "")
        last = f"the last poll: {described(fault)}" if fault is not None else "the run goes on"
        if self.status is None:
            told = f"was never seen in {elapsed:.1f} s ({polls}); {last}"
        else:
            told = f"has not ended after {elapsed:.1f} s ({polls}, last status: {_shown(self.status)}); {last}; "
            told += "poll the same id again"
        return BackgroundPollTimeoutError(
            f"Response {self._id()} {told}",
            response_id=self.response_id,
            status=self.status,
            elapsed_seconds=elapsed,
            polls=self.polls,
        )

    def _add_note(self, fault: OpenAIError) -> None:
        """Put on a fault that ends the wait which response it is about, and what is known of that."""
        seen = f"was last seen {_shown(self.status)}" if self.status is not None else "was never seen"
        note = f"Response {self._id()} {seen}; this was poll {self.polls}, after {self.elapsed:.1f} s."
        if hasattr(fault, "add_note"):  # from Python 3.11 on
            cast(Any, fault).add_note(note)

    def _log_unknown(self, word: str) -> None:
        if word not in self._unknown:
            self._unknown += (word,)
            log.warning("Response %s has a status that is not known, waiting on: %s", self._id(), _shown(word))

    def _log_end_of_outage(self) -> None:
        if self._faults:
            seconds = time.monotonic() - self._faulty_since
            log.warning(
                "Response %s answers again after %.1f s; polls that failed: %d", self._id(), seconds, self._faults
            )

    def _id(self) -> str:
        return _shown(self.response_id)


def ended_badly(response: object) -> bool:
    """Whether the run of a response, as JSON or as a model, has failed to the verdict."""
    return _is_bad(read_outcome(response))


def _is_bad(outcome: Outcome) -> bool:
    # Another word, or none, is a failure with an error beside it.
    return outcome.status in ENDED_BADLY or (bool(outcome.error) and outcome.status not in GOING_WELL)


def _read_outcome(http: httpx2.Response) -> Outcome | None:
    """A response as plain values; None for what is none. Never stricter than `retrieve`, which reads by `json()`."""
    data: object
    try:
        data = jiter.from_json(http.content, cache_mode="keys")
    except ValueError:
        try:
            data = http.json()
        except Exception:  # of a decoder, or a RecursionError
            return None
    outcome = read_outcome(data)
    return outcome if is_response(data, asked_for=True) else None


def _hint(header: str | None) -> float | None:
    """`openai-poll-after-ms` in seconds, within reason; None where it is missing or nonsense."""
    seconds = number(header) / 1000
    return min(max(seconds, SHORTEST_INTERVAL), LONGEST_INTERVAL) if seconds >= 0 else None


def _checked(name: str, value: float | Omit, longest: float) -> float | None:
    if not is_given(value):
        return None
    if isinstance(value, bool) or not isinstance(cast(object, value), (int, float)):
        raise TypeError(f"Expected `{name}` to be a number but received {value!r}; omit it for the default")
    if not 0 <= value <= longest:  # nor is NaN
        raise ValueError(
            f"Expected a value from 0 to {longest:.0f} for `{name}` but received {value!r}; omit it for the default"
        )
    return float(value)
