"""Waiting for a run: how it ends, how often it asks, what it asks through, and what it holds."""

from __future__ import annotations

import gc
import sys
import json
import math
import pickle
import random
import asyncio
import inspect
import weakref
import importlib
from typing import Any

import httpx2
import pytest
import pydantic

import openai
from openai import OpenAI, AsyncOpenAI
from openai.types.beta import BetaResponse
from openai.lib.background import (
    BackgroundResponseError,
    BackgroundCancelledError,
    BackgroundIncompleteError,
    BackgroundPollTimeoutError,
    BackgroundInternalServerError,
)
from openai.types.responses import Response, ParsedResponse

from ._support import PROMPT, body, client, failed, settle, written
from ._waiting import Waits, Waiting, raw, said, reply, script, refusal, waiting as waiting

Caplog = pytest.LogCaptureFixture
Patch = pytest.MonkeyPatch

ENDINGS: dict[str, tuple[dict[str, Any], type[BackgroundResponseError]]] = {
    "failed": (failed("server_error"), BackgroundInternalServerError),
    "failed_without_error": (body("failed"), BackgroundResponseError),
    "FAILED": (body(" FAILED "), BackgroundResponseError),
    "incomplete": (body("incomplete", incomplete_details={"reason": "max_output_tokens"}), BackgroundIncompleteError),
    "steered": (body("incomplete", incomplete_details={"reason": "steered"}), BackgroundIncompleteError),
    "cancelled": (body("cancelled"), BackgroundCancelledError),
    "canceled": (body("canceled"), BackgroundCancelledError),
    "expired": (body("expired"), BackgroundResponseError),
    "another_word_with_an_error": (body("no_such_status", error={"message": "x"}), BackgroundResponseError),
    "no_status_but_an_error": (body(None, error={"message": "x"}), BackgroundResponseError),
}


class Total(pydantic.BaseModel):
    total: int


# -- how it ends


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("beta", [False, True], ids=["stable", "beta"])
@pytest.mark.parametrize("word", ["completed", "COMPLETED", " Completed"])
async def test_poll_of_a_run_that_completes_returns_it(waiting: Waiting, flag: bool, beta: bool, word: str) -> None:
    waits = waiting(script(reply("queued"), reply(), reply(word, headers={"x-request-id": "req_1"})), beta=beta)
    response = await waits.poll(raise_on_failure=flag)
    assert type(response) is (BetaResponse if beta else Response)
    assert (response.id, response.status, response._request_id) == ("resp_1", word, "req_1")
    assert (len(waits.requests), len(waits.sleeps)) == (3, 2)


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("beta", [False, True], ids=["stable", "beta"])
async def test_poll_of_a_run_that_ends_badly_raises_with_the_flag_only(waiting: Waiting, name: str, beta: bool) -> None:
    sent, raised = ENDINGS[name]
    waits = waiting(script(reply(), raw(json.dumps(sent).encode(), **{"x-request-id": "req_1"})), beta=beta)
    assert (await waits.poll()).status == sent.get("status")
    assert len(waits.requests) == 2
    error = await waits.raised(raise_on_failure=True)
    # What `retrieve` raises, which it came from: one request more.
    with pytest.raises(BackgroundResponseError) as caught:
        await settle(waits.resource.retrieve("resp_1", raise_on_failure=True))
    assert type(error) is type(caught.value) is raised
    assert (str(error), error.response_id, error.request_id) == (str(caught.value), "resp_1", "req_1")
    assert len(waits.requests) == 2 + 2 + 1


@pytest.mark.parametrize("word", ["pending", "running", "processing", "requires_action", "no_such_status", ""])
@pytest.mark.parametrize("flag", [False, True])
async def test_poll_of_a_status_that_is_not_known_waits_on_and_says_so_once(
    waiting: Waiting, caplog: Caplog, word: str, flag: bool
) -> None:
    answers = [reply("queued"), *[reply(word)] * 3, reply(), reply(word), reply("completed")]
    waits = waiting(script(*answers))
    assert (await waits.poll(raise_on_failure=flag)).status == "completed"
    assert len(waits.requests) == 7
    assert said(caplog) == [f"Response resp_1 has a status that is not known, waiting on: {word}"]


