"""The picture in README shows what the demo printed, and asks nothing of anybody else's server."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml

import pytest

from forktools import demo, picture


def words(svg: str) -> str:
    return re.sub(r"\s+", " ", " ".join(xml.fromstring(svg).itertext()).replace("\xa0", " "))


def test_picture_shows_the_head_some_runs_and_the_end() -> None:
    out = picture.Terminal()
    demo.show_scenarios(out)
    svg = picture.drawn(picture.shortened(out.getvalue()))
    shown = words(svg)
    for text in ("how the run ends", "BackgroundRateLimitError", "insufficient_quota", "came back as an ordinary"):
        assert text in shown
    assert "\x1b" not in svg and "@font-face" not in svg and "url(http" not in svg


@pytest.mark.parametrize("text", ["./scripts/demo", "max_output_tokens", "came back as an ordinary return value."])
def test_committed_picture_is_of_the_demo(text: str) -> None:
    assert text in words(picture.TARGET.read_text(encoding="utf-8"))
