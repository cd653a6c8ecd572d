"""Creates some background runs and waits for them on many workers; each failure arrives as the error that it is.

Needs `distributed`. Run it against the API or against the demo server. `Client("tcp://…")` uses an existing cluster.

The runs are created here and their ids are what the workers are given, so a worker that is killed costs nothing: Dask
gives its task to another one, which takes up the same run.
"""

from __future__ import annotations

from collections import Counter

from distributed import Client, as_completed

import openai

SCENARIOS = ("completed", "rate_limit_exceeded", "max_output_tokens")


def create(scenario: str) -> str:
    with openai.OpenAI() as client:
        creating = client.with_options(max_retries=0)  # or a lost answer starts a second run
        metadata = {"scenario": scenario}  # tells the test server how this run ends
        return creating.responses.create(
            model="gpt-5.6", input="Name a harbour.", background=True, metadata=metadata
        ).id


def wait_for(response_id: str) -> str:
    with openai.OpenAI() as client:
        return client.responses.poll(response_id, raise_on_failure=True, max_wait_seconds=3600).output_text


def main() -> None:
    ids = [create(scenario) for scenario in SCENARIOS]
    print("created:", *ids)
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