@pytest.mark.parametrize("fault", ["refused", "odd_retrieve", "no_flag"])
async def test_poll_whose_last_retrieve_fails_judges_the_answer_that_it_has(
    waiting: Waiting, monkeypatch: Patch, fault: str
) -> None:
    waits = waiting(script(raw(json.dumps(failed("server_error")).encode()), refusal(503)))
    retrieve = waits.resource.with_raw_response.retrieve and waits.resource.retrieve

    def odd(*args: Any, raise_on_failure: bool = False, **options: Any) -> Any:
        if fault == "no_flag":
            return retrieve(*args, **options)  # as one that does not know it
        raise TypeError(f"got an unexpected keyword argument 'raise_on_failure'={raise_on_failure}")

    if fault != "refused":
        monkeypatch.setattr(waits.resource, "retrieve", odd)
    error = await waits.raised(raise_on_failure=True)
    assert type(error) is BackgroundInternalServerError and error.response_id == "resp_1"
    assert error.__cause__ is None and error.__context__ is None


async def test_poll_of_a_run_whose_last_word_is_another_believes_that(waiting: Waiting) -> None:
    waits = waiting(script(reply("cancelled"), reply("completed")))
    assert (await waits.poll(raise_on_failure=True)).status == "completed"
    waits = waiting(script(reply("cancelled"), reply(), reply(), reply("completed")))
    assert (await waits.poll(raise_on_failure=True)).status == "completed"
    assert len(waits.requests) == 4


async def test_poll_asks_the_clients_own_hook_for_the_error(waiting: Waiting, monkeypatch: Patch) -> None:
    class Mine(BackgroundResponseError):
        pass

    def make(_body: object, *, response: httpx2.Response, response_id: str | None) -> Mine:
        return Mine("mine", response=response, body=None, response_id=response_id)

    waits = waiting(script(reply("failed")))
    monkeypatch.setattr(waits.client, "_make_background_error", make)
    assert type(await waits.raised(raise_on_failure=True)) is Mine


# -- typed results


@pytest.mark.parametrize("flag", [False, True])
async def test_poll_with_a_text_format_gives_what_parse_would(waiting: Waiting, flag: bool) -> None:
    done = reply("completed", output=written('{"total": 12}'), headers={"x-request-id": "req_1"})
    waits = waiting(script(reply(), done))
    polled = await waits.poll(text_format=Total, raise_on_failure=flag)
    parsed = await settle(waits.client.responses.parse(input="x", model="m", text_format=Total))
    assert isinstance(polled, ParsedResponse) and polled.output_parsed == Total(total=12)
    assert polled.to_dict() == parsed.to_dict() and polled._request_id == parsed._request_id == "req_1"


async def test_poll_with_tools_parses_their_arguments(waiting: Waiting) -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "Total", "arguments": '{"total": 3}'}
    tools: Any = [openai.pydantic_function_tool(Total)]
    response = await waiting(script(reply("completed", output=[call]))).poll(tools=tools)
    assert response.output[0].parsed_arguments == Total(total=3)


async def test_poll_with_a_text_format_of_a_cut_text_raises_how_the_run_ended(waiting: Waiting) -> None:
    cut = reply("incomplete", output=written('{"tot'), incomplete_details={"reason": "max_output_tokens"})
    error = await waiting(script(cut)).raised(text_format=Total, raise_on_failure=True)
    assert type(error) is BackgroundIncompleteError and error.output_text == '{"tot'
    # Without the flag it is as `responses.parse` has it.
    assert isinstance(await waiting(script(cut)).raised(text_format=Total), pydantic.ValidationError)


async def test_poll_of_beta_refuses_a_text_format(waiting: Waiting) -> None:
    waits = waiting(script(reply("completed")), beta=True)
    assert isinstance(await waits.raised(text_format=Total), TypeError)
    assert waits.requests == []


