"""The environments beside .venv: nox runs them, uv fills them, and both leave alone what is as it should be.

    tests, pydantic_v1   ./scripts/test-matrix            the tests that travel, on each Python
    shim                 ./scripts/test-matrix --shim     the same by the shim on stock releases, and its own tests
    environments         ./scripts/test --integrations    what tests/integrations needs, by names of files in requirements/

Promises: the tools have the versions of requirements/dev.txt; the tree as it is laid is what is tested; no Python is
downloaded, and one that is not here is named. A pair of environments has the same versions of everything and differs in
nothing but `openai`: in one the wheel that this repository builds, in the other the pinned release.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # also where nobody watches; `--python 3.X` asks for that error
nox.options.reuse_venv = "yes"

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]  # what upstream says it supports
(PIN,) = (one for one in nox.project.load_toml()["build-system"]["requires"] if one.startswith("openai=="))
# The oldest that is promised, the pinned one, and some on the way.
RELEASES = ["2.20.0", "2.40.0", "2.54.0", "3.0.0", "3.20.0", "3.40.0", PIN.partition("==")[2]]
# A file of requirements/, and what it fills: the fork's environment and stock's, or one with the openai that it asks for.
ENVIRONMENTS = {
    "integrations": ("fork", "stock"),
    "integrations-tracing": ("tracing-fork", "tracing-stock"),
    "integrations-suites": ("suites-fork", "suites-stock"),
    "integrations-pydantic": ("pydantic-fork", "pydantic-stock"),
    "integrations-servers": ("servers",),
}

UV = str(Path(sys.executable).with_name("uv"))
TOOLS = ["--constraint=requirements/dev.txt", "pytest", "pytest-asyncio"]
TRAVEL_TOOLS = [*TOOLS, "pytest-xdist", "inline-snapshot", "httpx", "aiohttp"]
PYTEST = ["-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"]
TRAVELLING = ("tests/lib/background", "tests/lib/test_error_pickling.py", "tests/test_aiohttp_malformed_answers.py")
# Nothing of the caller's reaches the tests.
CLEAN: dict[str, str | None] = {
    **{name: None for name in os.environ if name.startswith(("OPENAI_", "PYTEST_", "PYTHONPATH"))},
    "PYTHONDONTWRITEBYTECODE": "1",
}


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests that travel."""
    session.install(PIN, *TRAVEL_TOOLS)
    session.run("python", *PYTEST, *TRAVELLING, *session.posargs, env={**CLEAN, "PYTHONPATH": "src"})


@nox.session(python=PYTHONS)
def pydantic_v1(session: nox.Session) -> None:
    """The same under pydantic 1.10."""
    session.install(PIN, *TRAVEL_TOOLS)
    session.install("--requirement=requirements/pydantic-v1.txt")  # instead of the one that came
    session.run("python", *PYTEST, *TRAVELLING, *session.posargs, env={**CLEAN, "PYTHONPATH": "src"})


@nox.session(default=False, venv_backend="none")
def shim(session: nox.Session) -> None:
    """The shim, built from this tree, on RELEASES, and the table of its page; or only on the releases that are given."""
    reports: list[str] = []
    for release in session.posargs or RELEASES:
        python = _python(session, f".nox/shim-{release}")
        shim = ["./shim", "--reinstall-package=openai-background"]
        session.run(
            UV, "pip", "install", "--quiet", "--python", python, f"openai[aiohttp]=={release}", *shim, *TRAVEL_TOOLS
        )
        session.run(python, *PYTEST, "shim/tests/test_shim.py", env=CLEAN)
        reports.append(f".nox/shim-{release}.json")
        translated = ["-p", "shim_on_stock", f"--shim-report={reports[-1]}", TRAVELLING[0]]
        session.run(python, *PYTEST, *translated, env={**CLEAN, "PYTHONPATH": "shim/tests"})
    if not session.posargs:
        session.run(sys.executable, "shim/tests/shim_matrix.py", *reports)


@nox.session(default=False, venv_backend="none")
def environments(session: nox.Session) -> None:
    """Those of .venv-integrations whose requirements are named."""
    home = Path(".venv-integrations")
    home.mkdir(exist_ok=True)
    # In a file, because what is named in the command is built anew each time.
    (home / "fork.txt").write_text(f"openai @ {Path.cwd().as_uri()}\n", encoding="utf-8")
    for name in session.posargs:
        first, *others = (_python(session, f"{home}/{one}") for one in ENVIRONMENTS[name])
        wanted = [f"--requirement=requirements/{name}.txt"]
        if others:
            wanted += [f"--requirement={home}/fork.txt", *TOOLS, "pytest-reportlog"]
        if Path(f"requirements/{name}.overrides.txt").is_file():
            wanted.append(f"--override=requirements/{name}.overrides.txt")
        session.run(UV, "pip", "install", "--quiet", "--exact", "--python", first, *wanted)
        for stock in others:
            frozen = session.run(UV, "pip", "freeze", "--quiet", "--python", first, silent=True)
            same = [PIN, *(line for line in str(frozen).splitlines() if not line.startswith("openai @"))]
            (home / f"{name}.txt").write_text("\n".join(same), encoding="utf-8")
            session.run(UV, "pip", "sync", "--quiet", "--python", stock, f"{home}/{name}.txt")


def _python(session: nox.Session, folder: str) -> str:
    session.run(UV, "venv", "--quiet", "--allow-existing", "--python", sys.executable, folder)
    return f"{folder}/bin/python"
