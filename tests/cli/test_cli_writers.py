from __future__ import annotations

import csv
import datetime
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.cli.table_files import TABLES
from textcnn.cli.writers import FORMATS, Writer
from textcnn.errors import DataError
from textcnn.inference.predictor import Scores
from textcnn.text.columns import strings

LINES = [form for form in FORMATS if form not in TABLES]
CLASSES = ["bad", "good", "so so"]
PROBABILITIES = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.0, 1.0, 0.0]], np.float32)
TEXTS = ["a fine film", "", "one\ttwo\r\nthree"]


def scores(probabilities, tokens=None, known=None) -> Scores:
    """Scores of texts with words that the model knows, where nothing else is said."""
    some = np.ones(len(probabilities), np.int64)
    return Scores(
        probabilities, some if tokens is None else np.array(tokens), some if known is None else np.array(known)
    )


def written(
    rows: pa.Table,
    form: str,
    *,
    column: str = "text",
    classes=CLASSES,
    probabilities=None,
    tokens=None,
    known=None,
    **options,
) -> str:
    """What a writer writes of one batch."""
    if probabilities is None:
        probabilities = PROBABILITIES[np.arange(len(rows)) % 3]
    stream = io.BytesIO()
    writer = Writer(stream, classes, form, **options)
    writer.begin(rows.column_names)
    writer.write(rows, rows[column].combine_chunks(), scores(probabilities, tokens, known))
    return stream.getvalue().decode()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


TABLE = pa.table({"text": TEXTS})


def test_text():
    assert written(TABLE, "text") == "good\t0.5000\ta fine film\nbad\t0.4000\t\ngood\t1.0000\tone two three\n"


def test_text_with_the_next_best_and_all_classes():
    assert written(TABLE.slice(0, 1), "text", top_k=2) == "good\t0.5000\tso so\t0.3000\ta fine film\n"
    assert written(TABLE.slice(0, 1), "text", proba=True) == (
        "good\t0.5000\tbad=0.2000\tgood=0.5000\tso so=0.3000\ta fine film\n"
    )


def test_json():
    lines = written(TABLE, "json").splitlines()
    assert lines[0] == '{"text": "a fine film", "prediction": "good", "probability": 0.5}'
    assert json.loads(lines[2]) == {"text": TEXTS[2], "prediction": "good", "probability": 1.0}


def test_json_with_the_next_best_and_all_classes():
    (line,) = written(TABLE.slice(0, 1), "json", top_k=2, proba=True).splitlines()
    assert json.loads(line) == {
        "text": "a fine film",
        "prediction": "good",
        "probability": 0.5,
        "top": [{"label": "good", "probability": 0.5}, {"label": "so so", "probability": 0.3}],
        "probabilities": {"bad": 0.2, "good": 0.5, "so so": 0.3},
    }


def test_csv():
    assert written(TABLE, "csv") == (
        '"text","prediction","probability","note"\n"a fine film","good",0.5,""\n"","bad",0.4,""\n'
        '"one\ttwo\r\nthree","good",1,""\n'
    )


def test_csv_with_the_next_best_and_all_classes():
    assert rows_of(written(TABLE.slice(0, 1), "csv", top_k=2, proba=True)) == [
        {
            "text": "a fine film",
            "prediction": "good",
            "probability": "0.5",
            "prediction_2": "so so",
            "probability_2": "0.3",
            "probability:bad": "0.2",
            "probability:good": "0.5",
            "probability:so so": "0.3",
            "note": "",
        }
    ]


@pytest.mark.parametrize("form", LINES)
def test_more_classes_than_there_are_give_all(form):
    assert written(TABLE, form, top_k=9) == written(TABLE, form, top_k=3)


@pytest.mark.parametrize("form", LINES)
def test_of_equal_probabilities_the_first_class_is_named(form):
    rows = pa.table({"text": ["x"]})
    shown = written(rows, form, probabilities=np.full((1, 3), 1 / 3, np.float32), top_k=3)
    assert shown.index("bad") < shown.index("good") < shown.index("so so")


@pytest.mark.parametrize("form", LINES)
def test_no_rows_write_no_rows(form):
    header = '"text","prediction","probability","note"\n' if form == "csv" else ""
    assert written(pa.table({"text": pa.array([], pa.string())}), form) == header