# -- how often it asks


@pytest.mark.parametrize(
    ("hint", "seconds"),
    [("1500", 1.5), ("200.5", 0.2005), ("0", 0.1), ("1", 0.1), ("1e9", 60.0)],
)
async def test_poll_interval_is_the_servers_within_reason(waiting: Waiting, hint: str, seconds: float) -> None:
    waits = waiting(script(reply(headers={"openai-poll-after-ms": hint}), reply("completed")))
    await waits.poll()
    assert waits.sleeps == pytest.approx([seconds])


@pytest.mark.parametrize("hint", ["-5", "nan", "inf", "-inf", "soon", "", "1e999", "0x10"])
async def test_poll_interval_of_the_server_that_is_nonsense_is_ignored(waiting: Waiting, hint: str) -> None:
    waits = waiting(script(reply(headers={"openai-poll-after-ms": hint}), reply("completed")))
    await waits.poll()
    assert 0.475 <= waits.sleeps[0] <= 0.5


async def test_poll_interval_of_the_server_is_read_anew_each_time(waiting: Waiting) -> None:
    hints = [reply(headers={"openai-poll-after-ms": hint}) for hint in ("3000", "7000")]
    waits = waiting(script(*hints, reply(), refusal(503), reply("completed")))
    await waits.poll()
    assert waits.sleeps[:2] == pytest.approx([3.0, 7.0])
    assert waits.sleeps[2] <= 0.5 and waits.sleeps[3] <= 0.5


@pytest.mark.parametrize(("asked", "seconds"), [(5, 0.1), (0, 0.1), (250, 0.25), (90_000.0, 90.0)])
async def test_poll_interval_of_the_caller_has_a_floor_and_beats_the_servers(
    waiting: Waiting, asked: float, seconds: float
) -> None:
    waits = waiting(script(reply(headers={"openai-poll-after-ms": "7000"}), reply(), reply("completed")))
    await waits.poll(poll_interval_ms=asked)
    assert waits.sleeps == pytest.approx([seconds] * 2)
    sent = {one.headers["x-stainless-custom-poll-interval"] for one in waits.requests}
    assert sent == {f"{seconds * 1000:g}"}


async def test_poll_interval_grows_with_the_time_waited(waiting: Waiting) -> None:
    waits = waiting(lambda waits: reply("completed" if waits.elapsed > 7200 else "in_progress"))
    await waits.poll()
    now = 0.0
    for seconds in waits.sleeps:
        wanted = min(max(0.5, 0.05 * now), 60.0)
        assert 0.95 * wanted - 1e-6 <= seconds <= wanted + 1e-6
        now += seconds
    assert len(waits.requests) < 240


# -- the time


@pytest.mark.parametrize("limit", [0, 0.0])
async def test_poll_without_time_asks_once(waiting: Waiting, limit: float) -> None:
    waits = waiting(script(reply("queued"), reply("completed")))
    error = await waits.raised(max_wait_seconds=limit)
    assert type(error) is BackgroundPollTimeoutError and waits.sleeps == []
    assert isinstance(error, TimeoutError) and isinstance(error, openai.OpenAIError)
    assert (error.response_id, error.status, error.elapsed_seconds, error.polls) == ("resp_1", "queued", 0.0, 1)
    assert str(error) == (
        "Response resp_1 has not ended after 0.0 s (1 poll, last status: queued); the run goes on; poll the same id again"
    )
    assert error.__cause__ is None
    assert (await waits.poll(max_wait_seconds=limit)).status == "completed"


async def test_poll_asks_once_more_when_the_time_ends(waiting: Waiting) -> None:
    waits = waiting(lambda waits: reply("completed" if waits.elapsed >= 42 else "in_progress"))
    assert (await waits.poll(max_wait_seconds=42, poll_interval_ms=40_000)).status == "completed"
    assert waits.sleeps == pytest.approx([40.0, 2.0])


