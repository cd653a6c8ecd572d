"""Why a run failed, wherever a server put it: `find_cause` reads an error once, by rule, and never raises.

An error is asked for its code, then a number as an HTTP status, then its type, then the HTTP status beside them. Servers
put the cause elsewhere, too:

    in the response     `status_details.error`, or a sentence in the place of the error with its code beside it (`_places`)
    inside the error    another error (`metadata.raw`, `error`, …), a code or status of somebody else (`upstream_code`)
    in its message      a JSON object, `Error code: NNN`, the class of an exception (`_prose`; the first that tells)

A cause inside outranks what a wrapper says of itself, but not a word that names the cause already. A message is prose: it
is asked where the rest says nothing, a server's fault or a mere number, and but for a wrapper it may only take a retry
away. A quota anywhere in a cause, or a request that is too large, forbids a retry, whatever the rest says.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, Iterator, NamedTuple

from openai._utils import is_mapping
from openai._exceptions import InternalServerError

from ._prose import LONGEST, class_in, object_in, status_in, is_used_up, before_the_fallbacks
from ._table import CONTRACT, Rule, find_rule, plain_word
from ._errors import text_of
from ._places import Cause, as_list, error_of
from ._retry_after import wait_in, read_retry_after

_DEEPEST = 6  # errors inside one another
_MOST = 10  # errors in one list

# Names of members, in snake case: those of every error; those that hold another error, as an object, as JSON or as a
# sentence; those that hold a code of somebody else; those that hold the HTTP status of the error itself.
_PLAIN = frozenset({"code", "message", "type", "param"})
_HOLDS_ERROR = re.compile(
    r"(?:\w+_)?(?:(?:error|cause|exception)s?|raw|body|response|upstream)|innererror|metadata|details?|message"
)
_HOLDS_WORD = re.compile(r"\w+_(?:code|status|type)")
_OWN_STATUS = ("status", "status_code", "http_status", "http_code", "http_status_code")

_QUOTA = frozenset(rule.key for rule in CONTRACT if rule.http_status == 429 and not rule.retryable)
_TOO_LARGE = "request too large"
_JSON = ("{", "[", '"')  # how it begins


class _Found(NamedTuple):
    """What decides in an error, and where it was found."""

    rule: Rule

    word: str
    """As it was sent."""

    inside: Mapping[str, Any] | None = None
    """The error in which it stands, where that is inside another one."""

    is_code: bool = False
    """It is a code that stands for itself, in no error object."""

    in_message: bool = False
    """The error in which it stands is part of a message."""


class _Read(NamedTuple):
    """All that was read: whatever stands there can forbid a retry, or say how long to wait. The outermost is first."""

    errors: list[Mapping[str, Any]]
    texts: list[str]


def find_cause(members: Mapping[str, Any], error: object) -> Cause:
    """Why the response with these members failed.

    Args:
      members: All members of the response.
      error: Its `error`, where that is an object as a mapping.
    """
    sent = error_of(members, error)
    if not sent:
        return Cause()
    read = _Read([], [])
    found = _decide(sent, read, depth=0)
    rule = found.rule if found is not None else None
    if rule is not None and rule.retryable and _forbids(read):
        rule = rule._replace(retryable=False)
    words = [text_of(sent.get("code")), found.word if found is not None else None]
    return Cause(
        error=_as_found(sent, found),
        # A wrapper without anything legible inside says nothing.
        rule=None if rule is not None and _is_wrapper(rule) and rule.equivalent is None else rule,
        label=", ".join(dict.fromkeys(word for word in words if word)) or None,
        text=_said(sent, found, read),
        retry_after=read_retry_after(reversed(read.errors), read.texts),
    )


# What decides


def _decide(error: Mapping[str, Any], read: _Read, *, depth: int) -> _Found | None:
    """What decides in one error, with all that is inside it."""
    text = _text(error)
    text = before_the_fallbacks(text) if text is not None else None
    read.errors.append(error)
    if text is not None:
        read.texts.append(text)
    own = _own_word(error)
    if not error.keys() <= _PLAIN or is_mapping(error.get("message")):
        inside = _inside(error, read, depth) if depth < _DEEPEST else None
        if inside is not None and _outranks(inside, own):
            own = inside
        elif own is None or _is_wrapper(own.rule):
            own = _own_status(error, own) or own
    if text is not None and (own is None or _is_fault(own.rule)):
        told = _in_message(text, own, read, depth)
        if told is not None and (own is None or _is_wrapper(own.rule) or not told.rule.retryable):
            own = told
    elif text is not None and own is not None and own.rule.kind == "status":
        told = _object_in_message(text, read, depth)
        if told is not None and _outranks(told, own) and (own.rule.retryable or not told.rule.retryable):
            own = told
    return own


def _own_word(error: Mapping[str, Any]) -> _Found | None:
    """What the code says, or else the type."""
    for name in ("code", "type"):
        word = text_of(error.get(name))
        rule = find_rule(name, word)
        if rule is not None and word is not None:
            return _Found(rule, word)
    return None


def _own_status(error: Mapping[str, Any], own: _Found | None) -> _Found | None:
    """The HTTP status beside the code. Of a wrapper only a refusal counts: that it failed itself says nothing."""
    for name, value in error.items():
        if _plain_name(name) in _OWN_STATUS:
            found = _by_word(value)
            if found is not None and found.rule.kind == "status" and (own is None or found.rule.key != "5xx"):
                return found._replace(is_code=own is not None)
    return None


def _inside(error: Mapping[str, Any], read: _Read, depth: int) -> _Found | None:
    """The best of what stands inside an error: one that names the cause, else the first."""
    found = list(_all_inside(error, read, depth))
    return next((one for one in found if _names_the_cause(one.rule)), found[0] if found else None)


def _all_inside(error: Mapping[str, Any], read: _Read, depth: int) -> Iterator[_Found]:
    for name, value in error.items():
        plain = _plain_name(name)
        if value is None or plain in ("code", "type", "param") or (plain == "message" and not is_mapping(value)):
            continue
        if _HOLDS_ERROR.fullmatch(plain):
            yield from (one._replace(in_message=False) for one in _in_errors(value, read, depth + 1))
        elif _HOLDS_WORD.fullmatch(plain) and plain not in _OWN_STATUS:
            found = _by_word(value)
            if found is not None:
                yield found._replace(is_code=not plain.endswith("type"))


def _in_errors(value: object, read: _Read, depth: int) -> Iterator[_Found]:
    """What decides in errors that stand inside: an object, a list of them, their JSON, or a sentence."""
    for one in as_list(value)[:_MOST]:
        if isinstance(one, str):
            one = (object_in(one) if one.lstrip().startswith(_JSON) else None) or {"message": one}
        found = _decide(one, read, depth=depth) if is_mapping(one) else None
        if found is not None and is_mapping(one):
            yield found if found.inside is not None else found._replace(inside=one)


def _in_message(text: str, own: _Found | None, read: _Read, depth: int) -> _Found | None:
    """What a message tells of the cause.

    Of a wrapper's message, anything; of a server's fault, how it begins; of an error that says nothing else, only what an
    API or an exception says of itself, because any other words may be those of a tool or a document.
    """
    found = _object_in_message(text, read, depth)
    if found is not None:
        return found
    wrapper = own is not None and _is_wrapper(own.rule)
    status = status_in(text, how="an exception's" if own is None else "anywhere" if wrapper else "at its start")
    if status is not None:
        return _by_word(status)
    named = class_in(text) if wrapper or text.startswith(("litellm.", "openai.")) else None
    found = _by_word(named[1]) if named is not None else None
    if found is not None and named is not None:
        found = found._replace(word=named[0])
    if (found is None or _is_fault(found.rule)) and is_used_up(text):
        found = _by_word("insufficient_quota")
    elif found is None and own is not None and own.rule.equivalent is None and wait_in(text) is not None:
        found = _by_word("429")  # a limit is what there is to wait for
    return found._replace(is_code=False) if found is not None else None


def _object_in_message(text: str, read: _Read, depth: int) -> _Found | None:
    """What decides in the JSON of another error in a message."""
    inner = object_in(text) if depth < _DEEPEST else None
    found = next(_in_errors(inner, read, depth + 1), None) if inner is not None else None
    return found._replace(in_message=True) if found is not None else None


def _by_word(value: object) -> _Found | None:
    word = text_of(value)
    rule = find_rule("code", word)
    return _Found(rule, word, is_code=True) if rule is not None and word is not None else None


# How much a word says


def _outranks(inside: _Found, own: _Found | None) -> bool:
    """Whether a cause inside an error outranks the error's own word."""
    if own is None or _is_wrapper(own.rule):
        return True
    if _is_wrapper(inside.rule):
        return False
    if _names_the_cause(own.rule) and not _names_the_cause(inside.rule):
        # It may say that there is nothing to try again, but not the same thing in other words.
        return own.rule.retryable and not inside.rule.retryable and own.rule.http_status != inside.rule.http_status
    # That a server failed, in general, is no reason to try again what was refused.
    return own.rule.retryable or not _is_fault(inside.rule)


