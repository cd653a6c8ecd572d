"""series.toml is complete and consistent, or it is refused and the fault is named."""

from __future__ import annotations

import re

import pytest

from forktools import ROOT, Refusal, series
from tests.fork.support import OWN, CLIENT, MODELS, Fork

# What upstream's generator rewrites, by the list that its source distribution carries.
GENERATED = re.compile(
    r"src/openai/(__init__|_client|_data_residency|_module_client|_multipart)\.py|src/openai/(types|resources)/.*"
)


def test_load_gives_version_and_patches_in_order(fork: Fork) -> None:
    fork.series(("errors", [OWN]), ("hooks", [CLIENT]))
    plan = fork.load()
    assert plan.version == "1.2.0+background.7"
    assert [patch.file_name for patch in plan.patches] == ["0001-errors.patch", "0002-hooks.patch"]
    assert plan.patches[0].message.startswith("Why errors.\n\nBug: ")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('upstream = "1.2.0"', "", "upstream in patches/series.toml is missing or is not a str"),
        ("revision = 7", 'revision = "7"', "revision in patches/series.toml is missing or is not a int"),
        ("revision = 7", "revision = true", "revision in patches/series.toml is missing"),
        ("revision = 7", "revision = 7\nrevisoin = 8", "has a key that means nothing: revisoin"),
        ('email = "a@localhost"', "", "email in patches/series.toml \\[author\\] is missing"),
        ('slug = "errors"', 'slug = "Errors!"', "the slug 'Errors!' of patch 1 .* is not lower-case words"),
        ('slug = "hooks"', 'slug = "errors"', "two patches .* have the slug errors"),
        ('subject = "feat: errors"', 'subject = "Errors"', "the subject of errors is not a conventional commit"),
        ('subject = "feat: errors"', f'subject = "feat: {"x" * 70}"', "the subject of errors is not a conventional"),
        ("Why errors.", "---", "a line in the message of errors starts with '---'"),
        ("Why errors.", "diff -u", "a line in the message of errors starts with 'diff '"),
        ("Why errors.\n\nBug: none", "Why errors.", "the message of errors has no Bug line"),
        (f'paths = ["{OWN}"]', "paths = []", "errors in patches/series.toml lists no paths"),
        (f'paths = ["{OWN}"]', "paths = [1]", "paths of patch 1 .* has to be a list of strings"),
        ("[author]", "[author", "is no valid TOML"),
    ],
)
def test_load_with_a_fault_refuses_and_names_it(fork: Fork, old: str, new: str, says: str) -> None:
    fork.series(("errors", [OWN]), ("hooks", [CLIENT]))
    fork.edit(series.FILE, old, new)
    with pytest.raises(Refusal, match=says):
        fork.load()


def test_load_without_file_refuses(fork: Fork) -> None:
    (fork.root / series.FILE).unlink()
    with pytest.raises(Refusal, match="patches/series.toml is missing"):
        fork.load()


def test_assign_each_path_to_its_one_patch(fork: Fork) -> None:
    fork.series(("errors", ["src/openai/lib/background/*"]), ("hooks", [CLIENT]))
    assigned = series.assign(fork.load(), [OWN, CLIENT, "src/openai/lib/background/deep/er.py"])
    assert {path: patch.slug for path, patch in assigned.items()} == {
        OWN: "errors",
        CLIENT: "hooks",
        "src/openai/lib/background/deep/er.py": "errors",
    }


def test_assign_path_of_no_patch_refuses_and_names_it(fork: Fork) -> None:
    fork.series(("hooks", [CLIENT]))
    with pytest.raises(Refusal, match=f"{MODELS} is changed and belongs to no patch"):
        series.assign(fork.load(), [CLIENT, MODELS])


def test_assign_path_of_two_patches_refuses_and_names_them(fork: Fork) -> None:
    fork.series(("errors", [OWN]), ("all", ["src/openai/*"]))
    with pytest.raises(Refusal, match=f"{OWN} belongs to errors and to all"):
        series.assign(fork.load(), [OWN])


def test_assign_listed_path_that_is_unchanged_refuses_and_names_it(fork: Fork) -> None:
    fork.series(("hooks", [CLIENT, MODELS]))
    with pytest.raises(Refusal, match=f"{MODELS}, listed in hooks, is not changed"):
        series.assign(fork.load(), [CLIENT])


def test_assign_names_every_fault_at_once(fork: Fork) -> None:
    fork.series(("hooks", [CLIENT]))
    with pytest.raises(Refusal, match=f"{OWN} is changed.*{MODELS} is changed.*{CLIENT}, listed in hooks"):
        series.assign(fork.load(), [MODELS, OWN])


def generated_or_not(plan: series.Series, patch: series.Patch) -> list[bool]:
    """For each of upstream's files in a patch, whether the generator would rewrite it."""
    return [bool(GENERATED.fullmatch(path)) for path in patch.paths if not plan.is_own(path)]


def test_series_of_this_repository_keeps_generated_files_apart() -> None:
    plan = series.load(ROOT)
    for patch in plan.patches:
        assert len(set(generated_or_not(plan, patch))) <= 1, f"{patch.slug} mixes generated files with handwritten ones"


def test_series_of_this_repository_has_handwritten_files_before_generated_ones() -> None:
    plan = series.load(ROOT)
    # The last patch stands for itself: it mends what upstream has anyway, and could be taken or left.
    order = [generated for patch in plan.patches[:-1] for generated in generated_or_not(plan, patch)]
    assert order == sorted(order)
