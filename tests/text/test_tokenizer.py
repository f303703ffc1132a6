import re
import sys
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textcnn.settings.config import TOKENIZERS, TextConfig
from textcnn.text._characters import CHARACTER, CONTROL, JAMO, JOINER, SPACE, WORD, classes
from textcnn.text.tokenizer import BEFORE_LOWER, Tokenizer, lower, pattern_of
from textcnn.text.tokens import text_lengths

# Characters that the grammars treat specially, so that examples meet them often.
SPECIAL = (
    " \t\n\u00a0\u200b\ufeff'’`(),!?nstvedlrNT'_aZé\u0301\u0300Σİß\u200d\ufe0f👍🏽👩🇫🇷ไม่映か한\u1100\u1161\x00\u2028¼٣"
)
TEXTS = st.lists(
    st.one_of(st.text(st.sampled_from(SPECIAL)), st.text(st.characters(exclude_categories=["Cs"]))), max_size=6
)


def tokenizer(name, **kwargs):
    return Tokenizer(TextConfig(tokenizer=name, **kwargs))


def columnar(tok, texts):
    out = []
    for tokens in tok.columns(pa.array(texts, pa.string())):
        words = tokens.words.to_pylist()
        out += [words[i:j] for i, j in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)]
    return out


def single(tok, texts):
    return [[token.text for token in tok.spans(text)] for text in texts]


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("lowercase", [True, False])
@given(texts=TEXTS)
@example(texts=["don't", "'tis the 'n' rock'n'roll'", "a'\u0301b a\u0301'b a'\u200db"])
@example(texts=["\u0301a", "e", "\u0301", "👩\u200d", "👧", "🇫", "🇷🇩", "🇫\u0301🇷🇩"])
@example(texts=["", " ", "\x00\x01", "ΑΣ Σ İI", "n't 't nt's's 'd'll'rev"])
def test_columnar_path_equals_the_single_path(name, lowercase, texts):
    tok = tokenizer(name, lowercase=lowercase)
    assert columnar(tok, texts) == single(tok, texts)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_paths_agree_on_every_character(name):
    tok = tokenizer(name)
    points = [*range(0x3100)]  # the others only distinguish ASCII, white space and the rest
    if name == "unicode":
        # Planes 4 to 13 have no characters in any version of Unicode, 15 and 16 are for private use.
        points = [
            *range(0x40000),
            *range(0x40000, 0xE0000, 61),
            *range(0xE0000, 0xF0000),
            *range(0xF0000, 0x110000, 61),
        ]
    alone = [chr(c) for c in points if not 0xD800 <= c <= 0xDFFF]
    texts = ["".join(f"a{c}b {c}" for c in alone[i : i + 4096]) for i in range(0, len(alone), 4096)]
    texts = [unicodedata.normalize("NFC", text) for text in texts]  # to compose is slow, and tested above
    assert columnar(tok, texts) == single(tok, texts)


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("lowercase", [True, False])
@given(texts=TEXTS)
@example(
    texts=["don't", "a'\u0301b a\u0301'b a\u200db", "👩\u200d👧 🇫🇷🇩 \u0301", "ΑΣ Σ İI", "n't's 'd'll'rev [a-z]\\d"]
)
def test_the_written_out_pattern_finds_the_tokens(name, lowercase, texts):
    pattern = re.compile(pattern_of(name))
    prepared = [unicodedata.normalize("NFC", text) for text in texts]
    if lowercase:
        prepared = [text.translate(str.maketrans(BEFORE_LOWER)).lower() for text in prepared]
    found = [pattern.findall(text) for text in prepared]
    if name == "characters":
        found = [[" " if match.isspace() else match for match in matches] for matches in found]
    assert found == single(tokenizer(name, lowercase=lowercase), texts)


def test_the_written_out_pattern_knows_where_each_class_begins_and_ends():
    begins = np.flatnonzero(np.diff(classes())) + 1
    points = np.unique([begins - 1, begins])
    characters = [chr(c) for c in points if not 0xD800 <= c <= 0xDFFF]
    text = unicodedata.normalize("NFC", " ".join(f"a{c}b {c}" for c in characters))
    assert [re.findall(pattern_of("unicode"), text)] == single(tokenizer("unicode", lowercase=False), [text])


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_whitespace_is_split(text):
    nfc = unicodedata.normalize("NFC", text)
    assert single(tokenizer("whitespace", lowercase=False), [text]) == [nfc.split()]


