"""What `raise_on_failure()` takes besides a retrieved response: JSON, stream events, webhooks, errors; and what not."""

from __future__ import annotations

import json
from typing import Any, get_args

import httpx2
import pytest

import openai
from openai.types.webhooks import UnwrapWebhookEvent
from openai.types.responses import Response, ParsedResponse, ResponseErrorEvent, ResponseStreamEvent
from openai.types.beta.beta_response import BetaResponse

from ._support import (
    BASE_URL,
    RESPONSE_ID,
    Api,
    answer,
    failed,
    settle,
    respond,
    verdict,
    literals,
    background,
    union_members,
)

COMPLETED = answer(status="completed")
FAILED = failed("bio_policy", "Flagged.", param="input")
ENDINGS = {
    "failed": background.BackgroundResponseError,
    "incomplete": background.BackgroundIncompleteError,
    "cancelled": background.BackgroundCancelledError,
}


def event_types(union: Any, holding: str) -> list[str]:
    """The `response.*` events of a union of the SDK that hold the given member."""
    annotations = [cls.__annotations__ for cls in union_members(union)]
    names = {name for found in annotations if holding in found for name in literals(found["type"])}
    return sorted(name for name in names if name.startswith("response."))


STREAM_EVENTS = event_types(ResponseStreamEvent, "response")
WEBHOOKS = event_types(UnwrapWebhookEvent, "data")


@pytest.mark.parametrize("form", ["mapping", "str", "bytes", "bytearray"])
def test_json_of_a_failed_response_raises(form: str) -> None:
    text = json.dumps(FAILED)
    forms = {"mapping": FAILED, "str": text, "bytes": text.encode(), "bytearray": bytearray(text.encode())}
    error = verdict(forms[form])
    assert (error.response_id, error.code, error.param) == (RESPONSE_ID, "bio_policy", "input")
    assert error.body == FAILED["error"]
    assert error.background_response.id == RESPONSE_ID
    assert type(error) is background.BackgroundBadRequestError


@pytest.mark.parametrize("data", [COMPLETED, json.dumps(COMPLETED), json.dumps(COMPLETED).encode()])
def test_json_of_a_completed_response_is_returned(data: Any) -> None:
    assert background.raise_on_failure(data) is data


@pytest.mark.parametrize(
    "data", ["", "no JSON", b"\xff\xfe\x00", "[1]", '"text"', "3", "null", "true", "NaN", "{", "[" * 9999]
)
def test_text_that_holds_no_response_is_returned(data: Any) -> None:
    assert background.raise_on_failure(data) is data


@pytest.mark.parametrize("data", [{}, [], {"object": "list", "data": []}, {"type": []}, {"type": {}}, {"response": 3}])
def test_json_that_is_no_response_is_returned(data: Any) -> None:
    assert background.raise_on_failure(data) is data


@pytest.mark.parametrize("model", [Response, ParsedResponse[Any], BetaResponse])
def test_model_of_a_failed_response_raises_with_the_model(model: Any) -> None:
    response = model.construct(**FAILED)
    error = verdict(response)
    assert type(error) is background.BackgroundBadRequestError
    assert error.background_response is response


@pytest.mark.parametrize("model", [Response, ParsedResponse[Any], BetaResponse])
def test_model_of_a_completed_response_is_returned(model: Any) -> None:
    response = model.construct(**COMPLETED)
    assert background.raise_on_failure(response) is response


async def test_response_of_create_raises_when_handed_in(api: Api) -> None:
    async with api.client(respond(FAILED)) as client:
        response = await settle(client.responses.create(model="model-under-test", input="hello"))
    with pytest.raises(background.BackgroundBadRequestError):
        background.raise_on_failure(response)


def test_stream_events_of_the_sdk_are_known() -> None:
    assert {"response." + name for name in ENDINGS if name != "cancelled"} < set(STREAM_EVENTS)
    assert "response.completed" in STREAM_EVENTS


