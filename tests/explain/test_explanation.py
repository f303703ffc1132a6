import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models import WORDS, hand_made, model

from textcnn import kernels
from textcnn.explain import _gradients as gradients
from textcnn.explain._bag_parts import bag_parts
from textcnn.explain._gradients import _parts
from textcnn.explain._torch_network import as_network
from textcnn.inference.scorer import word_rows
from textcnn.model import Model
from textcnn.settings.config import DCNNConfig, KimConfig, StackedConfig

TEXTS = st.lists(st.lists(st.sampled_from([*WORDS, "unheard"]), max_size=9).map(" ".join), max_size=4)


KIM = {"dimension": 5, "region_sizes": (1, 2, 4), "feature_maps": 3}
CONFIGS = [
    KimConfig(
        **{"ngrams": 0, **more}, **KIM, activation=activation, padding=padding, pooling=pooling, channels=channels
    )
    for activation in ("relu", "identity")
    for padding in ("wide", "narrow")
    for pooling in ("max", "average", "k-max")
    for channels, more in (
        ("rand", {"ngrams": 2}),
        ("static", {}),
        ("non-static", {}),
        ("multichannel", {}),
        ("multichannel", {"multichannel_filters": "separate", "ngrams": 2}),
    )
]


@settings(max_examples=20)
@given(texts=TEXTS, seed=st.integers(0, 99))
@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.activation}-{c.padding}-{c.pooling}-{c.channels}")
def test_the_parts_sum_up_to_the_logits(config, texts, seed):
    predictor = model(config, seed)
    for explanation in predictor.explain(texts):
        total = explanation.word_parts.sum(axis=0) + explanation.bias
        np.testing.assert_allclose(total, explanation.logits, rtol=1e-4, atol=1e-3)
        assert explanation.method == "exact"
        # What features bring, their own biases included, is all but the softmax's bias.
        of_features = explanation.features.parts.sum(axis=0) + predictor.artifact.weights["softmax.bias"]
        np.testing.assert_allclose(of_features, explanation.logits, rtol=1e-4, atol=1e-3)


def test_random_numbers_of_torch_are_left_alone():
    before = torch.get_rng_state()
    as_network(model(CONFIGS[0]).artifact)
    assert torch.equal(torch.get_rng_state(), before)


@settings(max_examples=10)
@given(texts=TEXTS, seed=st.integers(0, 99))
@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.activation}-{c.padding}-{c.pooling}-{c.channels}")
def test_the_parts_of_words_are_those_that_autograd_finds(config, texts, seed):
    """Such a network is linear between its kinks: row times gradient of torch's network is the part of a word."""
    predictor = model(config, seed)
    network = as_network(predictor.artifact)
    rows = torch.from_numpy(word_rows(predictor.artifact.model, predictor.artifact.weights).copy())
    for text, explanation in zip(texts, predictor.explain(texts), strict=True):
        ids = np.array([number for _, number in predictor.tokens(text)], np.int32)
        # One row for all places of a word, so that equal windows are equal to the last bit in both.
        distinct, places = np.unique(ids, return_inverse=True)
        x = rows[torch.from_numpy(distinct).long()].requires_grad_()  # (U, C, D)
        penultimate = network.penultimate(x, torch.from_numpy(places.astype(np.int32)), torch.tensor([len(ids)]))
        [logits] = network.softmax(penultimate)
        parts = explanation.word_parts
        if predictor.bag is not None:
            parts = parts - bag_parts(predictor.bag, ids)[0]
        for k in range(len(logits)) if len(ids) else ():
            [gradient] = torch.autograd.grad(logits[k], x, retain_graph=True)
            expected = (gradient * x).sum(dim=(1, 2)).detach().numpy()
            found = np.bincount(places, parts[:, k], len(distinct))
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@settings(max_examples=20)
@given(TEXTS)
def test_an_explanation_does_not_depend_on_the_other_texts(texts):
    predictor = model(CONFIGS[0])
    for text, explanation in zip(texts, predictor.explain(texts), strict=True):
        assert explanation.to_json() == predictor.explain([text])[0].to_json()


def test_a_model_whose_right_explanation_is_known():
    yes, no = hand_made().explain(["Film, good film!", "good: not good"])
    # Filter 0: 2 - 0.5 at (",", "good"); filter 1: 1 - 3.5 is not active. The bag: 20 * 0.1, shared by both films.
    assert yes.classes[yes.predicted] == "yes"
    np.testing.assert_allclose(yes.logits, [0.25, 3.5])
    np.testing.assert_allclose(yes.word_parts, [[0, 1], [0, 0], [0, 2], [0, 1], [0, 0]])
    np.testing.assert_allclose(yes.bias, [0.25, -0.5])
    assert yes.word_scores().tolist() == pytest.approx([0.5, 0, 1, 0.5, 0])
    assert [(ngram.text, ngram.score) for ngram in yes.ngrams()] == [("Film", pytest.approx(1)), (", good", 0.75)]
    # Filter 0 takes the first of two equal windows, (padding, "good"); filter 1: 3 + 1 - 3.5 times 4.
    np.testing.assert_allclose(no.logits, [0.25 + 2, 1.5])
    np.testing.assert_allclose(no.word_parts, [[0, 2], [0, 0], [12, 0], [4, 0]])
    np.testing.assert_allclose(no.bias, [0.25 - 14, -0.5])
    features = no.features
    assert features.begin.tolist() == [0, 2]
    assert features.end.tolist() == [1, 4]
    assert features.feature_map.tolist() == [0, 1]
    np.testing.assert_allclose(features.response, [1.5, 0.5])
    assert [word.known for word in yes.words] == [True, False, True, True, False]
    assert [yes.text[word.start : word.end] for word in yes.words] == ["Film", ",", "good", "film", "!"]


