"""The forward pass of stacked convolutions (`textcnn.nn.stacked`) over look-up tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from textcnn.inference.scorer import ACTIVATIONS, Scorer, first_largest, mean
from textcnn.settings.config import StackedConfig


class StackedScorer(Scorer[StackedConfig]):
    """Wide convolutions with local max pooling between them and global pooling on top.

    Args:
        config: the network's settings.
        weights: its arrays by name.
    """

    def __init__(self, config: StackedConfig, weights: dict[str, np.ndarray]) -> None:
        super().__init__(config, weights)
        layers = range(len(config.region_sizes) - 1)
        # (h, F', F) and (F,) of each deeper layer
        self.deeper = [(weights[f"deeper.{i}.weight"].transpose(2, 1, 0), weights[f"deeper.{i}.bias"]) for i in layers]
        self.activation = ACTIVATIONS[config.activation]

    @staticmethod
    def weight_shapes(config: StackedConfig) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the convolutions' arrays."""
        sizes, maps = config.region_sizes, config.feature_maps
        shapes: dict[str, tuple[int, ...]] = {
            "convolution.weight": (sizes[0], maps[0], config.dimension * config.channel_count),
            "convolution.bias": (1, maps[0]),
        }
        for layer in range(1, len(sizes)):
            shapes[f"deeper.{layer - 1}.weight"] = (maps[layer], maps[layer - 1], sizes[layer])
            shapes[f"deeper.{layer - 1}.bias"] = (maps[layer],)
        return shapes

    def penultimate(self, ids: np.ndarray) -> np.ndarray:
        """Return the pooled last layer of texts of one length, (B, L) to (B, F)."""
        count = self.windows_of(ids.shape[1])
        x: Iterator[np.ndarray] = (  # blocks (B, P', F)
            self.activation(sums + self.bias[0]) for sums in self.window_blocks(ids)
        )
        for filters, bias in self.deeper:
            size = min(self.config.pool_size, count)  # no filler past one group
            count = -(-count // size) + len(filters) - 1
            x = self._convolved(_local_max(x, size), filters, bias)
        return first_largest(x)[0] if self.config.global_pooling == "max" else mean(x)

    def _convolved(self, blocks: Iterable[np.ndarray], filters: np.ndarray, bias: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the wide convolution of blocks (B, P', F'), after bias and activation, as blocks (B, P', F)."""
        margin = len(filters) - 1
        before: np.ndarray | None = None  # the positions that the next windows begin with
        for x, last in _with_last(blocks):
            start = np.zeros((len(x), margin, x.shape[2]), x.dtype) if before is None else before
            padded = np.concatenate([start, x, *[np.zeros_like(start)] * last], axis=1)
            windows = padded.shape[1] - margin
            total = sum(padded[:, j : j + windows] @ filters[j] for j in range(len(filters)))
            yield self.activation(total + bias)
            before = padded[:, windows:]


def _local_max(blocks: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield the maxima of each `size` neighbours of blocks (B, P', F), as blocks; at the end there may be fewer."""
    # Of a group that began in an earlier block: its largest values, (B, F), and how many are to come.
    best, missing = np.zeros(0), 0
    for x, last in _with_last(blocks):
        out = []
        if missing:
            best = np.maximum(best, x[:, :missing].max(axis=1))
            missing, x = max(missing - x.shape[1], 0), x[:, missing:]
            if not missing:
                out.append(best[:, None])
        whole = x.shape[1] // size * size
        if whole:
            out.append(x[:, :whole].reshape(len(x), -1, size, x.shape[2]).max(axis=2))
        if whole < x.shape[1]:
            best, missing = x[:, whole:].max(axis=1), size - (x.shape[1] - whole)
        if missing and last:
            out.append(best[:, None])
        if out:
            yield np.concatenate(out, axis=1)


def _with_last(blocks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield each block, and whether it is the last."""
    iterator = iter(blocks)
    block = next(iterator)
    for following in iterator:
        yield block, False
        block = following
    yield block, True
