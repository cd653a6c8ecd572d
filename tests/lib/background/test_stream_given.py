"""`raise_on_failure(event)` and `raise_on_failure(stream)`: for streams that no `retrieve` with the flag has made."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from openai import Stream, AsyncStream, BackgroundResponseError, BackgroundStreamInterruptedError
from openai._models import construct_type
from openai.types.beta import BetaResponseStreamEvent
from openai.lib.background import raise_on_failure
from openai.types.responses import ResponseStreamEvent
from openai.lib.background._verdict import GOING_WELL, ENDED_BADLY
from openai.lib.background._stream_events import _ENDED

from ._replay import BOOM, DONE, TEXT, Body, sse, each, ended, event, kinds, answer, created, opening, completed
from ._support import body, client, settle, error_of

FAILING = [
    ended("failed", error=BOOM),
    ended("incomplete"),
    ended("cancelled"),
    ended("completed", status="failed"),
    event("error", 6, **BOOM),
    event("error", 6, error=BOOM),
    event("response.error", 6, error=BOOM),
    event("response.failed", 6, error=BOOM),
]
GOING_ON = [
    *opening(),
    completed(),
    event("ping"),
    event("keepalive"),
    event("response.queued", 1, response=body("queued")),
]


def test_words_for_an_end_are_those_of_the_verdict() -> None:
    assert _ENDED == {*ENDED_BADLY, GOING_WELL[0], "canceled"}


@pytest.mark.parametrize("sent", FAILING, ids=lambda sent: sent["type"])
def test_failing_event_raises_as_model_and_as_json(sent: dict[str, Any]) -> None:
    expected = error_of(sent)
    for annotated in (ResponseStreamEvent, BetaResponseStreamEvent):
        error = error_of(construct_type(type_=annotated, value=sent))
        assert (type(error), error.code, error.status, error.sequence_number) == (
            (type(expected), expected.code, expected.status, 6)
        )
        assert error.background_response.status == error.status or "response" not in sent
    assert type(error_of(json.dumps(sent))) is type(expected)
    assert type(error_of(json.dumps(sent).encode())) is type(expected)


@pytest.mark.parametrize("sent", GOING_ON, ids=lambda sent: sent["type"])
def test_other_event_is_returned(sent: dict[str, Any]) -> None:
    for annotated in (ResponseStreamEvent, BetaResponseStreamEvent):
        model: Any = construct_type(type_=annotated, value=sent)
        assert raise_on_failure(model) is model
    assert raise_on_failure(sent) is sent


@pytest.mark.parametrize(
    "data",
    [
        {"type": "message", "role": "assistant"},
        {"type": 5, "response": body("failed")},
        {"response": body("failed")},
    ],
)
def test_mapping_that_is_no_event_is_refused(data: Any) -> None:
    with pytest.raises(TypeError):
        raise_on_failure(data)


async def _stream(asynchronous: bool, sent: Body, path: str = "create", **options: Any) -> Any:
    api = client(lambda _: answer(sent), asynchronous=asynchronous, **options)
    if path == "create":
        return await settle(api.responses.create(model="m", input="Hi", background=True, stream=True))
    return await settle(api.responses.retrieve("resp_1", stream=True))


async def test_created_stream_is_watched_and_returned(asynchronous: bool) -> None:
    sent = Body(sse(created(id="resp_7"), ended("failed", id="resp_8", error=BOOM)))
    stream = await _stream(asynchronous, sent)
    assert raise_on_failure(stream) is stream
    assert raise_on_failure(stream) is stream  # twice is once
    seen: list[Any] = []
    with pytest.raises(BackgroundResponseError) as caught:
        async for one in each(stream):
            seen.append(one)
    assert kinds(seen) == ["response.created", "response.failed"]
    assert (caught.value.response_id, caught.value.code) == ("resp_7", "server_error")
    assert sent.closed


async def test_created_stream_that_breaks_off_names_the_id_that_it_told(asynchronous: bool) -> None:
    stream = raise_on_failure(await _stream(asynchronous, Body(sse(created(id="resp_7")), httpx2.ReadError("x"))))
    with pytest.raises(BackgroundStreamInterruptedError) as caught:
        async for _ in each(stream):
            pass
    assert (caught.value.response_id, caught.value.sequence_number) == ("resp_7", 0)


async def test_given_stream_names_the_id_that_was_asked_for(asynchronous: bool) -> None:
    sent = Body(sse(created(id="resp_7"), ended("failed", error=BOOM)))
    stream = raise_on_failure(await _stream(asynchronous, sent, "retrieve"))
    with pytest.raises(BackgroundResponseError) as caught:
        async for _ in each(stream):
            pass
    assert caught.value.response_id == "resp_1"


@pytest.mark.parametrize("last", [[ended("failed", error=BOOM)], [completed()], [DONE], []])
async def test_given_stream_that_was_read_in_part_is_judged_by_what_comes(asynchronous: bool, last: list[Any]) -> None:
    stream = await _stream(asynchronous, Body(sse(*opening(), *last)))
    await settle(stream.__anext__() if asynchronous else stream.__next__())
    raise_on_failure(stream)
    error: Any = None
    try:
        async for _ in each(stream):
            pass
    except BackgroundResponseError as err:
        error = err
    assert (getattr(error, "code", None) == "server_error") is (last == [ended("failed", error=BOOM)])


async def test_given_stream_that_was_read_to_its_end_stays_so(asynchronous: bool) -> None:
    stream = await _stream(asynchronous, Body(sse(*opening(), completed())))
    async for _ in each(stream):
        pass
    assert [one async for one in each(raise_on_failure(stream))] == []


@pytest.mark.filterwarnings("ignore:The Assistants API is deprecated")
async def test_stream_of_another_kind_is_refused(asynchronous: bool) -> None:
    api = client(lambda _: answer(Body(b"")), asynchronous=asynchronous)
    for stream in (
        await settle(api.chat.completions.create(model="m", messages=[], stream=True)),
        await settle(api.beta.threads.runs.create("t", assistant_id="a", stream=True)),
    ):
        assert isinstance(stream, (Stream, AsyncStream))
        with pytest.raises(TypeError, match="stream of response events"):
            raise_on_failure(stream)


@pytest.mark.parametrize("cast_to", [object, dict])
async def test_stream_of_plain_json_is_watched(asynchronous: bool, cast_to: Any) -> None:
    api = client(lambda _: answer(Body(sse(*opening()[:-1], ended("failed", error=BOOM)))), asynchronous=asynchronous)
    stream_class: Any = AsyncStream if asynchronous else Stream
    options = {"cast_to": cast_to, "stream": True, "stream_cls": stream_class[cast_to]}
    stream = raise_on_failure(await settle(api.get("/responses/resp_1", **options)))
    with pytest.raises(BackgroundResponseError) as caught:
        async for _ in each(stream):
            pass
    assert (caught.value.code, caught.value.response_id, caught.value.output_text) == ("server_error", "resp_1", TEXT)
