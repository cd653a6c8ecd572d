"""The Python of a page, run as its reader would run it, against the loopback server.

    ```python
    shown and run
    ```
    ```text
    what it prints
    ```

Promises: the blocks of a page run from top to bottom in one namespace, as in a session, in the environment that the page
asks for (OPENAI_BASE_URL, OPENAI_API_KEY). One is left out only by `<!-- not run: REASON -->` before it, or because a
library that it imports is not installed. No block waits: the sleeps of this process take no time.

Not sybil: what the blocks share, what they print and what is compared would be ours all the same.
"""

from __future__ import annotations

import io
import os
import re
import time
import asyncio
from typing import Any, Generator
from pathlib import Path
from contextlib import redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

import anyio

from . import Refusal
from .loopback import Loopback

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>\S.*?) -->\n)?```python\n(?P<code>.*?)^```\n(?:```text\n(?P<shown>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
_ANY_PYTHON = re.compile(r"^\s*```\s*py|<!-- *not run", re.MULTILINE | re.IGNORECASE)


@dataclass
class Block:
    """One block: the line before its code, the code, what the page says that it prints, and what it printed.

    problem: why it did not run to its end; for one that is left out, the reason.
    """

    line: int
    code: str
    shown: str
    problem: str | None
    printed: str = ""


def read(path: Path) -> list[Block]:
    """The blocks of a page. Raises Refusal when there is Python that would be shown and silently not be run."""
    text = path.read_text(encoding="utf-8")
    found = [
        Block(text.count("\n", 0, match.start("code")), match["code"], match["shown"] or "", match["reason"])
        for match in _BLOCK.finditer(text)
    ]
    if len(found) + sum(block.problem is not None for block in found) != len(_ANY_PYTHON.findall(text)):
        raise Refusal(f"{path.name} has Python that is indented, unusual, not closed, or left out for no reason.")
    return found


def run(path: Path, namespace: dict[str, Any] | None = None) -> Generator[Block]:
    """Runs the blocks of a page, in order.

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
                if block.problem is None:
                    with redirect_stdout(io.StringIO()) as printed:
                        block.problem = _problem(path, block, namespace)
                    block.printed = printed.getvalue()
                yield block


def _problem(path: Path, block: Block, namespace: dict[str, Any]) -> str | None:
    try:
        # Behind blank lines, so that a traceback names the line of the page.
        exec(compile("\n" * block.line + block.code, path.name, "exec"), namespace)
    except ModuleNotFoundError as error:
        return f"needs {error.name}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
