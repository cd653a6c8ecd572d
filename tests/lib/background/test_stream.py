"""A stream with the flag delivers every event before the end, and raises what a poll of the same run would raise."""

from __future__ import annotations

from typing import Any

import pytest

import openai

from ._replay import (
    DONE,
    TEXT,
    ROUTES,
    PLANTED,
    sse,
    play,
    delta,
    ended,
    event,
    kinds,
    created,
    message,
    opening,
    completed,
    item_done,
    text_of_output,
    locals_of_module,
)
from ._support import REQUEST_ID, RESPONSE_ID, Api, verdict, background

BOOM = {"code": "server_error", "message": "It broke."}
NESTED = {"type": "too_many_requests", "code": "rate_limit_exceeded", "message": "Slow. Please try again in 2s."}

named = pytest.mark.parametrize("names", [True, False], ids=["named", "unnamed"])
every_route = pytest.mark.parametrize("route", ROUTES)


# -- terminal events


@named
@every_route
async def test_stream_failed_raises_in_place_of_the_event(api: Api, route: str, names: bool) -> None:
    outcome = await play(api, *opening(), ended("failed", error=BOOM), route=route, names=names)
    error: Any = outcome.error
    assert kinds(outcome.seen) == kinds(opening())
    assert error.response.status_code == 200
    assert type(error) is background.BackgroundInternalServerError
    assert (error.response_id, error.request_id, error.status) == (RESPONSE_ID, REQUEST_ID, "failed")
    assert (error.code, error.body, error.retryable) == ("server_error", BOOM, True)
    assert error.sequence_number == 5
    assert text_of_output(error) == [TEXT]
    assert outcome.body.closed


@every_route
async def test_stream_completed_raises_nothing(api: Api, route: str) -> None:
    outcome = await play(api, *opening(), completed(), route=route)
    assert outcome.error is None
    assert kinds(outcome.seen) == [*kinds(opening()), "response.completed"]
    assert outcome.body.closed


@named
@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("failed", {"error": {"code": "rate_limit_exceeded", "message": "Please try again in 11.5s."}}),
        ("failed", {"error": {"code": "insufficient_quota", "message": "No quota."}}),
        ("failed", {"error": {"code": "no_such_code", "message": "?"}}),
        ("failed", {"error": {"code": None, "type": "not_found_error", "message": "?"}}),
        ("failed", {"error": {"code": 503, "message": "?"}}),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}),
        ("incomplete", {"incomplete_details": {"reason": "no_such_reason"}}),
        ("incomplete", {"incomplete_details": None}),
        ("cancelled", {}),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_stream_terminal_event_raises_what_a_poll_raises(
    api: Api, kind: str, members: dict[str, Any], names: bool
) -> None:
    terminal = ended(kind, **members)
    outcome = await play(api, *opening(), terminal, names=names)
    expected = verdict(terminal["response"])
    assert type(outcome.error) is type(expected)
    for field in ("message", "code", "status", "reason", "retryable", "retry_after", "response_id", "body"):
        assert getattr(outcome.error, field) == getattr(expected, field), field
    assert kinds(outcome.seen) == kinds(opening())


@named
async def test_stream_steered_raises_nothing(api: Api, names: bool) -> None:
    steered = ended("incomplete", incomplete_details={"reason": "steered"})
    outcome = await play(api, *opening(), steered, names=names)
    assert outcome.error is None
    assert kinds(outcome.seen)[-1] == "response.incomplete"


@pytest.mark.parametrize("status", [..., None, ""], ids=["missing", "null", "empty"])
@pytest.mark.parametrize("kind", ["failed", "incomplete", "cancelled"])
async def test_stream_terminal_event_without_status_goes_by_its_name(api: Api, kind: str, status: Any) -> None:
    # The snapshot that came before says `in_progress`; that is no longer so.
    outcome = await play(api, *opening(), ended(kind, status=status, error=BOOM if kind == "failed" else None))
    assert outcome.error is not None and outcome.error.background_response.status != "in_progress"
    assert isinstance(outcome.error, background.BackgroundResponseError)
    assert outcome.error.status == kind


async def test_stream_unknown_event_kinds_are_delivered(api: Api) -> None:
    strange = [event("response.of_tomorrow.failed", 6, code="x"), event("keepalive", 7), completed(8)]
    for names in (True, False):
        outcome = await play(api, *opening(), *strange, names=names)
        assert outcome.error is None
        assert kinds(outcome.seen) == kinds([*opening(), *strange])


# -- error events


