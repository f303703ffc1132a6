"""Explanations as HTML: a fragment for each text, and a page of them that needs nothing else."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.explain.counterfactual import Counterfactual
from textcnn.explain.results import EXACT, SHOWN, Explanation, Features

if TYPE_CHECKING:
    from markupsafe import Markup

LEVELS = 4  # of colour
MOST = 5  # n-grams on each side

# A word against the label is struck below by dashes, one for it by a line: colour is not the only sign.
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
@media (prefers-color-scheme:dark){.explained{--for:74,222,128;--against:252,129,129}}
""".strip()

HINT = (
    "Each word is marked by its score: what it adds to the label's logit, less what it adds to the mean of all "
    "classes. A solid line speaks for the label, a dashed one against it; words the model does not know are in italics."
)

# Words stand in the text without <bdi>: dir=auto does not look into it, and a text all of it would run left to right.
_FRAGMENT = """
<div class="explained">
<p><span class="label">{{ label }}</span> {{ "%.4f"|format(probability) }}</p>
<p class="text" dir="auto">
{%- for piece in pieces -%}
{%- if piece.kind -%}
<span class="w {{ piece.kind }}" title="{{ piece.title }}">{{ piece.text }}</span>
{%- else -%}{{ piece.text }}{%- endif -%}
{%- else -%}(no words){%- endfor -%}
</p>
<dl>
{%- for title, told in rows %}
<dt>{{ title }}</dt><dd>
{%- for text, score in told -%}
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


def fragment(explanation: Explanation, change: Counterfactual | None = None) -> Markup:
    """One text with its words marked, the strongest n-grams for and against, and the sum; needs the styles `CSS`."""
    from markupsafe import Markup

    label = explanation.classes[explanation.predicted]
    ngrams = [ngram for ngram in explanation.ngrams() if ngram.end - ngram.begin > 1]
    rows: list[tuple[str, list[tuple[str, float | None]]]] = [
        ("n-grams for", [(ngram.text, ngram.score) for ngram in ngrams[:MOST] if ngram.score >= SHOWN]),
        ("n-grams against", [(ngram.text, ngram.score) for ngram in ngrams[::-1][:MOST] if ngram.score <= -SHOWN]),
    ]
    words, bias = float(explanation.word_scores().sum()), explanation.bias_score()
    how = EXACT if explanation.method == EXACT else f"{explanation.method}, off by {explanation.gap:.1g}"
    rows.append(("in sum", [("words", words), ("bias", bias), (f"together ({how})", words + bias)]))
    if change is not None:
        rows.append(("smallest change found", [(change.told(), None)]))
    template = _template(_FRAGMENT)
    return Markup(  # noqa: S704 (the template escapes)
        template.render(
            label=label,
            probability=explanation.probabilities[explanation.predicted],
            pieces=_pieces(explanation),
            rows=[(title, told) for title, told in rows if told],
        )
    )


def shortened(explanation: Explanation, characters: int) -> Explanation:
    """The same of a text whose end is left out: its words and the n-grams that lie behind are not shown.

    What the words shown do not bring is then no longer told apart from the bias.
    """
    if len(explanation.text) <= characters:
        return explanation
    shown = sum(word.end <= characters for word in explanation.words)
    features = explanation.features
    inside = features.end <= shown
    end = explanation.words[shown - 1].end if shown else 0
    return dataclasses.replace(
        explanation,
        text=explanation.text[:end] + " ...",
        words=explanation.words[:shown],
        word_parts=explanation.word_parts[:shown],
        bias=explanation.bias + explanation.word_parts[shown:].sum(axis=0),
        features=Features(**{name: column[inside] for name, column in vars(features).items()}),
    )


def page(explanations: Sequence[Explanation], changes: Sequence[Counterfactual | None]) -> str:
    """A page of its own."""
    from markupsafe import Markup

    fragments = [fragment(*pair) for pair in zip(explanations, changes, strict=True)]
    template = _template(_PAGE)
    return template.render(title="Explanations", hint=HINT, css=Markup(CSS), fragments=fragments)  # noqa: S704 (our own)


@functools.cache
def _template(source: str) -> Any:
    import jinja2

    return jinja2.Environment(autoescape=True).from_string(source)


def _pieces(explanation: Explanation) -> list[dict[str, str]]:
    """The text in pieces, words with the class of their mark."""
    scores = explanation.word_scores()
    largest = np.abs(scores).max(initial=0) or 1.0
    pieces, end = [], 0
    for word, score in zip(explanation.words, scores.tolist(), strict=True):
        if word.start > end:
            pieces.append({"text": explanation.text[end : word.start], "kind": "", "title": ""})
        level = int(np.ceil(abs(score) / largest * LEVELS - 0.5))  # none below an eighth of the strongest
        kind = "unknown" if not word.known else f"{'f' if score > 0 else 'a'}{level}" if level else "none"
        title = "unknown word" if not word.known else f"{score:+.2f}"
        pieces.append({"text": explanation.text[word.start : word.end], "kind": kind, "title": title})
        end = word.end
    if explanation.text[end:]:
        pieces.append({"text": explanation.text[end:], "kind": "", "title": ""})
    return pieces
