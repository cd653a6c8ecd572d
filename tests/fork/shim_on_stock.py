"""A pytest plugin: the tests of `tests/lib/background`, unchanged, against `openai_background` on a stock `openai`.

    python -m pytest -p tests.fork.shim_on_stock tests/lib/background

The tests speak the language of the fork: `client.responses.retrieve(id, raise_on_failure=True)`. Here they are given
clients that translate those words into calls of the shim, and the shim as the module under test. Nothing of the shim or
of `openai` is changed by it. What has no translation fails, and is expected to, with its reason: `CANNOT`. The marks are
strict, so that a test which runs after all, or a reason that is not needed any more, is a failure too.

`--shim-report FILE` writes what was run, as JSON.
"""

from __future__ import annotations

import sys
import json
from types import SimpleNamespace
from typing import Any, NamedTuple
from fnmatch import fnmatchcase
from pathlib import Path
from functools import cached_property
from collections import Counter
from importlib.metadata import version

import pytest
import openai_background

import openai
from openai._constants import RAW_RESPONSE_HEADER
from openai.resources.responses import Responses, AsyncResponses


class Cannot(NamedTuple):
    """Tests that cannot hold for the shim."""

    reason: str
    """Why not, and what to write instead; shim/README.md shows it."""

    where: tuple[tuple[str, str, str], ...]
    """For each: a shell pattern for `file.py::test`, the words of which one is among its parameters (none: all of its
    parameters), and a word that must be among them too."""

    before: tuple[int, ...] = ()
    """Only for an `openai` older than this; for every one if empty."""


_ROUTES = "test_hooks_routes.py::"
_WITH_FLAG = (_ROUTES + "test_route_with_the_flag_raises_*", _ROUTES + "test_azure_client_with_the_flag_raises")
_RETURNS = _ROUTES + "test_route_with_the_flag_returns_what_has_not_failed"
_SAME_BYTES = _ROUTES + "test_route_with_the_flag_sends_the_same_bytes"
_STREAMS = "test_stream*.py::*"
_WRAPPERS = "with_raw_response with_streaming_response"

CANNOT: tuple[Cannot, ...] = (
    Cannot(
        "No raw or streamed response: the functions return what was parsed. "
        "Write `raise_on_failure(raw.parse())`; `error.response` has the HTTP exchange either way.",
        (
            *((name, "raw streaming", "") for name in (*_WITH_FLAG, _RETURNS, _SAME_BYTES, _STREAMS)),
            (_ROUTES + "test_parse_to_another_type_with_the_flag_raises", "", ""),
            (_ROUTES + "test_parse_to_another_type_without_a_reason_returns_it", "", "completed"),
            (_ROUTES + "test_parse_a_second_time_with_the_flag_raises_again", "", ""),
            (_ROUTES + "test_wrapper_with_the_flag_and_without_parse_shows_the_answer", "", ""),
            ("test_hooks_transports.py::test_aiohttp_over_a_socket_with_the_flag_raises", "", ""),
            ("test_hooks_transports.py::test_legacy_*_with_the_flag_raises", "", ""),
        ),
    ),
    Cannot(
        "`client.beta.responses` is not covered. Write `raise_on_failure(client.beta.responses.retrieve(...))`.",
        (
            *((name, "beta beta_raw beta_streaming", "") for name in (*_WITH_FLAG, _RETURNS, _SAME_BYTES, _STREAMS)),
            (_ROUTES + "test_route_without_the_flag_returns_the_failure", "beta beta_raw beta_streaming", "false"),
        ),
    ),
    Cannot(
        "`client.get()` takes no such option. Write `raise_on_failure(client.get(...))`.",
        tuple((name, "low_level low_level_dict", "") for name in _WITH_FLAG),
    ),
    Cannot(
        "`retrieve` asks by `with_raw_response`, so one header more is sent: `X-Stainless-Raw-Response: true`. "
        "Method, URL, body and the other headers are the same.",
        ((_SAME_BYTES, "plain copied", ""),),
    ),
    Cannot(
        "`openai.responses` is not changed. Write `retrieve(openai, response_id)`.",
        ((_ROUTES + "test_module_client_with_the_flag_raises", "", ""),),
    ),
    Cannot(
        "The namespace of `openai` is not changed. Import the classes from `openai_background`.",
        (
            ("test_hooks_exports.py::test_class_is_exported_from_openai", "", ""),
            ("test_hooks_exports.py::test_exceptions_are_there_without_the_table", "", ""),
        ),
    ),
    Cannot(
        "A stock client has no `_make_background_error` to call by `super()`; one that a subclass defines is asked.",
        (("test_hooks_client.py::test_overridden_hook_*", "", ""),),
    ),
    Cannot(
        "`stream` takes a response id and nothing that would create a run, so there is nothing to refuse.",
        (("test_stream_final.py::test_stream_manager_for_a_new_response_refuses_the_flag", "", ""),),
    ),
    Cannot(
        "`inspect.signature(poll)` shows `**options`; type checkers and the docstring know each of them.",
        (
            (
                "test_poll.py::test_poll_is_documented_with_each_argument",
                "poll_interval_ms max_wait_seconds on_poll",
                "",
            ),
        ),
    ),
    # What old releases do themselves, with the shim or without it.
    Cannot(
        "In 3.0: its types list fewer codes and reasons than the table has rows.",
        (("test_contract.py::test_documented_rows_are_the_values_of_the_type", "", ""),),
        (3, 20, 0),
    ),
    Cannot(
        "In 3.0: `cast_to=dict` and `parse(to=dict)`, without type arguments, raise a `ValueError`.",
        (
            (_ROUTES + "test_route_*", "low_level_dict", ""),
            (_ROUTES + "test_parse_to_another_type_without_a_reason_returns_it", "dict", "failed"),
        ),
        (3, 20, 0),
    ),
    Cannot(
        "In 3.0: whatever a request raises is an `APIConnectionError`, a programming error too; so `poll` waits it out.",
        (("test_poll_faults.py::test_poll_error_that_is_no_fault_of_the_network_is_not_waited_out", "", ""),),
        (3, 20, 0),
    ),
    Cannot(
        "In 3.0: a stream without `raise_on_failure` that breaks raises the transport's own error.",
        (("test_stream_interrupted.py::test_stream_without_the_flag_ends_and_breaks_as_ever", "", ""),),
        (3, 20, 0),
    ),
    Cannot(
        "In 3.0: an `AsyncStream` has `close()` and no `aclose()`.",
        (("test_stream_cleanup.py::test_stream_closed_by_hand_is_finished", "async", "aclose"),),
        (3, 20, 0),
    ),
)

