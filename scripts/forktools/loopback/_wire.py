"""What goes over the wire: a request as a test sees it, an answer, and the faults that a test can put between them.

Promises: all of it is data. A request that met a fault does not move its run on: the run lives on the server, the fault
on the way to it.
"""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple
from dataclasses import dataclass
from collections.abc import Mapping, Callable, Sequence

from ._payloads import dumps

Route = Literal["create", "retrieve", "cancel", "unknown"]


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    number: int  # counted from 1 over the whole life of the server
    method: str
    path: str  # percent-decoded, without the query
    query: Mapping[str, str]
    headers: Mapping[str, str]  # found in upper and lower case
    body: bytes
    route: Route
    response_id: str | None  # the one in the path, if the route has one
    poll: int  # which retrieve of this id it is, counted from 1, faults included; 0 for the other routes

    @property
    def json(self) -> Any:
        """The body as JSON, None when there is none."""
        return json.loads(self.body) if self.body else None


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    headers: Mapping[str, str]
    pieces: Sequence[bytes]
    stream: bool = False  # sent in chunks, one a piece; else the length of the body is announced

    @classmethod
    def json(cls, status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        """The body as JSON."""
        return cls(status, {"content-type": "application/json", **(headers or {})}, [dumps(body)])


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request: what of its answer is sent, and what happens then.

    The constructors below name the usual ones.
    """

    then: Literal["end", "close", "hang", "reset"]
    keep: float | None = 1.0  # the share of the body that is sent; None keeps the head back as well
    instead: Answer | bytes | None = None  # of the true answer: another one, or bytes that need not be HTTP

    @classmethod
    def reset(cls) -> Fault:
        """The connection is reset before anything is answered."""
        return cls("reset", None)

    @classmethod
    def close(cls, keep: float = 0.5) -> Fault:
        """The answer begins truly, and the connection is closed before its announced end."""
        return cls("close", keep)

    @classmethod
    def hang(cls, keep: float | None = None) -> Fault:
        """Nothing, or only the beginning, is answered, until the client gives up or the server stops."""
        return cls("hang", keep)

    @classmethod
    def truncate(cls, keep: float = 0.5) -> Fault:
        """Status 200 and a complete HTTP message, but its JSON (or event stream) stops early."""
        return cls("end", keep)

    @classmethod
    def raw(cls, sent: bytes) -> Fault:
        """These bytes in place of an answer, HTTP or not, then the end of the connection."""
        return cls("close", instead=sent)

    @classmethod
    def html(cls, code: int = 200) -> Fault:
        """A page from a proxy in place of JSON."""
        page = b"<!doctype html><title>One moment</title><p>The gateway is restarting.</p>"
        return cls("end", instead=Answer(code, {"content-type": "text/html"}, [page]))

    @classmethod
    def status(cls, code: int, *, retry_after: str | None = None) -> Fault:
        """An HTTP error with an error body, and a Retry-After header if one is given."""
        wait = {"retry-after": retry_after} if retry_after is not None else {}
        error = {"message": f"Injected: HTTP {code}.", "type": "injected_fault", "param": None, "code": None}
        return cls("end", instead=Answer.json(code, {"error": error}, wait))

    @classmethod
    def not_found(cls) -> Fault:
        """404, as an id answers that is not known yet."""
        return cls.status(404)


FaultHook = Callable[[Request], "Fault | None"]
