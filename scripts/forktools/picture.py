"""`PYTHONPATH=scripts .venv/bin/python -m forktools.picture`: docs/demo.svg, a terminal with what the demo prints today.

Rows in the middle are left out, so that it fits a page; whatever it shows was printed by that run.
"""

from __future__ import annotations

import re
from io import StringIO

from rich.text import Text
from rich.console import Console
from rich.terminal_theme import MONOKAI

from . import ROOT, demo
from .loopback import CATALOGUE

TARGET = ROOT / "docs" / "demo.svg"
HEAD, ROW, TAIL = 6, 3, 3  # lines
SHOWN = ("completed", "rate_limit_exceeded", "insufficient_quota", "max_output_tokens", "cancelled")


class Terminal(StringIO):
    """Where the demo prints in colours."""

    def isatty(self) -> bool:
        return True


def shortened(printed: str) -> list[str]:
    """The head of the table, some of its runs, and what it ends with."""
    lines = printed.rstrip("\n").split("\n")
    kept = lines[:HEAD]
    for name in SHOWN:
        at = HEAD + list(CATALOGUE).index(name) * ROW
        kept += lines[at : at + ROW - 1] + [""]
    return [*kept, "…", "", *lines[-TAIL:]]


def drawn(lines: list[str]) -> str:
    """The lines as SVG, with the fonts of whoever looks at it."""
    console = Console(record=True, width=100, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ ./scripts/demo", style="bold"))
    console.print(Text.from_ansi("\n".join(lines)))
    svg = console.export_svg(title="every way to fail", theme=MONOKAI, unique_id="demo")
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")


def main() -> None:
    out = Terminal()
    demo.show_scenarios(out)
    TARGET.write_text(drawn(shortened(out.getvalue())), encoding="utf-8")


if __name__ == "__main__":
    main()
