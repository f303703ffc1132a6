from __future__ import annotations

import pyarrow as pa
import pytest

from textcnn.data._labels import class_names, encode_labels
from textcnn.errors import DataError


def column(*values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (column("pos", "neg", "pos"), ["neg", "pos"]),
        (column("b", "Z", "é", "a"), ["Z", "a", "b", "é"]),
        (column("10", "9", "-1", "+2"), ["-1", "+2", "9", "10"]),
        (column("1", "01", "2"), ["01", "1", "2"]),
        (column("10", "9", "x"), ["10", "9", "x"]),
        (column("²", "1"), ["1", "²"]),
        (column(10, 9, -1), ["-1", "9", "10"]),
        (column(1, 0, kind=pa.uint8()), ["0", "1"]),
        (column(1.0, 0.0), ["0", "1"]),
        (column(True, False), ["False", "True"]),
        (column("b", "a", kind=pa.large_string()), ["a", "b"]),
        (column("b", "a").dictionary_encode(), ["a", "b"]),
    ],
)
def test_names_and_ids(labels, names):
    found = class_names(labels, path="a.csv")
    assert found == names
    ids = encode_labels(labels, found, path="a.csv")
    assert ids.type == pa.int64()
    assert [names[each] for each in ids.to_pylist()] == [
        str(int(value)) if isinstance(value, float) else str(value) for value in labels.to_pylist()
    ]


def error(call, *args, **options) -> str:
    with pytest.raises(DataError) as caught:
        call(*args, path="a.csv", **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        (column("a", None, "b", ""), "row 2 (and 4)"),
        (column("a", " \t", "b"), "row 2"),
        (column(None, None), "row 1 (and 2)"),
        (column(1.0, float("nan"), None), "row 2 (and 3)"),
        (column(*[None] * 100, "a"), "row 1 (and 2, 3, 4, 5 and 95 more)"),
    ],
)
def test_missing(labels, rows):
    expected = f"a label in every row of a.csv, but {rows} has none"
    assert expected in error(class_names, labels)
    assert expected in error(encode_labels, labels, ["a", "b"])


def test_one_class():
    assert "two classes in a.csv, found only 'a'" in error(class_names, column("a", "a"))


def test_unseen():
    assert "labels known from train ('a', 'b'), but a.csv has 'c' in row 2 (and 3, 4)" in error(
        encode_labels, column("a", "c", "d", "c"), ["a", "b"]
    )
    names = [str(number) for number in range(12)]
    refusal = error(encode_labels, column(77), names, known_from="b.csv")
    assert "known from b.csv ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9' and 2 more)" in refusal
    assert "a.csv has '77' in row 1" in refusal


@pytest.mark.parametrize("labels", [column(0.5, 1.0), column([1], [2]), column(b"a", b"b")])
def test_no_labels(labels):
    refusal = error(class_names, labels)
    assert f"labels in a.csv, found a column of {labels.type}" in refusal
    assert "--label-column" in refusal


FORMS = [
    column(True, False),
    column("True", "False"),
    column("true", "false"),
    column("TRUE", "False"),
    column("True", "False").dictionary_encode(),
]
NUMBERS = [column(1.0, 0.0), column(1, 0), column("1", "0"), column("1.0", "0.0"), column("1.", "0")]


@pytest.mark.parametrize("columns", [FORMS, NUMBERS])
def test_booleans_and_whole_numbers_are_named_alike_in_all_forms(columns):
    names = class_names(columns[0], path="a.csv")
    assert names == (["False", "True"] if columns is FORMS else ["0", "1"])
    for labels in columns:
        assert class_names(labels, path="a.csv") == names
        for others in (names, ["false", "true"] if columns is FORMS else ["0.0", "1.0"]):
            assert encode_labels(labels, others, path="a.csv").to_pylist() == [1, 0]


def test_labels_as_written_where_others_are_words():
    labels = column("true", "maybe", "1.0")
    assert class_names(labels, path="a.csv") == ["1.0", "maybe", "true"]
    assert encode_labels(column("true"), ["1.0", "maybe", "true"], path="a.csv").to_pylist() == [2]
    assert class_names(column("0.5", "1.0"), path="a.csv") == ["0.5", "1.0"]
    assert class_names(column("007", "7"), path="a.csv") == ["007", "7"]
    assert encode_labels(column("1", "1.0"), ["1", "1.0"], path="a.csv").to_pylist() == [0, 1]
    assert "'1.'" in error(encode_labels, column("1."), ["1", "1.0"])
