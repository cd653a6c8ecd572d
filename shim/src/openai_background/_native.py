"""The calls where `openai` has the feature: the client's own methods, and nothing else."""

from __future__ import annotations

from typing import Any
from importlib import import_module

__all__ = ["follow", "poll", "retrieve", "stream"]


def retrieve(client: Any, response_id: str, **options: Any) -> Any:
    return client.responses.retrieve(response_id, **options)


def poll(client: Any, response_id: str, **options: Any) -> Any:
    return client.responses.poll(response_id, **options)


def stream(client: Any, response_id: str, **options: Any) -> Any:
    return client.responses.stream(response_id=response_id, **options)


def follow(client: Any, response_id: str, **options: Any) -> Any:
    return import_module("openai.lib.background").follow(client.responses, response_id, **options)
