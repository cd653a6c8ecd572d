"""What no caller may write: mypy, pyright and ty say so of each line that is marked, or the mark is an error."""

from __future__ import annotations

import openai
from openai import OpenAI, AsyncOpenAI, BackgroundResponseError
from openai.lib.background import raise_on_failure


def wrong(
    client: OpenAI,
    asynchronous: AsyncOpenAI,
    video: openai.types.Video,
    batch: openai.types.Batch,
    error: BackgroundResponseError,
) -> None:
    """What is no response, arguments that are misspelt, names that are not there."""
    raise_on_failure(None)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    raise_on_failure(3)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    raise_on_failure(video)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    raise_on_failure(batch)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    raise_on_failure([])  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    raise_on_failure(client.responses.with_raw_response.retrieve("resp_1"))  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    raise_on_failure(asynchronous.responses.retrieve("resp_1"))  # type: ignore[type-var, unused-coroutine]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    client.responses.retrieve("resp_1", raise_on_failures=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # ty: ignore[no-matching-overload]
    client.responses.retrieve("resp_1", stream=True, raise_on_failure="yes")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # ty: ignore[no-matching-overload]
    client.beta.responses.retrieve("resp_1", raise_on_failure=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]
    client.responses.poll("resp_1", max_wait_secs=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # ty: ignore[no-matching-overload]
    _ = error.no_such_member  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]  # ty: ignore[missing-attribute]
    _ = openai.BackgroundNoSuchError  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]  # ty: ignore[missing-attribute]
