"""Libraries on top of the SDK notice nothing: the same program, with the stock release and with the fork, sends the same
requests and prints the same, failures included."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forktools.loopback import Loopback

from ._support import PYTHONS, run


def requests_of(server: Loopback) -> list[Any]:
    """What came, without what differs from run to run."""
    varies = ("host", "content-length", "traceparent")
    return [
        (
            one.method,
            one.path,
            one.query,
            one.body,
            {key: one.headers[key] for key in one.headers if key.lower() not in varies},
        )
        for one in server.requests
    ]


@pytest.mark.parametrize("program", ["langchain_program", "agents_program"])
def test_program_on_the_fork_does_what_it_does_on_stock(program: str) -> None:
    printed: dict[str, Any] = {}
    asked: dict[str, Any] = {}
    for side, python in PYTHONS.items():
        with Loopback() as server:
            output = run(python, "-m", f"{__package__}.programs.{program}", OPENAI_BASE_URL=server.base_url)
            printed[side] = json.loads(output.splitlines()[-1])
            asked[side] = requests_of(server)
    assert printed["fork"] == printed["stock"]
    assert asked["fork"] == asked["stock"]

    # That both could do nothing, and do it alike, would be no proof.
    assert len(asked["stock"]) >= 10
    endings = json.dumps(printed["stock"])
    assert "The harbour was built" in endings
    assert "RateLimitError" in endings and "BadRequestError" in endings and "InternalServerError" in endings


@pytest.mark.parametrize("side", ["fork", "stock"])
def test_environments_differ_in_nothing_but_openai(side: str) -> None:
    code = (
        "import openai, importlib.metadata as m; print(m.version('openai'), hasattr(openai, 'BackgroundResponseError'))"
    )
    version, ours = run(PYTHONS[side], "-c", code).split()
    assert (("+background." in version), ours) == ((True, "True") if side == "fork" else (False, "False"))
