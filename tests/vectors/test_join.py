"""Files of word vectors side by side, against a join of dicts."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import textcnn
from textcnn.errors import ConfigError, VectorsError
from textcnn.vectors import load_vectors
from textcnn.vectors._reading import first_words
from textcnn.vectors.join import join_vectors


def write(path, vectors):
    """A GloVe text file."""
    lines = [f"{word} {' '.join(map(repr, map(float, row)))}\n" for word, row in vectors.items()]
    path.write_bytes("".join(lines).encode())
    return path


def slow_join(tables):
    """The words and the matrix that `join_vectors` promises, word by word in double precision."""
    words = list(dict.fromkeys(word for table in tables for word in table))
    shared = [word for word in words if all(word in table for table in tables)]
    parts = []
    for table in tables:
        length = np.sqrt(sum(np.dot(table[word], table[word]) for word in shared) / len(shared))
        zeros = np.zeros(len(next(iter(table.values()))))
        parts.append([np.array(table.get(word, zeros)) / length for word in words])
    return words, np.hstack(parts), len(shared)


@pytest.fixture
def files(tmp_path):
    a = write(tmp_path / "a.txt", {"the": [1, 2], "good": [3, 4], "bad": [0, -1]})
    b = write(tmp_path / "b.txt", {"fine": [9, 9, 9], "good": [2, 0, 0], "the": [0, 0, 4]})
    return a, b, tmp_path / "joined.bin"


def test_words_of_all_files_side_by_side(files):
    a, b, output = files
    reports = []
    joined = join_vectors([a, b], output, progress=lambda *report: reports.append(report))
    assert first_words(output, 9) == ["the", "good", "bad", "fine"]
    vectors = load_vectors(output, ["the", "good", "bad", "fine"])
    assert vectors.words_in_file == 4
    x, y = 1 / np.sqrt(15), 1 / np.sqrt(10)  # the squared lengths of "the" and "good" are 5, 25 and 16, 4
    expected = [[x, 2 * x, 0, 0, 4 * y], [3 * x, 4 * x, 2 * y, 0, 0], [0, -x, 0, 0, 0], [0, 0, 9 * y, 9 * y, 9 * y]]
    np.testing.assert_allclose(vectors.matrix, expected, rtol=1e-6)
    assert (joined.path, joined.size) == (output, output.stat().st_size)
    assert (joined.words, joined.shared, joined.dimension) == (4, 2, 5)
    assert [(part.path, part.words, part.dimension) for part in joined.parts] == [(a, 3, 2), (b, 3, 3)]
    assert [part.scale for part in joined.parts] == pytest.approx([x, y])
    assert joined.seconds > 0
    steps = list(dict.fromkeys(step for step, _ in reports))
    assert steps == [f"reading {a}", f"reading {b}", "writing"]


def test_it_is_a_public_name():
    assert textcnn.join_vectors is join_vectors


WORD = st.text("abcXYZé日'0", min_size=1, max_size=4)


@st.composite
def tables(draw):
    """Two to four tables that share one word or more, whose vectors there are not all zero."""
    shared = draw(st.lists(WORD, min_size=1, max_size=4, unique=True))
    made = []
    for _ in range(draw(st.integers(2, 4))):
        words = draw(st.permutations(list({*shared, *draw(st.lists(WORD, max_size=6))})))
        dimension = draw(st.integers(2, 5))
        row = st.lists(st.integers(-20, 20).map(lambda n: n / 4), min_size=dimension, max_size=dimension)
        table = {word: draw(row) for word in words}
        table[shared[0]][0] = draw(st.sampled_from([-2.5, 1.0]))
        made.append(table)
    return made


@given(tables())
def test_join_is_that_of_dicts(tmp_path_factory, made):
    folder = tmp_path_factory.mktemp("join")
    paths = [write(folder / f"{index}.txt", table) for index, table in enumerate(made)]
    joined = join_vectors(paths, folder / "out.bin.gz")
    words, matrix, shared = slow_join(made)
    plain = folder / "out.bin"
    plain.write_bytes(gzip.decompress((folder / "out.bin.gz").read_bytes()))
    assert first_words(plain, 99) == words
    np.testing.assert_allclose(load_vectors(plain, words).matrix, matrix, rtol=1e-5)
    assert (joined.words, joined.shared, joined.dimension) == (len(words), shared, matrix.shape[1])
    common = [words.index(word) for word in words if all(word in table for table in made)]
    ends = np.cumsum([part.dimension for part in joined.parts])
    for part in np.split(load_vectors(plain, words).matrix[common].astype(np.float64), ends[:-1], axis=1):
        assert np.square(part).sum(axis=1).mean() == pytest.approx(1, rel=1e-5)


def test_files_of_any_format_and_a_limit(files, tmp_path):
    models = pytest.importorskip("gensim.models")
    a, _, output = files
    keyed = models.KeyedVectors(2)
    keyed.add_vectors(["good", None, "the", "new york", "last"], np.eye(5, 2) + 1)
    keyed.save(str(tmp_path / "x.kv"))
    with pytest.raises(VectorsError, match="--trust-pickle"):
        join_vectors([a, tmp_path / "x.kv"], output)
    joined = join_vectors([a, tmp_path / "x.kv"], output, trust_pickle=True, max_words=2)
    assert first_words(output, 9) == ["the", "good"]
    assert [part.words for part in joined.parts] == [2, 2]
    again = join_vectors([output, tmp_path / "x.kv", a], tmp_path / "again.bin", trust_pickle=True)
    assert again.dimension == 8


def test_words_that_the_file_cannot_hold_are_left_out_with_a_warning(files, caplog):
    a, b, output = files
    with b.open("a") as file:
        file.write("new york 1 2 3\n")
    assert join_vectors([a, b], output).words == 4
    assert caplog.messages == [
        "1 words with a space or a line break, such as 'new york', are left out: a word2vec file cannot hold them"
    ]


def test_repeated_words_keep_their_first_vector_with_a_warning(files, caplog):
    a, b, output = files
    with a.open("ab") as file:
        file.write(b"good 7 7\n\xff 1 1\n")
    assert join_vectors([a, b], output).words == 4
    assert load_vectors(output, ["good"]).matrix[0, 0] == pytest.approx(3 / np.sqrt(15))
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "1 repeats of wanted words; the first vector is kept",
        "1 words are not UTF-8 and were skipped",
    ]


def message(kind, paths, output, **options):
    with pytest.raises(kind) as caught:
        join_vectors(paths, output, **options)
    assert "\n" not in str(caught.value)
    assert not output.exists()
    return str(caught.value).replace(str(output.parent), "FOLDER")


def test_files_that_cannot_be_joined(files, tmp_path):
    a, b, output = files
    assert message(ConfigError, [a], output) == (
        "expected two files of word vectors or more to join, found FOLDER/a.txt; name the others too"
    )
    assert message(ConfigError, [], output).startswith(
        "expected two files of word vectors or more to join, found none;"
    )
    assert message(ConfigError, [a, b, tmp_path / "." / "a.txt"], output) == (
        "FOLDER/a.txt: expected different files to join, found this one twice; leave one out"
    )
    assert message(VectorsError, [a, tmp_path / "c.txt"], output).startswith(
        "FOLDER/c.txt: expected a word-vector file, found nothing there"
    )
    other = write(tmp_path / "other.txt", {"schön": [1, 2]})
    assert message(VectorsError, [a, other], output) == (
        "FOLDER/a.txt: expected words that all the files have, found none; are they in one language and spelling?"
    )
    zeros = write(tmp_path / "zeros.txt", {"good": [0, 0], "new": [1, 1]})
    assert message(VectorsError, [a, zeros], output) == (
        "FOLDER/zeros.txt: expected vectors of the words that all the files have, found zeros; use another"
    )
    odd = write(tmp_path / "odd.txt", {"good": [1, 0], "new": [float("inf"), 1]})
    assert message(VectorsError, [a, odd], output).startswith("FOLDER/odd.txt, line 2: expected finite numbers")
    cut = tmp_path / "cut.bin"
    cut.write_bytes(b"2 2\ngood " + bytes(8) + b"bad " + bytes(5))
    assert message(VectorsError, [a, cut], output).startswith("FOLDER/cut.bin: expected 2 words of 2 numbers")
    assert message(ConfigError, [a, b], output, max_words=0) == (
        "max_words: expected a whole number of at least 1, found 0"
    )


def test_too_long_vectors(tmp_path):
    paths = [write(tmp_path / f"{index}.txt", {"good": np.ones(5001)}) for index in range(2)]
    assert message(VectorsError, paths, tmp_path / "x.bin") == (
        "expected vectors of at most 10,000 numbers, found 10,002; join fewer"
    )


def test_a_file_that_is_there_is_kept_unless_replaced(files):
    a, b, output = files
    output.write_bytes(b"old")
    with pytest.raises(VectorsError, match="exists.*--overwrite"):
        join_vectors([a, b], output)
    assert output.read_bytes() == b"old"
    assert join_vectors([a, b], a, overwrite=True).words == 4  # a file may be replaced by the join with it
    assert load_vectors(a, ["bad"]).dimension == 5


def test_an_interruption_leaves_nothing(files):
    a, b, output = files

    def interrupt(step, share):
        if step == "writing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        join_vectors([a, b], output, progress=interrupt)
    assert sorted(path.name for path in output.parent.iterdir()) == ["a.txt", "b.txt"]
