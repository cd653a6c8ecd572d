"""A stream that breaks off is no failed run: `BackgroundStreamInterruptedError`, with what is needed to go on."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from openai import APITimeoutError, APIConnectionError

from ._replay import (
    DONE,
    TEXT,
    ROUTES,
    play,
    delta,
    ended,
    event,
    kinds,
    created,
    opening,
    completed,
    streaming,
    text_of_output,
)
from ._support import RESPONSE_ID, Api, background

FAULTS: list[type[Exception]] = [httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.ReadTimeout]

faults = pytest.mark.parametrize("fault_class", FAULTS)


def assert_interrupted(error: Any, number: int | None, response_id: str = RESPONSE_ID) -> None:
    assert error.request.method == "GET"
    assert type(error) is background.BackgroundStreamInterruptedError
    assert isinstance(error, APIConnectionError)
    assert not isinstance(error, background.BackgroundResponseError)
    assert (error.response_id, error.sequence_number) == (response_id, number)
    assert response_id in str(error)


@pytest.mark.parametrize("names", [True, False], ids=["named", "unnamed"])
@pytest.mark.parametrize("after", [[], [DONE]], ids=["end", "done"])
@pytest.mark.parametrize("route", ROUTES)
async def test_stream_without_a_terminal_event_is_interrupted(
    api: Api, route: str, after: list[Any], names: bool
) -> None:
    outcome = await play(api, *opening(), *after, route=route, names=names)
    assert kinds(outcome.seen) == kinds(opening())
    assert_interrupted(outcome.error, 5)
    assert outcome.error.__cause__ is None
    assert outcome.body.closed


@pytest.mark.parametrize("route", ROUTES)
@faults
async def test_stream_that_breaks_is_interrupted_with_the_fault_as_cause(
    api: Api, fault_class: type[Exception], route: str
) -> None:
    fault = fault_class("It broke.")
    outcome = await play(api, *opening(), fault=fault, route=route)
    assert kinds(outcome.seen) == kinds(opening())
    assert_interrupted(outcome.error, 5)
    cause = outcome.error.__cause__
    assert isinstance(cause, APITimeoutError if isinstance(fault, httpx2.TimeoutException) else APIConnectionError)
    assert cause.__cause__ is fault
    assert outcome.body.closed


@pytest.mark.parametrize(
    ("before", "asked", "expected"),
    [([], None, None), ([], 7, 7), ([created(8)], 7, 8), ([created(8), delta(9, "x")], None, 9), ([DONE], 7, 7)],
)
async def test_stream_interrupted_says_where_to_resume(
    api: Api, before: list[Any], asked: int | None, expected: int | None
) -> None:
    options: dict[str, Any] = {} if asked is None else {"starting_after": asked}
    assert_interrupted((await play(api, *before, **options)).error, expected)
    assert_interrupted((await play(api, *before, fault=FAULTS[0]("It broke."), **options)).error, expected)


async def test_stream_interrupted_before_any_event_names_the_response_of_the_url(api: Api) -> None:
    error = (await play(api, response_id="resp_from_url")).error
    assert_interrupted(error, None, "resp_from_url")


async def test_stream_cut_inside_an_event_is_interrupted_after_the_one_before(api: Api) -> None:
    for part in (b"event: response.failed\n", b'event: response.failed\ndata: {"type": "resp', b'data: {"type": "er\n'):
        outcome = await play(api, *opening(), part)
        assert kinds(outcome.seen) == kinds(opening())
        assert_interrupted(outcome.error, 5)


@pytest.mark.parametrize("after", [[], [DONE]], ids=["end", "done"])
@pytest.mark.parametrize("fault_class", [None, *FAULTS])
async def test_stream_that_breaks_after_completed_is_complete(
    api: Api, fault_class: type[Exception] | None, after: list[Any]
) -> None:
    fault = fault_class("It broke.") if fault_class is not None else None
    outcome = await play(api, *opening(), completed(), *after, fault=fault)
    assert outcome.error is None
    assert kinds(outcome.seen) == [*kinds(opening()), "response.completed"]


async def test_stream_that_breaks_after_steered_is_complete(api: Api) -> None:
    steered = ended("incomplete", incomplete_details={"reason": "steered"})
    assert (await play(api, *opening(), steered, fault=FAULTS[0]("It broke."))).error is None


@faults
async def test_stream_that_breaks_after_a_failure_without_cause_raises_the_failure(
    api: Api, fault_class: type[Exception]
) -> None:
    outcome = await play(api, *opening(), ended("failed", error=None), fault=fault_class("It broke."))
    assert type(outcome.error) is background.BackgroundResponseError
    assert (outcome.error.sequence_number, text_of_output(outcome.error)) == (5, [TEXT])
    assert isinstance(outcome.error.__cause__, APIConnectionError)


async def test_stream_that_breaks_after_an_error_event_raises_the_failure(api: Api) -> None:
    failure = event("error", error={"code": "server_error", "message": "?"})
    outcome = await play(api, *opening(), failure, fault=FAULTS[0]("It broke."))
    assert type(outcome.error) is background.BackgroundInternalServerError


async def test_stream_refused_at_the_start_raises_upstreams_class(api: Api) -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        if "gone" in request.url.path:
            return httpx2.Response(404, json={"error": {"message": "No such response."}})
        raise httpx2.ConnectError("Refused.", request=request)

    async with api.client(refuse, max_retries=0) as client:
        for response_id, class_name in (("resp_gone", "NotFoundError"), (RESPONSE_ID, "APIConnectionError")):
            with pytest.raises(Exception) as caught:  # noqa: B017
                async with streaming(client, response_id=response_id):
                    pass
            assert type(caught.value).__name__ == class_name


async def test_stream_without_the_flag_ends_and_breaks_as_ever(api: Api) -> None:
    silent = await play(api, *opening(), flag=False)
    assert silent.error is None
    broken = await play(api, *opening(), flag=False, fault=FAULTS[0]("It broke."))
    assert type(broken.error) is APIConnectionError
    assert kinds(silent.seen) == kinds(broken.seen) == kinds(opening())
