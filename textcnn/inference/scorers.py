"""Logits from flat ids over look-up tables, in numpy: the networks' forward without torch.

After training, word rows and filters no longer move. The projected words (T_j = E W_j) are kept
in a table that fills as words are met; a window's response is then a sum of h of its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, cast

import numpy as np

from textcnn import kernels
from textcnn.settings.config import DCNNConfig, KimConfig, NetworkConfig, StackedConfig
from textcnn.text.tokens import Encoded, run_positions
from textcnn.text.vocabulary import PAD

CHUNK = 4096  # tokens pooled at a time: the responses stay in the cache
TABLE_BYTES = 1 << 28  # a table of the whole vocabulary is kept up to this size
AT_ONCE = 1024  # words projected together


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0, out=x)


def _identity(x: np.ndarray) -> np.ndarray:
    return x


_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"relu": _relu, "tanh": np.tanh, "identity": _identity}


def word_rows(config: NetworkConfig, weights: dict[str, np.ndarray]) -> np.ndarray:
    """The rows of all words, (V, C, D), as in `textcnn.nn._channels`."""
    tables = [weights[name] for name in ("channels.fixed", "channels.tuned") if name in weights]
    if len(tables) == 1:
        return tables[0][:, None]  # no copy of a large table
    stacked = np.stack(tables, axis=1)
    return stacked if config.channel_count == stacked.shape[1] else stacked.sum(axis=1, keepdims=True)


class _Table:
    """Projected words, S slots of F numbers each: filled as words are first met, or made anew where V is large.

    Args:
        rows: of all words, (V, C, D).
        project: rows (n, C, D) to their projection (n, S, F).
        shape: (S, F).
    """

    def __init__(self, rows: np.ndarray, project: Callable[[np.ndarray], np.ndarray], shape: tuple[int, int]) -> None:
        self.rows = rows
        self.project = project
        self.shape = shape
        self._clear()

    def _clear(self) -> None:
        """An empty table, if the whole vocabulary's is small enough to keep."""
        self.table: np.ndarray | None = None
        if len(self.rows) * self.shape[0] * self.shape[1] * 4 <= TABLE_BYTES:
            self.table = np.empty((len(self.rows), *self.shape), np.float32)
            self.table[PAD] = 0
        self.missing = np.ones(len(self.rows), dtype=bool)
        self.missing[PAD] = False
        self.complete = False
        self.lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Without what can be made again: a pickled classifier stays small."""
        return {name: vars(self)[name] for name in ("rows", "project", "shape")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._clear()

    def look_up(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A table (n, S, F) with the rows that `ids` name, and their numbers in it, int32."""
        if self.table is None and not len(ids):
            return np.zeros((0, *self.shape), np.float32), ids
        if self.table is None:
            distinct, places = np.unique(ids, return_inverse=True)
            table = self.project(self.rows[distinct])
            table[distinct == PAD] = 0
            return table, places.astype(np.int32)
        if not self.complete:
            self._fill(ids)
        return self.table, ids

    def _fill(self, ids: np.ndarray) -> None:
        with self.lock:  # several threads may score at once
            if len(ids) >= len(self.rows):  # many words will be met: all of them in one go
                self._add(np.flatnonzero(self.missing))
                self.complete = True
                return
            met = ids[self.missing[ids]]
            if len(met):
                self._add(np.unique(met))

    def _add(self, words: np.ndarray) -> None:
        table = cast("np.ndarray", self.table)
        for begin in range(0, len(words), AT_ONCE):
            part = words[begin : begin + AT_ONCE]
            table[part] = self.project(self.rows[part])
            self.missing[part] = False


