"""Temporal: its own failure converter and the one of the example, on real errors, and an activity in its environment.

The server for tests is not had from a package index: the SDK downloads it at run time. So the path of an error is shown
up to the message that a server would be sent, and back from it.
"""

from __future__ import annotations

import sys
import importlib
from typing import Any
from datetime import timedelta

import pytest
from temporalio.testing import ActivityEnvironment
from temporalio.converter import DataConverter, DefaultFailureConverter
from temporalio.exceptions import ApplicationError
from temporalio.api.failure.v1 import Failure

import openai

from .travel._facts import facts, losses
from .travel._subjects import FAMILIES, make, scan

RUNS = [name for name in FAMILIES["background"] if issubclass(getattr(openai, name), openai.BackgroundResponseError)]


@pytest.fixture
def temporal(example: None) -> Any:  # noqa: ARG001  (it sets where examples are imported from)
    sys.modules.pop("background_temporal", None)
    return importlib.import_module("background_temporal")


async def sent(converter: type[DefaultFailureConverter], error: BaseException) -> tuple[Failure, bytes]:
    """What the server would be sent, and its bytes."""
    failure = Failure()
    await DataConverter(failure_converter_class=converter).encode_failure(error, failure)
    return failure, failure.SerializeToString()


async def received(converter: type[DefaultFailureConverter], data: bytes) -> BaseException:
    """What the other side makes of the bytes."""
    return await DataConverter(failure_converter_class=converter).decode_failure(Failure.FromString(data))


@pytest.mark.parametrize("name", RUNS)
async def test_converter_of_the_example_carries_the_whole_error(temporal: Any, name: str) -> None:
    error: Any = make(name)
    failure, data = await sent(temporal.BackgroundFailureConverter, error)
    assert scan(data) == []
    assert failure.application_failure_info.non_retryable is not error.retryable
    assert failure.stack_trace

    arrived = await received(temporal.BackgroundFailureConverter, data)
    assert isinstance(arrived, ApplicationError)
    back = temporal.error_of(arrived)
    assert losses(facts(error), facts(back)) == []


async def test_converter_of_the_example_tells_when_to_try_again(temporal: Any) -> None:
    failure, _ = await sent(temporal.BackgroundFailureConverter, make("BackgroundRateLimitError"))
    assert failure.application_failure_info.next_retry_delay.ToTimedelta() == timedelta(seconds=3)


async def test_default_converter_keeps_class_and_text_and_would_retry_what_is_final() -> None:
    error: Any = make("BackgroundBadRequestError")
    failure, data = await sent(DefaultFailureConverter, error)
    assert scan(data) == []
    info = failure.application_failure_info
    assert (info.type, failure.message) == ("BackgroundBadRequestError", error.message)
    assert (error.retryable, info.non_retryable, len(info.details.payloads)) == (False, False, 0)


async def test_converter_of_the_example_leaves_other_errors_alone(temporal: Any) -> None:
    ours, _ = await sent(temporal.BackgroundFailureConverter, ValueError("other"))
    theirs, _ = await sent(DefaultFailureConverter, ValueError("other"))
    assert ours == theirs


async def test_activity_raises_the_error_and_beats_while_it_waits(temporal: Any) -> None:
    beats: list[Any] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)
    with pytest.raises(openai.BackgroundRateLimitError) as caught:
        await environment.run(
            temporal.create_and_wait,
            {"model": "gpt-5.6", "input": "Name a harbour.", "metadata": {"scenario": "insufficient_quota"}},
        )
    assert [status for _, status in beats] == ["queued", "in_progress", "failed"]
    assert {response_id for response_id, _ in beats} == {caught.value.response_id}
