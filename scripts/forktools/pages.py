"""scripts/pages: what is made from the contract, and the record of its versions.

    background.md                the parts between `<!-- from the contract: NAME -->` and `<!-- end -->`
    README.md                    likewise
    docs/background_errors.json  the whole contract, for programs; docs/background_errors.schema.json describes it
    docs/contract-versions.json  each CONTRACT_VERSION with the SHA-256 of its rows
    tests/lib/background         the inline snapshots, when a version is new

Promises: all of it is made from the rows of `openai.lib.background`; nothing outside the markers is touched; a marker
that nobody fills, and a part that no page shows, is a fault. Rows that differ from those recorded for their version are
refused, so that nobody forgets to raise it. `--check` writes nothing and fails, naming file, part and the command to
run. `--outputs` runs the code of the pages and rewrites what it prints (see `blocks`).
"""

from __future__ import annotations

import re
import sys
import json
import hashlib
import argparse
import subprocess
from typing import Any, Mapping, Sequence
from pathlib import Path

from openai.lib.background import CONTRACT_VERSION
from openai.lib.background.__main__ import document

from . import ROOT, Refusal, blocks, variables_without

JSON = "docs/background_errors.json"
SCHEMA = "background_errors.schema.json"
VERSIONS = "docs/contract-versions.json"
TABLE = "src/openai/lib/background/_table.py"
PAGES = ("README.md", "background.md")
COMMAND = "./scripts/refresh"
"""What a contributor runs after a change of the rows; it runs `scripts/pages` first."""

_PART = re.compile(
    r"(?P<open><!-- from the contract: (?P<name>[^\n]+?) -->\n)(?P<body>.*?)(?P<close>\n?<!-- end -->)", re.DOTALL
)
_MARKER = re.compile(r"<!-- (?:from the contract\b[^\n]*|end) -->")

Row = dict[str, Any]


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """Every generated part by name."""
    return {
        "version": f"The contract described here is version **{CONTRACT_VERSION}**.",
        "codes": _rows(rows, "code", "code"),
        "wrappers": _rows(rows, "wrapper", "code"),
        "numbers": _rows(rows, "status", "number"),
        "types": _rows(rows, "type", "type"),
        "reasons": _rows(rows, "reason", "reason"),
        "compact": _compact([row for row in rows if row["kind"] != "type"]),
    }


def _rows(rows: Sequence[Row], kind: str, title: str) -> str:
    lines = [
        (f"`{row['key']}`", f"`{row['raised']}`", _yes(row), str(row["http_status"] or "-"), row["meaning"])
        for row in rows
        if row["kind"] == kind
    ]
    return _table((title, "raised", "retryable", "HTTP", "meaning"), lines)


def _compact(rows: Sequence[Row]) -> str:
    """The table in short: each class with its keys, those apart for which a new run is worth trying."""
    lines: list[tuple[str, ...]] = []
    classes = list(dict.fromkeys(row["raised"] for row in rows))
    ways = {(row["raised"], _yes(row)) for row in rows}
    for raised, retryable in sorted(ways, key=lambda way: (classes.index(way[0]), way[1] == "no")):
        keys = [row["key"] for row in rows if (row["raised"], _yes(row)) == (raised, retryable)]
        images = [key for key in keys if "image" in key]
        shown = [f"`{key}`" for key in keys if key not in images]
        if images:
            shown.append(f"{len(images)} codes about images")
        lines.append((f"`{raised}`", retryable, ", ".join(shown)))
    return _table(("raised", "retryable", "codes, numbers and reasons"), lines)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _yes(row: Row) -> str:
    return "yes" if row["retryable"] else "no"


def fill(name: str, text: str, made: Mapping[str, str]) -> str:
    """A page with its generated parts made anew. Raises Refusal for a marker that is alone or that nobody fills."""

    def part(found: re.Match[str]) -> str:
        if found["name"] not in made:
            raise Refusal(f"{name} has a part {found['name']!r} that nothing generates.")
        return f"{found['open']}{made[found['name']]}\n<!-- end -->"

    filled = _PART.sub(part, text)
    if len(_MARKER.findall(text)) != 2 * len(_PART.findall(text)):
        raise Refusal(f"{name} has a marker of a generated part without its other half.")
    return filled


