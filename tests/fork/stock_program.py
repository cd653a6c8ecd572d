"""Tells all that a caller can see of some runs, on the `openai` that it finds, and every byte that it sends for that.

Reads the answers to serve from standard input as JSON: by name, an HTTP status and a body, or events. It is its own
server, on a raw socket, and uses only what stock has.
"""

from __future__ import annotations

import re
import sys
import json
import asyncio
import threading
import socketserver
from typing import Any
from collections.abc import AsyncGenerator

import openai
from openai import OpenAI, BaseModel, AsyncOpenAI

from .routes import ANSWERS, STREAMS, walk, settled

ID = "resp_77"
ANSWER = b"HTTP/1.1 %d X\r\ncontent-type: %s\r\nx-request-id: req_1\r\nconnection: close\r\n\r\n%s"
served = b""
wire: list[str] = []
public: dict[str, list[str]] = {}


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        head = b"".join(iter(self.rfile.readline, b"\r\n"))
        length = re.search(rb"(?i)content-length: (\d+)", head)
        wire.append((head + self.rfile.read(int(length[1]) if length else 0)).decode("latin-1"))
        self.wfile.write(served)


def look(thing: Any) -> dict[str, Any]:
    """A result as it compares: its type, its repr, its state; and, once for each type, its public attributes."""
    name = f"{type(thing).__module__}.{type(thing).__qualname__}"
    public.setdefault(name, [one for one in dir(thing) if not one.startswith("_")])
    state: dict[str, Any] = getattr(thing, "__dict__", {})
    if hasattr(thing, "http_response"):  # what such an answer holds has addresses, and options that nobody sees
        return {"type": name, "state": sorted(state), "headers": thing.headers.multi_items(), "of": thing.status_code}
    seen: dict[str, Any] = {
        "type": name,
        "repr": repr(thing),
        "state": {member: repr(value) for member, value in state.items()},
    }
    if isinstance(thing, BaseModel):
        seen.update(sent=thing.to_json(), set=sorted(thing.model_fields_set), id=getattr(thing, "_request_id", "no id"))
    if isinstance(thing, BaseException):
        seen.update(text=str(thing), bases=[base.__name__ for base in type(thing).__mro__])
    return seen


async def others(client: Any, response_id: str) -> AsyncGenerator[Any]:
    """What else may come of such an answer: other calls, other types, parsed again."""
    answer = await settled(client.responses.with_raw_response.retrieve(response_id))
    assert answer.parse() is answer.parse()
    yield answer.parse(to=dict)
    yield answer.parse(to=str)
    yield await settled(client.get(f"/responses/{response_id}", cast_to=object, options={"headers": {"x-a": "b"}}))
    yield await settled(client.responses.retrieve(response_id, include=["reasoning.encrypted_content"]))
    yield await settled(client.responses.create(model="m", input="hi", background=True))
    yield await settled(client.responses.cancel(response_id))


async def main(answers: dict[str, Any]) -> dict[str, Any]:
    global served
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    told: dict[str, Any] = {}
    for cls in (OpenAI, AsyncOpenAI):
        client = cls(api_key="sk-x", base_url=f"http://{address}/v1", max_retries=0)
        for name, (status, kind, body) in answers.items():
            served = ANSWER % (status, kind.encode(), body.encode())
            for way, route in ({**ANSWERS, "others": others} if kind == "application/json" else STREAMS).items():
                wire.clear()
                seen, error = await walk(route, client, ID)
                came = {"seen": [look(one) for one in seen], "raised": error and look(error), "wire": wire}
                # What differs from run to run.
                text = json.dumps(came).replace(address, "ADDRESS")
                told[f"{cls.__name__} {way} {name}"] = json.loads(re.sub(r"0x[0-9a-f]+", "0x", text))
        await settled(client.close())
    server.shutdown()
    return {"where": openai.__file__, "version": openai.__version__, "told": told, "public": public}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