@named
@pytest.mark.parametrize(
    ("sent", "name", "stock"),
    [
        (event("error", 6, code="server_is_overloaded", message="Busy.", param=None), "InternalServer", 503),
        (event("error", 6, error=NESTED), "RateLimit", 429),
        (event("error", error={"type": "authentication_error", "message": "?"}), "Authentication", 401),
        (event("error", error={"type": "x", "message": "?"}, status=403), "PermissionDenied", 403),
        (event("error", error={"code": "invalid_prompt", "message": "?"}, status=500), "BadRequest", 400),
        (event("error", code="ERR_UNKNOWN", message="?"), "Response", None),
        ({"error": {"message": "Overloaded.", "type": "server_error"}}, "InternalServer", 500),
    ],
    ids=["flat", "nested", "type_only", "status_only", "code_over_status", "unknown", "bare"],
)
async def test_stream_error_event_raises_its_class(
    api: Api, sent: dict[str, Any], name: str, stock: int | None, names: bool
) -> None:
    outcome = await play(api, *opening(), sent, names=names)
    error: Any = outcome.error
    assert type(error) is getattr(background, f"Background{name}Error")
    assert getattr(error, "status_code", None) == stock
    assert (error.response_id, error.sequence_number, error.status) == (RESPONSE_ID, 5, "failed")
    assert text_of_output(error) == [TEXT]
    assert outcome.body.closed


async def test_stream_error_event_by_its_sse_name_alone_is_one(api: Api) -> None:
    sent = b'event: error\ndata: {"code": "model_not_found", "message": "No such model."}\n\n'
    outcome = await play(api, created(), sent)
    assert type(outcome.error) is background.BackgroundNotFoundError


@every_route
async def test_stream_error_event_by_every_route_raises(api: Api, route: str) -> None:
    outcome = await play(api, *opening(), event("error", 6, error=NESTED), route=route)
    assert type(outcome.error) is background.BackgroundRateLimitError
    assert kinds(outcome.seen) == kinds(opening())


async def test_stream_error_event_members_are_on_the_error(api: Api) -> None:
    inner = {"code": "rate_limit_exceeded", "message": "Slow.", "param": "input", "type": "tokens"}
    sent = event("error", 6, error=inner, status=429, headers={"Retry-After": "7"})
    error = (await play(api, *opening(), sent)).error
    assert (error.code, error.param, error.type, error.body) == ("rate_limit_exceeded", "input", "tokens", inner)
    assert error.retry_after == 7.0
    flat = (await play(api, event("error", 6, code="invalid_prompt", message="No.", param="input"))).error
    assert (flat.code, flat.param, flat.background_response) == ("invalid_prompt", "input", None)
    assert "No." in flat.message


@named
@pytest.mark.parametrize("null", [{"error": None}, {"error": ...}, {"error": {}}], ids=["null", "missing", "empty"])
async def test_stream_failure_before_its_cause_waits_for_it(api: Api, null: dict[str, Any], names: bool) -> None:
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    cause = event("error", 7, error={"code": "content_filter", "message": "Filtered."})
    outcome = await play(api, *opening(), ended("failed", **null, usage=usage), cause, names=names)
    error: Any = outcome.error
    assert error.background_response.usage.total_tokens == 7
    assert type(error) is background.BackgroundBadRequestError
    assert (error.code, error.sequence_number, error.status) == ("content_filter", 5, "failed")
    assert text_of_output(error) == [TEXT]
    assert kinds(outcome.seen) == kinds(opening())


@named
async def test_stream_cause_before_its_failure_is_raised_once(api: Api, names: bool) -> None:
    cause = event("error", 6, error={"code": "content_filter", "message": "Filtered."})
    outcome = await play(api, *opening(), cause, ended("failed", 7, error=None), names=names)
    assert type(outcome.error) is background.BackgroundBadRequestError
    assert (outcome.error.code, outcome.error.response_id) == ("content_filter", RESPONSE_ID)
    assert kinds(outcome.seen) == kinds(opening())


@named
@pytest.mark.parametrize("after", [[], [DONE], [event("keepalive", 7)], [event("keepalive", 7), DONE]])
async def test_stream_failure_whose_cause_never_comes_is_raised_at_the_end(
    api: Api, after: list[Any], names: bool
) -> None:
    outcome = await play(api, *opening(), ended("failed", error=None), *after, names=names)
    assert type(outcome.error) is background.BackgroundResponseError
    assert (outcome.error.code, outcome.error.retryable, outcome.error.sequence_number) == (None, False, 5)
    assert kinds(outcome.seen) == kinds(opening())


# -- what only looks like an ending


