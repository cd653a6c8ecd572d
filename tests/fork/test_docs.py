"""The pages tell the truth: their code runs and prints what they show, their tables are the contract's, their links
lead somewhere, the rows are those recorded for their version, and the published JSON is what its schema says, also for
another language."""

from __future__ import annotations

import re
import copy
import json
import shutil
import subprocess
from typing import Any
from pathlib import Path

import pytest

jsonschema = pytest.importorskip("jsonschema")

import openai  # noqa: E402
from forktools import ROOT, Refusal, pages, blocks  # noqa: E402
from openai.lib import background  # noqa: E402
from forktools.demo_routes import signed  # noqa: E402
from openai.lib.background import CONTRACT, BackgroundResponseError, raise_on_failure  # noqa: E402
from openai.lib.background.__main__ import document  # noqa: E402

CONTRACT_JSON = json.loads((ROOT / pages.JSON).read_text(encoding="utf-8"))
PAGES = ("README.md", "background.md", "shim/README.md")
LEFT_OUT = {
    # tests/integrations/test_policies.py runs these two
    "needs tenacity",
    "needs celery",
    "it takes an id from the command line; shim/tests/test_shim_matrix.py runs it on stock and on the fork",
}
"""Why blocks are not run here. A new reason has to be written down."""


# -- the code of the pages


@pytest.mark.parametrize("name", PAGES)
def test_page_code_prints_what_the_page_shows_but_for_what_is_written_down(name: str) -> None:
    wrong = [
        f"{name}:{block.line}: {block.problem or f'prints {block.printed!r}, the page shows {block.shown!r}'}"
        for block in blocks.run(ROOT / name)
        if (block.problem or block.printed != block.shown) and block.problem not in LEFT_OUT
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("page", "results"),
    [
        ("```python\nprint(1)\n```\n```text\n1\n```\n", [("1\n", None)]),
        ("```python\nx = 1\n```\n\n```python\nprint(x)\nraise KeyError(x)\n```\n", [("", None), ("1\n", "KeyError: 1")]),
        ("<!-- not run: needs a key -->\n```python\n1 / 0\n```\n", [("", "needs a key")]),
        ("```python\nimport no_such.one\n```\n", [("", "needs no_such")]),
    ],
)  # fmt: skip
def test_blocks_are_run_in_one_session_or_left_out_for_a_reason(tmp_path: Path, page: str, results: list[Any]) -> None:
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    assert [(one.printed, one.problem) for one in blocks.run(tmp_path / "page.md")] == results


@pytest.mark.parametrize(
    "page", ["<!-- not run: -->\n```python\n1\n```\n", "  ```python\n  1\n  ```\n", "```py\n1\n```\n", "```python\n1\n"]
)
def test_block_that_would_not_be_run_is_refused(tmp_path: Path, page: str) -> None:
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    with pytest.raises(Refusal, match="indented, unusual"):
        blocks.read(tmp_path / "page.md")


# -- what the pages say


def test_readme_and_its_recipe_are_short_and_name_no_release() -> None:
    (recipe,) = [block for block in blocks.read(ROOT / "README.md") if "def run_until_done" in block.code]
    assert len(recipe.code.split("\n\n\n")[0].splitlines()) <= 15
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 260
    assert not re.search(r"\b[23]\.\d+\.\d+", text)


def test_webhook_of_the_page_says_why_the_run_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    run = "resp_overloaded"
    sent = {"id": "evt_1", "object": "event", "created_at": 1, "type": "response.failed", "data": {"id": run}}
    body, headers, secret = signed(sent)
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", secret)

    names: dict[str, Any] = {}
    running = blocks.run(ROOT / "background.md", names)
    assert any("receive" in names for _ in running)
    for _ in ("queued", "in_progress"):
        names["client"].responses.retrieve(run)
    assert names["receive"](body, headers) == "response.failed: server_is_overloaded, retryable: True"
    running.close()


@pytest.mark.parametrize("name", [name for name in background.__all__ if name.startswith("Background")])
def test_page_shows_every_class_where_it_belongs(name: str) -> None:
    page = (ROOT / "background.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^.*─ {name}\b.*$", page, re.MULTILINE)
    others = [base for base in getattr(openai, name).__bases__ if not base.__name__.startswith("Background")]
    if second := re.search(r"also an? (\w+)", line):
        assert second[1] == others[-1].__name__
    else:
        assert len(others) <= 1


@pytest.mark.parametrize("name", PAGES)
def test_page_links_lead_to_files_and_headings(name: str) -> None:
    def without_code(page: Path) -> str:
        return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)

    for path, anchor in re.findall(r"\]\((?!\w+://)([^)\s#]*)#?([^)\s]*)\)", without_code(ROOT / name)):
        led_to = (ROOT / name).parent / path if path else ROOT / name
        assert led_to.exists(), path
        headings = re.findall(r"^#+ (.*)$", without_code(led_to), re.MULTILINE) if anchor else []
        anchors = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, anchor


