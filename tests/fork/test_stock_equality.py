"""Without the flag the fork is stock `openai`: one program, run on both in processes of their own, tells the same.

The stock package is the pinned release that `scripts/bootstrap` keeps, untouched, in .upstream. What is compared: every
byte that goes out, over a raw loopback socket, and of what comes back the type, `repr`, `vars` and public attributes;
and what happens where a program puts a double of its own in the place of something internal.
"""

from __future__ import annotations

import os
import sys
import json
import subprocess
from typing import Any
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor

import pytest

from forktools import ROOT, pin

# Runs under either package, so it may use only what both have. It prints one JSON object: case -> what was seen.
PROGRAM = r'''
import asyncio, inspect, json, re, socketserver, sys, threading
from types import SimpleNamespace
from unittest.mock import MagicMock

import httpx2
import openai
import openai.resources.responses.responses as resources
import openai.resources.beta.responses.responses as beta_resources
from openai import AsyncOpenAI, OpenAI
from openai._types import not_given
from openai._response import APIResponse, AsyncAPIResponse
from openai._legacy_response import LegacyAPIResponse
from openai.types.beta import BetaResponse
from openai.types.responses import Response

ID = "resp_77"
BASE = dict(id=ID, object="response", created_at=1, model="m", output=[], parallel_tool_calls=True, tool_choice="auto",
            tools=[], background=True, instructions="Say it.", unknown_member={"a": [None]})
PAYLOADS = {
    "failed": dict(BASE, status="failed", error={"code": "rate_limit_exceeded", "message": "Slow.", "extra": 1}),
    "odd": dict(BASE, status="failed", error="a string", incomplete_details=[1]),
    "incomplete": dict(BASE, status="incomplete", error=None, incomplete_details={"reason": "content_filter"}),
    "cancelled": dict(BASE, status="cancelled"),
    "completed": dict(BASE, status="completed", usage={"input_tokens": 1}),
}
wire, answers = [], {}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += self.connection.recv(65536)
        head, _, body = seen.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += self.connection.recv(65536)
        port = str(self.server.server_address[1]).encode()
        wire.append((head + b"\r\n\r\n" + body).replace(b":" + port, b":PORT").decode("latin-1"))
        status, kind, content = answers["now"]
        self.wfile.write(b"HTTP/1.1 %d X\r\ncontent-type: %s\r\nx-request-id: req_1\r\nconnection: close\r\n"
                         b"content-length: %d\r\n\r\n%s" % (status, kind, len(content), content))


def look(thing):
    """A result as comparable text: its type, its repr, its state and its public attributes."""
    out = {"type": f"{type(thing).__module__}.{type(thing).__qualname__}", "repr": repr(thing)}
    if isinstance(thing, Response):
        out["vars"] = {name: repr(value) for name, value in vars(thing).items()}
        out["set"] = sorted(thing.model_fields_set)
        out["dump"] = thing.model_dump_json()
        out["request_id"] = getattr(thing, "_request_id", "has none")  # a streamed one
        out["text"] = thing.output_text
        out["public"] = sorted(name for name in dir(thing) if not name.startswith("_"))
    elif isinstance(thing, BaseException):
        out["str"] = str(thing)
        out["mro"] = [base.__name__ for base in type(thing).__mro__]
        out["vars"] = {name: repr(value) for name, value in vars(thing).items()}
        out["public"] = sorted(name for name in dir(thing) if not name.startswith("_"))
    elif hasattr(thing, "http_response"):
        out["vars"] = sorted(vars(thing))
        out["public"] = sorted(name for name in dir(thing) if not name.startswith("_"))
        out["status"] = thing.status_code
        out["headers"] = sorted(thing.headers.items())
    return json.loads(re.sub(r"0x[0-9a-f]+|:\d{4,5}/", "ADDRESS", json.dumps(out)))


async def settle(value):
    return await value if inspect.isawaitable(value) else value


async def plain(client):
    return [look(await settle(client.responses.retrieve(ID, include=["reasoning.encrypted_content"])))]


async def raw(client):
    response = await settle(client.responses.with_raw_response.retrieve(ID))
    first = await settle(response.parse())
    return [look(response), look(first), (await settle(response.parse())) is first,
            look(await settle(response.parse(to=str))), look(await settle(response.parse(to=dict)))]


async def streaming(client):
    manager = client.responses.with_streaming_response.retrieve(ID)
    if hasattr(manager, "__aenter__"):
        async with manager as response:
            return [look(response), look(await response.parse()), look(await response.parse(to=dict))]
    with manager as response:
        return [look(response), look(response.parse()), look(response.parse(to=dict))]


async def low_level(client):
    return [look(await settle(client.get(f"/responses/{ID}", cast_to=Response))),
            look(await settle(client.get(f"/responses/{ID}", cast_to=object, options={"headers": {"x-a": "b"}})))]


async def beta(client):
    return [look(await settle(client.beta.responses.retrieve(ID)))]


async def others(client):
    return [look(await settle(client.responses.create(model="m", input="hi", background=True))),
            look(await settle(client.responses.cancel(ID)))]


async def events(client):
    stream = await settle(client.responses.retrieve(ID, stream=True, starting_after=3))
    seen = [event async for event in stream] if hasattr(stream, "__aiter__") else [event for event in stream]
    return [look(stream)["type"]] + [event.to_dict() for event in seen]


# -- doubles: what a program, a test suite or an instrumentation puts in the place of something internal


class OwnStream:
    """A wrapper around a raw stream that has what the public class has, and nothing else."""

    def __init__(self, stream):
        self._stream, self.response = stream, stream.response

    def __iter__(self):
        return iter(self._stream)

    def __aiter__(self):
        return self._stream.__aiter__()

    async def close(self):
        await settle(self._stream.close())


async def wrapped_stream(client):
    """The accumulating stream over a wrapped one: to its end, and on to the final response."""
    own = client.responses.retrieve

    def sync_retrieve(*args, **options):
        return OwnStream(own(*args, **options))

    async def async_retrieve(*args, **options):
        return OwnStream(await own(*args, **options))

    client.responses.retrieve = async_retrieve if isinstance(client, AsyncOpenAI) else sync_retrieve
    try:
        manager = client.responses.stream(response_id=ID)
        if hasattr(manager, "__aenter__"):
            async with manager as stream:
                seen = [event.to_dict() async for event in stream]
                return seen + [look(await stream.get_final_response())]
        with manager as stream:
            seen = [event.to_dict() for event in stream]
            return seen + [look(stream.get_final_response())]
    finally:
        del client.responses.retrieve


def fixed(*, query=None, extra_headers=None, extra_query=None, extra_body=None, idempotency_key=None, timeout=not_given,
          post_parser=not_given, security=None, synthesize_event_and_data=None, stream_mode=None):
    """`make_request_options` as the release has it, patched in by somebody."""
    options = {"headers": extra_headers, "params": query, "extra_json": extra_body, "security": security}
    if timeout is not not_given:
        options["timeout"] = timeout
    return {name: value for name, value in options.items() if value is not None}


async def fixed_signature(client):
    own = resources.make_request_options, beta_resources.make_request_options
    resources.make_request_options = beta_resources.make_request_options = fixed
    try:
        return [look(await settle(client.responses.retrieve(ID))), look(await settle(client.beta.responses.retrieve(ID))),
                look(await settle(client.responses.cancel(ID)))]
    finally:
        resources.make_request_options, beta_resources.make_request_options = own


async def parsed_by_hand(client):
    """The three kinds of answers, made with doubles for the options and the client, and parsed."""
    told = []
    answer = await settle(client.responses.with_raw_response.retrieve(ID))
    plain = SimpleNamespace(post_parser=not_given, url="/responses/" + ID, method="get")
    for options in (plain, SimpleNamespace(post_parser=lambda parsed: parsed), MagicMock(), MagicMock(post_parser=not_given)):
        for who in (client, MagicMock()):
            for kind in (LegacyAPIResponse, APIResponse, AsyncAPIResponse):
                for to in (Response, BetaResponse, dict, str, httpx2.Response):
                    made = kind(raw=answer.http_response, cast_to=to, client=who, stream=False, stream_cls=None, options=options)
                    try:
                        came = await settle(made.parse())
                    except Exception as error:
                        told.append(look(error))
                    else:
                        told.append(type(came).__name__)
    return told


async def case(client, route):
    wire.clear()
    try:
        came = await route(client)
    except Exception as error:
        came = ["raised", look(error)]
    return {"came": came, "wire": list(wire)}


async def main():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    options = dict(api_key="sk-x", base_url=f"http://127.0.0.1:{server.server_address[1]}/v1", max_retries=0)
    told = {}
    for cls in (OpenAI, AsyncOpenAI):
        client = cls(**options)
        for name, payload in PAYLOADS.items():
            answers["now"] = (200, b"application/json", json.dumps(payload).encode())
            for route in (
                plain, raw, streaming, low_level, beta, others, fixed_signature, parsed_by_hand
            ):
                told[f"{cls.__name__} {route.__name__} {name}"] = await case(client, route)
            lines = [{"type": "response.created", "sequence_number": 4, "response": dict(BASE, status="queued")},
                     {"type": "response.in_progress", "sequence_number": 5, "response": dict(BASE, status="in_progress")},
                     {"type": "response." + payload["status"], "sequence_number": 6, "response": payload}]
            answers["now"] = (200, b"text/event-stream", b"".join(
                b"event: %s\ndata: %s\n\n" % (line["type"].encode(), json.dumps(line).encode()) for line in lines))
            for route in (events, wrapped_stream):
                told[f"{cls.__name__} {route.__name__} {name}"] = await case(client, route)
        answers["now"] = (200, b"text/event-stream", b'event: error\ndata: {"error": {"code": "x", "message": "y"}}\n\n')
        told[f"{cls.__name__} events error"] = await case(client, events)
        for status in (404, 429, 500):
            body = {"error": {"message": "No.", "code": "c", "type": "t", "param": None}}
            answers["now"] = (status, b"application/json", json.dumps(body).encode())
            told[f"{cls.__name__} plain {status}"] = await case(client, plain)
        await settle(client.close())
    server.shutdown()
    where = openai.__file__
    print(json.dumps({"where": where, "version": openai.__version__, "told": told}))


asyncio.run(main())
'''


