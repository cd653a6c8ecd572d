"""What is the shim's own: its names, its three functions, and that it steps aside or stays out of the way.

Runs twice: here, on the fork, where the shim has stepped aside; and by test_shim_matrix.py on stock releases, where it
does the work. Where `openai_background` is installed that is the one under test, else the one in the tree.
"""

from __future__ import annotations

import sys
import copy
import json
import pickle
import inspect
import subprocess
from types import TracebackType, SimpleNamespace
from typing import Any, Callable, Iterator, cast
from pathlib import Path
from importlib import import_module
from importlib.util import find_spec

import pytest

import openai
from openai import OpenAI, AsyncOpenAI

SHIM = Path(__file__).resolve().parents[1] / "src"
sys.path.append(str(SHIM))

import openai_background  # noqa: E402
from openai_background import _side, _openai  # noqa: E402

NATIVE, contract = _side.NATIVE, cast(Any, _side.contract)
httpx2: Any = _openai.httpx2
OTHER = "httpx" if httpx2.__name__ == "httpx2" else "httpx2"
# Here, since openai cannot be asked for it while it is half imported.
other: Any = import_module(OTHER) if find_spec(OTHER) else None
shim: Any = openai_background  # one name for two kinds of clients: the types are checked elsewhere
ID = "resp_4b1d"
PLANTED = "planted-instructions-of-the-caller"
stock = pytest.mark.skipif(NATIVE, reason="this openai has the feature itself, and the shim has stepped aside")
native = pytest.mark.skipif(not NATIVE, reason="this openai is a stock release, and the shim does the work")


def payload(status: str, **members: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "object": "response",
        "created_at": 1770000000,
        "model": "model-under-test",
        "instructions": PLANTED,
        "status": status,
        "output": [],
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        **members,
    }


FAILED = payload("failed", error={"code": "rate_limit_exceeded", "message": "Please try again in 3s."})
COMPLETED = payload("completed")


