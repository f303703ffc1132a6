"""Word vectors trained on texts: the words of the tokenizer, and a whole file or none."""

from __future__ import annotations

import gzip
import os
import re

import numpy as np
import pyarrow as pa
import pytest

import textcnn
from textcnn.errors import ConfigError, DataError, VectorsError
from textcnn.settings.config import TextConfig
from textcnn.text.tokenizer import Tokenizer
from textcnn.vectors import load_vectors
from textcnn.vectors import word2vec as train
from textcnn.vectors._reading import first_words
from textcnn.vectors.word2vec import train_vectors

models = pytest.importorskip("gensim.models")

TEXTS = ["A good film, a GOOD one!", "", "Don't see it: it isn't good.", "naïve café 日本"] * 6
TINY = {"dimension": 4, "epochs": 2, "min_count": 1, "workers": 1}


@pytest.fixture
def output(tmp_path):
    return tmp_path / "vectors.bin"


def names(output):
    return [path.name for path in output.parent.iterdir()]


def test_writes_the_words_of_the_tokenizer_the_most_frequent_first(output):
    trained = train_vectors(TEXTS, output, **TINY)
    words = first_words(output, 100)
    tokens = [token.text for text in TEXTS for token in Tokenizer(TextConfig()).spans(text)]
    assert words == sorted(set(tokens), key=lambda word: (-tokens.count(word), word))
    assert (trained.path, trained.size, trained.dimension) == (output, output.stat().st_size, 4)
    assert (trained.words, trained.distinct, trained.texts) == (len(words), len(words), 24)
    assert (trained.tokens, trained.workers) == (len(tokens), 1)
    assert trained.seconds > 0
    read_by_gensim = models.KeyedVectors.load_word2vec_format(str(output), binary=True)
    assert read_by_gensim.index_to_key == words
    assert np.array_equal(read_by_gensim.vectors, load_vectors(output, words).matrix)
    assert names(output) == ["vectors.bin"]


def test_it_is_a_public_name():
    assert textcnn.train_vectors is train_vectors


def test_the_tokenizer_s_settings(output):
    train_vectors(TEXTS, output, tokenizer="whitespace", lowercase=False, **TINY)
    assert {"GOOD", "good", "film,", "it:"} < set(first_words(output, 100))


def test_the_same_seed_gives_the_same_bits_with_one_worker(output):
    def bits(**options):
        train_vectors(TEXTS, output, overwrite=True, **(TINY | options))
        return output.read_bytes()

    first = bits(seed=1)
    assert bits(seed=1) == first
    assert len({first, bits(seed=2), bits(seed=1, window=1), bits(seed=1, architecture="skip-gram")}) == 4


def test_texts_in_any_container_give_the_same(output):
    def bits(texts):
        train_vectors(texts, output, overwrite=True, **TINY)
        return output.read_bytes()

    column = pa.array(TEXTS)
    first = bits(TEXTS)
    assert bits(tuple(TEXTS)) == first
    assert bits(column) == first
    assert bits(iter([column[:10], pa.chunked_array([column[10:15], column[15:]])])) == first


def test_rare_words_get_no_vector(output):
    trained = train_vectors(TEXTS, output, **(TINY | {"min_count": 12}))
    assert first_words(output, 100) == ["good", "a", "it"]
    assert (trained.words, trained.distinct) == (3, 16)


def test_a_word_too_long_for_the_file_is_left_out(output):
    train_vectors(["x" * 4096 + " good", "y" * 4095], output, **TINY)
    assert first_words(output, 9) == ["good", "y" * 4095]
    assert load_vectors(output, ["good"]).words_in_file == 2


def test_a_gzipped_file(tmp_path):
    train_vectors(TEXTS, tmp_path / "vectors.bin.gz", **TINY)
    train_vectors(TEXTS, tmp_path / "vectors.bin", **TINY)
    assert gzip.decompress((tmp_path / "vectors.bin.gz").read_bytes()) == (tmp_path / "vectors.bin").read_bytes()


def test_related_words_are_near(output):
    generator = np.random.default_rng(0)
    groups = [["red", "green", "blue", "black"], ["one", "two", "three", "four"]]
    texts = [" ".join(generator.choice(groups[i % 2], 8)) for i in range(600)]
    train_vectors(texts, output, dimension=8, epochs=20, workers=1)
    matrix = load_vectors(output, [*groups[0], *groups[1]]).matrix
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    cosines = matrix @ matrix.T
    assert cosines[:4, :4].mean() > cosines[:4, 4:].mean() + 0.2


