"""The ways that need no server: pickle, with tblib and without, copy, JSON, and the three kinds of process pool.

Promises: each function takes the name of an error and returns a `Cell`; none of them hangs, whatever the pool does.
"""

from __future__ import annotations

import copy
import json
import pickle
import copyreg
import threading
import multiprocessing
from typing import Any, Callable, Generator, NamedTuple
from functools import cache
from contextlib import suppress, contextmanager
from concurrent.futures import TimeoutError as FutureTimeout, ProcessPoolExecutor
from multiprocessing.reduction import ForkingPickler
from concurrent.futures.process import BrokenProcessPool

from ._facts import NOT_IN_JSON, facts, losses
from ._subjects import make, scan, throw

WHOLE = "whole"
PATIENCE = 180.0  # seconds for a process to start and answer on a busy machine


class Cell(NamedTuple):
    """What arrived, and what was in the bytes that should not have been."""

    outcome: str
    leaks: list[str]


@cache
def _sent(name: str) -> dict[str, Any]:
    return facts(make(name))


def judged(name: str, arrived: BaseException, leaks: list[str], *, apart_from: frozenset[str] = frozenset()) -> Cell:
    """The cell for an error that arrived as `arrived`; `apart_from` are the facts that the way does not promise."""
    sent = _sent(name)
    received = facts(arrived)
    if sent["class"] != received["class"]:
        return Cell(f"becomes {type(arrived).__name__}", leaks)
    lost = [fact for fact in losses(sent, received) if fact not in apart_from]
    return Cell(f"without {', '.join(lost)}" if lost else WHOLE, leaks)


def pickled(name: str) -> Cell:
    """Every protocol; they have to agree."""
    cells: list[Cell] = []
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        error = make(name)
        try:
            data = pickle.dumps(error, protocol)
        except Exception as problem:
            cells.append(Cell(f"cannot be saved: {type(problem).__name__}", []))
            continue
        try:
            cells.append(judged(name, pickle.loads(data), scan(data)))
        except Exception as problem:
            cells.append(Cell(f"cannot be loaded: {type(problem).__name__}", scan(data)))
    if all(cell.outcome.startswith("cannot") for cell in cells):
        return cells[-1]  # protocols 0 and 1 may fail sooner
    if any(cell != cells[0] for cell in cells):
        return Cell(" / ".join(f"{number}: {cell.outcome}" for number, cell in enumerate(cells)), cells[-1].leaks)
    return cells[0]


def with_tblib(name: str) -> Cell:
    """As tblib pickles an error and what it came from, tracebacks included. Installed for this error alone."""
    from tblib import pickling_support

    error = make(name)
    before = facts(error), {**vars(error)}, error.__cause__, error.__context__, error.__traceback__
    registered = {**copyreg.dispatch_table}
    try:
        pickling_support.install(error)
        data = pickle.dumps(error)
        arrived: BaseException = pickle.loads(data)
    except Exception as problem:
        return Cell(f"fails: {type(problem).__name__}", [])
    finally:
        copyreg.dispatch_table.clear()
        copyreg.dispatch_table.update(registered)
    if before != (facts(error), vars(error), error.__cause__, error.__context__, error.__traceback__):
        return Cell("changes the live error", scan(data))
    assert arrived.__traceback__ is not None
    return judged(name, arrived, scan(data))


def _copied(copier: Callable[[Any], Any]) -> Callable[[str], Cell]:
    def way(name: str) -> Cell:
        try:
            return judged(name, copier(make(name)), [])
        except Exception as problem:
            return Cell(f"fails: {type(problem).__name__}", [])

    return way


def through_json(name: str) -> Cell:
    """`to_dict()` in one process, `from_dict()` in another that has nothing but the JSON."""
    error: Any = make(name)
    if not hasattr(error, "to_dict"):
        return Cell("", [])
    text = json.dumps(error.to_dict(), allow_nan=False)
    arrived = type(error).from_dict(json.loads(text))
    return judged(name, arrived, scan(text.encode()), apart_from=NOT_IN_JSON)


