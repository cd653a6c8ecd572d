"""The pages tell the truth: their code runs and prints what they show, their tables are the contract's, their links
lead somewhere, and the published JSON is what its schema says, also for another language."""

from __future__ import annotations

import re
import copy
import json
import shutil
import subprocess
from typing import Any
from pathlib import Path
from xml.etree import ElementTree

import pytest

jsonschema = pytest.importorskip("jsonschema")

from forktools import Refusal, pages, blocks, picture  # noqa: E402
from openai.lib.background import CONTRACT, BackgroundResponseError, raise_on_failure  # noqa: E402

ROOT = Path(__file__).parents[2]
OWN = ROOT / "src/openai/lib/background"
SCHEMA = json.loads((OWN / "background_errors.schema.json").read_text(encoding="utf-8"))
CONTRACT_JSON = json.loads((OWN / "background_errors.json").read_text(encoding="utf-8"))

PAGES = [name for name in ("README.md", "background.md", "shim/README.md") if (ROOT / name).is_file()]
LEFT_OUT = 1  # the program of shim/README.md, which takes an argument; test_shim_matrix.py runs it
"""How many blocks of all pages are not run. A new one has to be counted here."""

VERSION_PART = "<!-- generated: version -->\n<!-- /generated -->"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A repository with nothing but what pages.py reads and writes."""
    for name in (*pages.PAGES, pages.JSON, picture.FILE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# -- the code of the pages


@pytest.mark.parametrize("name", PAGES)
def test_page_code_prints_what_the_page_shows(name: str) -> None:
    results = list(blocks.run(ROOT / name))
    wrong = [
        f"{name}:{one.block.line}: {one.problem or f'prints {one.printed!r}, the page shows {one.block.shown!r}'}"
        for one in results
        if one.problem or one.printed != (one.block.shown or "")
    ]
    assert not wrong, "\n".join(wrong)
    assert results or all(block.reason for block in blocks.read(ROOT / name))


def test_page_code_is_all_run_but_what_is_counted() -> None:
    left_out = [block for name in PAGES for block in blocks.read(ROOT / name) if block.reason is not None]
    assert len(left_out) == LEFT_OUT, [f"{block.page}:{block.line}: {block.reason}" for block in left_out]


@pytest.mark.parametrize(
    ("page", "problem", "printed"),
    [
        pytest.param("```python\nprint(1)\n```\n\n```text\n1\n```\n", None, "1\n", id="prints"),
        pytest.param("```python\nraise KeyError('x')\n```\n", "KeyError: 'x'", "", id="raises"),
        pytest.param("<!-- setup\nx = 2\n-->\n```python\nprint(x)\n```\n", None, "2\n", id="setup"),
        pytest.param(
            "<!-- run: script -->\n```python\nimport sys\nsys.exit(3)\n```\n",
            "exit code 3: no message",
            "",
            id="script",
        ),
    ],
)
def test_block_gives_its_output_or_its_problem(tmp_path: Path, page: str, problem: str | None, printed: str) -> None:
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    (result,) = blocks.run(tmp_path / "page.md")
    assert (result.problem, result.printed) == (problem, printed)


def test_block_that_is_not_run_needs_a_reason(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: needs a key -->\n```python\n1 / 0\n```\n", encoding="utf-8")
    (block,) = blocks.read(page)
    assert block.reason == "needs a key" and list(blocks.run(page)) == []

    page.write_text("<!-- not run: -->\n```python\n1 / 0\n```\n", encoding="utf-8")
    with pytest.raises(Refusal, match="says nothing"):
        blocks.read(page)


@pytest.mark.parametrize("page", ["  ```python\n  1\n  ```\n", "```python title=x\n1\n```\n", "```python\n1\n"])
def test_block_that_cannot_be_read_is_refused(tmp_path: Path, page: str) -> None:
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    with pytest.raises(Refusal, match="would not be run"):
        blocks.read(tmp_path / "page.md")


def test_outputs_are_rewritten_where_they_differ(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n```text\n2\n```\nEnd.\n", encoding="utf-8")
    assert blocks.with_outputs(page) == "```python\nprint(1)\n```\n```text\n1\n```\nEnd.\n"


def test_retry_recipe_is_short() -> None:
    (recipe,) = [block for block in blocks.read(ROOT / "README.md") if "def run_until_done" in block.code]
    function = recipe.code.split("\n\n\n")[0]
    assert len(function.splitlines()) <= 15


# -- what is generated


def test_check_on_the_repository_finds_nothing() -> None:
    assert pages.check(ROOT) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("background.md", "| `slow_down` | yes |", "| `slow_down` | no |", "background.md: the part 'table code'"),
        ("README.md", "`slow_down`", "`speed_up`", "README.md: the part 'compact'"),
        (pages.JSON, '"retryable": true', '"retryable": false', f"{pages.JSON}: differs"),
        (picture.FILE, "cancelled", "canceled", f"{picture.FILE}: differs"),
    ],
)  # fmt: skip
def test_check_on_a_copy_with_a_changed_row_names_it_until_it_is_rewritten(
    copied: Path, path: str, old: str, new: str, said: str
) -> None:
    assert pages.check(copied) == []
    edit(copied / path, old, new)
    (line,) = pages.check(copied)
    assert line.startswith(said)
    assert pages.main(["--check"], copied) == 1

    assert pages.main([], copied) == 0
    assert pages.check(copied) == []
    assert (copied / path).read_bytes() == (ROOT / path).read_bytes()


def test_check_when_the_table_changes_finds_every_file(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = CONTRACT
    changed = (first._replace(retryable=not first.retryable), *others)
    for module in ("openai.lib.background._pages", "openai.lib.background._guide", "forktools.pages"):
        monkeypatch.setattr(f"{module}.CONTRACT", changed)
    found = "\n".join(pages.check(copied))
    for path in ("README.md", "background.md", pages.JSON):
        assert path in found


def test_parts_of_others_are_left_alone(copied: Path) -> None:
    edit(copied / "README.md", "<!-- generated: bench -->\n", "<!-- generated: bench -->\n| measured |\n")
    assert pages.check(copied) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<!-- generated: ladder -->", "<!-- generated: leader -->", "nothing generates"),
        ("## Versions", "<!-- generated: more -->\n<!-- /generated -->\n## Versions", "nothing generates"),
        ("<!-- generated: version -->\n", "", "without its other half"),
        (pages.fill("", VERSION_PART, pages.parts()), "", "no page shows the generated part version"),
    ],
)
def test_check_when_a_marker_is_wrong_refuses(copied: Path, old: str, new: str, said: str) -> None:
    edit(copied / "background.md", old, new)
    with pytest.raises(Refusal, match=said):
        pages.check(copied)


def test_picture_is_valid_and_holds_every_status_and_both_colour_schemes() -> None:
    svg = picture.draw()
    text = " ".join(ElementTree.fromstring(svg).itertext())
    for ending in CONTRACT_JSON["endings"]:
        assert ending["status"] in text and (ending["class"] or "returned") in text
    assert "prefers-color-scheme: dark" in svg


# -- links


@pytest.mark.parametrize("name", PAGES)
def test_page_links_lead_to_files_and_headings(name: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (ROOT / name).parent.joinpath(target.partition("#")[0]).exists(), target


# -- the JSON, its schema, and another language


def test_schema_is_one_and_accepts_the_json() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(CONTRACT_JSON)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("contract_version",), "1.0"),
        (("rules",), []),
        (("rules", 0, "retryable"), "yes"),
        (("rules", 0, "class"), "RateLimitError"),
        (("rules", 0, "kind"), "colour"),
        (("rules", 0, "http_status"), 200),
        (("rules", 0, "action"), ""),
        (("rules", 0, "remark"), "new"),
        (("endings", 0, "terminal"), None),
        (("failed", "order"), ["code", "code"]),
        (("never_retryable", "message_contains"), ["Request"]),
        (("more",), 1),
    ],
    ids=repr,
)
def test_schema_refuses_what_is_no_contract(place: tuple[Any, ...], value: object) -> None:
    data: Any = copy.deepcopy(CONTRACT_JSON)
    inner = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(data))


def test_schema_refuses_a_status_that_is_no_number() -> None:
    data: Any = copy.deepcopy(CONTRACT_JSON)
    next(rule for rule in data["rules"] if rule["kind"] == "status")["key"] = "teapot"
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(data))


ERRORS: list[dict[str, Any]] = [
    *({"code": rule.key.replace("xx", "07")} for rule in CONTRACT if rule.kind in ("code", "status")),
    *({"code": "no_such_code", "type": rule.key} for rule in CONTRACT if rule.kind == "type"),
    *({"code": "rate_limit_exceeded", "type": rule.key} for rule in CONTRACT if rule.kind == "type"),
    {"code": "rate_limit_exceeded", "message": "REQUEST TOO LARGE for this model"},
    {"code": 503},
    {"code": "5xx"},
    {"code": None, "type": "tokens"},
    {"code": "no_such_code"},
    {},
]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_program_comes_to_the_same_verdict() -> None:
    program = ROOT / "examples/responses/background_errors.mjs"
    script = f"""
        const {{ verdict }} = await import({json.dumps(program.as_uri())});
        const errors = JSON.parse(process.argv[1]);
        console.log(JSON.stringify(errors.map(verdict)));
    """
    command = ["node", "--input-type=module", "--eval", script, "--", json.dumps(ERRORS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])

    ours: list[dict[str, Any]] = []
    for error in ERRORS:
        with pytest.raises(BackgroundResponseError) as caught:
            raise_on_failure({"id": "resp_1", "status": "failed", "error": error})
        ours.append({"class": type(caught.value).__name__, "retryable": caught.value.retryable})
    assert [pair for pair in zip(ERRORS, theirs, ours, strict=True) if pair[1] != pair[2]] == []


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_program_prints_class_and_retryable_for_a_code() -> None:
    program = str(ROOT / "examples/responses/background_errors.mjs")
    done = subprocess.run(["node", program, "conversation_locked"], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout) == {"class": "BackgroundBadRequestError", "retryable": True}
    assert len(Path(program).read_text(encoding="utf-8").splitlines()) <= 25
