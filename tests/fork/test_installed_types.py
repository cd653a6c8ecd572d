"""What a caller's type checker says on an installed wheel: nothing to right code, and an error to each wrong call.

In the tree a checker reads the sources beside the caller's, and forgives what it does not forgive in site-packages. So
the wheel is built and installed into an empty environment. FORK_WHEEL names one that was built already.
"""

from __future__ import annotations

import os
import re
import sys
import json
import subprocess
from pathlib import Path
from collections.abc import Callable

import pytest

from forktools import ROOT
from openai.lib import background

pytestmark = pytest.mark.install

BIN = Path(sys.executable).parent

HEAD = f"""\
from __future__ import annotations

import time
from typing import Any
from typing_extensions import assert_type

import openai
from openai import (
    OpenAI, RateLimitError, AsyncOpenAI,
    {", ".join(background.__all__)},
)
from openai.lib.background import CONTRACT, CONTRACT_VERSION, raise_on_failure
from openai.types.beta import BetaResponse
from openai.types.responses import Response
"""

RIGHT = '''

def outcome(client: OpenAI, response_id: str) -> str:
    """The handlers of the README."""
    try:
        return client.responses.poll(response_id, raise_on_failure=True, max_wait_seconds=600).output_text
    except openai.BackgroundRateLimitError as error:
        return f"limit: retryable {error.retryable}, after {error.retry_after} s"
    except openai.BackgroundIncompleteError as error:
        return f"{error.reason}: {error.output_text!r}"
    except openai.BackgroundCancelledError:
        return "cancelled"
    except openai.BackgroundResponseError as error:
        return f"{type(error).__name__}: {error.code}, retryable {error.retryable}, known {error.known}"
    except openai.BackgroundPollTimeoutError as error:
        return f"{error.response_id} is {error.status} after {error.elapsed_seconds} s"
    except openai.APIError as error:
        return f"no answer: {error.message}"


def by_hand(client: OpenAI, run: Response) -> Response:
    """The loop that every example shows."""
    while run.status != "completed":
        time.sleep(1)
        run = client.responses.retrieve(run.id, raise_on_failure=True)
    return run


def limit(client: OpenAI) -> None:
    """A handler that was written for synchronous calls."""
    try:
        client.responses.retrieve("resp_1", raise_on_failure=True)
    except RateLimitError as error:
        print(error.response.status_code, error.request_id)
        if isinstance(error, BackgroundResponseError):
            assert_type(error.retryable, bool)
            assert_type(error.known, bool)
            assert_type(error.output_text, str)


def text(client: OpenAI) -> str:
    """A stream, and how much of it there was."""
    try:
        for event in client.responses.retrieve("resp_1", stream=True, raise_on_failure=True):
            if event.type == "response.output_text.delta":
                print(event.delta, end="")
    except BackgroundStreamInterruptedError as error:
        return f"to go on: starting_after={error.sequence_number}"
    except BackgroundResponseError as error:
        return error.output_text
    return ""


async def asynchronous(client: AsyncOpenAI, flag: bool) -> None:
    assert_type(await client.responses.retrieve("resp_1", raise_on_failure=True), Response)
    assert_type(await client.responses.retrieve("resp_1", raise_on_failure=flag), Response)
    assert_type(await client.beta.responses.retrieve("resp_1", raise_on_failure=True), BetaResponse)
    assert_type(await client.responses.poll("resp_1", raise_on_failure=True), Response)


def from_elsewhere(response: Response, beta: BetaResponse, stored: dict[str, Any]) -> None:
    assert_type(raise_on_failure(response), Response)
    assert_type(raise_on_failure(beta), BetaResponse)
    assert_type(raise_on_failure(stored), dict[str, Any])
    as_text: str = raise_on_failure("{}")
    as_bytes: bytes = raise_on_failure(b"{}")
    print(as_text, as_bytes)


def table() -> list[str]:
    return [f"{CONTRACT_VERSION} {rule.key} {rule.equivalent} {rule.retryable}" for rule in CONTRACT]
'''

