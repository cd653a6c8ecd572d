"""Stream and poll agree, over real HTTP: what a stream raises is what a poll of the same failure raises.

The loopback server cuts every stream at arbitrary bytes. With the flag a stream delivers what it delivers without, the
failing event too, and then raises. And without the flag the fork delivers, for the same bytes, the events that stock
`openai` delivers: stock runs in a process of its own. Recorded failures go by `./scripts/demo --payloads`.
"""

from __future__ import annotations

import os
import sys
import json
import random
import asyncio
import subprocess
from typing import Any
from pathlib import Path
from dataclasses import replace
from collections.abc import Mapping, Iterator, Sequence

import pytest
from hypothesis import given, settings, strategies as st

from openai import OpenAI, APIError, AsyncOpenAI, DefaultAioHttpClient
from forktools.loopback import CATALOGUE, Fault, Request, Loopback, Scenario
from openai.lib.background import (
    CONTRACT,
    BackgroundResponseError,
    BackgroundStreamTimeoutError,
    BackgroundStreamInterruptedError,
    raise_on_failure,
)

from .test_stock_equality import ROOT, stock_path

FIELDS = ("code", "retryable", "retry_after", "param", "type", "body", "reason")
PART: dict[str, Any] = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
ITEM: dict[str, Any] = {
    "type": "message",
    "id": "msg_9",
    "role": "assistant",
    "status": "completed",
    "content": [{**PART, "text": "aé"}],
}
WHERE = {"item_id": "msg_9", "output_index": 0, "content_index": 0}


def response(**members: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "id": "resp_agree",
        "object": "response",
        "created_at": 1790000000,
        "model": "m",
        "output": [],
        "tools": [],
    }
    return {**base, "parallel_tool_calls": True, "tool_choice": "auto", "background": True, **members}


def opening(deltas: int = 2) -> list[dict[str, Any]]:
    """What comes before the end, with more than one byte to some characters."""
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response(status="queued")},
        {"type": "response.in_progress", "response": response(status="in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": {**ITEM, "content": []}},
        {"type": "response.content_part.added", "part": PART, **WHERE},
        *(
            {"type": "response.output_text.delta", "delta": "aé🙂"[n % 3], "logprobs": [], **WHERE}
            for n in range(deltas)
        ),
        {"type": "response.output_item.done", "output_index": 0, "item": ITEM},
    ]
    return [{"sequence_number": number, **event} for number, event in enumerate(events)]


def failed(**members: Any) -> dict[str, Any]:
    return {"type": "response.failed", "response": response(status="failed", **members)}


def fails(code: Any, message: str, **more: Any) -> dict[str, Any]:
    return {"code": code, "message": message, **more}


# In the shapes that have been seen; every word of them is ours.
ROWS: dict[str, dict[str, Any]] = {
    "failed": failed(error=fails("server_error", "The run broke.")),
    "failed_line_break": failed(error=fails("context_length_exceeded", "Too long;\nshorten it.\r\nOr not: \u2028")),
    "failed_quota": failed(error=fails("insufficient_quota", "Nothing is left.")),
    "failed_blank": failed(error=fails("cyber_policy", "   ")),
    "failed_too_large": failed(error=fails("rate_limit_exceeded", "Request too large: it must be reduced.")),
    "failed_wait": failed(error=fails("rate_limit_exceeded", "Limit reached. Please try again in 1m2.5s.")),
    "failed_usage": failed(error=fails("bio_policy", "Flagged."), usage={"input_tokens": 3, "output_tokens": 1}),
    "failed_no_error": failed(),
    "failed_bare": {"type": "response.failed", "response": {"status": "failed"}},
    "failed_number": failed(error=fails(504, "Gateway.", type="api_error")),
    "failed_no_status": {"type": "response.failed", "response": {"error": fails("slow_down", "Slower.")}},
    "flat": {"type": "error", "code": "ERR_NOBODY_KNOWS", "message": "Hm.", "param": None},
    "flat_known": {"type": "error", "code": "server_is_overloaded", "message": "Busy, retry after 5 seconds"},
    "nested": {"type": "error", "error": fails("rate_limit_exceeded", "Slow.", type="too_many_requests")},
    "nested_status": {"type": "error", "status": 400, "error": {"type": "invalid_request_error", "message": "No."}},
    "nested_headers": {"type": "error", "error": fails("slow_down", "Slow."), "headers": {"Retry-After": "9"}},
    "nested_number_only": {"type": "error", "status": 403, "error": {"message": "No."}},
    "untyped": {"error": {"message": "The engine is busy.", "type": "server_error"}},
    "incomplete_filter": {"type": "response.incomplete", "response": response(
        status="incomplete", incomplete_details={"reason": "content_filter"})},
    "incomplete_tokens": {"type": "response.incomplete", "response": response(
        status="incomplete", incomplete_details={"reason": "max_output_tokens"})},
    "incomplete_bare": {"type": "response.incomplete", "response": {"status": "incomplete"}},
    "steered": {"type": "response.incomplete", "response": response(
        status="incomplete", incomplete_details={"reason": "steered"})},
    "cancelled": {"type": "response.cancelled", "response": response(status="cancelled")},
    "completed": {"type": "response.completed", "response": response(status="completed", output=[ITEM])},
    "stranger": {"message": "Blocked.", "details": None},
}  # fmt: skip


