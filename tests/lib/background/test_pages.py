"""The contract as it is published (the JSON file, `background.md`, the command in a terminal) is the table's."""

from __future__ import annotations

import re
import sys
import json
import subprocess
from typing import Any
from pathlib import Path
from importlib import import_module
from importlib.resources import files

import pytest

from openai.types.responses import ResponseStatus

from ._support import failed, verdict, literals, background, incomplete, errors_module

PACKAGE = errors_module.__name__.rpartition(".")[0]
PAGE = Path(__file__).parents[3] / "background.md"
WIDEST = 90  # columns

pages: Any = import_module(PACKAGE + "._pages")
guide: Any = import_module(PACKAGE + "._guide")
command: Any = import_module(PACKAGE + ".__main__")

ROWS = [pytest.param(rule, id=f"{rule.kind}-{rule.key}") for rule in background.CONTRACT]
RAISING = [pytest.param(rule, id=f"{rule.kind}-{rule.key}") for rule in background.CONTRACT if rule.error_class]


def published() -> dict[str, Any]:
    return json.loads(files(PACKAGE).joinpath("background_errors.json").read_text(encoding="utf-8"))


def shown_parts(text: str) -> dict[str, str]:
    found = re.findall(r"<!-- generated: (.+?) -->\n(.*?)\n<!-- /generated -->", text, re.DOTALL)
    return dict(found)


def row_of(rule: Any) -> dict[str, Any]:
    (row,) = [row for row in published()["rules"] if (row["kind"], row["key"]) == (rule.kind, rule.key)]
    return row


# -- the JSON file


