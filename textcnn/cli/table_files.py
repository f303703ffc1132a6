"""Tables as Parquet or Arrow files, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import pyarrow as pa

from textcnn.errors import DataError, one_line, quoted

TABLES = ("parquet", "arrow")
_GROUP = 1 << 25  # bytes of a row group: many small ones are slow to read


class TableFile:
    """Writes tables of the same columns to one file, whose columns are those of the first.

    Args:
        stream: the file.
        form: `parquet`, or `arrow` (the file format, which is Feather's second version).
    """

    def __init__(self, stream: IO[bytes], form: str) -> None:
        self._stream = stream
        self._form = form
        self._writer: Any = None
        self._schema: pa.Schema | None = None
        self._waiting: list[pa.Table] = []  # for their row group to fill
        self._dictionaries: pa.Table | None = None  # without rows

    def write(self, table: pa.Table) -> None:
        """Write a table.

        Raises:
            DataError: a column has another type than in the first table, or one that the file cannot hold.
        """
        self._begin(table.schema)
        self._waiting.append(self._as_before(table))
        if sum(each.nbytes for each in self._waiting) >= _GROUP:
            self._flush()

    def close(self, empty: pa.Table) -> None:
        """Write the end of the file; `empty` gives the columns where no table was written."""
        self._begin(empty.schema)
        self._flush()
        with self._explained():
            self._writer.close()

    def abandon(self) -> None:
        """Let go of a file that is not to be complete."""
        with suppress(pa.ArrowException, OSError):
            if self._writer is not None:
                self._writer.close()  # else it would be when the stream is closed

    def _begin(self, schema: pa.Schema) -> None:
        if self._writer is not None:
            return
        self._schema = schema
        with self._explained():
            if self._form == "parquet":
                import pyarrow.parquet as pq

                self._writer = pq.ParquetWriter(self._stream, schema)
            else:
                options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
                self._writer = pa.ipc.new_file(self._stream, schema, options=options)

    def _as_before(self, table: pa.Table) -> pa.Table:
        """Return a table with the columns' first types, which may differ in what holds no values at all."""
        schema = self._schema
        if schema is None or table.schema == schema:
            return table
        for field, before in zip(table.schema, schema, strict=True):
            if field.type != before.type and not pa.types.is_null(field.type):
                raise DataError(
                    f"expected {before.type} in the column {quoted(field.name)} as in the rows before, found "
                    f"{field.type}; convert it, or write json"
                )
        return table.cast(schema)

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting = []
        with self._explained():
            if self._form == "arrow":
                # An Arrow file has one dictionary for a column, to which later batches may only add.
                if self._dictionaries is not None:
                    table = pa.concat_tables([self._dictionaries, table])
                table = table.unify_dictionaries().combine_chunks()
                self._dictionaries = table.slice(len(table))
            self._writer.write_table(table)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except pa.ArrowException as error:
            raise DataError(
                f"expected columns that {self._form} can hold, found others: {one_line(error)}; write json"
            ) from error
