import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textcnn.settings.config import TextConfig
from textcnn.text import subwords
from textcnn.text.encoding import encode_few, encode_texts
from textcnn.text.subwords import BUCKETS, LONGEST_WORD, SubwordIndex, hash_ngrams, name_unknown
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import UNKNOWN, Vocabulary

WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=5)


def ngrams(word, shortest, longest):
    """The n-grams as fastText has them, one after the other."""
    characters = f"<{word}>"
    found = []
    for size in range(shortest, longest + 1):
        for begin in range(len(characters) - size + 1):
            ngram = characters[begin : begin + size]
            if size == 1 and begin in (0, len(characters) - 1):
                continue
            found.append(ngram)
    return found


def bucket(ngram):
    """FNV-1a of 32 bits."""
    number = 2166136261
    for byte in ngram.encode():
        number = ((number ^ byte) * 16777619) % 2**32
    return number % BUCKETS


@settings(max_examples=200, deadline=None)
@given(words=WORDS, sizes=st.tuples(st.integers(1, 4), st.integers(0, 3)))
@example(words=["where", "", "é", "日本", "😀a", "<>", "aaaa"], sizes=(3, 2))
def test_buckets_are_those_of_the_ngrams_one_by_one(words, sizes):
    shortest, longest = sizes[0], sizes[0] + sizes[1]
    buckets, counts = hash_ngrams(words, shortest, longest)
    expected = [[bucket(ngram) for ngram in ngrams(word, shortest, longest)] for word in words]
    assert counts.tolist() == [len(one) for one in expected]
    assert buckets.tolist() == [number for one in expected for number in one]


def test_the_hash_is_that_of_its_inventors():
    assert bucket("foobar") == 0xBF9CF968 % BUCKETS  # from the published test vectors
    assert hash_ngrams(["foob"], 6, 6)[0].tolist() == [bucket("<foob>")]


def test_ngrams_of_a_long_word_are_those_of_its_first_characters(monkeypatch):
    monkeypatch.setattr(subwords, "_AT_ONCE", 2)
    words = ["a" * LONGEST_WORD, "a" * (LONGEST_WORD + 1) + "b", "c", "d", "e"]
    buckets, counts = hash_ngrams(words, 3, 5)
    assert counts.tolist() == [3 * (LONGEST_WORD + 2) - 9] * 2 + [1] * 3
    assert (buckets[: counts[0]] == buckets[counts[0] : 2 * counts[0]]).all()
    assert buckets[-3:].tolist() == [bucket(f"<{word}>") for word in "cde"]


def test_rows_of_buckets_that_are_known():
    known = np.unique(hash_ngrams(["abc"], 3, 4)[0])
    index = SubwordIndex(known, (3, 4))
    found = index.find(["abc", "zzz", "xab", ""])
    rows = {number: row for row, number in enumerate(known.tolist())}
    expected = [
        [rows[bucket(g)] for g in ngrams(word, 3, 4) if bucket(g) in rows] for word in ("abc", "zzz", "xab", "")
    ]
    assert [found.rows[i:j].tolist() for i, j in zip(found.offsets[:-1], found.offsets[1:], strict=True)] == expected
    assert found.counts.tolist() == [5, 5, 5, 0]


def test_sums_over_the_square_root_of_the_number_of_ngrams():
    index = SubwordIndex(np.unique(hash_ngrams(["where", "there"], 3, 3)[0]), (3, 3))
    table = np.random.default_rng(0).normal(size=(len(index.buckets), 4)).astype(np.float32)
    words = ["where", "zzzzz", "here", ""]
    for word, found in zip(words, index.find(words).sums(table), strict=True):
        expected = np.zeros(4)
        rows = {number: row for row, number in enumerate(index.buckets.tolist())}
        for ngram in ngrams(word, 3, 3):
            if bucket(ngram) in rows:
                expected += table[rows[bucket(ngram)]]
        np.testing.assert_allclose(found, expected / max(len(ngrams(word, 3, 3)), 1) ** 0.5, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("grammar", ["unicode", "kim", "characters"])
def test_unknown_words_have_ids_of_their_own_on_every_path(grammar):
    tokenizer, vocabulary = Tokenizer(TextConfig(tokenizer=grammar)), Vocabulary(["good", "g", " "])
    index = SubwordIndex(np.unique(hash_ngrams(["good", "goods", "g", "o"], 3, 4)[0]), (3, 4))
    texts = ["good goods qqq", "", "Goody, GOODS", "qqq good goody"]
    few = name_unknown(texts, encode_few(texts, tokenizer, vocabulary, warm=False), tokenizer, index, 5)
    column = pa.chunked_array([texts[:1], texts[1:]])
    many = name_unknown(column, encode_texts(column, tokenizer, vocabulary), tokenizer, index, 5)
    for field in ("ids", "offsets"):
        assert getattr(few, field).tolist() == getattr(many, field).tolist()
    assert (few.unseen.rows.tolist(), few.names) == (many.unseen.rows.tolist(), many.names)
    words = [token.text for text in texts for token in tokenizer.spans(text)]
    known = {**{word: i for i, word in enumerate(vocabulary.words, 2)}, **{w: 5 + i for i, w in enumerate(few.names)}}
    assert few.ids.tolist() == [known.get(word, UNKNOWN) for word in words]
    if grammar != "characters":
        assert few.names == ["goods", "goody"]
        assert "qqq" not in few.names  # none of its n-grams is known


def test_texts_of_known_words_stay_as_they_are():
    tokenizer, vocabulary = Tokenizer(TextConfig()), Vocabulary(["good"])
    encoded = encode_few(["good", ""], tokenizer, vocabulary, warm=False)
    assert name_unknown(["good", ""], encoded, tokenizer, SubwordIndex(np.array([1]), (3, 5)), 3) is encoded
