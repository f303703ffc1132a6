"""Words that a model has not seen have the rows of their character n-grams, whatever they are scored with."""

import copy
import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from textcnn.errors import ConfigError, ModelError
from textcnn.inference._look_up_table import LOANS
from textcnn.inference.artifact import Artifact, load_artifact, save_artifact
from textcnn.inference.codes import BUCKETS
from textcnn.inference.compression import compress
from textcnn.inference.predictor import FEW, WARM, Predictor
from textcnn.settings.architectures import make_network
from textcnn.settings.config import DCNNConfig, DPCNNConfig, KimConfig, StackedConfig, TextConfig
from textcnn.text.subwords import SubwordIndex, hash_ngrams
from textcnn.text.tokens import Ngrams
from textcnn.training._char_ngrams import whole_rows

WORDS = [f"{a}{b}ing" for a in ("go", "wa", "si") for b in "abcdefgh"]
OTHERS = ["goabing", "waiting", "zzzzz", "sizing", "sing"]  # all but zzzzz have n-grams of these
SIZES = (3, 4)
KIM = KimConfig(ngrams=2, dimension=6, region_sizes=(2, 4), feature_maps=5, k=2, char_ngrams=SIZES)
CONFIGS = {
    "kim": KIM,
    "kim, k-max": dataclasses.replace(KIM, pooling="k-max", channels="multichannel"),
    "kim, separate": dataclasses.replace(KIM, channels="multichannel", multichannel_filters="separate"),
    "dcnn": DCNNConfig(ngrams=0, dimension=8, region_sizes=(3, 2), feature_maps=(2, 3), k_top=2, char_ngrams=SIZES),
    "stacked": StackedConfig(ngrams=0, dimension=6, region_sizes=(2, 3), feature_maps=(4, 5), char_ngrams=SIZES),
    "dpcnn": DPCNNConfig(ngrams=0, dimension=6, feature_maps=4, blocks=3, char_ngrams=SIZES),
}
V = len(WORDS) + 2


def make(config):
    """A network that has ids for all words, and a predictor of its vocabulary alone."""
    torch.manual_seed(0)
    buckets = np.unique(hash_ngrams(WORDS, *SIZES)[0])
    found = SubwordIndex(buckets, SIZES).find(WORDS + OTHERS)
    none = np.zeros(2, np.int64)
    ngrams = Ngrams(found.rows, np.concatenate([none, found.offsets]), np.concatenate([none, found.counts]))
    keys = np.array([2, 5, 2 * V + 3], np.int64)
    bag = (torch.from_numpy(keys), torch.ones(3)) if config.ngrams else None
    network = make_network(
        config,
        vocabulary_size=V,
        classes=3,
        vectors=torch.randn(V, config.dimension) if config.pretrained else None,
        ngrams=bag,
        subwords=(torch.from_numpy(buckets), ngrams),
    ).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    for table in (network.channels.tuned, network.channels.fixed):
        if table is not None:
            table.data[:2] = 0
    weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    text = TextConfig(tokenizer="whitespace")
    names = np.array(["a", "b", "c"])
    return network, Predictor(Artifact(text, config, names, WORDS, whole_rows(config, weights, WORDS)))


def corpus():
    generator = np.random.default_rng(1)
    return [
        " ".join(generator.choice(WORDS + OTHERS, size=n)) for n in [0, 1, 2, 3, 40, *generator.integers(0, 12, 50)]
    ]


