"""Behind a LiteLLM proxy with a Redis, in its two modes for background runs, every way to fail is raised as without it,
but for what docs/integrations.md lists; and a proxy that is killed loses nothing that it had not promised to itself.

In the polling mode the proxy makes a stream of the create and keeps what comes in Redis; in the native mode the run goes
on at the server behind it.
"""

from __future__ import annotations

import json
import shutil
import asyncio
from typing import Any, Callable, NamedTuple
from pathlib import Path
from contextlib import ExitStack
from collections.abc import Iterator

import pytest

import openai
from openai import AsyncOpenAI
from forktools.loopback import CATALOGUE, Fault, Answer, Request, Loopback, response

from ._page import check, table, pinned
from .programs import ways
from ._verdicts import Verdict, Verdicts, rows, create, verdict, verdicts
from ._environments import python, serving, free_port

MODELS = {"polling": "polling", "native": "native"}
RUNS = 20  # at once, while the proxy is killed


class Gateway:
    """A proxy in front of an upstream server, which can be killed and started again; its Redis goes on."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("no redis-server: none on the PATH, and no wheel with one for this machine")
        self._litellm = python("integrations-servers", "servers").with_name("litellm")
        self._log, self._config, self._stack = folder / "log", folder / "config.yaml", ExitStack()
        self.going_on = False
        """Whether the upstream server says of every run that it has not ended."""
        self.upstream = self._stack.enter_context(Loopback(faults=self._spoil))
        self._port, redis = free_port(), free_port()
        self._config.write_text(json.dumps(self._configuration(redis)), encoding="utf-8")
        options = ["--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._stack.enter_context(serving([program, *options], redis, self._log))
        self.base_url = f"http://127.0.0.1:{self._port}/v1"
        self.start()

    def start(self) -> None:
        options = ["--config", str(self._config), "--host", "127.0.0.1", "--port", str(self._port)]
        command = [str(self._litellm), *options, "--telemetry", "False"]
        # Or it asks the network for the prices of models.
        self._process = self._stack.enter_context(
            serving(command, self._port, self._log, LITELLM_LOCAL_MODEL_COST_MAP="True")
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._stack.close()

    def _configuration(self, redis: int) -> dict[str, Any]:
        behind = {"model": "openai/gpt-5.6", "api_base": self.upstream.base_url, "api_key": "sk-of-the-upstream"}
        return {
            "model_list": [{"model_name": name, "litellm_params": behind} for name in MODELS],
            "litellm_settings": {
                "num_retries": 0,
                "cache": True,
                "cache_params": {"type": "redis", "host": "127.0.0.1", "port": redis, "supported_call_types": []},
                "responses": {
                    "background_mode": {
                        "polling_via_cache": "all",
                        "native_background_mode": ["native"],
                        "ttl": 3600,
                    }
                },
            },
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
            "general_settings": {"master_key": "sk-of-the-tests"},
        }

    def _spoil(self, request: Request) -> Fault | None:
        if request.route == "retrieve" and self.going_on and request.response_id is not None:
            return Fault("end", instead=Answer.json(200, response(request.response_id, "in_progress")))
        held = request.route == "create" and "held" in (request.json.get("metadata") or {})
        return Fault.hang() if held else None


class Seen(NamedTuple):
    direct: Verdicts
    by_mode: dict[str, Verdicts]
    creates: int
    """How many runs the upstream server was asked for."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = Gateway(tmp_path_factory.mktemp("litellm"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def seen(gateway: Gateway) -> Seen:
    direct = asyncio.run(verdicts(gateway.upstream.base_url, CATALOGUE))
    before = len(gateway.upstream.logged("create"))
    by_mode = {mode: asyncio.run(verdicts(gateway.base_url, CATALOGUE, model)) for mode, model in MODELS.items()}
    return Seen(direct, by_mode, len(gateway.upstream.logged("create")) - before)


