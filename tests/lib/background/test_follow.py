"""`follow` to the end of a run, over sockets: against servers that close, cut, refuse, begin anew or do not stream."""

from __future__ import annotations

import gc
import time
import asyncio
from typing import Any, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from openai import (
    OpenAI,
    AsyncOpenAI,
    NotFoundError,
    BackgroundResponseError,
    BackgroundIncompleteError,
    BackgroundPollTimeoutError,
)
from openai.lib.background import follow, _follower

from ._replay import BOOM, DONE, sse, each, delta, ended, event, kinds, created
from ._support import KEY, body, settle, written
from ._loopback import Script, Loopback

WHOLE = [created(), *[delta(number, f"{number} ") for number in range(1, 12)]]
END = ended("completed", 12, output=written("".join(f"{number} " for number in range(1, 12))))
RUN = [*WHOLE, END]
Respond = Callable[[str], Script]


def after(target: str) -> int | None:
    """What a request asks to start after; -1 without, None for a poll."""
    query = parse_qs(urlsplit(target).query)
    if query.get("stream") != ["true"]:
        return None
    return int(query.get("starting_after", ["-1"])[0])


def rest(events: list[Any], number: int) -> list[Any]:
    return [one for one in events if one.get("sequence_number", 99) > number]


class Following:
    """A client of either kind on a server, whose pauses are counted."""

    def __init__(self, server: Loopback, asynchronous: bool, beta: bool) -> None:
        self.server = server
        self.pauses: list[float] = []
        options: Any = {"base_url": server.base_url, "api_key": KEY, "max_retries": 0}
        self.client: Any = AsyncOpenAI(**options) if asynchronous else OpenAI(**options)
        self.responses = self.client.beta.responses if beta else self.client.responses

        async def asleep(seconds: float) -> None:
            self.pauses.append(seconds)

        self.responses._sleep = asleep if asynchronous else self.pauses.append

    @property
    def asked(self) -> list[int | None]:
        return [after(target) for target in self.server.targets]

    async def all(self, **options: Any) -> tuple[list[Any], Any]:
        """The events and the end of a run: its response, or what was raised."""
        seen: list[Any] = []
        run = follow(self.responses, "resp_1", **options)
        try:
            async for one in each(run):
                seen.append(one)
        except Exception as error:
            return seen, error
        return seen, run.response

    async def is_free(self) -> bool:
        """Whether no connection is under way but those that wait to be used again."""
        for _ in range(200):
            if self.server.busy == 0:
                return True
            await asyncio.sleep(0.01)
        return False


@asynccontextmanager
async def following(respond: Respond, asynchronous: bool, beta: bool = False) -> Any:
    with Loopback(respond) as server:
        made = Following(server, asynchronous, beta)
        yield made
        await settle(made.client.close())


def streaming(script: Callable[[int], Script], polled: Any = None) -> Respond:
    """A server that answers a stream by what it is to start after, and polls with `polled`."""
    done = polled or END["response"]

    def respond(target: str) -> Script:
        number = after(target)
        return (200, done) if number is None else script(number)

    return respond


def text_of(seen: list[Any]) -> str:
    return "".join(one.delta for one in seen if one.type == "response.output_text.delta")


@pytest.mark.parametrize("beta", [False, True], ids=["stable", "beta"])
async def test_follow_of_a_stream_that_holds_is_that_stream(asynchronous: bool, beta: bool) -> None:
    async with following(streaming(lambda number: [sse(*rest(RUN, number))]), asynchronous, beta) as made:
        seen, response = await made.all()
        assert [one.sequence_number for one in seen] == list(range(13))
        assert (response.status, response.output[0].content[0].text) == ("completed", text_of(seen))
        assert (made.asked, made.pauses) == ([-1], [])


