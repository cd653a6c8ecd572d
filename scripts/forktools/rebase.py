"""scripts/rebase: the series onto another release of upstream, and what stands around it.

    rebase VERSION    git rebase --onto that release, in .upstream/work; then pin, patches, sums, NOTICE and licence
    rebase --continue go on after a stop
    rebase --abort    forget it

Promises: until everything has passed, the repository and every edit in it are as they were to the byte; then pin,
patches, licence and tree are the new release's together. A conflict is mended in the linked work tree with git's own
commands. The tests that travel are run on the new release's sdist with the series on it. The list at the end names what
is done and what a person still has to do.
"""

from __future__ import annotations

import re
import sys
import argparse
import subprocess
from typing import Mapping, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from . import ROOT, Refusal, lay, pin, sdist, budget, refresh, recorded, variables_without
from .git import Git
from .series import TIP, FROM, ONTO, WRITTEN, UPSTREAM, Series, alone

# Far more than the tests take; a series that does not fit may wait for ever.
LONGEST_SECONDS = 1800
# What a build downloads, with the hashes of all of it; see SECURITY.md.
CONSTRAINTS = "requirements/constraints/build.txt"
_HELP = "mend it there, then scripts/rebase --continue; or scripts/rebase --abort. The repository is as it was."

# Runs the tests `paths` in a folder with the sdist and the series on it, and returns test to outcome.
RunTests = Callable[[Path, list[str]], Mapping[str, str]]


def begin(series: Series, version: str) -> Git:
    """Starts git's rebase in the linked work tree. Raises Refusal when something is in no patch, or when it stops."""
    if version == pin.load(series.root).upstream:
        raise Refusal(f"the series is made for {version} already.")
    if lines := refresh.check(series):
        raise Refusal("; ".join(lines) + ". Run scripts/refresh first, so that the patches are the tree.")
    refs = {ONTO: series.base(version), FROM: series.tip()}
    git = series.link(refresh.WORK, refs[FROM])
    series.point(refs)
    done = git.run("rebase", "--quiet", "--onto", refs[ONTO], UPSTREAM)
    if done.status:
        raise Refusal(f"{refresh.stopped(git)}\n{_HELP}")
    return git


def resume(series: Series) -> Git:
    """The linked work tree of a rebase that has got to its end. Raises Refusal when there is none, or it has not."""
    git = series.linked_at(refresh.WORK)
    if git is None:
        raise Refusal("the work tree of the rebase is gone; scripts/rebase --abort, then begin anew.")
    if refresh.in_progress(git):
        raise Refusal(f"{refresh.stopped(git)}\n{_HELP}")
    if git.run("merge-base", "--is-ancestor", ONTO, "HEAD").status:
        raise Refusal(f"the rebase was given up in {git.folder}; scripts/rebase --abort forgets it.")
    return git


def abort(series: Series) -> None:
    """Forgets a rebase that is under way."""
    for name in (ONTO, FROM):
        series.git.must("update-ref", "-d", name)
    series.unlink(refresh.WORK)


def finish(series: Series, git: Git, run_tests: RunTests) -> list[str]:
    """Everything from the rebased commits to the repository on the new release; returns the list for the person."""
    old, tip = pin.load(series.root), series.ref(FROM) or ""
    if series.tip() != tip:
        raise Refusal("the series has moved since the rebase began; scripts/rebase --abort, then begin anew.")
    new = pin.Pin(series.version(ONTO), 1)
    carried = series.normal(ONTO, git.ask("rev-parse", "HEAD"))
    upstream = pin.cached(series.root, new.upstream)
    done = [f"openai {new.upstream} fetched, {len(upstream.files)} files checked against its RECORD"]
    before, after = series.commits(), series.commits(ONTO, carried)
    done.append(f"{len(after)} patches rebased from {old.upstream} to {new.upstream}")
    subjects = {commit.subject for commit in after}
    if gone := [commit.name for commit in before if commit.subject not in subjects]:
        done.append(f"no longer there, because the release has it or the rebase dropped it: {', '.join(gone)}")
    done.append(_tested(series, new, carried, run_tests))
    install(series, new, carried, upstream)
    done.append("pin, LICENSE, patches, SHA256SUMS, NOTICE and constraints rewritten, the tree is laid")
    left = [] if budget.within(series) else [f"fewer lines in upstream's files:\n{budget.table(series)}"]
    if where := mentions(series.root, old.upstream):
        left.append(f"{old.upstream} is still written in {', '.join(where)}")
    left += [
        "an entry in CHANGELOG.md",
        "./scripts/lint && ./scripts/test --all",
        "./scripts/walk-series && ./scripts/test-upstream && ./scripts/test-upstream --lint",
        "git diff, git commit, and a tag",
    ]
    return [*(f"[x] {line}" for line in done), *(f"[ ] {line}" for line in left)]


