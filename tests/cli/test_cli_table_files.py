"""Predictions as Parquet and Arrow: the input's columns with their types, beside those of CSV."""

from __future__ import annotations

import csv
import datetime
import io
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.cli import table_files
from textcnn.cli.table_files import TABLES
from textcnn.cli.writers import Writer
from textcnn.errors import DataError
from textcnn.inference.predictor import Scores
from textcnn.targets import SEVERAL_LABELS

CLASSES = ["bad", "good", "so so"]
PROBABILITIES = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.0, 1.0, 0.0]], np.float32)


def scores(rows: int) -> Scores:
    known = np.arange(rows) % 3 != 1
    return Scores(PROBABILITIES[np.arange(rows) % 3], np.ones(rows, np.int64), known.astype(np.int64))


def written(tables, form, classes=CLASSES, **options) -> bytes:
    stream = io.BytesIO()
    with Writer(stream, classes, form, **options) as writer:
        for table in tables:
            writer.begin(table.column_names)
            writer.write(table, table["text"].combine_chunks(), scores(len(table)))
    return stream.getvalue()


def read(content: bytes, form: str) -> pa.Table:
    return pq.read_table(io.BytesIO(content)) if form == "parquet" else pa.feather.read_table(io.BytesIO(content))


INPUT = pa.table(
    {
        "text": ["x", "y", "z"],
        "number": pa.array([1, None, 3], pa.int16()),
        "day": [datetime.date(2020, 1, 2), None, None],
        "kind": pa.array(["u", "v", None]).dictionary_encode(),
        "list": [["a", "b"], [], None],
        "object": [{"a": 1.5}, {"a": None}, None],
        "raw": [b"bytes", None, b""],
        "amount": pa.array([Decimal("1.25"), None, 0], pa.decimal128(5, 2)),
    }
).replace_schema_metadata({"made": "by hand"})


@pytest.mark.parametrize("form", TABLES)
def test_columns_keep_their_types_and_predictions_stand_beside_them(form):
    found = read(written([INPUT, INPUT.slice(1)], form, top_k=2, proba=True), form)
    kept = found.select(INPUT.column_names)
    assert kept.schema.equals(INPUT.schema)
    assert kept.schema.metadata[b"made"] == b"by hand"
    assert kept.to_pydict() == pa.concat_tables([INPUT, INPUT.slice(1)]).to_pydict()
    added = found.select(range(INPUT.num_columns, found.num_columns))
    assert {field.name: str(field.type) for field in added.schema} == {
        "prediction": "string",
        "probability": "double",
        "prediction_2": "string",
        "probability_2": "double",
        "probability:bad": "double",
        "probability:good": "double",
        "probability:so so": "double",
        "note": "string",
    }
    assert added.slice(0, 3).to_pydict() == {
        "prediction": ["good", "bad", "good"],
        "probability": [0.5, 0.4, 1.0],
        "prediction_2": ["so so", "good", "bad"],
        "probability_2": [0.3, 0.4, 0.0],
        "probability:bad": [0.2, 0.4, 0.0],
        "probability:good": [0.5, 0.4, 1.0],
        "probability:so so": [0.3, 0.2, 0.0],
        "note": ["", "unknown", ""],
    }


@pytest.mark.parametrize("form", TABLES)
def test_several_labels_are_lists(form):
    options = {"target": SEVERAL_LABELS, "thresholds": np.array([0.2, 0.4, 0.3]), "separator": "o"}
    found = read(written([INPUT], form, **options), form)
    assert found["prediction"].to_pylist() == [["bad", "good", "so so"], ["bad", "good"], ["good"]]
    assert found["probability"].to_pylist() == [[0.2, 0.5, 0.3], [0.4, 0.4], [1.0]]
    assert str(found.schema.field("probability").type).startswith("list<")