@pytest.mark.parametrize(
    ("given", "left"),
    [(None, 5.0), (2.0, 2.0), (60.0, 5.0), (httpx2.Timeout(9.0, connect=1.0), 5.0)],
    ids=["none", "short", "long", "mixed"],
)
async def test_poll_request_does_not_outlast_the_wait(waiting: Waiting, given: Any, left: float) -> None:
    waits = waiting(script(reply("completed")))
    await waits.poll(max_wait_seconds=5, timeout=given)
    sent = waits.requests[0].extensions["timeout"]
    assert sent["read"] == sent["write"] == sent["pool"] == pytest.approx(left)
    assert sent["connect"] == pytest.approx(1.0 if isinstance(given, httpx2.Timeout) else left)


async def test_poll_request_that_is_retried_gets_the_time_that_is_left(waiting: Waiting, monkeypatch: Patch) -> None:
    waits = waiting(script(refusal(503)), max_retries=3)
    waits.takes = 2.0
    monkeypatch.setattr(waits.client, "_calculate_retry_timeout", lambda *_: 0.0)
    await waits.raised(max_wait_seconds=5)
    assert [one.extensions["timeout"]["read"] for one in waits.requests] == pytest.approx([5.0, 3.0, 1.0, 1.0])


@pytest.mark.parametrize("timeout", [None, 900.0])
async def test_poll_without_limit_leaves_the_time_outs_as_they_are(waiting: Waiting, timeout: Any) -> None:
    waits = waiting(script(reply("completed")))
    await waits.poll(timeout=timeout)
    await settle(waits.resource.retrieve("resp_1", timeout=timeout))
    assert waits.requests[0].extensions["timeout"] == waits.requests[1].extensions["timeout"]


def test_poll_timeout_error_is_whole_after_pickling() -> None:
    error = BackgroundPollTimeoutError("m", response_id="resp_1", status="queued", elapsed_seconds=3.5, polls=2)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == ("m", vars(error))
    assert type(copy) is BackgroundPollTimeoutError is openai.BackgroundPollTimeoutError


async def test_poll_texts_of_a_server_are_on_one_line(waiting: Waiting, caplog: Caplog) -> None:
    error = await waiting(script(reply("a\nFORGED\x1b[2J" + "x" * 900))).raised(max_wait_seconds=0)
    texts = [str(error), *said(caplog)]
    assert all("\n" not in text and "\x1b" not in text and len(text) < 500 for text in texts)


# -- what it asks through


async def test_poll_asks_as_retrieve_does(waiting: Waiting) -> None:
    for response_id in ("resp_1", "resp a/b?c#d", "resp_ü", "%2e"):
        waits = waiting(script(reply("completed")))
        options: dict[str, Any] = {
            "include": ["reasoning.encrypted_content"],
            "extra_headers": {"X-Mine": "1"},
            "extra_query": {"mine": "a b"},
            "timeout": 7.0,
        }
        await settle(waits.resource.retrieve(response_id, **options))
        await waits.poll(response_id, **options)
        retrieve, poll = waits.requests
        assert (poll.method, poll.url, poll.extensions) == ("GET", retrieve.url, retrieve.extensions)
        added = set(poll.headers.items()) - set(retrieve.headers.items())
        assert {name for name, _ in added} == {"x-stainless-poll-helper", "x-stainless-raw-response"}
        assert options["extra_headers"] == {"X-Mine": "1"} and options["extra_query"] == {"mine": "a b"}


@pytest.mark.parametrize("flag", [False, True])
async def test_poll_goes_through_an_overridden_retrieve(asynchronous: bool, monkeypatch: Patch, flag: bool) -> None:
    calls: list[dict[str, Any]] = []
    waits = Waits(asynchronous, monkeypatch, script(reply(), refusal(503), reply("completed")))
    base: Any = type(waits.resource)

    class Own(base):
        def retrieve(self, response_id: str, **options: Any) -> Any:
            calls.append(options)
            return super().retrieve(response_id, **options)

    own = Own(waits.client)
    monkeypatch.setattr(own, "_sleep", waits.resource._sleep)
    waits.resource = own
    await waits.poll(raise_on_failure=flag)
    assert len(calls) == 3
    # An argument that was not given is not passed on: not every override takes them all.
    assert {name for options in calls for name in options} == {"extra_headers"}


