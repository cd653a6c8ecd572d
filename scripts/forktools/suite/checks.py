"""What upstream checks besides its tests: linters, and breaking changes; all of it on the patched tree.

Promises: each check is upstream's own, at the version in its lock file, with its settings; griffe also looks at every
signature, where upstream's check looks at names.
"""

from __future__ import annotations

import os
import sys
import subprocess
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor

from . import lanes, trees

# Both checks in one process: what takes the time is to load the package twice.
BREAKING = f"""
import sys, runpy, griffe
old = griffe.load_git("openai", ref="{trees.STOCK}", search_paths=["src"])
new = griffe.load("openai", search_paths=["src"])
upstream = runpy.run_path("scripts/detect-breaking-changes.py")
found = "".join(map(str, upstream["find_breaking_changes"](new, old, path=["openai"])))
found += "".join(f"{{change.explain()}}\\n" for change in griffe.find_breaking_changes(old, new))
sys.exit(found or None)
"""


def run(tree: trees.Tree) -> bool:
    """Runs them and says what was found; returns whether all pass."""
    tree.turn(trees.PATCHED)
    python = lanes.Lane(tree).interpreter
    tools, pyright = python.parent, Path(sys.executable).with_name("pyright")
    commands: dict[str, tuple[str | Path, ...]] = {
        "pyright on upstream's callers": (
            pyright,
            *("-p", "scripts/pyrightconfig.breaking-changes.json", "--pythonpath", python),
        ),
        "breaking changes": (python, "-c", BREAKING),
        # The file cannot be checked without hidden folders that the sdist does not ship.
        "ty": (tools / "ty", "check", "--python", python, *(f"--exclude={path}" for path in lanes.HIDDEN)),
        "import": (python, "-W", "error", "-c", "import openai"),
        "ruff check": (tools / "ruff", "check", "."),
        "ruff format": (tools / "ruff", "format", "--check", "."),
    }

    def passes(title: str) -> bool:
        done = subprocess.run(
            [str(word) for word in commands[title]],
            cwd=tree.folder,
            env=trees.clean(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(f"{title}: passed" if not done.returncode else f"{title}: FAILED\n{done.stdout}", flush=True)
        return not done.returncode

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return all(list(pool.map(passes, commands)))
