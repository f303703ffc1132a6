from __future__ import annotations

import dataclasses
import hashlib
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textcnn.data import corpus_names, describe, load_corpus
from textcnn.data._named_corpora import CORPORA
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
    assert corpus_names() == ["sample", "mr", "sst1", "sst2", "trec", "imdb", "subj", "cr", "mpqa", "ag_news"]
    for name in corpus_names():
        corpus = describe(name)
        assert corpus.name == name
        assert set(corpus.sha256) in (set(corpus.files.values()), set())
        assert (corpus.hub is None) == (name == "sample")
        assert corpus.title
        assert corpus.origin
        assert corpus.terms
        assert corpus.protocol


def test_unknown_name():
    with pytest.raises(DataError) as caught:
        describe("sst3")
    assert "(sample, mr, sst1, sst2, trec, imdb, subj, cr, mpqa, ag_news), found 'sst3'" in str(caught.value)
    assert str(caught.value).endswith("; nearest to 'sst3': sst2, sst1")


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
    refusal = error("trec")
    assert "the files of trec (train_5500.label, TREC_10.label)" in refusal
    assert "Li & Roth 2002, https://cogcomp.seas.upenn.edu/Data/QA/QC/ " in refusal
    assert "--data-dir" in refusal
    assert "--hub" in refusal


def test_files_missing():
    refusal = error("trec", data_dir="here")
    assert f"files of trec (train_5500.label, TREC_10.label) in here or {Path('here') / 'trec'}" in refusal
    assert refusal.endswith("get them from Li & Roth 2002, https://cogcomp.seas.upenn.edu/Data/QA/QC/")


def test_other_counts_and_checksums(caplog):
    Path("train_5500.label").write_bytes(b"NUM:dist How far ?\n")
    Path("TREC_10.label").write_bytes(b"NUM:dist How far ?\n")
    with caplog.at_level(logging.WARNING):
        assert "expected 5,452 texts in the train split of trec, found 1" in error("trec", data_dir=".")
    assert caplog.messages == []


def test_other_checksums_alone_are_a_warning(caplog):
    if not DATA.is_dir():
        pytest.skip("the corpora's files are not here")
    for name in ("train_5500.label", "TREC_10.label"):
        Path(name).write_bytes((DATA / "trec" / name).read_bytes().rstrip(b"\n"))
    with caplog.at_level(logging.WARNING):
        assert shape(load_corpus("trec", data_dir=".")) == {"train": 5452, "test": 500}
    differing = [message for message in caplog.messages if "SHA-256" in message]
    assert [message.partition(" ")[0] for message in differing] == ["train_5500.label", "TREC_10.label"]
    assert all("trec" in message for message in differing)


def test_a_line_that_is_no_question():
    Path("train_5500.label").write_bytes(b"NUM:dist How far ?\nHow far ?\n")
    Path("TREC_10.label").write_bytes(b"NUM:dist How far ?\n")
    assert "of train_5500.label, found 'How far ?' in line 2" in error("trec", data_dir=".")


def test_mr_sides_are_counted():
    Path("rt-polarity.neg").write_bytes(b"bad .\n")
    Path("rt-polarity.pos").write_bytes(b"good .\n")
    assert "10,662 texts in rt-polarity.neg and rt-polarity.pos of mr, found 2" in error("mr", data_dir=".")


def test_imdb_of_another_form():
    for name in ("train.parquet", "test.parquet"):
        pq.write_table(pa.table({"sentence": ["a"], "label": [0]}), name)
    assert "only ['sentence', 'label'] were found in train.parquet" in error("imdb", data_dir=".")


def test_options_that_do_not_go_together():
    refusal = error("mr", unsupervised=True, kind=ConfigError)
    assert "imdb" in refusal
    assert "found 'mr'" in refusal
    assert "found the corpus 'sample'" in error("sample", text_column="text", kind=ConfigError)


def test_bad_tree_in_a_file():
    for name in ("train.txt", "dev.txt", "test.txt"):
        Path(name).write_text("(3 a)\n(7 b)\n")
    assert "line 2 of train.txt, but node 1 has no label from 0 to 4" in error("sst1", data_dir=".")


