"""A model as an ONNX graph: from ids to probabilities.

Inputs and output are `ids` (N,) int64 of the words of all texts, one text after the other, `offsets` (B + 1,) int64
where each begins and the last ends, and `probabilities` (B, K) float32.

As in `textcnn.inference.scorer`, texts of one length are scored together, so that nothing is padded to another text's
length: the texts are sorted by length, and each step of a loop takes some of one length, `CHUNK` tokens or one text.
Memory is bounded by that and the longest text.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from textcnn.errors import ConfigError
from textcnn.export._bag_graph import bag_logits
from textcnn.export._graph import FLOAT, INT64, Graph, Value
from textcnn.export._windows import Windows
from textcnn.inference.predictor import Predictor
from textcnn.inference.scorer import CHUNK, Scorer
from textcnn.settings.architectures import architecture_of
from textcnn.targets import ONE_CLASS, Target, Temperature
from textcnn.text.vocabulary import PAD

OPSET, IR = 12, 7  # the lowest that has all operators: comparisons and extremes of int64
TIMES = 8  # numbers of a table beside those of the word rows that it is made of


def scoring_graph(predictor: Predictor) -> onnx.ModelProto:
    """Return a model as ONNX.

    Raises:
        ConfigError: the architecture has no graph, or the weights are too large for an ONNX file.
    """
    graph = Graph()
    ids, offsets = graph.named("ids"), graph.named("offsets")
    logits = _logits(graph, predictor, ids, offsets)
    _probabilities(graph, predictor.target, predictor.artifact.temperature, logits)
    one = helper.make_tensor_value_info
    inputs = [one("ids", INT64, ["N"]), one("offsets", INT64, ["B + 1"])]
    outputs = [one("probabilities", FLOAT, ["B", len(predictor.classes_)])]
    made = helper.make_graph(graph.nodes, "textcnn", inputs, outputs, graph.shared.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model, full_check=True)
    return model


def _logits(graph: Graph, predictor: Predictor, ids: Value, offsets: Value) -> Value:
    """Add the logits of B texts, (B, K)."""
    scorer, bag = predictor.scorer, predictor.bag
    architecture = architecture_of(predictor.artifact.model)
    if architecture.graph is None:
        raise ConfigError(
            f"expected a network that can be exported, found {architecture.name}, which has no ONNX graph"
        )
    network = pkgutil.resolve_name(architecture.graph)
    tables, words = _tables(graph, scorer, ids)
    begins = offsets.cut(0, -1)
    lengths = offsets.cut(1) - begins
    count = graph.op("Shape", lengths)  # B
    rising, order = graph.ops("TopK", lengths, count, outputs=2, largest=0)
    empty = _number_of(graph.op("Equal", rising, 0))
    bias = graph.constant(scorer.softmax_bias)
    # A text without words has the bias.
    first = graph.op("Expand", bias, graph.op("Concat", count, [len(scorer.softmax_bias)], axis=0))

    def step(body: Graph, begin: Value, logits: Value) -> tuple[Value, Value]:
        """Score texts of one length, the `begin`th in their order and following ones."""
        length = body.op("Gather", rising, begin)
        up_to_length = _number_of(body.op("LessOrEqual", rising, length))
        most = body.op("Max", body.op("Div", CHUNK, length), 1)
        end = body.op("Min", up_to_length, body.op("Add", begin, most))
        rows = body.op("Slice", order, begin, end)
        positions = body.op("Range", 0, body.op("Squeeze", length, axes=[0]), 1)
        places = body.op("Add", body.op("Unsqueeze", body.op("Gather", begins, rows), axes=[1]), positions)  # (B', L)
        windows = Windows(body, scorer, tables, body.op("Gather", words, places), length)
        found = body.op("Gemm", network(windows, scorer), scorer.softmax_weight, bias, transB=1)
        if bag is not None:
            found = found + bag_logits(body, bag, body.op("Gather", ids, places))
        return end, body.op("ScatterND", logits, body.op("Unsqueeze", rows, axes=[1]), found)

    return graph.loop(empty, count, first, step)


def _tables(graph: Graph, scorer: Scorer[Any], ids: Value) -> tuple[Sequence[Value], Value]:
    """Add the look-up tables, and return that of each slot, (n, F), and the rows of words in them, (N,).

    A table of the whole vocabulary is a constant, unless the predictor would not keep it or it has over `TIMES` as many
    numbers as the word rows. Then these are, which makes a small file, and those of the distinct words are projected,
    which costs little where they are short.
    """
    look_up, slots = scorer.table, range(scorer.table.shape[0])
    vocabulary = len(look_up.rows)
    if look_up.bits != 32:  # rounded numbers are constants as they are, which are made float32 when the file is loaded
        codes, _ = look_up.look_up_codes(np.arange(vocabulary))
        numbers = (graph.constant(np.ascontiguousarray(codes[:, slot])) for slot in slots)
        return [graph.op("Cast", x, to=FLOAT) * scale for x, scale in zip(numbers, look_up.scales, strict=True)], ids
    if look_up.table is not None and look_up.table.size <= TIMES * look_up.rows.size:
        table, _ = look_up.look_up(np.arange(vocabulary))
        return [graph.constant(np.ascontiguousarray(table[:, slot])) for slot in slots], ids
    rows = look_up.rows.reshape(vocabulary, -1).copy()  # (V, C D)
    rows[PAD] = 0
    units = np.eye(rows.shape[1], dtype=np.float32).reshape(-1, *look_up.rows.shape[1:])
    projection = scorer.project(units)  # (C D, S, F), since it is linear
    distinct, _, places = graph.ops("Unique", ids, outputs=3)
    met = graph.op("Gather", rows, graph.op("Concat", [PAD], distinct, axis=0))
    tables = [graph.op("MatMul", met, np.ascontiguousarray(projection[:, slot])) for slot in slots]
    return tables, places + 1


def _number_of(true: Value) -> Value:
    """Return how many are true, (1,) int64."""
    return true.graph.op("ReduceSum", true.graph.op("Cast", true, to=INT64))


def _probabilities(graph: Graph, target: Target, temperature: Temperature, logits: Value) -> None:
    """Add the output, (B, K)."""
    divisor = np.asarray(temperature, np.float32)
    if target is ONE_CLASS:
        # Differences first: of large quotients little would be left of them.
        differences = graph.op("Sub", logits, graph.op("ReduceMax", logits, axes=[1]))
        divided = graph.op("Div", differences, divisor)
        graph.nodes.append(helper.make_node("Softmax", [divided.name], ["probabilities"], axis=1))
    else:
        divided = graph.op("Div", logits, divisor)
        graph.nodes.append(helper.make_node("Sigmoid", [divided.name], ["probabilities"]))
