"""Without the flag the fork is stock `openai`: one program, run on both in processes of their own, tells the same.

The stock package is the pinned release that `scripts/bootstrap` keeps, untouched, in .upstream. What is compared: every
byte that goes out, and of what comes back the type, `repr`, state and public attributes, of events too.
"""

from __future__ import annotations

import os
import sys
import json
import subprocess
from typing import Any
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor

from forktools import ROOT, pin
from forktools.loopback import sse, message, response

from .endings import LAST_EVENTS, opening

BODIES: dict[str, dict[str, Any]] = {
    "failed": {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow.", "extra": 1}},
    "odd": {"status": "failed", "error": "a string", "incomplete_details": [1], "unknown_member": {"a": [None]}},
    "incomplete": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
    "cancelled": {"status": "cancelled"},
    "completed": {"status": "completed", "output": [message("All of it.")], "usage": {"input_tokens": 1}},
}


def answers() -> dict[str, tuple[int, str, str]]:
    """What the program is to be answered: a status, a type and a body."""
    told: dict[str, tuple[int, str, str]] = {}
    events = dict(LAST_EVENTS)
    for name, members in BODIES.items():
        body = {**response("resp_77", members["status"]), **members}
        told[name] = 200, "application/json", json.dumps(body)
        events[name] = {"type": f"response.{body['status']}", "response": body}
    for name, last in events.items():
        stream = b"".join(map(sse, [*opening(), last]))
        told[f"{name} streamed"] = 200, "text/event-stream", stream.decode()
    for status in (404, 429, 500):
        body = {"error": {"message": "No.", "code": "c", "type": "t", "param": None}}
        told[str(status)] = status, "application/json", json.dumps(body)
    return told


def stock_path() -> Path:
    """The folder that holds the pinned, untouched package."""
    path = ROOT / pin.CACHE / pin.load(ROOT).upstream
    assert (path / "openai").is_dir(), f"{path} is missing: run ./scripts/bootstrap"
    assert not (path / "openai" / "lib" / "background").exists(), f"{path} is not untouched: remove it, then bootstrap"
    return path


def run_program(name: str, given: Any, *folders: Path) -> dict[str, Any]:
    """What a program of these tests prints, with these folders before all others."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    environment.update(PYTHONPATH=os.pathsep.join(map(str, folders)), PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0")
    done = subprocess.run(
        [sys.executable, "-m", f"tests.fork.{name}"],
        cwd=ROOT,
        env=environment,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_program_without_the_flag_tells_the_same_on_stock_and_fork() -> None:
    def told(path: Path) -> dict[str, Any]:
        return run_program("stock_program", answers(), path)

    paths = stock_path(), ROOT / "src"
    with ThreadPoolExecutor() as pool:
        stock, fork = pool.map(told, paths)
    assert all(Path(seen["where"]).is_relative_to(path) for seen, path in zip((stock, fork), paths, strict=True))
    assert fork["version"] == stock["version"]
    assert fork["public"] == stock["public"]
    assert fork["told"].keys() == stock["told"].keys()
    for name, seen in stock["told"].items():
        assert fork["told"][name] == seen, name
    # It saw something: on stock a run that failed is a success, however it is asked for; what really failed raises.
    assert all(seen["wire"] for seen in stock["told"].values())
    raised = {name for name, seen in stock["told"].items() if seen["raised"]}
    assert not [name for name in raised if name.endswith(tuple(BODIES))]
    assert {
        "OpenAI raw 404",
        "AsyncOpenAI plain events nested streamed",
        "OpenAI accumulated events failed streamed",
    } <= raised
