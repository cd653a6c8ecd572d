"""Needs the hooks in the client: `raise_on_failure` on every route to a response, and its absence on every route."""

from __future__ import annotations

from typing import Any, Dict, Callable, Iterator, Awaitable
from typing_extensions import TypeAlias

import httpx2
import pytest

import openai
from openai import BaseModel
from openai.types.beta import BetaResponse
from openai.types.responses import Response

from ._support import (
    API_KEY,
    BASE_URL,
    REQUEST_ID,
    RESPONSE_ID,
    Api,
    answer,
    failed,
    settle,
    entered,
    respond,
    background,
    incomplete,
)

Route: TypeAlias = Callable[..., Awaitable[Any]]

FAILED = failed("rate_limit_exceeded", "Please try again in 2s.")
COMPLETED = answer(status="completed")
FLAG = {"raise_on_failure": True}


class Slim(BaseModel):
    """A caller's own view of the answer, which has no member that tells of a failure."""

    model: str


async def plain(client: Any, **flag: bool) -> Any:
    return await settle(client.responses.retrieve(RESPONSE_ID, **flag))


async def raw(client: Any, **flag: bool) -> Any:
    response = await settle(client.responses.with_raw_response.retrieve(RESPONSE_ID, **flag))
    return await settle(response.parse())


async def streaming(client: Any, **flag: bool) -> Any:
    async with entered(client.responses.with_streaming_response.retrieve(RESPONSE_ID, **flag)) as response:
        return await settle(response.parse())


async def beta(client: Any, **flag: bool) -> Any:
    return await settle(client.beta.responses.retrieve(RESPONSE_ID, **flag))


async def beta_raw(client: Any, **flag: bool) -> Any:
    response = await settle(client.beta.responses.with_raw_response.retrieve(RESPONSE_ID, **flag))
    return await settle(response.parse())


async def beta_streaming(client: Any, **flag: bool) -> Any:
    async with entered(client.beta.responses.with_streaming_response.retrieve(RESPONSE_ID, **flag)) as response:
        return await settle(response.parse())


async def low_level(client: Any, **flag: bool) -> Any:
    return await settle(client.get(f"/responses/{RESPONSE_ID}", cast_to=Response, options=flag))


async def low_level_dict(client: Any, **flag: bool) -> Any:
    return Response.construct(**await settle(client.get(f"/responses/{RESPONSE_ID}", cast_to=dict, options=flag)))


async def copied(client: Any, **flag: bool) -> Any:
    return await settle(client.with_options(timeout=3, max_retries=0).responses.retrieve(RESPONSE_ID, **flag))


ROUTES = (plain, raw, streaming, beta, beta_raw, beta_streaming, low_level, low_level_dict, copied)
routes = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)


@routes
async def test_route_with_the_flag_raises_the_failure(api: Api, route: Route) -> None:
    async with api.client(respond(FAILED)) as client:
        with pytest.raises(background.BackgroundRateLimitError) as caught:
            await route(client, raise_on_failure=True)

    error = caught.value
    assert (error.retryable, error.retry_after) == (True, 2.0)
    assert error.response is not None and error.response.status_code == 200
    assert error.response.json() == FAILED
    assert error.request is error.response.request
    assert (error.response_id, error.request_id, error.body) == (RESPONSE_ID, REQUEST_ID, FAILED["error"])
    view = BetaResponse if route in (beta, beta_raw, beta_streaming) else Response
    assert isinstance(error.background_response, view)
    assert error.background_response.id == RESPONSE_ID


@routes
@pytest.mark.parametrize(
    "payload", [incomplete("content_filter"), answer(status="cancelled")], ids=["filter", "cancel"]
)
async def test_route_with_the_flag_raises_the_other_endings(api: Api, route: Route, payload: Any) -> None:
    async with api.client(respond(payload)) as client:
        with pytest.raises((background.BackgroundContentFilterError, background.BackgroundCancelledError)):
            await route(client, raise_on_failure=True)


@routes
@pytest.mark.parametrize("status", ["completed", "queued", "in_progress"])
async def test_route_with_the_flag_returns_what_has_not_failed(api: Api, route: Route, status: str) -> None:
    async with api.client(respond(answer(status=status))) as client:
        assert (await route(client, raise_on_failure=True)).status == status


@routes
@pytest.mark.parametrize("flag", [{}, {"raise_on_failure": False}], ids=["absent", "false"])
@pytest.mark.parametrize("payload", [FAILED, incomplete(None), answer(status="cancelled")])
async def test_route_without_the_flag_returns_the_failure(api: Api, route: Route, flag: Any, payload: Any) -> None:
    async with api.client(respond(payload)) as client:
        assert (await route(client, **flag)).status == payload["status"]


@routes
async def test_route_with_the_flag_sends_the_same_bytes(api: Api, route: Route) -> None:
    requests: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return respond(COMPLETED)(request)

    async with api.client(handle) as client:
        for flag in ({}, FLAG, {"raise_on_failure": False}):
            await route(client, **flag)

    wire = [(request.method, str(request.url), request.headers.raw, request.content) for request in requests]
    assert len(wire) == 3
    assert wire[0] == wire[1] == wire[2]
    assert b"raise" not in repr(wire).encode()


