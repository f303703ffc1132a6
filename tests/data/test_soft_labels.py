import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.data.labelled import Labelled
from textcnn.data.soft_labels import SoftLabels, checked_probabilities, joined, read_soft_labels, without
from textcnn.errors import DataError
from textcnn.targets import ONE_CLASS, SEVERAL_LABELS

CLASSES = ["bad", "good"]


def column(texts):
    return pa.chunked_array([texts], pa.string())


def soft(texts, probabilities, weights=None):
    return SoftLabels(column(texts), np.array(probabilities, np.float32), weights)


def written(folder, name, rows, header=("text", "probability:good", "probability:bad")):
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(pa.table(dict(zip(header, zip(*rows, strict=True), strict=True))), path)
    elif name.endswith(".jsonl"):
        lines = [json.dumps({"text": t, "probabilities": {"good": g, "bad": b}}) for t, g, b in rows]
        path.write_text("\n".join(lines) + "\n")
    else:
        path.write_text("\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\n")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl"])
def test_files_of_every_form(tmp_path, name):
    path = written(tmp_path, name, [("x", 0.75, 0.25), ("y", 0.1, 0.9)])
    found = read_soft_labels([path], CLASSES)
    assert found.texts.to_pylist() == ["x", "y"]
    np.testing.assert_allclose(found.probabilities, [[0.25, 0.75], [0.9, 0.1]], rtol=1e-6)
    assert found.probabilities.dtype == np.float32
    assert found.weights is None


def test_several_files_and_weights(tmp_path):
    written(tmp_path, "a1.csv", [("x", 1, 0, 2)], ("text", "probability:good", "probability:bad", "w"))
    written(tmp_path, "a2.csv", [("y", 0, 1)])
    found = read_soft_labels([str(tmp_path / "a*.csv")], CLASSES, weight_column="w")
    assert found.texts.to_pylist() == ["x", "y"]
    assert found.weights.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (
            [("x", 0.5, 0.4)],
            None,
            "expected probabilities that sum to 1, found 0.9 in row 1; give the probability of every class",
        ),
        ([("x", 1, 0), ("y", 1.5, 0)], None, "expected probabilities from 0 to 1, found 1.5 in row 2; correct it"),
        ([("x", -0.5, 1)], None, "expected probabilities from 0 to 1, found -0.5 in row 1; correct it"),
        ([("x", 1, 0), ("y", "", 1)], None, "expected probabilities from 0 to 1, found no number in row 2; correct it"),
        ([("x", "nan", 1)], None, "expected probabilities from 0 to 1, found no number in row 1; correct it"),
        ([("x", "much", 1)], None, "expected probabilities from 0 to 1, found no number in row 1; correct it"),
        (
            [("x", 1)],
            ("text", "probability:good"),
            "expected a column of probabilities for each class (probability:bad, probability:good), found no "
            "'probability:bad'; nearest to 'probability:bad': probability:good; let a teacher of the same classes "
            "write it, such as textcnn predict --proba",
        ),
        (
            [("x", 1, 0, 0)],
            ("text", "probability:good", "probability:bad", "probability:ugly"),
            "expected a column of probabilities for each class (probability:bad, probability:good), found "
            "'probability:ugly' too; let a teacher of the same classes write it, such as textcnn predict --proba",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_a_line(tmp_path, rows, header, message):
    path = written(tmp_path, "a.csv", rows, *([] if header is None else [header]))
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}: {message}')}$"):
        read_soft_labels([path], CLASSES)


def test_a_missing_text_and_a_missing_file(tmp_path):
    path = written(tmp_path, "a.csv", [("", 1, 0)])
    with pytest.raises(DataError, match="expected a text in every row of .*, but row 1 has none"):
        read_soft_labels([path], CLASSES)
    with pytest.raises(DataError, match="expected a file, but there is no"):
        read_soft_labels([tmp_path / "b.csv"], CLASSES)


def test_six_digits_of_many_classes_are_rounded_to_a_sum_of_1():
    rows = np.random.default_rng(0).dirichlet(np.ones(5000), size=3)
    found = checked_probabilities(np.round(rows, 6), ONE_CLASS, what="y")
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_several_labels_need_not_sum_to_1():
    rows = np.array([[0.9, 0.8], [0.0, 0.0]])
    np.testing.assert_allclose(checked_probabilities(rows, SEVERAL_LABELS, what="y"), rows, rtol=1e-6)


def test_texts_to_be_scored_are_left_out():
    test = Labelled(column(["The film", "b"]), np.array([0, 1]))
    found = without(soft(["a", "the film ", "c"], [[1, 0], [0, 1], [0.5, 0.5]]), [test])
    assert found.texts.to_pylist() == ["a", "c"]
    np.testing.assert_allclose(found.probabilities, [[1, 0], [0.5, 0.5]])
    assert len(without(soft(["a"], [[1, 0]]), [])) == 1


def test_a_text_with_both_gets_the_weighted_mean():
    training = Labelled(column(["a", "b"]), np.array([0, 1]), None, np.array([1.0, 3.0]))
    answers = soft(["b", "c", "C", "d"], [[0.8, 0.2], [0.3, 0.7], [0.9, 0.1], [0.6, 0.4]])
    found = joined(training, answers, temperature=1.0, gold_weight=0.25)
    assert found.texts.texts.to_pylist() == ["a", "b", "c", "d"]
    assert found.texts.labels.tolist() == [0, 1, 1, 0]
    assert found.texts.weights.tolist() == [1, 3, 1, 1]
    np.testing.assert_allclose(found.probabilities, [[1, 0], [0.6, 0.4], [0.3, 0.7], [0.6, 0.4]], rtol=1e-6)
    assert (found.alone, found.with_label) == (2, 1)


@given(
    st.lists(st.floats(0.01, 1), min_size=2, max_size=5).map(lambda row: np.array(row) / sum(row)),
    st.floats(0.2, 5),
)
def test_the_temperature_is_that_of_hinton(row, temperature):
    training = Labelled(column(["x"]), np.array([0]))
    found = joined(training, soft(["y"], [row]), temperature=temperature, gold_weight=0.5).probabilities[1]
    powers = row ** (1 / temperature)
    np.testing.assert_allclose(found, powers / powers.sum(), rtol=1e-4, atol=1e-6)


@given(st.floats(0.01, 0.99), st.floats(0.2, 5))
def test_the_temperature_of_several_labels_divides_their_log_odds(share, temperature):
    training = Labelled(column(["x"]), np.array([[True, False]]))
    found = joined(training, soft(["y"], [[share, share]]), temperature=temperature, gold_weight=0.5).probabilities[1]
    expected = 1 / (1 + ((1 - share) / share) ** (1 / temperature))
    np.testing.assert_allclose(found, [expected] * 2, rtol=1e-3)


def test_certain_answers_stay_finite():
    training = Labelled(column(["x"]), np.array([0]))
    found = joined(training, soft(["y"], [[1, 0]]), temperature=3.0, gold_weight=0.5)
    np.testing.assert_allclose(found.probabilities[1], [1, 0], atol=1e-6)
