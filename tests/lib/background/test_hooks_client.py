"""Needs the hooks in the client: the hook can be overridden, and nothing of the client's own errors changes."""

from __future__ import annotations

from typing import Any, Callable

import httpx2
import pytest

import openai

from ._support import REQUEST_ID, RESPONSE_ID, Api, answer, failed, settle, respond, background

FAILED = failed("server_error")


class MyError(background.BackgroundResponseError):
    """What a company wants to see instead."""


def subclass(api: Api, outcome: Callable[[Any], Any]) -> type[Any]:
    """A client that decides for itself."""

    base: Any = api.client_class

    class Client(base):
        seen: list[Any] = []

        def _make_background_error(self, data: object, *, response: httpx2.Response, **more: Any) -> Any:
            error = base._make_background_error(self, data, response=response, **more)
            self.seen.append((data, response.status_code, error))
            return outcome(error)

    return Client


async def test_overridden_hook_replaces_the_error(api: Api) -> None:
    client_class = subclass(api, lambda error: MyError(f"mine: {error.code}"))
    async with api.client(respond(FAILED), client_class=client_class) as client:
        with pytest.raises(MyError, match="mine: server_error"):
            await settle(client.responses.retrieve(RESPONSE_ID, raise_on_failure=True))

    ((data, status, error),) = client_class.seen
    assert (data.id, status) == (RESPONSE_ID, 200)
    assert type(error) is background.BackgroundInternalServerError


async def test_overridden_hook_that_forgives_lets_the_response_through(api: Api) -> None:
    client_class = subclass(api, lambda _error: None)
    async with api.client(respond(FAILED), client_class=client_class) as client:
        assert (await settle(client.responses.retrieve(RESPONSE_ID, raise_on_failure=True))).status == "failed"


async def test_hook_without_the_flag_is_not_asked(api: Api) -> None:
    client_class = subclass(api, lambda error: error)
    async with api.client(respond(FAILED), client_class=client_class) as client:
        await settle(client.responses.retrieve(RESPONSE_ID))
    assert client_class.seen == []


async def test_failure_after_a_retry_of_the_client_raises(api: Api) -> None:
    requests: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        if len(requests) == 1:
            return httpx2.Response(503, headers={"retry-after-ms": "1"})
        return respond(FAILED)(request)

    async with api.client(handle) as client:
        with pytest.raises(background.BackgroundInternalServerError) as caught:
            await settle(client.responses.retrieve(RESPONSE_ID, raise_on_failure=True))

    assert len(requests) == 2
    assert caught.value.response is not None
    assert (caught.value.response.status_code, caught.value.status_code) == (200, 500)


@pytest.mark.parametrize(
    ("status", "stock"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (402, openai.APIStatusError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
async def test_http_error_with_the_flag_stays_the_clients_own(api: Api, status: int, stock: type[Exception]) -> None:
    # The body looks like a failed run, but the poll itself was refused.
    async with api.client(lambda _: httpx2.Response(status, json=FAILED), max_retries=0) as client:
        with pytest.raises(stock) as caught:
            await settle(client.responses.retrieve(RESPONSE_ID, raise_on_failure=True))
    assert type(caught.value) is stock


async def test_connection_error_with_the_flag_stays_the_clients_own(api: Api) -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    async with api.client(handle, max_retries=0) as client:
        with pytest.raises(openai.APIConnectionError) as caught:
            await settle(client.responses.retrieve(RESPONSE_ID, raise_on_failure=True))
    assert type(caught.value) is openai.APIConnectionError


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", ""])
async def test_failure_under_another_content_type_raises(api: Api, content_type: str) -> None:
    async with api.client(respond(FAILED, **{"content-type": content_type})) as client:
        with pytest.raises(background.BackgroundInternalServerError):
            await settle(client.responses.retrieve(RESPONSE_ID, raise_on_failure=True))


async def test_answer_that_is_no_json_with_the_flag_is_what_it_is_without(api: Api) -> None:
    page = httpx2.Response(200, text="<html>captive portal</html>", headers={"content-type": "text/html"})
    async with api.client(lambda _: page) as client:
        without = await settle(client.responses.retrieve(RESPONSE_ID))
        assert await settle(client.responses.retrieve(RESPONSE_ID, raise_on_failure=True)) == without


async def test_error_without_an_id_takes_the_one_of_the_url(api: Api) -> None:
    async with api.client(respond(answer(status="failed", id=...))) as client:
        with pytest.raises(background.BackgroundResponseError) as caught:
            await settle(client.responses.retrieve("resp_from_url", raise_on_failure=True))
    assert caught.value.response_id == "resp_from_url"
    assert "resp_from_url" in str(caught.value)


async def test_strict_client_with_the_flag_raises_the_failure(api: Api) -> None:
    async with api.client(respond(FAILED), _strict_response_validation=True) as client:
        with pytest.raises(background.BackgroundInternalServerError) as caught:
            await settle(client.responses.retrieve(RESPONSE_ID, raise_on_failure=True))
    assert caught.value.request_id == REQUEST_ID


async def test_failed_response_of_another_call_is_not_looked_at(api: Api) -> None:
    async with api.client(respond(FAILED)) as client:
        assert (await settle(client.responses.create(model="model-under-test", input="hello"))).status == "failed"
        assert (await settle(client.responses.cancel(RESPONSE_ID))).status == "failed"
