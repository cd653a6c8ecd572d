"""The wrong retry policy beside the right one, with tenacity and with Celery, and what each asks of the server.

The run fails for an exhausted quota: a RateLimitError that no new run can mend. The wrong policies look at the class.
One retrieves an ended run again and again, the other starts run after run. The right ones ask the error.

Needs `tenacity` and `celery`; the tasks run in this process, so there is no broker. Run it against the demo server.
"""

from __future__ import annotations

from typing import Any, Callable

from celery import Celery
from tenacity import Retrying, wait_none, retry_if_exception, stop_after_attempt, retry_if_exception_type

import openai
from openai.types.responses import Response

REQUEST: dict[str, Any] = {
    "model": "gpt-5.6",
    "input": "Name a harbour.",
    "background": True,
    "metadata": {"scenario": "insufficient_quota"},
}

requests: list[str] = []
client = openai.OpenAI(
    http_client=openai.DefaultHttpxClient(event_hooks={"request": [lambda request: requests.append(request.method)]})
)
app = Celery("background_policies")
app.conf.task_always_eager = True  # in this process, and without waiting


def retrieve(response_id: str) -> Response:
    return client.responses.retrieve(response_id, raise_on_failure=True)


def create_and_wait() -> Response:
    # A lost answer to a create is sent again by the client itself, unless it is told not to: that is a second run.
    run = client.with_options(max_retries=0).responses.create(**REQUEST)
    return client.responses.poll(run.id, raise_on_failure=True, max_wait_seconds=3600)


def worth_a_new_run(error: BaseException) -> bool:
    return isinstance(error, openai.BackgroundResponseError) and error.retryable


# Wrong: by class, around a retrieve. Without a stop it asks for the ended run for ever.
wrong_policy = Retrying(
    retry=retry_if_exception_type((openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError)),
    wait=wait_none(),
    stop=stop_after_attempt(20),
    reraise=True,
)

# Right: the error is asked, and the create is inside. In earnest, with a wait; see background_tenacity.py.
right_policy = Retrying(
    retry=retry_if_exception(worth_a_new_run), wait=wait_none(), stop=stop_after_attempt(3), reraise=True
)


# Wrong: by class, around the create.
@app.task(autoretry_for=(openai.RateLimitError, openai.InternalServerError), max_retries=5, default_retry_delay=0)
def wrong_task() -> str:
    return create_and_wait().output_text


# Right: the error is asked; see background_celery.py.
@app.task(bind=True, max_retries=5)
def right_task(self: Any) -> str:
    try:
        return create_and_wait().output_text
    except openai.BackgroundResponseError as error:
        if not error.retryable:
            raise
        raise self.retry(exc=error, countdown=error.retry_after or 2**self.request.retries) from error


POLICIES: dict[str, Callable[[str], Any]] = {
    "wrong, tenacity": lambda ended: wrong_policy(retrieve, ended),
    "right, tenacity": lambda _: right_policy(create_and_wait),
    "wrong, Celery": lambda _: wrong_task.delay().get(),
    "right, Celery": lambda _: right_task.delay().get(),
}


def asked(policy: str, ended: str) -> tuple[int, int]:
    """How many runs a policy creates, and how often it polls, until it gives up.

    ended: the id of a run that has failed.
    """
    requests.clear()
    try:
        POLICIES[policy](ended)
    except openai.BackgroundResponseError:
        return requests.count("POST"), requests.count("GET")
    raise AssertionError("the run did not fail; is this the demo server?")


def main() -> None:
    try:
        create_and_wait()
    except openai.BackgroundResponseError as error:
        ended = str(error.response_id)
        for policy in POLICIES:
            creates, polls = asked(policy, ended)
            print(f"{policy}: {creates} created, {polls} polls")


if __name__ == "__main__":
    main()
