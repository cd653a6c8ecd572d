"""API errors are copied and pickled as Python does it, where Python fails as well, and without the HTTP exchange."""

from __future__ import annotations

import sys
import copy
import pickle
import random
import copyreg
import datetime
import threading
import dataclasses
import multiprocessing
from typing import Any, Callable, ClassVar, Iterator, SupportsIndex, cast
from decimal import Decimal
from functools import partial
from collections import OrderedDict
from concurrent.futures import ProcessPoolExecutor

import httpx2
import pytest

import openai
from openai import OpenAI, APIError, OpenAIError, RateLimitError, APITimeoutError, APIConnectionError

SECRETS = (b"sk-planted", b"planted-cookie", b"planted-query", b"planted-prompt", b"planted-password")
STATUSES = {
    "APIStatusError": 418,
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
    "InternalServerError": 503,
}
REFUSAL = {"error": {"message": "No.", "code": "some_code", "param": "some_param", "type": "some_type"}}
PICKLES: dict[str, Callable[[Any], Any]] = {
    f"pickle-{protocol}": lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}
COPIES: dict[str, Callable[[Any], Any]] = {"copy": copy.copy, "deepcopy": copy.deepcopy}
FORMS = {**PICKLES, **COPIES}


def raised(handler: Callable[[httpx2.Request], httpx2.Response], library: Any = httpx2, **options: Any) -> Any:
    """What a client raises that was given everything which must not travel."""
    transport = library.MockTransport(handler)
    with OpenAI(
        api_key="sk-planted",
        base_url="https://api.test/v1",
        default_query={"signature": "planted-query"},
        http_client=library.Client(transport=transport, cookies={"session": "planted-cookie"}),
        max_retries=0,
        **options,
    ) as client:
        with pytest.raises(APIError) as caught:
            client.responses.create(model="some-model", input="planted-prompt", instructions="planted-prompt")
    return caught.value


def answering(status: int, body: Any, library: Any = httpx2) -> Callable[[Any], Any]:
    headers = {"x-request-id": "req_1", "retry-after": "7", "set-cookie": "session=planted-cookie"}
    return lambda request: library.Response(status, headers=headers, json=body, request=request)


def failing(error: type[httpx2.RequestError]) -> Callable[[httpx2.Request], httpx2.Response]:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise error("It did not answer.", request=request)

    return handle


def exchange(status: int = 401) -> httpx2.Response:
    request = httpx2.Request(
        "POST",
        "https://user:planted-password@api.test/token?code=planted-query#planted-query",
        headers={"authorization": "Bearer sk-planted", "cookie": "planted-cookie"},
        json={"token": "sk-planted", "input": "planted-prompt"},
    )
    return answering(status, {"echo": "planted-prompt"})(request)


MAKERS: dict[str, Callable[[], Any]] = {
    **{name: lambda status=status: raised(answering(status, REFUSAL)) for name, status in STATUSES.items()},
    "APIConnectionError": lambda: raised(failing(httpx2.ConnectError)),
    "APITimeoutError": lambda: raised(failing(httpx2.ReadTimeout)),
    "APIResponseValidationError": lambda: raised(answering(200, {"id": []}), _strict_response_validation=True),
    "APIError": lambda: APIError("It broke.", exchange().request, body={"code": "some_code"}),
    "OAuthError": lambda: openai.OAuthError(response=exchange(), body={"error": "invalid_grant"}),
}


def attributes(error: Any) -> dict[str, Any]:
    return error.__dict__


def secrets_in(data: bytes) -> list[bytes]:
    return [secret for secret in SECRETS if secret in data]


def test_every_api_error_of_the_sdk_is_in_these_tests() -> None:
    def family(cls: type[Exception]) -> Iterator[type[Exception]]:
        yield cls
        for subclass in cls.__subclasses__():
            yield from family(subclass)

    assert {cls.__name__ for cls in family(APIError) if cls.__module__ == "openai"} >= set(MAKERS)
    assert {cls.__name__ for cls in family(APIError) if cls.__module__ == "openai._exceptions"} <= set(MAKERS)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MAKERS)
