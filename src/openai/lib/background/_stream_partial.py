"""What a stream has told of its response so far, for the error of a run that ends badly. It is as large as the text."""

from __future__ import annotations

from typing import Any, cast

from ._errors import member
from ._stream_events import SNAPSHOTS, members

_TEXT_DONE = "response.output_text.done"
_ITEM_DONE = "response.output_item.done"
KEPT = frozenset({_TEXT_DONE, _ITEM_DONE, *SNAPSHOTS})
"""The kinds of events that `PartialResponse.add` wants to see."""


class PartialResponse:
    """The last snapshot, the items that are done, and the text of those that are not."""

    def __init__(self) -> None:
        self.snapshot: dict[str, Any] = {}
        self._items: dict[int, object] = {}
        self._texts: dict[tuple[int, int], bytearray] = {}
        """By the index of the item and that of its part, encoded: as strings, words take ten times the room."""
        self._ids: dict[int, object] = {}

    def add_delta(self, event: Any) -> None:
        """Keep the text of an event of the kind `TEXT_DELTA`."""
        try:
            self._texts[event.output_index, event.content_index].extend(event.delta.encode("utf-8", "surrogatepass"))
        except (AttributeError, KeyError, TypeError):  # the first of its part; JSON; or nonsense
            self._add_text(event, "delta")

    def add(self, event: object, kind: str) -> None:
        """Keep what an event of one of the kinds `KEPT` adds."""
        if kind in SNAPSHOTS:
            self.snapshot = members(member(event, "response"))
        elif kind == _ITEM_DONE:
            index = _index(member(event, "output_index"))
            self._items[index] = member(event, "item")
            self._texts = {at: text for at, text in self._texts.items() if at[0] != index}
        elif kind == _TEXT_DONE:
            self._add_text(event, "text")

    def output(self) -> list[Any]:
        """The items so far; a message that was cut off is an incomplete one."""
        told: object = self.snapshot.get("output")
        items: dict[int, Any] = dict(enumerate(cast("list[object]", told))) if isinstance(told, list) else {}
        items.update({index: self._message(index) for index, _ in self._texts})
        items.update(self._items)
        return [items[index] for index in sorted(items) if items[index] is not None]

    def _add_text(self, event: object, name: str) -> None:
        at = _index(member(event, "output_index")), _index(member(event, "content_index"))
        if name == "text" or at not in self._texts:
            self._texts[at] = bytearray()
            self._ids[at[0]] = member(event, "item_id")
        text = member(event, name)
        if isinstance(text, str):
            self._texts[at].extend(text.encode("utf-8", "surrogatepass"))

    def _message(self, index: int) -> dict[str, Any]:
        parts = [self._texts[at].decode("utf-8", "surrogatepass") for at in sorted(self._texts) if at[0] == index]
        content: list[Any] = [{"type": "output_text", "text": text, "annotations": []} for text in parts]
        item = {"type": "message", "role": "assistant", "status": "incomplete", "content": content}
        return {"id": self._ids.get(index), **item}


def _index(value: object) -> int:
    return value if isinstance(value, int) else 0
