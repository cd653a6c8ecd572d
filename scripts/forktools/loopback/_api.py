"""The part of the API that the loopback server speaks: create, retrieve, stream, cancel.

Promises: no socket, no thread and no clock: a `Request` in, an `Answer` out. A run is counted once per create and once
per cancel request; to cancel is idempotent, and a run that has ended does not change any more.
"""

from __future__ import annotations

import random
import itertools
from typing import Any
from collections import Counter
from dataclasses import field, dataclass
from collections.abc import Mapping, Sequence

from ._wire import Answer, Request
from ._payloads import JSON, MODEL, sse, response, events_of
from ._scenarios import CATALOGUE, Scenario


@dataclass
class _Run:
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

    def body(self, status: str | None) -> JSON:
        """The Response with that status, or its ending for None."""
        ending = self.scenario.ending if status is None else {"status": status}
        made = response(self.id, ending.get("status", "completed"), model=self.model, metadata=self.metadata)
        left_out = self.scenario.without if status is None else ()
        return {name: value for name, value in {**made, **ending}.items() if name not in left_out}

    def events(self) -> Sequence[Mapping[str, Any]]:
        """The events of its stream, from the first."""
        if self.scenario.events is not None:
            return self.scenario.events
        made = [*events_of(self.body(None), started=self.body("queued")), *self.scenario.epilogue]
        return [{"sequence_number": number, **event} for number, event in enumerate(made)]

    def cancel(self) -> None:
        """Ends it, unless it has ended."""
        if self.status is not None:
            self.scenario = Scenario(self.scenario.name, {"status": "cancelled"}, polls=())


class Api:
    """All runs, by id."""

    def __init__(self) -> None:
        self.creates = 0
        """How many runs were created."""
        self.cancels: Counter[str] = Counter()
        """How many cancel requests were answered, by response id."""
        self._runs: dict[str, _Run] = {}
        self._upcoming: list[Scenario] = []
        self._numbers = itertools.count(1)
        for name in CATALOGUE:
            self.add(name, f"resp_{name}")

    def add(self, scenario: Scenario | str, response_id: str | None = None, **more: Any) -> str:
        """Registers a run as if it had been created before, and returns its id."""
        response_id = response_id or f"resp_loopback{next(self._numbers):08d}"
        self._runs[response_id] = _Run(response_id, _scenario(scenario), **more)
        return response_id

    def upcoming(self, *scenarios: Scenario | str) -> None:
        """The scenarios of the next creates, in turn; a create's own `metadata` outranks them."""
        self._upcoming += map(_scenario, scenarios)

    def answer(self, request: Request, *, move: bool = True) -> Answer:
        """What the API answers; with `move=False` a retrieve leaves its run where it was."""
        if request.route == "create":
            return self._create(request)
        run = self._runs.get(request.response_id or "")
        if run is None:
            return _problem(404, f"There is nothing at {request.method} {request.path}.")
        if request.route == "cancel":
            self.cancels[run.id] += 1
            run.cancel()
            return Answer.json(200, run.body(None))
        if request.query.get("stream") == "true":
            return _stream(run, int(request.query.get("starting_after", -1)), move=move)
        hints = run.scenario.poll_headers
        answer = Answer.json(200, run.body(run.status), hints[min(run.answered, len(hints) - 1)] if hints else {})
        run.answered += move
        return answer

    def _create(self, request: Request) -> Answer:
        try:
            asked: JSON = request.json
            model: str = asked["model"]
        except (ValueError, TypeError, KeyError):
            return _problem(400, "The body must be a JSON object with a 'model'.")
        metadata: dict[str, str] = asked.get("metadata") or {}
        wanted = metadata.get("scenario")
        if wanted is None:
            scenario = self._upcoming.pop(0) if self._upcoming else CATALOGUE["completed"]
        elif wanted in CATALOGUE:
            scenario = CATALOGUE[wanted]
        else:
            return _problem(400, f"No scenario is called '{wanted}'.")
        self.creates += 1
        run = self._runs[self.add(scenario, model=model, metadata=metadata)]
        if not asked.get("background") and scenario.sync_status is not None:
            return Answer.json(scenario.sync_status, {"error": scenario.ending["error"]})
        if asked.get("stream"):
            return _stream(run)
        return Answer.json(200, run.body("queued" if asked.get("background") else None))


def _scenario(scenario: Scenario | str) -> Scenario:
    return CATALOGUE[scenario] if isinstance(scenario, str) else scenario


def _stream(run: _Run, after: int = -1, *, move: bool = True) -> Answer:
    pieces = [sse(event) for place, event in enumerate(run.events()) if event.get("sequence_number", place) > after]
    if run.scenario.chunk_seed is not None:
        pieces = _cut(b"".join(pieces), run.scenario.chunk_seed)
    if move:
        # Who has seen the stream has seen the end of the run.
        run.answered = max(run.answered, len(run.scenario.polls))
    return Answer(200, {"content-type": "text/event-stream"}, pieces, stream=True)


def _cut(data: bytes, seed: int) -> list[bytes]:
    """`data` in pieces of about 24 bytes, cut without regard to events, lines or characters."""
    places = sorted(random.Random(seed).sample(range(1, len(data)), len(data) // 24))
    return [data[start:end] for start, end in itertools.pairwise([0, *places, len(data)])]


def _problem(status: int, text: str) -> Answer:
    return Answer.json(
        status, {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": None}}
    )
