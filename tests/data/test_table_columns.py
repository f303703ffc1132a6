from __future__ import annotations

import pyarrow as pa
import pytest

from textcnn.data.table_columns import pick_columns, texts_of
from textcnn.errors import DataError


@pytest.mark.parametrize(
    ("names", "picked"),
    [
        (["id", "Text", "LABEL"], ("Text", "LABEL")),
        (["review", "sentence", "stars", "sentiment"], ("sentence", "sentiment")),
        ([" text", "label "], (" text", "label ")),
    ],
)
def test_usual_columns(names, picked):
    assert pick_columns(names, path="a.csv") == ((picked[0],), picked[1])


def test_given_columns():
    assert pick_columns(["text", "label", "t", "l"], "t", "l", path="a.csv") == (("t",), "l")
    assert pick_columns(["t"], "t", path="a.csv", need_label=False) == (("t",), None)
    assert pick_columns(["text", "y"], path="a.csv", need_label=False) == (("text",), "y")


BOTH = "name them with --text-column / --label-column"
HEADER = ", or give --no-header if the first row is no header"
NO_HEADER = BOTH + HEADER


@pytest.mark.parametrize(
    ("names", "given", "expected", "advice"),
    [
        (
            ["a", "b"],
            {},
            "expected the columns ['text', 'label'], but only ['a', 'b'] were found in a.csv",
            NO_HEADER,
        ),
        (["a", "y"], {}, "expected the columns ['text', 'y'], but only ['a', 'y'] were", NO_HEADER),
        (["body", "b"], {}, "expected the columns ['body', 'label'], but only ['body', 'b'] were", NO_HEADER),
        (
            ["text", "label"],
            {"text_column": "txt"},
            "expected the columns ['txt', 'label'], but only ['text', 'label'] were",
            f"nearest to 'txt': text; {BOTH}",
        ),
        (
            ["text"],
            {"label_column": "mood", "need_label": False},
            "expected the columns ['text', 'mood'], but only ['text'] were",
            BOTH,
        ),
        (
            ["a"],
            {"need_label": False},
            "the columns ['text'], but only ['a'] were",
            f"name it with --text-column{HEADER}",
        ),
        (["text", "label"], {"label_column": "text"}, "a.csv, found 'text' for both texts and labels", BOTH),
        (["text", "label", "text"], {}, "expected one column 'text' in a.csv, found 2", "rename the others"),
    ],
)
def test_column_errors(names, given, expected, advice):
    with pytest.raises(DataError) as caught:
        pick_columns(names, path="a.csv", **given)
    assert expected in str(caught.value)
    assert str(caught.value).endswith(f"; {advice}")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
def test_texts_in_any_form(kind):
    column = pa.array(["a", None, "é"], pa.string()).cast(kind)
    texts = texts_of(column, path="a.csv", missing_as_empty=True)
    assert texts.type == pa.string()
    assert texts.to_pylist() == ["a", "", "é"]


@pytest.mark.parametrize(
    ("rows", "named"),
    [([4], "row 14"), ([0, 2], "row 10 (and 12)"), (range(9), "row 10 (and 11, 12, 13, 14 and 4 more)")],
)
def test_missing_texts(rows, named):
    column = pa.array([None if row in rows else "x" for row in range(20)])
    with pytest.raises(DataError) as caught:
        texts_of(column, path="a.csv", first_row=10)
    assert f"of a.csv, but {named} has none" in str(caught.value)


def test_texts_that_are_none():
    with pytest.raises(DataError, match="texts in a.jsonl, found a column of int64; .* --text-column"):
        texts_of(pa.array([1, 2]), path="a.jsonl")
    with pytest.raises(DataError, match="UTF-8 texts in a.parquet, but those from row 1 are not"):
        texts_of(pa.array([b"\xff"]), path="a.parquet")


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_file_with_another_separator_is_recognised(mark):
    with pytest.raises(DataError) as error:
        pick_columns([f"text{mark}label"], path="a.csv")
    assert f"only {[f'text{mark}label']} were found in a.csv" in str(error.value)
    assert f"separated by {mark!r}" in str(error.value)
