"""Predictions as text, CSV or JSON Lines, batch by batch.

A prediction is the best class and its probability; `top_k` adds the next best ones, `proba` the
probability of every class. Columns that the input had stay as they were, row by row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FORMATS = ("text", "json", "csv")
DIGITS = 6


@dataclass(frozen=True)
class Writer:
    """Writes batches of predictions to a binary stream.

    Args:
        stream: where to.
        classes: the labels, (K,).
        form: `text` (label, probability and text between tabs), `json` (an object a line) or `csv`.
        proba: give the probability of every class.
        top_k: give so many classes, the best first.
    """

    stream: IO[bytes]
    classes: Sequence[Any]
    form: str
    proba: bool = False
    top_k: int = 1

    def begin(self, names: Sequence[str]) -> None:
        """Write what stands before the first row; `names` are the input's columns."""
        if self.form == "csv":
            added = [*names, *self._columns(np.zeros((0, len(self.classes)))).keys()]
            self._write_csv(pa.table({name: pa.array([], pa.string()) for name in added}), header=True)

    def write(self, rows: pa.Table, texts: pa.Array, probabilities: np.ndarray) -> None:
        """Write a batch: the input's columns, the text that was read and the probabilities, (N, K)."""
        if not len(texts):
            return
        if self.form == "json":
            self._write_json(rows, probabilities)
        elif self.form == "csv":
            columns = self._columns(probabilities)
            self._write_csv(pa.table([*rows.columns, *columns.values()], [*rows.column_names, *columns]), header=False)
        else:
            self._write_text(texts, probabilities)

    def _ranked(self, probabilities: np.ndarray) -> np.ndarray:
        """Ids of the best classes, the smaller one first where two are equal, (N, top_k)."""
        return np.argsort(-probabilities, axis=1, kind="stable")[:, : self.top_k]

    def _columns(self, probabilities: np.ndarray) -> dict[str, pa.Array]:
        """The columns that a prediction adds."""
        labels = pa.array([str(label) for label in self.classes])
        columns = {}
        for rank, best in enumerate(self._ranked(probabilities).T, 1):
            suffix = f"_{rank}" if rank > 1 else ""
            columns[f"prediction{suffix}"] = labels.take(pa.array(best))
            columns[f"probability{suffix}"] = _rounded(probabilities[np.arange(len(best)), best])
        if self.proba:
            for label, column in zip(labels.to_pylist(), probabilities.T, strict=True):
                columns[f"probability:{label}"] = _rounded(column)
        return columns

    def _write_csv(self, table: pa.Table, *, header: bool) -> None:
        from pyarrow import csv

        csv.write_csv(table, self.stream, csv.WriteOptions(include_header=header, quoting_style="needed"))

    def _write_json(self, rows: pa.Table, probabilities: np.ndarray) -> None:
        labels = [label.item() if isinstance(label, np.generic) else label for label in self.classes]
        rounded = np.round(probabilities.astype(np.float64), DIGITS)
        lines = []
        for row, best, all_classes in zip(rows.to_pylist(), self._ranked(probabilities), rounded, strict=True):
            row["prediction"] = labels[best[0]]
            row["probability"] = all_classes[best[0]].item()
            if self.top_k > 1:
                row["top"] = [{"label": labels[i], "probability": all_classes[i].item()} for i in best]
            if self.proba:
                row["probabilities"] = {str(k): p for k, p in zip(labels, all_classes.tolist(), strict=True)}
            lines.append(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        self.stream.write("".join(lines).encode())

    def _write_text(self, texts: pa.ChunkedArray, probabilities: np.ndarray) -> None:
        labels = pa.array([str(label) for label in self.classes])
        parts = []
        for best in self._ranked(probabilities).T:
            parts += [labels.take(pa.array(best)), _decimals(probabilities[np.arange(len(best)), best])]
        if self.proba:
            for label, column in zip(labels.to_pylist(), probabilities.T, strict=True):
                parts.append(pc.binary_join_element_wise(f"{label}=", _decimals(column), ""))
        one_line = pc.replace_substring_regex(texts, r"[\t\r\n]+", " ")
        lines = pc.binary_join_element_wise(*parts, one_line, "\t")
        # All lines as one string, without a Python object for each.
        together = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
        self.stream.write(pc.binary_join(together, "\n")[0].as_buffer())
        self.stream.write(b"\n")


def _rounded(values: np.ndarray) -> pa.Array:
    return pa.array(np.round(values.astype(np.float64), DIGITS))


def _decimals(values: np.ndarray) -> pa.Array:
    """Numbers with four decimals, as strings."""
    units = np.rint(values * 10_000).astype(np.int64)
    whole = pa.array(units // 10_000).cast(pa.string())
    rest = pc.utf8_lpad(pa.array(units % 10_000).cast(pa.string()), width=4, padding="0")
    return pc.binary_join_element_wise(whole, rest, ".")
