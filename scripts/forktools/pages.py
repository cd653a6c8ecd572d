"""scripts/pages: what is made from the contract, and the record of its versions.

    README.md, background.md     the parts between `<!-- from the contract: NAME -->` and `<!-- end -->`
    docs/background_errors.json  the whole contract, for programs; docs/background_errors.schema.json describes it
    docs/contract-versions.json  each CONTRACT_VERSION with the SHA-256 of its rows
    tests/lib/background         the inline snapshots, when a version is new

Promises: all of it is made from the rows of `openai.lib.background`; nothing outside the markers is touched, and each
part stands on a page once. Rows that differ from those recorded for their version are refused, so that nobody forgets to
raise it. `--check` writes nothing and fails, naming the file and the command to run.
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

from openai.lib.background.__main__ import document

from . import ROOT, Refusal, variables_without

JSON = "docs/background_errors.json"
SCHEMA = "background_errors.schema.json"
VERSIONS = "docs/contract-versions.json"
TABLE = "src/openai/lib/background/_table.py"
PAGES = ("README.md", "background.md")
COMMAND = "./scripts/refresh"
"""What a contributor runs after a change of the rows; it runs `scripts/pages` first."""

_PART = re.compile(r"(<!-- from the contract: (?P<name>.+) -->\n)(?s:.*?)\n?(<!-- end -->)")

Row = dict[str, Any]


def parts(contract: Mapping[str, Any]) -> dict[str, str]:
    """Every generated part by name."""
    rows = contract["rules"]
    return {
        "version": f"The contract described here is version **{contract['contract_version']}**.",
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


def filled(pages: Mapping[str, str], made: Mapping[str, str]) -> dict[str, str]:
    """The pages with their generated parts. Raises Refusal unless each part stands on them once, between two markers."""
    # A marker without its other half takes the next part's, which then is missing.
    if sorted(part["name"] for part in _PART.finditer("".join(pages.values()))) != sorted(made):
        raise Refusal(f"the markers on {' and '.join(pages)} are not a pair for each of {', '.join(sorted(made))}.")
    return {
        name: _PART.sub(lambda part: f"{part[1]}{made[part['name']]}\n{part[3]}", text) for name, text in pages.items()
    }


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


def expected(root: Path, contract: Mapping[str, Any]) -> dict[str, str]:
    """Path to text of every file that holds something generated, as it should be."""
    record = versions(json.loads((root / VERSIONS).read_text(encoding="utf-8")), contract)
    pages = filled({name: (root / name).read_text(encoding="utf-8") for name in PAGES}, parts(contract))
    return {**pages, JSON: _json({"$schema": SCHEMA, **contract}), VERSIONS: _json(record)}


def _json(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def renew_snapshots(root: Path) -> None:
    """Rewrites the expected rows that stand in the tests of the series."""
    files = [path for path in (root / "tests/lib/background").glob("test_*.py") if b"snapshot(" in path.read_bytes()]
    # It ends with an error wherever it has mended one; whether the tests pass is told by the tests.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--inline-snapshot=fix", *map(str, files)]
    # Without what tells inline-snapshot to leave snapshots alone: a worker of pytest-xdist, a CI.
    subprocess.run(command, cwd=root, env=variables_without("PYTEST_", "CI"), capture_output=True, check=False)


def main(arguments: list[str] | None = None, root: Path = ROOT, contract: Mapping[str, Any] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/pages")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something differs")
    check: bool = parser.parse_args(arguments).check
    try:
        files = expected(root, contract or document())
    except Refusal as refusal:
        print(f"pages: {refusal}", file=sys.stderr)
        return 1
    stale = [path for path, text in files.items() if (root / path).read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path}: not as the contract makes it; " + (f"run {COMMAND}" if check else "rewritten"))
        if not check:
            (root / path).write_bytes(files[path].encode())
    if VERSIONS in stale and not check:
        renew_snapshots(root)
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