def test_api_error_that_is_copied_or_pickled_is_the_same_error(name: str, form: str) -> None:
    error = MAKERS[name]()
    again = FORMS[form](error)
    assert type(again) is type(error) and type(again).__name__ == name
    assert (str(again), repr(again), again.args) == (str(error), repr(error), error.args)
    assert set(attributes(again)) == set(attributes(error))
    for fact in ("message", "body", "code", "param", "type", "status_code", "request_id", "error"):
        assert getattr(again, fact, None) == getattr(error, fact, None), fact


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", MAKERS)
def test_pickle_holds_nothing_secret(name: str, protocol: int) -> None:
    assert secrets_in(pickle.dumps(MAKERS[name](), protocol)) == []


def test_pickle_keeps_what_helps_to_retry() -> None:
    again = pickle.loads(pickle.dumps(MAKERS["RateLimitError"]()))
    assert again.response.status_code == 429
    assert {**again.response.headers, "date": ""} == {"x-request-id": "req_1", "retry-after": "7", "date": ""}
    assert (again.request.method, str(again.request.url)) == ("POST", "https://api.test/v1/responses")
    assert again.response.request is again.request


@pytest.mark.parametrize("form", PICKLES)
def test_pickle_from_a_client_of_the_legacy_library_holds_nothing_secret(form: str) -> None:
    httpx: Any = pytest.importorskip("httpx")
    refused = raised(answering(429, REFUSAL, httpx), httpx)
    unconnected = raised(failing(httpx.ConnectError), httpx)
    unconnected.__cause__ = None  # holds the request, and is pickled by nobody but tblib
    for error in (refused, unconnected):
        again = PICKLES[form](error)
        assert secrets_in(pickle.dumps(error, int(form[-1]))) == []
        assert (type(again), str(again)) == (type(error), str(error))
        assert isinstance(again.request, httpx.Request) and "authorization" in error.request.headers
        assert (again.request.method, str(again.request.url)) == ("POST", "https://api.test/v1/responses")
    assert isinstance(PICKLES[form](refused).response, httpx.Response)
    assert PICKLES[form](refused).response.headers["retry-after"] == "7"


def test_pickle_of_a_pickled_error_is_the_same_pickle() -> None:
    once = pickle.loads(pickle.dumps(MAKERS["RateLimitError"]()))
    assert pickle.dumps(pickle.loads(pickle.dumps(once))) == pickle.dumps(once)


@pytest.mark.parametrize("name", ["RateLimitError", "APIConnectionError"])
def test_copy_holds_the_exchange_itself_and_deepcopy_one_that_is_equal(name: str) -> None:
    error = MAKERS[name]()
    shallow, deep = copy.copy(error), copy.deepcopy(error)
    assert shallow.request is error.request
    assert deep.request is not error.request
    assert (deep.request.url, deep.request.headers) == (error.request.url, error.request.headers)
    assert deep.request.headers["authorization"] == "Bearer sk-planted"
    if hasattr(error, "response"):
        assert shallow.response is error.response
        assert deep.response.json() == error.response.json() and deep.response.request is deep.request


# What a subclass of somebody else may be.


class Slotted(RateLimitError):
    __slots__ = ("account", "__hidden", "unset")

    def __init__(self, message: str, *, account: str) -> None:
        super().__init__(message, response=exchange(429), body=None)
        self.account = account
        self.__hidden = 1

    @property
    def hidden(self) -> int:
        return self.__hidden


class WithState(APITimeoutError):
    """Sees the same state as without us."""

    seen: Any = None

    def __setstate__(self, state: Any) -> None:
        attributes(self).update(state, seen={name: type(value) for name, value in state.items()})


class WithNew(APIConnectionError):
    def __new__(cls, tenant: str, number: int) -> WithNew:
        error = super().__new__(cls, tenant, number)
        error.made_for = tenant
        return error

    made_for: str

    def __init__(self, tenant: str, number: int) -> None:
        super().__init__(message=f"{tenant} {number}", request=exchange().request)
        self.args = (tenant, number)


