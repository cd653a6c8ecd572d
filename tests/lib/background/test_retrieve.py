"""The flag on the public methods, stable and beta, and the exported names."""

from __future__ import annotations

import sys
import inspect
import subprocess
from typing import Any

import httpx2
import pytest

import openai
from openai.lib import background
from openai.resources import responses as stable
from openai.lib.background import BackgroundResponseError
from openai.resources.beta import responses as beta_resources

from ._support import body, client, failed, settle

ROUTES = ["plain", "raw", "streaming"]


async def retrieve(answer: Any, asynchronous: bool, route: str, beta: bool, **flag: Any) -> Any:
    made = client(answer, asynchronous=asynchronous)
    responses = made.beta.responses if beta else made.responses
    if route == "plain":
        return await settle(responses.retrieve("resp_1", **flag))
    if route == "raw":
        return (await settle(responses.with_raw_response.retrieve("resp_1", **flag))).parse()
    if asynchronous:
        async with responses.with_streaming_response.retrieve("resp_1", **flag) as streamed:
            return await streamed.parse()
    with responses.with_streaming_response.retrieve("resp_1", **flag) as streamed:
        return streamed.parse()


@pytest.mark.parametrize("beta", [False, True], ids=["stable", "beta"])
@pytest.mark.parametrize("route", ROUTES)
async def test_retrieve_failed_run_raises_with_the_flag_alone(route: str, beta: bool, asynchronous: bool) -> None:
    answer = failed("rate_limit_exceeded")
    assert (await retrieve(answer, asynchronous, route, beta)).status == "failed"
    with pytest.raises(BackgroundResponseError) as caught:
        await retrieve(answer, asynchronous, route, beta, raise_on_failure=True)
    assert (caught.value.equivalent, caught.value.response_id) == (openai.RateLimitError, "resp_1")
    assert type(caught.value.background_response).__name__ == ("BetaResponse" if beta else "Response")
    assert caught.value.output_text == ""


@pytest.mark.parametrize("beta", [False, True], ids=["stable", "beta"])
@pytest.mark.parametrize("route", ROUTES)
async def test_retrieve_run_that_goes_well_is_returned(route: str, beta: bool, asynchronous: bool) -> None:
    assert (await retrieve(body("queued"), asynchronous, route, beta, raise_on_failure=True)).status == "queued"


@pytest.mark.parametrize("ending", ["completed", "failed", "incomplete", "CANCELLED", "expired", "steered"])
async def test_loop_until_completed_ends_with_every_ending(ending: str, asynchronous: bool) -> None:
    answers = [body("queued"), body("in_progress"), body("no_such_status"), body(ending)]
    if ending == "steered":
        answers[-1] = body("incomplete", incomplete_details={"reason": "steered"})
    made = client(lambda _: httpx2.Response(200, json=answers.pop(0)), asynchronous=asynchronous)

    async def loop() -> None:
        run = await settle(made.responses.retrieve("resp_1", raise_on_failure=True))
        while run.status != "completed":
            run = await settle(made.responses.retrieve("resp_1", raise_on_failure=True))

    if ending == "completed":
        await loop()
    else:
        with pytest.raises(BackgroundResponseError):
            await loop()
    assert answers == []


@pytest.mark.parametrize("response_id", ["resp/a b%", "resp_é", "..%2f"])
async def test_retrieve_keeps_the_id_in_any_spelling(response_id: str, asynchronous: bool) -> None:
    made = client(failed("server_error"), asynchronous=asynchronous)
    with pytest.raises(BackgroundResponseError) as caught:
        await settle(made.responses.retrieve(response_id, raise_on_failure=True))
    assert caught.value.response_id == response_id


@pytest.mark.parametrize("module", [stable.responses, beta_resources.responses], ids=["stable", "beta"])
async def test_retrieve_hands_the_flag_on_only_when_it_is_set(
    module: Any, monkeypatch: pytest.MonkeyPatch, asynchronous: bool
) -> None:
    stock = module.make_request_options
    fixed = "query extra_headers extra_query extra_body timeout security".split()

    def patched(**options: Any) -> Any:
        assert set(options) <= set(fixed), "an argument that stock does not pass"
        return stock(**options)

    monkeypatch.setattr(module, "make_request_options", patched)
    made = client(failed("server_error"), asynchronous=asynchronous)
    responses = made.responses if module is stable.responses else made.beta.responses
    assert (await settle(responses.retrieve("resp_1"))).status == "failed"


@pytest.mark.parametrize("factory", ["with_options", "azure", "module"])
def test_retrieve_by_other_clients_raises(factory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=failed("server_error")))
    http_client = httpx2.Client(transport=transport)
    if factory == "azure":
        made: Any = openai.AzureOpenAI(
            api_key="-", azure_endpoint="https://x.test", api_version="v1", http_client=http_client
        )
    elif factory == "module":
        monkeypatch.setattr(openai, "http_client", http_client)
        monkeypatch.setattr(openai, "api_key", "-")
        openai._reset_client()
        made = openai
    else:
        made = openai.OpenAI(api_key="-", http_client=http_client).with_options(timeout=3)
    with pytest.raises(BackgroundResponseError) as caught:
        made.responses.retrieve("resp_1", raise_on_failure=True)
    assert caught.value.response_id == "resp_1"
    openai._reset_client()


def test_names_are_public() -> None:
    assert set(background.__all__) <= set(openai.__all__) and set(background.__all__) <= set(dir(openai))
    assert all(getattr(openai, name).__module__ == "openai" for name in background.__all__)
    with pytest.raises(AttributeError, match="module 'openai' has no attribute 'BackgroundNoSuchError'"):
        getattr(openai, "BackgroundNoSuchError")  # noqa: B009


def test_retrieve_with_the_flag_loads_no_module_that_it_would_not_load_without() -> None:
    program = """
import sys, httpx2, openai
answer = {"id": "resp_1", "object": "response", "status": "completed"}
transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=answer))
client = openai.OpenAI(api_key="-", http_client=httpx2.Client(transport=transport))
client.responses.retrieve("resp_1")
before = set(sys.modules)
client.responses.retrieve("resp_1", raise_on_failure=True)
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("resource", [stable.Responses, stable.AsyncResponses])
def test_retrieve_documents_the_flag(resource: Any) -> None:
    assert "raise_on_failure" in inspect.signature(resource.retrieve).parameters
