"""The Python of a page, run as its reader would run it, against the loopback server.

    ```python
    shown and run
    ```
    ```text
    what it prints
    ```

Promises: the blocks of a page run from top to bottom in one namespace, as in a session, in the environment that the page
asks for (OPENAI_BASE_URL, OPENAI_API_KEY). `<!-- not run: REASON -->` before a block leaves it out, and the reason is
required; so does an import of a library that is not installed here. No block waits: the sleeps of this process take no
time.

Not sybil: it has the expressions below, but neither leaves out with a reason nor puts in what is printed; what is shared,
compared and rewritten would be ours all the same.
"""

from __future__ import annotations

import io
import os
import re
import ast
import time
import asyncio
from typing import Any, Generator, NamedTuple
from pathlib import Path
from contextlib import redirect_stdout
from unittest.mock import patch
from importlib.util import find_spec

import anyio

from . import Refusal
from .loopback import Loopback

_BLOCK = re.compile(
    r"(?P<before>(?:<!-- *not run:(?P<reason>.*?)-->\n+)?)"
    r"```(?:python|py)\n(?P<code>.*?)^```\n"
    r"(?:\n*```text\n(?P<shown>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
_ANY_PYTHON = re.compile(r"^\s*```\s*(?:python|py|pycon)\b", re.MULTILINE | re.IGNORECASE)


class Block(NamedTuple):
    """One ```python block: where it is, what it is, and what the page says that it prints."""

    page: str
    line: int
    code: str
    shown: str | None
    reason: str | None
    """Why it is not run."""


class Result(NamedTuple):
    """What a block did."""

    block: Block
    printed: str
    problem: str | None


def read(path: Path) -> list[Block]:
    """The blocks of a page. Raises Refusal for one that could not be told apart, or that is left out for no reason."""
    text = path.read_text(encoding="utf-8")
    found: list[Block] = []
    for match in _BLOCK.finditer(text):
        line, reason = text.count("\n", 0, match.start("code")), match["reason"]
        if reason is not None and not reason.strip():
            raise Refusal(f"{path.name}:{line} is not run, and says not why.")
        reason = reason.strip() if reason is not None else _lacks(match["code"])
        found.append(Block(path.name, line, match["code"], match["shown"], reason))
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
    missing = [top for name in named if name and find_spec(top := name.partition(".")[0]) is None]
    return f"needs {missing[0]}" if missing else None


def run(path: Path, namespace: dict[str, Any] | None = None) -> Generator[Result]:
    """Run the blocks of a page, in order; those left out have no result.

    namespace: what the blocks share; afterwards it holds what they defined, and `server`, the Loopback.
    """
    namespace = {} if namespace is None else namespace

    async def no_wait(_seconds: float) -> None:
        await asyncio.sleep(0)

    with Loopback() as server:
        namespace.update(__name__="__main__", server=server)
        said = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "loopback"}
        with patch.dict(os.environ, said), patch.object(time, "sleep"), patch.object(anyio, "sleep", no_wait):
            for block in read(path):
                if block.reason is None:
                    yield _run(block, namespace)


def _run(block: Block, namespace: dict[str, Any]) -> Result:
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            # Behind blank lines, so that a traceback names the line of the page.
            exec(compile("\n" * block.line + block.code, block.page, "exec"), namespace)
    except Exception as error:
        return Result(block, printed.getvalue(), f"{type(error).__name__}: {error}")
    return Result(block, printed.getvalue(), None)


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
        return f"{match['before']}```python\n{match['code']}```\n{shown}"

    return _BLOCK.sub(renew, text)