WRONG = """

def wrong(
    client: OpenAI,
    asynchronous: AsyncOpenAI,
    video: openai.types.Video,
    batch: openai.types.Batch,
    flag: bool,
    error: BackgroundResponseError,
) -> None:
    raise_on_failure(None)
    raise_on_failure(3)
    raise_on_failure(video)
    raise_on_failure(batch)
    raise_on_failure([])
    raise_on_failure(client.responses.with_raw_response.retrieve("resp_1"))
    raise_on_failure(asynchronous.responses.retrieve("resp_1"))
    client.responses.retrieve("resp_1", raise_on_failure="yes")
    client.responses.retrieve("resp_1", raise_on_failure=None)
    client.responses.retrieve("resp_1", raise_on_failures=True)
    client.responses.retrieve("resp_1", stream=True, raise_on_failure="yes")
    client.beta.responses.retrieve("resp_1", raise_on_failure=None)
    client.responses.poll()
    client.responses.poll("resp_1", True)
    client.responses.poll("resp_1", max_wait_secs=3)
    error.no_such_member
    error.status_code
    openai.BackgroundNoSuchError
"""


def run(*command: str | Path) -> str:
    """What the command printed, whatever its status: a checker that found something ends with 1."""
    ours = ("PYTHON", "VIRTUAL_ENV", "MYPY")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    done = subprocess.run([str(part) for part in command], env=clean, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("types")
    wheel = os.environ.get("FORK_WHEEL")
    if wheel is None:
        run(sys.executable, "-m", "pip", "-q", "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
        (wheel,) = map(str, folder.glob("*.whl"))
    run(BIN / "uv", "venv", "--quiet", "--python", sys.executable, folder / "env")
    python = folder / "env" / "bin" / "python"
    run(BIN / "uv", "pip", "install", "--quiet", "--python", python, wheel)
    found = run(python, "-c", "import openai.lib.background as b; print(b.__file__)")
    assert found.startswith(str(folder)), found
    return python


# Each returns the findings of a checker, by line.


def pyright(python: Path, file: Path) -> dict[int, str]:
    """Strict, as people who complain have it."""
    file.with_name("pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    told = json.loads(run(BIN / "pyright", "--outputjson", "--pythonpath", python, "-p", file.parent))
    return {one["range"]["start"]["line"] + 1: one["message"] for one in told["generalDiagnostics"]}


def mypy(python: Path, file: Path) -> dict[int, str]:
    """Strict, too."""
    cache = f"--cache-dir={file.parent / 'cache'}"
    return by_line(run(BIN / "mypy", "--strict", "--no-error-summary", cache, "--python-executable", python, file))


def ty(python: Path, file: Path) -> dict[int, str]:
    """As it comes."""
    return by_line(run(BIN / "ty", "check", "--output-format", "concise", "--python", python.parents[1], file))


def by_line(told: str) -> dict[int, str]:
    """Of lines like `file:12:3: error: …`."""
    found = re.finditer(r"^[^\n:]+:(\d+):.*(?:error|warning).*$", told, re.MULTILINE)
    return {int(one[1]): one[0] for one in found}


checkers = pytest.mark.parametrize("check", [pyright, mypy, ty], ids=lambda check: check.__name__)
Check = Callable[[Path, Path], dict[int, str]]


@checkers
def test_checker_finds_nothing_in_a_callers_file(check: Check, installed: Path, tmp_path: Path) -> None:
    file = tmp_path / "caller.py"
    # The names that are imported are used, for pyright: it reports an unused import.
    file.write_text(HEAD + f"\nNAMES = ({', '.join(background.__all__)},)\n" + RIGHT)
    assert check(installed, file) == {}


@checkers
def test_checker_finds_every_wrong_call(check: Check, installed: Path, tmp_path: Path) -> None:
    file = tmp_path / "caller.py"
    text = HEAD + f"\nNAMES = ({', '.join(background.__all__)},)\n" + WRONG
    file.write_text(text)
    found = check(installed, file)
    lines = text.splitlines()
    begin = lines.index(") -> None:") + 1
    missed = [line.strip() for number, line in enumerate(lines, 1) if number > begin and number not in found]
    assert missed == []
