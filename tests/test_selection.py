import numpy as np
import pyarrow as pa
import pytest

from textcnn import TextCNNClassifier
from textcnn.errors import DataError
from textcnn.selection import POOL, suggest


@pytest.fixture(scope="module")
def model():
    generator = np.random.default_rng(0)
    words = generator.integers(0, 30, size=(120, 5))
    labels = np.arange(120) % 3
    texts = [" ".join([f"mark{k}", *(f"w{w}" for w in row)]) for k, row in zip(labels, words, strict=True)]
    return TextCNNClassifier(dimension=8, feature_maps=4, region_sizes=(1, 2), max_epochs=4).fit(texts, labels).model_


def texts_of(size, seed=1):
    generator = np.random.default_rng(seed)
    return [
        " ".join([*(f"mark{k}" for k in generator.integers(0, 3, size=2)), *(f"w{w}" for w in row)])
        for row in generator.integers(0, 30, size=(size, 6))
    ]


def margins(model, texts):
    best = np.sort(model.predict_proba(texts), axis=1)[:, -2:]
    return best[:, 1] - best[:, 0]


def test_they_are_distinct_uncertain_and_in_order(model):
    texts = texts_of(600)
    found = suggest(model, [texts], 20)
    chosen = found.texts.to_pylist()
    assert chosen == [texts[row - 1] for row in found.rows]
    assert len({*chosen}) == 20
    own = margins(model, chosen)
    assert (np.diff(own) >= -1e-6).all()
    assert own.max() <= np.sort(margins(model, texts))[POOL * 20 - 1] + 1e-6
    assert np.array_equal(found.scores.probabilities, model.predict_proba(chosen))
    again = suggest(model, [texts], 20)
    assert np.array_equal(again.rows, found.rows)


def test_copies_do_not_crowd_out_the_others(model):
    texts = texts_of(300)
    least_certain = texts[margins(model, texts).argmin()]
    copies = [f"{least_certain} new{i}" for i in range(60)]
    texts += copies
    few = {texts[row] for row in np.argsort(margins(model, texts))[:10]}
    found = {*suggest(model, [texts], 10).texts.to_pylist()}
    assert len(found & {*copies}) <= 2 < len(few & {*copies})


def test_batches_of_any_size_give_the_same(model):
    texts = texts_of(500)
    whole = suggest(model, [texts], 10)
    seen = []
    pieces = [pa.array(texts[begin : begin + 70]) for begin in range(0, 500, 70)]
    found = suggest(model, pieces, 10, on_batch=seen.append)
    assert np.array_equal(found.rows, whole.rows)
    assert seen == [70] * 7 + [10]


def test_equal_empty_and_unknown_texts_come_last(model):
    texts = ["", *texts_of(30), "Unheard of", " ", "unheard of", *(text.upper() for text in texts_of(30))]
    found = suggest(model, [texts], 30)
    assert {*found.texts.to_pylist()} == {*texts_of(30)}
    assert sorted(found.rows) == [*range(2, 32)]
    everything = suggest(model, [texts], 100)
    assert len(everything.rows) == 32
    assert everything.texts.to_pylist()[-2:] == ["Unheard of", ""]


def test_texts_of_the_same_words_are_one_point(model):
    """Filters of one word do not see the order."""
    texts = ["w1 w2 mark0", "w2 w1 mark0"] * 2 + [f"w1 {'w2 ' * n}mark0" for n in range(2, 9)]
    found = suggest(model, [texts], 5)
    assert len({*found.texts.to_pylist()}) == 5


def test_no_texts(model):
    assert len(suggest(model, [], 3).rows) == 0
    assert len(suggest(model, [[]], 3).rows) == 0
    with pytest.raises(DataError, match="write \\['ab'\\]"):
        suggest(model, ["ab"], 3)
