"""`python -m openai.lib.background [CODE …]`: the contract in a terminal.

Without arguments it prints the table; with a code, type, reason or status it says what that raises and what to do.
The exit code is 0 when every argument is known, 1 when one is not, and 2 for a wrong option.
"""

from __future__ import annotations

import os
import sys
import argparse
from typing import Any

from ._guide import sections
from ._pages import explain, to_json, document, table_text, explain_text


def main(arguments: list[str] | None = None) -> int:
    """Print what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}",
        description="What a failed background run raises, and what to do: the table, or single entries of it.",
        epilog="Exit code: 0, or 1 when an argument is not in the contract.",
    )
    parser.add_argument("code", nargs="*", help="an error code, error type, incomplete reason, or a status")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="for programs")
    shape.add_argument("--markdown", action="store_true", help="the generated parts of background.md")
    options = parser.parse_args(arguments)
    codes: list[str] = options.code
    if codes and options.markdown:
        parser.error("--markdown prints the whole contract and takes no code")

    found = [explain(code) for code in codes]
    if options.json:
        text = to_json({"contract_version": document()["contract_version"], "results": found} if codes else document())
    elif options.markdown:
        text = "\n\n".join(
            f"<!-- generated: {name} -->\n{part}\n<!-- /generated -->" for name, part in sections().items()
        )
        text += "\n"
    elif codes:
        text = "\n".join(explain_text(code) for code in codes)
    else:
        text = table_text() + f"\nFor what one of them means: {parser.prog} CODE\n"
    sys.stdout.write(text)
    return 0 if all(one["known"] for one in found) else 1


if __name__ == "__main__":
    # A terminal that cannot show a character gets its escape; a reader that has gone away (`| head`) is no error.
    reconfigure: Any = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
