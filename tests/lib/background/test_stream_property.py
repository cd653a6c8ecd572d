"""Whatever stock raises is raised, what is delivered is what stock delivers up to the end, and the end is that of a poll.

Each stream is cut behind every event and at bytes by chance, and then ends, breaks or times out.
"""

from __future__ import annotations

import random
from typing import Any

import httpx2
import pytest

from openai import (
    APITimeoutError,
    APIConnectionError,
    BackgroundResponseError,
    BackgroundStreamTimeoutError,
    BackgroundStreamInterruptedError,
)
from openai.lib.background import raise_on_failure

from ._replay import (
    BOOM,
    DONE,
    Body,
    sse,
    each,
    delta,
    ended,
    event,
    answer,
    created,
    opening,
    reading,
    completed,
)
from ._support import body, client

ENDINGS: dict[str, tuple[list[Any], dict[str, Any] | None]] = {
    # What ends the stream, and what a poll of the run gives; None where it goes on.
    "completed": ([completed()], body("completed")),
    "failed": ([ended("failed", error=BOOM)], body("failed", error=BOOM)),
    "failed_and_more": ([ended("failed", error=BOOM), completed(7), DONE], body("failed", error=BOOM)),
    "incomplete": (
        [ended("incomplete", incomplete_details={"reason": "content_filter"})],
        body("incomplete", incomplete_details={"reason": "content_filter"}),
    ),
    "cancelled": ([ended("cancelled")], body("cancelled")),
    "false_name": ([ended("completed", status="failed", error=BOOM)], body("failed", error=BOOM)),
    "nested": ([event("error", 6, error=BOOM), delta(7, "x")], body("failed", error=BOOM)),
    "flat": ([event("error", 6, **BOOM)], body("failed", error=BOOM)),
    "late_cause": ([ended("failed"), event("error", 7, error=BOOM)], body("failed", error=BOOM)),
    "two_turns": ([completed(), created(7), ended("failed", 8, error=BOOM)], body("completed")),
    "done": ([DONE], None),
    "nothing": ([event("ping")], None),
}
FAULTS: dict[str, Exception | None] = {
    "ends": None,
    "breaks": httpx2.ReadError("reset"),
    "times_out": httpx2.ReadTimeout("slow"),
}


async def _told(sent: bytes, fault: Exception | None, asynchronous: bool, flag: bool) -> tuple[list[Any], Any]:
    seen: list[Any] = []
    served = Body(*[sent[at : at + 97] for at in range(0, len(sent), 97)], *([] if fault is None else [fault]))
    try:
        async with reading(client(lambda _: answer(served), asynchronous=asynchronous), flag=flag) as stream:
            async for one in each(stream):
                seen.append(one)
    except Exception as error:
        return seen, error
    return seen, None


def _polled(response: dict[str, Any] | None) -> BackgroundResponseError | None:
    try:
        raise_on_failure(response or body("in_progress"))
    except BackgroundResponseError as error:
        return error
    return None


def _end_of(seen: list[Any], error: Any) -> int | None:
    """The index of the first event that says that the run has ended, as stock delivers them."""
    for index, one in enumerate(seen):
        if one.type in ("error", *(f"response.{word}" for word in ("completed", "failed", "incomplete", "cancelled"))):
            return index
    return len(seen) if type(error).__name__ == "APIError" else None


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ENDINGS)
async def test_stream_that_is_cut_anywhere_delivers_as_stock_and_ends_as_a_poll(
    asynchronous: bool, name: str, fault: str
) -> None:
    last, response = ENDINGS[name]
    events = [*opening(), *last]
    whole = sse(*events)
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    cuts = [len(sse(*events[:count])) for count in range(len(events) + 1)]
    cuts += [chance.randrange(len(whole)) for _ in range(20)]
    for cut in cuts:
        where = f"seed {seed}, cut at {cut}"
        stock, stock_error = await _told(whole[:cut], FAULTS[fault], asynchronous, flag=False)
        told, error = await _told(whole[:cut], FAULTS[fault], asynchronous, flag=True)
        end = _end_of(stock, stock_error)
        polled = _polled(response) if end is not None else None
        if end is not None and name in ("completed", "two_turns"):
            assert told == stock and type(error) is type(stock_error), where
            continue
        assert told == stock[: len(stock) if end is None else end + 1], where
        if polled is not None:
            if not (name == "late_cause" and getattr(error, "code", None) is None):  # cut before the cause came
                assert (type(error), error.code, error.reason, error.status) == (
                    (type(polled), polled.code, polled.reason, polled.status)
                ), where
            # What is delivered already is followed by its error; what stock raises is raised as what it is.
            assert end != len(stock) or isinstance(error, type(stock_error)), where
        elif stock_error is not None:
            assert isinstance(error, type(stock_error)), where
            assert isinstance(error, BackgroundStreamInterruptedError) is isinstance(stock_error, APIConnectionError)
            assert isinstance(error, BackgroundStreamTimeoutError) is isinstance(stock_error, APITimeoutError)
        else:
            done = cut == len(whole) and name == "done"
            assert (error is None) if done else (type(error) is BackgroundStreamInterruptedError), where
        numbers = [one.sequence_number for one in told if isinstance(one.sequence_number, int)]
        if numbers and hasattr(error, "sequence_number"):  # 6 is that of an error that stock does not deliver
            assert error.sequence_number in (numbers[-1], 6), where
