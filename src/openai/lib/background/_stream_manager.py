"""`responses.stream(…, raise_on_failure=True)`: upstream's helper, whose parsing and state never hide how the run ended.

The text of a run that was cut off does not parse, and the state knows one order of events; upstream's helper raises what
comes of that. Here the rest of the stream is read first: if the run ended badly, that is raised instead.
"""

from __future__ import annotations

from typing import Any, Iterator, AsyncIterator, cast
from typing_extensions import Self, override

from openai._streaming import Stream, AsyncStream
from openai._exceptions import APIError
from openai.lib._parsing._responses import TextFormatT
from openai.lib.streaming.responses._responses import (
    ResponseStream,
    AsyncResponseStream,
    ResponseStreamManager,
    AsyncResponseStreamManager,
)

from ._errors import BackgroundResponseError
from ._stream import watch


class JudgedStreamManager(ResponseStreamManager[TextFormatT]):
    """A manager whose stream is watched."""

    @override
    def __enter__(self) -> ResponseStream[TextFormatT]:
        stream = super().__enter__()
        _watch(stream)
        stream._iterator = _Judged(stream)
        return stream


class AsyncJudgedStreamManager(AsyncResponseStreamManager[TextFormatT]):
    """A manager whose stream is watched."""

    @override
    async def __aenter__(self) -> AsyncResponseStream[TextFormatT]:
        stream = await super().__aenter__()
        _watch(stream)
        stream._iterator = _AsyncJudged(stream)
        return stream


def _watch(stream: Any) -> None:
    raw: Any = stream._raw_stream
    if isinstance(raw, (Stream, AsyncStream)):  # or something around one, which its request watches
        watch(cast("Any", raw))
        # The helper wants an opening event, and delivers what comes after this number.
        cast("Any", raw)._iterator.frames.opened_after = stream._starting_after or 0


def _is_over(raw: Any) -> bool:
    return getattr(getattr(raw, "_iterator", None), "over", False)


class _Judged:
    """The events of a helper; where they end or cannot be made, the end of the stream that they are made of."""

    def __init__(self, stream: Any) -> None:
        self._events: Iterator[Any] = stream._iterator
        self._raw: Stream[Any] = stream._raw_stream

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        fault: Exception | None = None
        try:
            return next(self._events)
        except APIError:
            raise
        except Exception as err:
            fault = err
        try:
            self._read_on(ended=isinstance(fault, StopIteration))
            raise fault
        finally:
            del fault

    def _read_on(self, *, ended: bool) -> None:
        """Raise how the run ended, if badly; and where the events have `ended`, whatever the stream raises."""
        if _is_over(self._raw):
            return
        try:
            for _ in self._raw:
                if _is_over(self._raw):
                    return
        except BackgroundResponseError:
            raise
        except Exception:
            if ended:
                raise


class _AsyncJudged:
    """As `_Judged`, for an AsyncResponseStream."""

    def __init__(self, stream: Any) -> None:
        self._events: AsyncIterator[Any] = stream._iterator
        self._raw: AsyncStream[Any] = stream._raw_stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        fault: Exception | None = None
        try:
            return await self._events.__anext__()
        except APIError:
            raise
        except Exception as err:
            fault = err
        try:
            await self._read_on(ended=isinstance(fault, StopAsyncIteration))
            raise fault
        finally:
            del fault

    async def _read_on(self, *, ended: bool) -> None:
        """Raise how the run ended, if badly; and where the events have `ended`, whatever the stream raises."""
        if _is_over(self._raw):
            return
        try:
            async for _ in self._raw:
                if _is_over(self._raw):
                    return
        except BackgroundResponseError:
            raise
        except Exception:
            if ended:
                raise
