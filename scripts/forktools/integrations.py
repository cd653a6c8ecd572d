"""The environments of `./scripts/test --integrations`: .venv-integrations/fork and .venv-integrations/stock.

Promises: both hold the packages of requirements/integrations.txt, the same versions of everything, and differ in
nothing but `openai`: in one the wheel that this repository builds, in the other the pinned release. Made again when
something changed that goes into them. No package manager of the system is called: servers are taken from the PATH, or
from a wheel where one brings them, and the tests that need one which is in neither are skipped and say so.
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
STAMP = HOME / ".stamp"
FORK, STOCK = (HOME / side / "bin" / "python" for side in ("fork", "stock"))
_UV = [str(Path(sys.executable).with_name("uv"))]
_TESTS = ["pytest", "pytest-asyncio"]
_CONSTRAINTS = ["--constraint", "requirements/dev.txt"]


def main() -> int:
    """Returns the exit code."""
    try:
        state = _state()
        if not STAMP.is_file() or STAMP.read_text(encoding="utf-8") != state:
            _make()
            STAMP.write_text(state, encoding="utf-8")
    except Refusal as refusal:
        print(f"integrations: {refusal}", file=sys.stderr)
        return 1
    return 0


def _make() -> None:
    pinned = pin.load(ROOT)
    print("integrations: making .venv-integrations", file=sys.stderr, flush=True)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    (HOME / ".gitignore").write_text("*\n", encoding="utf-8")
    for side in ("fork", "stock"):
        _uv("venv", "--python", sys.executable, str(HOME / side))
    with TemporaryDirectory() as folder:
        # From what a clone would hold, so that nothing of the laid tree can get into the wheel.
        clone = Path(folder, "clone")
        for path in tree.listed(ROOT):
            if (ROOT / path).exists():
                (clone / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, clone / path, follow_symlinks=False)
        _uv("build", "--wheel", "--out-dir", folder, str(clone))
        (wheel,) = Path(folder).glob("*.whl")
        wanted = ["--requirement", "requirements/integrations.txt", *_CONSTRAINTS, *_TESTS]
        # Compiled once here, instead of in each of the many processes that the tests start.
        install = ["pip", "install", "--compile-bytecode", "--python"]
        _uv(*install, str(FORK), *wanted, str(wheel))
        names = _uv("pip", "freeze", "--python", str(FORK)).splitlines()
        same = Path(folder, "same.txt")
        same.write_text("\n".join(name for name in names if not name.startswith("openai @")), encoding="utf-8")
        _uv(*install, str(STOCK), "--no-deps", "--requirement", str(same), f"openai=={pinned.upstream}")


def _uv(*arguments: str) -> str:
    done = subprocess.run([*_UV, "--quiet", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Refusal(f"uv {arguments[0]} failed.")
    return done.stdout


def _state() -> str:
    state = hashlib.sha256(sys.version.encode())
    scripts = [ROOT / "scripts" / name for name in ("hatch_build.py", "forktools/compose.py")]
    own = [path for path in (ROOT / compose.OWN).rglob("*") if path.suffix in (".py", ".json")]
    files = [*ROOT.glob("requirements/*.txt"), *ROOT.glob("patches/*"), *scripts, *own, Path(__file__).resolve()]
    for path in sorted([ROOT / "pyproject.toml", *files]):
        state.update(path.read_bytes())
    return state.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