def by_network(network, texts):
    ids = {word: i for i, word in enumerate(WORDS + OTHERS, 2)}
    flat = torch.tensor([ids[word] for text in texts for word in text.split()])
    with torch.no_grad():
        return network(flat, torch.tensor([len(text.split()) for text in texts])).numpy()


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_are_the_networks_whatever_the_batch(name, monkeypatch):
    network, predictor = make(CONFIGS[name])
    texts = corpus()
    expected = predictor.probabilities(by_network(network, texts))
    np.testing.assert_allclose(predictor.predict_proba(texts), expected, atol=1e-5)
    alone = [predictor.predict_proba([text])[0] for text in texts]  # the last ones with warm tables
    assert len(texts) > 2 * WARM
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    columns = pa.chunked_array([texts[:7], texts[7:]])
    np.testing.assert_allclose(predictor.predict_proba(columns), expected, atol=1e-5)
    np.testing.assert_allclose(predictor.predict_proba(texts[: FEW - 1]), expected[: FEW - 1], atol=1e-5)
    monkeypatch.setattr("textcnn.inference._look_up_table.TABLE_BYTES", 0)  # tables are made for each call
    again = copy.copy(predictor)
    np.testing.assert_allclose(again.predict_proba(texts), expected, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_without_the_compiled_loops(name, monkeypatch):
    monkeypatch.setattr("textcnn.kernels.compiled", False)
    network, predictor = make(CONFIGS[name])
    expected = predictor.probabilities(by_network(network, corpus()))
    np.testing.assert_allclose(predictor.predict_proba(corpus()), expected, atol=1e-5)


def test_known_words_are_looked_up_in_the_table_that_is_kept():
    _, predictor = make(KIM)
    predictor.warm_up()
    encoded = predictor.encode_ids(["goaing wabing"])
    assert encoded.unseen is None
    assert predictor.scorer.beside(encoded.unseen) is predictor.scorer
    assert predictor.scorer.table.complete


@pytest.mark.parametrize("bits", [None, 8])
def test_rows_are_lent_and_given_back(bits):
    _, predictor = make(KIM)
    if bits:
        predictor = Predictor(compress(predictor.artifact, bits=bits))
    table, texts = predictor.scorer.table, corpus()
    expected = predictor.predict_proba(texts)
    assert len(table.free) == LOANS
    first, second = (predictor.encode_ids([text]) for text in ("waiting goabing", "sizing waiting"))
    scorers = [predictor.scorer.beside(encoded.unseen) for encoded in (first, second)]
    assert len(table.free) == LOANS - 2
    assert scorers[0].table.lent != scorers[1].table.lent
    for scorer, encoded in zip(scorers[::-1], (second, first), strict=True):
        alone = predictor.scorer.beside(encoded.unseen).logits(encoded)
        np.testing.assert_array_equal(scorer.logits(encoded), alone)
    del scorer, scorers
    assert len(table.free) == LOANS
    table.free.clear()  # all are lent
    np.testing.assert_allclose(predictor.predict_proba(texts), expected, atol=1e-6)


def test_a_word_with_a_known_ngram_is_known():
    _, predictor = make(KIM)
    scores = predictor.scores(["waiting zzzzz goaing", "zzzzz"])
    assert scores.known.tolist() == [2, 0]
    # A word without any says nothing.
    np.testing.assert_array_equal(predictor.predict_proba(["zzzzz"]), predictor.predict_proba(["qqqqq"]))


@pytest.mark.parametrize("name", ["kim", "kim, k-max", "kim, separate", "stacked", "dcnn"])
def test_a_compressed_model_is_close(name, tmp_path):
    _, predictor = make(CONFIGS[name])
    small = compress(predictor.artifact, bits=16)
    save_artifact(small, tmp_path / "model")
    again = Predictor(load_artifact(tmp_path / "model"))
    texts = corpus()
    np.testing.assert_allclose(Predictor(small).predict_proba(texts), predictor.predict_proba(texts), atol=0.01)
    np.testing.assert_array_equal(again.predict_proba(texts), Predictor(small).predict_proba(texts))


def test_a_word_left_out_has_its_ngrams_yet():
    _, predictor = make(dataclasses.replace(KIM, ngrams=0))
    fewer = dataclasses.replace(
        predictor.artifact,
        words=WORDS[:-1],
        weights={**predictor.artifact.weights, "channels.tuned": predictor.artifact.weights["channels.tuned"][:-1]},
    )
    assert Predictor(fewer).scores([WORDS[-1]]).known.tolist() == [1]


def test_dimensions_are_reduced_for_ngrams_too():
    _, predictor = make(dataclasses.replace(KIM, dimension=120, feature_maps=20, ngrams=0))
    for name in ("channels.tuned", "channels.subwords.weight"):
        predictor.artifact.weights[name][:, 80:] = 0  # so that 100 dimensions are enough
    small = compress(predictor.artifact, bits=16)
    assert small.weights["channels.subwords.weight"].shape[1] == 100
    np.testing.assert_allclose(Predictor(small).predict_proba(corpus()), predictor.predict_proba(corpus()), atol=0.01)


def test_saved_and_loaded(tmp_path):
    _, predictor = make(KIM)
    predictor.save(tmp_path / "model")
    again = Predictor(load_artifact(tmp_path / "model"))
    assert again.artifact.model.char_ngrams == SIZES
    assert again.artifact.weights[BUCKETS].dtype == np.int32
    np.testing.assert_array_equal(again.predict_proba(corpus()), predictor.predict_proba(corpus()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda buckets: buckets[::-1], "expected rising whole numbers in channels.subwords.buckets, found others"),
        (lambda buckets: buckets.astype(np.int64), "expected rising whole numbers in channels.subwords.buckets"),
        (lambda buckets: buckets - buckets[-1], "expected numbers from 0 to 32767 in channels.subwords.buckets, found"),
        (
            lambda buckets: buckets + 32768,
            "expected numbers from 0 to 32767 in channels.subwords.buckets, found others",
        ),
        (lambda buckets: buckets[:-1], "expected arrays of the shapes"),
    ],
)
def test_buckets_that_are_none(tmp_path, change, message):
    _, predictor = make(KIM)
    weights = {**predictor.artifact.weights, BUCKETS: change(predictor.artifact.weights[BUCKETS])}
    save_artifact(dataclasses.replace(predictor.artifact, weights=weights), tmp_path / "model")
    with pytest.raises(ModelError, match=message):
        load_artifact(tmp_path / "model")


def test_export_says_what_to_do(tmp_path):
    from textcnn.export.onnx_files import to_onnx

    with pytest.raises(
        ConfigError, match=r"^export: expected a model of whole words, .*train one without --char-ngrams"
    ):
        to_onnx(make(KIM)[1], tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
