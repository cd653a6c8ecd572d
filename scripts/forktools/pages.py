"""scripts/pages: what is generated in the pages, and the files that are generated whole.

    background.md   the parts between `<!-- generated: NAME -->` and `<!-- /generated -->`
    README.md       likewise; the part `bench` is the benchmark's and is left alone
    src/openai/lib/background/background_errors.json
    docs/background-run.svg

Promises: everything is made from `openai.lib.background` and from the loopback server's real answers; nothing outside
the markers is touched; a marker that nobody fills, and a part that no page shows, is a fault. `--check` writes nothing
and fails, naming file and part. `--outputs` runs the code of the pages and rewrites what it prints (see `blocks`).
"""

from __future__ import annotations

import io
import re
import sys
import argparse
from typing import Mapping
from pathlib import Path
from contextlib import redirect_stdout

from openai.lib.background import CONTRACT, BackgroundResponseError, _guide, _pages
from openai.lib.background.__main__ import main as explain

from . import ROOT, Refusal, blocks, picture

JSON = "src/openai/lib/background/background_errors.json"
PAGES = ("README.md", "background.md")
FOREIGN = {"bench"}
"""Parts that another script fills."""

EXAMPLES = ("rate_limit_exceeded", "rate_limit_exeeded")
"""What README.md shows `python -m openai.lib.background` explain."""

_PART = re.compile(
    r"(?P<open><!-- generated: (?P<name>[^\n]+?) -->\n)(?P<body>.*?)(?P<close>\n?<!-- /generated -->)", re.DOTALL
)
_MARKER = re.compile(r"<!-- /?generated\b[^\n]*-->")


def parts() -> dict[str, str]:
    """Every generated part by name."""
    return {**_guide.sections(), "compact": compact(), "explain": explained(), "picture": pictured()}


def compact() -> str:
    """The table in short: each class with its codes, those apart for which a new run is worth trying; no types."""
    lines = ["| raised | retryable | codes, numbers and reasons |", "| --- | --- | --- |"]
    for cls in dict.fromkeys(rule.error_class for rule in CONTRACT):
        for retryable in (True, False):
            if cls is not None and (keys := _keys(cls, retryable)):
                lines.append(f"| `{cls.__name__}` | {_pages.yes(retryable)} | {keys} |")
    return "\n".join(lines)


def _keys(cls: type[BackgroundResponseError], retryable: bool) -> str:
    rules = [rule for rule in CONTRACT if rule.error_class is cls and rule.retryable is retryable]
    images = [rule for rule in rules if rule.kind == "code" and "image" in rule.key]
    keys = [f"`{rule.key}`" for rule in rules if rule not in images and rule.kind != "type"]
    return ", ".join(keys + ([f"{len(images)} codes about images"] if images else []))


def explained() -> str:
    """What the command in a terminal prints for two examples."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        explain(list(EXAMPLES))
    command = "python -m openai.lib.background " + " ".join(EXAMPLES)
    return f"```console\n$ {command}\n{printed.getvalue()}```"


def pictured() -> str:
    """The picture of a run's life with its alternative text."""
    return f"![{picture.in_words()}]({picture.FILE})"


def fill(name: str, text: str, made: Mapping[str, str]) -> str:
    """A page with its generated parts made anew. Raises Refusal for a marker that is alone or that nobody fills."""

    def part(found: re.Match[str]) -> str:
        key = found["name"]
        if key in FOREIGN:
            return found[0]
        if key not in made:
            raise Refusal(f"{name} has a part {key!r} that nothing generates.")
        return f"{found['open']}{made[key]}\n<!-- /generated -->"

    filled = _PART.sub(part, text)
    if len(_MARKER.findall(text)) != 2 * len(_PART.findall(text)):
        raise Refusal(f"{name} has a marker of a generated part without its other half.")
    return filled


def expected(root: Path = ROOT) -> dict[str, str]:
    """Path to text of every file that holds something generated, as it should be."""
    made = parts()
    texts = {name: (root / name).read_text(encoding="utf-8") for name in PAGES}
    files = {name: fill(name, text, made) for name, text in texts.items()}
    shown = {found["name"] for text in texts.values() for found in _PART.finditer(text)}
    if unused := sorted(set(made) - shown):
        raise Refusal(f"no page shows the generated part {', '.join(unused)}.")
    return {**files, JSON: _pages.to_json(_pages.document()), picture.FILE: picture.draw()}


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


def _differences(root: Path, path: str, text: str) -> list[str]:
    present = (root / path).read_bytes().decode("utf-8") if (root / path).is_file() else None
    if present == text:
        return []
    if present is None or path not in PAGES:
        return [f"{path}: {'missing' if present is None else 'differs from the contract'}"]
    pairs = zip(_PART.finditer(present), _PART.finditer(text), strict=True)
    return [f"{path}: the part {old['name']!r} differs from the contract" for old, new in pairs if old[0] != new[0]]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/pages", description="Rewrites what is generated in the pages.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing; fail when something differs")
    mode.add_argument("--outputs", action="store_true", help="also run the code and rewrite what it prints")
    options = parser.parse_args(arguments)
    try:
        if options.outputs:
            for name in PAGES:
                (root / name).write_text(blocks.with_outputs(root / name), encoding="utf-8")
        lines = check(root) if options.check else write(root)
    except Refusal as refusal:
        print(f"pages: {refusal}", file=sys.stderr)
        return 1
    print("\n".join(lines) or "the pages are the contract's")
    return 1 if options.check and lines else 0


if __name__ == "__main__":
    sys.exit(main())