def test_async_code_sees_what_sync_code_sees(seen: Seen) -> None:
    for found in (seen.direct, *seen.by_mode.values()):
        assert {key: found[(*key[:2], "sync")] for key in found} == {key: found[(*key[:2], "async")] for key in found}


@pytest.mark.parametrize("mode", MODELS)
def test_every_failure_is_raised(seen: Seen, mode: str) -> None:
    for (scenario, _, _), found in seen.by_mode[mode].items():
        raised = found.raised or ""
        assert raised.startswith("Background") == (scenario != "completed"), (scenario, found)
        assert issubclass(getattr(openai, raised or "BackgroundResponseError"), openai.BackgroundResponseError)


def test_nothing_is_submitted_twice(seen: Seen) -> None:
    assert seen.creates == sum(map(len, seen.by_mode.values()))


def test_page_shows_what_was_measured(seen: Seen, request: pytest.FixtureRequest) -> None:
    name = pinned("integrations-servers", "litellm")
    heads = {f"{name}, {mode} mode": found for mode, found in seen.by_mode.items()}
    check("litellm", table(rows(seen.direct, heads)), write=request.config.getoption("--write"))


async def test_stream_of_a_run_that_is_polled_says_that_there_is_none(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        held = await create(client, "completed", "polling", held="yes")
        with pytest.raises(openai.BackgroundStreamInterruptedError) as caught:
            await ways.stream(client.responses, held, raise_on_failure=True)
        assert (caught.value.response_id, caught.value.resumable) == (held, False)
        ended = await create(client, "insufficient_quota", "polling")
        found = await verdict(client.responses, ended)
        assert await verdict(client.responses, ended, ways.stream) == found


async def test_wait_outlasts_a_killed_proxy_where_the_run_is_upstream(gateway: Gateway) -> None:
    before, polls = (len(gateway.upstream.logged(route)) for route in ("create", "retrieve"))
    names = [name for name in CATALOGUE if name != "late_cause"][:RUNS]
    async with client_of(gateway) as client:
        gateway.going_on = True
        ids = [await create(client, name, "native") for name in names]
        waits = [asyncio.ensure_future(verdict(client.responses, one)) for one in ids]
        await until(lambda: len(gateway.upstream.logged("retrieve")) >= polls + RUNS)
        gateway.kill()
        await asyncio.to_thread(gateway.start)
        gateway.going_on = False
        found = await asyncio.gather(*waits)
    assert [one[:3] for one in found] == [(await expected(name))[:3] for name in names]
    assert len(gateway.upstream.logged("create")) - before == RUNS


async def test_killed_proxy_in_polling_mode_keeps_what_had_ended_and_submits_nothing_again(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        ended = [await create(client, name, "polling") for name in ("insufficient_quota", "completed")]
        found = [await verdict(client.responses, one) for one in ended]
        before = len(gateway.upstream.logged("create"))
        held = await create(client, "completed", "polling", held="yes")
        await until(lambda: len(gateway.upstream.logged("create")) == before + 1)
        gateway.kill()
        await asyncio.to_thread(gateway.start)
        assert [await verdict(client.responses, one) for one in ended] == found
        # The run died with the proxy, and the proxy does not say so: this is what the limit of a wait is for.
        with pytest.raises(openai.BackgroundPollTimeoutError) as caught:
            await client.responses.poll(held, raise_on_failure=True, max_wait_seconds=0)
        assert caught.value.status in ("queued", "in_progress")
        assert len(gateway.upstream.logged("create")) == before + 1


def client_of(gateway: Gateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=gateway.base_url, api_key="sk-of-the-tests", max_retries=0)


async def expected(name: str) -> Verdict:
    """What the run gives without a proxy."""
    with Loopback() as server:
        async with AsyncOpenAI(base_url=server.base_url, api_key="sk-of-the-tests", max_retries=0) as client:
            return await verdict(client.responses, f"resp_{name}")


async def until(done: Callable[[], bool]) -> None:
    async def waiting() -> None:
        while not done():
            await asyncio.sleep(0.02)

    await asyncio.wait_for(waiting(), 60)
