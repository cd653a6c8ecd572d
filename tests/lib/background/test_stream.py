"""A stream with the flag delivers what it delivers without it, up to the event that fails, and raises what a poll would."""

from __future__ import annotations

import gc
import json
import weakref
import traceback
from typing import Any

import httpx2
import pytest

import openai
from openai import (
    APIError,
    OpenAIError,
    APITimeoutError,
    APIConnectionError,
    BackgroundResponseError,
    APIResponseValidationError,
    BackgroundStreamTimeoutError,
    BackgroundStreamInterruptedError,
)
from openai.types.beta import BetaResponse
from openai.lib.background import _stream
from openai.types.responses import Response

from ._replay import (
    BOOM,
    DONE,
    TEXT,
    ROUTES,
    RAW_ROUTES,
    Body,
    sse,
    each,
    play,
    delta,
    ended,
    event,
    kinds,
    answer,
    created,
    opening,
    reading,
    completed,
    item_done,
    text_done,
    item_added,
    part_added,
)
from ._support import PROMPT, body, client, settle, written, error_of

SLOW = {"type": "too_many_requests", "code": "rate_limit_exceeded", "message": "Slow."}

every_route = pytest.mark.parametrize("route", ROUTES)
every_raw_route = pytest.mark.parametrize("route", RAW_ROUTES)
named = pytest.mark.parametrize("names", [True, False], ids=["named", "unnamed"])


def test_stream_errors_are_exported_and_are_what_stock_raises() -> None:
    assert {"BackgroundStreamInterruptedError", "BackgroundStreamTimeoutError"} <= set(openai.__all__)
    assert issubclass(BackgroundStreamInterruptedError, APIConnectionError)
    assert issubclass(BackgroundStreamTimeoutError, (BackgroundStreamInterruptedError, APITimeoutError))
    assert not issubclass(BackgroundStreamInterruptedError, BackgroundResponseError)


# -- terminal events


@named
@every_route
async def test_stream_failed_event_is_delivered_then_raises(asynchronous: bool, route: str, names: bool) -> None:
    events = [*opening(), ended("failed", error=BOOM)]
    told = await play(*events, completed(7), asynchronous=asynchronous, route=route, names=names)
    error = told.error
    assert told.kinds == kinds(events)
    assert isinstance(error, openai.InternalServerError) and isinstance(error, BackgroundResponseError)
    assert (error.response_id, error.request_id, error.status) == ("resp_1", "req_1", "failed")
    assert (error.code, error.body, error.retryable) == ("server_error", BOOM, True)
    assert (error.sequence_number, error.output_text, error.response.status_code) == (6, TEXT, 200)
    assert isinstance(error.background_response, BetaResponse if route.startswith("beta") else Response)
    assert told.body.closed


async def test_stream_failed_raises_without_waiting_for_the_end_of_the_body(asynchronous: bool) -> None:
    sent = Body(sse(*opening(), ended("failed", error=BOOM)), None, sse(completed(7)))
    async with reading(client(lambda _: answer(sent), asynchronous=asynchronous)) as stream:
        with pytest.raises(BackgroundResponseError):
            async for _ in each(stream):
                pass
    assert sent.asked_for == 1


@every_route
async def test_stream_completed_raises_nothing(asynchronous: bool, route: str) -> None:
    told = await play(*opening(), completed(), asynchronous=asynchronous, route=route)
    assert told.error is None
    assert told.kinds == kinds([*opening(), completed()])
    assert told.body.closed


ENDINGS = [
    ("failed", {"error": SLOW}),
    ("failed", {"error": {"code": "no_such_code", "message": "?"}}),
    ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}),
    ("incomplete", {"incomplete_details": {"reason": "content_filter"}}),
    ("incomplete", {"incomplete_details": {"reason": "steered"}}),
    ("incomplete", {"incomplete_details": {"reason": "no_such_reason"}}),
    ("incomplete", {}),
    ("cancelled", {}),
]


