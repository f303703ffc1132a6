"""An explanation as lines for a terminal, readable without colour."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import click
import numpy as np

from textcnn.explain.counterfactual import Counterfactual
from textcnn.explain.results import EXACT, SHOWN, Explanation, Ngram

WIDTH = 79
MOST = 5  # n-grams on each side
_TOGETHER = "\u00a0"  # is no place to break a line
WEAK = 0.15  # of the strongest word: below it a word has no colour


def lines(explanation: Explanation, change: Counterfactual | None = None) -> str:
    """The label, the text with its words in colour, the strongest n-grams for and against, and the sum."""
    label = explanation.classes[explanation.predicted]
    probability = explanation.probabilities[explanation.predicted]
    out = [click.style(f"{label}  {probability:.4f}", bold=True), *_text(explanation)]
    scores = explanation.word_scores()
    if len(scores):
        for title, order in (("for", -scores), ("against", scores)):
            strongest = [i for i in np.argsort(order, kind="stable")[:MOST] if order[i] <= -SHOWN]
            told = [f"{explanation.words[i].word} {scores[i]:+.2f}" for i in strongest]
            out += _wrapped(f"words {title}", told)
    ngrams = [ngram for ngram in explanation.ngrams() if ngram.end - ngram.begin > 1]
    out += _wrapped("n-grams for", [_told(ngram) for ngram in ngrams[:MOST] if ngram.score >= SHOWN])
    out += _wrapped("n-grams against", [_told(ngram) for ngram in ngrams[::-1][:MOST] if ngram.score <= -SHOWN])
    out += _sum(explanation, str(label))
    if change is not None:
        out += _wrapped("smallest found", change.told().split(" "), between=" ")
    return "\n".join(out)


def _told(ngram: Ngram) -> str:
    return f"{' '.join(ngram.text.split())} {ngram.score:+.2f}"


def _text(explanation: Explanation) -> list[str]:
    """The text as it was written, its words in green for the label and red against it."""
    scores = explanation.word_scores()
    largest = np.abs(scores).max(initial=0)
    styled: list[tuple[str, Callable[[str], str]]] = []
    end = 0
    for word, score in zip(explanation.words, scores, strict=True):
        styled.append((explanation.text[end : word.start], str))
        styled.append((explanation.text[word.start : word.end], _style(float(score), float(largest), known=word.known)))
        end = word.end
    styled.append((explanation.text[end:], str))
    plain = " ".join("".join(piece for piece, _ in styled).split())
    if not plain:
        return ["  (no words)"]
    return ["  " + line for line in _styled_lines(styled)]


def _style(score: float, largest: float, *, known: bool) -> Callable[[str], str]:
    if not known:
        return lambda piece: click.style(piece, dim=True)
    if abs(score) < WEAK * largest or not largest:
        return str
    return lambda piece: click.style(piece, fg="green" if score > 0 else "red", bold=abs(score) > largest / 2)


def _styled_lines(styled: list[tuple[str, Callable[[str], str]]]) -> list[str]:
    """Pieces broken into lines at their spaces, each with its style."""
    out, line, width = [], "", 0
    chunk: list[tuple[str, Callable[[str], str]]] = []  # what stands between two spaces

    def flush() -> None:
        nonlocal line, width
        size = sum(len(piece) for piece, _ in chunk)
        if not size:
            return
        if width and width + 1 + size > WIDTH - 2:
            out.append(line)
            line, width = "", 0
        line += " " * bool(width) + "".join(style(piece) for piece, style in chunk)
        width += bool(width) + size
        chunk.clear()

    for piece, style in styled:
        parts = piece.split()
        if piece[:1].isspace():
            flush()
        for number, part in enumerate(parts):
            if number:
                flush()
            chunk.append((part, style))
        if parts and piece[-1:].isspace():
            flush()
    flush()
    return [*out, line] if line else out


def _wrapped(title: str, told: list[str], between: str = "   ") -> list[str]:
    """A line with a title, broken where it is too long; none without content."""
    if not told:
        return []
    kept = [item.replace(" ", _TOGETHER) for item in told]  # an n-gram and its score stay on a line if they can
    lines = textwrap.wrap(
        between.join(kept),
        WIDTH,
        initial_indent=f"  {title:<16}",
        subsequent_indent=" " * 18,
        break_long_words=True,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
    return [line.replace(_TOGETHER, " ") for line in lines]


def _sum(explanation: Explanation, label: str) -> list[str]:
    words, bias = float(explanation.word_scores().sum()), explanation.bias_score()
    how = "exact" if explanation.method == EXACT else f"{explanation.method}, off by {explanation.gap:.1g}"
    told = f"words {words:+.2f}, bias {bias:+.2f}: {words + bias:+.2f} for {label} over the mean of all classes ({how})"
    return _wrapped("in sum", told.split(" "), between=" ")
