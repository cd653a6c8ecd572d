"""Waiting for a run: how it ends, how often it asks, and what goes over the wire."""

from __future__ import annotations

import math
import inspect
from typing import Any

import httpx2
import pytest

from openai import OpenAIError

from ._support import API_KEY, HAS_HOOKS, RESPONSE_ID, Api, answer, settle, verdict, background
from ._waiting import reply, until, hinted, script, refusal, waiting

Patch = pytest.MonkeyPatch
FAILURE = {"status": "failed", "error": {"code": "insufficient_quota", "message": "No quota."}}


# -- how it ends


@pytest.mark.parametrize("flag", [False, True])
async def test_poll_of_a_run_that_completes_returns_it(api: Api, monkeypatch: Patch, flag: bool) -> None:
    end = reply("completed", output=[{"type": "message", "id": "m", "role": "assistant", "content": []}])
    async with waiting(api, monkeypatch, script(reply("queued"), reply("in_progress"), end)) as waits:
        response = await waits.poll(raise_on_failure=flag)
    assert (response.id, response.status, len(response.output)) == (RESPONSE_ID, "completed", 1)
    assert response._request_id == "req_71c2"
    assert (waits.polls, len(waits.sleeps)) == (3, 2)


@pytest.mark.parametrize(
    "ending",
    [
        FAILURE,
        {"status": "failed", "error": None},
        {"status": "cancelled"},
        {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        {"error": {"code": "server_error", "message": "?"}},
    ],
    ids=["failed", "no_error", "cancelled", "filtered", "no_status"],
)
async def test_poll_of_a_run_that_fails_raises_with_the_flag_only(
    api: Api, monkeypatch: Patch, ending: dict[str, Any]
) -> None:
    last = reply(ending.get("status", ...), **{name: value for name, value in ending.items() if name != "status"})
    async with waiting(api, monkeypatch, script(reply(), last)) as waits:
        returned = await waits.poll()
        assert returned.status == ending.get("status")
        with pytest.raises(background.BackgroundResponseError) as caught:
            await waits.poll(raise_on_failure=True)
    expected = verdict(answer(**ending))
    assert type(caught.value) is type(expected)
    error: Any = caught.value
    assert (error.message, error.retryable) == (expected.message, expected.retryable)
    assert (error.response_id, error.request_id) == (RESPONSE_ID, "req_71c2")
    assert error.response.status_code == 200
    assert error.background_response.id == RESPONSE_ID


@pytest.mark.parametrize("status", ["of_tomorrow", "requires_action", "", None, 7, ...])
@pytest.mark.parametrize("flag", [False, True])
async def test_poll_of_a_status_that_is_not_known_returns(
    api: Api, monkeypatch: Patch, status: Any, flag: bool
) -> None:
    async with waiting(api, monkeypatch, script(reply(), reply(status))) as waits:
        response = await waits.poll(raise_on_failure=flag)
    assert response.id == RESPONSE_ID
    assert waits.polls == 2


async def test_poll_of_a_steered_run_returns_it(api: Api, monkeypatch: Patch) -> None:
    end = reply("incomplete", incomplete_details={"reason": "steered"})
    async with waiting(api, monkeypatch, script(end)) as waits:
        assert (await waits.poll(raise_on_failure=True)).status == "incomplete"


# -- how often it asks


@pytest.mark.parametrize(
    ("hint", "seconds"),
    [
        ("200.5", 0.2005),
        ("1500", 1.5),
        ("1e3", 1.0),
        ("0", 0.1),
        ("1", 0.1),
        ("99.9", 0.1),
        ("60000", 60.0),
        ("60001", 60.0),
        ("1e300", 60.0),
        ("inf", 60.0),
    ],
)
async def test_poll_hint_is_obeyed_within_reason(api: Api, monkeypatch: Patch, hint: str, seconds: float) -> None:
    async with waiting(api, monkeypatch, script(hinted(hint), hinted(hint), reply("completed"))) as waits:
        await waits.poll()
    assert waits.sleeps == pytest.approx([seconds, seconds])


@pytest.mark.parametrize("hint", ["-1", "-inf", "nan", "soon", "", "1,5", "0x10"])
async def test_poll_hint_that_is_nonsense_is_ignored(api: Api, monkeypatch: Patch, hint: str) -> None:
    async with waiting(api, monkeypatch, script(hinted(hint), reply("completed"))) as waits:
        await waits.poll()
    assert 0.475 <= waits.sleeps[0] <= 0.5


async def test_poll_hint_is_read_anew_at_each_answer(api: Api, monkeypatch: Patch) -> None:
    answers = [hinted("3000"), hinted("200"), reply(), hinted("x"), hinted("7000"), reply("completed")]
    async with waiting(api, monkeypatch, script(*answers)) as waits:
        await waits.poll()
    assert waits.sleeps[:2] == pytest.approx([3.0, 0.2])
    assert all(0.475 <= one <= 0.5 for one in waits.sleeps[2:4])
    assert waits.sleeps[4] == pytest.approx(7.0)


@pytest.mark.parametrize("interval", [0, 0.0, 1, 250.5, 2000, 120_000])
async def test_poll_interval_given_is_obeyed_whatever_the_hint(api: Api, monkeypatch: Patch, interval: float) -> None:
    async with waiting(api, monkeypatch, script(hinted("3000"), hinted("9"), reply("completed"))) as waits:
        await waits.poll(poll_interval_ms=interval)
    assert waits.sleeps == pytest.approx([interval / 1000] * 2)


async def test_poll_interval_without_hint_grows_with_the_time_waited(api: Api, monkeypatch: Patch) -> None:
    async with waiting(api, monkeypatch, until(7200)) as waits:
        await waits.poll()
    at = 0.0
    for seconds in waits.sleeps:
        wanted = min(max(0.5, 0.05 * at), 60.0)
        assert 0.95 * wanted <= seconds <= wanted
        at += seconds
    assert max(waits.sleeps) > 56
    # Jitter: many waits that began together drift apart.
    assert len({round(one, 9) for one in waits.sleeps[:9]}) > 5


@pytest.mark.parametrize(
    ("seconds", "most_requests", "latest"),
    [
        (10, 25, 0.5),
        (60, 70, 3.0),
        (600, 120, 30.0),
        (1800, 150, 90.0),
        (8 * 3600, 600, 60.0),
    ],
)
async def test_poll_without_hint_costs_few_requests_and_notices_soon(
    api: Api, monkeypatch: Patch, seconds: float, most_requests: int, latest: float
) -> None:
    async with waiting(api, monkeypatch, until(seconds)) as waits:
        await waits.poll()
    assert waits.polls <= most_requests
    assert 0 <= waits.elapsed - seconds <= latest


# -- the time is up


async def test_poll_whose_time_is_up_raises_with_what_is_known(api: Api, monkeypatch: Patch) -> None:
    async with waiting(api, monkeypatch, script(reply("queued"), reply("in_progress"))) as waits:
        with pytest.raises(TimeoutError) as caught:
            await waits.poll(max_wait_seconds=30)
    error = caught.value
    assert type(error) is background.BackgroundPollTimeoutError
    assert isinstance(error, OpenAIError)
    assert not isinstance(error, background.BackgroundResponseError)
    assert (error.response_id, error.status, error.polls) == (RESPONSE_ID, "in_progress", waits.polls)
    assert error.elapsed_seconds == pytest.approx(30.0)
    assert waits.elapsed == pytest.approx(30.0)
    assert RESPONSE_ID in str(error) and "in_progress" in str(error)
    assert error.__cause__ is None


async def test_poll_at_the_end_of_the_time_asks_once_more(api: Api, monkeypatch: Patch) -> None:
    async with waiting(api, monkeypatch, until(30)) as waits:
        assert (await waits.poll(max_wait_seconds=30, poll_interval_ms=20_000)).status == "completed"
    assert waits.sleeps == pytest.approx([20.0, 10.0])


@pytest.mark.parametrize("limit", [0, 0.0])
async def test_poll_without_time_asks_once(api: Api, monkeypatch: Patch, limit: float) -> None:
    async with waiting(api, monkeypatch, script(reply("queued"), reply("completed"))) as waits:
        with pytest.raises(background.BackgroundPollTimeoutError) as caught:
            await waits.poll(max_wait_seconds=limit)
        assert (waits.polls, waits.sleeps, caught.value.polls, caught.value.status) == (1, [], 1, "queued")
        # The same call with the same id goes on.
        assert (await waits.poll(max_wait_seconds=limit)).status == "completed"


@pytest.mark.parametrize(
    ("given", "left"),
    [(None, 5.0), (2.0, 2.0), (60.0, 5.0), (httpx2.Timeout(9.0, connect=1.0), 5.0)],
    ids=["none", "short", "long", "mixed"],
)
async def test_poll_request_does_not_outlast_the_wait(api: Api, monkeypatch: Patch, given: Any, left: float) -> None:
    async with waiting(api, monkeypatch, script(reply("completed"))) as waits:
        await waits.poll(max_wait_seconds=5, timeout=given)
    sent = waits.requests[0].extensions["timeout"]
    assert sent["read"] == sent["write"] == sent["pool"] == pytest.approx(left)
    assert sent["connect"] == pytest.approx(1.0 if isinstance(given, httpx2.Timeout) else left)


async def test_poll_request_at_the_very_end_is_given_a_second(api: Api, monkeypatch: Patch) -> None:
    async with waiting(api, monkeypatch, script(reply())) as waits:
        with pytest.raises(background.BackgroundPollTimeoutError):
            await waits.poll(max_wait_seconds=3, poll_interval_ms=2500)
    assert [one.extensions["timeout"]["read"] for one in waits.requests] == pytest.approx([3.0, 1.0, 1.0])


# -- the callback


async def test_poll_tells_the_callback_of_each_poll(api: Api, monkeypatch: Patch) -> None:
    told: list[tuple[int, str | None, float]] = []

    def tell(number: int, status: str | None, seconds: float) -> None:
        told.append((number, status, seconds))

    answers = [refusal(503), reply("queued"), reply("in_progress"), refusal(503), reply("completed")]
    async with waiting(api, monkeypatch, script(*answers)) as waits:
        await waits.poll(on_poll=tell, poll_interval_ms=1000)
    assert [one[:2] for one in told] == [
        (1, None),
        (2, "queued"),
        (3, "in_progress"),
        (4, "in_progress"),
        (5, "completed"),
    ]
    assert [one[2] for one in told] == pytest.approx([sum(waits.sleeps[:n]) for n in range(5)])


async def test_poll_awaits_an_async_callback(monkeypatch: Patch) -> None:
    told: list[int] = []

    async def tell(number: int, _status: str | None, _seconds: float) -> None:
        told.append(number)

    async with waiting(Api("async"), monkeypatch, script(reply(), reply("completed"))) as waits:
        await waits.poll(on_poll=tell)
    assert told == [1, 2]


async def test_poll_sync_refuses_an_async_callback(monkeypatch: Patch) -> None:
    async def tell(*_: Any) -> None: ...

    async with waiting(Api("sync"), monkeypatch, script(reply("completed"))) as waits:
        with pytest.raises(TypeError, match="on_poll"):
            await waits.poll(on_poll=tell)
    assert waits.polls == 0


@pytest.mark.parametrize("callback", ["print", 3, [print]])
async def test_poll_refuses_a_callback_that_is_no_function(api: Api, monkeypatch: Patch, callback: Any) -> None:
    async with waiting(api, monkeypatch, script(reply("completed"))) as waits:
        with pytest.raises(TypeError, match="on_poll"):
            await waits.poll(on_poll=callback)
    assert waits.polls == 0


async def test_poll_whose_callback_raises_stops_with_that(api: Api, monkeypatch: Patch) -> None:
    class Enough(Exception):
        pass

    def stop(number: int, _status: str | None, _seconds: float) -> None:
        if number == 2:
            raise Enough

    async with waiting(api, monkeypatch, script(reply(), reply(), reply("completed"))) as waits:
        with pytest.raises(Enough):
            await waits.poll(on_poll=stop)
        assert waits.polls == 2
        assert (await waits.poll()).status == "completed"


# -- over the wire


@pytest.mark.parametrize("response_id", [RESPONSE_ID, "resp a/b?c#d", "resp_ü", "%2e", "a%2Fb", "resp_1:2@3"])
async def test_poll_asks_as_retrieve_does(api: Api, monkeypatch: Patch, response_id: str) -> None:
    options: dict[str, Any] = {
        "include": ["reasoning.encrypted_content", "file_search_call.results"],
        "extra_headers": {"X-Mine": "1"},
        "extra_query": {"mine": "a b"},
        "timeout": 7.0,
    }
    async with waiting(api, monkeypatch, script(reply("completed"))) as waits:
        await settle(waits.client.responses.retrieve(response_id, **options))
        await waits.poll(response_id, **options)
    retrieve, poll = waits.requests
    assert (poll.method, poll.url) == ("GET", retrieve.url)
    assert poll.extensions["timeout"] == retrieve.extensions["timeout"]
    added = set(poll.headers.items()) - set(retrieve.headers.items())
    assert {name for name, _ in added} == {"x-stainless-poll-helper"}
    assert not set(retrieve.headers) - set(poll.headers)
    assert (poll.headers["x-mine"], poll.headers["authorization"]) == ("1", f"Bearer {API_KEY}")


@pytest.mark.parametrize("response_id", [".", ".."])
async def test_poll_of_an_id_that_retrieve_refuses_is_refused(api: Api, monkeypatch: Patch, response_id: str) -> None:
    async with waiting(api, monkeypatch, script(reply("completed"))) as waits:
        with pytest.raises(ValueError, match="dot-segment"):
            await settle(waits.client.responses.retrieve(response_id))
        with pytest.raises(ValueError):
            await waits.poll(response_id)
    assert waits.polls == 0


async def test_poll_names_the_interval_in_a_header(api: Api, monkeypatch: Patch) -> None:
    async with waiting(api, monkeypatch, script(reply("completed"))) as waits:
        await waits.poll(poll_interval_ms=1500)
        await waits.poll()
    assert waits.requests[0].headers["x-stainless-custom-poll-interval"] == "1500"
    assert "x-stainless-custom-poll-interval" not in waits.requests[1].headers


async def test_poll_never_creates_and_never_cancels(api: Api, monkeypatch: Patch) -> None:
    answers = [refusal(429), refusal(503), reply(), httpx2.ConnectError("Refused."), reply("cancelled")]
    async with waiting(api, monkeypatch, script(*answers)) as waits:
        with pytest.raises(background.BackgroundCancelledError):
            await waits.poll(raise_on_failure=True)
    assert {(one.method, one.url.path) for one in waits.requests} == {("GET", f"/v1/responses/{RESPONSE_ID}")}


# -- bad arguments


@pytest.mark.parametrize("name", ["poll_interval_ms", "max_wait_seconds"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-1, ValueError),
        (-0.001, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        (-math.inf, ValueError),
        (True, TypeError),
        (False, TypeError),
        ("3", TypeError),
        (None, TypeError),
        ([1], TypeError),
    ],
)
async def test_poll_bad_number_is_refused_before_any_request(
    api: Api, monkeypatch: Patch, name: str, value: Any, expected: type[Exception]
) -> None:
    async with waiting(api, monkeypatch, script(reply("completed"))) as waits:
        with pytest.raises(expected, match=name):
            await waits.poll(**{name: value})
    assert waits.polls == 0


@pytest.mark.parametrize(
    ("value", "expected"), [("", ValueError), (None, TypeError), (7, TypeError), (b"r", TypeError)]
)
async def test_poll_bad_id_is_refused_before_any_request(
    api: Api, monkeypatch: Patch, value: Any, expected: type[Exception]
) -> None:
    async with waiting(api, monkeypatch, script(reply("completed"))) as waits:
        with pytest.raises(expected, match="response_id"):
            await waits.poll(value)
    assert waits.polls == 0


@pytest.mark.skipif(not HAS_HOOKS, reason="the method of the resource is in question")
@pytest.mark.parametrize("name", ["response_id", "raise_on_failure", "poll_interval_ms", "max_wait_seconds", "on_poll"])
async def test_poll_is_documented_with_each_argument(api: Api, monkeypatch: Patch, name: str) -> None:
    async with waiting(api, monkeypatch, script(reply("completed"))) as waits:
        method = waits.client.responses.poll
    assert name in inspect.signature(method).parameters
    assert name in (inspect.getdoc(method) or "")