@pytest.mark.parametrize(
    "config",
    [
        KimConfig(**KIM, activation="tanh", ngrams=2),
        DCNNConfig(dimension=8, region_sizes=(3, 2), feature_maps=(2, 3), ngrams=2),
        DCNNConfig(ngrams=0, dimension=4, region_sizes=(3,), feature_maps=(2,), channels="static"),
        StackedConfig(
            ngrams=0, dimension=4, feature_maps=(3, 3), channels="multichannel", multichannel_filters="separate"
        ),
        StackedConfig(
            ngrams=0, dimension=4, region_sizes=(3, 3, 3), feature_maps=(3, 2, 4), shortcut=True, branches=(1, 3)
        ),
    ],
    ids=lambda config: type(config).__name__,
)
def test_integrated_gradients_report_what_they_miss(config):
    predictor = model(config)
    for weight in predictor.artifact.weights.values():
        if weight.dtype == np.float32:
            weight *= 0.5
    predictor = Model(predictor.artifact)
    for explanation in predictor.explain(["w0 w1 w2 w3 w2 unheard w1", "w4", "", "unheard"]):
        assert explanation.method == "integrated gradients"
        total = explanation.word_parts.sum(axis=0) + explanation.bias
        gap = np.abs(total - explanation.logits).max()
        assert gap == pytest.approx(explanation.gap)
        if not isinstance(config, DCNNConfig) or len(config.region_sizes) == 1:  # whose k-max pooling may jump
            assert gap < 0.05
        unknown = [i for i, word in enumerate(explanation.words) if not word.known]
        assert not explanation.word_parts[unknown].any()


def test_integrated_gradients_of_a_linear_network_are_exact():
    """Identity and average pooling make Kim's network linear: both methods must agree."""
    config = KimConfig(ngrams=0, **KIM, activation="identity", pooling="average")
    predictor = model(config)
    [explanation] = predictor.explain(["w0 w3 w3 w7 w1"])
    _, encoded = predictor.read(explanation.text)
    parts, at_zero = gradients.integrate(predictor, encoded)
    np.testing.assert_allclose(parts, explanation.word_parts, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(at_zero, explanation.bias, rtol=1e-4, atol=1e-4)


def test_points_are_doubled_only_where_that_changes_something(monkeypatch):
    """A DCNN of two layers jumps: more points do not close its gap, and are not taken."""
    predictor = model(DCNNConfig(ngrams=0, dimension=8, region_sizes=(3, 2), feature_maps=(2, 3)), seed=3)
    taken = []
    monkeypatch.setattr(gradients, "_parts", lambda *args: taken.append(args[-1]) or _parts(*args))
    [explanation] = predictor.explain(["w0 w1 w2 w0 w4 w7 w3"])
    assert explanation.gap > 10 * gradients.ENOUGH
    assert len(taken) < len(gradients.POINTS)
    ids = torch.tensor([number for _, number in predictor.tokens(explanation.text)])
    rows = torch.from_numpy(word_rows(predictor.artifact.model, predictor.artifact.weights))[ids]
    many = _parts(as_network(predictor.artifact), rows, 8192)
    assert np.abs(explanation.word_parts - many).max() < gradients.SETTLED


@pytest.mark.parametrize(
    "text", ["", "   ", "<b>w0</b>", "😀 w1 👩‍👩‍👧", "السلام w2 עולם", "w0 w1 w2 " * 1700, "cafe\u0301 w3"]
)
def test_texts_of_any_kind(text):
    [explanation] = model(CONFIGS[0]).explain([text])
    assert explanation.gap < 1e-2
    assert explanation.word_parts.shape == (len(explanation.words), 3)
    json.dumps(explanation.to_json())
    for word in explanation.words:
        assert explanation.text[word.start : word.end].strip()
    for ngram in explanation.ngrams():
        assert ngram.text in text


@pytest.mark.parametrize("config", CONFIGS[:6], ids=lambda c: f"{c.activation}-{c.padding}-{c.pooling}-{c.channels}")
def test_an_explanation_without_compiled_loops_is_the_same(config, monkeypatch):
    texts = ["w0 w3 w3 w7 w1", "unheard w2", "w5", ""]
    expected = model(config).explain(texts)
    monkeypatch.setattr(kernels, "compiled", False)
    for one, other in zip(model(config).explain(texts), expected, strict=True):
        np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(one.word_parts, other.word_parts, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(one.features.parts, other.features.parts, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(one.features.begin, other.features.begin)


def test_a_network_that_does_not_say_it_is_exact_is_explained_by_gradients():
    """Kim's network with ReLU, its scorer as that of any new network."""
    predictor = model(CONFIGS[0])
    [exact] = predictor.explain(["w0 w3 w3"])
    predictor.scorer.exact = False
    [explanation] = predictor.explain(["w0 w3 w3"])
    assert (exact.method, explanation.method) == ("exact", "integrated gradients")
    np.testing.assert_allclose(explanation.logits, exact.logits)
    total = explanation.word_parts.sum(axis=0) + explanation.bias
    assert np.abs(total - exact.logits).max() == pytest.approx(explanation.gap)
    assert explanation.gap < 0.01 * np.abs(exact.logits).max()


def test_json_holds_everything():
    output = hand_made().explain(["good film"])[0].to_json()
    assert output["prediction"] == "yes"
    assert output["words"][0] == {
        "word": "good",
        "start": 0,
        "end": 4,
        "known": True,
        "parts": [0.0, 2.0],
        "score": 1.0,
    }
    assert {"begin": 0, "end": 1, "region_size": 2, "feature_map": 0, "response": 1.5, "parts": [0.0, 1.5]} in output[
        "features"
    ]
    assert any(part["region_size"] is None and part["feature_map"] is None for part in output["features"])
