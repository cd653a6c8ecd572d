"""The command behind scripts/rebase: the whole repository, carried to another release of upstream.

    rebase VERSION    carry it
    rebase --continue go on after a stop
    rebase --abort    forget it

Promises: until everything has passed, the repository is as it was to the byte; then pin, build requirement, licence,
patches, sums, NOTICE and the laid tree are the new release's together. A stop leaves its work in .upstream/rebase/ and
says what to do there. The list at the end names what is done and what a person still has to do.
"""

from __future__ import annotations

import sys
import json
import shutil
import argparse
from typing import Any, Mapping, Callable
from pathlib import Path
from dataclasses import field, asdict, dataclass

from . import ROOT, Refusal, pin, carry, series, refresh, recorded, transplant, variables_without
from .scratch import Scratch

FOLDER = "rebase"
DRIFT = "tests/lib/background/test_contract.py"
TESTS = "tests/lib/background"
# Far more than the tests take; a series that does not fit may wait for ever.
LONGEST_SECONDS = 1800
_HELP = "mend it there and run scripts/rebase --continue, or scripts/rebase --abort to forget it"


@dataclass
class State:
    """What a stopped rebase has to know: the two versions, the repository's fingerprint, and how far it is."""

    old: str
    new: str
    began: dict[str, str]
    progress: carry.Progress = field(default_factory=carry.Progress)
    built: bool = False


# Runs the tests of the candidate and returns test to outcome.
RunTests = Callable[[Path], Mapping[str, str]]


class Rebase:
    """One rebase of the repository at `root`."""

    def __init__(self, root: Path, state: State, run_tests: RunTests) -> None:
        self.root = root
        self.state = state
        self.run_tests = run_tests
        self.home = home(root)
        self.candidate = self.home / "candidate"
        self.plan = series.load(root)
        self.scratch = Scratch(self.home / "tree", self.plan.author)
        self.done: list[str] = []
        self.left: list[str] = []

    def begin(self) -> None:
        """Fetches the release and puts both into the scratch repository."""
        old, new = (pin.cached(self.root, version) for version in (self.state.old, self.state.new))
        carry.prepare(self.scratch, self.plan.patches, self.root / "patches", old.files, new.files)

    def go(self) -> None:
        """Everything from the first patch that is not carried yet to the installed result."""
        new = pin.cached(self.root, self.state.new)
        self.done.append(f"openai {new.version} fetched, {len(new.files)} files checked against its RECORD")
        if not self.state.built:
            self._carry()
            transplant.build(self.root, self.candidate, new, carry.results(self.scratch), self.plan)
            self.state.built = True
            save(self.root, self.state)
        self._say_carried()
        written, outcome = transplant.write_series(self.candidate, new)
        self._say_written(written, outcome)
        self._check(new)
        changed = transplant.install(self.root, self.candidate, new, self.state.began)
        self.done.append(f"installed: {len(changed)} files of the repository changed, the tree is laid")
        self._say_left(changed)

    def _carry(self) -> None:
        try:
            carry.carry(self.scratch, self.plan.patches, self.root / "patches", self.state.progress)
        except carry.Stopped as stopped:
            save(self.root, self.state)
            raise Refusal(f"{stopped}\nThe files are in {self.scratch.folder}; {_HELP}.") from None
        save(self.root, self.state)

    def _check(self, new: pin.Upstream) -> None:
        found = pin.find(new.version, [self.root / pin.CACHE / new.version])
        if lines := transplant.unmet(self.candidate, found):
            raise Refusal(f"openai {new.version} {'; '.join(lines)}. Raise the pin in requirements/dev.txt first.")
        outcomes_ = self.run_tests(self.candidate)
        bad = sorted(test for test, outcome in outcomes_.items() if outcome in ("failed", "error"))
        drift = [test for test in bad if test.startswith(DRIFT)]
        if bad:
            what = "the contract has drifted from the SDK's types" if drift else "tests fail"
            names = "\n".join(f"  {test}" for test in bad[:20]) + (f"\n  and {len(bad) - 20} more" if bad[20:] else "")
            raise Refusal(f"{what}:\n{names}\nThe new repository is in {self.candidate}; {_HELP}.")
        if not any(test.startswith(DRIFT) for test in outcomes_):
            raise Refusal(f"{DRIFT} has no test, so it is not known whether the contract has drifted.")
        passed = sum(outcome == "passed" for outcome in outcomes_.values())
        self.done.append(f"{passed} tests pass on openai {new.version}")
        self.done.append("the contract has a row for every code and reason in the SDK's types, and no other")

    def _say_carried(self) -> None:
        progress = self.state.progress
        self.done.append(f"{len(progress.done)} patches carried from {self.state.old} to {self.state.new}")
        for title, names in (("merged three-way", progress.merged), ("mended by hand", progress.by_hand)):
            if names:
                self.done.append(f"{title}: {', '.join(names)}")

    def _say_written(self, written: list[str], outcome: refresh.Outcome) -> None:
        table, within = refresh.budget(outcome)
        if not within:
            raise Refusal(f"the carried series changes more of upstream's lines than it may:\n{table}")
        patches = sum(line.startswith("patches/0") for line in written)
        self.done.append(f"pin, build requirement and LICENSE rewritten; {patches} patches, SHA256SUMS and NOTICE too")

    def _say_left(self, changed: list[str]) -> None:
        paths = sorted({*self.state.began, *changed})
        if where := transplant.mentions(self.root, paths, self.state.old):
            self.left.append(f"{self.state.old} is still written in {', '.join(where)}")
        self.left.append("an entry in CHANGELOG.md")
        self.left.append("./scripts/lint && ./scripts/test --all")
        self.left.append("./scripts/walk-series && ./scripts/test-upstream && ./scripts/test-upstream --lint")
        self.left.append("git diff, git commit, and a tag")


