"""That the core stands alone, and each follow-up on it: scripts/walk-series --independence.

What a patch is says its message: `Part: core`, `Part: core, to take or leave` (the family), `Part: follow-up`, `Part:
last`; a follow-up that needs others names them, `Needs: streams, poll`, by parts of their file names.

Promises: nothing is edited to make it fit. Each choice is cherry-picked onto the release as it is, in this order: the
core; the core with the family; both with each follow-up, and what that one needs; both with all follow-ups, in the
series' order and in the opposite one as far as the needs allow. The tests that the chosen patches add pass, and the two
orders end in the same tree. A conflict is named with its files.
"""

from __future__ import annotations

from typing import Mapping, Iterable, Sequence

from . import Refusal
from .series import UPSTREAM, Commit, Series
from .workbench import Step, Bench, Pythons, bench

CORE, FAMILY, FOLLOW_UP, LAST = "core", "core, to take or leave", "follow-up", "last"


def run(series: Series, pythons: Pythons, *, quick: bool) -> list[Step]:
    """One step for each choice of patches; `quick` leaves the tests out."""
    commits = series.commits()
    if unknown := [one.name for one in commits if one.trailer("Part") not in (CORE, FAMILY, FOLLOW_UP, LAST)]:
        raise Refusal(f"{', '.join(unknown)}: no Part line in the message that says core, follow-up or last.")
    core, family, follow_ups = (
        [one for one in commits if one.trailer("Part") == part] for part in (CORE, FAMILY, FOLLOW_UP)
    )
    needs = {one: needed(one, follow_ups) for one in follow_ups}
    base = [*core, *family]
    choices = {"core": core}
    if family:
        choices["core and family"] = base
    for one in follow_ups:
        also = f" with {', '.join(other.name for other in needs[one])}" if needs[one] else ""
        choices[f"{one.name}{also}"] = [*base, *needs[one], one]
    both = {"all, in order": follow_ups, "all, in the opposite order": ordered(list(reversed(follow_ups)), needs)}
    steps: list[Step] = []
    trees: dict[str, str] = {}
    with bench(series, pythons) as place:
        for title, chosen in {**choices, **{title: [*base, *order] for title, order in both.items()}}.items():
            step = Step(title)
            if pick(place, step, chosen):
                trees[title] = place.git.ask("rev-parse", "HEAD^{tree}")
                if not quick:
                    place.test(step)
            if title == list(both)[1] and len({trees.get(name) for name in both}) != 1:
                step.wrong["tree"] = f"another one than {list(both)[0]}"
            print(step, flush=True)
            steps.append(step)
    return steps


def needed(commit: Commit, follow_ups: Sequence[Commit]) -> list[Commit]:
    """The follow-ups that one needs, with what they need, in the series' order. Raises Refusal when one is not there."""
    found: set[Commit] = set()
    words = [word.strip() for word in (commit.trailer("Needs") or "").split(",") if word.strip()]
    for word in words:
        those = [one for one in follow_ups if word.lower().replace(" ", "-") in one.name.lower() and one != commit]
        if len(those) != 1 or those[0].number > commit.number:
            raise Refusal(f"{commit.name} needs {word!r}, which is no one follow-up before it.")
        found |= {those[0], *needed(those[0], follow_ups)}
    return [one for one in follow_ups if one in found]


def ordered(wished: Iterable[Commit], needs: Mapping[Commit, Sequence[Commit]]) -> list[Commit]:
    """The wished order, but each after what it needs."""
    done: list[Commit] = []
    left = list(wished)
    while left:
        ready = next(one for one in left if all(other in done for other in needs[one]))
        done.append(ready)
        left.remove(ready)
    return done


def pick(place: Bench, step: Step, commits: Sequence[Commit]) -> bool:
    """Takes the commits onto the release; False, with the conflict named, when one does not fit."""
    git = place.git
    git.must("checkout", "--quiet", "--force", "--detach", UPSTREAM)
    step.notes.append(f"{len(commits)} patches")
    if not commits or not git.run("cherry-pick", *(one.sha for one in commits)).status:
        return True
    names = git.must("diff", "--name-only", "--diff-filter=U", "-z").names
    at = git.run("log", "-1", "--format=%s", "CHERRY_PICK_HEAD").out.decode().strip()
    step.wrong["cherry-pick"] = f"{at!r} does not fit: {', '.join(names) or 'nothing is left of it'}"
    git.must("cherry-pick", "--abort")
    return False
