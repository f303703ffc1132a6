"""Which texts to label next: those of which a model is least certain, unlike one another.

Zhdanov 2019, Diverse mini-batch active learning, section 3. The pool are the texts with the smallest margins between
the probabilities of their two best classes, ten times as many as wanted. Weighted by 1 less the margin, k-means
divides them into as many clusters as wanted, and the text nearest to each centre is taken. The space is that of the
penultimate layer (`Model.encode`). Deviations: equal texts are taken once, and texts of which the model knows no
word, whose probabilities say nothing, come after all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from textcnn.data.repeats import first_equal
from textcnn.inference.predictor import Scores
from textcnn.text.columns import Texts, as_column

if TYPE_CHECKING:
    from textcnn.model import Model

POOL = 10  # uncertain texts for each one that is wanted
_ITERATIONS = 100  # of k-means at most


@dataclass(frozen=True)
class Suggestions:
    """N texts to label next, the least certain first.

    Attributes:
        rows: their numbers, from 1, (N,).
        texts: a column of N strings.
        scores: the model's scores of them.
    """

    rows: np.ndarray
    texts: pa.ChunkedArray
    scores: Scores

    def take(self, rows: np.ndarray) -> Suggestions:
        """Return the texts at the given indices, (M,), in their order."""
        scores = Scores(*(values[rows] for values in vars(self.scores).values()))
        return Suggestions(self.rows[rows], self.texts.take(pa.array(rows)), scores)


def suggest(
    model: Model,
    batches: Iterable[Texts],
    count: int = 100,
    *,
    seed: int = 0,
    on_batch: Callable[[int], None] = lambda texts: None,
) -> Suggestions:
    """Choose texts to label next.

    Args:
        model: what was learned from the labels so far.
        batches: texts without labels; few of them are in memory at a time. A list of texts is one batch: `[texts]`.
        count: how many to choose; of fewer distinct texts all are.
        seed: of the clusters.
        on_batch: receives the number of texts of each batch.

    Raises:
        DataError: a batch is a bare string, or has a missing value or something that is not text.
        ModelError: the scores are not finite.
    """
    pool: Suggestions | None = None
    seen = 0
    for column, scores in model.stream(map(as_column, batches), lambda column: column):
        batch = Suggestions(np.arange(seen + 1, seen + len(column) + 1), column, scores)
        pool = _least_certain(model, batch if pool is None else _joined(pool, batch), POOL * count)
        seen += len(column)
        on_batch(len(column))
    if pool is None:
        pool = Suggestions(np.zeros(0, np.int64), as_column([]), model.scores([]))
    return pool.take(_diverse(model, pool, count, seed))


def _joined(one: Suggestions, other: Suggestions) -> Suggestions:
    kind = pa.large_string()
    chunks = [chunk for part in (one, other) for chunk in part.texts.cast(kind).chunks]
    pairs = zip(vars(one.scores).values(), vars(other.scores).values(), strict=True)
    return Suggestions(
        np.concatenate([one.rows, other.rows]),
        pa.chunked_array(chunks, kind),
        Scores(*map(np.concatenate, pairs)),
    )


def _least_certain(model: Model, texts: Suggestions, most: int) -> Suggestions:
    """Return the least certain of the distinct texts, of which the model knows a word if there are enough."""
    distinct = np.flatnonzero(first_equal(texts.texts) == np.arange(len(texts.rows)))
    scores = texts.scores
    # The last is the first key.
    order = np.lexsort((model.margins(scores.probabilities), scores.tokens == 0, scores.known == 0))
    return texts.take(order[np.isin(order, distinct)][:most])


def _diverse(model: Model, pool: Suggestions, count: int, seed: int) -> np.ndarray:
    """Return the indices of the texts to take from a pool that is sorted by certainty."""
    known = np.flatnonzero(pool.scores.known > 0)
    if len(known) <= count:
        return np.arange(min(len(pool.rows), count))
    from sklearn.cluster import KMeans

    features = model.encode(pool.texts.take(pa.array(known)))  # (M, features)
    weights = np.maximum(1 - model.margins(pool.scores.probabilities)[known], 1e-6)
    clusters = min(count, len(np.unique(features, axis=0)))  # texts of the same words, in another order, are one point
    means = KMeans(clusters, n_init=1, max_iter=_ITERATIONS, random_state=seed).fit(features, sample_weight=weights)
    distances = np.linalg.norm(features - means.cluster_centers_[means.labels_], axis=1)
    order = np.lexsort((distances, means.labels_))
    _, nearest = np.unique(means.labels_[order], return_index=True)
    taken = known[order[nearest]]
    others = np.setdiff1d(known, taken)[: count - len(taken)]
    return np.sort(np.concatenate([taken, others]))
