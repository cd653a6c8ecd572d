"""The shim beside the libraries that hold people on openai 2.x: it moves nothing, and they notice nothing."""

from __future__ import annotations

import re
from typing import Any
from pathlib import Path

import pytest
from shim_matrix import UV, run, make, must

from forktools import ROOT
from forktools.loopback import Loopback

pytestmark = [pytest.mark.install, pytest.mark.slow]

PINS = re.findall(r"^[a-z].*?==\S+", (ROOT / "requirements" / "shim.txt").read_text(encoding="utf-8"), re.MULTILINE)

# A library's own call, and its own client.
CALLS = {
    "llama-index-llms-openai": """
import os
from llama_index.llms.openai import OpenAIResponses
llm = OpenAIResponses(model="gpt-4o", api_base=os.environ["OPENAI_BASE_URL"], api_key="k")
said, client = str(llm.complete("Name a harbour.")), llm._client
""",
    "crewai": """
import os
from crewai import LLM
llm = LLM(model="gpt-5.6", api="responses", base_url=os.environ["OPENAI_BASE_URL"], api_key="k")
said, client = llm.call("Name a harbour."), llm._get_sync_client()
""",
}
ALONE = "\nprint(said)\n"
WITH_THE_SHIM = """
import openai, openai_background as background
print(said)
for ending in ("rate_limit_exceeded", "max_output_tokens", "completed"):
    try:
        print(background.poll(client, "resp_" + ending, max_wait_seconds=60).output_text)
    except background.BackgroundResponseError as error:
        print(type(error).__name__, error.retryable, isinstance(error, openai.RateLimitError))
"""
SAID = "The harbour was built in three stages."
ENDINGS = ["BackgroundRateLimitError True True", "BackgroundIncompleteError False False", SAID]


def told(python: Path, program: str, folder: Path) -> tuple[list[str], list[Any]]:
    """What the program prints, and what it asked the demo's server for."""
    with Loopback() as server:
        output = must(run(python, "-c", program, cwd=folder, OPENAI_BASE_URL=server.base_url, **QUIET))
        return output.splitlines(), [(one.method, one.path, one.body) for one in server.requests]


QUIET = {"OPENAI_API_KEY": "k", "OTEL_SDK_DISABLED": "true", "CREWAI_DISABLE_TELEMETRY": "true"}


def installed(python: Path) -> set[str]:
    """What is there, to the version."""
    return {*must(run(UV, "pip", "freeze", "--python", python)).splitlines()}


@pytest.mark.parametrize("pin", PINS)
def test_shim_beside_a_library_moves_nothing_and_raises(repository: Path, tmp_path: Path, pin: str) -> None:
    python = make(tmp_path / "env", "pip", pin)
    library = CALLS[pin.partition("==")[0]]
    before = installed(python)
    assert "openai==2." in " ".join(before)
    alone = told(python, library + ALONE, tmp_path)
    assert alone[0] == [SAID]
    assert alone[1]

    url = f"openai-background @ git+{repository.as_uri()}#subdirectory=shim"
    pip: list[Any] = [python, "-m", "pip"]
    for front_end, where in ((pip, []), ([UV, "pip"], ["--python", python])):
        must(run(*front_end, "install", *where, url))
        assert {line.partition(" @ ")[0] for line in installed(python) - before} == {"openai-background"}
        assert before <= installed(python)
        must(run(*front_end, "check", *where))
        output, asked = told(python, library + WITH_THE_SHIM, tmp_path)
        assert output == [SAID, *ENDINGS]
        assert asked[: len(alone[1])] == alone[1]
        must(run(*pip, "uninstall", "--yes", "openai-background"))