async def test_poll_runs_the_clients_hooks_at_every_poll(waiting: Waiting, monkeypatch: Patch) -> None:
    prepared: list[str] = []
    waits = waiting(script(reply(), refusal(503), reply("completed")))

    def prepare(request: httpx2.Request) -> None:
        prepared.append(request.url.path)

    async def aprepare(request: httpx2.Request) -> None:
        prepare(request)

    is_async = isinstance(waits.client, AsyncOpenAI)
    monkeypatch.setattr(waits.client, "_prepare_request", aprepare if is_async else prepare)
    await waits.poll()
    assert prepared == ["/v1/responses/resp_1"] * 3


async def test_poll_never_creates_and_never_cancels(waiting: Waiting) -> None:
    waits = waiting(script(refusal(429), reply(), httpx2.ConnectError("Refused."), reply("cancelled")))
    assert type(await waits.raised(raise_on_failure=True)) is BackgroundCancelledError
    assert {(one.method, one.url.path) for one in waits.requests} == {("GET", "/v1/responses/resp_1")}


async def test_poll_tells_the_callback_of_each_poll(waiting: Waiting) -> None:
    told: list[tuple[int, str | None, float]] = []
    waits = waiting(script(refusal(503), reply("queued"), refusal(503), reply("completed")))
    await waits.poll(on_poll=lambda *news: told.append(news))
    assert [one[:2] for one in told] == [(1, None), (2, "queued"), (3, "queued"), (4, "completed")]
    assert [one[2] for one in told] == pytest.approx([sum(waits.sleeps[:n]) for n in range(4)])


async def test_poll_awaits_a_callback_in_async_code_and_refuses_it_in_sync_code(waiting: Waiting) -> None:
    told: list[int] = []

    async def tell(number: int, _status: str | None, _seconds: float) -> None:
        told.append(number)

    waits = waiting(script(reply(), reply("completed")))
    if isinstance(waits.client, OpenAI):
        assert isinstance(await waits.raised(on_poll=tell), TypeError) and waits.requests == []
    else:
        await waits.poll(on_poll=tell)
        assert told == [1, 2]


async def test_poll_whose_task_is_cancelled_goes_on_with_the_same_call(monkeypatch: Patch) -> None:
    waits = Waits(True, monkeypatch, script(reply(), reply("completed")))
    monkeypatch.undo()
    task = asyncio.ensure_future(waits.poll())
    while not waits.requests:
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await waits.poll()).status == "completed"


# -- what it is called


@pytest.mark.parametrize("of", ["responses", "beta.responses"])
async def test_poll_is_called_poll_and_documents_each_argument(asynchronous: bool, of: str) -> None:
    resource: Any = client(body(), asynchronous=asynchronous)
    for name in of.split("."):
        resource = getattr(resource, name)
    method = resource.poll
    assert method.__name__ == method.__qualname__ == "poll"
    assert inspect.iscoroutinefunction(method) is asynchronous
    documentation = inspect.getdoc(method) or ""
    assert all(name in documentation for name in inspect.signature(method).parameters)
    first = next(line for line in documentation.splitlines() if ".poll(" in line)
    assert "max_wait_seconds" in first
    with pytest.raises(TypeError, match="^poll"):
        method()


NUMBERS = ["poll_interval_ms", "max_wait_seconds", "max_outage_seconds"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, -math.inf, sys.maxsize, 10**400, 1e300])
async def test_poll_number_out_of_range_is_refused_before_any_request(
    waiting: Waiting, name: str, value: float
) -> None:
    waits = waiting(script(reply("completed")))
    error = await waits.raised(**{name: value})
    assert type(error) is ValueError and name in str(error) and waits.requests == []


