"""docs/background-run.svg: the life of a run, drawn from the contract.

Promises: every status, class and sentence in it is read from `openai.lib.background`, so a changed contract changes the
picture; it carries its own ground and colours for light and dark, so it is legible wherever it is shown; same contract,
same bytes.
"""

from __future__ import annotations

from html import escape
from textwrap import wrap

from openai import OpenAIError
from openai.lib.background import CONTRACT, BackgroundResponseError
from openai.lib.background._guide import classes
from openai.lib.background._pages import ENDINGS, Ending, outcome

FILE = "docs/background-run.svg"

WIDTH, HEIGHT = 900, 456

_STYLE = """
  .ground { fill: #ffffff; stroke: #d1d9e0; }
  .group { fill: #f6f8fa; stroke: #d1d9e0; }
  .box { fill: #ffffff; stroke: #59636e; stroke-width: 1.5; }
  .good { fill: #dafbe1; stroke: #1a7f37; stroke-width: 1.5; }
  .bad { fill: #ffebe9; stroke: #cf222e; stroke-width: 1.5; }
  .line { fill: none; stroke: #59636e; stroke-width: 1.5; }
  .hand { stroke-dasharray: 5 4; }
  .head { fill: #59636e; }
  text { font: 14px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .name { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  .small { font-size: 12px; fill: #59636e; }
  .middle { text-anchor: middle; }
  .end { text-anchor: end; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #3d444d; }
    .group { fill: #151b23; stroke: #3d444d; }
    .box { fill: #0d1117; stroke: #9198a1; }
    .good { fill: #12261e; stroke: #3fb950; }
    .bad { fill: #25171c; stroke: #f85149; }
    .line { stroke: #9198a1; }
    .head { fill: #9198a1; }
    text { fill: #f0f6fc; }
    .small { fill: #9198a1; }
  }
""".strip("\n")


def draw() -> str:
    """The picture as SVG."""
    unfinished = [ending for ending in ENDINGS if not ending.terminal]
    over = [ending for ending in ENDINGS if ending.terminal]
    parts = [_rect(0.5, 0.5, WIDTH - 1, HEIGHT - 1, "ground", 8)]
    parts.append(_text(632, 24, "with raise_on_failure=True", "small"))
    parts += _unfinished(unfinished)
    parts += [part for row, ending in enumerate(over) for part in _over(ending, 36 + 72 * row)]
    parts += _goes_on(334)
    body = "\n".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" \
role="img" aria-labelledby="title description">
<title id="title">The life of a background run</title>
<desc id="description">{escape(in_words())}</desc>
<style>
{_STYLE}
</style>
<defs>
<marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">\
<path class="head" d="M0 0 10 5 0 10z"/></marker>
</defs>
{body}
</svg>
"""


def in_words() -> str:
    """What the picture shows, for who cannot see it; also its alternative text in the pages."""
    unfinished = " or ".join(ending.status for ending in ENDINGS if not ending.terminal)
    over = "; ".join(
        f"{ending.status}, set by {ending.set_by}, is {_spoken(ending)}" for ending in ENDINGS if ending.terminal
    )
    apart = " and ".join(cls.__name__ for cls in _not_endings())
    return f"A run that is {unfinished} is returned. It ends in one of these ways: {over}. {apart} end the waiting, not the run."


def _spoken(ending: Ending) -> str:
    raised = outcome(ending.status)
    return f"raised as {raised.__name__}" if raised else "returned"


def _unfinished(endings: list[Ending]) -> list[str]:
    parts = [_rect(146, 92, 292, 132, "group", 8), _text(292, 116, "not over yet: returned", "small middle")]
    parts += [_rect(20, 137, 92, 42, "box", 21), _text(66, 163, "create()", "name middle")]
    for ending, start, x in zip(endings, (112, 278), (166, 306), strict=True):
        parts += [
            _arrow(start, 158, x),
            _rect(x, 137, 112, 42, "box", 6),
            _text(x + 56, 163, ending.status, "name middle"),
        ]
    parts.append(_text(292, 208, "retrieve() shows it, poll() waits", "small middle"))
    return parts


def _over(ending: Ending, y: int) -> list[str]:
    raised = outcome(ending.status)
    hand = ending.set_by != "the API"
    middle = y + 24
    # From the group, not from one box: a run can end in any way before it was ever seen in progress.
    line = f'<path class="line{" hand" if hand else ""}" marker-end="url(#arrow)" d="M438 158 C 476 158 468 {middle} 504 {middle}"/>'
    parts = [
        line,
        _rect(506, y, 112, 48, "bad" if raised else "good", 6),
        _text(562, middle + 5, ending.status, "name middle"),
    ]
    if hand:
        parts.append(_text(482, middle + 14, "by " + ending.set_by, "small end"))
    notes = _notes(ending)
    top = middle + 5 - 8 * len(notes)
    parts.append(_text(632, top, raised.__name__ if raised else "returned", "name" if raised else ""))
    parts += [_text(632, top + 16 * number, note, "small") for number, note in enumerate(notes, 1)]
    return parts


def _notes(ending: Ending) -> list[str]:
    """What else an ending may raise: the subclasses by cause, the reasons that go their own way."""
    base = outcome(ending.status)
    if ending.status == "failed":
        causes = {rule.error_class for rule in CONTRACT if rule.kind != "reason"} - {base}
        return ["or, where the cause is known, one", f"of its {len(causes)} subclasses"]
    if ending.status == "incomplete":
        others = [rule for rule in CONTRACT if rule.kind == "reason" and rule.error_class is not base]
        return [f"{rule.key}: {rule.error_class.__name__ if rule.error_class else 'returned'}" for rule in others]
    return []


def _not_endings() -> list[type[OpenAIError]]:
    return [cls for cls in classes() if not issubclass(cls, BackgroundResponseError)]


def _goes_on(y: int) -> list[str]:
    parts = [_rect(20, y, WIDTH - 40, 102, "group", 8)]
    parts.append(_text(36, y + 25, "These end the waiting, not the run: ask again with the same id.", ""))
    for row, cls in enumerate(_not_endings()):
        when = (cls.__doc__ or "").split(".")[0].removeprefix("Raised when ").replace("`", "")
        (line,) = wrap(when, 80)
        parts += [_text(36, y + 54 + 26 * row, cls.__name__, "name"), _text(300, y + 54 + 26 * row, line, "small")]
    return parts


def _rect(x: float, y: float, width: float, height: float, kind: str, radius: int) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>'


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text{f" class={chr(34)}{kind}{chr(34)}" if kind else ""} x="{x}" y="{y}">{escape(text)}</text>'


def _arrow(x: int, y: int, to: int) -> str:
    return f'<path class="line" marker-end="url(#arrow)" d="M{x} {y} H{to - 2}"/>'
