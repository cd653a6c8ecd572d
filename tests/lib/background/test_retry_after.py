"""How long to wait before a new run: read from words, fields and headers, and None for whatever is none of them."""

from __future__ import annotations

import time
from typing import Any
from datetime import datetime, timezone

import pytest

from openai.lib.background import _retry_after

from ._support import body, client, failed, settle, error_of

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc).timestamp()


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retry_after.time, "time", lambda: NOW)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 11.054s.", 11.054),
        ("Please try again in 424ms.", 0.424),
        ("Please try again in 28m48s. Visit the page on rate limits.", 1728.0),
        ("Please try again in 114h18m0s.", 411480.0),
        ("Please try again in 2d1h.", 176400.0),
        ("Please try again in 1m2.5s.", 62.5),
        ("Try again in 35 seconds.", 35.0),
        ("Please retry after 1 second.", 1.0),
        ("Please retry in 2 minutes, 5 seconds.", 125.0),
        ("PLEASE TRY AGAIN IN 3 HOURS", 10800.0),
        ("Limit 50, used 50. Please\ntry again in\t7s", 7.0),
        ("Do not retry in vain; try again in 250 milliseconds.", 0.25),
        ("Please try again in 0s.", 0.0),
        ("Please try again in five minutes, or try again in 9s.", 9.0),
        ("", None),
        ("Please try again later.", None),
        ("Please try again in a few seconds.", None),
        ("Please try again in", None),
        ("Please try again in 5.", None),
        ("Please try again in 5 apples.", None),
        ("Please try again in 5 months.", None),
        ("Please try again in -5s.", None),
        ("Please try again in s.", None),
        ("Please try again in " + "9" * 400 + "s.", None),
        ("It took 30s; 12s are allowed.", None),
        (None, None),
        (["Please try again in 3s."], None),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_retry_after_in_a_message_is_read(asynchronous: bool, message: Any, seconds: Any) -> None:
    api = client(failed("rate_limit_exceeded", message), asynchronous=asynchronous)
    with pytest.raises(Exception) as caught:
        await settle(api.responses.retrieve("resp_1", raise_on_failure=True))
    error: Any = caught.value
    assert error.retry_after == seconds and isinstance(error.retry_after, (float, type(None)))


@pytest.mark.parametrize("name", ["resets_in_seconds", "retry_after", "retry_after_seconds", "retryAfter"])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (529498, 529498.0),
        (0, 0.0),
        (1.5, 1.5),
        ("42", 42.0),
        ("7s", 7.0),
        ("1m 5s", 65.0),
        ("Wed, 04 Mar 2026 05:07:07 GMT", 60.0),
        *[(value, 9.0) for value in (None, True, -1, "soon", "", "nan", "inf", float("inf"), 2**53, [], {}, 10**400)],
    ],
    ids=lambda value: str(value)[:30],
)
def test_retry_after_in_a_field_outranks_the_message(name: str, value: Any, seconds: float) -> None:
    error = error_of(failed("usage_limit_reached", "Please try again in 9s.", **{name: value}))
    assert (error.retry_after, error.retryable) == (seconds, False)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (NOW + 60, 60.0),
        (int(NOW) + 60, 60.0),
        (str(int(NOW) + 60), 60.0),
        (int(NOW + 60) * 1000, 60.0),
        ("2026-03-04T05:07:07Z", 60.0),
        ("2026-03-04T05:07:07+00:00", 60.0),
        ("2026-03-04T07:07:07+02:00", 60.0),
        ("2026-03-04T05:07:07", 60.0),
        ("2026-03-04 05:07:07.5", 60.5),
        ("Wed, 04 Mar 2026 05:07:07 GMT", 60.0),
        ("Wed, 04 Mar 2026 05:07:07 -0000", 60.0),
        ("Wed, 04 Mar 2026 05:07:07", 60.0),
        *[
            (value, 9.0)
            for value in (NOW - 1, "2026-03-04T05:06:06Z", "0001-01-01", "9" * 30, "tomorrow", None, True, [])
        ],
    ],
    ids=str,
)
def test_retry_after_at_a_moment_is_the_time_until_then(value: Any, seconds: float) -> None:
    error = error_of(failed("usage_limit_reached", "Please try again in 9s.", resets_at=value))
    assert error.retry_after == pytest.approx(seconds)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC"])
def test_retry_after_of_a_date_without_a_zone_is_utc_everywhere(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for date in ("2026-03-04T05:07:07", "Wed, 04 Mar 2026 05:07:07"):
            assert error_of(failed("slow_down", resets_at=date)).retry_after == pytest.approx(60)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"Retry-After": 12}, 12.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "12", "Retry-After-Ms": "1500"}, 1.5),
        ({"retry-after": "Wed, 04 Mar 2026 05:07:07 GMT"}, 60.0),
        *[({"retry-after": value}, 9.0) for value in ("soon", "Thu, 01 Jan 1970 00:00:00 GMT", None, "-1", 2**53, [])],
        *[(headers, 9.0) for headers in ({}, [], "retry-after: 12", None, {7: "12"})],
    ],
    ids=str,
)
def test_retry_after_in_headers_beside_the_error_is_read(headers: Any, seconds: float) -> None:
    error = error_of(failed("slow_down", "Please try again in 9s.", headers=headers))
    assert error.retry_after == seconds


def test_retry_after_is_found_inside_the_error() -> None:
    raw = '{"error": {"code": 429, "message": "Too fast.", "retry_after_seconds": 5}}'
    assert error_of(failed("upstream_error", metadata={"raw": raw})).retry_after == 5.0
    assert error_of(failed("task_failed", f"It said {raw}")).retry_after == 5.0
    assert error_of(failed("upstream_error", metadata={"headers": {"Retry-After": "6"}})).retry_after == 6.0


@pytest.mark.parametrize("status", ["failed", "incomplete", "cancelled"])
def test_retry_after_of_an_ending_without_an_error_is_none(status: str) -> None:
    assert error_of(body(status)).retry_after is None


@pytest.mark.parametrize("none", [2**53, "soon", -1])
def test_retry_after_of_a_field_that_is_none_is_that_of_the_next_one(none: Any) -> None:
    error = error_of(failed("usage_limit_reached", "Please try again in 9s.", retry_after=none, resets_at=NOW + 60))
    assert error.retry_after == pytest.approx(60)