def install(series: Series, new: pin.Pin, carried: str, upstream: pin.Upstream) -> None:
    """Makes the repository the new release's. When it does not get to its end, everything is put back."""
    root, old = series.root, series.ref(FROM) or ""
    project = (root / pin.PYPROJECT).read_text(encoding="utf-8")
    record = pin.cached_record(root, new.upstream)
    files = refresh.projected(series, new, ONTO, carried)
    files |= {pin.PYPROJECT: new.written(project, record).encode(), "LICENSE": upstream.licence}
    if (root / CONSTRAINTS).is_file():
        files[CONSTRAINTS] = constraints((root / CONSTRAINTS).read_text(encoding="utf-8"), new).encode()
    refresh.prove(files, upstream)
    paths = {*files, *(f"patches/{name}" for name in series.patches())}
    kept = {path: (root / path).read_bytes() if (root / path).is_file() else None for path in paths}
    try:
        lay.move(series, old, carried)
        refresh.put(root, {path: files.get(path) for path in paths})
        series.point({UPSTREAM: series.ref(ONTO) or "", TIP: carried, WRITTEN: carried})
    except BaseException:
        refresh.put(root, kept)
        lay.move(series, carried, old)
        raise


def constraints(before: str, new: pin.Pin) -> str:
    """The constraints of a build with the new release and what it requires. All that still fits stays as it was."""
    lines = before.splitlines(keepends=True)
    head = [line for line in lines if line.startswith("#")]
    back_end = next((line.split()[0] for line in lines if line.startswith("hatchling==")), "hatchling")
    return "".join(head) + compiled([back_end, f"{pin.PACKAGE}=={new.upstream}"], before)


def compiled(requires: list[str], before: str) -> str:
    """What these packages require, resolved and hashed by uv, which prefers what `before` has. Raises Refusal."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "build.txt")
        file.write_text(before, encoding="utf-8")
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "-", "--output-file", str(file)]
        form = ["--universal", "--python-version=3.10", "--generate-hashes", "--no-header", "--no-annotate"]
        done = subprocess.run([*uv, *form], input="\n".join(requires), capture_output=True, text=True)
        if done.returncode:
            raise Refusal(f"uv cannot compile {CONSTRAINTS}: {done.stderr.strip()}")
        return file.read_text(encoding="utf-8")


def _tested(series: Series, new: pin.Pin, carried: str, run_tests: RunTests) -> str:
    tests = [path for path in series.paths(ONTO, carried, "tests", only="A") if Path(path).name.startswith("test_")]
    with TemporaryDirectory(prefix="openai-fork-") as name:
        folder = Path(name, "tree")
        sdist.unpack(series.root, new.upstream, folder)
        for path, content in series.contents(carried, series.paths(ONTO, carried, only="AM")).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        outcomes = run_tests(folder, tests)
    bad = sorted(test for test, outcome in outcomes.items() if outcome in ("failed", "error"))
    if bad:
        names = "\n".join(f"  {test}" for test in bad[:20]) + (f"\n  and {len(bad) - 20} more" if bad[20:] else "")
        raise Refusal(
            f"tests fail on openai {new.upstream}:\n{names}\nThe commits are in {series.root / pin.CACHE / refresh.WORK} "
            f"(git commit --fixup, git rebase --autosquash); {_HELP}"
        )
    if tests and not outcomes:
        raise Refusal("no test of the series was run, so it is not known whether it fits.")
    return f"{sum(outcome == 'passed' for outcome in outcomes.values())} tests pass on openai {new.upstream}"


def pytest_there(folder: Path, tests: list[str]) -> Mapping[str, str]:
    """Runs tests in `folder` with the tools of this environment."""
    return recorded.run(
        Path(sys.executable),
        folder,
        ["-n", "2", "-p", "no:cacheprovider", *tests],
        variables={**variables_without("OPENAI_", "PYTEST_"), "PYTHONDONTWRITEBYTECODE": "1"},
        target=folder.parent / "outcomes.json",
        # Before the editable install of the repository, which is the old release.
        import_from=[folder / "src"],
        timeout=LONGEST_SECONDS,
    )


def mentions(root: Path, version: str) -> list[str]:
    """Where a version is still written, as path:line; the patches themselves and the change log may."""
    where = ("--", ".", ":!patches/0*", ":!CHANGELOG.md")
    word = rf"(^|[^0-9.]){re.escape(version)}([^0-9.]|\.[^0-9]|\.?$)"
    done = Git.of(root).run("grep", "--untracked", "-InE", word, *where)
    return [":".join(line.split(":", 2)[:2]) for line in done.out.decode("utf-8", "replace").splitlines()]


def main(arguments: list[str] | None = None, root: Path = ROOT, run_tests: RunTests = pytest_there) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/rebase", description="The series onto another release of upstream.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("version", nargs="?", metavar="VERSION", help="the release, e.g. 3.58.0")
    what.add_argument("--continue", action="store_true", dest="go_on", help="go on after a stop")
    what.add_argument("--abort", action="store_true", help="forget a rebase that stopped")
    options = parser.parse_args(arguments)
    series = Series(root)
    try:
        series.tip()
        with alone(root):
            under_way = series.ref(ONTO) is not None
            if options.abort:
                abort(series)
                print("the rebase is forgotten" if under_way else "no rebase is under way")
                return 0
            if options.go_on != under_way:
                raise Refusal(
                    "a rebase is under way; --continue goes on with it, --abort forgets it."
                    if under_way
                    else "no rebase is under way."
                )
            lines = finish(series, resume(series) if options.go_on else begin(series, options.version), run_tests)
            abort(series)
    except Refusal as refusal:
        print(f"rebase: {refusal}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