# Files that are not at hand: small ones of their form


def sides(name: str, count: int, **options):
    """Write a file a class, with as many lines each, and read them."""
    for label, file in CORPORA[name].files.items():
        lines = (f"{label} \xe9 {number} \n" for number in range(count))
        Path(file).write_bytes("".join(lines).encode("latin-1"))
    return load_corpus(name, data_dir=".", **options)


@pytest.mark.parametrize("name", ["subj", "cr", "mpqa"])
def test_a_file_for_each_class(monkeypatch, name, caplog):
    expected = {"train": 80, "validation": 10, "test": 10}
    monkeypatch.setitem(CORPORA, name, dataclasses.replace(CORPORA[name], counts=expected))
    corpus = sides(name, 50)
    assert shape(corpus) == expected
    assert corpus["train"].features["label"].names == list(CORPORA[name].classes)
    texts = [(text, label) for part in corpus.values() for text, label in zip(part["text"], part["label"], strict=True)]
    classes = enumerate(CORPORA[name].classes)
    assert sorted(texts) == sorted((f"{name} é {number}", label) for label, name in classes for number in range(50))
    assert [counts(part) for part in corpus.values()] == [[40, 40], [5, 5], [5, 5]]
    assert {split: part["text"][:] for split, part in load_corpus(name, data_dir=".").items()} == {
        split: part["text"][:] for split, part in corpus.items()
    }
    assert not caplog.records


def test_the_counts_of_the_papers():
    assert sum(CORPORA["subj"].counts.values()) == 10_000
    assert sum(CORPORA["cr"].counts.values()) == 3775
    assert sum(CORPORA["mpqa"].counts.values()) == 10_606
    for name in ("subj", "cr", "mpqa"):
        total = sum(CORPORA[name].counts.values())
        assert list(CORPORA[name].counts.values())[1:] == [-(-total // 10), -(-(total - 1) // 10)]
        assert CORPORA[name].folds == 10


def test_copies_that_differ_a_little_or_much(monkeypatch, caplog):
    counts = {"train": 808, "validation": 101, "test": 101}
    monkeypatch.setitem(CORPORA, "cr", dataclasses.replace(CORPORA["cr"], counts=counts))
    with caplog.at_level(logging.WARNING):
        assert shape(sides("cr", 500)) == {"train": 800, "validation": 100, "test": 100}
    (warning,) = caplog.messages
    assert "1010 texts in custrev.neg and custrev.pos of cr, as in the papers, found 1000" in warning
    with pytest.raises(DataError, match="1,010 texts in custrev.neg and custrev.pos of cr, found 998"):
        sides("cr", 499)


def test_ag_news(monkeypatch):
    row = '"{}","A ""title"", here","Some description\\with marks"\n'
    Path("train.csv").write_text("".join(row.format(number) for number in (3, 4, 1, 2)))
    Path("test.csv").write_text('"4","x",""\n"1",,"y"\n')
    news = dataclasses.replace(CORPORA["ag_news"], counts={"train": 4, "test": 2})
    monkeypatch.setitem(CORPORA, "ag_news", news)
    corpus = load_corpus("ag_news", data_dir=".")
    assert corpus["train"].features["label"].names == ["World", "Sports", "Business", "Sci/Tech"]
    assert corpus["train"]["label"][:] == [2, 3, 0, 1]
    assert corpus["train"]["text"][0] == 'A "title", here Some description\\with marks'
    assert corpus["test"].to_list() == [{"text": "x ", "label": 3}, {"text": " y", "label": 0}]

    Path("test.csv").write_text('"4","x","y"\n"5","x","y"\n')
    assert "from its description ('1', '2', '3', '4'), but test.csv has '5' in row 2" in error("ag_news", data_dir=".")
    Path("test.csv").write_text('"4","x","y"\n"4","x"\n')
    refusal = error("ag_news", data_dir=".")
    assert "3 columns in every row of test.csv" in refusal
    assert "line 2 has 2" in refusal
    Path("test.csv").write_text('"4","x","y"\n')
    assert "2 texts in the test split of ag_news, found 1" in error("ag_news", data_dir=".")
