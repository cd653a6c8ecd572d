"""Lenient reading of what servers send: models and JSON alike, whatever the types of their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pydantic

from openai._utils import is_mapping

if TYPE_CHECKING:
    import httpx2

__all__ = ["id_in_url", "member", "request_of", "sent_members", "string_of", "text_of"]


def member(data: Any, name: str) -> Any:
    """A member of a model or a mapping; None where there is none."""
    # The common cases first: the test for any mapping costs more than all the rest.
    if isinstance(data, dict):
        return data.get(name)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if data is None:
        return None
    if isinstance(data, pydantic.BaseModel) or not is_mapping(data):
        return getattr(data, name, None)
    return data.get(name)


def sent_members(model: pydantic.BaseModel) -> dict[str, Any]:
    """The members of a model that were in the JSON it came from, unknown ones included; works on pydantic 1 and 2."""
    # Pydantic 2's name for it, then 1's; each is a slot, where the public names are properties or deprecated.
    name_of_set = "__pydantic_fields_set__" if hasattr(model, "__pydantic_fields_set__") else "__fields_set__"
    sent: set[str] = getattr(model, name_of_set)
    members: dict[str, Any] = vars(model)  # not by iterating the model, which does the same with more work
    more: dict[str, Any] | None = getattr(model, "__pydantic_extra__", None)
    if more:
        members = {**members, **more}
        sent = {*sent, *more}
    return {name: value for name, value in members.items() if (value is not None or name in sent) and name[:1] != "_"}


def string_of(value: object) -> str | None:
    """A string that says something, or None."""
    return value if isinstance(value, str) and value else None


def text_of(value: object) -> str | None:
    """A JSON scalar as text, or None: codes arrive as strings, as numbers, as null, and as anything else."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return str(value)
    except ValueError:  # an int beyond the interpreter's limit of digits
        return None


def request_of(response: httpx2.Response | None) -> httpx2.Request | None:
    """The request behind an HTTP response, or None: a response made by hand raises when it is asked for one."""
    try:
        return response.request if response is not None else None
    except RuntimeError:
        return None


def id_in_url(response: httpx2.Response | None) -> str | None:
    """The response id in the path of the request, for an answer whose body holds none."""
    request = request_of(response)
    if request is None:
        return None
    _, found, rest = request.url.path.rpartition("/responses/")
    return (rest.split("/", 1)[0] or None) if found else None
