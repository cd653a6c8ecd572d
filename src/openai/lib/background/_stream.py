"""A stream that ends as a poll of its run would: `watch` stands behind the models and looks at each event once.

    OpenAIError
    └─ APIError
       └─ APIConnectionError
          └─ BackgroundStreamInterruptedError    the stream ended without saying how the run did
             └─ BackgroundStreamTimeoutError     likewise, by a time-out; also an APITimeoutError

What the stream delivers is delivered, up to and with the event that fails. The next step closes it and raises:

    response.failed, .incomplete, .cancelled, error    what the contract says, without waiting for the end of the body
    the end, or a broken connection                    BackgroundStreamInterruptedError, unless a terminal event came
    `[DONE]`                                           nothing
    JSON instead of events                             what a poll raises; a completed run gives its closing event

After a delivered completion nothing is judged. A failure that names no cause may be followed by it: one more event is
read then, and not delivered.
"""

from __future__ import annotations

from typing import Any, Union, Mapping, TypeVar, get_args
from urllib.parse import unquote
from typing_extensions import Self

import anyio
import httpx2

from openai._streaming import Stream, AsyncStream
from openai._exceptions import APIError, APITimeoutError, APIConnectionError, APIResponseValidationError

from ._verdict import ENDED_BADLY, _judge, _shown, is_response, read_outcome
from ._stream_told import Told
from ._stream_events import kind_of, event_unions

LOOK_SECONDS = 2.0
"""How long async code waits for the cause of a failure that came without one."""

_StreamT = TypeVar("_StreamT", bound="Union[Stream[Any], AsyncStream[Any]]")


class BackgroundStreamInterruptedError(APIConnectionError):
    """Raised when a stream ended without saying how its run ended. The run may go on, and may be completed by now.

    Retrieve the stream again with `starting_after=error.sequence_number`, or poll; do not create the run again.

    You get a `BackgroundResponseError` instead where the stream says that the run ended badly.
    """

    response_id: str | None = None
    """The id that was asked for; where none was, the first one that the stream told."""

    sequence_number: int | None = None
    """The last number seen, or else the one that was asked for, to start after; None without any."""

    resumable: bool = True
    """False where the server does not stream this run: only a poll brings its end then."""

    def __init__(
        self,
        *,
        message: str = "The stream broke off.",
        request: httpx2.Request,
        response_id: str | None = None,
        sequence_number: int | None = None,
        resumable: bool = True,
    ) -> None:
        # Not by `super()`: the second base of a time-out takes other arguments.
        APIError.__init__(self, message, request, body=None)
        self.response_id = response_id
        self.sequence_number = sequence_number
        self.resumable = resumable


class BackgroundStreamTimeoutError(BackgroundStreamInterruptedError, APITimeoutError):
    """Raised when a stream was interrupted because nothing arrived in time."""


def watch(stream: _StreamT, *, response_id: str | None = None) -> _StreamT:
    """Let a stream raise what a poll of its run would; it is the same object.

    Args:
      response_id: The id that was asked for; by default the one that the request of the stream names.
    """
    if isinstance(stream._iterator, _Watch):
        return stream
    options = getattr(stream, "_options", None)
    if response_id is None and options is not None:
        response_id = asked_for(options.url)
    watched: Any = stream
    watched._iterator = (_SyncWatch if isinstance(stream, Stream) else _AsyncWatch)(stream, response_id)
    return stream


def asked_for(url: str) -> str | None:
    """The id in `/responses/{id}`, as the caller gave it; None where the URL has none."""
    path = url.partition("?")[0]
    _, found, rest = path.rpartition("/responses/")
    return unquote(rest.partition("/")[0]) or None if found else None


@_judge.register(Stream)
@_judge.register(AsyncStream)
def _judge_stream(stream: Union[Stream[Any], AsyncStream[Any]]) -> Exception | None:
    """`raise_on_failure(stream)`: whatever there is to raise comes when the stream is read."""
    chunk: Any = stream._cast_to
    is_own = get_args(chunk) or str(getattr(chunk, "__module__", "")).startswith("openai.")
    if is_own and chunk not in event_unions():
        return TypeError(f"Expected a stream of response events but received one of {_shown(str(chunk))}")
    watch(stream)
    return None


