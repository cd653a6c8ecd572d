"""How a run goes, as data, and a catalogue of the ways to end.

Promises: a `Scenario` holds everything the server needs for one run; every text in the catalogue was written for it.
A run that has ended does not change any more, and no clock moves one.
"""

from __future__ import annotations

from typing import Any
from dataclasses import field, dataclass
from collections.abc import Mapping, Sequence

from ._payloads import JSON, MODEL, message, response, events_of


@dataclass(frozen=True)
class Scenario:
    """One way for a run to go."""

    name: str
    ending: Mapping[str, Any]
    """Members of the last Response, laid over a whole one."""
    title: str = ""
    """In words, for a table; at most 19 characters."""
    sync_status: int | None = None
    """The HTTP status with which a create without `background` fails; None answers with the ending."""
    polls: tuple[str, ...] = ("queued", "in_progress")
    """The status of each answer before the ending: the first retrieve gets the first."""
    poll_headers: tuple[Mapping[str, str], ...] = ()
    """On the n-th answer to a retrieve; the last one goes on for the rest. For example `openai-poll-after-ms`."""
    events: tuple[Mapping[str, Any], ...] | None = None
    """The server-sent events, sent as they are; None makes them from the ending."""
    epilogue: tuple[Mapping[str, Any], ...] = ()
    """Events after the made ones; they are numbered on."""
    chunk_seed: int | None = None
    """If given, the event stream is sent in chunks cut at arbitrary bytes; None is one chunk an event."""
    without: tuple[str, ...] = ()
    """Members that the last Response does not have at all."""


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


def _failed(name: str, title: str, sync_status: int | None, text: str, **more: Any) -> Scenario:
    """A run that failed for the cause of that name; what else is given stands in the error, too."""
    return Scenario(name, {"status": "failed", "error": {"code": name, "message": text, **more}}, title, sync_status)


def _incomplete(reason: str, title: str, written: Mapping[str, Any]) -> Scenario:
    return Scenario(reason, {"status": "incomplete", "incomplete_details": {"reason": reason}, **written}, title)


_DRAFT = "The harbour was built in three stages, of which the first"
_USAGE: JSON = {
    "input_tokens": 412,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 57,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 469,
}
_PARTIAL: JSON = {"output": [message(_DRAFT, status="incomplete")], "usage": _USAGE}
_DONE: JSON = {"output": [message("The harbour was built in three stages.")], "usage": _USAGE}
_FAULT: JSON = {"code": "server_error", "message": "The run stopped while it was writing."}
_LATE: JSON = {"code": "content_filter", "message": "The prompt was filtered.", "type": None}
_POLICY: JSON = {"error_type": "potentially_unintended_data_transfer", "detailed_explanation": None}

_SCENARIOS = (
    Scenario("completed", {"status": "completed", **_DONE}, "completed"),
    _failed("server_error", "server error", 500, "The run stopped because of a fault on our side."),
    Scenario("partial_output", {"status": "failed", "error": _FAULT, **_PARTIAL}, "error, text kept", 500),
    _failed("overloaded", "overloaded", 503, "Too many runs at the moment.", code="server_is_overloaded"),
    _failed("rate_limit_exceeded", "rate limit", 429, "Too many tokens. Please try again in 11.054s.", type="tokens"),
    _failed("request_too_large", "larger than limit", 429, "Request too large: the input must be reduced.",
            code="rate_limit_exceeded", type="tokens"),
    _failed("insufficient_quota", "out of quota", 429, "The quota is used up.", type="insufficient_quota"),
    _failed("usage_limit_reached", "usage limit by type", 429, "The usage limit is reached.", code=None,
            type="usage_limit_reached", resets_in_seconds=5400),
    _failed("invalid_prompt", "prompt refused", 400, "The prompt was refused by the usage policy."),
    _failed("context_length_exceeded", "context too long", 400, "The input is too long for the model.", param="input"),
    _failed("conversation_locked", "conversation in use", 400, "Another run writes to this conversation."),
    _failed("misalignment_policy_violation", "stopped by policy", 403, "The run was stopped.", misalignment=_POLICY),
    _failed("invalid_api_key", "key revoked midway", 401, "The key of this run is not valid any more."),
    _failed("model_not_found", "model gone", 404, "The model of this run does not exist.", param="model"),
    _failed("conflict", "conflict by type", 409, "Another run changed it.", code=None, type="conflict_error"),
    _failed("numeric_422", "numeric code 422", 422, "The provider could not process the request.", code="422"),
    _failed("numeric_503", "numeric code 503", 503, "The provider behind the gateway is not available.", code=503),
    _failed("unknown_code", "code nobody knows", None, "The run stopped.", code="flux_capacitor_drained"),
    Scenario("failed_without_error", {"status": "failed"}, "no error object", without=("error",)),
    Scenario("late_cause", {"status": "failed"}, "cause sent apart", epilogue=({"type": "error", "error": _LATE},)),
    Scenario("no_status", {"error": _FAULT}, "error, no status", 500, without=("status",)),
    _incomplete("max_output_tokens", "token limit reached", _PARTIAL),
    _incomplete("content_filter", "filtered midway", _PARTIAL),
    _incomplete("steered", "steered elsewhere", {}),
    Scenario("cancelled", {"status": "cancelled", **_PARTIAL}, "cancelled"),
)  # fmt: skip

CATALOGUE: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _SCENARIOS}
"""The ways to end, by name: every class of the contract, every odd shape of a failed Response."""
