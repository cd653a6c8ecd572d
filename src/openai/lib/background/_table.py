"""The contract: what each failure code, HTTP status, error type and reason means. One row each, written once.

The witnesses are asked in the order of the kinds: a known `code` outranks everything, then a numeric code read as an
HTTP status, then the `type`; what none of them knows is a bare `BackgroundResponseError` that is not retryable.

`retryable` answers one question: is a new `create()` with the same arguments worth trying? `attested` says how the
row is known: `official` (API reference, the SDK's types, help pages), `observed` (a real payload), `peer` (the table
of another client), `inferred`.

`CONTRACT_VERSION` is semantic: a changed or removed row is a major change, a new row a minor one. The documentation
pages and the JSON file are generated from here; the rows are held against the SDK's own `Literal` types by a test.
"""

from __future__ import annotations

from typing import NamedTuple
from typing_extensions import Literal

from ._errors import (
    BackgroundConflictError as Conflict,
    BackgroundNotFoundError as NotFound,
    BackgroundResponseError as Unclassified,
    BackgroundRateLimitError as RateLimit,
    BackgroundBadRequestError as BadRequest,
    BackgroundIncompleteError as Incomplete,
    BackgroundContentFilterError as ContentFilter,
    BackgroundAuthenticationError as Authentication,
    BackgroundInternalServerError as InternalServer,
    BackgroundPermissionDeniedError as PermissionDenied,
    BackgroundUnprocessableEntityError as Unprocessable,
)

__all__ = ["CONTRACT", "CONTRACT_VERSION", "Rule"]

CONTRACT_VERSION = "1.0.0"


class Rule(NamedTuple):
    """One row of the contract."""

    kind: Literal["code", "status", "type", "reason"]
    """Where the key is looked up: `error.code`, a number in its place, `error.type`, `incomplete_details.reason`."""

    key: str
    """The value itself; `5xx` stands for every status from 500 to 599 without a row of its own."""

    error_class: type[Unclassified] | None
    """The class that is raised; None where nothing is."""

    http_status: int | None
    """The status with which the same failure ends a synchronous call; None where none is known."""

    retryable: bool
    """Whether a new `create()` with the same arguments is worth trying."""

    attested: Literal["official", "observed", "peer", "inferred"]
    """How the row is known."""

    meaning: str
    """What happened."""

    action: str
    """What to do about it."""


_WAIT = "Create the run again after `retry_after`, or with backoff."
_AGAIN = "Create the run again, with backoff and a limit."
_PROMPT = "Change the input; the same one is refused again."
_IMAGE = "Replace the image, then create the run again."
_BILLING = "Stop. Restore credit or raise the limit in the account's billing settings."
_KEY = "Stop. Mend the API key or the account's access."
_REQUEST = "Correct the request."

