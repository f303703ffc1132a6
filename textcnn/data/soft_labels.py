"""Soft labels: texts with the probability of each class, as a teacher gives them, beside texts with labels."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from textcnn.data._batch_source import FileForm, file_source
from textcnn.data.labelled import Labelled, concatenate
from textcnn.data.local_files import named_files
from textcnn.data.repeats import first_equal
from textcnn.data.table_columns import (
    TextColumn,
    check_none_missing,
    joined_texts,
    numbers_of,
    pick_columns,
    weights_of,
)
from textcnn.errors import DataError, listed, nearest_names, quoted
from textcnn.targets import ONE_CLASS, Target, target_of

logger = logging.getLogger(__name__)

PREFIX = "probability:"  # of the columns that `textcnn predict --proba` writes
_TOLERANCE = 1e-3  # of a row's sum, beside the rounding of six digits
_ROUNDING = 1e-6


@dataclass(frozen=True)
class SoftLabels:
    """N texts with probabilities.

    Attributes:
        texts: A column of N strings.
        probabilities: Of each class, (N, K) float32.
        weights: Weight of each text, (N,) float64; None if all are 1.
    """

    texts: pa.ChunkedArray
    probabilities: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.probabilities)

    def take(self, rows: np.ndarray) -> SoftLabels:
        """Return the texts at the given indices, (M,), in their order."""
        weights = None if self.weights is None else self.weights[rows]
        return SoftLabels(self.texts.take(pa.array(rows)), self.probabilities[rows], weights)


class Joined(NamedTuple):
    """Texts with labels, and after them texts with soft labels alone.

    Attributes:
        texts: All of them; the label of a text without one is what its probabilities say.
        probabilities: What each is to be given, (N, K) float32.
        alone: How many texts have soft labels alone.
        with_label: How many have both.
    """

    texts: Labelled
    probabilities: np.ndarray
    alone: int
    with_label: int


def checked_probabilities(
    probabilities: np.ndarray, target: Target, *, what: str, rows: np.ndarray | None = None
) -> np.ndarray:
    """Return probabilities as float32, with rows of exactly one class scaled to a sum of 1.

    Args:
        probabilities: Numbers, (N, K).
        target: What the texts' labels are; probabilities of several labels need not sum to 1.
        what: Names them in errors.
        rows: The number of each row there, (N,); by default from 1.

    Raises:
        DataError: A number is missing, or not from 0 to 1, or a row's sum is not 1.
    """
    found = np.asarray(probabilities, dtype=np.float64)
    rows = np.arange(1, len(found) + 1) if rows is None else rows
    wrong = ~((found >= 0) & (found <= 1 + _TOLERANCE))  # NaN too
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        value = "no number" if np.isnan(found[row, column]) else f"{found[row, column]:g}"
        raise DataError(f"{what}: expected probabilities from 0 to 1, found {value} in row {rows[row]}; correct it")
    if target is ONE_CLASS:
        sums = found.sum(axis=1)
        off = np.abs(sums - 1) > max(_TOLERANCE, _ROUNDING * found.shape[1])
        if off.any():
            row = int(off.argmax())
            raise DataError(
                f"{what}: expected probabilities that sum to 1, found {sums[row]:.6g} in row {rows[row]}; "
                "give the probability of every class"
            )
        found /= sums[:, None]
    return np.clip(found, 0, 1).astype(np.float32)


def read_soft_labels(
    sources: Sequence[str | Path],
    classes: Sequence[str],
    *,
    target: Target = ONE_CLASS,
    text_column: TextColumn = None,
    weight_column: str | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    quoting: str = "auto",
    header: bool = True,
) -> SoftLabels:
    """Read files whose columns are those that `textcnn predict --proba` writes.

    Args:
        sources: Files, or patterns of such: CSV, TSV, Parquet, Arrow or JSON Lines (with an object `probabilities`).
        classes: The names of the classes, (K,), each of which has a column `probability:NAME`.
        target: What the texts' labels are.
        text_column: The column of the texts; if None, a usual name is looked for.
        weight_column: A column of the texts' weights; files without it have weights of 1.
        encoding: As of `textcnn.data.load_corpus`, as are `delimiter`, `quoting` and `header`.
        delimiter: Of CSV and TSV files.
        quoting: Of these.
        header: Of these.

    Raises:
        DataError: A file is missing or not valid, its classes are others, or its numbers are no probabilities.
    """
    form = FileForm(encoding, delimiter, quoting, header)
    parts = [
        _read_file(path, [PREFIX + str(name) for name in classes], target, text_column, weight_column, form)
        for path in named_files(sources)
    ]
    return SoftLabels(
        pa.chunked_array([chunk for part in parts for chunk in part.texts.chunks], pa.string()),
        np.concatenate([part.probabilities for part in parts]),
        None
        if all(part.weights is None for part in parts)
        else np.concatenate([np.ones(len(part)) if part.weights is None else part.weights for part in parts]),
    )


def _read_file(
    path: Path,
    columns: Sequence[str],
    target: Target,
    text_column: TextColumn,
    weight_column: str | None,
    form: FileForm,
) -> SoftLabels:
    """Read one file; `columns` are those of the classes."""
    texts: list[pa.Array] = []
    probabilities: list[np.ndarray] = []
    weights: list[pa.Array] = []
    rows = 1
    for batch in file_source(path, form).batches():
        batch = _flat(batch)
        names = batch.schema.names
        chosen = pick_columns(names, text_column, path=path, need_label=False, or_usual=True)
        _check_classes(names, columns, path)
        texts.append(joined_texts(batch, chosen.texts, path=path, first_row=rows))
        check_none_missing(texts[-1], path=path, first_row=rows)
        values = [numbers_of(pa.chunked_array([batch.column(name)])).to_numpy() for name in columns]
        numbers = np.arange(rows, rows + batch.num_rows)
        probabilities.append(checked_probabilities(np.stack(values, axis=1), target, what=str(path), rows=numbers))
        if weight_column in names:
            weights.append(batch.column(weight_column))
        rows += batch.num_rows
    own = weights_of(pa.chunked_array(weights), str(weight_column), path=path).to_numpy() if weights else None
    return SoftLabels(pa.chunked_array(texts, pa.string()), np.concatenate(probabilities), own)


def without(soft: SoftLabels, others: Iterable[Labelled]) -> SoftLabels:
    """Return soft labels without those of texts that are in other parts, which are to score what is learned."""
    apart = [chunk for part in others for chunk in part.texts.cast(pa.large_string()).chunks]
    texts = pa.chunked_array([*apart, *soft.texts.cast(pa.large_string()).chunks], pa.large_string())
    scored = len(texts) - len(soft)
    kept = np.flatnonzero(first_equal(texts)[scored:] >= scored)
    if len(kept) == len(soft):
        return soft
    logger.info("soft labels: %s of %s are of validation or test texts: left out", len(soft) - len(kept), len(soft))
    return soft.take(kept)


def joined(training: Labelled, soft: SoftLabels, *, temperature: float, gold_weight: float) -> Joined:
    """Join texts with labels and texts with soft labels to what a network learns from.

    A text's probabilities p become those of its logits over the temperature: p^(1/T), scaled to a sum of 1, where a
    text has one class. A text that has both a label and soft labels gets the weighted mean of both. Of equal texts with
    soft labels alone, the first counts.

    Args:
        training: N texts with labels.
        soft: Texts with soft labels.
        temperature: T: above 1 for softer probabilities, below 1 for sharper ones.
        gold_weight: The weight of the label where a text has both, from 0 to 1.
    """
    target = target_of(training.labels)
    given = target.probabilities(target.logits(soft.probabilities.astype(np.float64)), temperature).astype(np.float32)
    texts = pa.chunked_array(
        [*training.texts.cast(pa.large_string()).chunks, *soft.texts.cast(pa.large_string()).chunks], pa.large_string()
    )
    first = first_equal(texts)
    own, others = first[: len(training)], first[len(training) :]
    answer = np.full(len(texts), -1)  # the soft labels of a distinct text, by its first row
    distinct, where = np.unique(others, return_index=True)
    answer[distinct] = where
    labels = target.as_probabilities(training.labels, given.shape[1]).astype(np.float32)
    both = answer[own] >= 0
    labels[both] = gold_weight * labels[both] + (1 - gold_weight) * given[answer[own][both]]
    alone = np.flatnonzero(others == len(training) + np.arange(len(soft)))  # the first of a text without a label
    rest = soft.take(alone)
    more = Labelled(rest.texts.cast(training.texts.type), target.decide(rest.probabilities), weights=rest.weights)
    return Joined(concatenate([training, more]), np.concatenate([labels, given[alone]]), len(alone), int(both.sum()))


def _flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with an object `probabilities`, as JSON has it, as columns."""
    if "probabilities" not in batch.schema.names or not pa.types.is_struct(batch.schema.field("probabilities").type):
        return batch
    table = pa.Table.from_batches([batch]).flatten()
    names = [
        PREFIX + name.removeprefix("probabilities.") if name.startswith("probabilities.") else name
        for name in table.column_names
    ]
    return table.rename_columns(names).combine_chunks().to_batches()[0]


def _check_classes(names: Sequence[str], wanted: Sequence[str], path: Path) -> None:
    """Raise DataError unless a file, whose columns are `names`, has the wanted columns of classes and no other."""
    found = [name for name in names if name.startswith(PREFIX)]
    missing, more = [name for name in wanted if name not in found], [name for name in found if name not in wanted]
    if missing or more:
        wrong = f"no {quoted(missing[0])}{nearest_names(missing[0], names)}" if missing else f"{quoted(more[0])} too"
        raise DataError(
            f"{path}: expected a column of probabilities for each class ({listed(wanted)}), found {wrong}; "
            "let a teacher of the same classes write it, such as textcnn predict --proba"
        )
