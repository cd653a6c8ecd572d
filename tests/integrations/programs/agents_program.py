"""What openai-agents does: runs, streams, and the errors that its users catch. Prints JSON."""

from __future__ import annotations

import json
import asyncio
from typing import Any, Callable, Awaitable

from agents import Agent, Runner, ModelSettings, OpenAIResponsesModel, set_tracing_disabled

import openai

set_tracing_disabled(True)


async def told(call: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await call()
    except Exception as error:
        bases = [base.__name__ for base in type(error).__mro__]
        return {"bases": bases, "text": str(error), "code": getattr(error, "code", None)}


async def main() -> None:
    found: dict[str, Any] = {}
    async with openai.AsyncOpenAI(max_retries=0) as client:
        for scenario in ("completed", "rate_limit_exceeded", "invalid_prompt", "server_error", "max_output_tokens"):
            settings = ModelSettings(metadata={"scenario": scenario})
            agent: Any = Agent(name="Harbours", model=OpenAIResponsesModel("gpt-5.6", client), model_settings=settings)

            async def run(agent: Any = agent) -> Any:
                result = await Runner.run(agent, "Name a harbour.")
                return [result.final_output, [type(item).__name__ for item in result.new_items]]

            async def stream(agent: Any = agent) -> Any:
                result = Runner.run_streamed(agent, "Name a harbour.")
                kinds = [event.type async for event in result.stream_events()]
                return [result.final_output, kinds]

            found[scenario] = {"run": await told(run), "stream": await told(stream)}
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
