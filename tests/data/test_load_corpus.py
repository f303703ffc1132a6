from __future__ import annotations

import gzip
import inspect
import json
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import textcnn
from textcnn.data import corpus_names, load_corpus, load_tables
from textcnn.errors import ConfigError, DataError, quoted

CSV = "text,label,other\ngood film,pos,1\nbad film,neg,2\nfine,pos,3\n"
ROWS = [{"text": "good film", "label": 1}, {"text": "bad film", "label": 0}, {"text": "fine", "label": 1}]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str = CSV) -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return name


def error(*args, **options) -> str:
    with pytest.raises(DataError) as caught:
        load_corpus(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_a_file(name):
    lines = [line.split(",") for line in CSV.splitlines()]
    if ".tsv" in name:
        write(name, CSV.replace(",", "\t"))
    elif ".jsonl" in name:
        write(name, "\n".join(json.dumps(dict(zip(lines[0], row, strict=True))) for row in lines[1:]))
    elif ".parquet" in name:
        columns = zip(*lines[1:], strict=True)
        pq.write_table(pa.table(dict(zip(lines[0], map(pa.array, columns), strict=True))), name)
    else:
        write(name)
    corpus = load_corpus(name)
    assert list(corpus) == ["train"]
    assert corpus["train"].to_list() == ROWS
    assert corpus["train"].features["label"].names == ["neg", "pos"]
    assert corpus["train"].features["text"].dtype == "string"
    assert str(corpus["train"].split) == "train"
    assert load_corpus(Path(name))["train"].to_list() == ROWS


@pytest.mark.parametrize("validation", ["validation.csv", "valid.jsonl", "dev.csv.gz", "val.tsv"])
def test_a_folder(validation):
    write("d/train.csv")
    rows = {".jsonl": '{"text": "la", "label": "pos"}', ".tsv": "text\tlabel\nla\tpos\n"}
    write(f"d/{validation}", rows.get(Path(validation).suffix, "text,label\nla,pos\n"))
    write("d/notes.csv")
    write("d/train.txt")
    write("d/test.CSV", "text,label\nso,neg\n")
    corpus = load_corpus("d")
    assert {split: part.to_list() for split, part in corpus.items()} == {
        "train": ROWS,
        "validation": [{"text": "la", "label": 1}],
        "test": [{"text": "so", "label": 0}],
    }


def test_given_files_take_the_place_of_others():
    write("d/train.csv")
    write("d/test.csv")
    corpus = load_corpus("d", test=write("t.csv", "text,label\nso,neg\n"), validation=Path(write("v.csv")))
    assert {split: part.num_rows for split, part in corpus.items()} == {"train": 3, "validation": 3, "test": 1}
    corpus = load_corpus("sample", test=write("t.tsv", "body\tclass\nso\tnegative\n"))
    assert corpus["test"].to_list() == [{"text": "so", "label": 0}]
    assert corpus["train"].num_rows == 1000


def test_columns_are_those_of_train():
    write("a.csv", "t,l,text,label\nx,1,y,2\nz,0,y,3\n")
    corpus = load_corpus("a.csv", text_column="t", label_column="l", test=write("b.csv", "l,t\n1,q\n"))
    assert corpus["train"]["text"][:] == ["x", "z"]
    assert corpus["test"].to_list() == [{"text": "q", "label": 1}]
    write("c.csv", "words,label\nx,1\n")
    write("d.csv", "text,label\nx,1\nx,0\n")
    assert "the columns ['text', 'label'], but only ['words', 'label'] were found in c.csv" in error(
        "d.csv", validation="c.csv"
    )


@pytest.mark.parametrize("split", ["test", "validation"])
def test_columns_of_other_names_are_found_by_their_usual_names(split):
    write("a.csv", "t,l\nx,1\nz,0\n")
    names = {"text_column": "t", "label_column": "l"}
    for text in ("sentence,class\nq,1\n", "t,label\nq,1\n", "text,l\nq,1\n", "text,other,l\nq,,1\n"):
        corpus = load_corpus("a.csv", **names, **{split: write("b.csv", text)})
        assert corpus[split].to_list() == [{"text": "q", "label": 1}]
        assert load_corpus("a.csv", **names, **{split: "b.csv"}, known_classes=["0", "1"])[split].num_rows == 1
    for text, found in (("a,b\nq,1\n", "['a', 'b']"), ("text,b\nq,1\n", "['text', 'b']")):
        refusal = error("a.csv", **names, **{split: write("b.csv", text)})
        assert f"only {found} were found in b.csv" in refusal
    # the file that the names are given for has them
    assert "['t', 'l']" in error(write("c.csv", "text,label\nq,1\n"), **names)
    assert "['t', 'l']" in error("sample", **names, **{split: "c.csv"})


def test_several_text_columns_are_joined():
    write("a.csv", 'title,body,label\nGood,film,1\n,alone,0\nOnly,,1\n"","",0\n')
    for named in ("title,body", "title, body", ["title", "body"], ("title", "body")):
        corpus = load_corpus("a.csv", text_column=named)
        assert corpus["train"]["text"][:] == ["Good film", "alone", "Only", ""]
    assert load_corpus("a.csv", text_column=["body"], skip_missing=True)["train"]["text"][:] == ["film", "alone", ""]
    # a test file that is joined already, but none that has only some of them
    write("b.csv", "text,label\nGood film,1\n")
    assert load_corpus("a.csv", text_column="title,body", test="b.csv")["test"]["text"][:] == ["Good film"]
    assert "['title', 'body', 'label']" in error(
        "a.csv", text_column="title,body", test=write("c.csv", "body,label\nx,1\n")
    )
    write("d.csv", '"title,body",title,body,label\nboth,a,b,1\nfirst,c,d,0\n')
    assert load_corpus("d.csv", text_column="title,body")["train"]["text"][:] == ["both", "first"]
    assert load_corpus("d.csv", text_column=["title", "title,body"])["train"]["text"][:] == ["a both", "c first"]
    assert "row 2 has none" in error(write("e.csv", "a,b,label\nx,,1\n,,0\n"), text_column="a,b")


@pytest.mark.parametrize("named", [[], [None], ["title", 1.5], "title,title", ["title", "title"]])
def test_text_columns_that_are_none(named):
    write("a.csv", "title,body,label\na,b,1\nc,d,0\n")
    with pytest.raises(ConfigError, match="text column"):
        load_corpus("a.csv", text_column=named)


@pytest.mark.parametrize("named", [{"text_column": "3", "label_column": "1"}, {"text_column": 3, "label_column": 1}])
def test_a_file_without_a_header(named):
    write("a.csv", "pos,1,good film\nneg,2,bad film\n")
    write("b.csv", "neg,3,so\n")
    corpus = load_corpus("a.csv", header=False, test="b.csv", **named)
    assert corpus["train"].to_list() == [{"text": "good film", "label": 1}, {"text": "bad film", "label": 0}]
    assert corpus["test"].to_list() == [{"text": "so", "label": 0}]
    joined = load_corpus("a.csv", header=False, text_column=[2, 3], label_column=1)
    assert joined["train"]["text"][:] == ["1 good film", "2 bad film"]


def test_columns_of_a_file_without_a_header_must_be_named():
    write("a.csv", "pos,good film\nneg,bad film\n")
    by_number = "only ['1', '2'] were found in a.csv; name them with --text-column / --label-column, by number from 1"
    assert by_number in error("a.csv", header=False)
    for text, label in (("0", "1"), ("3", "1"), ("2", "0"), ("text", "1")):
        assert "only ['1', '2'] were found" in error("a.csv", header=False, text_column=text, label_column=label)
    assert "'2' for both" in error("a.csv", header=False, text_column="2", label_column="2")
    assert "give --no-header if the first row is no header" in error("a.csv")
    assert "--no-header" not in error(write("a.jsonl", '{"a": "b"}'))
    assert "the delimiter with --delimiter" in error(
        write("b.csv", "pos;good\nneg;bad\n"), header=False, text_column="2", label_column="1"
    )


def test_only_csv_is_read_without_a_header():
    write("a.jsonl", '{"text": "a", "label": "b"}')
    Path("d").mkdir()
    write("d/pos/a.txt", "a")
    write("h/train.jsonl", '{"text": "a", "label": "b"}')
    for source in ("a.jsonl", "sample", "d", "h"):
        with pytest.raises(ConfigError, match="expected a CSV or TSV to read without a header, found .*--no-header"):
            load_corpus(source, header=False)
    with pytest.raises(ConfigError, match="--no-header"):
        load_corpus("user/name", header=False)
    with pytest.raises(ConfigError, match="--no-header"):
        load_corpus("user/name", header=False, hub=True)


def test_rows_without_text_or_label_are_left_out(caplog):
    write("a.csv", "text,label\ngood,pos\n,pos\nbad,neg\nso,\n,\n,odd\nso,  \n")
    assert "row 2 (and 5, 6) has none; fill or remove it, or leave such rows out with --skip-missing" in error("a.csv")
    corpus = load_corpus("a.csv", skip_missing=True)
    assert corpus["train"].to_list() == [{"text": "good", "label": 1}, {"text": "bad", "label": 0}]
    assert corpus["train"].features["label"].names == ["neg", "pos"]  # no class of a row that is left out
    assert "a.csv: 5 of 7 rows have no text or label: left out" in caplog.text
    found = load_corpus("a.csv", known_classes=["pos", "neg", "odd"], skip_missing=True)
    assert found["train"]["label"][:] == [0, 1]


def test_rows_are_numbered_as_in_the_file():
    write("a.csv", "text,label\ngood,pos\n,pos\nbad,neg\n")
    write("b.csv", "text,label\nfine,pos\n")
    numbered = load_corpus(["a.csv", "b.csv"], test="a.csv", skip_missing=True, row_numbers=True)
    assert (numbered["train"]["row"][:], numbered["test"]["row"][:]) == ([1, 3, 4], [1, 3])
    assert load_corpus("sample", row_numbers=True)["test"]["row"][:] == [*range(1, 201)]


def test_leaving_rows_out_hides_nothing_else(caplog):
    write("train.csv", "text,label\na,x\nb,y\n")
    assert load_corpus("train.csv", skip_missing=True)["train"].num_rows == 2
    assert not caplog.records
    write("b.csv", "text,label\na,x\n,x\nb,z\n")
    assert "'z' in row 3" in error("train.csv", test="b.csv", skip_missing=True)  # the row of the file
    for text in ("text,label\na,\n,x\n", "text,label\na,\nb,\n"):
        assert "rows with a text and a label in b.csv, found none" in error(write("b.csv", text), skip_missing=True)
    write("a.jsonl", '{"text": "a", "label": true}\n{"text": null, "label": false}\n{"text": "c", "label": false}\n{}')
    assert load_corpus("a.jsonl", skip_missing=True)["train"]["text"][:] == ["a", "c"]


def test_encoding():
    Path("a.csv").write_bytes("text,label\ncafé,1\nthé,0\n".encode("latin-1"))
    assert load_corpus("a.csv", encoding="latin-1")["train"]["text"][:] == ["café", "thé"]


def test_integer_classes_sort_as_numbers():
    write("a.csv", "text,label\nx,10\ny,9\n")
    assert load_corpus("a.csv")["train"].features["label"].names == ["9", "10"]


def test_json_labels_from_run_to_run(monkeypatch):
    monkeypatch.setattr("textcnn.data.decoding.BLOCK", 8)
    write("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 2.0}\n')
    assert load_corpus("a.jsonl")["train"].features["label"].names == ["1", "2"]


# Errors


def test_unknown_source():
    write("reviews.csv")
    assert f"a corpus ({', '.join(corpus_names())}), a file, a folder, or user/name on" in error("sampel")
    assert error("sampel").endswith("found 'sampel'; nearest to 'sampel': sample")
    assert error("review.csv").endswith("found 'review.csv'; nearest to 'review.csv': reviews.csv")
    assert error("none/a.csv").endswith(f"found {str(Path('none/a.csv'))!r}, nor a folder none")
    assert error("x" * 5000).endswith(f"found {quoted('x' * 5000)}")


def test_plain_text():
    assert "texts with labels, found a.txt, plain text" in error(write("a.txt"))
    assert "__label__" in error("a.txt")


def test_folder_without_train():
    write("d/test.csv")
    assert "training texts in d, found only test texts" in error("d")
    write("e/notes.csv")
    assert "train.* in the folder e (with .csv, .tsv, .tab, .jsonl, .ndjson, .json, .parquet, .pq" in error("e")
    assert "found notes.csv" in error("e")


def test_folder_with_two_files_for_a_split():
    for name in ("train.csv", "dev.csv", "valid.jsonl"):
        write(f"d/{name}")
    assert "one validation file in d, found dev.csv and valid.jsonl" in error("d")


def test_missing_text_and_label_rows():
    write("a.csv", "text,label\nx,1\n,0\n" + "y,\n" * 2)
    assert "a text in every row of a.csv, but row 2 has none" in error("a.csv")
    write("a.csv", "text,label\nx,1\n" + "y,\n" * 2)
    assert "a label in every row of a.csv, but row 2 (and 3) has none" in error("a.csv")


def test_rows_are_counted_over_batches(monkeypatch):
    monkeypatch.setattr("textcnn.data.decoding.BLOCK", 8)
    write("a.csv", "text,label\n" + "x,1\n" * 50 + ",0\n")
    assert "of a.csv, but row 51 has none" in error("a.csv")


def test_labels_unseen_in_training():
    write("a.csv")
    assert "labels known from train ('neg', 'pos'), but b.csv has 'neutral' in row 2" in error(
        "a.csv", test=write("b.csv", "text,label\nx,pos\ny,neutral\n")
    )


def test_one_class():
    assert "two classes in a.csv, found only '1'" in error(write("a.csv", "text,label\nx,1\ny,1\n"))


def test_missing_test_file():
    write("a.csv")
    assert "no b.csv; nearest to 'b.csv': a.csv" in error("a.csv", test="b.csv")


def test_arrow_and_labelled_text():
    table = pa.table({"text": ["a", "b"], "label": ["x", "y"]})
    with pa.ipc.new_file("a.feather", table.schema) as writer:
        writer.write_table(table)
    corpus = load_corpus("a.feather", test=write("t.txt", "__label__y c\n__label__x d\n"))
    assert corpus["train"].to_list() == [{"text": "a", "label": 0}, {"text": "b", "label": 1}]
    assert corpus["test"].to_list() == [{"text": "c", "label": 1}, {"text": "d", "label": 0}]
    write("d/train.ft", "__label__y c\n__label__x d\n")
    write("d/test.txt", "plain")
    assert list(load_corpus("d")) == ["train"]
    assert "of b.txt, but row 2 (and 3) has none" in error(write("b.txt", "__label__y c\nd\n\n"))


# Several files


def test_several_files():
    write("a.csv")
    write("b.jsonl", '{"body": "x", "class": "pos"}\n{"body": "y", "class": "new"}\n')
    write("d/c1.csv", "text,label\nc,1\n")
    write("d/c2.csv", "text,label\nd,0\n")
    write("d/[x].csv", "text,label\ne,1\nf,0\n")
    for source in ("d/c*.csv", ["d/c1.csv", Path("d/c2.csv")]):
        assert load_corpus(source)["train"].to_list() == [{"text": "c", "label": 1}, {"text": "d", "label": 0}]
    assert load_corpus("d/[x].csv", test="d/c?.csv")["test"].num_rows == 2
    assert "only ['body', 'class'] were found in b.jsonl" in error(["a.csv", "b.jsonl"])
    write("e.csv", "text,label\nx,2\n,3\n")
    assert "of e.csv, but row 2 has none" in error(["a.csv", "e.csv"])
    assert "in d/c1.csv and 1 more, found only '1'" in error(["d/c1.csv", "d/c1.csv"])
    assert "f*.csv has 'new' in row 2" in error("a.csv", test=write("f*.csv", "text,label\nx,pos\ny,new\n"))


def test_no_files():
    assert "found an empty list" in error([])
    assert error("x*.csv").endswith("found 'x*.csv'")
    assert error(["a.csv"]).endswith("no a.csv")
    write("a.csv")
    assert error("a.csv", test="t*.csv").endswith("no t*.csv; nearest to 't*.csv': a.csv")


# Classes


def with_names(name, labels, names):
    feature = {"names": names, "_type": "ClassLabel"}
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": feature}}})}
    table = pa.table({"text": ["x"] * len(labels), "label": labels})
    pq.write_table(table.replace_schema_metadata(metadata), name)
    return name


def test_declared_names_are_kept():
    corpus = load_corpus(with_names("a.parquet", [1, 0, 1], ["pos", "neg", "none"]))
    assert corpus["train"].features["label"].names == ["pos", "neg", "none"]
    assert corpus["train"]["label"][:] == [1, 0, 1]
    # by name, whatever their order
    corpus = load_corpus("a.parquet", test=with_names("b.parquet", [0, 1], ["neg", "pos"]))
    assert corpus["test"]["label"][:] == [1, 0]
    assert load_corpus("a.parquet", test=write("c.csv", "text,label\nx,none\n"))["test"]["label"][:] == [2]
    # where files declare them differently, the labels found count
    assert load_corpus(["a.parquet", "b.parquet"])["train"].features["label"].names == ["neg", "pos"]
    corpus = load_corpus(["a.parquet", write("d.csv", "text,label\nx,new\n")])
    assert corpus["train"].features["label"].names == ["neg", "new", "pos"]


def test_declared_names_that_do_not_fit():
    refusal = error(with_names("a.parquet", [0, 1, 7, 7], ["neg", "pos"]))
    assert "class ids from 0 to 1 in a.parquet" in refusal
    assert "found 7 in row 3 (and 4)" in refusal
    refusal = error(with_names("a.parquet", [0, -1, 1], ["neg", "pos"]))
    assert "a label in every row of a.parquet, but row 2 has none" in refusal
    assert "a.parquet, found only 'neg'" in error(with_names("a.parquet", [0, 0], ["neg", "pos"]))
    for names in ("neg", [1, 2], ["a", "a"], [], ["", "b"], None):
        assert load_corpus(with_names("a.parquet", [0, 1], names))["train"].features["label"].names == ["0", "1"]


def test_known_classes():
    write("a.csv", "text,label\nx,pos\ny,pos\n")
    corpus = load_corpus("a.csv", known_classes=["pos", "neg", "other"])
    assert corpus["train"].features["label"].names == ["pos", "neg", "other"]
    assert corpus["train"]["label"][:] == [0, 0]
    assert "known from training ('neg', 'none'), but a.csv has 'pos' in row 1 (and 2)" in error(
        "a.csv", known_classes=("neg", "none")
    )
    write("d/test.csv", "text,label\nx,pos\n")
    assert list(load_corpus("d", known_classes=["neg", "pos"])) == ["test"]
    with_names("b.parquet", [1, 1], ["neg", "pos"])
    assert load_corpus("b.parquet", known_classes=["pos", "neg"])["train"]["label"][:] == [0, 0]
    write("t.csv", "text,label\nx,x\n")
    corpus = load_corpus("sample", known_classes=["positive", "x", "negative"], test="t.csv")
    assert set(corpus["train"]["label"][:]) == {0, 2}
    assert corpus["test"]["label"][:] == [1]
    assert "known from training ('neg', 'positive'), but sample has 'negative' in row " in error(
        "sample", known_classes=["neg", "positive"]
    )


@pytest.mark.parametrize("known", ["pos", [], ["a", "a"]])
def test_known_classes_that_are_none(known):
    with pytest.raises(ConfigError) as caught:
        load_corpus("sample", known_classes=known)
    assert f"known_classes, found {known!r}" in str(caught.value)


# No network, no torch


def test_local_sources_make_no_network_call(tmp_path):
    write("d/train.csv")
    write("d/test.csv")
    for label in ("a", "b"):
        (tmp_path / "classes" / label).mkdir(parents=True)
        (tmp_path / "classes" / label / "1.txt").touch()
    datasets.Dataset.from_dict({"text": ["x", "y"], "label": [0, 1]}).save_to_disk(tmp_path / "saved")
    code = f"""
import socket, sys
calls = []
def refuse(*args, **options):
    calls.append(args)
    raise OSError("no network here")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import textcnn.data
for source in ("d", "d/train.csv", "d/tr*.csv", "classes", "saved"):
    textcnn.data.load_corpus({str(tmp_path)!r} + "/" + source)
textcnn.data.load_corpus("sample")
print(calls, "torch" in sys.modules)
"""
    root = Path(textcnn.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"


def test_delimiter_of_files():
    write("d/train.csv", CSV.replace(",", "^"))
    write("d/test.csv", CSV.replace(",", "^"))
    for corpus in (load_corpus("d", delimiter="^"), load_corpus("d/train.csv", test="d/test.csv", delimiter="^")):
        assert corpus["train"].to_list() == corpus["test"].to_list() == ROWS


@pytest.mark.parametrize("split", ["test", "validation"])
@pytest.mark.parametrize(
    "rows", ["text\na\nb\n", "text,label\na,-1\nb,-1\n", "text,label\na,\nb,\n", "text,label\na, \nb,-1\n"]
)
def test_a_split_without_labels_is_left_out(caplog, split, rows):
    write("d/train.csv")
    write(f"d/{split}.csv", rows)
    assert list(load_corpus("d")) == ["train"]
    assert f"{split} has no labels: not " in caplog.text


def test_minus_one_of_declared_classes_is_no_label(caplog):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["n", "p"])})
    splits = {"train": [0, 1], "validation": [1, 0], "test": [-1, -1]}
    datasets.DatasetDict(
        {
            split: datasets.Dataset.from_dict({"text": ["a", "b"], "label": labels}, features=features)
            for split, labels in splits.items()
        }
    ).save_to_disk("d")
    assert list(load_corpus("d")) == ["train", "validation"]
    assert "test has no labels: not scored" in caplog.text


