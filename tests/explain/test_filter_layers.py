"""Filters of the layers above the first, against torch networks that see one text at a time."""

import dataclasses
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
import torch
from models import WORDS, model

from textcnn import TextCNNClassifier, kernels
from textcnn.errors import ConfigError, DataError
from textcnn.explain import _ascent
from textcnn.explain._ascent import ANY, ascend
from textcnn.explain._torch_network import as_network
from textcnn.explain.filter_responses import describe_filters
from textcnn.model import Model
from textcnn.settings.config import DCNNConfig, DPCNNConfig, KimConfig, StackedConfig
from textcnn.text.vocabulary import FIRST_WORD

SMALL = {"ngrams": 0, "dimension": 4}
STACKED = StackedConfig(**SMALL, region_sizes=(2, 3, 2), feature_maps=(3, 4, 3), activation="tanh")
DCNN = DCNNConfig(ngrams=0, dimension=8, region_sizes=(3, 2), feature_maps=(2, 3), k_top=2)
CONFIGS = {
    "stacked": STACKED,
    "stacked-pool-3": dataclasses.replace(STACKED, pool_size=3, global_pooling="average", activation="relu"),
    "shortcut": dataclasses.replace(STACKED, shortcut=True),
    "branches": dataclasses.replace(STACKED, region_sizes=(2, 4), feature_maps=(3, 4), branches=(1, 4)),
    "both": dataclasses.replace(
        STACKED, region_sizes=(3, 3, 3, 3, 3), feature_maps=(3, 4, 2, 6, 6), branches=(3, 1), shortcut=True
    ),
    "dpcnn": DPCNNConfig(**SMALL, region_sizes=(1, 4), feature_maps=2, blocks=3, activation="tanh"),
    "dcnn": DCNN,
    "dcnn-3": dataclasses.replace(DCNN, region_sizes=(2, 3, 2), feature_maps=(2, 2, 2), k_top=1),
}
LAYERS = [(name, layer) for name, one in CONFIGS.items() for layer in range(2, model(one).scorer.depth + 1)]
GENERATOR = np.random.default_rng(3)
LENGTHS = [0, 1, 2, 3, 5, 5, 8, 13, 13, 30]
TEXTS = [" ".join(GENERATOR.choice([*WORDS, "unheard"], size=length)) for length in LENGTHS]


def made(config, change):
    """A model with `change` applied to its random weights."""
    artifact = model(config, 2).artifact
    weights = {name: change(array) for name, array in artifact.weights.items()}
    return Model(dataclasses.replace(artifact, weights=weights))


def small(array):
    """Weights for which tanh is far from 1, where nothing would change it."""
    return (array * 0.4).astype(np.float32)


def responses(network, rows, layer):
    """A layer's responses to texts of one length, given as rows of their words (B, L, C, D), (B, P, F)."""
    count, length = rows.shape[:2]
    inverse = torch.arange(count * length, dtype=torch.int32)
    found = network.layers(rows.flatten(0, 1), inverse, torch.full((count,), length))
    [(x, counts)] = islice(found, layer - 1, layer)
    return x[:, : counts[0]].flatten(2)


def rows_of(predictor, network, text):
    """The rows of a text's words, (1, L, C, D) float64."""
    ids = predictor.encode_ids([text]).ids
    return network.channels(torch.from_numpy(ids).long()).detach().double()[None]