ENDLESS = ("tests/lib/background/test_stream_cleanup.py::test_stream_whose_task_is_cancelled_is_closed",)
"""Of those, the tests that are not even tried: they wait for a stream, which never begins where there is no route."""

OPENAI = tuple(int(part) for part in version("openai").split("+")[0].split(".")[:3])


def cannot(nodeid: str, release: tuple[int, ...]) -> Cannot | None:
    """The row for a test, on a release of `openai`; None where it can."""
    name, _, parameters = nodeid.rpartition("/")[2].partition("[")
    words = {*parameters.rstrip("]").split("-")}
    for row in CANNOT:
        if not row.before or release < row.before:
            for pattern, one_of, also in row.where:
                if fnmatchcase(name, pattern) and (not one_of or words & {*one_of.split()}):
                    if not also or also in words:
                        return row
    return None


def _no_route(extra_headers: Any) -> None:
    if extra_headers and RAW_RESPONSE_HEADER in extra_headers:
        raise TypeError("the shim has no raw or streamed response: its functions return what was parsed")


shim: Any = openai_background


def _client(resource: Any) -> Any:
    """The shim takes anything that has the resource where a client has it."""
    return SimpleNamespace(responses=resource)


def _translated(resource_class: type[Any]) -> type[Any]:
    """A resource class that knows the fork's words."""

    class Translated(resource_class):
        def retrieve(self, response_id: str, *, raise_on_failure: bool = False, **options: Any) -> Any:
            if not raise_on_failure:
                own: Any = super()
                return own.retrieve(response_id, **options)
            _no_route(options.get("extra_headers"))
            return shim.retrieve(_client(self), response_id, **options)

        def poll(self, response_id: str, *, raise_on_failure: bool = False, **options: Any) -> Any:
            return shim.poll(_client(self), response_id, raise_on_failure=raise_on_failure, **options)

        def stream(self, *, raise_on_failure: bool = False, **options: Any) -> Any:
            if not raise_on_failure:
                own: Any = super()
                return own.stream(**options)
            return shim.stream(_client(self), options.pop("response_id"), **options)

    Translated.poll.__doc__ = shim.poll.__doc__  # which a test reads
    return Translated


_Sync = _translated(Responses)
_Async = _translated(AsyncResponses)


def _client_class(stock: type[Any]) -> type[Any]:
    make = _Async if openai.AsyncOpenAI in stock.__mro__ else _Sync

    class Client(stock):
        @cached_property
        def responses(self) -> Any:
            return make(self)

    Client.__name__ = Client.__qualname__ = stock.__name__
    return Client


CLIENTS = {
    name: (getattr(openai, name), _client_class(getattr(openai, name)))
    for name in ("OpenAI", "AsyncOpenAI", "AzureOpenAI", "AsyncAzureOpenAI")
}


def _give_clients(module: Any) -> None:
    for name, (stock, translated) in CLIENTS.items():
        if getattr(module, name, None) is stock:
            setattr(module, name, translated)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shim-report", type=Path)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Before any of the tests' own modules."""
    if not openai_background.BackgroundResponseError.__module__.startswith("openai_background."):
        raise pytest.UsageError("this openai has the feature itself; there is nothing to translate")
    # The module under test, under the name that `_support` imports. Some tests look into its parts, so it is the module
    # that came along; that the shim's own names are the same objects is checked in test_shim.py.
    sys.modules["openai.lib.background"] = openai_background._contract
    import tests.lib.background._support as support

    support.HAS_HOOKS = True
    _give_clients(support)


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--shim-report")
    if path is not None and not hasattr(config, "workerinput"):  # a worker of pytest-xdist knows only its own part
        config.pluginmanager.register(_Report(path))


def pytest_pycollect_makeitem(collector: Any) -> None:
    _give_clients(collector.getparent(pytest.Module).obj)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        row = cannot(item.nodeid, OPENAI)
        if row is not None:
            run = item.nodeid.partition("[")[0] not in ENDLESS
            item.add_marker(pytest.mark.xfail(reason=row.reason, strict=True, run=run))


class _Report:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            reason: str | None = getattr(report, "wasxfail", None)
            if reason is None and report.skipped and isinstance(report.longrepr, tuple):
                reason = report.longrepr[2]  # a test that says itself that it needs the fork
            if reason is None:
                self.counts[report.outcome] += 1
            else:
                for prefix in ("reason: ", "[NOTRUN] ", "Skipped: "):
                    reason = reason.removeprefix(prefix)
                self.reasons[reason] += 1
                self.counts["cannot"] += 1

    def pytest_sessionfinish(self) -> None:
        self.path.write_text(json.dumps({"counts": self.counts, "reasons": self.reasons}), encoding="utf-8")
