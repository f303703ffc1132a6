"""Word vectors: what the test and gensim wrote is read; anything else gets an error of one line."""

from __future__ import annotations

import gzip
import logging
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.errors import ConfigError, VectorsError
from textcnn.vectors import WordVectors, load_vectors
from textcnn.vectors._reading import first_words

DAMAGED = "the file is damaged or incomplete: download or copy it again"
FORMATS = ["binary", "binary with newlines", "text", "glove"]
NAMES = {
    "binary": "word2vec binary",
    "binary with newlines": "word2vec binary",
    "text": "word2vec text",
    "glove": "GloVe text",
}


def written(words, matrix, form):
    """The bytes of a vector file, word after word."""
    matrix = np.asarray(matrix, dtype=np.float32)
    parts = [] if form == "glove" else [b"%d %d\n" % matrix.shape]
    for word, row in zip(words, matrix, strict=True):
        key = word if isinstance(word, bytes) else word.encode()
        if form in ("text", "glove"):
            parts.append(key + b" " + " ".join(repr(float(value)) for value in row).encode() + b"\n")
        else:
            parts.append(key + b" " + struct.pack(f"<{len(row)}f", *row.tolist()))
            parts.append(b"\n" if form == "binary with newlines" else b"")
    return b"".join(parts)


def slow_reader(data, form):
    """A literal reader: a dict of each word's first vector."""
    vectors = {}
    if form in ("text", "glove"):
        for line in data.decode().removesuffix("\n").split("\n")[form == "text" :]:
            word, *numbers = line.split(" ")
            vectors.setdefault(word, np.array([float(number) for number in numbers], dtype=np.float32))
        return vectors
    header, data = data.split(b"\n", 1)
    count, dimension = map(int, header.split())
    for _ in range(count):
        word, data = data.lstrip(b"\n").split(b" ", 1)
        numbers, data = data[: 4 * dimension], data[4 * dimension :]
        vectors.setdefault(word.decode(), np.array(struct.unpack(f"<{dimension}f", numbers), dtype=np.float32))
    return vectors


def looked_up(vectors, words, dimension):
    """The matrix and the flags that `load_vectors` promises, by one look-up per word."""
    matrix, found = np.zeros((len(words), dimension), dtype=np.float32), np.zeros(len(words), dtype=bool)
    for row, word in enumerate(words):
        for spelling in (word, word.lower(), word.capitalize()):
            if spelling in vectors:
                matrix[row], found[row] = vectors[spelling], True
                break
    return matrix, found


