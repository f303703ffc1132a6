import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn import kernels
from textcnn.settings.config import TextConfig
from textcnn.text import encoding
from textcnn.text.columns import as_column
from textcnn.text.encoding import easy_characters, encode_few, encode_texts
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import UNKNOWN, Vocabulary

WORDS = ["don't", "don", "t", "a", "b", "é", "naïve", "…", "’", "'", "i", "ⱥ", "«", "σ", "я", "c.d", "日", "a'b"]
# Characters at the borders between easy and difficult texts, and those that lower-case to more bytes.
SPECIAL = "ab'’ \t.,-—éïÉİȺΣσя\u0301\u200d😀日ſKÅ\u2000\u00a0\x00\x85«ไ\u1100\u1161¼ß𐐀\u2070"
TEXTS = st.lists(st.text(st.one_of(st.sampled_from(SPECIAL), st.characters(codec="utf-8")), max_size=12), max_size=4)


@settings(max_examples=400, deadline=None)
@given(
    texts=TEXTS,
    grammar=st.sampled_from(["unicode", "whitespace", "kim"]),
    lowercase=st.booleans(),
    limit=st.sampled_from([None, 1, 3]),
)
def test_all_paths_give_the_same_ids(texts, grammar, lowercase, limit):
    tokenizer = Tokenizer(TextConfig(tokenizer=grammar, lowercase=lowercase, max_length=limit))
    vocabulary = Vocabulary(WORDS)
    expected = [vocabulary.ids(tokenizer.spans(text)) for text in texts]
    flat = [i for ids in expected for i in ids]
    offsets = np.cumsum([0, *map(len, expected)]).tolist()
    paths = [encode_few(texts, tokenizer, vocabulary, warm=warm) for warm in (False, True)]
    paths += [encode_texts(pa.chunked_array([texts[:2], texts[2:]], pa.large_string()), tokenizer, vocabulary)]
    for encoded in paths:
        assert encoded.ids.tolist() == flat
        assert encoded.offsets.tolist() == offsets
        assert (encoded.ids.dtype, encoded.offsets.dtype) == (np.int32, np.int64)


def test_a_slice_of_a_column():
    tokenizer, vocabulary = Tokenizer(TextConfig()), Vocabulary(WORDS)
    column = as_column(["a", "don't B", "日 é b", "b"])
    assert encode_texts(column.slice(1, 2), tokenizer, vocabulary).ids.tolist() == [2, 6, 18, 7, 6]


def test_without_the_compiled_loops(monkeypatch):
    tokenizer, vocabulary = Tokenizer(TextConfig()), Vocabulary(WORDS)
    column = as_column(["a", "don't B", "日 é b", ""])
    expected = encode_texts(column, tokenizer, vocabulary)
    monkeypatch.setattr(kernels, "compiled", False)
    found = encode_texts(column, tokenizer, vocabulary)
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.offsets.tolist() == expected.offsets.tolist()


@pytest.mark.skipif(not kernels.compiled, reason="textcnn was installed without a compiler")
def test_an_empty_vocabulary_knows_nothing():
    encoded = encode_texts(as_column(["a b", ""]), Tokenizer(TextConfig()), Vocabulary([]))
    assert encoded.ids.tolist() == [1, 1]


def test_ordinary_text_is_easy():
    kinds, lowered = easy_characters("unicode", lowercase=True)
    for character in "The quick brown fox’s “naïve” café — 3½ €?\n":
        if ord(character) < len(kinds):
            assert kinds[ord(character)] != encoding._DIFFICULT, character
    assert "".join(map(chr, lowered[[*map(ord, "AÉΣİ")]])) == "aéσi"


@pytest.mark.skipif(not kernels.compiled, reason="textcnn was installed without a compiler")
@given(st.lists(st.binary(max_size=6), min_size=1, max_size=4))
def test_bytes_that_are_not_utf8_are_difficult(texts):
    tokenizer, vocabulary = Tokenizer(TextConfig()), Vocabulary(WORDS)
    offsets = np.cumsum([0, *map(len, texts)])
    _, counts = encoding._sweep(np.frombuffer(b"".join(texts), np.uint8), offsets, tokenizer, vocabulary)
    for text, count in zip(texts, counts.tolist(), strict=True):
        try:
            text.decode()
        except UnicodeDecodeError:
            assert count == -1


def test_encoding_on_both_paths():
    vocabulary = Vocabulary(["b", "a"])
    tok = Tokenizer(TextConfig(tokenizer="whitespace"))
    encoded = encode_texts(pa.chunked_array([["a b x", ""], ["b"]]), tok, vocabulary)
    assert encoded.ids.tolist() == [3, 2, UNKNOWN, 2]
    assert encoded.offsets.tolist() == [0, 3, 3, 4]
    assert vocabulary.ids(tok.spans("a b x")) == [3, 2, UNKNOWN]
    assert len(vocabulary) == 4
