"""What `retrieve` returns with the flag: checked by mypy, pyright and ty, never run.

The flag changes what is raised and nothing else: each call has the type that it has without the flag.
"""

from __future__ import annotations

from typing import Union
from typing_extensions import assert_type

import openai
from openai import OpenAI, Stream, AsyncOpenAI, AsyncStream
from openai._response import APIResponse, AsyncAPIResponse
from openai.types.beta import BetaResponse, BetaResponseStreamEvent
from openai.types.responses import Response, ResponseStreamEvent
from openai._legacy_response import LegacyAPIResponse


def plain(client: OpenAI, streamed: bool, flag: bool) -> None:
    assert_type(client.responses.retrieve("resp_1"), Response)
    assert_type(client.responses.retrieve("resp_1", raise_on_failure=True), Response)
    assert_type(client.responses.retrieve("resp_1", raise_on_failure=flag), Response)
    assert_type(client.responses.retrieve("resp_1", stream=False, raise_on_failure=True), Response)
    assert_type(client.responses.retrieve("resp_1", stream=True, raise_on_failure=True), Stream[ResponseStreamEvent])
    assert_type(
        client.responses.retrieve("resp_1", stream=streamed, raise_on_failure=True),
        Union[Response, Stream[ResponseStreamEvent]],
    )


async def plain_async(client: AsyncOpenAI, streamed: bool) -> None:
    assert_type(await client.responses.retrieve("resp_1", raise_on_failure=True), Response)
    assert_type(
        await client.responses.retrieve("resp_1", stream=True, raise_on_failure=True), AsyncStream[ResponseStreamEvent]
    )
    assert_type(
        await client.responses.retrieve("resp_1", stream=streamed, raise_on_failure=True),
        Union[Response, AsyncStream[ResponseStreamEvent]],
    )


def beta(client: OpenAI) -> None:
    assert_type(client.beta.responses.retrieve("resp_1", raise_on_failure=True), BetaResponse)
    assert_type(
        client.beta.responses.retrieve("resp_1", stream=True, raise_on_failure=True), Stream[BetaResponseStreamEvent]
    )


async def beta_async(client: AsyncOpenAI) -> None:
    assert_type(await client.beta.responses.retrieve("resp_1", raise_on_failure=True), BetaResponse)
    assert_type(
        await client.beta.responses.retrieve("resp_1", stream=True, raise_on_failure=True),
        AsyncStream[BetaResponseStreamEvent],
    )


def module_client() -> None:
    assert_type(openai.responses.retrieve("resp_1", raise_on_failure=True), Response)


# ty joins the returns of the overloads of a wrapped method, with the flag and without, so that it sees in each of them a
# response or a stream. mypy and pyright tell them apart.


def raw(client: OpenAI) -> None:
    answer = client.responses.with_raw_response.retrieve("resp_1", raise_on_failure=True)
    assert_type(answer, LegacyAPIResponse[Response])  # ty: ignore[type-assertion-failure]
    assert_type(answer.parse(), Response)  # ty: ignore[type-assertion-failure]
    streamed = client.responses.with_raw_response.retrieve("resp_1", stream=True, raise_on_failure=True)
    assert_type(streamed.parse(), Stream[ResponseStreamEvent])  # ty: ignore[type-assertion-failure]


async def raw_async(client: AsyncOpenAI) -> None:
    answer = await client.responses.with_raw_response.retrieve("resp_1", raise_on_failure=True)
    assert_type(answer.parse(), Response)  # ty: ignore[type-assertion-failure]


def streaming(client: OpenAI) -> None:
    with client.responses.with_streaming_response.retrieve("resp_1", raise_on_failure=True) as answer:
        assert_type(answer, APIResponse[Response])  # ty: ignore[type-assertion-failure]
        assert_type(answer.parse(), Response)  # ty: ignore[type-assertion-failure]


async def streaming_async(client: AsyncOpenAI) -> None:
    async with client.responses.with_streaming_response.retrieve("resp_1", raise_on_failure=True) as answer:
        assert_type(answer, AsyncAPIResponse[Response])  # ty: ignore[type-assertion-failure]
        assert_type(await answer.parse(), Response)  # ty: ignore[type-assertion-failure]


def refused(client: OpenAI) -> None:
    client.responses.retrieve("resp_1", raise_on_failure="yes")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    client.responses.retrieve("resp_1", raise_on_failure=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
