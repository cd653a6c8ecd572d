"""An agent on Azure's agent server, in its local mode: ends each run as the scenario in the metadata says.

`python -m …agent_server_program PORT [resilient]`. A run with `held` in its metadata begins to end when the file that it
names is there.
"""

from __future__ import annotations

import sys
import asyncio
from typing import Any
from pathlib import Path

from azure.ai.agentserver.responses import (  # pyright: ignore[reportMissingImports]
    ResponseEventStream,
    ResponsesServerOptions,
    ResponsesAgentServerHost,
)

from forktools.loopback import CATALOGUE

app: Any = ResponsesAgentServerHost(options=ResponsesServerOptions(resilient_background="resilient" in sys.argv))


@app.response_handler
async def agent(request: Any, context: Any, cancelled: asyncio.Event) -> Any:
    metadata = dict(request["metadata"] or {})
    events: Any = ResponseEventStream(response_id=context.response_id, request=request)
    yield events.emit_created()
    yield events.emit_in_progress()
    while "held" in metadata and not Path(metadata["held"]).exists():
        await asyncio.sleep(0.05)
    ending = CATALOGUE[metadata["scenario"]].ending
    for item in ending.get("output", ()):
        for event in events.output_item_message(item["content"][0]["text"]):
            yield event
    status, error = ending.get("status"), ending.get("error")
    if status == "completed":
        yield events.emit_completed()
    elif status == "incomplete":
        yield events.emit_incomplete(reason=ending["incomplete_details"]["reason"])
    elif status == "cancelled":
        await cancelled.wait()
    elif error is None:
        raise RuntimeError("The agent failed.")
    else:
        # The server takes a code and a text; a type has no place but that of the code.
        yield events.emit_failed(code=str(error.get("code") or error.get("type")), message=error["message"])


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]))
