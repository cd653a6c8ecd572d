"""The fork builds and installs in every way that people install things, always to the same bytes, or says why not.

All of it for real: the release that pyproject.toml pins, pip, uv, `python -m build`, git. Slow, and the only tests
that need a package index, hence marked `install`. What a build refuses is in test_tampering; here is how it looks.
"""

from __future__ import annotations

import os
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from forktools import ROOT, pin, sdist, compose
from tests.fork.real import UV, run, clone, environment

pytestmark = pytest.mark.install

PLAN = pin.load(ROOT)
LANGCHAIN = "langchain-openai==1.7.3"
INFO = f"openai-{PLAN.version}.dist-info"
SHOW = """
import openai, importlib.metadata as metadata
from openai.lib import background
print(openai.__version__, metadata.version("openai"), openai.__file__)
"""
WHICH = "from importlib.metadata import version; print('openai==' + version('openai'))"


@pytest.fixture(scope="module")
def upstream() -> pin.Upstream:
    return pin.cached(ROOT, PLAN.upstream)


@pytest.fixture(scope="module")
def composed(upstream: pin.Upstream) -> compose.Composed:
    """What has to come out."""
    return compose.compose(ROOT, upstream)


@pytest.fixture
def fork(repository: Path, tmp_path: Path) -> Path:
    """A clone that the test may spoil."""
    return clone(repository, tmp_path / "some where" / "fork")


def files_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_wheel_holds_the_composed_package_under_upstreams_metadata(
    wheel: Path, upstream: pin.Upstream, composed: compose.Composed
) -> None:
    files = files_of(wheel)
    info = {name.removeprefix(f"{INFO}/"): files.pop(name) for name in list(files) if name.startswith(INFO)}
    assert files == {path.removeprefix(pin.PREFIX): content for path, content in composed.files.items()}
    licences = {"licenses/LICENSE", "licenses/NOTICE"}
    assert info.keys() == {"METADATA", "RECORD", "WHEEL", "extra_metadata/UPSTREAM", *licences}
    assert info["licenses/LICENSE"] == upstream.licence
    theirs, ours = upstream.metadata.splitlines(), info["METADATA"].decode().splitlines()
    said = [line for line in ours if line not in theirs]
    assert said[0] == f"Version: {PLAN.version}" and said[1].startswith("Summary: A fork of openai ")
    assert said[2:] == ["License-File: NOTICE"]
    assert [line.partition(":")[0] for line in theirs if line not in ours] == ["Version", "Summary"]


def test_verify_tells_honest_changed_added_removed_and_stock(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "env")

    def verify(says: str, *, fails: bool = True) -> None:
        assert says in run(python, "-I", ROOT / "scripts" / "verify", cwd=ROOT, fails=fails)

    def install(*wanted: str | Path) -> None:
        run(UV, "pip", "install", "-q", "--link-mode=copy", "--no-deps", "--python", python, *wanted, cwd=tmp_path)

    verify("missing: ")
    install(wheel)
    honest = f"the fork: openai {PLAN.version}, made from openai {PLAN.upstream}, all "
    verify(honest, fails=False)
    (package,) = (tmp_path / "env").glob("lib/python*/site-packages/openai")
    for name in ("_qs.py", "_base_client.py", "lib/background/_table.py"):
        before = (package / name).read_bytes()
        (package / name).write_bytes(before[:-2] + b"#\n")
        verify(f"changed: openai/{name} of openai {PLAN.version} does not match its RECORD")
        (package / name).write_bytes(before)
    for name in ("evil.py", "lib/evil.so", "evil.pyc"):
        (package / name).touch()
        verify(f"changed: openai/{name} of openai {PLAN.version} is not in its RECORD")
        (package / name).unlink()
    verify(honest, fails=False)

    # RECORD changed together with the file; then a file removed together with its line, and told to be upstream's.
    record = package.parent / INFO / "RECORD"
    rows = package.parent / INFO / "extra_metadata" / "UPSTREAM"
    recorded, told = record.read_text(), rows.read_text()
    empty = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    for name, says in (
        ("_base_client.py", "is not what the series makes of it"),
        ("_qs.py", "and its RECORD says the same"),
    ):
        before = (package / name).read_bytes()
        (package / name).write_bytes(b"")
        record.write_text(re.sub(rf"^openai/{name},.*", f"openai/{name},{empty},0", recorded, flags=re.MULTILINE))
        verify(says)
        (package / name).write_bytes(before)
    (package / "_qs.py").unlink()
    (gone,) = re.findall(r"^openai/_qs.py,[^,]*", recorded, re.MULTILINE)
    rows.write_text(f"{told}{gone}\n")
    record.write_text(re.sub(r"^(openai/_qs.py|.*/UPSTREAM),.*\n", "", recorded, flags=re.MULTILINE))
    verify("and its RECORD says the same")
    install("--reinstall", f"openai==={PLAN.upstream}")
    verify(f"stock: this is openai {PLAN.upstream}")


