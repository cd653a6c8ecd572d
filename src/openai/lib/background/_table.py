"""The contract: what each failure code and incomplete reason means, documented or seen. One row each, written once.

A word is known in the place of the code and of the type alike, whichever it was seen in. A code without a row is a `BackgroundResponseError` that is not retryable: guessing that an unknown code is transient has
cost people the same paid run over and over.

`CONTRACT_VERSION` is semantic: a row that is changed or removed is a major change, a new row a minor one.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from typing_extensions import Literal

from openai._exceptions import (
    OpenAIError,
    ConflictError as Conflict,
    NotFoundError as NotFound,
    RateLimitError as RateLimit,
    BadRequestError as BadRequest,
    AuthenticationError as Authentication,
    InternalServerError as InternalServer,
    PermissionDeniedError as PermissionDenied,
    UnprocessableEntityError as UnprocessableEntity,
    ContentFilterFinishReasonError as ContentFilter,
)

CONTRACT_VERSION = "2.2.0"


class Rule(NamedTuple):
    """One row of the contract."""

    kind: Literal["code", "reason", "type", "status", "wrapper"]
    """Where the key stands: `error.code`, `incomplete_details.reason`, `error.type`, a number in the place of a code. A
    wrapper is a code that says where a run broke, not why: a cause inside it outranks it."""

    key: str
    """The value itself; `5xx` is every status from 500 to 599."""

    equivalent: type[OpenAIError] | None
    """The class that a synchronous call raises for the same cause; None where it has none."""

    http_status: int | None
    """The status with which a synchronous call fails for it; None where it does not fail so."""

    retryable: bool
    """Whether a new `create()` with the same arguments is worth trying."""

    meaning: str
    """What happened, and what to do about it."""


# fmt: off
CONTRACT: tuple[Rule, ...] = (
    # The documented values of `error.code`, in the order of the SDK's type.
    Rule("code", "server_error", InternalServer, 500, True, "The server failed; also said of overload and of its own time-outs. Create the run again, with backoff and a limit."),
    Rule("code", "rate_limit_exceeded", RateLimit, 429, True, "A rate limit was hit. Create the run again, with backoff; not where the message calls the request too large: that never succeeds unchanged."),
    Rule("code", "invalid_prompt", BadRequest, 400, False, "The prompt was refused under the usage policy. Change it."),
    Rule("code", "data_residency_mismatch", PermissionDenied, 403, False, "The request leaves the project's region. Use the endpoint and the model of that region."),
    Rule("code", "bio_policy", BadRequest, 400, False, "The content was flagged as a biological risk. Change it."),
    Rule("code", "misalignment_policy_violation", PermissionDenied, 403, False, "Monitoring for misaligned behaviour stopped the run. Have a person review it; do not repeat it automatically."),
    Rule("code", "vector_store_timeout", InternalServer, 504, True, "A search in a vector store took too long. Create the run again, with backoff and a limit."),
    Rule("code", "invalid_image", BadRequest, 400, False, "An image could not be used. Replace it."),
    Rule("code", "invalid_image_format", BadRequest, 400, False, "The format of an image is not supported. Replace it."),
    Rule("code", "invalid_base64_image", BadRequest, 400, False, "The base64 text of an image does not decode. Replace it."),
    Rule("code", "invalid_image_url", BadRequest, 400, False, "The URL of an image is not valid. Replace it."),
    Rule("code", "image_too_large", BadRequest, 400, False, "An image has too many pixels. Replace it."),
    Rule("code", "image_too_small", BadRequest, 400, False, "An image has too few pixels. Replace it."),
    Rule("code", "image_parse_error", BadRequest, 400, False, "An image could not be read. Replace it."),
    Rule("code", "image_content_policy_violation", BadRequest, 400, False, "An image was refused under the usage policy. Replace it."),
    Rule("code", "invalid_image_mode", BadRequest, 400, False, "The colour mode of an image is not supported. Replace it."),
    Rule("code", "image_file_too_large", BadRequest, 400, False, "The file of an image is too large. Replace it."),
    Rule("code", "unsupported_image_media_type", BadRequest, 400, False, "The media type of an image is not supported. Replace it."),
    Rule("code", "empty_image_file", BadRequest, 400, False, "The file of an image is empty. Replace it."),
    Rule("code", "failed_to_download_image", BadRequest, 400, False, "An image could not be fetched. Check that its URL is public, or send the image itself."),
    Rule("code", "image_file_not_found", BadRequest, 400, False, "An image file does not exist; some clients take it for a 404. Replace it."),
    # Codes that servers send and no type of the SDK declares.
    Rule("code", "context_length_exceeded", BadRequest, 400, False, "The input does not fit the model's context window. Shorten it, or allow truncation."),
    Rule("code", "cyber_policy", BadRequest, 400, False, "The content was flagged as a cybersecurity risk. Change it."),
    Rule("code", "previous_response_not_found", BadRequest, 400, False, "The response to continue from does not exist or was not stored. Send the conversation itself instead of the id."),
    Rule("code", "content_filter", BadRequest, 400, False, "A content filter refused the prompt. Change it."),
    Rule("code", "content_policy_violation", BadRequest, 400, False, "The request was refused under the usage policy. Change it."),
    Rule("code", "moderation_blocked", BadRequest, 400, False, "Moderation blocked the input or the output. Change the input."),
    Rule("code", "invalid_request", BadRequest, 400, False, "The request is not valid. Correct it."),
    Rule("code", "conversation_locked", BadRequest, 400, True, "Another run writes to the same conversation. Create the run again in a few seconds."),
    Rule("code", "invalid_api_key", Authentication, 401, False, "The API key is not valid. Mend it."),
    Rule("code", "ip_not_authorized", Authentication, 401, False, "The project does not allow this IP address. Allow it, or send from another one."),
    Rule("code", "subscription_sharing_invalid_user", Authentication, 401, False, "The user whose subscription was to be used is not valid. Have them sign in again."),
    Rule("code", "unsupported_country_region_territory", PermissionDenied, 403, False, "The API is not offered where the request came from. Send it from a supported place."),
    Rule("code", "subscription_sharing_user_not_eligible", PermissionDenied, 403, False, "The user's subscription cannot be used here. Use an API key of your own."),
    Rule("code", "model_not_found", NotFound, 404, False, "The model does not exist or is not open to this account. Name another one."),
    Rule("code", "resource_not_found", NotFound, 404, False, "Something that the request names does not exist. Correct the request."),
    Rule("code", "http_error", None, 424, False, "A remote tool server (MCP) failed. Look at that server; create the run again once it has recovered."),
    Rule("code", "slow_down", RateLimit, 429, True, "Requests rise too fast. Create the run again, with backoff."),
    Rule("code", "flex_unavailable", RateLimit, 429, True, "Flex processing has no capacity for the moment. Create the run again, with backoff, or in another service tier."),
    Rule("code", "resource_unavailable", RateLimit, 429, True, "The resource has no capacity for the moment. Create the run again, with backoff."),
    Rule("code", "insufficient_quota", RateLimit, 429, False, "The quota is used up. Stop, and restore it in the account's billing settings."),
    Rule("code", "credit_balance_exhausted", RateLimit, 429, False, "The prepaid credit is used up. Stop, and add credit."),
    Rule("code", "project_spend_limit_exceeded", RateLimit, 429, False, "The project's spending limit is reached. Stop, and raise it."),
    Rule("code", "organization_spend_limit_exceeded", RateLimit, 429, False, "The organization's spending limit is reached. Stop, and raise it."),
    Rule("code", "organization_usage_limit_exceeded", RateLimit, 429, False, "The organization's usage limit is reached. Stop, and raise it."),
    Rule("code", "billing_not_active", RateLimit, 429, False, "Billing is not active for the account. Stop, and activate it."),
    Rule("code", "billing_hard_limit_reached", RateLimit, 429, False, "The hard limit on spending is reached. Stop, and raise it."),
    Rule("code", "usage_limit_reached", RateLimit, 429, False, "The plan's usage limit is reached, at times for weeks. Stop until it resets (`retry_after`), or change the plan."),
    Rule("code", "usage_limit_exceeded", RateLimit, 429, False, "The usage limit is exceeded. Stop until it resets, or raise it."),
    Rule("code", "usage_not_included", RateLimit, 429, False, "The plan does not include this usage. Stop, and change the plan."),
    Rule("code", "subscription_sharing_usage_limit_exceeded", RateLimit, 429, False, "The usage limit of the user's subscription is exceeded. Stop until it resets, or use an API key of your own."),
    Rule("code", "subscription_sharing_usage_unavailable", RateLimit, 429, False, "The usage of the user's subscription is not available. Stop, or use an API key of your own."),
    Rule("code", "storage_error", InternalServer, 500, True, "The server could not store the run. Create it again, with backoff and a limit."),
    Rule("code", "connection_failed", InternalServer, 502, True, "A connection inside the service failed. Create the run again, with backoff and a limit."),
    Rule("code", "server_is_overloaded", InternalServer, 503, True, "The servers are overloaded. Create the run again, with backoff and a limit."),
    Rule("code", "server_overloaded", InternalServer, 503, True, "The servers are overloaded. Create the run again, with backoff and a limit."),
    Rule("code", "request_timeout", InternalServer, 504, True, "The server ran out of time. Create the run again, with backoff and a limit."),
    Rule("code", "sandbox_error", None, None, False, "The sandbox of a hosted agent failed, for whatever reason. Look at what ran in it."),
    # Codes that say where a run broke, not why.
    Rule("wrapper", "background_streaming_error", None, None, False, "A proxy could not stream the run. The cause is inside; where it cannot be read it is not known."),
    Rule("wrapper", "task_failed", None, None, False, "The task of an agent server failed. The cause is inside; where it cannot be read it is not known."),
    Rule("wrapper", "processing_error", None, None, False, "A server could not process the run. The cause is inside; where it cannot be read it is not known."),
    Rule("wrapper", "internal_error", InternalServer, 500, True, "A compatible server failed. Create the run again, with backoff and a limit; not where a cause inside says otherwise."),
    Rule("wrapper", "stream_terminated", InternalServer, 502, True, "A gateway's stream was cut off. Create the run again, with backoff and a limit; not where a cause inside says otherwise."),
    Rule("wrapper", "stream_read_error", InternalServer, 502, True, "A gateway could not read on. Create the run again, with backoff and a limit; not where a cause inside says otherwise."),
    Rule("wrapper", "stream_error", InternalServer, 502, True, "A gateway's stream failed. Create the run again, with backoff and a limit; not where a cause inside says otherwise."),
    Rule("wrapper", "upstream_error", InternalServer, 502, True, "The provider behind a gateway failed. Create the run again, with backoff and a limit; not where a cause inside says otherwise."),
    Rule("wrapper", "upstream_provider_error", InternalServer, 502, True, "The provider behind a gateway failed. Create the run again, with backoff and a limit; not where a cause inside says otherwise."),
    # HTTP statuses that gateways send in the place of a code, as a number or as text.
    Rule("status", "400", BadRequest, 400, False, "The request is not valid. Correct it."),
    Rule("status", "401", Authentication, 401, False, "The credentials were refused. Mend them."),
    Rule("status", "402", None, 402, False, "A payment is due. Stop, and restore credit."),
    Rule("status", "403", PermissionDenied, 403, False, "The request is forbidden. Mend the account's access, or change the request."),
    Rule("status", "404", NotFound, 404, False, "Something that the request names does not exist. Correct the request."),
    Rule("status", "408", None, 408, True, "The server ran out of time. Create the run again, with backoff and a limit."),
    Rule("status", "409", Conflict, 409, True, "The request met a conflict or a lock. Create the run again, with backoff and a limit."),
    Rule("status", "422", UnprocessableEntity, 422, False, "The request could not be processed. Correct it."),
    Rule("status", "429", RateLimit, 429, True, "A rate limit was hit. Create the run again, with backoff."),
    Rule("status", "5xx", InternalServer, 500, True, "The server or the gateway failed. Create the run again, with backoff and a limit."),
    # Values of `error.type`, which decide where the code has no row.
    Rule("type", "invalid_request_error", BadRequest, 400, False, "The request is not valid. Correct it."),
    Rule("type", "image_generation_user_error", BadRequest, 400, False, "The request for an image is not valid. Correct it."),
    Rule("type", "image_tool_error", BadRequest, 400, False, "The image tool refused the request. Change it."),
    Rule("type", "content_too_large", BadRequest, 400, False, "The request is too large. Shorten the input."),
    Rule("type", "authentication_error", Authentication, 401, False, "The credentials were refused. Mend them."),
    Rule("type", "permission_error", PermissionDenied, 403, False, "The account may not do this. Mend its access."),
    Rule("type", "request_forbidden", PermissionDenied, 403, False, "The request is forbidden. Mend the account's access, or change the request."),
    Rule("type", "not_found_error", NotFound, 404, False, "Something that the request names does not exist. Correct the request."),
    Rule("type", "conflict_error", Conflict, 409, True, "The request met a conflict or a lock. Create the run again, with backoff and a limit."),
    Rule("type", "rate_limit_error", RateLimit, 429, True, "A rate limit was hit. Create the run again, with backoff."),
    Rule("type", "tokens", RateLimit, 429, True, "The limit of tokens was hit. Create the run again, with backoff."),
    Rule("type", "requests", RateLimit, 429, True, "The limit of requests was hit. Create the run again, with backoff."),
    Rule("type", "too_many_requests", RateLimit, 429, True, "A rate limit was hit. Create the run again, with backoff."),
    Rule("type", "billing_error", RateLimit, 429, False, "The account's billing is the cause. Stop, and look at its settings."),
    Rule("type", "api_error", InternalServer, 500, True, "The server failed. Create the run again, with backoff and a limit."),
    Rule("type", "service_unavailable_error", InternalServer, 503, True, "The service is not available. Create the run again, with backoff and a limit."),
    Rule("type", "overloaded_error", InternalServer, 503, True, "The servers are overloaded. Create the run again, with backoff and a limit."),
    # Why a response is incomplete, in the order of the SDK's type.
    Rule("reason", "max_output_tokens", None, None, False, "The output reached `max_output_tokens`. Use what there is, or raise the limit."),
    Rule("reason", "max_messages", None, None, False, "The run reached its limit of messages. Use what there is, or raise the limit."),
    Rule("reason", "content_filter", ContentFilter, None, False, "A content filter stopped the output. Change the input."),
    Rule("reason", "steered", None, None, False, "The run was steered. A successor carries on: follow that one."),
    # Reasons that servers send and no type of the SDK declares.
    Rule("reason", "max_tokens", None, None, False, "A compatible server's limit of tokens was reached. Use what there is, or raise the limit."),
    Rule("reason", "length", None, None, False, "A compatible server's limit of length was reached. Use what there is, or raise the limit."),
)
# fmt: on

_REASONS = {rule.key: rule for rule in CONTRACT if rule.kind == "reason"}
_CAUSES = {rule.key: rule for rule in CONTRACT if rule.kind != "reason"}
_NUMBER = re.compile(r"(?:http[\s_-]?)?([45]\d\d)(?:\.0)?(?:\s.*)?", re.IGNORECASE | re.ASCII | re.DOTALL)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST_WORD = 100  # characters


def find_rule(kind: str, key: str | None) -> Rule | None:
    """The row for a cause or a reason; None where there is none.

    One vocabulary: what is known in the place of a code is known in the place of a type, too. Words are found in any
    spelling (`RateLimitExceeded`, `RATE_LIMIT_EXCEEDED`), statuses also as `"429"`, `"HTTP 429"` and `Too Many Requests`.
    """
    if key is None:
        return None
    rows = _REASONS if kind == "reason" else _CAUSES
    return rows.get(key) or (rows.get(plain_word(key)) if len(key) <= _LONGEST_WORD else None)


def plain_word(key: str) -> str:
    """A word as the rows spell it: snake case; for a number the row's key."""
    number = _NUMBER.fullmatch(key.strip())
    if number is not None:
        status = number[1]
        return "5xx" if status.startswith("5") else status
    return re.sub(r"[\s.-]+", "_", _HUMP.sub("_", key.strip())).lower()


# Some servers name the SDK's own class (`BadRequestError`), some the status by its phrase (`NotFound`, "Bad Gateway"):
# each means its HTTP status.
_PHRASES = {
    "bad_request": "400",
    "unauthorized": "401",
    "payment_required": "402",
    "forbidden": "403",
    "not_found": "404",
    "conflict": "409",
    "unprocessable_entity": "422",
    "unprocessable_content": "422",
    "bad_gateway": "5xx",
    "service_unavailable": "5xx",
    "gateway_timeout": "5xx",
}
for _rule in CONTRACT:
    if _rule.kind == "status" and _rule.equivalent is not None:
        _CAUSES.setdefault(plain_word(_rule.equivalent.__name__), _rule)
_CAUSES.update({phrase: _CAUSES[status] for phrase, status in _PHRASES.items()})
