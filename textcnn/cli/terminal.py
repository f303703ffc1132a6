"""An explanation as lines for a terminal, readable without colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import click
import numpy as np

from textcnn.explain.counterfactual import Counterfactual
from textcnn.explain.explanation import Explanation
from textcnn.explain.results import EXACT, SHOWN, Ngram

WIDTH = 79
MOST = 5  # n-grams on each side
_MARGIN = 18  # before what a title stands for
# A text must not steer the terminal.
_REPLACED = {
    code: "\N{REPLACEMENT CHARACTER}" for code in range(0xA0) if not (chr(code).isprintable() or chr(code).isspace())
}
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
            told = [f"{explanation.words[i].word.translate(_REPLACED)} {scores[i]:+.2f}" for i in strongest]
            out += _wrapped(f"words {title}", told)
    ngrams = [ngram for ngram in explanation.ngrams() if ngram.end - ngram.begin > 1]
    out += _wrapped("n-grams for", [_told(ngram) for ngram in ngrams[:MOST] if ngram.score >= SHOWN])
    out += _wrapped("n-grams against", [_told(ngram) for ngram in ngrams[::-1][:MOST] if ngram.score <= -SHOWN])
    out += _sum(explanation, str(label))
    if change is not None:
        out += _wrapped("smallest found", change.phrase().split(" "), between=" ")
    return "\n".join(out)


def _told(ngram: Ngram) -> str:
    return f"{' '.join(ngram.text.split()).translate(_REPLACED)} {ngram.score:+.2f}"


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
    broken = _styled_lines([(piece.translate(_REPLACED), style) for piece, style in styled])
    return ["  " + line for line in broken] or ["  (no words)"]


def _style(score: float, largest: float, *, known: bool) -> Callable[[str], str]:
    if not known:
        return lambda piece: click.style(piece, dim=True)
    if abs(score) < WEAK * largest or not largest:
        return str
    return lambda piece: click.style(piece, fg="green" if score > 0 else "red", bold=abs(score) > largest / 2)


def _styled_lines(styled: list[tuple[str, Callable[[str], str]]]) -> list[str]:
    """Pieces broken into lines at their spaces, or between them where there are none, each with its style."""
    out, line, width = [], "", 0
    chunk: list[tuple[str, Callable[[str], str]]] = []  # what stands between two spaces

    def place(pieces: list[tuple[str, Callable[[str], str]]], gap: int) -> None:
        nonlocal line, width
        size = sum(columns(piece) for piece, _ in pieces)
        if width and width + gap + size > WIDTH - 2:
            out.append(line)
            line, width = "", 0
        gap *= bool(width)
        line += " " * gap + "".join(style(piece) for piece, style in pieces)
        width += gap + size

    def flush() -> None:
        if sum(columns(piece) for piece, _ in chunk) <= WIDTH - 2:
            place(chunk, 1)
        else:
            for number, piece in enumerate(chunk):
                place([piece], int(not number))
        chunk.clear()

    for piece, style in styled:
        parts = piece.split()
        if chunk and piece[:1].isspace():
            flush()
        for number, part in enumerate(parts):
            if number:
                flush()
            chunk.append((part, style))
        if parts and piece[-1:].isspace():
            flush()
    if chunk:
        flush()
    return [*out, line] if line else out


def _wrapped(title: str, told: list[str], between: str = "   ") -> list[str]:
    """A line with a title, broken between items where it is too long, and within one that fills a line; or none."""
    room = WIDTH - _MARGIN
    lines: list[str] = []
    for item in told:
        pieces = _cut(item, room)
        if lines and columns(lines[-1] + between + pieces[0]) <= room:
            lines[-1] += between + pieces.pop(0)
        lines += pieces
    return [f"  {title if not number else '':<{_MARGIN - 2}}{line}" for number, line in enumerate(lines)]


def _cut(text: str, room: int) -> list[str]:
    """Pieces of at most so many columns, cut at spaces where they can be."""
    pieces = []
    while columns(text) > room:
        fits = next(n for n in range(room, 0, -1) if columns(text[:n]) <= room)
        space = text.rfind(" ", 1, fits + 1)
        pieces.append(text[: space if space > 0 else fits])
        text = text[len(pieces[-1]) :].lstrip(" ")
    return [*pieces, text]


def columns(text: str) -> int:
    """How wide a text is in a terminal; a sequence that shows as one emoji may be less."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _sum(explanation: Explanation, label: str) -> list[str]:
    words, bias = float(explanation.word_scores().sum()), explanation.bias_score()
    how = "exact" if explanation.method == EXACT else f"{explanation.method}, off by {explanation.gap:.1g}"
    told = f"words {words:+.2f}, bias {bias:+.2f}: {words + bias:+.2f} for {label} over the mean of all classes ({how})"
    return _wrapped("in sum", told.split(" "), between=" ")
