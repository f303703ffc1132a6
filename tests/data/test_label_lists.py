import json
import logging
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.data import load_corpus
from textcnn.data._label_lists import split_texts
from textcnn.data.labelled import MOST_CELLS, Labelled, indicator, label_names, sets_of
from textcnn.errors import ConfigError, DataError

LABELS = [["x", "y"], [], ["y"], ["x"], ["z", "x"]]
TEXTS = [f"text {i}" for i in range(5)]
MATRIX = [[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 1]]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, text):
    Path(name).write_text(text, encoding="utf-8")
    return name


def as_csv(rows, header="text,label"):
    return "\n".join([header, *(",".join(row) for row in rows)]) + "\n"


def matrix(source, **options):
    corpus = load_corpus(source, **options)
    assert label_names(corpus) == ["x", "y", "z"]
    return Labelled.from_dataset(corpus["train"]).labels.astype(int).tolist()


def refusal(*args, kind=DataError, **options):
    with pytest.raises(kind) as caught:
        load_corpus(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", ["jsonl", "parquet", "large", "dataset", "csv", "columns", "words"])
def test_every_way_of_several_labels(form):
    options, name = {}, f"a.{form}"
    if form == "jsonl":
        write(name, "".join(json.dumps({"text": t, "labels": y}) + "\n" for t, y in zip(TEXTS, LABELS, strict=True)))
    elif form in ("parquet", "large"):
        kind = pa.list_(pa.string()) if form == "parquet" else pa.large_list(pa.large_string())
        name = "a.parquet"
        pq.write_table(pa.table({"text": TEXTS, "label": pa.array(LABELS, kind)}), name)
    elif form == "dataset":  # ids with names, as `datasets` saves them
        ids = [["xyz".index(label) for label in own] for own in LABELS]
        features = datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.Sequence(datasets.ClassLabel(names=[*"xyz"]))}
        )
        saved = datasets.Dataset.from_dict({"text": TEXTS, "label": ids}, features=features)
        saved.save_to_disk("saved")
        name = "saved"
    elif form == "csv":
        write(name, as_csv([(t, " ; ".join(y)) for t, y in zip(TEXTS, LABELS, strict=True)]))
        options = {"label_separator": ";"}
    else:
        values = ["no", "TRUE"] if form == "words" else ["0", "1.0"]
        rows = [(t, *(values[k] for k in row)) for t, row in zip(TEXTS, MATRIX, strict=True)]
        write("a.csv", as_csv(rows, "text,x,y,z"))
        name, options = "a.csv", {"label_columns": "x, y,z"}
    assert matrix(name, **options) == MATRIX


def test_fasttext_lines_with_several_labels():
    write("a.txt", "__label__x __label__y text 0\n__label__y text 2\n__label__z text __label__x 4\n__label__x\n")
    corpus = load_corpus("a.txt")
    assert corpus["train"]["text"][:] == ["text 0", "text 2", "text 4", ""]
    assert Labelled.from_dataset(corpus["train"]).labels.tolist() == [
        [True, True, False],
        [False, True, False],
        [True, False, True],
        [True, False, False],
    ]


def test_fasttext_lines_with_one_label_each_are_classes():
    write("a.txt", "__label__x text\n__label__y other\n")
    assert load_corpus("a.txt")["train"]["label"][:] == [0, 1]


def test_other_splits_are_of_the_same_kind():
    write("a.jsonl", "".join(json.dumps({"text": "t", "label": y}) + "\n" for y in LABELS))
    write("b.csv", "text,label\none,y\n")
    corpus = load_corpus("a.jsonl", test="b.csv")
    assert Labelled.from_dataset(corpus["test"]).labels.tolist() == [[False, True, False]]


def test_known_classes_decide():
    write("a.csv", "text,label\none,y\ntwo,\n")
    known = load_corpus("a.csv", known_classes=["x", "y"], several=True, label_separator=";")
    assert Labelled.from_dataset(known["train"]).labels.tolist() == [[False, True], [False, False]]
    write("a.jsonl", '{"text": "one", "label": ["y"]}\n')
    single = load_corpus("a.jsonl", known_classes=["x", "y"], several=False)
    assert single["train"]["label"][:] == [1]
    write("a.jsonl", '{"text": "one", "label": ["y"]}\n{"text": "one", "label": ["y", "x"]}\n')
    assert "expected one label for each text of a.jsonl, as the model gives one, found 2 in row 2" in refusal(
        "a.jsonl", known_classes=["x", "y"], several=False
    )


