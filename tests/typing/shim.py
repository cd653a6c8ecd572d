"""What the shim's functions return for either client: checked by mypy, pyright and ty, never run."""

from __future__ import annotations

from typing_extensions import assert_type

import openai_background as shim
from pydantic import BaseModel

import openai
from openai import OpenAI, Stream, AsyncOpenAI, AsyncStream, AzureOpenAI, AsyncAzureOpenAI
from openai.types.responses import Response, ParsedResponse, ResponseStreamEvent
from openai.lib.streaming.responses import ResponseStreamManager, AsyncResponseStreamManager


class Answer(BaseModel):
    """A caller's own output type."""

    number: int


def seen(number: int, status: str | None, seconds: float) -> None:
    """A callback as `on_poll` wants it."""
    del number, status, seconds


def sync_client(client: OpenAI, azure: AzureOpenAI) -> None:
    """One name serves both clients; this is what the synchronous one gets, a subclass of it, and the module."""
    assert_type(shim.retrieve(client, "resp_1"), Response)
    assert_type(shim.retrieve(azure, "resp_1", timeout=3, raise_on_failure=False), Response)
    assert_type(shim.retrieve(openai, "resp_1"), Response)  # type: ignore[arg-type]  # mypy takes no module here
    assert_type(shim.retrieve(client, "resp_1", stream=True), Stream[ResponseStreamEvent])
    assert_type(shim.poll(client, "resp_1", max_wait_seconds=3, poll_interval_ms=200, on_poll=seen), Response)
    assert_type(shim.stream(client, "resp_1"), ResponseStreamManager[None])
    assert_type(shim.stream(client, "resp_1", text_format=Answer), ResponseStreamManager[Answer])
    assert_type(shim.poll(client, "resp_1", text_format=Answer), ParsedResponse[Answer])
    with shim.follow(client, "resp_1") as run:
        for event in run:
            assert_type(event, ResponseStreamEvent)
    assert_type(shim.raise_on_failure(shim.retrieve(client, "resp_1")), Response)


async def async_client(client: AsyncOpenAI, azure: AsyncAzureOpenAI) -> None:
    """The same for the async one."""
    assert_type(await shim.retrieve(client, "resp_1"), Response)
    assert_type(await shim.retrieve(azure, "resp_1", stream=True), AsyncStream[ResponseStreamEvent])
    assert_type(await shim.poll(client, "resp_1", raise_on_failure=False), Response)
    assert_type(shim.stream(client, "resp_1", text_format=Answer), AsyncResponseStreamManager[Answer])


def caught(client: OpenAI) -> str | None:
    """The classes are the contract's, and one of them is the SDK's own, too."""
    try:
        shim.poll(client, "resp_1")
    except shim.BackgroundRateLimitError as error:
        limit: openai.RateLimitError = error
        assert_type(error.retryable, bool)
        return limit.message
    except shim.BackgroundResponseError as error:
        assert_type(error.retry_after, "float | None")
        return error.response_id
    except shim.BackgroundPollTimeoutError as error:
        assert_type(error.response_id, str)
    return None


def refused(client: OpenAI) -> None:
    """Misspelt arguments are found without a run."""
    shim.poll(client, "resp_1", max_wait_secs=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