# fmt: off
CONTRACT: tuple[Rule, ...] = (
    # The documented values of `error.code`, in the order of the SDK's type.
    Rule("code", "server_error", InternalServer, 500, True, "official", "The server failed; also used for overload and for its own time-outs.", _AGAIN),
    Rule("code", "rate_limit_exceeded", RateLimit, 429, True, "official", "A rate limit was hit. A message that calls the request too large makes it not retryable.", _WAIT),
    Rule("code", "invalid_prompt", BadRequest, 400, False, "observed", "The prompt was refused under the usage policy.", _PROMPT),
    Rule("code", "data_residency_mismatch", PermissionDenied, 403, False, "inferred", "The request asks for data or processing outside the project's region.", "Use the endpoint and the model of the project's region."),
    Rule("code", "bio_policy", BadRequest, 400, False, "observed", "The content was flagged as a biological risk.", _PROMPT),
    Rule("code", "misalignment_policy_violation", PermissionDenied, 403, False, "official", "Monitoring for misaligned behaviour stopped the run.", "Do not repeat it automatically; have a person review it."),
    Rule("code", "vector_store_timeout", InternalServer, 504, True, "peer", "A search in a vector store took too long.", _AGAIN),
    Rule("code", "invalid_image", BadRequest, 400, False, "peer", "An image could not be used.", _IMAGE),
    Rule("code", "invalid_image_format", BadRequest, 400, False, "peer", "The format of an image is not supported.", _IMAGE),
    Rule("code", "invalid_base64_image", BadRequest, 400, False, "peer", "The base64 text of an image does not decode.", _IMAGE),
    Rule("code", "invalid_image_url", BadRequest, 400, False, "observed", "The URL of an image is not valid.", _IMAGE),
    Rule("code", "image_too_large", BadRequest, 400, False, "peer", "An image has too many pixels.", _IMAGE),
    Rule("code", "image_too_small", BadRequest, 400, False, "peer", "An image has too few pixels.", _IMAGE),
    Rule("code", "image_parse_error", BadRequest, 400, False, "observed", "An image could not be read.", _IMAGE),
    Rule("code", "image_content_policy_violation", BadRequest, 400, False, "peer", "An image was refused under the usage policy.", _IMAGE),
    Rule("code", "invalid_image_mode", BadRequest, 400, False, "peer", "The colour mode of an image is not supported.", _IMAGE),
    Rule("code", "image_file_too_large", BadRequest, 400, False, "peer", "The file of an image is too large.", _IMAGE),
    Rule("code", "unsupported_image_media_type", BadRequest, 400, False, "peer", "The media type of an image is not supported.", _IMAGE),
    Rule("code", "empty_image_file", BadRequest, 400, False, "peer", "The file of an image is empty.", _IMAGE),
    Rule("code", "failed_to_download_image", BadRequest, 400, False, "peer", "The server could not fetch an image.", "Check that the URL is public, or send the image itself."),
    Rule("code", "image_file_not_found", BadRequest, 400, False, "peer", "An image file does not exist; some clients take it for a 404.", _IMAGE),
    # Seen in failed responses and `error` events, in no type of the SDK.
    Rule("code", "context_length_exceeded", BadRequest, 400, False, "observed", "The input does not fit the model's context window.", "Shorten the input, or allow truncation."),
    Rule("code", "cyber_policy", BadRequest, 400, False, "observed", "The content was flagged as a cybersecurity risk.", _PROMPT),
    Rule("code", "previous_response_not_found", BadRequest, 400, False, "observed", "The response to continue from does not exist or was not stored.", "Send the conversation itself instead of the id."),
    Rule("code", "content_filter", BadRequest, 400, False, "observed", "A content filter (Azure) refused the prompt.", _PROMPT),
    Rule("code", "content_policy_violation", BadRequest, 400, False, "observed", "The request was refused under the usage policy.", _PROMPT),
    Rule("code", "moderation_blocked", BadRequest, 400, False, "observed", "Moderation blocked the input or the output.", _PROMPT),
    Rule("code", "conversation_locked", BadRequest, 400, True, "observed", "Another run is writing to the same conversation.", "Create the run again in a few seconds."),
    Rule("code", "insufficient_quota", RateLimit, 429, False, "official", "The account's quota is used up.", _BILLING),
    Rule("code", "credit_balance_exhausted", RateLimit, 429, False, "official", "The prepaid credit is used up.", _BILLING),
    Rule("code", "project_spend_limit_exceeded", RateLimit, 429, False, "official", "The project's spending limit is reached.", _BILLING),
    Rule("code", "organization_spend_limit_exceeded", RateLimit, 429, False, "official", "The organization's spending limit is reached.", _BILLING),
    Rule("code", "organization_usage_limit_exceeded", RateLimit, 429, False, "official", "The organization's usage limit is reached.", _BILLING),
    Rule("code", "billing_not_active", RateLimit, 429, False, "official", "Billing is not active for the account.", _BILLING),
    Rule("code", "billing_hard_limit_reached", RateLimit, 429, False, "official", "The hard limit on spending is reached.", _BILLING),
    Rule("code", "usage_limit_reached", RateLimit, 429, False, "observed", "The plan's usage limit is reached; it may reset days later.", "Stop until the limit resets (`retry_after`), or change the plan."),
    Rule("code", "usage_not_included", RateLimit, 429, False, "observed", "The plan does not include this usage.", _BILLING),
    Rule("code", "slow_down", RateLimit, 429, True, "observed", "Requests rise too fast.", _WAIT),
    Rule("code", "server_is_overloaded", InternalServer, 503, True, "observed", "The servers are overloaded.", _AGAIN),
    Rule("code", "model_not_found", NotFound, 404, False, "observed", "The model does not exist or is not open to this account.", "Name another model."),
    Rule("code", "invalid_api_key", Authentication, 401, False, "official", "The API key is not valid.", _KEY),
    Rule("code", "ip_not_authorized", Authentication, 401, False, "official", "The project does not allow this IP address.", _KEY),
    Rule("code", "unsupported_country_region_territory", PermissionDenied, 403, False, "observed", "The API is not offered where the request came from.", "Send it from a supported place."),
    Rule("code", "http_error", Unclassified, 424, False, "observed", "A remote tool server (MCP) failed; the cause lies with it.", "Look at the tool server; retry only if you know that it has recovered."),
    Rule("code", "internal_error", InternalServer, 500, True, "observed", "A compatible server failed.", _AGAIN),
    Rule("code", "background_streaming_error", InternalServer, 500, True, "observed", "A proxy lost the stream of the run.", _AGAIN),
    Rule("code", "stream_terminated", InternalServer, 502, True, "observed", "A gateway's stream was cut off.", _AGAIN),
    Rule("code", "stream_read_error", InternalServer, 502, True, "observed", "A gateway could not read on.", _AGAIN),
    Rule("code", "upstream_error", InternalServer, 502, True, "observed", "The provider behind a gateway failed.", _AGAIN),
    Rule("code", "upstream_provider_error", InternalServer, 502, True, "observed", "The provider behind a gateway failed.", _AGAIN),
    # A number in the place of a code, as int or str: gateways send the HTTP status.
    Rule("status", "400", BadRequest, 400, False, "observed", "The request is not valid.", _REQUEST),
    Rule("status", "401", Authentication, 401, False, "observed", "The credentials were refused.", _KEY),
    Rule("status", "402", Unclassified, 402, False, "observed", "A payment is due at the gateway.", _BILLING),
    Rule("status", "403", PermissionDenied, 403, False, "observed", "The request is forbidden.", _KEY),
    Rule("status", "404", NotFound, 404, False, "observed", "Something the request names does not exist.", _REQUEST),
    Rule("status", "408", Unclassified, 408, True, "observed", "The gateway ran out of time.", _AGAIN),
    Rule("status", "409", Conflict, 409, True, "observed", "The request met a conflict or a lock.", _AGAIN),
    Rule("status", "422", Unprocessable, 422, False, "observed", "The request could not be processed.", _REQUEST),
    Rule("status", "429", RateLimit, 429, True, "observed", "A rate limit was hit.", _WAIT),
    Rule("status", "5xx", InternalServer, 500, True, "observed", "The server or the gateway failed.", _AGAIN),
    # The second witness, for a code that is unknown, null or missing.
    Rule("type", "invalid_request_error", BadRequest, 400, False, "observed", "The request is not valid.", _REQUEST),
    Rule("type", "image_generation_user_error", BadRequest, 400, False, "observed", "The request for an image is not valid.", _REQUEST),
    Rule("type", "image_tool_error", BadRequest, 400, False, "observed", "The image tool refused the request.", _REQUEST),
    Rule("type", "content_too_large", BadRequest, 400, False, "observed", "The request is too large.", "Shorten the input."),
    Rule("type", "authentication_error", Authentication, 401, False, "observed", "The credentials were refused.", _KEY),
    Rule("type", "permission_error", PermissionDenied, 403, False, "observed", "The account may not do this.", _KEY),
    Rule("type", "request_forbidden", PermissionDenied, 403, False, "observed", "The request is forbidden.", _KEY),
    Rule("type", "not_found_error", NotFound, 404, False, "observed", "Something the request names does not exist.", _REQUEST),
    Rule("type", "conflict_error", Conflict, 409, True, "observed", "The request met a conflict or a lock.", _AGAIN),
    Rule("type", "rate_limit_error", RateLimit, 429, True, "observed", "A rate limit was hit.", _WAIT),
    Rule("type", "tokens", RateLimit, 429, True, "observed", "The limit of tokens was hit.", _WAIT),
    Rule("type", "requests", RateLimit, 429, True, "observed", "The limit of requests was hit.", _WAIT),
    Rule("type", "too_many_requests", RateLimit, 429, True, "observed", "A rate limit was hit (Azure).", _WAIT),
    Rule("type", "insufficient_quota", RateLimit, 429, False, "observed", "The quota is used up. Forbids a retry whatever the code says.", _BILLING),
    Rule("type", "usage_limit_reached", RateLimit, 429, False, "observed", "The plan's usage limit is reached. Forbids a retry whatever the code says.", "Stop until the limit resets (`retry_after`), or change the plan."),
    Rule("type", "billing_error", RateLimit, 429, False, "observed", "The account's billing is the cause. Forbids a retry whatever the code says.", _BILLING),
    Rule("type", "server_error", InternalServer, 500, True, "observed", "The server failed.", _AGAIN),
    Rule("type", "api_error", InternalServer, 500, True, "observed", "The server failed.", _AGAIN),
    Rule("type", "internal_error", InternalServer, 500, True, "observed", "The server failed.", _AGAIN),
    Rule("type", "service_unavailable_error", InternalServer, 503, True, "observed", "The service is not available.", _AGAIN),
    Rule("type", "overloaded_error", InternalServer, 503, True, "observed", "The servers are overloaded.", _AGAIN),
    Rule("type", "stream_error", InternalServer, 502, True, "observed", "A gateway's stream failed.", _AGAIN),
    Rule("type", "upstream_provider_error", InternalServer, 502, True, "observed", "The provider behind a gateway failed.", _AGAIN),
    # Why a response is incomplete. Another reason, or none, is a `BackgroundIncompleteError` too.
    Rule("reason", "max_output_tokens", Incomplete, None, False, "official", "The output reached `max_output_tokens`.", "Use the partial output, or raise the limit."),
    Rule("reason", "max_messages", Incomplete, None, False, "official", "The run reached its limit of messages.", "Use the partial output, or raise the limit."),
    Rule("reason", "content_filter", ContentFilter, None, False, "official", "A content filter stopped the output.", _PROMPT),
    Rule("reason", "steered", None, None, False, "official", "The run was steered; a successor response carries on.", "Nothing: follow the successor."),
    Rule("reason", "max_tokens", Incomplete, None, False, "observed", "A compatible server's limit of tokens was reached.", "Use the partial output, or raise the limit."),
    Rule("reason", "length", Incomplete, None, False, "observed", "A compatible server's limit of length was reached.", "Use the partial output, or raise the limit."),
)
# fmt: on