# `Dict`, because Python 3.10 takes `dict[str, Any]` for a class, and upstream then asks whether it is a subclass.
@pytest.mark.parametrize("to", [dict, Dict[str, Any], str, Slim, Response, httpx2.Response, object])
@pytest.mark.parametrize("wrapper", ["with_raw_response", "with_streaming_response"])
async def test_parse_to_another_type_with_the_flag_raises(api: Api, wrapper: str, to: Any) -> None:
    async with api.client(respond(FAILED)) as client:
        async with parsed_by(client, wrapper, **FLAG) as response:
            with pytest.raises(background.BackgroundRateLimitError) as caught:
                await settle(response.parse(to=to))
    assert caught.value.background_response is not None
    assert caught.value.background_response.id == RESPONSE_ID


@pytest.mark.parametrize("payload", [FAILED, COMPLETED], ids=["failed", "completed"])
@pytest.mark.parametrize("to", [dict, str, Slim, Response, httpx2.Response, object])
@pytest.mark.parametrize("wrapper", ["with_raw_response", "with_streaming_response"])
async def test_parse_to_another_type_without_a_reason_returns_it(api: Api, wrapper: str, to: Any, payload: Any) -> None:
    flag = FLAG if payload is COMPLETED else {}
    async with api.client(respond(payload)) as client:
        async with parsed_by(client, wrapper, **flag) as response:
            assert isinstance(await settle(response.parse(to=to)), to)


@pytest.mark.parametrize("wrapper", ["with_raw_response", "with_streaming_response"])
async def test_parse_a_second_time_with_the_flag_raises_again(api: Api, wrapper: str) -> None:
    async with api.client(respond(FAILED)) as client:
        async with parsed_by(client, wrapper, **FLAG) as response:
            for to in (None, None, str, dict, None):
                with pytest.raises(background.BackgroundRateLimitError):
                    await settle(response.parse() if to is None else response.parse(to=to))


@pytest.mark.parametrize("wrapper", ["with_raw_response", "with_streaming_response"])
async def test_wrapper_with_the_flag_and_without_parse_shows_the_answer(api: Api, wrapper: str) -> None:
    async with api.client(respond(FAILED)) as client:
        async with parsed_by(client, wrapper, **FLAG) as response:
            await settle(
                response.http_response.aread()
                if wrapper.startswith("with_s") and api.kind == "async"
                else response.http_response.read()
            )
            assert response.status_code == 200
            assert response.headers["x-request-id"] == REQUEST_ID
            assert response.http_response.json() == FAILED


def parsed_by(client: Any, wrapper: str, **flag: bool) -> Any:
    """The wrapper's response, as a context in both cases."""
    called = getattr(client.responses, wrapper).retrieve(RESPONSE_ID, **flag)
    return entered(called) if wrapper == "with_streaming_response" else entered(_Raw(called))


class _Raw:
    """A raw response has nothing to close; this gives it the form of those that have."""

    def __init__(self, called: Any) -> None:
        self.called = called

    async def __aenter__(self) -> Any:
        return await settle(self.called)

    async def __aexit__(self, *_: object) -> None:
        pass


@pytest.fixture
def module_client() -> Iterator[Any]:
    """`openai` as a client, and as it was afterwards."""

    def use(payload: Any) -> Any:
        openai.api_key, openai.base_url = API_KEY, BASE_URL
        openai.http_client = httpx2.Client(transport=httpx2.MockTransport(respond(payload)))
        return openai

    before = {name: getattr(openai, name) for name in ("api_key", "base_url", "http_client")}
    reset: Callable[[], None] = vars(openai)["_reset_client"]
    reset()
    yield use
    reset()
    for name, value in before.items():
        setattr(openai, name, value)


@pytest.mark.parametrize("route", [plain, raw, streaming, beta])
async def test_module_client_with_the_flag_raises(module_client: Any, route: Route) -> None:
    with pytest.raises(background.BackgroundRateLimitError):
        await route(module_client(FAILED), raise_on_failure=True)


@pytest.mark.parametrize("route", [plain, raw, streaming, beta])
async def test_module_client_without_the_flag_returns(module_client: Any, route: Route) -> None:
    assert (await route(module_client(FAILED))).status == "failed"


@routes
async def test_azure_client_with_the_flag_raises(api: Api, route: Route) -> None:
    azure = {"base_url": None, "azure_endpoint": "https://azure.test", "api_version": "2026-01-01"}
    async with api.client(respond(FAILED), client_class=api.azure_class, **azure) as client:
        assert (await route(client)).status == "failed"
        with pytest.raises(background.BackgroundRateLimitError) as caught:
            await route(client, raise_on_failure=True)
    assert caught.value.request is not None and caught.value.request.url.host == "azure.test"