def test_splits_that_have_labels_are_never_left_out():
    write("d/train.csv", "text,label\na,-1\nb,1\n")
    write("d/test.csv", "text,label\na,-1\n")
    assert load_corpus("d")["test"]["label"] == [0]
    write("d/test.csv", "text,label\na,-1\nb,\n")
    assert "row 2 has none" in error("d")
    write("d/test.csv", "text,Label\na,1\n")
    assert load_corpus("d")["test"]["label"][:] == [1]
    write("d/test.csv", "words,b\na,1\n")
    assert "['text']" in error("d")
    # asked for by name, or to evaluate on
    write("d/test.csv", "text\na\n")
    assert "['text', 'label']" in error("d", test="d/test.csv")
    assert "['text', 'label']" in error("d", known_classes=["-1", "1"])


def test_the_tables_have_the_arguments_and_the_content_of_the_datasets():
    keywords = [inspect.signature(function).parameters for function in (load_corpus, load_tables)]
    assert keywords[0] == keywords[1]
    path = write("a.csv", "text,label\na film,good\na meal,bad\n")
    loaded, corpus = load_tables(path, row_numbers=True), load_corpus(path, row_numbers=True)
    assert loaded.classes == corpus["train"].features["label"].names == ["bad", "good"]
    assert {name: table.to_pydict() for name, table in loaded.tables.items()} == {"train": corpus["train"].to_dict()}
    np.testing.assert_array_equal(loaded.part("train").labels, [1, 0])