@named
async def test_stream_members_that_look_like_endings_are_delivered(api: Api, names: bool) -> None:
    call = {"type": "mcp_call", "id": "mcp_1", "name": "x", "server_label": "y", "arguments": "{}"}
    harmless = [
        created(),
        event("response.output_item.done", 1, output_index=0, item={**call, "error": {"type": "error", "code": "x"}}),
        event("response.output_item.done", 2, output_index=1, item={"type": "error", "id": "e_1", "status": "failed"}),
        event("response.output_text.done", 3, text='{"type": "response.failed", "error": {}}', item_id="i"),
        delta(4, '"type":"error"'),
        event("response.output_text.delta.of_tomorrow", 5, response={"status": "failed", "type": "response.failed"}),
        event("response.completed", 6, response={"id": RESPONSE_ID, "status": "completed", "error": None}),
    ]
    outcome = await play(api, *harmless, names=names)
    assert outcome.error is None
    assert kinds(outcome.seen) == kinds(harmless)


async def test_stream_response_that_is_no_object_is_read_leniently(api: Api) -> None:
    shapes: list[dict[str, Any]] = [{"response": None}, {"response": []}, {"response": "gone"}, {}]
    for sent in shapes:
        outcome = await play(api, event("response.failed", 3, **sent))
        assert type(outcome.error) is background.BackgroundResponseError
        assert (outcome.error.response_id, outcome.error.status) == (RESPONSE_ID, "failed")


# -- what the error holds


@pytest.mark.parametrize(
    ("before", "asked", "expected"),
    [
        ([], None, None),
        ([], 41, 41),
        ([created(42)], 41, 42),
        ([created(42), delta(43, "x")], 41, 43),
        ([created(None)], 41, 41),
        ([created(0)], None, 0),
    ],
)
async def test_stream_error_says_where_to_resume(
    api: Api, before: list[Any], asked: int | None, expected: int | None
) -> None:
    options: dict[str, Any] = {} if asked is None else {"starting_after": asked}
    outcome = await play(api, *before, ended("failed", 99, error=BOOM), **options)
    assert outcome.error.sequence_number == expected
    assert outcome.requests[0].url.params.get("starting_after") == (None if asked is None else str(asked))
    # The option is the SDK's own and never reaches the API.
    assert "raise_on_failure" not in str(outcome.requests[0].url)


async def test_stream_error_holds_the_partial_output(api: Api) -> None:
    whole = [message("from the end")]
    own = await play(api, *opening(), ended("failed", error=BOOM, output=whole))
    assert text_of_output(own.error) == ["from the end"]
    collected = await play(api, created(), item_done(1, "one"), item_done(2, "two"), event("error", error=BOOM))
    assert text_of_output(collected.error) == ["one", "two"]
    nothing = await play(api, created(), ended("failed", error=BOOM))
    assert text_of_output(nothing.error) == []


async def test_stream_error_names_the_response_of_the_events_or_of_the_url(api: Api) -> None:
    bare = event("response.failed", response={"status": "failed", "error": BOOM})
    assert (await play(api, bare, response_id="resp_from_url")).error.response_id == "resp_from_url"
    assert (await play(api, created(), bare, response_id="resp_from_url")).error.response_id == RESPONSE_ID
    assert (await play(api, event("error", error=BOOM), response_id="resp_from_url")).error.response_id == (
        "resp_from_url"
    )


@pytest.mark.parametrize(
    "ending",
    [
        [ended("failed", error=BOOM)],
        [ended("failed", error=None)],
        [event("error", error=BOOM)],
        [ended("incomplete")],
        [],
        [DONE],
    ],
    ids=["failed", "held_back", "error", "incomplete", "end", "done"],
)
async def test_stream_error_prints_nothing_of_the_request(api: Api, ending: list[Any]) -> None:
    error = (await play(api, *opening(), *ending)).error
    printed = locals_of_module(error)
    assert "watch" in printed  # there is something to look at
    assert PLANTED not in printed
    assert PLANTED not in f"{error} {error!r}"


# -- without the flag, as ever


@named
async def test_stream_without_the_flag_delivers_the_ending(api: Api, names: bool) -> None:
    endings = (
        ended("failed", error=BOOM),
        ended("failed", error=None),
        ended("incomplete"),
        event("error", 6, code="x", message="y", param=None),
    )
    for ending in endings:
        outcome = await play(api, *opening(), ending, flag=False, names=names)
        assert outcome.error is None
        assert kinds(outcome.seen) == kinds([*opening(), ending])
    assert (await play(api, *opening(), flag=False)).error is None


async def test_stream_without_the_flag_raises_upstreams_error_for_a_nested_one(api: Api) -> None:
    outcome = await play(api, *opening(), event("error", error=NESTED), flag=False)
    assert type(outcome.error) is openai.APIError
    assert kinds(outcome.seen) == kinds(opening())


def test_sse_helper_sends_what_it_says() -> None:
    assert sse({"type": "x"}, DONE) == b'event: x\ndata: {"type": "x"}\n\ndata: [DONE]\n\n'
    assert sse({"type": "x"}, names=False) == b'data: {"type": "x"}\n\n'