@pytest.mark.parametrize("end", ["cut", "end"])
async def test_follow_of_a_stream_that_is_cut_every_third_event_misses_none(asynchronous: bool, end: str) -> None:
    def script(number: int) -> Script:
        return [sse(*rest(RUN, number)[:3]), *(["cut"] if end == "cut" else [])]

    async with following(streaming(script), asynchronous) as made:
        seen, response = await made.all()
        assert [one.sequence_number for one in seen] == list(range(13))
        assert text_of(seen) == response.output_text
        assert made.asked == [-1, 2, 5, 8, 11]
        assert len(made.pauses) == 4 and max(made.pauses) <= _follower.PAUSES[0]
        assert await made.is_free()


async def test_follow_of_a_server_that_begins_anew_delivers_no_event_twice(asynchronous: bool) -> None:
    lengths = iter([4, 3, 8, 99])

    def script(_number: int) -> Script:
        return [sse(*[event("ping"), *RUN][: next(lengths)]), "cut"]

    async with following(streaming(script), asynchronous) as made:
        seen, response = await made.all()
        assert [one.sequence_number for one in seen if one.type != "ping"] == list(range(13))
        assert kinds(seen).count("ping") == 1
        assert text_of(seen) == response.output_text


@pytest.mark.parametrize("first", [0, 5])
async def test_follow_of_a_server_that_always_closes_polls_after_a_few_attempts(asynchronous: bool, first: int) -> None:
    def script(number: int) -> Script:
        return [sse(*RUN[:first])] if number < 0 and first else ["cut"]

    async with following(streaming(script), asynchronous) as made:
        seen, response = await made.all()
        attempts = len(_follower.PAUSES)
        number = first - 1
        assert made.asked == [-1, *[number] * attempts, None]
        assert made.pauses == sorted(made.pauses) and len(made.pauses) == attempts
        assert kinds(seen) == [*kinds(RUN[:first]), "response.completed"]
        assert seen[-1].response is response and seen[-1].sequence_number == number + 1
        assert response.status == "completed"


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_follow_polls_where_a_resume_is_refused(asynchronous: bool, status: int) -> None:
    def script(number: int) -> Script:
        return [sse(*RUN[:5]), "cut"] if number < 0 else (status, {"error": {"message": "Too old."}})

    async with following(streaming(script), asynchronous) as made:
        seen, response = await made.all()
        assert made.asked == [-1, 4, None]
        assert kinds(seen) == [*kinds(RUN[:5]), "response.completed"]
        assert response.output_text == END["response"]["output"][0]["content"][0]["text"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_follow_asks_again_where_a_resume_fails_for_the_moment(asynchronous: bool, status: int) -> None:
    faults = iter([True, True, False])

    def script(number: int) -> Script:
        if number < 0:
            return [sse(*RUN[:5]), "cut"]
        return (status, {"error": {"message": "Busy."}}) if next(faults) else [sse(*rest(RUN, number))]

    async with following(streaming(script), asynchronous) as made:
        seen, _ = await made.all()
        assert made.asked == [-1, 4, 4, 4]
        assert [one.sequence_number for one in seen] == list(range(13))


async def test_follow_polls_a_server_that_answers_json(asynchronous: bool) -> None:
    answers = iter([body("in_progress"), body("queued"), body("in_progress"), END["response"]])
    async with following(lambda _: (200, next(answers)), asynchronous) as made:
        seen, response = await made.all()
        assert made.asked == [-1, None, None, None]
        assert kinds(seen) == ["response.completed"]
        assert (response.status, seen[0].response) == ("completed", response)


async def test_follow_takes_json_of_a_run_that_is_completed(asynchronous: bool) -> None:
    async with following(lambda _: (200, END["response"]), asynchronous) as made:
        seen, response = await made.all(starting_after=7)
        assert (made.asked, kinds(seen), response.status) == ([7], ["response.completed"], "completed")


@pytest.mark.parametrize("events", [[], RUN[:4]], ids=["at_once", "later"])
async def test_follow_polls_behind_done_without_an_end(asynchronous: bool, events: list[Any]) -> None:
    async with following(streaming(lambda _: [sse(*events, DONE)]), asynchronous) as made:
        seen, response = await made.all()
        assert made.asked == [-1, None]
        assert kinds(seen) == [*kinds(events), "response.completed"]
        assert response.status == "completed"


async def test_follow_does_not_resume_behind_events_without_numbers(asynchronous: bool) -> None:
    async with following(streaming(lambda _: [sse(delta(None, "a"), delta(None, "b")), "cut"]), asynchronous) as made:
        seen, _ = await made.all()
        assert made.asked == [-1, None]
        assert text_of(seen) == "ab"


@pytest.mark.parametrize("data", ["{", '{"type": "response.out'])
async def test_follow_asks_again_behind_an_event_that_cannot_be_read(asynchronous: bool, data: str) -> None:
    async with following(
        streaming(lambda number: [sse(*RUN[:3], data)] if number < 0 else [sse(*rest(RUN, number))]), asynchronous
    ) as made:
        seen, _ = await made.all()
        assert [one.sequence_number for one in seen] == list(range(13))


async def test_follow_from_a_number_on_delivers_what_comes_after_it(asynchronous: bool) -> None:
    async with following(streaming(lambda number: [sse(*rest(RUN, number))]), asynchronous) as made:
        seen, _ = await made.all(starting_after=8)
        assert (made.asked, [one.sequence_number for one in seen]) == ([8], [9, 10, 11, 12])


@pytest.mark.parametrize("how", ["stream", "poll", "json", "error"])
async def test_follow_of_a_run_that_ends_badly_ends_as_a_poll(asynchronous: bool, how: str) -> None:
    response = body("incomplete", incomplete_details={"reason": "max_output_tokens"})
    scripts: dict[str, Script] = {
        "stream": [sse(*RUN[:4], ended("incomplete", 4, incomplete_details={"reason": "max_output_tokens"})), "hold"],
        "poll": [sse(DONE)],
        "json": (200, response),
        "error": [sse(*RUN[:4], event("error", 4, error=BOOM)), "hold"],
    }
    async with following(streaming(lambda _: scripts[how], polled=response), asynchronous) as made:
        seen: list[Any] = []
        run = follow(made.responses, "resp_1")
        with pytest.raises(BackgroundResponseError) as caught:
            async for one in each(run):
                seen.append(one)
        assert isinstance(caught.value, BackgroundIncompleteError) is (how != "error")
        assert kinds(seen) == {"stream": [*kinds(RUN[:4]), "response.incomplete"], "error": kinds(RUN[:4])}.get(how, [])
        with pytest.raises(BackgroundIncompleteError):  # what a poll says now
            async for _ in each(run):
                pass
        with pytest.raises(RuntimeError, match="not followed to its end"):
            _ = run.response
        assert await made.is_free()


async def test_follow_ends_at_the_end_of_the_run_and_not_of_the_body(asynchronous: bool) -> None:
    async with following(streaming(lambda _: [sse(*RUN), "hold"]), asynchronous) as made:
        began = time.monotonic()
        seen, response = await made.all()
        assert (len(seen), response.status) == (13, "completed")
        assert time.monotonic() - began < 5
        assert await made.is_free()


async def test_follow_of_an_id_that_nobody_knows_raises_what_poll_raises(
    asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openai.lib.background import _wait

    monkeypatch.setattr(_wait, "MISSING_GRACE", 0.0)
    async with following(lambda _: (404, {"error": {"message": "No such response."}}), asynchronous) as made:
        _, error = await made.all()
        assert isinstance(error, NotFoundError) and not isinstance(error, BackgroundResponseError)
        assert made.asked[0] == -1 and set(made.asked[1:]) == {None}


@pytest.mark.parametrize("script", [["hold"], [sse(*RUN[:4]), "hold"], [sse(*RUN[:4]), "cut"]])
async def test_follow_ends_when_the_time_is_up(
    asynchronous: bool, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openai.lib.background import _poll_timeout

    monkeypatch.setattr(_poll_timeout, "LAST_REQUEST", 0.1)
    async with following(streaming(lambda _: script, polled=body("in_progress")), asynchronous) as made:
        began = time.monotonic()
        _, error = await made.all(max_wait_seconds=0.4)
        assert isinstance(error, BackgroundPollTimeoutError)
        assert (error.response_id, error.status) == ("resp_1", "in_progress")
        assert error.elapsed_seconds >= 0.4 and "Followed for" in str(error)
        assert time.monotonic() - began < 5
        assert await made.is_free()


async def test_follow_takes_the_end_that_is_there_when_the_time_is_up(asynchronous: bool) -> None:
    async with following(streaming(lambda _: ["hold"]), asynchronous) as made:
        seen, response = await made.all(max_wait_seconds=0)
        assert (made.asked, kinds(seen), response.status) == ([None], ["response.completed"], "completed")


@pytest.mark.parametrize("how", ["close", "with", "raise", "break"])
async def test_follow_that_is_left_leaves_no_socket(asynchronous: bool, how: str) -> None:
    async def loop(made: Following) -> None:
        run = follow(made.responses, "resp_1")
        if how == "with":
            if asynchronous:
                async with run:
                    await run.__anext__()
            else:
                with run:
                    next(run)
            return
        async for _ in each(run):
            if how == "raise":
                await settle(run.close()) if asynchronous else None
                raise KeyboardInterrupt
            if how == "close" or asynchronous:
                await settle(run.close())
            if how == "break":
                break
        else:
            assert how == "close"  # ends the iteration

    async with following(streaming(lambda _: [sse(*RUN[:4]), "hold"]), asynchronous) as made:
        try:
            await loop(made)
        except KeyboardInterrupt:
            pass
        gc.disable()
        try:
            assert await made.is_free()
        finally:
            gc.enable()
        assert made.asked == [-1]


async def test_follow_that_is_interrupted_while_it_reads_leaves_no_socket_and_goes_on(
    asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(streaming(lambda number: [sse(*rest(RUN, number)[:4]), "cut"]), asynchronous) as made:
        run = follow(made.responses, "resp_1")

        def interrupt(*_: Any) -> Any:
            raise KeyboardInterrupt

        seen: list[Any] = []
        for _ in range(2):
            seen.append(await settle(run.__anext__() if asynchronous else next(run)))
        with monkeypatch.context() as patched:
            patched.setattr(run._stream._iterator, "_note", interrupt)
            with pytest.raises(KeyboardInterrupt):
                await settle(run.__anext__() if asynchronous else next(run))
        assert await made.is_free()
        async for one in each(run):
            seen.append(one)
        assert [one.sequence_number for one in seen] == list(range(13))


async def test_follow_that_is_cancelled_leaves_no_socket() -> None:
    async with following(streaming(lambda _: [sse(*RUN[:4]), "hold"]), True) as made:
        task = asyncio.create_task(made.all())
        while not made.server.targets:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await made.is_free()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_follow_refuses_an_empty_id_before_anything_is_asked(asynchronous: bool) -> None:
    api: Any = AsyncOpenAI(api_key=KEY) if asynchronous else OpenAI(api_key=KEY)
    with pytest.raises(ValueError, match="non-empty value for `response_id`"):
        follow(api.responses, "")


async def test_follow_through_an_overridden_retrieve_asks_it(asynchronous: bool) -> None:
    calls: list[Any] = []
    async with following(streaming(lambda number: [sse(*rest(RUN, number)[:6])]), asynchronous) as made:
        retrieve = made.responses.retrieve

        def counted(*args: Any, **options: Any) -> Any:
            calls.append(options.get("starting_after"))
            return retrieve(*args, **options)

        made.responses.retrieve = counted
        await made.all()
    assert calls == [None, 5, 11]
