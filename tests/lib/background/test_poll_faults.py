"""What a poll does when it fails: the table of faults, how long each is borne, and what is said of it."""

from __future__ import annotations

import ssl
import sys
import json
import time
import email.utils
from typing import Any, Callable, Iterator, NamedTuple, AsyncIterator

import httpx2
import pytest

import openai
from openai.lib.background import BackgroundResponseError, BackgroundPollTimeoutError

from ._support import body, failed
from ._waiting import Waiting, raw, said, notes, reply, script, refusal, waiting as waiting

Caplog = pytest.LogCaptureFixture

WHOLE = json.dumps(body("completed")).encode()
LOGIN = "<!doctype html><title>Log in</title>"
AT_ONCE, MISSING, UNREADABLE, OUTAGE = 0, 15, 30, 600  # seconds


class Cut(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that breaks off in the middle."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def __iter__(self) -> Iterator[bytes]:
        yield WHOLE[: len(WHOLE) // 2]
        raise self.fault

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def cut(fault: Exception) -> httpx2.Response:
    return httpx2.Response(200, headers={"content-type": "application/json"}, stream=Cut(fault))


def from_ssl(cause: Exception) -> httpx2.ConnectError:
    """As the transports raise what went wrong in a handshake."""
    error = httpx2.ConnectError(str(cause))
    error.__cause__ = cause
    return error


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] alert")
    error.reason = reason
    return error


class Fault(NamedTuple):
    make: Callable[[], Any]
    """A new one."""

    borne: int
    """Seconds after which it is raised."""

    raised: type[Exception]
    """As what."""


def status(code: int, borne: int, raised: type[Exception], **headers: Any) -> Fault:
    return Fault(lambda: refusal(code, **headers), borne, raised)


def network(make: Callable[[], Any], borne: int = OUTAGE) -> Fault:
    return Fault(make, borne, openai.APIConnectionError)


def timeout(make: Callable[[], Any]) -> Fault:
    return Fault(make, OUTAGE, openai.APITimeoutError)


def unreadable(make: Callable[[], Any]) -> Fault:
    return Fault(make, UNREADABLE, openai.APIResponseValidationError)


def quota(**error: Any) -> Fault:
    return Fault(lambda: refusal(429, error), AT_ONCE, openai.RateLimitError)


FAULTS: dict[str, Fault] = {
    # The network.
    "refused": network(lambda: httpx2.ConnectError("[Errno 111] Connection refused")),
    "dns": network(lambda: httpx2.ConnectError("[Errno -2] Name or service not known")),
    "reset": network(lambda: httpx2.ReadError("[Errno 104] Connection reset by peer")),
    "broken_pipe": network(lambda: httpx2.WriteError("[Errno 32] Broken pipe")),
    "disconnected": network(lambda: httpx2.RemoteProtocolError("Server disconnected without sending a response.")),
    "proxy": network(lambda: httpx2.ProxyError("502 Bad Gateway")),
    "connect_timeout": timeout(lambda: httpx2.ConnectTimeout("timed out")),
    "read_timeout": timeout(lambda: httpx2.ReadTimeout("timed out")),
    "pool_timeout": timeout(lambda: httpx2.PoolTimeout("")),
    "cut_body": network(lambda: cut(httpx2.RemoteProtocolError("peer closed connection"))),
    "stalled_body": timeout(lambda: cut(httpx2.ReadTimeout("timed out"))),
    "bad_gzip": network(lambda: raw(b"no gzip", **{"content-encoding": "gzip"})),
    "redirects_without_end": network(lambda: httpx2.Response(302, headers={"location": "/v1/responses/resp_1"})),
    "redirect_to_no_http": network(lambda: httpx2.UnsupportedProtocol("Unsupported protocol 'ftp://'"), AT_ONCE),
    # TLS.
    "tls_expired": network(lambda: from_ssl(ssl.SSLCertVerificationError(1, "certificate has expired")), AT_ONCE),
    "tls_of_ours_refused": network(lambda: from_ssl(alert("TLSV13_ALERT_CERTIFICATE_REQUIRED")), AT_ONCE),
    "tls_unmapped": network(lambda: ssl.SSLCertVerificationError(1, "self-signed certificate"), AT_ONCE),
    "tls_cut_off": network(lambda: from_ssl(alert("UNEXPECTED_EOF_WHILE_READING"))),
    # An HTTP status.
    "400": status(400, AT_ONCE, openai.BadRequestError),
    "401": status(401, AT_ONCE, openai.AuthenticationError),
    "402": status(402, AT_ONCE, openai.APIStatusError),
    "403": status(403, AT_ONCE, openai.PermissionDeniedError),
    "404": status(404, MISSING, openai.NotFoundError),
    "405": status(405, AT_ONCE, openai.APIStatusError),
    "408": status(408, OUTAGE, openai.APIStatusError),
    "409": status(409, OUTAGE, openai.ConflictError),
    "410": status(410, AT_ONCE, openai.APIStatusError),
    "422": status(422, AT_ONCE, openai.UnprocessableEntityError),
    "425": status(425, OUTAGE, openai.APIStatusError),
    "429": status(429, OUTAGE, openai.RateLimitError),
    "429_quota": quota(code="insufficient_quota"),
    "429_quota_as_type": quota(code="no_such_code", type="insufficient_quota"),
    "429_billing": quota(code="billing_hard_limit_reached", type=["odd"]),
    "500": status(500, OUTAGE, openai.InternalServerError),
    "501": status(501, AT_ONCE, openai.InternalServerError),
    "502": status(502, OUTAGE, openai.InternalServerError),
    "503": status(503, OUTAGE, openai.InternalServerError),
    "503_undecodable": status(503, OUTAGE, openai.InternalServerError, **{"content-type": "text/plain; charset=hex"}),
    "503_final": status(503, AT_ONCE, openai.InternalServerError, **{"x-should-retry": "false"}),
    "404_final": status(404, AT_ONCE, openai.NotFoundError, **{"x-should-retry": "false"}),
    "503_html": Fault(lambda: httpx2.Response(503, html=LOGIN * 9000), OUTAGE, openai.InternalServerError),
    "504": status(504, OUTAGE, openai.InternalServerError),
    "505": status(505, AT_ONCE, openai.InternalServerError),
    "529": status(529, OUTAGE, openai.InternalServerError),
    "304": Fault(lambda: httpx2.Response(304), AT_ONCE, openai.APIStatusError),
    # Status 200, and no response in it.
    "login_page": unreadable(lambda: httpx2.Response(200, html=LOGIN)),
    "login_page_as_json": unreadable(lambda: raw(LOGIN.encode())),
    "undecodable_page": unreadable(lambda: raw(b"zz", **{"content-type": "text/plain; charset=hex"})),
    "cut_json": unreadable(lambda: raw(WHOLE[:-1])),
    "empty": unreadable(lambda: raw(b"")),
    "no_content": unreadable(lambda: httpx2.Response(204)),
    "no_text": unreadable(lambda: raw(b"\xff\xfe\x00")),
    "null": unreadable(lambda: raw(b"null")),
    "list": unreadable(lambda: raw(b"[]")),
    "error_of_a_gateway": unreadable(lambda: raw(b'{"error": {"code": 504, "message": "upstream"}}')),
    "other_object": unreadable(lambda: raw(b'{"id": "b", "object": "batch", "status": "failed"}')),
    "status_missing": unreadable(lambda: reply(None)),
    "status_list": unreadable(lambda: reply([])),
    "status_number": unreadable(lambda: reply(7)),
    "deep": unreadable(lambda: raw(b'{"id": "resp_1", "status": "completed", "x": ' + b"[" * 100_000)),
}
BORNE = {name: fault for name, fault in FAULTS.items() if fault.borne}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seen", [True, False], ids=["seen", "never_seen"])
async def test_poll_fault_that_stays_is_raised_in_time(waiting: Waiting, caplog: Caplog, name: str, seen: bool) -> None:
    fault = FAULTS[name]
    waits = waiting(script(reply(), fault.make) if seen else script(fault.make))
    error = await waits.raised()
    assert isinstance(error, fault.raised) and not isinstance(error, BackgroundResponseError)
    began = waits.sleeps[0] if seen else 0.0
    assert waits.elapsed - began == pytest.approx(fault.borne, abs=0.2)
    if sys.version_info >= (3, 11):
        assert "resp_1" in notes(error) and ("last seen in_progress" if seen else "never seen") in notes(error)
    assert "goes on" not in notes(error)
    assert len(said(caplog)) == bool(fault.borne)


@pytest.mark.parametrize("name", BORNE)
async def test_poll_fault_that_passes_is_waited_out_and_logged(waiting: Waiting, caplog: Caplog, name: str) -> None:
    fault = BORNE[name].make
    waits = waiting(script(reply(), fault, fault, reply(), reply("completed")))
    assert (await waits.poll()).status == "completed"
    begins, ends = said(caplog)
    assert "Poll 2 of response resp_1 failed" in begins and BORNE[name].raised.__name__ in begins
    assert "resp_1 answers again" in ends and ends.endswith("failed: 2")
    assert len(begins) < 600


@pytest.mark.parametrize("name", BORNE)
async def test_poll_fault_at_the_end_of_the_time_is_the_cause(waiting: Waiting, name: str) -> None:
    waits = waiting(script(reply("queued"), BORNE[name].make))
    error = await waits.raised(max_wait_seconds=10)
    assert type(error) is BackgroundPollTimeoutError
    assert isinstance(error.__cause__, BORNE[name].raised)
    assert (error.response_id, error.status, error.polls) == ("resp_1", "queued", len(waits.requests))
    assert error.elapsed_seconds == pytest.approx(10) == waits.elapsed
    assert "resp_1" in str(error) and "queued" in str(error) and "goes on" not in str(error)
    assert "poll the same id again" in str(error)


@pytest.mark.parametrize("name", ["404", "503", "login_page", "refused"])
async def test_poll_timeout_of_a_run_that_was_never_seen_says_so(waiting: Waiting, name: str) -> None:
    error = await waiting(script(BORNE[name].make)).raised(max_wait_seconds=3)
    assert type(error) is BackgroundPollTimeoutError
    assert "resp_1 was never seen" in str(error) and "the last poll:" in str(error)
    assert BORNE[name].raised.__name__ in str(error)
    assert "again" not in str(error) and error.status is None


async def test_poll_backoff_doubles_to_its_cap_and_starts_over(waiting: Waiting) -> None:
    faults = [lambda: refusal(503)] * 9
    waits = waiting(script(*faults, reply(), lambda: refusal(503), reply("completed")))
    await waits.poll()
    for number, seconds in enumerate(waits.sleeps[:9]):
        assert 0.75 * min(0.5 * 2**number, 30.0) <= seconds <= min(0.5 * 2**number, 30.0)
    assert 0.375 <= waits.sleeps[10] <= 0.5


@pytest.mark.parametrize(("limit", "least", "most"), [(0, 0, 0), (60, 60, 61), (3600, 3600, 3601)])
async def test_poll_outage_limit_is_an_argument(waiting: Waiting, limit: float, least: float, most: float) -> None:
    waits = waiting(script(lambda: refusal(503)))
    assert isinstance(await waits.raised(max_outage_seconds=limit), openai.InternalServerError)
    assert least <= waits.elapsed <= most


async def test_poll_outage_is_counted_from_the_last_good_answer(waiting: Waiting) -> None:
    waits = waiting(lambda waits: refusal(503) if int(waits.elapsed / 400) % 2 else reply())
    assert type(await waits.raised(max_wait_seconds=4000)) is BackgroundPollTimeoutError


async def test_poll_missing_is_asked_for_at_the_first_interval(waiting: Waiting) -> None:
    waits = waiting(script(lambda: refusal(404, **{"retry-after": "9"})))
    assert isinstance(await waits.raised(), openai.NotFoundError)
    assert set(waits.sleeps) == {0.5} and waits.elapsed == pytest.approx(15)


async def test_poll_missing_grace_begins_with_the_first_one_after_a_good_answer(waiting: Waiting) -> None:
    def outage(waits: Any) -> httpx2.Response:
        if 200 <= waits.elapsed < 212 or 400 <= waits.elapsed < 412:
            return refusal(404)
        return reply("completed" if waits.elapsed > 500 else "in_progress")

    assert (await waiting(outage).poll(poll_interval_ms=1000)).status == "completed"


async def test_poll_unreadable_answers_in_between_are_waited_out(waiting: Waiting) -> None:
    page = FAULTS["login_page"].make
    waits = waiting(script(*[page, page, lambda: refusal(503)] * 8, reply("completed")))
    assert (await waits.poll()).status == "completed"
    # Thirty seconds alone are not enough: three it takes.
    waits = waiting(script(reply(), page, page, reply("completed")))
    waits.takes = 20.0
    assert (await waits.poll()).status == "completed"


@pytest.mark.parametrize("code", [408, 429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "1250"}, 1.25),
        ({"retry-after-ms": "300", "retry-after": "9"}, 0.3),
        ({"retry-after": "0"}, 0.1),
        ({"retry-after-ms": "0.01"}, 0.1),
        ({"retry-after": "1e99"}, 600.0),
    ],
    ids=str,
)
async def test_poll_retry_after_is_obeyed_within_reason(
    waiting: Waiting, code: int, headers: dict[str, Any], seconds: float
) -> None:
    waits = waiting(script(lambda: refusal(code, **headers), reply("completed")))
    await waits.poll()
    assert waits.sleeps == pytest.approx([seconds])


