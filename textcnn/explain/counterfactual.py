"""Which small change would flip a label: words dropped, or replaced by near words.

Where a text has several labels, that is the most probable one: it is no longer given, or it is given now.

The search tries single words first (in a long text its first 200): every drop, and every replacement by one of the
word's nearest neighbours among the model's own vectors. Then it tries pairs of them until its time is up. It returns
the smallest change that it found, not the smallest that exists. Where a text has several labels, the most probable one
is flipped: it is no longer given, or given now.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.inference.scorer import word_rows
from textcnn.targets import ONE_CLASS
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
        label: of the changed text; of several labels the one that was flipped.
        probability: of that label.
        tried: how many changed texts were scored.
        given: whether the changed text has the label, as always where it has one class.
    """

    edits: tuple[Edit, ...]
    text: str
    label: Any
    probability: float
    tried: int
    given: bool = True

    def phrase(self) -> str:
        """Return the change in words."""
        edits = [f"without {e.word!r}" if not e.new else f"{e.new!r} for {e.word!r}" for e in self.edits]
        return f"{' and '.join(edits)}: {'' if self.given else 'not '}{self.label} {self.probability:.4f}"

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
    before = predictor.predict_proba([text])
    label = int(before[0].argmax())
    flip = partial(_try, predictor, text, label, predictor.decide(before)[0])
    singles: list[tuple[Edit, ...]] = [(edit,) for edit in _edits(predictor, text)]
    scored, found = flip(singles)
    tried = len(singles)
    if found is None:
        order = np.argsort(scored, kind="stable")  # the most promising changes first
        pairs = _pairs([singles[i][0] for i in order.tolist()])
        while found is None and time.monotonic() < deadline and (part := list(itertools.islice(pairs, AT_ONCE))):
            _, found = flip(part)
            tried += len(part)
    return None if found is None else dataclasses.replace(found, tried=tried)


def _edits(predictor: Predictor, text: str) -> list[Edit]:
    """Return all drops and near replacements of single words."""
    tokens = predictor.tokens(text)[:WORDS]
    vocabulary = range(FIRST_WORD, len(predictor.vocabulary))
    near = neighbours(predictor, sorted({number for _, number in tokens if number in vocabulary}))
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
    predictor: Predictor, text: str, label: int, decided: np.ndarray, changes: list[tuple[Edit, ...]]
) -> tuple[np.ndarray, Counterfactual | None]:
    """Return for each change how far it is from flipping the label (the least first), and the best that flips it.

    Args:
        predictor: the model.
        text: what to change.
        label: index of its most probable label.
        decided: the prediction for it: its class id, or which labels it has, (K,).
        changes: edits of the text.
    """
    texts = [_edited(text, edits) for edits in changes]
    probabilities = predictor.predict_proba(texts)
    now = predictor.decide(probabilities)
    far, given = probabilities[:, label], True
    if predictor.target is ONE_CLASS:
        flipped, reached, labels = now != label, probabilities.max(axis=1), now
    else:
        given = not decided[label]
        far = -far if given else far
        flipped, reached, labels = now[:, label] == given, -far, np.full(len(now), label)
    if not flipped.any():
        return far, None
    best = int(np.where(flipped, reached, -np.inf).argmax())
    of = int(labels[best])
    probability = float(probabilities[best, of])
    return far, Counterfactual(changes[best], texts[best], predictor.classes_[of], probability, 0, given)


def _edited(text: str, edits: tuple[Edit, ...]) -> str:
    for edit in sorted(edits, key=lambda edit: -edit.start):
        before, after = text[: edit.start], text[edit.end :]
        if not edit.new and after[:1].isspace() and (not before or before[-1].isspace()):
            after = after[1:]
        text = before + edit.new + after
    return text
