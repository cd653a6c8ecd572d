"""These tests run in .venv-integrations: ./scripts/test --integrations. Their servers listen on loopback only."""

from __future__ import annotations

import logging
from typing import Iterator
from importlib.util import find_spec

import pytest

import openai
from openai import OpenAI
from forktools.loopback import Loopback

if find_spec("celery") is None or not hasattr(openai, "BackgroundResponseError"):
    raise pytest.UsageError("these tests run in an environment of their own: ./scripts/test --integrations")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write", action="store_true", help="write docs/travel.md as measured")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # What other people's libraries deprecate is not ours to mend.
        item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A server of the background part of the API."""
    with Loopback() as running:
        yield running


@pytest.fixture
def client(server: Loopback) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.base_url, api_key="sk-of-the-tests", max_retries=0) as made:
        yield made


@pytest.fixture
def example(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment in which an example talks to the server; its own folder is where it is imported from."""
    from forktools import ROOT

    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-tests")
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "responses"))
    yield
    logging.getLogger("distributed").setLevel(logging.NOTSET)
