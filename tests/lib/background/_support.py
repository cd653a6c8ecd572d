"""What these tests share: the module under test, payloads, and one way to ask the sync and the async client.

Every name of the module under test is reached through `background`, which is imported here and nowhere else, so that
another build of the same module can be held to the same contract. The behavioural tests ask through `Api`, which
raises by way of the client's `raise_on_failure` where it has one; what only such a client can do is in `test_hooks_*`.
"""

from __future__ import annotations

import sys
import json
import inspect
from typing import Any, Union, Literal, Callable, Iterator, AsyncGenerator, get_args, get_origin
from contextlib import asynccontextmanager
from typing_extensions import TypeAlias

import httpx2
import pytest

import openai.lib.background as background
from openai import OpenAI, AsyncOpenAI, AzureOpenAI, AsyncAzureOpenAI
from openai.resources.responses import Responses

HAS_HOOKS = background.__name__ == "openai.lib.background"
"""Whether the client itself knows `raise_on_failure`; it must where the module is part of the SDK."""

HAS_FLAG = HAS_HOOKS and "raise_on_failure" in inspect.signature(Responses.retrieve).parameters
"""Whether `retrieve` takes it already; not before the patch of the series that gives it to the method."""

errors_module = sys.modules[background.BackgroundResponseError.__module__]

RESPONSE_ID = "resp_0f5a"
REQUEST_ID = "req_71c2"
API_KEY = "sk-planted-credential"
BASE_URL = "https://background.test/v1"

Kind: TypeAlias = Literal["sync", "async"]
Handler: TypeAlias = Callable[[httpx2.Request], httpx2.Response]
# Both clients at once: the tests await what has to be awaited, through `settle`.
Client: TypeAlias = Any


def answer(**members: Any) -> dict[str, Any]:
    """The JSON of a retrieved response; `members` replace and add, and Ellipsis takes a member away."""
    payload: dict[str, Any] = {
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": 1767225600,
        "model": "model-under-test",
        "background": True,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **members,
    }
    return {name: value for name, value in payload.items() if value is not ...}


def failed(code: Any = "server_error", message: Any = "It broke.", **members: Any) -> dict[str, Any]:
    """The JSON of a failed response; Ellipsis takes a member of the error away, `members` are further ones."""
    error = {"code": code, "message": message, **members}
    return answer(status="failed", error={name: value for name, value in error.items() if value is not ...})


def incomplete(reason: Any) -> dict[str, Any]:
    """The JSON of a response that stopped early."""
    return answer(status="incomplete", error=None, incomplete_details={"reason": reason})


def literals(annotation: Any) -> set[str]:
    """Every value of every `Literal` in an annotation."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return {value for part in get_args(annotation) for value in literals(part)}


def union_members(annotation: Any) -> Iterator[Any]:
    """The classes of an annotated or plain union, however deep it is nested."""
    if isinstance(annotation, type):
        yield annotation
    elif get_origin(annotation) is Union or get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from union_members(part)


def respond(payload: Any, **headers: str) -> Handler:
    """A server that answers every request with 200 and `payload` as JSON."""
    content = json.dumps(payload).encode()

    def handle(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            200,
            content=content,
            headers={"content-type": "application/json", "x-request-id": REQUEST_ID, **headers},
        )

    return handle


async def settle(value: Any) -> Any:
    """The result of a call of either client."""
    return await value if inspect.isawaitable(value) else value


@asynccontextmanager
async def entered(manager: Any) -> AsyncGenerator[Any, None]:
    """A context manager of either client, entered."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


class Api:
    """One of the two clients, talking to a server that is a function."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self.client_class: type[Any] = OpenAI if kind == "sync" else AsyncOpenAI
        self.azure_class: type[Any] = AzureOpenAI if kind == "sync" else AsyncAzureOpenAI

    def http_client(self, handler: Handler) -> Any:
        transport = httpx2.MockTransport(handler)
        return httpx2.Client(transport=transport) if self.kind == "sync" else httpx2.AsyncClient(transport=transport)

    @asynccontextmanager
    async def client(
        self, handler: Handler, *, client_class: type[Any] | None = None, **options: Any
    ) -> AsyncGenerator[Client, None]:
        """A client of this kind, closed at the end."""
        options = {"api_key": API_KEY, "base_url": BASE_URL, **options}
        make = client_class or self.client_class
        async with entered(make(http_client=self.http_client(handler), **options)) as client:
            yield client

    async def retrieve(self, payload: Any, *, response_id: str = RESPONSE_ID) -> Any:
        """What a caller who wants failures raised gets for `payload`."""
        async with self.client(respond(payload)) as client:
            if HAS_FLAG:
                return await settle(client.responses.retrieve(response_id, raise_on_failure=True))
            return background.raise_on_failure(await settle(client.responses.retrieve(response_id)))

    async def error(self, payload: Any) -> Any:
        """The error that the same caller gets."""
        with pytest.raises(background.BackgroundResponseError) as caught:
            await self.retrieve(payload)
        return caught.value


def verdict(data: Any) -> Any:
    """The error that the public function raises for `data`, or None where it returns it."""
    try:
        assert background.raise_on_failure(data) is data
    except background.BackgroundResponseError as error:
        return error
    return None
