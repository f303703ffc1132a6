"""Any bytes under any name give a table or a message of one line."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import textcnn
from textcnn.data import load_corpus
from textcnn.data.local_files import FORMATS, read_table
from textcnn.errors import DataError

SUFFIXES = [*FORMATS, *(suffix + ".gz" for suffix in FORMATS)]
ENCODINGS = ["utf-8", "latin-1", "utf-16", "utf-7", "cp1252"]
PIECES = st.sampled_from(
    [
        *(b'"', b'""', b"\n", b"\r", b",", b"\t", b"text", b"label", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3"),
        *(b"__label__", b"__label__a b\n", b" ", b"ARROW1", b"\xff\xff\xff\xff"),
        *(b"{", b"}", b"[", b"]", b":", b'"text"', b'{"text": "a", "label": 1}\n', b"1e999", b"null", b"\\ud800", b"-"),
    ]
)
BYTES = st.binary(max_size=60) | st.lists(PIECES, max_size=25).map(b"".join)


NAMED = json.dumps({"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}})
TABLE = pa.table(
    {
        "text": ["a", "b", "c" * 50],
        "other": ["a", None, "c"],
        "label": [0, 1, 0],
        "n": [{"x": [1]}] * 3,
        "d": pa.array(["x", "y", "x"]).dictionary_encode(),
    }
).replace_schema_metadata({"huggingface": NAMED})


def _parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(TABLE, stream)
    return stream.getvalue()


def _arrow(make, compression=None) -> bytes:
    stream = io.BytesIO()
    with make(stream, TABLE.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(TABLE)
    return stream.getvalue()


WHOLE = {
    "d.parquet": _parquet(),
    "d.csv.gz": gzip.compress(b"text,label\na,1\n" * 9),
    "file.arrow": _arrow(pa.ipc.new_file),
    "stream.arrow": _arrow(pa.ipc.new_stream),
    "zstd.feather": _arrow(pa.ipc.new_file, "zstd"),
    "lz4.arrow": _arrow(pa.ipc.new_stream, "lz4"),
}


def table_or_error(path, **options) -> None:
    problem = ""
    try:
        read_table(path, **options).validate(full=True)
    except DataError as error:
        problem = str(error)
    assert "\n" not in problem


def corpus_or_error(source, **options) -> None:
    problem = ""
    try:
        load_corpus(source, **options)
    except DataError as error:
        problem = str(error)
    assert "\n" not in problem


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=400)
@given(data=BYTES, suffix=st.sampled_from(SUFFIXES), encoding=st.sampled_from(ENCODINGS), zipped=st.booleans())
def test_any_bytes(tmp_path, data, suffix, encoding, zipped):
    path = tmp_path / f"any{suffix}"
    path.write_bytes(gzip.compress(data) if zipped else data)
    table_or_error(path, encoding=encoding)
    corpus_or_error(path, encoding=encoding)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(data=st.data())
@pytest.mark.parametrize("name", WHOLE)
def test_damaged_files(tmp_path, name, data):
    content = bytearray(WHOLE[name])
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)):
        content[at] = byte
    path = tmp_path / name
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    table_or_error(path)
    corpus_or_error(path)
    saved = tmp_path / "saved"
    saved.mkdir(exist_ok=True)
    (saved / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    (saved / "data.arrow").write_bytes(path.read_bytes())
    corpus_or_error(saved)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(data=BYTES, more=BYTES, encoding=st.sampled_from(ENCODINGS))
def test_any_bytes_as_texts_of_a_class(tmp_path, data, more, encoding):
    for label, content in (("a", data), ("b", more)):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / "1.txt").write_bytes(content)
    corpus_or_error(tmp_path, encoding=encoding)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["train", "test", "..", "d"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["splits", "_data_files", "filename", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(splits=JSON | BYTES, state=JSON | BYTES)
def test_any_bytes_as_a_saved_data_set(tmp_path, splits, state):
    (tmp_path / "train").mkdir(exist_ok=True)
    (tmp_path / "dataset_dict.json").write_bytes(splits)
    (tmp_path / "train" / "state.json").write_bytes(state)
    corpus_or_error(tmp_path)
    corpus_or_error(tmp_path / "train")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(features=JSON | st.binary(max_size=40), labels=st.lists(st.integers(-3, 9), min_size=1, max_size=4))
def test_any_names_declared_beside_ids(tmp_path, features, labels):
    table = pa.table({"text": ["x"] * len(labels), "label": labels}).replace_schema_metadata({"huggingface": features})
    pq.write_table(table, tmp_path / "a.parquet")
    corpus_or_error(tmp_path / "a.parquet")


def test_an_arrow_file_that_claims_gigabytes(tmp_path):
    """Memory that a file claims but does not fill is not allocated."""
    (tmp_path / "a.arrow").write_bytes(b"\xff\xff\xff\xff\xf0\xff\xff\x7f" + b"x" * 50)
    code = f"""
import resource
from textcnn.data.local_files import read_table
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_table({str(tmp_path / "a.arrow")!r})
except ValueError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000)
"""
    pytest.importorskip("resource")
    root = Path(textcnn.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