def verdict(data: Mapping[str, Any]) -> BackgroundResponseError | None:
    try:
        raise_on_failure(data)
    except BackgroundResponseError as error:
        return error
    return None


def told(error: BaseException | None) -> dict[str, Any]:
    """What has to agree."""
    return {"class": type(error).__name__, **{name: getattr(error, name, None) for name in FIELDS}}


def stream(client: OpenAI, response_id: str, **options: Any) -> tuple[list[Any], Exception | None]:
    seen: list[Any] = []
    try:
        for event in client.responses.retrieve(response_id, stream=True, **options):
            seen.append(event.to_dict() if hasattr(event, "to_dict") else event)
    except APIError as error:
        return seen, error
    return seen, None


async def astream(client: AsyncOpenAI, response_id: str, **options: Any) -> tuple[list[Any], Exception | None]:
    seen: list[Any] = []
    try:
        async for event in await client.responses.retrieve(response_id, stream=True, **options):
            seen.append(event.to_dict() if hasattr(event, "to_dict") else event)
    except APIError as error:
        return seen, error
    return seen, None


class Clients:
    """One client of each kind, for all tests: making one costs more than a stream."""

    def __init__(self, server: Loopback) -> None:
        options: dict[str, Any] = {"base_url": server.base_url, "api_key": "loopback", "max_retries": 0}
        self.sync = OpenAI(**options)
        self._async = AsyncOpenAI(**options)
        self._loop = asyncio.new_event_loop()

    def both(self, response_id: str) -> list[tuple[list[Any], Exception | None]]:
        """The stream with the flag, sync and async."""
        awaited = self._loop.run_until_complete(astream(self._async, response_id, raise_on_failure=True))
        return [stream(self.sync, response_id, raise_on_failure=True), awaited]

    def close(self) -> None:
        self.sync.close()
        self._loop.run_until_complete(self._async.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


def replayed(server: Loopback, events: Sequence[Mapping[str, Any]], seed: int) -> str:
    print("chunks are cut with seed", seed)
    return server.add(Scenario("replayed", {"status": "completed"}, events=tuple(events), chunk_seed=seed))


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback(log=False) as running:
        yield running


@pytest.fixture(scope="module")
def clients(server: Loopback) -> Iterator[Clients]:
    made = Clients(server)
    yield made
    made.close()


@pytest.mark.parametrize("before", ["alone", "after_others"])
@pytest.mark.parametrize("name", ROWS)
def test_stream_of_a_payload_delivers_it_and_raises_what_raise_on_failure_says(
    server: Loopback, clients: Clients, name: str, before: str
) -> None:
    payload = ROWS[name]
    events = [*(opening() if before == "after_others" else []), payload]
    response_id = replayed(server, events, random.randrange(2**32))
    expected = verdict({"type": "error", **payload} if "error" in payload else payload) if name != "stranger" else None
    plain, ended = stream(clients.sync, response_id)
    for seen, error in clients.both(response_id):
        assert seen == plain
        if expected is not None:
            assert told(error) == told(expected)
        elif name == "completed":
            assert error is ended is None
        else:
            assert type(error) is BackgroundStreamInterruptedError


@pytest.mark.parametrize("name", CATALOGUE)
def test_stream_of_a_run_raises_what_a_poll_of_it_raises(server: Loopback, clients: Clients, name: str) -> None:
    seed = random.randrange(2**32)
    print("chunks are cut with seed", seed)
    scenario = replace(CATALOGUE[name], polls=(), chunk_seed=seed)
    response_id = server.add(scenario)
    polled: BackgroundResponseError | None = None
    try:
        clients.sync.responses.poll(response_id, raise_on_failure=True)
    except BackgroundResponseError as caught:
        polled = caught
    for _seen, error in clients.both(response_id):
        if name == "no_status":  # its stream has no end
            assert type(error) is BackgroundStreamInterruptedError
        elif name == "late_cause":  # the stream knows more than the poll
            assert type(error).__name__ == "BackgroundBadRequestError" and type(polled) is BackgroundResponseError
        else:
            assert told(error) == told(polled)
            assert getattr(error, "response_id", response_id) == response_id


codes = st.sampled_from([rule.key for rule in CONTRACT if rule.kind == "code"])
types = st.sampled_from([rule.key for rule in CONTRACT if rule.kind == "type"])
errors = st.fixed_dictionaries(
    {},
    optional={
        "code": codes | st.integers(100, 999) | st.integers(100, 999).map(str) | st.none() | st.text(max_size=9),
        "type": types | st.none() | st.text(max_size=9),
        "message": st.text(max_size=30)
        | st.builds(
            "Please try again in {}{}".format, st.integers(1, 99), st.sampled_from(["s", "ms", "m3s", " hours"])
        )
        | st.just("Request too large for it."),
        "param": st.none() | st.text(max_size=9),
        "resets_in_seconds": st.integers(0, 10**6),
    },
).filter(lambda error: any(error.get(name) for name in ("code", "type", "message")))


@settings(max_examples=60, deadline=None)
@given(
    error=errors,
    shape=st.sampled_from(["failed", "nested", "cause_after", "cause_before"]),
    deltas=st.integers(0, 40),
    seed=st.integers(0, 2**32),
)
def test_stream_and_poll_agree(
    server: Loopback, clients: Clients, error: dict[str, Any], shape: str, deltas: int, seed: int
) -> None:
    before = opening(deltas)
    nested = {"type": "error", "error": error}
    ending = {
        "failed": [failed(error=error)],
        "nested": [nested],
        "cause_after": [failed(error=None), nested],
        "cause_before": [nested, failed(error=None)],
    }[shape]
    expected = verdict(response(status="failed", error=error))
    assert expected is not None
    delivered = [*before, *ending[:1]] if "response" in ending[0] else before  # what raises on stock is not delivered
    response_id = replayed(server, [*before, *ending], seed)
    for seen, raised in clients.both(response_id):
        assert told(raised) == told(expected)
        assert [one["type"] for one in seen] == [one["type"] for one in delivered]
        assert isinstance(raised, BackgroundResponseError)
        assert (raised.sequence_number, raised.response_id) == (before[-1]["sequence_number"], response_id)
        assert [item.to_dict()["id"] for item in raised.background_response.output] == ["msg_9"]


# -- a connection that breaks


@pytest.mark.parametrize("library", ["httpx2", "httpx", "aiohttp"])
@pytest.mark.parametrize("kind", ["close", "hang", "truncate"])
async def test_stream_that_breaks_over_http_is_interrupted_where_it_broke(library: str, kind: str) -> None:
    whole = opening(30)
    spoil = {"close": Fault.close, "hang": Fault.hang, "truncate": Fault.truncate}[kind]

    def faults(request: Request) -> Fault | None:
        return spoil(0.5) if "starting_after" not in request.query else None

    with Loopback(faults=faults) as server:
        events = (*whole, {"type": "response.completed", "response": response(status="completed")})
        response_id = server.add(Scenario("breaks", {"status": "completed"}, events=events), "resp_agree")
        options: dict[str, Any] = {"base_url": server.base_url, "api_key": "x", "max_retries": 0, "timeout": 0.5}
        flag = {"raise_on_failure": True}
        results: list[tuple[list[Any], Any]] = []
        resumed: list[tuple[list[Any], Any]] = []
        if library == "aiohttp":
            pytest.importorskip("aiohttp")
            http_client: Any = DefaultAioHttpClient()
        elif library == "httpx":
            httpx: Any = pytest.importorskip("httpx")
            http_client = httpx.AsyncClient()
            with OpenAI(**options, http_client=httpx.Client()) as client:
                results.append(stream(client, response_id, **flag))
        else:
            http_client = None
            with OpenAI(**options) as client:
                results.append(stream(client, response_id, **flag))
        async with AsyncOpenAI(**options, http_client=http_client) as aclient:
            results.append(await astream(aclient, response_id, **flag))
            for seen, error in results:
                resumed.append(await astream(aclient, error.response_id, starting_after=error.sequence_number, **flag))
                assert 0 < len(seen) < len(whole)
    for (seen, error), (rest, end) in zip(results, resumed, strict=True):
        assert type(error) is (BackgroundStreamTimeoutError if kind == "hang" else BackgroundStreamInterruptedError)
        assert (error.__cause__ is None) == (kind == "truncate")
        # Nothing is missing and nothing comes twice.
        assert end is None
        assert [one["sequence_number"] for one in [*seen, *rest[:-1]]] == list(range(len(whole)))


# -- without the flag, as stock

PROGRAM = r"""
import asyncio, inspect, json, sys
import openai

base_url, ids = sys.argv[1], json.loads(sys.argv[2])
ROUTES = ("plain", "raw", "streaming", "beta", "manager")


async def settle(value):
    return await value if inspect.isawaitable(value) else value


async def read(stream):
    seen = []
    try:
        if hasattr(stream, "__anext__"):
            async for event in stream:
                seen.append(event)
        else:
            for event in stream:
                seen.append(event)
        ended = None
    except Exception as error:
        ended = [type(error).__name__, str(error), repr(getattr(error, "body", None))]
    return [[type(one).__name__, one.to_dict() if hasattr(one, "to_dict") else one] for one in seen], ended


async def entered(manager, use):
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            return await use(value)
    with manager as value:
        return await use(value)


async def go(client, route, id):
    if route == "manager":
        return await entered(client.responses.stream(response_id=id), read)
    if route == "streaming":
        async def use(response):
            return await read(await settle(response.parse()))
        return await entered(client.responses.with_streaming_response.retrieve(id, stream=True), use)
    if route == "raw":
        return await read((await settle(client.responses.with_raw_response.retrieve(id, stream=True))).parse())
    resource = client.beta.responses if route == "beta" else client.responses
    return await read(await settle(resource.retrieve(id, stream=True)))


async def main():
    told = {}
    for cls in (openai.OpenAI, openai.AsyncOpenAI):
        client = cls(base_url=base_url, api_key="x", max_retries=0)
        for name, id in ids.items():
            for route in ROUTES if cls is openai.OpenAI else ("plain", "manager"):
                told[f"{cls.__name__} {route} {name}"] = await go(client, route, id)
        await settle(client.close())
    print(json.dumps({"where": openai.__file__, "told": told}))


asyncio.run(main())
"""


def run(path: Path, server: Loopback, ids: Mapping[str, str]) -> dict[str, Any]:
    """What the program tells of these streams, on the package in that folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    environment.update(PYTHONPATH=str(path), PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    command = [sys.executable, "-c", PROGRAM, server.base_url, json.dumps(ids)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert Path(result["where"]).is_relative_to(path), "another openai was imported"
    return result["told"]


def test_stream_without_the_flag_is_the_same_on_stock_and_fork(server: Loopback) -> None:
    ids = {name: replayed(server, [*opening(), payload], random.randrange(2**32)) for name, payload in ROWS.items()}
    stock, fork = run(stock_path(), server, ids), run(ROOT / "src", server, ids)
    assert fork.keys() == stock.keys()
    for name, seen in stock.items():
        assert fork[name] == seen, name
    # Stock fails in its four ways, so there was something to compare.
    assert stock["OpenAI plain failed"][1] is None
    assert [name for name, _ in stock["OpenAI plain failed"][0]][-1] == "ResponseFailedEvent"
    assert stock["OpenAI plain nested"][1][0] == "APIError"
