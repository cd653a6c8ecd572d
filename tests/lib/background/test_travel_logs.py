"""What is logged of an error says nothing of the request: not its text, not its traceback, not the locals of our frames.

The server echoes a request in the response: instructions, input, metadata, tools. None of that may be read in a log.
"""

from __future__ import annotations

import io
import logging
import traceback
from typing import Any, Callable

import httpx2
import pytest

from ._support import API_KEY, RESPONSE_ID, Api, answer, settle, verdict, background

SECRET = "planted-words"
ECHO: dict[str, Any] = {
    "instructions": SECRET,
    "input": [{"role": "user", "content": SECRET}],
    "metadata": {"note": SECRET},
    "prompt": {"id": "prompt_1", "variables": {"name": SECRET}},
    "user": SECRET,
    "tools": [
        {"type": "mcp", "server_label": "a", "server_url": "https://b.test", "headers": {"Authorization": SECRET}}
    ],
}
FAILED = answer(status="failed", error={"code": "server_error", "message": "It broke."}, **ECHO)
OURS = background.BackgroundResponseError.__module__.rpartition(".")[0]


def in_progress(_request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json=answer(status="in_progress", **ECHO))


@pytest.fixture
def log() -> Any:
    """Everything that is logged, by anybody, at any level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "openai", "httpx2", "httpcore2")}
    root.addHandler(handler)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


async def test_error_logged_with_its_traceback_says_nothing_of_the_request(api: Api, log: io.StringIO) -> None:
    try:
        await api.retrieve(FAILED)
    except background.BackgroundResponseError as error:
        logging.exception("The run failed: %s %r", error, error)
    written = log.getvalue()
    assert "The run failed" in written and "Traceback" in written and RESPONSE_ID in written
    assert SECRET not in written
    assert API_KEY not in written


async def test_error_of_a_wait_logged_says_nothing_of_the_request(api: Api, log: io.StringIO) -> None:
    async with api.client(in_progress) as client:
        poll: Callable[..., Any] = client.responses.poll
        try:
            await settle(poll(RESPONSE_ID, raise_on_failure=True, max_wait_seconds=0))
        except TimeoutError as error:
            logging.exception("Not yet: %s %r", error, error)
    written = log.getvalue()
    assert "Not yet" in written and "Traceback" in written
    assert SECRET not in written
    assert API_KEY not in written


def locals_of_our_frames(error: BaseException) -> str:
    """What a log with locals prints of the frames in the module under test."""
    lines: list[str] = []
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals["__name__"].startswith(f"{OURS}."):
            lines += [f"{name} = {value!r}" for name, value in frame.f_locals.items()]
    return "\n".join(lines)


def test_error_of_stored_json_has_no_locals_that_show_the_request() -> None:
    try:
        background.raise_on_failure(FAILED)
    except background.BackgroundResponseError as error:
        shown = locals_of_our_frames(error)
        assert shown
        assert SECRET not in shown


async def test_error_of_a_call_has_no_locals_that_show_the_request(api: Api) -> None:
    try:
        await api.retrieve(FAILED)
    except background.BackgroundResponseError as error:
        assert SECRET not in locals_of_our_frames(error)


def test_error_as_text_says_nothing_of_the_request() -> None:
    error = verdict(FAILED)
    assert SECRET not in f"{error} {error!r} {error.args} {error.message} {error.to_dict()}"
