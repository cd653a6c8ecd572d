"""How long to wait before a new `create()`: read from the error's fields, its headers or its message.

The API has no field for it: the time stands in the text, as in `Please try again in 11.054s`, `in 424ms`, `in 28m48s`
or `in 35 seconds`. Some plans send `resets_in_seconds`, some events carry headers. Whatever cannot be read is None.
"""

from __future__ import annotations

import re
import math
import time
import email.utils
from typing import Mapping

from openai._utils import is_mapping

from ._shapes import member

__all__ = ["read_retry_after"]

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"(\d{1,9}(?:\.\d{1,9})?)\s?(ms|milliseconds?|d|days?|h|hours?|m|mins?|minutes?|s|secs?|seconds?)(?![a-z])"
# For text in lower case, from the first place where it can match: an expression that has to try every place and both
# cases costs more than all the rest of an error.
_WAIT = re.compile(rf"(?:try again|retry)\s+(?:in|after)\s+((?:{_PART}[\s,]{{0,2}})+)")
_UNIT = re.compile(_PART)


def read_retry_after(error: object, message: str | None, headers: object = None) -> float | None:
    """Seconds to wait, or None. `error` is the error object, `headers` what an `error` event carried as headers."""
    seconds = _number(member(error, "resets_in_seconds"))
    if seconds is None and headers is not None and is_mapping(headers):
        seconds = _from_headers(headers)
    if seconds is None and message is not None:
        seconds = _from_message(message)
    return seconds


def _from_message(message: str) -> float | None:
    text = message.lower()
    at = text.find("try")
    match = _WAIT.search(text, max(at - len("re"), 0)) if at >= 0 else None
    if match is None:
        return None
    if match.start(2) == match.start(1):  # one part, as nearly always: "in 4.2s"
        parts = [match.group(2, 3)]
    else:
        parts = _UNIT.findall(text, *match.span(1))
    seconds = 0.0
    for number, unit in parts:
        seconds += float(number) * _SECONDS[_short(unit)]
    return round(seconds, 6)


def _short(unit: str) -> str:
    return "ms" if unit.startswith(("ms", "milli")) else unit[0]


def _from_headers(headers: Mapping[str, object]) -> float | None:
    lower = {str(key).lower(): value for key, value in headers.items()}
    milliseconds = _number(lower.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = lower.get("retry-after")
    seconds = _number(value)
    if seconds is None and isinstance(value, str):
        try:
            seconds = _number(email.utils.parsedate_to_datetime(value).timestamp() - time.time())
        except (TypeError, ValueError, OverflowError, OSError):
            return None
    return seconds


def _number(value: object) -> float | None:
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
