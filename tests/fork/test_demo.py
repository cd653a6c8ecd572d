"""The demo shows what is true, on any terminal, and says in one sentence what is wrong with its arguments."""

from __future__ import annotations

import os
import re
import sys
import json
import shlex
import signal
import subprocess
from typing import Any
from pathlib import Path
from collections.abc import Callable

import pytest

from openai import OpenAI
from forktools import demo
from forktools.loopback import CATALOGUE, Fault, Loopback
from openai.resources.responses import Responses

SCRIPTS = Path(__file__).parents[2] / "scripts"

# title, status, code or reason, retryable, retry_after, partial text, class raised, caught by
ROWS = """
completed|completed|-|-|-|-|nothing|-
server error|failed|server_error|yes|-|-|BackgroundInternalServerError|InternalServerError
error, text kept|failed|server_error|yes|-|57 chars|BackgroundInternalServerError|InternalServerError
overloaded|failed|server_is_overloaded|yes|-|-|BackgroundInternalServerError|InternalServerError
rate limit|failed|rate_limit_exceeded|yes|11.054 s|-|BackgroundRateLimitError|RateLimitError
larger than limit|failed|rate_limit_exceeded|no|-|-|BackgroundRateLimitError|RateLimitError
out of quota|failed|insufficient_quota|no|-|-|BackgroundRateLimitError|RateLimitError
usage limit by type|failed|type: usage_limit_reached|no|5400 s|-|BackgroundRateLimitError|RateLimitError
prompt refused|failed|invalid_prompt|no|-|-|BackgroundBadRequestError|BadRequestError
context too long|failed|context_length_exceeded|no|-|-|BackgroundBadRequestError|BadRequestError
conversation in use|failed|conversation_locked|yes|-|-|BackgroundBadRequestError|BadRequestError
stopped by policy|failed|misalignment_policy_violation|no|-|-|BackgroundPermissionDeniedError|PermissionDeniedError
key revoked midway|failed|invalid_api_key|no|-|-|BackgroundAuthenticationError|AuthenticationError
model gone|failed|model_not_found|no|-|-|BackgroundNotFoundError|NotFoundError
conflict by type|failed|type: conflict_error|yes|-|-|BackgroundConflictError|ConflictError
numeric code 422|failed|422|no|-|-|BackgroundUnprocessableEntityError|UnprocessableEntityError
numeric code 503|failed|503|yes|-|-|BackgroundInternalServerError|InternalServerError
code nobody knows|failed|flux_capacitor_drained|no|-|-|BackgroundResponseError|APIError
no error object|failed|-|no|-|-|BackgroundResponseError|APIError
cause sent apart|failed|-|no|-|-|BackgroundResponseError|APIError
error, no status|-|server_error|yes|-|-|BackgroundInternalServerError|InternalServerError
token limit reached|incomplete|max_output_tokens|no|-|57 chars|BackgroundIncompleteError|APIError
filtered midway|incomplete|content_filter|no|-|57 chars|BackgroundContentFilterError|ContentFilterFinishReasonError
steered elsewhere|incomplete|steered|no|-|-|BackgroundIncompleteError|APIError
cancelled|cancelled|-|no|-|57 chars|BackgroundCancelledError|APIError
""".strip()

Captured = pytest.CaptureFixture[str]


def started(*arguments: str) -> subprocess.Popen[str]:
    """The demo in a process of its own, on a narrow screen."""
    command = [sys.executable, "-m", "forktools.demo", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "COLUMNS": "40"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment)


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


# -- the table


def test_demo_in_a_pipe_shows_each_scenario_as_it_is_in_plain_text_and_100_columns() -> None:
    with started() as process:
        out, problem = process.communicate(timeout=180)
    assert (process.returncode, problem) == (0, "")
    assert widest(out) <= 100 and "\x1b" not in out
    head, _, rest = out.partition("=" * 100 + "\n")
    *rows, summary = rest.split("\n\n")
    cells = [[re.split(r"\s\s+", line.strip()) for line in row.split("\n")] for row in rows]
    assert ["|".join([*above, *below[:-1]]) for above, below in cells] == ROWS.split("\n")
    for (_title, status, *_), (*_, stock) in cells:
        assert stock == f"returns, status {status if status != '-' else 'missing'}"
    # One create, three polls with the flag and one without it for each.
    assert summary.startswith(f"{len(CATALOGUE)} runs, {5 * len(CATALOGUE)} requests, ")
    ended = len(CATALOGUE) - 1
    assert summary.endswith(f"\n{ended} of these {ended} came back as an ordinary return value.\n")
    assert "(embedded: no key, no network)" in head


