"""The mock server that the tests of upstream's generated resources talk to.

Promises: the version that upstream uses, fetched by npx without running any install script, on a free port of 127.0.0.1,
ended with the block that started it. (Upstream's own scripts/mock builds it from GitHub, with Deno.)
"""

from __future__ import annotations

import os
import time
import shutil
import signal
import socket
import subprocess
from typing import Generator
from pathlib import Path
from contextlib import contextmanager
from urllib.request import urlopen

from .. import Refusal

PACKAGE = "@stdy/cli@0.22.1"
SPECIFICATION = "api_reference/openapi.transformed.yml"
READY_SECONDS = 60.0  # with the download
# As upstream's script starts it.
_FORMATS = [
    f"--validator-{place}-{kind}-format=brackets" for place in ("query", "form") for kind in ("array", "object")
]


@contextmanager
def serve(data: Path, log: Path) -> Generator[str]:
    """Runs the server for the specification in `data` and gives its URL. Raises Refusal when it does not start."""
    npx = shutil.which("npx")
    if npx is None:
        raise Refusal("npx is not on the PATH, and the mock server of --api-resources comes through it.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [npx, "--yes", "--ignore-scripts", f"--package={PACKAGE}", "steady", "--host=127.0.0.1", f"-p={port}"]
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as stream:
        server = subprocess.Popen(
            [*command, *_FORMATS, str(data / SPECIFICATION)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # npx starts others, which end with it
        )
    try:
        _wait(server, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(10)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            with urlopen(f"{url}/_x-steady/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise Refusal(f"the mock server did not start; its output is in {log}.")
