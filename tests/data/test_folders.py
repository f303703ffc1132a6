"""Folders: of texts for each class, and what `datasets` saved."""

from __future__ import annotations

import gzip
import json
import logging
import os
from pathlib import Path

import datasets
import pytest

from textcnn.data import load_corpus
from textcnn.errors import DataError


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name: str, data: bytes = b"x\n") -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def error(source, **options) -> str:
    with pytest.raises(DataError) as caught:
        load_corpus(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# A folder for each class


def test_class_folders():
    write("d/pos/2.txt", "\ufeffa fine\nfilm é\r\n".encode())
    write("d/pos/1.txt", b"good")
    write("d/neg/10", b"")  # an empty text is a text
    write("d/neg/.hidden", b"\xff")
    write("d/neg/readme.md", b"\xff")
    write("d/.git/config.txt")
    write("d/urls.txt")
    (Path("d") / "empty").mkdir()
    corpus = load_corpus("d")
    assert list(corpus) == ["train"]
    assert corpus["train"].features["label"].names == ["neg", "pos"]
    assert corpus["train"].to_list() == [
        {"text": "", "label": 0},
        {"text": "good", "label": 1},
        {"text": "a fine\nfilm é", "label": 1},
    ]


def test_class_folders_below_the_splits(caplog):
    """As the large movie reviews are given out."""
    for split in ("train", "test"):
        for label in ("neg", "pos"):
            write(f"d/{split}/{label}/0_1.txt", f"{split} {label}".encode())
        write(f"d/{split}/labeledBow.feat")
        write(f"d/{split}/urls_neg.txt")
    write("d/train/unsup/0_0.txt")
    write("d/imdb.vocab")
    with caplog.at_level(logging.INFO):
        corpus = load_corpus("d")
    assert {split: part.to_list() for split, part in corpus.items()} == {
        split: [{"text": f"{split} neg", "label": 0}, {"text": f"{split} pos", "label": 1}]
        for split in ("train", "test")
    }
    (message,) = caplog.messages
    assert message.startswith(f"{Path('d/train/unsup')} is skipped")


def test_class_folders_in_batches(monkeypatch):
    monkeypatch.setattr("textcnn.data._folders._BATCH_TEXTS", 2)
    for number in range(5):
        write(f"d/a/{number}.txt", str(number).encode())
        write(f"d/b/{number}.txt", str(number).encode())
    assert load_corpus("d")["train"]["text"][:] == ["0", "1", "2", "3", "4"] * 2


def test_class_folder_encoding():
    write("d/a/1.txt", "é".encode("latin-1"))
    write("d/b/1.txt")
    assert load_corpus("d", encoding="latin-1")["train"]["text"][:] == ["é", "x"]
    assert f"{Path('d/a/1.txt')} has the byte 0xe9 at offset 0 (line 1)" in error("d")


def test_class_folders_that_are_wrong(monkeypatch):
    write("d/pos/1.txt")
    assert f"two classes in {Path('d/pos')}, found only 'pos'" in error("d")
    write("e/train/a/1.txt")
    write("e/train/b/1.txt")
    write("e/dev/c/1.txt")
    assert f"labels known from train ('a', 'b'), but {Path('e/dev/c')} has 'c' in row 1" in error("e")
    write("e/val/a/1.txt")
    assert "one folder for validation in e, found val and another" in error("e")
    monkeypatch.setattr("textcnn.data._folders.LONGEST_ROW", 1 << 20)
    write("d/neg/1.txt", b"x" * (2 << 20))
    assert f"at most 1 MiB, but {Path('d/neg/1.txt')} is longer" in error("d")


@pytest.mark.skipif(os.name != "posix", reason="names of any bytes")
def test_class_folder_of_an_odd_name():
    write("d/a/1.txt")
    odd = os.fsdecode(b"d/\xff")
    try:
        write(f"{odd}/1.txt")
    except OSError:
        pytest.skip("the file system refuses such names")
    assert load_corpus("d")["train"].features["label"].names == ["a", "\ufffd"]


# What `datasets` saved


def saved(names=("neg", "pos"), labels=(1, 0, 1)) -> datasets.Dataset:
    label = datasets.ClassLabel(names=list(names)) if names else datasets.Value("int64")
    features = datasets.Features({"id": datasets.Value("int64"), "sentence": datasets.Value("string"), "label": label})
    rows = {"id": list(range(len(labels))), "sentence": [f"text {i}" for i in labels], "label": list(labels)}
    return datasets.Dataset.from_dict(rows, features=features)


def test_saved_dataset(tmp_path):
    saved(("pos", "neg")).save_to_disk("d", num_shards=2)
    corpus = load_corpus("d")
    assert list(corpus) == ["train"]
    assert corpus["train"].features["label"].names == ["pos", "neg"]
    assert corpus["train"].to_list() == [{"text": f"text {i}", "label": i} for i in (1, 0, 1)]


def test_saved_dataset_with_chosen_rows():
    saved().select([2, 1]).save_to_disk("d")
    assert load_corpus("d")["train"]["label"][:] == [1, 0]


def test_saved_dataset_dict():
    splits = {"train": saved(), "dev": saved(("pos", "neg")), "test": saved(None), "extra": saved()}
    datasets.DatasetDict(splits).save_to_disk("d")
    corpus = load_corpus("d", known_classes=["neg", "pos", "0", "1"])
    assert {split: part["label"][:] for split, part in corpus.items()} == {
        "train": [1, 0, 1],
        "validation": [0, 1, 0],
        "test": [3, 2, 3],
    }


def test_saved_with_embedded_table_of_large_strings():
    features = datasets.Features({"text": datasets.Value("large_string"), "label": datasets.Value("string")})
    datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]}, features=features).save_to_disk("d")
    assert load_corpus("d")["train"].to_list() == [{"text": "a", "label": 0}, {"text": "b", "label": 1}]


def test_saved_without_a_split_that_is_known():
    datasets.DatasetDict({"a": saved(), "b": saved()}).save_to_disk("d")
    assert "a split train in d, found a, b" in error("d")


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"[]",
        b"{}",
        b'{"_data_files": []}',
        b'{"_data_files": [{"filename": 1}]}',
        b'{"_data_files": [{"filename": ".."}]}',
        b'{"_data_files": [{"filename": "../d/x.arrow"}]}',
        b'{"_data_files": "x"}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_saved_state_that_is_broken(state):
    write("d/state.json", state)
    assert f"saved by datasets, but {Path('d/state.json')} is missing or invalid" in error("d")


def test_saved_files_that_are_missing():
    datasets.DatasetDict({"train": saved(), "test": saved()}).save_to_disk("d")
    (arrow,) = Path("d/train").glob("*.arrow")
    arrow.unlink()
    assert error("d").endswith(f"no {arrow}")
    Path("d/test/state.json").unlink()
    assert f"{Path('d/test/state.json')} is missing or invalid" in error("d")
    write("d/dataset_dict.json", json.dumps({"splits": ["../d"]}).encode())
    assert f"{Path('d/dataset_dict.json')} is missing or invalid" in error("d")


# Files of a folder


def test_labelled_text_among_a_folders_files():
    write("d/train.txt.gz", gzip.compress(b"__label__a x\n__label__b y\n"))
    write("d/test.txt", b"plain\n")
    assert {split: part.num_rows for split, part in load_corpus("d").items()} == {"train": 2}
