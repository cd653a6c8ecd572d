"""What surrounds a wait: interruption, the client's hooks, Azure, and what is held in memory while it sleeps."""

from __future__ import annotations

import gc
import json
import asyncio
import weakref
import importlib
from typing import Any, Iterator
from contextlib import contextmanager

import httpx2
import pytest

import openai._models as models

from ._replay import PLANTED, locals_of_module
from ._support import BASE_URL, HAS_HOOKS, RESPONSE_ID, Api, answer, settle, background
from ._waiting import Waits, raw, reply, script, polling, refusal, waiting

Patch = pytest.MonkeyPatch


# -- interruption


async def test_poll_interrupted_by_ctrl_c_goes_on_with_the_same_call(monkeypatch: Patch) -> None:
    async with waiting(Api("sync"), monkeypatch, script(reply("queued"), reply(), reply("completed"))) as waits:

        def interrupt() -> None:
            raise KeyboardInterrupt

        waits.during_sleep = interrupt
        with pytest.raises(KeyboardInterrupt):
            await waits.poll()
        waits.during_sleep = None
        assert (await waits.poll()).status == "completed"
    assert {one.method for one in waits.requests} == {"GET"}


@pytest.mark.parametrize("where", ["sleep", "request"])
async def test_poll_whose_task_is_cancelled_goes_on_with_the_same_call(monkeypatch: Patch, where: str) -> None:
    api, reached, release = Api("async"), asyncio.Event(), asyncio.Event()

    async def stall(*_: Any) -> None:
        reached.set()
        await release.wait()

    class Stalling(api.client_class):  # type: ignore[name-defined,misc]
        async def _prepare_options(self, options: Any) -> Any:
            if where == "request":
                await stall()
            return options

    replies = script(reply(), reply("completed"))
    async with waiting(api, monkeypatch, replies, client_class=Stalling) as waits:
        if where == "sleep":
            monkeypatch.setattr(waits.client.responses, "_sleep", stall)
        task = asyncio.create_task(waits.poll())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        assert (await waits.poll()).status in {"completed"}
    assert {one.method for one in waits.requests} == {"GET"}


async def test_poll_within_an_asyncio_timeout_ends_with_that(monkeypatch: Patch) -> None:
    async def stall(*_: Any) -> None:
        await asyncio.Event().wait()

    async with waiting(Api("async"), monkeypatch, script(reply())) as waits:
        monkeypatch.setattr(waits.client.responses, "_sleep", stall)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(waits.poll(), timeout=0.01)


# -- the client's hooks


async def test_poll_runs_the_hooks_of_a_client_subclass_at_every_poll(api: Api, monkeypatch: Patch) -> None:
    prepared: list[str] = []

    def prepare(options: Any) -> Any:
        prepared.append(options.url)
        # In place, as some do: nothing of one poll may reach the next.
        headers = options.headers
        assert "X-Signature" not in headers
        headers["X-Signature"] = str(len(prepared))
        return options

    if api.kind == "sync":

        class Own(api.client_class):  # type: ignore[name-defined,misc]
            def _prepare_options(self, options: Any) -> Any:
                return prepare(super()._prepare_options(options))  # pyright: ignore[reportUnknownMemberType]

    else:

        class Own(api.client_class):  # type: ignore[name-defined,misc,no-redef]
            async def _prepare_options(self, options: Any) -> Any:
                return prepare(await super()._prepare_options(options))  # pyright: ignore[reportUnknownMemberType]

    replies = script(reply(), refusal(503), reply("completed"))
    async with waiting(api, monkeypatch, replies, client_class=Own) as waits:
        await waits.poll(extra_headers={"X-Mine": "1"}, extra_query={"q": "1"})
    assert prepared == [f"/responses/{RESPONSE_ID}"] * 3
    assert [one.headers["x-signature"] for one in waits.requests] == ["1", "2", "3"]


async def test_poll_does_not_change_the_callers_mappings(api: Api, monkeypatch: Patch) -> None:
    headers, query, include = {"X-Mine": "1"}, {"q": "1"}, ["reasoning.encrypted_content"]
    async with waiting(api, monkeypatch, script(reply(), reply("completed"))) as waits:
        await waits.poll(extra_headers=headers, extra_query=query, include=include)
    assert (headers, query, include) == ({"X-Mine": "1"}, {"q": "1"}, ["reasoning.encrypted_content"])