@named
@pytest.mark.parametrize(("kind", "members"), ENDINGS, ids=lambda value: str(value)[:50])
async def test_stream_terminal_event_raises_what_a_poll_raises(
    asynchronous: bool, kind: str, members: dict[str, Any], names: bool
) -> None:
    terminal = ended(kind, **members)
    told = await play(*opening(), terminal, asynchronous=asynchronous, names=names)
    expected = error_of(terminal["response"])
    assert type(told.error) is type(expected)
    for name in ("code", "status", "reason", "retryable", "known", "equivalent", "response_id", "body"):
        assert getattr(told.error, name) == getattr(expected, name), name
    assert told.kinds == kinds([*opening(), terminal])
    assert type(error_of(terminal)) is type(expected)


@pytest.mark.parametrize("status", ["failed", "incomplete", "cancelled", "FAILED", "expired"])
@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed", "done"])
async def test_stream_response_in_a_terminal_event_outranks_its_name(
    asynchronous: bool, kind: str, status: str
) -> None:
    terminal = ended(kind, status=status, error=BOOM if status.lower() == "failed" else None)
    told = await play(*opening(), terminal, asynchronous=asynchronous)
    assert told.error.status == told.error.background_response.status == status.lower()
    assert told.kinds[-1] == terminal["type"]
    assert error_of(terminal).status == status.lower()


@pytest.mark.parametrize("kind", ["failed", "incomplete", "done"])
async def test_stream_completed_response_under_another_name_is_a_completion(asynchronous: bool, kind: str) -> None:
    told = await play(*opening(), ended(kind, status="completed"), asynchronous=asynchronous)
    assert told.error is None


@pytest.mark.parametrize("status", [None, "", "in_progress", "no_such_status"])
@pytest.mark.parametrize("kind", ["failed", "incomplete", "cancelled"])
async def test_stream_terminal_event_without_an_ended_status_goes_by_its_name(
    asynchronous: bool, kind: str, status: str | None
) -> None:
    terminal = ended(kind, status=status, error=BOOM if kind == "failed" else None)
    told = await play(*opening(), terminal, asynchronous=asynchronous)
    assert told.error.status == told.error.background_response.status == kind
    assert error_of(terminal).status == kind


async def test_stream_completed_event_without_status_is_a_completion_unless_it_holds_an_error(
    asynchronous: bool,
) -> None:
    told = await play(*opening(), ended("completed", status=None), asynchronous=asynchronous)
    assert told.error is None
    told = await play(*opening(), ended("completed", status=None, error=BOOM), asynchronous=asynchronous)
    assert told.error.code == "server_error"


async def test_stream_event_without_type_goes_by_the_name_of_its_frame(asynchronous: bool) -> None:
    frame = b"event: response.failed\ndata: " + json.dumps({"response": body("failed", error=BOOM)}).encode() + b"\n\n"
    told = await play(*opening(), frame, asynchronous=asynchronous)
    assert told.error.code == "server_error"


async def test_stream_failing_event_under_the_name_of_a_delta_fails(asynchronous: bool) -> None:
    data = json.dumps(ended("failed", error=BOOM)).encode()
    told = await play(
        *opening(), b"event: response.output_text.delta\ndata: " + data + b"\n\n", asynchronous=asynchronous
    )
    assert told.error.code == "server_error"


@every_raw_route
async def test_stream_after_a_delivered_completion_nothing_is_judged(asynchronous: bool, route: str) -> None:
    events = [*opening(), completed(), ended("failed", 7, error=BOOM), event("error", 8, code="x", message="y")]
    told = await play(*events, asynchronous=asynchronous, route=route)
    assert told.error is None
    assert told.kinds == kinds(events)


async def test_stream_error_after_a_delivered_completion_is_what_stock_raises(asynchronous: bool) -> None:
    told = await play(*opening(), completed(), event("error", 7, error=BOOM), asynchronous=asynchronous)
    assert type(told.error) is APIError
    fault = httpx2.ReadError("reset")
    told = await play(*opening(), completed(), then=fault, asynchronous=asynchronous)
    assert type(told.error) is APIConnectionError and told.error.__cause__ is fault


