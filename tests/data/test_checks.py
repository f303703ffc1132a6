from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pytest

from textcnn import TextCNNClassifier, load_corpus
from textcnn.data.checks import doubts
from textcnn.data.labelled import Labelled

NAMES = ["no", "yes"]
NEW = [f"text {i}" for i in range(10)]


def part(texts, labels=None):
    labels = np.arange(len(texts)) % 2 if labels is None else np.array(labels)
    return Labelled(pa.chunked_array([texts], pa.string()), labels)


def test_sound_texts_raise_no_doubts():
    assert doubts({"train": part(NEW), "test": part(["other", "texts"])}, NAMES) == []
    assert doubts({"train": part(NEW)}, [f"class {i}" for i in range(19)]) == []


def test_texts_in_two_splits_are_counted():
    parts = {
        "train": part(NEW),
        "validation": part(["TEXT 0 ", "a", "b"], [0, 0, 1]),
        "test": part(["text 1", "b", "c", "Text 3"], [1, 1, 0, 1]),
    }
    advice = "expect lower scores on new texts; leave them out of one"
    assert doubts(parts, NAMES) == [
        f"1 of 3 validation texts are training texts too: {advice}",
        f"2 of 4 test texts are training texts too: {advice}",
        f"1 of 4 test texts are validation texts too: {advice}",
    ]


def test_repeats_and_contradictions_are_counted():
    parts = {"train": part([*NEW, "text 1", "Text 2", "x" * 50, "x" * 50], [*[0, 1] * 5, 1, 1, 0, 1])}
    assert doubts(parts, NAMES) == [
        "3 of 14 training texts repeat another one, 11 are distinct; equal texts are held out together",
        "2 texts have several labels, such as 'text 2': 'no', 'yes'; keep the right one",
    ]


def test_a_class_of_one_distinct_text():
    parts = {"train": part(["good"] * 3 + ["bad", "dull"], [1, 1, 1, 0, 0])}
    assert doubts(parts, NAMES)[1:] == [
        "classes with one distinct training text: 'yes'; it is held out and learned from too"
    ]
    assert len(doubts(parts | {"validation": part(["new"], [1])}, NAMES)) == 1


def test_classes_that_differ_in_case_or_blanks():
    names = ["5 Stars", "5 stars", "5 stars ", "1 star", "ok", "OK"]
    assert doubts({"train": part(NEW)}, names) == [
        "classes that differ only in case or blanks: '5 Stars' and '5 stars' and '5 stars ', 'ok' and 'OK'; "
        "give each class one spelling"
    ]


def test_an_id_column_taken_for_labels():
    texts, labels = [f"text {i}" for i in range(8000)], np.arange(8000)
    [line] = doubts({"train": part(texts, labels)}, labels, column="id")
    assert line == (
        "8,000 classes for 8,000 training texts: does the column 'id' hold the labels? "
        "if not, name the one that does (--label-column)"
    )
    [line] = doubts({"train": part(texts, labels)}, labels)
    assert line == "8,000 classes for 8,000 training texts: are these labels?"
    assert doubts({"train": part(texts, labels % 77)}, labels[:77], column="intent") == []


@pytest.fixture
def files(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\ngood,yes\nbad,no\nfine,yes\ndull,no\n")
    (tmp_path / "test.csv").write_text("text,label\nGood,yes\nnew,no\n")
    return tmp_path


def test_loading_warns(files, caplog):
    found = "1 of 2 test texts are training texts too"
    for source, options in ((files, {}), (files / "train.csv", {"test": files / "test.csv"})):
        caplog.clear()
        load_corpus(source, **options)
        assert [message[: len(f"{source}: {found}")] for message in caplog.messages] == [f"{source}: {found}"]
    caplog.clear()
    load_corpus(files, known_classes=["yes", "no"])
    load_corpus("sample")
    assert caplog.messages == []


def test_fitting_warns(caplog):
    texts = ["a good film", "good fun", "a bad film", "bad jokes"] * 12
    labels = ["Yes", "yes", "no", "no"] * 12
    classifier = TextCNNClassifier(dimension=4, feature_maps=2, max_epochs=1)
    with caplog.at_level(logging.WARNING, "textcnn"):
        classifier.fit(texts, labels, validation_data=(texts[:4], labels[:4]))
    assert [message.split(":")[0] for message in caplog.messages] == [
        "classes that differ only in case or blanks",
        "4 of 4 validation texts are training texts too",
        "44 of 48 training texts repeat another one, 4 are distinct; equal texts are held out together",
    ]


def test_untrained_vectors_are_told(caplog, tmp_path):
    texts = ["a good film", "good fun", "a bad film", "bad jokes"]
    words = sorted({word for text in texts for word in text.split()})
    (tmp_path / "v.txt").write_text("".join(f"{word} 1 1.0{i} 1\n" for i, word in enumerate(words)))
    TextCNNClassifier(vectors=tmp_path / "v.txt", feature_maps=2, max_epochs=1).fit(texts, ["y", "y", "n", "n"])
    assert "words are almost the same (mean cosine 1.00)" in caplog.text


def test_repeated_texts_do_not_raise_the_validation_score():
    """Labels drawn by chance cannot be told from the texts, however often these are repeated."""
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{i}" for i in rng.integers(0, 500, 6)) for _ in range(200)] * 5
    labels = np.tile(rng.integers(0, 2, 200), 5)
    classifier = TextCNNClassifier(dimension=16, feature_maps=8, max_epochs=8).fit(texts, labels)
    assert classifier.score(texts, labels) > 0.9
    assert classifier.history_.epochs[-1].accuracy < 0.8
