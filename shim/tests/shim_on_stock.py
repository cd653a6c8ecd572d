"""A pytest plugin: the tests of `tests/lib/background`, unchanged, against `openai_background` on a stock `openai`.

    PYTHONPATH=shim/tests python -m pytest -p shim_on_stock tests/lib/background

The tests speak the language of the fork: `client.responses.retrieve(id, raise_on_failure=True)`. Here they are given
clients that translate those words into calls of the shim, and the shim as the module under test. Nothing of the shim or
of `openai` is changed by it. What has no translation fails, and is expected to, with its reason: `CANNOT`. The marks are
strict, so that a test which runs after all, or a reason that is not needed any more, is a failure too.

`--shim-report FILE` writes what was run, as JSON.
"""

from __future__ import annotations

import sys
import json
import logging
import pkgutil
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from fnmatch import fnmatchcase
from pathlib import Path
from functools import cached_property
from importlib import import_module
from collections import Counter
from importlib.metadata import version

import pytest
import openai_background
from openai_background import _side, _openai

import openai
import openai.types.beta
from openai.resources import responses as stable
from openai._constants import RAW_RESPONSE_HEADER


class Cannot(NamedTuple):
    """Tests that cannot hold for the shim."""

    reason: str
    """Why not, and what to write instead; shim/README.md shows it."""

    where: tuple[tuple[str, str, str], ...]
    """For each: a shell pattern for `file.py::test`, the words of which one is among its parameters (none: all of its
    parameters), and a word that must be among them too."""

    before: tuple[int, ...] = ()
    """Only for an `openai` older than this; for every one if empty."""

    run: bool = True
    """False where there is nothing to run, or no end of it; else a test that passes after all is a failure."""


_WRAPPERS = "raw streaming beta_raw beta_streaming"

