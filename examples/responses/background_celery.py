"""A Celery task that creates a run again only when that is worth trying, and an error that arrives whole.

    celery --app background_celery worker          (in this folder)
    python background_celery.py

Needs `celery[redis]` and a Redis server; CELERY_URL says which. A result backend keeps of an exception what its
serializer can: with `pickle` everything, with `json` only class and text, so that `retryable` is False and `code` is
None. Whoever cannot trust the backend's data, as pickle demands, returns `error.to_dict()` from the task instead.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

import openai

URL = os.environ.get("CELERY_URL", "redis://127.0.0.1:6379/0")

app = Celery("background_celery", broker=URL, backend=URL)
app.conf.update(result_serializer="pickle", result_accept_content=["pickle"])


@app.task(bind=True, max_retries=2)
def create_and_wait(self: Any, **request: Any) -> str:
    # `autoretry_for=(openai.BackgroundResponseError,)` would look at the class alone, and pay for an exhausted quota
    # or a forbidden prompt again and again.
    client = openai.OpenAI()
    run = client.responses.create(**request, background=True)
    try:
        return client.responses.poll(run.id, raise_on_failure=True).output_text
    except openai.BackgroundResponseError as error:
        if not error.retryable:
            raise
        wait = error.retry_after if error.retry_after is not None else 2**self.request.retries
        raise self.retry(exc=error, countdown=wait) from error


def main() -> None:
    for scenario in ("completed", "insufficient_quota"):
        result = create_and_wait.delay(model="gpt-5.6", input="Name a harbour.", metadata={"scenario": scenario})
        try:
            print(f"{scenario}: {result.get(timeout=60)}")
        except openai.BackgroundResponseError as error:
            print(f"{scenario}: {type(error).__name__}, {error.code}, {error.response_id}")


if __name__ == "__main__":
    main()
