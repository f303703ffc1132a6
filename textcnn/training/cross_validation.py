"""Cross-validation: the scores of each fold, saved as they come so that a run can be resumed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.data.labelled import Labelled
from textcnn.data.repeats import groups_for_split
from textcnn.data.splits import stratified_folds
from textcnn.errors import DataError
from textcnn.files import read_plain, written_whole
from textcnn.inference.artifact import load_artifact
from textcnn.inference.predictor import Predictor
from textcnn.settings.options import Settings
from textcnn.training._checkpoint import differences
from textcnn.training.pipeline import digest_of, train_model
from textcnn.training.progress import Progress


@dataclass(frozen=True)
class Fold:
    """The scores of a fold's texts, by a model trained on the other folds.

    Attributes:
        number: from 1.
        examples: texts in the fold.
        accuracy: of these texts: the share with the right class, or all labels right.
        macro_f1: of these texts.
        log_loss: of these texts, in nats.
        best_epoch: the epoch that the model's weights are from.
        micro_f1: of these texts where they have several labels, else None.
    """

    number: int
    examples: int
    accuracy: float
    macro_f1: float
    log_loss: float
    best_epoch: int
    micro_f1: float | None = None


def summarize(folds: Sequence[Fold]) -> dict[str, Any]:
    """Return the mean and sample standard deviation of each score over the folds, ready for JSON."""
    out: dict[str, Any] = {"folds": len(folds)}
    for name in ("accuracy", "micro_f1", "macro_f1", "log_loss"):
        if getattr(folds[0], name) is None:
            continue
        values = [getattr(fold, name) for fold in folds]
        out[name] = {"mean": statistics.mean(values), "standard_deviation": statistics.stdev(values)}
    return out


def cross_validate(
    data: Labelled,
    classes: np.ndarray,
    settings: Settings,
    *,
    folds: int,
    results: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    on_fold: Callable[[Fold], None] = lambda fold: None,
) -> list[Fold]:
    """Score each fold by a model trained on the others; a share of these is held out to choose the best epoch.

    Args:
        data: all labelled texts.
        classes: the labels in the order of their ids, (K,).
        settings: the same for all folds.
        folds: number of folds; they are stratified by class, and keep the texts of a group, and equal texts, together.
        results: file in which to save the scores of finished folds.
        resume: continue after the folds in that file, if it exists.
        progress: receives the progress of each training.
        on_fold: receives each fold as it is finished, and those of an earlier run first.

    Returns:
        The scores of all folds, in order.

    Raises:
        DataError: a class has fewer examples than there are folds, or `results` is from another run.
        KeyboardInterrupt: Ctrl-C; the scores of finished folds are saved.
        VectorsError, TrainingError: as in `train_model`.
    """
    names = [str(label) for label in classes]
    groups = groups_for_split(data, folds)
    test_rows = stratified_folds(data.labels, folds, settings.training.seed, groups=groups, names=names)
    identity = _identity(data, settings, folds)
    done = _read(results, identity) if results is not None and resume else []
    for fold in done:
        on_fold(fold)
    for number in range(len(done) + 1, folds + 1):
        done.append(_score_fold(number, data, test_rows[number - 1], classes, settings, progress))
        if results is not None:
            _write(results, identity, done)
        on_fold(done[-1])
    return done


def _score_fold(
    number: int, data: Labelled, rows: np.ndarray, classes: np.ndarray, settings: Settings, progress: Progress | None
) -> Fold:
    """Train on all texts but those of the fold, whose indices are `rows`, and score these."""
    training = data.take(np.setdiff1d(np.arange(len(data.labels)), rows))
    trained = train_model(training, classes, settings, progress=progress)
    if trained.history.interrupted:
        raise KeyboardInterrupt
    test = data.take(rows)
    predictor = Predictor(trained.artifact)
    probabilities, names = predictor.predict_proba(test.texts), [str(label) for label in classes]
    figures = predictor.target.evaluate(test.labels, probabilities, names, trained.artifact.thresholds)
    scores = {name: figures[name] for name in ("examples", "accuracy", "macro_f1", "log_loss")}
    return Fold(number=number, **scores, best_epoch=trained.history.best_epoch, micro_f1=figures.get("micro_f1"))


def _identity(data: Labelled, settings: Settings, folds: int) -> dict[str, Any]:
    """Return what a run must have in common with saved folds to continue after them."""
    content = hashlib.sha256(np.ascontiguousarray(data.labels).tobytes())
    for text in data.texts.to_pylist():
        content.update(f"{len(text)} {text}".encode())
    return {
        **settings.identity(),
        "word vectors": None if settings.vectors is None else _hash_of(settings.vectors),
        "model to start from": None if settings.init_from is None else digest_of(load_artifact(settings.init_from)),
        "folds": folds,
        "data": content.hexdigest(),
    }


def _hash_of(vectors: Any) -> str | None:
    """Return a hash of word vectors; None for a file that cannot be read, which training reports."""
    if not isinstance(vectors, Path):  # gensim's KeyedVectors
        words = "\0".join(map(str, vectors.index_to_key)).encode()
        return hashlib.sha256(words + np.ascontiguousarray(vectors.vectors).tobytes()).hexdigest()
    digest = hashlib.sha256()
    try:
        if not vectors.is_file():
            return None
        with vectors.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def _read(path: Path, identity: dict[str, Any]) -> list[Fold]:
    """Return the folds in a file, none if it does not exist; DataError if they are from another run."""
    if not path.exists():
        return []
    try:
        saved = json.loads(read_plain(path))
        folds = [_fold(number, values) for number, values in enumerate(saved["folds"], 1)]
        different = differences(identity, saved["identity"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{path}: expected the saved scores of a run, found other content; remove the file") from None
    if different or len(folds) > identity["folds"]:
        raise DataError(
            f"{path}: expected scores of this run, found those of a run with other {', '.join(different) or 'folds'}; "
            "use the settings and data of that run, or omit --resume"
        )
    return folds


def _fold(number: int, values: Any) -> Fold:
    """Return a fold; TypeError unless it has this number, and each score is finite and of its type."""
    fold = Fold(**values)
    counts, scores = (fold.examples, fold.best_epoch), [fold.accuracy, fold.macro_f1, fold.log_loss]
    scores += [] if fold.micro_f1 is None else [fold.micro_f1]
    whole = all(type(count) is int and count >= 0 for count in (fold.number, *counts))
    if fold.number != number or not whole or not all(type(x) is float and math.isfinite(x) for x in scores):
        raise TypeError("not the scores of a fold")
    return fold


def _write(path: Path, identity: dict[str, Any], folds: Sequence[Fold]) -> None:
    """Replace the file by one with these folds."""
    saved = {"identity": identity, "folds": [dataclasses.asdict(fold) for fold in folds]}
    with written_whole(path) as file:
        file.write((json.dumps(saved, indent=2) + "\n").encode())
