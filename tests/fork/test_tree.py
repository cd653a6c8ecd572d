"""What may not be in the repository is found, and what may be is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from forktools import tree
from tests.fork.support import Fork


@pytest.fixture
def repository(patched: Fork) -> Fork:
    subprocess.run(["git", "init", "--quiet"], cwd=patched.root, check=True)
    patched.write(".gitignore", "/.upstream/\n/.series.git/\n/helpers.md\n/api.md\n/src/openai/*\n!/src/openai/lib/\n")
    patched.edit("pyproject.toml", "requires = [", 'requires = ["hatchling==1.0", ')
    patched.write("requirements/dev.txt", "# Tools\n\nhatchling==1.0  # the back end\n")
    return patched


def test_problems_clean_repository_has_none(repository: Fork) -> None:
    repository.write("README.md", "See https://example.org/work/it and ~/work/it, and /tmp/scratch.\n")
    assert list(tree.problems(repository.root)) == []


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        (
            ".gitignore",
            "/.*\n/helpers.md\n/api.md\n/src/openai/[_m-z]*\n",
            "client.py is upstream's file and would be committed",
        ),
        (
            ".gitignore",
            "/.*\n/helpers.md\n/api.md\n/src/openai/*\n",
            "errors.py is of the series and would not be committed",
        ),
        ("README.md", "from " + "pypi" + ".org", "README.md:1 names a package index by its host"),
        ("a.txt", "\nfiles." + "pythonhosted" + ".org", "a.txt:2 names a package index by its host"),
        ("a.txt", "see '/" + "root/x'", "a.txt:1 holds a path of one machine"),
        ("a.txt", "/" + "home/me/it", "a.txt:1 holds a path of one machine"),
        ("a.txt", "in /" + "work/it", "a.txt:1 holds a path of one machine"),
        ("requirements/dev.txt", "hatchling==1.0  # r\nruff>=1  # lint\n", "requirements/dev.txt:2 is not a pin"),
        ("requirements/dev.txt", "hatchling==1.0  # r\nruff==1\n", "requirements/dev.txt:2 is not a pin"),
        ("requirements/dev.txt", "hatchling==2.0  # r\n", "hatchling is 1.0 in pyproject.toml, but 2.0"),
        ("requirements/dev.txt", "", "hatchling is 1.0 in pyproject.toml, but missing"),
    ],
)
def test_problems_one_fault_is_named(
    repository: Fork, path: str, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write(path, text)
    capsys.readouterr()
    assert tree.main(repository.root) == 1
    said = capsys.readouterr().out
    assert says in said and said.count("\n") == 1


def test_main_outside_a_repository_fails_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tree.main(tmp_path) == 1
    assert capsys.readouterr().out.startswith("git ls-files failed: fatal: not a git repository")