def test_build_constraints_with_another_hash_refuse(repository: Path, tmp_path: Path) -> None:
    hashed = (repository / "requirements" / "constraints" / "build.txt").read_text()
    (tmp_path / "bad.txt").write_text(re.sub(r"sha256:.", "sha256:0", hashed))
    wanted = ("--no-cache", "--require-hashes", "--build-constraints", tmp_path / "bad.txt", repository)
    assert "Hash mismatch" in run(UV, "build", "--wheel", "-q", *wanted, cwd=tmp_path, fails=True)


def test_pip_in_an_archive_without_git_gives_the_same_wheel(repository: Path, wheel: Path, tmp_path: Path) -> None:
    run("git", "archive", "--output", tmp_path / "archive.tar", "HEAD", cwd=repository)
    (tmp_path / "archive").mkdir()
    run("tar", "-xf", tmp_path / "archive.tar", cwd=tmp_path / "archive")
    for path in (tmp_path / "archive").rglob("*"):
        if path.is_file():
            os.utime(path, (1_000_000_000, 1_000_000_000))
            path.chmod(path.stat().st_mode & 0o700)
    (tmp_path / "empty").mkdir()
    env = {"PATH": f"{tmp_path / 'empty'}", "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    pip = (sys.executable, "-m", "pip", "-q", "wheel", "--no-deps")
    run(*pip, "--wheel-dir", tmp_path, tmp_path / "archive", cwd=tmp_path, env=env)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_sdist_without_git_holds_what_is_listed_and_gives_the_same_wheel(
    repository: Path, wheel: Path, tmp_path: Path
) -> None:
    # `python -m build` makes the sdist, and a wheel from the sdist. Beside uv there is no git.
    build = (sys.executable, "-m", "build", "--installer=uv", "--outdir", tmp_path, repository)
    run(*build, cwd=tmp_path, env={"PATH": str(UV.parent)})
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = re.search(r"^files = \[\n(.*?)^\]", (repository / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    patches = {f"patches/{path.name}" for path in (repository / "patches").glob("*.patch")}
    own = {path for path in compose.read_sums(repository) if path.startswith(compose.OWN)}
    assert listed and names == {*re.findall(r'"(.+)"', listed[1]), *patches, *own, "PKG-INFO"}


def test_metadata_that_lies_about_in_a_clone_is_not_taken(fork: Path, wheel: Path, tmp_path: Path) -> None:
    info = files_of(wheel)[f"{INFO}/METADATA"].decode()
    (fork / "PKG-INFO").write_text(info.replace("Requires-Dist: ", "Requires-Dist: evil\nRequires-Dist: ", 1))
    run(UV, "build", "-q", "--wheel", "--python", sys.executable, "--out-dir", tmp_path, fork, cwd=tmp_path)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize(
    ("front_end", "path", "text", "says"),
    [
        # Without isolation, in the environment that has the fork.
        ("pip", "README.md", "", f"the build environment holds openai {PLAN.version} (this fork itself, "),
        ("uv", "pyproject.toml", "\nrevision = 0\n", "pyproject.toml names the fork's revision 2 times, not once."),
        ("uv", f"{compose.OWN}secrets.txt", "sk-", f"{compose.OWN}secrets.txt: in no patch; "),
    ],
)
def test_build_that_is_refused_says_so_in_one_sentence_and_leaves_nothing(
    fork: Path, front_end: str, path: str, text: str, says: str
) -> None:
    with open(fork / path, "a") as file:
        file.write(text)
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", ".")
    uv = (UV, "build", "--wheel", "--python", sys.executable)
    printed = run(*(pip if front_end == "pip" else uv), cwd=fork, fails=True)
    assert printed.count("openai fork: ") == 1 and f"openai fork: {says}" in " ".join(printed.split())
    assert "forktools" not in printed, "a traceback"
    left = run("git", "status", "--porcelain", "--ignored", "--untracked-files=all", cwd=fork).splitlines()
    # uv makes the last one.
    assert [line for line in left if not re.search(f"__pycache__/|{re.escape(path)}$|dist/.gitignore$", line)] == []


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
def test_git_url_installs_beside_langchain_openai_and_a_constraint_keeps_it(
    fork: Path, tmp_path: Path, front_end: str
) -> None:
    assert WHICH in (ROOT / "README.md").read_text(encoding="utf-8")
    tag = f"v{PLAN.version}"  # as .ci/tag publishes it
    run("git", "tag", tag, cwd=fork)
    python = environment(tmp_path / "env", pip=front_end == "pip")
    pip = (python, "-m", "pip", "install", "-q", "--no-compile")
    command = pip if front_end == "pip" else (UV, "pip", "install", "-q", "--python", python)

    def install(*arguments: str | Path) -> str:
        run(*command, *arguments, cwd=tmp_path)
        return run(python, "-c", WHICH, cwd=tmp_path).strip()

    installed = install(f"openai @ git+{fork.as_uri()}@{tag}", LANGCHAIN)
    assert installed == f"openai=={PLAN.version}"
    version, distribution, place = run(python, "-c", SHOW, cwd=tmp_path).split()
    assert (version, distribution) == (PLAN.upstream, PLAN.version) and place.startswith(str(tmp_path / "env"))
    run(python, "-c", "from langchain_openai import ChatOpenAI", cwd=tmp_path)
    run(UV, "pip", "check", "--python", python, cwd=tmp_path)
    (tmp_path / "fork.txt").write_text(installed)
    upgrade = (
        "--upgrade",
        "openai",
        "--no-deps",
        "--no-index",
        "--find-links",
        published(tmp_path / "index", "99.0.0"),
    )
    assert install(*upgrade, "-c", "fork.txt") == installed
    assert install(*upgrade) == "openai==99.0.0"


def test_uv_project_beside_langchain_openai_stays_on_the_fork(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "caller"\nversion = "0"\nrequires-python = ">=3.10"\n'
        f'dependencies = ["openai", "{LANGCHAIN}"]\n'
        f'[tool.uv.sources]\nopenai = {{ git = "{repository.as_uri()}" }}\n'
    )
    run(UV, "sync", "-q", "--python", sys.executable, cwd=tmp_path)
    run(UV, "sync", "-q", "--upgrade", "--python", sys.executable, cwd=tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    assert run(python, "-c", SHOW, cwd=tmp_path).split()[:2] == [PLAN.upstream, PLAN.version]
    run(python, "-c", "from langchain_openai import ChatOpenAI", cwd=tmp_path)


def test_editable_lays_the_tree_and_keeps_edits(fork: Path, composed: compose.Composed) -> None:
    sync = (UV, "sync", "-q", "--python", sys.executable)
    run(*sync, cwd=fork)
    shown = run(fork / ".venv" / "bin" / "python", "-c", SHOW, cwd=fork.parent).split()
    assert shown == [PLAN.upstream, PLAN.version, *str(fork / "src" / "openai" / "__init__.py").split()]
    assert all((fork / path).read_bytes() == content for path, content in composed.files.items())
    assert run("git", "status", "--porcelain", cwd=fork) == ""

    edited = fork / "src" / "openai" / "_client.py"
    edited.write_bytes(edited.read_bytes() + b"# mine\n")
    printed = run(*sync, "--reinstall-package=openai", cwd=fork, fails=True)
    said = "openai fork: src/openai/_client.py: not what pin and patches make of it, so nothing was laid"
    assert said in " ".join(printed.split())  # uv breaks lines
    assert edited.read_bytes().endswith(b"# mine\n")


def test_git_am_on_the_source_distribution_gives_the_tree(composed: compose.Composed, tmp_path: Path) -> None:
    """As README tells maintainers of upstream to do it; walk-series runs the tests of each patch."""
    sdist.unpack(ROOT, PLAN.upstream, tmp_path / "openai")

    def git(*arguments: str | Path) -> None:
        identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
        run("git", *identity, *arguments, cwd=tmp_path / "openai")

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "stock")
    git("am", "--quiet", *sorted((ROOT / "patches").glob("*.patch")))
    assert all((tmp_path / "openai" / path).read_bytes() == content for path, content in composed.files.items())
