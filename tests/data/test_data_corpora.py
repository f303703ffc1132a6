from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.data import corpus_names, describe, load_corpus
from textcnn.data.corpora import CORPORA
from textcnn.data.trees import parse_tree
from textcnn.errors import ConfigError, DataError

DATA = Path(__file__).parents[2].parent / "shared" / "data"
LABELS = {"sst1": [1092, 2218, 1624, 2322, 1288], "sst2": [3310, 3610], "trec": [86, 1162, 1250, 1223, 835, 896]}


def load(name, **options):
    if not (DATA / CORPORA[name].folder).is_dir():
        pytest.skip(f"the files of {name} are not here")
    return load_corpus(name, data_dir=DATA, **options)


def shape(corpus):
    return {split: part.num_rows for split, part in corpus.items()}


def counts(part):
    return np.bincount(part.with_format("numpy")["label"][:]).tolist()


# The table


def test_names():
    assert corpus_names() == ["sample", "mr", "sst1", "sst2", "trec", "imdb"]
    for name in corpus_names():
        corpus = describe(name)
        assert corpus.name == name
        assert set(corpus.sha256) == set(corpus.files.values())
        assert corpus.title
        assert corpus.origin
        assert corpus.terms
        assert corpus.protocol


def test_unknown_name():
    with pytest.raises(DataError) as caught:
        describe("sst3")
    assert str(caught.value) == (
        "expected a corpus (sample, mr, sst1, sst2, trec, imdb), found 'sst3'; nearest to 'sst3': sst2, sst1"
    )


# The real files


def test_sample():
    corpus = load_corpus("sample")
    assert shape(corpus) == {"train": 1000, "test": 200}
    assert corpus["train"].column_names == ["text", "label", "topic", "kind"]
    assert corpus["train"].features["label"].names == ["negative", "positive"]
    assert counts(corpus["train"]) == [500, 500]
    assert counts(corpus["test"]) == [100, 100]


def test_mr(caplog):
    corpus = load("mr")
    assert shape(corpus) == {"train": 8530, "validation": 1066, "test": 1066}
    assert [counts(part) for part in corpus.values()] == [[4265] * 2, [533] * 2, [533] * 2]
    texts = [text for part in corpus.values() for text in part["text"]]
    assert sum("\x85" in text for text in texts) > 0
    assert not any(text != text.strip(" ") for text in texts)
    # the fixed split is fixed
    digest = hashlib.sha256("\n".join(corpus["test"]["text"]).encode()).hexdigest()
    assert digest[:16] == "96257d3390368031"
    assert not caplog.records


@pytest.mark.parametrize(("name", "phrases"), [("sst1", 159_274), ("sst2", 77_616)])
def test_sst(name, phrases):
    corpus = load(name)
    sentences = load(name, phrases=False)
    assert shape(sentences) == dict(CORPORA[name].counts)
    assert counts(sentences["train"]) == LABELS[name]
    assert shape(corpus) == {**CORPORA[name].counts, "train": phrases}
    assert corpus["train"].column_names == ["text", "label", "sentence"]
    assert corpus["test"].column_names == sentences["train"].column_names == ["text", "label"]
    assert sentences["test"][-1]["text"] == "( U ) nrelentingly stupid ."
    assert sentences["validation"]["text"][:] == corpus["validation"]["text"][:]

    train = corpus["train"].to_dict()
    assert len(set(train["text"])) == phrases  # every copy of a phrase has the same label
    assert set(zip(sentences["train"]["text"], sentences["train"]["label"], strict=True)) <= set(
        zip(train["text"], train["label"], strict=True)
    )
    assert train["sentence"] == sorted(train["sentence"])
    assert not any("-LRB-" in text or "\\" in text for text in train["text"])


def test_trec():
    corpus = load("trec")
    assert shape(corpus) == {"train": 5452, "test": 500}
    assert corpus["train"].features["label"].names == ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]
    assert counts(corpus["train"]) == LABELS["trec"]
    assert corpus["test"][0] == {"text": "How far is it from Denver to Aspen ?", "label": 5}


def test_imdb():
    corpus = load("imdb")
    assert shape(corpus) == {"train": 25_000, "test": 25_000}
    assert counts(corpus["train"]) == counts(corpus["test"]) == [12_500, 12_500]
    assert not any("<br" in text for text in corpus["test"].with_format("arrow")["text"].to_pylist())


def test_imdb_unsupervised():
    corpus = load("imdb", unsupervised=True)
    assert shape(corpus) == {"train": 25_000, "test": 25_000, "unsupervised": 50_000}
    assert set(corpus["unsupervised"].with_format("numpy")["label"][:].tolist()) == {-1}


def test_the_folder_itself_may_be_named():
    if not DATA.is_dir():
        pytest.skip("the corpora's files are not here")
    assert shape(load_corpus("trec", data_dir=DATA / "trec")) == {"train": 5452, "test": 500}


# Errors


