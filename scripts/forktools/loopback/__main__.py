"""`python -m forktools.loopback [--port N]`: serves until it is interrupted.

The first line of the output is the base URL and nothing else, so that a program can start it and read where it is.
"""

from __future__ import annotations

import sys
import time
import argparse

from . import CATALOGUE, Loopback


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 after Ctrl-C, 1 when the port is taken."""
    parser = argparse.ArgumentParser(prog="python -m forktools.loopback", description="A loopback Responses API.")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    options = parser.parse_args(arguments)
    server = Loopback(port=options.port, log=False)
    try:
        server.start()
    except OSError as error:
        print(f"Cannot listen on 127.0.0.1:{options.port}: {error.strerror}.", file=sys.stderr)
        return 1
    print(server.base_url)
    print("\nCreate a run with metadata={'scenario': NAME}, or retrieve the id directly:\n")
    for scenario in CATALOGUE.values():
        print(f"  resp_{scenario.name:<32}{scenario.title}")
    print("\nCtrl-C stops it.", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
