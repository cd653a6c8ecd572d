"""What one instrumentation records of runs that fail: `python -m …tracing_program LIBRARY`. Prints JSON.

Every way to learn of the end is taken synchronously and asynchronously, without the flag, and on the fork with it. The
server is the test's; `run_of` says under which id it has the run of each.
"""

from __future__ import annotations

import os
import sys
import json
import asyncio
import logging
from typing import Any, Callable, NamedTuple
from importlib import import_module
from collections.abc import Iterable
from importlib.metadata import version

import openai

from . import ways
from .ways import WAYS

KEY = "sk-key-of-the-tests"
HEADER = "header-of-the-tests"
PROMPT = "prompt-of-the-tests"
"""In the instructions, which every answer of the server repeats."""

ON_THE_FORK = hasattr(openai, "BackgroundResponseError")
FLAG: dict[str, Any] = {"raise_on_failure": True}


STOCK_RAISES: dict[str, Callable[..., Any]] = {"refused": ways.loop, "broken": ways.stream}
"""What stock raises by itself: a request that is answered with 429, and a stream in which an `error` event comes."""


def run_of(way: str, kind: str, flag: bool) -> str:
    return f"resp_{way}_{kind}_{'flag' if flag else 'plain'}"


# -- the instrumentations


class Span(NamedTuple):
    name: str
    error: str | None
    """The type of the exception that it shows, `unnamed` for an error without one, None for no error."""


class Otel:
    """What was exported to memory."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self.exporter = InMemorySpanExporter()
        self.processor = SimpleSpanProcessor(self.exporter)
        self.provider = TracerProvider()
        self.provider.add_span_processor(self.processor)

    def take(self) -> tuple[list[Span], str]:
        spans = self.exporter.get_finished_spans()
        self.exporter.clear()
        return [Span(span.name, self._error(span)) for span in spans], "\n".join(span.to_json() for span in spans)

    @staticmethod
    def _error(span: Any) -> str | None:
        types = [event.attributes["exception.type"] for event in span.events if event.name == "exception"]
        types += [span.attributes["error.type"]] if "error.type" in span.attributes else []
        if types:
            return types[0].rpartition(".")[2]
        return "unnamed" if span.status.status_code.name == "ERROR" else None


class Sentry:
    """What would have been sent. Each way is a transaction, and its error is captured as an error handler would."""

    def __init__(self) -> None:
        import sentry_sdk
        from sentry_sdk.transport import Transport

        self.sdk, self.sent = sentry_sdk, sent = sentry_sdk, []

        class ToMemory(Transport):
            def capture_envelope(self, envelope: Any) -> None:
                sent.extend(json.loads(item.get_bytes()) for item in envelope.items if item.type != "client_report")

        sentry_sdk.init(dsn="http://public@127.0.0.1/1", transport=ToMemory, traces_sample_rate=1.0)

    def take(self) -> tuple[list[Span], str]:
        self.sdk.flush()
        spans: list[Span] = []
        for item in self.sent:
            for span in item.get("spans", ()):
                if span["op"].startswith("http"):  # and not what Sentry asks of git when it starts
                    spans.append(Span(span["op"], None if span.get("status") in (None, "ok") else "unnamed"))
        text = json.dumps(self.sent)
        self.sent.clear()
        return spans, text


def instrumented_by(module: str) -> Callable[[], Otel]:
    """The shape that OpenTelemetry gives to instrumentations."""

    def make() -> Otel:
        recorder = Otel()
        import_module(module).OpenAIInstrumentor().instrument(tracer_provider=recorder.provider)
        return recorder

    return make


def logfire() -> Otel:
    import logfire

    recorder = Otel()
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[recorder.processor])
    logfire.instrument_openai()
    return recorder


def langfuse() -> Otel:
    import langfuse
    import langfuse.openai  # wraps what it wraps when it is imported

    recorder = Otel()
    langfuse.Langfuse(public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9", span_exporter=recorder.exporter)
    return recorder


LIBRARIES: dict[str, tuple[str, Callable[[], Any]]] = {
    "openinference": (
        "openinference-instrumentation-openai",
        instrumented_by("openinference.instrumentation.openai"),
    ),
    "traceloop": ("opentelemetry-instrumentation-openai", instrumented_by("opentelemetry.instrumentation.openai")),
    "opentelemetry": (
        "opentelemetry-instrumentation-openai-v2",
        instrumented_by("opentelemetry.instrumentation.openai_v2"),
    ),
    "logfire": ("logfire", logfire),
    "sentry": ("sentry-sdk", Sentry),
    "langfuse": ("langfuse", langfuse),
}


# -- the measurement


class Log(logging.Handler):
    """What the instrumentation itself complains of."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        self.lines.append(f"{record.name}: {error}")


async def measured(recorder: Any, log: Log, call: Callable[[], Any]) -> dict[str, Any]:
    raised = None
    try:
        if isinstance(recorder, Sentry):
            with recorder.sdk.start_transaction(op="test", name="test"):
                await call()
        else:
            await call()
    except openai.OpenAIError as error:
        raised = type(error).__name__
        if isinstance(recorder, Sentry):
            recorder.sdk.capture_exception(error)
    provider = getattr(recorder, "provider", None)
    if provider is not None:
        provider.force_flush()
    spans, text = recorder.take()
    logged, log.lines = log.lines, []
    told = [secret for secret in (KEY, HEADER, PROMPT) if secret in text]
    return {"raised": raised, "spans": spans, "logged": sorted(set(logged)), "told": told}


def cases() -> Iterable[tuple[str, bool]]:
    yield from ((way, False) for way in STOCK_RAISES)
    for way in WAYS:
        if ON_THE_FORK or way != "poll":
            yield way, False
            if ON_THE_FORK:
                yield way, True


async def main(library: str) -> None:
    recorder = LIBRARIES[library][1]()
    log = Log()
    logging.getLogger().addHandler(log)
    options: dict[str, Any] = {"api_key": KEY, "max_retries": 0, "default_headers": {"x-of-the-tests": HEADER}}
    found: dict[str, Any] = {}
    with openai.OpenAI(**options) as client:
        async with openai.AsyncOpenAI(**options) as other:
            for kind, resource in (("sync", client.responses), ("async", other.responses)):
                for way, flag in cases():
                    run, more = run_of(way, kind, flag), FLAG if flag else {}
                    go = {**WAYS, **STOCK_RAISES}[way]
                    name = f"{kind} {way}{' flag' if flag else ''}"
                    found[name] = await measured(
                        recorder, log, lambda go=go, r=resource, run=run, more=more: go(r, run, **more)
                    )
    print(json.dumps({"version": version(LIBRARIES[library][0]), "found": found}))
    sys.stdout.flush()
    os._exit(0)  # no exporter shall go on trying to reach a server that is not there


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
