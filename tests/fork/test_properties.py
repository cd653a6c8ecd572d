"""Whatever JSON a server sends: only what the contract says is raised, the verdict is the same in every form, and the error
can be shown, stored and sent on."""

from __future__ import annotations

import os
import json
import pickle
from typing import Any, cast

import httpx2
import hypothesis.strategies as st
from hypothesis import HealthCheck, given, assume, example, settings

from openai import OpenAI, BackgroundResponseError, APIResponseValidationError
from openai._models import construct_type
from openai.types.beta import BetaResponse
from openai.lib.background import CONTRACT, raise_on_failure
from openai.types.responses import Response

checked = settings(
    max_examples=150,
    deadline=None,
    # The same payloads on every run where a machine decides, new ones where a person looks.
    derandomize=bool(os.environ.get("CI")),
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)

KEYS = sorted({rule.key for rule in CONTRACT})
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(KEYS)
)
names = st.text(max_size=8) | st.sampled_from(
    ("id", "status", "type", "error", "code", "message", "output", "response", "incomplete_details", "data", "object")
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)

statuses = st.sampled_from(("failed", "incomplete", "cancelled", "completed", "queued", "in_progress", "exploded"))
codes = st.sampled_from(KEYS) | st.integers(395, 605) | st.integers(395, 605).map(str) | st.text(max_size=12)
messages = (
    st.text(max_size=60)
    | st.from_regex(r"\A(Please )?try again (in|after) [0-9]{0,12}\.?[0-9]{0,3} ?(ms|s|m|h|d|seconds|x)?\Z")
    | st.just("Request too large for the model. The input must be reduced.")
)
errors = st.fixed_dictionaries(
    {},
    optional={
        "code": codes | anything,
        "message": messages | anything,
        "type": st.sampled_from(KEYS) | anything,
        "param": st.text(max_size=5) | anything,
        "resets_in_seconds": st.floats(-10, 1e9) | anything,
        "misalignment": anything,
        "headers": anything,
    },
)
outputs = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(("message", "reasoning", "image_generation_call"))}) | anything,
    max_size=2,
)
responses = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=10) | anything,
        "status": statuses | anything,
        "error": errors | anything,
        "incomplete_details": st.fixed_dictionaries({"reason": st.sampled_from(KEYS) | anything}) | anything,
        "output": outputs | anything,
        "usage": st.dictionaries(st.sampled_from(("input_tokens", "total_tokens")), scalars) | anything,
        "object": st.sampled_from(("response", "event")) | anything,
        "metadata": anything,
        "tools": anything,
    },
)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(("error", "response.failed", "response.incomplete", "response.completed", "response.x"))},
    optional={
        "response": responses | anything,
        "error": errors | anything,
        "code": codes | anything,
        "message": messages | anything,
        "status": st.integers(300, 600) | anything,
        "headers": st.dictionaries(st.sampled_from(("retry-after", "Retry-After-Ms", "x")), scalars) | anything,
        "data": st.fixed_dictionaries({"id": anything}) | anything,
        "object": st.just("event") | anything,
    },
)
payloads = responses | events | anything


def verdict(data: Any) -> BackgroundResponseError | str | None:
    """The error raised, or None where the data came back; a word where it is no response. Anything else fails the test."""
    try:
        assert raise_on_failure(data) is data
    except BackgroundResponseError as error:
        return error
    except TypeError as error:
        assert str(error).startswith("Expected a response ")
        return "no response"
    except ValueError as error:
        assert str(error).startswith("Expected the JSON of a response ")
        return "no JSON"
    return None


def facts(error: BackgroundResponseError | str | None) -> Any:
    """All that a verdict says, in a form that compares."""
    if not isinstance(error, BackgroundResponseError):
        return error
    return (
        type(error),
        str(error),
        error.code,
        error.param,
        error.type,
        error.status,
        error.reason,
        error.response_id,
        error.retryable,
        error.known,
        error.equivalent,
        error.retry_after,
        error.output_text,
        getattr(error, "status_code", None),
    )


