"""`responses.stream(response_id=…, raise_on_failure=True)` and its `get_final_response()`; and the client's own hook."""

from __future__ import annotations

from typing import Any

import pytest

from ._replay import Body, City, sse, play, ended, event, kinds, serve, consume, opening, completed, streaming
from ._support import HAS_HOOKS, RESPONSE_ID, Api, settle, entered, background

MANAGERS = ("manager", "manager_parsed")
BOOM = {"code": "server_error", "message": "It broke."}

routes = pytest.mark.parametrize("route", MANAGERS)
endings = pytest.mark.parametrize(
    ("last", "name"),
    [
        ([ended("failed", error=BOOM)], "BackgroundInternalServerError"),
        ([ended("failed", error=None)], "BackgroundResponseError"),
        ([ended("incomplete", incomplete_details={"reason": "content_filter"})], "BackgroundContentFilterError"),
        ([ended("cancelled")], "BackgroundCancelledError"),
        ([event("error", 6, error=BOOM)], "BackgroundInternalServerError"),
        ([], "BackgroundStreamInterruptedError"),
        (["[DONE]"], "BackgroundStreamInterruptedError"),
    ],
    ids=["failed", "no_error", "filtered", "cancelled", "error_event", "end", "done"],
)


@routes
@endings
async def test_final_response_of_a_failed_run_raises_its_class(
    api: Api, route: str, last: list[Any], name: str
) -> None:
    body = Body(sse(*opening(), *last))
    async with api.client(serve(body)) as client, streaming(client, route) as stream:
        with pytest.raises(getattr(background, name)) as caught:
            await settle(stream.get_final_response())
    assert type(caught.value).__name__ == name
    assert (caught.value.response_id, caught.value.sequence_number) == (RESPONSE_ID, 5)
    assert body.closed


@routes
@endings
async def test_final_response_after_the_loop_has_raised_raises_the_same_error(
    api: Api, route: str, last: list[Any], name: str
) -> None:
    seen: list[Any] = []
    async with api.client(serve(Body(sse(*opening(), *last)))) as client, streaming(client, route) as stream:
        with pytest.raises(getattr(background, name)) as first:
            await consume(stream, seen)
        for _ in range(2):
            with pytest.raises(getattr(background, name)) as again:
                await settle(stream.get_final_response())
            assert again.value is first.value
    assert kinds(seen) == kinds(opening())


@routes
async def test_final_response_of_a_completed_run_is_returned(api: Api, route: str) -> None:
    async with api.client(serve(Body(sse(*opening(), completed())))) as client, streaming(client, route) as stream:
        final = await settle(stream.get_final_response())
    assert (final.status, final.id) == ("completed", RESPONSE_ID)
    assert final.output_parsed == (City(city="Hamburg") if route == "manager_parsed" else None)


@routes
async def test_final_response_without_the_flag_is_missed_as_ever(api: Api, route: str) -> None:
    body = Body(sse(*opening(), ended("failed", error=BOOM)))
    async with api.client(serve(body)) as client, streaming(client, route, flag=False) as stream:
        with pytest.raises(RuntimeError, match="response.completed"):
            await settle(stream.get_final_response())


@routes
async def test_stream_manager_from_a_number_on_delivers_what_comes_after_it(api: Api, route: str) -> None:
    outcome = await play(api, *opening(), ended("failed", error=BOOM), route=route, starting_after=3)
    assert kinds(outcome.seen) == kinds(opening()[4:])
    assert outcome.error.sequence_number == 5


async def test_stream_manager_for_a_new_response_refuses_the_flag(api: Api) -> None:
    async with api.client(serve(Body())) as client:
        with pytest.raises(ValueError, match="raise_on_failure"):
            async with entered(client.responses.stream(model="m", input="Hi", raise_on_failure=True)):
                raise AssertionError("nothing was to be requested")


# -- the hook of the client


hooks = pytest.mark.skipif(not HAS_HOOKS, reason="the client has no `_make_background_error` to override")


class Mine(background.BackgroundResponseError):
    """A class of the caller's own."""


@hooks
@pytest.mark.parametrize(
    "last",
    [[ended("failed", error=BOOM)], [ended("failed", error=None)], [event("error", 6, error=BOOM)]],
    ids=["failed", "held_back", "error"],
)
async def test_stream_asks_the_clients_own_hook(api: Api, last: list[Any]) -> None:
    asked: list[Any] = []

    class Own(api.client_class):  # type: ignore[name-defined,misc]
        def _make_background_error(self, data: Any, *, response: Any) -> Any:
            asked.append((data["type"], data["response"]["id"], response.status_code))
            return Mine("Mine.", response=response)

    outcome = await play(api, *opening(), *last, client_class=Own)
    assert type(outcome.error) is Mine
    assert outcome.error.sequence_number == 5
    assert asked == [(last[0]["type"], RESPONSE_ID, 200)]


@hooks
async def test_stream_delivers_the_ending_that_the_hook_lets_pass(api: Api) -> None:
    class Lenient(api.client_class):  # type: ignore[name-defined,misc]
        def _make_background_error(self, data: Any, *, response: Any) -> Any:  # noqa: ARG002
            return None

    outcome = await play(api, *opening(), ended("failed", error=BOOM), client_class=Lenient)
    assert outcome.error is None
    assert kinds(outcome.seen) == [*kinds(opening()), "response.failed"]
