"""The functions a caller sees: one name for the sync and the async client, typed by overloads.

They differ from the methods of the same name in one respect: `raise_on_failure` is True unless it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union, Iterable, Protocol, Coroutine, overload
from typing_extensions import Unpack, Literal, TypedDict

from ._side import NATIVE

if TYPE_CHECKING:
    from openai._types import Omit, Query, Headers, NotGiven
    from openai._streaming import Stream, AsyncStream
    from openai.types.responses import Response, ToolParam, ParsedResponse, ResponseIncludable, ResponseStreamEvent
    from openai.resources.responses import Responses, AsyncResponses
    from openai.lib._parsing._responses import TextFormatT
    from openai.lib.streaming.responses import ResponseStreamManager, AsyncResponseStreamManager

    from ._openai import httpx2
    from ._contract._poll import OnPoll, AsyncOnPoll
    from ._contract._follow import FollowedRun, AsyncFollowedRun

    _side: Any
elif NATIVE:
    from . import _native as _side
else:
    from . import _stock as _side

__all__ = ["follow", "poll", "retrieve", "stream"]


class SyncClient(Protocol):
    """`OpenAI`, its subclasses, and the module `openai` itself."""

    @property
    def responses(self) -> Responses: ...


class AsyncClient(Protocol):
    """`AsyncOpenAI` and its subclasses."""

    @property
    def responses(self) -> AsyncResponses: ...


class _Request(TypedDict, total=False):
    include: list[ResponseIncludable] | Omit
    extra_headers: Headers | None
    extra_query: Query | None
    timeout: float | httpx2.Timeout | None | NotGiven


class _Retrieve(_Request, total=False):
    include_obfuscation: bool | Omit
    starting_after: int | Omit


class _Poll(_Request, total=False):
    poll_interval_ms: float | Omit
    max_wait_seconds: float | Omit
    max_outage_seconds: float | Omit
    tools: Iterable[ToolParam] | Omit


class _Stream(_Request, total=False):
    starting_after: int | Omit
    tools: Iterable[ToolParam] | Omit


@overload
def retrieve(
    client: SyncClient,
    response_id: str,
    *,
    raise_on_failure: bool = True,
    stream: Literal[False] = False,
    **options: Unpack[_Retrieve],
) -> Response: ...
@overload
def retrieve(
    client: SyncClient,
    response_id: str,
    *,
    raise_on_failure: bool = True,
    stream: Literal[True],
    **options: Unpack[_Retrieve],
) -> Stream[ResponseStreamEvent]: ...
@overload
def retrieve(
    client: AsyncClient,
    response_id: str,
    *,
    raise_on_failure: bool = True,
    stream: Literal[False] = False,
    **options: Unpack[_Retrieve],
) -> Coroutine[Any, Any, Response]: ...
@overload
def retrieve(
    client: AsyncClient,
    response_id: str,
    *,
    raise_on_failure: bool = True,
    stream: Literal[True],
    **options: Unpack[_Retrieve],
) -> Coroutine[Any, Any, AsyncStream[ResponseStreamEvent]]: ...
def retrieve(
    client: Union[SyncClient, AsyncClient],
    response_id: str,
    *,
    raise_on_failure: bool = True,
    stream: bool = False,
    **options: Unpack[_Retrieve],
) -> Any:
    """Retrieve a response; what you get is queued, in progress or completed, anything else is raised.

    Args:
      client: An `OpenAI` or an `AsyncOpenAI`; with the second, await the result.

      response_id: The id of a response that was created with `background=True`.

      raise_on_failure: Whether to raise. Without it this is `client.responses.retrieve`.

      stream: Return the events instead; they raise where they tell that the run has ended badly, or break off.

      include, include_obfuscation, starting_after, extra_headers, extra_query, timeout: As for
          `client.responses.retrieve`.

    Raises:
      BackgroundResponseError: The run failed, was cancelled or is incomplete.
      BackgroundStreamInterruptedError: The stream broke off; the run goes on.
      APIError: The request itself failed, as ever.
    """
    streamed: dict[str, Any] = {"stream": True} if stream else {}
    return _side.retrieve(client, response_id, raise_on_failure=raise_on_failure, **streamed, **options)


@overload
def poll(
    client: SyncClient,
    response_id: str,
    *,
    text_format: type[TextFormatT],
    raise_on_failure: bool = True,
    on_poll: OnPoll | None = None,
    **options: Unpack[_Poll],
) -> ParsedResponse[TextFormatT]: ...
@overload
def poll(
    client: SyncClient,
    response_id: str,
    *,
    raise_on_failure: bool = True,
    on_poll: OnPoll | None = None,
    **options: Unpack[_Poll],
) -> Response: ...
@overload
def poll(
    client: AsyncClient,
    response_id: str,
    *,
    text_format: type[TextFormatT],
    raise_on_failure: bool = True,
    on_poll: AsyncOnPoll | None = None,
    **options: Unpack[_Poll],
) -> Coroutine[Any, Any, ParsedResponse[TextFormatT]]: ...
@overload
def poll(
    client: AsyncClient,
    response_id: str,
    *,
    raise_on_failure: bool = True,
    on_poll: AsyncOnPoll | None = None,
    **options: Unpack[_Poll],
) -> Coroutine[Any, Any, Response]: ...
def poll(
    client: Union[SyncClient, AsyncClient], response_id: str, *, raise_on_failure: bool = True, **options: Any
) -> Any:
    """Wait until a response has ended, and return it if it is completed.

    Args:
      client: An `OpenAI` or an `AsyncOpenAI`; with the second, await the result.

      response_id: The id of a response that was created with `background=True`.

      raise_on_failure: Whether to raise; without it a response is returned however it ended.

      poll_interval_ms: Milliseconds between polls, always. By default the server decides; without a hint of its own
          the interval grows with the time waited.

      max_wait_seconds: Seconds to wait; omit it to wait without limit.

      max_outage_seconds: Seconds without one good answer after which the fault is raised; ten minutes by default.

      text_format, tools: To parse the output, as `client.responses.parse` does.

      on_poll: Called after each poll with its number (from 1), the status and the seconds waited.

      include, extra_headers, extra_query, timeout: As for `client.responses.retrieve`; `timeout` is that of one poll.

    A poll that fails for a fault that may pass is repeated, for as long as the wait lasts. The run is never cancelled.

    Raises:
      BackgroundResponseError: The run failed, was cancelled or is incomplete.
      BackgroundPollTimeoutError: `max_wait_seconds` have passed; the run goes on.
      APIStatusError: A poll was refused.
    """
    return _side.poll(client, response_id, raise_on_failure=raise_on_failure, **options)


@overload
def stream(
    client: SyncClient,
    response_id: str,
    *,
    raise_on_failure: bool = True,
    text_format: type[TextFormatT],
    **options: Unpack[_Stream],
) -> ResponseStreamManager[TextFormatT]: ...
@overload
def stream(
    client: SyncClient, response_id: str, *, raise_on_failure: bool = True, **options: Unpack[_Stream]
) -> ResponseStreamManager[None]: ...
@overload
def stream(
    client: AsyncClient,
    response_id: str,
    *,
    raise_on_failure: bool = True,
    text_format: type[TextFormatT],
    **options: Unpack[_Stream],
) -> AsyncResponseStreamManager[TextFormatT]: ...
@overload
def stream(
    client: AsyncClient, response_id: str, *, raise_on_failure: bool = True, **options: Unpack[_Stream]
) -> AsyncResponseStreamManager[None]: ...
def stream(
    client: Union[SyncClient, AsyncClient], response_id: str, *, raise_on_failure: bool = True, **options: Any
) -> Any:
    """Stream a response that exists, accumulating: `with stream(...) as events:`, or `async with`.

    Args:
      client: An `OpenAI` or an `AsyncOpenAI`.

      response_id: The id of a response that was created with `background=True`.

      raise_on_failure: Whether the events, and `get_final_response()`, raise.

      text_format, tools, starting_after, include, extra_headers, extra_query, timeout: As for
          `client.responses.stream`.

    Raises:
      BackgroundResponseError: The run failed, was cancelled or is incomplete.
      BackgroundStreamInterruptedError: The stream broke off; the run goes on.
    """
    return _side.stream(client, response_id, raise_on_failure=raise_on_failure, **options)


@overload
def follow(
    client: SyncClient,
    response_id: str,
    *,
    starting_after: int | None = None,
    max_wait_seconds: float | None = None,
) -> FollowedRun[Response, ResponseStreamEvent]: ...
@overload
def follow(
    client: AsyncClient,
    response_id: str,
    *,
    starting_after: int | None = None,
    max_wait_seconds: float | None = None,
) -> AsyncFollowedRun[Response, ResponseStreamEvent]: ...
def follow(client: Union[SyncClient, AsyncClient], response_id: str, **options: Any) -> Any:
    """The events of a run until its end, however often the stream breaks; then `.response` is the response.

    Args:
      client: An `OpenAI` or an `AsyncOpenAI`.

      response_id: The id of a response that was created with `background=True`.

      starting_after: The `sequence_number` of the event to start behind; by default all events come.

      max_wait_seconds: Seconds that all of it may take; by default there is no limit.

    Raises:
      BackgroundResponseError: While iterating: the run failed, was cancelled or is incomplete.
      BackgroundPollTimeoutError: While iterating: `max_wait_seconds` have passed. Follow the same id again.
      APIError: While iterating: neither stream nor poll is to be had.
    """
    return _side.follow(client, response_id, **options)
