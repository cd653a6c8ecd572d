"""Following a run to its end: `follow`, the loop around a stream that breaks.

the stream breaks                  it is retrieved again behind the last event, after a pause that grows
again and again without an event   the run is polled instead
the stream is refused              likewise: too old (400), not there (404), JSON, `[DONE]` before the end
the run completes                  its closing event is the last one; `response` is the response
it ends badly                      what `poll(…, raise_on_failure=True)` raises
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload
from typing_extensions import Self

import anyio

from ._errors import BackgroundResponseError
from ._follower import Follower, ResponseT
from ._poll_timeout import BackgroundPollTimeoutError

if TYPE_CHECKING:
    from openai.types.beta import BetaResponse, BetaResponseStreamEvent
    from openai.types.responses import Response, ResponseStreamEvent
    from openai.resources.responses import Responses, AsyncResponses
    from openai.resources.beta.responses import Responses as BetaResponses, AsyncResponses as AsyncBetaResponses

EventT = TypeVar("EventT")


@overload
def follow(
    responses: Responses,
    response_id: str,
    *,
    starting_after: int | None = None,
    max_wait_seconds: float | None = None,
) -> FollowedRun[Response, ResponseStreamEvent]: ...
@overload
def follow(
    responses: BetaResponses,
    response_id: str,
    *,
    starting_after: int | None = None,
    max_wait_seconds: float | None = None,
) -> FollowedRun[BetaResponse, BetaResponseStreamEvent]: ...
@overload
def follow(
    responses: AsyncResponses,
    response_id: str,
    *,
    starting_after: int | None = None,
    max_wait_seconds: float | None = None,
) -> AsyncFollowedRun[Response, ResponseStreamEvent]: ...
@overload
def follow(
    responses: AsyncBetaResponses,
    response_id: str,
    *,
    starting_after: int | None = None,
    max_wait_seconds: float | None = None,
) -> AsyncFollowedRun[BetaResponse, BetaResponseStreamEvent]: ...
def follow(
    responses: Any,
    response_id: str,
    *,
    starting_after: int | None = None,
    max_wait_seconds: float | None = None,
) -> FollowedRun[Any, Any] | AsyncFollowedRun[Any, Any]:
    """The events of a run until its end, however often the stream breaks, and then its response.

        with follow(client.responses, response_id, max_wait_seconds=3600) as run:
            for event in run:
                ...
        print(run.response.output_text)

    No event comes twice and none is left out, as long as the server streams the run. Where it does not, or not any more,
    the run is waited for by `poll`, and the closing event, which holds the whole response, is all that comes.

    Args:
      responses: `client.responses` or `client.beta.responses`, of either client; with an async one use `async for`.

      response_id: The id of a response that was created with `background=True`.

      starting_after: The `sequence_number` of the event to start behind; by default all events come.

      max_wait_seconds: Seconds that all of it may take, your own work between the events included; without it there is
          no limit. Sync code may overrun as `poll` does.

    Raises:
      BackgroundResponseError: While iterating: the run ended other than by completing.
      BackgroundPollTimeoutError: While iterating: `max_wait_seconds` have passed. Follow the same id again.
      APIError: While iterating: neither stream nor poll is to be had; as `poll` raises it.
      ValueError: The id is empty.
    """
    if not response_id:
        raise ValueError(f"Expected a non-empty value for `response_id` but received {response_id!r}")
    from openai._resource import AsyncAPIResource  # not loaded by `import openai` alone

    if isinstance(responses, AsyncAPIResource):
        return AsyncFollowedRun(responses, response_id, starting_after, max_wait_seconds)
    return FollowedRun(responses, response_id, starting_after, max_wait_seconds)


class FollowedRun(Follower[ResponseT], Generic[ResponseT, EventT]):
    """What `follow` returns for a sync client: an iterator over the events of a run, and a context manager."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> EventT:
        try:
            while not self._is_over:
                event: Any = self._read()
                if event is not None and self._takes(event):
                    if self._is_over:
                        self._drop()
                    return cast("EventT", event)
        except BaseException:
            self._drop()
            raise
        raise StopIteration

    def _read(self) -> Any:
        if self._polls or self._is_up:
            self._drop()
            return self._poll()
        fault: Exception | None = None
        try:
            if self._stream is None:
                self._stream = self._responses.retrieve(self._id, **self._stream_options())
            return next(self._stream)
        except BackgroundResponseError:
            self._polls = True  # which raises it again
            raise
        except TypeError:
            raise
        except StopIteration:
            pass
        except Exception as err:
            fault = err
        self._drop()
        pause = self._broke(fault)
        del fault
        if pause:
            self._responses._sleep(pause)
        return None

    def _poll(self) -> Any:
        try:
            return self._closing(self._responses.poll(self._id, **self._poll_options()))
        except BackgroundPollTimeoutError as err:
            error = self._timed_out(err)
        try:
            raise error
        finally:
            del error

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def close(self) -> None:
        """Close the stream that is open, if any, and end the iteration. The run goes on."""
        self._closed = True
        self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # A loop that is left, or that raises, drops it: then no cycle has to be collected before the socket is free.
        try:
            self.close()
        except Exception:
            pass


class AsyncFollowedRun(Follower[ResponseT], Generic[ResponseT, EventT]):
    """What `follow` returns for an async client: an async iterator, and an async context manager."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventT:
        try:
            while not self._is_over:
                event: Any = await self._read()
                if event is not None and self._takes(event):
                    if self._is_over:
                        await self._drop()
                    return cast("EventT", event)
        except BaseException:
            await self._drop()
            raise
        raise StopAsyncIteration

    async def _read(self) -> Any:
        if self._polls or self._is_up:
            await self._drop()
            return await self._poll()
        fault: Exception | None = None
        try:
            with anyio.move_on_after(self._left()):
                if self._stream is None:
                    self._stream = await self._responses.retrieve(self._id, **self._stream_options())
                return await self._stream.__anext__()
            return None  # the time is up
        except BackgroundResponseError:
            self._polls = True  # which raises it again
            raise
        except TypeError:
            raise
        except StopAsyncIteration:
            pass
        except Exception as err:
            fault = err
        await self._drop()
        pause = self._broke(fault)
        del fault
        if pause:
            await self._responses._sleep(pause)
        return None

    async def _poll(self) -> Any:
        try:
            return self._closing(await self._responses.poll(self._id, **self._poll_options()))
        except BackgroundPollTimeoutError as err:
            error = self._timed_out(err)
        try:
            raise error
        finally:
            del error

    async def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with anyio.CancelScope(shield=True):
                await stream.close()

    async def close(self) -> None:
        """Close the stream that is open, if any, and end the iteration. The run goes on."""
        self._closed = True
        await self._drop()

    async def aclose(self) -> None:
        """As `close`."""
        await self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.close()
