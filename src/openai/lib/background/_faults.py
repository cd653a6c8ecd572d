"""The faults of a poll: which of them pass by waiting, and what is said of them. A fault of a poll is not one of the run.

connection errors, time-outs, 408, 409, 425, 429, 5xx     they pass
an answer without a readable status                       it may pass; so may a 404
a refused certificate, an address that is no HTTP         they do not
a 429 whose body names a quota, 501, 505                  they do not
whatever says `x-should-retry: false`                     it does not
everything else                                           it does not
"""

from __future__ import annotations

import ssl
import math
import time
import email.utils
from typing import Any, Mapping, Optional, cast

from openai._httpx2 import status_exceptions
from openai._exceptions import OpenAIError, APIStatusError, APIConnectionError, APIResponseValidationError

from ._errors import text_of
from ._verdict import _shown

PASSING = frozenset({408, 409, 425, 429})  # and from 500 on
LASTING = frozenset({501, 505})
MISSING = 404

# fmt: off
QUOTAS = frozenset({
    "insufficient_quota", "credit_balance_exhausted", "project_spend_limit_exceeded", "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded", "usage_limit_exceeded", "usage_limit_reached", "usage_not_included",
    "billing_not_active", "billing_hard_limit_reached", "billing_error",
})
# fmt: on
"""What a 429 says in `code` or `type` where waiting does not restore access."""


def passes(fault: OpenAIError) -> bool:
    """Whether a fault may pass by waiting."""
    if isinstance(fault, APIStatusError):
        code = fault.status_code
        if fault.response.headers.get("x-should-retry") == "false" or code in LASTING:
            return False
        if code == 429 and not QUOTAS.isdisjoint(text_of(word) for word in (fault.code, fault.type, fault.body)):
            return False
        return code in PASSING or code == MISSING or code >= 500
    if isinstance(fault, APIConnectionError):
        return not any(_is_lasting(cause) for cause in _causes(fault))
    return is_unreadable(fault)


def is_unreadable(fault: OpenAIError) -> bool:
    """Whether there was an answer, with status 200, that could not be read."""
    return isinstance(fault, APIResponseValidationError)


def is_missing(fault: OpenAIError) -> bool:
    """Whether the answer was that there is no such response."""
    return isinstance(fault, APIStatusError) and fault.status_code == MISSING


def described(fault: OpenAIError) -> str:
    """A fault in a line: its class and text, and those of what it came from."""
    chain = [one for one in (fault, fault.__cause__) if one is not None]
    return " from ".join(f"{type(one).__name__}: {_shown(str(one))}" for one in chain)


def retry_after(fault: OpenAIError) -> float | None:
    """Seconds that the server asks for; None where it does not, or says nonsense.

    A date is held against the server's own `Date`, since one of the two clocks may be off.
    """
    if not isinstance(fault, APIStatusError):
        return None
    headers: Mapping[str, str] = fault.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = number(headers.get(name)) * unit
        if seconds >= 0:
            return seconds
    when, now = _date(headers.get("retry-after")), _date(headers.get("date"))
    if when is None:
        return None
    seconds = when - (time.time() if now is None else now)
    return seconds if seconds >= 0 else None


def number(header: str | None) -> float:
    """The number in a header; NaN, of which no comparison is true, where there is none."""
    try:
        value = float(header) if header is not None else math.nan
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def as_openai_error(client: Any, error: Exception) -> Exception:
    """The status error that the client was about to make when it met text that cannot be decoded; else `error`."""
    if isinstance(error, OpenAIError):
        return error
    for cause in _causes(error):
        # Not one of a request that somebody's hook made on the way.
        if isinstance(cause, status_exceptions()) and "x-stainless-poll-helper" in cause.request.headers:
            response = cause.response
            text = f"Error code: {response.status_code}"
            return cast(Exception, client._make_status_error(text, body=None, response=response))
    return error


def _is_lasting(cause: BaseException) -> bool:
    """A certificate that was refused, by this side or by the other one; or a URL that cannot be asked at all."""
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLCertVerificationError):
        return "CERTIFICATE" in (cast(Optional[str], cause.reason) or "")
    # By its name, since the class may be that of the older httpx.
    return isinstance(cause, ssl.SSLCertVerificationError) or type(cause).__name__ == "UnsupportedProtocol"


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    return causes


def _date(header: str | None) -> float | None:
    """The date in a header, as seconds since 1970; None where there is none."""
    try:
        parts = email.utils.parsedate_tz(header) if header is not None else None
        return float(email.utils.mktime_tz(parts)) if parts is not None else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None
