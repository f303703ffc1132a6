"""`audit`: what is wrong with labelled texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from textcnn.audit import _checks
from textcnn.audit._label_errors import check_cleanlab, label_errors
from textcnn.audit.finding import FEW, KINDS, Finding, Pool
from textcnn.data.labelled import Labelled
from textcnn.data.repeats import first_equal
from textcnn.errors import DataError
from textcnn.settings.config import TextConfig
from textcnn.settings.options import Settings
from textcnn.text.encoding import encode_texts
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import build_vocabulary
from textcnn.training.cross_validation import Fold, cross_validate
from textcnn.training.progress import Progress


@dataclass(frozen=True)
class Audit:
    """All that is found in a corpus.

    Attributes:
        texts: how many each split has.
        classes: how many training texts each class has, by name.
        accuracy: of the models of the folds, on the training texts that they had not learned from.
        findings: in the order of `KINDS`.
    """

    texts: dict[str, int]
    classes: dict[str, int]
    accuracy: float
    findings: list[Finding]

    def by_kind(self) -> dict[str, list[Finding]]:
        """Return the findings of each kind, in the order of `KINDS`."""
        return {kind: [one for one in self.findings if one.kind == kind] for kind in KINDS}


def audit(
    parts: Mapping[str, Labelled],
    classes: Sequence[str],
    settings: Settings | None = None,
    *,
    numbers: Mapping[str, np.ndarray] | None = None,
    folds: int = 5,
    progress: Progress | None = None,
    on_fold: Callable[[Fold], None] = lambda fold: None,
) -> Audit:
    """Find wrong labels, contradictions, texts in two splits, and texts and classes unlike the others.

    Labels are judged by models that did not learn from the text: the training texts are divided into folds, and each
    is labelled by a model trained on the others. Classes that differ in case or blanks count as one there, and small
    classes are not judged.

    Args:
        parts: labelled texts by split, `train` first.
        classes: the labels in the order of their ids.
        settings: of the models; None for the defaults.
        numbers: numbers of the texts in their splits, as the findings name them; None counts from 1.
        folds: how many.
        progress: receives how each training goes.
        on_fold: receives the scores of each fold.

    Raises:
        ConfigError: cleanlab is not installed.
        DataError: texts have several labels, there is one class, or there are too few texts.
        VectorsError, TrainingError: as in `textcnn.training.pipeline.train_model`.
    """
    check_cleanlab()
    pool = Pool.of(parts, classes, numbers)
    training = parts["train"]
    names, labels = np.unique(pool.meant[: len(training)], return_inverse=True)  # ids of the classes that there are
    counts = np.bincount(labels)
    _check(counts, folds)
    scored = cross_validate(
        Labelled(training.texts, labels, training.groups),
        np.array([classes[k] for k in names]),
        settings or Settings(),
        folds=folds,
        scarce=True,
        progress=progress,
        on_fold=on_fold,
    )
    rows, scores = label_errors(labels, scored.probabilities)
    best = np.where(np.eye(len(names), dtype=bool)[labels], -1, scored.probabilities).argmax(axis=1)
    judged = counts[labels[rows]] >= FEW
    wrong = [
        pool.finding("label", row, label=int(names[best[row]]), score=score)
        for row, score in zip(rows[judged].tolist(), scores[judged].tolist(), strict=True)
    ]
    return Audit(
        texts={split: len(part) for split, part in parts.items()},
        classes=dict(zip(classes, np.bincount(training.labels, minlength=len(classes)).tolist(), strict=True)),
        accuracy=float((scored.probabilities.argmax(axis=1) == labels).mean()),
        findings=[*wrong, *_without_model(pool)],
    )


def _without_model(pool: Pool) -> list[Finding]:
    column = pa.chunked_array([pool.texts])
    first = first_equal(column)
    config = TextConfig()
    vocabulary = build_vocabulary(column, config)
    encoded = encode_texts(column, Tokenizer(config), vocabulary)
    return [
        *_checks.conflicts(pool, first),
        *_checks.near_conflicts(pool, first, encoded),
        *_checks.overlaps(pool, first),
        *_checks.lengths(pool, encoded.lengths),
        *_checks.scripts(pool),
        *_checks.languages(pool, encoded, vocabulary.words),
        *_checks.spellings(pool),
        *_checks.small_classes(pool),
    ]


def _check(counts: np.ndarray, folds: int) -> None:
    """Raise DataError unless models can be trained on the folds of classes with so many texts, (K,)."""
    if len(counts) < 2:
        raise DataError("audit: expected two classes or more in training, found one; add texts of another")
    if counts.sum() < 2 * folds or (counts >= 2).sum() < 2:
        raise DataError(
            f"audit: expected {2 * folds} training texts or more for {folds} folds, and two of each of two classes, "
            f"found {counts.sum()} with {np.sort(counts)[-2]} of the second largest class; add some, or use fewer folds"
        )
