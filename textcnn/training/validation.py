"""Which texts choose the epoch, by which score: what the training texts decide where the settings leave it open."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Sequence

import numpy as np

from textcnn.data.labelled import Labelled
from textcnn.data.repeats import folds_of, groups_for_split
from textcnn.data.splits import stratified_split
from textcnn.errors import DataError, listed
from textcnn.settings.training import (
    CONSTANT_EPOCHS,
    FEW,
    FOLDS,
    LEAST_BATCH,
    LEAST_EPOCHS,
    MANY,
    MOST_BATCH,
    MOST_EPOCHS,
    RARE,
    SEEN,
    STEPS,
    UNBALANCED,
    TrainingConfig,
)
from textcnn.targets import target_of

logger = logging.getLogger(__name__)


def adapted(config: TrainingConfig, labels: np.ndarray, *, given: bool, more: int = 0) -> TrainingConfig:
    """Return the settings with monitor, folds, schedule, epochs and batch size as the training texts decide where None.

    Args:
        config: the settings.
        labels: of the training texts: class ids, (N,), or which labels each has, (N, K) bool.
        given: whether there are validation texts; then there are no folds.
        more: texts to learn from beside these: with many of them, a network for each fold would cost too much.

    Raises:
        DataError: fewer than two texts.
    """
    if len(labels) < 2:
        raise DataError(f"expected two training texts or more, found {len(labels)}")
    counts = target_of(labels).counts(labels, int(labels.max()) + 1 if labels.ndim == 1 else labels.shape[1])
    counts = counts[counts > 0]
    few = len(labels) < FEW
    monitor, folds = config.monitor, config.validation_folds
    if monitor is None:
        several = labels.ndim == 2  # whose accuracy and F1 wait for their thresholds
        monitor = "loss" if few or several else "accuracy"
        if not several and counts.max() >= UNBALANCED * counts.min():
            monitor = "macro_f1"
            logger.info(
                "the epoch is chosen by macro-F1, since the largest class has %s texts and the smallest %s (--monitor)",
                f"{counts.max():,}",
                f"{counts.min():,}",
            )
    if folds is None:
        rare = labels.ndim == 1 and len(counts) == 2 and counts.min() < RARE and len(labels) + more <= MANY
        folds = FOLDS if (few and len(labels) + more < FEW) or rare else 0
    folds = 0 if given else min(folds, len(labels))
    config = dataclasses.replace(config, monitor=monitor, validation_folds=folds)
    return _with_pace(config, len(labels) + more)


def _with_pace(config: TrainingConfig, texts: int) -> TrainingConfig:
    """Return the settings with schedule, epochs and batch size for a number of texts to learn from.

    Batches grow with the texts, and Adam's learning rate with their square root, where both are left open and it falls.
    """
    schedule, epochs = config.schedule, config.max_epochs
    if schedule is None:
        schedule = "constant" if texts < FEW else "linear"
    if epochs is None and schedule == "constant":
        epochs = CONSTANT_EPOCHS
    elif epochs is None:
        epochs = min(max(math.ceil(SEEN / texts), LEAST_EPOCHS), MOST_EPOCHS)
    batch, rate = config.batch, config.rate
    if schedule == "linear" and config.optimizer == "adam" and config.batch_size is config.learning_rate is None:
        batch = min(max(texts // STEPS, LEAST_BATCH), MOST_BATCH)
        rate *= math.sqrt(batch / LEAST_BATCH)
    return dataclasses.replace(config, schedule=schedule, max_epochs=epochs, batch_size=batch, learning_rate=rate)


def validation_folds(training: Labelled, config: TrainingConfig) -> list[np.ndarray]:
    """Return the rows of each fold of the training texts (`textcnn.data.repeats.folds_of`).

    Raises:
        DataError: all texts are one group.
    """
    found = folds_of(training, config.validation_folds or 0, config.seed)
    if len(found) < 2:
        raise DataError(
            "expected training texts that can be divided into folds, found one group; give others as validation texts"
        )
    return found


def held_out(training: Labelled, config: TrainingConfig, names: Sequence[str]) -> tuple[Labelled, Labelled]:
    """Split training texts into those to learn from and a stratified share to choose the epoch by.

    Equal texts stay together, as do groups (`textcnn.data.repeats.groups_for_split`). A class that has one text, or
    one group of texts, keeps it in training. Where a text has several labels, these are divided as well as they can be.

    Raises:
        DataError: no class can be split.
    """
    groups = groups_for_split(training, 2)
    if training.labels.ndim == 2:
        left, chosen = stratified_split(training.labels, config.validation_share, config.seed, groups)
        return training.take(left), training.take(chosen)
    units = np.arange(len(training)) if groups is None else groups
    pairs = np.unique(np.stack([training.labels, units]), axis=1)[0]
    single = np.bincount(pairs, minlength=len(names)) == 1  # (K,)
    rows = np.flatnonzero(~np.isin(units, units[single[training.labels]]))
    if not len(rows):
        raise DataError(
            "expected two texts or more of a class, of which one chooses the epoch, found one each; "
            "give a validation file, or use folds (--validation-folds)"
        )
    if len(rows) < len(training):
        logger.warning(
            "%s: one text or group each, which is learned from and not validated",
            listed([name for name, alone in zip(names, single, strict=True) if alone]),
        )
    _, chosen = stratified_split(
        training.labels[rows],
        config.validation_share,
        config.seed,
        groups=None if groups is None else groups[rows],
        names=names,
    )
    left = np.setdiff1d(np.arange(len(training)), rows[chosen])
    return training.take(left), training.take(rows[chosen])
