"""Receives the webhooks of background runs, and keeps in a table of jobs how each run ended.

    uvicorn background_webhooks:app          (in this folder)

Needs `starlette` and `uvicorn`. OPENAI_WEBHOOK_SECRET is the endpoint's secret, JOBS the SQLite file.

A webhook says that a run has ended, not why: so the run is asked, and for a while, because a webhook can arrive before
the read side knows. The row is written before the webhook is answered, so nothing is lost when the receiver is killed:
either the row is there and the next start goes on with it, or the webhook was not answered and is sent again. Nothing
here creates a run.
"""

from __future__ import annotations

import os
import json
import logging
import sqlite3
from typing import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from starlette.routing import Route
from starlette.requests import Request
from starlette.responses import Response
from starlette.applications import Starlette

import openai
from openai.types.webhooks import (
    ResponseFailedWebhookEvent,
    ResponseCancelledWebhookEvent,
    ResponseCompletedWebhookEvent,
    ResponseIncompleteWebhookEvent,
)

SECRET = os.environ["OPENAI_WEBHOOK_SECRET"]
LONGEST = 600  # seconds until the read side has to know
ENDED = (
    ResponseFailedWebhookEvent,
    ResponseCancelledWebhookEvent,
    ResponseCompletedWebhookEvent,
    ResponseIncompleteWebhookEvent,
)

logger = logging.getLogger(__name__)
client = openai.AsyncOpenAI()
under_way: set[str] = set()

# A statement takes less than a millisecond, so it may block the loop; each is committed at once.
jobs = sqlite3.connect(os.environ.get("JOBS", "jobs.sqlite3"), isolation_level=None)
jobs.execute(
    """CREATE TABLE IF NOT EXISTS jobs (
        response_id TEXT PRIMARY KEY,
        ending TEXT,  -- NULL while it is asked for; completed, or the class of the error
        retryable INTEGER,
        error TEXT  -- `BackgroundResponseError.from_dict(json.loads(error))`
    )"""
)


async def settle(response_id: str) -> None:
    """Asks how the run ended, and writes it down."""
    if response_id in under_way:
        return
    under_way.add(response_id)
    ending, retryable, told = "completed", None, None
    try:
        await client.responses.poll(response_id, raise_on_failure=True, max_wait_seconds=LONGEST)
    except openai.BackgroundResponseError as error:
        ending, retryable, told = type(error).__name__, error.retryable, json.dumps(error.to_dict())
    except openai.OpenAIError:  # the poll failed, not the run; the next webhook about it or the next start asks again
        logger.exception("%s: not known how it ended", response_id)
        return
    finally:
        under_way.discard(response_id)
    jobs.execute(
        "UPDATE jobs SET ending = ?, retryable = ?, error = ? WHERE response_id = ?",
        (ending, retryable, told, response_id),
    )


async def receive(request: Request) -> Response:
    try:
        event = client.webhooks.unwrap(await request.body(), request.headers, secret=SECRET)
    except (openai.InvalidWebhookSignatureError, ValueError):  # the latter for a header that is missing
        return Response(status_code=400)
    if isinstance(event, ENDED):
        response_id = event.data.id
        jobs.execute("INSERT OR IGNORE INTO jobs (response_id) VALUES (?)", (response_id,))
        if jobs.execute("SELECT ending FROM jobs WHERE response_id = ?", (response_id,)).fetchone() == (None,):
            request.app.state.tasks.start_soon(settle, response_id)
    return Response(status_code=204)


@asynccontextmanager
async def life(app: Starlette) -> AsyncGenerator[None]:
    async with anyio.create_task_group() as tasks:
        app.state.tasks = tasks
        for (response_id,) in jobs.execute("SELECT response_id FROM jobs WHERE ending IS NULL").fetchall():
            tasks.start_soon(settle, response_id)
        yield
        tasks.cancel_scope.cancel()  # the rows are there, so the next start goes on


app = Starlette(routes=[Route("/webhooks", receive, methods=["POST"])], lifespan=life)
