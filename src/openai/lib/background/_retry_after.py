"""How long to wait before a new `create()`: `read_retry_after`, in seconds, or None where nobody says.

    fields     resets_in_seconds, retry_after, retry_after_seconds, resets_at
    headers    retry-after-ms, retry-after, which some `error` events carry
    words      "Please try again in 11.054s", "in 424ms", "in 28m48s", "in 35 seconds"

A field outranks a header, a header the words. A date without a zone is UTC. What cannot be read is passed over.
"""

from __future__ import annotations

import re
import math
import time
import email.utils
from typing import Mapping, Iterable
from datetime import datetime, timezone

from openai._utils import is_mapping

_WAITS = ("resets_in_seconds", "retry_after", "retry_after_seconds", "retryAfter", "retryAfterSeconds")
_MOMENTS = ("resets_at", "resetsAt")

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"(\d{1,9}(?:\.\d{1,9})?)\s?(ms|milliseconds?|d|days?|h|hours?|m|mins?|minutes?|s|secs?|seconds?)(?![a-z])"
_DURATION = re.compile(rf"(?:{_PART}[\s,]{{0,2}})+")
_UNIT = re.compile(_PART)
# For text in lower case: an expression that has to try both cases costs more than all the rest of an error.
_WAIT = re.compile(r"(?:try again|retry)\s{1,3}(?:in|after)\s{1,3}")
_NO_SECONDS = 1e11  # more than 3,000 years: a time stamp as large as this counts milliseconds, a wait is none


def read_retry_after(errors: Iterable[Mapping[str, object]], texts: Iterable[str]) -> float | None:
    """Seconds to wait, or None.

    Args:
      errors: The error objects of one cause, the one that decides first.
      texts: Their messages.
    """
    errors = list(errors)
    told = [seconds for error in errors for seconds in _from_fields(error)]
    told += [_from_headers(error.get("headers")) for error in errors]
    told += [wait_in(text) for text in texts]
    return next((seconds for seconds in told if seconds is not None and seconds < _NO_SECONDS), None)


def wait_in(text: str) -> float | None:
    """The seconds that a message says to wait, or None."""
    if "try" not in text and "TRY" not in text and "Try" not in text:
        return None  # nearly always
    lower = text.lower()
    for wait in _WAIT.finditer(lower):
        duration = _DURATION.match(lower, wait.end())
        if duration is not None:
            return _seconds(duration[0])
    return None


def _seconds(duration: str) -> float:
    parts: list[tuple[str, str]] = _UNIT.findall(duration)
    return round(sum(float(number) * _SECONDS[_short(unit)] for number, unit in parts), 6)


def _short(unit: str) -> str:
    return "ms" if unit.startswith(("ms", "milli")) else unit[0]


def _from_fields(error: Mapping[str, object]) -> list[float | None]:
    return [_wait(error[name]) for name in _WAITS if name in error] + [
        _until(error[name]) for name in _MOMENTS if name in error
    ]


def _from_headers(headers: object) -> float | None:
    if not is_mapping(headers):
        return None
    lower = {str(name).lower(): value for name, value in headers.items()}
    milliseconds = _number(lower.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    return _wait(lower.get("retry-after"))


def _wait(value: object) -> float | None:
    """A time to wait: a number of seconds, a duration such as "7s", or a date."""
    seconds = _number(value)
    if seconds is None and isinstance(value, str):
        duration = _DURATION.fullmatch(value.strip().lower())
        seconds = _seconds(duration[0]) if duration is not None else _until(value)
    return seconds


def _until(value: object) -> float | None:
    """The seconds until a moment: a time stamp, or a date as in JSON or in HTTP. None for one that has passed."""
    stamp = _number(value)
    if stamp is not None:
        stamp = stamp / 1000 if stamp >= _NO_SECONDS else stamp
    elif isinstance(value, str):
        stamp = _stamp(value.strip())
    return _number(stamp - time.time()) if stamp is not None and stamp < _NO_SECONDS else None


def _stamp(date: str) -> float | None:
    try:
        moment = datetime.fromisoformat(date[:-1] + "+00:00" if date[-1:] in "zZ" else date)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(date)
        except (TypeError, ValueError, OverflowError):  # what it raises differs from one Python to another
            return None
    try:
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