class WithReduce(RateLimitError):
    def __init__(self, *, response: httpx2.Response, tenant: str) -> None:
        super().__init__("No.", response=response, body=None)
        self.tenant = tenant

    def __reduce__(self) -> Any:
        return make_with_reduce, (self.response, self.tenant), {"seen": [self.request]}


def make_with_reduce(response: httpx2.Response, tenant: str) -> WithReduce:
    return WithReduce(response=response, tenant=tenant)


class BuildingOnReduce(APITimeoutError):
    def __reduce__(self) -> Any:
        function, args, state = cast(Any, super().__reduce__())
        return function, args, {**state, "more": 1}


class WithPartial(RateLimitError):
    def __init__(self, message: str, *, response: httpx2.Response, tenant: str) -> None:
        super().__init__(f"{tenant}: {message}", response=response, body=None)
        self.tenant = tenant

    def __reduce__(self) -> Any:
        return partial(WithPartial, response=self.response, tenant=self.tenant), ("No.",)


class WithReduceOfItself(RateLimitError):
    """Its initializer takes something else than `args`, and says so."""

    def __init__(self, tenant: str) -> None:
        super().__init__(f"No for {tenant}.", response=exchange(429), body=None)
        self.tenant = tenant

    def __reduce__(self) -> Any:
        return type(self), (self.tenant,)


class WithReduceEx(RateLimitError):
    made = 0

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return make_with_reduce_ex, (self.message,)


def make_with_reduce_ex(message: str) -> WithReduceEx:
    error = WithReduceEx(message, response=exchange(429), body=None)
    error.made = 1
    return error


class FromAnswer(RateLimitError):
    """Python calls its initializer with a text, and a text has no request."""

    known: ClassVar[list[Any]] = []

    def __new__(cls, response: Any) -> FromAnswer:
        error = super().__new__(cls, response)
        cls.known.append(error)
        return error

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(f"No: {response.status_code}", response=response, body=None)


class OperatingSystemError(APIConnectionError, OSError):
    pass


@dataclasses.dataclass
class Data(APIError):
    tenant: str
    number: int = 0


@pytest.mark.parametrize("form", FORMS)
def test_slots_of_a_subclass_are_kept(form: str) -> None:
    again = FORMS[form](Slotted("No.", account="a"))
    assert (again.account, again.hidden, again.args, hasattr(again, "unset")) == ("a", 1, ("No.",), False)


@pytest.mark.parametrize("form", FORMS)
def test_setstate_of_a_subclass_gets_what_python_gives(form: str) -> None:
    error = WithState(exchange().request)
    again = FORMS[form](error)
    assert again.seen == {name: type(value) for name, value in attributes(error).items()}
    assert again.seen["request"] is httpx2.Request


@pytest.mark.parametrize("form", FORMS)
def test_new_of_a_subclass_gets_the_args(form: str) -> None:
    again = FORMS[form](WithNew("a", 1))
    assert (again.args, again.made_for, again.message) == (("a", 1), "a", "a 1")


@pytest.mark.parametrize("form", FORMS)
def test_reduce_of_a_subclass_is_called(form: str) -> None:
    again = FORMS[form](WithReduce(response=exchange(429), tenant="a"))
    assert (again.tenant, again.response.status_code, again.seen[0].method) == ("a", 429, "POST")


def test_reduce_of_a_subclass_sends_no_exchange_either() -> None:
    assert secrets_in(pickle.dumps(WithReduce(response=exchange(429), tenant="a"))) == []


@pytest.mark.parametrize("form", FORMS)
def test_reduce_of_a_subclass_can_build_on_that_of_python(form: str) -> None:
    again = FORMS[form](BuildingOnReduce(exchange().request))
    assert (again.more, again.message, again.request.method) == (1, "Request timed out.", "POST")


