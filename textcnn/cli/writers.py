"""Predictions as text, CSV, JSON Lines, Parquet or Arrow, batch by batch.

A prediction is the best class and its probability; `top_k` adds the next best classes, `proba` the
probability of every class. Where a text has several labels, it is all that reach their thresholds, and
their probabilities: joined by a separator in CSV and text, lists elsewhere. The input's columns are kept, row by
row. In all but text a `note` marks a text that was `empty`, or `unknown`: the model knows none of its words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.cli.cells import flat, to_json, without_formulas, write_csv
from textcnn.cli.table_files import TABLES, TableFile
from textcnn.errors import DataError, listed, quoted
from textcnn.inference.decisions import Decisions
from textcnn.inference.prediction_columns import (
    label_lists,
    no_scores,
    numbers,
    prediction_columns,
    without_abstentions,
)
from textcnn.inference.predictor import Scores
from textcnn.targets import ONE_CLASS, Target
from textcnn.text.columns import strings

FORMATS = ("text", "json", "csv", *TABLES)
_BREAKS = r"[\t\r\n]+"


@dataclass
class Writer:
    """Writes batches of predictions to a binary stream; a context, at whose end the output is complete.

    Args:
        stream: where they are written.
        classes: the labels, (K,).
        form: `text` (label, probability and text, separated by tabs), `json` (an object per line), `csv`, or `parquet`
            or `arrow`, which keep the columns' types.
        proba: write the probability of every class.
        top_k: number of classes to write, best first; all if there are fewer. None is 1, or all labels that reach
            their thresholds.
        min_confidence: predict no label (null, `-` in text) where the best probability is lower; of several labels
            only such as are at least so probable.
        target: what a text's labels are.
        thresholds: of the classes, (K,) (`textcnn.targets.Target.decide`), or None.
        separator: what stands between several labels in CSV and text.
        escape_formulas: in CSV, put an apostrophe before cells that a spreadsheet would run as formulas.
        replace_columns: leave out columns of the input that have the name of a prediction's.
    """

    stream: IO[bytes]
    classes: Sequence[Any]
    form: str
    proba: bool = False
    top_k: int | None = None
    min_confidence: float = 0.0
    target: Target = ONE_CLASS
    thresholds: np.ndarray | None = None
    separator: str = ";"
    escape_formulas: bool = False
    replace_columns: bool = False
    _names: list[str] | None = field(default=None, init=False)  # the input's columns
    _texts: Sequence[str] = field(default=(), init=False)  # those of the texts
    _kept: list[int] = field(default_factory=list, init=False)  # those that are written

    def __post_init__(self) -> None:
        self._decisions = Decisions(
            self.classes, self.top_k, self.min_confidence, self.proba, self.target, self.thresholds
        )
        self._table = TableFile(self.stream, self.form) if self.form in TABLES else None

    def begin(self, names: Sequence[str], texts: Sequence[str] = ()) -> None:
        """Write what comes before the first row; of a later file check its columns.

        Args:
            names: the input's columns.
            texts: those of the texts, which are never left out.

        Raises:
            DataError: a name is that of a prediction's column or, in all but CSV, occurs twice; or a label has the
                separator; or the columns are not those of the file before, and the form cannot hold that.
        """
        self._texts = texts
        if self._names is not None:
            self._change_names(list(names))
            return
        joined = [str(label) for label in self.classes if self._decisions.several and self.separator in str(label)]
        if joined and self.form in ("csv", "text"):
            raise DataError(
                f"expected labels without {self.separator!r}, which stands between them, found {quoted(joined[0])}; "
                "give another --label-separator, or write json"
            )
        self._take_names(names)
        if self.form == "csv":
            header = [*(names[i] for i in self._kept), *self._no_rows()]
            self._write_csv([pa.nulls(0, pa.string())] * len(header), header, header=True)

    def write(self, rows: pa.Table, texts: pa.Array, scores: Scores) -> None:
        """Write a batch.

        Args:
            rows: the input's columns.
            texts: the texts read from them, (N,).
            scores: the model's scores of the texts.

        Raises:
            DataError: the columns are not those of the first batch, and the form cannot hold that.
        """
        self._change_names(rows.column_names)
        if len(self._kept) < rows.num_columns:
            rows = rows.select(self._kept)
        probabilities = scores.probabilities
        if self.form == "json":
            self._write_json(rows, scores)
        elif self.form == "csv":
            added = self._columns(scores)
            columns = [flat(column) for column in rows.columns]
            self._write_csv([*columns, *added.values()], [*rows.column_names, *added], header=False)
        elif self._table is not None:
            self._table.write(_beside(rows, self._columns(scores)))
        else:
            self._write_text(texts, probabilities)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        """Write what comes after the last row, unless there was an error."""
        if self._table is not None and kind is None:
            # Without any row, only lines of stdin were to be read.
            none = pa.table({name: pa.nulls(0, pa.string()) for name in self._names or ()})
            self._table.close(_beside(none, self._no_rows()))
        elif self._table is not None:
            self._table.abandon()

    def _take_names(self, names: Sequence[str]) -> None:
        """Take the input's columns; raise DataError for one that has the name of a prediction's and must be kept."""
        self._names = list(names)
        added: Sequence[str] = ()
        if self.form == "json":
            added = (
                "prediction",
                "probability",
                "note",
                *["top"] * ((self.top_k or 1) > 1 and not self._decisions.several),
                *["probabilities"] * self.proba,
            )
        elif self.form != "text":
            added = list(self._no_rows())
        twice = [name for name in names if self.form not in ("csv", "text") and self._names.count(name) > 1]
        if twice:
            raise DataError(f"expected each column once, found {quoted(twice[0])} twice; rename one, or write csv")
        taken = [name for name in added if name in names]
        texts = [name for name in taken if name in self._texts]
        if texts:
            raise DataError(
                f"expected texts in another column than {quoted(texts[0])}, which a prediction is written to; rename it"
            )
        if taken and not self.replace_columns:
            raise DataError(
                f"expected an input without the column {quoted(taken[0])}, which a prediction is written to; "
                "rename or remove it, or replace it with --replace-columns"
            )
        self._kept = [i for i, name in enumerate(names) if name not in taken]

    def _change_names(self, names: list[str]) -> None:
        """Accept other columns, which later rows of JSON Lines, or later files, may have."""
        if names == self._names:
            return
        if self.form not in ("json", "text"):
            further = [name for name in names if name not in (self._names or ())]
            found = f"{listed(further)} too" if further else quoted(names)
            raise DataError(
                f"expected the columns {quoted(self._names)} in all rows, found {found} in later ones; write json"
            )
        self._take_names(names)

    def _columns(self, scores: Scores) -> dict[str, pa.Array]:
        """Return the columns that a prediction adds."""
        if self._table is not None:
            return prediction_columns(self._decisions, scores)
        columns = prediction_columns(self._decisions, scores, strings([str(label) for label in self.classes]))
        if self._decisions.several:
            for name in ("prediction", "probability"):
                columns[name] = pc.binary_join(columns[name].cast(pa.list_(pa.string())), self.separator)
        return columns

    def _no_rows(self) -> dict[str, pa.Array]:
        """Return the columns that a prediction adds, without rows."""
        return self._columns(no_scores(len(self.classes)))

    def _write_csv(self, columns: list[pa.Array], names: list[str], *, header: bool) -> None:
        if self.escape_formulas:
            columns = [without_formulas(column) for column in columns]
            names = without_formulas(strings(names)).to_pylist()
        write_csv(self.stream, pa.Table.from_arrays(columns, names), header=header)

    def _write_json(self, rows: pa.Table, scores: Scores) -> None:
        pairs = zip(rows.to_pylist(), self._decisions.objects(scores), strict=True)
        self.stream.write("".join(f"{to_json(row | prediction)}\n" for row, prediction in pairs).encode())

    def _write_text(self, texts: pa.Array, probabilities: np.ndarray) -> None:
        names = [re.sub(_BREAKS, " ", str(label)) for label in self.classes]
        labels = strings(names)
        parts: list[Any] = []
        if self._decisions.several:
            lists = label_lists(self._decisions, probabilities, labels, _four_digits)
            joined = [pc.binary_join(part, self.separator) for part in lists]
            parts = [pc.if_else(pc.equal(part, ""), _DASH, part) for part in joined]
        for rank, best in enumerate([] if self._decisions.several else self._decisions.ranked(probabilities).T):
            label = labels.take(numbers(best))
            if rank == 0:
                label = without_abstentions(self._decisions, probabilities, label, _DASH)
            parts += [label, _four_digits(probabilities[np.arange(len(best)), best])]
        if self.proba:
            named = zip(labels, probabilities.T, strict=True)
            parts += [pc.binary_join_element_wise(label, _four_digits(column), _EQUALS) for label, column in named]
        lines = pc.binary_join_element_wise(*parts, _one_line(texts), _TAB)
        _, ends, data = pc.binary_join_element_wise(lines, _NOTHING, _NEWLINE).cast(pa.large_string()).buffers()
        if data is not None:
            self.stream.write(memoryview(data)[: np.frombuffer(ends, np.int64)[len(lines)]])


def _beside(rows: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    """Return a table with further columns."""
    for name, column in columns.items():
        rows = rows.append_column(name, column)
    return rows


_TAB, _NEWLINE, _EQUALS, _DASH, _NOTHING = strings(["\t", "\n", "=", "-", ""])
_FOUR_DIGITS = strings([f"{i / 10_000:.4f}" for i in range(10_001)])


def _one_line(texts: pa.Array) -> pa.Array:
    """Replace each run of tabs and line breaks in texts by a space."""
    broken = pc.match_substring_regex(texts, _BREAKS)
    return pc.replace_substring_regex(texts, _BREAKS, " ") if pc.any(broken).as_py() else texts


def _four_digits(probabilities: np.ndarray) -> pa.Array:
    """Return probabilities as text, such as 0.1234."""
    return _FOUR_DIGITS.take(numbers(np.round(probabilities.astype(np.float64) * 10_000).astype(np.int32)))
