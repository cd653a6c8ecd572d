"""stamina decides by `retryable` whether to create a run again, and by `retry_after` when.

Needs `stamina`. Run it against the API or against the demo server.
"""

from __future__ import annotations

import stamina

import openai
from openai.types.responses import Response

client = openai.OpenAI()


def worth_trying(error: Exception) -> bool | float:
    """False: do not. A number: in so many seconds. True: with stamina's own backoff."""
    if not isinstance(error, openai.BackgroundResponseError) or not error.retryable:
        return False
    return error.retry_after if error.retry_after is not None else True


@stamina.retry(on=worth_trying, attempts=3, timeout=600)
def create_and_wait(scenario: str) -> Response:
    run = client.responses.create(
        model="gpt-5.6", input="Name a harbour.", background=True, metadata={"scenario": scenario}
    )
    return client.responses.poll(run.id, raise_on_failure=True)


def main() -> None:
    for scenario in ("completed", "insufficient_quota", "overloaded"):
        try:
            print(f"{scenario}: {create_and_wait(scenario).output_text}")
        except openai.BackgroundResponseError as error:
            print(f"{scenario}: {type(error).__name__}")


if __name__ == "__main__":
    main()