def test_an_unknown_label_is_told_with_its_row():
    write("a.jsonl", "".join(json.dumps({"text": "t", "label": y}) + "\n" for y in LABELS))
    write("b.jsonl", '{"text": "t", "label": ["x", "y"]}\n{"text": "t", "label": ["y", "w"]}\n')
    assert "b.jsonl has 'w' in row 2; fix" in refusal("a.jsonl", validation="b.jsonl")


def test_wrong_marks_and_columns():
    write("a.csv", "text,x,y\none,1,0\ntwo,2,0\n")
    assert "expected 0 or 1 in the column 'x' of a.csv" in refusal("a.csv", label_columns="x,y")
    assert "found '2' in row 2" in refusal("a.csv", label_columns="x,y")
    assert "expected the column 'z' once in a.csv" in refusal("a.csv", label_columns="x,z")
    write("a.csv", "text,x,y\none,1,0\ntwo,,0\n")
    assert "row 2 has none" in refusal("a.csv", label_columns="x,y")
    corpus = load_corpus("a.csv", label_columns=["x", "y"], skip_missing=True)
    assert len(corpus["train"]) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"label_columns": "x,y", "label_column": "x"}, "one column of labels or columns of 0 and 1"),
        ({"label_columns": "x"}, "two distinct columns of 0 and 1 or more"),
        ({"label_columns": "x,x"}, "two distinct columns of 0 and 1 or more"),
        ({"label_separator": " "}, "expected a separator of several labels"),
        ({"label_separator": ""}, "expected a separator of several labels"),
        ({"label_separator": ";", "label_columns": "x,y"}, "columns of 0 and 1 beside it"),
    ],
)
def test_contradictions(options, expected):
    write("a.csv", "text,x,y\none,1,0\n")
    assert expected in refusal("a.csv", kind=ConfigError, **options)


def test_no_label_at_all():
    write("a.csv", "text,label\none,\ntwo,\n")
    assert "expected texts with labels in a.csv, found none that has one" in refusal("a.csv", label_separator=";")
    write("a.csv", "text,label\none,x\ntwo,x;x\n")
    assert "expected at least two classes in a.csv, found only 'x'" in refusal("a.csv", label_separator=";")


def test_a_missing_list_is_an_error_or_left_out():
    write("a.jsonl", "".join(json.dumps({"text": "t", "label": y}) + "\n" for y in [["x"], None, ["y"]]))
    assert "expected a list of labels in every row of a.jsonl, but row 2 has none" in refusal("a.jsonl")
    assert len(load_corpus("a.jsonl", skip_missing=True)["train"]) == 2


def test_what_is_doubtful_is_told(caplog):
    with caplog.at_level(logging.WARNING):
        write("a.csv", as_csv([("a", "x;y"), ("b", "x"), ("c", "x;y"), ("d", "x;z"), ("e", "x;y"), ("e", "x")]))
        load_corpus("a.csv", label_separator=";")
    lines = [record.getMessage() for record in caplog.records]
    assert "a.csv: labels that all training texts have: 'x'; the model cannot learn when to give them" in lines
    assert "a.csv: labels of one training text: 'z'; add examples, or leave them out" in lines
    assert (
        "a.csv: 1 text has other labels where they occur again, such as 'e': 'x', 'x, y'; keep the right one" in lines
    )
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        write("a.csv", as_csv([("a", "x;y"), ("b", "x"), ("c", "y|x"), ("d", ""), ("e", "y")]))
        load_corpus("a.csv", label_separator=";")
        load_corpus("a.csv", skip_missing=True)
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "1 of 5 training texts have no label: the model learns to give none" in text
    assert "labels that look like several: 'y|x'; if so, separate labels by one mark alone" in text
    assert "labels that look like several: 'x;y'; if so, give --label-separator ';'" in text


def test_weights_of_the_training_texts():
    write("a.csv", "text,label,w\none,x,2\ntwo,y,0.5\nthree,x,1e1\n")
    write("b.csv", "text,label\none,x\n")
    corpus = load_corpus("a.csv", test="b.csv", weight_column="w")
    assert Labelled.from_dataset(corpus["train"]).weights.tolist() == [2, 0.5, 10]
    assert Labelled.from_dataset(corpus["test"]).weights is None
    assert "expected the column 'v' once in a.csv" in refusal("a.csv", weight_column="v")
    for wrong in ("-1", "nan", "inf", "one", ""):
        write("a.csv", f"text,label,w\none,x,2\ntwo,y,{wrong}\n")
        assert "expected a weight from 0 on in the column 'w' of a.csv, found none in row 2" in refusal(
            "a.csv", weight_column="w"
        )
    write("a.csv", "text,label,w\none,x,0\ntwo,y,0\n")
    assert "expected a weight above 0 in the column 'w' of a.csv, found none" in refusal("a.csv", weight_column="w")