async def test_poll_keeps_nothing_that_a_hook_changed_in_place(api: Api, monkeypatch: Patch) -> None:
    seen: list[tuple[Any, ...]] = []

    def change(options: Any) -> Any:
        seen.append((dict(options.params), dict(options.headers), dict(options.security)))
        options.params["tenant"] = "7"
        options.headers["X-Tenant"] = "7"
        options.security["other"] = True
        return options

    async def achange(options: Any) -> Any:
        return change(options)

    async with waiting(api, monkeypatch, script(reply(), reply(), reply("completed"))) as waits:
        monkeypatch.setattr(waits.client, "_prepare_options", change if api.kind == "sync" else achange)
        await waits.poll()
    assert len(seen) == 3
    assert all(one == seen[0] for one in seen)
    assert [one.url.params["tenant"] for one in waits.requests] == ["7"] * 3


async def test_poll_asks_for_a_fresh_key_at_every_poll(api: Api, monkeypatch: Patch) -> None:
    made: list[str] = []

    def make() -> str:
        made.append(f"key-{len(made) + 1}")
        return made[-1]

    async def amake() -> str:
        return make()

    key = make if api.kind == "sync" else amake
    async with waiting(api, monkeypatch, script(reply(), refusal(503), reply("completed")), api_key=key) as waits:
        await waits.poll()
    assert [one.headers["authorization"] for one in waits.requests] == [f"Bearer key-{n}" for n in (1, 2, 3)]


async def test_poll_on_azure_asks_the_azure_endpoint(api: Api, monkeypatch: Patch) -> None:
    options = {"api_key": "azure-key", "base_url": None, "azure_endpoint": "https://azure.test", "api_version": "v1"}
    replies = script(reply(), refusal(429), reply("completed"))
    async with waiting(api, monkeypatch, replies, client_class=api.azure_class, **options) as waits:
        await settle(waits.client.responses.retrieve(RESPONSE_ID))
        assert (await waits.poll()).status == "completed"
    assert len({str(one.url) for one in waits.requests}) == 1
    assert waits.requests[0].url.host == "azure.test"
    assert {one.headers["api-key"] for one in waits.requests} == {"azure-key"}


@pytest.mark.skipif(not HAS_HOOKS, reason="the client has no `_make_background_error` to override")
async def test_poll_asks_the_clients_own_hook_for_the_error(api: Api, monkeypatch: Patch) -> None:
    class Mine(background.BackgroundResponseError):
        pass

    class Own(api.client_class):  # type: ignore[name-defined,misc]
        def _make_background_error(self, data: Any, *, response: Any) -> Any:
            return Mine(data.status, response=response)

    replies = script(reply(), reply("failed", error=None))
    async with waiting(api, monkeypatch, replies, client_class=Own) as waits:
        with pytest.raises(Mine, match="failed"):
            await waits.poll(raise_on_failure=True)
        assert (await waits.poll()).status == "failed"


async def test_poll_of_a_client_with_options_keeps_them(api: Api, monkeypatch: Patch) -> None:
    async with waiting(api, monkeypatch, script(reply("completed"))) as waits:
        other = waits.client.with_options(default_headers={"X-Other": "1"}, timeout=3.0)
        await settle(other.responses.poll(RESPONSE_ID))
    assert waits.requests[0].headers["x-other"] == "1"
    assert waits.requests[0].extensions["timeout"]["read"] == 3.0
    assert str(waits.requests[0].url).startswith(BASE_URL)


# -- what a pending poll costs


