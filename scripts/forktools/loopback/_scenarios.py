"""How a run goes, as data, and a catalogue of the ways to end.

Promises: a `Scenario` holds everything the server needs for one run; every text in the catalogue was written for it.
The name of a scenario in the catalogue is also an id: `GET /v1/responses/resp_<name>` answers without any create.
"""

from __future__ import annotations

from typing import Any
from dataclasses import field, replace, dataclass
from collections.abc import Mapping, Iterator

from ._payloads import JSON, sized, usage, message, response, events_of


@dataclass(frozen=True)
class Scenario:
    """One way for a run to go."""

    name: str
    ending: Mapping[str, Any]
    """Members of the last Response, laid over a whole one (or the whole of it, see `bare`)."""
    title: str = ""
    """In words, for a table; at most 19 characters."""
    polls: tuple[str, ...] = ("queued", "in_progress")
    """The status of each answer before the ending: the first retrieve gets the first."""
    seconds: float | None = None
    """If given, the run lasts so long by the server's clock, in progress, and `polls` does not count."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """On every answer about this run."""
    poll_headers: tuple[Mapping[str, str], ...] = ()
    """On the n-th answer to a retrieve; the last one goes on for the rest. For example `openai-poll-after-ms`."""
    events: tuple[Mapping[str, Any], ...] | None = None
    """The server-sent events, sent as they are; None makes them from the ending."""
    epilogue: tuple[Mapping[str, Any], ...] = ()
    """Events after the made ones; they are numbered on if they have no number."""
    deltas: int | None = None
    """Into how many events each message is cut, when the events are made; None is one a word."""
    chunk_seed: int | None = None
    """If given, the event stream is sent in chunks cut at arbitrary bytes; None is one chunk an event."""
    pad_to: int | None = None
    """If given, the size in bytes of every body before and at the end."""
    without: tuple[str, ...] = ()
    """Members that the last Response does not have at all."""
    bare: bool = False
    """The ending is the whole body, byte for byte."""
    sync_status: int | None = None
    """The HTTP status with which a create without `background` fails; None answers with the ending."""

    def body(self, response_id: str, status: str | None, *, model: str, metadata: Mapping[str, str]) -> JSON:
        """The Response while its status is `status`, or its ending for None."""
        if status is None and self.bare:
            return dict(self.ending)
        last = str(self.ending.get("status", "completed"))
        made = response(response_id, status or last, model=model, metadata=metadata)
        if status is None:
            made.update(self.ending)
            for member in self.without:
                made.pop(member, None)
        return made if self.pad_to is None else sized(made, self.pad_to)

    def stream(self, response_id: str, *, model: str, metadata: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """The events of the run, from its first."""
        if self.events is not None:
            yield from self.events
            return
        started = self.body(response_id, "queued", model=model, metadata=metadata)
        ending = self.body(response_id, None, model=model, metadata=metadata)
        following = 0
        for event in events_of(ending, started=started, deltas=self.deltas):
            following = event["sequence_number"] + 1
            yield event
        for number, event in enumerate(self.epilogue, following):
            yield {"sequence_number": number, **event}

    def cancelled(self) -> Scenario:
        """The same run after a cancel that came before its end."""
        return replace(self, ending={"status": "cancelled"}, polls=(), seconds=None, events=None, epilogue=())


def tuned(scenario: Scenario, metadata: Mapping[str, str]) -> Scenario:
    """`scenario` changed as the metadata of a create asks; so that a client in another process can tune it.

    Understood: `polls` (how many answers before the ending), `seconds`, `pad_to`, `deltas`, `chunk_seed`,
    `poll_after_ms` (sent as the header). All values are strings, as the API has it.

    Raises:
        ValueError: a value is not a number.
    """
    change: dict[str, Any] = {}
    for name in ("pad_to", "deltas", "chunk_seed"):
        if name in metadata:
            change[name] = int(metadata[name])
    if "polls" in metadata:
        count = int(metadata["polls"])
        change["polls"] = ("queued",) * min(count, 1) + ("in_progress",) * (count - 1)
    if "seconds" in metadata:
        change["seconds"] = float(metadata["seconds"])
    if "poll_after_ms" in metadata:
        change["poll_headers"] = ({"openai-poll-after-ms": metadata["poll_after_ms"]},)
    return replace(scenario, **change) if change else scenario


def _failed(name: str, title: str, sync_status: int | None, error: JSON | None, **more: Any) -> Scenario:
    fields = {key: more.pop(key) for key in ("without", "epilogue") if key in more}
    return Scenario(name, {"status": "failed", "error": error, **more}, title, sync_status=sync_status, **fields)


def _error(code: object, text: str, **more: Any) -> JSON:
    return {"code": code, "message": text, **more}


_DRAFT = "The harbour was built in three stages, of which the first"
_PARTIAL = {"output": [message(_DRAFT, status="incomplete")], "usage": usage(412, 57)}

_SCENARIOS = (
    Scenario(
        "completed",
        {
            "status": "completed",
            "output": [message("The harbour was built in three stages.")],
            "usage": usage(412, 38),
        },
        "completed",
    ),
    _failed(
        "server_error", "server error", 500, _error("server_error", "The run stopped because of a fault on our side.")
    ),
    _failed(
        "partial_output",
        "error, text kept",
        500,
        _error("server_error", "The run stopped while it was writing."),
        **_PARTIAL,
    ),
    _failed(
        "overloaded", "overloaded", 503, _error("server_is_overloaded", "Too many runs at the moment; come back later.")
    ),
    _failed(
        "rate_limit_exceeded",
        "rate limit",
        429,
        _error(
            "rate_limit_exceeded",
            "The tokens of this minute are used up. Please try again in 11.054s.",
            type="tokens",
        ),
    ),
    _failed(
        "request_too_large",
        "larger than limit",
        429,
        _error(
            "rate_limit_exceeded",
            "Request too large: it needs 48112 tokens, a minute has 30000. The input must be reduced.",
            type="tokens",
        ),
    ),
    _failed(
        "insufficient_quota",
        "out of quota",
        429,
        _error(
            "insufficient_quota",
            "The quota of this project is used up; see its billing page.",
            type="insufficient_quota",
        ),
    ),
    _failed(
        "usage_limit_reached",
        "usage limit by type",
        429,
        {"type": "usage_limit_reached", "message": "The usage limit is reached.", "resets_in_seconds": 5400},
    ),
    _failed(
        "invalid_prompt", "prompt refused", 400, _error("invalid_prompt", "The prompt was refused by the usage policy.")
    ),
    _failed(
        "context_length_exceeded",
        "context too long",
        400,
        _error("context_length_exceeded", "The input is longer than the context window of the model.", param="input"),
    ),
    _failed(
        "conversation_locked",
        "conversation in use",
        400,
        _error("conversation_locked", "Another run writes to this conversation. Please retry in a few seconds."),
    ),
    _failed(
        "misalignment_policy_violation",
        "stopped by policy",
        403,
        _error(
            "misalignment_policy_violation",
            "The run was stopped: it was about to move data out of the workspace.",
            type="invalid_request_error",
            misalignment={"error_type": "potentially_unintended_data_transfer", "detailed_explanation": None},
        ),
    ),
    _failed(
        "invalid_api_key",
        "key revoked midway",
        401,
        _error("invalid_api_key", "The key of this run is not valid any more."),
    ),
    _failed(
        "model_not_found",
        "model gone",
        404,
        _error("model_not_found", "The model of this run does not exist.", type="invalid_request_error", param="model"),
    ),
    _failed(
        "conflict",
        "conflict by type",
        409,
        _error(None, "The container was changed by another run.", type="conflict_error"),
    ),
    _failed("numeric_422", "numeric code 422", 422, _error("422", "The provider could not process the request.")),
    _failed("numeric_503", "numeric code 503", 503, _error(503, "The provider behind the gateway is not available.")),
    _failed("unknown_code", "code nobody knows", None, _error("flux_capacitor_drained", "The run stopped.")),
    _failed("failed_without_error", "no error object", None, None, without=("error",)),
    _failed(
        "late_cause",
        "cause sent apart",
        None,
        None,
        epilogue=({"type": "error", "error": _error("content_filter", "The prompt was filtered.", type=None)},),
    ),
    Scenario(
        "no_status",
        {"error": _error("server_error", "The run is gone.")},
        "error, no status",
        without=("status",),
        sync_status=500,
    ),
    Scenario(
        "max_output_tokens",
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, **_PARTIAL},
        "token limit reached",
    ),
    Scenario(
        "content_filter",
        {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, **_PARTIAL},
        "filtered midway",
    ),
    Scenario("steered", {"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "steered elsewhere"),
    Scenario("cancelled", {"status": "cancelled", **_PARTIAL}, "cancelled"),
)

CATALOGUE: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _SCENARIOS}
"""The ways to end, by name: every class of the contract, every odd shape of a failed Response."""
