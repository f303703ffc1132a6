from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import textcnn
from textcnn.data import load_corpus
from textcnn.errors import DataError

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
    write("c.csv", "sentence,label\nx,1\n")
    write("d.csv", "text,label\nx,1\nx,0\n")
    assert error("d.csv", validation="c.csv") == (
        "expected the columns ['text', 'label'], but only ['sentence', 'label'] were found in c.csv; "
        "name them with --text-column / --label-column"
    )


def test_encoding():
    Path("a.csv").write_bytes("text,label\ncafé,1\nthé,0\n".encode("latin-1"))
    assert load_corpus("a.csv", encoding="latin-1")["train"]["text"][:] == ["café", "thé"]


def test_integer_classes_sort_as_numbers():
    write("a.csv", "text,label\nx,10\ny,9\n")
    assert load_corpus("a.csv")["train"].features["label"].names == ["9", "10"]


def test_json_labels_from_run_to_run(monkeypatch):
    monkeypatch.setattr("textcnn.data.blocks.BLOCK", 8)
    write("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 2.0}\n')
    assert load_corpus("a.jsonl")["train"].features["label"].names == ["1", "2"]


# Errors


def test_unknown_source():
    write("reviews.csv")
    expected = "expected a corpus (sample, mr, sst1, sst2, trec, imdb), a file or a folder, found "
    assert error("sampel") == expected + "'sampel'; nearest to 'sampel': sample"
    assert error("review.csv") == expected + "'review.csv'; nearest to 'review.csv': reviews.csv"
    assert error("none/a.csv") == expected + f"{str(Path('none/a.csv'))!r}, nor a folder none"
    assert error("x" * 5000) == expected + repr("x" * 5000)


def test_plain_text():
    assert error(write("a.txt")) == (
        "expected texts with labels, found a.txt, plain text without; give a CSV, TSV, JSON Lines or Parquet file"
    )


def test_folder_without_train():
    write("d/test.csv")
    assert error("d") == (
        "expected train.* in the folder d (with .csv, .tsv, .tab, .jsonl, .ndjson, .json, .parquet, .pq), "
        "found test.csv; name a file instead"
    )


def test_folder_with_two_files_for_a_split():
    for name in ("train.csv", "dev.csv", "valid.jsonl"):
        write(f"d/{name}")
    assert error("d") == "expected one validation file in d, found dev.csv and valid.jsonl"


def test_missing_text_and_label_rows():
    write("a.csv", "text,label\nx,1\n,0\n" + "y,\n" * 2)
    assert error("a.csv") == "expected a text in each row of a.csv, but row 2 has none; fill or remove it"
    write("a.csv", "text,label\nx,1\n" + "y,\n" * 2)
    assert error("a.csv") == "expected a label in each row of a.csv, but row 2 (and 3) has none; fill or remove it"


def test_rows_are_counted_over_batches(monkeypatch):
    monkeypatch.setattr("textcnn.data.blocks.BLOCK", 8)
    write("a.csv", "text,label\n" + "x,1\n" * 50 + ",0\n")
    assert error("a.csv") == "expected a text in each row of a.csv, but row 51 has none; fill or remove it"


def test_labels_unseen_in_training():
    write("a.csv")
    assert error("a.csv", test=write("b.csv", "text,label\nx,pos\ny,neutral\n")) == (
        "expected labels known from train ('neg', 'pos'), but b.csv has 'neutral' in row 2; "
        "mend the label or add examples of it there"
    )


def test_one_class():
    assert error(write("a.csv", "text,label\nx,1\ny,1\n")) == (
        "expected at least two classes in a.csv, found only '1'; add examples of another"
    )


def test_missing_test_file():
    write("a.csv")
    assert error("a.csv", test="b.csv") == "expected a file, but there is no b.csv; nearest to 'b.csv': a.csv"


# No network, no torch


def test_local_sources_make_no_network_call(tmp_path):
    write("d/train.csv")
    write("d/test.csv")
    code = f"""
import socket, sys
calls = []
def refuse(*args, **options):
    calls.append(args)
    raise OSError("no network here")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import textcnn.data
for source in ("sample", {str(tmp_path / "d")!r}, {str(tmp_path / "d" / "train.csv")!r}):
    textcnn.data.load_corpus(source)
print(calls, "torch" in sys.modules)
"""
    root = Path(textcnn.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"
