"""The base of all scorers: a trained network's forward pass in numpy and compiled loops, without torch.

After training, word rows and filters are fixed. Their products (T_j = E W_j) are kept in a table that fills as words
are first met, and the response of a window of h words is a sum of h table rows. Texts of one length are scored
together, since the length decides how many windows there are and how many values pooling keeps.

Shapes: B texts of L words, C channels, D dimensions, R region sizes with S slots in total, F feature maps, P windows,
K classes.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from textcnn import kernels
from textcnn.inference._look_up_table import LookUpTable, TableBesides
from textcnn.inference.upper_layers import Fields, Strongest
from textcnn.settings.config import NetworkConfig
from textcnn.text.tokens import Encoded, Ngrams
from textcnn.text.vocabulary import PAD

Config = TypeVar("Config", bound=NetworkConfig)

CHUNK = 4096  # tokens scored at a time, so that the responses stay in the cache
PIECE = 1 << 16  # windows of a longer text that are taken at a time
NGRAM_ROWS = "channels.subwords.weight"  # of character n-grams
AT_ONCE = 1 << 12  # windows that are sorted together where few of them are kept


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0, out=x)


def _identity(x: np.ndarray) -> np.ndarray:
    return x


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"relu": _relu, "tanh": np.tanh, "identity": _identity}


@dataclass(frozen=True)
class Terms:
    """The windows of one region size that a text's logits are a sum over, M of them.

    The logits are the softmax bias plus the sum of `responses * weights` over all terms, and each response is the
    filter's bias plus the look-ups of the window's words.

    Attributes:
        windows: index of the window, (M,); it begins at the word of that index, less h - 1 where padding is wide.
        maps: index of the filter, (M,).
        responses: of the filter to the window, (M,).
        weights: logits per unit of response, (M, K) float64.
        together: whether all terms of a window are reported as one feature, as with average pooling, which takes every
            window of every filter.
    """

    windows: np.ndarray
    maps: np.ndarray
    responses: np.ndarray
    weights: np.ndarray
    together: bool = False


@dataclass(frozen=True)
class PooledLayer:
    """What k-max pooling keeps of one layer of row-by-row convolution, in B texts of one length.

    Attributes:
        kept: windows kept, in the order of the text, (B, k, F, D).
        responses: to these windows, (B, k, F, D).
        values: their values after bias and tanh, (B, k, F, D).
        filters: weights on the values of the layer below, (F, m, F', 2 D), whose products are folded in pairs of rows;
            None in the first layer, whose windows are sums of look-ups.
    """

    kept: np.ndarray
    responses: np.ndarray
    values: np.ndarray
    filters: np.ndarray | None


class Scorer(ABC, Generic[Config]):
    """Features and logits of encoded texts, equal to the torch network's up to rounding.

    A new network needs a subclass with `weight_shapes` and `penultimate`. Its first layer is a look-up convolution:
    the arguments describe it, and `project` where a filter does not span a word's whole row. The rest is optional:
    `logits` where a compiled loop computes them whole; `exact` and `terms` for exact explanations (any other network
    is explained by integrated gradients); `row_layers` and `layers` for feature graphs; `depth`, `layer_blocks` and
    `fields` for the filters of several layers.

    Args:
        config: the network's settings.
        weights: its arrays by name; they are not copied.
        region_sizes: h of the first layer's filters, (R,); by default the first of the config's.
        bias: of the first layer's filters, added before pooling, (R, F); by default `convolution.bias`.
        wide: whether the first layer has every window that touches a word, else windows of words alone.

    Attributes:
        exact: whether the logits are a sum over windows, which `terms` returns.
        ngram_rows: rows of character n-grams, (B, C, D); None where words have none.
        row_layers: layers of row-by-row convolution under k-max pooling, which `layers` returns.
        depth: layers of convolution, the first included, whose filters can be described.
        max_pooled: whether the features are the largest values of the last layer's maps.
    """

    exact: bool = False
    row_layers: int = 0
    depth: int = 1
    max_pooled: bool = False

    def __init__(
        self,
        config: Config,
        weights: dict[str, np.ndarray],
        *,
        region_sizes: tuple[int, ...] | None = None,
        bias: np.ndarray | None = None,
        wide: bool = True,
    ) -> None:
        self.config = config
        self.filters = weights["convolution.weight"]
        self.softmax_weight = weights["softmax.weight"]  # (K, features)
        self.softmax_bias = weights["softmax.bias"]  # (K,)
        self.region_sizes = config.region_sizes[:1] if region_sizes is None else region_sizes
        self.bias = weights["convolution.bias"] if bias is None else bias
        self.wide = wide
        self.slots = np.cumsum([0, *self.region_sizes])  # where each region size's begin in the table
        self.ngram_rows = ngram_rows(config, weights) if config.char_ngrams else None  # (B, C, D)
        shape = int(self.slots[-1]), self.bias.shape[1]
        self.table = LookUpTable(word_rows(config, weights), self.project, shape, lends=bool(config.char_ngrams))

    def beside(self, unseen: Ngrams | None) -> Scorer[Config]:
        """Return a scorer of texts whose words that the vocabulary lacks have these n-grams (`Encoded.unseen`)."""
        if unseen is None or self.ngram_rows is None:
            return self
        scorer = copy.copy(self)
        scorer.table = TableBesides(self.table, unseen, self.ngram_rows)
        return scorer

    @staticmethod
    @abstractmethod
    def weight_shapes(config: Config) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays of the network's own layers, by name."""

    @staticmethod
    def table_scale_shape(config: Config) -> tuple[int, int] | None:
        """Return the shape of the scales of a table of whole numbers, (R, F), or None where there is no such table."""
        return None

    def use_codes(self, bits: int, scales: np.ndarray) -> None:
        """Round the table of projected words to whole numbers of 8 or 16 bits times their map's scale, (R, F)."""
        self.scales = np.ascontiguousarray(scales)
        self.table.use_codes(bits, np.repeat(scales, self.region_sizes, axis=0))

    @abstractmethod
    def penultimate(self, ids: np.ndarray) -> np.ndarray:
        """Return the features of texts of one length, word ids (B, L) to (B, features); L is at least 1."""

    def project(self, rows: np.ndarray) -> np.ndarray:
        """Return the products of word rows (n, C, D) with the filters (S, F, C D), (n, S, F)."""
        flat = rows.reshape(len(rows), -1) @ self.filters.reshape(-1, self.filters.shape[2]).T
        return flat.reshape(-1, *self.filters.shape[:2])

    def features(self, texts: Encoded) -> np.ndarray:
        """Return the penultimate layer of N texts, (N, features) float32; zeros for a text without words."""
        features = np.zeros((len(texts.lengths), self.config.features), np.float32)
        for rows, ids in by_length(texts):
            features[rows] = self.penultimate(ids)
        return features

    def logits(self, texts: Encoded) -> np.ndarray:
        """Return the logits of N texts, (N, K) float32."""
        return self.features(texts) @ self.softmax_weight.T + self.softmax_bias

    def look_ups(self, ids: np.ndarray) -> np.ndarray:
        """Return each word's part of a window in every slot, word ids (L,) to (L, S, F)."""
        table, rows = self.table.look_up(ids)
        return table[rows]

    def windows_of(self, length: int, region: int = 0) -> int:
        """Return the number of windows of one region size in a text.

        P is L + h - 1 where padding is wide, else L - h + 1, and 1 for a text shorter than h; 0 for L = 0.
        """
        size = self.region_sizes[region]
        return (length + size - 1 if self.wide else max(length - size + 1, 1)) if length else 0

    def window_sums(self, ids: np.ndarray, region: int = 0) -> np.ndarray:
        """Return the sum of look-ups of every window of one region size, word ids (B, L) to (B, P, F)."""
        return self._window_sums(ids, region, wide=self.wide)

    def window_blocks(self, ids: np.ndarray, region: int = 0, maps: slice | None = None) -> Iterator[np.ndarray]:
        """Yield what `window_sums` returns in blocks (B, P', F) of consecutive windows; one unless the text is long.

        Args:
            ids: of words, (B, L).
            region: which region size.
            maps: which of the filters; None takes all.
        """
        length, windows = ids.shape[1], self.windows_of(ids.shape[1], region)
        if windows <= PIECE:
            yield self._window_sums(ids, region, wide=self.wide, maps=maps)
            return
        size = self.region_sizes[region]
        for begin in range(0, windows, PIECE):
            first = begin - (size - 1 if self.wide else 0)  # word of the first window
            last = first + min(PIECE, windows - begin) + size - 1
            words = ids[:, max(first, 0) : last]
            margins = (max(-first, 0), max(last - max(length, first), 0))
            padded = np.pad(words, ((0, 0), margins), constant_values=PAD)
            yield self._window_sums(padded, region, wide=False, maps=maps)

    def _window_sums(self, ids: np.ndarray, region: int, *, wide: bool, maps: slice | None = None) -> np.ndarray:
        texts, length = ids.shape
        size, slot = self.region_sizes[region], int(self.slots[region])
        windows = length + size - 1 if wide else max(length - size + 1, 1)
        if not ids.size:
            return np.zeros((texts, 0 if not length else windows, self.table.shape[1]), np.float32)
        if kernels.compiled:
            table, rows = self.table.look_up(ids.ravel(), maps)
            offsets = np.arange(0, ids.size + 1, length, dtype=np.int64)
            return kernels.sum_windows(table, rows, offsets, size=size, slot=slot, wide=wide, positions=windows)
        left = size - 1 if wide else 0
        padded = np.pad(ids, ((0, 0), (left, windows + size - 1 - left - length)), constant_values=PAD)
        table, rows = self.table.look_up(padded.ravel(), maps)
        rows = rows.reshape(padded.shape) * table.shape[1] + slot
        table = table.reshape(-1, table.shape[2])
        total = np.take(table, rows[:, :windows], axis=0)  # (B, P, F)
        for j in range(1, size):
            total += np.take(table, rows[:, j : j + windows] + j, axis=0)
        return total

    def largest_windows(self, texts: Encoded, *, positions: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return each text's largest response of every first-layer filter, without bias; ties go to the first window.

        Args:
            texts: N encoded texts.
            positions: whether the second array is needed.

        Returns:
            The responses, (N, R F), zeros for a text without words; and the word at which that window begins, negative
            in the padding, (N, R F).
        """
        if kernels.compiled and self.table.fits(texts.ids):
            table, rows = self.table.look_up(texts.ids)
            sizes = np.array(self.region_sizes, np.int32)
            return kernels.max_windows(table, rows, texts.offsets, sizes, wide=self.wide, places=positions)
        largest = np.zeros((len(texts.lengths), self.bias.size), np.float32)
        begins = np.zeros(largest.shape, np.int32)
        maps = self.bias.shape[1]
        for texts_of_length, ids in by_length(texts):
            for region, size in enumerate(self.region_sizes):
                columns = slice(region * maps, (region + 1) * maps)
                best, at = first_largest(self.window_blocks(ids, region))
                largest[texts_of_length, columns] = best
                begins[texts_of_length, columns] = at - (size - 1 if self.wide else 0)
        return largest, begins

    def filter_name(self, layer: int, number: int) -> str:
        """Return the name of a filter: its map, in the first layer after its region size."""
        if layer > 1:
            return str(number)
        region, feature_map = divmod(number, self.bias.shape[1])
        return f"{self.region_sizes[region]}-{feature_map}"

    def strongest(self, ids: np.ndarray, layer: int) -> Strongest:
        """Return the largest responses of a layer's maps, layers from 1; word ids (B, L), L at least `shortest`."""
        responses, at = first_largest(self.layer_blocks(ids, layer))
        return Strongest(responses, *self.fields(layer, ids.shape[1]).of_maps(at))

    def layer_blocks(self, ids: np.ndarray, layer: int) -> Iterator[np.ndarray]:
        """Yield the responses of a layer, before its activation, in blocks (B, P', F); arguments as in `strongest`."""
        raise NotImplementedError

    def fields(self, layer: int, length: int) -> Fields:
        """Return the receptive fields of a layer, (P,) or (P, F), in a text of `length` words."""
        raise NotImplementedError

    def shortest(self, layer: int) -> int:
        """Return the number of words of the shortest text that reaches a layer."""
        return 1

    def terms(self, ids: np.ndarray) -> list[Terms]:
        """Return what one text's logits are a sum over, for each region size; word ids (L,), L at least 1.

        Terms that add nothing are left out, with their biases.
        """
        raise NotImplementedError

    def layers(self, ids: np.ndarray) -> list[PooledLayer]:
        """Return what pooling keeps in each of `row_layers` layers; word ids (B, L)."""
        raise NotImplementedError


def ngram_rows(config: NetworkConfig, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Return the rows of character n-grams, (B, C, D), zeros in a channel that is fixed."""
    rows = weights[NGRAM_ROWS][:, None]
    return rows if config.channel_count == 1 else np.concatenate([np.zeros_like(rows), rows], axis=1)


def word_rows(config: NetworkConfig, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Return the rows of all words, (V, C, D), as `textcnn.nn` computes them from the embedding channels."""
    tables = [weights[name] for name in ("channels.fixed", "channels.tuned") if name in weights]
    if len(tables) == 1:
        return tables[0][:, None]  # no copy of a large table
    stacked = np.stack(tables, axis=1)
    return stacked if config.channel_count == stacked.shape[1] else stacked.sum(axis=1, keepdims=True)


def by_length(texts: Encoded) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield texts of one length together, about `CHUNK` tokens at a time: their indices (B,) and word ids (B, L).

    Texts without words are left out.
    """
    lengths = texts.lengths
    order = np.argsort(lengths, kind="stable")
    order = order[np.searchsorted(lengths[order], 1) :]
    changes = np.flatnonzero(np.diff(lengths[order])) + 1
    for rows in np.split(order, changes) if len(order) else []:
        length = int(lengths[rows[0]])
        step = max(1, CHUNK // length)
        for begin in range(0, len(rows), step):
            part = rows[begin : begin + step]
            yield part, texts.ids[texts.offsets[part][:, None] + np.arange(length)]


def first_largest(blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest values along axis 1 of blocks (B, P', F) put together, and their positions, (B, F) both.

    Ties go to the smaller index, and NaN is above all.
    """
    iterator = iter(blocks)
    x = next(iterator)
    best, at, begin = x.max(axis=1), x.argmax(axis=1), x.shape[1]
    for x in iterator:
        values = x.max(axis=1)
        better = ~(values <= best) & ~np.isnan(best)
        best, at = np.where(better, values, best), np.where(better, x.argmax(axis=1) + begin, at)
        begin += x.shape[1]
    return best, at


def mean(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean along axis 1 of blocks (B, P', F) put together, (B, F) float32."""
    means, counts = [], []
    for x in blocks:
        means.append(x.mean(axis=1))
        counts.append(x.shape[1])
    if len(means) == 1:
        return means[0]
    return np.average(np.stack(means), axis=0, weights=counts).astype(np.float32)


def k_largest(blocks: Iterable[np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what `k_max` returns of blocks (B, P', F) put together along axis 1."""
    iterator = (part for x in blocks for part in np.split(x, range(AT_ONCE, x.shape[1], AT_ONCE), axis=1))
    x = next(iterator)
    (values, kept), begin = k_max(x, k), x.shape[1]
    for x in iterator:
        before = values.shape[1]
        values, among = k_max(np.concatenate([values, x], axis=1), k)
        earlier = np.take_along_axis(kept, np.minimum(among, before - 1), axis=1)
        kept = np.where(among < before, earlier, among - before + begin)
        begin += x.shape[1]
    return values, kept


def k_max(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k largest values along axis 1 in their order, and their positions; ties go to the smaller index.

    Args:
        x: (B, P, F).
        k: how many values to keep.

    Returns:
        Values and positions, (B, min(k, P), F) both.
    """
    texts, positions = x.shape[:2]
    most = min(k, positions)
    if positions > PIECE and 0 < most < positions:
        kept = _chosen(x, most)
        if kept is not None:
            return np.take_along_axis(x, kept, axis=1), kept
    if kernels.compiled and most:
        counts, ks = np.full(texts, positions, np.int64), np.full(texts, most, np.int64)
        return kernels.k_max(np.ascontiguousarray(x), counts, ks, most)
    kept = np.sort(np.argsort(-x, axis=1, kind="stable")[:, :most], axis=1)
    return np.take_along_axis(x, kept, axis=1), kept


def _chosen(x: np.ndarray, k: int) -> np.ndarray | None:
    """Return the positions that `k_max` keeps of x (B, P, F), without sorting all; None if some are not numbers."""
    if np.isnan(x.max(initial=0)):
        return None
    texts, positions, maps = x.shape
    least = np.partition(x, positions - k, axis=1)[:, positions - k, None]  # that is kept, (B, 1, F)
    kept, equal = x > least, x == least
    spare = k - kept.sum(axis=1, keepdims=True)
    kept |= equal & (np.cumsum(equal, axis=1, dtype=np.int32) <= spare)
    return np.nonzero(kept.swapaxes(1, 2))[2].reshape(texts, maps, k).swapaxes(1, 2)