@contextmanager
def counted_models(monkeypatch: Patch) -> Any:
    built: list[Any] = []
    build = models.construct_type

    def count(*args: Any, **kwargs: Any) -> Any:
        built.append(kwargs.get("type_", args[-1] if args else None))
        return build(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(models, "construct_type", count)
        for name in ("openai._legacy_response", "openai._response", "openai._base_client"):
            module = importlib.import_module(name)
            if hasattr(module, "construct_type"):
                patched.setattr(module, "construct_type", count)
        yield built


async def test_poll_of_a_pending_run_builds_no_model(api: Api, monkeypatch: Patch) -> None:
    async with waiting(api, monkeypatch, script(*[reply() for _ in range(20)], reply("completed"))) as waits:
        with counted_models(monkeypatch) as built:
            await settle(waits.client.responses.retrieve(RESPONSE_ID))
            one_model = len(built)
            assert one_model > 0  # what is counted is what builds models
            built.clear()
            during: list[int] = []
            waits.during_sleep = lambda: during.append(len(built))
            await waits.poll()
    assert set(during) == {0}
    assert len(built) == one_model


@pytest.fixture
def frozen() -> Iterator[None]:
    """Collections look only at what a test makes, and so take no time."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("frozen")
async def test_poll_that_sleeps_holds_nothing_of_the_answer(api: Api, monkeypatch: Patch) -> None:
    answers: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def remember(waits: Waits) -> httpx2.Response:
        made = reply("completed" if waits.polls == 5 else "in_progress")
        answers.append(weakref.ref(made))
        return made

    def look() -> None:
        gc.collect()
        alive.append(sum(ref() is not None for ref in answers))

    async with waiting(api, monkeypatch, remember) as waits:
        waits.during_sleep = look
        response = await waits.poll()
    assert response.status == "completed"
    assert (len(alive), set(alive)) == (4, {0})


@pytest.mark.usefixtures("frozen")
async def test_poll_that_sleeps_after_faults_holds_the_last_one_only(api: Api, monkeypatch: Patch) -> None:
    answers: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def remember(waits: Waits) -> httpx2.Response:
        made = reply("completed") if waits.polls == 6 else reply() if waits.polls == 5 else refusal(503)
        answers.append(weakref.ref(made))
        return made

    def look() -> None:
        gc.collect()
        alive.append(sum(ref() is not None for ref in answers))

    async with waiting(api, monkeypatch, remember) as waits:
        waits.during_sleep = look
        await waits.poll()
    assert alive == [1, 1, 1, 1, 0]


# -- where the status stands


def body(size_before: int, status: str, filler: str = "x", **members: Any) -> bytes:
    """A response whose status comes after so many bytes."""
    first = {"id": RESPONSE_ID, "instructions": ""}
    room = size_before - len(json.dumps(first))
    first["instructions"] = (filler * max(room, 0))[: max(room, 0)]
    rest = {key: value for key, value in answer(status=status, **members).items() if key not in first}
    return json.dumps({**first, "status": status, **rest}, ensure_ascii=False).encode()


@pytest.mark.parametrize("size", [0, 900, *range(1000, 1030), 5000, 300_000])
async def test_poll_finds_the_status_wherever_it_stands(monkeypatch: Patch, size: int) -> None:
    replies = script(raw(body(size, "queued")), raw(body(size, "in_progress")), raw(body(size, "completed")))
    async with waiting(Api("sync"), monkeypatch, replies) as waits:
        seen: list[str | None] = []

        def see(_number: int, status: str | None, _seconds: float) -> None:
            seen.append(status)

        response = await waits.poll(on_poll=see)
    assert seen == ["queued", "in_progress", "completed"]
    assert response.id == RESPONSE_ID


@pytest.mark.parametrize("filler", ["é", "漢", "🙂", '"', "\\", "\n", "e\u0301"])
@pytest.mark.parametrize("shift", range(4))
async def test_poll_reads_text_that_is_cut_at_the_first_look(monkeypatch: Patch, filler: str, shift: int) -> None:
    texts = [body(1500 + shift, status, filler) for status in ("in_progress", "completed")]
    for text in texts:
        assert json.loads(text)["id"] == RESPONSE_ID
    async with waiting(Api("sync"), monkeypatch, script(*map(raw, texts))) as waits:
        assert (await waits.poll()).instructions == json.loads(texts[1])["instructions"]
    assert waits.polls == 2


@pytest.mark.parametrize("nested", ["in_progress", "completed"])
@pytest.mark.parametrize("padding", [0, 2000])
async def test_poll_is_not_misled_by_the_status_of_an_item(monkeypatch: Patch, nested: str, padding: int) -> None:
    def text(status: str) -> bytes:
        item: dict[str, Any] = {"type": "message", "status": nested, "id": "m", "role": "assistant", "content": []}
        first: dict[str, Any] = {
            "output": [item],
            "instructions": "x" * padding + '"status":"in_progress"',
            "metadata": {"status": nested},
        }
        rest = {key: value for key, value in answer(status=status).items() if key not in first}
        return json.dumps({**first, **rest}).encode()

    async with waiting(Api("sync"), monkeypatch, script(raw(text("in_progress")), raw(text("completed")))) as waits:
        assert (await waits.poll()).status == "completed"
    assert waits.polls == 2


async def test_poll_reads_only_the_first_bytes_of_a_pending_answer(api: Api, monkeypatch: Patch) -> None:
    parsed: list[int] = []
    parse = polling.jiter.from_json

    class Counting:
        @staticmethod
        def from_json(data: bytes, **options: Any) -> Any:
            parsed.append(len(data))
            return parse(data, **options)

    monkeypatch.setattr(polling, "jiter", Counting)
    pending = raw(body(60, "in_progress", output=[{"type": "x", "id": "y" * 100_000}]))
    async with waiting(api, monkeypatch, script(pending, pending, reply("completed"))) as waits:
        await waits.poll()
    assert max(parsed[:2]) <= 4096


async def test_poll_error_prints_nothing_of_the_request(api: Api, monkeypatch: Patch) -> None:
    last = reply("failed", instructions=PLANTED, error={"code": "server_error", "message": "?"})
    async with waiting(api, monkeypatch, script(reply(instructions=PLANTED), last)) as waits:
        with pytest.raises(background.BackgroundInternalServerError) as caught:
            await waits.poll(raise_on_failure=True)
    printed = locals_of_module(caught.value)
    assert "wait" in printed
    assert PLANTED not in printed
