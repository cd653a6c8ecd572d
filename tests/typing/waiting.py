"""What `poll` and `stream` take and return: checked by mypy, pyright and ty, never run.

`poll` is a function that is assigned in the body of the class; all three checkers have to see a method in it.
"""

from __future__ import annotations

from typing_extensions import assert_type

from pydantic import BaseModel

from openai import OpenAI, AsyncOpenAI
from openai.types.responses import Response, ParsedResponse
from openai.lib.streaming.responses import ResponseStreamEvent


class Answer(BaseModel):
    """A caller's own output type."""

    number: int


def seen(number: int, status: str | None, seconds: float) -> None:
    """A callback as `on_poll` wants it."""
    del number, status, seconds


async def seen_async(number: int, status: str | None, seconds: float) -> None:
    """The same for the async client."""
    del number, status, seconds


def poll(client: OpenAI) -> None:
    assert_type(client.responses.poll("resp_1"), Response)
    assert_type(client.responses.poll("resp_1", raise_on_failure=True, max_wait_seconds=600, on_poll=seen), Response)
    assert_type(client.responses.poll(response_id="resp_1", poll_interval_ms=500, timeout=None), Response)


async def poll_async(client: AsyncOpenAI) -> None:
    assert_type(await client.responses.poll("resp_1"), Response)
    assert_type(await client.responses.poll("resp_1", raise_on_failure=True, on_poll=seen_async), Response)
    assert_type(await client.responses.poll("resp_1", max_wait_seconds=0.5, on_poll=seen), Response)


def poll_parsed(client: OpenAI) -> None:
    assert_type(client.responses.poll("resp_1", text_format=Answer), ParsedResponse[Answer])


def poll_refused(client: OpenAI) -> None:
    client.responses.poll()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # ty: ignore[no-matching-overload]
    client.responses.poll("resp_1", True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # ty: ignore[no-matching-overload]
    client.responses.poll("resp_1", max_wait_seconds=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]  # ty: ignore[no-matching-overload]
    client.responses.poll(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]  # ty: ignore[no-matching-overload]


def stream(client: OpenAI) -> None:
    with client.responses.stream(response_id="resp_1", raise_on_failure=True) as events:
        for event in events:
            assert_type(event, ResponseStreamEvent)
        events.until_done()
    with client.responses.stream(response_id="resp_1", text_format=Answer, raise_on_failure=True) as parsed:
        assert_type(parsed.get_final_response(), ParsedResponse[Answer])
        assert_type(parsed.get_final_response().output_parsed, Answer | None)


async def stream_async(client: AsyncOpenAI) -> None:
    async with client.responses.stream(response_id="resp_1", text_format=Answer, raise_on_failure=True) as parsed:
        assert_type(await parsed.get_final_response(), ParsedResponse[Answer])
