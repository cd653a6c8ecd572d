"""Errors come out of worker processes whole, and leave the pool usable."""

from __future__ import annotations

import pickle
import multiprocessing
from typing import Any, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from ._raising import throw
from ._support import RESPONSE_ID, answer, failed, verdict, background, incomplete, errors_module

# Python 3.12 and later warn of every fork in a process that has threads, as that of a test runner.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

SECONDS = 60  # a pool that hangs is a failure, not a test run that hangs

Submit = Callable[..., Any]


def errors() -> dict[str, Any]:
    """One error of each class, by its name."""
    payloads = (
        failed("no_such_code"),
        failed("invalid_prompt", param="input"),
        failed("invalid_api_key"),
        failed("403"),
        failed("model_not_found"),
        failed(409),
        failed("422"),
        failed("rate_limit_exceeded", "Please try again in 2s.", type="tokens"),
        failed(503),
        incomplete("max_output_tokens"),
        incomplete("content_filter"),
        answer(status="cancelled"),
    )
    made: list[BaseException] = [
        *(verdict(payload) for payload in payloads),
        errors_module.BackgroundPollTimeoutError("Too long.", response_id=RESPONSE_ID, status="queued", polls=3),
        errors_module.BackgroundStreamInterruptedError(response_id=RESPONSE_ID, sequence_number=9),
    ]
    found: dict[str, Any] = {}
    for error in made:
        found[type(error).__name__] = error
    return found


@pytest.fixture(scope="module", params=["spawn", "fork"])
def context(request: pytest.FixtureRequest) -> Any:
    """Each way to start a process."""
    if request.param not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {request.param}")
    method: str = request.param
    return multiprocessing.get_context(method)


@pytest.fixture(scope="module", params=["executor", "pool"])
def submit(request: pytest.FixtureRequest, context: Any) -> Iterator[Submit]:
    """Calls a function in a worker, and gives what it raised; the same pool all along."""
    if request.param == "executor":
        with ProcessPoolExecutor(1, mp_context=context) as executor:

            def ask(function: Callable[..., Any], *arguments: Any) -> BaseException | None:
                return executor.submit(function, *arguments).exception(SECONDS)

            yield ask
        return
    with context.Pool(1) as pool:

        def call(function: Callable[..., Any], *arguments: Any) -> BaseException:
            with pytest.raises(Exception) as caught:
                pool.apply_async(function, arguments).get(SECONDS)
            return caught.value

        yield call


def public(error: BaseException) -> dict[str, Any]:
    return {name: value for name, value in vars(error).items() if name[0] != "_"}


def test_every_class_is_in_these_tests() -> None:
    names: list[str] = list(vars(background)["__all__"])
    assert sorted(errors()) == sorted(name for name in names if name.startswith("Background"))


@pytest.mark.parametrize("name", sorted(errors()))
def test_error_out_of_a_pool_is_the_same_error(submit: Submit, name: str) -> None:
    error = errors()[name]
    back = submit(throw, error)
    assert type(back) is type(error)
    assert (str(back), repr(back), back.args) == (str(error), repr(error), error.args)
    assert public(back) == public(error)


def test_error_raised_in_a_pool_is_of_its_class_and_the_pool_goes_on(submit: Submit) -> None:
    for code in ("rate_limit_exceeded", "server_error", "insufficient_quota"):
        back = submit(background.raise_on_failure, failed(code))
        assert isinstance(back, background.BackgroundResponseError)
        assert (back.code, back.response_id) == (code, RESPONSE_ID)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", sorted(errors()))
def test_error_by_any_protocol_is_the_same_error(name: str, protocol: int) -> None:
    error = errors()[name]
    back = pickle.loads(pickle.dumps(error, protocol))
    assert type(back) is type(error)
    assert (str(back), back.to_dict()) == (str(error), error.to_dict())


def repickled(error: Any, change: Callable[[list[Any], dict[str, Any]], None]) -> Any:
    """An error as another version of this package would have pickled it."""
    rebuild, (lineage, state) = error.__reduce__()
    change(lineage, state)
    return pickle.loads(pickle.dumps(_Reduced(rebuild, (lineage, state))))


class _Reduced:
    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


def test_pickle_of_an_older_version_loads_with_defaults() -> None:
    def forget(_lineage: list[Any], state: dict[str, Any]) -> None:
        for name in ("retryable", "retry_after", "sequence_number", "reason", "_background_response", "request_id"):
            state.pop(name, None)

    back = repickled(verdict(failed("rate_limit_exceeded", "Please try again in 2s.")), forget)
    assert type(back) is background.BackgroundRateLimitError
    assert (back.code, back.retryable, back.retry_after, back.reason) == ("rate_limit_exceeded", False, None, None)
    assert (back.sequence_number, back.request_id, back.background_response) == (None, None, None)


def test_pickle_of_a_newer_version_loads_as_the_nearest_class_with_its_new_fields() -> None:
    def invent(lineage: list[Any], state: dict[str, Any]) -> None:
        lineage.insert(0, (background.BackgroundResponseError.__module__, "BackgroundBurstLimitError"))
        lineage.insert(1, ("a_module_of_the_future", "BackgroundBurstLimitError"))
        state["burst"] = 3

    back = repickled(verdict(failed("rate_limit_exceeded")), invent)
    assert type(back) is background.BackgroundRateLimitError
    assert (back.code, vars(back)["burst"]) == ("rate_limit_exceeded", 3)


def test_pickle_of_nothing_known_is_still_an_error_of_the_sdk() -> None:
    def rename(lineage: list[Any], _state: dict[str, Any]) -> None:
        lineage[:] = [("a_module_of_the_future", "Gone"), ("os", "system")]

    back = repickled(verdict(failed("server_error", "It broke.")), rename)
    assert isinstance(back, Exception)
    assert "It broke." in str(back)
