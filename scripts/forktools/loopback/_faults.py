"""What a test may do to a request, and what it sees of one.

Promises: a `Fault` is data and says everything about itself; the same fault on the same request gives the same bytes.
A request that met a fault does not move its run on: the run lives on the server, the fault on the way to it.
"""

from __future__ import annotations

import json
from typing import Any, Literal
from dataclasses import field, dataclass
from collections.abc import Mapping, Callable

Route = Literal["create", "retrieve", "cancel", "unknown"]


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire."""

    number: int
    """Counted from 1 over the whole life of the server."""
    method: str
    path: str
    """Percent-decoded, without the query."""
    query: Mapping[str, str]
    """The query parameters; of a repeated one the last."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    route: Route
    response_id: str | None
    """The id in the path, if the route has one."""
    poll: int
    """Which retrieve of this id it is, counted from 1, faults included; 0 for the other routes."""

    @property
    def json(self) -> Any:
        """The body as JSON, None when there is none."""
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with one request; use the constructors below."""

    kind: Literal["reset", "refuse", "close", "hang", "truncate", "answer", "raw"]
    keep: int | float = 0
    """How much of the true body is sent before it happens: bytes as an int, a share as a float."""
    seconds: float = 0.0
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @classmethod
    def reset(cls) -> Fault:
        """The connection is reset before anything is answered."""
        return cls("reset")

    @classmethod
    def refuse(cls, seconds: float = 0.05) -> Fault:
        """The connection is reset, and for so long the port refuses new ones."""
        return cls("refuse", seconds=seconds)

    @classmethod
    def close(cls, keep: int | float = 0.5) -> Fault:
        """The answer begins truly, and the connection is closed before its announced end."""
        return cls("close", keep=keep)

    @classmethod
    def hang(cls, keep: int | float = 0) -> Fault:
        """Nothing (or only the beginning) is answered, until the client gives up or the server stops."""
        return cls("hang", keep=keep)

    @classmethod
    def truncate(cls, keep: int | float = 0.5) -> Fault:
        """Status 200 and a complete HTTP message, but its JSON (or event stream) stops early."""
        return cls("truncate", keep=keep)

    @classmethod
    def raw(cls, answer: bytes, *, drip: float | None = None) -> Fault:
        """These bytes in place of an answer, HTTP or not, then the end; with `drip` one each so many seconds."""
        return cls("raw", body=answer, seconds=drip or 0.0)

    @classmethod
    def html(cls, code: int = 200) -> Fault:
        """A page from a proxy in place of JSON."""
        page = b"<!doctype html><title>One moment</title><p>The gateway is restarting.</p>"
        return cls("answer", code=code, headers={"content-type": "text/html"}, body=page)

    @classmethod
    def status(cls, code: int, *, retry_after: str | None = None, headers: Mapping[str, str] | None = None) -> Fault:
        """An HTTP error with an error body, and a Retry-After header if one is given."""
        sent = {"content-type": "application/json", **(headers or {})}
        if retry_after is not None:
            sent["retry-after"] = retry_after
        error = {"message": f"Injected: HTTP {code}.", "type": "injected_fault", "param": None, "code": None}
        return cls("answer", code=code, headers=sent, body=json.dumps({"error": error}).encode())

    @classmethod
    def not_found(cls) -> Fault:
        """404, as an id answers that is not known yet."""
        return cls.status(404)

    def kept(self, body: bytes) -> bytes:
        """The part of `body` that is sent."""
        return body[: self.keep if isinstance(self.keep, int) else int(len(body) * self.keep)]


FaultHook = Callable[[Request], "Fault | None"]