CANNOT: tuple[Cannot, ...] = (
    Cannot(
        "No raw or streamed response: the functions return what was parsed. "
        "Write `raise_on_failure(raw.parse())`; `error.response` has the HTTP exchange either way.",
        (
            ("test_stream.py::*", _WRAPPERS, ""),
            ("test_stream_pools.py::*", _WRAPPERS, ""),
            ("test_retrieve.py::*", _WRAPPERS, ""),
            ("test_json.py::test_error_of_a_call_*", _WRAPPERS, ""),
            ("test_causes.py::test_retrieve_finds_the_cause", _WRAPPERS, ""),
        ),
    ),
    Cannot(
        "`client.with_options()`, `AzureOpenAI` and `openai.responses` are not changed. "
        "Write `retrieve(client, response_id)` with any of them.",
        (
            ("test_retrieve.py::test_retrieve_by_other_clients_raises", "azure module with_options", ""),
            ("test_retrieve.py::test_retrieve_documents_the_flag", "", ""),
            ("test_status_family.py::test_handler_for_synchronous_calls_catches_a_failed_run", "", ""),
        ),
    ),
    Cannot(
        "The namespace of `openai` is not changed. Import the classes from `openai_background`.",
        (
            ("test_retrieve.py::test_names_are_public", "", ""),
            ("test_retrieve.py::test_retrieve_with_the_flag_loads_no_module_*", "", ""),
            ("test_stream.py::test_stream_errors_are_exported_*", "", ""),
        ),
    ),
    Cannot(
        "A stock client has no `_make_background_error` to call by `super()`; one that a subclass defines is asked.",
        (("test_poll.py::test_poll_asks_the_clients_own_hook_for_the_error", "", ""),),
    ),
    Cannot(
        "`stream` takes a response id and nothing that would create a run.",
        (("test_stream_helper.py::test_helper_of_a_new_run_*", "", ""),),
    ),
    Cannot(
        "What an instrumentation has put around a stream cannot be watched: a `TypeError` says so.",
        (("test_stream_helper.py::test_helper_around_a_stream_of_another_class_still_works", "", ""),),
    ),
    Cannot(
        "An artefact of the translation: `retrieve` is overridden on the instance that asks the shim, so it counts twice.",
        (("test_follow.py::test_follow_through_an_overridden_retrieve_asks_it", "", ""),),
    ),
    Cannot(
        "`inspect.signature(poll)` shows `**options`; type checkers and the docstring know each of them.",
        (("test_poll.py::test_poll_is_called_poll_and_documents_each_argument", "", ""),),
    ),
    Cannot(
        "The command is `python -m openai_background`.",
        (("test_main.py::test_command_in_a_process_of_its_own_prints_the_same", "", ""),),
    ),
    # What older releases do themselves, with the shim or without it.
    Cannot(
        "Older releases have no `client.beta.responses`.",
        (
            ("*", "beta beta.responses BetaResponse", ""),
            ("test_json.py::test_error_of_a_call_*", "", ""),
            ("test_poll.py::test_poll_of_beta_*", "", ""),
        ),
        (2, 46, 0),
        run=False,
    ),
    Cannot(
        "Older releases send an id as it is: one with a slash, say, is asked for in part, and one of dots is not refused.",
        (
            ("test_retrieve.py::test_retrieve_keeps_the_id_in_any_spelling", "", "resp/a b%"),
            ("test_retrieve.py::test_retrieve_keeps_the_id_in_any_spelling", "", "..%2f"),
            ("test_poll.py::test_poll_bad_id_is_refused_before_any_request", ". ..", ""),
        ),
        (2, 40, 0),
    ),
    Cannot(
        "Older releases have no type for a search for tools in the output: it is a dict.",
        (("test_pickling.py::test_pickle_holds_output_and_usage_*", "", ""),),
        (2, 40, 0),
    ),
    Cannot(
        "In httpx an answer refers to itself, so that it goes when Python collects such circles.",
        (("test_poll.py::test_poll_holds_nothing_of_an_answer_while_it_sleeps", "", ""),),
        (3, 0, 0),
    ),
    Cannot(
        "Older releases keep in a stream nothing of its request, so `raise_on_failure(stream)` names the id that the "
        "stream tells. `retrieve(..., stream=True)` names the one that was asked for.",
        (("test_stream_given.py::test_given_stream_names_the_id_that_was_asked_for", "", ""),),
        (2, 40, 0),
    ),
    Cannot(
        "Older releases list fewer codes and reasons in their types than the table has rows.",
        (
            ("test_contract.py::test_contract_documented_values_are_these_rows", "", ""),
            ("test_rows_seen.py::test_contract_seen_values_are_these_rows", "", ""),
        ),
        (3, 20, 0),
    ),
    Cannot(
        "In older releases `cast_to=dict`, without type arguments, raises a `ValueError`.",
        (("test_stream_given.py::test_stream_of_plain_json_is_watched", "dict", ""),),
        (3, 20, 0),
    ),
    Cannot(
        "In older releases whatever a request raises is an `APIConnectionError`, a programming error too; so `poll` "
        "waits it out.",
        (("test_poll_faults.py::test_poll_bug_in_a_hook_is_not_waited_out", "", ""),),
        (3, 20, 0),
    ),
    Cannot(
        "In older releases a stream that breaks raises the HTTP library's own error, and so does "
        "`raise_on_failure(stream)`. `retrieve(..., stream=True)` raises `BackgroundStreamInterruptedError`.",
        (
            ("test_stream.py::test_stream_that_breaks_is_interrupted_by_what_stock_raises", "", ""),
            ("test_stream_given.py::test_created_stream_that_breaks_off_names_the_id_that_it_told", "", ""),
            ("test_stream_property.py::*", "breaks times_out", ""),
        ),
        (3, 20, 0),
    ),
    Cannot(
        "In older releases the SDK's own helper takes an event of another id as it comes, so that it goes on where it "
        "now raises.",
        (
            ("test_stream_helper.py::test_helper_that_chokes_does_not_wait_behind_a_completion", "", ""),
            ("test_stream_helper.py::test_helper_that_chokes_raises_how_*", "failed incomplete cancelled", "other_id"),
            ("test_stream_helper.py::test_helper_that_chokes_raises_what_stock_*", "end", "other_id"),
        ),
        (3, 40, 0),
        run=False,
    ),
)