def test_demo_on_a_terminal_is_coloured(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")  # which is what a terminal says
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert demo.main([]) == 0
    coloured = capsys.readouterr().out
    assert "\x1b[31mBackgroundRateLimitError" in coloured and "\x1b[32mnothing" in coloured
    assert widest(re.sub(r"\x1b\[\d+m", "", coloured)) <= 100
    monkeypatch.setenv("NO_COLOR", "1")
    assert demo.main([]) == 0
    assert "\x1b[31m" not in capsys.readouterr().out


def test_demo_whose_reader_goes_away_is_quiet() -> None:
    with started() as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_serve_prints_what_to_export_serves_there_and_ends_with_ctrl_c() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in the background of a shell ignores it, children too
    try:
        process = started("--serve")
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None
        shown = list(iter(process.stdout.readline, "Ctrl-C stops it.\n"))
        url, key = (word.partition("=")[2] for word in shlex.split(shown[0])[1:])
        with OpenAI(base_url=url, api_key=key) as client:
            assert client.responses.retrieve("resp_completed").status == "queued"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=180) == ("", "")
    assert process.returncode == 0
    assert {line.split()[0] for line in shown if line.startswith("  ")} == {*CATALOGUE}


def test_serve_on_a_taken_port_says_so_and_exits_1(capsys: Captured) -> None:
    with Loopback() as server:
        port = server.url.rsplit(":", 1)[1]
        assert demo.main(["--serve", "--port", port]) == 1
    out, problem = capsys.readouterr()
    assert out == "" and problem.startswith(f"Cannot listen on 127.0.0.1:{port}: ")


# -- a live run, with the loopback server in the place of the API


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Callable[..., tuple[int, str, str]]:
    """`--live` against a server: the exit code and both outputs, in which the key must not be."""

    def pause(_responses: Responses, _seconds: float) -> None: ...

    def run(server: Loopback, *arguments: str, key: str = "sk-loopback-secret") -> tuple[int, str, str]:
        monkeypatch.setattr(Responses, "_sleep", pause)
        monkeypatch.setenv("OPENAI_API_KEY", key)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        code = demo.main(["--live", *arguments])
        out, problem = capsys.readouterr()
        assert "sk-loopback-secret" not in out + problem
        assert not server.cancels
        return code, out, problem

    return run


@pytest.mark.parametrize("name", ["completed", "max_output_tokens", "server_error"])
def test_live_with_a_key_makes_one_small_run_and_shows_its_end(live: Any, name: str) -> None:
    with Loopback() as server:
        server.upcoming(name)
        code, text, _ = live(server, "--model", "gpt-mine")
        (asked,) = (request.json for request in server.logged("create"))
    assert (asked["model"], asked["background"], asked["max_output_tokens"]) == ("gpt-mine", True, 64)
    raised, caught = ROWS.split("\n")[list(CATALOGUE).index(name)].split("|")[-2:]
    assert code == 0 and raised in text and caught in text and widest(text) <= 100


@pytest.mark.parametrize(
    ("fault", "arguments", "key", "code", "said"),
    [
        (None, [], "", 2, "OPENAI_API_KEY is not set"),
        (Fault.status(401), [], "sk-loopback-secret", 1, "AuthenticationError"),
        (None, ["--max-wait", "0"], "sk-loopback-secret", 1, "the run goes on"),
    ],
)
def test_live_that_cannot_be_made_or_takes_too_long_says_so(
    live: Any, fault: Fault | None, arguments: list[str], key: str, code: int, said: str
) -> None:
    with Loopback(faults=lambda _: fault) as server:
        ended, _, problem = live(server, *arguments, key=key)
    assert ended == code and said in problem


# -- payloads