@pytest.mark.parametrize("form", TABLES)
@pytest.mark.parametrize(("classes", "kind"), [([3, 5, 8], "int64"), ([0.5, 1.5, 2.5], "double")])
def test_labels_keep_their_type(form, classes, kind):
    found = read(written([INPUT], form, classes, min_confidence=0.5), form)
    assert str(found.schema.field("prediction").type) == kind
    assert found["prediction"].to_pylist() == [classes[1], None, classes[1]]


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text('\t\r\n", \\a')


@given(
    parts=st.lists(st.lists(st.tuples(ANY_TEXT, st.sampled_from("abc")), min_size=1, max_size=5), min_size=1),
    name=ANY_TEXT.filter(lambda name: name not in ("text", "prediction", "probability", "note")),
    form=st.sampled_from(TABLES),
    waiting=st.sampled_from([0, 100, 1 << 25]),
)
def test_the_content_is_that_of_csv(parts, name, form, waiting):
    tables = [
        pa.table({"text": [text for text, _ in part], name: pa.array([kind for _, kind in part]).dictionary_encode()})
        for part in parts
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_files, "_GROUP", waiting)
        found = read(written(tables, form), form)
    assert found.schema.field(name).type == tables[0].schema.field(name).type
    header, *rows = csv.reader(io.StringIO(written(tables, "csv").decode(), newline=""))
    assert header == found.column_names
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert [float(value) for value in columns.pop("probability")] == found["probability"].to_pylist()
    assert {key: list(values) for key, values in columns.items()} == {
        key: found[key].to_pylist() for key in header if key != "probability"
    }


@pytest.mark.parametrize("form", TABLES)
def test_row_groups_are_neither_tiny_nor_the_whole_file(monkeypatch, form):
    rows = pa.table({"text": ["a text of some words"] * 1000})
    monkeypatch.setattr(table_files, "_GROUP", 6 * rows.nbytes)  # 4 with what a prediction adds
    content = written([rows] * 20, form)
    parquet = form == "parquet"
    found = pq.ParquetFile(io.BytesIO(content)).num_row_groups if parquet else pa.ipc.open_file(content)
    assert (found if parquet else found.num_record_batches) == 5


@pytest.mark.parametrize("form", TABLES)
def test_nothing_to_read_gives_a_table_without_rows(form):
    stream = io.BytesIO()
    with Writer(stream, CLASSES, form) as writer:
        writer.begin(["text"])
    found = read(stream.getvalue(), form)
    assert found.num_rows == 0
    assert [str(field.type) for field in found.schema] == ["string", "string", "double", "string"]


@pytest.mark.parametrize("form", TABLES)
def test_a_column_of_another_type(form):
    with pytest.raises(DataError) as error:
        written([pa.table({"text": ["x"], "n": [1]}), pa.table({"text": ["x"], "n": [1.5]})], form)
    assert str(error.value) == (
        "expected int64 in the column 'n' as in the rows before, found double; convert it, or write json"
    )
    found = read(written([pa.table({"text": ["x"], "n": [1]}), pa.table({"text": ["x"], "n": [None]})], form), form)
    assert found["n"].to_pylist() == [1, None]


@pytest.mark.parametrize("form", TABLES)
def test_other_columns_and_columns_of_one_name(form):
    with pytest.raises(DataError) as error:
        written([pa.table({"text": ["x"], "n": [1]}), pa.table({"n": [1], "text": ["x"]})], form)
    assert str(error.value) == (
        "expected the columns ['text', 'n'] in all rows, found ['n', 'text'] in later ones; write json"
    )
    with pytest.raises(DataError) as error:
        written([pa.table([["x"], ["1"], ["2"]], ["text", "a", "a"])], form)
    assert str(error.value) == "expected each column once, found 'a' twice; rename one, or write csv"


def test_a_type_that_parquet_lacks():
    with pytest.raises(DataError) as error:
        written([pa.table({"text": ["x"], "span": pa.nulls(1, pa.month_day_nano_interval())})], "parquet")
    assert str(error.value).startswith("expected columns that parquet can hold, found others: Unhandled type")
    assert str(error.value).endswith("month_day_nano_interval; write json")
