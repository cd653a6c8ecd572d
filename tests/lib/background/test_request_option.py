"""The request option, where an answer is parsed: plain, raw and streaming-response, sync and async."""

from __future__ import annotations

import gc
import json
import random
import weakref
import traceback
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import httpx2
import pytest

import openai
from openai import OpenAI, BaseModel, APIResponse
from openai._types import NOT_GIVEN
from openai._models import FinalRequestOptions
from openai._base_client import make_request_options
from openai.lib.background import BackgroundResponseError, BackgroundIncompleteError
from openai.types.responses import Response
from openai._legacy_response import LegacyAPIResponse

from ._support import KEY, PROMPT, body, client, failed, settle, written

FLAG: Any = make_request_options(raise_on_failure=True)
WRAPPERS = ["plain", "raw", "stream"]


async def get(made: Any, wrapper: str = "plain", *, path: str = "/responses/resp_asked", **options: Any) -> Any:
    """One GET by `made`, in the shape that the wrapper asks for."""
    options = {"options": FLAG, "cast_to": Response, **options}
    to: dict[str, Any] = {"to": options.pop("to")} if "to" in options else {}
    if wrapper != "plain":
        header = {"X-Stainless-Raw-Response": "true" if wrapper == "raw" else "stream"}
        options["options"] = {**options["options"], "headers": header}
    got = await settle(made.get(path, **options))
    return got if wrapper == "plain" else await settle(got.parse(**to))


class Mine(BaseModel):
    id: str


@pytest.mark.parametrize("wrapper", WRAPPERS)
async def test_option_on_a_failed_run_raises(wrapper: str, asynchronous: bool) -> None:
    made = client({**failed("rate_limit_exceeded"), "output": written("partial")}, asynchronous=asynchronous)
    with pytest.raises(BackgroundResponseError) as caught:
        await get(made, wrapper)
    error = caught.value
    assert (error.equivalent, error.retryable, error.code) == (openai.RateLimitError, True, "rate_limit_exceeded")
    assert error.response.status_code == 200 and error.request is error.response.request
    assert (error.response_id, error.request_id, error.background_response.id) == ("resp_asked", "req_1", "resp_1")
    assert error.output_text == "partial" and error.background_response._request_id == "req_1"
    stack = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    ours = [frame.locals for frame in stack if "openai" in frame.filename and "tests" not in frame.filename]
    assert ours and PROMPT not in json.dumps(ours) and KEY not in repr(error)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("status", ["queued", "completed", "COMPLETED", "no_such_status", None])
async def test_option_on_a_run_that_goes_well_returns_it(status: str, wrapper: str, asynchronous: bool) -> None:
    answer = {**body(status), "id": "resp_2"}
    got, stock = [await get(client(answer, asynchronous=asynchronous), wrapper, options=o) for o in (FLAG, {})]
    assert got == stock and got._request_id == stock._request_id == "req_1"


@pytest.mark.parametrize("wrapper", WRAPPERS)
async def test_without_the_option_nothing_is_raised(wrapper: str, asynchronous: bool) -> None:
    assert (
        await get(client(failed("server_error"), asynchronous=asynchronous), wrapper, options={})
    ).status == "failed"


@pytest.mark.parametrize("wrapper", ["raw", "stream"])
async def test_second_parse_raises_again(wrapper: str, asynchronous: bool) -> None:
    header = {"X-Stainless-Raw-Response": "true" if wrapper == "raw" else "stream"}
    made = client(failed("server_error"), asynchronous=asynchronous)
    raw = await settle(made.get("/responses/resp_1", cast_to=Response, options={**FLAG, "headers": header}))
    for _ in range(2):
        with pytest.raises(BackgroundResponseError):
            await settle(raw.parse())


@pytest.mark.parametrize("cast_to", [object, dict, str, Mine])
async def test_another_cast_is_judged_by_what_was_sent(cast_to: Any, asynchronous: bool) -> None:
    answer = body("incomplete", incomplete_details={"reason": "content_filter"}, output=written("partial"))
    with pytest.raises(BackgroundIncompleteError) as caught:
        await get(client(answer, asynchronous=asynchronous), cast_to=cast_to)
    assert caught.value.reason == "content_filter" and caught.value.output_text == "partial"
    assert isinstance(caught.value.background_response, Response)
    assert await get(client(body("queued"), asynchronous=asynchronous), cast_to=cast_to) is not None


