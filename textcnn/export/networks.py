"""The layers of each architecture as ONNX operators: from windows to the penultimate layer, (B, features).

Each function adds what its scorer's `penultimate` computes, of B texts of one length, from 1.
"""

from __future__ import annotations

import numpy as np

from textcnn.export._graph import FLOAT, Graph, Value
from textcnn.export._windows import Windows
from textcnn.inference.dcnn_scorer import DCNNScorer
from textcnn.inference.dpcnn_scorer import DPCNNScorer
from textcnn.inference.kim_scorer import KimScorer
from textcnn.inference.stacked_scorer import StackedScorer
from textcnn.inference.upper_layers import Convolution


def kim(windows: Windows, scorer: KimScorer) -> Value:
    """Add Kim's network (`textcnn.inference.kim_scorer`)."""
    graph, config = windows.graph, scorer.config
    pooled = []
    for region, bias in enumerate(scorer.bias):
        sums = windows.sums(region)  # (B, P, F)
        if config.pooling == "max":  # all activations are increasing
            largest = graph.op("ReduceMax", sums, axes=[1], keepdims=0)
            pooled.append(_activated(largest + bias, config.activation))
            continue
        responses = _activated(sums + bias, config.activation)
        if config.pooling == "average":
            pooled.append(graph.op("ReduceMean", responses, axes=[1], keepdims=0))
            continue
        by_map = graph.op("Transpose", responses, perm=[0, 2, 1])  # (B, F, P)
        values = _k_largest(by_map, graph.op("Min", windows.count(region), config.k))
        flat = graph.op("Reshape", graph.op("Transpose", values, perm=[0, 2, 1]), [0, -1])
        pooled.append(_filled(flat, config.k * config.feature_maps))
    return graph.op("Concat", *pooled, axis=1)


def dcnn(windows: Windows, scorer: DCNNScorer) -> Value:
    """Add the DCNN (`textcnn.inference.dcnn_scorer`)."""
    graph, layers = windows.graph, scorer.row_layers
    x = graph.op("Reshape", windows.sums(), [0, 0, *scorer.biases[0].shape])  # (B, P, F, D)
    x = graph.op("Transpose", x, perm=[0, 3, 2, 1])  # (B, D, F, P)
    count = windows.count()
    for layer, bias in enumerate(scorer.biases, 1):
        if layer > 1:
            filters = scorer.deeper[layer - 2]  # (F, m, F', 2 D)
            x = _convolved_rows(x, filters)
            count = count + (filters.shape[1] - 1)
        share = (windows.length * (layers - layer) + (layers - 1)) // layers  # rounded up
        count = graph.op("Min", count, graph.op("Max", share, scorer.config.k_top))
        x = graph.op("Tanh", _k_largest(x, count) + bias.T[:, :, None])
    flat = graph.op("Reshape", graph.op("Transpose", x, perm=[0, 3, 2, 1]), [0, -1])  # (B, k F D)
    return _filled(flat, scorer.config.features)


def stacked(windows: Windows, scorer: StackedScorer) -> Value:
    """Add stacked convolutions (`textcnn.inference.stacked_scorer`)."""
    graph, config = windows.graph, scorer.config
    x = _activated(windows.sums() + scorer.bias[0], config.activation)
    x = graph.op("Transpose", x, perm=[0, 2, 1])  # (B, F, P)
    count = windows.count()
    stage = _residual if config.shortcut else _layer
    for number in range(config.stages):
        name = f"deeper.{number}"
        size = graph.op("Min", count, config.pool_size)
        groups = (count + size - 1) // size
        filled = graph.op("Concat", [0, 0, 0, 0, 0], groups * size - count, axis=0)
        x = graph.op("Pad", x, filled, -np.inf)
        x = graph.op("Reshape", x, graph.op("Concat", [0, 0], groups, size, axis=0))
        x = graph.op("ReduceMax", x, axes=[3], keepdims=0)
        if config.wide:
            margin = len(scorer.convolutions[name][0]) - 1
            x = _convolved(x, scorer.convolutions[name], margin, margin)
            count = groups + margin
        else:
            x = stage(x, scorer, name)
            count = groups
        x = _activated(x, config.activation)
    return graph.op("ReduceMax" if config.global_pooling == "max" else "ReduceMean", x, axes=[2], keepdims=0)