def words_that_matter(network, rows, layer, place, number):
    """The words of a text that a response depends on: it changes with one of them, in some text of that length.

    Under k-max pooling, where any word may decide which windows are kept, the words of this text are nudged.
    """
    if hasattr(network, "pool"):
        rows = rows.clone().requires_grad_()
        [grad] = torch.autograd.grad(responses(network, rows, layer)[0, place, number], rows)
        return set(grad[0].flatten(1).abs().sum(dim=1).nonzero().flatten().tolist())
    length, draws = rows.shape[1], 60
    generator = torch.Generator().manual_seed(0)
    others = torch.randn(draws, *rows.shape[1:], generator=generator, dtype=torch.float64)
    others = others[None].repeat(length + 1, 1, 1, 1, 1)  # the last are unchanged
    for i in range(length):
        others[i, :, i] *= -4
    found = responses(network, others.flatten(0, 1), layer)[:, place, number].view(length + 1, draws)
    changed = (found[:-1] - found[-1]).abs() > 1e-12
    return set(changed.any(dim=1).nonzero().flatten().tolist())


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "numpy"])
@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_the_strongest_windows_against_one_text_at_a_time(name, layer, compiled, monkeypatch):
    if compiled and not kernels.compiled:
        pytest.skip("no compiled loops here")
    monkeypatch.setattr(kernels, "compiled", compiled)
    monkeypatch.setattr(_ascent, "STEPS", 0)
    config = CONFIGS[name]
    predictor = made(config, small)
    network = as_network(predictor.artifact).double()
    texts = [text for text, length in zip(TEXTS, LENGTHS, strict=True) if length >= predictor.scorer.shortest(layer)]
    texts = [text for text in texts if text]
    found = describe_filters(predictor, pa.chunked_array([TEXTS]), layer=layer, most=99, ngrams=99)
    expected = [responses(network, rows_of(predictor, network, text), layer)[0].detach() for text in texts]
    assert len(found) == expected[0].shape[1]
    largest = torch.stack([x.max(dim=0).values for x in expected]).numpy()  # (N, F)
    rows = len(predictor.scorer.biases[layer - 1][0]) if "dcnn" in name and "dp" not in name else 1
    for one in found:
        parts = [int(part) for part in one.name.split(", row ")]
        number = parts[0] * rows + (parts[1] if len(parts) > 1 else 0)
        assert one.active == (largest[:, number] > 0).mean()
        assert one.mean == pytest.approx(np.maximum(largest[:, number], 0).mean(), rel=1e-3, abs=1e-5)
        assert sum(picked.count for picked in one.picked) == len(texts)
        for picked in one.picked[:2]:
            text = texts.index(picked.source)
            place = int(expected[text][:, number].argmax())
            assert picked.response == pytest.approx(float(expected[text][place, number]), rel=1e-3, abs=1e-5)
            words = [word if word in WORDS else "?" for word in picked.source.split()]
            shown = [word if word in WORDS else "?" for word in picked.text.split()]
            matter = words_that_matter(network, rows_of(predictor, network, picked.source), layer, place, number)
            if config.__class__ is not DCNNConfig and config.activation == "relu":  # some words are not heard
                assert any(
                    words[begin : begin + len(shown)] == shown and matter <= set(range(begin, begin + len(shown)))
                    for begin in range(len(words))
                )
            else:
                assert shown == words[min(matter) : max(matter) + 1]


@pytest.mark.parametrize("name", ["stacked-pool-3", "branches", "dpcnn"])
def test_ties_go_to_the_first_position_and_other_texts_do_not_matter(name):
    config = dataclasses.replace(CONFIGS[name], activation="relu")
    predictor = made(config, lambda array: np.round(array).astype(np.float32))  # sums of whole numbers are exact
    network = as_network(predictor.artifact).double()
    texts = [" ".join([word] * 17) for word in WORDS]
    encoded = predictor.encode_ids(texts)
    ids = encoded.ids.reshape(len(texts), -1)
    tied = 0
    for layer in range(2, predictor.scorer.depth + 1):
        together = predictor.scorer.strongest(ids, layer)
        fields = predictor.scorer.fields(layer, 17)
        for row, text in enumerate(texts):
            alone = predictor.scorer.strongest(ids[row : row + 1], layer)
            for one, all_ in zip(vars(alone).values(), vars(together).values(), strict=True):
                np.testing.assert_array_equal(one[0], all_[row])
            x = responses(network, rows_of(predictor, network, text), layer)[0].detach().numpy()
            np.testing.assert_array_equal(together.responses[row], x.max(axis=0))
            begins = np.broadcast_to(fields.begins.reshape(len(x), -1), x.shape)
            np.testing.assert_array_equal(
                together.begins[row], np.take_along_axis(begins, x.argmax(axis=0)[None], 0)[0]
            )
            tied += ((x == x.max(axis=0)).sum(axis=0) > 1).sum()
    assert tied


def sizes(config, **settings):
    scorer = model(dataclasses.replace(config, **settings)).scorer
    fields = [scorer.fields(layer, 200) for layer in range(1, scorer.depth + 1)]
    return [int((one.ends - one.begins).max()) for one in fields]


def test_receptive_fields_grow_with_the_layer():
    assert sizes(DPCNNConfig(**SMALL, feature_maps=2, blocks=3)) == [5, 7, 9, 15, 19, 31, 39]
    assert sizes(STACKED, region_sizes=(3, 3, 3), feature_maps=(2, 2, 2)) == [3, 8, 18]
    assert sizes(STACKED, region_sizes=(3, 3, 3), feature_maps=(2, 2, 2), shortcut=True) == [3, 8, 12]
    assert sizes(STACKED, pool_size=2**32) == [2, 200, 200]
    assert sizes(DCNN, region_sizes=(7, 5)) == [7, 11]


