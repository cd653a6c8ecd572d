"""Measures one family of errors; see the package. The result is the last line of the output."""

from __future__ import annotations

import sys
import json
import argparse

from . import _own, _local, _queues
from .._support import redis_server
from ._subjects import FAMILIES


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.integrations.travel")
    parser.add_argument("family", choices=["own", *sorted(FAMILIES)])
    options = parser.parse_args()
    if options.family == "own":
        print(json.dumps(_own.measure()))
        return 0
    names = list(FAMILIES[options.family])
    cells = _local.measure(names)
    with redis_server() as url:
        for name, more in _queues.measure(names, url).items():
            cells[name].update(more)
    print(json.dumps(cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
