"""Cross-validation: a score for each fold as it comes, kept in a file so that a run can go on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.data.labelled import Labelled
from textcnn.data.splits import stratified_folds
from textcnn.errors import DataError
from textcnn.files import written_whole
from textcnn.inference.artifact import load_artifact
from textcnn.inference.predictor import Predictor
from textcnn.metrics import evaluate
from textcnn.settings.options import Settings
from textcnn.training._checkpoint import differences
from textcnn.training.pipeline import digest_of, train_model
from textcnn.training.progress import Progress


@dataclass(frozen=True)
class Fold:
    """The scores of one fold's test texts, by a model that never saw them."""

    number: int
    examples: int
    accuracy: float
    macro_f1: float
    log_loss: float
    best_epoch: int


def summarize(folds: Sequence[Fold]) -> dict[str, Any]:
    """Mean and standard deviation (of the sample) over folds, ready for JSON."""
    out: dict[str, Any] = {"folds": len(folds)}
    for name in ("accuracy", "macro_f1", "log_loss"):
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
    """Score each fold by a model trained on the others; a share of these chooses its epoch.

    Args:
        data: all labelled texts.
        classes: the labels, one a class, (K,).
        settings: alike for all folds.
        folds: how many, stratified by class, texts of one group in one fold.
        results: file that keeps the scores of the folds done.
        resume: take the folds done from that file if it is there.
        progress: is told how each training goes.
        on_fold: is given each fold as it comes, those of an earlier run too.

    Raises:
        DataError: a class has fewer examples than there are folds, or `results` is of another run.
        KeyboardInterrupt: Ctrl-C; the folds done are kept.
        VectorsError, TrainingError: as in `train_model`.
    """
    names = [str(label) for label in classes]
    test_rows = stratified_folds(data.labels, folds, settings.training.seed, groups=data.groups, names=names)
    identity = _identity(data, settings, folds)
    done = _read(results, identity) if results is not None and resume else []
    for fold in done:
        on_fold(fold)
    everything = np.arange(len(data.labels))
    for number in range(len(done) + 1, folds + 1):
        rows = test_rows[number - 1]
        training = data.take(np.setdiff1d(everything, rows))
        artifact, history = train_model(training, classes, settings, progress=progress)
        if history.interrupted:
            raise KeyboardInterrupt
        test = data.take(rows)
        figures = evaluate(test.labels, Predictor(artifact).predict_proba(test.texts), names)
        scores = {name: figures[name] for name in ("examples", "accuracy", "macro_f1", "log_loss")}
        done.append(Fold(number=number, **scores, best_epoch=history.best_epoch))
        if results is not None:
            _write(results, identity, done)
        on_fold(done[-1])
    return done


def _identity(data: Labelled, settings: Settings, folds: int) -> dict[str, Any]:
    """What must be alike for folds done earlier to count."""
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


def _hash_of(path: Path) -> str | None:
    """Of a file's content; None if it cannot be read, which training will tell."""
    try:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def unfinished(path: Path, folds: int) -> bool:
    """Whether a file keeps the scores of some, but not all folds (or cannot be read)."""
    try:
        return path.exists() and len(json.loads(path.read_text(encoding="utf-8"))["folds"]) < folds
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _read(path: Path, identity: dict[str, Any]) -> list[Fold]:
    if not path.exists():
        return []
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        folds = [Fold(**fold) for fold in kept["folds"]]
        different = differences(identity, kept["identity"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path}: expected the scores of an earlier run, found something else; remove it") from None
    if different:
        raise DataError(
            f"{path}: expected scores of this run, found those of one with other {', '.join(different)}; "
            "use the settings and data of that run, or leave --resume out"
        )
    return folds


def _write(path: Path, identity: dict[str, Any], folds: Sequence[Fold]) -> None:
    """Replace the file whole."""
    kept = {"identity": identity, "folds": [dataclasses.asdict(fold) for fold in folds]}
    with written_whole(path) as file:
        file.write((json.dumps(kept, indent=2) + "\n").encode())
