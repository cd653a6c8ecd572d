"""The JSON form of an error: what it says, what it never says, and what reading it back accepts."""

from __future__ import annotations

import json
import random
from typing import Any, Iterator, cast

import httpx2
import pytest

import openai
from openai.lib.background import (
    CONTRACT,
    CONTRACT_VERSION,
    BackgroundNotFoundError,
    BackgroundResponseError,
    BackgroundCancelledError,
    BackgroundRateLimitError,
    BackgroundIncompleteError,
    BackgroundContentFilterError,
)
from openai.types.responses import Response

from ._support import KEY, PROMPT, body, client, failed, settle, written, error_of

TOKEN = "the token of a tool"
OUTPUT = "the text of the output"
TOOL = {"type": "mcp", "server_label": "a", "server_url": "https://b.test", "headers": {"Authorization": TOKEN}}
ITEMS: list[dict[str, Any]] = [
    *written(OUTPUT),
    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": json.dumps({"a": OUTPUT})},
    {"type": "tool_search_output", "id": "tso_1", "execution": "server", "status": "completed", "tools": [TOOL]},
]
ECHOES: dict[str, Any] = {
    "input": [{"role": "user", "content": PROMPT}],
    "metadata": {"note": PROMPT},
    "tools": [{**TOOL, "authorization": TOKEN}],
    "user": PROMPT,
    "output": ITEMS,
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}
ENDINGS: dict[str, dict[str, Any]] = {
    "failed": failed("rate_limit_exceeded", "Please try again in 2s.", param="input", type="tokens"),
    "unknown": failed("no_such_code"),
    "number": failed(429),
    "incomplete": body("incomplete", incomplete_details={"reason": "max_output_tokens"}),
    "incomplete without reason": body("incomplete"),
    "filtered": body("incomplete", incomplete_details={"reason": "content_filter"}),
    "failed with reason": {**failed("server_error"), "incomplete_details": {"reason": "content_filter"}},
    "incomplete with code": body("incomplete", error={"code": "server_error", "message": "It broke."}),
    "cancelled": body("cancelled"),
    "expired": body("expired"),
    "without status": body(None, error={"code": "server_error", "message": "It broke."}),
    "text": body("failed", error="Boom."),
    "surrogate": failed("no_such_code", "\ud83d", more=float("nan")),
}
TEXTS = ("code", "param", "type", "status", "reason", "response_id", "request_id")
FACTS = (*TEXTS, "message", "retryable", "known", "equivalent", "status_code", "completion")


def there_and_back(error: BackgroundResponseError, *, include_output: bool = False) -> Any:
    text = json.dumps(error.to_dict(include_output=include_output), allow_nan=False)
    return BackgroundResponseError.from_dict(json.loads(text))


def read_whole(error: Any) -> None:
    """As an `except` block may."""
    assert isinstance(error, BackgroundResponseError) and error.equivalent in (None, *stock_classes())
    assert (
        isinstance(error.message, str) and str(error) == error.message and repr(error) and isinstance(error.body, dict)
    )
    assert error.response.status_code == 200 and dict(error.response.headers) == {}
    assert error.response.text == "" and error.response.extensions == {"synthetic": True}
    assert error.request is error.response.request and str(error.request.url) == "" and error.request.content == b""
    assert isinstance(error.output_text, str) and isinstance(error.background_response, Response)
    assert error.background_response.id == error.response_id and error.background_response.status == error.status
    assert isinstance(error.background_response.output, list)
    for name in TEXTS:
        assert isinstance(getattr(error, name), (str, type(None))), name
    assert isinstance(error.retryable, bool) and isinstance(error.known, bool)
    json.dumps(error.to_dict(include_output=True), allow_nan=False)


def stock_classes(cls: type[Any] = openai.OpenAIError) -> Iterator[type[Any]]:
    yield cls
    for below in cls.__subclasses__():
        if below.__module__.partition(".")[0] == "openai":
            yield from stock_classes(below)


@pytest.mark.parametrize("include_output", [False, True], ids=["bare", "output"])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_error_of_a_call_that_went_there_and_back_is_the_same(
    ending: str, include_output: bool, asynchronous: bool
) -> None:
    content = json.dumps({**ENDINGS[ending], **ECHOES}).encode()
    api = client(httpx2.Response(200, content=content, headers={"x-request-id": "req_1"}), asynchronous=asynchronous)
    for responses in (api.responses, api.beta.responses):
        with pytest.raises(BackgroundResponseError) as caught:
            await settle(responses.retrieve("resp_1", raise_on_failure=True))
        error: Any = caught.value
        again = there_and_back(error, include_output=include_output)
        assert type(again) is type(error)
        for fact in FACTS:
            assert getattr(again, fact, None) == getattr(error, fact, None), fact
        assert again.to_dict(include_output=True) == there_and_back(again, include_output=True).to_dict(
            include_output=True
        )
        assert again.to_dict() == error.to_dict()
        assert again.output_text == (OUTPUT if include_output else "")
        read_whole(again)


