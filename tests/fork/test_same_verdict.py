"""Whatever way a response comes, its verdict is the same: for every row of the contract, on every route, sync and async.

Run as a program it prints the verdicts of the shim, for which `openai` has to be a stock release:

    PYTHONPATH=<stock>:shim/src python tests/fork/test_same_verdict.py
"""

from __future__ import annotations

import os
import sys
import json
import asyncio
import inspect
import subprocess
from typing import Any
from pathlib import Path
from collections.abc import Callable, Iterator, Awaitable

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "shim" / "src"))

import httpx2  # noqa: E402
import pytest  # noqa: E402

from openai import OpenAI, AsyncOpenAI  # noqa: E402
from openai._models import construct_type  # noqa: E402
from openai.types.beta import BetaResponse  # noqa: E402
from openai.types.responses import Response  # noqa: E402

JSON = dict[str, Any]
Route = Callable[[Any, JSON], "Awaitable[Any]"]

ID = "resp_1"
TEXT: list[JSON] = [{"type": "output_text", "text": "As far as it got.", "annotations": []}]
OUTPUT: list[JSON] = [{"type": "message", "id": "msg_1", "role": "assistant", "status": "incomplete", "content": TEXT}]
FACTS = (
    "message code param type body status reason response_id request_id retryable known retry_after output_text"
).split()


def body(status: str, **members: Any) -> JSON:
    base: JSON = {"id": ID, "object": "response", "created_at": 1, "model": "m", "output": OUTPUT, "background": True}
    return {**base, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "status": status, **members}


def failed(error: Any) -> JSON:
    return body("failed", error=error)


def rows(contract: Any) -> Iterator[tuple[str, JSON]]:
    """A run that ended so for each row of the table, and for what has none."""
    said = "Said the server. Try again in 3s."
    for rule in contract.CONTRACT:
        if rule.kind == "reason":
            yield f"reason-{rule.key}", body("incomplete", incomplete_details={"reason": rule.key})
        else:
            member = rule.kind if rule.kind in ("code", "type") else "code"
            yield f"{rule.kind}-{rule.key}", failed({member: rule.key, "message": said})
    yield "no_such_code", failed({"code": "no_such_code", "message": "Said the\nserver."})
    yield "no_such_reason", body("incomplete", incomplete_details={"reason": "no_such_reason"})
    yield "failed-without-error", failed(None)
    yield "failed-with-a-sentence", failed("Said the server.")
    yield "incomplete-without-details", body("incomplete")
    yield "cancelled", body("cancelled")
    yield "canceled", body("CANCELED")
    yield "expired", body("expired")
    yield "no_such_status", body("no_such_status", error={"code": "server_error", "message": said})
    for status in ("completed", "queued", "in_progress", "another_word"):
        yield status, body(status)


# -- the routes


async def settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def retrieve(client: Any, _: JSON) -> Any:
    return await settled(client.responses.retrieve(ID, raise_on_failure=True))


async def poll(client: Any, sent: JSON) -> Any:
    if sent["status"] in ("queued", "in_progress", "another_word"):
        return None  # it would wait for ever
    return await settled(client.responses.poll(ID, raise_on_failure=True))


async def raw(client: Any, _: JSON) -> Any:
    answer = await settled(client.responses.with_raw_response.retrieve(ID, raise_on_failure=True))
    return answer.parse()


async def streaming_response(client: Any, _: JSON) -> Any:
    manager = client.responses.with_streaming_response.retrieve(ID, raise_on_failure=True)
    if hasattr(manager, "__aenter__"):
        async with manager as answer:
            return await answer.parse()
    with manager as answer:
        return answer.parse()


async def beta(client: Any, _: JSON) -> Any:
    return await settled(client.beta.responses.retrieve(ID, raise_on_failure=True))


async def consumed(stream: Any) -> Any:
    if hasattr(stream, "__aiter__"):
        return [event async for event in stream]
    return [event for event in stream]


async def stream(client: Any, _: JSON) -> Any:
    return await consumed(await settled(client.responses.retrieve(ID, stream=True, raise_on_failure=True)))


async def beta_stream(client: Any, _: JSON) -> Any:
    return await consumed(await settled(client.beta.responses.retrieve(ID, stream=True, raise_on_failure=True)))


async def accumulated(client: Any, _: JSON) -> Any:
    manager = client.responses.stream(response_id=ID, raise_on_failure=True)
    if hasattr(manager, "__aenter__"):
        async with manager as events:
            return await events.get_final_response()
    with manager as events:
        return events.get_final_response()


STREAMS = (stream, beta_stream, accumulated)
ROUTES: tuple[Route, ...] = (retrieve, poll, raw, streaming_response, beta, *STREAMS)


def by_hand(contract: Any, sent: JSON) -> Iterator[tuple[str, Any]]:
    """What `raise_on_failure` takes of it."""
    yield "mapping", sent
    yield "text", json.dumps(sent)
    yield "bytes", json.dumps(sent).encode()
    yield "Response", construct_type(type_=Response, value=sent)
    yield "BetaResponse", construct_type(type_=BetaResponse, value=sent)
    del contract


def answer_with(sent: JSON) -> Callable[[httpx2.Request], httpx2.Response]:
    """A server that has this response, as JSON and as a stream of events."""
    word = {"CANCELED": "cancelled", "expired": "failed"}.get(sent["status"], sent["status"])
    steps: list[JSON] = [
        {"type": "response.created", "sequence_number": 0, "response": {**body("in_progress"), "output": []}},
        {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": OUTPUT[0]},
        {"type": f"response.{word}", "sequence_number": 2, "response": sent},
    ]
    events = "".join(f"event: {step['type']}\ndata: {json.dumps(step)}\n\n" for step in steps)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.params.get("stream") == "true":
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=events)
        return httpx2.Response(200, json=sent)

    return answer