class _Watch(Told):
    """What a stream has told so far, and what it deserves when it ends."""

    def _verdict(self, fault: APIError | None) -> Exception | None:
        """What the stream deserves, which is closed by now; None for nothing."""
        if self._ended is None and not self._cut and read_outcome(self._partial.snapshot).status in ENDED_BADLY:
            self._ended = self._partial.snapshot  # the last that was told of the run
        if self._ended is not None:
            return self._failure(self._ended)
        if fault is not None or self._cut:
            return self._interrupted(fault)
        answer = self.frames.answer
        if answer is not None:
            if not is_response(answer, asked_for=True):
                message = "The answer to a request for a response holds none; the request failed, not the run."
                return APIResponseValidationError(self._http, answer or None, message=message)
            return self._failure(answer) or self._refused(answer)
        # A stream that was read in part before it was watched may have told its end then.
        return None if self.frames.done or not self.frames.started else self._interrupted(None)

    def _interrupted(self, fault: APIError | None) -> BackgroundStreamInterruptedError:
        at = "after events without a number" if self._seen else "before any event"
        if self._number is not None:
            at = f"after event {self._number}"
        asked = self._http.request.url.params.get("starting_after", "")
        number = int(asked) if self._number is None and asked.isdecimal() else self._number
        again = f" with starting_after={number}" if number is not None else ""
        error_class = (
            BackgroundStreamTimeoutError if isinstance(fault, APITimeoutError) else BackgroundStreamInterruptedError
        )
        error = error_class(
            message=f"The stream of response {_shown(self._response_id) or '(id unknown)'} broke off {at}; "
            f"the run may go on: stream it again{again}, or poll",
            request=self._http.request,
            response_id=self._response_id,
            sequence_number=number,
        )
        error.__cause__ = fault
        return error

    def _refused(self, answer: Mapping[str, Any]) -> BackgroundStreamInterruptedError:
        outcome = read_outcome(answer)
        response_id = self._response_id or outcome.id
        shown = _shown(response_id)
        return BackgroundStreamInterruptedError(
            message=f"The server does not stream response {shown or '(id unknown)'}, it answered with its status: "
            f"{_shown(outcome.status) or 'none'}; `poll({shown!r})` waits for it",
            request=self._http.request,
            response_id=response_id,
            resumable=False,
        )


class _SyncWatch(_Watch):
    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self.over:
            return next(self._source)
        fault: APIError | None = None
        if self._ended is None and not self._cut:
            try:
                event = next(self._source)
            except StopIteration:
                pass
            except APIError as err:
                if not self._note_error(err):
                    raise
                fault = err
            else:
                self._note(event)
                return event
        elif self._wants_cause():
            self._look()
        close = getattr(self._source, "close", None)
        if close is not None:
            close()
        self._http.close()
        error = self._verdict(fault) or fault or StopIteration()
        try:
            raise error
        finally:
            del error, fault

    def _look(self) -> None:
        try:
            event = next(self._source)
        except APIError as err:
            if type(err) is APIError:
                self._note_cause(self.frames.event(), "error")
        except Exception:  # the end, or one that cannot be read: the failure is known
            pass
        else:
            self._note_cause(event, kind_of(event))


class _AsyncWatch(_Watch):
    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self.over:
            return await self._source.__anext__()
        fault: APIError | None = None
        if self._ended is None and not self._cut:
            try:
                event = await self._source.__anext__()
            except StopAsyncIteration:
                pass
            except APIError as err:
                if not self._note_error(err):
                    raise
                fault = err
            else:
                self._note(event)
                return event
        elif self._wants_cause():
            await self._look()
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()
        await self._http.aclose()
        error = self._verdict(fault) or fault or StopAsyncIteration()
        try:
            raise error
        finally:
            del error, fault

    async def _look(self) -> None:
        try:
            with anyio.move_on_after(LOOK_SECONDS):
                event = await self._source.__anext__()
                self._note_cause(event, kind_of(event))
        except APIError as err:
            if type(err) is APIError:
                self._note_cause(self.frames.event(), "error")
        except Exception:  # the end, or one that cannot be read: the failure is known
            pass
