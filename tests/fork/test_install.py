"""The fork builds and installs in every way that people install things, always to the same bytes, or says why not.

All of it for real: the release that pyproject.toml pins, pip, uv, `python -m build`, git. Slow, and the only tests
that need a package index, hence marked `install`.
"""

from __future__ import annotations

import os
import re
import sys
import tarfile
import zipfile
import subprocess
from typing import Mapping
from pathlib import Path
from importlib.metadata import version

import pytest

from forktools import ROOT, pin, tree, compose

pytestmark = pytest.mark.install

PLAN = pin.load(ROOT)
# The release before the pinned one, as an example of a build environment that does not fit.
OTHER = "3.53.0"
LANGCHAIN = "langchain-openai==1.7.3"
BACK_END = [f"{name}=={version(name)}" for name in ("hatchling",)]
UV = Path(sys.executable).with_name("uv")

SHOW = """
import openai, importlib.metadata as metadata
from openai.lib import background
print(openai.__version__, metadata.version("openai"), openai.__file__)
"""


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, fails: bool = False) -> str:
    """Runs a command as from a fresh shell and returns all that it printed."""
    ours = ("PYTHON", "VIRTUAL_ENV", "GIT_", "PYTEST", "COV_", "SOURCE_DATE_EPOCH")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def pip(
    python: Path, *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, fails: bool = False
) -> str:
    return run(python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments, cwd=cwd, env=env, fails=fails)


def environment(folder: Path) -> Path:
    """A new virtual environment; returns its interpreter."""
    run(sys.executable, "-m", "venv", folder, cwd=ROOT)
    return folder / "bin" / "python"


def tree_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def clone(repository: Path, target: Path) -> Path:
    run("git", "clone", "--quiet", repository, target, cwd=repository)
    return target


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository as it is now, all of it committed. Taken once, because somebody may be editing; not changed."""
    target = tmp_path_factory.mktemp("repository")
    for path in tree.listed(ROOT):
        if (ROOT / path).is_file():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes((ROOT / path).read_bytes())
            (target / path).chmod((ROOT / path).stat().st_mode)
    run("git", "init", "--quiet", "--initial-branch=main", cwd=target)
    run("git", "add", "--all", cwd=target)
    identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
    run("git", *identity, "commit", "--quiet", "--message=all", cwd=target)
    return target


@pytest.fixture(scope="module")
def composed(repository: Path, upstream: pin.Upstream) -> compose.Composed:
    """What has to come out."""
    return compose.compose(repository, upstream)


@pytest.fixture(scope="module")
def upstream() -> pin.Upstream:
    return pin.cached(ROOT, PLAN.upstream)


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip builds in a clone."""
    folder = tmp_path_factory.mktemp("wheel")
    pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", folder, repository, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def no_git(tmp_path: Path) -> dict[str, str]:
    """An environment with nothing on the PATH."""
    (tmp_path / "empty").mkdir()
    return {"PATH": str(tmp_path / "empty")}


def test_wheel_holds_the_composed_package_and_nothing_else(
    wheel: Path, upstream: pin.Upstream, composed: compose.Composed
) -> None:
    files = tree_of(wheel)
    info = f"openai-{PLAN.version}.dist-info"
    expected = dict(composed.package())
    assert {name: text for name, text in files.items() if not name.startswith(info)} == expected
    assert {name for name in files if name.startswith(info)} == {
        f"{info}/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE", "licenses/NOTICE", "extra_metadata/UPSTREAM")
    }
    assert files[f"{info}/licenses/LICENSE"] == upstream.licence
    notice = files[f"{info}/licenses/NOTICE"].decode()
    assert all(path[len("src/") :] in notice for path in composed.changed if not path.startswith(compose.OWN))