@pytest.mark.parametrize("form", FORMS)
def test_reduce_of_a_subclass_can_give_a_partial(form: str) -> None:
    again = FORMS[form](WithPartial("No.", response=exchange(429), tenant="a"))
    assert (again.args, again.tenant, again.response.status_code) == (("a: No.",), "a", 429)


def test_partial_of_a_subclass_sends_no_exchange_either() -> None:
    assert secrets_in(pickle.dumps(WithPartial("No.", response=exchange(429), tenant="a"))) == []


@pytest.mark.parametrize("form", FORMS)
def test_reduce_of_a_subclass_can_give_other_args(form: str) -> None:
    again = FORMS[form](WithReduceOfItself("a"))
    assert (again.args, again.tenant) == (("No for a.",), "a")


@pytest.mark.parametrize("form", FORMS)
def test_reduce_ex_of_a_subclass_is_called(form: str) -> None:
    again = FORMS[form](WithReduceEx("No.", response=exchange(429), body=None))
    assert (again.made, again.message) == (1, "No.")


@pytest.mark.parametrize("form", FORMS)
def test_subclass_whose_initializer_fails_is_made_by_its_new(form: str) -> None:
    again = FORMS[form](FromAnswer(exchange(429)))
    assert (again.args, again.message, again.response.status_code) == (("No: 429",), "No: 429", 429)
    assert any(again is known for known in FromAnswer.known)


@pytest.mark.parametrize("form", FORMS)
def test_dataclass_is_kept(form: str) -> None:
    again = FORMS[form](Data("a", number=2))
    assert (again, again.args) == (Data("a", number=2), ("a",))


@pytest.mark.parametrize("form", FORMS)
def test_error_with_a_second_base_is_kept(form: str) -> None:
    error = OperatingSystemError(message="It broke.", request=exchange().request)
    again = FORMS[form](error)
    assert (str(again), again.args, again.errno) == (str(error), error.args, None)


@pytest.mark.parametrize("form", FORMS)
def test_notes_args_and_attributes_of_any_type_are_kept(form: str) -> None:
    error = MAKERS["RateLimitError"]()
    error.args = (b"payload", datetime.date(2026, 1, 2), KeyError("inner"))
    error.__notes__ = ["seen by worker 3"]
    error.extra = {"set": {1, 2}, "decimal": Decimal("1.5"), "ordered": OrderedDict([("a", 1)])}
    again = FORMS[form](error)
    assert again.args[:2] == error.args[:2] and repr(again.args[2]) == repr(error.args[2])
    assert (again.__notes__, again.extra) == (["seen by worker 3"], error.extra)


class OfAnotherFamily(OpenAIError):
    pass


@pytest.mark.parametrize("form", FORMS)
def test_exception_that_is_no_api_error_is_left_to_python(form: str) -> None:
    error = OfAnotherFamily(b"payload", datetime.date(2026, 1, 2), KeyError("inner"))
    again = FORMS[form](error)
    assert type(again) is OfAnotherFamily and repr(again.args) == repr(error.args)
    for hook in ("__reduce__", "__reduce_ex__"):
        assert getattr(OfAnotherFamily, hook) is getattr(Exception, hook)
    assert not hasattr(OfAnotherFamily, "__copy__") and not hasattr(OfAnotherFamily, "__deepcopy__")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_exchange_inside_other_values_is_replaced(protocol: int) -> None:
    error = MAKERS["RateLimitError"]()
    error.attempts = [{"answer": error.response}, exchange(500)]
    error.args = ("No.", error.request)
    error.original = httpx2.ConnectError("It broke.", request=error.request)
    data = pickle.dumps(error, protocol)
    again = pickle.loads(data)
    assert secrets_in(data) == []
    assert again.attempts[0]["answer"] is again.response and again.attempts[1].status_code == 500
    assert again.args == ("No.", again.request) and str(again.original.request.url) == "https://api.test/v1/responses"


