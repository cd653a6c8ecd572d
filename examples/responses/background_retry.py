"""Tries a background run again where that is worth trying, and keeps the id of every run.

A run that has ended stays as it is: to try again is to create a new one, and to pay for it. So the error is asked
whether that is worth it, and the create is retried, never the retrieve. With an exhausted quota, say, `retryable` is
False and the first failure is final.

Run it against the API, or against a test server that reads from the metadata how the run shall end.
"""

from __future__ import annotations

import time
from typing import Any

import openai
from openai.types.responses import Response

client = openai.OpenAI()


def run_until_done(ids: list[str], *, attempts: int = 3, **request: Any) -> Response:
    creating = client.with_options(max_retries=0)  # or a lost answer starts a second run
    for attempt in range(1, attempts + 1):
        ids.append(creating.responses.create(**request, background=True).id)
        try:
            return client.responses.poll(ids[-1], raise_on_failure=True, max_wait_seconds=3600)
        except openai.BackgroundResponseError as error:
            wait = error.retry_after or 2.0**attempt  # seconds
            if not error.retryable or attempt == attempts or wait > 600:
                raise
        time.sleep(wait)
    raise ValueError("attempts must be at least 1")


def main() -> None:
    for scenario in ("insufficient_quota", "overloaded", "completed"):
        ids: list[str] = []
        try:
            run = run_until_done(
                ids, model="gpt-5.6", input="Name a harbour.", metadata={"scenario": scenario}, attempts=2
            )
            print(f"{scenario}: {run.output_text}")
        except openai.BackgroundResponseError as error:
            print(f"{scenario}: {type(error).__name__}, {error.code}")
        print(f"    runs: {', '.join(ids)}")


if __name__ == "__main__":
    main()