def _names_the_cause(rule: Rule) -> bool:
    """Whether a word says why, and not only of what kind it was."""
    return rule.kind == "code" and rule.key != "server_error"


def _is_wrapper(rule: Rule) -> bool:
    """Whether a word says where a run broke, not why."""
    return rule.kind == "wrapper"


def _is_fault(rule: Rule) -> bool:
    """Whether a word says no more than that a server failed."""
    return _is_wrapper(rule) or (rule.equivalent is InternalServerError and not _names_the_cause(rule))


# What forbids a retry


def _forbids(read: _Read) -> bool:
    """Whether a quota stands anywhere in a cause, or the request is too large."""
    for error in read.errors:
        for name in ("code", "type"):
            rule = find_rule(name, text_of(error.get(name)))
            if rule is not None and rule.key in _QUOTA:
                return True
    for text in read.texts:
        lower = text[:LONGEST].lower()
        if _TOO_LARGE in lower or any(word in lower for word in _QUOTA) or is_used_up(lower):
            return True
    return False


# What an error shows


def _as_found(sent: Mapping[str, Any], found: _Found | None) -> Mapping[str, Any]:
    """The error with the code, type and parameter of what decides."""
    if found is None or (found.inside is None and not found.is_code):
        return sent
    inside = found.inside if found.inside is not None else sent
    code = found.word if found.is_code else inside.get("code") or sent.get("code")
    return {**sent, **{name: inside.get(name) for name in ("type", "param")}, "code": code}


def _said(sent: Mapping[str, Any], found: _Found | None, read: _Read) -> str | None:
    """The words of the server: those of the cause, after those of the error around it where they are others."""
    outer = _text(sent)
    inner = _text(found.inside) if found is not None and found.inside is not None else None
    if outer is None or (inner is not None and found is not None and found.in_message):
        return inner or next(iter(read.texts), None)
    outer = before_the_fallbacks(outer)
    others = [text for text in ([inner] if inner is not None else read.texts[1:]) if text not in outer]
    return f"{outer}: {others[0]}" if others else outer


def _text(error: Mapping[str, Any]) -> str | None:
    """What an error says; None where it says nothing."""
    for name in ("message", "detail", "error"):
        text = text_of(error.get(name))
        if text is not None and text.strip():
            return text
    return None


def _plain_name(name: object) -> str:
    return plain_word(str(name)[:100])