def handle(body: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """What a server answers: `body`, or, when a stream is asked for, events that end with it."""

    def answer(request: Any) -> dict[str, Any]:
        headers = {"x-request-id": "req_9", "content-type": "application/json"}
        if "stream=true" not in str(request.url):
            return {"content": json.dumps(body).encode(), "headers": headers}
        steps = [("response.created", payload("in_progress")), (f"response.{body['status']}", body)]
        events = [{"type": kind, "sequence_number": n, "response": told} for n, (kind, told) in enumerate(steps)]
        lines = [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events]
        return {"content": "".join(lines).encode(), "headers": {**headers, "content-type": "text/event-stream"}}

    return answer


def mocked(answer: Callable[[Any], Any]) -> Any:
    return httpx2.MockTransport(answer)


def clients(body: dict[str, Any]) -> list[Any]:
    answer = handle(body)
    transport = mocked(lambda request: httpx2.Response(200, **answer(request)))
    return [
        OpenAI(api_key="k", http_client=httpx2.Client(transport=transport)),
        AsyncOpenAI(api_key="k", http_client=httpx2.AsyncClient(transport=transport)),
    ]


async def retrieve(client: Any, **options: Any) -> Any:
    called = shim.retrieve(client, ID, **options)
    return await called if inspect.isawaitable(called) else called


async def poll(client: Any, **options: Any) -> Any:
    called = shim.poll(client, ID, **options)
    return await called if inspect.isawaitable(called) else called


async def retrieve_events(client: Any, **options: Any) -> Any:
    stream = await retrieve(client, stream=True, **options)
    events = [one async for one in stream] if hasattr(stream, "__anext__") else [*stream]
    return events[-1].response


async def stream(client: Any, **options: Any) -> Any:
    manager = shim.stream(client, ID, **options)
    if hasattr(manager, "__aenter__"):
        async with manager as events:
            seen = [one async for one in events]
    else:
        with manager as events:
            seen = [*events]
    return seen[-1].response


async def follow(client: Any) -> Any:
    run = shim.follow(client, ID)
    seen = [one async for one in run] if hasattr(run, "__anext__") else [*run]
    assert seen[-1].type == "response.completed"
    return run.response


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
async def test_follow_ends_as_the_run_does(kind: int) -> None:
    assert (await follow(clients(COMPLETED)[kind])).status == "completed"
    with pytest.raises(shim.BackgroundRateLimitError):
        await follow(clients(FAILED)[kind])


ways = pytest.mark.parametrize("way", [retrieve, poll, retrieve_events, stream], ids=lambda way: way.__name__)


@ways
@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
async def test_function_by_default_raises_the_failure(way: Any, kind: int) -> None:
    client = clients(FAILED)[kind]
    with pytest.raises(shim.BackgroundRateLimitError) as caught:
        await way(client)
    error = caught.value
    assert issubclass(type(error), openai.RateLimitError)
    assert (error.retryable, error.retry_after, error.response_id) == (True, 3.0, ID)
    assert error.response is not None and error.response.status_code == 200
    assert error.request_id == "req_9"


@ways
@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
async def test_function_with_the_flag_off_returns_the_failure(way: Any, kind: int) -> None:
    assert (await way(clients(FAILED)[kind], raise_on_failure=False)).status == "failed"


@ways
@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
async def test_function_returns_what_is_completed(way: Any, kind: int) -> None:
    assert (await way(clients(COMPLETED)[kind])).status == "completed"


@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
async def test_stream_final_response_after_the_error_raises_it_again(kind: int) -> None:
    manager = shim.stream(clients(FAILED)[kind], ID)
    with pytest.raises(shim.BackgroundRateLimitError):
        if kind:
            async with manager as events:
                with pytest.raises(shim.BackgroundRateLimitError):
                    async for _ in events:
                        pass
                await events.get_final_response()
        else:
            with manager as events:
                with pytest.raises(shim.BackgroundRateLimitError):
                    for _ in events:
                        pass
                events.get_final_response()


@pytest.mark.parametrize("function", ["retrieve", "poll"])
def test_module_client_raises_the_failure(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    answer = handle(FAILED)
    transport = mocked(lambda request: httpx2.Response(200, **answer(request)))
    monkeypatch.setattr(openai, "api_key", "k")
    monkeypatch.setattr(openai, "http_client", httpx2.Client(transport=transport))
    openai._reset_client()
    try:
        with pytest.raises(shim.BackgroundRateLimitError):
            getattr(shim, function)(openai, ID)
    finally:
        openai._reset_client()


@pytest.mark.skipif(find_spec("openai._httpx2") is None, reason="this openai knows one HTTP library")
@ways
async def test_client_of_the_other_http_library_raises_the_failure(way: Any) -> None:
    if other is None:
        pytest.skip("the other HTTP library is not installed")
    answer = handle(FAILED)

    def reply(request: Any) -> Any:
        return other.Response(200, **answer(request))

    transport = other.MockTransport(reply)
    with OpenAI(api_key="k", http_client=other.Client(transport=transport)) as client:
        with pytest.raises(shim.BackgroundRateLimitError) as caught:
            await way(client)
    assert isinstance(caught.value.response, other.Response)


@stock
def test_http_library_is_the_one_that_openai_is_made_for() -> None:
    with OpenAI(api_key="k") as client:
        assert isinstance(client._client, httpx2.Client)


def _breaks() -> Iterator[bytes]:
    yield b"\n"
    raise httpx2.RemoteProtocolError("peer closed connection")


def test_stream_whose_connection_breaks_is_interrupted() -> None:
    headers = {"content-type": "text/event-stream"}
    transport = mocked(lambda _: httpx2.Response(200, headers=headers, content=_breaks()))
    client = OpenAI(api_key="k", http_client=httpx2.Client(transport=transport))
    with pytest.raises(shim.BackgroundStreamInterruptedError) as caught:
        list(shim.retrieve(client, ID, stream=True))
    assert isinstance(caught.value.__cause__, openai.APIConnectionError)
    assert caught.value.response_id == ID


@pytest.mark.parametrize("way", [retrieve, poll], ids=lambda way: way.__name__)
@pytest.mark.parametrize("kind", [0, 1], ids=["sync", "async"])
async def test_traceback_with_locals_prints_nothing_of_the_request(way: Any, kind: int) -> None:
    client = clients(FAILED)[kind]
    with pytest.raises(shim.BackgroundResponseError) as caught:
        await way(client)
    folder = str(Path(shim.__file__ or "").parent)
    trace: TracebackType | None = caught.value.__traceback__
    printed = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(folder):
            printed += 1
            assert PLANTED not in repr(trace.tb_frame.f_locals)
        trace = trace.tb_next
    assert printed or NATIVE


# -- names


OF_THE_CONTRACT = {"CONTRACT", "CONTRACT_VERSION", "Rule", "raise_on_failure", *contract.__all__}


def test_names_are_the_functions_and_everything_of_the_contract() -> None:
    assert {*shim.__all__} == {"follow", "poll", "retrieve", "stream", *OF_THE_CONTRACT}
    for name in OF_THE_CONTRACT:
        assert getattr(shim, name) is getattr(contract, name)


def test_side_is_the_one_that_openai_calls_for() -> None:
    assert NATIVE is (find_spec("openai.lib.background") is not None)
    assert contract.__name__ == ("openai.lib.background" if NATIVE else "openai_background._contract")
    # Where to import it from, on either side.
    assert {getattr(shim, name).__module__ for name in contract.__all__} == {
        "openai" if NATIVE else "openai_background"
    }


@pytest.mark.skipif(find_spec(contract.__name__ + ".__main__") is None, reason="this contract has no command")
def test_command_prints_the_contract() -> None:
    done = run("-m", "openai_background", "rate_limit_exceeded")
    assert done.returncode == 0, done.stderr
    assert "BackgroundRateLimitError" in done.stdout
    does = "steps aside for" if NATIVE else "does the work on the stock"
    assert done.stderr == f"openai-background {does} openai {openai.__version__}\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Another interpreter with the same search path."""
    prelude = f"import sys; sys.path[:] = {sys.path!r}\n"
    if arguments[0] == "-m":
        module, rest = arguments[1], ["x", *arguments[2:]]
        code = f"{prelude}sys.argv = {rest!r}; import runpy; runpy.run_module({module!r}, run_name='__main__')"
    else:
        code = prelude + arguments[1]
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


# -- on the fork: aside


@native
def test_classes_on_the_fork_are_the_forks() -> None:
    theirs: Any = import_module("openai.lib.background")
    for name in theirs.__all__:
        assert getattr(shim, name) is getattr(theirs, name)


@native
@pytest.mark.parametrize("flag", [{}, {"raise_on_failure": False}], ids=["default", "off"])
def test_functions_on_the_fork_are_the_clients_methods(flag: dict[str, Any]) -> None:
    seen: list[Any] = []

    def record(name: str) -> Any:
        def call(*args: Any, **options: Any) -> str:
            seen.append((name, args, options))
            return name

        return call

    client: Any = SimpleNamespace(
        responses=SimpleNamespace(retrieve=record("retrieve"), poll=record("poll"), stream=record("stream"))
    )
    raises = {"raise_on_failure": flag.get("raise_on_failure", True)}
    function: Any = shim
    assert function.retrieve(client, ID, timeout=3, **flag) == "retrieve"
    assert function.retrieve(client, ID, stream=True, **flag) == "retrieve"
    assert function.poll(client, ID, max_wait_seconds=5, **flag) == "poll"
    assert function.stream(client, ID, starting_after=4, **flag) == "stream"
    assert seen == [
        ("retrieve", (ID,), {"timeout": 3, **raises}),
        ("retrieve", (ID,), {"stream": True, **raises}),
        ("poll", (ID,), {"max_wait_seconds": 5, **raises}),
        ("stream", (), {"response_id": ID, "starting_after": 4, **raises}),
    ]


@native
def test_modules_on_the_fork_load_no_second_contract() -> None:
    code = """if True:
        import sys, openai_background
        assert not [name for name in sys.modules if name.startswith("openai_background._contract")]
        assert not [name for name in ("_stock", "_pickling") if "openai_background." + name in sys.modules]
    """
    done = run("-c", code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["a run", "a stream"])
async def test_error_is_pickled_by_the_name_that_it_has_on_either_side(kind: str) -> None:
    error: Any
    if kind == "a run":
        with pytest.raises(shim.BackgroundRateLimitError) as caught:
            shim.retrieve(clients(FAILED)[0], ID)
        error = caught.value
    else:
        error = shim.BackgroundStreamInterruptedError(request=httpx2.Request("GET", "https://x.test/?key=secret"))
    sent = pickle.dumps(error)
    assert PLANTED.encode() not in sent and b"secret" not in sent
    back: Any = pickle.loads(sent)
    assert (type(back), str(back), {*vars(back)}) == (type(error), str(error), {*vars(error)})
    assert (b"openai_background" in sent) is not NATIVE
    # What the shim wrote on stock is read where `openai` has the class itself.
    assert getattr(shim, type(error).__name__) is type(error)
    assert type(copy.copy(error)) is type(copy.deepcopy(error)) is type(error)


# -- on stock: out of the way


@stock
def test_import_on_stock_changes_nothing_of_openai() -> None:
    code = """if True:
        import openai, importlib, pkgutil
        from openai import resources, types, lib
        import openai.resources.responses, openai.lib.streaming.responses, openai.lib._parsing

        def everything():
            for name, module in list(sys.modules.items()):
                if name == "openai" or name.startswith("openai."):
                    for key, value in list(vars(module).items()):
                        yield name, key, id(value)
                        if isinstance(value, type) and value.__module__.startswith("openai."):
                            yield from ((name, key, inner, id(part)) for inner, part in list(vars(value).items())
                                        if not inner.startswith("__") and not inner.startswith("_abc"))

        before, modules, finders = set(everything()), set(sys.modules), list(sys.meta_path)
        hooks = list(sys.path_hooks)
        import openai_background
        import openai_background._stock
        new = set(sys.modules) - modules
        missing = before - set(everything())
        assert not missing, missing
        assert sys.meta_path == finders and sys.path_hooks == hooks
        assert not hasattr(openai, "BackgroundResponseError")
        assert not [name for name in new if name.startswith("openai.lib.background")]
    """
    done = run("-c", code)
    assert done.returncode == 0, done.stderr


@stock
async def test_calls_of_others_on_stock_return_the_failure() -> None:
    sync, asynchronous = clients(FAILED)
    with pytest.raises(shim.BackgroundRateLimitError):
        shim.retrieve(sync, ID)
    assert sync.responses.retrieve(ID).status == "failed"
    assert (await asynchronous.responses.retrieve(ID)).status == "failed"
    assert [one.type for one in sync.responses.retrieve(ID, stream=True)][-1] == "response.failed"
    assert not hasattr(sync.responses, "poll")


@stock
async def test_hook_of_a_client_class_on_stock_is_asked() -> None:
    asked: list[Any] = []

    class Mine(OpenAI):
        def _make_background_error(self, body: Any, *, response: Any, response_id: str | None) -> None:
            asked.append((body, response.status_code, response_id))

    answer = handle(FAILED)
    transport = mocked(lambda request: httpx2.Response(200, **answer(request)))
    with Mine(api_key="k", http_client=httpx2.Client(transport=transport)) as client:
        for way in (retrieve, poll, retrieve_events):
            assert (await way(client)).status == "failed"
    assert len(asked) >= 3  # a wait asks for what its last retrieve gave, too
