"""Shows how long a background run has been waited for, and how it is.

Needs `rich`. Run it against the API or against a test server.
"""

from __future__ import annotations

from rich.progress import Progress, TextColumn, SpinnerColumn, TimeElapsedColumn

import openai

client = openai.OpenAI()


def main() -> None:
    run = client.responses.create(model="gpt-5.6", input="Name a harbour.", background=True)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as progress:
        task = progress.add_task(f"{run.id}: {run.status}")

        def show(polls: int, status: str | None, _seconds: float) -> None:
            progress.update(task, description=f"{run.id}: {status or 'not seen yet'}, polled {polls} times")

        try:
            text = client.responses.poll(run.id, raise_on_failure=True, max_wait_seconds=3600, on_poll=show).output_text
        except openai.BackgroundResponseError as error:
            text = f"{type(error).__name__}: {error.message}"
        except openai.BackgroundPollTimeoutError as error:  # the run goes on, and is paid for
            text = f"still {error.status}; wait again for {error.response_id}"
    print(text)


if __name__ == "__main__":
    main()
