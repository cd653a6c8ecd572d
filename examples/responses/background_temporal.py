"""A Temporal workflow that creates a run, waits for it, and creates another one only where that is worth trying.

Needs `temporalio` and a server; TEMPORAL_ADDRESS says which. Without one, `main` runs the activities alone, and shows
what a server would be sent of the error.

To create and to wait are two activities. The id is the result of the first, so it is in the history before anything else
can fail, and a worker that is killed while it waits costs nothing: the next one waits for the same id. The first is
attempted once: killed between the request and its answer, nobody knows whether there is a run, and the workflow fails
rather than pay for a second one.
"""

from __future__ import annotations

import os
import asyncio
from typing import Any
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker
from temporalio.testing import ActivityEnvironment
from temporalio.converter import DataConverter, PayloadConverter, DefaultFailureConverter
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.api.failure.v1 import Failure

import openai

QUEUE = "background-runs"
LONGEST = timedelta(hours=1)  # to wait for one run
SILENCE = timedelta(minutes=2)  # after which a worker is taken for dead; polls are a minute apart at most


class BackgroundFailureConverter(DefaultFailureConverter):
    """Temporal never repeats the wait for a run that has ended, and the workflow gets the error as details."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        if isinstance(exception, openai.BackgroundResponseError):
            # Not `from exception`: the cause would be sent a second time.
            failed = ApplicationError(
                exception.message, exception.to_dict(), type=type(exception).__name__, non_retryable=True
            )
            failed.__traceback__ = exception.__traceback__
            exception = failed
        super().to_failure(exception, payload_converter, failure)


CONVERTER = DataConverter(failure_converter_class=BackgroundFailureConverter)


def error_of(failed: BaseException | None) -> openai.BackgroundResponseError | None:
    """In a workflow: the error behind the `cause` of an `ActivityError`."""
    details: Any = failed.details if isinstance(failed, ApplicationError) else ()
    return openai.BackgroundResponseError.from_dict(details[0]) if details else None


@activity.defn
async def create(request: dict[str, Any]) -> str:
    async with openai.AsyncOpenAI() as client:
        creating = client.with_options(max_retries=0)  # or a lost answer starts a second run
        return (await creating.responses.create(**request, background=True)).id


@activity.defn
async def wait_for(response_id: str) -> str:
    async with openai.AsyncOpenAI() as client:
        done = await client.responses.poll(
            response_id,
            raise_on_failure=True,
            max_wait_seconds=LONGEST.total_seconds(),
            on_poll=lambda _polls, status, _seconds: activity.heartbeat(response_id, status),
        )
        return done.output_text


@workflow.defn(sandboxed=False)
class RunUntilDone:
    @workflow.run
    async def run(self, request: dict[str, Any], attempts: int = 3) -> str:
        for attempt in range(1, attempts + 1):
            response_id = await workflow.execute_activity(
                create,
                request,
                start_to_close_timeout=timedelta(minutes=10),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
            try:
                return await workflow.execute_activity(
                    wait_for,
                    response_id,
                    start_to_close_timeout=LONGEST + timedelta(minutes=1),
                    heartbeat_timeout=SILENCE,
                )
            except ActivityError as failed:
                error = error_of(failed.cause)
                if error is None or not error.retryable or attempt == attempts:
                    raise
                await workflow.sleep(error.retry_after or 2.0**attempt)
        raise ValueError("attempts must be at least 1")


async def main() -> None:
    request: dict[str, Any] = {"model": "gpt-5.6", "input": "Name a harbour."}
    if "TEMPORAL_ADDRESS" in os.environ:
        client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], data_converter=CONVERTER)
        async with Worker(client, task_queue=QUEUE, workflows=[RunUntilDone], activities=[create, wait_for]):
            print(await client.execute_workflow(RunUntilDone.run, request, id="harbour", task_queue=QUEUE))
        return
    alone = ActivityEnvironment()
    response_id = await alone.run(create, {**request, "metadata": {"scenario": "rate_limit_exceeded"}})
    try:
        print(await alone.run(wait_for, response_id))
    except openai.BackgroundResponseError as error:
        failure = Failure()
        await CONVERTER.encode_failure(error, failure)
        told = failure.application_failure_info
        print(told.type, "repeated by Temporal:", not told.non_retryable, "retryable:", error.retryable)


if __name__ == "__main__":
    asyncio.run(main())
