"""Tells what the shim raises on a stock `openai`, of runs on a server: the shim's functions on the routes of a client.

Reads `base_url` and `ids` from standard input as JSON, and prints the verdicts by name and route.
"""

from __future__ import annotations

import sys
import json
import asyncio
from types import SimpleNamespace
from typing import Any
from functools import partial

import openai_background
from openai_background import _side

from openai import OpenAI, AsyncOpenAI

from .routes import STREAMS, poll, told, walk, plain, settled, accumulated


async def main(base_url: str, ids: dict[str, str]) -> dict[str, Any]:
    assert not _side.NATIVE, "this openai has the feature itself"
    shim: Any = openai_background
    routes = {"plain": plain, "poll": poll, "plain events": STREAMS["plain events"], "accumulated events": accumulated}
    found: dict[str, Any] = {name: {} for name in ids}
    for cls in (OpenAI, AsyncOpenAI):
        made = cls(base_url=base_url, api_key="loopback")
        methods = {name: partial(getattr(shim, name), made) for name in ("retrieve", "poll", "stream")}
        client = SimpleNamespace(responses=SimpleNamespace(**methods))
        for name, response_id in ids.items():
            for way, route in routes.items():
                _, error = await walk(route, client, response_id)
                found[name][f"{cls.__name__} {way}"] = told(error)
        await settled(made.close())
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(**json.load(sys.stdin)))))