OPENAI = tuple(int(part) for part in version("openai").split("+")[0].split(".")[:3])


def cannot(nodeid: str, release: tuple[int, ...]) -> Cannot | None:
    """The row for a test, on a release of `openai`; None where it can."""
    path, _, parameters = nodeid.partition("[")
    name = path.rpartition("/")[2]
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


def _with_what_is_newer() -> Any:
    """The tests import what older releases have not: httpx2, and the module of `client.beta.responses`, returned here."""
    if "httpx2" not in sys.modules:  # the HTTP library that `openai` is made for, by the name that the tests know
        sys.modules["httpx2"] = _openai.httpx2
        if hasattr(openai, "_httpx2"):  # which would take it for a second library
            setattr(openai._httpx2, "_loaded_httpx2", lambda: None)  # noqa: B010  (not in newer releases)
    if not hasattr(openai, "OAuthError"):
        setattr(openai, "OAuthError", type("OAuthError", (openai.OpenAIError,), {}))  # noqa: B010
    try:
        return import_module("openai.resources.beta.responses")
    except ModuleNotFoundError:
        absent: Any = ModuleType("openai.resources.beta.responses")
        absent.Responses = absent.AsyncResponses = absent.responses = SimpleNamespace()
        sys.modules[absent.__name__] = absent
        setattr(import_module("openai.resources.beta"), "responses", absent)  # noqa: B010
        for name in ("BetaResponse", "BetaResponseStreamEvent"):
            setattr(openai.types.beta, name, getattr(_openai, name))
        return None


BETA = _with_what_is_newer()
RESOURCES = {
    stock: _translated(stock)
    for module in filter(None, (stable, BETA))
    for stock in (module.Responses, module.AsyncResponses)
}


def _client_class(stock: Any) -> type[Any]:
    class Client(stock):
        @cached_property
        def responses(self) -> Any:
            own: Any = super()
            return RESOURCES[type(own.responses)](self)

        @cached_property
        def beta(self) -> Any:
            own: Any = super()
            found: Any = own.beta
            if BETA is None:
                return found
            vars(found)["responses"] = RESOURCES[type(found.responses)](self)
            return found

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
    if _side.NATIVE:
        raise pytest.UsageError("this openai has the feature itself; there is nothing to translate")
    # The module under test, under the names that the tests import. Some look into its parts, so it is the module that came
    # along; that the shim's own names are the same objects is checked in test_shim.py.
    contract: Any = openai_background._contract
    for part in pkgutil.iter_modules(contract.__path__):
        import_module(f"{contract.__name__}.{part.name}")
    for name, module in [*sys.modules.items()]:
        if name == contract.__name__ or name.startswith(contract.__name__ + "."):
            sys.modules["openai.lib.background" + name.removeprefix(contract.__name__)] = module
    # What it logs, it logs by its name.
    contract._wait.log = logging.getLogger("openai.lib.background._wait")
    setattr(openai.lib, "background", contract)  # noqa: B010  (a module without it, to the type checkers)
    for name in contract.__all__:
        setattr(openai, name, getattr(contract, name))
    import tests.lib.background._support as support

    _give_clients(support)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """The request option is upstream's client, which is stock here."""
    return True if collection_path.name == "test_request_option.py" else None


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--shim-report")
    if path is not None and not hasattr(config, "workerinput"):  # a worker of pytest-xdist knows only its own part
        config.pluginmanager.register(_Report(path))


def pytest_pycollect_makeitem(collector: Any) -> None:
    _give_clients(collector.getparent(pytest.Module).obj)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Some older releases have types that pydantic warns of when a parsed response is dumped.
        item.add_marker(pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"))
        row = cannot(item.nodeid, OPENAI)
        if row is not None:
            item.add_marker(pytest.mark.xfail(reason=row.reason, strict=True, run=row.run))


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
