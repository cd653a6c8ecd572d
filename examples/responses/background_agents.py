"""An agent beside background runs: one `except` clause serves both.

Needs `openai-agents`. Run it against the API or against the demo server.
"""

from __future__ import annotations

import asyncio

from agents import Agent, Runner, ModelSettings, OpenAIResponsesModel, set_tracing_disabled

import openai

set_tracing_disabled(True)


async def by_agent(client: openai.AsyncOpenAI, scenario: str) -> str:
    model = OpenAIResponsesModel("gpt-5.6", client)
    settings = ModelSettings(metadata={"scenario": scenario})
    result = await Runner.run(Agent(name="Harbours", model=model, model_settings=settings), "Name a harbour.")
    return str(result.final_output)


async def in_background(client: openai.AsyncOpenAI, scenario: str) -> str:
    run = await client.responses.create(
        model="gpt-5.6", input="Name a harbour.", background=True, metadata={"scenario": scenario}
    )
    return (await client.responses.poll(run.id, raise_on_failure=True)).output_text


async def main() -> None:
    async with openai.AsyncOpenAI(max_retries=0) as client:
        for scenario in ("completed", "server_error"):
            for how in (by_agent, in_background):
                try:
                    text = await how(client, scenario)
                except openai.InternalServerError as error:
                    text = f"{type(error).__name__}, {error.code}"
                print(f"{scenario}, {how.__name__}: {text}")


if __name__ == "__main__":
    asyncio.run(main())
