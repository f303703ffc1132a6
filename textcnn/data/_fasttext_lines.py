"""fastText's format of labelled lines: `__label__pos a good film`."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from textcnn.errors import DataError

PREFIX = b"__label__"

_LINE = r"(?s)^__label__(?P<label>\S*)\s*(?P<text>.*)$"
_SEVERAL = r"^__label__.*\s__label__\S"


def labelled_lines(lines: pa.Array, first: int, *, path: str | Path) -> pa.Table:
    """Split lines into labels and texts.

    Args:
        lines: Strings.
        first: The number of the first line, from 1.
        path: The file, for the errors.

    Returns:
        The columns `text` and `label`; the label of a line without one is null.

    Raises:
        DataError: A line has several labels.
    """
    several = pc.match_substring_regex(lines, _SEVERAL)
    if pc.any(several).as_py():
        index = pc.indices_nonzero(several)[0].as_py()
        labels = [word for word in lines[index].as_py().split() if word.startswith("__label__")]
        raise DataError(
            f"expected one label per line, but line {first + index} of {path} has {len(labels)} "
            f"({', '.join(labels[:5])}); keep one of them, since every text has exactly one class"
        )
    parts = pc.extract_regex(lines, _LINE)
    label, text = (pc.struct_field(parts, name) for name in ("label", "text"))
    return pa.table({"text": pc.if_else(parts.is_valid(), text, lines), "label": label})