def test_wheel_metadata_is_upstreams_but_for_what_says_that_it_is_the_fork(wheel: Path) -> None:
    theirs = pin.metadata(pin.find(PLAN.upstream, [ROOT / pin.CACHE / PLAN.upstream])).splitlines()
    ours = tree_of(wheel)[f"openai-{PLAN.version}.dist-info/METADATA"].decode().splitlines()
    said = [line for line in ours if line not in theirs]
    assert [line.partition(":")[0] for line in said] == ["Version", "Summary", "License-File"]
    assert said[0] == f"Version: {PLAN.version}" and said[1].startswith("Summary: A fork of openai ")
    assert said[2] == "License-File: NOTICE"
    assert [line.partition(":")[0] for line in theirs if line not in ours] == ["Version", "Summary"]


def verify(python: Path, *, fails: bool = False) -> str:
    return run(python, "-I", ROOT / "scripts" / "verify", cwd=ROOT, fails=fails).strip()


def test_verify_tells_honest_changed_added_removed_and_stock(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "env")
    assert "missing: " in verify(python, fails=True)
    pip(python, "install", wheel, cwd=tmp_path)
    assert verify(python).startswith(f"the fork: openai {PLAN.version}, made from openai {PLAN.upstream}, all ")
    code = "import importlib.metadata as m; print(m.distribution('openai').locate_file('openai'))"
    package = Path(run(python, "-c", code, cwd=tmp_path).strip())
    for name, is_not in (("_qs.py", "upstream's"), ("_base_client.py", "what the series makes of it")):
        before = (package / name).read_bytes()
        (package / name).write_bytes(before[:-2] + b"#\n")
        assert f"changed: openai/{name} of openai {PLAN.version} is not {is_not}" in verify(python, fails=True)
        (package / name).write_bytes(before)
    (package / "evil.py").touch()
    assert "changed: openai/evil.py" in verify(python, fails=True)
    (package / "evil.py").rename(package / "lib" / "evil.so")
    assert "changed: openai/lib/evil.so" in verify(python, fails=True)
    (package / "lib" / "evil.so").unlink()
    assert verify(python).startswith("the fork: ")
    rows = package.parent / f"openai-{PLAN.version}.dist-info" / "extra_metadata" / "UPSTREAM"
    rows.write_text(rows.read_text().replace("sha256=", "sha256=0"))
    assert "changed: " in verify(python, fails=True)
    # Not without force: the fork's version satisfies the release's.
    pip(python, "install", "--force-reinstall", "--no-deps", f"openai==={PLAN.upstream}", cwd=tmp_path)
    assert f"stock: this is openai {PLAN.upstream}" in verify(python, fails=True)


def test_build_constraints_with_another_hash_refuse(repository: Path, wheel: Path, tmp_path: Path) -> None:
    hashed = (repository / "requirements" / "constraints" / "build.txt").read_text()
    (tmp_path / "good.txt").write_text(hashed)
    (tmp_path / "bad.txt").write_text(re.sub(r"sha256:.", "sha256:0", hashed))
    wanted = ("--wheel", "--no-cache", "--require-hashes", "--python", sys.executable, "--out-dir", tmp_path / "built")
    command = (UV, "build", "--quiet", *wanted)
    run(*command, "--build-constraints", tmp_path / "good.txt", repository, cwd=tmp_path)
    assert (tmp_path / "built" / wheel.name).read_bytes() == wheel.read_bytes()
    said = run(*command, "--build-constraints", tmp_path / "bad.txt", repository, cwd=tmp_path, fails=True)
    assert "Hash mismatch" in said


def test_build_twice_gives_the_same_bytes(repository: Path, wheel: Path, tmp_path: Path) -> None:
    other = clone(repository, tmp_path / "some where else")
    for path in other.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            os.utime(path, (1_000_000_000, 1_000_000_000))
            path.chmod(path.stat().st_mode & 0o700)
    env = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", tmp_path, other, cwd=tmp_path, env=env)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_pip_git_url_beside_langchain_openai_installs_and_imports(repository: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "env")
    pip(python, "install", f"git+file://{repository}", LANGCHAIN, cwd=tmp_path)
    shown = run(python, "-c", SHOW, cwd=tmp_path).split()
    assert shown[:2] == [PLAN.upstream, PLAN.version]
    assert shown[2].startswith(str(tmp_path / "env"))
    assert run(python, "-m", "pip", "check", cwd=tmp_path).strip() == "No broken requirements found."
    run(python, "-c", "from langchain_openai import ChatOpenAI", cwd=tmp_path)


