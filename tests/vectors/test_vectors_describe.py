"""The description of a word-vector file."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

from textcnn.errors import ConfigError, VectorsError
from textcnn.settings.config import TextConfig
from textcnn.text.tokenizer import Tokenizer
from textcnn.vectors.describe import Coverage, describe_vectors

LINES = b"good 1 0\nfine 0.9 0.1\nbad -1 0\nGreat 0.8 0\ndull -0.9 -0.2\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes(LINES)
    return path


def test_a_file_alone(path):
    found = describe_vectors(path)
    assert (found.path, found.size, found.format) == (path, len(LINES), "GloVe text")
    assert (found.words, found.dimension, found.candidates) == (5, 2, 5)
    assert found.neighbours == {}  # no word is past the most frequent
    assert found.coverage is None


def test_neighbours(path):
    neighbours = describe_vectors(path, near=["good", "dull", "none", "great", "Great"]).neighbours
    assert [word for word, _ in neighbours["good"]] == ["Great", "fine", "dull", "bad"]
    assert neighbours["good"][1][1] == pytest.approx(0.9 / np.hypot(0.9, 0.1), rel=1e-5)
    assert neighbours["dull"][0][0] == "bad"
    assert neighbours["none"] is None
    assert [word for word, _ in neighbours["Great"]] == ["good", "fine", "dull", "bad"]
    assert neighbours["great"][0] == ("good", pytest.approx(1))


def test_neighbours_of_a_few_frequent_words(tmp_path):
    lines = "".join(f"{'w' if i % 2 else 'word'}{chr(97 + i // 26)}{chr(97 + i % 26)} {i} 1\n" for i in range(200))
    (tmp_path / "many.txt").write_text(lines)
    neighbours = describe_vectors(tmp_path / "many.txt").neighbours
    assert list(neighbours) == ["worddw", "worddy", "wordea"]
    assert all(len(near) == 5 for near in neighbours.values())


def test_coverage(path):
    texts = iter([pa.array(["Good film, good!", "great"]), pa.chunked_array([["dull film", ""]])])
    found = describe_vectors(path, texts, tokenizer=Tokenizer(TextConfig()))
    assert found.coverage == Coverage(
        words=6, found=3, tokens=8, tokens_found=4, missing=(("film", 2), ("!", 1), (",", 1))
    )


def test_coverage_of_no_words(path):
    texts = [pa.array([""])]
    found = describe_vectors(path, texts, tokenizer=Tokenizer(TextConfig()))
    assert found.coverage == Coverage(words=0, found=0, tokens=0, tokens_found=0, missing=())


def test_a_damaged_file(path):
    path.write_bytes(LINES[:-5])
    with pytest.raises(VectorsError, match=r"line 5: expected a word and 2 numbers, found 1 number;"):
        describe_vectors(path)


def test_only_undecodable_words(path):
    path.write_bytes(b"\xff\xfe 1 2\n")
    with pytest.raises(VectorsError, match="expected words in UTF-8, found none"):
        describe_vectors(path)


def test_a_word_with_a_zero_vector(path):
    path.write_bytes(LINES + b"zero 0 0\n")
    found = describe_vectors(path, near=["zero", "none", "good"])
    assert found.zero_vectors == {"zero"}
    assert found.neighbours["zero"] == ()
    assert found.neighbours["none"] is None
    assert found.untrained is None


def test_a_word_alone_has_no_neighbours(path):
    path.write_bytes(b"good 1 0\n")
    found = describe_vectors(path, near=["good"])
    assert (found.neighbours, found.zero_vectors, found.untrained) == ({"good": ()}, frozenset(), None)


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_vectors_that_hardly_differ_are_reported(path, spread):
    rows = 1 + spread * np.random.default_rng(0).normal(size=(50, 8))
    path.write_text("".join(f"w{i} {' '.join(map(str, row))}\n" for i, row in enumerate(rows)))
    found = describe_vectors(path).untrained
    assert re.search(r"first 50 words are almost the same \(mean cosine (1\.00|0\.99)\)", found)


def test_vectors_of_zeros_are_reported(path):
    path.write_text("".join(f"w{i} 0 0 0\n" for i in range(9)))
    assert "first 9 words are zero" in describe_vectors(path).untrained


def test_frequent_words_that_hardly_differ_are_reported(path):
    """Of a small corpus only the frequent words were trained at all; the others are as they were drawn."""
    rows = np.random.default_rng(0).normal(size=(1000, 8))
    rows[:120] = 1 + 0.1 * rows[:120]
    path.write_text("".join(f"w{i} {' '.join(map(str, row))}\n" for i, row in enumerate(rows)))
    assert "first 100 words are almost the same" in describe_vectors(path).untrained


@pytest.mark.parametrize("dimension", [8, 300])
def test_random_vectors_are_reported(path, dimension):
    rows = np.random.default_rng(0).uniform(-1, 1, size=(100, dimension))
    path.write_text("".join(f"w{i} {' '.join(map(str, row))}\n" for i, row in enumerate(rows)))
    assert "first 100 words look random" in describe_vectors(path).untrained
    trained = rows * np.geomspace(1, 0.1, dimension)  # some directions matter more
    path.write_text("".join(f"w{i} {' '.join(map(str, row))}\n" for i, row in enumerate(trained)))
    assert describe_vectors(path).untrained is None


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_vectors_that_differ_are_not_reported(path, shift):
    rows = shift + np.random.default_rng(0).normal(size=(50, 8))
    path.write_text("".join(f"w{i} {' '.join(map(str, row))}\n" for i, row in enumerate(rows)))
    assert describe_vectors(path).untrained is None


def test_the_first_words_alone(path):
    found = describe_vectors(path, [pa.array(["good dull"])], tokenizer=Tokenizer(TextConfig()), max_words=3)
    assert (found.words, found.candidates) == (3, 3)
    assert (found.coverage.found, found.coverage.missing) == (1, (("dull", 1),))
    with pytest.raises(ConfigError, match="max_words"):
        describe_vectors(path, max_words=0)
