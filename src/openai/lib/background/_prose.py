"""What the message of an error tells beyond its words: plain functions on text, asked by `_causes`.

Servers write causes into prose: the JSON of another error, the text of an exception (`Error code: 429 - …`,
`litellm.RateLimitError: …`), a quota that is used up. Each function reads one of these, of a text of any length and
content, and never raises.
"""

from __future__ import annotations

import re
import json
from typing import Any, Mapping

from openai._utils import is_mapping

from ._retry_after import wait_in

LONGEST = 20_000  # characters that are read

_QUOTA_PHRASES = ("exceeded your current quota", "credit balance is too low")

# How the text of an exception says which HTTP status it was.
_ERROR_CODE = r"\s*error code\s?[:=]\s?([45]\d\d)\b"
_AT_START = rf"{_ERROR_CODE}|\s*[\[(]?([45]\d\d)[\]):]"
_NAMED = r"\b(?:status[ _]?code|error code|status|http(?:[ _](?:error|status|code))*|(?:client|server) error)"
_ANYWHERE = rf"{_AT_START}|\s*([45]\d\d)\s|.*?{_NAMED}[\"']?\s?[:=]?\s?[\"'(\[]?([45]\d\d)\b"
_STATUS = {
    how: re.compile(expression, re.DOTALL)
    for how, expression in (("an exception's", _ERROR_CODE), ("at its start", _AT_START), ("anywhere", _ANYWHERE))
}

# What classes of exceptions stand for. `APIError` is left out: LiteLLM says it of a 403 and of a 500 alike.
_CLASSES = {
    "BadRequestError": "400",
    "UnsupportedParamsError": "400",
    "InvalidRequestError": "400",
    "RejectedRequestError": "400",
    "ContextWindowExceededError": "context_length_exceeded",
    "ContentPolicyViolationError": "content_policy_violation",
    "AuthenticationError": "401",
    "PermissionDeniedError": "403",
    "NotFoundError": "404",
    "Timeout": "request_timeout",
    "APITimeoutError": "request_timeout",
    "UnprocessableEntityError": "422",
    "RateLimitError": "429",
    "BudgetExceededError": "insufficient_quota",
    "InternalServerError": "500",
    "APIConnectionError": "500",
    "BadGatewayError": "502",
    "ServiceUnavailableError": "503",
}
_CLASS = re.compile(rf"\b(?:{'|'.join(_CLASSES)})\b")

_TOKEN = re.compile(r"'((?:[^'\\]|\\.)*)'|\"(?:[^\"\\]|\\.)*\"|\b(?:None|True|False)\b", re.DOTALL)
_LITERALS = {"None": "null", "True": "true", "False": "false"}


def before_the_fallbacks(text: str) -> str:
    """A message without what LiteLLM adds after a blank line: that tells of another error, of a fallback."""
    at = text.find("LiteLLM:")
    while at >= 0:
        before = text[:at].rstrip()
        if text.count("\n", len(before), at) > 1:
            return before
        at = text.find("LiteLLM:", at + 1)
    return text


def object_in(text: str) -> Mapping[str, Any] | None:
    """The first JSON object in a text, also as Python prints one, or as JSON in a string; None without any."""
    text = text[:LONGEST]
    if text.lstrip().startswith('"'):
        told = _json(text.strip())
        return object_in(told) if isinstance(told, str) and len(told) < len(text) else None
    at = text.find("{")
    for _ in range(4):
        if at < 0:
            return None
        for read in (str, _from_repr):
            told = _json(read(text[at:]))
            if is_mapping(told) and told:
                return told
        at = text.find("{", at + 1)
    return None


def status_in(text: str, *, how: str) -> str | None:
    """The HTTP status, 400 to 599, that the text of an exception names; None without any.

    Args:
      how: Where it may stand, and how plainly: "an exception's" (`Error code: 401 - …`), "at its start" (also `401: …`
          and `[401] …`), "anywhere" (also `… status code 401`).
    """
    match = _STATUS[how].match(text[:LONGEST].lower())
    return next(number for number in match.groups() if number) if match is not None else None


def class_in(text: str) -> tuple[str, str] | None:
    """The first class of an exception in a text, and the code or status that it stands for; None without any."""
    match = _CLASS.search(text, 0, LONGEST)
    return (match[0], _CLASSES[match[0]]) if match is not None else None


def is_used_up(text: str) -> bool:
    """Whether a message says that a quota is used up for good: not where it says when to try again."""
    lower = text[:LONGEST].lower()
    return any(phrase in lower for phrase in _QUOTA_PHRASES) and wait_in(lower) is None


def _json(text: str) -> object:
    """The JSON at the start of a text, whatever follows; None for what is none."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _from_repr(text: str) -> str:
    """Python's way to print a dict, or JSON in bytes, as JSON."""

    def rewritten(token: re.Match[str]) -> str:
        if token[1] is None:
            return _LITERALS.get(token[0], token[0])
        return '"' + token[1].replace('\\"', '"').replace("\\'", "'").replace('"', '\\"') + '"'

    if text.startswith("{'"):
        return _TOKEN.sub(rewritten, text)
    return text.replace("\\'", "'")  # no JSON has this escape; the text of bytes does