def test_uv_pip_git_url_installs(repository: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "env")
    run(UV, "pip", "install", "--quiet", "--python", python, f"openai @ git+file://{repository}", cwd=tmp_path)
    assert run(python, "-c", SHOW, cwd=tmp_path).split()[:2] == [PLAN.upstream, PLAN.version]
    run(UV, "pip", "check", "--python", python, cwd=tmp_path)


WHICH = "from importlib.metadata import version; print('openai==' + version('openai'))"


def published(folder: Path, release: str) -> Path:
    """An index with one wheel in it: a release of upstream's that is newer than the fork."""
    info = f"openai-{release}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: openai\nVersion: {release}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    folder.mkdir()
    with zipfile.ZipFile(folder / f"openai-{release}-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return folder


@pytest.mark.parametrize("front_end", ["pip", "uv"])
def test_constraint_keeps_the_fork_where_an_upgrade_replaces_it(
    repository: Path, tmp_path: Path, front_end: str
) -> None:
    assert WHICH in (ROOT / "README.md").read_text(encoding="utf-8")
    python = environment(tmp_path / "env")
    tag = f"v{PLAN.version}"  # as .ci/tag publishes it
    tagged = clone(repository, tmp_path / "tagged")
    run("git", "tag", tag, cwd=tagged)

    command = [python, "-m", "pip"] if front_end == "pip" else [UV, "pip"]
    target = [] if front_end == "pip" else ["--python", python]

    def install(*arguments: str | Path) -> str:
        run(*command, "install", "--quiet", "--no-deps", *target, *arguments, cwd=tmp_path)
        return run(python, "-c", WHICH, cwd=tmp_path).strip()

    fork = install(f"git+file://{tagged}@{tag}")
    assert fork == f"openai=={PLAN.version}"
    (tmp_path / "fork.txt").write_text(fork)
    upgrade = ("--upgrade", "openai", "--no-index", "--find-links", published(tmp_path / "index", "99.0.0"))
    assert install(*upgrade, "-c", "fork.txt") == fork
    assert install(*upgrade) == "openai==99.0.0"


def test_uv_project_beside_langchain_openai_installs(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "caller"\nversion = "0"\nrequires-python = ">=3.10"\n'
        f'dependencies = ["openai", "{LANGCHAIN}"]\n'
        f'[tool.uv.sources]\nopenai = {{ git = "file://{repository}" }}\n'
    )
    run(UV, "sync", "--quiet", "--python", sys.executable, cwd=tmp_path)
    run(UV, "sync", "--quiet", "--upgrade", "--python", sys.executable, cwd=tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    assert run(python, "-c", SHOW, cwd=tmp_path).split()[:2] == [PLAN.upstream, PLAN.version]
    run(python, "-c", "from langchain_openai import ChatOpenAI", cwd=tmp_path)


def test_sdist_without_git_gives_the_same_wheel(
    repository: Path, wheel: Path, tmp_path: Path, no_git: dict[str, str]
) -> None:
    # `python -m build` makes the sdist, and a wheel from the sdist.
    run(sys.executable, "-m", "build", "--outdir", tmp_path, repository, cwd=tmp_path, env=no_git)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert not [name for name in names if name.startswith(compose.HOME) and not name.startswith(compose.OWN)]
    listed = re.search(r"^files = \[\n(.*?)^\]", (repository / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    patches = {f"patches/{path.name}" for path in (repository / "patches").glob("*.patch")}
    own = {path for path in compose.read_sums(repository) if path.startswith(compose.OWN)}
    assert listed and set(names) == {*re.findall(r'"(.+)"', listed[1]), *patches, *own, "PKG-INFO"}
    built = tmp_path / "built"
    pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", built, sdist, cwd=tmp_path, env=no_git)
    assert (built / wheel.name).read_bytes() == wheel.read_bytes()


def test_archive_without_git_gives_the_same_wheel(
    repository: Path, wheel: Path, tmp_path: Path, no_git: dict[str, str]
) -> None:
    run("git", "archive", "--output", tmp_path / "archive.tar", "HEAD", cwd=repository)
    (tmp_path / "archive").mkdir()
    run("tar", "-xf", tmp_path / "archive.tar", cwd=tmp_path / "archive")
    folder = tmp_path / "built"
    pip(
        Path(sys.executable),
        "wheel",
        "--no-deps",
        "--wheel-dir",
        folder,
        tmp_path / "archive",
        cwd=tmp_path,
        env=no_git,
    )
    assert (folder / wheel.name).read_bytes() == wheel.read_bytes()


def test_pip_editable_lays_the_tree_and_keeps_edits(
    repository: Path, tmp_path: Path, composed: compose.Composed
) -> None:
    fork = clone(repository, tmp_path / "fork")
    python = environment(tmp_path / "env")
    pip(python, "install", "--editable", fork, cwd=tmp_path)
    shown = run(python, "-c", SHOW, cwd=tmp_path).split()
    assert shown == [PLAN.upstream, PLAN.version, str(fork / "src" / "openai" / "__init__.py")]
    assert all((fork / path).read_bytes() == content for path, content in composed.files.items())
    assert run("git", "status", "--porcelain", cwd=fork) == ""
    assert run(python, "-m", "pip", "check", cwd=tmp_path).strip() == "No broken requirements found."

    edited = fork / "src" / "openai" / "_client.py"
    edited.write_bytes(edited.read_bytes() + b"# mine\n")
    printed = pip(python, "install", "--editable", fork, cwd=tmp_path, fails=True)
    assert "openai fork: src/openai/_client.py: not what pin and patches make of it, so nothing was laid" in printed
    assert edited.read_bytes().endswith(b"# mine\n")


def test_uv_sync_in_the_fork_lays_the_tree(repository: Path, tmp_path: Path) -> None:
    fork = clone(repository, tmp_path / "fork")
    run(UV, "sync", "--quiet", "--python", sys.executable, cwd=fork)
    shown = run(fork / ".venv" / "bin" / "python", "-c", SHOW, cwd=tmp_path).split()
    assert shown == [PLAN.upstream, PLAN.version, str(fork / "src" / "openai" / "__init__.py")]
    assert run("git", "status", "--porcelain", cwd=fork) == ""


class BuildEnvironment:
    """An environment to build in without isolation, so that what is in it can be wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = environment(folder / "env")
        self.install("build", *BACK_END, f"openai=={PLAN.upstream}")

    def install(self, *wanted: str | Path) -> None:
        run(UV, "pip", "install", "--quiet", "--link-mode=copy", "--python", self.python, *wanted, cwd=self.folder)

    def refusal(self, fork: Path) -> str:
        """Builds `fork`, which has to be refused in one sentence with nothing left behind, and returns the sentence."""
        command = (self.python, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check")
        printed = run(*command, fork, cwd=self.folder, fails=True)
        assert not (fork / "dist").exists()
        ignored = run("git", "status", "--porcelain", "--ignored", cwd=fork).splitlines()
        assert not [line for line in ignored if line.startswith("!!") and not line.endswith("__pycache__/")]
        sentences = [line for line in printed.splitlines() if "openai fork: " in line]
        assert len(sentences) == 1, printed
        assert "forktools" not in printed, "a traceback"
        return sentences[0]


@pytest.fixture(scope="module")
def build_environment(tmp_path_factory: pytest.TempPathFactory) -> BuildEnvironment:
    return BuildEnvironment(tmp_path_factory.mktemp("build"))


@pytest.fixture
def fork(repository: Path, tmp_path: Path) -> Path:
    """A clone that the test may spoil."""
    return clone(repository, tmp_path / "fork")


def test_build_with_other_release_refuses(build_environment: BuildEnvironment, fork: Path) -> None:
    build_environment.install(f"openai=={OTHER}")
    try:
        said = build_environment.refusal(fork)
    finally:
        build_environment.install(f"openai=={PLAN.upstream}")
    assert f"holds openai {OTHER}, but the series is made for openai=={PLAN.upstream}." in said


def test_build_with_the_fork_itself_refuses(build_environment: BuildEnvironment, fork: Path, wheel: Path) -> None:
    build_environment.install(wheel)
    try:
        said = build_environment.refusal(fork)
    finally:
        build_environment.install("--reinstall", f"openai=={PLAN.upstream}")
    assert f"holds openai {PLAN.version} (this fork itself, not the upstream release)" in said


def test_build_with_a_changed_upstream_file_refuses(build_environment: BuildEnvironment, fork: Path) -> None:
    found = run(build_environment.python, "-c", "import openai; print(openai.__file__)", cwd=build_environment.folder)
    target = Path(found.strip()).with_name("_qs.py")
    before = target.read_bytes()
    target.write_bytes(before + b"\n")
    try:
        said = build_environment.refusal(fork)
    finally:
        target.write_bytes(before)
    assert f"openai/_qs.py of openai {PLAN.upstream} does not match its RECORD" in said


def test_build_with_a_secret_in_our_package_refuses(build_environment: BuildEnvironment, fork: Path) -> None:
    (fork / compose.OWN / "secrets.txt").write_text("sk-")
    assert "openai/lib/background/secrets.txt: in no patch" in build_environment.refusal(fork)


def test_build_with_a_path_that_leaves_the_package_refuses(build_environment: BuildEnvironment, fork: Path) -> None:
    with open(fork / compose.SUMS, "a") as sums:
        sums.write(f"{'0' * 64}  src/openai/../../../x\n")
    assert "which is no plain path" in build_environment.refusal(fork)


def test_build_with_a_hunk_that_does_not_fit_refuses(build_environment: BuildEnvironment, fork: Path) -> None:
    path, patch = hook(fork)
    lines = patch.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith("@@") and i > lines.index(f"+++ b/{path}\n"))
    lines[at + 1] = " something else\n"
    patch.write_text("".join(lines))
    assert f"{patch.name} does not apply exactly to {path}" in build_environment.refusal(fork)


def test_build_with_a_result_other_than_recorded_refuses(build_environment: BuildEnvironment, fork: Path) -> None:
    path, _ = hook(fork)
    sums = fork / compose.SUMS
    sums.write_text(
        "".join(
            f"{'0' * 64}  {path}\n" if line.endswith(f"  {path}\n") else line
            for line in sums.read_text().splitlines(keepends=True)
        )
    )
    assert f"{path} is not the recorded one after the series" in build_environment.refusal(fork)


def hook(fork: Path) -> tuple[str, Path]:
    """A file of upstream that the series changes, and the patch that does it."""
    path = next(iter(compose.read_sums(fork)))
    return path, next(p for p in (fork / "patches").glob("*.patch") if f"\n+++ b/{path}\n" in p.read_text())


@pytest.mark.slow
def test_git_am_on_the_source_distribution_gives_the_tree_patch_by_patch(
    repository: Path, tmp_path: Path, composed: compose.Composed
) -> None:
    wanted = ("download", "--no-deps", "--no-binary=:all:", f"openai=={PLAN.upstream}")
    pip(Path(sys.executable), *wanted, "--dest", tmp_path, cwd=tmp_path)
    (sdist,) = tmp_path.glob("*.tar.gz")
    run("tar", "-xf", sdist, cwd=tmp_path)
    (root,) = (path for path in tmp_path.iterdir() if path.is_dir())
    run("git", "init", "--quiet", cwd=root)
    run("git", "config", "user.name", "T", cwd=root)
    run("git", "config", "user.email", "t@localhost", cwd=root)
    run("git", "add", "--all", "--force", cwd=root)
    run("git", "commit", "--quiet", "--message=upstream", cwd=root)
    env = {"PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    for patch in sorted((repository / "patches").glob("*.patch")):
        run("git", "am", "--quiet", patch, cwd=root)
        imported = run(sys.executable, "-c", "import openai; print(openai.__file__)", cwd=root, env=env)
        assert imported.strip() == str(root / "src" / "openai" / "__init__.py"), patch.name
        if list((root / "tests" / "lib" / "background").glob("test_*.py")):
            run(sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/lib/background", cwd=root, env=env)
    assert composed.changed
    assert all((root / path).read_bytes() == content for path, content in composed.files.items())