@pytest.mark.parametrize("wrapper", ["raw", "stream"])
async def test_parse_to_another_type_is_judged_and_honoured(wrapper: str, asynchronous: bool) -> None:
    with pytest.raises(BackgroundResponseError):
        await get(client(failed("server_error"), asynchronous=asynchronous), wrapper, to=Mine)
    got = await get(client(body("queued"), asynchronous=asynchronous), wrapper, to=Mine)
    assert type(got) is Mine and got.id == "resp_1"


@pytest.mark.parametrize(
    ("path", "response_id"),
    [
        ("/responses/resp_1", "resp_1"),
        ("/responses/resp_1?beta=true", "resp_1"),
        ("/responses/resp%2F1%20%C3%A9", "resp/1 é"),
        ("/responses/v1/responses/resp_1", "resp_1"),
        ("/responses/resp_1/cancel", "resp_1"),
        ("/elsewhere", "resp_sent"),
    ],
)
async def test_response_id_is_the_one_asked_for(path: str, response_id: str, asynchronous: bool) -> None:
    answer = {**failed("server_error"), "id": "resp_sent"}
    with pytest.raises(BackgroundResponseError) as caught:
        await get(client(answer, asynchronous=asynchronous), path=path)
    assert caught.value.response_id == response_id and caught.value.background_response.id == "resp_sent"


async def test_response_id_outlives_a_redirect(asynchronous: bool) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if "moved" in request.url.path:
            return httpx2.Response(200, json=failed("server_error"))
        return httpx2.Response(307, headers={"location": "/v1/moved/here"})

    with pytest.raises(BackgroundResponseError) as caught:
        await get(client(answer, asynchronous=asynchronous))
    assert caught.value.response_id == "resp_asked" and "moved" in str(caught.value.request.url)


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "litellm_poll_1", "status": "failed"},
        {"status": "failed"},
        {"id": "x", "error": {"code": "server_error"}},
    ],
)
async def test_answer_without_object_is_a_response(answer: dict[str, Any], asynchronous: bool) -> None:
    with pytest.raises(BackgroundResponseError):
        await get(client(answer, asynchronous=asynchronous))
    going_well = {"id": "litellm_poll_1", "status": "completed", "output": []}
    assert (await get(client(going_well, asynchronous=asynchronous))).status == "completed"


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (
            httpx2.Response(200, text="<html>log in</html>", headers={"content-type": "text/html"}),
            "<html>log in</html>",
        ),
        (httpx2.Response(200, json={"error": {"code": 504}}), {"error": {"code": 504}}),
        (httpx2.Response(200, json={"error": {"code": 504}, "status": 504}), {"error": {"code": 504}, "status": 504}),
        (httpx2.Response(200, json={"object": "batch", "id": "b", "status": "failed"}), None),
        (httpx2.Response(200, json={"object": "batch", "id": "b", "status": "completed"}), None),
        (httpx2.Response(200, json=[1]), [1]),
        (httpx2.Response(200, json=None), None),
    ],
    ids=["html", "gateway", "gateway-status", "batch", "batch-completed", "list", "null"],
)
async def test_answer_that_is_no_response_is_a_fault_of_the_poll(
    answer: httpx2.Response, sent: object, asynchronous: bool
) -> None:
    with pytest.raises(openai.APIResponseValidationError, match="failed, not the run") as caught:
        await get(client(answer, asynchronous=asynchronous))
    assert not isinstance(caught.value, BackgroundResponseError) and caught.value.status_code == 200
    assert sent is None or caught.value.body == sent


@pytest.mark.parametrize("status", [404, 429, 500])
async def test_refused_poll_keeps_upstreams_class(status: int, asynchronous: bool) -> None:
    made = client(httpx2.Response(status, json=failed("server_error")), asynchronous=asynchronous, max_retries=0)
    with pytest.raises(openai.APIStatusError) as caught:
        await get(made)
    assert not isinstance(caught.value, BackgroundResponseError) and caught.value.status_code == status


async def test_failed_run_is_asked_for_once_whatever_the_retries(asynchronous: bool) -> None:
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, json=failed("rate_limit_exceeded"))

    with pytest.raises(BackgroundResponseError):
        await get(client(answer, asynchronous=asynchronous, max_retries=3))
    sent = requests[0]
    assert len(requests) == 1 and "raise" not in f"{sent.url} {sent.headers} {sent.content!r}"


