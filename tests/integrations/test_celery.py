"""Celery, with a real Redis and a real worker process: retries that look at the class, and retries that look at
`retryable`; and what each kind of result backend keeps of an error."""

from __future__ import annotations

from typing import Any, Iterator

import pytest
from celery import Celery

import openai
from forktools.loopback import Loopback

from ._support import NO_REDIS, PATIENCE, redis_server, celery_worker
from ._celery_tasks import application


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        if url is None:
            pytest.skip(NO_REDIS)
        yield url


@pytest.fixture(scope="module")
def api() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture(scope="module", params=["pickle", "json"])
def app(request: pytest.FixtureRequest, redis_url: str, api: Loopback) -> Iterator[Celery]:
    """The application with a worker behind it, for each serializer of results."""
    worker = celery_worker(
        f"{__package__}._celery_tasks", CELERY_URL=redis_url, CELERY_RESULTS=request.param, OPENAI_BASE_URL=api.base_url
    )
    with worker:
        yield application(redis_url, request.param)


def outcome(app: Celery, task: str, scenario: str) -> Any:
    """What the caller gets: the result, or the error."""
    return app.send_task(task, [scenario]).get(timeout=PATIENCE, propagate=False)


def creates(api: Loopback, app: Celery, task: str, scenario: str) -> int:
    before = api.creates
    assert isinstance(outcome(app, task, scenario), Exception)
    return api.creates - before


def test_result_backend_with_pickle_keeps_everything_and_json_the_text(app: Celery) -> None:
    error = outcome(app, "once", "rate_limit_exceeded")
    assert "rate_limit_exceeded" in str(error) and "BackgroundRateLimitError" in repr(error)
    if app.conf.result_serializer == "pickle":
        assert type(error) is openai.BackgroundRateLimitError
        assert (error.code, error.retryable, error.retry_after) == ("rate_limit_exceeded", True, 11.054)
        assert error.response_id in str(error)
    else:
        # Celery's own doing: it stores class and `args`, and calls the class with them, which wants the answer as well.
        assert type(error) is Exception


def test_error_told_as_a_result_is_whole_with_either_serializer(app: Celery) -> None:
    data = outcome(app, "told as a result", "rate_limit_exceeded")
    error = openai.BackgroundResponseError.from_dict(data)
    assert type(error) is openai.BackgroundRateLimitError
    assert (error.code, error.retryable, error.retry_after) == ("rate_limit_exceeded", True, 11.054)


def test_completed_run_is_created_once(app: Celery, api: Loopback) -> None:
    before = api.creates
    assert outcome(app, "by retryable", "completed").startswith("The harbour")
    assert api.creates - before == 1


@pytest.mark.parametrize(
    ("scenario", "by_class", "but_not_these", "by_retryable"),
    [
        ("overloaded", 3, 3, 3),
        ("invalid_prompt", 3, 1, 1),
        ("max_output_tokens", 3, 1, 1),
        # No list of classes can tell this from a rate limit.
        ("insufficient_quota", 3, 3, 1),
        ("rate_limit_exceeded", 3, 3, 3),
    ],
)
def test_autoretry_looks_at_the_class_and_the_task_at_retryable(
    app: Celery, api: Loopback, scenario: str, by_class: int, but_not_these: int, by_retryable: int
) -> None:
    assert creates(api, app, "by class", scenario) == by_class
    assert creates(api, app, "but not these", scenario) == but_not_these
    assert creates(api, app, "by retryable", scenario) == by_retryable
