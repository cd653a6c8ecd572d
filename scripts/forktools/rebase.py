"""scripts/rebase: the series onto another release of upstream, and what stands around it.

Promises: git rebases in .upstream/work (see `work`), and until everything has passed, the repository and every edit in it
are as they were to the byte; then pin, patches, sums, NOTICE, licence and tree are the new release's together. The tests
that travel are run on the new release's sdist with the series on it. The list at the end names what is done and what a
person still has to do.
"""

from __future__ import annotations

import re
import sys
import argparse
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from . import ROOT, Refusal, lay, pin, walk, work, refresh
from .git import Git
from .series import TIP, WRITTEN, UPSTREAM, Series, alone

# What a build downloads, with the hashes of all of it; see SECURITY.md.
CONSTRAINTS = "requirements/constraints/build.txt"


def begin(series: Series, version: str) -> None:
    """Starts git's rebase in the linked work tree. Raises Refusal when something is in no patch, or when it stops."""
    if version == pin.load(series.root).upstream:
        raise Refusal(f"the series is made for {version} already.")
    if lines := refresh.check(series):
        raise Refusal("; ".join(lines) + ". Run scripts/refresh first, so that the patches are the tree.")
    onto = series.base(version)
    work.begin(series, series.link(work.FOLDER, series.tip()), onto)


def finish(series: Series) -> list[str]:
    """Everything from the rebased commits to the repository on the new release; returns the list for the person."""
    carried = work.result(series)
    if carried is None:
        raise Refusal("the rebase was given up, or its work tree is gone; scripts/rebase --abort forgets it.")
    old, new = pin.load(series.root), pin.Pin(series.version(work.ONTO), 1)
    upstream = pin.cached(series.root, new.upstream)
    before, after = series.commits(), series.commits(work.ONTO, carried)
    done = [
        f"openai {new.upstream} fetched, {len(upstream.files)} files checked against its RECORD",
        f"{len(after)} patches rebased from {old.upstream} to {new.upstream}",
    ]
    if gone := {
        commit.subject: commit.name for commit in before if commit.subject not in {one.subject for one in after}
    }:
        done.append(f"no longer there, because the release has it or the rebase dropped it: {', '.join(gone.values())}")
    with walk.bench(series, base=work.ONTO) as place:
        place.git.must("checkout", "--quiet", "--detach", carried)
        if not place.run(f"the tests that travel, on openai {new.upstream}", place.tests()):
            raise Refusal(
                f"tests fail. Mend the commits in {pin.CACHE}/{work.FOLDER} (git commit --fixup, git rebase --autosquash), "
                "then scripts/rebase --continue; or scripts/rebase --abort. The repository is as it was."
            )
    done.append("the tests that travel pass on it")
    install(series, new, carried, upstream)
    done.append("pin, LICENSE, patches, SHA256SUMS, NOTICE and constraints rewritten, the tree is laid")
    table, within_limits = refresh.budget(series)
    left = [] if within_limits else [f"fewer lines in upstream's files:\n{table}"]
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
    root, old, onto = series.root, series.tip(), series.git.ask("rev-parse", work.ONTO)
    project = (root / pin.PYPROJECT).read_text(encoding="utf-8")
    files = refresh.changes(series, new, onto, carried)
    files[pin.PYPROJECT] = new.written(project, pin.sum_of(upstream.rows)).encode()
    files["LICENSE"] = upstream.licence
    if (root / CONSTRAINTS).is_file():
        files[CONSTRAINTS] = constraints((root / CONSTRAINTS).read_text(encoding="utf-8"), new).encode()
    kept = {path: refresh.read(root / path) for path in files}
    try:
        lay.move(series, old, carried)
        refresh.put(root, files)
        series.point({UPSTREAM: onto, TIP: carried, WRITTEN: carried})
    except BaseException:
        refresh.put(root, kept)
        lay.move(series, carried, old)
        raise


def constraints(before: str, new: pin.Pin) -> str:
    """The constraints of a build with the new release and what it requires, resolved and hashed by uv. All that still
    fits stays as it was. Raises Refusal when uv cannot."""
    lines = before.splitlines(keepends=True)
    back_end = next((line.split()[0] for line in lines if line.startswith("hatchling==")), "hatchling")
    with TemporaryDirectory() as folder:
        file = Path(folder, "build.txt")
        file.write_text(before, encoding="utf-8")  # uv prefers what is there
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "-", "--output-file", str(file)]
        form = ["--universal", "--python-version=3.10", "--generate-hashes", "--no-header", "--no-annotate"]
        wanted = f"{back_end}\n{pin.PACKAGE}=={new.upstream}"
        done = subprocess.run([*uv, *form], input=wanted, capture_output=True, text=True)
        if done.returncode:
            raise Refusal(f"uv cannot compile {CONSTRAINTS}: {done.stderr.strip()}")
        return "".join(line for line in lines if line.startswith("#")) + file.read_text(encoding="utf-8")


def mentions(root: Path, version: str) -> list[str]:
    """Where a version is still written, as path:line; the patches themselves and the change log may."""
    where = ("--", ".", ":!patches/0*", ":!CHANGELOG.md")
    word = rf"(^|[^0-9.]){re.escape(version)}([^0-9.]|\.[^0-9]|\.?$)"
    done = Git.of(root).run("grep", "--untracked", "-InE", word, *where)
    return [":".join(line.split(":", 2)[:2]) for line in done.out.decode("utf-8", "replace").splitlines()]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
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
            under_way = work.under_way(series) == work.REBASE
            if under_way != (options.go_on or options.abort):
                how = "a rebase is under way; --continue goes on with it, --abort forgets it."
                raise Refusal(how if under_way else "no rebase is under way.")
            if options.version:
                begin(series, options.version)
            lines = ["the rebase is forgotten"] if options.abort else finish(series)
            work.forget(series)
    except Refusal as refusal:
        print(f"rebase: {refusal}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