@given(st.lists(st.one_of(st.none(), st.text("ab; ", max_size=8)), max_size=6))
def test_splitting_is_that_of_python(values):
    found = split_texts(pa.chunked_array([pa.array(values, pa.string())]), ";").to_pylist()
    assert found == [[part.strip() for part in (value or "").split(";") if part.strip()] for value in values]


@given(st.lists(st.lists(st.integers(0, 11), max_size=4), min_size=1, max_size=20))
def test_sets_are_numbered_as_sets(lists):
    marks = indicator(pa.chunked_array([pa.array(lists, pa.list_(pa.int64()))]), 12)
    assert [set(np.flatnonzero(row).tolist()) for row in marks] == [set(own) for own in lists]
    numbers = sets_of(marks).tolist()
    sets = [frozenset(own) for own in lists]
    assert len(set(zip(numbers, sets, strict=True))) == len(set(numbers)) == len(set(sets))


def test_too_many_labels_for_memory():
    with pytest.raises(DataError, match=r"expected at most 2,147,483,648 pairs of a text and a label"):
        indicator(pa.chunked_array([pa.array([[0], [1]], pa.list_(pa.int64()))]), MOST_CELLS)


RARE = "text,label\n" + "".join(
    f"{label} {i},{label}\n" for label, n in (("x", 5), ("y", 4), ("z", 1)) for i in range(n)
)


def test_labels_of_few_texts_are_left_out_or_merged(caplog):
    write("a.csv", RARE)
    write("b.csv", "text,label\none,z\ntwo,x\n")
    with caplog.at_level(logging.WARNING):
        corpus = load_corpus("a.csv", test="b.csv", least_texts=2)
    assert label_names(corpus) == ["x", "y"]
    assert (len(corpus["train"]), corpus["test"]["text"][:]) == (9, ["two"])
    assert "labels of fewer than 2 training texts, 1 in all: 'z': left out" in caplog.text
    merged = load_corpus("a.csv", test="b.csv", least_texts=5, merge_rare="other")
    assert label_names(merged) == ["other", "x"]
    assert merged["train"]["label"][:] == [1] * 5 + [0] * 5
    assert merged["test"]["label"][:] == [0, 1]
    assert label_names(load_corpus("a.csv", least_texts=1)) == ["x", "y", "z"]
    with pytest.raises(ConfigError, match="^merge_rare: expected a number of texts that a label needs beside it"):
        load_corpus("a.csv", merge_rare="other")
    with pytest.raises(ConfigError, match="options on columns and labels with files only, found the corpus 'sample'"):
        load_corpus("sample", least_texts=3)


def test_rare_labels_among_several():
    write("a.csv", as_csv([("a", "x;y"), ("b", "x;z"), ("c", "x;y"), ("d", "z;y"), ("e", "w")]))
    found = load_corpus("a.csv", label_separator=";", least_texts=3)
    assert label_names(found) == ["x", "y"]
    assert Labelled.from_dataset(found["train"]).labels.astype(int).tolist() == [[1, 1], [1, 0], [1, 1], [0, 1], [0, 0]]
    merged = load_corpus("a.csv", label_separator=";", least_texts=3, merge_rare="rare")
    assert label_names(merged) == ["rare", "x", "y"]
    assert Labelled.from_dataset(merged["train"]).labels[:, 0].astype(int).tolist() == [0, 1, 0, 1, 1]
    write("a.csv", "text,x,y,z\na,1,1,0\nb,1,0,1\nc,1,1,0\n")
    marked = load_corpus("a.csv", label_columns="z,y,x", least_texts=2)
    assert label_names(marked) == ["y", "x"]


def test_an_unlabelled_split_of_the_source_is_left_out(caplog):
    Path("d").mkdir()
    write("d/train.jsonl", "".join(json.dumps({"text": "t", "label": y}) + "\n" for y in LABELS))
    write("d/test.csv", "text,label\none,-1\ntwo,-1\n")
    with caplog.at_level(logging.WARNING):
        assert list(load_corpus("d")) == ["train"]
    assert "test has no labels: not scored" in caplog.text
    write("d/test.jsonl", '{"text": "one", "label": []}\n')
    Path("d/test.csv").unlink()
    assert list(load_corpus("d")) == ["train"]
