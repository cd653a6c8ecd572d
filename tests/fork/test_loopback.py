"""The loopback server does what it promises: the demo, the benchmark and the docs stand on it."""

from __future__ import annotations

import sys
import json
import time
import socket
import asyncio
import threading
import subprocess
from typing import Any
from pathlib import Path
from collections.abc import Callable, Iterator

import httpx2
import pytest
from hypothesis import given, strategies as st

from openai import OpenAI, APIError, AsyncOpenAI, AzureOpenAI, APIStatusError, RateLimitError, APIConnectionError
from forktools.loopback import CATALOGUE, Fault, Request, Loopback, Scenario, cut, sse, message
from openai.types.responses import Response

SCRIPTS = Path(__file__).parents[2] / "scripts"
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


def get(server: Loopback, path: str) -> httpx2.Response:
    # A fresh connection for each, so that one test's fault cannot reach another request.
    return httpx2.get(server.base_url + path, timeout=PATIENCE)


# -- runs


@pytest.mark.parametrize("name", CATALOGUE)
def test_retrieve_walks_through_the_polls_to_the_ending_and_stays_there(client: OpenAI, name: str) -> None:
    response_id = create(client, scenario=name)
    seen = [client.responses.retrieve(response_id) for _ in range(4)]
    assert [one.status for one in seen[:2]] == ["queued", "in_progress"]
    assert seen[2].status == (None if name == "no_status" else CATALOGUE[name].ending.get("status"))
    assert seen[2] == seen[3]
    assert {one.id for one in seen} == {response_id}


@pytest.mark.parametrize("name", [name for name in CATALOGUE if CATALOGUE[name].sync_status])
def test_create_without_background_fails_with_the_status_of_the_synchronous_twin(client: OpenAI, name: str) -> None:
    with pytest.raises(APIStatusError) as caught:
        client.responses.create(model="gpt-5.6", input="Hi", metadata={"scenario": name})
    assert caught.value.response.status_code == CATALOGUE[name].sync_status
    assert caught.value.body == CATALOGUE[name].ending["error"]


def test_create_with_upcoming_scenarios_takes_them_in_turn_and_then_completes(server: Loopback, client: OpenAI) -> None:
    server.upcoming("cancelled", Scenario("mine", {"status": "failed"}, polls=()))
    made = [create(client) for _ in range(3)]
    assert [server.run(one).scenario.name for one in made] == ["cancelled", "mine", "completed"]
    assert server.creates == 3


def test_create_with_tuning_metadata_changes_this_run_only(client: OpenAI) -> None:
    tuned = create(client, scenario="completed", polls="3", pad_to="2000", poll_after_ms="200.5")
    raw = [client.responses.with_raw_response.retrieve(tuned) for _ in range(4)]
    assert [json.loads(one.text)["status"] for one in raw] == ["queued", "in_progress", "in_progress", "completed"]
    assert {len(one.content) for one in raw} == {2000}
    assert {one.headers["openai-poll-after-ms"] for one in raw} == {"200.5"}
    plain = client.responses.with_raw_response.retrieve(create(client, scenario="completed"))
    assert "openai-poll-after-ms" not in plain.headers and len(plain.content) < 2000


@pytest.mark.parametrize("metadata", [{"scenario": "nowhere"}, {"polls": "many"}, {"pad_to": "10"}])
def test_create_with_impossible_metadata_answers_400_and_creates_nothing(
    server: Loopback, client: OpenAI, metadata: dict[str, str]
) -> None:
    with pytest.raises(APIStatusError) as caught:
        create(client, **metadata)
    assert caught.value.status_code == 400
    assert server.creates == 0


def test_retrieve_of_an_id_that_names_a_scenario_needs_no_create(client: OpenAI) -> None:
    assert client.responses.retrieve("resp_cancelled").status == "queued"
    with pytest.raises(APIStatusError) as caught:
        client.responses.retrieve("resp_nowhere")
    assert caught.value.status_code == 404


