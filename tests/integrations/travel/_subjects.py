"""The errors that travel, each as a program meets it: raised by a client that was given secrets, where one raises it.

Promises: `make(name)` gives the same facts each time, in any process; whatever must not travel was planted in it.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Iterator

import httpx2

import openai
from openai import OpenAI
from openai._exceptions import SubjectTokenProviderError

PLANTED = {
    "key": "sk-planted-key",
    "cookie": "planted-cookie",
    "query secret": "planted-query",
    "password": "planted-password",
    "prompt": "planted-prompt",
}
"""What must not travel, by the word that the table has for it. `scan` looks for each."""

RESPONSE_ID = "resp_0travel"
_URL = "https://background.test/v1"
_HEADERS = {
    "x-request-id": "req_0travel",
    "retry-after": "7",
    "x-ratelimit-remaining-tokens": "0",
    "set-cookie": f"session={PLANTED['cookie']}",
}


def make(name: str) -> BaseException:
    """The error of that name."""
    try:
        FAMILIES["background" if name in FAMILIES["background"] else "stock"][name]()
    except Exception as error:
        if type(error).__name__ != name:
            raise AssertionError(f"Expected {name} to be raised but received {error!r}") from error
        vars(error)["__notes__"] = ["seen by a worker"]  # as `add_note` does, which Python 3.10 does not have
        return error
    raise AssertionError(f"Expected {name} to be raised but nothing was")


def throw(name: str) -> None:
    """What a worker is told to do."""
    raise make(name)


def scan(data: bytes | bytearray) -> list[str]:
    """What of `PLANTED` is in the bytes."""
    return [word for word, secret in PLANTED.items() if secret.encode() in data]


def _client(handler: Callable[[httpx2.Request], httpx2.Response], **options: Any) -> OpenAI:
    http = httpx2.Client(
        transport=httpx2.MockTransport(handler), cookies={"session": PLANTED["cookie"]}, trust_env=False
    )
    return OpenAI(
        api_key=PLANTED["key"],
        base_url=_URL,
        http_client=http,
        max_retries=0,
        default_query={"signature": PLANTED["query secret"]},
        **options,
    )


def _answering(status: int, body: Any) -> Callable[[httpx2.Request], httpx2.Response]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/event-stream" if isinstance(body, bytes) else "application/json"
    return lambda request: httpx2.Response(
        status, headers={**_HEADERS, "content-type": kind}, content=content, request=request
    )


def exchange(status: int, body: Any) -> httpx2.Response:
    request = httpx2.Request(
        "POST",
        f"https://user:{PLANTED['password']}@background.test/token?signature={PLANTED['query secret']}",
        headers={"authorization": f"Bearer {PLANTED['key']}", "cookie": f"session={PLANTED['cookie']}"},
        json={"input": PLANTED["prompt"]},
    )
    return _answering(status, body)(request)


def _create(handler: Callable[[httpx2.Request], httpx2.Response], **options: Any) -> Any:
    with _client(handler, **options) as client:
        return client.responses.create(
            model="model-under-test", input=PLANTED["prompt"], instructions=PLANTED["prompt"]
        )


def _refused(status: int) -> Callable[[], Any]:
    body = {"error": {"message": "It was refused.", "code": "some_code", "type": "some_type", "param": "some_param"}}
    return lambda: _create(_answering(status, body))


def _unreachable(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("no route", request=request)


def _too_slow(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadTimeout("too slow", request=request)


def _parse(reason: str) -> Any:
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": "Half of"}}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    with _client(_answering(200, body)) as client:
        return client.chat.completions.parse(model="m", messages=[{"role": "user", "content": PLANTED["prompt"]}])


def _throw(error: BaseException) -> Any:
    raise error


def _event_api_error() -> Any:
    # The bare class is what an `error` event in a stream gives.
    event = b'event: error\ndata: {"error": {"message": "It broke.", "code": "some_code", "type": "some_type"}}\n\n'
    with _client(_answering(200, event)) as client:
        for _ in client.responses.create(model="m", input=PLANTED["prompt"], stream=True):
            pass


_STOCK: dict[str, Callable[[], Any]] = {
    "OpenAIError": lambda: _throw(openai.OpenAIError("No credentials.")),
    "APIError": _event_api_error,
    "APIStatusError": _refused(418),
    "BadRequestError": _refused(400),
    "AuthenticationError": _refused(401),
    "PermissionDeniedError": _refused(403),
    "NotFoundError": _refused(404),
    "ConflictError": _refused(409),
    "UnprocessableEntityError": _refused(422),
    "RateLimitError": _refused(429),
    "InternalServerError": _refused(503),
    "APIConnectionError": lambda: _create(_unreachable),
    "APITimeoutError": lambda: _create(_too_slow),
    "APIResponseValidationError": lambda: _create(
        _answering(200, {"id": [RESPONSE_ID]}), _strict_response_validation=True
    ),
    "OAuthError": lambda: _throw(
        openai.OAuthError(response=exchange(401, {}), body={"error": "invalid_grant", "error_description": "No."})
    ),
    "SubjectTokenProviderError": lambda: _throw(SubjectTokenProviderError("No token.", response=exchange(500, {}))),
    "LengthFinishReasonError": lambda: _parse("length"),
    "ContentFilterFinishReasonError": lambda: _parse("content_filter"),
    "WebSocketConnectionClosedError": lambda: _throw(
        openai.WebSocketConnectionClosedError("Closed.", unsent_messages=[PLANTED["prompt"]])
    ),
    "WebSocketQueueFullError": lambda: _throw(openai.WebSocketQueueFullError("Full.")),
    "InvalidWebhookSignatureError": lambda: _throw(openai.InvalidWebhookSignatureError("Bad signature.")),
}


def _retrieved(**members: Any) -> dict[str, Any]:
    text = {"type": "output_text", "text": "Half of", "annotations": []}
    message = {"id": "m1", "type": "message", "role": "assistant", "status": "incomplete", "content": [text]}
    echo = PLANTED["prompt"]
    return {
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": 1767225600,
        "model": "model-under-test",
        "background": True,
        "output": [message],
        "instructions": echo,
        "input": [{"role": "user", "content": echo}],
        "metadata": {"note": echo},
        "prompt": {"id": "p1", "variables": {"name": echo}},
        "tools": [
            {"type": "mcp", "server_label": "s", "server_url": "https://mcp.test", "headers": {"Authorization": echo}}
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        **members,
    }


def _ended(**members: Any) -> Callable[[], Any]:
    def ask() -> Any:
        with _client(_answering(200, _retrieved(**members))) as client:
            client.responses.retrieve(RESPONSE_ID, raise_on_failure=True)

    return ask


def _failed(code: object, **members: Any) -> Callable[[], Any]:
    error = {"code": code, "message": "It broke. Please try again in 3s.", "param": "input", "type": "kind", **members}
    return _ended(status="failed", error=error)


def _wait() -> Any:
    # The poll fails, so that there is a cause to carry.
    with _client(_answering(503, {"error": {"message": "Busy."}})) as client:
        try:
            client.responses.poll(RESPONSE_ID, raise_on_failure=True, max_wait_seconds=0)
        except TimeoutError as error:
            # The same with a time that does not differ from run to run.
            told: Any = type(error)
            raise told("It has not ended.", response_id=RESPONSE_ID, elapsed_seconds=1.5, polls=1) from error.__cause__


def _stream() -> Any:
    created = {"type": "response.created", "sequence_number": 4, "response": _retrieved(status="in_progress")}
    event = f"event: response.created\ndata: {json.dumps(created)}\n\n".encode()
    with _client(_answering(200, event)) as client:
        for _ in client.responses.retrieve(RESPONSE_ID, stream=True, raise_on_failure=True):
            pass


class _Silent(httpx2.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        raise httpx2.ReadTimeout("too slow")


def _silent_stream() -> Any:
    headers = {**_HEADERS, "content-type": "text/event-stream"}
    with _client(lambda _: httpx2.Response(200, headers=headers, stream=_Silent())) as client:
        for _ in client.responses.retrieve(RESPONSE_ID, stream=True, raise_on_failure=True):
            pass


_BACKGROUND: dict[str, Callable[[], Any]] = {
    "BackgroundResponseError": _failed("no_such_code"),
    "BackgroundBadRequestError": _failed("invalid_prompt"),
    "BackgroundAuthenticationError": _failed("invalid_api_key"),
    "BackgroundPermissionDeniedError": _failed("403"),
    "BackgroundNotFoundError": _failed("model_not_found"),
    "BackgroundConflictError": _failed(409),
    "BackgroundUnprocessableEntityError": _failed("422"),
    "BackgroundRateLimitError": _failed("rate_limit_exceeded"),
    "BackgroundInternalServerError": _failed(503),
    "BackgroundIncompleteError": _ended(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    "BackgroundContentFilterError": _ended(status="incomplete", incomplete_details={"reason": "content_filter"}),
    "BackgroundCancelledError": _ended(status="cancelled"),
    "BackgroundStreamInterruptedError": _stream,
    "BackgroundStreamTimeoutError": _silent_stream,
    "BackgroundPollTimeoutError": _wait,
}

FAMILIES: dict[str, dict[str, Callable[[], Any]]] = {"stock": _STOCK, "background": _BACKGROUND}
"""Every class of the SDK's exceptions, and every class of ours, by name."""