@pytest.mark.parametrize("status", [..., None, "itself"])
@pytest.mark.parametrize("name", [*STREAM_EVENTS, "response.cancelled"])
def test_stream_event_with_a_response_is_judged_by_its_ending(name: str, status: Any) -> None:
    ending = name.rpartition(".")[2]
    inner = answer(status=ending if status == "itself" else status)
    error = verdict({"type": name, "sequence_number": 7, "response": inner})
    assert type(error) is ENDINGS.get(ending, type(None))
    if error is not None:
        assert (error.status, error.response_id) == (ending, RESPONSE_ID)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "slow_down", "message": "Slow.", "param": "input", "sequence_number": 4},
        {"type": "error", "error": {"code": "slow_down", "message": "Slow.", "param": "input"}, "status": 429},
        {"error": {"code": "slow_down", "message": "Slow.", "param": "input"}},
        ResponseErrorEvent(type="error", code="slow_down", message="Slow.", param="input", sequence_number=4),
    ],
    ids=["flat", "nested", "body", "model"],
)
def test_error_without_a_response_raises_its_class(event: Any) -> None:
    error = verdict(event)
    assert (error.code, error.param, error.response_id) == ("slow_down", "input", None)
    assert str(error).endswith("Slow.")
    assert error.body["message"] == "Slow."
    assert error.background_response is None
    assert type(error) is background.BackgroundRateLimitError


@pytest.mark.parametrize("event", [{"type": "error"}, {"type": "error", "error": None}, {"type": "error", "error": {}}])
def test_error_event_that_says_nothing_is_the_base_class(event: Any) -> None:
    assert type(verdict(event)) is background.BackgroundResponseError


async def test_flat_error_event_with_an_empty_error_beside_it_is_read(api: Api) -> None:
    # As an answer it has become a model by then, whose empty error is an object too.
    event: dict[str, Any] = {"type": "error", "error": {}, "code": "slow_down", "message": "Slow."}
    assert type(verdict(event)) is type(await api.error(event)) is background.BackgroundRateLimitError


def test_error_event_with_a_text_for_an_error_keeps_the_text() -> None:
    error = verdict({"type": "error", "error": "The engine caught fire."})
    assert type(error) is background.BackgroundResponseError
    assert str(error).endswith("The engine caught fire.")


def test_webhooks_of_the_sdk_are_known() -> None:
    assert {"response." + name for name in ENDINGS} < set(WEBHOOKS)


@pytest.mark.parametrize("marked", [True, False], ids=["object", "no-object"])
@pytest.mark.parametrize("name", WEBHOOKS)
def test_webhook_is_judged_by_its_type_and_knows_no_cause(name: str, marked: bool) -> None:
    body = {"id": "evt_1", "created_at": 1767225600, "type": name, "data": {"id": RESPONSE_ID}}
    error = verdict({**body, "object": "event"} if marked else body)
    ending = name.rpartition(".")[2]
    assert type(error) is ENDINGS.get(ending, type(None))
    if error is not None:
        assert (error.response_id, error.status, error.code) == (RESPONSE_ID, ending, None)
        assert error.retryable is False
        assert error.background_response is None


def test_webhook_model_is_judged_like_its_json() -> None:
    (model,) = [
        cls for cls in union_members(UnwrapWebhookEvent) if "response.failed" in get_args(cls.__annotations__["type"])
    ]
    event = model.construct(id="evt_1", created_at=0, type="response.failed", data={"id": RESPONSE_ID})
    assert verdict(event).response_id == RESPONSE_ID


async def test_coroutine_is_a_type_error() -> None:
    async def retrieve() -> object:
        raise AssertionError("never awaited")

    coroutine: Any = retrieve()
    with pytest.raises(TypeError, match="await"):
        background.raise_on_failure(coroutine)
    coroutine.close()


async def test_raw_response_is_a_type_error(api: Api) -> None:
    async with api.client(respond(FAILED)) as client:
        raw = await settle(client.responses.with_raw_response.retrieve(RESPONSE_ID))
        with pytest.raises(TypeError, match="parse"):
            background.raise_on_failure(raw)


async def test_stream_is_a_type_error(api: Api) -> None:
    async with api.client(respond({}, **{"content-type": "text/event-stream"})) as client:
        stream = await settle(client.responses.retrieve(RESPONSE_ID, stream=True))
        with pytest.raises(TypeError, match="stream"):
            background.raise_on_failure(stream)
        await settle(stream.close())


@pytest.mark.parametrize("thing", [httpx2.Response(200, json=FAILED), object(), Response, iter([FAILED]), (FAILED,)])
def test_thing_that_is_no_response_is_a_type_error(thing: Any) -> None:
    with pytest.raises(TypeError, match=type(thing).__name__):
        background.raise_on_failure(thing)


def test_client_model_without_a_status_is_returned() -> None:
    model = openai.types.Model(id="model-under-test", created=0, object="model", owned_by=BASE_URL)
    assert background.raise_on_failure(model) is model
