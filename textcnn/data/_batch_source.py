"""Where labelled rows come from, by split, before they are read: a `BatchSource` per file, folder or hub split."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from textcnn.data.local_files import has_columns, read_batches
from textcnn.errors import ConfigError, DataError

_STEMS = {"train": ("train",), "validation": ("validation", "valid", "dev", "val"), "test": ("test",)}
_SPLIT_OF_STEM = {stem: split for split, stems in _STEMS.items() for stem in stems}


class BatchSource(NamedTuple):
    """Labelled rows from one file, folder or hub split.

    Attributes:
        name: Its name in messages.
        batches: A function that reads the rows.
    """

    name: str | Path
    batches: Callable[[], Iterable[pa.RecordBatch]]


class FileForm(NamedTuple):
    """How local files are written.

    Attributes:
        encoding: The encoding of text formats.
        delimiter: The delimiter of CSV and TSV; if None, it is found by the header.
        quoting: How quotes in CSV and TSV are read: `auto` or `none`.
        header: Whether CSV and TSV have a header.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    quoting: str = "auto"
    header: bool = True

    def check_source(self, source: str | Path) -> None:
        """Raise ConfigError if a source whose columns have names is to be read without a header."""
        if not self.header:
            raise ConfigError(f"expected a CSV or TSV to read without a header, found {source}; leave out --no-header")


SourcesBySplit = dict[str, list[BatchSource]]


def split_of(name: str) -> str | None:
    """Return the split that a name means: `validation` for `dev` and so on; None if it means none."""
    return _SPLIT_OF_STEM.get(name.lower())


def file_source(path: Path, form: FileForm) -> BatchSource:
    """Return a file of labelled texts as a source.

    Args:
        path: The file.
        form: How it is written.

    Raises:
        DataError: A text file is missing or has no labels.
    """
    if os.path.isfile(path) and not has_columns(path):  # noqa: PTH113 - pathlib raises for some names
        raise DataError(
            f"expected texts with labels, found {path}, plain text without labels; give a CSV, TSV, JSON Lines, "
            "Parquet or Arrow file, or begin each line with its label: __label__good A fine film"
        )
    return BatchSource(path, partial(read_batches, path, **form._asdict()))
