"""The ways that need a library: Celery with a real broker and worker, Dask with a real cluster of processes.

Promises: the worker, the cluster and whatever they started have ended when `measure` returns. The bytes that are
looked through are those that Redis holds and those that Dask's client receives. The libraries are imported when their
turn comes: Dask changes how every exception of the process is pickled.
"""

from __future__ import annotations

from typing import Any

from ._local import PATIENCE, Cell, judged
from .._support import celery_worker
from ._subjects import scan, throw


def measure(names: list[str], redis_url: str | None) -> dict[str, dict[str, Cell]]:
    """Every way for every error: `{name: {way: cell}}`."""
    cells: dict[str, dict[str, Cell]] = {name: {} for name in names}
    if redis_url is not None:
        for name, more in _celery(names, redis_url).items():
            cells[name].update(more)
    for name, cell in _dask(names).items():
        cells[name]["Dask"] = cell
    return cells


def _celery(names: list[str], url: str) -> dict[str, dict[str, Cell]]:
    import redis

    from ._celery import application

    store = redis.Redis(unix_socket_path=url.partition("://")[2])
    cells: dict[str, dict[str, Cell]] = {name: {} for name in names}
    for serializer in ("pickle", "json"):
        app = application(url, serializer)
        worker = celery_worker(f"{__package__}._celery", CELERY_URL=url, CELERY_RESULTS=serializer)
        with worker as log:
            for name in names:
                result: Any = app.send_task("throw", [name])
                arrived = result.get(timeout=PATIENCE, propagate=False)
                stored: Any = store.get(f"celery-task-meta-{result.id}")
                cells[name][f"Celery, {serializer}"] = judged(name, arrived, scan(stored))
            found = scan(log.read_bytes())
        assert not found, f"the worker's log holds the {', '.join(found)}"
    store.close()
    return cells


def _dask(names: list[str]) -> dict[str, Cell]:
    from distributed import Client, LocalCluster, protocol

    heard = bytearray()
    original = protocol.pickle.loads

    def loads(data: Any, *rest: Any, **options: Any) -> Any:
        heard.extend(bytes(data))
        return original(data, *rest, **options)

    cells: dict[str, Cell] = {}
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        for name in names:
            heard.clear()
            protocol.pickle.loads = loads
            try:
                arrived: Any = client.submit(throw, name, pure=False).exception(timeout=PATIENCE)
            finally:
                protocol.pickle.loads = original
            cells[name] = judged(name, arrived, scan(heard))
    return cells
