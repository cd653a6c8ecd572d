"""The mock server that the tests of upstream's generated resources talk to.

Promises: the very version that upstream uses, fetched by npm without running any install script, on a free port of
127.0.0.1, ended with the block that started it.
"""

from __future__ import annotations

import time
import shutil
import socket
import subprocess
from typing import Generator
from pathlib import Path
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

from .. import Refusal, pin

PACKAGE = "@stdy/cli@0.22.1"
SPECIFICATION = "api_reference/openapi.transformed.yml"
READY_SECONDS = 30.0
# As upstream's script starts it.
_FORMATS = [
    f"--validator-{place}-{kind}-format=brackets" for place in ("query", "form") for kind in ("array", "object")
]


@contextmanager
def serve(root: Path, data: Path, log: Path) -> Generator[str]:
    """Runs the server for the specification in `data` and gives its URL. Raises Refusal when it does not start."""
    binary = _install(root / pin.CACHE / "mock")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(binary), "--host", "127.0.0.1", "-p", str(port), *_FORMATS, str(data / SPECIFICATION)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as stream:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT)
        try:
            _wait(server, url, log)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _install(folder: Path) -> Path:
    """The binary of the package, which ships it for each platform in an optional package of its own."""
    found = sorted(folder.glob("node_modules/@stdy/cli-*/bin/steady*"))
    if not found:
        npm = shutil.which("npm")
        if npm is None:
            raise Refusal("npm is not on the PATH, and the mock server of --api-resources comes from it.")
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder)]
        done = subprocess.run([*command, PACKAGE], capture_output=True, text=True)
        found = sorted(folder.glob("node_modules/@stdy/cli-*/bin/steady*"))
        if done.returncode or not found:
            raise Refusal(f"npm could not install {PACKAGE}: {done.stderr.strip()}")
    return found[0]


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            with urlopen(f"{url}/_x-steady/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.1)
    raise Refusal(f"the mock server did not start; its output is in {log}.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
