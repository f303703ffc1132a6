import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from random_models import DCNN_SMALL, SMALL, STACKED, corpus, make

from textcnn.errors import DataError, ModelError
from textcnn.inference import predictor as predictor_module
from textcnn.inference import threads
from textcnn.inference.predictor import Predictor
from textcnn.model import Model, load_model
from textcnn.text.tokenizer import Tokenizer


def test_scores_on_several_cores_equal_those_on_one(monkeypatch):
    texts = corpus(9000)
    _, predictor = make(SMALL)
    expected = np.concatenate([predictor.predict_proba(texts[i : i + 1000]) for i in range(0, len(texts), 1000)])
    monkeypatch.setattr(threads, "processors", lambda: 3)
    np.testing.assert_allclose(make(SMALL)[1].predict_proba(texts), expected, atol=1e-5)


def test_a_stream_of_batches():
    _, predictor = make(SMALL)
    batches = [corpus(3), [], ["w1 w2"]]
    results = list(predictor.stream(batches, lambda batch: batch))
    assert [batch for batch, _ in results] == batches
    for batch, scores in results:
        np.testing.assert_allclose(scores.probabilities, predictor.predict_proba(batch), atol=1e-6)


def test_no_texts_and_only_empty_texts():
    _, predictor = make(SMALL)
    assert predictor.predict([]).shape == (0,)
    assert predictor.predict_proba([]).shape == (0, 3)
    scores = predictor.predict_proba(["", " "])
    np.testing.assert_array_equal(scores[0], scores[1])


def test_probabilities_of_far_apart_logits():
    _, predictor = make(SMALL)
    predictor.artifact.weights["softmax.bias"][:] = [1e4, 0, -1e4]
    np.testing.assert_allclose(predictor.predict_proba(["w1"]), [[1, 0, 0]])


@pytest.mark.parametrize("config", [SMALL, STACKED[0], DCNN_SMALL])
@pytest.mark.parametrize("name", ["convolution.weight", "softmax.weight", "softmax.bias"])
@pytest.mark.parametrize("texts", [["w1 w2", "w3"], corpus(40)])
def test_scores_that_overflow(config, name, texts):
    _, predictor = make(config)
    weights = {**predictor.artifact.weights}
    weights[name] = np.where(weights[name] > 0, np.float32(3e38), np.float32(-3e38))
    weights["channels.tuned"] = weights["channels.tuned"] * np.float32(1e30)
    predictor = Predictor(dataclasses.replace(predictor.artifact, weights=weights))
    with pytest.raises(ModelError, match="finite scores, found an overflow: .* weights are too large"):
        predictor.predict(texts)


@pytest.mark.parametrize("config", [SMALL, STACKED[0], DCNN_SMALL])
@pytest.mark.parametrize("method", ["encode", "filters", "explain"])
def test_whatever_overflows_is_the_same_error(config, method):
    artifact = make(config)[1].artifact
    weights = {name: array * np.float32(1e30) for name, array in artifact.weights.items()}
    model = Model(dataclasses.replace(artifact, weights=weights))
    with pytest.raises(ModelError, match="finite scores, found an overflow: .* weights are too large"):
        getattr(model, method)(["w1 w2", "w3"])


@pytest.mark.parametrize(
    "texts",
    [
        ("w1", "w2"),
        np.array(["w1", "w2"]),
        pa.array(["w1", "w2"]),
        pa.chunked_array([["w1"], ["w2"]]),
        iter(["w1", "w2"]),
    ],
)
def test_any_container_of_strings(texts):
    _, predictor = make(SMALL)
    labels = predictor.predict(texts)
    assert labels.shape == (2,)
    assert set(labels) <= set(predictor.classes_)


def test_a_bare_string_is_an_error():
    _, predictor = make(SMALL)
    with pytest.raises(DataError, match=r"^texts: expected a list of strings, .*\['w1 w2'\]"):
        predictor.predict("w1 w2")


def test_save_and_load(tmp_path):
    _, predictor = make(SMALL)
    predictor.save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(corpus()), predictor.predict_proba(corpus()))


@pytest.mark.parametrize("repeats", [1, 20])
def test_scores_count_the_known_tokens(repeats):
    _, predictor = make(SMALL)
    scores = predictor.scores(["w1 w2 nothing", "", "nothing known here"] * repeats)
    assert scores.tokens.tolist() == [3, 0, 3] * repeats
    assert scores.known.tolist() == [2, 0, 0] * repeats
    np.testing.assert_allclose(scores.probabilities[:1], predictor.predict_proba(["w1 w2 nothing"]), atol=1e-6)


def test_a_long_text_does_not_take_the_path_of_a_few_short_ones(monkeypatch):
    """That path makes a Python object for each token."""
    _, predictor = make(SMALL)
    text = "w1 w2 w3 " * 3000
    expected = predictor.scores([text])
    monkeypatch.setattr(Tokenizer, "spans", None)
    for texts in ([text], ["w1", text], pa.array([text])):
        scores = predictor.scores(texts)
        assert scores.tokens[-1] == scores.known[-1] == 9000
        np.testing.assert_array_equal(scores.probabilities[-1], expected.probabilities[0])


@pytest.mark.parametrize("texts", [[], ["a"], ["a b"] * 9000, ["x" * 200_000, *["a"] * 3, "y" * 150_000], [""] * 5000])
def test_texts_are_cut_into_pieces_in_their_order(monkeypatch, texts):
    monkeypatch.setattr(predictor_module, "processors", lambda: 3)
    column = pa.chunked_array([pa.array(texts, pa.string())])
    pieces = predictor_module._pieces(column)
    assert [text for piece in pieces for text in piece.to_pylist()] == texts
    assert all(len(piece) > 0 for piece in pieces)
    if len(set(texts)) > 1:
        assert [len(piece) for piece in pieces] == [4, 1]  # the second of three would have none


@pytest.mark.parametrize("config", [SMALL, DCNN_SMALL, STACKED[0]], ids=str)
def test_a_warm_model_has_met_all_words(config):
    _, predictor = make(config)
    expected = predictor.predict_proba(corpus())
    _, warm = make(config)
    warm.warm_up()
    assert not warm.scorer.table.missing.any()
    np.testing.assert_allclose(warm.predict_proba(corpus()), expected, atol=1e-6)
