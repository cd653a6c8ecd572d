"""The part of the API that the loopback server speaks: create, retrieve, stream, cancel.

Promises: no socket, no thread and no clock: a `Request` in, an `Answer` out. A run is counted once per create and once
per cancel request; to cancel is idempotent, and a run that has ended does not change any more.
"""

from __future__ import annotations

import re
import itertools
from typing import Any, NamedTuple, cast
from collections import Counter
from dataclasses import field, dataclass
from collections.abc import Mapping

from ._faults import Route, Request
from ._payloads import MODEL, cut, sse, dumps
from ._scenarios import CATALOGUE, Scenario

# Below any base URL: OpenAI's, and what Azure's clients make of an endpoint and a deployment.
_PATH = re.compile(r"/.+/responses(?:/(?P<id>[^/]+)(?P<cancel>/cancel)?)?/?")
# By method, whether there is an id, and whether "cancel" stands behind it.
_ROUTES: Mapping[tuple[str, bool, bool], Route] = {
    ("POST", False, False): "create",
    ("GET", True, False): "retrieve",
    ("POST", True, True): "cancel",
}


class Answer(NamedTuple):
    """What to send back."""

    status: int
    headers: Mapping[str, str]
    pieces: list[bytes]
    stream: bool = False
    """Sent in chunks, one a piece; else the length of the body is announced."""


@dataclass
class Run:
    """One background run and how far it is."""

    id: str
    scenario: Scenario
    model: str = MODEL
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    answered: int = 0
    """Retrieves that were answered truly: what moves the run on."""

    @property
    def status(self) -> str | None:
        """What the next retrieve shows; None is the ending."""
        return self.scenario.polls[self.answered] if self.answered < len(self.scenario.polls) else None

    def body(self, status: str | None) -> bytes:
        """The Response with that status, or its ending for None."""
        return dumps(self.scenario.body(self.id, status, model=self.model, metadata=self.metadata))


def route_of(method: str, path: str) -> tuple[Route, str | None]:
    """Which of the routes it is, and the id in it."""
    found = _PATH.fullmatch(path)
    route = _ROUTES.get((method, found["id"] is not None, found["cancel"] is not None)) if found else None
    return (route, found["id"]) if found and route else ("unknown", None)


class Api:
    """All runs, by id."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.creates = 0
        self.cancels: Counter[str] = Counter()
        self.upcoming: list[Scenario] = []
        self._numbers = itertools.count(1)

    def add(self, scenario: Scenario, response_id: str | None = None, **more: Any) -> Run:
        """Registers a run; its id is `response_id` or a new one."""
        response_id = response_id or f"resp_loopback{next(self._numbers):08d}"
        run = self.runs[response_id] = Run(response_id, scenario, **more)
        return run

    def answer(self, request: Request, *, move: bool = True) -> Answer:
        """What the API answers; with `move=False` a retrieve leaves its run where it was."""
        if request.route == "create":
            return self._create(request)
        run = self._find(request.response_id)
        if request.route == "unknown":
            return _problem(404, f"Unknown request: {request.method} {request.path}.")
        if run is None:
            return _problem(404, f"Response with id '{request.response_id}' not found.")
        if request.route == "cancel":
            self.cancels[run.id] += 1
            if run.status is not None:
                run.scenario = run.scenario.cancelled()
            return _json(200, run.body(None))
        if request.query.get("stream") == "true":
            return self._stream(run, request.query.get("starting_after", "-1"), move)
        hints = run.scenario.poll_headers
        answer = _json(200, run.body(run.status), hints[min(run.answered, len(hints) - 1)] if hints else None)
        run.answered += move
        return answer

    def _find(self, response_id: str | None) -> Run | None:
        # An id that names a scenario of the catalogue begins to exist when it is asked for.
        name = (response_id or "").removeprefix("resp_")
        if response_id not in self.runs and response_id == f"resp_{name}" and name in CATALOGUE:
            self.add(CATALOGUE[name], response_id)
        return self.runs.get(response_id or "")

    def _create(self, request: Request) -> Answer:
        try:
            body = request.json
        except ValueError:
            return _problem(400, "The body is not JSON.")
        asked = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
        if not isinstance(asked.get("model"), str):
            return _problem(400, "The body must be an object with a 'model'.", param="model")
        sent = asked.get("metadata")
        given = cast("dict[str, object]", sent) if isinstance(sent, dict) else {}
        metadata = {name: str(value) for name, value in given.items()}
        wanted = metadata.get("scenario")
        if wanted is not None and wanted not in CATALOGUE:
            return _problem(400, f"No scenario is called '{wanted}'.", param="metadata")
        if wanted is not None:
            scenario = CATALOGUE[wanted]
        else:
            scenario = self.upcoming.pop(0) if self.upcoming else CATALOGUE["completed"]
        self.creates += 1
        run = self.add(scenario, model=asked["model"], metadata=metadata)
        error = scenario.ending.get("error")
        if not asked.get("background") and scenario.sync_status is not None and error is not None:
            return _json(scenario.sync_status, dumps({"error": error}))
        if asked.get("stream"):
            return self._stream(run)
        return _json(200, run.body("queued" if asked.get("background") else None))

    def _stream(self, run: Run, starting_after: str = "-1", move: bool = True) -> Answer:
        try:
            after = int(starting_after)
        except ValueError:
            return _problem(400, "'starting_after' must be a whole number.", param="starting_after")
        events = run.scenario.stream(run.id, model=run.model, metadata=run.metadata)
        pieces = [sse(event) for place, event in enumerate(events) if event.get("sequence_number", place) > after]
        if run.scenario.chunk_seed is not None:
            pieces = cut(b"".join(pieces), run.scenario.chunk_seed)
        if move:
            # Who has seen the stream has seen the end of the run.
            run.answered = max(run.answered, len(run.scenario.polls))
        return Answer(200, {"content-type": "text/event-stream"}, pieces, stream=True)


def _json(status: int, body: bytes, more: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, {"content-type": "application/json", **(more or {})}, [body])


def _problem(status: int, text: str, *, param: str | None = None) -> Answer:
    error = {"message": text, "type": "invalid_request_error", "param": param, "code": None}
    return _json(status, dumps({"error": error}))