async def test_stream_error_beside_a_completed_response_is_what_stock_raises(asynchronous: bool) -> None:
    told = await play(*opening(), {**completed(), "error": BOOM}, asynchronous=asynchronous)
    assert type(told.error) is APIError


@named
async def test_stream_unknown_events_are_delivered(asynchronous: bool, names: bool) -> None:
    strange = [event("response.of.tomorrow", 6), event("keepalive"), event("response.tomorrow", 7), event(None, 8)]
    told = await play(*opening(), *strange, completed(9), asynchronous=asynchronous, names=names)
    assert told.error is None
    assert len(told.seen) == len(opening()) + 5


@pytest.mark.parametrize("data", ["[1, 2]", '"text"', "7", "null", '{"type": ["x"], "response": 5}'])
async def test_stream_data_that_is_no_event_is_delivered_as_stock_delivers_it(asynchronous: bool, data: str) -> None:
    stock = await play(*opening(), data, completed(), asynchronous=asynchronous, flag=False)
    told = await play(*opening(), data, completed(), asynchronous=asynchronous)
    assert (told.error, told.seen) == (stock.error, stock.seen)


# -- error events


@named
@pytest.mark.parametrize(
    ("sent", "code", "delivered"),
    [
        (event("error", 6, code="server_error", message="Busy."), "server_error", True),
        (event("error", 6, code=..., message="The schema was not accepted."), None, True),
        (event("response.error", 6, code="no_such_code", message="?"), "no_such_code", True),
        (event("error", 6, error=SLOW), "rate_limit_exceeded", False),
        (event("response.error", 6, error=SLOW), "rate_limit_exceeded", False),
        (event("response.failed", 6, error=SLOW), "rate_limit_exceeded", False),
        (event("response.failed", 6, error=SLOW, response=body("failed", error=BOOM)), "server_error", False),
        (event("response.in_progress", 6, error=SLOW, response=body("in_progress")), "rate_limit_exceeded", False),
        (event("error", 6, error="It is overloaded.", code="server_error"), "server_error", False),
        (event(None, 6, error=SLOW), "rate_limit_exceeded", False),
    ],
)
async def test_stream_error_event_raises_its_cause(
    asynchronous: bool, sent: dict[str, Any], code: str | None, delivered: bool, names: bool
) -> None:
    told = await play(*opening(), sent, asynchronous=asynchronous, names=names)
    assert told.kinds == kinds([*opening(), *([sent] if delivered else [])])
    error = told.error
    assert isinstance(error, BackgroundResponseError)
    assert (error.code, error.status, error.sequence_number) == (code, "failed", 6)
    assert (error.response_id, error.output_text, error.background_response.status) == ("resp_1", TEXT, "failed")
    if "type" in sent:
        same = error_of(sent)
        assert (type(same), same.code, same.body, same.sequence_number) == (type(error), code, error.body, 6)


async def test_stream_error_keeps_what_stands_beside_it(asynchronous: bool) -> None:
    sent = event("error", error="It is overloaded.", code="server_error", status=503)
    told = await play(sent, asynchronous=asynchronous)
    assert told.error.body == {"message": "It is overloaded.", "code": "server_error", "status": 503}
    assert "It is overloaded." in str(told.error)


@pytest.mark.parametrize("nested", [True, False], ids=["nested", "flat"])
async def test_stream_error_about_the_stream_is_an_interruption(asynchronous: bool, nested: bool) -> None:
    error = {"code": "stream_timeout", "message": "The stream took too long."}
    sent = event("error", 6, error=error) if nested else event("error", 6, **error)
    told = await play(*opening(), sent, completed(7), asynchronous=asynchronous)
    assert type(told.error) is BackgroundStreamInterruptedError
    assert told.kinds == kinds([*opening(), *([] if nested else [sent])])
    assert told.error.sequence_number == 6