@pytest.fixture
def store(tmp_path):
    def write(data, name="vectors.bin"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def message(path, words=("good",), **options):
    with pytest.raises(VectorsError) as caught:
        load_vectors(path, words, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("zipped", [False, True])
def test_reads_each_format_whatever_the_suffix(store, form, zipped):
    data = written(["the", "good", "bad"], [[1, 2, 3], [4, 5, 6.5], [-7, 8e-3, 9]], form)
    path = store(gzip.compress(data) if zipped else data, "vectors.dat")
    vectors = load_vectors(path, ["bad", "none", "good"])
    assert vectors.matrix.dtype == np.float32
    assert vectors.matrix.tolist() == np.array([[-7, 8e-3, 9], [0, 0, 0], [4, 5, 6.5]], dtype=np.float32).tolist()
    assert vectors.found.tolist() == [True, False, True]
    assert (vectors.dimension, vectors.found_count, vectors.words_in_file) == (3, 2, 3)
    assert vectors.coverage == pytest.approx(2 / 3)
    assert vectors.format == NAMES[form]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("zipped", [False, True])
def test_records_that_straddle_blocks(store, form, zipped):
    generator = np.random.default_rng(0)
    words = [f"word{'x' * (i % 13)}{i}" for i in range(3000)]
    matrix = generator.normal(size=(3000, 60)).astype(np.float32)
    data = written(words, matrix, form)
    reports: list[float] = []
    vectors = load_vectors(store(gzip.compress(data, 1) if zipped else data), words, progress=reports.append)
    assert np.array_equal(vectors.matrix, matrix)
    assert vectors.coverage == 1
    assert vectors.words_in_file == 3000
    assert reports == sorted(set(reports))
    assert reports[0] > 0
    assert reports[-1] == 1


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_reads_what_gensim_writes(tmp_path, binary, suffix):
    models = pytest.importorskip("gensim.models")
    words = ["the", "café", "Paris", "日本", "it's", "naïve_word", "x" * 300, "👍"]
    written_by_gensim = models.KeyedVectors(24)
    written_by_gensim.add_vectors(words, np.random.default_rng(1).normal(size=(8, 24)).astype(np.float32))
    path = tmp_path / f"vectors{suffix}"
    written_by_gensim.save_word2vec_format(str(path), binary=binary)
    read_by_gensim = models.KeyedVectors.load_word2vec_format(str(path), binary=binary)
    vectors = load_vectors(path, [*words, "missing"])
    assert vectors.found.tolist() == [True] * 8 + [False]
    assert np.array_equal(vectors.matrix[:8], read_by_gensim[words])
    assert np.allclose(vectors.matrix[:8], written_by_gensim[words], atol=1e-6)


@pytest.mark.parametrize("form", ["binary", "binary with newlines", "text"])
def test_reads_as_gensim_does(store, form):
    models = pytest.importorskip("gensim.models")
    words = [f"w{i}" for i in range(50)]
    path = store(written(words, np.random.default_rng(2).normal(size=(50, 7)), form))
    read_by_gensim = models.KeyedVectors.load_word2vec_format(str(path), binary=form != "text")
    assert np.array_equal(load_vectors(path, words).matrix, read_by_gensim[words])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("order", [1, -1])
def test_spellings_win_in_order_wherever_they_are(store, form, order):
    words = ["NASA", "nasa", "Nasa", "paris", "Paris", "London"][::order]
    value = {word: float(index + 1) for index, word in enumerate(words)}
    path = store(written(words, [[value[word], 0] for word in words], form))
    wanted = ["NASA", "nasa", "Nasa", "nASA", "PARIS", "london", "LONDON", "london"]
    got = load_vectors(path, wanted).matrix[:, 0].tolist()
    source = ["NASA", "nasa", "Nasa", "nasa", "paris", "London", "London", "London"]
    assert got == [value[word] for word in source]


@pytest.mark.parametrize("form", FORMATS)
def test_the_first_of_a_duplicate_word_wins(store, form, caplog):
    path = store(written(["good", "bad", "good", "bad", "other", "other"], np.arange(12).reshape(6, 2), form))
    with caplog.at_level(logging.WARNING, "textcnn.vectors"):
        vectors = load_vectors(path, ["good", "bad"])
    assert vectors.matrix.tolist() == [[0, 1], [2, 3]]
    assert (vectors.duplicates, vectors.words_in_file) == (2, 6)
    assert [message.split(" wanted")[0] for message in caplog.messages] == [f"{path}: 2 repeats of"]


@pytest.mark.parametrize("form", FORMATS)
def test_words_that_are_not_utf8_are_skipped_and_counted(store, form, caplog):
    path = store(written([b"caf\xe9", "café", b"\xff\xfe", "good"], np.arange(8).reshape(4, 2), form))
    with caplog.at_level(logging.WARNING, "textcnn.vectors"):
        vectors = load_vectors(path, ["café", "good", "\udcff"])
    assert vectors.matrix.tolist() == [[2, 3], [6, 7], [0, 0]]
    assert (vectors.undecodable, vectors.words_in_file) == (2, 4)
    assert [message.split(" and")[0] for message in caplog.messages] == [f"{path}: 2 words are not UTF-8"]


def test_glove_words_may_contain_spaces(store):
    path = store(b". 1 2\n. . . 3 4\nat name@domain.com 5 6\ngood 7 8\n")
    vectors = load_vectors(path, [". . .", "at", ".", "at name@domain.com"])
    assert vectors.matrix.tolist() == [[3, 4], [0, 0], [1, 2], [5, 6]]
    assert vectors.words_in_file == 4


@pytest.mark.parametrize(
    "data",
    [
        b"good 1 2\nbad 3 4",
        b"good 1 2\r\nbad 3 4\r\n",
        b"good 1 2 \nbad 3 4 \n\n",
        b"\xef\xbb\xbfgood 1 2\nbad 3 4\n",
        b"2 2\r\ngood 1 2\r\nbad 3 4\r\n",
        b"2 2\ngood 1 2 \nbad 3 4 \n",
        b"\xef\xbb\xbf2 2\ngood 1 2\nbad 3 4",
        b"2 2\ngood 1e0 +2.0\n\nbad 3. 4\n",
    ],
)
def test_usual_variations_of_text(store, data):
    assert load_vectors(store(data), ["good", "bad"]).matrix.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n" * 1_000_000])
def test_blank_ends_of_binary(store, end):
    assert load_vectors(store(BINARY + end), ["bad", "good"]).matrix.tolist() == TWO[::-1]


def test_text_in_one_dimension(store):
    assert load_vectors(store(b"2 1\ngood 1.5\nbad 2\n"), ["bad", "good"]).matrix.tolist() == [[2], [1.5]]


def test_missing_words_are_filled_with_the_variance_of_the_found(store):
    generator = np.random.default_rng(3)
    words = [f"w{i}" for i in range(400)]
    path = store(written(words, generator.normal(0, 0.3, size=(400, 50)), "binary"))
    vectors = load_vectors(path, [*words, *(f"missing{i}" for i in range(400))])
    before = vectors.matrix.copy()
    full = vectors.filled(np.random.default_rng(4))
    assert full.dtype == np.float32
    assert np.array_equal(full[:400], before[:400])
    assert np.array_equal(vectors.matrix, before)
    assert full[400:].var() == pytest.approx(before[:400].var(), rel=0.03)
    assert np.abs(full[400:]).max() <= np.sqrt(3 * before[:400].var(dtype=np.float64)) * (1 + 1e-6)
    assert np.array_equal(full, vectors.filled(np.random.default_rng(4)))
    assert not np.array_equal(full, vectors.filled(np.random.default_rng(5)))


def test_nothing_is_filled_where_all_were_found(store):
    vectors = load_vectors(store(b"good 1 2\n"), ["good"])
    assert vectors.filled(np.random.default_rng(0)).tolist() == [[1, 2]]


TWO = [[1, 2, 3], [4, 5, 6]]
BINARY = written(["good", "bad"], TWO, "binary")
TEXT = written(["good", "bad"], TWO, "text")
GLOVE = written(["good", "bad"], TWO, "glove")
NO_VECTORS = "FILE: expected word vectors"
HEADER = "FILE, line 1: expected the header 'words dimension' with at least 1 word and 1 to 10,000 dimensions"
# The contents of a file, and what its error must say.
ERRORS = {
    "empty": (b"", [NO_VECTORS, "an empty file", DAMAGED]),
    "empty gzip": (gzip.compress(b""), [NO_VECTORS, "an empty file", DAMAGED]),
    "zip": (b"PK\x03\x04rest", [NO_VECTORS, "a zip archive", "unpack it"]),
    "gzipped twice": (gzip.compress(gzip.compress(TEXT)), [NO_VECTORS, "gzipped twice", "unpack it"]),
    "fastText's binary": (struct.pack("<ii", 793712314, 12), [NO_VECTORS, "a fastText binary", "use the `.vec` file"]),
    "prose": (
        b"It was the best of times,\nit was the worst",
        [NO_VECTORS, "a file that begins with 'It was the best of times,'"],
    ),
    "csv": (b"text,label\n" * 9, [NO_VECTORS, "a file that begins with 'text,label'"]),
    "image": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", [NO_VECTORS, "a file that begins with '\\\\x89PNG\\r'"]),
    "one endless line": (b"a" * 3_000_000, [NO_VECTORS, f"a file that begins with '{'a' * 40}'...;"]),
    "header of words": (b"hello world\n", [HEADER, "found 'hello world'"]),
    "header of no words": (b"0 300\n", [HEADER, "found '0 300'"]),
    "header of a negative dimension": (b"5 -3\n", [HEADER, "found '5 -3'"]),
    "header of a huge dimension": (b"5 99999999999\n", [HEADER, "found '5 99999999999'"]),
    "header of endless digits": (b"1" * 100_000 + b" 3\n", [HEADER, f"found '{'1' * 40}'..."]),
    "header alone": (
        b"2 3\n",
        ["FILE: expected 2 words of 3 numbers (word2vec binary), found the end of the file in word 1", DAMAGED],
    ),
    "header of a trillion words": (
        b"1000000000000 3\n" + BINARY[4:],
        [f"FILE: expected {10**12:,} words of 3 numbers", "found the end of the file in word 3", DAMAGED],
    ),
    "truncated binary": (
        BINARY[:-1],
        ["FILE: expected 2 words of 3 numbers (word2vec binary), found the end of the file in word 2", DAMAGED],
    ),
    "more than the header says": (
        b"1" + BINARY[1:],
        ["FILE: expected 1 word of 3 numbers (word2vec binary), found more", DAMAGED],
    ),
    "bytes after the last word": (
        BINARY + b"x",
        ["FILE: expected 2 words of 3 numbers (word2vec binary), found more", DAMAGED],
    ),
    "zeros after the last word": (
        BINARY + bytes(3_000_000),
        ["FILE: expected 2 words of 3 numbers (word2vec binary), found more", DAMAGED],
    ),
    "binary without a space": (
        b"2 3\n" + bytes(5000),
        ["FILE, word 1: expected a word and a space", "found 4,096 bytes without one", DAMAGED],
    ),
    "text cut in a row": (TEXT[:-5], ["FILE, line 3: expected a word and 3 numbers, found 2 numbers", DAMAGED]),
    "GloVe cut in a row": (GLOVE[:-5], ["FILE, line 2: expected a word and 3 numbers, found 2 numbers", DAMAGED]),
    "a header that is not the first row's dimension": (
        b"2 4" + TEXT[3:],
        ["FILE, line 2: expected a word and 4 numbers, found 3 numbers", DAMAGED],
    ),
    "a header below the first row's dimension": (
        b"2 2" + TEXT[3:],
        ["FILE, line 2: expected a word and 2 numbers, found 3 numbers", DAMAGED],
    ),
    "a wanted row that is short": (
        b"the 1 2\ngood 1\nbad 1 2\n",
        ["FILE, line 2: expected a word and 2 numbers, found 1 number;", DAMAGED],
    ),
    "a wanted row that is long": (
        b"the 1 2\ngood 1 2 3\nbad 1 2\n",
        ["FILE, line 2: expected a word and 2 numbers, found 3 numbers", DAMAGED],
    ),
    "a wanted row with something else": (
        b"the 1 2\ngood 1 two\nbad 1 2\n",
        ["FILE, line 2: expected a word and 2 numbers, found 'two'", DAMAGED],
    ),
    "a row of a word alone": (
        b"the 1 2\nother\ngood 1 2\n",
        ["FILE, line 2: expected a word and 2 numbers, found no number", DAMAGED],
    ),
    "an endless row": (
        b"good 1 2\n" + b"a " * 1_000_000,
        ["FILE, line 2: expected a word and 2 numbers, found a line of more than 1,048,576 bytes", DAMAGED],
    ),
    "NaN in text": (b"the 1 2\ngood 1 nan\n", ["FILE, line 2: expected finite numbers", "the vector of 'good'"]),
    "beyond float32 in text": (
        b"the 1 2\ngood 1 1e39\n",
        ["FILE, line 2: expected finite numbers", "the vector of 'good'"],
    ),
    "infinity in binary": (
        written(["the", "good"], [[1, 2], [3, -np.inf]], "binary"),
        ["FILE, word 2: expected finite numbers", "the vector of 'good'"],
    ),
    "none of the words": (
        written(["le", "bon"], TWO, "binary"),
        ["none of the 1 words were found in FILE (2 words, 3-d)"],
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_bad_file_gets_one_line(store, case):
    data, parts = ERRORS[case]
    found = message(store(data))
    assert found.startswith(parts[0])
    assert [part for part in parts if part not in found] == []


@pytest.mark.parametrize(
    ("data", "stated"),
    [
        (TEXT[: TEXT.index(b"bad")], 2),
        (b"1" + TEXT[1:], 1),
        (b"3" + TEXT[1:], 3),
        (b"1000000000000" + TEXT[1:], 10**12),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_text_file_with_a_wrong_count_is_read_with_a_warning(store, caplog, data, stated, zipped):
    path, words = store(gzip.compress(data) if zipped else data), data.count(b"\n") - 1
    with caplog.at_level(logging.WARNING, "textcnn.vectors"):
        vectors = load_vectors(path, ["bad", "good"])
    assert vectors.words_in_file == words
    assert vectors.matrix.tolist() == [TWO[1] if words == 2 else [0, 0, 0], TWO[0]]
    [warning] = caplog.messages
    assert warning.startswith(f"{path}: the header states {stated:,} word")
    assert f"found {words};" in warning
    assert first_words(path, 9) == ["good", "bad"][:words]


@pytest.mark.parametrize("stated", [1, 2, 3, 9])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_the_first_words_of_a_text_file_with_a_wrong_count(store, caplog, stated, limit):
    data = written(["good", "a", "b", "bad"], np.arange(12).reshape(4, 3), "text")
    path = store(b"%d" % stated + data[1:])
    with caplog.at_level(logging.WARNING, "textcnn.vectors"):
        vectors = load_vectors(path, ["bad", "good"], max_words=limit)
    read = min(4, limit)
    assert (vectors.words_in_file, vectors.found.tolist()) == (read, [read == 4, True])
    # Words past the limit are unknown, so too many stated words show only where the file ends before it.
    assert len(caplog.messages) == (read > stated or (read < limit and read < stated))


@pytest.mark.parametrize("size", [12, 30, -9])
def test_a_truncated_gzip_gets_one_line(store, size):
    found = message(store(gzip.compress(TEXT)[:size]))
    assert found.startswith("FILE: expected a whole gzip file, found: Compressed file ended before")
    assert found.endswith(f"; {DAMAGED}")


@pytest.mark.parametrize("position", [15, -6])
def test_a_damaged_gzip_gets_one_line(store, position):
    data = bytearray(gzip.compress(TEXT * 20))
    data[position] ^= 255
    found = message(store(bytes(data)))
    assert found.startswith("FILE: expected a whole gzip file, found: ")
    assert found.endswith(f"; {DAMAGED}")


def test_unwanted_numbers_are_not_checked(store):
    vectors = load_vectors(store(b"the 1 2\nother nan x\ngood 3 4\n"), ["good"])
    assert vectors.matrix.tolist() == [[3, 4]]
    vectors = load_vectors(store(written(["other", "good"], [[np.nan, 1], [3, 4]], "binary")), ["good"])
    assert vectors.matrix.tolist() == [[3, 4]]


def test_a_missing_file(tmp_path):
    assert message(tmp_path / "none.bin").startswith("FILE: expected a word-vector file, found nothing there;")


def test_a_missing_file_with_near_names(store):
    path = store(TEXT, "reviews-300d.bin")
    store(TEXT, "other.txt")
    assert "nearest to 'reviews-30d.bin': reviews-300d.bin" in message(path.with_name("reviews-30d.bin"))
    assert f"nor a folder {path.parent / 'none'};" in message(path.parent / "none" / "vectors.bin")


def test_a_folder(tmp_path):
    assert message(tmp_path).startswith("FILE: expected a word-vector file, found a folder;")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert message(tmp_path / "pipe").startswith("FILE: expected a word-vector file, found a pipe or a device;")


def test_an_unreadable_file(store, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    path = store(TEXT)
    monkeypatch.setattr(Path, "open", refuse)
    assert message(path).startswith("FILE: expected a readable word-vector file, found: [Errno 13] Permission denied;")


def test_a_dimension_that_is_not_the_one_asked_for(store):
    path = store(TEXT)
    assert message(path, dimension=300).startswith("FILE: expected 300-dimensional vectors, found 3 dimensions;")
    assert load_vectors(path, ["good"], dimension=3).dimension == 3


@pytest.mark.parametrize("words", ["good", [], ()])
def test_words_that_are_no_list(store, words):
    assert f"expected a list of words to look up, found {words!r}" in message(store(TEXT), words)


@pytest.mark.parametrize("odd", [3, None, b"good"])
def test_words_that_are_no_strings(store, odd):
    assert f"expected strings as words to look up, found {odd!r}" in message(store(TEXT), ["good", odd])


def test_words_in_other_containers(store):
    path = store(TEXT)
    for words in (("bad", "good"), np.array(["bad", "good"]), dict.fromkeys(["bad", "good"])):
        assert load_vectors(path, words).matrix.tolist() == TWO[::-1]


def test_a_source_that_is_no_path():
    with pytest.raises(VectorsError, match="expected a path or gensim KeyedVectors, found int"):
        load_vectors(3, ["good"])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
def test_only_the_first_words_are_read(store, form, zipped, limit):
    words = ["the", "good", "the", "bad"]
    data = written(words, np.arange(12).reshape(4, 3), form)
    path = store(gzip.compress(data) if zipped else data)
    vectors = load_vectors(path, ["bad", "good", "the"], max_words=limit)
    first = words[:limit]
    assert vectors.words_in_file == len(first)
    assert vectors.found.tolist() == ["bad" in first, "good" in first, True]
    assert vectors.matrix[:, 0].tolist() == [9 * ("bad" in first), 3 * ("good" in first), 0]
    assert vectors.duplicates == (limit > 2)
    assert first_words(path, 9, max_words=limit) == list(dict.fromkeys(first))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("limit", [1, 1999, 2000, 2999, 3000, 3001])
def test_the_first_words_of_many_blocks(store, form, limit):
    words = [f"w{i}" for i in range(3000)]
    path = store(written(words, np.random.default_rng(0).normal(size=(3000, 60)), form))
    vectors = load_vectors(path, words, max_words=limit)
    assert vectors.found.tolist() == [i < limit for i in range(3000)]
    assert vectors.words_in_file == min(limit, 3000)
    assert np.array_equal(vectors.matrix[:limit], load_vectors(path, words).matrix[:limit])


@pytest.mark.parametrize("form", FORMATS)
def test_what_follows_the_first_words_is_not_checked(store, form):
    path = store(written(["the", "good", "bad"], np.ones((3, 3)), form)[:-4])
    assert load_vectors(path, ["good"], max_words=2).words_in_file == 2
    message(path, max_words=3) if form != "glove" else message(path)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "3"])
def test_a_limit_out_of_range(store, limit):
    path = store(TEXT)
    for read in (lambda: load_vectors(path, ["good"], max_words=limit), lambda: first_words(path, 9, max_words=limit)):
        with pytest.raises(ConfigError, match="max_words: expected a whole number of at least 1, found"):
            read()


names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=" \n\ufeff"), min_size=1, max_size=6
) | st.sampled_from(["the", "The", "THE", "ñ", "Ñ", "ß", "SS", "ss", "İ", "ΑΣ"])


@st.composite
def files(draw):
    form = draw(st.sampled_from(FORMATS))
    dimension = draw(st.integers(2, 5))
    words = draw(st.lists(names, min_size=1, max_size=8))
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    row = st.lists(numbers, min_size=dimension, max_size=dimension)
    matrix = draw(st.lists(row, min_size=len(words), max_size=len(words)))
    return words, written(words, matrix, form), form, dimension


@settings(deadline=None, max_examples=50)
@given(files(), st.integers(1, 9), st.booleans())
def test_the_first_words_of_a_file(tmp_path_factory, file, limit, zipped):
    words, content, _, _ = file
    path = tmp_path_factory.getbasetemp() / "first-words"
    path.write_bytes(gzip.compress(content) if zipped else content)
    assert first_words(path, limit) == list(dict.fromkeys(words))[:limit]


@settings(deadline=None, max_examples=150)
@given(files(), st.lists(names, max_size=6), st.booleans(), st.data())
def test_equals_a_slow_reader(tmp_path_factory, file, others, zipped, data):
    words, content, form, dimension = file
    path = tmp_path_factory.getbasetemp() / "round-trip"
    path.write_bytes(gzip.compress(content) if zipped else content)
    wanted = data.draw(st.permutations([*others, *words, *(word.swapcase() for word in words)]))
    matrix, found = looked_up(slow_reader(content, form), wanted, dimension)
    vectors = load_vectors(path, wanted)
    assert isinstance(vectors, WordVectors)
    assert np.array_equal(vectors.matrix, matrix)
    assert np.array_equal(vectors.found, found)
    assert vectors.words_in_file == len(words)
    assert vectors.format == NAMES[form]


def answer_or_one_line(path, words):
    lines, vectors = [], None
    try:
        vectors = load_vectors(path, words)
    except VectorsError as error:
        lines = str(error).splitlines()
    assert len(lines) == (vectors is None)
    assert vectors is None or (np.isfinite(vectors.matrix).all() and vectors.found.any())


pieces = st.sampled_from([b" ", b"\n", b"a", b"1", b"-", b".5", b"\0", b"\xff", b"e9"]) | st.binary(max_size=9)
foreign = st.one_of(
    st.binary(max_size=200),
    st.tuples(
        st.sampled_from([b"2 3\n", b"9 1\n", b"1000000000000 10000\n", b"a 1 2\n", b"\x1f\x8b", b"\xef\xbb\xbf"]),
        st.lists(pieces),
    ).map(lambda parts: parts[0] + b"".join(parts[1])),
)


@settings(deadline=None, max_examples=300)
@given(foreign, st.booleans(), st.integers(0, 20))
def test_any_bytes_give_an_answer_or_one_line(tmp_path_factory, content, zipped, cut):
    if zipped:
        content = gzip.compress(content)
        content = content[: len(content) - cut]
    path = tmp_path_factory.getbasetemp() / "any-bytes"
    path.write_bytes(content)
    answer_or_one_line(path, ["a", "1", "B", "a 1", ""])


@settings(deadline=None, max_examples=100)
@given(files(), st.data())
def test_a_damaged_file_gives_an_answer_or_one_line(tmp_path_factory, file, data):
    words, content, _, _ = file
    path = tmp_path_factory.getbasetemp() / "damaged"
    position = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(content[:position] + data.draw(st.binary(max_size=3)) + content[position + 1 :])
    answer_or_one_line(path, words)
