"""Labels that models which did not see them find improbable, by cleanlab."""

from __future__ import annotations

import numpy as np

from textcnn.errors import ConfigError


def check_cleanlab() -> None:
    """Raise ConfigError unless cleanlab is installed."""
    from importlib.util import find_spec

    if find_spec("cleanlab") is None:
        raise ConfigError(
            "audit: expected the library cleanlab, which is not installed; install it: pip install 'textcnn[audit]'"
        )


def label_errors(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find labels that are probably wrong (Northcutt, Jiang and Chuang 2021, Confident learning).

    Args:
        labels: class ids, (N,); each class has a text.
        probabilities: of each text by a model that did not learn from it, (N, K).

    Returns:
        The rows of the texts, (M,), and the probabilities of their own labels, (M,), lowest first.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    wide = probabilities.astype(np.float64)
    rows = np.flatnonzero(find_label_issues(labels, wide, n_jobs=1))
    scores = get_label_quality_scores(labels, wide)[rows]
    order = np.argsort(scores, kind="stable")
    return rows[order], scores[order]