# -- a failure without a cause


@pytest.mark.parametrize("error", [None, {}, {"code": None, "message": ""}])
@pytest.mark.parametrize(
    "cause",
    [event("error", 7, error=BOOM), event("error", 7, **BOOM), ended("failed", 7, error=BOOM)],
    ids=["nested", "flat", "failed"],
)
async def test_stream_cause_behind_a_failure_is_read_and_not_delivered(
    asynchronous: bool, error: Any, cause: dict[str, Any]
) -> None:
    failing = ended("failed", error=error)
    told = await play(*opening(), failing, cause, asynchronous=asynchronous)
    assert told.kinds == kinds([*opening(), failing])
    assert (told.error.code, told.error.sequence_number) == ("server_error", 6)


@pytest.mark.parametrize(
    "behind",
    [b"", sse(completed(7)), sse(DONE), sse(delta(7, "x"), event("error", 8, error=BOOM)), b"data: {\n\n"],
    ids=["end", "completed", "done", "other", "unreadable"],
)
async def test_stream_failure_without_cause_stays_one_if_none_follows(asynchronous: bool, behind: bytes) -> None:
    told = await play(*opening(), ended("failed"), behind, asynchronous=asynchronous)
    assert told.kinds == kinds([*opening(), ended("failed")])
    assert type(told.error) is BackgroundResponseError
    assert (told.error.code, told.error.known) == (None, False)


async def test_stream_failure_without_cause_and_a_broken_connection_is_the_failure(asynchronous: bool) -> None:
    told = await play(*opening(), ended("failed"), then=httpx2.ReadTimeout("slow"), asynchronous=asynchronous)
    assert type(told.error) is BackgroundResponseError


async def test_async_stream_waits_for_a_cause_no_longer_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stream, "LOOK_SECONDS", 0.01)
    sent = Body(sse(*opening(), ended("failed")), None)
    async with reading(client(lambda _: answer(sent), asynchronous=True)) as stream:
        seen: list[Any] = []
        with pytest.raises(BackgroundResponseError):
            async for one in stream:
                seen.append(one)
    assert kinds(seen)[-1] == "response.failed"
    assert sent.closed


# -- the end without a terminal event


async def test_stream_done_ends_as_on_stock(asynchronous: bool) -> None:
    told = await play(*opening(), DONE, asynchronous=asynchronous)
    assert told.error is None
    assert told.kinds == kinds(opening())


@every_route
async def test_stream_that_ends_without_a_terminal_event_is_interrupted(asynchronous: bool, route: str) -> None:
    told = await play(*opening(), asynchronous=asynchronous, route=route)
    assert type(told.error) is BackgroundStreamInterruptedError
    assert (told.error.response_id, told.error.sequence_number, told.error.resumable) == ("resp_1", 5, True)
    assert str(told.error) == (
        "The stream of response resp_1 broke off after event 5; the run may go on: stream it again with "
        "starting_after=5, or poll"
    )
    assert told.kinds == kinds(opening())
    assert told.body.closed


@pytest.mark.parametrize(
    ("fault", "error_class"),
    [
        (httpx2.ReadError("reset"), BackgroundStreamInterruptedError),
        (httpx2.RemoteProtocolError("cut"), BackgroundStreamInterruptedError),
        (httpx2.ReadTimeout("slow"), BackgroundStreamTimeoutError),
    ],
)
@pytest.mark.parametrize("events", [[], opening()], ids=["at_once", "later"])
async def test_stream_that_breaks_is_interrupted_by_what_stock_raises(
    asynchronous: bool, fault: Exception, error_class: type[Exception], events: list[Any]
) -> None:
    stock = await play(*events, then=fault, asynchronous=asynchronous, flag=False)
    told = await play(*events, then=fault, asynchronous=asynchronous)
    assert type(told.error) is error_class
    assert isinstance(told.error, type(stock.error))
    assert told.error.__cause__.__cause__ is fault
    assert (told.error.response_id, told.error.sequence_number) == ("resp_1", 5 if events else None)
    assert ("before any event" in str(told.error)) is not bool(events)