@pytest.mark.parametrize("value", ["-5", "nan", "inf", "-inf", "soon", "", "Thu, 01 Jan 2015 00:00:00 GMT", "Mon, 99"])
async def test_poll_retry_after_that_is_nonsense_is_ignored(waiting: Waiting, value: str) -> None:
    waits = waiting(script(lambda: refusal(429, **{"retry-after": value}), reply("completed")))
    await waits.poll()
    assert 0.375 <= waits.sleeps[0] <= 0.5


@pytest.mark.parametrize("off", [0, 86_400, -86_400])
async def test_poll_retry_after_as_a_date_is_held_against_the_servers_clock(waiting: Waiting, off: float) -> None:
    now = time.time() + off
    dates = {
        "retry-after": email.utils.formatdate(now + 20, usegmt=True),
        "date": email.utils.formatdate(now, usegmt=True),
    }
    waits = waiting(script(lambda: refusal(429, None, **dates), reply("completed")))
    await waits.poll()
    assert waits.sleeps[0] == pytest.approx(20)


async def test_poll_retry_after_as_a_date_without_another_is_held_against_ours(waiting: Waiting) -> None:
    when = email.utils.formatdate(time.time() + 20, usegmt=True)
    waits = waiting(script(lambda: refusal(429, **{"retry-after": when}), reply("completed")))
    await waits.poll()
    assert 18 <= waits.sleeps[0] <= 20


