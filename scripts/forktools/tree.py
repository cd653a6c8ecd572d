"""What has to hold for the files of this repository, apart from code style.

Promises: `problems` names every file that would make the repository less than it says it is: an upstream file that was
committed, a file of our own that would not be, a package index named by host, a path of somebody's machine, a tool that
is not pinned or not explained, or not the same in both places where it has to be written.
"""

from __future__ import annotations

import re
import sys
import argparse
import subprocess
from typing import Iterator
from pathlib import Path

from . import ROOT, Refusal, compose
from .series import TIP, UPSTREAM, Series

# Folders whose Python is ours, wherever they exist.
OWN_FOLDERS = (compose.OWN.rstrip("/"), "scripts", "tests", "examples", "shim")

_HOSTS = re.compile(r"(?:pypi|pythonhosted|npmjs|anaconda)\.(?:org|com)\b")
_MACHINE = re.compile(r"(?<![\w.~/-])/(?:root|home|Users|work)/\w")
_PINNED = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)(?:\[[\w,-]+\])?==(?P<version>[^\s;#]+)[^#]*\s#\s*\S.*")
_REQUIRES = re.compile(r'"([A-Za-z0-9_.-]+)==([^"\s;]+)"')


def problems(root: Path) -> Iterator[str]:
    """One sentence for each thing that does not hold."""
    paths, series = listed(root), Series(root)
    if series.ref(TIP):  # without it, scripts/bootstrap was not run, and nothing of upstream is here
        theirs = set(series.listed(UPSTREAM))
        for path in sorted(theirs & set(paths)):
            yield f"{path} is upstream's file and would be committed"
        for path in sorted(set(series.listed(TIP)) - theirs - set(paths)):
            yield f"{path} is of the series and would not be committed, because .gitignore has it"
    for path in paths:
        try:
            text = (root / path).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):  # data, a removed file, a link to a folder
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if found := _HOSTS.search(line):
                yield f"{path}:{number} names a package index by its host ({found[0]})"
            if found := _MACHINE.search(line):
                yield f"{path}:{number} holds a path of one machine ({found[0]}…)"
    yield from _pins(root)


def _pins(root: Path) -> Iterator[str]:
    tools: dict[str, str] = {}
    for path in sorted((root / "requirements").glob("*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            if found := _PINNED.fullmatch(line):
                tools[found["name"]] = found["version"]
            else:
                yield f"{path.relative_to(root).as_posix()}:{number} is not a pin with == and a reason behind #"
    requires = dict(_REQUIRES.findall((root / "pyproject.toml").read_text(encoding="utf-8").split("[project]")[0]))
    requires.pop("openai", None)  # the pin itself, which stands nowhere else
    for name, version in requires.items():
        if tools.get(name) != version:
            yield f"{name} is {version} in pyproject.toml, but {tools.get(name, 'missing')} in requirements/"


def listed(root: Path) -> list[str]:
    """The files that are committed or would be with the next `git add`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True)
    except OSError:
        raise Refusal("git is not on the PATH, and only git knows which files are committed.") from None
    if done.returncode:
        raise Refusal(f"git cannot list the files: {done.stderr.decode('utf-8', 'replace').strip()}.")
    return sorted(set(done.stdout.decode("utf-8").split("\0")) - {""})


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="tree", description="Checks the files of this repository.")
    parser.add_argument("--own", action="store_true", help="print the folders whose Python is ours, and stop")
    if parser.parse_args(arguments).own:
        print("\n".join(folder for folder in OWN_FOLDERS if (root / folder).is_dir()))
        return 0
    try:
        found = list(problems(root))
    except Refusal as refusal:
        found = [str(refusal)]
    print("\n".join(found) or "nothing is in the tree that should not be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
