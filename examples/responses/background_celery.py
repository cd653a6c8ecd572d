"""A Celery task that creates a run again only when that is worth trying, survives its worker, and fails as it should.

    celery --app background_celery worker          (in this folder)
    python background_celery.py

Needs `celery[redis]` and a Redis server; CELERY_URL says which.

A worker may be killed at any time. The id is stored before anything else can fail, so that the next worker takes up the
same run. Killed between the request and its answer, nobody knows whether there is a run: the task fails with
`LostCreateError` rather than pay for a second one.

A result backend keeps of an exception what its serializer can: with `pickle` everything, with `json` only the text, in a
plain `Exception`. Whoever cannot trust the backend's data, as pickle demands, returns `error.to_dict()` instead.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

import openai

URL = os.environ.get("CELERY_URL", "redis://127.0.0.1:6379/0")
LONGEST = 3600  # seconds to wait for one run
CREATING = b"creating"

app = Celery("background_celery", broker=URL, backend=URL)
app.conf.update(
    result_serializer="pickle",
    result_accept_content=["pickle"],
    # What a killed worker had is given to another one after this time. One that is only slow would share its run.
    broker_transport_options={"visibility_timeout": 2 * LONGEST},
)


class LostCreateError(Exception):
    """Raised when a worker was killed while it created a run: look for it before you create another one."""


def run_of(attempt: str, request: dict[str, Any]) -> str:
    """The id of the run of this attempt, which is created unless an earlier worker did."""
    store: Any = app.backend
    noted = store.get(attempt)
    if noted == CREATING:
        raise LostCreateError(attempt)
    if noted is not None:
        return str(noted, "ascii")
    store.set(attempt, CREATING)
    with openai.OpenAI() as client:
        creating = client.with_options(max_retries=0)  # or a lost answer starts a second run
        response_id = creating.responses.create(**request, background=True).id
    store.set(attempt, response_id)
    return response_id


@app.task(bind=True, max_retries=2, acks_late=True, reject_on_worker_lost=True)
def create_and_wait(self: Any, **request: Any) -> str:
    # `autoretry_for=(openai.BackgroundResponseError,)` would look at the class alone, and pay for an exhausted quota
    # or a forbidden prompt again and again.
    response_id = run_of(f"run-{self.request.id}-{self.request.retries}", request)
    try:
        with openai.OpenAI() as client:
            return client.responses.poll(response_id, raise_on_failure=True, max_wait_seconds=LONGEST).output_text
    except openai.BackgroundResponseError as error:
        if not error.retryable:
            raise
        raise self.retry(exc=error, countdown=error.retry_after or 2**self.request.retries) from error


def main() -> None:
    for scenario in ("completed", "insufficient_quota"):
        result = create_and_wait.delay(model="gpt-5.6", input="Name a harbour.", metadata={"scenario": scenario})
        try:
            print(f"{scenario}: {result.get(timeout=60)}")
        except openai.BackgroundResponseError as error:
            print(f"{scenario}: {type(error).__name__}, {error.code}, {error.response_id}")


if __name__ == "__main__":
    main()
