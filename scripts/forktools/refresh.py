"""scripts/refresh: the tree, edited in place, into patches/, SHA256SUMS and NOTICE.

Promises: every file of src/openai that differs from the pin, and every own file that travels, is in exactly one patch
afterwards, or nothing is written and the file is named. `--check` writes nothing and fails, naming what differs;
`--budget` shows how many lines of upstream's files the series touches, and fails when they are too many.
"""

from __future__ import annotations

import os
import sys
import argparse
from typing import Mapping
from pathlib import Path
from dataclasses import dataclass

from . import ROOT, Refusal, lay, pin, record, series, compose

# Over all files of upstream, when the whole series is applied.
MOST_ADDED = 200
MOST_REMOVED = 5

_SKIPPED = {"__pycache__", "node_modules", "dist", "build"}


@dataclass(frozen=True)
class Outcome:
    """What the tree says patches/ should be.

    files: repository path to text, for everything that refresh writes.
    stale: patches on disk that are not in the series.
    lines: changed file of upstream to (added, removed).
    """

    files: Mapping[str, str]
    stale: tuple[str, ...]
    lines: Mapping[str, tuple[int, int]]


def project(root: Path, plan: series.Series, upstream: pin.Upstream) -> Outcome:
    """Projects the tree at `root` onto the series. Raises Refusal and names every path that does not fit."""
    after = changed_files(root, plan, upstream)
    before = {path: upstream.files[path] for path in after if path in upstream.files}
    recorded = record.record(plan, before, after, series.assign(plan, after))
    results = compose.apply_series(recorded.patches, upstream.files)
    hooks = {path: after[path].content for path in after if _composed(path)}
    if results != hooks:
        names = ", ".join(sorted(path for path in {*results, *hooks} if results.get(path) != hooks.get(path)))
        raise Refusal(f"the patches written for {names} do not give the tree again.")
    files = {f"patches/{name}": text for name, text in recorded.patches.items()}
    files[compose.SUMS] = compose.write_sums(results)
    files[compose.NOTICE] = compose.notice(plan, compose.how_changed(tuple(results), upstream))
    present = (path.relative_to(root).as_posix() for path in sorted((root / "patches").glob("*.patch")))
    return Outcome(files, tuple(path for path in present if path not in files), recorded.lines)


def changed_files(root: Path, plan: series.Series, upstream: pin.Upstream) -> dict[str, record.File]:
    """Every file of the tree that a patch has to hold: changed in or added to upstream's package, or our own."""
    changed: dict[str, record.File] = {}
    seen: set[str] = set()
    for path in _walk(root):
        if path in upstream.files:
            seen.add(path)
            if (file := _read(root, path)).content != upstream.files[path]:
                changed[path] = record.File(file.content)  # modes of upstream's files are not ours to change
        elif compose.is_litter(Path(path).name):
            continue
        elif plan.is_own(path) or path.startswith(compose.HOME):
            changed[path] = _read(root, path)
    missing = sorted(set(upstream.files) - seen)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise Refusal(f"{missing[0]}{more} is not in the tree; scripts/bootstrap lays it.")
    return changed


def differences(root: Path, outcome: Outcome) -> list[str]:
    """One line for each file in which patches/ and the tree disagree."""
    lines = [f"{path}: not in the series" for path in outcome.stale]
    for path, text in outcome.files.items():
        target = root / path
        if not target.is_file():
            lines.append(f"{path}: missing")
        elif target.read_bytes() != text.encode("utf-8"):
            lines.append(f"{path}: differs from the tree")
    return lines


def write(root: Path, outcome: Outcome, upstream: pin.Upstream) -> list[str]:
    """Writes what differs, removes what is stale, and returns one line for each."""
    lines = differences(root, outcome)
    for path in outcome.stale:
        (root / path).unlink()
    for path, text in outcome.files.items():
        if not (root / path).is_file() or (root / path).read_bytes() != text.encode("utf-8"):
            (root / path).write_bytes(text.encode("utf-8"))
    # The edits are in a patch now, so they count as laid. Taken from what was written, not from the tree, where the next
    # edit may be under way.
    laid = {path: pin.digest(content) for path, content in upstream.files.items()}
    lay.write_manifest(root, upstream.version, {**laid, **compose.read_sums(root)})
    return lines


def budget(outcome: Outcome) -> tuple[str, bool]:
    """The table of changed lines for each file of upstream, and whether it is within the budget."""
    added, removed = (sum(pair[side] for pair in outcome.lines.values()) for side in (0, 1))
    rows = [f"{plus:>6} {minus:>8}  {path}" for path, (plus, minus) in sorted(outcome.lines.items())]
    total = f"{added:>6} {removed:>8}  in all, of at most {MOST_ADDED} added and {MOST_REMOVED} removed"
    return "\n".join(
        [" added  removed  file of upstream", *rows, total]
    ), added <= MOST_ADDED and removed <= MOST_REMOVED


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/refresh", description="Rewrites patches/ from the tree.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing; fail when patches/ and the tree differ")
    mode.add_argument("--budget", action="store_true", help="show the lines changed in upstream's files")
    options = parser.parse_args(arguments)
    try:
        plan = series.load(root)
        upstream = pin.cached(root, plan.upstream)
        outcome = project(root, plan, upstream)
        table, within = budget(outcome)
        if options.budget:
            print(table)
            return 0 if within else 1
        if options.check:
            lines = differences(root, outcome)
            print("\n".join(lines) or f"patches/ is the tree: {len(plan.patches)} patches on openai {plan.upstream}")
        else:
            lines = write(root, outcome, upstream)
            print("\n".join(lines) or "nothing to write")
        if not within:
            print(table)
        return 1 if not within or (options.check and lines) else 0
    except Refusal as refusal:
        print(f"refresh: {refusal}", file=sys.stderr)
        return 1


def _composed(path: str) -> bool:
    return path.startswith(compose.HOME) and not path.startswith(compose.OWN)


def _walk(root: Path) -> list[str]:
    paths: list[str] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        at = Path(folder).relative_to(root).as_posix()
        paths += [name if at == "." else f"{at}/{name}" for name in sorted(names)]
    return paths


def _read(root: Path, path: str) -> record.File:
    content = (root / path).read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(f"{path} is not UTF-8 text, which a patch cannot carry.") from None
    return record.File(content, os.access(root / path, os.X_OK))


if __name__ == "__main__":
    sys.exit(main())
