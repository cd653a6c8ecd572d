"""Whatever JSON a server sends: only what the contract says is raised, the verdict is the same in every form, and the error
can be shown, stored and sent on."""

from __future__ import annotations

import os
import json
import pickle
import random
from typing import Any, cast

import httpx2
import pytest
import hypothesis.strategies as st
from hypothesis import HealthCheck, given, example, settings

from openai import OpenAI, APIError, BackgroundResponseError, APIResponseValidationError
from tests.lib import test_error_pickling as pickling
from openai._models import construct_type
from openai.types.beta import BetaResponse
from openai.lib.background import CONTRACT, raise_on_failure
from openai.types.responses import Response
from openai.lib.background._verdict import is_response

from .routes import told, cause

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


def errors(other: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The cause of a failure, each member as it is meant, or something other."""
    members: dict[Any, st.SearchStrategy[Any]] = {
        "code": codes,
        "message": messages,
        "type": st.sampled_from(KEYS) | st.text(max_size=9),
        "param": st.none() | st.text(max_size=5),
        "resets_in_seconds": st.floats(0, 1e9),
        "misalignment": st.none(),
    }
    return st.fixed_dictionaries({}, optional={name: meant | other for name, meant in members.items()})


items = st.fixed_dictionaries({"type": st.sampled_from(("message", "reasoning", "image_generation_call"))})
responses = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=10) | anything,
        "status": statuses | anything,
        "error": errors(anything) | anything,
        "incomplete_details": st.fixed_dictionaries({"reason": st.sampled_from(KEYS) | anything}) | anything,
        "output": st.lists(items | anything, max_size=2) | anything,
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
        "error": errors(anything) | anything,
        "code": codes | anything,
        "message": messages | anything,
        "status": st.integers(300, 600) | anything,
        "headers": st.dictionaries(st.sampled_from(("retry-after", "Retry-After-Ms", "x")), scalars) | anything,
        "data": st.fixed_dictionaries({"id": anything}) | anything,
        "object": st.just("event") | anything,
    },
)
failing = responses.map(lambda sent: {**sent, "status": "failed", "object": "response"})
payloads = failing | responses | events | anything


def verdict(data: Any) -> BackgroundResponseError | str | None:
    """The error raised, or None where the data came back; a word where it is no response. Anything else fails the test."""
    try:
        assert raise_on_failure(data) is data
    except BackgroundResponseError as error:
        return error
    except (TypeError, ValueError) as error:
        assert str(error).startswith(("Expected a response ", "Expected the JSON of a response "))
        return str(error)[:20]
    return None


def retrieved(payload: Any) -> BackgroundResponseError | str | None:
    """The same where a server answers with it."""
    content, headers = json.dumps(payload).encode(), {"content-type": "application/json"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=content, headers=headers))
    with OpenAI(api_key="none", base_url="http://x.test", http_client=httpx2.Client(transport=transport)) as client:
        try:
            client.responses.retrieve("resp_of_url", raise_on_failure=True)
        except BackgroundResponseError as error:
            assert error.response_id == "resp_of_url"
            return error
        except APIResponseValidationError:
            return "no response"
    return None


def facts(error: BackgroundResponseError | str | None) -> Any:
    """All that a verdict says, in a form that compares; a body has models where it came from one."""
    return {**(told(error) or {}), "body": None} if isinstance(error, BackgroundResponseError) else error


@checked
@given(payloads)
@example({"type": []})
@example('"text"')
@example('{"status": "failed"}')
@example({"type": "error", "error": {}, "code": "400"})
@example({"error": {"": None}})
@example({"error": {}})
@example({"object": "response", "status": "exploded", "error": {}})
@example({"object": "response", "status": "failed", "error": {"code": "server_error", "type": {}}})
@example({"object": "response", "status": "failed", "error": {"misalignment": {"steer": [{}]}}})
@example({"object": "response", "status": "failed", "error": {"message": "\ud800", "code": "\ud800"}})
def test_verdict_of_any_json_is_ours_the_same_on_every_way_and_travels(payload: Any) -> None:
    error = verdict(payload)
    judged, text = facts(error), json.dumps(payload)
    assert facts(verdict(text.encode())) == facts(verdict(text))
    if not isinstance(payload, str):
        assert facts(verdict(text)) == judged
    sent = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    if sent.get("object") == "response" and "type" not in sent:
        for model in (Response, BetaResponse):
            assert facts(verdict(construct_type(type_=model, value=sent))) == judged
    if is_response(sent, asked_for=True) and "type" not in sent:
        assert cause(retrieved(payload)) == cause(verdict({**sent, "object": "response"}))
    elif not is_response(sent, asked_for=True) and not isinstance(payload, str):
        assert retrieved(payload) == "no response"
    if not isinstance(error, BackgroundResponseError):
        return
    # It can be shown, pickled, stored as JSON and read again.
    assert error.known or not error.retryable
    assert str(error).isprintable() and repr(error) and repr(error.background_response)
    stored = json.loads(json.dumps(error.to_dict()))
    pickled, read = pickle.loads(pickle.dumps(error)), BackgroundResponseError.from_dict(stored)
    assert (facts(pickled), pickled.body) == (judged, error.body)
    # The output is for who asks for it.
    assert {**facts(read), "output_text": ""} == {**judged, "output_text": ""}
    for back in (pickled, read):
        assert (back.args, repr(back)) == (error.args, repr(error))
        assert json.loads(json.dumps(back.to_dict())) == stored


@checked
@given(st.randoms(use_true_random=False))
def test_exception_of_a_program_holds_whatever_it_holds_on_stock(rng: random.Random) -> None:
    """tests/lib compares the values; here it is what the initializer adds, on new classes with every run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickling, "Generated", cls := pickling.random_class(rng, "Generated"), raising=False)
        error = pickling.random_error(rng, cls)
        ours = {form: pickling.outcome(form, error) for form in pickling.FORMS}
        for hook in pickling.HOOKS:
            patch.delattr(APIError, hook)
        stock = {form: pickling.outcome(form, error) for form in pickling.FORMS}
    for form, held in stock.items():
        assert isinstance(held, Exception) or held.keys() <= ours[form].keys(), form
