"""Many background runs, a bounded number at a time, with a progress bar and a table of endings.

    python background_fanout.py runs.jsonl --runs 200 --at-once 20

Ctrl-C leaves the ids in the file; the same command takes them up again and creates only what was not created. With
`--cancel` Ctrl-C cancels what was created and has not ended, each run once. A second Ctrl-C stops at once.

Needs `rich`, and a POSIX system for Ctrl-C. Run it against the API, or against a test server that reads from the metadata
how a run shall end.
"""

from __future__ import annotations

import json
import signal
import argparse
from typing import Any, Iterator
from pathlib import Path
from functools import partial
from collections import Counter

import anyio
from rich.table import Table
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn, MofNCompleteColumn

import openai

SCENARIOS = ("completed", "completed", "rate_limit_exceeded", "invalid_prompt", "max_output_tokens")
CREATING, REFUSED, RUNNING, ENDED = "creating", "refused", "running", "ended"

client = openai.AsyncOpenAI()


def request(job: int) -> dict[str, Any]:
    """What the run of a job is asked; here a test server is told how it ends."""
    scenario = SCENARIOS[job % len(SCENARIOS)]
    return {"model": "gpt-5.6", "input": f"Name harbour number {job}.", "metadata": {"scenario": scenario}}


class Journal:
    """How far each job is: one line for each step, written before the next one. The last line of a job counts.

    A create is noted before it is sent. If there is no more than that, nobody knows whether there is a run, and none is
    created a second time.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "a+", encoding="utf-8")
        self._file.seek(0)
        self.jobs: dict[int, dict[str, Any]] = {}
        for line in self._file:
            noted = json.loads(line)
            self.jobs[noted["job"]] = noted

    def note(self, job: int, step: str, **more: Any) -> None:
        self.jobs[job] = {"job": job, "step": step, **more}
        print(json.dumps(self.jobs[job]), file=self._file, flush=True)

    def at(self, job: int, *steps: str | None) -> bool:
        return self.jobs.get(job, {}).get("step") in steps


async def create(journal: Journal, job: int) -> None:
    with anyio.CancelScope(shield=True):  # a run that is on its way has its id noted, whatever happens meanwhile
        journal.note(job, CREATING)
        try:
            # Not sent again by the client: a lost answer would start a second run.
            run = await client.with_options(max_retries=0).responses.create(**request(job), background=True)
        except openai.APIStatusError as error:
            if error.status_code < 500:  # there is no run, so the next start may try again
                journal.note(job, REFUSED)
            raise
        journal.note(job, RUNNING, id=run.id)


async def wait_for(journal: Journal, job: int) -> None:
    response_id: str = journal.jobs[job]["id"]
    ending, retryable = "completed", False
    try:
        await client.responses.poll(response_id, raise_on_failure=True, max_wait_seconds=3600)
    except openai.BackgroundResponseError as error:
        ending, retryable = type(error).__name__, error.retryable
    journal.note(job, ENDED, id=response_id, ending=ending, retryable=retryable)


async def work(journal: Journal, jobs: Iterator[int], progress: Progress) -> None:
    for job in jobs:
        try:
            if journal.at(job, None, REFUSED):
                await create(journal, job)
            if journal.at(job, RUNNING):
                await wait_for(journal, job)
        except openai.OpenAIError as error:  # of the create or of the poll; the journal says how far it got
            progress.console.print(f"job {job}: {type(error).__name__}: {error}")
        progress.advance(progress.task_ids[0])


async def cancel(journal: Journal, job: int) -> None:
    response_id: str = journal.jobs[job]["id"]
    try:
        run = await client.with_options(max_retries=0).responses.cancel(response_id)
    except openai.OpenAIError:
        return  # it stays in the journal as running, so the next start takes it up
    journal.note(job, ENDED, id=response_id, ending=f"{run.status}, after Ctrl-C", retryable=False)


async def run_all(journal: Journal, jobs: list[int], *, at_once: int, cancel_abandoned: bool) -> None:
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        progress.add_task("runs", total=len(jobs))
        remaining = iter(jobs)
        async with anyio.create_task_group() as watching:
            async with anyio.create_task_group() as tasks:
                watching.start_soon(stop_at_interrupt, tasks.cancel_scope)
                for _ in range(at_once):
                    tasks.start_soon(work, journal, remaining, progress)
            watching.cancel_scope.cancel()
    if cancel_abandoned and tasks.cancel_scope.cancel_called:
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as cancelling:
                for job in jobs:
                    if journal.at(job, RUNNING):
                        cancelling.start_soon(cancel, journal, job)


async def stop_at_interrupt(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
            return


def endings(journal: Journal) -> Table:
    table = Table("ending", "runs", "worth a new run")
    counted = Counter((one.get("ending", one["step"]), one.get("retryable", False)) for one in journal.jobs.values())
    for (ending, retryable), runs in sorted(counted.items()):
        table.add_row(ending, str(runs), "yes" if retryable else "")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("journal", type=Path, help="where the ids are kept")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--cancel", action="store_true", help="cancel what Ctrl-C abandons")
    options = parser.parse_args()
    journal = Journal(options.journal)
    jobs = [job for job in range(options.runs) if not journal.at(job, ENDED)]
    anyio.run(partial(run_all, journal, jobs, at_once=options.at_once, cancel_abandoned=options.cancel))
    Console().print(endings(journal))
    open_ones = [job for job in range(options.runs) if not journal.at(job, ENDED)]
    if open_ones:
        raise SystemExit(f"{len(open_ones)} not ended: the same command goes on")


if __name__ == "__main__":
    main()
