"""Whatever way a run is asked for, its verdict is the same: for every row of the contract and every odd ending, on every
route, sync and async, over real HTTP, with streams cut at arbitrary bytes; also by the shim on stock `openai`."""

from __future__ import annotations

import json
import random
from typing import Any
from collections.abc import Mapping, AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given, settings, strategies as st

from openai import OpenAI, AsyncOpenAI
from forktools import ROOT
from forktools.loopback import Loopback, Scenario
from openai.lib.background import BackgroundResponseError

from .routes import ANSWERS, STREAMS, poll, told, walk, cause, settled
from .endings import JSON, ENDED, ENDINGS, GOING_ON, LAST_EVENTS, failed, opening, verdict
from .test_properties import errors, checked
from .test_stock_equality import stock_path, run_program

one_loop = pytest.mark.asyncio(loop_scope="module")


class Site:
    """A server, and one client of each kind: making one costs more than a stream."""

    def __init__(self, server: Loopback) -> None:
        self.server = server
        options: dict[str, Any] = {"base_url": server.base_url, "api_key": "loopback", "max_retries": 0}
        self.clients: list[Any] = [OpenAI(**options), AsyncOpenAI(**options)]

    def add(self, *events: JSON) -> str:
        """The id of a new run with these events, cut at bytes by chance."""
        seed = random.randrange(2**32)
        print("chunks are cut with seed", seed)
        return self.server.add(Scenario("replayed", {"status": "completed"}, events=events, chunk_seed=seed))


def sent_as(client: OpenAI, response_id: str) -> JSON:
    """The response as JSON."""
    return client.responses.with_raw_response.retrieve(response_id).http_response.json()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    with Loopback(log=False) as server:
        made = Site(server)
        yield made
        for client in made.clients:
            await settled(client.close())


def check(name: str, sent: JSON, found: Mapping[str, Any]) -> None:
    """Holds what was told on each route against what `raise_on_failure` says."""
    expected = told(verdict(sent))
    for way, one in found.items():
        if way.endswith("events") and sent.get("status") not in ENDED:
            assert one["class"] == "BackgroundStreamInterruptedError", way  # such a stream tells of no end
        elif way.endswith("events") and name == "late_cause":
            assert one["class"] == "BackgroundBadRequestError", way  # which knows more than a poll
        else:
            assert one == expected, way


@one_loop
@pytest.mark.parametrize("name", ENDINGS)
async def test_run_has_the_same_verdict_on_every_route(site: Site, name: str) -> None:
    response_id = site.server.add(ENDINGS[name])
    sent = sent_as(site.clients[0], response_id)
    assert (verdict(sent) is None) == (name in GOING_ON)
    found = {"text": told(verdict(json.dumps(sent))), "bytes": told(verdict(json.dumps(sent).encode()))}
    waits = {} if name in GOING_ON[1:] else {"poll": poll}  # which would wait for ever
    for client in site.clients:
        for way, route in {**ANSWERS, **waits, **STREAMS}.items():
            _, error = await walk(route, client, response_id, raise_on_failure=True)
            found[f"{type(client).__name__} {way}"] = told(error)
    check(name, sent, found)


@one_loop
@pytest.mark.parametrize("before", [[], opening()], ids=["alone", "after_others"])
@pytest.mark.parametrize("name", LAST_EVENTS)
async def test_last_event_has_the_verdict_of_raise_on_failure(site: Site, name: str, before: list[JSON]) -> None:
    last = LAST_EVENTS[name]
    expected = verdict({"type": "error", **last} if "error" in last else last) if name != "stranger" else None
    response_id = site.add(*before, last)
    for client in site.clients:
        stock, _ = await walk(STREAMS["plain events"], client, response_id)
        seen, error = await walk(STREAMS["plain events"], client, response_id, raise_on_failure=True)
        assert seen == stock
        if expected is None:
            assert type(error).__name__ == "BackgroundStreamInterruptedError"
        else:
            assert cause(error) == cause(expected)


@one_loop
@settings(checked, max_examples=60)
@given(
    error=errors(st.nothing()).filter(lambda error: any(error.get(name) for name in ("code", "type", "message"))),
    shape=st.sampled_from(["failed", "nested", "cause_after", "cause_before"]),
    deltas=st.integers(0, 40),
)
async def test_stream_of_any_cause_has_the_verdict_of_a_poll(site: Site, error: JSON, shape: str, deltas: int) -> None:
    before, nested = opening(deltas), {"type": "error", "error": error}
    last = {
        "failed": [failed(error=error)],
        "nested": [nested],
        "cause_after": [failed(error=None), nested],
        "cause_before": [nested, failed(error=None)],
    }[shape]
    expected = cause(verdict(failed(error=error)["response"]))
    response_id = site.add(*before, *last)
    for client in site.clients:
        seen, raised = await walk(STREAMS["plain events"], client, response_id, raise_on_failure=True)
        assert cause(raised) == expected
        # What raises on stock is not delivered.
        assert [event.type for event in seen] == [one["type"] for one in (*before, *last[:1]) if one is not nested]
        assert isinstance(raised, BackgroundResponseError)
        assert (raised.sequence_number, raised.response_id) == (before[-1]["sequence_number"], response_id)
        assert [item.to_dict()["id"] for item in raised.background_response.output] == ["msg_9"]


def test_shim_on_stock_gives_the_verdicts_of_the_fork() -> None:
    with Loopback(log=False) as server:
        ids = {name: server.add(scenario) for name, scenario in ENDINGS.items() if name not in GOING_ON}
        found = run_program(
            "shim_program", {"base_url": server.base_url, "ids": ids}, stock_path(), ROOT / "shim" / "src"
        )
        with OpenAI(base_url=server.base_url, api_key="loopback") as client:
            for name, response_id in ids.items():
                check(name, sent_as(client, response_id), found[name])
