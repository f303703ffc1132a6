"""Lines of text as an Arrow column, without a Python loop over lines."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

_INT32_MAX = 2**31 - 1
_LF, _CR = 10, 13


def split_lines(data: bytes) -> pa.Array:
    r"""Split text at `\n` only; other Unicode line breaks stay in the text.

    One `\r` at the end of a line is dropped, and a final newline does not start another line.

    Args:
        data: Valid UTF-8.

    Returns:
        One value per line: `pa.StringArray`, or `pa.LargeStringArray` if 32-bit offsets are too small.
    """
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw == _LF)
    if raw.size and raw[-1] != _LF:
        ends = np.append(ends, raw.size)
    starts = np.concatenate(([0], ends[:-1] + 1)) if ends.size else ends
    lengths = ends - starts
    returned = np.zeros(ends.size, bool)
    returned[lengths > 0] = raw[ends[lengths > 0] - 1] == _CR

    keep = raw != _LF
    keep[ends[returned] - 1] = False
    text = raw[keep]
    lengths -= returned
    kind, offset_type = (pa.string(), np.int32) if text.size <= _INT32_MAX else (pa.large_string(), np.int64)
    offsets = np.zeros(ends.size + 1, offset_type)
    np.cumsum(lengths, out=offsets[1:])
    return pa.Array.from_buffers(kind, ends.size, [None, pa.py_buffer(offsets), pa.py_buffer(text)])
