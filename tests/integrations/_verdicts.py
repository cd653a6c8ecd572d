"""How every scenario of the demo ends, by every way, as a client of some server sees it; and two such pictures compared."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, NamedTuple
from collections.abc import Mapping, Iterable

import openai
from openai import OpenAI, AsyncOpenAI
from openai.lib.background import follow as events_of

from .programs import ways


async def follow(resource: Any, run: str, **_flag: Any) -> Any:
    await ways.read(resource, events_of(resource, run, max_wait_seconds=120))


COMPARED = {"`retrieve`": ways.loop, "`poll`": ways.poll, "`follow`": follow}
AT_ONCE = 8


class Verdict(NamedTuple):
    raised: str | None
    retryable: bool | None
    cause: str | None
    """The code of a failed run, the reason of an incomplete one."""
    text: str
    """What it had written."""


Verdicts = dict[tuple[str, str, str], Verdict]
"""By scenario, way, and `sync` or `async`."""


async def verdict(resource: Any, run: str, way: Callable[..., Any] = ways.poll) -> Verdict:
    """Waits for the end of the run."""
    try:
        response = await way(resource, run, raise_on_failure=True)
    except openai.OpenAIError as error:
        told: Any = error
        cause = getattr(told, "code", None) or getattr(told, "reason", None)
        return Verdict(type(told).__name__, getattr(told, "retryable", None), cause, getattr(told, "output_text", ""))
    return Verdict(None, None, None, getattr(response, "output_text", ""))


async def create(client: AsyncOpenAI, scenario: str, model: str = "gpt-5.6", **metadata: str) -> str:
    run = await client.responses.create(
        model=model, input="Name a harbour.", background=True, metadata={"scenario": scenario, **metadata}
    )
    return run.id


async def create_stream(client: AsyncOpenAI, scenario: str) -> str:
    """Created as a stream, without which some servers have none afterwards, and left after its first event."""
    stream = await client.responses.create(
        model="gpt-5.6", input="Name a harbour.", background=True, metadata={"scenario": scenario}, stream=True
    )
    async with stream:
        async for event in stream:
            if event.type == "response.created":
                return event.response.id
    raise AssertionError("the stream did not begin")


async def verdicts(base_url: str, scenarios: Iterable[str], model: str = "gpt-5.6", *, agent: bool = False) -> Verdicts:
    """Each of a run of its own. An agent is told to stream and to stop, where another server does it by itself."""
    options: dict[str, Any] = {"base_url": base_url, "api_key": "sk-of-the-tests", "max_retries": 0, "timeout": 60}
    room = asyncio.Semaphore(AT_ONCE)
    found: Verdicts = {}
    with OpenAI(**options) as blocking:
        async with AsyncOpenAI(**options) as client:

            async def one(scenario: str, way: str, kind: str) -> None:
                async with room:
                    if agent and way == "`follow`" and scenario != "cancelled":
                        run = await create_stream(client, scenario)
                    else:
                        run = await create(client, scenario, model)
                    if agent and scenario == "cancelled":
                        await client.responses.cancel(run)
                    if kind == "async":
                        found[scenario, way, kind] = await verdict(client.responses, run, COMPARED[way])
                    else:
                        waiting = verdict(blocking.responses, run, COMPARED[way])
                        found[scenario, way, kind] = await asyncio.to_thread(lambda: asyncio.run(waiting))

            # Not at once: the SDK makes its models when they are first used, and threads that do so together get events of
            # other classes.
            for kind in ("async", "sync"):
                await asyncio.gather(*(one(name, way, kind) for name in scenarios for way in COMPARED))
    return found


def rows(direct: Verdicts, by_server: Mapping[str, Verdicts]) -> list[tuple[str, ...]]:
    """A table of the scenarios that end otherwise behind a server; the last row counts the others."""
    names = list(dict.fromkeys(name for name, _, _ in direct))
    table: list[tuple[str, ...]] = []
    for name in names:
        cells = [_difference(name, direct, found) for found in by_server.values()]
        if any(cells):
            told = _shown(direct[name, "`poll`", "sync"], None)
            table.append((f"`{name}`", told, *(cell or "the same" for cell in cells)))
    alike = f"{len(names) - len(table)} others"
    return [("scenario", "poll without it", *by_server), *table, (alike, "", *["the same"] * len(by_server))]


def _difference(name: str, direct: Verdicts, found: Verdicts) -> str:
    by_text: dict[str, list[str]] = {}
    for way in COMPARED:
        here, there = direct[name, way, "sync"], found[name, way, "sync"]
        if here != there:
            by_text.setdefault(_shown(there, here), []).append(way)
    return "; ".join(
        text if len(seen) == len(COMPARED) else f"{' and '.join(seen)}: {text}" for text, seen in by_text.items()
    )


def _shown(now: Verdict, before: Verdict | None) -> str:
    """All of it, or what is not as before."""
    if before is not None and now[:2] == before[:2]:
        return f"code `{now.cause}`" if now.cause != before.cause else "without its text"
    retried = {True: ", retryable", False: ", not retryable", None: ""}[now.retryable]
    cause = f", `{now.cause}`" if now.cause else ""
    return f"`{now.raised}`{cause}{retried}" if now.raised else "nothing raised"
