"""The picture in README shows what the demo printed, and asks nothing of anybody else's server."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml

from forktools import picture


def words(svg: str) -> str:
    return re.sub(r"\s+", " ", " ".join(xml.fromstring(svg).itertext()).replace("\xa0", " "))


def test_picture_and_the_committed_one_show_the_head_some_runs_and_the_end() -> None:
    for svg in (picture.drawn(), picture.TARGET.read_text(encoding="utf-8")):
        for text in ("./scripts/demo", "how the run ends", "insufficient_quota", "came back as an ordinary"):
            assert text in words(svg)
        assert "\x1b" not in svg and "@font-face" not in svg and "url(http" not in svg
