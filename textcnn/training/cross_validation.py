"""Cross-validation: scores and probabilities of each fold, saved as they come so that a run can be resumed."""

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
from textcnn.inference.artifact import digest_of, load_artifact
from textcnn.inference.predictor import Predictor
from textcnn.settings.options import Settings
from textcnn.training.identity import differences
from textcnn.training.pipeline import train_model
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


@dataclass(frozen=True)
class CrossValidation:
    """N texts scored by models that did not learn from them.

    Attributes:
        folds: the scores of each fold, in order.
        fold_of: the number of each text's fold, from 1, (N,).
        probabilities: of each text by the model of its fold, (N, K) float32.
    """

    folds: list[Fold]
    fold_of: np.ndarray
    probabilities: np.ndarray


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
    scarce: bool = False,
    progress: Progress | None = None,
    on_fold: Callable[[Fold], None] = lambda fold: None,
) -> CrossValidation:
    """Score each fold by a model trained on the others; a share of these is held out to choose the best epoch.

    Args:
        data: all labelled texts.
        classes: the labels in the order of their ids, (K,).
        settings: the same for all folds.
        folds: number of folds; they are stratified by class, and keep the texts of a group, and equal texts, together.
        results: file in which to save the scores of finished folds; their probabilities are saved beside it.
        resume: continue after the folds in that file, if it exists.
        scarce: let a class have fewer examples than there are folds; it is missing in some of them.
        progress: receives the progress of each training.
        on_fold: receives each fold as it is finished, and those of an earlier run first.

    Returns:
        The scores of all folds, and the probabilities of all texts.

    Raises:
        DataError: a class has fewer examples than there are folds (but for `scarce`), a fold is empty, or `results` is
            from another run.
        KeyboardInterrupt: Ctrl-C; the scores of finished folds are saved.
        VectorsError, TrainingError: as in `train_model`.
    """
    names = [str(label) for label in classes]
    groups = groups_for_split(data, folds)
    rows = stratified_folds(data.labels, folds, settings.training.seed, groups=groups, names=names, scarce=scarce)
    if not all(map(len, rows)):
        raise DataError(f"expected texts in each of {folds} folds, found too few groups; use fewer folds")
    identity = {**identity_of(data, settings), "folds": folds}
    kept = _KeptFolds(results, identity) if results is not None else None
    done, probabilities = kept.read(rows, len(classes)) if kept is not None and resume else ([], [])
    for fold in done:
        on_fold(fold)
    for number in range(len(done) + 1, folds + 1):
        fold, scored = _score_fold(number, data, rows[number - 1], classes, settings, progress)
        done.append(fold)
        probabilities.append(scored)
        if kept is not None:
            kept.write(done, probabilities)
        on_fold(fold)
    order = np.argsort(np.concatenate(rows))
    fold_of = np.repeat(np.arange(1, folds + 1), [len(each) for each in rows])
    return CrossValidation(done, fold_of[order], np.concatenate(probabilities)[order])


def _score_fold(
    number: int, data: Labelled, rows: np.ndarray, classes: np.ndarray, settings: Settings, progress: Progress | None
) -> tuple[Fold, np.ndarray]:
    """Train on all texts but those of the fold, whose indices are `rows`; return these texts' scores, probabilities."""
    training = data.take(np.setdiff1d(np.arange(len(data.labels)), rows))
    trained = train_model(training, classes, settings, progress=progress)
    if trained.history.interrupted:
        raise KeyboardInterrupt
    test = data.take(rows)
    predictor = Predictor(trained.artifact)
    probabilities, names = predictor.predict_proba(test.texts), [str(label) for label in classes]
    figures = predictor.target.evaluate(test.labels, probabilities, names, trained.artifact.thresholds)
    scores = {name: figures[name] for name in ("examples", "accuracy", "macro_f1", "log_loss")}
    fold = Fold(number=number, **scores, best_epoch=trained.history.best_epoch, micro_f1=figures.get("micro_f1"))
    return fold, probabilities


