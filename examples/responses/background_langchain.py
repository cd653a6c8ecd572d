"""A run that LangChain creates in the background; its failure is the exception that `invoke` would have raised.

Needs `langchain-openai`. Run it against the API or against the demo server.
"""

from __future__ import annotations

from typing import Any

from langchain_openai import ChatOpenAI

import openai

client = openai.OpenAI()


def ask(question: str, *, background: bool, **options: Any) -> str:
    model = ChatOpenAI(model="gpt-5.6", use_responses_api=True, max_retries=0, extra_body=options)
    if not background:
        return model.invoke(question).text
    # The message is empty: the run is queued. It knows its id.
    message = model.invoke(question, background=True)
    return client.responses.poll(message.response_metadata["id"], raise_on_failure=True).output_text


def main() -> None:
    for scenario in ("completed", "rate_limit_exceeded"):
        for background in (False, True):
            try:
                text = ask("Name a harbour.", background=background, metadata={"scenario": scenario})
            except openai.RateLimitError as error:
                text = type(error).__name__
            print(f"{scenario}, {'background' if background else 'synchronous'}: {text}")


if __name__ == "__main__":
    main()
