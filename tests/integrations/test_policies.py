"""Retry the create, never the retrieve: what the policies of background.md, and those of the example, ask of the server.

The server counts, and ends what would go on for ever. Nothing sleeps.
"""

from __future__ import annotations

import sys
import importlib
from typing import Any, Iterator

import pytest

import openai
from forktools import ROOT, blocks
from forktools.loopback import Fault, Request, Loopback

ENOUGH = 200
"""After so many retrieves of one run the server refuses the next."""

QUOTA, OVERLOADED = "insufficient_quota", "overloaded"


def request_for(scenario: str) -> dict[str, Any]:
    return {"model": "gpt-5.6", "input": "Name a harbour.", "metadata": {"scenario": scenario}}


@pytest.fixture
def page() -> Iterator[dict[str, Any]]:
    """What the blocks of background.md define, and the server that they ran against."""
    names: dict[str, Any] = {}
    running = blocks.run(ROOT / "background.md", names)
    problems = [next(running).problem]
    while "right_task" not in names:
        problems.append(next(running).problem)
    assert set(problems) == {None}
    names["app"].conf.task_always_eager = True
    yield names
    running.close()


@pytest.fixture
def server(page: dict[str, Any]) -> Loopback:
    running: Loopback = page["server"]
    running.faults = lambda one: Fault.status(401) if one.poll > ENOUGH else None
    return running


@pytest.fixture
def ended(page: dict[str, Any]) -> str:
    """The id of a run that failed: a RateLimitError that no new run can mend."""
    run = page["client"].responses.create(**request_for(QUOTA), background=True)
    with pytest.raises(openai.BackgroundRateLimitError):
        page["client"].responses.poll(run.id, raise_on_failure=True)
    return str(run.id)


@pytest.mark.parametrize("name", ["never_do_this", "wrong_policy"])
def test_retrieve_retried_by_class_asks_for_an_ended_run_until_the_server_refuses(
    page: dict[str, Any], server: Loopback, ended: str, name: str
) -> None:
    creates = server.creates
    with pytest.raises(openai.AuthenticationError):
        page[name](ended)
    assert (server.polls(ended), server.creates) == (ENOUGH + 1, creates)


@pytest.mark.parametrize(
    ("name", "scenario", "created"),
    [
        ("right_policy", QUOTA, 1),
        ("right_policy", OVERLOADED, 3),
        ("wrong_task", QUOTA, 6),
        ("right_task", QUOTA, 1),
        ("right_task", OVERLOADED, 3),
    ],
)
def test_create_is_retried_as_often_as_the_policy_says(
    page: dict[str, Any], server: Loopback, name: str, scenario: str, created: int
) -> None:
    before = server.creates
    with pytest.raises(openai.BackgroundResponseError) as caught:
        call(page, name, scenario)
    assert server.creates - before == created
    assert caught.value.retryable == (scenario == OVERLOADED)


@pytest.mark.parametrize(("name", "sent"), [("right_policy", 1), ("right_task", 1)])
def test_create_whose_answer_is_lost_is_not_sent_again(
    page: dict[str, Any], server: Loopback, name: str, sent: int
) -> None:
    server.faults = lose_creates
    before = len(server.logged("create"))
    with pytest.raises(openai.APIConnectionError):
        call(page, name, QUOTA)
    assert len(server.logged("create")) - before == sent


def test_create_whose_answer_is_lost_is_sent_again_by_the_client_itself(page: dict[str, Any], server: Loopback) -> None:
    server.faults = lose_creates
    before = len(server.logged("create"))
    with pytest.raises(openai.APIConnectionError):
        page["client"].responses.create(**request_for(QUOTA), background=True)
    assert len(server.logged("create")) - before == 1 + page["client"].max_retries == 3


def call(page: dict[str, Any], name: str, scenario: str) -> Any:
    """A policy of the page, as its reader would call it."""
    if name.endswith("_task"):
        return page[name].delay(**request_for(scenario)).get()
    return page[name](**request_for(scenario))


def lose_creates(request: Request) -> Fault | None:
    return Fault.close(0.5) if request.route == "create" else None


def test_example_counts_what_the_server_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Loopback() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-tests")
        monkeypatch.syspath_prepend(str(ROOT / "examples" / "responses"))
        sys.modules.pop("background_policies", None)
        example = importlib.import_module("background_policies")
        monkeypatch.setattr(example.client.responses, "_sleep", lambda _seconds: None)
        example.main()
        said = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
        assert {name: text.partition(",")[0] for name, text in said.items()} == {
            "wrong, tenacity": "0 created",
            "right, tenacity": "1 created",
            "wrong, Celery": "6 created",
            "right, Celery": "1 created",
        }
        assert said["wrong, tenacity"] == "0 created, 20 polls"
        assert server.creates == 1 + 1 + 6 + 1