@pytest.mark.parametrize(
    ("name", "value", "raised"),
    [(name, value, TypeError) for name in NUMBERS for value in (True, "3", None, [1])]
    + [("on_poll", value, TypeError) for value in ("print", 3)]
    + [("text_format", value, TypeError) for value in (3, int)],
)
async def test_poll_argument_of_another_type_is_refused_before_any_request(
    waiting: Waiting, name: str, value: object, raised: type[Exception]
) -> None:
    waits = waiting(script(reply("completed")))
    assert type(await waits.raised(**{name: value})) is raised
    assert waits.requests == []


@pytest.mark.parametrize(("value", "raised"), [("", ValueError), (".", ValueError), (None, TypeError), (7, TypeError)])
async def test_poll_bad_id_is_refused_before_any_request(waiting: Waiting, value: Any, raised: type[Exception]) -> None:
    waits = waiting(script(reply("completed")))
    with pytest.raises(raised):
        await waits.poll(value)
    assert waits.requests == []


# -- never stricter than `retrieve`

TEXT = written("Three ships, \ud83d and \U0001f6a2.")
SENT = {word: body(word, output=TEXT) for word in ("completed", "failed", "canceled", "in_progress")}
ENCODINGS = {
    "plain": lambda sent: json.dumps(sent).encode(),
    "bom": lambda sent: b"\xef\xbb\xbf" + json.dumps(sent).encode(),
    "utf16": lambda sent: json.dumps(sent).encode("utf-16"),
    "utf32": lambda sent: json.dumps(sent).encode("utf-32-be"),
    "surrogates": lambda sent: json.dumps(sent, ensure_ascii=False).encode("utf-8", "surrogatepass"),
    "leading_space": lambda sent: b" \r\n\t" + json.dumps(sent).encode() + b"\n",
    "nan": lambda sent: json.dumps({"x": math.nan, "y": -math.inf, **sent}).encode(),
    "twice": lambda sent: json.dumps(sent).encode().replace(b'{"id"', b'{"status": "queued", "id"', 1),
    "twice_far_apart": lambda sent: b'{"status": "queued", "x": "' + b"x" * 5000 + b'", ' + json.dumps(sent).encode()[1:],
    "escaped_word": lambda sent: json.dumps(sent).encode().replace(b'"status": "', b'"status": "\\u00', 1).replace(
        b"\\u00" + sent["status"][:1].encode(), b"\\u00%02x" % ord(sent["status"][0]), 1
    ),
    "escaped_name": lambda sent: json.dumps(sent).encode().replace(b'"status"', b'"st\\u0061tus"', 1),
    "late": lambda sent: json.dumps({**{k: v for k, v in sent.items() if k != "status"}, "status": sent["status"]}).encode(),
    "nested": lambda sent: json.dumps({"x": {"status": "queued"}, **sent}).encode(),
    "large_number": lambda sent: json.dumps(sent).encode()[:-1] + b', "x": 1' + b"0" * 4000 + b"}",
    "too_large_number": lambda sent: json.dumps(sent).encode()[:-1] + b', "x": 1' + b"0" * 9000 + b"}",
    "deep": lambda sent: json.dumps(sent).encode()[:-1] + b', "x": ' + b"[" * 500 + b"]" * 500 + b"}",
    "too_deep": lambda sent: json.dumps(sent).encode()[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "control_character": lambda sent: json.dumps(sent).encode()[:-1] + b', "x": "\x01"}',
    "cut": lambda sent: json.dumps(sent).encode()[:-1],
    "trailing": lambda sent: json.dumps(sent).encode() + b"x",
}  # fmt: skip


ENDS = ("completed", *(raised.__name__ for _, raised in ENDINGS.values()))


async def verdict(waits: Waits, call: str, flag: bool) -> str:
    """What a caller is told, in a word."""
    try:
        if call == "poll":
            response = await waits.poll(raise_on_failure=flag, max_wait_seconds=0)
        else:
            response = await settle(waits.resource.retrieve("resp_1", raise_on_failure=flag))
    except BackgroundPollTimeoutError as err:
        return "unreadable" if err.__cause__ else "going on"
    except BackgroundResponseError as err:
        return type(err).__name__
    except Exception:
        return "unreadable"
    if not isinstance(response, Response):
        return "unreadable"
    return "going on" if response.status == "in_progress" else str(response.status)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain; charset=latin-1"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("word", SENT)
async def test_poll_reads_what_retrieve_reads(waiting: Waiting, word: str, encoding: str, content_type: str) -> None:
    content = ENCODINGS[encoding](SENT[word])
    waits = waiting(script(raw(content, **{"content-type": content_type})))
    for flag in (False, True):
        wanted = await verdict(waits, "retrieve", flag)
        polled = await verdict(waits, "poll", flag)
        # A run that goes on is not parsed: there it may be less strict.
        assert polled == wanted or (polled, word, wanted) == ("going on", "in_progress", "unreadable")


async def test_poll_reads_what_retrieve_reads_of_mutated_bodies(waiting: Waiting) -> None:
    rng = random.Random(7)
    words = [
        b'"status"',
        b"null",
        b"completed",
        b"failed",
        b"queued",
        b'"id"',
        b"{",
        b"}",
        b'"',
        b",",
        b"\\u",
        b"\xff",
        b"0",
    ]
    for _ in range(400):
        content = bytearray(json.dumps(rng.choice(list(SENT.values()))).encode())
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(content))
            content[at : at + rng.randrange(12)] = rng.choice(words)
        waits = waiting(script(raw(bytes(content))))
        wanted, polled = await verdict(waits, "retrieve", True), await verdict(waits, "poll", True)
        if wanted in ENDS:
            assert polled == wanted, bytes(content)
        else:
            # Where nothing has ended: what is known is that it is to be asked again.
            assert polled in ("going on", "unreadable"), bytes(content)


