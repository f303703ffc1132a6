"""gensim's `KeyedVectors`: read from memory, and from a pickle only if it is trusted."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest

from textcnn.errors import VectorsError
from textcnn.vectors import load_vectors
from textcnn.vectors._reading import first_words

models = pytest.importorskip("gensim.models")

WORDS = ["the", "café", "Paris", "日本", "it's", "x" * 300, "👍"]
MATRIX = np.random.default_rng(1).normal(size=(7, 24)).astype(np.float32)
TRUST = {"trust_pickle": True}


def keyed(words=WORDS, matrix=MATRIX):
    vectors = models.KeyedVectors(matrix.shape[1], dtype=matrix.dtype)
    vectors.add_vectors(words, matrix)
    return vectors


def message(source, words=("the",), **options):
    with pytest.raises(VectorsError) as caught:
        load_vectors(source, words, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check(source, **options):
    reports: list[float] = []
    vectors = load_vectors(source, [*WORDS, "missing", "PARIS"], progress=reports.append, **options)
    assert vectors.found.tolist() == [True] * 7 + [False, True]
    assert np.array_equal(vectors.matrix[:7], MATRIX)
    assert np.array_equal(vectors.matrix[8], MATRIX[2])
    assert (vectors.format, vectors.words_in_file, vectors.dimension) == ("gensim KeyedVectors", 7, 24)
    assert reports[-1] == 1
    assert first_words(source, 3, **options) == WORDS[:3]
    limited = load_vectors(source, WORDS, max_words=2, **options)
    assert limited.found.tolist() == [True] * 2 + [False] * 5
    assert limited.words_in_file == 2


def test_reads_vectors_in_memory():
    check(keyed())
    check(types.SimpleNamespace(index_to_key=WORDS, vectors=MATRIX))


@pytest.mark.parametrize("options", [{}, {"sep_limit": 1}])
@pytest.mark.parametrize("name", ["vectors.kv", "vectors.kv.gz", "vectors"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_reads_a_trusted_file(tmp_path, name, options, protocol):
    keyed().save(str(tmp_path / name), pickle_protocol=protocol, **options)
    check(tmp_path / name, **TRUST)


def test_reads_the_vectors_of_a_model(tmp_path):
    model = models.Word2Vec([["good", "bad", "dull"]] * 9, vector_size=5, min_count=1, workers=1)
    model.save(str(tmp_path / "whole.model"))
    model.wv.save(str(tmp_path / "vectors.kv"))
    expected = model.wv[["dull", "bad"]]
    for source in (model.wv, tmp_path / "whole.model", tmp_path / "vectors.kv"):
        assert np.array_equal(load_vectors(source, ["dull", "bad"], **TRUST).matrix, expected)


@pytest.mark.parametrize("name", ["x.kv", "x.kv.gz", "x.model"])
def test_the_conversion_that_the_refusal_names_works(tmp_path, name):
    model = models.Word2Vec([["the", "bad", "dull"]] * 9, vector_size=5, min_count=1, workers=1)
    (model if name == "x.model" else model.wv).save(str(tmp_path / name))
    refusal = message(tmp_path / name)
    for part in (f"{tmp_path / name}: ", "pickle", "run code", "--trust-pickle", "trust_pickle=True"):
        assert part in refusal
    line = refusal.rpartition(": ")[2]
    assert line.startswith(f"KeyedVectors.load({str(tmp_path / name)!r})")
    subprocess.run([sys.executable, "-c", f"from gensim.models import KeyedVectors; {line}"], check=True)
    assert np.array_equal(load_vectors(tmp_path / "x.bin", ["the", "bad"]).matrix, model.wv[["the", "bad"]])


class Marked:
    """Writes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_is_run_unless_trusted(tmp_path, protocol):
    path = tmp_path / "evil.kv"
    path.write_bytes(pickle.dumps(Marked(tmp_path / "marker"), protocol=protocol))
    for read in (lambda: load_vectors(path, ["the"]), lambda: first_words(path, 9)):
        with pytest.raises(VectorsError, match="run code"):
            read()
        assert not (tmp_path / "marker").exists()
    assert "NoneType" in message(path, **TRUST)
    assert (tmp_path / "marker").exists()  # the file is as harmful as it looks


