"""Which small change would flip a label: words dropped, or replaced by near words.

The search tries single words first (in a long text its first 200): every drop, and every replacement by one of the
word's nearest neighbours among the model's own vectors. Then it tries pairs of them until its time is up. It returns
the smallest change that it found, not the smallest that exists.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.inference.scorer import word_rows
from textcnn.text.vocabulary import FIRST_WORD
from textcnn.vectors.neighbours import nearest

if TYPE_CHECKING:
    from textcnn.inference.predictor import Predictor

NEAR = 8  # neighbours tried per word
WORDS = 200  # words of a text that may be changed: its first
AT_ONCE = 256  # pairs scored together


@dataclass(frozen=True)
class Edit:
    """A word of the text, `text[start:end]`, and its replacement, empty if the word is dropped."""

    start: int
    end: int
    word: str
    new: str


@dataclass(frozen=True)
class Counterfactual:
    """A change that flips the label.

    Attributes:
        edits: one or two.
        text: the changed text.
        label: of the changed text.
        probability: of that label.
        tried: how many changed texts were scored.
    """

    edits: tuple[Edit, ...]
    text: str
    label: Any
    probability: float
    tried: int

    def phrase(self) -> str:
        """Return the change in words."""
        edits = [f"without {e.word!r}" if not e.new else f"{e.new!r} for {e.word!r}" for e in self.edits]
        return f"{' and '.join(edits)}: {self.label} {self.probability:.4f}"

    def to_json(self) -> dict[str, Any]:
        """Return everything as a JSON object."""
        label = self.label.item() if isinstance(self.label, np.generic) else self.label
        return {**vars(self), "edits": [vars(edit) for edit in self.edits], "label": label}


def counterfactual(predictor: Predictor, text: str, *, budget_seconds: float = 1.0) -> Counterfactual | None:
    """Search for the smallest change that flips a text's label; of changes of one size, take the most probable.

    Args:
        predictor: the model.
        text: what to change.
        budget_seconds: time for pairs; changes of single words are always all tried, however long that takes.

    Returns:
        The change, or None if none was found.
    """
    deadline = time.monotonic() + budget_seconds
    before = predictor.predict_proba([text])[0]
    label = int(before.argmax())
    singles: list[tuple[Edit, ...]] = [(edit,) for edit in _edits(predictor, text)]
    scored, found = _try(predictor, text, singles, label)
    tried = len(singles)
    if found is None:
        order = np.argsort(scored, kind="stable")  # the most promising changes first
        pairs = _pairs([singles[i][0] for i in order.tolist()])
        while found is None and time.monotonic() < deadline and (part := list(itertools.islice(pairs, AT_ONCE))):
            _, found = _try(predictor, text, part, label)
            tried += len(part)
    if found is None:
        return None
    edits, new, probabilities = found
    best = int(probabilities.argmax())
    return Counterfactual(edits, new, predictor.classes_[best], float(probabilities[best]), tried)


def _edits(predictor: Predictor, text: str) -> list[Edit]:
    """Return all drops and near replacements of single words."""
    tokens = predictor.tokens(text)[:WORDS]
    near = neighbours(predictor, sorted({number for _, number in tokens if number >= FIRST_WORD}))
    return [
        Edit(token.start, token.end, text[token.start : token.end], new)
        for token, number in tokens
        for new in ("", *near.get(number, ()))
    ]


def neighbours(predictor: Predictor, ids: list[int]) -> dict[int, list[str]]:
    """Return the nearest words of each word id, by the cosine of the model's own word rows."""
    rows = word_rows(predictor.artifact.model, predictor.artifact.weights)
    words = predictor.artifact.words
    found = nearest(rows, ids, NEAR)
    return {i: [words[other - FIRST_WORD] for other, _ in near] for i, near in zip(ids, found, strict=True)}


def _pairs(edits: list[Edit]) -> Iterator[tuple[Edit, ...]]:
    """Yield pairs of edits of two different words, those of early edits first."""
    for second in range(1, len(edits)):
        for first in range(second):
            if edits[first].start != edits[second].start:
                yield tuple(sorted((edits[first], edits[second]), key=lambda edit: edit.start))


def _try(
    predictor: Predictor, text: str, changes: list[tuple[Edit, ...]], label: int
) -> tuple[np.ndarray, tuple[tuple[Edit, ...], str, np.ndarray] | None]:
    """Return the label's probability after each change, and the change to the most probable other label."""
    texts = [_edited(text, edits) for edits in changes]
    probabilities = predictor.predict_proba(texts)
    flipped = np.flatnonzero(probabilities.argmax(axis=1) != label)
    if not len(flipped):
        return probabilities[:, label], None
    best = int(flipped[probabilities[flipped].max(axis=1).argmax()])
    return probabilities[:, label], (changes[best], texts[best], probabilities[best])


def _edited(text: str, edits: tuple[Edit, ...]) -> str:
    for edit in sorted(edits, key=lambda edit: -edit.start):
        before, after = text[: edit.start], text[edit.end :]
        if not edit.new and after[:1].isspace() and (not before or before[-1].isspace()):
            after = after[1:]
        text = before + edit.new + after
    return text