@pytest.mark.parametrize("name", ["stacked", "both", "dpcnn", "dcnn"])
def test_ascent_rises_above_every_input_tried(name):
    def of_one_length(array):
        return array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1) if len(array) > 9 else small(array)

    predictor = made(CONFIGS[name], of_one_length)
    np.testing.assert_allclose(np.linalg.norm(predictor.scorer.table.rows[FIRST_WORD:], axis=2), 1, rtol=0.5)
    layer = predictor.scorer.depth
    texts = [" ".join(GENERATOR.choice(WORDS, size=12)) for _ in range(200)]
    filters = describe_filters(predictor, pa.chunked_array([texts]), layer=layer, most=3, ngrams=1)
    assert len({one.name for one in filters}) == 3
    for one in filters:
        assert one.most > one.picked[0].response
        assert set(one.wants) <= {*WORDS, ANY}
        assert ANY not in (one.wants[0], one.wants[-1])
        assert len(one.wants) <= 12
    again = describe_filters(predictor, pa.chunked_array([texts]), layer=layer, most=3, ngrams=1)
    assert [one.most for one in again] == [one.most for one in filters]


@pytest.mark.parametrize("name", list(CONFIGS))
def test_ascent_rises_above_its_start(name, monkeypatch):
    predictor = made(CONFIGS[name], small)
    found = []
    for steps in (0, 20):
        monkeypatch.setattr(_ascent, "STEPS", steps)
        found.append(ascend(predictor, 2, [0, 3], 5))
    assert all(after.response > before.response for before, after in zip(*found, strict=True))


def test_ascent_shows_the_words_that_have_an_effect(monkeypatch):
    """The largest of three words is taken: one word has an effect, and not the others."""
    config = StackedConfig(**SMALL, region_sizes=(1, 1), feature_maps=(3, 3), pool_size=3, activation="tanh")
    [one] = ascend(made(config, lambda array: np.full_like(array, 0.1)), 2, [1], 3)
    assert len(one.words) == 1
    monkeypatch.setattr(_ascent, "STEPS", 0)
    config = dataclasses.replace(config, region_sizes=(1, 2), pool_size=4)
    [one] = ascend(made(config, lambda array: np.full_like(array, 0.1)), 2, [1], 8)
    assert set(one.words[1:-1]) == {ANY}
    assert ANY not in (one.words[0], one.words[-1])


def test_the_classes_of_a_last_layer_under_max_pooling(monkeypatch):
    monkeypatch.setattr(_ascent, "STEPS", 0)
    for name, config in CONFIGS.items():
        predictor = model(config)
        for layer in range(1, predictor.scorer.depth + 1):
            one = describe_filters(predictor, pa.chunked_array([TEXTS]), layer=layer, most=1)[0]
            assert (one.classes is not None) == (layer == predictor.scorer.depth and predictor.scorer.max_pooled)
        assert predictor.scorer.max_pooled == (name not in ("stacked-pool-3", "dcnn", "dcnn-3"))
        if predictor.scorer.max_pooled:
            weights = predictor.artifact.weights["softmax.weight"][:, int(one.name)]
            np.testing.assert_allclose(one.classes, weights - weights.mean(), rtol=1e-5)


def test_layers_that_are_not_there():
    texts = pa.chunked_array([TEXTS])
    for layer in (0, 2):
        with pytest.raises(ConfigError, match=f"^layer: expected 1, this model's only layer, found {layer}$"):
            describe_filters(model(KimConfig(**SMALL, feature_maps=2)), texts, layer=layer)
    with pytest.raises(ConfigError, match="^layer: expected one of this model's layers 1-7, found 8$"):
        describe_filters(model(CONFIGS["dpcnn"]), texts, layer=8)
    with pytest.raises(ConfigError, match="^word: expected the first layer, .* found layer 2$"):
        describe_filters(model(CONFIGS["dpcnn"]), texts, layer=2, word="w1")
    for few, layer in (([], 2), ([""], 2), (["w1"], 4), (["w1 w2"], 6)):
        with pytest.raises(DataError, match=f"^layer: expected texts of at least . words?, .* layer {layer} "):
            describe_filters(model(CONFIGS["dpcnn"]), pa.chunked_array([few], pa.string()), layer=layer)
    assert describe_filters(model(CONFIGS["dpcnn"]), pa.chunked_array([["w1 w2 w3"]]), layer=6, most=1)


def test_a_word_that_only_its_character_ngrams_know_is_shown():
    texts = ["goodly film", "badly made", "goodish film", "badness made"] * 5
    for arch in ("stacked", "dpcnn", "dcnn"):
        maps = {"dcnn": (2, 2), "stacked": (3, 3), "dpcnn": 3}[arch]
        classifier = TextCNNClassifier(
            arch=arch, dimension=8, region_sizes=(2, 2), feature_maps=maps, char_ngrams=(3, 4), ngrams=0, max_epochs=1
        )
        found = classifier.fit(texts, ["yes", "no"] * 10).model_.filters(["goodest film", "zzz"], layer=2, most=99)
        assert {"goodest film", "?"} <= {picked.text for one in found for picked in one.picked}