@given(text=st.text(st.characters(exclude_categories=["Cs"])), lowercase=st.booleans())
@example(text=" \t a\n\u3000b\u0301e\u0301 ", lowercase=True)
def test_characters_are_code_points_and_a_run_of_white_space_is_one_space(text, lowercase):
    expected = []
    for character in unicodedata.normalize("NFC", text):
        if not character.isspace():
            expected.append(lower(character) if lowercase else character)
        elif expected[-1:] != [" "]:
            expected.append(" ")
    assert single(tokenizer("characters", lowercase=lowercase), [text]) == [expected]


def test_positions_of_characters_are_those_of_the_text():
    text = "A \n e\u0301!"
    tokens = tokenizer("characters").spans(text)
    assert [token.text for token in tokens] == ["a", " ", "é", "!"]
    assert [text[token.start : token.end] for token in tokens] == ["A", " \n ", "e\u0301", "!"]


def test_a_space_among_characters_is_shown():
    assert tokenizer("characters").shown(["a", " ", "b"]) == "a␣b"
    assert tokenizer("unicode").shown(["a", "b"]) == "a b"


def clean_str(text):
    """Kim's cleaning by its rules, one substitution after the other."""
    text = re.sub(r"[^A-Za-z0-9(),!?'`]", " ", text)
    for clitic in ("'s", "'ve", "n't", "'re", "'d", "'ll"):
        text = text.replace(clitic, " " + clitic)
    for mark in ",!()?":
        text = text.replace(mark, f" {mark} ")
    return text.split()


@given(text=st.text(st.sampled_from("abnstvedlrAN't`(),!? 0é\u0301-")))
@example(text="n't'sn't")
def test_kim_is_the_papers_cleaning(text):
    tok = tokenizer("kim", lowercase=False)
    assert single(tok, [text]) == [clean_str(unicodedata.normalize("NFC", text))]


def test_kim_on_a_sentence():
    tok = tokenizer("kim")
    assert single(tok, ["It's (really) good, isn't it? We'd say Café 7/10!"]) == [
        ["it", "'s", "(", "really", ")", "good", ",", "is", "n't", "it", "?", "we", "'d", "say", "caf", "7", "10", "!"]
    ]


def test_kim_sst_keeps_words_whole():
    assert single(tokenizer("kim-sst"), ["It 's good , n't ( bad )", "don't, ok?"]) == [
        ["it", "'s", "good", ",", "n't", "(", "bad", ")"],
        ["don't,", "ok?"],
    ]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't stop!!", ["don't", "stop", "!", "!"]),
        ("l’amour — s'il te plaît", ["l’amour", "—", "s'il", "te", "plaît"]),
        ("rock 'n' roll", ["rock", "'", "n", "'", "roll"]),
        ("3.5 stars, e-mail me@x.org", ["3", ".", "5", "stars", ",", "e", "-", "mail", "me", "@", "x", ".", "org"]),
        ("Привет, мир", ["привет", ",", "мир"]),
        ("電影很好看。", ["電", "影", "很", "好", "看", "。"]),
        ("とても良い", ["と", "て", "も", "良", "い"]),
        ("ไม่ดี", ["ไ", "ม่", "ดี"]),
        ("정말 좋아요", ["정말", "좋아요"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("👍🏽❤️👨‍👩‍👧🇫🇷🇩🇪😀😀", ["👍🏽", "❤️", "👨‍👩‍👧", "🇫🇷", "🇩🇪", "😀", "😀"]),
        ("cafe\u0301", ["café"]),
        ("", []),
        (" \n\t\u200b", []),
    ],
)
def test_unicode_grammar(text, tokens):
    tok = tokenizer("unicode")
    assert single(tok, [text]) == columnar(tok, [text]) == [tokens]


@given(text=st.one_of(st.text(st.sampled_from(SPECIAL)), st.text(st.characters(exclude_categories=["Cs"]))))
def test_spans_point_into_the_original(text):
    position = 0
    for token in tokenizer("unicode").spans(text):
        assert position <= token.start <= token.end <= len(text)
        position = token.start
        if unicodedata.is_normalized("NFC", text):
            assert lower(text[token.start : token.end]) == token.text


