"""The demo shows what is true, on any terminal, and says in one sentence what is wrong with its arguments."""

from __future__ import annotations

import io
import os
import re
import sys
import json
import shlex
import signal
import subprocess
from typing import Any
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from openai import OpenAI
from forktools import demo
from forktools.loopback import CATALOGUE, Fault, Loopback
from forktools.demo_routes import ROUTES
from forktools.demo_payloads import Tried, try_row, in_seconds, read_payloads, show_payloads

STATUS_AND_CODE = {
    "completed": ("completed", "-"),
    "usage_limit_reached": ("failed", "type: usage_limit_reached"),
    "conflict": ("failed", "type: conflict_error"),
    "numeric_503": ("failed", "503"),
    "failed_without_error": ("failed", "-"),
    "late_cause": ("failed", "-"),
    "no_status": ("-", "server_error"),
    "max_output_tokens": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
    "steered": ("incomplete", "steered"),
    "cancelled": ("cancelled", "-"),
}
"""Where it is not failed with the code that was sent."""
SCRIPTS = Path(__file__).parents[2] / "scripts"

# name: class raised, stock's rung, retryable, retry_after, characters kept
EXPECTED = {
    "completed": ("nothing", "-", "-", "-", "-"),
    "server_error": ("BackgroundInternalServerError", "InternalServerError", "yes", "-", "-"),
    "partial_output": ("BackgroundInternalServerError", "InternalServerError", "yes", "-", "57 chars"),
    "overloaded": ("BackgroundInternalServerError", "InternalServerError", "yes", "-", "-"),
    "rate_limit_exceeded": ("BackgroundRateLimitError", "RateLimitError", "yes", "11.054 s", "-"),
    "request_too_large": ("BackgroundRateLimitError", "RateLimitError", "no", "-", "-"),
    "insufficient_quota": ("BackgroundRateLimitError", "RateLimitError", "no", "-", "-"),
    "usage_limit_reached": ("BackgroundRateLimitError", "RateLimitError", "no", "5400 s", "-"),
    "invalid_prompt": ("BackgroundBadRequestError", "BadRequestError", "no", "-", "-"),
    "context_length_exceeded": ("BackgroundBadRequestError", "BadRequestError", "no", "-", "-"),
    "conversation_locked": ("BackgroundBadRequestError", "BadRequestError", "yes", "-", "-"),
    "misalignment_policy_violation": ("BackgroundPermissionDeniedError", "PermissionDeniedError", "no", "-", "-"),
    "invalid_api_key": ("BackgroundAuthenticationError", "AuthenticationError", "no", "-", "-"),
    "model_not_found": ("BackgroundNotFoundError", "NotFoundError", "no", "-", "-"),
    "conflict": ("BackgroundConflictError", "ConflictError", "yes", "-", "-"),
    "numeric_422": ("BackgroundUnprocessableEntityError", "UnprocessableEntityError", "no", "-", "-"),
    "numeric_503": ("BackgroundInternalServerError", "InternalServerError", "yes", "-", "-"),
    "unknown_code": ("BackgroundResponseError", "APIError", "no", "-", "-"),
    "failed_without_error": ("BackgroundResponseError", "APIError", "no", "-", "-"),
    "late_cause": ("BackgroundResponseError", "APIError", "no", "-", "-"),
    "no_status": ("BackgroundInternalServerError", "InternalServerError", "yes", "-", "-"),
    "max_output_tokens": ("BackgroundIncompleteError", "APIError", "no", "-", "57 chars"),
    "content_filter": ("BackgroundContentFilterError", "ContentFilterFinishReasonError", "no", "-", "57 chars"),
    "steered": ("BackgroundIncompleteError", "APIError", "no", "-", "-"),
    "cancelled": ("BackgroundCancelledError", "APIError", "no", "-", "57 chars"),
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run_module(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The demo in a process of its own, with an environment that has no key."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    return subprocess.run(
        [sys.executable, "-m", "forktools.demo", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=180,
        env={**clean, "PYTHONPATH": str(SCRIPTS), **environment},
    )


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


# -- the table


@pytest.mark.parametrize("name", CATALOGUE)
def test_run_scenario_shows_the_class_and_that_stock_returns(name: str) -> None:
    with Loopback() as server:
        with OpenAI(base_url=server.base_url, api_key="loopback", max_retries=0) as client:
            above, below = demo.run_scenario(client, CATALOGUE[name])
        # The main job over the wire: one create, polls to the end with the flag and one without; never a cancel.
        assert (server.creates, server.polls(server.requests[1].response_id or ""), server.total) == (1, 4, 5)
        assert not any("raise_on_failure" in request.query for request in server.requests)
    title, *status_and_code, retryable, retry_after, partial = above
    assert title == CATALOGUE[name].title
    assert (below[1], below[2], retryable, retry_after, partial) == EXPECTED[name]
    assert tuple(status_and_code) == (STATUS_AND_CODE.get(name) or ("failed", CATALOGUE[name].ending["error"]["code"]))
    assert below[3].startswith("returns, status ")


def test_demo_in_a_pipe_shows_every_scenario_in_plain_text_and_100_columns_and_exits_0() -> None:
    done = run_module(COLUMNS="40", FORCE_COLOR="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert widest(done.stdout) <= 100 and "\x1b" not in done.stdout
    titles = [scenario.title for scenario in CATALOGUE.values()]
    assert all(done.stdout.count(f"\n{title} ") == 1 and len(title) <= 19 for title in titles)
    assert f"{len(CATALOGUE)} runs, {5 * len(CATALOGUE)} requests" in done.stdout
    ended = len(CATALOGUE) - 1
    assert done.stdout.endswith(f"\n{ended} of these {ended} came back as an ordinary return value.\n")


def test_demo_on_a_terminal_is_coloured_and_of_the_same_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = Terminal()
    assert demo.main([], coloured) == 0
    assert "\x1b[31mBackgroundRateLimitError" in coloured.getvalue() and "\x1b[32mnothing" in coloured.getvalue()
    assert widest(re.sub(r"\x1b\[\d+m", "", coloured.getvalue())) <= 100
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    assert demo.main([], plain) == 0
    assert "\x1b" not in plain.getvalue()


def test_demo_whose_reader_goes_away_is_quiet() -> None:
    command, environment = [sys.executable, "-m", "forktools.demo"], {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(180) == 0


def test_serve_prints_what_to_export_serves_there_and_ends_with_ctrl_c() -> None:
    command, environment = (
        [sys.executable, "-m", "forktools.demo", "--serve"],
        {**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in the background of a shell ignores it, children too
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        assert process.stdout is not None
        url, key = shlex.split(process.stdout.readline())[1:]
        with OpenAI(
            base_url=url.removeprefix("OPENAI_BASE_URL="), api_key=key.removeprefix("OPENAI_API_KEY=")
        ) as client:
            assert client.responses.retrieve("resp_completed").status == "queued"
        process.send_signal(signal.SIGINT)
        assert process.wait(180) == 0
    finally:
        process.kill()
        process.communicate()


def test_serve_on_a_taken_port_says_so_and_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    with Loopback() as server:
        port = server.url.rsplit(":", 1)[1]
        assert demo.main(["--serve", "--port", port]) == 1
    out, problem = capsys.readouterr()
    assert out == "" and problem.startswith(f"Cannot listen on 127.0.0.1:{port}: ")


# -- a live run, with the loopback server in the place of the API


def live(monkeypatch: pytest.MonkeyPatch, server: Loopback, *arguments: str) -> tuple[int, str]:
    def pause(_: float) -> None: ...

    monkeypatch.setattr(demo.time, "sleep", pause)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    out = io.StringIO()
    return demo.main(["--live", *arguments], out), out.getvalue()


@pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": ""}])
def test_live_without_a_key_says_so_and_exits_2(environment: dict[str, str]) -> None:
    done = run_module("--live", **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "OPENAI_API_KEY is not set" in done.stderr


@pytest.mark.parametrize("name", ["completed", "max_output_tokens", "server_error"])
def test_live_with_a_key_makes_one_small_run_and_shows_its_end(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with Loopback() as server:
        server.upcoming(name)
        code, text = live(monkeypatch, server, "--model", "gpt-mine")
        asked = server.logged("create")[0].json
        assert (server.creates, dict(server.cancels)) == (1, {})
    assert code == 0
    assert (asked["model"], asked["background"], asked["max_output_tokens"]) == ("gpt-mine", True, 64)
    assert EXPECTED[name][0] in text and EXPECTED[name][1] in text
    assert widest(text) <= 100
    assert "sk-loopback-secret" not in text


@pytest.mark.parametrize(
    ("fault", "arguments", "said"),
    [
        (Fault.status(401), [], "AuthenticationError"),
        (None, ["--max-wait", "0"], "resp_loopback00000001 was not over after 0 s"),
    ],
)
def test_live_that_is_refused_or_takes_too_long_says_so_cancels_nothing_and_exits_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: Fault | None,
    arguments: list[str],
    said: str,
) -> None:
    with Loopback(faults=lambda _: fault) as server:
        assert live(monkeypatch, server, *arguments)[0] == 1
        assert dict(server.cancels) == {}
    problem = capsys.readouterr().err
    assert said in problem and "sk-loopback-secret" not in problem


# -- payloads


def tried(tmp_path: Path, line: dict[str, Any]) -> Tried:
    """What comes of the one row of a file with that line."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(line), encoding="utf-8")
    return try_row(read_payloads(str(path))[0])


def failed(**error: object) -> dict[str, Any]:
    return {"id": "resp_1", "status": "failed", "error": error}


@pytest.mark.parametrize(
    ("kind", "payload", "raised"),
    [
        ("retrieve", failed(code="server_error"), "BackgroundInternalServerError"),
        ("retrieve", {"status": "failed"}, "BackgroundResponseError"),
        ("retrieve", {"id": "r", "status": "in_progress"}, "NoneType"),
        ("retrieve", {}, "APIResponseValidationError"),
        ("sse", {"type": "response.failed", "response": failed(code="bio_policy")}, "BackgroundBadRequestError"),
        ("sse", {"type": "response.completed", "response": {"status": "completed"}}, "NoneType"),
        ("sse", {"type": "error", "code": "slow_down", "message": "."}, "BackgroundRateLimitError"),
        ("sse", {"message": "stopped"}, "BackgroundStreamInterruptedError"),
        ("http", {"error": {"code": "invalid_api_key"}}, "BackgroundAuthenticationError"),
        ("webhook", {"object": "event", "type": "response.failed", "data": {"id": "r"}}, "BackgroundResponseError"),
    ],
)
def test_row_of_a_kind_goes_by_its_routes(tmp_path: Path, kind: str, payload: dict[str, Any], raised: str) -> None:
    found = tried(tmp_path, {"kind": kind, "payload": payload})
    assert found.shown is not None and type(found.shown.error).__name__ == raised
    assert (found.explained, found.wrong, found.skipped) == (True, [], [])


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


@pytest.mark.parametrize("given", [GIVEN, WAITED, BROKEN, RESUMED, WEBHOOK])
def test_row_with_expectations_that_hold_is_right(tmp_path: Path, given: dict[str, Any]) -> None:
    found = tried(tmp_path, given)
    assert (found.explained, found.wrong, found.skipped) == (True, [], [])


@pytest.mark.parametrize(
    ("given", "expect"),
    [
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
        (RESUMED, {"class": "*"}),
        (WEBHOOK, {"class": None}),
    ],
)
def test_row_with_another_expectation_says_what_is_wrong_on_each_route(
    tmp_path: Path, given: dict[str, Any], expect: dict[str, Any]
) -> None:
    found = tried(tmp_path, {**given, "expect": expect})
    assert len(found.wrong) == len(given["routes"])
    assert all(next(iter(expect)) in told for told in found.wrong)


def test_row_whose_route_is_not_known_says_so(tmp_path: Path) -> None:
    assert tried(tmp_path, {**GIVEN, "routes": ["pigeon", "raise"]}).skipped == ["pigeon"]
    assert "webhook" in ROUTES and "resume" in ROUTES


def test_payloads_shows_every_row_and_the_count(tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.jsonl", tmp_path / "wrong.jsonl"
    rows = [
        {
            "kind": "retrieve",
            "payload": failed(code="slow_down", message="Try again in 28m48s."),
            "source": "a \x1b[31m",
        },
        {"kind": "http", "payload": {"error": {"code": "x" * 300}}, "http_status": 429},
        {"kind": "retrieve", "payload": {"status": "queued"}},
    ]
    right.write_text("\n\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    wrong.write_text(json.dumps({"server": "s", "cause": "c", "payload": QUOTA, "expect": {"class": "NotFoundError"}}))
    done = run_module("--payloads", str(right))
    assert (done.returncode, done.stderr) == (0, "")
    assert "line 1  retrieve  a \\x1b[31m" in done.stdout
    assert "BackgroundRateLimitError  code slow_down  retryable yes  retry_after 1728 s" in done.stdout
    assert done.stdout.count("x" * 80) >= 3  # broken over lines, not cut off
    assert "line 5  retrieve\n    nothing raised, status queued\n" in done.stdout
    assert done.stdout.endswith("3 payloads: 2 raise, 1 do not.\nNo row unexplained, none other than expected.\n")
    assert widest(done.stdout) <= 100 and "\x1b" not in done.stdout

    out = io.StringIO()
    assert demo.main(["--payloads", str(right), str(wrong)], out) == 1
    assert out.getvalue().endswith("Unexplained: none. Other than expected: wrong.jsonl:1.\n")
    assert "WRONG  retrieve: class 'BackgroundRateLimitError', expected 'NotFoundError'" in out.getvalue()


CORPORA = [*Path(os.environ.get("FORK_CORPORA") or SCRIPTS.parents[1] / "shared" / "corpus").glob("*.jsonl")]


@pytest.mark.skipif(not CORPORA, reason="no recorded payloads here; FORK_CORPORA names their folder")
def test_corpora_that_are_here_are_explained_and_as_expected() -> None:
    out = io.StringIO()
    assert demo.main(["--payloads", *map(str, CORPORA)], out) == 0, out.getvalue()
    assert "not tried" not in out.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (0.0, "0 s"), (0.424, "0.424 s"), (2586687.0, "2586687 s")])
def test_in_seconds_hides_no_digit(seconds: float | None, text: str) -> None:
    assert in_seconds(seconds) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
payload_dicts = st.dictionaries(
    st.sampled_from(["type", "status", "error", "response", "output", "incomplete_details", "object", "data", "code"]),
    json_values | st.sampled_from(["failed", "incomplete", "error", "event", "response.failed", "server_error"]),
    max_size=5,
)


@given(payload=payload_dicts, kind=st.sampled_from(["retrieve", "sse", "http", "webhook"]))
@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
def test_payloads_explains_any_payload_in_printable_lines(tmp_path: Path, payload: dict[str, Any], kind: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"kind": kind, "payload": payload}), encoding="utf-8")
    out = io.StringIO()
    show_payloads([str(path)], out)
    lines = out.getvalue().split("\n")
    assert all(len(line) <= 100 and (line.isprintable() or not line) for line in lines)
    assert "Unexplained: none" in out.getvalue() or "No row unexplained" in out.getvalue()


GOOD = b'{"kind": "retrieve", "payload": {}}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD + b"{nope}\n", ", line 2: not JSON"),
        (GOOD + b"\n[1]\n", ", line 3: a JSON object is expected"),
        (b'{"payload": {}}', ", line 1: 'kind' must be one of retrieve, sse, http, webhook"),
        (b'{"kind": ["sse"], "payload": {}}', ", line 1: 'kind' must be one of"),
        (b'{"kind": "sse", "payload": [1]}', "'payload' a JSON object"),
        (b'{"kind": "sse", "payload": ' + b"[" * 100_000, ", line 1: "),
        (GOOD + b"\xff\xfe", ": it is not UTF-8 text"),
        (b"\n \n", " holds no payload"),
        (None, ": No such file or directory"),
    ],
)
def test_payloads_from_a_bad_file_names_the_file_and_the_line_and_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, said: str
) -> None:
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert demo.main(["--payloads", str(path)]) == 2
    out, problem = capsys.readouterr()
    assert out == ""
    assert str(path) in problem and said in problem and problem.count("\n") == 1
