"""The demo shows what is true, on any terminal, and says in one sentence what is wrong with its arguments."""

from __future__ import annotations

import io
import os
import sys
import json
import shutil
import subprocess
from typing import Any
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from openai import OpenAI
from forktools import demo
from forktools.loopback import CATALOGUE, Fault, Loopback
from forktools.demo_payloads import Row, try_row, in_seconds, read_payloads, show_payloads

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


def run_module(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The demo in a process of its own, with an environment that has no key."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    return subprocess.run(
        [sys.executable, "-m", "forktools.demo", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=180,
        env={**clean, "PYTHONPATH": str(SCRIPTS) + os.pathsep + clean.get("PYTHONPATH", ""), **environment},
    )


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


# -- the table


def test_catalogue_and_expectations_name_the_same_scenarios() -> None:
    assert set(EXPECTED) == set(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_run_scenario_shows_the_class_and_that_stock_returns(name: str) -> None:
    with Loopback() as server:
        with OpenAI(base_url=server.base_url, api_key="loopback", max_retries=0) as client:
            above, below = demo.run_scenario(client, CATALOGUE[name])
        # The main job over the wire: one create, polls to the end with the flag and one without; never a cancel.
        assert (server.creates, server.polls(server.requests[1].response_id or ""), server.total) == (1, 4, 5)
        assert not any("raise_on_failure" in request.query for request in server.requests)
    title, _, _, retryable, retry_after, partial = above
    assert title == CATALOGUE[name].title
    assert (below[1], below[2], retryable, retry_after, partial) == EXPECTED[name]
    assert below[3].startswith("returns, status ")


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("completed", "completed", "-"),
        ("rate_limit_exceeded", "failed", "rate_limit_exceeded"),
        ("usage_limit_reached", "failed", "type: usage_limit_reached"),
        ("numeric_503", "failed", "503"),
        ("failed_without_error", "failed", "-"),
        ("no_status", "-", "server_error"),
        ("max_output_tokens", "incomplete", "max_output_tokens"),
        ("steered", "incomplete", "steered"),
        ("cancelled", "cancelled", "-"),
    ],
)
def test_run_scenario_shows_status_and_code(name: str, status: str, code: str) -> None:
    with Loopback() as server:
        with OpenAI(base_url=server.base_url, api_key="loopback", max_retries=0) as client:
            above, _ = demo.run_scenario(client, CATALOGUE[name])
    assert above[1:3] == (status, code)


def test_demo_in_process_shows_every_scenario_in_100_columns_and_exits_0() -> None:
    out = io.StringIO()
    assert demo.main([], out) == 0
    text = out.getvalue()
    assert widest(text) <= 100
    for name, scenario in CATALOGUE.items():
        assert f"\n{scenario.title} " in text
        assert EXPECTED[name][0] in text
    ended = sum(one[0] != "nothing" for one in EXPECTED.values())
    assert f"{len(CATALOGUE)} runs, {5 * len(CATALOGUE)} requests" in text
    assert f"{ended} of these {ended} came back as an ordinary return value." in text


def test_titles_are_distinct_and_fit_their_column() -> None:
    titles = [scenario.title for scenario in CATALOGUE.values()]
    assert len(set(titles)) == len(titles)
    assert all(0 < len(title) <= 19 for title in titles)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1", "COLUMNS": "100"}, {"COLUMNS": "40", "FORCE_COLOR": "1"}])
def test_demo_as_a_process_is_plain_text_in_100_columns(environment: dict[str, str]) -> None:
    done = run_module(**environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert widest(done.stdout) <= 100
    assert "\x1b" not in done.stdout
    assert all(f"\n{scenario.title} " in done.stdout for scenario in CATALOGUE.values())


def test_demo_whose_reader_goes_away_is_quiet() -> None:
    command = [sys.executable, "-m", "forktools.demo"]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS) + os.pathsep + os.environ.get("PYTHONPATH", "")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(180) == 0


# -- a live run, with the loopback server in the place of the API


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    def pause(_: float) -> None: ...

    monkeypatch.setattr(demo.time, "sleep", pause)


def live(monkeypatch: pytest.MonkeyPatch, server: Loopback, *arguments: str) -> tuple[int, str]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    out = io.StringIO()
    return demo.main(["--live", *arguments], out), out.getvalue()


@pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": ""}])
def test_live_without_a_key_says_so_and_exits_2(environment: dict[str, str]) -> None:
    done = run_module("--live", **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "OPENAI_API_KEY is not set" in done.stderr


@pytest.mark.usefixtures("no_pause")
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


@pytest.mark.usefixtures("no_pause")
def test_live_that_is_refused_says_why_and_exits_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Loopback(faults=lambda _: Fault.status(401)) as server:
        code, _ = live(monkeypatch, server)
    problem = capsys.readouterr().err
    assert code == 1
    assert "AuthenticationError" in problem and "--model" in problem and "sk-loopback-secret" not in problem


@pytest.mark.usefixtures("no_pause")
def test_live_that_takes_too_long_names_the_run_that_goes_on_and_exits_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Loopback() as server:
        code, _ = live(monkeypatch, server, "--max-wait", "0")
        response_id = server.logged("retrieve")[0].response_id or "?"
        assert dict(server.cancels) == {}
    assert code == 1
    assert f"{response_id} was not over after 0 s" in capsys.readouterr().err


# -- payloads


def row(tmp_path: Path, line: dict[str, Any]) -> Row:
    """The one row of a file with that line."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(line), encoding="utf-8")
    return read_payloads(str(path))[0]


def failed(**error: object) -> dict[str, Any]:
    return {"id": "resp_1", "status": "failed", "error": error}


TOO_LARGE = "Request too large for this tier: the input must be reduced."
INNER = failed(code="background_streaming_error", message='Upstream said: {"error": {"code": "invalid_prompt"}}')


@pytest.mark.parametrize(
    ("kind", "payload", "raised", "why"),
    [
        ("retrieve", failed(code="server_error"), "BackgroundInternalServerError", "known code server_error"),
        ("retrieve", {"status": "failed"}, "BackgroundResponseError", "failed without an error object"),
        ("retrieve", failed(code="new", type="billing_error"), "BackgroundRateLimitError", "unknown code new: the type bi"),
        ("retrieve", failed(type="not_found_error"), "BackgroundNotFoundError", "no code: the type not_found_error"),
        ("retrieve", failed(code="slow_down"), "BackgroundRateLimitError", "known code slow_down"),
        ("retrieve", failed(code="not_found_error"), "BackgroundNotFoundError", "in the place of a code"),
        ("retrieve", failed(code="529"), "BackgroundInternalServerError", "529 is a number: read as an HTTP status"),
        ("retrieve", failed(code="new", type="odd"), "BackgroundResponseError", "unknown code new, unknown type odd: no"),
        ("retrieve", INNER, "BackgroundBadRequestError", "known code invalid_prompt, inside background_streaming_error"),
        ("retrieve", failed(code="rate_limit_exceeded", message=TOO_LARGE), "BackgroundRateLimitError", "forbids a retry"),
        ("retrieve", {"id": "r", "status": "cancelled"}, "BackgroundCancelledError", "status cancelled"),
        ("retrieve", {"id": "r", "status": "incomplete"}, "BackgroundIncompleteError", "no reason given"),
        ("retrieve", {"id": "r", "status": "in_progress"}, "NoneType", "status in_progress is no failure"),
        ("retrieve", {"id": "r", "output": 3}, "NoneType", "neither a status nor an error says that it has ended"),
        ("retrieve", {}, "APIResponseValidationError", "holds none; the request failed, not the run"),
        ("sse", {"type": "response.failed", "response": failed(code="bio_policy")}, "BackgroundBadRequestError", "known"),
        ("sse", {"type": "response.completed", "response": {"status": "completed"}}, "NoneType", "status completed is no"),
        ("sse", {"type": "error", "code": "slow_down", "message": "."}, "BackgroundRateLimitError", "known code slow_do"),
        ("sse", {"error": {"type": "server_error"}}, "BackgroundInternalServerError", "the type server_error decides"),
        ("sse", {"message": "stopped"}, "BackgroundStreamInterruptedError", "broke off"),
        ("http", {"error": {"code": "invalid_api_key"}}, "BackgroundAuthenticationError", "known code invalid_api_key"),
        ("http", {}, "BackgroundResponseError", "failed without an error object"),
    ],
)  # fmt: skip
def test_row_names_the_witness(tmp_path: Path, kind: str, payload: dict[str, Any], raised: str, why: str) -> None:
    tried = try_row(row(tmp_path, {"kind": kind, "payload": payload}))
    assert type(tried.shown.error).__name__ == raised
    assert why in tried.why
    assert tried.wrong == []


def test_row_of_a_webhook_says_what_to_retrieve(tmp_path: Path) -> None:
    hook = {"object": "event", "type": "response.failed", "data": {"id": "resp_7"}}
    assert "retrieve resp_7 with the flag" in try_row(row(tmp_path, {"kind": "webhook", "payload": hook})).why


def test_row_that_was_answered_with_another_status_says_so(tmp_path: Path) -> None:
    line = {"kind": "http", "payload": {"error": {"code": "model_not_found"}}}
    assert "answered with 400" in try_row(row(tmp_path, {**line, "http_status": 400})).why
    assert "answered" not in try_row(row(tmp_path, {**line, "http_status": 404})).why


BODY: dict[str, Any] = {"id": "resp_f", "object": "response", "output": []}
QUOTA: dict[str, Any] = {
    **BODY,
    "status": "failed",
    "error": {"code": "insufficient_quota", "message": "Nothing is left."},
}
GIVEN: dict[str, Any] = {
    "routes": ["retrieve", "poll", "apoll", "raise", "stream:failed"],
    "input": {"body": QUOTA},
    "expect": {"class": "RateLimitError", "retryable": False, "code": "insufficient_quota", "text": ["Nothing"]},
}
WAITED: dict[str, Any] = {
    "routes": ["poll", "apoll"],
    "input": {"answers": ["@200 seconds of in_progress", {"@status": 503}, {**BODY, "status": "completed"}]},
    "expect": {"class": None, "last_status": "completed", "last_id": "resp_f"},
}
BROKEN: dict[str, Any] = {
    "routes": ["stream", "astream"],
    "input": {"events": [{"type": "response.created", "sequence_number": 4, "response": BODY}], "then": "reset"},
    "expect": {"class": "BackgroundStreamInterruptedError", "sequence_number": 4, "no_text": ["before"]},
}


@pytest.mark.parametrize("given", [GIVEN, WAITED, BROKEN], ids=["failed", "waited for", "broken"])
def test_row_with_expectations_that_hold_is_right(tmp_path: Path, given: dict[str, Any]) -> None:
    assert try_row(row(tmp_path, given)).wrong == []


@pytest.mark.parametrize(
    ("given", "expect", "routes"),
    [
        (GIVEN, {"class": None}, 5),
        (GIVEN, {"class": "base"}, 5),
        (GIVEN, {"class": "!RateLimitError"}, 5),
        (GIVEN, {"class": "BackgroundNoSuchError"}, 5),
        (GIVEN, {"retryable": True}, 5),
        (GIVEN, {"retry_after": 3}, 5),
        (GIVEN, {"text": ["no such words"]}, 5),
        (GIVEN, {"no_text": ["Nothing is left"]}, 5),
        (GIVEN, {"partial": "words"}, 5),
        (WAITED, {"last_status": "queued"}, 2),
        (WAITED, {"parsed": True}, 2),
        (WAITED, {"class": "*"}, 2),
        (BROKEN, {"sequence_number": 5}, 2),
    ],
)
def test_row_with_another_expectation_says_what_is_wrong_on_each_route(
    tmp_path: Path, given: dict[str, Any], expect: dict[str, Any], routes: int
) -> None:
    tried = try_row(row(tmp_path, {**given, "expect": expect}))
    assert len(tried.wrong) == routes
    assert all(next(iter(expect)) in told for told in tried.wrong)


def test_row_whose_route_is_not_known_says_so(tmp_path: Path) -> None:
    tried = try_row(row(tmp_path, {**GIVEN, "routes": ["pigeon"]}))
    assert tried.skipped == ["pigeon"] and "pigeon" in tried.why


def test_payloads_other_than_expected_end_with_1(tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.jsonl", tmp_path / "wrong.jsonl"
    right.write_text(json.dumps(GIVEN) + "\n" + json.dumps(WAITED))
    wrong.write_text(json.dumps({"server": "s", "cause": "c", "payload": QUOTA, "expect": {"class": "NotFoundError"}}))
    out = io.StringIO()
    assert demo.main(["--payloads", str(right)], out) == 0
    assert out.getvalue().endswith("2 payloads: 1 raise, 1 do not.\nNo row unexplained, none other than expected.\n")
    assert demo.main(["--payloads", str(right), str(wrong)], out) == 1
    assert out.getvalue().endswith("Unexplained: none. Other than expected: wrong.jsonl:1.\n")
    assert "WRONG  retrieve: class 'BackgroundRateLimitError', expected 'NotFoundError'" in out.getvalue()


CORPORA = [*Path(os.environ.get("FORK_CORPORA") or SCRIPTS.parents[1] / "shared" / "corpus").glob("*.jsonl")]


@pytest.mark.skipif(not CORPORA, reason="no recorded payloads here; FORK_CORPORA names their folder")
def test_corpora_that_are_here_are_explained_and_as_expected() -> None:
    out = io.StringIO()
    assert demo.main(["--payloads", *map(str, CORPORA)], out) == 0, out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.0, "0 s"), (0.424, "0.424 s"), (5400.0, "5400 s"), (2586687.0, "2586687 s")]
)
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
def test_show_payloads_explains_any_payload_in_printable_lines(
    tmp_path: Path, payload: dict[str, Any], kind: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"kind": kind, "payload": payload}), encoding="utf-8")
    out = io.StringIO()
    show_payloads([str(path)], out, width=100)
    lines = out.getvalue().split("\n")
    assert all(len(line) <= 100 and (line.isprintable() or not line) for line in lines)
    assert sum(line.startswith("    because ") and len(line) > 12 for line in lines) == 1


def test_payloads_shows_every_row_and_the_count(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {
            "kind": "retrieve",
            "payload": failed(code="slow_down", message="Try again in 28m48s."),
            "source": "log \x1b[31m",
        },
        {"kind": "http", "payload": {"error": {"code": "x" * 300}}, "http_status": 429},
        {"kind": "retrieve", "payload": {"status": "queued"}},
    ]
    path.write_text("\n\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    done = run_module("--payloads", str(path), NO_COLOR="1", COLUMNS="100")
    assert (done.returncode, done.stderr) == (0, "")
    assert "line 1  retrieve  log \\x1b[31m" in done.stdout
    assert "BackgroundRateLimitError  code slow_down  retryable yes  retry_after 1728 s" in done.stdout
    assert done.stdout.count("x" * 80) >= 3  # broken over lines, not cut off
    assert "line 5  retrieve\n    nothing raised\n" in done.stdout
    assert done.stdout.endswith("3 payloads: 2 raise, 1 do not.\nNo row unexplained, none other than expected.\n")
    assert widest(done.stdout) <= 100 and "\x1b" not in done.stdout


GOOD = b'{"kind": "retrieve", "payload": {}}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD + b"{nope}\n", ", line 2: not JSON"),
        (GOOD + b"\n[1]\n", ", line 3: a JSON object is expected"),
        (b'{"payload": {}}', ", line 1: 'kind' must be one of retrieve, sse, http, webhook"),
        (b'{"kind": "email", "payload": {}}', ", line 1: 'kind' must be one of"),
        (b'{"kind": ["sse"], "payload": {}}', ", line 1: 'kind' must be one of"),
        (b'{"kind": "sse", "payload": [1]}', ", line 1: 'payload' must be a JSON object"),
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


def test_payloads_from_a_folder_says_so_and_exits_2(tmp_path: Path) -> None:
    done = run_module("--payloads", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Cannot read {tmp_path}: ") and "Traceback" not in done.stderr


# -- the script around it


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the script with a bootstrap and an interpreter that only say what they were called with."""
    scripts, venv = tmp_path / "scripts", tmp_path / ".venv" / "bin"
    scripts.mkdir()
    venv.mkdir(parents=True)
    shutil.copy(SCRIPTS / "demo", scripts / "demo")
    for path, text in (
        (scripts / "bootstrap", "echo noise; echo noise >&2; exit ${BOOTSTRAP_STATUS:-0}"),
        (venv / "python", 'echo "$PYTHONPATH $PWD $*"'),
    ):
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return tmp_path


def test_script_sets_up_quietly_and_runs_where_it_was_called(checkout: Path, tmp_path_factory: Any) -> None:
    here = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run(
        [checkout / "scripts" / "demo", "--payloads", "a b"], capture_output=True, text=True, cwd=here
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{checkout}/scripts {here} -m forktools.demo --payloads a b\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--live", "--help"]])
def test_script_asked_for_help_sets_nothing_up(checkout: Path, arguments: list[str]) -> None:
    shutil.rmtree(checkout / ".venv")
    environment = {**os.environ, "BOOTSTRAP_STATUS": "3"}
    command = [checkout / "scripts" / "demo", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ./scripts/demo ") and not (checkout / ".venv").exists()
    # What the program knows is what the text names.
    with pytest.raises(SystemExit):
        demo.main(["--help"])
    assert all(option in done.stdout for option in ("--live", "--payloads FILE", "--model", "--max-wait"))


def test_script_whose_bootstrap_fails_shows_why_and_exits_1(checkout: Path) -> None:
    environment = {**os.environ, "BOOTSTRAP_STATUS": "3"}
    done = subprocess.run([checkout / "scripts" / "demo"], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "noise\nnoise\n")
