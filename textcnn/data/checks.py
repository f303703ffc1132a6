"""What makes the scores of labelled texts doubtful: texts in two splits, repeats, labels that contradict each other."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from textcnn.data.labelled import Labelled, sets_of
from textcnn.data.repeats import first_equal
from textcnn.errors import beginning, listed
from textcnn.targets import target_of

SEPARATORS = (";", "|", ",", "/")  # usual ones of several labels
_FEW = 3  # texts of a class: with fewer on average, the labels may be another column
_ENOUGH = 20  # classes for that
_SHOWN = 3  # classes in a line
_LONGEST = 40  # characters of a text in a line


def doubts(parts: Mapping[str, Labelled], classes: Sequence[object], *, column: str | None = None) -> list[str]:
    """Return what is doubtful, a line each.

    Texts count as equal if `textcnn.data.repeats.first_equal` says so.

    Args:
        parts: Labelled texts by split, of which `train` is the first.
        classes: The labels in the order of their ids.
        column: The column of the labels; None if there is no choice of columns.
    """
    names = [str(label) for label in classes]
    several = parts["train"].labels.ndim == 2
    kind = pa.large_string()
    texts = pa.chunked_array([chunk for part in parts.values() for chunk in part.texts.cast(kind).chunks], kind)
    labels = np.concatenate([part.labels for part in parts.values()])
    ends = np.cumsum([len(part) for part in parts.values()])
    first = first_equal(texts)
    by_split = dict(zip(parts, np.split(first, ends[:-1]), strict=True))
    about_labels = (
        [*_label_counts(parts["train"].labels, names), *_separators(names, several=True)]
        if several
        else [
            *_separators(names, several=False),
            *([] if "validation" in parts else _single_texts(parts["train"].labels, by_split["train"], names)),
        ]
    )
    return [
        *_too_many_classes(names, len(parts["train"]), column),
        *_alike(names),
        *_repeats(by_split),
        *about_labels,
        *_contradictions(texts, labels, first, names),
    ]


def _too_many_classes(names: Sequence[str], texts: int, column: str | None) -> Iterator[str]:
    if len(names) >= _ENOUGH and texts < _FEW * len(names):
        question = "are these labels?"
        if column is not None:
            question = f"does the column {column!r} hold the labels? if not, name the one that does (--label-column)"
        yield f"{len(names):,} classes for {texts:,} training texts: {question}"


def alike(names: Sequence[str]) -> list[list[int]]:
    """Return the ids of class names that are the same without case and blanks, those of a group together."""
    spellings: dict[str, list[int]] = {}
    for k, name in enumerate(names):
        key = "".join(unicodedata.normalize("NFC", name).casefold().split())
        spellings.setdefault(key, []).append(k)
    return [same for same in spellings.values() if len(same) > 1]


def _alike(names: Sequence[str]) -> Iterator[str]:
    """Yield a line on class names that are the same without case and blanks."""
    several = [" and ".join(repr(names[k]) for k in same) for same in alike(names)]
    if several:
        yield f"classes that differ only in case or blanks: {listed(several, _SHOWN)}; give each class one spelling"


def _label_counts(labels: np.ndarray, names: Sequence[str]) -> Iterator[str]:
    """Yield lines on texts without labels, and on labels that all texts have or one; labels are (N, K) bool."""
    texts, counts = len(labels), labels.sum(axis=0)
    without = int((~labels.any(axis=1)).sum())
    if without:
        yield f"{without:,} of {texts:,} training texts have no label: the model learns to give none"
    for what, rows in (("all training texts have", counts == texts), ("no training text has", counts == 0)):
        if rows.any():
            shown = listed([repr(names[k]) for k in np.flatnonzero(rows).tolist()], _SHOWN)
            yield f"labels that {what}: {shown}; the model cannot learn when to give them"
    if (counts == 1).any():
        single = [repr(names[k]) for k in np.flatnonzero(counts == 1).tolist()]
        yield f"labels of one training text: {listed(single, _SHOWN)}; add examples, or leave them out"


def _separators(names: Sequence[str], *, several: bool) -> Iterator[str]:
    """Yield a line on names that look like several labels: their parts are labels too."""
    known = set(names)
    for separator in SEPARATORS:
        joined = [
            name
            for name in names
            if separator in name and len(parts := name.split(separator)) > 1 and all(p.strip() in known for p in parts)
        ]
        if joined:
            what = "separate labels by one mark alone" if several else f"give --label-separator {separator!r}"
            yield f"labels that look like several: {listed([repr(name) for name in joined], _SHOWN)}; if so, {what}"


def _repeats(by_split: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Yield a line for each two splits that share texts, and one on repeats within the training texts."""
    for (one, known), (other, rows) in itertools.combinations(by_split.items(), 2):
        shared = int(np.isin(rows, known).sum())
        if shared:
            what = "training" if one == "train" else one
            yield (
                f"{shared:,} of {len(rows):,} {other} texts are {what} texts too: expect lower scores on new texts; "
                "leave them out of one"
            )
    rows = by_split["train"]
    repeats = len(rows) - len(np.unique(rows))
    if repeats:
        yield (
            f"{repeats:,} of {len(rows):,} training texts repeat another one, {len(rows) - repeats:,} are distinct; "
            "equal texts are held out together"
        )


def _single_texts(labels: np.ndarray, first: np.ndarray, names: Sequence[str]) -> Iterator[str]:
    """Yield a line on classes of one distinct training text, which has to be on both sides of a split."""
    rows = np.bincount(labels, minlength=len(names))
    distinct = np.bincount(np.unique(first * len(names) + labels) % len(names), minlength=len(names))
    single = [repr(names[each]) for each in np.flatnonzero((distinct == 1) & (rows > 1)).tolist()]
    if single:
        yield f"classes with one distinct training text: {listed(single, _SHOWN)}; it is held out and learned from too"


def _contradictions(
    texts: pa.ChunkedArray, labels: np.ndarray, first: np.ndarray, names: Sequence[str]
) -> Iterator[str]:
    """Yield a line on texts that occur with several labels, or sets of labels."""
    sets = sets_of(labels)
    size = int(sets.max(initial=0)) + 1
    pairs, where = np.unique(first * size + sets, return_index=True)
    rows, counts = np.unique(pairs // size, return_counts=True)
    rows = rows[counts > 1]
    if len(rows):
        text = texts[int(rows[0])].as_py().strip()
        shown = repr(beginning(text, _LONGEST))
        found = target_of(labels).shown_as(labels[where[pairs // size == rows[0]]], names)
        what = "1 text has" if len(rows) == 1 else f"{len(rows):,} texts have"
        kind = "several labels" if labels.ndim == 1 else "other labels where they occur again"
        yield f"{what} {kind}, such as {shown}: {listed([repr(each) for each in found], _SHOWN)}; keep the right one"
