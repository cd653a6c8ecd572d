"""Waiting for a run: `poll_response` and `async_poll_response`, which `responses.poll()` calls.

Two policies, kept apart. How often to ask: as `openai-poll-after-ms` says, read anew at each answer; else after about
5 % of the time already waited, so that a long run costs few requests and is still noticed soon. What to do when
asking fails: a fault of a poll is not a fault of the run, which goes on and is paid for; so it is waited out, within
`max_wait_seconds`. The run is never cancelled and never created again, and its id is in every error.

While a run is unfinished only the status is read, from the first bytes of the answer; nothing is kept between polls.
"""

from __future__ import annotations

import math
import time
import inspect
from random import random
from typing import TYPE_CHECKING, Any, Union, Callable, Optional, Awaitable, cast
from typing_extensions import TypeAlias

import jiter
import httpx2

from openai._types import Omit, Query, Headers, NotGiven, omit, not_given
from openai._utils import is_given, path_template
from openai._constants import RAW_RESPONSE_HEADER
from openai._exceptions import OpenAIError, APIStatusError, APIConnectionError, APIResponseValidationError

from ._errors import BackgroundResponseError, BackgroundPollTimeoutError

if TYPE_CHECKING:
    from openai.types.responses import Response, ResponseIncludable
    from openai._legacy_response import LegacyAPIResponse
    from openai.resources.responses import Responses, AsyncResponses

__all__ = ["AsyncOnPoll", "OnPoll", "async_poll_response", "poll_response"]

OnPoll: TypeAlias = Callable[[int, Optional[str], float], object]
"""Called after each poll with its number from 1, the status (None before the first good answer), and the seconds."""

AsyncOnPoll: TypeAlias = Callable[[int, Optional[str], float], Union[Awaitable[object], object]]
"""As `OnPoll`; what it returns is awaited if it can be."""

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


def poll_response(
    self: Responses,
    response_id: str,
    *,
    raise_on_failure: bool = False,
    poll_interval_ms: float | Omit = omit,
    max_wait_seconds: float | Omit = omit,
    on_poll: OnPoll | None = None,
    include: list[ResponseIncludable] | Omit = omit,
    extra_headers: Headers | None = None,
    extra_query: Query | None = None,
    timeout: float | httpx2.Timeout | None | NotGiven = not_given,
) -> Response:
    """Wait until a response has ended, and return it.

    Args:
      response_id: The id of a response that was created with `background=True`.

      raise_on_failure: Raise a `BackgroundResponseError` if the run failed, was cancelled or is incomplete. By
          default such a response is returned like a completed one; look at `status` and `error`.

      poll_interval_ms: Milliseconds between polls, always. By default the server's `openai-poll-after-ms` decides;
          without it the interval begins at half a second and grows with the time waited, up to a minute.

      max_wait_seconds: Seconds to wait, finite and not negative; one poll is made in any case, and a request under
          way at the end is given up to one second more. Omit it to wait without limit.

      on_poll: Called after each poll with its number (from 1), the status and the seconds waited.

      include, extra_headers, extra_query, timeout: As for `retrieve`; `timeout` is that of a single poll.

    A poll that fails is repeated, with backoff, for as long as the wait lasts: connection errors, time-outs, 408, 409,
    425, 429, 5xx, an answer that cannot be read, and 404 in the first minute. The client's `max_retries` does not add
    to it. The run goes on whatever happens here: it is never cancelled, and the same call with the same id takes up
    the wait again.

    Returns:
      The response: completed, or with a status that is not known; without `raise_on_failure` however it ended.

    Raises:
      BackgroundResponseError: The run ended badly, and `raise_on_failure` is set.
      BackgroundPollTimeoutError: `max_wait_seconds` have passed; `__cause__` is the fault of the last poll, if it failed.
      APIStatusError: A poll was refused (400, 401, 403, 404 and others); a note on the error names the response.
      TypeError, ValueError: An argument is not of its type or range; nothing was requested.
    """
    if inspect.iscoroutinefunction(on_poll):
        raise TypeError("Expected `on_poll` to be a plain function; a coroutine function needs the async client")
    wait = _Wait(self._client, response_id, raise_on_failure, poll_interval_ms, max_wait_seconds)
    while True:
        answer: LegacyAPIResponse[Response] | None = None
        options: Any = wait.options(include, extra_headers, extra_query, timeout)
        try:
            answer = cast(
                "LegacyAPIResponse[Response]", self._get(wait.path, cast_to=_response_type(), options=options)
            )
            wait.read(answer)
        except OpenAIError as err:
            if not wait.bears(err):
                raise
        if on_poll is not None:
            on_poll(wait.polls, wait.status, wait.elapsed())
        if wait.ended and answer is not None:
            return wait.result(answer)
        del answer, options
        self._sleep(wait.delay())


