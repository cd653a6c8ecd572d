"""The part of the API that the loopback server speaks: create, retrieve, stream, cancel.

Promises: no socket, no thread and no clock of its own: a `Request` in, an `Answer` out. A run is counted once per
create and once per cancel request; to cancel is idempotent, and a run that has ended does not change any more.
"""

from __future__ import annotations

import re
import itertools
from typing import Any, cast
from collections import Counter
from dataclasses import field, dataclass
from collections.abc import Mapping, Callable, Sequence

from ._faults import Route, Request
from ._payloads import MODEL, cut, sse, dumps
from ._scenarios import CATALOGUE, Scenario, tuned

# OpenAI and its beta resource; Azure's v1 API; Azure's endpoint as AzureOpenAI builds it, with and without a deployment.
_ROUTES = re.compile(r"(?:/v1|/openai(?:/v1|/deployments/[^/]+)?)/responses(?:/(?P<id>[^/]+)(?P<cancel>/cancel)?)?/?")
_BEFORE_ID = b'{"id":"'


@dataclass
class Answer:
    """What to send back; `pieces` are the chunks of an event stream."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: Sequence[bytes] | None = None


@dataclass
class Run:
    """One background run and how far it is."""

    id: str
    scenario: Scenario
    started: float
    model: str = MODEL
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    retrieves: int = 0
    """Retrieves that reached the run, with a fault or without."""
    answered: int = 0
    """Retrieves that were answered truly: what moves the run on."""

    def status(self, now: float) -> str | None:
        """What the next retrieve shows; None is the ending."""
        if self.scenario.seconds is not None:
            return "in_progress" if now - self.started < self.scenario.seconds else None
        return self.scenario.polls[self.answered] if self.answered < len(self.scenario.polls) else None


def route_of(method: str, path: str) -> tuple[Route, str | None]:
    """Which of the routes it is, and the id in it."""
    found = _ROUTES.fullmatch(path)
    if found is not None:
        response_id, cancel = found["id"], found["cancel"]
        if method == "POST" and response_id is None:
            return "create", None
        if method == "GET" and response_id is not None and cancel is None:
            return "retrieve", response_id
        if method == "POST" and response_id is not None and cancel is not None:
            return "cancel", response_id
    return "unknown", None


class Api:
    """All runs, by id."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.runs: dict[str, Run] = {}
        self.creates = 0
        self.cancels: Counter[str] = Counter()
        self.upcoming: list[Scenario] = []
        self._clock = clock
        self._numbers = itertools.count(1)
        # Runs share their scenario and its bodies: both are made once. The identity of a scenario can be a key, because
        # runs and variants keep it alive.
        self._variants: dict[tuple[object, ...], tuple[Scenario, Scenario]] = {}
        self._bodies: dict[tuple[object, ...], tuple[bool, bytes]] = {}
        self._streams: dict[tuple[object, ...], list[tuple[int, bytes]]] = {}

    def add(self, scenario: Scenario, response_id: str | None = None, **more: Any) -> Run:
        """Registers a run; its id is `response_id` or a new one."""
        if response_id is None:
            response_id = f"resp_loopback{next(self._numbers):08d}"
        run = self.runs[response_id] = Run(response_id, scenario, self._clock(), **more)
        return run

    def find(self, response_id: str) -> Run | None:
        """The run of that id; an id that names a scenario of the catalogue begins to exist when it is asked for."""
        run = self.runs.get(response_id)
        if run is None and response_id.startswith("resp_"):
            scenario = CATALOGUE.get(response_id.removeprefix("resp_"))
            if scenario is not None:
                return self.add(scenario, response_id)
        return run

    def answer(self, request: Request, *, move: bool = True) -> Answer:
        """What the API answers; with `move=False` a retrieve leaves its run where it was."""
        if request.route == "create":
            return self._create(request)
        run = self.find(request.response_id) if request.response_id is not None else None
        if request.route == "unknown":
            return _problem(404, f"Unknown request: {request.method} {request.path}.")
        if run is None:
            return _problem(404, f"Response with id '{request.response_id}' not found.")
        if request.route == "cancel":
            return self._cancel(run)
        if request.query.get("stream") == "true":
            return self._stream(run, request.query.get("starting_after"), move)
        return self._retrieve(run, move)

    def _create(self, request: Request) -> Answer:
        try:
            body = request.json
        except ValueError:
            return _problem(400, "The body is not JSON.")
        asked = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
        if not isinstance(asked.get("model"), str):
            return _problem(400, "The body must be an object with a 'model'.", param="model")
        sent = asked.get("metadata")
        items = cast("dict[object, object]", sent).items() if isinstance(sent, dict) else ()
        metadata = {str(name): str(value) for name, value in items}
        wanted = metadata.get("scenario")
        if wanted is not None and wanted not in CATALOGUE:
            return _problem(400, f"No scenario is called '{wanted}'.", param="metadata")
        if wanted is not None:
            scenario = CATALOGUE[wanted]
        else:
            scenario = self.upcoming.pop(0) if self.upcoming else CATALOGUE["completed"]
        try:
            run = self.add(self._variant(scenario, tuned, metadata), model=asked["model"], metadata=metadata)
            queued = self._body(run, "queued")
        except ValueError as error:
            return _problem(400, f"The metadata asks for something impossible: {error}.", param="metadata")
        self.creates += 1
        if not asked.get("background"):
            return self._synchronous(run, bool(asked.get("stream")))
        if asked.get("stream"):
            return self._stream(run, None)
        return Answer(200, queued, run.scenario.headers)

    def _synchronous(self, run: Run, stream: bool) -> Answer:
        status, error = run.scenario.sync_status, run.scenario.ending.get("error")
        if status is not None and error is not None:
            return Answer(status, dumps({"error": error}), run.scenario.headers)
        return self._stream(run, None) if stream else Answer(200, self._body(run, None), run.scenario.headers)

    def _retrieve(self, run: Run, move: bool) -> Answer:
        status = run.status(self._clock())
        headers = dict(run.scenario.headers)
        hints = run.scenario.poll_headers
        if hints:
            headers.update(hints[min(run.answered, len(hints) - 1)])
        if move:
            run.answered += 1
        return Answer(200, self._body(run, status), headers)

    def _cancel(self, run: Run) -> Answer:
        self.cancels[run.id] += 1
        if run.status(self._clock()) is not None:
            run.scenario = self._variant(run.scenario, lambda scenario, _: scenario.cancelled(), {"cancelled": ""})
        return Answer(200, self._body(run, None), run.scenario.headers)

    def _stream(self, run: Run, starting_after: str | None, move: bool = True) -> Answer:
        if starting_after is not None and not starting_after.isdecimal():
            return _problem(400, "'starting_after' must be a whole number.", param="starting_after")
        key = (id(run.scenario), run.id, run.model, *run.metadata.items())
        events = self._streams.get(key)
        if events is None:
            made = run.scenario.stream(run.id, model=run.model, metadata=run.metadata)
            events = [(int(event.get("sequence_number", place)), sse(event)) for place, event in enumerate(made)]
            self._streams[key] = events
        after = int(starting_after) if starting_after is not None else -1
        pieces = [data for number, data in events if number > after]
        if run.scenario.chunk_seed is not None:
            pieces = cut(b"".join(pieces), run.scenario.chunk_seed)
        if move:
            # Who has seen the stream has seen the end of the run.
            run.answered = max(run.answered, len(run.scenario.polls))
        return Answer(200, headers={**run.scenario.headers, "content-type": "text/event-stream"}, pieces=pieces)

    def _body(self, run: Run, status: str | None) -> bytes:
        # The length of the id belongs to the key because of `pad_to`.
        key = (id(run.scenario), status, len(run.id), run.model, *run.metadata.items())
        made = self._bodies.get(key)
        if made is None:
            stand_in = "0" * len(run.id)
            payload = run.scenario.body(stand_in, status, model=run.model, metadata=run.metadata)
            whole = dumps(payload)
            ours = whole.startswith(_BEFORE_ID + stand_in.encode())
            made = self._bodies[key] = (ours, whole[len(_BEFORE_ID) + len(stand_in) :] if ours else whole)
        ours, rest = made
        return _BEFORE_ID + run.id.encode() + rest if ours else rest

    def _variant(
        self, scenario: Scenario, make: Callable[[Scenario, Mapping[str, str]], Scenario], how: Mapping[str, str]
    ) -> Scenario:
        key = (id(scenario), *how.items())
        if key not in self._variants:
            self._variants[key] = (scenario, make(scenario, how))
        return self._variants[key][1]


def _problem(status: int, text: str, *, param: str | None = None) -> Answer:
    error = {"message": text, "type": "invalid_request_error", "param": param, "code": None}
    return Answer(status, dumps({"error": error}))
