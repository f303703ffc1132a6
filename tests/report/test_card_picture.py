import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from textcnn.metrics import evaluate
from textcnn.report.card_picture import _bars, _matrix, card_picture

ODD = ["$x_1$", "_hidden", "a class with a name that is long", "日本", "\x00<b>"]


def figures(names, texts=60, seed=0):
    random = np.random.default_rng(seed)
    truth = np.arange(texts) % len(names)
    return evaluate(truth, random.dirichlet(np.ones(len(names)), texts).astype(np.float32), names)


def drawn(draw):
    axes = Figure().add_subplot()
    draw(axes)
    return axes


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_the_matrix_has_the_number_of_each_pair_in_its_place():
    found = figures(["a", "b", "c"])
    axes = drawn(_matrix(found))
    cells = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
    cell = found["confusion"]
    expected = {(row, column): "0" for row in range(3) for column in range(3)}
    for row, column, number in zip(cell["label"], cell["predicted"], cell["texts"], strict=True):
        expected[row, column] = str(number)
    assert cells == expected
    assert labels(axes.xaxis) == labels(axes.yaxis) == ["a", "b", "c"]
    shares = axes.images[0].get_array()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_a_class_without_texts_has_an_empty_row():
    found = figures(["a", "b"], texts=1)  # only of `a`
    np.testing.assert_array_equal(drawn(_matrix(found)).images[0].get_array()[1], 0)


def test_names_are_written_as_they_are_and_cut():
    expected = ["$x_1$", "_hidden", "a class with a na…", "日本", "\ufffd<b>"]
    assert labels(drawn(_matrix(figures(ODD))).yaxis) == expected
    assert labels(drawn(_bars(figures(ODD)["classes"])).yaxis) == expected


@pytest.mark.parametrize("names", [["a", "b"], ODD, [f"c{i}" for i in range(12)]])
def test_few_classes_have_a_matrix(names):
    picture, caption = card_picture({"validation": figures(names, 40), "test": figures(names, 1200)})
    assert caption == "Confusion matrix on test, 1,200 texts (a row per true class)"
    assert imread(io.BytesIO(picture)).shape == (480, 672, 4)


def test_many_classes_have_bars_the_lowest_first():
    found = figures([f"c{i:02}" for i in range(30)], 29)
    picture, caption = card_picture({"validation": found})
    assert caption == "F1 by label on validation, 29 texts (the 20 lowest of 30)"
    assert imread(io.BytesIO(picture)).shape == (480, 672, 4)
    rows = [{"name": "low", "f1": 0.25}, {"name": "high", "f1": 0.5}]
    axes = drawn(_bars(rows))
    assert [(bar.get_width(), bar.get_y() + 0.4) for bar in axes.patches] == [(0.25, 1), (0.5, 0)]
    assert labels(axes.yaxis) == ["low", "high"]


def test_several_labels_have_bars():
    rows = [{"name": name, "f1": 0.5, "support": 3} for name in "ab"]
    assert card_picture({"test": {"examples": 5, "classes": rows}})[1] == "F1 by label on test, 5 texts"


def test_without_scores_there_is_none():
    assert card_picture({}) is None
    assert card_picture({"test": {"examples": 4, "accuracy": 0.5}}) is None
