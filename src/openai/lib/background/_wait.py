"""The state and the policy of one wait, the same for sync and async: `Wait`, on which `_poll` rests.

How often to ask: as `openai-poll-after-ms` says, read anew at each answer; else after about 5 % of the time already
waited, so that a long run costs few requests and is still noticed soon. What to do when asking fails: see `bears`.
"""

from __future__ import annotations

import math
import time
from random import random
from typing import TYPE_CHECKING, Any, Callable, cast

import jiter
import httpx2

from openai._types import Omit, Query, Headers, NotGiven
from openai._utils import is_given, path_template, strip_not_given
from openai._compat import PYDANTIC_V1
from openai._models import FinalRequestOptions
from openai._exceptions import OpenAIError, APIStatusError, APIConnectionError, APIResponseValidationError
from openai._legacy_response import LegacyAPIResponse

from ._errors import BackgroundPollTimeoutError

if TYPE_CHECKING:
    from openai.types.responses import Response

__all__ = ["Wait"]

_PENDING = frozenset({"queued", "in_progress"})
_BORNE = frozenset({408, 409, 425, 429})  # and every 5xx
_GRACE_404 = 60.0  # seconds after the first poll in which a new response may not be found yet
_SHORTEST, _FIRST, _LONGEST = 0.1, 0.5, 60.0  # seconds between polls
_GROWTH = 0.05  # of the time waited
_JITTER = 0.05  # taken off at most, so that many waits that began together drift apart
_BACKOFF_LONGEST = 30.0
_RETRY_AFTER_LONGEST = 3600.0
_REQUEST_SHORTEST = 1.0  # a request at the end of the time is given this long
_HEAD = 1024  # bytes in which the status is looked for first; the API sends it among the first members

_HEADERS = {"X-Stainless-Poll-Helper": "true"}
_REQUEST = FinalRequestOptions.construct(method="get", url="", max_retries=0)
_copy: Callable[..., FinalRequestOptions] = getattr(_REQUEST, "copy" if PYDANTIC_V1 else "model_copy")


class _Unreadable(APIResponseValidationError):
    """An answer with status 200 that is no response: a page of a proxy, say, or JSON that was cut off."""


