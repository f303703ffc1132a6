"""The columns of a corpus's files, read split by split: texts, labels as words, weights."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data._batch_source import BatchSource, SourcesBySplit
from textcnn.data._fasttext_lines import SEPARATOR
from textcnn.data._label_lists import grouped, list_texts, marked_columns, only_labels, single_lists, split_texts
from textcnn.data._labels import all_missing, declared_names, label_texts
from textcnn.data.labelled import is_list
from textcnn.data.table_columns import (
    LABEL_NAMES,
    TextColumn,
    check_has_columns,
    check_none_missing,
    joined_texts,
    pick_columns,
    weights_of,
)
from textcnn.errors import ConfigError, DataError, listed, quoted

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test", "unsupervised")


class Choice(NamedTuple):
    """The columns that the caller names, or that the training texts have.

    Attributes:
        text: Of the texts.
        label: Of the labels.
        marks: Columns of 0 and 1, one for each label, in the place of `label`; none if there are no such.
        separator: What stands between several labels of a text; None for one label, or lists.
        weight: Of the weights of the training texts; None if all are 1.
    """

    text: TextColumn = None
    label: str | int | None = None
    marks: tuple[str, ...] = ()
    separator: str | None = None
    weight: str | None = None

    def check(self) -> None:
        """Raise ConfigError for choices that contradict each other."""
        if self.marks and self.label is not None:
            raise ConfigError(
                f"expected one column of labels or columns of 0 and 1, found {quoted(self.label)} and "
                f"{', '.join(self.marks)}; leave out one of them"
            )
        if self.marks and (len(self.marks) < 2 or len(set(self.marks)) < len(self.marks)):
            raise ConfigError(
                f"expected two distinct columns of 0 and 1 or more, one for each label, found {', '.join(self.marks)}; "
                "for a single one, name it as the column of the labels (--label-column)"
            )
        if self.separator is not None and (self.marks or not self.separator.strip(" ")):
            found = "columns of 0 and 1 beside it" if self.marks else quoted(self.separator)
            raise ConfigError(f"expected a separator of several labels in one column, such as ;, found {found}")


@dataclass(frozen=True)
class RawPart:
    """Texts and labels of one `BatchSource`, before labels become ids.

    Attributes:
        name: The source's name, for the errors.
        texts: Strings, (N,).
        labels: Strings, or lists of such where a text has several labels, (N,); null where the row is left out.
        classes: The class names that the source itself declares, if any.
        column: The name of the labels' column; None if there are several.
        weights: Of the texts, (N,); None if they have none.
    """

    name: str | Path
    texts: pa.ChunkedArray
    labels: pa.ChunkedArray
    classes: tuple[str, ...] | None
    column: str | None
    weights: pa.ChunkedArray | None = None


def read_parts(
    sources: SourcesBySplit, columns: Choice, optional: set[str], *, skip_missing: bool
) -> dict[str, list[RawPart]]:
    """Read all splits, training texts first: the other splits have the same columns, or such of usual names.

    Args:
        sources: Where they come from.
        columns: Their columns.
        optional: Splits that are left out, with a warning, if they have no labels.
        skip_missing: Whether rows without a text or label are left out.
    """
    parts: dict[str, list[RawPart]] = {}
    for split in sorted(sources, key=SPLITS.index):
        training = parts.get("train")
        reader = _Reader(
            columns,
            or_usual=training is not None,
            training=[_flat(part) for part in training or ()] if split in optional else None,
            skip_missing=skip_missing,
        )
        found = [reader.read(source) for source in sources[split]]
        if training is None:
            columns = reader.columns
        labelled = [part for part in found if part is not None]
        if labelled:
            parts[split] = labelled
        if len(labelled) < len(found):
            unlabelled = next(source.name for source, part in zip(sources[split], found, strict=True) if part is None)
            what = str(unlabelled) if labelled else split
            logger.warning("%s has no labels: not %s", what, "scored" if split == "test" else "used")
    return parts


def of_one_kind(parts: dict[str, list[RawPart]], several: bool | None) -> dict[str, list[RawPart]]:
    """Return parts whose labels are all lists, if some are or `several` says so, or all single labels."""
    if several is None:
        several = any(is_list(part.labels.type) for read in parts.values() for part in read)

    def converted(part: RawPart) -> RawPart:
        if several == is_list(part.labels.type):
            return part
        labels = single_lists(part.labels) if several else only_labels(part.labels, path=part.name)
        return dataclasses.replace(part, labels=labels)

    return {split: [converted(part) for part in read] for split, read in parts.items()}


@dataclass
class _Reader:
    """Reads the sources of a split.

    Attributes:
        columns: Their columns; those of the first source are also those of the others.
        or_usual: Whether columns of usual names take the place of missing ones.
        training: The labels of the training texts, if labels may be missing: a source without labels is then None.
        skip_missing: Whether rows without a text or label are left out.
    """

    columns: Choice
    or_usual: bool
    training: list[pa.ChunkedArray] | None
    skip_missing: bool

    def read(self, source: BatchSource) -> RawPart | None:
        """Read the texts, labels and weights of a source."""
        texts: list[pa.Array] = []
        labels: list[pa.Table] = []
        weights: list[pa.Table] = []
        batches = iter(source.batches())
        first = next(batches)  # there is one: a source without rows is an error
        schema, rows = first.schema, 1
        columns = self._choose(schema.names, source.name)
        if columns is None:
            return None
        for batch in itertools.chain([first], batches):
            text = joined_texts(batch, columns.text, path=source.name, first_row=rows)
            if not self.skip_missing:
                check_none_missing(text, path=source.name, first_row=rows)
            texts.append(text)
            names = columns.marks or (str(columns.label),)
            labels.append(pa.table({name: batch.column(name) for name in names}))
            if columns.weight is not None:
                weights.append(pa.table({"weight": batch.column(columns.weight)}))
            rows += batch.num_rows
        # A column of JSON may change from nulls or whole numbers to another type.
        table = pa.concat_tables(labels, promote_options="permissive")
        label = self._labels(table, columns, schema, source.name)
        if label is None:
            return None
        weight = None
        if weights:
            weight = weights_of(
                pa.concat_tables(weights, promote_options="permissive")["weight"], str(columns.weight), path=source.name
            )
        found = _without_missing(pa.chunked_array(texts), label, source.name)
        declared = columns.marks or declared_names(schema, str(columns.label))
        return RawPart(source.name, *found, declared, None if columns.marks else str(columns.label), weight)

    def _choose(self, names: list[str], path: str | Path) -> _Chosen | None:
        """Return the columns of a source to read; None if it has no labels and needs none."""
        marks, given = self.columns.marks, self.columns.label
        lacks = not any(name in names for name in marks) if marks else _lacks(names, given)
        needed = self.training is None or not lacks
        chosen = pick_columns(
            *(names, self.columns.text, given if needed else None),
            path=path,
            need_label=needed and not marks,
            or_usual=self.or_usual,
        )
        if not needed or (chosen.label is None and not marks):
            return None
        check_has_columns(names, marks, path=path)
        weight = self.columns.weight
        if not self.or_usual:  # the training texts
            check_has_columns(names, () if weight is None else (weight,), path=path)
            self.columns = self.columns._replace(text=chosen.texts, label=None if marks else chosen.label)
        return _Chosen(chosen.texts, chosen.label, marks, None if self.or_usual else weight)

    def _labels(self, table: pa.Table, columns: _Chosen, schema: pa.Schema, path: str | Path) -> pa.ChunkedArray | None:
        """Return the labels as strings or lists of such; None where labels may be missing and are."""
        if columns.marks:
            return marked_columns(table, path=path, keep_missing=self.skip_missing)
        column = table[str(columns.label)]
        names = declared_names(schema, str(columns.label))
        if is_list(column.type):
            if self.training is not None and not pc.list_flatten(column).drop_null().length():
                return None
            return list_texts(column, path=path, names=names, keep_missing=self.skip_missing)
        if self.training is not None and all_missing(column, self.training):
            return None
        if self.columns.separator is not None:
            return split_texts(label_texts(column, path=path, keep_missing=True), self.columns.separator)
        labels = label_texts(column, path=path, names=names, keep_missing=self.skip_missing)
        separator = (schema.field(str(columns.label)).metadata or {}).get(SEPARATOR, b"").decode()
        if separator and pc.any(pc.match_substring(labels, separator)).as_py():
            lists = split_texts(labels, separator)
            return pc.if_else(labels.is_valid(), lists, None) if labels.null_count else lists
        return labels


def without_rare(parts: dict[str, list[RawPart]], least: int, merged: str | None) -> dict[str, list[RawPart]]:
    """Return parts without the labels of few training texts: those rows are left out, or given another label.

    Where texts have several labels, only the labels are left out.

    Args:
        parts: By split; the training texts decide.
        least: Training texts that a label needs.
        merged: The label that takes the place of rare ones; None leaves these out.
    """
    counts = pc.value_counts(pa.chunked_array([c for part in parts["train"] for c in _flat(part).chunks], pa.string()))
    few = pc.less(counts.field("counts"), least)
    rare = counts.field("values").filter(few).drop_null()
    if not len(rare):
        return parts
    texts = pc.sum(counts.field("counts").filter(few)).as_py()
    what = "left out" if merged is None else f"given the label {quoted(merged)}"
    shown = listed([quoted(name) for name in rare.to_pylist()])
    logger.warning("labels of fewer than %s training texts, %s in all: %s: %s", least, f"{texts:,}", shown, what)

    def replaced(part: RawPart) -> RawPart:
        flat = _flat(part)
        other = pc.if_else(pc.is_in(flat, value_set=rare), merged, flat)
        if is_list(part.labels.type):
            valid = part.labels.is_valid()
            labels = grouped(other, pc.list_parent_indices(part.labels), valid)
        else:
            labels = other
        classes = part.classes
        if classes is not None:
            kept = [name for name in classes if name not in {*rare.to_pylist(), merged}]
            classes = (*kept, *([] if merged is None else [merged]))
        return dataclasses.replace(part, labels=labels, classes=classes)

    return {split: [replaced(part) for part in read] for split, read in parts.items()}


def _flat(part: RawPart) -> pa.ChunkedArray:
    """Return the labels of all texts, one after the other."""
    flat = pc.list_flatten(part.labels) if is_list(part.labels.type) else part.labels
    return flat if isinstance(flat, pa.ChunkedArray) else pa.chunked_array([flat])


class _Chosen(NamedTuple):
    """The columns of one source."""

    text: tuple[str, ...]
    label: str | None
    marks: tuple[str, ...]
    weight: str | None


def _without_missing(
    texts: pa.ChunkedArray, labels: pa.ChunkedArray, path: str | Path
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return texts, and labels that are null where a text or label is missing; say how many rows that are."""
    if texts.null_count:
        labels = pc.if_else(texts.is_valid(), labels, None)
    if labels.null_count == len(labels):
        raise DataError(f"expected rows with a text and a label in {path}, found none; name the right columns")
    if labels.null_count:
        logger.warning("%s: %s of %s rows have no text or label: left out", path, labels.null_count, len(labels))
    return texts, labels


def _lacks(names: Sequence[str], label: str | int | None) -> bool:
    """Return whether a file has neither the label column nor one of a usual name."""
    return str(label) not in names and not any(name.strip().lower() in LABEL_NAMES for name in names)