def _residual(x: Value, scorer: StackedScorer, name: str) -> Value:
    """Return two layers' responses plus their shortcut, (B, F', P) to (B, F, P)."""
    inner = _activated(_layer(x, scorer, f"{name}.first"), scorer.config.activation)
    projection = scorer.convolutions.get(f"{name}.projection")
    return _layer(inner, scorer, f"{name}.second") + (x if projection is None else _kept(x, projection))


def _layer(x: Value, scorer: StackedScorer, name: str) -> Value:
    """Return the responses of a convolution that keeps the length, or of an inception module's branches."""
    if not scorer.config.branches:
        return _kept(x, scorer.convolutions[name])
    parts = []
    for branch in range(len(scorer.config.branches)):
        reduction = scorer.convolutions.get(f"{name}.reductions.{branch}")
        inner = x if reduction is None else _activated(_kept(x, reduction), scorer.config.activation)
        parts.append(_kept(inner, scorer.convolutions[f"{name}.branches.{branch}"]))
    return x.graph.op("Concat", *parts, axis=1)


def dpcnn(windows: Windows, scorer: DPCNNScorer) -> Value:
    """Add the deep pyramid CNN (`textcnn.inference.dpcnn_scorer`)."""
    graph, config = windows.graph, scorer.config
    regions = []
    for region, (size, bias) in enumerate(zip(scorer.region_sizes, scorer.bias, strict=True)):
        sums = windows.sums(region) + bias  # (B, P, F / R)
        begin = (size - 1) // 2
        regions.append(sums.cut(begin, windows.length + begin, axis=1))
    x = graph.op("Transpose", graph.op("Concat", *regions, axis=2), perm=[0, 2, 1])  # (B, F, P)
    count = windows.length
    for number, block in enumerate(scorer.blocks):
        several = None
        if number:  # a text of one position passes as it is
            several = graph.op("Cast", graph.op("Min", count - 1, 1), to=FLOAT)
            x = graph.op("Pad", x, [0, 0, 0, 0, 0, 2], -np.inf)
            x = graph.op("MaxPool", x, kernel_shape=[3], strides=[2])
            count = (count + 1) // 2
        added = x
        for layer in block:
            added = _kept(_activated(added, config.activation), layer)
        x = x + (added if several is None else added * several)
    return graph.op("ReduceMax", x, axes=[2], keepdims=0)


def _kept(x: Value, layer: Convolution) -> Value:
    """Return a convolution that keeps the length (`textcnn.inference.upper_layers`), (B, F', P) to (B, F, P)."""
    size = len(layer[0])
    return _convolved(x, layer, size // 2, (size - 1) // 2)


def _convolved(x: Value, layer: Convolution, before: int, after: int) -> Value:
    """Return a convolution with zeros before and after x, (B, F', P) to (B, F, before + P + after - h + 1)."""
    filters, bias = layer  # (h, F', F), (F,)
    return x.graph.op("Conv", x, np.ascontiguousarray(filters.transpose(2, 1, 0)), bias, pads=[before, after])


def _activated(x: Value, activation: str) -> Value:
    kinds = {"relu": "Relu", "tanh": "Tanh"}
    return x.graph.op(kinds[activation], x) if activation in kinds else x


def _k_largest(x: Value, k: Value) -> Value:
    """Return the k largest values along the last axis in their order; ties go to the smaller index."""
    graph: Graph = x.graph
    _, places = graph.ops("TopK", x, k, outputs=2, sorted=0)
    rising, _ = graph.ops("TopK", places, k, outputs=2, largest=0)
    return graph.op("GatherElements", x, rising, axis=-1)


def _filled(x: Value, width: int) -> Value:
    """Put zeros after rows, to (B, width)."""
    graph = x.graph
    missing = graph.op("Sub", width, graph.op("Shape", x).cut(1))
    return graph.op("Pad", x, graph.op("Concat", [0, 0, 0], missing, axis=0))


def _convolved_rows(x: Value, filters: np.ndarray) -> Value:
    """Return the wide convolution of each row by itself, folded: (B, 2 D, F', P) to (B, D, F, P + m - 1).

    Args:
        x: (B, 2 D, F', P).
        filters: (F, m, F', 2 D).
    """
    graph = x.graph
    maps, size, below, rows = filters.shape
    x = graph.op("Reshape", x, [0, rows * below, -1])
    weights = filters.transpose(3, 0, 2, 1).reshape(rows * maps, below, size)
    x = graph.op("Conv", x, np.ascontiguousarray(weights), group=rows, pads=[size - 1, size - 1])
    return graph.op("ReduceSum", graph.op("Reshape", x, [0, rows // 2, 2, maps, -1]), axes=[2], keepdims=0)
