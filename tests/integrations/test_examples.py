"""Every example of an integration, run as its first lines say, against the loopback server."""

from __future__ import annotations

import ast
import subprocess
from typing import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from forktools import ROOT
from forktools.loopback import Loopback

from ._support import PYTHONS, EXAMPLES, NO_REDIS, run, environment, redis_server, celery_worker

PRINTS = {
    "background_retry": ("insufficient_quota: BackgroundRateLimitError", "overloaded: BackgroundInternalServerError"),
    "background_progress": ("completed, polled 3 times", "The harbour was built"),
    "background_tenacity": ("insufficient_quota: BackgroundRateLimitError after 1", "overloaded: BackgroundInternal"),
    "background_stamina": ("completed: The harbour", "insufficient_quota: BackgroundRateLimitError"),
    "background_temporal": ("BackgroundRateLimitError repeated by Temporal: False retryable: True",),
    "background_dask": (
        "{'BackgroundIncompleteError': 1, 'BackgroundRateLimitError': 1, 'completed': 1}",
        " after 11.054 s",
    ),
    "background_langchain": (
        "completed, background: The harbour",
        "rate_limit_exceeded, synchronous: OpenAIRateLimitError",  # LangChain's own, a RateLimitError
        "rate_limit_exceeded, background: BackgroundRateLimitError",
    ),
    "background_agents": (
        "completed, by_agent: The harbour",
        "server_error, by_agent: InternalServerError, server_error",
        "server_error, in_background: BackgroundInternalServerError, server_error",
    ),
}


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture(scope="module")
def outputs() -> dict[str, tuple[int, str]]:
    """The exit code and output of each example. They wait as they would for a user, so they do it all at once."""

    def ask(name: str) -> tuple[int, str]:
        command = [str(PYTHONS["fork"]), str(EXAMPLES / f"{name}.py")]
        told = environment(OPENAI_BASE_URL=server.base_url)
        done = subprocess.run(command, env=told, cwd=ROOT, capture_output=True, text=True, timeout=240)
        return done.returncode, done.stdout + done.stderr

    with Loopback() as server, ThreadPoolExecutor(len(PRINTS)) as threads:
        return dict(zip(PRINTS, threads.map(ask, PRINTS), strict=True))


@pytest.mark.parametrize("name", PRINTS)
def test_example_prints_what_it_promises(outputs: dict[str, tuple[int, str]], name: str) -> None:
    code, output = outputs[name]
    assert code == 0, output
    for text in PRINTS[name]:
        assert text in output


def test_celery_example_prints_what_it_promises(server: Loopback) -> None:
    with redis_server() as url:
        if url is None:
            pytest.skip(NO_REDIS)
        place = {"CELERY_URL": url, "OPENAI_BASE_URL": server.base_url, "PYTHONPATH": str(EXAMPLES)}
        with celery_worker("background_celery", **place):
            output = run(PYTHONS["fork"], str(EXAMPLES / "background_celery.py"), seconds=240, **place)
    assert "completed: The harbour" in output
    assert "insufficient_quota: BackgroundRateLimitError, insufficient_quota, resp_" in output
    assert server.creates == 2


def test_recipe_has_at_most_fifteen_lines() -> None:
    text = (EXAMPLES / "background_retry.py").read_text(encoding="utf-8")
    (recipe,) = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name != "main"]
    assert recipe.end_lineno is not None and recipe.end_lineno - recipe.lineno + 1 <= 15