@pytest.mark.parametrize(
    ("events", "number", "text"),
    [
        ([created(0), delta(6, "a"), delta(7, "b"), event("ping")], 7, "after event 7"),
        ([created(None), delta(None, "a")], None, "after events without a number"),
        ([event("ping")], None, "after events without a number"),
        ([created(0), event("error", 3, error={"code": "stream_timeout", "message": "?"})], 3, "after event 3"),
        ([], None, "before any event"),
    ],
    ids=["ping", "no_numbers", "ping_only", "error", "nothing"],
)
async def test_stream_interruption_names_the_last_number_seen(
    asynchronous: bool, events: list[Any], number: int | None, text: str
) -> None:
    told = await play(*events, asynchronous=asynchronous)
    assert told.error.sequence_number == number
    assert text in str(told.error)


async def test_stream_interrupted_before_any_event_keeps_the_number_that_was_asked_for(asynchronous: bool) -> None:
    told = await play(asynchronous=asynchronous, options={"starting_after": 7})
    assert told.error.sequence_number == 7
    told = await play(delta(9, "x"), asynchronous=asynchronous, options={"starting_after": 7})
    assert told.error.sequence_number == 9


async def test_stream_whose_last_snapshot_ended_badly_ends_as_it_says(asynchronous: bool) -> None:
    snapshot = event("response.in_progress", 1, response=body("failed", error=BOOM))
    told = await play(created(), snapshot, asynchronous=asynchronous)
    assert told.kinds == kinds([created(), snapshot])
    assert told.error.code == "server_error"


@pytest.mark.parametrize("data", ["{", '{"type": "response.failed", "response": {"stat', "[" * 100_000])
async def test_stream_event_that_cannot_be_read_is_what_stock_raises(asynchronous: bool, data: str) -> None:
    stock = await play(*opening(), data, asynchronous=asynchronous, flag=False)
    told = await play(*opening(), data, asynchronous=asynchronous)
    assert type(told.error) is type(stock.error) and told.kinds == stock.kinds
    assert "openai/lib" not in traceback.extract_tb(told.error.__traceback__)[-1].filename


# -- JSON instead of events


async def json_stream(sent: Any, asynchronous: bool, **options: Any) -> Any:
    data = sent if isinstance(sent, bytes) else json.dumps(sent, indent=1).encode()
    return await play(data, asynchronous=asynchronous, content_type="application/json", **options)


@every_route
async def test_json_of_a_failed_run_raises_its_error(asynchronous: bool, route: str) -> None:
    told = await json_stream(body("failed", error=BOOM, output=written("So far")), asynchronous, route=route)
    assert (told.error.code, told.error.status, told.error.response_id) == ("server_error", "failed", "resp_1")
    assert (told.error.output_text, told.seen) == ("So far", [])
    assert told.body.closed


@every_route
async def test_json_of_a_completed_run_is_its_closing_event(asynchronous: bool, route: str) -> None:
    told = await json_stream(body("completed", output=written(TEXT)), asynchronous, route=route)
    assert told.error is None
    assert told.kinds[-1] == "response.completed"
    assert told.seen[-1].response.output[0].content[0].text == TEXT
    assert len(told.seen) == (1 if route in RAW_ROUTES else 2)


@every_route
async def test_json_of_a_pending_run_says_that_it_is_not_streamed(asynchronous: bool, route: str) -> None:
    told = await json_stream(body("in_progress"), asynchronous, route=route)
    assert type(told.error) is BackgroundStreamInterruptedError
    assert (told.error.response_id, told.error.resumable) == ("resp_1", False)
    assert "does not stream" in str(told.error) and "poll('resp_1')" in str(told.error)