@checked
@given(payloads)
@example({"type": []})
@example({"status": "failed", "error": {"code": "server_error", "type": {}}})
@example('"text"')
@example({"error": {}})
def test_verdict_of_any_json_raises_only_own_classes_and_is_the_same_as_text(payload: Any) -> None:
    judged = facts(verdict(payload))

    assert facts(verdict(payload)) == judged
    text = json.dumps(payload)
    assert facts(verdict(text.encode())) == facts(verdict(text))
    if not isinstance(payload, str):
        assert facts(verdict(text)) == judged


@checked
@given(responses)
@example({"status": "exploded", "error": {}})
@example({"status": "failed", "error": {"misalignment": {"steer": [{}]}}})
def test_verdict_of_a_model_is_that_of_its_json(payload: Any) -> None:
    # What a model holds is a response; of JSON that has to be said.
    judged = facts(verdict({**payload, "object": "response"}))

    for model in (Response, BetaResponse):
        assert facts(verdict(construct_type(type_=model, value={**payload, "object": "response"}))) == judged


@checked
@given(st.one_of(responses, events, st.lists(responses, max_size=1), scalars))
@example('{"status": "failed"}')
@example('"text"')
@example({"type": "error", "error": {}, "code": "400"})
@example({"error": {"": None}})
def test_verdict_through_a_client_raises_only_own_classes(payload: Any) -> None:
    content = json.dumps(payload).encode()
    answered = httpx2.MockTransport(
        lambda _: httpx2.Response(200, content=content, headers={"content-type": "application/json"})
    )
    with OpenAI(api_key="none", base_url="http://x.test", http_client=httpx2.Client(transport=answered)) as client:
        raised: list[Any] = []
        for to in (None, dict, str, httpx2.Response):
            raw = client.responses.with_raw_response.retrieve("resp_of_url", raise_on_failure=True)
            try:
                raw.parse() if to is None else raw.parse(to=to)
            except BackgroundResponseError as error:
                raised.append(facts(error))
                assert (error.response, error.response_id) == (raw.http_response, "resp_of_url")
            except APIResponseValidationError:
                raised.append("no response")
            else:
                raised.append(None)

    assert raised == raised[:1] * 4
    sent = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    if sent.get("object") == "response" and "type" not in sent:
        is_one = sent.get("id") is not None or isinstance(sent.get("status"), str)
        directly = facts(verdict(payload)) if is_one else "no response"
        assert raised[0] is directly or raised[0][0] is directly[0]


@checked
@given(
    responses.map(lambda payload: {**payload, "status": "failed", "object": "response"})
    | events.map(lambda event: {**event, "type": "error", "error": {"code": "x"}, "object": None})
)
@example({"object": "response", "status": "failed", "error": {"message": "\ud800", "code": "\ud800"}})
def test_error_of_any_json_can_be_shown_stored_and_sent_on(payload: Any) -> None:
    error = verdict(payload)
    assume(
        isinstance(error, BackgroundResponseError)
    )  # what is neither a response nor an event raises no error of ours
    assert isinstance(error, BackgroundResponseError)
    shown = (str(error), repr(error), error.background_response)
    assert all(part is None or part is not None and repr(part) is not None for part in shown)

    stored = json.loads(json.dumps(error.to_dict()))
    pickled, read = pickle.loads(pickle.dumps(error)), BackgroundResponseError.from_dict(stored)
    assert (facts(pickled), pickled.body) == (facts(error), error.body)
    assert facts(read)[:-1] == facts(error)[:-1]  # all but the output, which is for who asks for it
    for back in (pickled, read):
        assert (back.args, repr(back)) == (error.args, repr(error))
        assert json.loads(json.dumps(back.to_dict())) == stored


@checked
@given(errors)
def test_error_that_is_unknown_or_of_quota_is_never_retryable(error: Any) -> None:
    rows = {(rule.kind, rule.key): rule for rule in CONTRACT}
    raised = verdict({"object": "response", "status": "failed", "error": error})
    assert isinstance(raised, BackgroundResponseError)
    kind, message = error.get("type"), error.get("message")
    quota = isinstance(kind, str) and (row := rows.get(("type", kind))) and row.http_status == 429 and not row.retryable
    if quota or isinstance(message, str) and "Request too large" in message:
        assert raised.retryable is False
    assert raised.known or not raised.retryable