@pytest.mark.parametrize(
    ("classes", "named"),
    [([3, 5, 8], 5), (np.array([3, 5, 8]), 5), ([False, True, None], True), ([0.5, 1.5, 2.5], 1.5)],
)
def test_labels_of_other_types(classes, named):
    rows = pa.table({"text": ["x"]})
    assert json.loads(written(rows, "json", classes=classes))["prediction"] == named
    assert rows_of(written(rows, "csv", classes=classes))[0]["prediction"] == str(named)
    assert written(rows, "text", classes=classes) == f"{named}\t0.5000\tx\n"


def test_a_label_stays_in_its_field():
    rows = pa.table({"text": ["x"]})
    label = 'a\tb\n"c", d'
    assert written(rows, "text", classes=["z", label, "y"]) == 'a b "c", d\t0.5000\tx\n'
    assert json.loads(written(rows, "json", classes=["z", label, "y"]))["prediction"] == label
    assert rows_of(written(rows, "csv", classes=["z", label, "y"]))[0]["prediction"] == label


OTHERS = pa.table(
    {
        "text": ["x", "y", "z"],
        "code": ["007", "", None],
        "number": [1.5, float("nan"), None],
        "big": pa.array([2**64 - 1, 0, None], pa.uint64()),
        "flag": [True, False, None],
        "day": [datetime.date(2020, 1, 2), None, None],
        "kind": pa.array(["u", "v", None]).dictionary_encode(),
        "list": [["a", "b"], [], None],
        "object": [{"a": 1.5, "b": None}, {"a": float("inf"), "b": "x"}, None],
        "raw": [b"bytes", None, b""],
    }
)


def test_other_columns_are_kept_in_json():
    rows = [json.loads(line, parse_constant=pytest.fail) for line in written(OTHERS, "json").splitlines()]
    for row in rows:
        del row["prediction"], row["probability"]
    assert rows == [
        {
            **{"text": "x", "code": "007", "number": 1.5, "big": 2**64 - 1, "flag": True, "day": "2020-01-02"},
            **{"kind": "u", "list": ["a", "b"], "object": {"a": 1.5, "b": None}, "raw": "bytes"},
        },
        {
            **{"text": "y", "code": "", "number": None, "big": 0, "flag": False, "day": None},
            **{"kind": "v", "list": [], "object": {"a": None, "b": "x"}, "raw": None},
        },
        {**dict.fromkeys(OTHERS.column_names), "text": "z", "raw": ""},
    ]


def test_other_columns_are_kept_in_csv():
    lines = written(OTHERS, "csv").splitlines()
    assert lines[1:] == [
        '"x","007",1.5,18446744073709551615,true,2020-01-02,"u","[""a"", ""b""]","{""a"": 1.5, ""b"": null}","bytes",'
        '"good",0.5,""',
        '"y","",nan,0,false,,"v","[]","{""a"": null, ""b"": ""x""}",,"bad",0.4,""',
        '"z",,,,,,,,,"","good",1,""',
    ]


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text('\t\r\n", \\a')


@given(st.lists(ANY_TEXT, min_size=1), ANY_TEXT.filter(lambda name: name != "text"))
def test_rows_and_columns_come_back_as_they_were(texts, name):
    rows = pa.table([pa.array(texts, pa.string()), pa.array(texts[::-1], pa.string())], ["text", name])
    back = [json.loads(line) for line in written(rows, "json", top_k=2).split("\n")[:-1]]
    assert [(row["text"], row[name]) for row in back] == list(zip(texts, texts[::-1], strict=True))
    back = list(csv.reader(io.StringIO(written(rows, "csv"), newline="")))
    assert back[0] == ["text", name, "prediction", "probability", "note"]
    assert [tuple(row[:2]) for row in back[1:]] == list(zip(texts, texts[::-1], strict=True))
    assert written(rows, "text").count("\n") == len(texts)


@given(st.lists(ANY_TEXT))
def test_strings_as_a_column(values):
    assert strings(values).equals(pa.array(values, pa.string()))


@pytest.mark.parametrize(
    ("form", "options", "taken"),
    [
        ("csv", {}, "prediction"),
        ("csv", {"top_k": 2}, "probability_2"),
        ("csv", {"proba": True}, "probability:good"),
        ("json", {}, "probability"),
        ("json", {"top_k": 2}, "top"),
        ("json", {"proba": True}, "probabilities"),
    ],
)
def test_a_column_that_a_prediction_is_written_to_is_refused(form, options, taken):
    with pytest.raises(DataError) as error:
        Writer(io.BytesIO(), CLASSES, form, **options).begin(["text", taken])
    assert str(error.value) == (
        f"expected an input without the column {taken!r}, which a prediction is written to; rename or remove it, "
        "or replace it with --replace-columns"
    )
    Writer(io.BytesIO(), CLASSES, "text", **options).begin(["text", taken])


