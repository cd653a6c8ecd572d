"""What `poll` returns: the response as it is, or parsed as `responses.parse` would have parsed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable

from openai._types import Omit
from openai._utils import is_given
from openai._models import add_request_id

if TYPE_CHECKING:
    from openai.types.responses.tool_param import ParseableToolParam


def finisher(
    resource: Any, text_format: type[Any] | Omit, tools: Iterable[ParseableToolParam] | Omit, on_poll: object
) -> Callable[[Any], Any]:
    """What is done with the response at the end; wrong arguments are refused here, before the first request."""
    if on_poll is not None and not callable(on_poll):
        raise TypeError(f"Expected `on_poll` to be a function but received {type(on_poll).__name__}; omit it for none")
    if not is_given(text_format) and not is_given(tools):
        return _as_it_is
    if not hasattr(resource, "parse"):
        raise TypeError("`text_format` and `tools` can only be used where there is a `parse` for them, not with `beta`")

    from openai.lib._parsing._responses import parse_response, type_to_text_format_param
    from openai.lib._response_resources import _make_tools

    if is_given(text_format):
        type_to_text_format_param(text_format)  # which refuses what cannot be parsed into
    input_tools = _make_tools(tools)

    def parse(response: Any) -> Any:
        parsed = parse_response(text_format=text_format, input_tools=input_tools, response=response)
        add_request_id(parsed, response._request_id)
        return parsed

    return parse


def _as_it_is(response: Any) -> Any:
    return response
