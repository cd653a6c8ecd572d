"""The Python of a page, run as its reader would run it, against the loopback server.

    <!-- setup
    hidden Python, run before the block: `server` is the Loopback
    -->
    ```python
    shown and run
    ```
    ```text
    what it prints
    ```

Promises: the blocks of a page run from top to bottom in one namespace, as in a session, each with the environment that
the page asks for (OPENAI_BASE_URL, OPENAI_API_KEY). `<!-- run: script -->` before a block runs it alone, as a file in
a process of its own; `<!-- not run: REASON -->` leaves it out, and the reason is required. No block waits: the sleeps
of this process take no time and are counted. A block that needs a library which is not installed here is left out, too.
"""

from __future__ import annotations

import io
import os
import re
import ast
import sys
import time
import asyncio
import linecache
import subprocess
from typing import Any, Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch
from importlib.util import find_spec

import anyio

from . import Refusal
from .loopback import Loopback

_BLOCK = re.compile(
    r"(?P<hidden>(?:<!--(?:(?!-->).)*-->\n+)*)"
    r"```(?:python|py)\n(?P<code>.*?)^```\n"
    r"(?:\n*```text\n(?P<shown>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
_ANY_PYTHON = re.compile(r"^\s*```\s*(?:python|py|pycon)\b", re.MULTILINE | re.IGNORECASE)
_COMMENT = re.compile(r"<!--\s*(setup|run:|not run:)\s(.*?)\s*-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One ```python block: where it is, what it is, and what the page says that it prints."""

    page: str
    line: int
    code: str
    shown: str | None
    setup: str = ""
    script: bool = False
    reason: str | None = None
    """Why it is not run."""


@dataclass(frozen=True)
class Result:
    """What a block did."""

    block: Block
    printed: str
    problem: str | None


def read(path: Path) -> list[Block]:
    """The blocks of a page. Raises Refusal for one that could not be told apart, or that is left out for no reason."""
    text = path.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in _BLOCK.finditer(text):
        said = {kind.rstrip(":"): body for kind, body in _COMMENT.findall(match["hidden"])}
        line = text.count("\n", 0, match.start("code"))
        if said.get("run", "script") != "script" or said.get("not run") == "":
            raise Refusal(f"{path.name}:{line} has a directive that says nothing.")
        script, setup = "run" in said, said.get("setup", "")
        reason = said.get("not run") or _lacks(match["code"])
        found.append(Block(path.name, line, match["code"], match["shown"], setup, script, reason))
    if len(found) != len(_ANY_PYTHON.findall(text)):
        raise Refusal(
            f"{path.name} has a Python block that is indented, unusual or not closed, so that it would not be run."
        )
    return found


def _lacks(code: str) -> str | None:
    """Which library that a block imports is not installed; None where it can be run."""
    try:
        imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    except SyntaxError:
        return None  # running it says so
    named = [alias.name if isinstance(one, ast.Import) else one.module for one in imports for alias in one.names]
    missing = [name for name in named if name and find_spec(name.partition(".")[0]) is None]
    return f"needs {missing[0].partition('.')[0]}" if missing else None


def run(path: Path, namespace: dict[str, Any] | None = None) -> Generator[Result]:
    """Run the blocks of a page, in order; those left out have no result.

    namespace: what the blocks share; afterwards it holds what they defined.
    """
    namespace = {} if namespace is None else namespace
    namespace["__name__"] = "__main__"
    with Loopback() as server, _environment(server, path.parent / "src"):
        namespace["server"] = server
        for block in read(path):
            if block.reason is None:
                yield _run_script(block) if block.script else _run_here(block, namespace)


def with_outputs(path: Path) -> str:
    """The page with each block's output as it is now. Raises Refusal when a block fails."""
    results = {result.block.line: result for result in run(path)}
    text = path.read_text(encoding="utf-8")

    def renew(match: re.Match[str]) -> str:
        result = results.get(text.count("\n", 0, match.start("code")))
        if result is None:
            return match[0]
        if result.problem:
            raise Refusal(f"{path.name}:{result.block.line} fails: {result.problem}")
        shown = f"```text\n{result.printed}```\n" if result.printed else ""
        return f"{match['hidden']}```python\n{match['code']}```\n{shown}"

    return _BLOCK.sub(renew, text)


@contextmanager
def _environment(server: Loopback, beside: Path) -> Generator[None]:
    async def no_wait(_seconds: float) -> None:
        await asyncio.sleep(0)

    # A package beside its page (the shim's) is importable, as it is for a reader who has installed it.
    places = [str(beside), *filter(None, [os.environ.get("PYTHONPATH")])]
    said = {
        "OPENAI_BASE_URL": server.base_url,
        "OPENAI_API_KEY": "loopback",
        "PYTHONPATH": os.pathsep.join(places),
    }
    with (
        patch.dict(os.environ, said),
        patch.object(sys, "path", [str(beside), *sys.path]),
        patch.object(time, "sleep"),
        patch.object(anyio, "sleep", no_wait),
    ):
        yield


def _run_here(block: Block, namespace: dict[str, Any]) -> Result:
    name = f"<{block.page}:{block.line}>"
    # Blank lines, so that a traceback names the line of the page; and the source, so that it shows it.
    source = "\n" * block.line + block.code
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            exec(compile(block.setup, f"{name} setup", "exec"), namespace)
            exec(compile(source, name, "exec"), namespace)
    except Exception as error:
        return Result(block, printed.getvalue(), f"{type(error).__name__}: {error}")
    return Result(block, printed.getvalue(), None)


def _run_script(block: Block) -> Result:
    with TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(block.code, encoding="utf-8")
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=folder, timeout=120)
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return Result(block, done.stdout, None if done.returncode == 0 else f"exit code {done.returncode}: {last}")
