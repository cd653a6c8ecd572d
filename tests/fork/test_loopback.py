"""The loopback server does what it promises: the demo, the tests and the pages stand on it. HTTP itself is aiohttp's."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any
from collections.abc import Iterator

import httpx2
import pytest

from openai import OpenAI, AsyncOpenAI, AzureOpenAI, APIStatusError
from forktools.loopback import CATALOGUE, Fault, Request, Loopback, Scenario, sse, dumps, sized, response
from openai.types.responses import Response

PATIENCE = 60.0  # seconds until a test gives up; a busy machine must not make one fail


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture
def client(server: Loopback) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.base_url, api_key="loopback", max_retries=0) as made:
        yield made


def create(client: OpenAI, **metadata: str) -> str:
    return client.responses.create(model="gpt-5.6", input="Hi", background=True, metadata=metadata).id


def get(server: Loopback, name: str = "completed", timeout: httpx2.Timeout | float = PATIENCE) -> httpx2.Response:
    # A fresh connection for each, so that one test's fault cannot reach another request.
    return httpx2.get(f"{server.base_url}/responses/resp_{name}", timeout=timeout)


# -- runs


@pytest.mark.parametrize("name", CATALOGUE)
def test_run_goes_through_its_polls_to_its_ending_and_its_stream_ends_alike(client: OpenAI, name: str) -> None:
    response_id = create(client, scenario=name)
    seen = [client.responses.retrieve(response_id) for _ in range(4)]
    ending = None if name == "no_status" else CATALOGUE[name].ending["status"]
    assert [one.status for one in seen] == ["queued", "in_progress", ending, ending]
    assert seen[2] == seen[3] and {one.id for one in seen} == {response_id}

    # Read by itself: the SDK ends at the first event that is an error.
    lines = httpx2.get(f"{client.base_url}responses/{response_id}?stream=true").text.splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    ends = [event["response"] for event in events if event["type"] == f"response.{ending}"]
    assert ends == ([json.loads(seen[3].to_json(exclude_unset=True))] if ending else [])


@pytest.mark.parametrize("name", [name for name in CATALOGUE if CATALOGUE[name].sync_status])
def test_create_without_background_fails_with_the_status_of_the_synchronous_twin(client: OpenAI, name: str) -> None:
    with pytest.raises(APIStatusError) as caught:
        client.responses.create(model="gpt-5.6", input="Hi", metadata={"scenario": name})
    assert caught.value.response.status_code == CATALOGUE[name].sync_status
    assert caught.value.body == CATALOGUE[name].ending["error"]


def test_create_with_upcoming_scenarios_takes_them_in_turn_and_then_completes(server: Loopback, client: OpenAI) -> None:
    server.upcoming("cancelled", Scenario("mine", {"status": "failed"}, polls=()))
    for polls, ending in ((2, "cancelled"), (0, "failed"), (2, "completed")):
        response_id = create(client)
        assert [client.responses.retrieve(response_id).status for _ in range(polls + 1)][-1] == ending
    assert server.creates == 3


def test_create_of_no_scenario_and_what_is_not_there_are_errors_as_of_the_api(server: Loopback, client: OpenAI) -> None:
    for status, wrong in (
        (400, lambda: create(client, scenario="nowhere")),
        (400, lambda: client.post("/responses", body={}, cast_to=object)),
        (404, lambda: client.responses.retrieve("resp_nowhere")),
        (404, lambda: client.models.list()),
    ):
        with pytest.raises(APIStatusError) as caught:
            wrong()
        assert caught.value.status_code == status
    assert server.creates == 0


def test_retrieve_with_poll_headers_sends_the_nth_and_repeats_the_last(server: Loopback) -> None:
    hints: tuple[dict[str, str], ...] = ({"openai-poll-after-ms": "100"}, {}, {"openai-poll-after-ms": "0"})
    server.add(Scenario("hints", {"status": "completed"}, poll_headers=hints), "resp_mine")
    answers = [get(server, "mine").headers for _ in range(4)]
    assert [one.get("openai-poll-after-ms") for one in answers] == ["100", None, "0", "0"]
    assert len({one["x-request-id"] for one in answers}) == 4


def test_cancel_ends_a_run_that_goes_on_and_changes_none_that_has_ended(server: Loopback, client: OpenAI) -> None:
    response_id = create(client, scenario="completed")
    assert [client.responses.cancel(response_id).status for _ in range(2)] == ["cancelled", "cancelled"]
    events = [event.type for event in client.responses.retrieve(response_id, stream=True)]
    assert events[-1] == "response.cancelled"
    assert server.cancels == {response_id: 2}

    ended = server.add(Scenario("ended", {"status": "completed"}, polls=()))
    assert client.responses.cancel(ended).status == client.responses.retrieve(ended).status == "completed"


@pytest.mark.parametrize("place", ["/openai/v1", "/openai/deployments/mine"])
def test_azure_client_gets_the_same_answers(server: Loopback, place: str) -> None:
    with AzureOpenAI(api_version="preview", api_key="loopback", base_url=server.url + place) as azure:
        response_id = azure.responses.create(model="mine", input="Hi", background=True).id
        assert azure.responses.retrieve(response_id).status == "queued"
        assert azure.responses.cancel(response_id).status == "cancelled"
    (asked,) = server.logged("retrieve")
    assert (asked.path, asked.query) == (f"{place}/responses/{response_id}", {"api-version": "preview"})


# -- streams


@pytest.mark.parametrize("seed", range(5))
def test_stream_with_a_chunk_seed_reassembles_to_the_same_bytes(server: Loopback, seed: int) -> None:
    events = tuple({"type": "x", "text": "Grüße, 世界 🌍" * n} for n in range(20))
    cut_id = server.add(Scenario("cut", {}, events=events, chunk_seed=seed))
    with httpx2.stream("GET", f"{server.base_url}/responses/{cut_id}?stream=true", timeout=PATIENCE) as answer:
        chunks = list(answer.iter_raw())
    assert b"".join(chunks) == b"".join(map(sse, events))
    # Both sides: it was cut, and at places where no event ends.
    assert len(chunks) > len(events)
    assert not all(chunk.endswith(b"\n\n") for chunk in chunks)


@pytest.mark.parametrize("size", [1_000, 28_000, 300_000])
def test_sized_response_has_the_size_to_the_byte_and_parses(size: int) -> None:
    body = dumps(sized(response("resp_1", "in_progress"), size))
    assert len(body) == size
    assert bool(Response.model_validate_json(body).tools) == (size > 1_000)


# -- faults


def spoiled(fault: Fault, name: str = "completed", timeout: httpx2.Timeout | float = PATIENCE) -> httpx2.Response:
    with Loopback(faults=lambda request: fault if request.number == 1 else None) as server:
        try:
            return get(server, name, timeout)
        finally:
            # The run has not moved, and the next request is answered truly.
            assert get(server).json()["status"] == "queued"


@pytest.mark.parametrize("name", ["completed", "completed?stream=true"])
@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Fault.reset(), httpx2.ReadError),
        *((Fault.close(keep), httpx2.RemoteProtocolError) for keep in (0, 0.5)),
        *((Fault.hang(keep), httpx2.ReadTimeout) for keep in (None, 0.5)),
        (Fault.raw(b"nonsense\r\n\r\n"), httpx2.RemoteProtocolError),
    ],
)
def test_fault_that_breaks_the_connection_raises_in_the_client(fault: Fault, raised: Any, name: str) -> None:
    with pytest.raises(raised):
        spoiled(fault, name, httpx2.Timeout(PATIENCE, read=0.1 if fault.then == "hang" else PATIENCE))


@pytest.mark.parametrize(
    ("fault", "status", "headers", "begins"),
    [
        (Fault.status(503), 503, {"content-type": "application/json"}, '{"error":{'),
        (Fault.status(429, retry_after="3"), 429, {"retry-after": "3"}, '{"error":{'),
        (Fault.html(), 200, {"content-type": "text/html"}, "<!doctype html>"),
        (Fault.truncate(0.02), 200, {"content-type": "application/json"}, '{"id":"resp_'),
        (Fault.raw(b"HTTP/1.0 299 So\r\nx-a: 1\r\n\r\nso"), 299, {"x-a": "1"}, "so"),
    ],
)
def test_fault_that_is_an_answer_arrives_as_it_is(
    fault: Fault, status: int, headers: dict[str, str], begins: str
) -> None:
    answer = spoiled(fault)
    assert answer.status_code == status and answer.text.startswith(begins)
    assert headers.items() <= dict(answer.headers).items()


def test_stream_that_is_truncated_ends_cleanly_and_one_that_is_closed_does_not(server: Loopback) -> None:
    whole = get(server, stream := "completed?stream=true").content
    assert spoiled(Fault.truncate(), stream).content == whole[: len(whole) // 2]
    with pytest.raises(httpx2.RemoteProtocolError):
        spoiled(Fault.close(1), stream)


def test_fault_hook_that_raises_answers_500_and_raises_when_the_server_stops() -> None:
    def hook(request: Request) -> Fault | None:
        raise LookupError(request.path)

    with pytest.raises(LookupError, match="/v1/responses/resp_completed"):
        with Loopback(faults=hook) as server:
            assert get(server).status_code == 500


# -- the log, and its life


async def test_log_shows_what_an_async_client_sent(server: Loopback) -> None:
    async with AsyncOpenAI(base_url=server.base_url, api_key="loopback", max_retries=0) as client:
        metadata = {"scenario": "completed"}
        run = await client.beta.responses.create(model="gpt-5.6", input="Hi", background=True, metadata=metadata)
        await client.responses.retrieve(run.id, include=["message.output_text.logprobs"], extra_headers={"X-Mine": "y"})
    first, second = server.requests
    assert (first.method, first.path, first.number) == ("POST", "/v1/responses", 1)
    assert first.json["background"] is True and first.json["metadata"] == metadata
    assert (second.method, second.route, second.response_id, second.poll) == ("GET", "retrieve", run.id, 1)
    assert second.query == {"include[]": "message.output_text.logprobs"}
    assert (second.headers["x-mine"], second.headers["authorization"], second.body) == ("y", "Bearer loopback", b"")


def test_server_stopped_while_hundreds_hang_closes_them_all_its_port_and_its_thread() -> None:
    before = threading.active_count()
    all_in = threading.Event()

    def hang(request: Request) -> Fault:
        if request.number == 299:
            all_in.set()
        return Fault.hang()

    server = Loopback(faults=hang, log=False).start()  # not logged, but counted
    address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    waiting = [socket.create_connection(address) for _ in range(300)]
    for connection in waiting[1:]:
        connection.sendall(b"GET /v1/responses/resp_completed HTTP/1.1\r\nhost: loopback\r\n\r\n")
    assert all_in.wait(PATIENCE)
    assert (server.requests, server.total, server.polls("resp_completed")) == ([], 299, 299)
    server.stop()
    server.stop()
    for connection in waiting:
        with connection:
            assert connection.recv(1) == b""
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