def test_long_texts_are_split_and_empty_ones_left_out():
    column = pa.chunked_array([["", "a b", "x " * 25_000, "", "c"]])
    lines = [line for tokens in Tokenizer(TextConfig()).columns(column) for line in train._lines(tokens)]
    assert [line.count(" ") + 1 for line in lines] == [2, 10_000, 10_000, 5_000, 1]
    assert lines[0] == "a b"
    assert lines[-1] == "c"


def test_progress(output):
    reports = []
    train_vectors(TEXTS, output, progress=lambda step, share: reports.append((step, share)), **TINY)
    assert reports == [
        ("reading texts", 0.0),
        ("epoch 1 of 2", 0.0),
        ("epoch 1 of 2", 0.5),
        ("epoch 2 of 2", 0.5),
        ("epoch 2 of 2", 1.0),
    ]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_of_the_progress_ends_it(output, error):
    def fail(step, share):
        if step == "epoch 1 of 2":
            raise error("enough")

    with pytest.raises(error, match="enough"):
        train_vectors(TEXTS, output, progress=fail, **TINY)
    assert names(output) == []


def test_an_interruption_leaves_nothing_or_what_was_there(output, monkeypatch):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(models.Word2Vec, "train", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_vectors(TEXTS, output, **TINY)
    assert names(output) == []
    output.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        train_vectors(TEXTS, output, overwrite=True, **TINY)
    assert (names(output), output.read_bytes()) == (["vectors.bin"], b"old")


def message(kind, texts, output, **options):
    with pytest.raises(kind) as caught:
        train_vectors(texts, output, **(TINY | options))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(output), "FILE").replace(str(output.parent), "FOLDER")


def test_a_full_disk(output, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    output.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    found = message(VectorsError, TEXTS, output, overwrite=True)
    assert found.startswith("FILE: could not write it: No space left on device;")
    assert (names(output), output.read_bytes()) == (["vectors.bin"], b"old")


def test_a_target_that_cannot_be_written(output, monkeypatch):
    output.write_bytes(b"old")
    assert re.match(r"FILE: .*exists.*--overwrite", message(VectorsError, TEXTS, output))
    assert re.match(r"FILE: .*found a folder", message(VectorsError, TEXTS, output.parent))
    assert re.match(r"FILE: .*folder FOLDER to exist", message(VectorsError, TEXTS, output.parent / "none" / "x.bin"))

    def refuse(_path, _mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(output), "open", refuse)
    found = message(VectorsError, iter(()), output.with_name("new.bin"))
    assert found.startswith("FILE: could not write it: Permission denied;")


def test_too_few_words(output):
    found = message(VectorsError, TEXTS, output, min_count=20)
    assert "occur 20 times or more" in found
    assert "found none among 16 words" in found
    assert "--min-count" in found
    for texts in ([], ["", " "], iter(())):
        found = message(VectorsError, texts, output)
        assert "occur once or more" in found
        assert "found none among 0 words" in found
    assert names(output) == []


def test_texts_that_are_no_strings(output):
    assert message(DataError, "a good film", output).startswith("texts: expected a list of strings, found a single")
    assert "a missing value at row 1" in message(DataError, ["good", None], output)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("dimension", 0, "a whole number from 1 to 10,000, found 0"),
        ("dimension", 10_001, "a whole number from 1 to 10,000, found 10001"),
        ("epochs", 0, "a whole number from 1 to 1,000,000, found 0"),
        ("window", -1, "a whole number from 1 to 1,000, found -1"),
        ("min_count", 0, "a whole number from 1 to 1,000,000,000,000, found 0"),
        ("seed", -1, "a whole number from 0 to 4,294,967,295, found -1"),
        ("workers", 0, "a whole number from 1 to 1,000, found 0"),
        ("workers", 1.5, "a whole number from 1 to 1,000, found 1.5"),
        ("dimension", True, "a whole number from 1 to 10,000, found True"),
        ("architecture", "glove", "cbow or skip-gram, found 'glove'"),
        ("tokenizer", "characters", "one that makes words, found 'characters'; use another"),
        ("tokenizer", "words", "one of unicode, kim, kim-sst, whitespace, characters, found 'words'"),
    ],
)
def test_settings_out_of_range(output, name, value, expected):
    assert message(ConfigError, TEXTS, output, **{name: value}) == f"{name}: expected {expected}"
    assert names(output) == []


def test_too_little_training_is_told(tmp_path, caplog):
    texts = [" ".join(f"w{i}" for i in row) for row in np.random.default_rng(0).integers(0, 150, (300, 20))]
    train_vectors(texts, tmp_path / "v.bin", dimension=8, epochs=1, min_count=1, workers=1)
    assert re.search("v.bin: the vectors of the first 100 words (are almost the same|look random).*; give", caplog.text)