@pytest.mark.parametrize("sent", [{"error": {"code": 504}}, {"id": "x", "object": "batch"}, b'{"id": "resp', {}])
async def test_json_that_is_no_response_is_a_fault_of_the_request(asynchronous: bool, sent: Any) -> None:
    told = await json_stream(sent, asynchronous)
    assert type(told.error) is APIResponseValidationError


@pytest.mark.parametrize("sent", [b"<html>Log in</html>", b"", b"\n\n  \n"])
async def test_body_that_is_neither_events_nor_json_is_interrupted_before_any_event(
    asynchronous: bool, sent: bytes
) -> None:
    told = await json_stream(sent, asynchronous)
    assert "before any event" in str(told.error)


async def test_json_may_come_in_pieces_behind_a_byte_order_mark(asynchronous: bool) -> None:
    whole = b"\xef\xbb\xbf \n" + json.dumps(body("failed", error=BOOM)).encode()
    sent = Body(*[whole[at : at + 3] for at in range(0, len(whole), 3)])
    async with reading(client(lambda _: answer(sent), asynchronous=asynchronous)) as stream:
        with pytest.raises(BackgroundResponseError, match="It broke"):
            async for _ in each(stream):
                pass


# -- what an error holds


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([item_added(), part_added(), delta(3, "Three "), delta(4, "ships")], "Three ships"),
        ([delta(3, "Three "), delta(4, "ships")], "Three ships"),
        ([delta(3, "Three"), text_done(4, "Three ships.")], "Three ships."),
        ([delta(3, "Three"), item_done(4, "Three ships.")], "Three ships."),
        ([event("response.output_text.delta", 3, delta=["no"], output_index={}, content_index=[])], ""),
        ([delta(3, "\ud83d"), delta(4, "\u00e9\u20ac")], "\ud83d\u00e9\u20ac"),
        ([], ""),
    ],
    ids=["deltas", "deltas_alone", "text_done", "item_done", "nonsense", "half_a_character", "nothing"],
)
@pytest.mark.parametrize("output", [[], None], ids=["empty", "missing"])
@pytest.mark.parametrize("last", ["failed", "error", "incomplete"])
async def test_stream_error_holds_the_text_so_far(
    asynchronous: bool, events: list[Any], text: str, output: Any, last: str
) -> None:
    ending = event("error", 9, error=BOOM) if last == "error" else ended(last, 9, output=output, error=BOOM)
    told = await play(created(), *events, ending, asynchronous=asynchronous)
    assert told.error.output_text == text
    assert told.error.background_response.output_text == text
    assert told.error.background_response.status == told.error.status


async def test_stream_error_prefers_the_output_that_was_sent_unless_more_was_streamed(asynchronous: bool) -> None:
    told = await play(delta(3, "ships"), ended("failed", output=written("Three ships")), asynchronous=asynchronous)
    assert told.error.output_text == "Three ships"
    told = await play(delta(3, "Three ships"), ended("failed", output=written("Three")), asynchronous=asynchronous)
    assert told.error.output_text == "Three ships"


async def test_stream_error_without_any_response_has_a_model_with_the_id(asynchronous: bool) -> None:
    told = await play(event("error", 0, **BOOM), asynchronous=asynchronous)
    response = told.error.background_response
    assert (response.id, response.status, response.error.code) == ("resp_1", "failed", "server_error")


async def test_stream_error_names_the_id_that_was_asked_for(asynchronous: bool) -> None:
    for last in ([ended("failed", id="resp_9")], [event("error", error=BOOM)], []):
        told = await play(created(id="resp_8"), *last, asynchronous=asynchronous)
        assert told.error.response_id == "resp_1"
    told = await json_stream(body("failed", id="resp_9"), asynchronous)
    assert told.error.response_id == "resp_1"