def payloads(folder: Path, capsys: Captured, *rows: dict[str, Any]) -> tuple[int, list[str], str]:
    """Of a file with these rows: the exit code, what is told of each, and the end."""
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    code = demo.main(["--payloads", str(path)])
    *told, end = capsys.readouterr().out.split("\n\n")
    return code, told, end


def failed(**error: object) -> dict[str, Any]:
    return {"id": "resp_1", "status": "failed", "error": error}


KINDS: list[tuple[str, dict[str, Any], str]] = [
    ("retrieve", failed(code="server_error"), "BackgroundInternalServerError  code server_error  retryable yes  "),
    ("retrieve", {"status": "failed"}, "BackgroundResponseError  code -  retryable no  retry_after -"),
    ("retrieve", failed(code="slow_down", message="Try again in 28m48s."), "BackgroundRateLimitError  code slow_down"),
    ("retrieve", {"id": "r", "status": "in_progress"}, "nothing raised, status in_progress"),
    ("retrieve", {}, "APIResponseValidationError: "),
    ("sse", {"type": "response.failed", "response": failed(code="bio_policy")}, "BackgroundBadRequestError  code bio_"),
    ("sse", {"type": "response.completed", "response": {"status": "completed"}}, "nothing raised, status completed"),
    ("sse", {"type": "error", "code": "slow_down", "message": "."}, "BackgroundRateLimitError  code slow_down  "),
    ("sse", {"message": "stopped"}, "BackgroundStreamInterruptedError: "),
    ("http", {"error": {"code": "invalid_api_key"}}, "BackgroundAuthenticationError  code invalid_api_key  "),
    ("http", {"error": {"code": "x" * 300}}, "BackgroundResponseError  code xxxxx"),
    ("webhook", {"object": "event", "type": "response.failed", "data": {"id": "r"}}, "BackgroundResponseError  code -"),
]


def test_row_of_a_kind_goes_by_its_routes(tmp_path: Path, capsys: Captured) -> None:
    rows = [{"kind": kind, "payload": payload, "source": "a \x1b[31m"} for kind, payload, _ in KINDS]
    code, told, end = payloads(tmp_path, capsys, *rows)
    assert (code, end) == (0, "12 payloads: 10 raise, 2 do not.\nNo row unexplained, none other than expected.\n")
    for number, (text, (kind, _, verdict)) in enumerate(zip(told, KINDS, strict=True), 1):
        assert text.startswith(f"rows.jsonl:{number}  {kind}  a \\x1b[31m\n    {verdict}")
        assert widest(text) <= 100 and text.replace("\n", "").isprintable()
    assert told[10].count("x") > 300  # a long one is not cut off
    assert "retry_after 1728 s" in told[2]


BODY: dict[str, Any] = {"id": "resp_f", "object": "response", "output": []}
QUOTA = {**BODY, "status": "failed", "error": {"code": "insufficient_quota", "message": "Nothing is left."}}
CREATED = {"type": "response.created", "sequence_number": 4, "response": BODY}
COMPLETED = {**BODY, "status": "completed"}

GIVEN: dict[str, Any] = {
    "routes": ["retrieve", "poll", "apoll", "raise", "stream:failed"],
    "input": {"body": QUOTA},
    "expect": {"class": "RateLimitError", "retryable": False, "code": "insufficient_quota", "text": ["Nothing"]},
}
WAITED: dict[str, Any] = {
    "routes": ["poll", "apoll"],
    "input": {"answers": ["@200 seconds of in_progress", {"@status": 503}, COMPLETED]},
    "expect": {"class": None, "last_status": "completed", "last_id": "resp_f"},
}
BROKEN: dict[str, Any] = {
    "routes": ["stream", "astream"],
    "input": {"events": [CREATED], "then": "reset"},
    "expect": {"class": "BackgroundStreamInterruptedError", "sequence_number": 4, "no_text": ["before"]},
}
RESUMED: dict[str, Any] = {
    "routes": ["resume"],
    "input": {**BROKEN["input"], "second": {"@status": 400, "error": {"message": "Too old."}}, "answers": [COMPLETED]},
    "expect": {"class": "!BadRequestError", "first": 4, "last_status": "completed"},
}
WEBHOOK: dict[str, Any] = {
    "routes": ["webhook"],
    "input": {
        "webhook": {"id": "evt_1", "object": "event", "type": "response.failed", "data": {"id": "resp_f"}},
        "answers": [{**BODY, "status": "in_progress"}, QUOTA],
    },
    "expect": {"class": "RateLimitError", "code": "insufficient_quota"},
}
OTHERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *((GIVEN, {"class": other}) for other in (None, "base", "!RateLimitError", "BackgroundNoSuchError")),
    (GIVEN, {"retryable": True}),
    (GIVEN, {"retry_after": 3}),
    (GIVEN, {"text": ["no such words"]}),
    (GIVEN, {"no_text": ["Nothing is left"]}),
    (GIVEN, {"partial": "words"}),
    (WAITED, {"last_status": "queued"}),
    (WAITED, {"parsed": True}),
    (WAITED, {"class": "*"}),
    (BROKEN, {"sequence_number": 5}),
    (RESUMED, {"first": 5}),
    (WEBHOOK, {"class": None}),
]