@pytest.mark.parametrize(
    "rule", [rule for rule in CONTRACT if rule.kind in ("code", "reason")], ids=lambda rule: rule.key
)
def test_every_row_goes_there_and_back(rule: Any) -> None:
    details = {"reason": rule.key}
    ending = body("incomplete", incomplete_details=details) if rule.kind == "reason" else failed(rule.key)
    error = error_of(ending)
    again = there_and_back(error)
    assert (type(again), again.equivalent, again.retryable) == (type(error), error.equivalent, error.retryable)
    assert (again.known, again.to_dict()) == (error.known, error.to_dict())


def test_form_of_a_failure() -> None:
    error: Any = error_of({**ENDINGS["failed"], **ECHOES})
    error.__notes__ = ["seen by worker 3"]
    error.__cause__ = openai.APIConnectionError(request=error.request)
    data = error.to_dict()
    assert data == {
        "schema_version": 1,
        "contract_version": CONTRACT_VERSION,
        "class": "BackgroundRateLimitError",
        "equivalent": "RateLimitError",
        "message": error.message,
        "code": "rate_limit_exceeded",
        "param": "input",
        "type": "tokens",
        "status": "failed",
        "reason": None,
        "response_id": "resp_1",
        "request_id": None,
        "retryable": True,
        "known": True,
        "retry_after": getattr(error, "retry_after", None),
        "notes": ["seen by worker 3"],
        "cause": "APIConnectionError",
    }
    again: Any = BackgroundResponseError.from_dict(data)
    assert (again.__notes__, again.__cause__) == (["seen by worker 3"], None)


@pytest.mark.parametrize("ending", ENDINGS)
def test_form_holds_no_output_and_nothing_of_the_request(ending: str, asynchronous: bool) -> None:
    error = error_of({**ENDINGS[ending], **ECHOES, "asynchronous": asynchronous})
    text = json.dumps(error.to_dict())
    assert [secret for secret in (PROMPT, TOKEN, OUTPUT, KEY, "arguments") if secret in text] == []


def test_form_with_output_holds_output_and_usage_and_nothing_of_the_request() -> None:
    for data in (error_of({**ENDINGS["failed"], **ECHOES}), client({**ENDINGS["failed"], **ECHOES})):
        if not isinstance(data, BackgroundResponseError):
            with pytest.raises(BackgroundResponseError) as caught:
                data.responses.retrieve("resp_1", raise_on_failure=True)
            data = caught.value
        form = data.to_dict(include_output=True)
        assert [item["type"] for item in form["output"]] == ["message", "function_call", "tool_search_output"]
        assert form["usage"]["total_tokens"] == 5 and OUTPUT in form["output"][1]["arguments"]
        assert [secret for secret in (PROMPT, TOKEN, KEY) if secret in json.dumps(form)] == []


def test_form_holds_what_was_sent_and_is_json() -> None:
    sent = {**failed("server_error"), "output": [{"type": "message", "content": [], "more": [float("nan"), 1.5]}]}
    assert json.loads(json.dumps(error_of(sent).to_dict(include_output=True), allow_nan=False))["output"] == [
        {"type": "message", "content": [], "more": [None, 1.5]}
    ]


def test_output_of_a_form_is_read_without_what_echoes_a_request() -> None:
    again = BackgroundResponseError.from_dict(form(output=ITEMS, usage={"input_tokens": 3, "headers": TOKEN}))
    assert again.output_text == OUTPUT
    assert TOKEN not in repr(again.background_response)


def test_waiting_time_comes_back_where_it_is_known() -> None:
    again = BackgroundResponseError.from_dict(form(retry_after=7.5))
    assert getattr(again, "retry_after", 7.5) == 7.5


def test_form_of_an_error_that_was_deeply_nested_can_be_had() -> None:
    nested: Any = []
    for _ in range(3000):
        nested = [nested]
    error = error_of({**failed("server_error"), "output": nested})
    json.dumps(error.to_dict(include_output=True))
    read_whole(BackgroundResponseError.from_dict({**error.to_dict(), "output": nested}))


def form(**members: Any) -> dict[str, Any]:
    return {**error_of(failed("rate_limit_exceeded")).to_dict(), **members}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"class": "BackgroundNewError"}, BackgroundRateLimitError),
        ({"class": "BackgroundNewError", "equivalent": "NotFoundError"}, BackgroundNotFoundError),
        ({"class": "BackgroundNewError", "equivalent": "NewError"}, BackgroundResponseError),
        ({"class": "BackgroundNewError", "equivalent": "APIError"}, BackgroundResponseError),
        ({"class": "BackgroundNewError", "equivalent": None}, BackgroundResponseError),
        ({"class": "BackgroundNewError", "equivalent": None, "status": "incomplete"}, BackgroundIncompleteError),
        ({"class": "BackgroundNewError", "equivalent": None, "status": "cancelled"}, BackgroundCancelledError),
        ({"class": "New", "equivalent": "BackgroundIncompleteError"}, BackgroundResponseError),
        ({"class": "New", "equivalent": "ContentFilterFinishReasonError"}, BackgroundContentFilterError),
    ],
)
def test_class_of_a_newer_release_becomes_the_nearest(members: dict[str, Any], expected: type[Any]) -> None:
    again = BackgroundResponseError.from_dict(form(**members, new_field={"a": 1}))
    assert type(again) is expected
    read_whole(again)