async def test_poll_fault_comes_after_the_clients_own_retries(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = waiting(script(reply(), lambda: refusal(501)), max_retries=2)
    monkeypatch.setattr(waits.client, "_calculate_retry_timeout", lambda *_: 0.0)
    assert isinstance(await waits.raised(), openai.InternalServerError)
    assert [one.headers["x-stainless-retry-count"] for one in waits.requests] == ["0", "0", "1", "2"]


async def test_poll_error_of_the_run_after_faults_hangs_on_none_of_them(waiting: Waiting) -> None:
    faults = [BORNE[name].make for name in ("429", "cut_body", "login_page", "500", "404")]
    last = raw(json.dumps(failed("server_error")).encode())
    error = await waiting(script(*faults, last)).raised(raise_on_failure=True)
    assert error.code == "server_error"
    assert error.__cause__ is None and error.__context__ is None


async def test_poll_bug_in_a_hook_is_not_waited_out(waiting: Waiting) -> None:
    class Bug(Exception):
        pass

    waits = waiting(script(reply(), lambda: Bug("mine")))
    assert type(await waits.raised()) is Bug
    assert len(waits.requests) == 2


async def test_poll_status_error_of_somebody_elses_request_is_not_taken_for_its_own(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_key(*_: Any, **__: Any) -> None:
        try:
            httpx2.Response(503, request=httpx2.Request("GET", "https://keys.test")).raise_for_status()
        except httpx2.HTTPStatusError as err:
            raise LookupError("no key") from err

    waits = waiting(script(reply("completed")))
    monkeypatch.setattr(waits.client, "_build_request", no_key)
    assert type(await waits.raised()) is LookupError
