"""Findings as a table that a person can edit, and what was decided there applied to the texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from textcnn.audit.finding import Finding
from textcnn.data.labelled import Labelled
from textcnn.data.local_files import read_table
from textcnn.errors import DataError, quoted

COLUMNS = {
    **dict.fromkeys(("kind", "split"), pa.string()),
    "row": pa.int64(),
    **dict.fromkeys(("text", "label", "suggested_label"), pa.string()),
    "score": pa.float64(),
    "other_split": pa.string(),
    "other_row": pa.int64(),
    "drop": pa.string(),
}
"""The columns of a table of findings; `drop` is for a person to fill."""

NO = ("", "0", "no", "false")
"""What in the column `drop` keeps a text, in any case."""

_NEEDED = ("split", "row", "text", "label", "drop")


@dataclass(frozen=True)
class Corrected:
    """Texts as a person corrected them.

    Attributes:
        texts: those that are left, M strings.
        labels: theirs, M names.
        dropped: how many texts were dropped.
        relabelled: how many of those left got another label.
    """

    texts: list[str]
    labels: list[str]
    dropped: int
    relabelled: int


def findings_table(findings: Iterable[Finding]) -> pa.Table:
    """Return findings as a table, a row each, with the columns `COLUMNS`."""
    rows = []
    for one in findings:
        score = None if one.score is None else round(one.score, 6)
        values = {name: getattr(one, name, "") for name in COLUMNS} | {"score": score}
        rows.append({name: None if value == "" else value for name, value in values.items()})
    return pa.Table.from_pylist(rows, pa.schema(list(COLUMNS.items())))


def correct(part: Labelled, names: Sequence[str], numbers: np.ndarray, findings: Path, *, split: str) -> Corrected:
    """Apply what a person decided on findings: texts marked in the column `drop` go, other labels take effect.

    Args:
        part: N labelled texts, those that were audited.
        names: the classes, (K,).
        numbers: of the texts in their split, (N,).
        findings: file with the columns of `findings_table`; those of other splits are passed over.
        split: that of the texts.

    Raises:
        DataError: the file is no table of findings, or one of other texts, or gives a text two labels.
    """
    texts, own = part.texts.to_pylist(), [names[k] for k in part.labels.tolist()]
    index = {number: i for i, number in enumerate(numbers.tolist())}
    dropped: set[int] = set()
    labels: dict[int, str] = {}
    for line, row in _rows(findings, split):
        i = index.get(_number(row["row"]))
        if i is None or " ".join(texts[i].split()) != " ".join(row["text"].split()):
            raise DataError(
                f"{findings}: expected a text of {split} in row {line}, found {quoted(row['text'])} as its number "
                f"{quoted(row['row'])}; apply findings to the texts that they were made from"
            )
        if row["drop"].strip().lower() not in NO:
            dropped.add(i)
        elif not row["label"].strip():
            raise DataError(f"{findings}: expected a label in row {line}, found none; fill it, or mark the row in drop")
        elif row["label"] != own[i] and labels.setdefault(i, row["label"]) != row["label"]:
            raise DataError(
                f"{findings}: expected one new label for a text, found {quoted(labels[i])} and {quoted(row['label'])} "
                f"(row {line}); choose one"
            )
    left = [i for i in range(len(texts)) if i not in dropped]
    return Corrected(
        texts=[texts[i] for i in left],
        labels=[labels.get(i, own[i]) for i in left],
        dropped=len(dropped),
        relabelled=len(labels.keys() - dropped),
    )


def _rows(path: Path, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a split with their numbers, from 1, and what is missing as empty strings."""
    table = read_table(path)
    missing = [name for name in _NEEDED if name not in table.column_names]
    if missing:
        raise DataError(
            f"{path}: expected the columns {', '.join(_NEEDED)}, found {', '.join(table.column_names) or 'none'}; "
            "give a file that textcnn audit --csv wrote"
        )
    for line, row in enumerate(table.select(_NEEDED).to_pylist(), 1):
        filled = {name: "" if value is None else str(value) for name, value in row.items()}
        if filled["split"] == split:
            yield line, filled


def _number(cell: str) -> int | None:
    return int(cell) if cell.isascii() and cell.isdecimal() else None