def stock_path() -> Path:
    """The folder that holds the pinned, untouched package."""
    path = ROOT / pin.CACHE / pin.load(ROOT).upstream
    assert (path / "openai").is_dir(), f"{path} is missing: run ./scripts/bootstrap"
    assert not (path / "openai" / "lib" / "background").exists(), f"{path} is not untouched: remove it, then bootstrap"
    return path


def run(path: Path) -> dict[str, Any]:
    """What the program tells on the package in that folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    environment.update(PYTHONPATH=str(path), PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert Path(told["where"]).is_relative_to(path), "another openai was imported"
    return told


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, Any], dict[str, Any]]:
    """What stock and the fork tell."""
    with ThreadPoolExecutor() as pool:
        stock, fork = pool.map(run, (stock_path(), ROOT / "src"))
    return stock, fork


def test_program_without_the_flag_tells_the_same_on_stock_and_fork(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    stock, fork = both
    assert fork["version"] == stock["version"]
    assert fork["told"].keys() == stock["told"].keys()
    for name, seen in stock["told"].items():
        assert fork["told"][name] == seen, name


def test_program_exercised_what_it_claims(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    told = both[0]["told"]
    assert len(told) == 2 * (5 * 10 + 4)
    for name, seen in told.items():
        assert seen["wire"] and all(request.split(" ", 1)[0] in ("GET", "POST") for request in seen["wire"]), name
        # On stock, a run that failed is a success, however it is asked for; only what really failed raises.
        raised = seen["came"][0] == "raised"
        no_end = " wrapped_stream " in name and not name.endswith("completed")  # "Didn't receive a `…completed` event"
        assert raised == (no_end or name.endswith(("404", "429", "500", "events error"))), (name, seen["came"][0])
    # Doubles are parsed on stock as anything else is, a mock of the options by its own `post_parser`.
    parsed = told["OpenAI parsed_by_hand failed"]["came"]
    assert told["OpenAI wrapped_stream failed"]["came"][1]["type"] == "builtins.RuntimeError"
    assert parsed[:2] == ["Response", "BetaResponse"] and "MagicMock" in parsed
    assert "authorization: Bearer sk-x" in told["OpenAI plain failed"]["wire"][0].replace(
        "Authorization", "authorization"
    )
    assert told["OpenAI plain failed"]["came"][0]["vars"]["status"] == "'failed'"
