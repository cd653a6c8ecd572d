"""What has to hold for the files of this repository, apart from code style.

Promises: `problems` names every file that would make the repository less than it says it is: an upstream file that was
committed, a file of our own that would not be, a package index named by host, a path of somebody's machine, a tool that
is not pinned or not explained, or not the same in both places where it has to be written.
"""

from __future__ import annotations

import re
import sys
from typing import Iterator
from pathlib import Path

from . import ROOT, Refusal
from .git import Git
from .series import TIP, UPSTREAM, Series

# What no file may say, as `git grep -E` finds it.
_NOWHERE = {
    "names a package index by its host": r"\b(pypi|pythonhosted|npmjs|anaconda)\.(org|com)\b",
    "holds a path of one machine": r"(^|[^[:alnum:]_.~/-])/(root|home|Users|work)/[[:alnum:]_]",
}
_PINNED = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)(?:\[[\w,-]+\])?==(?P<version>[^\s;#]+)[^#]*\s#\s*\S.*")
_REQUIRES = re.compile(r'"([A-Za-z0-9_.-]+)==([^"\s;]+)"')


def problems(root: Path) -> Iterator[str]:
    """One sentence for each thing that does not hold."""
    paths, series = set(listed(root)), Series(root)
    if series.ref(TIP):  # without it, scripts/bootstrap was not run, and nothing of upstream is here
        theirs, ours = set(series.listed(UPSTREAM)), set(series.listed(TIP))
        for path in sorted(theirs & paths):
            yield f"{path} is upstream's file and would be committed"
        for path in sorted(ours - theirs - paths):
            yield f"{path} is of the series and would not be committed, because .gitignore has it"
    for what, pattern in _NOWHERE.items():
        found = Git.of(root).run("grep", "--untracked", "-InE", pattern).out.decode("utf-8", "replace")
        for line in found.splitlines():
            yield f"{':'.join(line.split(':', 2)[:2])} {what}"
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
    return sorted(set(Git.of(root).must("ls-files", "--cached", "--others", "--exclude-standard", "-z").names))


def main(root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    try:
        found = list(problems(root))
    except Refusal as refusal:
        found = [str(refusal)]
    print("\n".join(found) or "nothing is in the tree that should not be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
