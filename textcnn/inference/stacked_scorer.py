"""The forward pass of stacked convolutions (`textcnn.nn.stacked`) over look-up tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from textcnn.inference.scorer import ACTIVATIONS, Scorer, first_largest, mean
from textcnn.inference.upper_layers import Fields, convolution, convolution_shapes, convolved
from textcnn.settings.config import StackedConfig


class StackedScorer(Scorer[StackedConfig]):
    """Convolutions with local max pooling between them and global pooling on top.

    Wide convolutions take a long text block by block. With shortcuts or branches the layers after the first take it
    whole.

    Args:
        config: the network's settings.
        weights: its arrays by name.

    Attributes:
        convolutions: of the layers after the first, by their names in the network.
    """

    def __init__(self, config: StackedConfig, weights: dict[str, np.ndarray]) -> None:
        super().__init__(config, weights)
        self.convolutions = {name: convolution(weights, name) for name, *_ in _convolutions(config)}
        self.activation = ACTIVATIONS[config.activation]
        self.depth = len(config.region_sizes)
        self.max_pooled = config.global_pooling == "max"

    @staticmethod
    def weight_shapes(config: StackedConfig) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the convolutions' arrays."""
        size, maps = config.region_sizes[0], config.feature_maps[0]
        shapes: dict[str, tuple[int, ...]] = {
            "convolution.weight": (size, maps, config.dimension * config.channel_count),
            "convolution.bias": (1, maps),
        }
        for one in _convolutions(config):
            shapes |= convolution_shapes(*one)
        return shapes

    def penultimate(self, ids: np.ndarray) -> np.ndarray:
        """Return the pooled last layer of texts of one length, (B, L) to (B, F)."""
        x = map(self.activation, self.layer_blocks(ids, self.depth))  # blocks (B, P', F)
        return first_largest(x)[0] if self.max_pooled else mean(x)

    def layer_blocks(self, ids: np.ndarray, layer: int) -> Iterator[np.ndarray]:
        """Yield the responses of a layer, before its activation, in blocks (B, P', F); word ids (B, L).

        The second layer of a pair with a shortcut has it added.
        """
        blocks: Iterator[np.ndarray] = (sums + self.bias[0] for sums in self.window_blocks(ids))
        if not self.config.wide:
            yield from islice(self._whole(np.concatenate(list(blocks), axis=1)), layer - 1, layer)
            return
        for number in range(layer - 1):
            blocks = self._wide(_local_max(map(self.activation, blocks), self.config.pool_size), f"deeper.{number}")
        yield from blocks

    def fields(self, layer: int, length: int) -> Fields:
        """Return the receptive fields of a layer, (P,) or with branches (P, F), in a text of `length` words."""
        found = below = Fields.of_words(length).wide(self.region_sizes[0])
        for number, size in enumerate(self.config.region_sizes[1:layer]):
            below = found
            if number % 2 == 0 or not self.config.shortcut:
                below = found.pooled(self.config.pool_size, self.config.pool_size)
            found = below.wide(size) if self.config.wide else below.centred(size)
        if layer == 1 or not self.config.branches:
            return found
        share = self.config.feature_maps[layer - 1] // len(self.config.branches)
        own = [below.centred(size) for size in self.config.branches for _ in range(share)]
        return Fields(np.stack([one.begins for one in own], axis=1), np.stack([one.ends for one in own], axis=1))

    def _whole(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the first layer's responses x, (B, P, F), and those of the layers after it, which keep the length."""
        yield x
        for stage in range(self.config.stages):
            [x] = _local_max([self.activation(x)], self.config.pool_size)
            name = f"deeper.{stage}"
            if not self.config.shortcut:
                x = self._layer(x, name)
            else:
                inner = self._layer(x, f"{name}.first")
                yield inner
                projection = self.convolutions.get(f"{name}.projection")
                shortcut = x if projection is None else convolved(x, projection)
                x = self._layer(self.activation(inner), f"{name}.second") + shortcut
            yield x

    def _layer(self, x: np.ndarray, name: str) -> np.ndarray:
        """Return the responses of a convolution that keeps the length, or of an inception module's branches."""
        if not self.config.branches:
            return convolved(x, self.convolutions[name])
        parts = []
        for branch in range(len(self.config.branches)):
            reduction = self.convolutions.get(f"{name}.reductions.{branch}")
            inner = x if reduction is None else self.activation(convolved(x, reduction))
            parts.append(convolved(inner, self.convolutions[f"{name}.branches.{branch}"]))
        return np.concatenate(parts, axis=2)

    def _wide(self, blocks: Iterable[np.ndarray], name: str) -> Iterator[np.ndarray]:
        """Yield the responses of the wide convolution of blocks (B, P', F'), as blocks (B, P', F)."""
        filters, bias = self.convolutions[name]
        margin = len(filters) - 1
        before: np.ndarray | None = None  # the positions that the next windows begin with
        for x, last in _with_last(blocks):
            start = np.zeros((len(x), margin, x.shape[2]), x.dtype) if before is None else before
            padded = np.concatenate([start, x, *[np.zeros_like(start)] * last], axis=1)
            windows = padded.shape[1] - margin
            total = sum(padded[:, j : j + windows] @ filters[j] for j in range(len(filters)))
            yield total + bias
            before = padded[:, windows:]


def _convolutions(config: StackedConfig) -> Iterator[tuple[str, int, int, int]]:
    """Yield the name of each convolution after the first layer, the maps below it, its own, and its size."""
    maps = config.feature_maps
    for layer in range(1, len(maps)):
        pair, second = divmod(layer - 1, 2)
        name = f"deeper.{pair}.{'second' if second else 'first'}" if config.shortcut else f"deeper.{layer - 1}"
        below, own = maps[layer - 1], maps[layer]
        if not config.branches:
            yield name, below, own, config.region_sizes[layer]
        for branch, size in enumerate(config.branches):
            reduced = below if size == 1 else max(own // 4, 1)
            if size > 1:
                yield f"{name}.reductions.{branch}", below, reduced, 1
            yield f"{name}.branches.{branch}", reduced, own // len(config.branches), size
        if config.shortcut and second and maps[layer - 2] != own:
            yield f"deeper.{pair}.projection", maps[layer - 2], own, 1


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
