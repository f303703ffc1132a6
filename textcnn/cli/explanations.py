"""An explanation as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from textcnn.cli.terminal import TextLayout
from textcnn.explain.counterfactual import Counterfactual
from textcnn.explain.explanation import Explanation
from textcnn.explain.results import EXACT, SHOWN, Ngram
from textcnn.targets import ONE_CLASS

if TYPE_CHECKING:
    from rich.text import Text

MOST = 5  # words and n-grams on each side
WEAK = 0.15  # share of the strongest word's score below which a word is not marked
_MARGIN = 18


def lines(
    explanation: Explanation, change: Counterfactual | None = None, layout: TextLayout | None = None
) -> list[Text]:
    """Return the label, the text with its words marked, the strongest words and n-grams, and the total.

    Words for the label are green and underlined, words against it red and reversed, unknown words dim; the lists
    below hold the same without any style.
    """
    layout = layout or TextLayout()
    label = explanation.label()
    probability = f"{explanation.probabilities[explanation.predicted]:.4f}"
    scores = explanation.word_scores()
    ngrams = [ngram for ngram in explanation.ngrams() if ngram.end - ngram.begin > 1]

    def strongest(order: np.ndarray) -> list[str]:
        chosen = [i for i in np.argsort(order, kind="stable")[:MOST] if order[i] <= -SHOWN]
        return [f"{explanation.words[i].shown} {scores[i]:+.2f}" for i in chosen]

    out = layout.row("", [layout.text(label, "bold"), layout.text(probability, "bold")], 0, "  ")
    out += layout.wrapped(_marked(explanation, layout), 2) or [layout.text("  (no words)")]
    for title, items in (
        ("words for", strongest(-scores)),
        ("words against", strongest(scores)),
        ("n-grams for", [_scored(explanation, one) for one in ngrams[:MOST] if one.score >= SHOWN]),
        ("n-grams against", [_scored(explanation, one) for one in ngrams[::-1][:MOST] if one.score <= -SHOWN]),
    ):
        out += layout.row(f"  {title}", items, _MARGIN)
    out += layout.row("  total", [_total(explanation, label)], _MARGIN)
    if change is not None:
        out += layout.row("  smallest found", [change.phrase()], _MARGIN)
    return out


def _scored(explanation: Explanation, ngram: Ngram) -> str:
    return f"{explanation.shown(ngram)} {ngram.score:+.2f}"


def _marked(explanation: Explanation, layout: TextLayout) -> Text:
    """The text as it was written, but for its white space."""
    scores = explanation.word_scores()
    largest = float(np.abs(scores).max(initial=0))
    marked = layout.text("")
    end = 0
    for word, score in zip(explanation.words, scores.tolist(), strict=True):
        marked.append_text(layout.text(explanation.text[end : word.start]))
        style = _style(score, largest, known=word.known)
        marked.append_text(layout.text(explanation.text[word.start : word.end], style))
        end = word.end
    marked.append_text(layout.text(explanation.text[end:]))
    return marked[len(marked.plain) - len(marked.plain.lstrip()) :]


def _style(score: float, largest: float, *, known: bool) -> str:
    if not known:
        return "dim"
    if not largest or abs(score) < WEAK * largest:
        return ""
    style = "green underline" if score > 0 else "red reverse"  # colour is not the only difference
    return f"bold {style}" if abs(score) > largest / 2 else style


def _total(explanation: Explanation, label: str) -> str:
    words, bias = float(explanation.word_scores().sum()), explanation.bias_score()
    method = "exact" if explanation.method == EXACT else f"{explanation.method}, off by {explanation.gap:.1g}"
    over = "over the mean of all classes" if explanation.target is ONE_CLASS else "in log-odds"
    return f"words {words:+.2f}, bias {bias:+.2f}: {words + bias:+.2f} for {label} {over} ({method})"
