"""An ONNX graph under construction: operators on named values, constants where numbers stand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from textcnn.errors import ConfigError

INT64, FLOAT, BOOL = TensorProto.INT64, TensorProto.FLOAT, TensorProto.BOOL
MOST_BYTES = (1 << 31) - (1 << 20)  # of constants: protobuf holds no message of 2 GB
END = 1 << 62  # of an axis, for `Value.cut`


class Value:
    """A value that a graph computes, by its name; arithmetic on it adds operators to the graph."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        self.name = name

    def __add__(self, other: Operand) -> Value:
        return self.graph.op("Add", self, other)

    def __sub__(self, other: Operand) -> Value:
        return self.graph.op("Sub", self, other)

    def __mul__(self, other: Operand) -> Value:
        return self.graph.op("Mul", self, other)

    def __floordiv__(self, other: Operand) -> Value:
        """Divide whole numbers that are not negative."""
        return self.graph.op("Div", self, other)

    def cut(self, begin: Value | int, end: Value | int = END, *, axis: int = 0) -> Value:
        """Return the part from `begin` to `end` of an axis; each is a number or (1,), negative from the end."""
        first, last = (bound if isinstance(bound, Value) else [bound] for bound in (begin, end))
        return self.graph.op("Slice", self, first, last, [axis])


Operand: TypeAlias = "Value | np.ndarray | np.generic | float | Sequence[int] | None"
"""An operator's input: a value, a constant (whole numbers are int64, others float32), or None for one left out."""


class Shared:
    """What a graph and the bodies of its loops have in common: constants, and numbers that make names distinct."""

    def __init__(self) -> None:
        self.constants: list[onnx.TensorProto] = []
        self.numbers = itertools.count()
        self.bytes = 0


class Graph:
    """Operators in the order of their execution, and constants.

    Sizes are vectors of one number, (1,) int64, as most operators want them.

    Args:
        outer: of the body of a loop, the graph around it, whose values it may use.
    """

    def __init__(self, outer: Graph | None = None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.shared: Shared = outer.shared if outer else Shared()

    def named(self, name: str) -> Value:
        """Return an input of the graph, or a value of the graph around it."""
        return Value(self, name)

    def constant(self, content: np.ndarray) -> Value:
        """Return a constant, which several operators may use.

        Raises:
            ConfigError: all constants together are too large for an ONNX file.
        """
        self.shared.bytes += content.nbytes
        if self.shared.bytes > MOST_BYTES:
            raise ConfigError(
                f"expected a model of less than {MOST_BYTES / 1e9:.1f} GB, which an ONNX file can hold, found a larger "
                "one; train a model of fewer words (--max-size, --unseen-words)"
            )
        name = self._new("constant")
        self.shared.constants.append(numpy_helper.from_array(content, name))
        return Value(self, name)

    def ops(self, kind: str, *inputs: Operand, outputs: int, **attributes: Any) -> list[Value]:
        """Add an operator of several outputs, and return these."""
        names = [self._new("value") for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, [self._name(one) for one in inputs], names, **attributes))
        return [Value(self, name) for name in names]

    def op(self, kind: str, *inputs: Operand, **attributes: Any) -> Value:
        """Add an operator of one output, and return this."""
        return self.ops(kind, *inputs, outputs=1, **attributes)[0]

    def loop(
        self, begin: Value, end: Value, state: Value, step: Callable[[Graph, Value, Value], tuple[Value, Value]]
    ) -> Value:
        """Repeat a step until a position reaches the end, and return the last state.

        Args:
            begin: the first position, (1,) int64.
            end: where to stop, (1,) int64.
            state: the first state, float32.
            step: adds to a graph what follows from a position and the state: the next of both.
        """
        body = Graph(self)
        run, at, before = (self._new(name) for name in ("run", "position", "state"))
        following, after = step(body, body.named(at), body.named(before))
        more = body.op("Squeeze", body.op("Less", following, end), axes=[0])
        rank = [None, None]
        one = helper.make_tensor_value_info
        graph = helper.make_graph(
            body.nodes,
            "step",
            [
                one(self._new("count"), INT64, []),
                one(run, BOOL, []),
                one(at, INT64, [1]),
                one(before, FLOAT, rank),
            ],
            [one(more.name, BOOL, []), one(following.name, INT64, [1]), one(after.name, FLOAT, rank)],
        )
        some = self.op("Squeeze", self.op("Less", begin, end), axes=[0])
        return self.ops("Loop", None, some, begin, state, outputs=2, body=graph)[1]

    def _new(self, name: str) -> str:
        return f"{name}{next(self.shared.numbers)}"

    def _name(self, operand: Operand) -> str:
        if operand is None:
            return ""
        if isinstance(operand, Value):
            return operand.name
        array = np.asarray(operand)
        return self.constant(array.astype(np.float32 if array.dtype.kind == "f" else np.int64)).name