def test_json_file_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--json"]) == 0
    assert capsys.readouterr().out == files(PACKAGE).joinpath("background_errors.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("rule", ROWS)
def test_json_file_has_the_row(rule: Any) -> None:
    row = row_of(rule)
    named = getattr(errors_module, row["class"]) if row["class"] else None
    assert named is rule.error_class
    for field in ("http_status", "retryable", "attested", "meaning", "action"):
        assert row[field] == getattr(rule, field)


def test_json_file_has_no_other_row() -> None:
    rows = [(row["kind"], row["key"]) for row in published()["rules"]]
    assert rows == [(rule.kind, rule.key) for rule in background.CONTRACT]
    assert published()["contract_version"] == background.CONTRACT_VERSION


@pytest.mark.parametrize("rule", RAISING)
def test_json_row_names_the_stock_class_that_catches_it(rule: Any) -> None:
    stock = row_of(rule)["also_a"]
    raised = verdict(incomplete(rule.key) if rule.kind == "reason" else failed(**_error_of(rule)))
    module = import_module("openai._exceptions")
    if stock is None:
        assert not isinstance(raised, (module.APIStatusError, module.ContentFilterFinishReasonError))
    else:
        assert isinstance(raised, getattr(module, stock))


def _error_of(rule: Any) -> dict[str, Any]:
    if rule.kind == "type":
        return {"code": None, "type": rule.key}
    return {"code": rule.key.replace("xx", "00")}


def test_json_file_has_an_ending_for_every_documented_status() -> None:
    assert {ending["status"] for ending in published()["endings"]} == literals(ResponseStatus)


@pytest.mark.parametrize("ending", [pytest.param(one, id=one.status) for one in pages.ENDINGS])
def test_json_ending_is_what_that_status_raises(ending: Any) -> None:
    (row,) = [row for row in published()["endings"] if row["status"] == ending.status]
    raised = verdict({"id": "resp_1", "status": ending.status})
    assert row["class"] == (type(raised).__name__ if raised is not None else None)
    assert row["terminal"] is (ending.status not in ("queued", "in_progress"))


def test_json_file_says_what_is_never_retryable() -> None:
    never = published()["never_retryable"]
    assert never["types"] and never["message_contains"]
    assert verdict(failed("rate_limit_exceeded", type="tokens")).retryable
    for kind in never["types"]:
        assert not verdict(failed("rate_limit_exceeded", type=kind)).retryable
    for part in never["message_contains"]:
        assert not verdict(failed("rate_limit_exceeded", part.title())).retryable


def test_json_order_of_a_failed_run_is_the_order_of_the_verdict() -> None:
    assert published()["failed"]["order"] == ["code", "status", "type"]
    otherwise = published()["failed"]["otherwise"]["class"]
    kinds = {"code": "model_not_found", "type": "authentication_error"}
    assert type(verdict(failed(**kinds))).__name__ == row_of(background.lookup("model_not_found")[0])["class"]
    assert type(verdict(failed("409", type="authentication_error"))).__name__ == "BackgroundConflictError"
    assert type(verdict(failed("no_such_code", type="no_such_type"))).__name__ == otherwise


# -- the page


@pytest.mark.skipif(not PAGE.is_file(), reason="the page is not part of this build")
@pytest.mark.parametrize("name", guide.sections())
def test_page_shows_the_generated_part_as_it_is(name: str) -> None:
    # `python -m openai.lib.background --markdown` prints what has to be between the markers.
    assert shown_parts(PAGE.read_text(encoding="utf-8"))[name] == guide.sections()[name]


@pytest.mark.skipif(not PAGE.is_file(), reason="the page is not part of this build")
def test_page_when_a_row_changes_so_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = background.CONTRACT
    monkeypatch.setattr(guide, "CONTRACT", (first._replace(retryable=not first.retryable), *others))
    shown = shown_parts(PAGE.read_text(encoding="utf-8"))
    changed = [name for name, part in guide.sections().items() if shown[name] != part]
    assert changed == ["table code"]


def test_ladder_holds_every_class_once_below_its_first_base() -> None:
    lines = guide.ladder().splitlines()
    names = [re.sub(r"[^\w].*", "", line.lstrip(" │├└─")) for line in lines]
    assert set(errors_module.__all__) <= set(names)
    assert len(names) == len(set(names))
    depth = {name: line.index(name) // 3 for name, line in zip(names, lines, strict=True)}
    for name in errors_module.__all__:
        bases = [base.__name__ for base in getattr(errors_module, name).__mro__[1:]]
        above = next(other for other in reversed(names[: names.index(name)]) if depth[other] == depth[name] - 1)
        assert above in bases


# -- the command


def test_command_without_a_code_prints_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    printed = capsys.readouterr().out
    for kind, place in pages.KINDS.items():
        _, _, *lines = printed.split(f"\n{place} ")[1].split("\n\n")[0].splitlines()
        assert [tuple(line.split()) for line in lines] == [
            (
                rule.key,
                rule.error_class.__name__ if rule.error_class else "nothing",
                str(rule.http_status or "-"),
                "yes" if rule.retryable else "no",
            )
            for rule in background.CONTRACT
            if rule.kind == kind
        ]


@pytest.mark.parametrize("rule", ROWS)
def test_command_with_a_known_code_explains_it(rule: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([rule.key]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert f"{rule.key} ({pages.KINDS[rule.kind]})" in words
    assert rule.meaning in words and rule.action in words
    assert rule.error_class is None or rule.error_class.__name__ in words


@pytest.mark.parametrize("ending", [pytest.param(one, id=one.status) for one in pages.ENDINGS])
def test_command_with_the_status_of_a_response_explains_it(ending: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([ending.status]) == 0
    assert f"{ending.status} (response.status)" in capsys.readouterr().out


def test_command_with_a_number_explains_the_http_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["507"]) == 0
    assert "BackgroundInternalServerError" in capsys.readouterr().out


@pytest.mark.parametrize("terms", [["no_such_code"], ["server_error", "no_such_code"], [""], ["999"]])
def test_command_with_an_unknown_code_says_so_and_fails(terms: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(terms) == 1
    printed = capsys.readouterr().out
    assert "Not in the contract" in printed and "BackgroundResponseError, not retryable" in printed


def test_command_with_a_misspelt_code_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["Rate_Limit_Exeeded"]) == 1
    assert re.search(r"nearest +rate_limit_exceeded", capsys.readouterr().out)


def test_command_with_json_and_codes_answers_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--json", "slow_down", "slow_dwn"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["contract_version"] == background.CONTRACT_VERSION
    known, unknown = data["results"]
    assert known["known"] and known["rules"] == [row_of(background.lookup("slow_down")[0])]
    assert not unknown["known"] and unknown["rules"] == [] and "slow_down" in unknown["nearest"]
    assert unknown["otherwise"]["retryable"] is False


def test_command_with_markdown_and_a_code_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["--markdown", "slow_down"])
    assert stopped.value.code == 2
    assert "takes no code" in capsys.readouterr().err


def test_command_with_markdown_prints_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--markdown"]) == 0
    assert shown_parts(capsys.readouterr().out) == guide.sections()


def test_command_is_readable_in_a_narrow_terminal_without_colour() -> None:
    terms = [rule.key for rule in background.CONTRACT] + [one.status for one in pages.ENDINGS] + ["no_such_code"]
    for text in (pages.table_text(), *map(pages.explain_text, terms)):
        assert text.isascii() and "\x1b" not in text
        assert max(map(len, text.splitlines())) <= WIDEST


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120)


def test_module_is_run_by_its_name() -> None:
    done = run("-m", PACKAGE, "vector_store_timeout", "no_such_code")
    assert (done.returncode, done.stderr) == (1, "")
    assert "BackgroundInternalServerError" in done.stdout and "Not in the contract" in done.stdout


def test_module_when_its_reader_goes_away_is_quiet() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", PACKAGE, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == ""


def test_pages_are_not_loaded_with_the_package() -> None:
    code = f"import sys, openai, {PACKAGE} as b; b.BackgroundResponseError; print(*sys.modules)"
    loaded = run("-c", code).stdout.split()
    assert f"{PACKAGE}" in loaded
    assert not {f"{PACKAGE}._pages", f"{PACKAGE}._guide", f"{PACKAGE}.__main__"} & {*loaded}
