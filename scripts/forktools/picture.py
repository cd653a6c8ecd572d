"""`PYTHONPATH=scripts .venv/bin/python -m forktools.picture`: docs/demo.svg, a terminal with what the demo prints today.

Rows in the middle are left out, so that it fits a page; whatever it shows was printed by that run.
"""

from __future__ import annotations

import re
from io import StringIO

from rich.console import Console
from rich.terminal_theme import MONOKAI

from . import ROOT, demo

TARGET = ROOT / "docs" / "demo.svg"
SHOWN = ("completed", "rate_limit_exceeded", "insufficient_quota", "max_output_tokens", "cancelled")


def drawn() -> str:
    """The SVG, with the fonts of whoever looks at it."""
    console = Console(record=True, width=100, file=StringIO(), force_terminal=True, highlight=False)
    console.print("$ ./scripts/demo", style="bold")
    demo.show_scenarios(console, SHOWN)
    svg = console.export_svg(title="every way to fail", theme=MONOKAI, unique_id="demo")
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")


if __name__ == "__main__":
    TARGET.write_text(drawn(), encoding="utf-8")
