"""Needs the hooks in the SDK: every class is exported from `openai`."""

from __future__ import annotations

import sys
import subprocess

import pytest

import openai

from ._support import background, errors_module


@pytest.mark.parametrize("name", errors_module.__all__)
def test_class_is_exported_from_openai(name: str) -> None:
    scope: dict[str, object] = {}
    exec(f"from openai import {name}", scope)
    assert scope[name] is getattr(openai, name) is getattr(background, name)


def test_unknown_background_name_is_an_attribute_error() -> None:
    name = "BackgroundNoSuchError"
    with pytest.raises(AttributeError, match=name):
        getattr(openai, name)


def test_exceptions_are_there_without_the_table() -> None:
    # What an `except` clause needs must not load the rest of the module.
    code = "import sys, openai; openai.BackgroundResponseError; print('openai.lib.background._table' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
