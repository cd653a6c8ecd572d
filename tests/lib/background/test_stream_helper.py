"""`responses.stream(…, raise_on_failure=True)`: its parsing and its state never hide how the run ended."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
import pydantic

from openai import BackgroundResponseError, BackgroundIncompleteError, BackgroundStreamInterruptedError

from ._replay import (
    BOOM,
    DONE,
    TEXT,
    HELPERS,
    Body,
    City,
    sse,
    each,
    play,
    delta,
    ended,
    event,
    kinds,
    answer,
    created,
    entered,
    opening,
    reading,
    completed,
    text_done,
    item_added,
    part_added,
)
from ._support import body, client, settle, written

CUT = '{"city": "Ham'
routes = pytest.mark.parametrize("route", HELPERS)

# The state of the helper raises on each of these.
SPOILT = {
    "cut_text": [created(), item_added(), part_added(), delta(3, CUT), text_done(4, CUT)],
    "keepalive_first": [event("keepalive"), *opening()],
    "no_created": opening()[1:],
    "unknown_item": [created(), {**delta(3, "x"), "output_index": 7}],
    "other_id": [created(), event("response.in_progress", 1, response=body("in_progress", id="resp_9"))],
    "no_number": [created(None)],
}
BAD_ENDS = {
    "incomplete": (ended("incomplete", 9, incomplete_details={"reason": "max_output_tokens"}), "incomplete"),
    "failed": (ended("failed", 9, error=BOOM), "failed"),
    "cancelled": (ended("cancelled", 9), "cancelled"),
    "error": (event("error", 9, error=BOOM), "failed"),
}


def _options(case: str) -> dict[str, Any]:
    return {"starting_after": 2} if case == "no_number" else {}


@pytest.mark.parametrize("end", BAD_ENDS)
@pytest.mark.parametrize("case", SPOILT)
async def test_helper_that_chokes_raises_how_the_run_ended(asynchronous: bool, case: str, end: str) -> None:
    last, status = BAD_ENDS[end]
    events = [*SPOILT[case], last]
    stock = await play(*events, asynchronous=asynchronous, route="helper_parsed", flag=False, options=_options(case))
    told = await play(*events, asynchronous=asynchronous, route="helper_parsed", options=_options(case))
    assert stock.error is not None and not isinstance(stock.error, BackgroundResponseError)
    assert isinstance(told.error, BackgroundResponseError) and told.error.status == status
    assert told.kinds == stock.kinds
    assert told.body.closed


@pytest.mark.parametrize("case", SPOILT)
@pytest.mark.parametrize("last", [[completed(9)], [], [DONE]], ids=["completed", "end", "done"])
async def test_helper_that_chokes_raises_what_stock_raises_where_no_bad_end_is_known(
    asynchronous: bool, case: str, last: list[Any]
) -> None:
    events = [*SPOILT[case], *last]
    stock = await play(*events, asynchronous=asynchronous, route="helper_parsed", flag=False, options=_options(case))
    told = await play(*events, asynchronous=asynchronous, route="helper_parsed", options=_options(case))
    assert type(told.error) is type(stock.error) and str(told.error) == str(stock.error)
    assert told.kinds == stock.kinds


async def test_helper_that_chokes_on_the_failing_event_raises_its_error(asynchronous: bool) -> None:
    for first in (
        event("error", 0, **BOOM),
        ended("failed", 0, error=BOOM),
        ended("failed", 0, id="resp_9", error=BOOM),
    ):
        told = await play(first, asynchronous=asynchronous, route="helper")
        assert (told.error.code, told.error.response_id) == ("server_error", "resp_1")


async def test_helper_that_chokes_does_not_wait_behind_a_completion(asynchronous: bool) -> None:
    unfinished = ended("completed", 6, output=[])
    sent = Body(sse(*opening()[:-1], unfinished), None)
    async with reading(client(lambda _: answer(sent), asynchronous=asynchronous), "helper") as stream:
        with pytest.raises(RuntimeError, match="unfinished output items"):
            async for _ in each(stream):
                pass
    assert sent.asked_for == 1


@routes
@pytest.mark.parametrize("end", BAD_ENDS)
async def test_final_response_of_a_run_that_ended_badly_raises_its_error(
    asynchronous: bool, route: str, end: str
) -> None:
    last, status = BAD_ENDS[end]
    sent = Body(sse(*opening(), last))
    async with reading(client(lambda _: answer(sent), asynchronous=asynchronous), route) as stream:
        for _ in range(2):
            with pytest.raises(BackgroundResponseError) as caught:
                await settle(stream.get_final_response())
            assert caught.value.status == status
    assert sent.closed


@routes
async def test_final_response_behind_a_loop_that_raised_raises_it_again(asynchronous: bool, route: str) -> None:
    for last, error_class in (
        (ended("failed", error=BOOM), BackgroundResponseError),
        (b"", BackgroundStreamInterruptedError),
    ):
        sent = Body(sse(*opening(), last))
        async with reading(client(lambda _, sent=sent: answer(sent), asynchronous=asynchronous), route) as stream:
            with pytest.raises(error_class):
                async for _ in each(stream):
                    pass
            with pytest.raises(error_class):
                await settle(stream.get_final_response())


@routes
async def test_final_response_of_a_completed_run_is_returned(asynchronous: bool, route: str) -> None:
    sent = Body(sse(*opening(), completed()))
    async with reading(client(lambda _: answer(sent), asynchronous=asynchronous), route) as stream:
        final = await settle(stream.get_final_response())
    assert (final.status, final.output_text) == ("completed", TEXT)
    assert final.output_parsed == (City(city="Hamburg") if route == "helper_parsed" else None)


@routes
async def test_final_response_of_a_run_that_came_as_json_is_returned(asynchronous: bool, route: str) -> None:
    answered = body("completed", output=written(TEXT))
    api = client(httpx2.Response(200, json=answered), asynchronous=asynchronous)
    choices: list[dict[str, Any]] = [{}, {"starting_after": 7}]
    for options in choices:
        async with reading(api, route, **options) as stream:
            final = await settle(stream.get_final_response())
        assert (final.status, final.output_text) == ("completed", TEXT)
        async with reading(api, route, **options) as stream:
            assert [one.type async for one in each(stream)][-1] == "response.completed"


async def test_final_response_behind_done_alone_is_missed_as_on_stock(asynchronous: bool) -> None:
    sent = Body(sse(*opening(), DONE))
    async with reading(client(lambda _: answer(sent), asynchronous=asynchronous), "helper") as stream:
        with pytest.raises(RuntimeError, match=r"response\.completed"):
            await settle(stream.get_final_response())


@routes
async def test_final_response_without_the_flag_is_missed_as_on_stock(asynchronous: bool, route: str) -> None:
    for last in (ended("failed", error=BOOM), ended("incomplete"), b""):
        sent = Body(sse(*opening(), last))
        async with reading(
            client(lambda _, sent=sent: answer(sent), asynchronous=asynchronous), route, flag=False
        ) as stream:
            with pytest.raises(RuntimeError, match=r"response\.completed"):
                await settle(stream.get_final_response())


async def test_helper_from_a_number_on_delivers_what_comes_after_it(asynchronous: bool) -> None:
    told = await play(
        *opening(),
        ended("failed", error=BOOM),
        asynchronous=asynchronous,
        route="helper",
        options={"starting_after": 3},
    )
    assert told.kinds == kinds([*opening()[4:], ended("failed")])
    assert told.error.sequence_number == 6


async def test_helper_of_a_new_run_raises_how_it_ended(asynchronous: bool) -> None:
    sent = Body(
        sse(created(id="resp_7"), ended("incomplete", id="resp_7", incomplete_details={"reason": "max_output_tokens"}))
    )
    requests: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return answer(sent)

    api = client(respond, asynchronous=asynchronous)
    options: Any = {"model": "m", "input": "Hi", "background": True, "raise_on_failure": True}
    async with entered(api.responses.stream(**options)) as stream:
        with pytest.raises(BackgroundIncompleteError) as caught:
            await settle(stream.get_final_response())
    assert (caught.value.response_id, caught.value.reason) == ("resp_7", "max_output_tokens")
    assert len(requests) == 1 and b"raise_on_failure" not in requests[0].content
    assert sent.closed


async def test_helper_of_a_new_run_needs_more_than_the_flag(asynchronous: bool) -> None:
    api = client(body(), asynchronous=asynchronous)
    with pytest.raises(ValueError, match="must be provided"):
        api.responses.stream(raise_on_failure=True)


async def test_helper_around_a_stream_of_another_class_still_works(asynchronous: bool) -> None:
    """As instrumentation wraps them: neither a Stream nor one of its attributes but `response` and iteration."""

    class Wrapped:
        def __init__(self, stream: Any) -> None:
            self._stream = stream
            self.response = stream.response

        def __iter__(self) -> Any:
            return iter(self._stream)

        def __aiter__(self) -> Any:
            return self._stream.__aiter__()

    for last, flag, error_class in (
        (ended("failed", error=BOOM), True, BackgroundResponseError),
        (ended("failed", error=BOOM), False, RuntimeError),
        (b"", True, BackgroundStreamInterruptedError),
    ):
        sent = Body(sse(*opening(), last))
        api = client(lambda _, sent=sent: answer(sent), asynchronous=asynchronous)
        resource = api.responses
        retrieve = resource.retrieve
        if asynchronous:

            async def wrapped(*args: Any, retrieve: Any = retrieve, **kwargs: Any) -> Any:
                return Wrapped(await retrieve(*args, **kwargs))

            resource.retrieve = wrapped
        else:
            resource.retrieve = lambda *args, retrieve=retrieve, **kwargs: Wrapped(retrieve(*args, **kwargs))
        async with reading(api, "helper", flag=flag) as stream:
            with pytest.raises(error_class):
                await settle(stream.get_final_response())


def test_text_that_does_not_parse_is_what_stock_raises_for_it() -> None:
    with pytest.raises(pydantic.ValidationError):
        City.parse_raw(CUT) if pydantic.VERSION.startswith("1") else City.model_validate_json(CUT)