def test_client_may_override_the_hook() -> None:
    class Mine(OpenAI):
        def _make_background_error(self, body: Any, *, response: Any, response_id: str | None) -> Any:
            return KeyError(body["id"], response.status_code, response_id)

    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=failed("server_error")))
    mine = Mine(api_key="-", http_client=httpx2.Client(transport=transport))
    with pytest.raises(KeyError) as caught:
        mine.get("/responses/resp_asked", cast_to=Response, options=FLAG)
    assert caught.value.args == ("resp_1", 200, "resp_asked")


@pytest.mark.parametrize(
    "options",
    [
        SimpleNamespace(post_parser=NOT_GIVEN),
        MagicMock(post_parser=NOT_GIVEN),
        FinalRequestOptions(method="get", url=""),
    ],
    ids=lambda options: type(options).__name__,
)
@pytest.mark.parametrize("cls", [LegacyAPIResponse, APIResponse])
def test_double_of_the_options_is_not_the_option(options: Any, cls: Any) -> None:
    raw = cls(
        raw=httpx2.Response(200, json=failed("server_error"), request=httpx2.Request("GET", "https://x.test")),
        cast_to=Response,
        client=OpenAI(api_key="-"),
        stream=False,
        stream_cls=None,
        options=options,
    )
    assert raw.parse().status == "failed"


def test_make_request_options_has_the_option_only_where_it_was_asked_for() -> None:
    assert FLAG == {"raise_on_failure": True}
    assert make_request_options() == make_request_options(raise_on_failure=False) == {}


@pytest.mark.parametrize("wrapper", WRAPPERS)
async def test_errors_keep_no_connection_and_are_freed_at_once(wrapper: str, asynchronous: bool) -> None:
    opened: list[httpx2.Response] = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        opened.append(httpx2.Response(200, json=failed("server_error")))
        return opened[-1]

    made = client(answer, asynchronous=asynchronous)
    gc.collect()
    gc.disable()
    try:
        kept = []
        for _ in range(2):
            try:
                await get(made, wrapper)
            except BackgroundResponseError as err:
                kept.append(weakref.ref(err))
        assert len(kept) == 2 and all(one() is None for one in kept) and all(one.is_closed for one in opened)
    finally:
        gc.enable()


def test_fuzzed_answers_end_as_on_stock_or_as_the_contract_says() -> None:
    rng = random.Random(3212)
    words: list[Any] = [None, "", "x", "failed", "completed", "Cancelled", "queued", 0, 504, -1.5, True, "\ud83d"]
    keys = ["id", "object", "status", "error", "incomplete_details", "output", "code", "message", "reason", "type"]

    def value(depth: int) -> Any:
        kind = rng.random()
        if depth > 3 or kind < 0.5:
            return rng.choice([*words, [], {}, "response", "server_error", "max_output_tokens"])
        if kind < 0.85:
            return {rng.choice(keys): value(depth + 1) for _ in range(rng.randrange(4))}
        return [value(depth + 1) for _ in range(rng.randrange(3))]

    made = OpenAI(api_key="-")
    judged = 0
    for _ in range(4_000):
        sent = {key: value(0) for key in rng.sample(keys, rng.randrange(7))} if rng.random() < 0.97 else value(0)
        if isinstance(sent, dict) and rng.random() < 0.8:
            sent.update(object="response", status=rng.choice(words))
        raw = httpx2.Response(200, content=json.dumps(sent), headers={"content-type": "application/json"})
        raw.request = httpx2.Request("GET", "https://x.test")
        ends: list[Any] = []
        for options in ({}, FLAG):
            parts: Any = {"cast_to": Response, "client": made, "stream": False, "stream_cls": None}
            final = FinalRequestOptions.construct(method="get", url="/responses/resp_1", **options)
            try:
                ends.append(LegacyAPIResponse(raw=raw, options=final, **parts).parse())
            except Exception as err:
                ends.append(err)
        stock, flag = ends
        if isinstance(flag, (BackgroundResponseError, openai.APIResponseValidationError)):
            judged += 1
            assert str(flag).isprintable() and not isinstance(stock, Exception)
            if isinstance(flag, BackgroundResponseError):
                assert isinstance(flag.output_text, str) and isinstance(flag.retryable, bool)
                assert flag.background_response is not None and flag.response_id == "resp_1"
        else:
            assert type(flag) is type(stock)
    assert judged > 200