@pytest.mark.parametrize("value", [{"good": [1.0]}, ["good"], 3])
def test_a_pickle_of_something_else(tmp_path, value):
    (tmp_path / "other.kv").write_bytes(pickle.dumps(value))
    found = message(tmp_path / "other.kv", **TRUST)
    assert found.startswith(f"{tmp_path / 'other.kv'}: expected")
    assert "KeyedVectors" in found


@pytest.mark.parametrize("cut", [1, 30, 400])
def test_a_truncated_pickle(tmp_path, cut):
    path = tmp_path / "x.kv"
    keyed().save(str(path))
    path.write_bytes(path.read_bytes()[:-cut])
    assert message(path, **TRUST).startswith(f"{path}: expected a pickle of gensim KeyedVectors, found one that gensim")


def test_a_missing_array(tmp_path):
    path = tmp_path / "x.kv"
    keyed().save(str(path), sep_limit=1)
    path.with_name("x.kv.vectors.npy").unlink()
    assert "x.kv.vectors.npy" in message(path, **TRUST)


def test_empty_reserved_rows_are_no_words():
    vectors = models.KeyedVectors(2, count=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectors.add_vector("the", np.ones(2, dtype=np.float32))
    found = load_vectors(vectors, ["the"])
    assert (found.words_in_file, found.matrix.tolist()) == (1, [[1, 1]])


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_reads_any_floating_point(kind, order):
    matrix = np.asarray(np.arange(12).reshape(3, 4), dtype=kind, order=order)
    found = load_vectors(types.SimpleNamespace(index_to_key=["a", "b", "c"], vectors=matrix), ["c", "a"])
    assert found.matrix.dtype == np.float32
    assert found.matrix.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("words", "matrix", "parts"),
    [
        (["the", 3], MATRIX[:2], ["strings as the keys", "found 3"]),
        (["the"], MATRIX[:2], ["one vector for each word", "1 words", "2 x 24 vectors"]),
        ([], MATRIX[:0], ["one vector for each word", "0 words"]),
        ([None], MATRIX[:1], ["one vector for each word"]),
        (["the"], MATRIX[:1].astype(int), ["floating-point", "int64 (1 x 24)"]),
        (["the"], MATRIX[0, :1], ["a matrix", "float32 (1)"]),
        (["the"], np.zeros((1, 10_001), np.float32), ["1 to 10,000 columns", "(1 x 10,001)"]),
    ],
)
def test_odd_vectors(words, matrix, parts):
    found = message(types.SimpleNamespace(index_to_key=words, vectors=matrix))
    assert found.startswith("KeyedVectors: expected ")
    assert [part for part in parts if part not in found] == []


def test_numbers_that_are_not_finite():
    vectors = keyed(["a", "b"], np.array([[1, np.nan], [3, 4]], np.float32))
    assert load_vectors(vectors, ["b"]).matrix.tolist() == [[3, 4]]
    assert message(vectors, ["a"]).startswith("KeyedVectors, word 1: expected finite numbers")


def test_a_dimension_that_is_not_the_one_required():
    assert "expected 300-dimensional vectors, found 24" in message(keyed(), dimension=300)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\x93NUMPY\x01\x00v\x00{\xff\xfe}"])
def test_a_damaged_array_beside_a_pickle(tmp_path, content):
    path = tmp_path / "x.kv"
    keyed().save(str(path), sep_limit=0)
    arrays = sorted(tmp_path.glob("x.kv.*.npy"))
    assert arrays
    arrays[0].write_bytes(content)
    assert "gensim cannot load" in message(path, **TRUST)


def test_arrays_of_numpy_are_no_vectors(tmp_path):
    np.save(tmp_path / "x.npy", MATRIX)
    np.savez(tmp_path / "x.npz", MATRIX)
    content = (tmp_path / "x.npz").read_bytes().replace(b"arr_0", b"\xff\xfe_00")
    (tmp_path / "y.npz").write_bytes(content)
    for name in ("x.npy", "x.npz", "y.npz"):
        assert "expected word vectors" in message(tmp_path / name, **TRUST)