def test_rows_whose_expectations_hold_are_right(tmp_path: Path, capsys: Captured) -> None:
    code, _, end = payloads(tmp_path, capsys, GIVEN, WAITED, BROKEN, RESUMED, WEBHOOK)
    assert (code, end.split("\n")[1]) == (0, "No row unexplained, none other than expected.")


def test_row_with_another_expectation_says_what_is_wrong_on_each_route(tmp_path: Path, capsys: Captured) -> None:
    other = {"type": "response.failed", "response": failed(code="server_error")}
    torn = {"routes": ["retrieve", "stream"], "input": {"body": QUOTA, "events": [CREATED, other]}}
    pigeon: dict[str, Any] = {**GIVEN, "routes": ["pigeon"], "expect": {}}
    rows = [torn, *({**row, "expect": expect} for row, expect in OTHERS), pigeon]
    code, told, end = payloads(tmp_path, capsys, *rows)
    assert told[0].endswith("WRONG  retrieve and stream do not agree")
    for text, (row, expect) in zip(told[1:-1], OTHERS, strict=True):
        assert re.findall(r"WRONG  (.*?): (\w+)", text) == [(route, next(iter(expect))) for route in row["routes"]]
    wrong = ", ".join(f"rows.jsonl:{number}" for number in range(1, len(rows)))
    assert " ".join(end.split()).endswith(f"Unexplained: rows.jsonl:{len(rows)}. Other than expected: {wrong}.")
    assert code == 1


CORPORA = [*Path(os.environ.get("FORK_CORPORA") or SCRIPTS.parents[1] / "shared" / "corpus").glob("*.jsonl")]


@pytest.mark.skipif(not CORPORA, reason="no recorded payloads here; FORK_CORPORA names their folder")
def test_corpora_that_are_here_are_explained_and_as_expected(capsys: Captured) -> None:
    code = demo.main(["--payloads", *map(str, CORPORA)])
    assert code == 0, capsys.readouterr().out


GOOD = b'{"kind": "retrieve", "payload": {}}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD + b"{nope}\n", ", line 2: "),
        (GOOD + b"\n[1]\n", ", line 3: a JSON object is expected"),
        (b'{"payload": {}}', ", line 1: 'kind' must be one of retrieve, sse, http, webhook"),
        (b'{"kind": ["sse"], "payload": {}}', ", line 1: 'kind' must be one of"),
        (b'{"kind": "sse", "payload": [1]}', "'payload' a JSON object"),
        (b'{"kind": "sse", "payload": ' + b"[" * 100_000, ", line 1: "),
        (GOOD + b"\xff\xfe", ": 'utf-8' codec"),
        (b"\n \n", ": it holds no payload"),
        (None, ": No such file or directory"),
    ],
)
def test_payloads_from_a_bad_file_names_the_file_and_the_line_and_exits_2(
    tmp_path: Path, capsys: Captured, content: bytes | None, said: str
) -> None:
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert demo.main(["--payloads", str(path)]) == 2
    out, problem = capsys.readouterr()
    assert out == ""
    assert str(path) in problem and said in problem and problem.count("\n") == 1