@contextmanager
def _wiretap() -> Generator[bytearray]:
    """Every byte that a worker of `multiprocessing` sends to this process."""
    heard = bytearray()
    original: Any = ForkingPickler.loads

    def loads(data: Any, /, *rest: Any, **options: Any) -> Any:
        heard.extend(bytes(data))
        return original(data, *rest, **options)

    ForkingPickler.loads = staticmethod(loads)  # type: ignore[assignment,method-assign]
    try:
        yield heard
    finally:
        ForkingPickler.loads = original


class _Executors:
    """One executor for all errors, and a new one after each error that has broken it."""

    def __init__(self, method: str) -> None:
        self._context = multiprocessing.get_context(method)
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, name: str) -> Cell:
        with _wiretap() as heard:
            self._pool = self._pool or ProcessPoolExecutor(1, mp_context=self._context)
            future = self._pool.submit(throw, name)
            try:
                arrived = future.exception(timeout=PATIENCE)
            except FutureTimeout:
                arrived = None
        if isinstance(arrived, BrokenProcessPool) or arrived is None:
            self.close()
            return Cell("breaks the pool" if arrived else "never arrives", scan(heard))
        return judged(name, arrived, scan(heard))

    def close(self) -> None:
        """Ends the workers."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


class _Pools:
    """One `multiprocessing.Pool` for all errors, and a new one after each that has made it hang."""

    def __init__(self, method: str) -> None:
        self._context = multiprocessing.get_context(method)
        self._pool: Any = None

    def __call__(self, name: str) -> Cell:
        dead = threading.Event()
        previous = threading.excepthook
        # The thread that reads results dies of an error that it cannot load. From then on nothing arrives any more:
        # the pool hangs, which is certain without having to wait for it.
        threading.excepthook = lambda _details: dead.set()
        try:
            with _wiretap() as heard:
                self._pool = self._pool or self._context.Pool(1)
                done = threading.Event()
                result = self._pool.apply_async(throw, (name,), error_callback=lambda _error: done.set())
                for _ in range(int(PATIENCE / 0.05)):
                    if dead.is_set() or done.wait(0.05):
                        break
                if done.wait(0.5 if dead.is_set() else 0):
                    arrived = self._error(result)
                else:
                    self.close()
                    return Cell("hangs the pool", scan(heard))
            return judged(name, arrived, scan(heard))
        finally:
            threading.excepthook = previous

    def close(self) -> None:
        """Ends the workers."""
        if self._pool is not None:
            workers = list(self._pool._pool)
            with suppress(AssertionError):  # of a pool whose thread has died
                self._pool.terminate()
            for worker in workers:
                worker.kill()
                worker.join()
            self._pool = None

    @staticmethod
    def _error(result: Any) -> BaseException:
        try:
            result.get(0)
        except Exception as error:
            return error
        raise AssertionError("Expected an error but received a result")


def through_joblib(name: str) -> Cell:
    """`Parallel`, whose workers are loky's; it starts new ones after an error that has broken them."""
    from joblib import Parallel, delayed

    with _wiretap() as heard:
        try:
            Parallel(n_jobs=2, timeout=PATIENCE)([delayed(throw)(name)])
        except Exception as error:
            arrived = error
        else:
            raise AssertionError("Expected an error but received a result")
    if isinstance(arrived, BrokenProcessPool):
        return Cell("breaks the pool", scan(heard))
    return judged(name, arrived, scan(heard))


def measure(names: list[str]) -> dict[str, dict[str, Cell]]:
    """Every local way for every error: `{name: {way: cell}}`."""
    pools: dict[str, Any] = {
        "ProcessPoolExecutor, spawn": _Executors("spawn"),
        "ProcessPoolExecutor, fork": _Executors("fork"),
        "multiprocessing.Pool, spawn": _Pools("spawn"),
        "multiprocessing.Pool, fork": _Pools("fork"),
    }
    ways: dict[str, Callable[[str], Cell]] = {
        "pickle": pickled,
        "tblib": with_tblib,
        "copy": _copied(copy.copy),
        "deepcopy": _copied(copy.deepcopy),
        "JSON": through_json,
        **pools,
        "joblib": through_joblib,
    }
    try:
        return {name: {way: call(name) for way, call in ways.items()} for name in names}
    finally:
        for pool in pools.values():
            pool.close()
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)
