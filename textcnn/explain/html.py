"""Explanations as HTML: a fragment per text, and a self-contained page of fragments."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

LEVELS = 4  # of colour

# Words for the label have a solid underline, words against it a dashed one: colour is not the only sign.
CSS = """
.explained{--for:21,128,61;--against:185,28,28;line-height:1.9;margin:0 0 1.25rem}
.explained .label{font-weight:600}
.explained .text{white-space:pre-wrap;overflow-wrap:anywhere;margin:.25rem 0}
.explained .w{padding:.1em .12em;border-radius:.2em}
.explained .f1,.explained .f2,.explained .f3,.explained .f4{border-bottom:2px solid rgb(var(--for))}
.explained .a1,.explained .a2,.explained .a3,.explained .a4{border-bottom:2px dashed rgb(var(--against))}
.explained .f1{background:rgba(var(--for),.08)}.explained .f2{background:rgba(var(--for),.18)}
.explained .f3{background:rgba(var(--for),.3)}.explained .f4{background:rgba(var(--for),.42)}
.explained .a1{background:rgba(var(--against),.08)}.explained .a2{background:rgba(var(--against),.18)}
.explained .a3{background:rgba(var(--against),.3)}.explained .a4{background:rgba(var(--against),.42)}
.explained .unknown{opacity:.6;font-style:italic}
.explained dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:0 .8rem;margin:.25rem 0;
font-size:.9em;line-height:1.5}
.explained dt{opacity:.75}.explained dd{margin:0;overflow-wrap:anywhere}
@media (max-width:30rem){.explained dl{display:block}.explained dt{margin-top:.3rem}}
@media (prefers-color-scheme:dark){.explained{--for:74,222,128;--against:252,129,129}}
""".strip()

HINT = (
    "Each word is marked by its score: what it adds to the label's logit, less what it adds to the mean of all "
    "classes; where a text has several labels, what it adds to the label's log-odds. A solid underline is for the "
    "label, a dashed one against it; words that the model does not know are in italics."
)

# No <bdi> around the words of a text: dir=auto ignores what is inside it, so that the text would run left to right.
_FRAGMENT = """
<div class="explained">
<p><span class="label">{{ label }}</span> {{ "%.4f"|format(probability) }}</p>
<p class="text" dir="auto">
{%- for piece in pieces -%}
{%- if piece.mark -%}
<span class="w {{ piece.mark }}" title="{{ piece.title }}">{{ piece.text }}</span>
{%- else -%}{{ piece.text }}{%- endif -%}
{%- else -%}(no words){%- endfor -%}
</p>
<dl>
{%- for title, items in rows if items %}
<dt>{{ title }}</dt><dd>
{%- for text, score in items -%}
<bdi>{{ text }}</bdi>{% if score is not none %} {{ "%+.2f"|format(score) }}{% endif %}
{%- if not loop.last %} &middot; {% endif -%}
{%- endfor -%}
</dd>
{%- endfor %}
</dl>
</div>
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root{color-scheme:light dark}
body{font:1rem/1.6 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;
background:Canvas;color:CanvasText}
h1{font-size:1.3rem}
{{ css }}
</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
<p>{{ hint }}</p>
{% for fragment in fragments %}{{ fragment }}{% endfor %}
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class Piece:
    """A piece of a text: a word with the class and tooltip of its mark, or, without a class, what is between words."""

    text: str
    mark: str = ""
    title: str = ""


Row = tuple[str, Sequence[tuple[str, float | None]]]  # a title, and phrases with their scores


def mark(score: float, largest: float) -> str:
    """Return the class of a word's mark: for (f) or against (a), and the level of its colour.

    Args:
        score: of the word.
        largest: absolute score of any word of the text; those below an eighth of it have no colour.
    """
    level = math.ceil(abs(score) / largest * LEVELS - 0.5)
    return f"{'f' if score > 0 else 'a'}{level}" if level else "none"


def fragment(label: str, probability: float, pieces: Sequence[Piece], rows: Sequence[Row]) -> Markup:
    """Return one text with its words marked, and a list of phrases below it; it needs the styles `CSS`.

    Args:
        label: the predicted class.
        probability: of that class.
        pieces: the text in order; none for a text without words.
        rows: of the list; those without phrases are left out.
    """
    from markupsafe import Markup

    content = _template(_FRAGMENT).render(label=label, probability=probability, pieces=pieces, rows=rows)
    return Markup(content)  # noqa: S704 (the template escapes)


def with_style(content: Markup) -> str:
    """Return a fragment preceded by its styles, for a notebook."""
    return f"<style>{CSS}</style>{content}"


def page(fragments: Sequence[Markup]) -> str:
    """Return a page of fragments that needs no other file."""
    from markupsafe import Markup

    return _template(_PAGE).render(title="Explanations", hint=HINT, css=Markup(CSS), fragments=fragments)  # noqa: S704


@functools.cache
def _template(source: str) -> Any:
    import jinja2

    return jinja2.Environment(autoescape=True).from_string(source)