@pytest.mark.parametrize("form", FORMS)
def test_errors_that_hold_each_other_and_themselves_are_kept(form: str) -> None:
    error, other = MAKERS["RateLimitError"](), MAKERS["NotFoundError"]()
    error.other, error.me, error.both, other.other = other, error, [error, other, error.response], error
    again = FORMS[form](error)
    assert again.me is again if form != "copy" else again.me is error
    if form != "copy":
        assert again.other.other is again and again.both == [again, again.other, again.response]


def test_many_linked_errors_are_pickled_in_time() -> None:
    error: Any = None
    for _ in range(40):
        error, previous = MAKERS["APIError"](), error
        error.previous = previous
    count, again = 0, pickle.loads(pickle.dumps(error))
    while again is not None:
        count, again = count + 1, again.previous
    assert count == 40


@pytest.mark.parametrize("form", PICKLES)
def test_what_cannot_be_pickled_is_left_out_by_name(form: str) -> None:
    class Local(RateLimitError):
        pass

    error = MAKERS["RateLimitError"]()
    error.lock, error.callback = threading.Lock(), lambda: None
    error.inner = Local("No.", response=exchange(429), body=None)
    error.args, error.__notes__ = ("No.", threading.Lock(), 3), ["seen by worker 3"]
    again = PICKLES[form](error)
    assert again.args == ("No.", None, 3) and again.code == "some_code" and not hasattr(again, "lock")
    note = "Not pickled, because it cannot be: args[1], lock, callback, inner"
    assert again.__notes__ == ["seen by worker 3", note]
    assert hasattr(error, "lock") and error.__notes__ == ["seen by worker 3"]
    assert PICKLES[form](again).__notes__ == again.__notes__


