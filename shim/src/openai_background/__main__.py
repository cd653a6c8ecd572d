"""`python -m openai_background`: the contract in a terminal, by the command of the side that is in force."""

from __future__ import annotations

from runpy import run_module

from ._side import contract

if __name__ == "__main__":
    run_module(contract.__name__, run_name="__main__", alter_sys=True)
