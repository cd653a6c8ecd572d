"""Waits for many background runs on many workers; each failure arrives as the error that it is.

Needs `distributed`. Run it against the API or against the demo server. `Client("tcp://…")` uses an existing cluster.
"""

from __future__ import annotations

from collections import Counter

from distributed import Client, as_completed

import openai


def wait_for(response_id: str) -> str:
    with openai.OpenAI() as client:
        return client.responses.poll(response_id, raise_on_failure=True).output_text


def main() -> None:
    ids = ["resp_completed", "resp_rate_limit_exceeded", "resp_max_output_tokens"]
    endings: Counter[str] = Counter()
    again: list[str] = []
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        for future in as_completed(cluster.map(wait_for, ids)):
            error = future.exception()
            endings[type(error).__name__ if error else "completed"] += 1
            if isinstance(error, openai.BackgroundResponseError) and error.retryable:
                again.append(f"{error.response_id} after {error.retry_after} s")
    print(dict(sorted(endings.items())))
    print("worth a new run:", *again)


if __name__ == "__main__":
    main()