def test_retrieve_of_a_timed_run_follows_the_clock() -> None:
    now = [0.0]
    with Loopback(clock=lambda: now[0]) as server:
        response_id = server.add(Scenario("long", {"status": "completed"}, seconds=28_800))
        seen: list[str] = []
        for now[0] in (0.0, 28_799.9, 28_800.0):
            seen.append(get(server, f"/responses/{response_id}").json()["status"])
    assert seen == ["in_progress", "in_progress", "completed"]


def test_retrieve_with_poll_headers_sends_the_nth_and_repeats_the_last(server: Loopback) -> None:
    hints: tuple[dict[str, str], ...] = ({"openai-poll-after-ms": "100"}, {}, {"openai-poll-after-ms": "0"})
    response_id = server.add(Scenario("hints", {"status": "completed"}, poll_headers=hints, headers={"x-more": "1"}))
    answers = [get(server, f"/responses/{response_id}").headers for _ in range(4)]
    assert [one.get("openai-poll-after-ms") for one in answers] == ["100", None, "0", "0"]
    assert {one["x-more"] for one in answers} == {"1"}
    assert len({one["x-request-id"] for one in answers}) == 4


def test_retrieve_of_a_bare_scenario_sends_the_ending_byte_for_byte(server: Loopback) -> None:
    ending = {"status": "failed", "error": {"code": 7, "message": "Grüße"}}
    response_id = server.add(Scenario("odd", ending, polls=(), bare=True))
    answer = get(server, f"/responses/{response_id}")
    assert answer.content == json.dumps(ending, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("size", [1_500, 28_000, 32_000, 300_000])
@pytest.mark.parametrize("name", ["completed", "server_error"])
def test_retrieve_of_a_padded_scenario_has_the_size_to_the_byte_and_parses(
    client: OpenAI, size: int, name: str
) -> None:
    response_id = create(client, scenario=name, pad_to=str(size), polls="1")
    raw = [client.responses.with_raw_response.retrieve(response_id) for _ in range(2)]
    assert [len(one.content) for one in raw] == [size, size]
    pending, ending = (Response.model_validate_json(one.content) for one in raw)
    if size > 1_500:
        assert pending.tools and (ending.output_text if name == "completed" else ending.tools)


def test_cancel_before_the_end_ends_the_run_and_counts_every_request(server: Loopback, client: OpenAI) -> None:
    response_id = create(client, scenario="completed")
    assert [client.responses.cancel(response_id).status for _ in range(2)] == ["cancelled", "cancelled"]
    assert client.responses.retrieve(response_id).status == "cancelled"
    events = [event.type for event in client.responses.retrieve(response_id, stream=True)]
    assert events[-1] == "response.cancelled"
    assert server.cancels == {response_id: 2}


def test_cancel_after_the_end_changes_nothing(client: OpenAI) -> None:
    response_id = create(client, scenario="completed", polls="0")
    assert client.responses.cancel(response_id).status == "completed"
    assert client.responses.retrieve(response_id).status == "completed"


# -- other clients


@pytest.mark.parametrize(
    ("where", "prefix"),
    [
        ({"azure_endpoint": ""}, "/openai/responses/"),
        ({"azure_endpoint": "", "azure_deployment": "mine"}, "/openai/responses/"),
        ({"base_url": "/openai/v1"}, "/openai/v1/responses/"),
        ({"base_url": "/openai/deployments/mine"}, "/openai/deployments/mine/responses/"),
    ],
    ids=["endpoint", "endpoint and deployment", "v1", "base url with a deployment"],
)
def test_azure_client_gets_the_same_answers(server: Loopback, where: dict[str, str], prefix: str) -> None:
    how: Any = {key: value if key == "azure_deployment" else server.url + value for key, value in where.items()}
    with AzureOpenAI(api_version="preview", api_key="loopback", **how) as azure:
        response_id = azure.responses.create(model="mine", input="Hi", background=True).id
        assert azure.responses.retrieve(response_id).status == "queued"
        assert azure.responses.cancel(response_id).status == "cancelled"
    assert server.logged("retrieve")[0].path == prefix + response_id
    assert server.logged("retrieve")[0].query == {"api-version": "preview"}


def test_beta_resource_gets_the_same_answers(server: Loopback, client: OpenAI) -> None:
    response_id = client.beta.responses.create(model="gpt-5.6", input="Hi", background=True).id
    assert client.beta.responses.retrieve(response_id).status == "queued"
    events = [event.type for event in client.beta.responses.retrieve(response_id, stream=True)]
    assert events[-1] == "response.completed"
    assert client.beta.responses.retrieve(response_id).status == "completed"
    assert server.logged("retrieve", response_id)[0].query == {"beta": "true"}


def test_unknown_path_answers_404(server: Loopback) -> None:
    assert get(server, "/models").status_code == 404
    assert httpx2.delete(server.base_url + "/responses/resp_completed").status_code == 404


# -- streams


@pytest.mark.parametrize("name", CATALOGUE)
def test_stream_of_every_scenario_is_numbered_and_ends_as_the_poll_does(server: Loopback, name: str) -> None:
    body = get(server, f"/responses/resp_{name}?stream=true").text
    events = [json.loads(line.removeprefix("data: ")) for line in body.splitlines() if line.startswith("data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    polled = get(server, f"/responses/resp_{name}").json()
    ends = [event["response"] for event in events if event["type"] == f"response.{polled.get('status')}"]
    assert ends == ([polled] if name != "no_status" else [])


def test_stream_starting_after_replays_the_rest_only(client: OpenAI) -> None:
    whole = list(client.responses.retrieve("resp_completed", stream=True))
    rest = list(client.responses.retrieve("resp_completed", stream=True, starting_after=4))
    assert [event.sequence_number for event in rest] == list(range(5, len(whole)))


def test_stream_with_a_delta_count_has_so_many_deltas_and_the_same_text(client: OpenAI) -> None:
    response_id = create(client, scenario="completed", deltas="1000")
    events = client.responses.retrieve(response_id, stream=True)
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) == 1000
    assert "".join(deltas) == client.responses.retrieve(response_id).output_text


def test_stream_helper_of_the_sdk_understands_the_events(client: OpenAI) -> None:
    with client.responses.stream(model="gpt-5.6", input="Hi", background=True) as stream:
        assert stream.get_final_response().output_text == "The harbour was built in three stages."


@given(data=st.binary(max_size=2_000), seed=st.integers(), longest=st.integers(1, 100))
def test_cut_pieces_joined_are_the_same_bytes(data: bytes, seed: int, longest: int) -> None:
    pieces = cut(data, seed, longest=longest)
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= longest for piece in pieces)
    assert pieces == cut(data, seed, longest=longest)


@pytest.mark.parametrize("seed", range(5))
def test_stream_with_a_chunk_seed_reassembles_to_the_same_bytes(server: Loopback, seed: int) -> None:
    events = tuple({"type": "x", "text": "Grüße, 世界 🌍" * n} for n in range(20))
    whole = b"".join(sse(event) for event in events)
    cut_id = server.add(Scenario("cut", {}, events=events, chunk_seed=seed))
    with httpx2.stream("GET", f"{server.base_url}/responses/{cut_id}?stream=true", timeout=PATIENCE) as answer:
        chunks = list(answer.iter_raw())
    assert b"".join(chunks) == whole
    # Both sides: it was cut, and at places where no event ends.
    assert len(chunks) > len(events)
    assert not all(chunk.endswith(b"\n\n") for chunk in chunks)


# -- faults


def spoiled(
    fault: Fault, path: str = "/responses/resp_completed", *, timeout: httpx2.Timeout | float = PATIENCE
) -> httpx2.Response:
    with Loopback(faults=lambda request: fault if request.number == 1 else None) as server:
        try:
            return httpx2.get(server.base_url + path, timeout=timeout)
        finally:
            # The run has not moved, and the next request is answered truly.
            assert get(server, "/responses/resp_completed").json()["status"] == "queued"


@pytest.mark.parametrize("path", ["/responses/resp_completed", "/responses/resp_completed?stream=true"])
@pytest.mark.parametrize("fault", [Fault.reset(), Fault.close(), Fault.close(0), Fault.close(0.99), Fault.close(7)])
def test_fault_that_breaks_the_connection_raises_in_the_client(fault: Fault, path: str) -> None:
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        spoiled(fault, path)


@pytest.mark.parametrize("keep", [0, 10])
def test_fault_hang_lasts_until_the_client_gives_up(keep: int) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        spoiled(Fault.hang(keep), timeout=httpx2.Timeout(PATIENCE, read=0.1))


@pytest.mark.parametrize("code", [404, 408, 409, 425, 429, 500, 503, 529])
def test_fault_status_answers_it_with_retry_after_and_an_error_body(code: int) -> None:
    answer = spoiled(Fault.status(code, retry_after="3"))
    assert (answer.status_code, answer.headers["retry-after"]) == (code, "3")
    assert answer.json()["error"]["type"] == "injected_fault"
    assert "retry-after" not in spoiled(Fault.status(code)).headers


def test_fault_html_answers_200_with_a_page() -> None:
    answer = spoiled(Fault.html())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert answer.text.startswith("<!doctype html>")


def test_fault_truncate_answers_a_complete_message_with_broken_json() -> None:
    answer = spoiled(Fault.truncate())
    assert answer.status_code == 200 and int(answer.headers["content-length"]) == len(answer.content)
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_fault_truncate_of_a_stream_ends_it_cleanly() -> None:
    answer = spoiled(Fault.truncate(40), "/responses/resp_completed?stream=true")
    assert len(answer.content) == 40


def test_fault_refuse_keeps_new_connections_out() -> None:
    # A time that no test waits for: what ends it here is `accept`.
    with Loopback(faults=lambda request: Fault.refuse(3600) if request.number == 1 else None) as server:
        with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
            get(server, "/responses/resp_completed")
        with pytest.raises(httpx2.ConnectError):
            get(server, "/responses/resp_completed")
        server.accept()
        assert get(server, "/responses/resp_completed").status_code == 200
        assert server.total == 2


def test_fault_refuse_ends_by_itself_on_the_same_port() -> None:
    with Loopback(faults=lambda request: Fault.refuse(0.01) if request.number == 1 else None) as server:
        with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
            get(server, "/responses/resp_completed")
        assert eventually(lambda: get(server, "/responses/resp_completed").status_code) == 200


def test_refuse_and_accept_close_and_open_the_same_port(server: Loopback) -> None:
    server.refuse()
    with pytest.raises(httpx2.ConnectError):
        get(server, "/responses/resp_completed")
    server.accept()
    assert get(server, "/responses/resp_completed").status_code == 200


def test_faults_by_request_reach_the_right_exceptions_of_the_sdk() -> None:
    faults = {1: Fault.status(429), 2: Fault.reset(), 3: None}
    with Loopback(faults=lambda request: faults[request.poll]) as server:
        with OpenAI(base_url=server.base_url, api_key="loopback", max_retries=0) as client:
            for expected in (RateLimitError, APIConnectionError):
                with pytest.raises(expected):
                    client.responses.retrieve("resp_completed")
            assert client.responses.retrieve("resp_completed").status == "queued"
        assert server.polls("resp_completed") == 3


def test_fault_hook_that_raises_answers_500_and_raises_when_the_server_stops() -> None:
    def hook(request: Request) -> Fault | None:
        raise LookupError(request.path)

    with pytest.raises(LookupError, match="/v1/responses/resp_completed"):
        with Loopback(faults=hook) as server:
            assert get(server, "/responses/resp_completed").status_code == 500


# -- the log


def test_log_shows_what_went_over_the_wire(server: Loopback, client: OpenAI) -> None:
    response_id = create(client, scenario="completed")
    client.responses.retrieve(response_id, include=["message.output_text.logprobs"], extra_headers={"X-Mine": "yes"})
    first, second = server.requests
    assert (first.method, first.path, first.number) == ("POST", "/v1/responses", 1)
    assert first.json["background"] is True and first.json["metadata"] == {"scenario": "completed"}
    assert (second.method, second.response_id, second.poll) == ("GET", response_id, 1)
    assert second.query == {"include[]": "message.output_text.logprobs"}
    assert (second.headers["x-mine"], second.headers["authorization"], second.body) == ("yes", "Bearer loopback", b"")


def test_log_switched_off_still_counts() -> None:
    with Loopback(log=False) as server:
        get(server, "/responses/resp_completed")
        assert (server.requests, server.total, server.polls("resp_completed")) == ([], 1, 1)


# -- its life


def test_server_stopped_closes_the_port_and_ends_its_thread() -> None:
    before = threading.active_count()
    server = Loopback().start()
    port = int(server.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)):
        server.stop()
        server.stop()
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_server_on_a_taken_port_raises_and_leaves_no_thread(server: Loopback) -> None:
    before = threading.active_count()
    with pytest.raises(OSError):
        Loopback(port=int(server.url.rsplit(":", 1)[1])).start()
    assert threading.active_count() == before


