"""What an error says: the id, the code and the API's own words, and nothing of the request."""

from __future__ import annotations

import logging
import traceback
from typing import Any
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from ._support import API_KEY, RESPONSE_ID, Api, answer, failed, verdict, background, incomplete

PLANTED = "planted-words-of-the-request"
# What a response repeats of its request.
ECHO: dict[str, Any] = {
    "instructions": PLANTED,
    "metadata": {"who": PLANTED},
    "input": PLANTED,
    "prompt": {"id": PLANTED, "variables": {"name": PLANTED}},
    "tools": [{"type": "mcp", "server_label": "x", "headers": {"authorization": PLANTED}}],
    "user": PLANTED,
    "safety_identifier": PLANTED,
    "prompt_cache_key": PLANTED,
    "text": {"format": {"type": "json_schema", "name": PLANTED, "schema": {}}},
}
ENDINGS = {
    "failed": failed("bio_policy", "Flagged.", type="invalid_request_error"),
    "incomplete": incomplete("max_output_tokens"),
    "cancelled": answer(status="cancelled"),
    "no-error": answer(status="failed", error=None),
}


async def test_message_names_id_code_and_message(api: Api) -> None:
    assert str(await api.error(failed("bio_policy", "The content was flagged."))) == snapshot(
        "Background response resp_0f5a failed (bio_policy): The content was flagged."
    )


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (failed("", "It broke."), snapshot("Background response resp_0f5a failed: It broke.")),
        (failed(503, ""), snapshot("Background response resp_0f5a failed (503).")),
        (failed("cyber_policy", "   "), snapshot("Background response resp_0f5a failed (cyber_policy).")),
        (answer(status="failed", error=None), snapshot("Background response resp_0f5a failed.")),
        (answer(status="failed", id=...), snapshot("Background response (id unknown) failed.")),
        (answer(status="failed", error="Boom."), snapshot("Background response resp_0f5a failed: Boom.")),
        (incomplete("max_output_tokens"), snapshot("Background response resp_0f5a is incomplete (max_output_tokens).")),
        (incomplete(None), snapshot("Background response resp_0f5a is incomplete.")),
        (answer(status="cancelled"), snapshot("Background response resp_0f5a was cancelled.")),
    ],
    ids=["no-code", "no-message", "blank-message", "no-error", "no-id", "text", "reason", "no-reason", "cancelled"],
)
def test_message_without_some_parts_says_the_rest(payload: Any, text: str) -> None:
    error = verdict(payload)
    assert str(error) == error.message == text


def test_message_of_a_huge_code_is_cut_and_the_attribute_is_whole() -> None:
    error = verdict(failed("x" * 100_000, "It broke."))
    assert len(str(error)) < 500
    assert str(error).endswith("It broke.")
    assert error.code == "x" * 100_000


@pytest.mark.parametrize("ending", ENDINGS)
async def test_text_forms_of_an_error_hold_nothing_of_the_request(api: Api, ending: str) -> None:
    error = await api.error({**ENDINGS[ending], **ECHO})

    assert error.background_response.instructions == PLANTED  # it is there, for who asks for it
    for text in (
        str(error),
        repr(error),
        repr(error.args),
        repr(error.body),
        "".join(traceback.format_exception(error)),
    ):
        assert RESPONSE_ID in text or text == repr(error.body)
        assert PLANTED not in text
        assert API_KEY not in text


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("form", ["json", "model"])
def test_traceback_with_locals_holds_nothing_of_the_request_in_own_frames(ending: str, form: str) -> None:
    payload: Any = {**ENDINGS[ending], **ECHO}
    if form == "model":
        from openai.types.responses import Response

        payload = Response.construct(**payload)
    error = verdict(payload)

    own = str(Path(str(background.__file__)).parent)
    summary = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in summary.stack if frame.filename.startswith(own)]
    assert [frame.name for frame in frames] == ["raise_on_failure"]
    for frame in frames:
        assert frame.locals
        assert PLANTED not in repr(frame.locals)


async def test_debug_log_holds_nothing_of_request_or_credential(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await api.error({**ENDINGS["failed"], **ECHO})

    assert any(record.name.startswith("openai") for record in caplog.records)
    for record in caplog.records:
        for text in (record.getMessage(), repr(record.args), repr(record.exc_info)):
            assert PLANTED not in text
            assert API_KEY not in text
