"""The fan-out of the examples: interrupted in the middle of a create and started again, no run is lost or made twice."""

from __future__ import annotations

import os
import sys
import json
import signal
from typing import Any, Callable
from pathlib import Path
from collections import Counter

import pytest

from forktools.loopback import Fault, Request, Loopback

from ._support import EXAMPLES, PATIENCE, process

RUNS = 200
ENDINGS = {
    "completed": 80,
    "BackgroundRateLimitError": 40,
    "BackgroundBadRequestError": 40,
    "BackgroundIncompleteError": 40,
}


class Fanout:
    """The example with a journal, on a server."""

    def __init__(self, server: Loopback, folder: Path) -> None:
        self._server, self._folder = server, folder
        self.pid = 0

    def run(self, *options: str) -> tuple[int, str]:
        """The exit code, and what was printed."""
        log = self._folder / "log"
        log.unlink(missing_ok=True)
        program = [sys.executable, str(EXAMPLES / "background_fanout.py"), str(self._folder / "journal")]
        command = [*program, "--runs", str(RUNS), "--at-once", "40", *options]
        with process(command, log, OPENAI_BASE_URL=self._server.base_url) as running:
            self.pid = running.pid
            code = running.wait(PATIENCE)
        return code, log.read_text(encoding="utf-8")

    def journal(self) -> dict[int, dict[str, Any]]:
        """The last line of each job."""
        lines = (self._folder / "journal").read_text(encoding="utf-8").splitlines()
        return {noted["job"]: noted for noted in map(json.loads, lines)}

    def ids(self) -> list[str]:
        return [noted["id"] for noted in self.journal().values() if "id" in noted]

    def endings(self) -> Counter[str]:
        return Counter(noted.get("ending", noted["step"]) for noted in self.journal().values())


@pytest.fixture
def fanout(server: Loopback, tmp_path: Path) -> Fanout:
    return Fanout(server, tmp_path)


def at_create(number: int, do: Callable[[], Fault | None]) -> Callable[[Request], Fault | None]:
    """Does something when that create has come and is not answered yet."""
    seen: list[int] = []

    def hook(request: Request) -> Fault | None:
        if request.route == "create":
            seen.append(request.number)
        return do() if request.route == "create" and len(seen) == number else None

    return hook


def test_uninterrupted_fanout_creates_each_run_once_and_tells_how_each_ended(server: Loopback, fanout: Fanout) -> None:
    code, output = fanout.run()
    assert (code, server.creates, fanout.endings()) == (0, RUNS, ENDINGS)
    assert f"{RUNS}/{RUNS}" in output and "worth a new run" in output
    assert not server.cancels


def test_interrupted_fanout_leaves_every_id_and_the_next_start_goes_on(server: Loopback, fanout: Fanout) -> None:
    server.faults = at_create(90, lambda: os.kill(fanout.pid, signal.SIGINT))
    code, output = fanout.run()
    assert code == 1 and "the same command goes on" in output
    created = server.creates
    assert 90 <= created < RUNS
    assert len(set(fanout.ids())) == created == len(fanout.journal())

    code, _ = fanout.run()
    assert (code, server.creates, fanout.endings()) == (0, RUNS, ENDINGS)
    assert not server.cancels


def test_interrupted_fanout_cancels_what_it_abandons_once(server: Loopback, fanout: Fanout) -> None:
    server.faults = at_create(90, lambda: os.kill(fanout.pid, signal.SIGINT))
    code, _ = fanout.run("--cancel")
    abandoned = [noted["id"] for noted in fanout.journal().values() if "Ctrl-C" in noted["ending"]]
    assert code == 1 and abandoned
    assert server.cancels == dict.fromkeys(abandoned, 1)

    code, _ = fanout.run("--cancel")
    assert (code, server.creates, sum(fanout.endings().values())) == (0, RUNS, RUNS)
    assert server.cancels == dict.fromkeys(abandoned, 1)


def test_killed_fanout_creates_no_run_twice(server: Loopback, fanout: Fanout) -> None:
    server.faults = at_create(90, lambda: os.kill(fanout.pid, signal.SIGKILL))
    code, _ = fanout.run()
    assert code == -signal.SIGKILL
    code, _ = fanout.run()
    asked = Counter(request.json["input"] for request in server.logged("create"))
    unknown = fanout.endings()["creating"]  # were on their way; a person decides
    assert (code, set(asked.values())) == (1, {1})
    assert unknown >= 1 and len(fanout.ids()) == RUNS - unknown


def test_run_whose_create_was_not_answered_is_not_created_again(server: Loopback, fanout: Fanout) -> None:
    server.faults = at_create(7, lambda: Fault.close(0.5))
    code, _ = fanout.run()
    assert (code, fanout.endings()["creating"], server.creates) == (1, 1, RUNS)
    code, _ = fanout.run()
    assert (code, fanout.endings()["creating"], len(server.logged("create"))) == (1, 1, RUNS)


def test_create_that_was_refused_is_tried_again_at_the_next_start(server: Loopback, fanout: Fanout) -> None:
    server.faults = at_create(7, lambda: Fault.status(429))
    code, _ = fanout.run()
    assert (code, fanout.endings()["refused"], server.creates) == (1, 1, RUNS - 1)
    code, _ = fanout.run()
    assert (code, server.creates, fanout.endings()) == (0, RUNS, ENDINGS)
