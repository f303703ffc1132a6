"""A finding, its kinds with their rules, and the texts of all splits that it is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from textcnn.data.checks import alike
from textcnn.data.labelled import Labelled
from textcnn.errors import DataError

FEW = 10  # texts of a class
LONG, LONG_TOKENS = 10, 100  # times the median number of tokens, and tokens
COMMON, LEAST_WORDS, SHARE = 100, 10, 0.25  # words of the corpus; words of a text; of the median share of common words
RARE_SCRIPT, LEAST_LETTERS = 0.1, 5  # share of the texts; letters of a text
ALIKE = 0.8  # Jaccard similarity

KINDS = {
    "label": (
        "Labels that may be wrong",
        "Models that had not learned from the text find another label more probable (confident learning: Northcutt, "
        "Jiang and Chuang 2021). The score is the probability of the text's own label, the lowest first. Small "
        "classes are not judged.",
    ),
    "equal": (
        "Equal texts with different labels",
        "They differ in case and the white space around them at most. The suggested label is that of most of them.",
    ),
    "near": (
        "Near duplicates with different labels",
        f"The score is the share of their distinct words that both have, {ALIKE:g} or more.",
    ),
    "overlap": (
        "Texts in two splits",
        "They are equal but for case and the white space around them. A score on texts that a model has learned "
        "from is too high.",
    ),
    "empty": ("Empty texts", "They have no token."),
    "long": (
        "Overlong texts",
        f"They have more than {LONG} times the median number of tokens, and more than {LONG_TOKENS}. The score is the "
        "number of tokens.",
    ),
    "script": (
        "Texts in another script",
        f"Most of their letters, of {LEAST_LETTERS} or more, are of a script that leads in less than "
        f"{RARE_SCRIPT:.0%} of the texts. The score is the share of the letters.",
    ),
    "language": (
        "Texts in another language",
        f"They have {LEAST_WORDS} words or more, and the share of these that is among the corpus's {COMMON} most "
        f"common words is less than {SHARE:g} times that of the median text. The score is one share over the other.",
    ),
    "spelling": (
        "Labels spelled in several ways",
        "They differ in case and blanks only. The suggested label is the most frequent spelling.",
    ),
    "small": (
        "Small classes",
        f"Fewer than {FEW} training texts have the label. The score is their number.",
    ),
}
"""The kinds of findings in the order of a report: a title, and the rule."""


@dataclass(frozen=True)
class Finding:
    """Something about a text that a person should look at.

    Attributes:
        kind: a key of `KINDS`.
        split: of the text.
        row: number of the text in its split, from 1.
        text: the whole of it.
        label: as it is in the data.
        suggested_label: what it may have to be; empty where nothing is suggested.
        score: see `KINDS`; None where there is none.
        other_split: of another text that the finding is about; empty if there is none.
        other_row: of that text.
        other_text: that text.
        other_label: its label.
    """

    kind: str
    split: str
    row: int
    text: str
    label: str
    suggested_label: str = ""
    score: float | None = None
    other_split: str = ""
    other_row: int | None = None
    other_text: str = ""
    other_label: str = ""


@dataclass(frozen=True)
class Pool:
    """The N texts of all splits, training texts first.

    Attributes:
        texts: a column of N strings.
        labels: class ids, (N,).
        names: the classes, (K,).
        splits: names of the splits.
        split_of: index of each text's split, (N,).
        numbers: of each text in its split, (N,).
        same: the class that each class is a spelling of, (K,): the most frequent one.
    """

    texts: pa.LargeStringArray
    labels: np.ndarray
    names: Sequence[str]
    splits: Sequence[str]
    split_of: np.ndarray
    numbers: np.ndarray
    same: np.ndarray

    @classmethod
    def of(cls, parts: Mapping[str, Labelled], names: Sequence[str], numbers: Mapping[str, np.ndarray] | None) -> Pool:
        """Return the texts of all splits; arguments and errors as in `textcnn.audit.auditing.audit`."""
        for split, part in parts.items():
            if part.labels.ndim != 1:
                raise DataError(
                    f"audit: expected one label for each text, found labels of the shape {part.labels.shape} in "
                    f"{split}; audit each label by itself"
                )
        kind = pa.large_string()
        chunks = [chunk for part in parts.values() for chunk in part.texts.cast(kind).chunks]
        labels = np.concatenate([part.labels for part in parts.values()])
        counts = np.bincount(labels, minlength=len(names))
        same = np.arange(len(names))
        for group in alike(names):
            same[group] = max(group, key=lambda k: counts[k])
        return cls(
            texts=pa.chunked_array(chunks, kind).combine_chunks(),
            labels=labels,
            names=list(names),
            splits=list(parts),
            split_of=np.repeat(np.arange(len(parts)), [len(part) for part in parts.values()]),
            numbers=np.concatenate(
                [np.arange(1, len(part) + 1) if numbers is None else numbers[split] for split, part in parts.items()]
            ),
            same=same,
        )

    @property
    def meant(self) -> np.ndarray:
        """Class ids with one spelling for each class, (N,)."""
        return self.same[self.labels]

    def finding(
        self, kind: str, row: int, *, label: int | None = None, score: float | None = None, other: int | None = None
    ) -> Finding:
        """Return a finding on a text.

        Args:
            kind: a key of `KINDS`.
            row: index of the text, 0 to N - 1.
            label: id of the class that is suggested.
            score: of the finding.
            other: index of another text that it is about.
        """
        split, number, text, own = self._at(row)
        suggested = "" if label is None else self.names[label]
        return Finding(kind, split, number, text, own, suggested, score, *(() if other is None else self._at(other)))

    def _at(self, row: int) -> tuple[str, int, str, str]:
        text = self.texts[row].as_py()
        return self.splits[self.split_of[row]], int(self.numbers[row]), text, self.names[self.labels[row]]