def error(*args, kind=DataError, **options) -> str:
    with pytest.raises(kind) as caught:
        load_corpus(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_no_folder_named():
    assert error("trec") == (
        "expected the folder with the files of trec (train_5500.label, TREC_10.label); get them from "
        "Li & Roth 2002, https://cogcomp.seas.upenn.edu/Data/QA/QC/, and name their folder with --data-dir"
    )


def test_files_missing():
    assert error("trec", data_dir="here") == (
        f"expected the files of trec (train_5500.label, TREC_10.label) in here or {Path('here') / 'trec'}, but not all "
        "are there; get them from Li & Roth 2002, https://cogcomp.seas.upenn.edu/Data/QA/QC/"
    )


def test_other_counts_and_checksums(caplog):
    Path("train_5500.label").write_bytes(b"NUM:dist How far ?\n")
    Path("TREC_10.label").write_bytes(b"NUM:dist How far ?\n")
    with caplog.at_level(logging.WARNING):
        assert error("trec", data_dir=".") == (
            "expected 5,452 texts in the train split of trec, found 1; get its files from "
            "Li & Roth 2002, https://cogcomp.seas.upenn.edu/Data/QA/QC/"
        )
    assert caplog.messages == []


def test_other_checksums_alone_are_a_warning(caplog):
    if not DATA.is_dir():
        pytest.skip("the corpora's files are not here")
    for name in ("train_5500.label", "TREC_10.label"):
        Path(name).write_bytes((DATA / "trec" / name).read_bytes().rstrip(b"\n"))
    with caplog.at_level(logging.WARNING):
        assert shape(load_corpus("trec", data_dir=".")) == {"train": 5452, "test": 500}
    assert caplog.messages == [
        f"{name} is not the copy of trec that this was checked with: its SHA-256 differs"
        for name in ("train_5500.label", "TREC_10.label")
    ]


def test_a_line_that_is_no_question():
    Path("train_5500.label").write_bytes(b"NUM:dist How far ?\nHow far ?\n")
    Path("TREC_10.label").write_bytes(b"NUM:dist How far ?\n")
    assert error("trec", data_dir=".") == (
        "expected 'COARSE:fine question' in each line of train_5500.label, found 'How far ?' in line 2"
    )


def test_mr_sides_are_counted():
    Path("rt-polarity.neg").write_bytes(b"bad .\n")
    Path("rt-polarity.pos").write_bytes(b"good .\n")
    assert error("mr", data_dir=".") == (
        "expected 5,331 texts in rt-polarity.neg of mr, found 1; get its files from "
        "Pang & Lee 2005, https://www.cs.cornell.edu/people/pabo/movie-review-data/"
    )


def test_imdb_of_another_form():
    for name in ("train.parquet", "test.parquet"):
        pq.write_table(pa.table({"sentence": ["a"], "label": [0]}), name)
    assert error("imdb", data_dir=".") == (
        "expected the columns ['text', 'label'], but only ['sentence', 'label'] were found in train.parquet; "
        "name them with --text-column / --label-column"
    )


def test_options_that_do_not_go_together():
    assert error("mr", unsupervised=True, kind=ConfigError) == (
        "expected unsupervised texts to be asked of imdb, found 'mr', which has none"
    )
    assert error("sample", text_column="text", kind=ConfigError) == (
        "expected text and label columns to be named for files, found 'sample', a named corpus"
    )


# Trees


def test_tree():
    assert parse_tree(r"(3 (2 -LRB-) (4 (3 and\/or) (2 8\xa0B\*)))".replace("\\xa0", "\xa0")) == [
        ("( and/or 8\xa0B*", 3),
        ("(", 2),
        ("and/or 8\xa0B*", 4),
        ("and/or", 3),
        ("8\xa0B*", 2),
    ]


TREES = st.recursive(
    st.tuples(st.integers(0, 4), st.sampled_from(["a", "b", "c"])),
    lambda trees: st.tuples(st.integers(0, 4), trees, trees),
)


def write(tree) -> str:
    return f"({tree[0]} {' '.join(each if isinstance(each, str) else write(each) for each in tree[1:])})"


def naive(tree) -> list[tuple[str, int]]:
    if isinstance(tree[1], str):
        return [(tree[1], tree[0])]
    below = [naive(each) for each in tree[1:]]
    return [(" ".join(each[0][0] for each in below), tree[0]), *below[0], *below[1]]


@given(TREES)
def test_trees_equal_a_recursive_reading(tree):
    assert parse_tree(write(tree)) == naive(tree)


def test_deep_tree():
    depth = 2000
    assert len(parse_tree("(2 " * depth + "x" + ")" * depth)) == depth


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", "it is empty"),
        ("word", "'word' stands outside the tree"),
        ("(3 (2 a) (2 b)", "1 brackets are not closed"),
        ("(3 (2 a)))", "')' stands outside the tree"),
        ("(3 a) (2 b)", "a second tree begins"),
        ("(5 a)", "node 1 has no label from 0 to 4"),
        ("(3 (a))", "node 2 has no label from 0 to 4"),
        ("(3 (2 ) (2 b))", "node 2 has no words"),
        ("(3", "1 brackets are not closed"),
        ("(", "node 1 has no label from 0 to 4"),
    ],
)
def test_bad_trees(line, found):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_tree(line)
    assert str(caught.value) == found


def test_bad_tree_in_a_file():
    for name in ("train.txt", "dev.txt", "test.txt"):
        Path(name).write_text("(3 a)\n(7 b)\n")
    assert error("sst1", data_dir=".") == (
        "expected a tree such as (3 (2 good) (2 film)) in line 2 of train.txt, but node 1 has no label from 0 to 4"
    )