class Wait:
    """The state of one wait, the same for sync and async; it holds nothing of the answers but the status."""

    __slots__ = (
        "_client",
        "_deadline",
        "_fault",
        "_faults",
        "_interval",
        "_raises",
        "_retry_after",
        "_started",
        "ended",
        "path",
        "polls",
        "response_id",
        "status",
    )

    def __init__(
        self,
        client: Any,
        response_id: str,
        raise_on_failure: bool,
        poll_interval_ms: float | Omit,
        max_wait_seconds: float | Omit,
        on_poll: object = None,
    ) -> None:
        if not isinstance(cast(object, response_id), str):
            raise TypeError(f"Expected `response_id` to be a string but received {type(response_id).__name__}")
        if not response_id:
            raise ValueError(f"Expected a non-empty value for `response_id` but received {response_id!r}")
        if on_poll is not None and not callable(on_poll):
            raise TypeError(
                f"Expected `on_poll` to be a function but received {type(on_poll).__name__}; omit it for none"
            )
        self.path = path_template("/responses/{response_id}", response_id=response_id)
        interval_ms = _non_negative("poll_interval_ms", poll_interval_ms)
        limit = _non_negative("max_wait_seconds", max_wait_seconds)
        self._client = client
        self._raises = raise_on_failure
        self._interval = interval_ms / 1000 if interval_ms is not None else None
        self._started = time.monotonic()
        self._deadline = self._started + limit if limit is not None else None
        self._fault: OpenAIError | None = None
        self._faults = 0
        self._retry_after: float | None = None
        self.response_id = response_id
        self.status: str | None = None
        self.polls = 0
        self.ended = False

    def options(
        self,
        include: list[Any] | Omit,
        extra_headers: Headers | None,
        extra_query: Query | None,
        timeout: float | httpx2.Timeout | None | NotGiven,
    ) -> FinalRequestOptions:
        """The request of the next poll. The client's own retries are off: this wait does the waiting.

        It is made anew for each poll, because thousands of waits that sleep hold less without it; and copied, because
        that costs a fraction of what `FinalRequestOptions.construct()` does.
        """
        headers: dict[str, Any] = {**strip_not_given(extra_headers or {}), **_HEADERS}
        if self._interval is not None:
            headers["X-Stainless-Custom-Poll-Interval"] = f"{self._interval * 1000:g}"
        params: dict[str, object] = {} if isinstance(include, Omit) else {"include": include}
        if extra_query is not None:
            params.update(strip_not_given(extra_query))
        # All that a hook of the client could change in place is this poll's own.
        options = {"url": self.path, "headers": headers, "params": params, "security": {"bearer_auth": True}}
        self._limit(options, timeout)
        return _copy(update=options)

    def _limit(self, options: dict[str, Any], timeout: float | httpx2.Timeout | None | NotGiven) -> None:
        """Count a poll, and keep its request from outlasting the wait."""
        self.polls += 1
        self._retry_after = None
        if self._deadline is None:
            if not isinstance(timeout, NotGiven):
                options["timeout"] = timeout
            return
        left = max(self._deadline - time.monotonic(), _REQUEST_SHORTEST)
        wanted: Any = self._client.timeout if isinstance(timeout, NotGiven) else timeout
        # Also the `Timeout` of the older httpx, which upstream takes as well.
        given = httpx2.Timeout(**wanted.as_dict()) if hasattr(wanted, "as_dict") else httpx2.Timeout(wanted)
        options["timeout"] = httpx2.Timeout(
            connect=left if given.connect is None else min(given.connect, left),
            read=left if given.read is None else min(given.read, left),
            write=left if given.write is None else min(given.write, left),
            pool=left if given.pool is None else min(given.pool, left),
        )

    def read(self, response: httpx2.Response) -> None:
        """Take the status from an answer; raise `_Unreadable` where there is none to be had."""
        status = _peek_status(response.content)
        self.status = cast(str, status) if status in _PENDING else _read_status(response)
        self.ended = self.status not in _PENDING
        self._fault, self._faults = None, 0
        if self._interval is None:
            self._retry_after = _hint(response.headers.get("openai-poll-after-ms"))

    def bears(self, err: OpenAIError) -> bool:
        """Whether to wait a fault out. One that will not pass is given the id on its way to the caller."""
        if isinstance(err, APIStatusError):
            code = err.status_code
            borne = code in _BORNE or code >= 500 or (code == 404 and self.elapsed() < _GRACE_404)
            if borne:
                self._retry_after = _non_negative_or_none(self._client._parse_retry_after_header(err.response.headers))
        else:
            borne = isinstance(err, (APIConnectionError, _Unreadable))
        if not borne:
            if hasattr(err, "add_note"):
                cast(Any, err).add_note(
                    f"This was poll {self.polls} of response {self.response_id}. The run goes on: poll the same id again."
                )
            return False
        # Without its traceback, which holds this very frame.
        self._fault = err.with_traceback(None)
        self._faults += 1
        return True

    def delay(self) -> float:
        """Seconds to sleep before the next poll; raises when the time is up."""
        elapsed = self.elapsed()
        if self._faults:
            backoff = min(_FIRST * 2.0 ** min(self._faults - 1, 10), _BACKOFF_LONGEST) * (1 - 0.25 * random())
            after = self._retry_after
            # Never at once: a server that says "after 0 s" with every refusal is not to be asked in a tight loop.
            seconds = backoff if after is None else min(max(after, _SHORTEST), _RETRY_AFTER_LONGEST)
        elif self._interval is not None:
            seconds = self._interval
        elif self._retry_after is not None:
            seconds = self._retry_after
        else:
            seconds = min(max(_FIRST, _GROWTH * elapsed), _LONGEST) * (1 - _JITTER * random())
        if self._deadline is not None:
            left = self._deadline - self._started - elapsed
            if left <= 0:
                raise self._timeout(elapsed) from self._fault
            # The last sleep ends with the time; one more poll then tells how things stand.
            seconds = min(seconds, left)
        return seconds

    def result(self, answer: httpx2.Response, options: FinalRequestOptions) -> Response:
        """The ended response as the model that `retrieve` gives, or its error."""
        from openai.types.responses import Response

        raw = LegacyAPIResponse[Response](
            raw=answer, client=self._client, cast_to=Response, stream=False, stream_cls=None, options=options
        )
        response = raw.parse()
        if self._raises:
            from ._verdict import ask_client

            error = ask_client(self._client, response, response=answer)
            if error is not None:
                # A traceback with locals must not print what the response echoes of the request.
                del response, answer, raw
                raise error
        return response

    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def _timeout(self, elapsed: float) -> BackgroundPollTimeoutError:
        polls = f"{self.polls} poll" + ("s" if self.polls != 1 else "")
        return BackgroundPollTimeoutError(
            f"Response {self.response_id} has not ended after {elapsed:.1f} s ({polls}, last status: {self.status}); "
            "the run goes on, poll the same id again.",
            response_id=self.response_id,
            status=self.status,
            elapsed_seconds=elapsed,
            polls=self.polls,
        )


def _peek_status(content: bytes) -> object:
    """The status, where it stands among the first bytes; else None. The rest of the body is not looked at."""
    try:
        head: object = jiter.from_json(content[:_HEAD], partial_mode=True, cache_mode="keys")
    except ValueError:
        return None
    return cast("dict[str, object]", head).get("status") if isinstance(head, dict) else None


def _read_status(response: httpx2.Response) -> str | None:
    """The status from the whole body, which must be readable: it is about to be parsed."""
    try:
        data: object = jiter.from_json(response.content, cache_mode="keys")
    except ValueError:
        data = None
    body = cast("dict[str, object]", data) if isinstance(data, dict) else {}
    if not body.keys() & {"id", "status", "error"}:
        raise _Unreadable(response, None, message="The answer to a poll could not be read as a response.")
    status = body.get("status")
    return status if isinstance(status, str) else None


def _hint(value: str | None) -> float | None:
    """`openai-poll-after-ms` in seconds, within reason; None where it is missing or nonsense."""
    try:
        milliseconds = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return min(max(milliseconds / 1000, _SHORTEST), _LONGEST) if milliseconds >= 0 else None


def _non_negative(name: str, value: float | Omit) -> float | None:
    if not is_given(value):
        return None
    if isinstance(value, bool) or not isinstance(cast(object, value), (int, float)):
        raise TypeError(f"Expected `{name}` to be a number but received {value!r}; omit it for the default")
    if not math.isfinite(value) or value < 0:
        raise ValueError(
            f"Expected a finite, non-negative value for `{name}` but received {value!r}; omit it for the default"
        )
    return float(value)


def _non_negative_or_none(value: float | None) -> float | None:
    return value if value is not None and value >= 0 else None
