"""The other exceptions of the SDK leave the process as the background ones do: whole, and without a credential."""

from __future__ import annotations

import copy
import pickle
import copyreg
from typing import Any, Callable

import httpx2
import pytest

import openai
from openai import OpenAI
from openai.types.chat import ChatCompletion
from openai._exceptions import SubjectTokenProviderError

from ._support import BASE_URL, REQUEST_ID, background

# On a stock SDK the module under test mends nothing but its own classes.
pytestmark = pytest.mark.skipif(
    not background.BackgroundResponseError.__module__.startswith("openai.lib."),
    reason="the SDK's own classes are stock",
)

SECRETS = (b"sk-planted", b"planted-cookie", b"planted-query", b"planted-prompt", b"planted-password")
FORMS: dict[str, Callable[[Any], Any]] = {
    **{
        f"pickle {number}": lambda error, number=number: pickle.loads(pickle.dumps(error, number))
        for number in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
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


def raised(handler: Callable[[httpx2.Request], httpx2.Response], **options: Any) -> Any:
    """What a client raises that was given everything which must not travel."""
    http_client = httpx2.Client(transport=httpx2.MockTransport(handler), cookies={"session": "planted-cookie"})
    with OpenAI(
        api_key="sk-planted",
        base_url=BASE_URL,
        default_query={"signature": "planted-query"},
        http_client=http_client,
        max_retries=0,
        **options,
    ) as client:
        with pytest.raises(openai.OpenAIError) as caught:
            client.responses.create(model="model-under-test", input="planted-prompt", instructions="planted-prompt")
    return caught.value


def answering(status: int, body: Any) -> Callable[[httpx2.Request], httpx2.Response]:
    headers = {"x-request-id": REQUEST_ID, "retry-after": "7", "set-cookie": "session=planted-cookie"}
    return lambda request: httpx2.Response(status, headers=headers, json=body, request=request)


def failing(error: type[httpx2.RequestError]) -> Callable[[httpx2.Request], httpx2.Response]:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise error("It did not answer.", request=request)

    return handle


def exchange() -> httpx2.Response:
    request = httpx2.Request(
        "POST",
        "https://user:planted-password@background.test/token?code=planted-query",
        headers={"authorization": "Bearer sk-planted", "cookie": "planted-cookie"},
        json={"token": "sk-planted"},
    )
    return answering(401, {})(request)


def completion() -> ChatCompletion:
    return ChatCompletion(id="c1", choices=[], created=1, model="model-under-test", object="chat.completion")


REFUSAL = {"error": {"message": "No.", "code": "some_code", "param": "some_param", "type": "some_type"}}
MAKERS: dict[str, Callable[[], Any]] = {
    **{name: lambda status=status: raised(answering(status, REFUSAL)) for name, status in STATUSES.items()},
    "APIConnectionError": lambda: raised(failing(httpx2.ConnectError)),
    "APITimeoutError": lambda: raised(failing(httpx2.ReadTimeout)),
    "APIResponseValidationError": lambda: raised(answering(200, {"id": []}), _strict_response_validation=True),
    "APIError": lambda: openai.APIError("It broke.", exchange().request, body={"code": "some_code"}),
    "OAuthError": lambda: openai.OAuthError(response=exchange(), body={"error": "invalid_grant"}),
    "SubjectTokenProviderError": lambda: SubjectTokenProviderError("No token.", response=exchange()),
    "LengthFinishReasonError": lambda: openai.LengthFinishReasonError(completion=completion()),
    "ContentFilterFinishReasonError": lambda: openai.ContentFilterFinishReasonError(completion=completion()),
    "WebSocketConnectionClosedError": lambda: openai.WebSocketConnectionClosedError(
        "Closed.", unsent_messages=["planted-prompt"]
    ),
    "WebSocketQueueFullError": lambda: openai.WebSocketQueueFullError("Full."),
    "InvalidWebhookSignatureError": lambda: openai.InvalidWebhookSignatureError("Bad."),
    "OpenAIError": lambda: openai.OpenAIError("No credentials."),
}


def test_every_exception_of_the_sdk_is_in_these_tests() -> None:
    named = {name for name in openai._exceptions.__all__}
    assert named <= set(MAKERS)


def attributes_of(error: BaseException) -> set[str]:
    return set(vars(error))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MAKERS)
def test_stock_error_that_travelled_is_the_same_error(name: str, form: str) -> None:
    error = MAKERS[name]()
    back = FORMS[form](error)
    assert type(back) is type(error)
    assert type(back).__name__ == name
    assert (str(back), repr(back), back.args) == (str(error), repr(error), error.args)
    assert attributes_of(back) == attributes_of(error)
    for fact in ("message", "body", "code", "param", "type", "status_code", "request_id", "error", "completion"):
        assert getattr(back, fact, None) == getattr(error, fact, None), fact


@pytest.mark.parametrize("name", MAKERS)
def test_stock_error_that_travels_carries_nothing_secret(name: str) -> None:
    sent = pickle.dumps(MAKERS[name]())
    assert [secret for secret in SECRETS if secret in sent] == []


def test_stock_error_keeps_what_helps_to_retry() -> None:
    back = pickle.loads(pickle.dumps(MAKERS["RateLimitError"]()))
    assert back.response.status_code == 429
    assert dict(back.response.headers)["retry-after"] == "7"
    assert "set-cookie" not in back.response.headers
    assert (back.request.method, str(back.request.url)) == ("POST", f"{BASE_URL}/responses")
    assert back.response.request is back.request


def reduced_with_its_chain(error: BaseException) -> Any:
    """As tblib does it, which Dask and others use: cause and context are pickled beside what the error itself says."""
    return rebuilt, (error.__reduce__(), error.__cause__, error.__context__)


def rebuilt(reduced: Any, cause: BaseException | None, context: BaseException | None) -> BaseException:
    error: BaseException = reduced[0](*reduced[1])
    error.__cause__, error.__context__ = cause, context
    return error


def reduced_by_attributes(error: BaseException) -> Any:
    return made_from, (type(error), error.args, vars(error))


def made_from(cls: type[BaseException], args: tuple[object, ...], attributes: dict[str, Any]) -> BaseException:
    error = cls.__new__(cls, *args)
    vars(error).update(attributes)
    return error


@pytest.mark.parametrize("name", ["RateLimitError", "APIConnectionError", "APITimeoutError"])
def test_stock_error_pickled_with_its_chain_carries_nothing_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for cls in (httpx2.HTTPStatusError, httpx2.ConnectError, httpx2.ReadTimeout):
        monkeypatch.setitem(copyreg.dispatch_table, cls, reduced_by_attributes)
    error: BaseException = MAKERS[name]()
    assert error.__context__ is not None
    monkeypatch.setitem(copyreg.dispatch_table, type(error), reduced_with_its_chain)
    sent = pickle.dumps(error)
    assert [secret for secret in SECRETS if secret in sent] == []
    back = pickle.loads(sent)
    assert (type(back), type(back.__cause__)) == (type(error), type(error.__cause__))


def test_stock_error_pickled_by_itself_leaves_its_chain_as_it_is() -> None:
    error = MAKERS["APIConnectionError"]()
    pickle.dumps(error)
    assert "authorization" in error.__cause__.request.headers
