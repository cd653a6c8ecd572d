"""What a caller of upstream's public API would notice: `breaking.py STOCK PATCHED`, run where griffe is installed.

Promises: exit status 0 when the package below PATCHED/src differs from that below STOCK/src by additions only, else 1
and one line for each thing that was removed or changed its signature. Upstream's own check looks at names; this one also
at parameters, defaults, bases and kinds. Both trees are parsed, neither is imported.
"""

from __future__ import annotations

import sys
from typing import Any
from importlib import import_module


def main(arguments: list[str]) -> int:
    """The command; returns its exit status."""
    stock, patched = arguments
    # Only in upstream's environment, which has no type stubs for it either.
    griffe: Any = import_module("griffe")
    old, new = (griffe.load("openai", search_paths=[f"{tree}/src"], resolve_aliases=False) for tree in (stock, patched))
    found = sorted(
        {
            f"{change.kind.value}: {change.obj.path}"
            + (f" ({change.new_value})" if isinstance(change.new_value, str) else "")
            for change in griffe.find_breaking_changes(old, new)
        }
    )
    print("\n".join(found) or "additions only")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
