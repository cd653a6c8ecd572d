"""How long to wait before a new run: read from texts, fields and headers, and None for whatever is none of them."""

from __future__ import annotations

from typing import Any
from datetime import datetime, timezone, timedelta
from email.utils import format_datetime

import pytest

from ._support import Api, answer, failed, verdict

TEXTS = {
    "Please try again in 11.054s.": 11.054,
    "Please try again in 424ms.": 0.424,
    "Please try again in 28m48s. Visit the page on rate limits.": 1728.0,
    "Please try again in 114h18m0s.": 411480.0,
    "Please try again in 6m0s.": 360.0,
    "Please try again in 2d1h.": 176400.0,
    "Please try again in 1m2.5s.": 62.5,
    "Try again in 35 seconds.": 35.0,
    "Try again in 1 second.": 1.0,
    "Please retry after 10 seconds.": 10.0,
    "Please retry in 2 minutes, 5 seconds.": 125.0,
    "PLEASE TRY AGAIN IN 3 HOURS": 10800.0,
    "Limit 50, used 50. Please\ntry again in\t7s": 7.0,
    "Please try again in 250 milliseconds.": 0.25,
    "Please try again in 0s.": 0.0,
}
NONSENSE = [
    "",
    "   ",
    "It broke.",
    "Please try again later.",
    "Please try again in a few seconds.",
    "Please try again in",
    "Please try again in 5.",
    "Please try again in 5 apples.",
    "Please try again in 5 months.",
    "Please try again in -5s.",
    "Please try again in s.",
    "Please try again in " + "9" * 400 + "s.",
    "It took 30s; 12s are allowed.",
]


@pytest.mark.parametrize(("message", "seconds"), TEXTS.items(), ids=list(TEXTS))
async def test_retry_after_in_a_message_is_read(api: Api, message: str, seconds: float) -> None:
    error = await api.error(failed("rate_limit_exceeded", message))
    assert error.retry_after == pytest.approx(seconds)
    assert isinstance(error.retry_after, float)


@pytest.mark.parametrize("message", NONSENSE, ids=[text[:30] for text in NONSENSE])
def test_retry_after_in_nonsense_is_none(message: str) -> None:
    assert verdict(failed("rate_limit_exceeded", message)).retry_after is None


@pytest.mark.parametrize("message", [None, ..., 11.054, ["Please try again in 3s."], {"text": "try again in 3s"}])
def test_retry_after_without_a_text_is_none(message: Any) -> None:
    assert verdict(failed("rate_limit_exceeded", message)).retry_after is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(529498, 529498.0), (0, 0.0), (1.5, 1.5), ("42", 42.0)],
)
async def test_retry_after_in_a_field_is_read(api: Api, value: Any, seconds: float) -> None:
    error = await api.error(failed("usage_limit_reached", "Reached.", resets_in_seconds=value))
    assert error.retry_after == seconds
    assert error.retryable is False


@pytest.mark.parametrize(
    "value", [None, True, -1, "soon", "", "nan", "inf", float("nan"), float("inf"), [], {}, 10**400]
)
def test_retry_after_in_a_field_of_nonsense_falls_back_to_the_message(value: Any) -> None:
    error = verdict(failed("usage_limit_reached", "Please try again in 9s.", resets_in_seconds=value))
    assert error.retry_after == 9.0


def test_retry_after_in_a_field_outranks_the_message() -> None:
    error = verdict(failed("usage_limit_reached", "Please try again in 9s.", resets_in_seconds=77))
    assert error.retry_after == 77.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"Retry-After": 12}, 12.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "12", "Retry-After-Ms": "1500"}, 1.5),
        ({"retry-after": "soon"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 9.0),
        ({"retry-after": None, "retry-after-ms": []}, 9.0),
        ({"retry-after": "-1"}, 9.0),
        ({}, 9.0),
        ([], 9.0),
        ("retry-after: 12", 9.0),
        (None, 9.0),
        ({7: "12"}, 9.0),
    ],
)
def test_retry_after_in_the_headers_of_an_event_is_read(headers: Any, seconds: float) -> None:
    error = {"code": "slow_down", "message": "Please try again in 9s."}
    assert verdict({"type": "error", "error": error, "headers": headers}).retry_after == seconds


def test_retry_after_as_a_date_is_the_time_until_then() -> None:
    then = format_datetime(datetime.now(timezone.utc) + timedelta(minutes=10), usegmt=True)
    event = {"type": "error", "error": {"code": "slow_down"}, "headers": {"retry-after": then}}
    assert verdict(event).retry_after == pytest.approx(600, abs=60)


def test_retry_after_of_an_ending_without_an_error_is_none() -> None:
    assert verdict(answer(status="failed", error=None)).retry_after is None
    assert verdict(answer(status="cancelled")).retry_after is None
