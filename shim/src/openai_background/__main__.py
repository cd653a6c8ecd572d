"""`python -m openai_background`: what this is, then the contract, by the command of the side that is in force."""

from __future__ import annotations

import sys
from runpy import run_module

import openai

from ._side import NATIVE, contract

if __name__ == "__main__":
    does = "steps aside for" if NATIVE else "does the work on the stock"
    # Not to stdout, where `--json` is for programs.
    print(f"openai-background {does} openai {openai.__version__}", file=sys.stderr)  # noqa: T201
    run_module(contract.__name__, run_name="__main__", alter_sys=True)
