"""Texts without labels, from files of any form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data.local_files import named_files, read_batches
from textcnn.data.table_columns import TextColumn, joined_texts, pick_columns


def read_unlabelled(
    sources: Sequence[str | Path], text_column: TextColumn = None, *, most: int | None = None, **form: Any
) -> pa.ChunkedArray:
    """Return the texts of files, in one column.

    Args:
        sources: Files, or patterns of such, of any form that `read_batches` reads.
        text_column: The column of the texts; if None, a usual name is looked for.
        most: How many rows to read at most, from the first.
        form: How the files are written: keywords of `read_batches`.

    Raises:
        ConfigError, DataError: A file is missing or not valid.
    """
    found: list[pa.Array] = []
    left = np.inf if most is None else most
    for path in named_files(sources):
        for texts in texts_in(read_batches(path, **form), text_column, path=path):
            found.append(texts.slice(0, int(min(left, len(texts)))))
            left -= len(found[-1])
            if not left:
                return pa.chunked_array(found, pa.string())
    return pa.chunked_array(found, pa.string())


def texts_in(
    batches: Iterable[pa.RecordBatch], text_column: TextColumn = None, *, path: str | Path
) -> Iterator[pa.StringArray]:
    """Yield the texts of each batch of a file, of which no labels are wanted; a missing text is empty.

    Args:
        batches: Of the file's rows.
        text_column: The column of the texts, or several; if None, a usual name is looked for.
        path: The file, for the errors.

    Raises:
        ConfigError, DataError: As in `pick_columns` and `joined_texts`.
    """
    row, names = 1, None
    for batch in batches:
        names = names or pick_columns(batch.schema.names, text_column, path=path, need_label=False).texts
        yield pc.fill_null(joined_texts(batch, names, path=path, first_row=row), "")
        row += len(batch)
