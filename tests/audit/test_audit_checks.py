import numpy as np
import pytest

from textcnn.audit._checks import conflicts, languages, lengths, near_conflicts, overlaps, scripts, small_classes
from textcnn.audit._checks import spellings as spelling_findings
from textcnn.audit.finding import Pool
from textcnn.data.labelled import Labelled
from textcnn.data.repeats import first_equal
from textcnn.errors import DataError
from textcnn.settings.config import TextConfig
from textcnn.text.columns import as_column
from textcnn.text.encoding import encode_texts
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import build_vocabulary

NAMES = ["bad", "good"]


def pool_of(names=NAMES, numbers=None, **parts):
    """A pool of (text, label) pairs by split."""
    labelled = {
        split: Labelled(as_column([text for text, _ in pairs]), np.array([names.index(label) for _, label in pairs]))
        for split, pairs in parts.items()
    }
    return Pool.of(labelled, names, numbers)


def encode(pool):
    vocabulary = build_vocabulary(pool.texts, TextConfig())
    return encode_texts(pool.texts, Tokenizer(TextConfig()), vocabulary), vocabulary.words


def first(pool):
    return first_equal(as_column(pool.texts))


def places(findings):
    return [(one.split, one.row, one.other_split, one.other_row) for one in findings]


def test_equal_texts_with_different_labels():
    pool = pool_of(
        train=[("A film", "good"), ("other", "bad"), ("a film ", "bad"), ("other", "bad"), ("A FILM", "good")],
        test=[("two", "good"), ("Two", "bad")],
    )
    found = list(conflicts(pool, first(pool)))
    assert places(found) == [
        ("train", 1, "train", 3),
        ("train", 3, "train", 1),
        ("train", 5, "train", 3),
        ("test", 1, "test", 2),
        ("test", 2, "test", 1),
    ]
    assert [one.suggested_label for one in found] == ["", "good", "", "", ""]
    assert (found[1].text, found[1].label, found[1].other_text, found[1].other_label) == (
        *("a film ", "bad"),
        *("A film", "good"),
    )


def test_near_duplicates_with_different_labels():
    pool = pool_of(
        train=[
            ("this is a very fine film", "good"),
            ("this is a very very fine film!", "bad"),
            ("This is a very fine film", "bad"),  # equal to the first
            ("this is a very fine book", "bad"),
            ("this is a very fine film .", "good"),
            ("nothing like it", "good"),
        ]
    )
    found = list(near_conflicts(pool, first(pool), encode(pool)[0]))
    assert {(one.row, one.other_row, round(one.score, 3)) for one in found} == {
        (1, 2, 0.857),
        (2, 1, 0.857),
        (3, 5, 0.857),
        (5, 3, 0.857),
    }


def test_texts_in_two_splits():
    pool = pool_of(
        train=[("a", "good"), ("b", "good"), ("A ", "bad")],
        validation=[("c", "good"), ("d", "good")],
        test=[("D", "good"), ("a", "good"), ("a", "good")],
    )
    assert places(overlaps(pool, first(pool))) == [
        ("train", 1, "test", 2),
        ("train", 3, "test", 2),
        ("validation", 2, "test", 1),
    ]


def test_empty_and_overlong_texts():
    pool = pool_of(train=[("", "good"), ("a b c", "bad"), ("  \n", "bad"), ("word " * 101, "bad"), ("w " * 100, "bad")])
    found = list(lengths(pool, encode(pool)[0].lengths))
    assert [(one.kind, one.row, one.score) for one in found] == [
        ("empty", 1, None),
        ("empty", 3, None),
        ("long", 4, 101.0),
    ]


def test_texts_in_another_script():
    english = [(f"an English text, number {i}", "good") for i in range(30)]
    others = [
        "это не по-английски",
        "café crème",
        "我喜欢这部电影",
        "日本語の映画です",
        "это a mostly English one",
        "12 !?",
    ]
    pool = pool_of(train=[*english, *((text, "bad") for text in others)])
    assert [(one.row - 31, one.score) for one in scripts(pool)] == [(0, 1.0), (2, 1.0), (3, 1.0)]
    mixed = pool_of(train=[("an English text", "good"), ("это не по-английски", "good")] * 5)
    assert list(scripts(mixed)) == []


def test_texts_in_another_language():
    generator = np.random.default_rng(0)
    nouns = [f"noun{i}" for i in range(120)]
    english = [" ".join(f"the {noun} of a film is" for noun in generator.choice(nouns, 3)) for _ in range(400)]
    french = "ce film est une vraie perte de temps et je ne le recommande pas du tout"
    few = "ce film est une perte de temps"
    pool = pool_of(train=[(text, "good") for text in [*english[:50], french, few, *english[50:]]])
    [found] = languages(pool, *encode(pool))
    assert (found.row, found.text) == (51, french)
    assert found.score < 0.25


def test_spellings_and_small_classes():
    names = ["Good", "bad", "good ", "rare"]
    pairs = [("x", "Good")] * 11 + [("y", "good ")] * 2 + [("z", "bad")] * 10 + [("w", "rare")] * 3
    pool = pool_of(names, train=pairs)
    assert [(one.row, one.label, one.suggested_label) for one in spelling_findings(pool)] == [
        (12, "good ", "Good"),
        (13, "good ", "Good"),
    ]
    assert [(one.row, one.label, one.score) for one in small_classes(pool)] == [(r, "rare", 3.0) for r in (24, 25, 26)]
    assert list(conflicts(pool_of(names, train=[("x", "Good"), ("x", "good ")]), np.zeros(2, int))) == []


def test_rows_have_the_numbers_of_the_file():
    pool = pool_of(numbers={"train": np.array([2, 7])}, train=[("a", "good"), ("a", "bad")])
    assert places(conflicts(pool, first(pool))) == [("train", 2, "train", 7), ("train", 7, "train", 2)]


def test_several_labels_a_text_are_refused():
    part = Labelled(as_column(["a", "b"]), np.ones((2, 3), bool))
    with pytest.raises(
        DataError, match=r"^audit: expected one label for each text, found labels of the shape \(2, 3\)"
    ):
        Pool.of({"train": part}, ["a", "b", "c"], None)
