"""The webhook receiver of the examples, as a real server: signed webhooks, sent twice, forged, and a receiver killed."""

from __future__ import annotations

import sys
import hmac
import json
import time
import base64
import socket
import sqlite3
import subprocess
from typing import Any, Iterator, Generator
from pathlib import Path
from contextlib import closing, contextmanager
from dataclasses import replace

import httpx2
import pytest

import openai
from forktools.loopback import CATALOGUE, Fault, Loopback

from ._support import EXAMPLES, Holding, until, process

KEY = b"the key of an endpoint, of the tests"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


class Receiver:
    """A running receiver, its table, and a sender that signs as the API does."""

    def __init__(self, running: subprocess.Popen[bytes], http: httpx2.Client, jobs: Path) -> None:
        self.running, self._http, self._jobs = running, http, jobs

    def send(self, response_id: str, type: str = "response.failed", key: bytes = KEY, age: int = 0) -> int:
        body = json.dumps(
            {"id": "evt_1", "object": "event", "created_at": 1, "type": type, "data": {"id": response_id}}
        )
        sent = str(int(time.time()) - age)
        signature = base64.b64encode(hmac.digest(key, f"wh_1.{sent}.{body}".encode(), "sha256")).decode()
        headers = {"webhook-id": "wh_1", "webhook-timestamp": sent, "webhook-signature": f"v1,{signature}"}
        return self._http.post("/webhooks", content=body, headers=headers).status_code

    def send_unsigned(self) -> int:
        return self._http.post("/webhooks", content="{}").status_code

    def rows(self) -> list[Any]:
        with closing(sqlite3.connect(self._jobs)) as jobs:
            return jobs.execute("SELECT response_id, ending, retryable, error FROM jobs").fetchall()

    def settled(self) -> list[Any]:
        """The rows, once all are known."""
        until(lambda: all(ending for _, ending, *_ in self.rows()), self.running)
        return self.rows()


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextmanager
def receiver(server: Loopback, folder: Path) -> Generator[Receiver]:
    path, jobs = folder / "receiver.sock", folder / "jobs.sqlite3"
    command = [sys.executable, "-m", "uvicorn", "background_webhooks:app", "--app-dir", str(EXAMPLES)]
    place = {"OPENAI_BASE_URL": server.base_url, "OPENAI_WEBHOOK_SECRET": SECRET, "JOBS": str(jobs)}
    with process([*command, "--uds", str(path)], folder / "log", **place) as running:
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://receiver") as http:
            until(lambda: listens(path), running)
            yield Receiver(running, http, jobs)


@pytest.fixture
def running(server: Loopback, tmp_path: Path) -> Iterator[Receiver]:
    with receiver(server, tmp_path) as made:
        yield made


def test_failed_run_that_the_read_side_does_not_know_yet_becomes_a_typed_error(
    server: Loopback, running: Receiver
) -> None:
    response_id = server.add(replace(CATALOGUE["overloaded"], polls=("in_progress",)))
    server.faults = lambda request: Fault.not_found() if request.poll == 1 else None
    assert running.send(response_id) == 204
    [(known, ending, retryable, told)] = running.settled()
    assert (known, ending, retryable) == (response_id, "BackgroundInternalServerError", True)
    error = openai.BackgroundResponseError.from_dict(json.loads(told))
    assert type(error) is openai.BackgroundInternalServerError
    assert (error.code, error.response_id, error.retryable) == ("server_is_overloaded", response_id, True)
    assert server.polls(response_id) >= 3


@pytest.mark.parametrize(
    ("scenario", "event", "expected"),
    [
        ("completed", "response.completed", ("completed", None)),
        ("max_output_tokens", "response.incomplete", ("BackgroundIncompleteError", False)),
        ("cancelled", "response.cancelled", ("BackgroundCancelledError", False)),
    ],
)
def test_each_ending_has_its_row(
    server: Loopback, running: Receiver, scenario: str, event: str, expected: tuple[str, bool | None]
) -> None:
    assert running.send(server.add(scenario), event) == 204
    [(_, ending, retryable, _)] = running.settled()
    assert (ending, retryable) == expected


def test_webhook_that_comes_again_changes_nothing_and_asks_nothing(server: Loopback, running: Receiver) -> None:
    response_id = server.add("server_error")
    assert [running.send(response_id) for _ in range(2)] == [204, 204]
    settled, asked = running.settled(), server.total
    assert running.send(response_id) == 204
    assert (running.rows(), server.total) == (settled, asked)
    assert len(settled) == 1


def test_forged_webhook_is_refused_and_leaves_nothing(server: Loopback, running: Receiver) -> None:
    response_id = server.add("server_error")
    assert running.send(response_id, key=b"another key") == 400
    assert running.send(response_id, age=3600) == 400
    assert running.send_unsigned() == 400
    assert running.send("batch_1", "batch.completed") == 204
    assert (running.rows(), server.total) == ([], 0)


def test_receiver_that_is_killed_while_it_asks_goes_on_at_the_next_start(server: Loopback, tmp_path: Path) -> None:
    response_id = server.add("rate_limit_exceeded")
    held = Holding(server, "retrieve")
    with receiver(server, tmp_path) as first:
        assert first.send(response_id) == 204
        held.wait()
        held.kill(first.running.pid)
        first.running.wait()
        assert first.rows() == [(response_id, None, None, None)]
    with receiver(server, tmp_path) as second:
        [(_, ending, retryable, _)] = second.settled()
        assert (ending, retryable) == ("BackgroundRateLimitError", True)
    assert server.creates == 0
