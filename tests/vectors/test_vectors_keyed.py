"""gensim's `.kv`: read as gensim wrote it, and nothing in a pickle is ever run."""

from __future__ import annotations

import builtins
import gzip
import os
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.errors import VectorsError
from textcnn.vectors import load_vectors
from textcnn.vectors._pickles import BadPickleError, Call, Pairs, UnknownNameError, read_pickle
from textcnn.vectors._reading import first_words

models = pytest.importorskip("gensim.models")

DAMAGED = "the file is damaged or incomplete: download or copy it again"
WORDS = ["the", "café", "Paris", "日本", "it's", "x" * 300, "👍"]
MATRIX = np.random.default_rng(1).normal(size=(7, 24)).astype(np.float32)
APART = {"sep_limit": 1}


@pytest.fixture
def save(tmp_path):
    """Writes words and vectors as gensim does."""

    def write(words=WORDS, matrix=MATRIX, name="vectors.kv", keep=None, **options):
        matrix = np.asarray(matrix)
        vectors = models.KeyedVectors(matrix.shape[1], dtype=matrix.dtype)
        vectors.add_vectors(words, matrix)
        if keep is not None:
            keep(vectors)
        vectors.save(str(tmp_path / name), **options)
        return tmp_path / name

    return write


def message(path, words=("the",), **options):
    with pytest.raises(VectorsError) as caught:
        load_vectors(path, words, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize("options", [{}, APART, {"separately": ["vectors"]}])
@pytest.mark.parametrize("name", ["vectors.kv", "vectors.kv.gz", "vectors"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_what_gensim_writes(save, name, options, protocol):
    path = save(name=name, pickle_protocol=protocol, **options)
    vectors = load_vectors(path, [*WORDS, "missing"])
    assert vectors.found.tolist() == [True] * 7 + [False]
    assert np.array_equal(vectors.matrix[:7], MATRIX)
    assert (vectors.format, vectors.words_in_file, vectors.dimension) == ("gensim KeyedVectors", 7, 24)
    assert first_words(path, 3) == WORDS[:3]


def test_reads_the_vectors_of_a_trained_model(tmp_path):
    model = models.Word2Vec([["good", "bad", "dull"]] * 9, vector_size=5, min_count=1, workers=1)
    model.wv.fill_norms()
    model.wv.save(str(tmp_path / "plain.kv"))
    model.wv.save(str(tmp_path / "apart.kv"), sep_limit=1)
    for name in ("plain.kv", "apart.kv"):
        assert np.array_equal(load_vectors(tmp_path / name, ["dull", "bad"]).matrix, model.wv[["dull", "bad"]])


def test_reads_the_names_of_numpy_1_and_2(save):
    path = save()
    data = path.read_bytes()
    old, new = b"\x8c\x15numpy.core.multiarray", b"\x8c\x16numpy._core.multiarray"
    assert (old in data) + (new in data) == 1
    path.write_bytes(data.replace(new, old) if new in data else data.replace(old, new))
    assert np.array_equal(load_vectors(path, WORDS).matrix, MATRIX)


@pytest.mark.parametrize("options", [{}, APART])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_reads_any_floating_point(save, options, kind, order):
    matrix = np.arange(12).reshape(3, 4).astype(kind)

    def keep(vectors):
        vectors.vectors = np.asarray(matrix, order=order)

    path = save(["a", "b", "c"], matrix, keep=keep, **options)
    assert load_vectors(path, ["c", "a"]).matrix.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]


def test_reads_spellings_and_progress_as_of_other_formats(save):
    reports: list[float] = []
    vectors = load_vectors(save(), ["PARIS", "paris", "The"], progress=reports.append)
    assert vectors.found.tolist() == [True] * 3
    assert np.array_equal(vectors.matrix, MATRIX[[2, 2, 0]])
    assert reports == [1]


def test_reserved_places_are_no_words(tmp_path):
    vectors = models.KeyedVectors(2, count=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectors.add_vector("the", np.ones(2, dtype=np.float32))
    vectors.save(str(tmp_path / "reserved.kv"))
    found = load_vectors(tmp_path / "reserved.kv", ["the"])
    assert (found.words_in_file, found.matrix.tolist()) == (1, [[1, 1]])


def test_the_first_of_a_duplicate_word_wins(save, caplog):
    path = save(["a", "b"], MATRIX[:2], keep=lambda vectors: vectors.index_to_key.__setitem__(1, "a"))
    assert np.array_equal(load_vectors(path, ["a"]).matrix, MATRIX[:1])
    assert caplog.messages == [f"{path}: 1 wanted words came again; the first is kept"]


def test_only_wanted_rows_are_read_from_beside(save):
    path = save(["a", "b"], [[1, np.nan], [3, 4]], **APART)
    assert load_vectors(path, ["b"]).matrix.tolist() == [[3, 4]]
    assert message(path, ["a"]) == (
        "FILE, word 1: expected finite numbers, found NaN or infinity in the vector of 'a'; "
        "repair the file or use another"
    )


def test_a_dimension_that_is_not_the_one_asked_for(save):
    assert message(save(), dimension=300) == (
        "FILE: expected 300-dimensional vectors, found 24 dimensions; use another file or ask for 24 dimensions"
    )


def test_nothing_beside_it(save):
    for name, beside in (("a.kv", "a.kv.vectors.npy"), ("a.kv.gz", "a.kv.gz.vectors.npz")):
        path = save(name=name, **APART)
        path.with_name(beside).unlink()
        assert message(path) == (
            f"FILE: expected its vectors in {beside} beside it, found no such file; "
            "put it there, as gensim wrote the two"
        )


def beside(path):
    return path.with_name(f"{path.name}.vectors.{'npz' if path.suffix == '.gz' else 'npy'}")


def test_a_truncated_array_beside_it(save):
    path = save(**APART)
    array = beside(path)
    array.write_bytes(array.read_bytes()[:-1])
    assert message(path).replace(str(array.parent), "FOLDER") == (
        f"FILE.vectors.npy: expected 672 bytes of vectors, found 671; {DAMAGED}"
    )


def test_an_array_beside_it_that_is_too_long(save):
    path = save(**APART)
    array = beside(path)
    array.write_bytes(array.read_bytes() + b"x")
    assert message(path) == f"FILE.vectors.npy: expected 672 bytes of vectors, found more; {DAMAGED}"


@pytest.mark.parametrize("array", [np.arange(3), np.array([{"a": 1}], dtype=object), np.zeros((2, 2), dtype=int)])
def test_an_array_beside_it_of_something_else(save, array):
    path = save(**APART)
    np.save(beside(path), array, allow_pickle=True)
    begin = repr(beside(path).read_bytes()[:40].decode("utf-8", "backslashreplace"))
    assert message(path) == (
        "FILE.vectors.npy: expected a matrix of floating-point numbers in numpy's format, found a file that begins "
        f"with {begin}...; {DAMAGED}"
    )


def test_an_array_beside_it_of_other_words(save):
    path = save(**APART)
    np.save(beside(path), MATRIX[1:])
    assert message(path) == (
        f"FILE.vectors.npy: expected the vectors of 7 words in 1 to 10,000 dimensions, found 6 in 24; {DAMAGED}"
    )
    np.save(beside(path), MATRIX[:, 1:])
    assert message(path) == (
        f"FILE: expected the vectors of 7 words, of the length that it states, found 7 of 23 numbers; {DAMAGED}"
    )


def test_a_zipped_array_beside_it_that_is_damaged(save):
    path = save(name="a.kv.gz", **APART)
    array = beside(path)
    array.write_bytes(array.read_bytes()[:100])
    assert message(path) == (
        f"FILE.vectors.npz: expected a zipped array of numpy's, found: File is not a zip file; {DAMAGED}"
    )


def test_keys_that_are_no_words(save):
    path = save(keep=lambda vectors: vectors.index_to_key.__setitem__(0, 3))
    assert message(path) == (
        "FILE: expected gensim KeyedVectors with strings for words, found other keys; write them with strings"
    )


def test_no_words(tmp_path):
    models.KeyedVectors(3).save(str(tmp_path / "empty.kv"))
    assert message(tmp_path / "empty.kv") == (f"FILE: expected gensim KeyedVectors with words, found none; {DAMAGED}")


def test_vectors_that_are_no_floating_point_numbers(save):
    path = save(keep=lambda vectors: setattr(vectors, "vectors", MATRIX.astype(np.int64)))
    assert message(path) == (
        "FILE: expected the vectors as a matrix of floating-point numbers, found something else; write them anew"
    )


@pytest.mark.parametrize("cut", [1, 30, 400, 900])
def test_a_truncated_pickle(save, cut):
    path = save(pickle_protocol=4)
    path.write_bytes(path.read_bytes()[:-cut])
    assert message(path) == (
        f"FILE: expected a whole pickle of gensim KeyedVectors, found its end in the middle of a value; {DAMAGED}"
    )


def test_other_pickles_of_gensim(tmp_path):
    model = models.Word2Vec([["good", "bad"]] * 9, vector_size=5, min_count=1, workers=1)
    model.save(str(tmp_path / "whole.model"))
    assert message(tmp_path / "whole.model") == (
        "FILE: expected gensim KeyedVectors, found a pickle of 'gensim.models.word2vec.Word2Vec'; "
        "if you trust it, load it with gensim 4 and write its vectors with `save_word2vec_format`"
    )


@pytest.mark.parametrize("value", [{"good": [1.0]}, ["good"], None, 3, "KeyedVectors"])
def test_a_pickle_of_something_else(tmp_path, value):
    (tmp_path / "other.kv").write_bytes(pickle.dumps(value))
    assert message(tmp_path / "other.kv") == (
        "FILE: expected gensim KeyedVectors, found a pickle of something else; "
        "give the file that `KeyedVectors.save` wrote"
    )


class Evil:
    """Calls something when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["system", "eval", "exec", "getattr", "import"])
def test_nothing_is_run(save, tmp_path, kind, protocol, inside):
    marker = tmp_path / "marker"
    write = f"open({str(marker)!r}, 'w').close()"
    evil, name = {
        "system": (Evil(os.system, f"echo x > {marker}"), f"{os.name}.system"),
        "eval": (Evil(builtins.eval, write), "builtins.eval"),
        "exec": (Evil(builtins.exec, write), "builtins.exec"),
        "getattr": (Evil(getattr, Evil(__import__, "os"), "system"), "builtins.getattr"),
        "import": (Evil(__import__, "this"), "builtins.__import__"),
    }[kind]
    if inside:
        path = save(keep=lambda vectors: setattr(vectors, "extra", evil), pickle_protocol=protocol)
    else:
        path = tmp_path / "evil.kv"
        path.write_bytes(pickle.dumps(evil, protocol=protocol))
    if protocol == 2:
        name = name.replace("builtins", "__builtin__")
    assert message(path) == (
        f"FILE: expected gensim KeyedVectors, found a pickle that asks for '{name}', which they never need; "
        "nothing was run, but do not load it with another program unless you trust it"
    )
    assert not marker.exists()
    if kind in ("system", "eval", "exec"):  # the attack is one
        pickle.loads(pickle.dumps(evil, protocol=protocol))  # noqa: S301
        assert marker.exists()


def test_known_names_lead_nowhere_else():
    names = ["numpy.ndarray", "numpy.dtype"]
    for data in (b"\x80\x04cnumpy\nndarray.__class__\n.", b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93."):
        with pytest.raises(UnknownNameError, match=r"numpy.ndarray.__"):
            read_pickle(data, names)
    call = read_pickle(b"\x80\x04cnumpy\ndtype\n\x8c\x02f4\x85R}\x8c\x01x\x8c\x01ysb.", names)
    assert isinstance(call, Call)
    assert (call.name, call.arguments, call.state) == ("numpy.dtype", ("f4",), ["x", "y"])


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\x80\x00.", "protocol 0"),
        (b"\x80\x06.", "protocol 6"),
        (b"\x80\x04.", "instructions that lack their values"),
        (b"\x80\x04(.", "instructions that lack their values"),
        (b"\x80\x04t.", "instructions that lack their values"),
        (b"\x80\x04NN\x87.", "instructions that lack their values"),
        (b"\x80\x04h\x05.", "instructions that lack their values"),
        (b"\x80\x04Nr\xff\xff\xff\x7f.", "values that are numbered out of turn"),
        (b"\x80\x04Nq\x01.", "values that are numbered out of turn"),
        (b"\x80\x04N)R.", "a NoneType where a Name belongs"),
        (b"\x80\x04NNb.", "a NoneType where a Call belongs"),
        (b"\x80\x04]NNs.", "a list where a Pairs belongs"),
        (b"\x80\x04}(Nu.", "a key without a value"),
        (b"\x80\x04}Na.", "a Pairs where a list belongs"),
        (b"\x80\x04\x8c\x01\xff.", "a string that is not UTF-8"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "its end in the middle of a value"),
        (b"\x80\x04X\xff\xff\xff\xff.", "its end in the middle of a value"),
        (b"\x80\x04cos\n", "a name without an end"),
        (b"\x80\x04P1\n.", "an instruction that it never needs (0x50)"),
        (b"\x80\x04(ios\nsystem\n.", "an instruction that it never needs (0x69)"),
        (b"\x80\x04(NNo.", "an instruction that it never needs (0x6f)"),
        (b"\x80\x04\x82\x01.", "an instruction that it never needs (0x82)"),
        (b"\x80\x04N)}\x92.", "an instruction that it never needs (0x92)"),
        (b"\x80\x05\x97.", "an instruction that it never needs (0x97)"),
        (b"\x80\x04I1\n.", "an instruction that it never needs (0x49)"),
    ],
)
def test_odd_pickles(tmp_path, data, found):
    with pytest.raises(BadPickleError) as caught:
        read_pickle(data, [])
    assert str(caught.value) == found
    (tmp_path / "odd.kv").write_bytes(data)
    assert message(tmp_path / "odd.kv") == (
        f"FILE: expected a whole pickle of gensim KeyedVectors, found {found}; {DAMAGED}"
    )


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_values_come_out_as_they_went_in(protocol):
    value = [None, True, False, 0, 255, 65535, -1, 2**40, -(2**70), 1.5, "a", "é\ud800" * 300, (1,), (1, 2), (1, 2, 3)]
    value += [(), (1, 2, 3, 4), [], [[1], [2, 3]], ["again", "again"]]
    assert read_pickle(pickle.dumps(value, protocol=protocol), []) == value
    pairs = read_pickle(pickle.dumps({"a": 1, "b": {}}, protocol=protocol), [])
    assert type(pairs) is Pairs
    assert pairs == ["a", 1, "b", []]


def test_bytes_and_sets():
    data = read_pickle(pickle.dumps([b"ab", b"x" * 300, {1}, frozenset([2])], protocol=4), [])
    assert [bytes(data[0]), bytes(data[1]), data[2], data[3]] == [b"ab", b"x" * 300, [1], [2]]


def test_what_would_take_for_ever_or_all_memory_is_quick(tmp_path):
    doubled = b")" + b"".join(b"\x94h" + bytes([i]) + b"\x86" for i in range(100))  # pairs of pairs of pairs ...
    for data in (
        b"\x80\x04" + doubled + b".",
        b"\x80\x04}" + doubled + b"Ns.",  # a key whose hash would visit 2**100 values
        b"\x80\x04" + b"(" * 200_000 + b"t" * 200_000 + b".",
        b"\x80\x04" + b"]" * 200_000 + b"a" * 199_999 + b".",
        b"\x80\x04)" + b"\x85" * 200_000 + b".",
        b"\x80\x04Nr\xff\xff\xff\xff.",
    ):
        (tmp_path / "long.kv").write_bytes(data)
        assert message(tmp_path / "long.kv").startswith("FILE: expected ")


def answer_or_one_line(path):
    lines, vectors = [], None
    try:
        vectors = load_vectors(path, ["a", "the", ""])
    except VectorsError as error:
        lines = str(error).splitlines()
    assert len(lines) == (vectors is None)
    assert vectors is None or (np.isfinite(vectors.matrix).all() and vectors.found.any())


def pickled(words, matrix, protocol):
    """What gensim writes, in memory."""
    vectors = models.KeyedVectors(matrix.shape[1])
    vectors.index_to_key = words
    vectors.key_to_index = {word: index for index, word in enumerate(words)}
    vectors.vectors = matrix
    return pickle.dumps(vectors, protocol=protocol)


EXAMPLES = [pickled(["the", "a"], np.ones((2, 3), dtype=np.float32), protocol) for protocol in (2, 4, 5)]
HEADS = (b"\x80\x04", b"\x80\x04}", b"\x80\x02(]", b"\x80\x04cgensim.models.keyedvectors\nKeyedVectors\n)\x81}(")


@given(st.sampled_from(HEADS), st.binary(max_size=60), st.booleans())
def test_any_bytes_give_an_answer_or_one_line(tmp_path_factory, head, rest, zipped):
    path = tmp_path_factory.getbasetemp() / "any-bytes.kv"
    path.write_bytes(gzip.compress(head + rest) if zipped else head + rest)
    answer_or_one_line(path)


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_damaged_pickle_gives_an_answer_or_one_line(tmp_path_factory, content, data):
    path = tmp_path_factory.getbasetemp() / "damaged.kv"
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(content) - 1))
        content = content[:position] + data.draw(st.binary(max_size=3)) + content[position + 1 :]
    path.write_bytes(content)
    answer_or_one_line(path)


@given(st.sampled_from(["npy", "npz"]), st.data())
def test_a_damaged_array_beside_gives_an_answer_or_one_line(tmp_path_factory, kind, data):
    folder = tmp_path_factory.getbasetemp() / f"damaged-{kind}"
    path = folder / ("a.kv" if kind == "npy" else "a.kv.gz")
    if not folder.exists():
        folder.mkdir()
        vectors = models.KeyedVectors(3)
        vectors.add_vectors(["the", "a"], np.ones((2, 3), dtype=np.float32))
        vectors.save(str(path), sep_limit=1)
        beside(path).rename(folder / "good")
    content = (folder / "good").read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    content = content[:position] + data.draw(st.binary(max_size=3)) + content[position + 1 :]
    beside(path).write_bytes(content[: data.draw(st.integers(0, len(content)))])
    answer_or_one_line(path)
