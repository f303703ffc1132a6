"""The forward pass of the DCNN (Kalchbrenner et al. 2014, section 3) over look-up tables."""

from __future__ import annotations

import numpy as np

from textcnn import kernels
from textcnn.inference.scorer import PIECE, PooledLayer, Scorer, k_max
from textcnn.inference.upper_layers import Fields, Strongest
from textcnn.settings.config import DCNNConfig
from textcnn.text.tokens import Encoded

AT_ONCE = 16  # numbers of a window of a long text that are taken at a time


class DCNNScorer(Scorer[DCNNConfig]):
    """The DCNN. Its first convolution is row by row and folding is linear, so both are in the look-up table.

    Args:
        config: the network's settings.
        weights: its arrays by name.
    """

    def __init__(self, config: DCNNConfig, weights: dict[str, np.ndarray]) -> None:
        width = config.feature_maps[0] * config.dimension // 2
        super().__init__(config, weights, bias=np.zeros((1, width), np.float32))  # its own follows pooling
        self.row_layers = self.depth = len(config.region_sizes)
        layers = range(self.row_layers)
        # (F, m, F', D) of each deeper layer
        self.deeper = [
            np.ascontiguousarray(weights[f"deeper.{layer}.weight"].transpose(1, 3, 2, 0)) for layer in layers[:-1]
        ]
        self.biases = [weights[f"biases.{layer}"] for layer in layers]  # (F, D)
        # The same in the form that the compiled loop takes.
        self._sizes, self._maps = np.array([config.region_sizes, config.feature_maps], np.int32)
        self._flat_biases = np.concatenate([bias.ravel() for bias in self.biases])
        self._flat_filters = np.concatenate(
            [np.zeros(0, np.float32), *(filters.transpose(3, 1, 2, 0).ravel() for filters in self.deeper)]
        )

    @staticmethod
    def weight_shapes(config: DCNNConfig) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the convolutions' arrays and of the biases after pooling."""
        sizes, maps = config.region_sizes, config.feature_maps
        shapes: dict[str, tuple[int, ...]] = {
            "convolution.weight": (config.channel_count, sizes[0], maps[0], config.dimension)
        }
        for layer, size in enumerate(sizes):
            rows = config.dimension // 2**layer
            shapes[f"biases.{layer}"] = (maps[layer], rows // 2)
            if layer:
                shapes[f"deeper.{layer - 1}.weight"] = (rows, maps[layer], maps[layer - 1], size)
        return shapes

    def project(self, rows: np.ndarray) -> np.ndarray:
        """Return each word's part of the first layer, folded: word rows (n, C, D) to (n, m, F D / 2)."""
        table = np.einsum("ucd,cmfd->umfd", rows, self.filters)
        return _fold(table).reshape(len(rows), self.filters.shape[1], -1)

    def filter_name(self, layer: int, number: int) -> str:
        """Return the name of a filter, which is one row of a feature map."""
        feature_map, row = divmod(number, self.biases[layer - 1].shape[1])
        return f"{super().filter_name(layer, feature_map)}, row {row}"

    def logits(self, texts: Encoded) -> np.ndarray:
        """Return the logits of N texts, (N, K) float32."""
        if not kernels.compiled or int(texts.lengths.max(initial=0)) > PIECE or not self.table.fits(texts.ids):
            return super().logits(texts)
        table, rows = self.table.look_up(texts.ids)
        return kernels.row_logits(
            *(table, rows, texts.offsets),
            sizes=self._sizes,
            maps=self._maps,
            dimension=self.config.dimension,
            k_top=self.config.k_top,
            biases=self._flat_biases,
            filters=self._flat_filters,
            weights=self.softmax_weight,
            weights_bias=self.softmax_bias,
        )

    def penultimate(self, ids: np.ndarray) -> np.ndarray:
        """Return the last layer's values of texts of one length, (B, L) to (B, features)."""
        last = self._last_values(ids) if ids.shape[1] > PIECE else self.layers(ids)[-1].values
        flat = last.reshape(len(ids), -1)
        return np.pad(flat, ((0, 0), (0, self.config.features - flat.shape[1])))  # zeros follow a text's values

    def layers(self, ids: np.ndarray) -> list[PooledLayer]:
        """Return what dynamic k-max pooling keeps in each layer, word ids (B, L).

        Section 3.3: k_l = max(k_top, ceil((L - l) / L * s)) with s the length of the text.
        """
        count, length = self.row_layers, ids.shape[1]
        found: list[PooledLayer] = []
        for layer in range(1, count + 1):
            maps, rows = self.biases[layer - 1].shape
            filters = self.deeper[layer - 2] if layer > 1 else None
            if filters is None:
                x = self.window_sums(ids)  # (B, P, F D)
            else:
                x = _convolve_rows(found[-1].values, filters)  # (B, P, F, D)
                x = x.reshape(*x.shape[:2], maps * rows)
            pooled, kept = k_max(x, self._kept(layer, length))  # (B, k, F D)
            shape = (len(ids), -1 if pooled.size else 0, maps, rows)
            responses = pooled.reshape(shape)
            values = np.tanh(responses + self.biases[layer - 1])
            found.append(PooledLayer(kept.reshape(shape), responses, values, filters))
        return found

    def strongest(self, ids: np.ndarray, layer: int) -> Strongest:
        """Return the largest responses of each row of a layer's maps, before pooling; word ids (B, L).

        A receptive field reaches from the first to the last word of the windows that pooling kept below, in any map.
        """
        words = Fields.of_words(ids.shape[1])
        fields = Fields(words.begins[None, :, None], words.ends[None, :, None], axis=1)  # (1, L, 1)
        for number, (size, found) in enumerate(zip(self.config.region_sizes, self.layers(ids), strict=True), 1):
            fields = fields.wide(size)  # (B, P, D), for all maps
            begins, ends = (  # (B, k, F, D)
                np.take_along_axis(np.broadcast_to(x[:, :, None], (*x.shape[:2], *found.kept.shape[2:])), found.kept, 1)
                for x in (fields.begins, fields.ends)
            )
            if number == layer:
                break
            # Folding sums rows in pairs.
            begins = begins.min(axis=2).reshape(*begins.shape[:2], -1, 2).min(axis=3)  # (B, k, D / 2)
            ends = ends.max(axis=2).reshape(*ends.shape[:2], -1, 2).max(axis=3)
            fields = Fields(begins, ends, axis=1)
        at = found.responses.argmax(axis=1)[:, None]  # (B, 1, F, D)
        largest = (np.take_along_axis(x, at, axis=1).reshape(len(ids), -1) for x in (found.responses, begins, ends))
        return Strongest(*largest)

    def fields(self, layer: int, length: int) -> Fields:
        """Return the receptive fields of a layer's windows, (P,), where pooling keeps all below."""
        found = Fields.of_words(length)
        for size in self.config.region_sizes[:layer]:
            found = found.wide(size)
        return found

    def _kept(self, layer: int, length: int) -> int:
        """Return k of a layer, from 1, for a text of L words."""
        count = self.row_layers
        return max(self.config.k_top, -(-(count - layer) * length // count))

    def _last_values(self, ids: np.ndarray) -> np.ndarray:
        """Return the values that `layers` keeps in the last layer, (B, k, F, D), a few maps of a layer at a time.

        Of a long text memory holds what one layer keeps, and not all windows that it is chosen from.
        """
        k, width = self._kept(1, ids.shape[1]), self.bias.shape[1]
        maps, rows = self.biases[0].shape
        values = np.empty((len(ids), min(k, self.windows_of(ids.shape[1])), width), np.float32)
        for begin in range(0, width, AT_ONCE):
            columns = slice(begin, begin + AT_ONCE)
            sums = np.concatenate(list(self.window_blocks(ids, maps=columns)), axis=1)
            values[:, :, columns] = k_max(sums, k)[0]
        values = self._squashed(values.reshape(*values.shape[:2], maps, rows), 1)
        for layer, filters in enumerate(self.deeper, 2):
            k = self._kept(layer, ids.shape[1])
            found = [k_max(_convolve_rows(values, one[None])[:, :, 0], k)[0] for one in filters]  # (B, k, D) each
            values = self._squashed(np.stack(found, axis=2), layer)
        return values

    def _squashed(self, values: np.ndarray, layer: int) -> np.ndarray:
        """Add a layer's bias, and take tanh, in place."""
        values += self.biases[layer - 1]
        return np.tanh(values, out=values)


def _fold(x: np.ndarray) -> np.ndarray:
    """Sum rows 2i and 2i + 1, (..., D) to (..., D / 2)."""
    return x[..., 0::2] + x[..., 1::2]


def _convolve_rows(x: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Return the wide convolution of each row by itself, folded.

    Args:
        x: (B, P, F', D).
        filters: (F, m, F', D).

    Returns:
        (B, P + m - 1, F, D / 2); no windows for P = 0.
    """
    margin = filters.shape[1] - 1
    windows = x.shape[1] + margin if x.shape[1] else 0
    padded = np.pad(x, ((0, 0), (margin, margin), (0, 0), (0, 0))).transpose(3, 0, 1, 2)  # (D, B, P + 2 margin, F')
    total: np.ndarray = sum(  # (D, B, P + m - 1, F)
        padded[:, :, j : j + windows] @ by_row.transpose(2, 1, 0)[:, None]
        for j, by_row in enumerate(filters.swapaxes(0, 1))
    )
    return _fold(total.transpose(1, 2, 3, 0))
