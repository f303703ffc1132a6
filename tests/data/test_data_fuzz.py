"""Any bytes under any name give a table or one clear line."""

from __future__ import annotations

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textcnn.data.files import FORMATS, read_table
from textcnn.errors import DataError

SUFFIXES = [*FORMATS, *(suffix + ".gz" for suffix in FORMATS)]
ENCODINGS = ["utf-8", "latin-1", "utf-16", "utf-7", "cp1252"]
PIECES = st.sampled_from(
    [
        *(b'"', b'""', b"\n", b"\r", b",", b"\t", b"text", b"label", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3"),
        *(b"{", b"}", b"[", b"]", b":", b'"text"', b'{"text": "a", "label": 1}\n', b"1e999", b"null", b"\\ud800", b"-"),
    ]
)
BYTES = st.binary(max_size=60) | st.lists(PIECES, max_size=25).map(b"".join)


def _parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", None, "c" * 50], "label": [0, 1, 0], "n": [{"x": [1]}] * 3}), stream)
    return stream.getvalue()


WHOLE = {".parquet": _parquet(), ".csv.gz": gzip.compress(b"text,label\na,1\n" * 9)}


def table_or_error(path, **options) -> None:
    problem = ""
    try:
        read_table(path, **options).validate(full=True)
    except DataError as error:
        problem = str(error)
    assert "\n" not in problem


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=400)
@given(data=BYTES, suffix=st.sampled_from(SUFFIXES), encoding=st.sampled_from(ENCODINGS), zipped=st.booleans())
def test_any_bytes(tmp_path, data, suffix, encoding, zipped):
    path = tmp_path / f"any{suffix}"
    path.write_bytes(gzip.compress(data) if zipped else data)
    table_or_error(path, encoding=encoding)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(data=st.data())
@pytest.mark.parametrize("suffix", WHOLE)
def test_damaged_files(tmp_path, suffix, data):
    content = bytearray(WHOLE[suffix])
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)):
        content[at] = byte
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    table_or_error(path)
