"""The tree in the module's docstring is the classes, and `__all__` is complete."""

from __future__ import annotations

import re
import inspect
import builtins

import pytest

import openai

from ._support import background, errors_module

_LINE = re.compile(r"^ {4}(?P<rail>[│├└─ ]*)(?P<name>[A-Z]\w+Error)\b(?P<rest>.*)$", re.MULTILINE)
_ALSO = re.compile(r"also an? (\w+Error)\b")

OWN = {
    name: value
    for name, value in vars(errors_module).items()
    if inspect.isclass(value) and value.__module__ == errors_module.__name__ and not name.startswith("_")
}


def documented_bases() -> dict[str, list[str]]:
    """The public bases of every class of the tree, the branch first."""
    tree: dict[str, list[str]] = {}
    branch: list[tuple[int, str]] = []
    for line in _LINE.finditer(errors_module.__doc__ or ""):
        depth, name = len(line["rail"]), line["name"]
        branch = [(at, parent) for at, parent in branch if at < depth]
        assert name not in tree, f"{name} stands in the tree twice"
        tree[name] = [parent for _, parent in branch[-1:]] + _ALSO.findall(line["rest"])
        branch.append((depth, name))
    return tree


def test_tree_and_module_have_the_same_own_classes() -> None:
    assert {name for name in documented_bases() if name.startswith("Background")} == OWN.keys()


@pytest.mark.parametrize("name", sorted(OWN))
def test_class_has_the_bases_of_the_tree(name: str) -> None:
    public = [base.__name__ for base in OWN[name].__bases__ if not base.__name__.startswith("_")]
    assert public == documented_bases()[name]


def test_stock_classes_of_the_tree_are_where_it_says() -> None:
    for name, bases in documented_bases().items():
        if not name.startswith("Background"):
            for base in bases:
                assert issubclass(getattr(openai, name), getattr(openai, base))


def test_root_of_the_tree_is_the_only_one() -> None:
    assert [name for name, bases in documented_bases().items() if not bases] == ["OpenAIError"]


def test_all_is_complete_and_sorted() -> None:
    assert errors_module.__all__ == sorted(OWN)


def test_package_exports_every_class_and_name_in_all() -> None:
    names = set(vars(background)["__all__"])
    assert OWN.keys() | {"CONTRACT", "CONTRACT_VERSION", "Rule", "lookup", "raise_on_failure"} <= names
    for name in names:
        assert hasattr(background, name)
        assert name in dir(background)


def test_package_without_a_name_is_an_attribute_error() -> None:
    name = "no_such_name"
    with pytest.raises(AttributeError, match=name):
        getattr(background, name)


@pytest.mark.parametrize("name", sorted(OWN))
def test_docstring_says_when_the_class_is_raised(name: str) -> None:
    assert (OWN[name].__doc__ or "").startswith("Raised when ")


@pytest.mark.parametrize("name", sorted(OWN))
def test_class_shadows_no_builtin(name: str) -> None:
    assert not hasattr(builtins, name)
