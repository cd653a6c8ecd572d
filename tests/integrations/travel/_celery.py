"""The Celery application of the table: a task that fails, and a result backend with one of the two serializers."""

from __future__ import annotations

import os

from celery import Celery

from ._subjects import throw


def application(url: str, serializer: str) -> Celery:
    """The application, for the worker and for who calls it."""
    made = Celery("travel", broker=url, backend=url)
    made.conf.update(
        task_serializer="json",
        result_serializer=serializer,
        accept_content=["json"],
        result_accept_content=[serializer],
    )
    made.task(throw, name="throw")
    return made


if "CELERY_RESULTS" in os.environ:  # in the worker
    app = application(os.environ["CELERY_URL"], os.environ["CELERY_RESULTS"])