def pytest_candidate(candidate: Path) -> Mapping[str, str]:
    """Runs the tests that travel, in the candidate, with the tools of this environment."""
    try:
        return recorded.run(
            Path(sys.executable),
            candidate,
            ["-n", "2", "-p", "no:cacheprovider", TESTS],
            variables=variables_without("OPENAI_", "PYTEST_"),
            target=candidate.parent / "outcomes.json",
            # Before the editable install of the repository, which is the old release.
            import_from=[candidate / "src", candidate / "scripts"],
            log=candidate.parent / "pytest.log",
            timeout=LONGEST_SECONDS,
        )
    except Refusal as refusal:
        raise Refusal(f"{refusal} Look there, {_HELP}.") from None


def home(root: Path) -> Path:
    """Where a rebase works."""
    return root / pin.CACHE / FOLDER


def save(root: Path, state: State) -> None:
    """Keeps the state for --continue."""
    (home(root) / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")


def load(root: Path) -> State | None:
    """The state of the rebase that is under way, if one is."""
    try:
        data: dict[str, Any] = json.loads((home(root) / "state.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    progress = carry.Progress(**data.pop("progress"))
    return State(**data, progress=progress)


def start(root: Path, version: str, run_tests: RunTests) -> Rebase:
    """A new rebase. Raises Refusal when there is nothing to carry, or something that is in no patch."""
    plan = series.load(root)
    if version == plan.upstream:
        raise Refusal(f"the series is made for {version} already.")
    unrecorded = refresh.differences(root, refresh.project(root, plan, pin.cached(root, plan.upstream)))
    if unrecorded:
        raise Refusal(f"{'; '.join(unrecorded)}. Run scripts/refresh first, so that the patches are the tree.")
    shutil.rmtree(home(root), ignore_errors=True)
    home(root).mkdir(parents=True)
    rebase = Rebase(root, State(plan.upstream, version, transplant.fingerprint(root)), run_tests)
    try:
        rebase.begin()
    except BaseException:
        shutil.rmtree(home(root), ignore_errors=True)
        raise
    save(root, rebase.state)
    return rebase


def resume(root: Path, state: State, run_tests: RunTests) -> Rebase:
    """The rebase that is under way, after a person has mended what stopped it."""
    rebase = Rebase(root, state, run_tests)
    if not state.built and len(state.progress.done) < len(rebase.plan.patches):
        if (rebase.scratch.folder / ".git" / "rebase-apply").is_dir():
            carry.resume(rebase.scratch, rebase.plan.patches, state.progress)
            save(root, state)
    return rebase


def main(arguments: list[str] | None = None, root: Path = ROOT, run_tests: RunTests = pytest_candidate) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/rebase", description="Carries the fork to another upstream release.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("version", nargs="?", metavar="VERSION", help="the release, e.g. 3.55.0")
    what.add_argument("--continue", action="store_true", dest="go_on", help="go on after a stop")
    what.add_argument("--abort", action="store_true", help="forget a rebase that stopped")
    options = parser.parse_args(arguments)
    try:
        state = load(root)
        if options.abort:
            shutil.rmtree(home(root), ignore_errors=True)
            print(f"the rebase to {state.new} is forgotten" if state else "no rebase is under way")
            return 0
        if options.go_on:
            if state is None:
                raise Refusal("no rebase is under way.")
            rebase = resume(root, state, run_tests)
        elif state is not None:
            raise Refusal(f"a rebase to {state.new} is under way; --continue goes on with it, --abort forgets it.")
        else:
            rebase = start(root, options.version, run_tests)
        rebase.go()
    except Refusal as refusal:
        print(f"rebase: {refusal}", file=sys.stderr)
        return 1
    shutil.rmtree(home(root))
    print("\n".join([*(f"[x] {line}" for line in rebase.done), *(f"[ ] {line}" for line in rebase.left)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
