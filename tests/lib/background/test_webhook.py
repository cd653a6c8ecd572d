"""`raise_on_failure` on a webhook's body."""

from __future__ import annotations

import json
from typing import Any

import pytest

import openai
from openai.lib.background import (
    BackgroundResponseError,
    BackgroundCancelledError,
    BackgroundIncompleteError,
    raise_on_failure,
)
from openai.types.webhooks import ResponseFailedWebhookEvent

from ._support import error_of

CLASSES = {
    "failed": BackgroundResponseError,
    "incomplete": BackgroundIncompleteError,
    "cancelled": BackgroundCancelledError,
}

WRITTEN: list[Any] = [lambda data: data, json.dumps, lambda data: json.dumps(data).encode()]


def webhook(kind: str, **members: Any) -> dict[str, Any]:
    return {"id": "evt_1", "object": "event", "created_at": 1, "type": kind, "data": {"id": "resp_1"}, **members}


@pytest.mark.parametrize("write", WRITTEN)
@pytest.mark.parametrize("status", CLASSES)
def test_webhook_of_a_bad_end_raises_without_a_cause(status: str, write: Any) -> None:
    error = error_of(write(webhook(f"response.{status}")))
    assert type(error) is CLASSES[status]
    assert (error.response_id, error.status, error.code, error.equivalent) == ("resp_1", status, None, None)
    assert (error.retryable, error.known) == (False, status == "cancelled")
    assert "retrieve the response" in str(error) and error.background_response.id == "resp_1"


def test_webhook_without_object_is_judged() -> None:
    data = webhook("response.failed")
    del data["object"]
    assert error_of(data).response_id == "resp_1"


@pytest.mark.parametrize("kind", ["response.completed", "response.no_such_ending"])
@pytest.mark.parametrize("write", WRITTEN)
def test_webhook_of_another_kind_is_returned(kind: str, write: Any) -> None:
    data = write(webhook(kind))
    assert raise_on_failure(data) is data


@pytest.mark.parametrize(
    "data",
    [
        webhook("batch.failed"),
        webhook("responses.failed"),
        webhook("failed"),
        webhook("response.failed", data={}),
        webhook("response.failed", data={"id": None}),
        webhook("response.failed", data="resp_1"),
        webhook("response.failed", object="response.event"),
        webhook("response.failed", type=["response.failed"]),
        ResponseFailedWebhookEvent.construct(id="evt_1", type="response.failed", data={"id": "resp_1"}),
    ],
)
def test_what_is_no_webhook_of_a_response_is_a_type_error(data: Any) -> None:
    with pytest.raises(TypeError, match="Expected a response or its JSON"):
        raise_on_failure(data)


def test_webhook_raises_what_a_handler_of_the_sdk_catches() -> None:
    with pytest.raises(openai.APIError):
        raise_on_failure(webhook("response.failed"))
