"""Waiting for a run: `poll_response` and `async_poll_response`, which `responses.poll()` calls.

A fault of a poll is not a fault of the run, which goes on and is paid for; so it is waited out, within
`max_wait_seconds`. The run is never cancelled and never created again, and its id is in every error. While it is
unfinished only its status is read, from the first bytes of the answer; nothing is kept between polls.

How often to ask and which fault to bear is in `_wait`; here are the two loops.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Union, Callable, Optional, Awaitable
from typing_extensions import TypeAlias

import httpx2

from openai._types import Omit, Query, Headers, NotGiven, omit, not_given
from openai._exceptions import OpenAIError

from ._wait import Wait

if TYPE_CHECKING:
    from openai.types.responses import Response, ResponseIncludable
    from openai.resources.responses import Responses, AsyncResponses

__all__ = ["AsyncOnPoll", "OnPoll", "async_poll_response", "poll_response"]

OnPoll: TypeAlias = Callable[[int, Optional[str], float], object]
"""Called after each poll with its number from 1, the status (None before the first good answer), and the seconds."""

AsyncOnPoll: TypeAlias = Callable[[int, Optional[str], float], Union[Awaitable[object], object]]
"""As `OnPoll`; what it returns is awaited if it can be."""


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
    wait = Wait(self._client, response_id, raise_on_failure, poll_interval_ms, max_wait_seconds, on_poll)
    while True:
        answer: httpx2.Response | None = None
        options = wait.options(include, extra_headers, extra_query, timeout)
        try:
            answer = self._client.request(httpx2.Response, options)
            wait.read(answer)
        except OpenAIError as err:
            if not wait.bears(err):
                raise
        if on_poll is not None:
            on_poll(wait.polls, wait.status, wait.elapsed())
        if wait.ended and answer is not None:
            return wait.result(answer, options)
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
    wait = Wait(self._client, response_id, raise_on_failure, poll_interval_ms, max_wait_seconds, on_poll)
    while True:
        answer: httpx2.Response | None = None
        options = wait.options(include, extra_headers, extra_query, timeout)
        try:
            answer = await self._client.request(httpx2.Response, options)
            wait.read(answer)
        except OpenAIError as err:
            if not wait.bears(err):
                raise
        if on_poll is not None:
            called = on_poll(wait.polls, wait.status, wait.elapsed())
            if inspect.isawaitable(called):
                await called
        if wait.ended and answer is not None:
            return wait.result(answer, options)
        del answer, options
        await self._sleep(wait.delay())
