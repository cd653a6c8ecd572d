"""The tasks of test_celery.py, in the worker: what Celery's own options make of a failed run."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

import openai


def application(url: str, serializer: str) -> Celery:
    """The application, for the worker and for who calls it."""
    made = Celery("tests", broker=url, backend=url)
    made.conf.update(
        task_serializer="json",
        result_serializer=serializer,
        accept_content=["json"],
        result_accept_content=[serializer],
    )
    made.task(create_and_wait, name="once")
    # The countdown of 0 is only here: a test does not wait.
    by_class: dict[str, Any] = {"autoretry_for": (openai.BackgroundResponseError,), "max_retries": 2}
    made.task(create_and_wait, name="by class", retry_kwargs={"countdown": 0}, **by_class)
    spared = (openai.BackgroundBadRequestError, openai.BackgroundIncompleteError)
    made.task(
        create_and_wait, name="but not these", dont_autoretry_for=spared, retry_kwargs={"countdown": 0}, **by_class
    )
    made.task(create_and_wait_bound, name="by retryable", bind=True, max_retries=2)
    made.task(create_and_tell, name="told as a result")
    return made


def create_and_wait(scenario: str) -> str:
    with openai.OpenAI() as client:
        run = client.responses.create(
            model="gpt-5.6", input="Name a harbour.", background=True, metadata={"scenario": scenario}
        )
        return client.responses.poll(run.id, raise_on_failure=True, poll_interval_ms=1).output_text


def create_and_wait_bound(task: Any, scenario: str) -> str:
    try:
        return create_and_wait(scenario)
    except openai.BackgroundResponseError as error:
        if not error.retryable:
            raise
        raise task.retry(exc=error, countdown=0) from error


def create_and_tell(scenario: str) -> Any:
    try:
        return create_and_wait(scenario)
    except openai.BackgroundResponseError as error:
        return error.to_dict()


if "CELERY_RESULTS" in os.environ:  # in the worker
    app = application(os.environ["CELERY_URL"], os.environ["CELERY_RESULTS"])