def client_for(sent: JSON, asynchronous: bool) -> Any:
    transport = httpx2.MockTransport(answer_with(sent))
    if asynchronous:
        return AsyncOpenAI(api_key="k", http_client=httpx2.AsyncClient(transport=transport))
    return OpenAI(api_key="k", http_client=httpx2.Client(transport=transport))


def told(error: BaseException | None) -> JSON | None:
    """The verdict, in a form that compares and travels."""
    if error is None:
        return None
    equivalent = getattr(error, "equivalent", None)
    facts = {name: getattr(error, name, None) for name in FACTS}
    return {"class": type(error).__name__, "equivalent": equivalent and equivalent.__name__, **facts}


def verdict(contract: Any, call: Callable[..., Any], *args: Any) -> JSON | None:
    """What is raised; None where nothing is, and any class but ours is a failure."""
    try:
        call(*args)
    except contract.BackgroundResponseError as error:
        return told(error)
    return None


def of_the_shim() -> dict[str, dict[str, JSON | None]]:
    """By row and function, what the shim's own functions give."""
    import openai_background as shim
    from openai_background import _side

    shim_: Any = shim
    contract: Any = _side.contract
    assert not _side.NATIVE, "this openai has the feature itself"

    async def shim_retrieve(client: Any, _: JSON) -> Any:
        return await settled(shim_.retrieve(client, ID))

    async def shim_poll(client: Any, sent: JSON) -> Any:
        if sent["status"] in ("queued", "in_progress", "another_word"):
            return None
        return await settled(shim_.poll(client, ID))

    async def shim_stream(client: Any, _: JSON) -> Any:
        return await consumed(await settled(shim_.retrieve(client, ID, stream=True)))

    async def shim_accumulated(client: Any, _: JSON) -> Any:
        manager = shim_.stream(client, ID)
        if hasattr(manager, "__aenter__"):
            async with manager as events:
                return await consumed(events)
        with manager as events:
            return await consumed(events)

    found: dict[str, dict[str, JSON | None]] = {}
    for name, sent in rows(contract):
        found[name] = {}
        for route in (shim_retrieve, shim_poll, shim_stream, shim_accumulated):
            if "stream" not in route.__name__ and "accumulated" not in route.__name__ or ends(sent):
                for asynchronous in (False, True):
                    client = client_for(sent, asynchronous)
                    found[name][f"{route.__name__} {asynchronous}"] = verdict(contract, run, route, client, sent)
        for form, data in by_hand(contract, sent):
            found[name][form] = verdict(contract, shim_.raise_on_failure, data)
    return found


def ends(sent: JSON) -> bool:
    """Whether a stream of it has a last event; without, it is interrupted, which is another verdict."""
    return sent["status"] not in ("queued", "in_progress", "another_word", "no_such_status")


async def closing(route: Route, client: Any, sent: JSON) -> Any:
    try:
        return await route(client, sent)
    finally:
        await settled(client.close())


def run(route: Route, client: Any, sent: JSON) -> Any:
    return asyncio.run(closing(route, client, sent))


# -- the tests

if __name__ == "__main__":
    print(json.dumps(of_the_shim()))
    sys.exit()

from openai.lib import background  # noqa: E402

ROWS = dict(rows(background))


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)
@pytest.mark.parametrize("name", ROWS)
async def test_route_gives_the_verdict_of_raise_on_failure(name: str, route: Route, asynchronous: bool) -> None:
    sent = ROWS[name]
    if route in STREAMS and not ends(sent):
        pytest.skip("no event tells of its end")
    expected = verdict(background, background.raise_on_failure, sent)
    caught: BaseException | None = None
    try:
        await closing(route, client_for(sent, asynchronous), sent)
    except background.BackgroundResponseError as error:
        caught = error
    assert told(caught) == expected


@pytest.mark.parametrize("name", ROWS)
def test_form_gives_the_verdict_of_the_mapping(name: str) -> None:
    sent = ROWS[name]
    verdicts = {form: verdict(background, background.raise_on_failure, data) for form, data in by_hand(background, sent)}  # fmt: skip
    assert all(one == verdicts["mapping"] for one in verdicts.values()), verdicts
    assert (verdicts["mapping"] is None) == (name in ("completed", "queued", "in_progress", "another_word"))


def test_rows_give_the_class_that_the_table_names() -> None:
    for rule in background.CONTRACT:
        found = verdict(background, background.raise_on_failure, ROWS[f"{rule.kind}-{rule.key}"])
        assert found is not None
        if rule.kind == "wrapper" and rule.equivalent is None:
            continue  # what is inside decides
        assert found["equivalent"] == (rule.equivalent and rule.equivalent.__name__), rule.key
        assert (found["retryable"], found["known"]) == (rule.retryable, True), rule.key


def test_shim_on_stock_gives_the_verdicts_of_the_fork() -> None:
    from .test_stock_equality import stock_path

    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    environment["PYTHONPATH"] = os.pathsep.join([str(stock_path()), str(ROOT / "shim" / "src")])
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, JSON | None]] = json.loads(done.stdout)
    assert found.keys() == ROWS.keys()
    for name, verdicts in found.items():
        expected = json.loads(json.dumps(verdict(background, background.raise_on_failure, ROWS[name])))
        for how, one in verdicts.items():
            assert one == expected, (name, how)