@pytest.mark.parametrize("request_", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n"])
def test_server_given_no_http_answers_400_and_goes_on(server: Loopback, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as connection:
        connection.sendall(request_)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert get(server, "/responses/resp_completed").status_code == 200


async def test_server_polled_for_ten_thousand_runs_over_open_connections_loses_nothing() -> None:
    # Bare sockets: an HTTP client with so many waiting requests would be what is measured here.
    ending = {"status": "completed", "output": [message("Done.")]}
    with Loopback(log=False) as server:
        one = Scenario("one", ending, polls=("in_progress",))
        ids = [server.add(one) for _ in range(10_000)]

        async def poll(mine: list[str]) -> list[str]:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
            seen: list[str] = []
            for response_id in mine * 2:
                writer.write(f"GET /v1/responses/{response_id} HTTP/1.1\r\nhost: loopback\r\n\r\n".encode())
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.split("content-length: ")[1].split("\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                assert body["id"] == response_id
                seen.append(body["status"])
            writer.close()
            await writer.wait_closed()
            return seen

        statuses = await asyncio.gather(*(poll(ids[start::400]) for start in range(400)))
        assert all(seen == ["in_progress"] * 25 + ["completed"] * 25 for seen in statuses)
        assert server.total == 20_000


def test_server_stopped_while_hundreds_hang_closes_them_all() -> None:
    with Loopback(faults=lambda _: Fault.hang(), log=False) as server:
        address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        waiting = [socket.create_connection(address) for _ in range(300)]
        for connection in waiting:
            connection.sendall(b"GET /v1/responses/resp_completed HTTP/1.1\r\nhost: loopback\r\n\r\n")
        assert eventually(lambda: server.total == 300)
    for connection in waiting:
        with connection:
            assert connection.recv(1) == b""


async def test_server_serves_the_async_client_in_the_same_process(server: Loopback) -> None:
    async with AsyncOpenAI(base_url=server.base_url, api_key="loopback", max_retries=0) as client:
        made = await client.responses.create(model="gpt-5.6", input="Hi", background=True)
        assert (await client.responses.retrieve(made.id)).status == "queued"
        with pytest.raises(APIError):
            await client.responses.retrieve("resp_nowhere")


def test_command_line_prints_the_address_first_and_serves_there() -> None:
    command = [sys.executable, "-m", "forktools.loopback"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=SCRIPTS) as process:
        try:
            assert process.stdout is not None
            base_url = process.stdout.readline().strip()
            assert httpx2.get(base_url + "/responses/resp_completed").json()["status"] == "queued"
        finally:
            process.terminate()


def test_command_line_with_a_taken_port_says_so_and_exits_1(server: Loopback) -> None:
    port = server.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "forktools.loopback", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SCRIPTS, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"127.0.0.1:{port}" in done.stderr and "Traceback" not in done.stderr


def eventually(attempt: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true value of `attempt`; a refused connection is a false one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            value = attempt()
        except httpx2.ConnectError:
            continue
        if value:
            return value
    raise AssertionError(f"not within {seconds} s")
