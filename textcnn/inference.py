"""Texts to labels and probabilities over look-up tables, in numpy and Arrow alone.

After training, word rows and filters no longer move. The projected words (T_j = E W_j) are kept
in a table that fills as words are met; a window's response is then a sum of h of its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from textcnn.artifact import Artifact, load_artifact, save_artifact
from textcnn.config import KimConfig
from textcnn.text import PAD, Encoded, Tokenizer, Vocabulary, as_column, encode_texts, run_positions

FEW = 16  # up to so many texts take the path that costs little to start
CHUNK = 4096  # tokens pooled at a time: the responses stay in the cache
TABLE_BYTES = 1 << 28  # a table of the whole vocabulary is kept up to this size


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0, out=x)


def _identity(x: np.ndarray) -> np.ndarray:
    return x


_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"relu": _relu, "tanh": np.tanh, "identity": _identity}


class _Table:
    """Projected words, (V, S, F): filled as words are first met, or made anew for each call where V is large."""

    def __init__(self, rows: np.ndarray, filters: np.ndarray) -> None:
        self.rows = rows  # (V, D)
        self.filters = filters.reshape(len(filters), -1)  # (D, S F)
        self.shape = filters.shape[1:]  # (S, F)
        kept = len(rows) * self.filters.shape[1] * 4 <= TABLE_BYTES
        self.table = np.empty((len(rows), self.filters.shape[1]), np.float32) if kept else None
        self.filled = np.zeros(len(rows), dtype=bool)
        if self.table is not None:
            self.table[PAD] = 0
            self.filled[PAD] = True

    def look_up(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A table with the rows that `ids` name, as (rows, S, F), and their numbers in it."""
        if self.table is None:
            distinct, places = np.unique(ids, return_inverse=True)
            table = self.rows[distinct] @ self.filters
            table[distinct == PAD] = 0
            return table.reshape(-1, *self.shape), places
        missing = ids[~self.filled[ids]]
        if len(missing):
            missing = np.unique(missing)
            self.table[missing] = self.rows[missing] @ self.filters
            self.filled[missing] = True
        return self.table.reshape(-1, *self.shape), ids


