import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textcnn import kernels


@given(ids=st.lists(st.integers(0, 9), max_size=30))
def test_number_words(ids):
    numbers = np.zeros(10, np.int32)
    words, places = kernels.number_words(np.array(ids, np.int32), numbers)
    assert words.tolist() == list(dict.fromkeys(ids))
    assert words[places].tolist() == ids
    assert not numbers.any()


def test_a_word_is_found_among_many():
    names = [f"word{i}" for i in range(5000)]
    data = np.frombuffer("".join(names).encode(), np.uint8)
    table = kernels.WordTable(data, np.cumsum([0, *map(len, names)]))
    texts = [" ".join(names[i : i + 3]) for i in range(0, 4998, 3)] + ["word", "word5000 x"]
    kinds = np.full(128, 2, np.uint8)
    kinds[ord(" ")] = 0
    content = np.frombuffer("".join(texts).encode(), np.uint8)
    offsets = np.cumsum([0, *map(len, texts)])
    lower = np.arange(128, dtype=np.uint32)
    ids, counts = table.encode(content, offsets, kinds, lower, limit=None, first_word=2, unknown=1)
    assert counts.tolist() == [3] * (len(texts) - 2) + [1, 2]
    assert ids.tolist() == [*range(2, 5000), 1, 1, 1]


def shortest(call, rounds=3):
    """Seconds of the fastest of several calls."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times)


def test_chosen_ngrams_do_not_collide():
    """Numbers that a multiplication by a known constant sends to one slot take as long as random ones."""
    count, inverse = 60_000, pow(0x9E3779B97F4A7C15, -1, 2**64)
    high = np.arange(1, 4 * count, dtype=np.uint64)
    keys = np.sort((high << np.uint64(32) | high) * np.uint64(inverse))
    keys = keys[keys < 2**62][:count].astype(np.int64)
    others = np.unique(np.random.default_rng(0).integers(0, 2**62, 2 * len(keys)))[: len(keys)]
    assert len(keys) == len(others) > count / 2

    def make(numbers):
        return lambda: kernels.NgramTable(numbers, order=2, vocabulary_size=2**31 - 1, first_word=2)

    assert shortest(make(keys)) < 20 * shortest(make(others)) + 0.1


def test_chosen_words_do_not_collide():
    """The same of words with one slot by Fowler, Noll and Vo's hash."""
    letters = np.random.default_rng(0).integers(97, 123, (3_000_000, 8), dtype=np.uint8)
    hashes = np.full(len(letters), 14695981039346656037, np.uint64)
    for column in letters.T:
        hashes = (hashes ^ column) * np.uint64(1099511628211)
    slots = (hashes ^ hashes >> np.uint64(32)) & np.uint64(4095)
    chosen = letters[slots < 4]  # of a table of 4096
    kinds, lower = np.full(128, 2, np.uint8), np.arange(128, dtype=np.uint32)
    kinds[ord(" ")] = 0

    def encode(words):
        table = kernels.WordTable(words.ravel(), np.arange(0, words.size + 1, 8))
        text = np.column_stack([np.tile(words, (20, 1)), np.full(20 * len(words), 32, np.uint8)]).ravel()
        offsets = np.array([0, len(text)])
        return lambda: table.encode(text, offsets, kinds, lower, limit=None, first_word=2, unknown=1)

    assert len(chosen) > 1500
    assert shortest(encode(chosen[:1500])) < 20 * shortest(encode(letters[:1500])) + 0.02


@given(words=st.lists(st.text(max_size=40), unique=True, max_size=30))
def test_words_of_all_lengths_are_found(words):
    names = [word.encode() for word in words]
    data = np.frombuffer(b"".join(names), np.uint8)
    table = kernels.WordTable(data, np.cumsum([0, *map(len, names)]))
    kinds, lower = np.full(0x110000, 2, np.uint8), np.arange(0x110000, dtype=np.uint32)
    offsets = np.cumsum([0, *map(len, names)])
    ids, counts = table.encode(data, offsets, kinds, lower, limit=None, first_word=2, unknown=1)
    assert counts.tolist() == [int(bool(name)) for name in names]
    assert ids.tolist() == [number for number, name in enumerate(names, 2) if name]
