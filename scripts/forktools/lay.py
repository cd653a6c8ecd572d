"""The composed files into src/openai, where they are edited, tested and type-checked in place.

Promises: an edit is never overwritten and never removed. A file is written only when it is missing, or is still what
was last laid (which .laid.json records), or, where nothing was recorded, is upstream's. When any file that has to be
written is something else, nothing is written at all and every such file is named. Our own package is not touched, nor
is a file that was never laid.
"""

from __future__ import annotations

import os
import sys
import json
import argparse
from typing import Mapping, cast
from pathlib import Path
from dataclasses import field, dataclass

from . import ROOT, Refusal, pin, series, compose
from .pin import Upstream, digest
from .compose import Composed

MANIFEST = ".laid.json"


@dataclass
class Laid:
    """What `lay` did: the paths it wrote and removed, and the edits it left as they are."""

    written: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])
    kept: list[str] = field(default_factory=list[str])


def lay(root: Path, composed: Composed, upstream: Upstream, *, keep_edits: bool = False) -> Laid:
    """Makes src/openai the composed tree.

    keep_edits: leave an edited file as it is when the series has nothing new for it, instead of stopping. An edit of a
        file for which the series does have something new always stops.
    Raises Refusal, before anything is written, and names the edited files.
    """
    recorded = read_manifest(root)
    done = Laid()
    stops: list[str] = []
    for path, content in composed.files.items():
        goal = digest(content)
        base = recorded.get(path) or (digest(upstream.files[path]) if path in upstream.files else None)
        actual = digest_of(root / path)
        if actual == goal:
            continue
        if actual is None or actual == base:
            done.written.append(path)
        elif keep_edits and goal == base:
            done.kept.append(path)
        else:
            stops.append(path)
    for path in sorted(set(recorded) - set(composed.files)):
        actual = digest_of(root / path)
        if actual == recorded[path]:
            done.removed.append(path)
        elif actual is not None:
            stops.append(path)
    if stops:
        raise Refusal(
            f"{', '.join(stops)}: edited, and the edit is in no patch; nothing was laid. scripts/refresh records an "
            "edit in its patch; a removed file is laid anew."
        )
    for path in done.written:
        _write(root / path, composed.files[path])
    for path in done.removed:
        (root / path).unlink()
    write_manifest(root, upstream.version, {path: digest(content) for path, content in composed.files.items()})
    return done


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Lays the tree of the repository at `root`; returns the exit status. Part of scripts/bootstrap."""
    parser = argparse.ArgumentParser(prog="lay", description="Lays the composed files into src/openai.")
    parser.add_argument("--keep-edits", action="store_true", help="leave edited files for which nothing new is there")
    options = parser.parse_args(arguments)
    try:
        plan = series.load(root)
        upstream = pin.cached(root, plan.upstream)
        done = lay(root, compose.compose(root, plan, upstream), upstream, keep_edits=options.keep_edits)
    except Refusal as refusal:
        print(f"lay: {refusal}", file=sys.stderr)
        return 1
    if done.kept:
        print(f"lay: edited, and in no patch yet: {', '.join(done.kept)}", file=sys.stderr)
    if done.written or done.removed:
        print(f"lay: {len(done.written)} files laid, {len(done.removed)} removed", file=sys.stderr)
    return 0


def digest_of(path: Path) -> str | None:
    """The SHA-256 of the file at `path`, or None when there is none."""
    try:
        return digest(path.read_bytes())
    except FileNotFoundError:
        return None


def read_manifest(root: Path) -> dict[str, str]:
    """Path to SHA-256 of what was last laid; empty when nothing was."""
    try:
        data = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        return cast("dict[str, str]", data["files"])
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError):
        raise Refusal(f"{MANIFEST} cannot be read, so it is not known what was laid; remove it to go on.") from None


def write_manifest(root: Path, upstream: str, files: Mapping[str, str]) -> None:
    """Records what is laid."""
    text = json.dumps({"upstream": upstream, "files": dict(sorted(files.items()))}, indent=0)
    _write(root / MANIFEST, (text + "\n").encode("utf-8"))


def _write(path: Path, content: bytes) -> None:
    # By way of a second file: a half-written one would be taken for an edit afterwards.
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)


if __name__ == "__main__":
    sys.exit(main())
