"""Waiting for a run to end: `poll`, the method of both clients' `responses`, and `async_poll`.

Every poll is the resource's own `with_raw_response.retrieve`, and every pause its `_sleep`, so that overrides, hooks and
instrumentation see them. The run is never cancelled and never created again. How a wait goes is in `_wait`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Union, Callable, Iterable, Optional, Awaitable, overload
from typing_extensions import TypeAlias

import httpx2

from openai._types import Omit, Query, Headers, NotGiven, omit, not_given
from openai._utils import is_given

from ._wait import Wait, ended_badly
from ._parse import parse_or_raise
from ._errors import BackgroundResponseError
from ._faults import as_openai_error
from ._text_format import finisher

if TYPE_CHECKING:
    from openai.types.beta import BetaResponse, BetaResponseIncludable
    from openai.types.responses import Response, ParsedResponse, ResponseIncludable
    from openai.resources.responses import Responses, AsyncResponses
    from openai.lib._parsing._responses import TextFormatT
    from openai.resources.beta.responses import Responses as BetaResponses, AsyncResponses as AsyncBetaResponses
    from openai.types.responses.tool_param import ParseableToolParam

OnPoll: TypeAlias = Callable[[int, Optional[str], float], object]
"""Called after each poll: its number, from 1; the last status, None before the first; the seconds since the wait began."""

AsyncOnPoll: TypeAlias = Callable[[int, Optional[str], float], Union[Awaitable[object], object]]
"""As `OnPoll`; what it returns is awaited if it can be."""


@overload
def poll(
    self: Responses,
    response_id: str,
    *,
    raise_on_failure: bool = False,
    tools: Iterable[ParseableToolParam] | Omit = omit,
    poll_interval_ms: float | Omit = omit,
    max_wait_seconds: float | Omit = omit,
    max_outage_seconds: float | Omit = omit,
    on_poll: OnPoll | None = None,
    include: list[ResponseIncludable] | Omit = omit,
    extra_headers: Headers | None = None,
    extra_query: Query | None = None,
    timeout: float | httpx2.Timeout | None | NotGiven = not_given,
) -> Response: ...
@overload
def poll(
    self: Responses,
    response_id: str,
    *,
    text_format: type[TextFormatT],
    raise_on_failure: bool = False,
    tools: Iterable[ParseableToolParam] | Omit = omit,
    poll_interval_ms: float | Omit = omit,
    max_wait_seconds: float | Omit = omit,
    max_outage_seconds: float | Omit = omit,
    on_poll: OnPoll | None = None,
    include: list[ResponseIncludable] | Omit = omit,
    extra_headers: Headers | None = None,
    extra_query: Query | None = None,
    timeout: float | httpx2.Timeout | None | NotGiven = not_given,
) -> ParsedResponse[TextFormatT]: ...
@overload
def poll(
    self: BetaResponses,
    response_id: str,
    *,
    raise_on_failure: bool = False,
    poll_interval_ms: float | Omit = omit,
    max_wait_seconds: float | Omit = omit,
    max_outage_seconds: float | Omit = omit,
    on_poll: OnPoll | None = None,
    include: list[BetaResponseIncludable] | Omit = omit,
    extra_headers: Headers | None = None,
    extra_query: Query | None = None,
    timeout: float | httpx2.Timeout | None | NotGiven = not_given,
) -> BetaResponse: ...
def poll(
    self: Responses | BetaResponses,
    response_id: str,
    *,
    raise_on_failure: bool = False,
    text_format: type[Any] | Omit = omit,
    tools: Iterable[ParseableToolParam] | Omit = omit,
    poll_interval_ms: float | Omit = omit,
    max_wait_seconds: float | Omit = omit,
    max_outage_seconds: float | Omit = omit,
    on_poll: OnPoll | None = None,
    include: list[Any] | Omit = omit,
    extra_headers: Headers | None = None,
    extra_query: Query | None = None,
    timeout: float | httpx2.Timeout | None | NotGiven = not_given,
) -> Any:
    """Wait until the run of a response has ended, and return the response.

        run = client.responses.create(model="gpt-5.6", input="…", background=True)
        run = client.responses.poll(run.id, max_wait_seconds=3600, raise_on_failure=True)

    A wait ends when the run is completed, failed, incomplete, cancelled or expired; any other status is waited on. Set
    a limit: some servers leave a run pending for ever.

    Args:
      response_id: The id of a response that was created with `background=True`.

      raise_on_failure: Raise a `BackgroundResponseError` unless the run completed. By default a response is returned
          however its run ended; look at `status` and `error`.

      text_format: Parse the output as `responses.parse` does with it, and return a `ParsedResponse`. Not for `beta`.

      tools: With which the run was created, where their arguments are to be parsed. Not for `beta`.

      poll_interval_ms: Milliseconds between polls, 100 at least. By default the server's `openai-poll-after-ms` decides;
          without it half a second at first, growing with the time waited to a minute.

      max_wait_seconds: Seconds to wait; without it there is no limit. One poll is made in any case, one more when the
          time ends. A request that is under way then ends in async code within one second. Sync code can limit each
          step of a request only: connecting, sending, and every wait for more bytes get the time that is left when
          the request begins, a second at least. So redirects, bytes that arrive one by one, and the client's retries
          with the pauses between them may outlast it.

      max_outage_seconds: Seconds without one good answer after which the fault is raised; ten minutes by default. In
          async code a request that is not over after ten minutes, retries included, is given up: one more such fault.

      on_poll: Called after each poll with its number, the last status and the seconds since the wait began; in async
          code what it returns is awaited if it can be.

      include, extra_headers, extra_query, timeout: As for `retrieve`, at each poll.

    The client's `max_retries` apply to each poll. What fails after them, and may pass, is waited out, with a warning in
    the log: connection errors, time-outs, 408, 409, 425, 429, 5xx, an answer that cannot be read, and 15 seconds of 404.
    The run is never cancelled, and the same call with the same id goes on waiting.

    Raises:
      BackgroundResponseError: The run ended other than by completing, and `raise_on_failure` is set.
      BackgroundPollTimeoutError: `max_wait_seconds` have passed; `__cause__` is the fault of the last poll, if any.
      APIStatusError: A poll was refused for good: 400, 401, 403, 404, 501 and others, a 429 that names a quota, or
          whatever says `x-should-retry: false`. Also the last fault of an outage.
      APIConnectionError: A certificate was refused. Also the last fault of an outage.
      APIResponseValidationError: Three answers in a row, over half a minute, were no response.
      pydantic.ValidationError: The output is not what `text_format` says.
      TypeError, ValueError: An argument is not of its type or range; nothing was requested.
    """
    if inspect.iscoroutinefunction(on_poll):
        raise TypeError("Expected `on_poll` to be a plain function; a coroutine function needs the async client")
    wait = Wait(response_id, poll_interval_ms, max_wait_seconds, max_outage_seconds)
    finish = finisher(self, text_format, tools, on_poll)
    resource: Any = self  # which may be a subclass that takes other arguments
    while True:
        answer = response = None
        try:
            answer = resource.with_raw_response.retrieve(
                response_id, **_arguments(wait, self, include, extra_headers, extra_query, timeout)
            )
            response = wait.read(answer)
        except Exception as err:
            fault = as_openai_error(self._client, err)
            if not wait.bears(fault):
                try:
                    raise fault
                finally:
                    del fault
            del fault
        if on_poll is not None:
            on_poll(wait.polls, wait.status, wait.elapsed)
        if response is not None and raise_on_failure and wait.status != "completed":
            response = None
            try:
                # Once more, plainly: no instrumentation sees what a raw response raises when it is parsed.
                response = resource.retrieve(
                    response_id,
                    raise_on_failure=True,
                    **_arguments(wait, self, include, extra_headers, extra_query, timeout),
                )
            except BackgroundResponseError:
                raise
            except Exception:
                pass  # then the answer that there is has to do
            if response is None or ended_badly(response):
                response = None
                response = parse_or_raise(answer, None)
            elif not wait.has_ended(response):
                response = None
        if response is not None:
            return finish(response)
        del answer, response
        self._sleep(wait.pause())


@overload
async def async_poll(
    self: AsyncResponses,
    response_id: str,
    *,
    raise_on_failure: bool = False,
    tools: Iterable[ParseableToolParam] | Omit = omit,
    poll_interval_ms: float | Omit = omit,
    max_wait_seconds: float | Omit = omit,
    max_outage_seconds: float | Omit = omit,
    on_poll: AsyncOnPoll | None = None,
    include: list[ResponseIncludable] | Omit = omit,
    extra_headers: Headers | None = None,
    extra_query: Query | None = None,
    timeout: float | httpx2.Timeout | None | NotGiven = not_given,
) -> Response: ...
@overload
async def async_poll(
    self: AsyncResponses,
    response_id: str,
    *,
    text_format: type[TextFormatT],
    raise_on_failure: bool = False,
    tools: Iterable[ParseableToolParam] | Omit = omit,
    poll_interval_ms: float | Omit = omit,
    max_wait_seconds: float | Omit = omit,
    max_outage_seconds: float | Omit = omit,
    on_poll: AsyncOnPoll | None = None,
    include: list[ResponseIncludable] | Omit = omit,
    extra_headers: Headers | None = None,
    extra_query: Query | None = None,
    timeout: float | httpx2.Timeout | None | NotGiven = not_given,
) -> ParsedResponse[TextFormatT]: ...
@overload
async def async_poll(
    self: AsyncBetaResponses,
    response_id: str,
    *,
    raise_on_failure: bool = False,
    poll_interval_ms: float | Omit = omit,
    max_wait_seconds: float | Omit = omit,
    max_outage_seconds: float | Omit = omit,
    on_poll: AsyncOnPoll | None = None,
    include: list[BetaResponseIncludable] | Omit = omit,
    extra_headers: Headers | None = None,
    extra_query: Query | None = None,
    timeout: float | httpx2.Timeout | None | NotGiven = not_given,
) -> BetaResponse: ...
async def async_poll(
    self: AsyncResponses | AsyncBetaResponses,
    response_id: str,
    *,
    raise_on_failure: bool = False,
    text_format: type[Any] | Omit = omit,
    tools: Iterable[ParseableToolParam] | Omit = omit,
    poll_interval_ms: float | Omit = omit,
    max_wait_seconds: float | Omit = omit,
    max_outage_seconds: float | Omit = omit,
    on_poll: AsyncOnPoll | None = None,
    include: list[Any] | Omit = omit,
    extra_headers: Headers | None = None,
    extra_query: Query | None = None,
    timeout: float | httpx2.Timeout | None | NotGiven = not_given,
) -> Any:
    """Wait until the run of a response has ended, and return the response; as `poll` says."""
    wait = Wait(response_id, poll_interval_ms, max_wait_seconds, max_outage_seconds)
    finish = finisher(self, text_format, tools, on_poll)
    resource: Any = self  # which may be a subclass that takes other arguments
    while True:
        answer = response = None
        try:
            with wait.time_limit():
                answer = await resource.with_raw_response.retrieve(
                    response_id, **_arguments(wait, self, include, extra_headers, extra_query, timeout)
                )
            response = wait.read(answer)
        except Exception as err:
            fault = as_openai_error(self._client, err)
            if not wait.bears(fault):
                try:
                    raise fault
                finally:
                    del fault
            del fault
        if on_poll is not None:
            called = on_poll(wait.polls, wait.status, wait.elapsed)
            if inspect.isawaitable(called):
                await called
        if response is not None and raise_on_failure and wait.status != "completed":
            response = None
            try:
                # Once more, plainly: no instrumentation sees what a raw response raises when it is parsed.
                with wait.time_limit():
                    response = await resource.retrieve(
                        response_id,
                        raise_on_failure=True,
                        **_arguments(wait, self, include, extra_headers, extra_query, timeout),
                    )
            except BackgroundResponseError:
                raise
            except Exception:
                pass  # then the answer that there is has to do
            if response is None or ended_badly(response):
                response = None
                response = parse_or_raise(answer, None)
            elif not wait.has_ended(response):
                response = None
        if response is not None:
            return finish(response)
        del answer, response
        await self._sleep(wait.pause())


async_poll.__doc__ = poll.__doc__
async_poll.__name__ = async_poll.__qualname__ = poll.__name__  # as the method is called


def _arguments(
    wait: Wait,
    resource: Any,
    include: list[Any] | Omit,
    extra_headers: Headers | None,
    extra_query: Query | None,
    timeout: float | httpx2.Timeout | None | NotGiven,
) -> dict[str, Any]:
    """The arguments of one more `retrieve`; only those that there are, since a subclass may not know the others."""
    arguments: dict[str, Any] = {"extra_headers": {**wait.headers(), **(extra_headers or {})}}
    if is_given(include):
        arguments["include"] = include
    if extra_query is not None:
        arguments["extra_query"] = extra_query
    timeout = wait.timeout(resource._client, timeout)
    if not isinstance(timeout, NotGiven):
        arguments["timeout"] = timeout
    wait.polls += 1
    return arguments
