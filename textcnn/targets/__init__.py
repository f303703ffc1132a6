"""What a text's labels are: exactly one class, or any number of labels.

Whatever depends on this is a method of a `Target`: the form of the labels, the loss, probabilities, predictions,
figures, calibration, thresholds, and how an explanation reads. A target is found by its name in a saved model, or by
the labels it is to learn from.
"""

from __future__ import annotations

import numpy as np

from textcnn.targets._one_class import OneClass
from textcnn.targets._several_labels import SeveralLabels, f1_scores
from textcnn.targets._target import Target, Temperature

__all__ = ["ONE_CLASS", "SEVERAL_LABELS", "TARGETS", "Target", "Temperature", "f1_scores", "target_of"]

ONE_CLASS, SEVERAL_LABELS = OneClass(), SeveralLabels()
TARGETS: dict[str, Target] = {target.name: target for target in (ONE_CLASS, SEVERAL_LABELS)}


def target_of(labels: np.ndarray) -> Target:
    """Return the target of labels: class ids, (N,), or which labels each text has, (N, K)."""
    return SEVERAL_LABELS if labels.ndim == 2 else ONE_CLASS
