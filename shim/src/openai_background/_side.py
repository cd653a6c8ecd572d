"""Which side is in force: the module that `openai` has itself, or the one that came along with this package.

`openai` counts as having it when `openai.lib.background` has a `CONTRACT_VERSION`. Then nothing of `_contract` is loaded.
"""

from __future__ import annotations

from types import ModuleType
from importlib import import_module

__all__ = ["NATIVE", "contract"]

_NATIVE = "openai.lib.background"
_PLACE = __name__.rpartition(".")[0] + "._contract"


def _native() -> ModuleType | None:
    try:
        found = import_module(_NATIVE)
    except ModuleNotFoundError as err:
        if err.name != _NATIVE:  # it is there, and broken: that is not for us to hide
            raise
        return None
    return found if hasattr(found, "CONTRACT_VERSION") else None


_found = _native()
NATIVE = _found is not None
"""Whether this package has stepped aside."""

contract: ModuleType = _found if _found is not None else import_module(_PLACE)
"""The module whose classes are raised."""
