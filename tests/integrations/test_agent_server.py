"""Behind Azure's agent server, in its local mode, every way in which an agent can fail is raised as the server tells it,
and a server that is killed loses no run that it promised to keep.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from contextlib import ExitStack
from collections.abc import Iterator

import pytest

import openai
from openai import AsyncOpenAI
from forktools.loopback import CATALOGUE, Loopback

from ._page import check, table, pinned
from ._verdicts import Verdicts, rows, create, verdict, verdicts
from ._environments import python, serving, free_port


class Agent:
    """The server, which can be killed and started again; what it has stored stays."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self._port, self._options, self._stack = folder, free_port(), options, ExitStack()
        self._python = python("integrations-servers", "servers")
        self.base_url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        module = f"{__package__}.programs.agent_server_program"
        command = [str(self._python), "-m", module, str(self._port), *self._options]
        log = self.folder / "log"
        # Its store is in the home folder.
        self._process = self._stack.enter_context(serving(command, self._port, log, HOME=str(self.folder)))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    made = Agent(tmp_path_factory.mktemp("agent"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def seen(agent: Agent) -> tuple[Verdicts, Verdicts]:
    """Without the server, and behind it."""
    with Loopback() as server:
        direct = asyncio.run(verdicts(server.base_url, CATALOGUE, agent=True))
    return direct, asyncio.run(verdicts(agent.base_url, CATALOGUE, agent=True))


def test_async_code_sees_what_sync_code_sees(seen: tuple[Verdicts, Verdicts]) -> None:
    found = seen[1]
    assert {key: found[(*key[:2], "sync")] for key in found} == {key: found[(*key[:2], "async")] for key in found}


def test_every_failure_is_raised(seen: tuple[Verdicts, Verdicts]) -> None:
    for (scenario, _, _), found in seen[1].items():
        assert (found.raised is None) == (scenario == "completed"), (scenario, found)
        assert issubclass(getattr(openai, found.raised or "BackgroundResponseError"), openai.BackgroundResponseError)


def test_page_shows_what_was_measured(seen: tuple[Verdicts, Verdicts], request: pytest.FixtureRequest) -> None:
    name = pinned("integrations-servers", "azure-ai-agentserver-responses")
    check("agent-server", table(rows(seen[0], {name: seen[1]})), write=request.config.getoption("--write"))


@pytest.mark.parametrize("promise", ["none", "resilient"])
async def test_killed_server_loses_what_it_did_not_promise_to_keep(tmp_path: Path, promise: str) -> None:
    agent, gate = Agent(tmp_path, promise), tmp_path / "go on"
    names = ["completed", "insufficient_quota", "server_error"]
    try:
        async with AsyncOpenAI(base_url=agent.base_url, api_key="sk-of-the-tests", max_retries=0) as client:
            before = [await create(client, name) for name in names]
            told = [await verdict(client.responses, run) for run in before]
            held = [await create(client, name, held=str(gate)) for name in names]
            waits = [asyncio.ensure_future(verdict(client.responses, run)) for run in held] * (promise == "resilient")
            agent.kill()
            await asyncio.to_thread(agent.start)
            gate.touch()
            # By default such a run stays pending for ever; an agent that takes runs up again ends them as it would have.
            assert await asyncio.gather(*waits) == told[: len(waits)]
            for run in held[len(waits) :]:
                with pytest.raises(openai.BackgroundPollTimeoutError) as caught:
                    await client.responses.poll(run, raise_on_failure=True, max_wait_seconds=0)
                assert caught.value.status == "in_progress"
            assert [await verdict(client.responses, run) for run in before] == told
    finally:
        agent.close()
