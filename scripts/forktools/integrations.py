"""The environments of `./scripts/test --integrations`, in .venv-integrations.

    integrations            fork, stock                    what the tests run in, and the libraries around the SDK
    integrations-tracing    tracing-fork, tracing-stock    the instrumentations
    integrations-suites     suites-fork, suites-stock      libraries on the SDK, with what their own suites need
    integrations-servers    servers                        a gateway and an agent server, with what openai they want

Promises: each holds the packages of requirements/<first column>.txt. A pair has the same versions of everything, and
differs in nothing but `openai`: in one the wheel that this repository builds, in the other the pinned release. Made
again when something changed that goes into it. No package manager of the system is called: a Redis comes from a wheel.
"""

from __future__ import annotations

import sys
import shutil
import hashlib
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from . import ROOT, Refusal, pin, tree, compose

HOME = ROOT / ".venv-integrations"
REQUIREMENTS = ROOT / "requirements"
PAIRS = {
    "integrations": ("fork", "stock"),
    "integrations-tracing": ("tracing-fork", "tracing-stock"),
    "integrations-suites": ("suites-fork", "suites-stock"),
}
OTHERS = {"integrations-servers": "servers"}
_UV = [str(Path(sys.executable).with_name("uv"))]
# Compiled once here, instead of in each of the many processes that the tests start.
_INSTALL = ["pip", "install", "--compile-bytecode", "--python"]


def main(arguments: list[str]) -> int:
    """Makes the environments that are named, and returns the exit code."""
    try:
        for name in arguments:
            stamp, state = HOME / f".{name}", _state(name)
            if not stamp.is_file() or stamp.read_text(encoding="utf-8") != state:
                stamp.unlink(missing_ok=True)
                _make(name)
                stamp.write_text(state, encoding="utf-8")
    except Refusal as refusal:
        print(f"integrations: {refusal}", file=sys.stderr)
        return 1
    return 0


def _make(name: str) -> None:
    HOME.mkdir(exist_ok=True)
    (HOME / ".gitignore").write_text("*\n", encoding="utf-8")
    wanted = ["--requirement", str(REQUIREMENTS / f"{name}.txt")]
    overrides = REQUIREMENTS / f"{name}.overrides.txt"
    if overrides.is_file():
        wanted += ["--override", str(overrides)]
    if name in OTHERS:
        _uv(*_INSTALL, _empty(OTHERS[name]), *wanted)
        return
    fork, stock = map(_empty, PAIRS[name])
    wanted += ["--constraint", str(REQUIREMENTS / "dev.txt"), "pytest", "pytest-asyncio", "pytest-reportlog"]
    with TemporaryDirectory() as folder:
        _uv(*_INSTALL, fork, *wanted, str(_wheel(Path(folder))))
        names = _uv("pip", "freeze", "--python", fork).splitlines()
        same = Path(folder, "same.txt")
        same.write_text("\n".join(one for one in names if not one.startswith("openai @")), encoding="utf-8")
        _uv(*_INSTALL, stock, "--no-deps", "--requirement", str(same), f"openai=={pin.load(ROOT).upstream}")


def _empty(environment: str) -> str:
    """Makes it anew, with nothing in it, and returns its Python."""
    print(f"integrations: making .venv-integrations/{environment}", file=sys.stderr, flush=True)
    shutil.rmtree(HOME / environment, ignore_errors=True)
    _uv("venv", "--python", sys.executable, str(HOME / environment))
    return str(HOME / environment / "bin" / "python")


def _wheel(folder: Path) -> Path:
    """Built from what a clone would hold, so that nothing of the laid tree can get into the wheel."""
    clone = folder / "clone"
    for path in tree.listed(ROOT):
        if (ROOT / path).exists():
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, clone / path, follow_symlinks=False)
    _uv("build", "--wheel", "--out-dir", str(folder), str(clone))
    (wheel,) = folder.glob("*.whl")
    return wheel


def _uv(*arguments: str) -> str:
    done = subprocess.run([*_UV, "--quiet", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Refusal(f"uv {arguments[0]} failed.")
    return done.stdout


def _state(name: str) -> str:
    files = [*REQUIREMENTS.glob(f"{name}.*"), Path(__file__).resolve()]
    if name in PAIRS:
        scripts = [ROOT / "scripts" / one for one in ("hatch_build.py", "forktools/compose.py")]
        own = [path for path in (ROOT / compose.OWN).rglob("*") if path.suffix in (".py", ".json")]
        files += [REQUIREMENTS / "dev.txt", ROOT / "pyproject.toml", *ROOT.glob("patches/*"), *scripts, *own]
    state = hashlib.sha256(sys.version.encode())
    for path in sorted(files):
        state.update(path.read_bytes())
    return state.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["integrations"]))
