"""`python -m openai.lib.background`: what it says of a row is what is raised, and its exit code tells a script."""

from __future__ import annotations

import sys
import json
import subprocess
from typing import Any

import pytest

from openai import BackgroundResponseError
from openai.lib.background import CONTRACT, CONTRACT_VERSION, raise_on_failure
from openai.lib.background.__main__ import main

from ._support import body, failed, error_of

ROWS = [pytest.param(rule, id=f"{rule.kind}-{rule.key}") for rule in CONTRACT]


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What the command prints with these arguments; it has to end with this exit code."""
    assert main(list(arguments)) == code
    return capsys.readouterr().out


def shown(text: str) -> dict[str, str]:
    """The facts of a paragraph, by their names."""
    lines = [line for line in text.splitlines() if line.startswith("  ") and line[2] != " "]
    return {line[2:13].strip(): line[13:] for line in lines}


def raised(rule: Any) -> BackgroundResponseError:
    """What a run raises for the key of a row."""
    key = rule.key.replace("xx", "07")
    if rule.kind == "reason":
        return error_of(body("incomplete", incomplete_details={"reason": key}))
    return error_of(failed("no_such_code", type=key) if rule.kind == "type" else failed(key))


def test_command_without_arguments_prints_every_row_and_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    first, *lines = said(capsys).splitlines()
    assert first.endswith(f"version {CONTRACT_VERSION}")
    shown = [line.split()[0] for line in lines if line.endswith(("True", "False"))]
    assert sorted(shown) == sorted(rule.key for rule in CONTRACT)


@pytest.mark.parametrize("rule", ROWS)
def test_command_with_a_key_says_what_a_run_really_raises(rule: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, rule.key)
    error = raised(rule)
    equivalent = error.equivalent.__name__ if error.equivalent else None
    facts = [shown(paragraph) for paragraph in text.split("\n\n")]
    expected = (type(error).__name__, equivalent, str(error.retryable))
    assert expected in [(one["raised"], one.get("also a"), one["retryable"]) for one in facts]
    assert rule.meaning in " ".join(text.split())


def test_command_with_an_unknown_code_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "server_eror", "no_such_code", code=1)
    near, far = text.split("\n\n")
    assert "server_error" in shown(near)["nearest"]
    assert shown(far)["raised"].startswith("BackgroundResponseError")
    assert shown(far)["retryable"] == "not known, so False"


def test_command_with_a_known_and_an_unknown_code_explains_both(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "server_error", "no_such_code", code=1)
    assert "BackgroundInternalServerError" in text
    assert "no_such_code: not in the contract" in text


def test_command_with_a_wrong_option_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--no-such-option"])
    assert caught.value.code == 2
    assert "--no-such-option" in capsys.readouterr().err


def test_command_as_json_has_every_row_with_what_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(said(capsys, "--json"))
    assert data["contract_version"] == CONTRACT_VERSION
    assert [(row["kind"], row["key"]) for row in data["rules"]] == [(rule.kind, rule.key) for rule in CONTRACT]
    for row, rule in zip(data["rules"], CONTRACT, strict=True):
        assert row["raised"] == type(raised(rule)).__name__
        assert (row["http_status"], row["retryable"], row["meaning"]) == (
            rule.http_status,
            rule.retryable,
            rule.meaning,
        )


def test_command_as_json_says_what_each_ending_raises(capsys: pytest.CaptureFixture[str]) -> None:
    endings = json.loads(said(capsys, "--json"))["endings"]
    assert set(endings) == {"completed", "queued", "in_progress", "failed", "incomplete", "cancelled", "expired"}
    for status, name in endings.items():
        if name is None:
            raise_on_failure(body(status))
        else:
            assert type(error_of(body(status))).__name__ == name


def test_command_as_json_with_codes_has_their_rows(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(said(capsys, "--json", "server_error", "no_such_code", code=1))
    assert [row["key"] for row in data["found"]["server_error"]] == ["server_error"]
    assert data["found"]["no_such_code"] == []


def test_command_in_a_process_of_its_own_prints_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "openai.lib.background", "server_error"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, said(capsys, "server_error"), "")