class OnlySlots:
    __slots__ = ("one",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_one_protocol_cannot_pickle_is_left_out_by_that(protocol: int) -> None:
    error = MAKERS["RateLimitError"]()
    error.slots = OnlySlots()
    assert hasattr(pickle.loads(pickle.dumps(error, protocol)), "slots") is (protocol >= 2)


def test_copy_keeps_what_cannot_be_pickled() -> None:
    error = MAKERS["RateLimitError"]()
    error.lock = threading.Lock()
    assert copy.copy(error).lock is error.lock
    with pytest.raises(TypeError, match="lock"):
        copy.deepcopy(error)


def test_class_that_cannot_be_imported_is_copied_and_refused_by_pickle() -> None:
    class Local(RateLimitError):
        pass

    error = Local("No.", response=exchange(429), body=None)
    assert type(copy.copy(error)) is type(copy.deepcopy(error)) is Local
    with pytest.raises((AttributeError, pickle.PicklingError), match="Local"):
        pickle.dumps(error)


def test_error_with_a_double_for_a_response_arrives() -> None:
    error = RateLimitError("No.", response=exchange(429), body=None)
    vars(error)["response"] = object.__new__(type("Double", (), {}))
    again = pickle.loads(pickle.dumps(error))
    assert again.message == "No." and again.__notes__ == ["Not pickled, because it cannot be: response"]


# Whatever Python copies and pickles right, of whatever class.

VALUES: list[Callable[[], Any]] = [
    lambda: None,
    lambda: "text",
    lambda: b"bytes",
    lambda: 1.5,
    lambda: (1, [2, {3}]),
    lambda: {"a": {"b": [None]}},
    lambda: datetime.datetime(2026, 1, 2),
    lambda: Decimal("1.50"),
    lambda: frozenset("ab"),
    lambda: OrderedDict([("a", 1)]),
    lambda: range(3),
    lambda: pickle.dumps,
    lambda: int,
]
HOOKS = ("__reduce__", "__reduce_ex__", "__copy__", "__deepcopy__")


def init_of_any_args(self: Any, *args: Any) -> None:
    Exception.__init__(self, *args)
    attributes(self).update(request=None, body=None, initialized=True)


def init_of_keywords(self: Any, *, needed: Any) -> None:
    Exception.__init__(self, needed)
    attributes(self).update(request=None, needed=needed)


def init_of_nothing(_self: Any, *_args: Any) -> None:
    pass


def new(cls: Any, first: Any = None, *rest: Any) -> Any:
    error = (OSError if issubclass(cls, OSError) else Exception).__new__(cls, first, *rest)
    vars(error)["first"] = first
    return error


def setstate(self: Any, state: dict[str, Any]) -> None:
    attributes(self).update(state, restored=sorted(state))


def reduce(self: Any) -> Any:
    return type(self), self.args, {**vars(self), "reduced": True}


KINDS: list[dict[str, Any]] = [
    {},
    {"__init__": init_of_any_args},
    {"__init__": init_of_keywords},
    {"__init__": init_of_nothing, "__new__": new},
    {"__init__": init_of_nothing, "__setstate__": setstate},
    {"__init__": init_of_nothing, "__reduce__": reduce},
]  # and a dataclass


def random_class(rng: random.Random, name: str) -> type[Any]:
    base: type[Any] = rng.choice([APIError, RateLimitError, APIConnectionError, APITimeoutError])
    members: dict[str, Any] = {"__module__": __name__, "__qualname__": name}
    slots = rng.sample(["one", "two", "__three"], rng.randrange(3))
    if rng.random() < 0.5:
        members["__slots__"] = tuple(slots)
    kind = rng.randrange(len(KINDS) + 1)
    members.update(KINDS[kind] if kind < len(KINDS) else {})
    second: tuple[type[Any], ...] = rng.choice([(), (), (), (ValueError,), (KeyError,), (OSError,)])
    if kind < len(KINDS):
        return type(name, (base, *second), members)
    members.update(__annotations__={"field": Any, "other": Any}, other=2)
    members.pop("__slots__", None)
    return dataclasses.dataclass(eq=rng.random() < 0.5)(type(name, (base, *second), members))


def random_error(rng: random.Random, cls: type[Any]) -> Any:
    error = cls.__new__(cls, *[rng.choice(VALUES)() for _ in range(rng.randrange(3))])
    if rng.random() < 0.5:
        error.request = httpx2.Request("GET", "https://api.test/v1")
    if rng.random() < 0.3:
        error.response = httpx2.Response(
            400, headers={"x-request-id": "req_1"}, request=getattr(error, "request", None)
        )
    for name in rng.sample(["message", "body", "code", "extra", "one", "two", "_Random__three"], 4):
        setattr(error, name, rng.choice(VALUES)())
    error.field, error.other = rng.choice(VALUES)(), rng.choice(VALUES)()
    if rng.random() < 0.3:
        error.__notes__ = ["a note"]
    if rng.random() < 0.3:
        error.me = [error]
    return error


def comparable(value: Any) -> Any:
    if isinstance(value, httpx2.Request):
        return value.method, str(value.url), sorted(value.headers.items())
    if isinstance(value, httpx2.Response):
        return value.status_code, value.headers.get("x-request-id")
    if isinstance(value, (list, tuple)):
        return [comparable(member) for member in cast("list[Any]", value)]
    return type(value).__name__ if isinstance(value, APIError) else value


def fields(error: Any) -> dict[str, Any]:
    slots = [name for cls in type(error).__mro__ for name in vars(cls).get("__slots__", ()) if hasattr(error, name)]
    found: dict[str, Any] = {"type": type(error), "args": comparable(error.args), "text": [str(error), repr(error)]}
    found.update({name: comparable(value) for name, value in attributes(error).items()})
    return {**found, **{f"slot {name}": comparable(getattr(error, name)) for name in slots}}


def outcome(form: str, error: Any) -> Any:
    try:
        return fields(FORMS[form](error))
    except Exception as problem:
        return problem


@pytest.mark.parametrize("seed", range(20))
def test_what_python_copies_and_pickles_comes_out_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    right = wrong = 0
    for number in range(25):
        name = f"Random{seed}x{number}"
        cls = random_class(rng, name)
        importable = rng.random() < 0.8
        if importable:
            monkeypatch.setattr(sys.modules[__name__], name, cls, raising=False)
        error = random_error(rng, cls)
        before = dict(attributes(error)), error.args, fields(error)
        for form in FORMS:
            with monkeypatch.context() as patch:
                for hook in HOOKS:
                    patch.delattr(APIError, hook)
                stock = outcome(form, error)
            ours = outcome(form, error)
            assert (attributes(error), error.args, fields(error)) == before
            if not importable and form in PICKLES:
                assert type(ours) is type(stock) and isinstance(ours, (AttributeError, pickle.PicklingError))
            elif isinstance(stock, Exception):
                wrong += 1
                assert ours == before[2] | {key: ours[key] for key in ("initialized", "restored") if key in ours}
            else:
                right += 1
                kept = {key: value for key, value in before[2].items() if key in stock and stock[key] == value}
                assert {key: ours.get(key) for key in kept} == kept
    assert right and wrong


# Where errors go.


def throw(name: str) -> None:
    raise MAKERS[name]()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_error_of_a_worker_arrives_and_leaves_the_pool_usable(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    context: Any = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as executor, context.Pool(1) as pool:
        for submit in (
            lambda: executor.submit(throw, "RateLimitError").result(60),
            lambda: pool.apply_async(throw, ("RateLimitError",)).get(60),
        ):
            for _ in range(2):
                with pytest.raises(RateLimitError) as caught:
                    submit()
                assert (caught.value.code, caught.value.response.status_code) == ("some_code", 429)


def reduced_with_its_chain(error: BaseException) -> Any:
    """As tblib does it: cause and context are pickled beside what the error itself says."""
    return rebuilt, (error.__reduce__()[:2], error.__cause__, error.__context__), *error.__reduce__()[2:]


def rebuilt(reduced: Any, cause: BaseException | None, context: BaseException | None) -> BaseException:
    error: BaseException = reduced[0](*reduced[1])
    error.__cause__, error.__context__ = cause, context
    return error


def reduced_by_attributes(error: BaseException) -> Any:
    return made_from, (type(error), error.args, vars(error), error.__context__)


def made_from(cls: Any, args: tuple[object, ...], attributes: dict[str, Any], context: Any) -> BaseException:
    error: BaseException = cls.__new__(cls, *args)
    vars(error).update(attributes)
    error.__context__ = context
    return error


@pytest.mark.parametrize("library", ["httpx2", "httpx"])
@pytest.mark.parametrize("name", ["RateLimitError", "APIConnectionError", "APITimeoutError"])
def test_chain_that_is_pickled_too_holds_nothing_secret(
    name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    http: Any = pytest.importorskip(library)
    for cls in (http.HTTPStatusError, http.ConnectError, http.ReadTimeout):
        monkeypatch.setitem(copyreg.dispatch_table, cls, reduced_by_attributes)
    failures = {"APIConnectionError": "ConnectError", "APITimeoutError": "ReadTimeout"}
    handler = failing(getattr(http, failures[name])) if name in failures else answering(429, REFUSAL, http)
    error: BaseException = raised(handler, http)
    linked: Any = error.__context__
    linked.__context__ = ValueError("It broke.")
    monkeypatch.setitem(copyreg.dispatch_table, type(error), reduced_with_its_chain)
    data = pickle.dumps(error)
    again = pickle.loads(data)
    assert secrets_in(data) == []
    assert [type(again), type(again.__cause__), type(again.__context__)] == [
        type(error),
        type(error.__cause__),
        type(linked),
    ]
    assert again.__context__.request.method == "POST" and type(again.__context__.__context__) is ValueError
    # However often it is asked, it is wrapped once.
    assert pickle.dumps(error) == data
    assert cast(Any, copyreg.dispatch_table[type(linked)]).args[0] is reduced_by_attributes
    # The live chain is as it was, and so is what others pickle.
    assert error.__context__ is linked and "authorization" in linked.request.headers
    assert secrets_in(pickle.dumps(type(linked)("It broke.", **exchange_of(linked))))


def exchange_of(error: Any) -> dict[str, Any]:
    return {name: getattr(error, name) for name in ("request", "response") if hasattr(error, name)}