def versions(recorded: Mapping[str, str], contract: Mapping[str, Any]) -> dict[str, str]:
    """The record with this contract in it. Raises Refusal where its version stands for other rows."""
    version = contract["contract_version"]
    rows = json.dumps(contract["rules"], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(rows.encode()).hexdigest()
    if recorded.get(version, digest) != digest:
        raise Refusal(
            f"the rows are not those of contract {version} any more: raise CONTRACT_VERSION in {TABLE} (a changed or "
            f"removed row is a major change, a new row a minor one, words a patch), then run {COMMAND}. If {version} "
            f"was never released, delete its line in {VERSIONS} instead."
        )
    return {**recorded, version: digest}


def expected(root: Path = ROOT, contract: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Path to text of every file that holds something generated, as it should be."""
    contract = document() if contract is None else contract
    recorded = root / VERSIONS
    record = versions(json.loads(recorded.read_text("utf-8")) if recorded.is_file() else {}, contract)
    made = parts(contract["rules"])
    texts = {name: (root / name).read_text(encoding="utf-8") for name in PAGES}
    files = {name: fill(name, text, made) for name, text in texts.items()}
    shown = {found["name"] for text in texts.values() for found in _PART.finditer(text)}
    if unused := sorted(set(made) - shown):
        raise Refusal(f"no page shows the generated part {', '.join(unused)}.")
    return {**files, JSON: _json({"$schema": SCHEMA, **contract}), VERSIONS: _json(record)}


def _json(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def check(root: Path = ROOT) -> list[str]:
    """One line for each thing that is not as it is generated; empty when all is."""
    return [line for path, text in expected(root).items() for line in _differences(root, path, text)]


def write(root: Path = ROOT) -> list[str]:
    """Writes what differs; returns one line for each."""
    found: list[str] = []
    for path, text in expected(root).items():
        if lines := _differences(root, path, text):
            found += lines
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(text.encode("utf-8"))
    return found


def renew_snapshots(root: Path = ROOT) -> list[str]:
    """Rewrites the expected rows that stand in the tests of the series; one line for each file that changed."""
    files = [
        path for path in sorted((root / "tests/lib/background").glob("test_*.py")) if b"snapshot(" in path.read_bytes()
    ]
    if not files:
        return []
    before = [path.read_bytes() for path in files]
    # It ends with an error wherever it has mended one; whether the tests pass is told by the tests.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--inline-snapshot=fix", *map(str, files)]
    # Without what tells inline-snapshot to leave snapshots alone: a worker of pytest-xdist, a CI.
    subprocess.run(command, cwd=root, env=variables_without("PYTEST_", "CI"), capture_output=True, check=False)
    changed = [path for path, old in zip(files, before, strict=True) if path.read_bytes() != old]
    return [f"{path.relative_to(root)}: its snapshots are not the rows" for path in changed]


def _differences(root: Path, path: str, text: str) -> list[str]:
    present = (root / path).read_bytes().decode("utf-8") if (root / path).is_file() else None
    if present == text:
        return []
    if present is None or path not in PAGES:
        return [f"{path}: {'missing' if present is None else 'not as the contract makes it'}"]
    pairs = zip(_PART.finditer(present), _PART.finditer(text), strict=True)
    return [
        f"{path}: the part {old['name']!r} is not as the contract makes it" for old, new in pairs if old[0] != new[0]
    ]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/pages", description=f"Rewrites what the contract makes: parts of {', '.join(PAGES)}, and {JSON}."
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing; fail when something differs")
    mode.add_argument("--outputs", action="store_true", help="also run the pages' code and rewrite what it prints")
    options = parser.parse_args(arguments)
    try:
        if options.outputs:
            for name in PAGES:
                (root / name).write_text(blocks.with_outputs(root / name), encoding="utf-8")
        lines = check(root) if options.check else write(root)
        if any(line.startswith(VERSIONS) for line in lines) and not options.check:
            lines += renew_snapshots(root)
    except Refusal as refusal:
        print(f"pages: {refusal}", file=sys.stderr)
        return 1
    if not options.check:
        print("\n".join(f"{line}; rewritten" for line in lines) or "the pages are the contract's")
        return 0
    print("\n".join(lines) + f"\nRun {COMMAND}." if lines else "the pages are the contract's")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
