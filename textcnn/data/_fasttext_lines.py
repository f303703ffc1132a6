"""fastText's format of labelled lines: `__label__pos a good film`, with any number of labels."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

PREFIX = b"__label__"
SEPARATOR = b"separator"  # in the metadata of the labels' column: what stands between several

_LINE = r"(?s)^__label__(?P<label>\S*)\s*(?P<text>.*)$"
_SEVERAL = r"^__label__.*\s__label__\S"
_LABEL = re.compile(r"(?:^|\s)__label__(\S*)")


def labelled_lines(lines: pa.Array) -> pa.Table:
    """Split lines into labels and texts.

    Args:
        lines: Strings.

    Returns:
        The columns `text` and `label`; several labels, which may stand anywhere in the line, are joined by a blank,
        which no label has. The label of a line without one is null.
    """
    parts = pc.extract_regex(lines, _LINE)
    label, text = (pc.struct_field(parts, name) for name in ("label", "text"))
    several = pc.match_substring_regex(lines, _SEVERAL)
    if pc.any(several).as_py():
        found = lines.filter(several).to_pylist()
        label = pc.replace_with_mask(label, several, pa.array([" ".join(_LABEL.findall(line)) for line in found]))
        text = pc.replace_with_mask(text, several, pa.array([_LABEL.sub("", line).strip() for line in found]))
    field = pa.field("label", pa.string(), metadata={SEPARATOR: b" "})
    columns = [pc.if_else(parts.is_valid(), text, lines), label]
    return pa.Table.from_arrays(columns, schema=pa.schema([pa.field("text", pa.string()), field]))
