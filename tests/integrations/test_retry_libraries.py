"""tenacity, stamina and the recipe: a run is created again only where that is worth trying, and not too soon.

The policies are those of the examples, unchanged, and the runs go over HTTP to the loopback server. Nothing sleeps: what
each of them would have slept is recorded.
"""

from __future__ import annotations

import sys
import time
import importlib
from types import SimpleNamespace
from typing import Any, Callable
from dataclasses import replace

import pytest
import stamina
import tenacity.nap

import openai
from openai import OpenAI
from forktools.loopback import CATALOGUE, Loopback

pytestmark = pytest.mark.usefixtures("example")

Way = Callable[[], Any]

BACKOFF = ("overloaded", "server_error")  # retryable, without a time
FINAL = ("insufficient_quota", "request_too_large", "invalid_prompt", "max_output_tokens", "cancelled", "unknown_code")


def load(name: str) -> Any:
    """An example, with a client for the server of this test."""
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def upcoming(server: Loopback, *names: str) -> None:
    """The next runs, each over at its first poll, so that waiting for it takes no time."""
    server.upcoming(*(replace(CATALOGUE[name], polls=()) for name in names))


@pytest.fixture
def slept() -> list[float]:
    """What the library under test would have slept, in seconds."""
    return []


@pytest.fixture(params=["tenacity", "stamina", "recipe"])
def way(request: pytest.FixtureRequest, client: OpenAI, slept: list[float], monkeypatch: pytest.MonkeyPatch) -> Way:
    """Creates a run and waits for it, as the policy of an example says."""

    def create_and_wait() -> Any:
        run = client.responses.create(model="gpt-5.6", input="Name a harbour.", background=True)
        return client.responses.poll(run.id, raise_on_failure=True)

    if request.param == "tenacity":
        policy = load("background_tenacity").policy.copy(sleep=slept.append)
        return lambda: policy(create_and_wait)
    clock = SimpleNamespace(sleep=slept.append, monotonic=time.monotonic)
    if request.param == "stamina":
        # stamina sleeps by tenacity's default.
        monkeypatch.setattr(tenacity.nap, "time", clock)
        worth_trying = load("background_stamina").worth_trying
        return lambda: stamina.retry(on=worth_trying, attempts=3, timeout=600)(create_and_wait)()
    example = load("background_retry")
    monkeypatch.setattr(example, "time", clock)
    return lambda: example.run_until_done([], model="gpt-5.6", input="Name a harbour.")


def test_policy_retryable_failure_is_created_again(server: Loopback, way: Way, slept: list[float]) -> None:
    upcoming(server, "overloaded", "server_error", "completed")
    assert way().status == "completed"
    assert (server.creates, len(slept)) == (3, 2)
    assert all(0 < seconds < 10 for seconds in slept)


def test_policy_waits_as_long_as_the_api_asks(server: Loopback, way: Way, slept: list[float]) -> None:
    upcoming(server, "rate_limit_exceeded", "completed")
    assert way().status == "completed"
    assert slept == [11.054]


@pytest.mark.parametrize("name", FINAL)
def test_policy_final_failure_is_not_created_again(server: Loopback, way: Way, slept: list[float], name: str) -> None:
    upcoming(server, name, "completed")
    with pytest.raises(openai.BackgroundResponseError) as caught:
        way()
    assert not caught.value.retryable
    assert (server.creates, slept) == (1, [])


@pytest.mark.parametrize("name", BACKOFF)
def test_policy_failure_that_stays_ends_with_the_last_error(server: Loopback, way: Way, name: str) -> None:
    upcoming(server, name, name, name, "completed")
    with pytest.raises(openai.BackgroundInternalServerError) as caught:
        way()
    assert server.creates == 3
    assert caught.value.response_id == server.logged("retrieve")[-1].response_id


def test_stamina_in_testing_mode_asks_the_same_policy(server: Loopback, client: OpenAI) -> None:
    example = load("background_stamina")
    example.client = client
    with stamina.set_testing(True, attempts=2):
        with pytest.raises(openai.BackgroundInternalServerError):
            example.create_and_wait("overloaded")
        with pytest.raises(openai.BackgroundRateLimitError):
            example.create_and_wait("insufficient_quota")
    assert server.creates == 3


def test_recipe_keeps_the_id_of_every_attempt(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    example = load("background_retry")
    monkeypatch.setattr(example, "time", SimpleNamespace(sleep=[].append))
    upcoming(server, "overloaded", "insufficient_quota")
    ids: list[str] = []
    with pytest.raises(openai.RateLimitError) as caught:
        example.run_until_done(ids, model="gpt-5.6", input="Name a harbour.")
    assert len(set(ids)) == 2
    assert isinstance(caught.value, openai.BackgroundResponseError)
    assert caught.value.response_id == ids[-1]


def test_recipe_does_not_wait_for_hours(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    example = load("background_retry")
    slept: list[float] = []
    monkeypatch.setattr(example, "time", SimpleNamespace(sleep=slept.append))
    patient = {"code": "rate_limit_exceeded", "message": "Please try again in 2h."}
    server.upcoming(replace(CATALOGUE["overloaded"], polls=(), ending={"status": "failed", "error": patient}))
    with pytest.raises(openai.BackgroundRateLimitError) as caught:
        example.run_until_done([], model="gpt-5.6", input="Name a harbour.")
    assert (caught.value.retry_after, server.creates, slept) == (7200.0, 1, [])
