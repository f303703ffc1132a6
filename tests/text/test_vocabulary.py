import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.errors import DataError
from textcnn.settings.config import TextConfig
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import build_vocabulary, count_words


def test_vocabulary_counts_and_limits():
    texts = pa.chunked_array([["b b a", "c a b"], ["d"]])
    assert build_vocabulary(texts, TextConfig()).words == ["b", "a", "c", "d"]
    assert build_vocabulary(texts, TextConfig(min_count=2)).words == ["b", "a"]
    assert build_vocabulary(texts, TextConfig(max_size=3)).words == ["b", "a", "c"]
    with pytest.raises(DataError, match="found none that occur 9 times or more"):
        build_vocabulary(texts, TextConfig(min_count=9))


@given(texts=st.lists(st.text(st.sampled_from("abc ")), max_size=8))
def test_counts_equal_a_loop(texts):
    words, counts = count_words(Tokenizer(TextConfig(tokenizer="whitespace")).columns(pa.array(texts, pa.string())))
    flat = " ".join(texts).split()
    expected = sorted(set(flat), key=lambda w: (-flat.count(w), w))
    assert words == expected
    assert counts.tolist() == [flat.count(w) for w in expected]