def identity_of(data: Labelled, settings: Settings) -> dict[str, Any]:
    """Return what a run must have in common with what was kept of one to continue it, as JSON."""
    content = hashlib.sha256(np.ascontiguousarray(data.labels).tobytes())
    for text in data.texts.to_pylist():
        content.update(f"{len(text)} {text}".encode())
    return {
        **settings.identity(),
        "word vectors": None if settings.vectors is None else _hash_of(settings.vectors),
        "model to start from": None if settings.init_from is None else digest_of(load_artifact(settings.init_from)),
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


@dataclass(frozen=True)
class _KeptFolds:
    """The finished folds of a run: scores as JSON, and beside it probabilities, a tensor for each fold.

    Attributes:
        path: the file of the scores.
        identity: what a run must have in common with these folds to continue after them.
    """

    path: Path
    identity: dict[str, Any]

    @property
    def tensors(self) -> Path:
        """The file of the probabilities."""
        return self.path.with_suffix(".safetensors")

    def read(self, rows: Sequence[np.ndarray], classes: int) -> tuple[list[Fold], list[np.ndarray]]:
        """Return the folds, none if there is no file.

        Args:
            rows: of each fold of the run.
            classes: K.

        Raises:
            DataError: the files are not those of this run.
        """
        if not self.path.exists():
            return [], []
        try:
            saved = json.loads(read_plain(self.path))
            folds = [_fold(number, values) for number, values in enumerate(saved["folds"], 1)]
            different = differences(self.identity, saved["identity"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise DataError(
                f"{self.path}: expected the saved scores of a run, found other content; remove the file"
            ) from None
        if different or len(folds) > len(rows):
            raise DataError(
                f"{self.path}: expected scores of this run, found those of a run with other "
                f"{', '.join(different) or 'folds'}; use the settings and data of that run, or omit --resume"
            )
        return folds, self._probabilities([(len(own), classes) for own in rows[: len(folds)]])

    def _probabilities(self, shapes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors = load(read_plain(self.tensors))
            found = [tensors[str(number)] for number in range(1, len(shapes) + 1)]
            own = tensors["identity"].tobytes() == self._digest()
        except (OSError, SafetensorError, ValueError, KeyError):
            found, own = [], False
        right = [x.shape == shape and x.dtype == np.float32 for x, shape in zip(found, shapes, strict=False)]
        if not own or not all(right):
            raise DataError(
                f"{self.tensors}: expected the probabilities of the folds in {self.path.name}, found none or other "
                "content; remove both files"
            )
        return found

    def write(self, folds: Sequence[Fold], probabilities: Sequence[np.ndarray]) -> None:
        """Replace the files; that of the scores, which says how many folds are finished, comes last."""
        from safetensors.numpy import save

        tensors = {str(number): part for number, part in enumerate(probabilities, 1)}
        with written_whole(self.tensors) as file:
            file.write(save({"identity": np.frombuffer(self._digest(), np.uint8), **tensors}))
        saved = {"identity": self.identity, "folds": [dataclasses.asdict(fold) for fold in folds]}
        with written_whole(self.path) as file:
            file.write((json.dumps(saved, indent=2) + "\n").encode())

    def _digest(self) -> bytes:
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).digest()


def _fold(number: int, values: Any) -> Fold:
    """Return a fold; TypeError unless it has this number, and each score is finite and of its type."""
    fold = Fold(**values)
    counts, scores = (fold.examples, fold.best_epoch), [fold.accuracy, fold.macro_f1, fold.log_loss]
    scores += [] if fold.micro_f1 is None else [fold.micro_f1]
    whole = all(type(count) is int and count >= 0 for count in (fold.number, *counts))
    if fold.number != number or not whole or not all(type(x) is float and math.isfinite(x) for x in scores):
        raise TypeError("not the scores of a fold")
    return fold