def test_names_that_are_not_written_are_free():
    Writer(io.BytesIO(), CLASSES, "csv").begin(["text", "prediction_2", "probability:good", "top"])
    Writer(io.BytesIO(), CLASSES, "json").begin(["text", "prediction_2", "top", "probabilities"])


def test_columns_of_one_name():
    rows = pa.table([["x"], ["1"], ["2"]], ["text", "a", "a"])
    with pytest.raises(DataError) as error:
        written(rows, "json")
    assert str(error.value) == "expected each column once, found 'a' twice; rename one, or write csv"
    assert written(rows, "csv") == '"text","a","a","prediction","probability","note"\n"x","1","2","good",0.5,""\n'


def test_a_column_that_comes_later():
    first, later = pa.table({"text": ["x"]}), pa.table({"text": ["y"], "n": [1]})
    stream = io.BytesIO()
    writer = Writer(stream, CLASSES, "json")
    writer.begin(first.column_names)
    for rows in (first, later):
        writer.write(rows, rows["text"].combine_chunks(), scores(PROBABILITIES[:1]))
    assert [json.loads(line).get("n") for line in stream.getvalue().splitlines()] == [None, 1]
    with pytest.raises(DataError, match="without the column 'prediction'"):
        writer.write(pa.table({"text": ["z"], "prediction": [1]}), pa.array(["z"]), scores(PROBABILITIES[:1]))

    writer = Writer(io.BytesIO(), CLASSES, "csv")
    writer.begin(first.column_names)
    with pytest.raises(DataError) as error:
        writer.write(later, later["text"].combine_chunks(), scores(PROBABILITIES[:1]))
    assert str(error.value) == "expected the columns ['text'] in all rows, found n too in later ones; write json"


def test_texts_that_say_nothing_are_noted():
    options = {"tokens": [3, 0, 2], "known": [1, 0, 0]}
    assert [row["note"] for row in rows_of(written(TABLE, "csv", **options))] == ["", "empty", "unknown"]
    lines = [json.loads(line) for line in written(TABLE, "json", **options).splitlines()]
    assert [line.get("note") for line in lines] == [None, "empty", "unknown"]


@pytest.mark.parametrize("form", LINES)
def test_nothing_is_predicted_below_the_confidence_asked_for(form):
    out = written(TABLE, form, min_confidence=0.5)
    if form == "text":
        assert out == "good\t0.5000\ta fine film\n-\t0.4000\t\ngood\t1.0000\tone two three\n"
    elif form == "json":
        assert [json.loads(line)["prediction"] for line in out.splitlines()] == ["good", None, "good"]
        assert [json.loads(line)["probability"] for line in out.splitlines()] == [0.5, 0.4, 1.0]
    else:
        assert [row["prediction"] for row in rows_of(out)] == ["good", "", "good"]


CELLS = [
    "=1+1",
    "+1",
    "-1.5e3",
    "-1 day",
    "@a",
    "\ta",
    "\ra",
    "\n=1",
    "a=1",
    "",
    "'=1",
    "\uff1d1",
    "+",
    "5",
    "-.",
    "-.5",
]
ESCAPED = {"=1+1", "-1 day", "@a", "\ta", "\ra", "\n=1", "\uff1d1", "+", "-."}


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.binary(), pa.string_view()]
)
def test_cells_that_a_spreadsheet_would_run(kind):
    table = pa.table({"text": TEXTS[:1] * len(CELLS), "cell": pa.array([*CELLS]).cast(kind), "n": [-1] * len(CELLS)})
    assert [row["cell"] for row in rows_of(written(table, "csv"))] == CELLS
    rows = rows_of(written(table, "csv", escape_formulas=True))
    assert [row["cell"] for row in rows] == [f"'{cell}" if cell in ESCAPED else cell for cell in CELLS]
    assert {row["n"] for row in rows} == {"-1"}


def test_labels_that_a_spreadsheet_would_run():
    text = written(TABLE, "csv", classes=["=a", "-b", "c"], escape_formulas=True, proba=True)
    assert {row["prediction"] for row in rows_of(text)} == {"'=a", "'-b"}
    table = TABLE.append_column("x", pa.nulls(3, pa.string()))
    assert [row["x"] for row in rows_of(written(table, "csv", escape_formulas=True))] == ["", "", ""]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_columns_of_a_prediction_are_replaced(form):
    table = TABLE.append_column("note", pa.array(["x"] * 3)).append_column("prediction", pa.array(["y"] * 3))
    assert written(table, form, replace_columns=True) == written(TABLE, form)