def test_spans_of_a_text_that_is_not_nfc():
    text = "Un cafe\u0301 noir"
    assert [(t.text, text[t.start : t.end]) for t in tokenizer("unicode").spans(text)] == [
        ("un", "Un"),
        ("café", "cafe\u0301"),
        ("noir", "noir"),
    ]


def test_lower_is_per_character():
    assert lower("ΟΔΟΣ İI") == "οδοσ ii"
    changed = [c for c in map(chr, range(sys.maxunicode + 1)) if not 0xD800 <= ord(c) <= 0xDFFF and len(lower(c)) != 1]
    assert changed == []


def test_character_classes_agree_with_unicode_categories():
    # The table is of Unicode 15.1: this Python's Unicode may know fewer or more characters.
    expected = {"L": {WORD, CHARACTER}, "N": {WORD, CHARACTER}, "M": {JOINER}, "Z": {SPACE}}
    wrong = [
        hex(code)
        for code, kind in enumerate(classes())
        if (category := unicodedata.category(chr(code))) != "Cn"
        and category[0] in expected
        and kind not in expected[category[0]]
    ]
    assert wrong == []
    spaces = [chr(c) for c in range(0x110000) if classes()[c] == SPACE]
    assert all(c.isspace() for c in spaces)
    assert {chr(c) for c in range(0x110000) if chr(c).isspace()} == set(spaces)
    assert classes()[0] == CONTROL


def test_texts_are_cut_at_max_length():
    tok = tokenizer("whitespace", max_length=2)
    texts = ["a b c", "", "d", "e f"]
    assert columnar(tok, texts) == single(tok, texts) == [["a", "b"], [], ["d"], ["e", "f"]]


def test_columns_come_in_chunks(monkeypatch):
    monkeypatch.setattr("textcnn.text.tokenizer.CHUNK", 16)
    texts = ["one two", "", "a long text of many words, longer than a chunk", "three"] * 3
    chunks = list(tokenizer("unicode").columns(pa.chunked_array([texts[:5], texts[5:]])))
    assert len(chunks) > 3
    words = [w for tokens in chunks for w in tokens.words.to_pylist()]
    assert words == [word for text in single(tokenizer("unicode"), texts) for word in text]


def test_sliced_columns_are_read_within_their_bounds():
    column = pa.array(["zero", "one é", "two", "three"]).slice(1, 2)
    [tokens] = tokenizer("unicode").columns(column)
    assert tokens.words.to_pylist() == ["one", "é", "two"]
    assert tokens.lengths.tolist() == [2, 1]


CUTTING = "ab1 don't \u0301\u200d日本ไทยกำ😀👍🏽🇩🇪,.!\u3000\x85\x00\u1100\u1161\u11a8한é\u09c7\u09be\uff9e\u3099か’'"


@pytest.mark.parametrize("grammar", TOKENIZERS)
@settings(max_examples=150, deadline=None)
@given(texts=st.lists(st.text(st.sampled_from(CUTTING), max_size=200), max_size=3), limit=st.sampled_from([None, 7]))
def test_a_long_text_in_pieces_has_the_tokens_of_the_whole(grammar, texts, limit):
    tokenizer = Tokenizer(TextConfig(tokenizer=grammar, max_length=limit))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textcnn.text.tokenizer.CHUNK", 16)
        patch.setattr("textcnn.text.tokenizer._WINDOW", 12)
        chunks = list(tokenizer.columns(pa.array(texts, pa.large_string())))
    spans = [tokenizer.spans(text) for text in texts]
    assert [word for tokens in chunks for word in tokens.words.to_pylist()] == [
        token.text for tokens in spans for token in tokens
    ]
    assert text_lengths(chunks).tolist() == [len(tokens) for tokens in spans]


def test_no_place_to_cut_composes_with_the_character_before_it():
    """A composition's second character is a mark or a Jamo, before which no text is cut."""
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            second = int(parts[1], 16)
            assert classes()[second] == JOINER or second in JAMO, hex(second)
        if unicodedata.combining(chr(code)) and unicodedata.unidata_version <= "15.1.0":
            assert classes()[code] == JOINER, hex(code)


def test_a_long_text_comes_in_pieces():
    chunks = list(Tokenizer(TextConfig()).columns(pa.array(["日" * 2_000_000, "a b"])))
    assert len(chunks) == 7  # 6 MB, and "a b"
    assert text_lengths(chunks).tolist() == [2_000_000, 2]
