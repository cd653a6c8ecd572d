"""A fault of a poll is not a fault of the run: what is waited out, for how long, and what is not."""

from __future__ import annotations

import sys
import json
import email.utils
from typing import Any, Callable, Iterator, AsyncIterator
from datetime import datetime, timezone, timedelta

import httpx2
import pytest

import openai

from ._support import RESPONSE_ID, Api, answer, failed, background
from ._waiting import raw, reply, script, refusal, waiting

Patch = pytest.MonkeyPatch
WHOLE = json.dumps(answer(status="completed")).encode()
HTML = "<!doctype html><title>One moment</title>"


class Cut(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that breaks off in the middle."""

    def __init__(self, fault: type[Exception]) -> None:
        self.fault = fault

    def __iter__(self) -> Iterator[bytes]:
        yield WHOLE[: len(WHOLE) // 2]
        raise self.fault("Cut off.")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def cut(fault: type[Exception]) -> httpx2.Response:
    headers = {"content-type": "application/json", "content-length": str(len(WHOLE))}
    return httpx2.Response(200, headers=headers, stream=Cut(fault))


BORNE: dict[str, Callable[[], Any]] = {
    "refused": lambda: httpx2.ConnectError("Refused."),
    "reset": lambda: httpx2.ReadError("Reset."),
    "write": lambda: httpx2.WriteError("Broken pipe."),
    "disconnected": lambda: httpx2.RemoteProtocolError("Disconnected."),
    "proxy": lambda: httpx2.ProxyError("502 of the proxy."),
    "connect_timeout": lambda: httpx2.ConnectTimeout("Slow."),
    "read_timeout": lambda: httpx2.ReadTimeout("Slow."),
    "write_timeout": lambda: httpx2.WriteTimeout("Slow."),
    "pool_timeout": lambda: httpx2.PoolTimeout("Busy."),
    "cut": lambda: cut(httpx2.RemoteProtocolError),
    "cut_by_timeout": lambda: cut(httpx2.ReadTimeout),
    **{
        str(code): (lambda code=code: refusal(code)) for code in (408, 409, 425, 429, 500, 502, 503, 504, 520, 529, 599)
    },
    "early_404": lambda: refusal(404),
    "html": lambda: httpx2.Response(200, html=HTML),
    "html_as_json": lambda: raw(HTML.encode()),
    "truncated": lambda: raw(WHOLE[: len(WHOLE) // 2]),
    "truncated_text": lambda: raw(WHOLE[:-1]),
    "empty": lambda: raw(b""),
    "other_json": lambda: raw(b'{"message": "hello"}'),
    "list": lambda: raw(b"[]"),
    "null": lambda: raw(b"null"),
    "no_text": lambda: raw(b"\xff\xfe\x00"),
}
RAISED: dict[int, type[Exception]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    402: openai.APIStatusError,
    403: openai.PermissionDeniedError,
    405: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
}


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", []))


@pytest.mark.parametrize("name", BORNE)
async def test_poll_fault_is_waited_out(api: Api, monkeypatch: Patch, name: str) -> None:
    fault = BORNE[name]
    async with waiting(api, monkeypatch, script(reply(), fault, fault, reply(), fault, reply("completed"))) as waits:
        assert (await waits.poll()).status == "completed"
    assert waits.polls == 6
    # A good answer in between starts the backoff over: half a second, then twice as long.
    assert 0.375 <= waits.sleeps[1] <= 0.5
    assert 0.75 <= waits.sleeps[2] <= 1.0
    assert 0.375 <= waits.sleeps[4] <= 0.5


@pytest.mark.parametrize("name", BORNE)
async def test_poll_fault_at_the_end_of_the_time_is_the_cause(api: Api, monkeypatch: Patch, name: str) -> None:
    async with waiting(api, monkeypatch, script(reply("queued"), BORNE[name])) as waits:
        with pytest.raises(background.BackgroundPollTimeoutError) as caught:
            await waits.poll(max_wait_seconds=40)
    error = caught.value
    assert (error.response_id, error.status, error.polls) == (RESPONSE_ID, "queued", waits.polls)
    assert error.elapsed_seconds == pytest.approx(40)
    assert isinstance(error.__cause__, openai.APIError)
    assert type(error.__cause__).__name__ != "APIError"
    # While it waits, a fault holds no frame, and so nothing of what the frames hold.
    assert error.__cause__.__traceback__ is None


async def test_poll_fault_backoff_grows_to_its_cap(api: Api, monkeypatch: Patch) -> None:
    async with waiting(api, monkeypatch, script(lambda: refusal(503))) as waits:
        with pytest.raises(background.BackgroundPollTimeoutError) as caught:
            await waits.poll(max_wait_seconds=3600)
    for number, seconds in enumerate(waits.sleeps[:-1]):
        wanted = min(0.5 * 2**number, 30.0)
        assert 0.75 * wanted <= seconds <= wanted
    assert waits.polls < 170
    assert isinstance(caught.value.__cause__, openai.InternalServerError)
    assert caught.value.status is None


async def test_poll_timeout_after_a_fault_that_passed_has_no_cause(api: Api, monkeypatch: Patch) -> None:
    async with waiting(api, monkeypatch, script(lambda: refusal(503), reply())) as waits:
        with pytest.raises(background.BackgroundPollTimeoutError) as caught:
            await waits.poll(max_wait_seconds=20)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("code", [408, 409, 425, 429, 500, 503, 404])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "1250"}, 1.25),
        ({"retry-after-ms": "300", "retry-after": "9"}, 0.3),
        ({"retry-after": "1e99"}, 3600.0),
        ({"retry-after": "Inf"}, 3600.0),
    ],
    ids=str,
)
async def test_poll_retry_after_is_obeyed(
    api: Api, monkeypatch: Patch, code: int, headers: dict[str, str], seconds: float
) -> None:
    async with waiting(api, monkeypatch, script(lambda: refusal(code, **headers), reply("completed"))) as waits:
        await waits.poll()
    assert waits.sleeps == pytest.approx([seconds])


async def test_poll_retry_after_as_a_date_is_obeyed(api: Api, monkeypatch: Patch) -> None:
    def later() -> httpx2.Response:
        when = datetime.now(timezone.utc) + timedelta(seconds=20)
        return refusal(429, **{"retry-after": email.utils.format_datetime(when, usegmt=True)})

    async with waiting(api, monkeypatch, script(later, reply("completed"))) as waits:
        await waits.poll()
    assert 18.0 <= waits.sleeps[0] <= 20.0


@pytest.mark.parametrize("value", ["-5", "nan", "soon", "", "Thu, 01 Jan 2015 00:00:00 GMT", "-inf"])
async def test_poll_retry_after_that_is_nonsense_is_ignored(api: Api, monkeypatch: Patch, value: str) -> None:
    refused = script(lambda: refusal(429, **{"retry-after": value}), reply("completed"))
    async with waiting(api, monkeypatch, refused) as waits:
        await waits.poll()
    assert 0.375 <= waits.sleeps[0] <= 0.5


@pytest.mark.parametrize("headers", [{"retry-after": "0"}, {"retry-after-ms": "0"}, {"retry-after": "0.0001"}])
async def test_poll_retry_after_of_nothing_does_not_spin(api: Api, monkeypatch: Patch, headers: dict[str, str]) -> None:
    async with waiting(api, monkeypatch, script(lambda: refusal(503, **headers))) as waits:
        with pytest.raises(background.BackgroundPollTimeoutError):
            await waits.poll(max_wait_seconds=10)
    assert waits.polls <= 102
    assert min(waits.sleeps[:-1]) >= 0.1


async def test_poll_retry_after_beyond_the_time_ends_with_the_time(api: Api, monkeypatch: Patch) -> None:
    refused = script(lambda: refusal(429, **{"retry-after": "100"}))
    async with waiting(api, monkeypatch, refused) as waits:
        with pytest.raises(background.BackgroundPollTimeoutError) as caught:
            await waits.poll(max_wait_seconds=30)
    assert waits.elapsed == pytest.approx(30)
    assert isinstance(caught.value.__cause__, openai.RateLimitError)


async def test_poll_retry_after_holds_for_its_own_fault_only(api: Api, monkeypatch: Patch) -> None:
    answers = [
        lambda: refusal(429, **{"retry-after": "7"}),
        lambda: httpx2.ConnectError("Refused."),
        reply(),
        reply("completed"),
    ]
    async with waiting(api, monkeypatch, script(*answers)) as waits:
        await waits.poll()
    assert waits.sleeps[0] == pytest.approx(7.0)
    assert 0.75 <= waits.sleeps[1] <= 1.0
    assert 0.4 <= waits.sleeps[2] <= 0.5


async def test_poll_fault_with_an_explicit_interval_backs_off_all_the_same(api: Api, monkeypatch: Patch) -> None:
    faults = script(lambda: refusal(503), lambda: refusal(503), reply(), reply("completed"))
    async with waiting(api, monkeypatch, faults) as waits:
        await waits.poll(poll_interval_ms=5)
    assert waits.sleeps[0] >= 0.375 and waits.sleeps[1] >= 0.75
    assert waits.sleeps[2] == pytest.approx(0.005)


@pytest.mark.parametrize("code", RAISED)
async def test_poll_refused_is_raised_at_once_with_the_id(api: Api, monkeypatch: Patch, code: int) -> None:
    async with waiting(api, monkeypatch, script(reply(), lambda: refusal(code))) as waits:
        with pytest.raises(RAISED[code]) as caught:
            await waits.poll(raise_on_failure=True)
    error: Any = caught.value
    assert not isinstance(error, background.BackgroundResponseError)
    assert error.response.status_code == code
    assert waits.polls == 2
    if sys.version_info >= (3, 11):
        assert RESPONSE_ID in notes(caught.value)


async def test_poll_404_within_the_grace_is_waited_out_and_later_raised(api: Api, monkeypatch: Patch) -> None:
    async with waiting(api, monkeypatch, script(lambda: refusal(404))) as waits:
        with pytest.raises(openai.NotFoundError) as caught:
            await waits.poll()
    assert 60 <= waits.elapsed <= 91
    assert waits.polls > 5
    if sys.version_info >= (3, 11):
        assert RESPONSE_ID in notes(caught.value)


async def test_poll_404_of_a_response_that_is_gone_is_raised_at_once(api: Api, monkeypatch: Patch) -> None:
    def gone(waits: Any) -> httpx2.Response:
        return reply() if waits.elapsed < 600 else refusal(404)

    async with waiting(api, monkeypatch, gone) as waits:
        with pytest.raises(openai.NotFoundError):
            await waits.poll()
    assert 600 <= waits.elapsed <= 631


async def test_poll_failed_run_after_faults_is_raised_as_its_class(api: Api, monkeypatch: Patch) -> None:
    last = raw(json.dumps(failed("server_error", "It broke.")).encode())
    faults = [BORNE[name] for name in ("429", "cut", "html", "500")]
    async with waiting(api, monkeypatch, script(*faults, last)) as waits:
        with pytest.raises(background.BackgroundInternalServerError) as caught:
            await waits.poll(raise_on_failure=True)
    assert caught.value.code == "server_error"
    # The error is that of the run; no fault of the way there hangs on it.
    assert caught.value.__cause__ is None and caught.value.__context__ is None


@pytest.mark.parametrize("retries", [0, 2, 50])
async def test_poll_does_not_add_the_clients_retries(api: Api, monkeypatch: Patch, retries: int) -> None:
    faults = script(lambda: refusal(503), lambda: httpx2.ConnectError("Refused."), reply("completed"))
    async with waiting(api, monkeypatch, faults, max_retries=retries) as waits:
        await waits.poll()
        assert (waits.polls, len(waits.sleeps)) == (3, 2)
        assert {one.headers["x-stainless-retry-count"] for one in waits.requests} == {"0"}


async def test_poll_error_that_is_no_fault_of_the_network_is_not_waited_out(api: Api, monkeypatch: Patch) -> None:
    class Bug(Exception):
        pass

    async with waiting(api, monkeypatch, script(reply(), lambda: Bug("mine"))) as waits:
        with pytest.raises(Bug):
            await waits.poll()
    assert waits.polls == 2
