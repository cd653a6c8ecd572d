"""What the tests of background runs share: bodies, and one way to call a client, sync or async."""

from __future__ import annotations

import inspect
from typing import Any, Union, Callable

import httpx2
import pytest

from openai import OpenAI, AsyncOpenAI
from openai.lib.background import BackgroundResponseError, raise_on_failure

PROMPT = "the prompt of a customer"
KEY = "the key of a customer"

Answer = Union[dict[str, Any], httpx2.Response, Callable[[httpx2.Request], httpx2.Response]]


def body(status: str | None = "completed", **members: Any) -> dict[str, Any]:
    """A response as JSON that echoes a prompt; a member that is None is left out."""
    sent = {"id": "resp_1", "object": "response", "status": status, "instructions": PROMPT, "output": [], **members}
    return {name: value for name, value in sent.items() if value is not None}


def failed(code: object, message: object = "Said the server.", **members: Any) -> dict[str, Any]:
    """A response that failed for `code`; `members` are more members of its error."""
    return body("failed", error={"code": code, "message": message, **members})


def written(*texts: str) -> list[dict[str, Any]]:
    """An `output` of one message with these texts."""
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return [{"type": "message", "id": "msg_1", "role": "assistant", "status": "incomplete", "content": content}]


def client(answer: Answer, *, asynchronous: bool = False, **options: Any) -> Any:
    """A client that gets `answer` to every request: JSON with status 200, an answer as it is, or what a function makes."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, httpx2.Response):
            return httpx2.Response(answer.status_code, content=answer.content, headers=answer.headers)
        if isinstance(answer, dict):
            return httpx2.Response(200, json=answer, headers={"x-request-id": "req_1"})
        return answer(request)

    transport = httpx2.MockTransport(respond)
    if asynchronous:
        return AsyncOpenAI(
            api_key=KEY, http_client=httpx2.AsyncClient(transport=transport, follow_redirects=True), **options
        )
    return OpenAI(api_key=KEY, http_client=httpx2.Client(transport=transport, follow_redirects=True), **options)


async def settle(value: Any) -> Any:
    """The result of a call of either client."""
    return await value if inspect.isawaitable(value) else value


def error_of(data: Any) -> BackgroundResponseError:
    """What `raise_on_failure` raises for `data`."""
    with pytest.raises(BackgroundResponseError) as caught:
        raise_on_failure(data)
    return caught.value
