"""Requests and detection latency of waits for simulated runs, on a virtual clock.

The fork's half is the real `client.responses.poll()`, with the clock and the sleep replaced and without a hint from
the server. A fixed interval needs no client to be simulated: it asks at 0, i, 2i, … until the run has ended. Every
request takes no time on the clock, so that the latency is that of the policy. Each nominal length stands for a
number of runs: one that ends then, others at random up to 10 % before, since a single end would be luck.

Only for a process in which `openai` is the fork.
"""

from __future__ import annotations

import math
import time
import random
from typing import Any, NamedTuple
from statistics import median

import httpx2

from openai import OpenAI

from .payloads import HEADERS, RESPONSE_ID, pending, completed

LENGTHS = {"10 s": 10, "1 min": 60, "5 min": 300, "30 min": 1_800, "2 h": 7_200, "8 h": 28_800}
FIXED = (1, 2, 5)
# The bounds that the issue sets: requests, and latency as a share of the length or in seconds.
_BOUNDS = {"30 min": (150, 0.05 * 1_800), "8 h": (600, 60.0)}


class Waited(NamedTuple):
    """Over the runs of one length: requests (median, most) and seconds from the end to its notice (median, most)."""

    length: str
    policy: str
    requests: float
    most_requests: int
    latency: float
    most_latency: float
    met: bool | None
    """Whether the largest values are within the issue's bounds; None where it sets none."""


def measure(*, runs: int, seed: int = 1) -> list[Waited]:
    """Simulates `runs` runs of each length, under the fork's policy and the fixed ones."""
    found: list[Waited] = []
    for length, seconds in LENGTHS.items():
        ends = [
            seconds * (1 - 0.1 * random.Random(f"{seed} {length} {run}").random() * bool(run)) for run in range(runs)
        ]
        random.seed(seed)  # the jitter of the waits
        found.append(_row(length, "poll()", [wait_with_poll(end) for end in ends], _BOUNDS.get(length)))
        for interval in FIXED:
            found.append(_row(length, f"every {interval} s", [wait_fixed(end, interval) for end in ends], None))
    return found


def wait_fixed(end: float, interval: float) -> tuple[int, float]:
    """Requests and latency of a fixed interval, for a run that ends at `end` seconds."""
    sleeps = math.ceil(end / interval)
    return sleeps + 1, sleeps * interval - end


def wait_with_poll(end: float) -> tuple[int, float]:
    """Requests and latency of the fork's `poll`, for a run that ends at `end` seconds."""
    now, requests = 0.0, 0
    bodies = {False: pending(1_500), True: completed(1_500)}

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal requests
        requests += 1
        return httpx2.Response(200, headers=HEADERS, content=bodies[now >= end])

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    clock = time.monotonic
    setattr(time, "monotonic", lambda: now)  # noqa: B010
    try:
        with OpenAI(api_key="bench", http_client=httpx2.Client(transport=httpx2.MockTransport(answer))) as client:
            responses: Any = client.responses
            responses._sleep = sleep
            responses.poll(RESPONSE_ID)
    finally:
        time.monotonic = clock
    return requests, now - end


def _row(length: str, policy: str, taken: list[tuple[int, float]], bounds: tuple[int, float] | None) -> Waited:
    requests = [count for count, _ in taken]
    latencies = [late for _, late in taken]
    met = None if bounds is None else max(requests) <= bounds[0] and max(latencies) <= bounds[1]
    return Waited(length, policy, median(requests), max(requests), median(latencies), max(latencies), met)