def _project(rows: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Words' parts of the windows: rows (n, C, D) and filters (S, F, C D) to (n, S, F)."""
    flat = rows.reshape(len(rows), -1) @ filters.reshape(-1, filters.shape[2]).T
    return flat.reshape(-1, *filters.shape[:2])


class KimScorer:
    """Logits of a Kim CNN from flat ids, equal to the network's forward up to rounding.

    Args:
        config: the network's settings.
        weights: its arrays, by name.
    """

    @staticmethod
    def weight_shapes(model):
        columns = model.dimension * model.channel_count
        return {
            "convolution.weight": (sum(model.region_sizes), model.feature_maps, columns),
            "convolution.bias": (len(model.region_sizes), model.feature_maps),
        }

    def __init__(self, config: KimConfig, weights: dict[str, np.ndarray]) -> None:
        self.config = config
        self.filters = weights["convolution.weight"]  # (S, F, C D)
        self.table = _Table(word_rows(config, weights), self._project, self.filters.shape[:2])
        self.bias = weights["convolution.bias"]
        self.weights = weights["softmax.weight"]
        self.softmax_bias = weights["softmax.bias"]
        self.activation = _ACTIVATIONS[config.activation]

    def _project(self, rows: np.ndarray) -> np.ndarray:
        return _project(rows, self.filters)

    def logits(self, texts: Encoded) -> np.ndarray:
        """Logits of N texts, (N, K) float32."""
        if kernels.compiled and self.config.pooling == "max":
            table, ids = self.table.look_up(texts.ids)
            return kernels.max_logits(
                *(table, ids, texts.offsets, np.array(self.config.region_sizes, np.int32)),
                wide=self.config.padding == "wide",
                bias=self.bias,
                activation=self.config.activation,
                weights=self.weights,
                weights_bias=self.softmax_bias,
            )
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
        return features @ self.weights.T + self.softmax_bias

    def _features(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The penultimate layer of texts with words, (B, R F) or (B, R k F)."""
        maps = self.config.feature_maps
        out = []
        table, ids = self.table.look_up(np.append(ids, PAD))
        ids, padding = ids[:-1], ids[-1]
        slots, table = table.shape[1], table.reshape(-1, maps)
        slot = 0
        for region, size in enumerate(self.config.region_sizes):
            layout, starts, counts = _windows(ids, lengths, size, padding, wide=self.config.padding == "wide")
            flat = layout * slots + slot
            responses = np.take(table, flat[starts], axis=0)  # (W, F)
            for j in range(1, size):
                responses += np.take(table, flat[starts + j] + j, axis=0)
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
            best = _k_max(responses[None, begin : begin + count], self.config.k)[0]
            row[: len(best)] = best
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


def _k_max(x: np.ndarray, k: int) -> np.ndarray:
    """The k largest along axis 1 in order, of equals the smaller index; (B, P, F) to (B, min(k, P), F)."""
    best = np.sort(np.argsort(-x, axis=1, kind="stable")[:, :k], axis=1)
    return np.take_along_axis(x, best, axis=1)


class _ByLength:
    """Scores texts of one length together: all that a length decides (windows, k, groups) is alike for them."""

    config: Any
    table: _Table

    def __init__(self, config: DCNNConfig | StackedConfig, weights: dict[str, np.ndarray]) -> None:
        self.config = config
        self.weights = weights["softmax.weight"]
        self.softmax_bias = weights["softmax.bias"]

    def logits(self, texts: Encoded) -> np.ndarray:
        """Logits of N texts, (N, K) float32."""
        lengths = texts.lengths
        features = np.zeros((len(lengths), self.config.features), dtype=np.float32)
        order = np.argsort(lengths, kind="stable")
        order = order[np.searchsorted(lengths[order], 1) :]  # a text without words has zeros
        changes = np.flatnonzero(np.diff(lengths[order])) + 1
        for rows in np.split(order, changes) if len(order) else []:
            length = int(lengths[rows[0]])
            step = max(1, CHUNK // length)
            for begin in range(0, len(rows), step):
                part = rows[begin : begin + step]
                features[part] = self._features(texts.ids[texts.offsets[part][:, None] + np.arange(length)])
        return features @ self.weights.T + self.softmax_bias

    def _features(self, ids: np.ndarray) -> np.ndarray:
        """The penultimate layer of texts of one length, (B, L) to (B, features)."""
        raise NotImplementedError

    def _first(self, ids: np.ndarray) -> np.ndarray:
        """The first layer's wide convolution as a sum of look-ups, (B, L) to (B, L + h - 1, F)."""
        size = self.config.region_sizes[0]
        if kernels.compiled:
            table, places = self.table.look_up(ids.ravel())
            offsets = np.arange(0, ids.size + 1, ids.shape[1])
            windows = ids.shape[1] + size - 1
            return kernels.sum_windows(table, places, offsets, size=size, slot=0, wide=True, positions=windows)
        table, places = self.table.look_up(np.pad(ids, ((0, 0), (size - 1, size - 1)), constant_values=PAD).ravel())
        places = places.reshape(len(ids), -1) * size
        table = table.reshape(-1, table.shape[2])
        windows = places.shape[1] - (size - 1)
        total = np.take(table, places[:, :windows], axis=0)  # (B, P, F)
        for j in range(1, size):
            total += np.take(table, places[:, j : j + windows] + j, axis=0)
        return total


def _fold(x: np.ndarray) -> np.ndarray:
    """Rows 2i and 2i + 1 summed, (..., D) to (..., D / 2)."""
    return x[..., 0::2] + x[..., 1::2]


class DCNNScorer(_ByLength):
    """Logits of a DCNN from flat ids, equal to the network's forward up to rounding.

    Args:
        config: the network's settings.
        weights: its arrays, by name.
    """

    @staticmethod
    def weight_shapes(model):
        shapes = {}
        sizes, maps = model.region_sizes, model.feature_maps
        shapes["convolution.weight"] = (model.channel_count, sizes[0], maps[0], model.dimension)
        for layer, size in enumerate(sizes):
            rows = model.dimension // 2**layer
            shapes[f"biases.{layer}"] = (maps[layer], rows // 2)
            if layer:
                shapes[f"deeper.{layer - 1}.weight"] = (rows, maps[layer], maps[layer - 1], size)
        return shapes

    def __init__(self, config: DCNNConfig, weights: dict[str, np.ndarray]) -> None:
        super().__init__(config, weights)
        self.filters = weights["convolution.weight"]  # (C, m, F, D)
        _, size, maps, dimension = self.filters.shape
        self.table = _Table(word_rows(config, weights), self._project, (size, maps * dimension // 2))
        layers = range(len(config.region_sizes))
        # (F, m, F', D)
        self.deeper = [
            np.ascontiguousarray(weights[f"deeper.{layer}.weight"].transpose(1, 3, 2, 0)) for layer in layers[:-1]
        ]
        self.biases = [weights[f"biases.{layer}"] for layer in layers]  # (F, D)
        # The same as the compiled loop takes them.
        self.sizes, self.maps = np.array([config.region_sizes, config.feature_maps], np.int32)
        self.flat_biases = np.concatenate([bias.ravel() for bias in self.biases])
        self.flat_filters = np.concatenate([np.zeros(0, np.float32), *(filters.ravel() for filters in self.deeper)])

    def _project(self, rows: np.ndarray) -> np.ndarray:
        table = np.einsum("ucd,cmfd->umfd", rows, self.filters)
        return _fold(table).reshape(len(rows), len(self.filters[0]), -1)

    def logits(self, texts: Encoded) -> np.ndarray:
        """Logits of N texts, (N, K) float32."""
        if not kernels.compiled:
            return super().logits(texts)
        table, ids = self.table.look_up(texts.ids)
        return kernels.row_logits(
            *(table, ids, texts.offsets),
            sizes=self.sizes,
            maps=self.maps,
            dimension=self.config.dimension,
            k_top=self.config.k_top,
            biases=self.flat_biases,
            filters=self.flat_filters,
            weights=self.weights,
            weights_bias=self.softmax_bias,
        )

    def _features(self, ids: np.ndarray) -> np.ndarray:
        length = ids.shape[1]
        sizes = self.config.region_sizes
        x = self._first(ids).reshape(*ids.shape[:1], -1, self.filters.shape[2], self.filters.shape[3] // 2)
        for layer in range(1, len(sizes) + 1):
            if layer > 1:
                x = _convolve_rows(x, self.deeper[layer - 2])
            k = self.config.k_top
            if layer < len(sizes):
                k = max(k, -(-(len(sizes) - layer) * length // len(sizes)))
            pooled = _k_max(x.reshape(*x.shape[:2], -1), k).reshape(len(x), -1, *x.shape[2:])
            pooled += self.biases[layer - 1]
            x = np.tanh(pooled, out=pooled)
        out = np.zeros((len(x), self.config.features), dtype=np.float32)
        flat = x.reshape(len(x), -1)
        out[:, : flat.shape[1]] = flat
        return out


def _convolve_rows(x: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Wide convolution of each row by itself, folded.

    Args:
        x: (B, P, F', D).
        filters: (F, m, F', D).

    Returns:
        (B, P + m - 1, F, D / 2).
    """
    margin = filters.shape[1] - 1
    padded = np.pad(x, ((0, 0), (margin, margin), (0, 0), (0, 0))).transpose(3, 0, 1, 2)  # (D, B, P + 2 margin, F')
    windows = x.shape[1] + margin
    total: np.ndarray = sum(  # (D, B, P + m - 1, F)
        padded[:, :, j : j + windows] @ by_row.transpose(2, 1, 0)[:, None]
        for j, by_row in enumerate(filters.swapaxes(0, 1))
    )
    return _fold(total.transpose(1, 2, 3, 0))


class StackedScorer(_ByLength):
    """Logits of stacked convolutions from flat ids, equal to the network's forward up to rounding.

    Args:
        config: the network's settings.
        weights: its arrays, by name.
    """

    @staticmethod
    def weight_shapes(model):
        shapes = {}
        columns = model.dimension * model.channel_count
        sizes, maps = model.region_sizes, model.feature_maps
        shapes["convolution.weight"] = (sizes[0], maps[0], columns)
        shapes["convolution.bias"] = (1, maps[0])
        for layer in range(1, len(sizes)):
            shapes[f"deeper.{layer - 1}.weight"] = (maps[layer], maps[layer - 1], sizes[layer])
            shapes[f"deeper.{layer - 1}.bias"] = (maps[layer],)
        return shapes

    def __init__(self, config: StackedConfig, weights: dict[str, np.ndarray]) -> None:
        super().__init__(config, weights)
        self.filters = weights["convolution.weight"]  # (h, F, C D)
        self.table = _Table(word_rows(config, weights), self._project, self.filters.shape[:2])
        self.bias = weights["convolution.bias"][0]
        layers = range(len(config.region_sizes) - 1)
        # (h, F', F) and (F,) of each deeper layer
        self.deeper = [(weights[f"deeper.{i}.weight"].transpose(2, 1, 0), weights[f"deeper.{i}.bias"]) for i in layers]
        self.activation = _ACTIVATIONS[config.activation]

    def _project(self, rows: np.ndarray) -> np.ndarray:
        return _project(rows, self.filters)

    def _features(self, ids: np.ndarray) -> np.ndarray:
        x = self.activation(self._first(ids) + self.bias)  # (B, P, F)
        for filters, bias in self.deeper:
            x = self._local_max(x)
            margin = len(filters) - 1
            padded = np.pad(x, ((0, 0), (margin, margin), (0, 0)))
            windows = x.shape[1] + margin
            x = sum(padded[:, j : j + windows] @ filters[j] for j in range(len(filters)))
            x = self.activation(x + bias)
        return x.max(axis=1) if self.config.global_pooling == "max" else x.mean(axis=1)

    def _local_max(self, x: np.ndarray) -> np.ndarray:
        size = self.config.pool_size
        filler = np.full((len(x), -x.shape[1] % size, x.shape[2]), -np.inf, dtype=np.float32)
        return np.concatenate([x, filler], axis=1).reshape(len(x), -1, size, x.shape[2]).max(axis=2)


Scorer = KimScorer | DCNNScorer | StackedScorer


def make_scorer(config, weights):
    from textcnn.settings.architectures import architecture_of

    return architecture_of(config).scorer_class()(config, weights)
