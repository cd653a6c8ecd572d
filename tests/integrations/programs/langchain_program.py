"""What langchain-openai does: answers, streams, and the errors that its users catch. Prints JSON."""

from __future__ import annotations

import json
import asyncio
from typing import Any, Callable

from langchain_openai import ChatOpenAI

import openai

# LangChain shares its asynchronous HTTP client among models, so they share the loop.
LOOP = asyncio.new_event_loop()


def model(scenario: str, **options: Any) -> ChatOpenAI:
    metadata = {"metadata": {"scenario": scenario}}
    return ChatOpenAI(model="gpt-5.6", use_responses_api=True, max_retries=0, extra_body=metadata, **options)


def told(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except openai.APIError as error:
        bases = [base.__name__ for base in type(error).__mro__]
        return {"bases": bases, "text": str(error), "code": error.code, "status": getattr(error, "status_code", None)}


def kept(message: Any) -> Any:
    data = json.loads(message.model_dump_json())
    data.pop("id", None)  # LangChain numbers what has no id of its own
    data.get("response_metadata", {}).pop("id", None)
    return data


def uses_of(scenario: str) -> dict[str, Any]:
    chat = model(scenario)
    return {
        "invoke": told(lambda: kept(chat.invoke("Name a harbour."))),
        "ainvoke": told(lambda: kept(LOOP.run_until_complete(chat.ainvoke("Name a harbour.")))),
        "stream": told(lambda: [chunk.text for chunk in chat.stream("Name a harbour.")]),
        "background": told(lambda: kept(chat.invoke("Name a harbour.", background=True))),
    }


def main() -> None:
    scenarios = ("completed", "rate_limit_exceeded", "invalid_prompt", "server_error", "max_output_tokens")
    print(json.dumps({scenario: uses_of(scenario) for scenario in scenarios}))


if __name__ == "__main__":
    main()