async def async_poll_response(
    self: AsyncResponses,
    response_id: str,
    *,
    raise_on_failure: bool = False,
    poll_interval_ms: float | Omit = omit,
    max_wait_seconds: float | Omit = omit,
    on_poll: AsyncOnPoll | None = None,
    include: list[ResponseIncludable] | Omit = omit,
    extra_headers: Headers | None = None,
    extra_query: Query | None = None,
    timeout: float | httpx2.Timeout | None | NotGiven = not_given,
) -> Response:
    """Wait until a response has ended, and return it.

    Args:
      response_id: The id of a response that was created with `background=True`.

      raise_on_failure: Raise a `BackgroundResponseError` if the run failed, was cancelled or is incomplete. By
          default such a response is returned like a completed one; look at `status` and `error`.

      poll_interval_ms: Milliseconds between polls, always. By default the server's `openai-poll-after-ms` decides;
          without it the interval begins at half a second and grows with the time waited, up to a minute.

      max_wait_seconds: Seconds to wait, finite and not negative; one poll is made in any case, and a request under
          way at the end is given up to one second more. Omit it to wait without limit.

      on_poll: Called after each poll with its number (from 1), the status and the seconds waited; awaited
          if it returns an awaitable.

      include, extra_headers, extra_query, timeout: As for `retrieve`; `timeout` is that of a single poll.

    A poll that fails is repeated, with backoff, for as long as the wait lasts: connection errors, time-outs, 408, 409,
    425, 429, 5xx, an answer that cannot be read, and 404 in the first minute. The client's `max_retries` does not add
    to it. The run goes on whatever happens here: it is never cancelled, and the same call with the same id takes up
    the wait again.

    Returns:
      The response: completed, or with a status that is not known; without `raise_on_failure` however it ended.

    Raises:
      BackgroundResponseError: The run ended badly, and `raise_on_failure` is set.
      BackgroundPollTimeoutError: `max_wait_seconds` have passed; `__cause__` is the fault of the last poll, if it failed.
      APIStatusError: A poll was refused (400, 401, 403, 404 and others); a note on the error names the response.
      TypeError, ValueError: An argument is not of its type or range; nothing was requested.
    """
    wait = _Wait(self._client, response_id, raise_on_failure, poll_interval_ms, max_wait_seconds)
    while True:
        answer: LegacyAPIResponse[Response] | None = None
        options: Any = wait.options(include, extra_headers, extra_query, timeout)
        try:
            answer = cast(
                "LegacyAPIResponse[Response]", await self._get(wait.path, cast_to=_response_type(), options=options)
            )
            wait.read(answer)
        except OpenAIError as err:
            if not wait.bears(err):
                raise
        if on_poll is not None:
            called = on_poll(wait.polls, wait.status, wait.elapsed())
            if inspect.isawaitable(called):
                await called
        if wait.ended and answer is not None:
            return wait.result(answer)
        del answer, options
        await self._sleep(wait.delay())


class _Unreadable(APIResponseValidationError):
    """An answer with status 200 that is no response: a page of a proxy, say, or JSON that was cut off."""


class _Wait:
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
    ) -> None:
        if not isinstance(cast(object, response_id), str):
            raise TypeError(f"Expected `response_id` to be a string but received {type(response_id).__name__}")
        if not response_id:
            raise ValueError(f"Expected a non-empty value for `response_id` but received {response_id!r}")
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
    ) -> dict[str, Any]:
        """The request options of the next poll. The client's own retries are off: this wait does the waiting.

        They are made anew for each poll, because thousands of waits that sleep hold less without them.
        """
        headers: dict[str, Any] = {"X-Stainless-Poll-Helper": "true", RAW_RESPONSE_HEADER: "true"}
        if self._interval is not None:
            headers["X-Stainless-Custom-Poll-Interval"] = f"{self._interval * 1000:g}"
        options: dict[str, Any] = {
            "headers": {**(extra_headers or {}), **headers},
            "max_retries": 0,
            "security": {"bearer_auth": True},
        }
        params: dict[str, object] = {} if isinstance(include, Omit) else {"include": include}
        if extra_query is not None:
            params.update(extra_query)
        if params:
            options["params"] = params
        self._limit(options, timeout)
        return options

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

    def read(self, answer: LegacyAPIResponse[Any]) -> None:
        """Take the status from an answer; raise `_Unreadable` where there is none to be had."""
        response = answer.http_response
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

    def result(self, answer: LegacyAPIResponse[Response]) -> Response:
        """The ended response as a model, or its error."""
        response = answer.parse()
        if self._raises:
            error = _make_error(self._client)(response, response=answer.http_response)
            if error is not None:
                # A traceback with locals must not print what the response echoes of the request.
                del response, answer
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


def _make_error(client: Any) -> Callable[..., BackgroundResponseError | None]:
    """The client's own hook, which a subclass may override; on a client without it (the shim's) the contract itself."""
    hook = getattr(client, "_make_background_error", None)
    if hook is None:
        from ._verdict import make_background_error as hook
    return cast(Any, hook)


def _response_type() -> type[Response]:
    from openai.types.responses import Response

    return Response


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
