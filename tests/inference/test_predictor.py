import dataclasses
import itertools

import numpy as np
import pyarrow as pa
import pytest
import torch

from textcnn import kernels
from textcnn.errors import DataError
from textcnn.inference import _threads as threads
from textcnn.inference import scorers
from textcnn.inference.artifact import Artifact
from textcnn.inference.predictor import Predictor
from textcnn.model import load_model
from textcnn.settings.architectures import make_network
from textcnn.settings.config import DCNNConfig, KimConfig, StackedConfig, TextConfig
from textcnn.text.columns import as_column
from textcnn.text.encoding import encode_texts
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import Vocabulary

WORDS = [f"w{i}" for i in range(30)]
SMALL = KimConfig(dimension=6, region_sizes=(2, 4), feature_maps=5, k=2)
VARIANTS = [
    dataclasses.replace(SMALL, channels=c, multichannel_filters=m, padding=p, pooling=q, activation=a)
    for (c, m), p, q, a in itertools.product(
        [("rand", "shared"), ("static", "shared"), ("multichannel", "shared"), ("multichannel", "separate")],
        ["wide", "narrow"],
        ["max", "average", "k-max"],
        ["relu", "tanh", "identity"],
    )
]
DCNN_SMALL = DCNNConfig(dimension=8, region_sizes=(3, 2), feature_maps=(2, 3), k_top=2)
VARIANTS += [
    DCNN_SMALL,
    dataclasses.replace(DCNN_SMALL, channels="static", k_top=6),
    dataclasses.replace(DCNN_SMALL, channels="multichannel", region_sizes=(4,), feature_maps=(3,)),
    dataclasses.replace(DCNN_SMALL, channels="multichannel", multichannel_filters="separate"),
    dataclasses.replace(DCNN_SMALL, region_sizes=(2, 3, 2), feature_maps=(2, 2, 2), k_top=1),
]
VARIANTS += [
    StackedConfig(dimension=6, region_sizes=(2, 3), feature_maps=(4, 5)),
    StackedConfig(dimension=6, region_sizes=(2, 3, 1), feature_maps=(4, 5, 3), pool_size=3, activation="tanh"),
    StackedConfig(dimension=6, region_sizes=(3,), feature_maps=(4,), global_pooling="average", channels="multichannel"),
    StackedConfig(dimension=6, channels="multichannel", multichannel_filters="separate"),
]


def make(config):
    torch.manual_seed(0)
    vectors = torch.randn(len(WORDS) + 2, config.dimension) if config.pretrained else None
    network = make_network(config, vocabulary_size=len(WORDS) + 2, classes=3, vectors=vectors).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    classes = np.array(["a", "b", "c"])
    return network, Predictor(Artifact(TextConfig(tokenizer="whitespace"), config, classes, WORDS, weights))


def corpus(size=60):
    generator = np.random.default_rng(1)
    return [
        " ".join(generator.choice([*WORDS, "unknown"], size=length))
        for length in [0, 1, 2, 3, 40, *generator.integers(0, 12, size=size)]
    ]


def forward(network, texts):
    encoded = encode_texts(as_column(texts), Tokenizer(TextConfig(tokenizer="whitespace")), Vocabulary(WORDS))
    with torch.no_grad():
        logits = network(torch.from_numpy(encoded.ids.astype(np.int64)), torch.from_numpy(encoded.lengths))
    return logits.softmax(dim=1).numpy()


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_predictor_equals_the_network(monkeypatch, config, compiled):
    monkeypatch.setattr(kernels, "compiled", kernels.compiled and compiled)
    network, predictor = make(config)
    texts = corpus()
    expected = forward(network, texts)
    np.testing.assert_allclose(predictor.predict_proba(texts), expected, atol=1e-5)
    assert predictor.predict(texts).tolist() == np.array(["a", "b", "c"])[expected.argmax(axis=1)].tolist()


BATCHED = [
    dataclasses.replace(SMALL, pooling=q, padding=p) for q in ("max", "average", "k-max") for p in ("wide", "narrow")
]


@pytest.mark.parametrize("config", [*BATCHED, DCNN_SMALL, StackedConfig(dimension=6)], ids=str)
def test_scores_do_not_depend_on_batches_or_tables(monkeypatch, config):
    texts = corpus()
    together = make(config)[1].predict_proba(texts)
    warm = make(config)[1]
    alone = np.concatenate([warm.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(warm.predict_proba(texts[::-1])[::-1], together, atol=1e-5)
    monkeypatch.setattr(scorers, "CHUNK", 7)
    np.testing.assert_allclose(warm.predict_proba(texts), together, atol=1e-5)
    monkeypatch.setattr(scorers, "TABLE_BYTES", 0)
    np.testing.assert_allclose(make(config)[1].predict_proba(texts), together, atol=1e-5)


def test_many_texts_on_several_cores_are_those_of_one(monkeypatch):
    texts = corpus(9000)
    _, predictor = make(SMALL)
    one = np.concatenate([predictor.predict_proba(texts[i : i + 1000]) for i in range(0, len(texts), 1000)])
    monkeypatch.setattr(threads, "processors", lambda: 3)
    np.testing.assert_allclose(make(SMALL)[1].predict_proba(texts), one, atol=1e-5)


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


@pytest.mark.parametrize("config", [SMALL, DCNN_SMALL, StackedConfig(dimension=6)], ids=str)
def test_no_words_and_a_table_too_large_to_keep(monkeypatch, config):
    monkeypatch.setattr(scorers, "TABLE_BYTES", 0)
    _, predictor = make(config)
    assert predictor.predict_proba([]).shape == (0, 3)
    np.testing.assert_allclose(predictor.predict_proba([""]), predictor.predict_proba(["", "w1"])[:1], atol=1e-6)


def test_probabilities_of_far_apart_logits():
    _, predictor = make(SMALL)
    predictor.artifact.weights["softmax.bias"][:] = [1e4, 0, -1e4]
    np.testing.assert_allclose(predictor.predict_proba(["w1"]), [[1, 0, 0]])


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
    with pytest.raises(DataError) as error:
        predictor.predict("w1 w2")
    assert str(error.value) == "texts: expected a list of strings, found a single one; write ['w1 w2']"


def test_save_and_load(tmp_path):
    _, predictor = make(SMALL)
    predictor.save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(corpus()), predictor.predict_proba(corpus()))


@pytest.mark.parametrize("many", [1, 20])
def test_scores_say_what_they_rest_on(many):
    _, predictor = make(SMALL)
    scores = predictor.scores(["w1 w2 nothing", "", "nothing known here"] * many)
    assert scores.tokens.tolist() == [3, 0, 3] * many
    assert scores.known.tolist() == [2, 0, 0] * many
    np.testing.assert_allclose(scores.probabilities[:1], predictor.predict_proba(["w1 w2 nothing"]), atol=1e-6)