async def test_stream_error_is_freed_at_once_and_no_frame_of_ours_holds_the_prompt(asynchronous: bool) -> None:
    class Mark(Exception):
        pass

    for last in (ended("failed", error=BOOM), event("error", error=BOOM), b"", None):
        sent = Body(
            sse(created(), *([last] if last is not None else [])), *([httpx2.ReadError("x")] if last is None else [])
        )
        api = client(lambda _, sent=sent: answer(sent), asynchronous=asynchronous)
        stream = await settle(api.responses.retrieve("resp_1", stream=True, raise_on_failure=True))
        gc.collect()
        gc.disable()
        try:
            try:
                while True:
                    await settle(stream.__anext__() if asynchronous else stream.__next__())
            except OpenAIError as error:
                trace = error.__traceback__
                gone = weakref.ref(error)
                while trace is not None:
                    if (
                        "background" in trace.tb_frame.f_code.co_filename
                        and "tests" not in trace.tb_frame.f_code.co_filename
                    ):
                        assert PROMPT not in repr(trace.tb_frame.f_locals)
                    trace = trace.tb_next
            assert gone() is None
        finally:
            gc.enable()


def _living_deltas() -> int:
    gc.collect()
    living: list[Any] = gc.get_objects()
    return sum(type(one).__name__ == "ResponseTextDeltaEvent" for one in living)


async def test_stream_keeps_no_event_but_the_text(asynchronous: bool) -> None:
    before = _living_deltas()
    told = [created(), item_added(), part_added(), *[delta(number, "word ") for number in range(3, 60)]]
    sent = Body(sse(*told, ended("failed", 60, error=BOOM)))
    async with reading(client(lambda _: answer(sent), asynchronous=asynchronous)) as stream:
        with pytest.raises(BackgroundResponseError) as caught:
            async for one in each(stream):
                if one.type == "response.failed":
                    assert _living_deltas() <= before
    assert caught.value.output_text == "word " * 57


async def test_stream_error_about_the_stream_in_a_response_is_the_failure_of_its_run(asynchronous: bool) -> None:
    told = await play(ended("failed", error={"code": "stream_timeout", "message": "?"}), asynchronous=asynchronous)
    assert isinstance(told.error, BackgroundResponseError)


@every_route
async def test_stream_that_is_read_on_says_again_how_it_ended(asynchronous: bool, route: str) -> None:
    for last in ([ended("failed", error=BOOM)], [event("error", error=BOOM)], []):
        sent = Body(sse(*opening(), *last))
        async with reading(client(lambda _, sent=sent: answer(sent), asynchronous=asynchronous), route) as stream:
            errors: list[str] = []
            for _ in range(3):
                try:
                    async for _ in each(stream):
                        pass
                except OpenAIError as error:
                    errors.append(str(error))
            assert len(errors) == 3 and len(set(errors)) == 1


async def test_stream_asks_the_hook_of_the_client(asynchronous: bool) -> None:
    asked: list[Any] = []

    class Mine(BackgroundResponseError):
        pass

    def make(data: Any, *, response: httpx2.Response, response_id: str | None) -> Any:
        asked.append((data["status"], response.is_closed, response_id))
        return Mine("Mine.", response=response, body=None)

    for last in (ended("failed", error=BOOM), event("error", error=BOOM)):
        sent = Body(sse(*opening(), last))
        api = client(lambda _, sent=sent: answer(sent), asynchronous=asynchronous)
        api._make_background_error = make
        async with reading(api) as stream:
            with pytest.raises(Mine):
                async for _ in each(stream):
                    pass
    assert asked == [("failed", True, "resp_1")] * 2


async def test_stream_of_a_hook_that_lets_it_pass_ends_as_on_stock(asynchronous: bool) -> None:
    for last, raises in ((ended("failed", error=BOOM), None), (event("error", error=BOOM), APIError)):
        sent = Body(sse(*opening(), last))
        api = client(lambda _, sent=sent: answer(sent), asynchronous=asynchronous)
        api._make_background_error = lambda *_, **__: None
        error: Any = None
        async with reading(api) as stream:
            try:
                async for _ in each(stream):
                    pass
            except APIError as err:
                error = err
        assert (error and type(error)) is raises