# -- what is generated


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A repository with nothing but what pages.py reads and writes."""
    for name in (*pages.PAGES, pages.JSON, pages.VERSIONS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def changed(**members: Any) -> dict[str, Any]:
    """The contract with another version, or other values in its first row."""
    data = copy.deepcopy(document())
    data["contract_version"] = members.pop("version", data["contract_version"])
    data["rules"][0].update(members)
    return data


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("background.md", "| yes | 504 |", "| no | 504 |"),
        ("README.md", "`invalid_prompt`", "`invalid_promise`"),
        (pages.JSON, '"retryable": true', '"retryable": false'),
    ],
)
def test_changed_row_is_named_until_it_is_rewritten(
    copied: Path, capsys: pytest.CaptureFixture[str], path: str, old: str, new: str
) -> None:
    edit(copied / path, old, new)
    assert pages.main(["--check"], copied) == 1
    assert capsys.readouterr().out == f"{path}: not as the contract makes it; run {pages.COMMAND}\n"
    assert pages.main([], copied) == 0
    assert pages.main(["--check"], copied) == 0
    assert (copied / path).read_bytes() == (ROOT / path).read_bytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<!-- from the contract: codes -->", "<!-- from the contract: cods -->"),
        ("## For programs", "<!-- from the contract: more -->\n<!-- end -->\n## For programs"),
        ("## For programs", "<!-- from the contract: version -->\n<!-- end -->\n## For programs"),
        ("<!-- from the contract: version -->\n", ""),
        ("<!-- end -->", ""),
    ],
)
def test_wrong_marker_is_refused_and_nothing_written(copied: Path, old: str, new: str) -> None:
    edit(copied / "background.md", old, new)
    before = (copied / "background.md").read_bytes()
    assert pages.main([], copied) == 1
    assert (copied / "background.md").read_bytes() == before


@pytest.mark.parametrize(
    "member", [{"retryable": False}, {"http_status": 502}, {"key": "no_such_code"}, {"meaning": "."}]
)
def test_rows_that_changed_without_their_version_are_refused(
    copied: Path, capsys: pytest.CaptureFixture[str], member: dict[str, Any]
) -> None:
    record = (copied / pages.VERSIONS).read_bytes()
    assert pages.main([], copied, changed(**member)) == 1
    said = capsys.readouterr().err
    assert all(
        one in said for one in (background.CONTRACT_VERSION, "raise CONTRACT_VERSION", pages.TABLE, pages.COMMAND)
    )
    assert (copied / pages.VERSIONS).read_bytes() == record


def test_rows_that_changed_with_their_version_are_recorded_and_change_every_file_and_snapshot(copied: Path) -> None:
    test = copied / "tests/lib/background/test_rows.py"
    test.parent.mkdir(parents=True)
    (copied / "pyproject.toml").touch()
    test.write_text("from inline_snapshot import snapshot\n\n\ndef test_one():\n    assert 1 + 1 == snapshot(3)\n")
    before = json.loads((copied / pages.VERSIONS).read_text(encoding="utf-8"))
    assert pages.main([], copied, changed(version="99.0.0", retryable=False, http_status=599)) == 0
    after = json.loads((copied / pages.VERSIONS).read_text(encoding="utf-8"))
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"99.0.0"}
    for path in (pages.JSON, *pages.PAGES):
        assert (copied / path).read_bytes() != (ROOT / path).read_bytes()
    assert "snapshot(2)" in test.read_text(encoding="utf-8")


# -- the JSON, its schema, and another language


ROW = CONTRACT_JSON["rules"][0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"contract_version": "1.0"},
        {"more": 1},
        {"endings": {**CONTRACT_JSON["endings"], "failed": "RateLimitError"}},
        {"rules": []},
        {"rules": [{**ROW, "raised": "RateLimitError"}]},
        {"rules": [{**ROW, "retryable": "yes"}]},
        {"rules": [{**ROW, "http_status": 200}]},
        {"rules": [{**ROW, "kind": "colour"}]},
        {"rules": [{**ROW, "kind": "status", "key": "teapot"}]},
        {"rules": [{**ROW, "remark": "new"}]},
    ],
    ids=lambda wrong: str(wrong)[-60:],
)
def test_schema_accepts_the_json_and_refuses_what_is_no_contract(wrong: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "docs" / pages.SCHEMA).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(CONTRACT_JSON)
    assert not jsonschema.Draft202012Validator(schema).is_valid({**CONTRACT_JSON, **wrong})


ERRORS: list[dict[str, Any]] = [
    *({"code": rule.key.replace("xx", "07")} for rule in CONTRACT if rule.kind in ("code", "status")),
    *({"code": code, "type": rule.key} for rule in CONTRACT if rule.kind == "type" for code in ("?", "slow_down")),
    {"code": 503},
    {"code": "5xx"},
    {"code": None, "type": "tokens"},
    {},
]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_program_comes_to_the_same_verdict_and_prints_it_for_a_code() -> None:
    program = ROOT / "examples/responses/background_errors.mjs"
    script = f"""
        const {{ verdict }} = await import({json.dumps(program.as_uri())});
        console.log(JSON.stringify(JSON.parse(process.argv[1]).map(verdict)));
    """

    def node(*arguments: str) -> Any:
        return json.loads(subprocess.check_output(["node", *arguments], text=True, timeout=60).splitlines()[-1])

    ours: list[dict[str, Any]] = []
    for error in ERRORS:
        with pytest.raises(BackgroundResponseError) as caught:
            raise_on_failure({"id": "resp_1", "status": "failed", "error": error})
        ours.append({"raised": type(caught.value).__name__, "retryable": caught.value.retryable})
    assert node("--input-type=module", "--eval", script, "--", json.dumps(ERRORS)) == ours
    assert node(str(program), "server_error") == {"raised": "BackgroundInternalServerError", "retryable": True}
    assert len(program.read_text(encoding="utf-8").splitlines()) <= 25
