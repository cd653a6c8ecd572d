"""tenacity decides by `retryable` whether to create a run again, and by `retry_after` when.

Needs `tenacity`. Run it against the API or against the demo server.
"""

from __future__ import annotations

from tenacity import Retrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential_jitter

import openai
from openai.types.responses import Response

client = openai.OpenAI()
_backoff = wait_exponential_jitter(initial=1, max=60)


def worth_trying(error: BaseException) -> bool:
    return isinstance(error, openai.BackgroundResponseError) and error.retryable


def wait(state: RetryCallState) -> float:
    """What the API asked for, and no less; where it asked for nothing, a growing time."""
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None)
    return asked if asked is not None else _backoff(state)


# A copy with another `sleep`, as in `policy.copy(sleep=...)`, is how a test goes through it without waiting.
policy = Retrying(retry=retry_if_exception(worth_trying), wait=wait, stop=stop_after_attempt(3), reraise=True)


def create_and_wait(scenario: str) -> Response:
    run = client.responses.create(
        model="gpt-5.6", input="Name a harbour.", background=True, metadata={"scenario": scenario}
    )
    return client.responses.poll(run.id, raise_on_failure=True)


def main() -> None:
    for scenario in ("completed", "insufficient_quota", "overloaded"):
        try:
            print(f"{scenario}: {policy(create_and_wait, scenario).output_text}")
        except openai.BackgroundResponseError as error:
            print(f"{scenario}: {type(error).__name__} after {policy.statistics['attempt_number']} attempts")


if __name__ == "__main__":
    main()