class KimScorer:
    """Logits of a Kim CNN from flat ids, equal to the network's forward up to rounding.

    Args:
        config: the network's settings.
        weights: its arrays, by name.
    """

    def __init__(self, config: KimConfig, weights: dict[str, np.ndarray]) -> None:
        self.config = config
        channels = [weights[name] for name in ("channels.fixed", "channels.tuned") if name in weights]
        if len(channels) == 2 and config.multichannel_filters == "shared":
            rows = channels[0] + channels[1]
        else:
            rows = np.concatenate(channels, axis=1)
        self.table = _Table(rows, weights["convolution.weight"])
        self.bias = weights["convolution.bias"]
        self.softmax = np.ascontiguousarray(weights["softmax.weight"].T)
        self.softmax_bias = weights["softmax.bias"]
        self.activation = _ACTIVATIONS[config.activation]

    def logits(self, texts: Encoded) -> np.ndarray:
        """Logits of N texts, (N, K) float32."""
        lengths = texts.lengths
        features = np.zeros((len(lengths), self.config.features), dtype=np.float32)
        some = np.flatnonzero(lengths)  # an empty text pools to zeros
        ends = np.cumsum(lengths[some])
        cuts = np.flatnonzero(np.diff(ends // CHUNK, append=np.inf)) + 1
        begin = 0
        for end in cuts.tolist():
            rows = some[begin:end]
            ids = texts.ids[texts.offsets[rows[0]] : texts.offsets[rows[-1] + 1]]
            features[rows] = self._features(ids, lengths[rows])
            begin = end
        return features @ self.softmax + self.softmax_bias

    def _features(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The penultimate layer of texts with words, (B, R F) or (B, R k F)."""
        maps = self.config.feature_maps
        out = []
        table, ids = self.table.look_up(np.append(ids, PAD))
        ids, padding = ids[:-1], ids[-1]
        slot = 0
        for region, size in enumerate(self.config.region_sizes):
            layout, starts, counts = _windows(ids, lengths, size, padding, wide=self.config.padding == "wide")
            flat = layout * table.shape[1] + slot
            responses = np.take(table.reshape(-1, maps), flat[starts], axis=0)  # (W, F)
            for j in range(1, size):
                responses += np.take(table.reshape(-1, maps), flat[starts + j] + j, axis=0)
            out.append(self._pool(responses, self.bias[region], counts))
            slot += size
        return np.concatenate(out, axis=1)

    def _pool(self, responses: np.ndarray, bias: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Bias, activation and pooling of one region size, (W, F) to (B, F) or (B, k F)."""
        begins = np.cumsum(counts) - counts
        if self.config.pooling == "max":
            return self.activation(np.maximum.reduceat(responses, begins) + bias)
        responses = self.activation(responses + bias)
        if self.config.pooling == "average":
            return np.add.reduceat(responses, begins) / counts[:, None].astype(np.float32)
        pooled = np.zeros((len(counts), self.config.k, responses.shape[1]), dtype=np.float32)
        for row, begin, count in zip(pooled, begins, counts, strict=True):
            one = responses[begin : begin + count]
            best = np.sort(np.argsort(-one, axis=0, kind="stable")[: self.config.k], axis=0)
            row[: len(best)] = np.take_along_axis(one, best, axis=0)
        return pooled.reshape(len(counts), -1)


def _windows(
    ids: np.ndarray, lengths: np.ndarray, size: int, padding: int, *, wide: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texts in one line with padding between them.

    Wide: size - 1 paddings before, between and after; every window then belongs to one text.
    Narrow: a text shorter than the region is padded on its right.

    Returns:
        The line, where in it each window starts, and the windows of each text.
    """
    if wide:
        gap = size - 1
        room = lengths + gap
        counts = room
        first = gap
    else:
        room = np.maximum(lengths, size)
        counts = room - (size - 1)
        first = 0
    begins = first + np.cumsum(room) - room
    layout = np.full(first + int(room.sum()), padding, dtype=np.int64)
    layout[np.repeat(begins, lengths) + run_positions(lengths)] = ids
    starts = np.repeat(begins - first, counts) + run_positions(counts)
    return layout, starts, counts


class Predictor:
    """A saved model at work: texts to labels and probabilities, without torch.

    Args:
        artifact: the model.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.classes_ = artifact.classes
        self._tokenizer = Tokenizer(artifact.text)
        self._vocabulary = Vocabulary(artifact.words)
        self._scorer = KimScorer(artifact.model, artifact.weights)

    def predict(self, texts: object) -> np.ndarray:
        """The most probable label of each text.

        Args:
            texts: strings in a list, numpy array, pandas Series, Arrow array or other iterable.

        Returns:
            Values of `classes_`, (N,).

        Raises:
            DataError: a bare string, a missing value, or something that is not text.
        """
        return self.classes_[self.predict_proba(texts).argmax(axis=1)]

    def predict_proba(self, texts: object) -> np.ndarray:
        """Probabilities of each class, in the order of `classes_`, (N, K) float32; errors as in `predict`."""
        logits = self._scorer.logits(self._encode(texts))
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Save the model as a folder (see `textcnn.artifact`).

        Raises:
            ModelError: something is at `path` already, or it cannot be written.
        """
        save_artifact(self.artifact, Path(path), overwrite=overwrite)

    def _encode(self, texts: object) -> Encoded:
        few = _few_strings(texts)
        if few is None:
            column = as_column(texts)
            if len(column) > FEW:
                return encode_texts(column, self._tokenizer, self._vocabulary)
            few = column.to_pylist()
        ids = [self._vocabulary.ids(self._tokenizer.spans(text)) for text in few]
        offsets = np.cumsum([0, *map(len, ids)])
        return Encoded(np.array([i for text in ids for i in text], dtype=np.int32), offsets)


def _few_strings(texts: object) -> list[str] | tuple[str, ...] | None:
    """`texts` if they are a few well-formed strings, which need no Arrow column; else None."""
    if not isinstance(texts, (list, tuple)) or len(texts) > FEW or any(type(text) is not str for text in texts):
        return None
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return None
    return texts


def load_model(path: Path | str) -> Predictor:
    """The predictor of a saved model; needs neither torch nor the training data.

    Raises:
        ModelError: `path` is no model, or a damaged, altered or newer one.

    Example:
        >>> model = load_model("textcnn-model")
        >>> model.predict(["not bad at all"])
        array(['positive'], dtype='<U8')
    """
    return Predictor(load_artifact(path))
