"""What an explanation consists of.

Softmax ignores what is added to all classes alike, so the scores that a person reads are relative: the score of a
word, an n-gram or a feature for a class is its part of that class's logit less its mean part over all classes. With
two classes that is half of what it adds to the log-odds. Where a text has several labels, a label's logit is its
log-odds, and a score is the part itself. The parts are kept unchanged (`textcnn.targets.Target.relative`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textcnn.text.tokenizer import SHOWN_SPACE
from textcnn.text.tokens import Encoded, Token
from textcnn.text.vocabulary import UNKNOWN

EXACT = "exact"
GRADIENTS = "integrated gradients"
SHOWN = 0.005  # smaller scores would be printed as 0.00


@dataclass(frozen=True)
class Word:
    """A token of a text, `text[start:end]`, and whether the model knows it."""

    word: str
    start: int
    end: int
    known: bool

    @property
    def shown(self) -> str:
        """The word, or a visible sign for one that is a space, as in the grammar `characters`."""
        return SHOWN_SPACE if self.word == " " else self.word


def words_of(tokens: Sequence[Token], text: Encoded) -> tuple[Word, ...]:
    """Return the tokens of a text with whether the model knows them, as words or by their character n-grams."""
    known = (text.ids != UNKNOWN).tolist()
    return tuple(Word(token.text, token.start, token.end, own) for token, own in zip(tokens, known, strict=True))


@dataclass(frozen=True)
class Features:
    """M summands of the logits, each of which traces to one window of words.

    Attributes:
        begin: index of the window's first word, (M,); padding before the text does not count.
        end: index after its last word, (M,).
        region_size: h, (M,); 0 for an n-gram of the bag.
        feature_map: index of the filter among those of its region size, (M,); -1 for an n-gram of the bag, and where
            all filters of a window are taken together (average pooling).
        response: of the filter, before it is weighted, (M,); 1 for an n-gram of the bag.
        parts: of the logits, (M, K).
    """

    begin: np.ndarray
    end: np.ndarray
    region_size: np.ndarray
    feature_map: np.ndarray
    response: np.ndarray
    parts: np.ndarray

    @classmethod
    def none(cls, classes: int) -> Features:
        """Return no features at all, for K classes."""
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, empty, empty, np.zeros(0), np.zeros((0, classes)))

    @classmethod
    def joined(cls, parts: Sequence[Features]) -> Features:
        """Return the features of all `parts`, one part after the other."""
        return cls(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})

    def select(self, rows: np.ndarray) -> Features:
        """Return the features at `rows`, a mask or indices."""
        return Features(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True)
class Ngram:
    """Adjacent words of a text, and the score of all features that trace to them.

    Attributes:
        text: as it is written at its first occurrence.
        begin: index of its first word.
        end: index after its last word.
        score: for the class asked for.
    """

    text: str
    begin: int
    end: int
    score: float
