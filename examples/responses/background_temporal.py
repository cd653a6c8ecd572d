"""Temporal retries an activity unless it is told otherwise; this tells it, and carries the whole error as details.

Needs `temporalio`. `main` runs the activity without a server, as its tests do, and shows what a server would be sent.
Give `DataConverter(failure_converter_class=BackgroundFailureConverter)` to `Client.connect`.
"""

from __future__ import annotations

import asyncio
from typing import Any
from datetime import timedelta

from temporalio import activity
from temporalio.testing import ActivityEnvironment
from temporalio.converter import PayloadConverter, DefaultFailureConverter
from temporalio.exceptions import ApplicationError
from temporalio.api.failure.v1 import Failure

import openai


class BackgroundFailureConverter(DefaultFailureConverter):
    """`retryable` and `retry_after` become Temporal's own, and what a reader needs goes into the details."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        if isinstance(exception, openai.BackgroundResponseError):
            # Not `from exception`: the cause would be sent a second time.
            failed = ApplicationError(
                exception.message,
                exception.to_dict(),
                type=type(exception).__name__,
                non_retryable=not exception.retryable,
                next_retry_delay=None if exception.retry_after is None else timedelta(seconds=exception.retry_after),
            )
            failed.__traceback__ = exception.__traceback__
            exception = failed
        super().to_failure(exception, payload_converter, failure)


def error_of(failed: BaseException | None) -> openai.BackgroundResponseError | None:
    """In a workflow: the error behind the `cause` of an `ActivityError`."""
    details: Any = failed.details if isinstance(failed, ApplicationError) else ()
    return openai.BackgroundResponseError.from_dict(details[0]) if details else None


@activity.defn
async def create_and_wait(request: dict[str, Any]) -> str:
    async with openai.AsyncOpenAI() as client:
        run = await client.responses.create(**request, background=True)
        done = await client.responses.poll(
            run.id, raise_on_failure=True, on_poll=lambda _polls, status, _seconds: activity.heartbeat(run.id, status)
        )
        return done.output_text


async def main() -> None:
    request = {"model": "gpt-5.6", "input": "Name a harbour.", "metadata": {"scenario": "rate_limit_exceeded"}}
    try:
        print(await ActivityEnvironment().run(create_and_wait, request))
    except openai.BackgroundResponseError as error:
        failure = Failure()
        BackgroundFailureConverter().to_failure(error, PayloadConverter.default, failure)
        print(failure.application_failure_info.type, failure.application_failure_info.next_retry_delay.ToTimedelta())


if __name__ == "__main__":
    asyncio.run(main())