# -- what it holds


async def test_poll_of_an_unfinished_run_builds_no_model(waiting: Waiting, monkeypatch: Patch) -> None:
    built: list[object] = []
    models = importlib.import_module("openai._models")
    construct = models.construct_type

    def counted(*args: Any, **options: Any) -> Any:
        built.append(args)
        return construct(*args, **options)

    monkeypatch.setattr(models, "construct_type", counted)
    waits = waiting(script(reply()))
    await waits.raised(max_wait_seconds=60)
    assert len(waits.requests) > 5 and built == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: reply(output=written("x" * 300_000)),
        lambda: httpx2.Response(200, html="x" * 300_000),
        lambda: httpx2.Response(503, html="x" * 300_000),
        lambda: refusal(404),
    ],
    ids=["good", "unreadable", "refused", "missing"],
)
async def test_poll_holds_nothing_of_an_answer_while_it_sleeps(waiting: Waiting, make: Any) -> None:
    seen: list[weakref.ref[object]] = []
    alive: list[int] = []

    def answer(_waits: Waits) -> httpx2.Response:
        made = make()
        seen.append(weakref.ref(made))
        return made

    def look() -> None:
        alive.append(sum(one() is not None for one in seen))

    waits = waiting(answer)
    waits.during_sleep = look
    gc.collect()
    gc.disable()
    try:
        await waits.raised(max_wait_seconds=5)
    finally:
        gc.enable()
    # Without the collector: an answer goes as soon as it was read.
    assert len(alive) > 2 and not any(alive)


@pytest.mark.parametrize("name", ["failed", "incomplete", "cancelled"])
async def test_poll_error_holds_no_prompt_in_a_frame_and_is_freed_at_once(waiting: Waiting, name: str) -> None:
    waits = waiting(script(raw(json.dumps(ENDINGS[name][0]).encode())))
    gc.collect()
    gc.disable()
    try:
        try:
            await waits.poll(raise_on_failure=True)
        except BackgroundResponseError as err:
            traceback, gone = err.__traceback__, weakref.ref(err)
            while traceback is not None:
                # Not of the test's own frame: asking for its locals keeps them.
                if "lib/background/_" in traceback.tb_frame.f_code.co_filename:
                    assert PROMPT not in repr(traceback.tb_frame.f_locals)
                traceback = traceback.tb_next
            del traceback
        assert gone() is None
    finally:
        gc.enable()
