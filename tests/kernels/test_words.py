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