@pytest.mark.parametrize(
    "name", ["NewError", "InvalidWebhookSignatureError", "OpenAI", "Any", "TYPE_CHECKING", "", "object"]
)
def test_equivalent_that_is_no_class_of_the_sdk_is_none(name: str) -> None:
    assert BackgroundResponseError.from_dict(form(equivalent=name)).equivalent is None


def test_only_our_own_classes_are_looked_at() -> None:
    made: list[Any] = []

    def init(_self: Any, *_args: Any, **_options: Any) -> None:
        made.append(True)

    customers = type("BackgroundRateLimitError", (BackgroundRateLimitError,), {"__module__": "app", "__init__": init})
    other = type("BackgroundAppError", (BackgroundResponseError,), {"__module__": "openai_app", "__init__": init})
    assert type(BackgroundResponseError.from_dict(form())) is BackgroundRateLimitError is not customers
    assert type(BackgroundResponseError.from_dict(form(**{"class": other.__name__}))) is BackgroundRateLimitError
    assert made == []


def test_another_family_is_refused() -> None:
    assert type(BackgroundRateLimitError.from_dict(form())) is BackgroundRateLimitError
    for cls in (BackgroundCancelledError, BackgroundNotFoundError, BackgroundIncompleteError):
        with pytest.raises(ValueError, match=f"a {cls.__name__} but received that of a BackgroundRateLimitError"):
            cls.from_dict(form())
    with pytest.raises(ValueError, match="BackgroundCancelledError"):
        BackgroundCancelledError.from_dict(form(**{"class": "BackgroundNewError"}))


@pytest.mark.parametrize("data", [None, [], "{}", b"{}", 1, {}, {"class": "BackgroundResponseError"}])
def test_what_is_no_form_is_a_value_error(data: Any) -> None:
    with pytest.raises(ValueError, match="Expected"):
        BackgroundResponseError.from_dict(data)


@pytest.mark.parametrize(
    "members",
    [
        {"schema_version": 2},
        {"schema_version": True},
        {"schema_version": 1.0},
        {"class": 3},
        {"class": ["BackgroundResponseError"]},
        {"message": None},
        {"code": 5},
        {"response_id": ["resp_1"]},
        {"retryable": "false"},
        {"known": 1},
        {"equivalent": {}},
        {"retry_after": "60"},
        {"retry_after": -1},
        {"retry_after": True},
        {"retry_after": float("nan")},
        {"retry_after": 10**400},
        {"notes": "text"},
        {"notes": [1]},
        {"cause": {"cause": {}}},
        {"output": "text"},
        {"usage": []},
    ],
    ids=str,
)
def test_member_of_another_type_is_a_value_error_that_names_it(members: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(members))}`"):
        BackgroundResponseError.from_dict(form(**members))


@pytest.mark.parametrize("id", ["resp_a\nb", "resp_\x00", "\ud83d", "", "../x?y#z", "r" * 70_000])
def test_id_of_any_text_is_read_as_it_is(id: str) -> None:
    again = BackgroundResponseError.from_dict(form(response_id=id))
    assert again.response_id == id
    read_whole(again)


WORDS: list[Any] = [None, True, False, 0, -1, 1.5, 10**30, "", "text", "\ud83d", "a\nb", [], [None], {}, {"a": [1]}]
KEYS = ["class", "type", "text", "content", "code", "status", "error", "output", "id", "tools", "annotations", "a"]


def random_value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(4 if depth < 4 else 2)
    if kind < 2:
        return rng.choice([*WORDS, "message", "output_text", "function_call", "reasoning", "refusal"])
    if kind == 2:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(KEYS): random_value(rng, depth + 1) for _ in range(rng.randrange(4))}


def mutated(rng: random.Random, data: Any) -> Any:
    """The data with one place somewhere in it removed, renamed or replaced."""
    if not isinstance(data, (dict, list)) or not data or rng.random() < 0.15:
        return random_value(rng)
    changed: Any = cast(Any, data).copy()
    place: Any = rng.choice(list(changed) if isinstance(data, dict) else range(len(changed)))
    if rng.random() < 0.15:
        value: Any = changed.pop(place)
        if isinstance(data, dict):
            changed[rng.choice([*KEYS, "new"])] = value
    else:
        changed[place] = mutated(rng, changed[place])
    return changed


@pytest.mark.parametrize("seed", range(10))
def test_hostile_data_is_a_value_error_or_an_error_that_can_be_read(seed: int) -> None:
    rng = random.Random(seed)
    forms = [error_of({**ending, **ECHOES}).to_dict(include_output=True) for ending in ENDINGS.values()]
    read = refused = 0
    for _ in range(100):
        data = rng.choice(forms)
        for _ in range(rng.randrange(1, 4)):
            data = mutated(rng, data)
        try:
            error = BackgroundResponseError.from_dict(data)
        except ValueError:
            refused += 1
        else:
            read += 1
            read_whole(error)
    assert read and refused
