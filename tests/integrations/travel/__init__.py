"""What becomes of an error on each way out of a process: one program, run with the stock SDK and with the fork.

    python -m tests.integrations.travel stock

It prints JSON, `{class: {way: Cell}}`. `_page` makes docs/travel.md of it, `test_travel_table.py` holds it to account.
Nothing here imports `openai.lib.background` unless the background family is asked for, which stock does not have.
"""
