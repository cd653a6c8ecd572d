"""A server that speaks the background part of the Responses API, for the demo, the tests, the pages and examples.

    with Loopback() as server:
        client = OpenAI(base_url=server.base_url, api_key="loopback")
        run = client.responses.create(
            model="gpt-5.6", input="…", background=True, metadata={"scenario": "server_error"}
        )
        client.responses.retrieve(run.id)  # queued, then in_progress, then failed for good

Three ways to say how a run goes: `metadata={"scenario": NAME}` on the create (also from another process),
`server.upcoming(...)` for creates that shall look like anybody's, and `server.add(Scenario(...))` for a run that exists
already. Every name in `CATALOGUE` is also an id: `resp_<name>`.

`Loopback(faults=hook)` spoils requests as the hook says (see `Fault`); `server.requests`, `creates`, `cancels` and
`polls(id)` tell what came. On the command line: `./scripts/demo --serve`.
"""

from ._wire import Fault, Answer, Request
from ._server import Loopback
from ._payloads import sse, dumps, sized, message, response
from ._scenarios import CATALOGUE, Scenario

__all__ = [
    "CATALOGUE",
    "Answer",
    "Fault",
    "Loopback",
    "Request",
    "Scenario",
    "dumps",
    "message",
    "response",
    "sized",
    "sse",
]
