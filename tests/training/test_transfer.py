import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from textcnn import TextCNNClassifier, load_model
from textcnn.errors import ConfigError, ModelError
from textcnn.inference.artifact import load_artifact
from textcnn.model import Model
from textcnn.settings.architectures import architecture_of, make_network
from textcnn.settings.config import KimConfig
from textcnn.settings.options import Settings
from textcnn.settings.training import TrainingConfig
from textcnn.text.vocabulary import FIRST_WORD
from textcnn.training.transfer import adopt, start

SMALL = {"dimension": 8, "region_sizes": (1, 2), "feature_maps": 5, "max_epochs": 2, "device": "cpu"}
OLD = ["good film", "very good", "fine", "bad film", "very bad", "awful"] * 4, ["pos"] * 3 + ["neg"] * 3
NEW = ["good food", "very tasty", "fine meal", "bad food", "very salty", "awful meal"] * 4


@pytest.fixture(
    scope="module",
    params=[{"arch": "kim"}, {"arch": "dcnn", "dimension": 8, "feature_maps": (2, 3)}, {"channels": "x"}],
)
def initial(request, tmp_path_factory):
    """A saved model: Kim's network, a DCNN, and one of two channels."""
    folder = tmp_path_factory.mktemp("initial")
    settings = {**SMALL, **request.param}
    if settings.pop("channels", None):
        vectors = folder / "vectors.txt"
        rows = np.random.default_rng(0).normal(size=(6, 8))
        words = ["good", "very", "fine", "bad", "film", "awful"]
        vectors.write_text("".join(f"{w} {' '.join(map(str, row))}\n" for w, row in zip(words, rows, strict=True)))
        settings |= {"vectors": vectors, "channels": "multichannel", "dimension": None}
    classifier = TextCNNClassifier(**settings).fit(OLD[0], OLD[1] * 4)
    classifier.save(folder / "model")
    return folder / "model"


def fit(initial, y, **settings):
    arch = architecture_of(load_artifact(initial).model).name
    classifier = TextCNNClassifier(
        arch=arch, init_from=initial, max_epochs=2, batch_size=4, device="cpu", **settings
    ).fit(NEW, y)
    return classifier.model_.artifact


def rows(artifact, name):
    return {word: artifact.weights[name][i] for i, word in enumerate(artifact.words, FIRST_WORD)}


def test_frozen_layers_do_not_change(initial):
    before = load_artifact(initial)
    after = fit(initial, ["yes"] * 12 + ["no"] * 12, freeze=("embeddings", "convolution"))
    assert dataclasses.replace(after.model, dropout=before.model.dropout) == before.model
    assert after.classes.tolist() == ["no", "yes"]
    for name, weight in before.weights.items():
        if name.startswith("channels."):
            old_rows, new_rows = rows(before, name), rows(after, name)
            shared = old_rows.keys() & new_rows.keys()
            assert {"good", "very", "fine", "bad", "awful"} <= shared
            for word in shared:
                np.testing.assert_array_equal(new_rows[word], old_rows[word])
        elif not name.startswith(("softmax.", "ngrams.")):
            np.testing.assert_array_equal(after.weights[name], weight)
    assert after.training["initial"] == {"words": 5, "of": len(after.words), "softmax": False}
    assert after.weights["softmax.weight"].any()


def test_layers_that_are_not_frozen_change(initial):
    before = load_artifact(initial)
    after = fit(initial, ["yes"] * 12 + ["no"] * 12, freeze="embeddings")
    assert not np.array_equal(after.weights["convolution.weight"], before.weights["convolution.weight"])
    if "channels.tuned" in before.weights:
        after = fit(initial, ["yes"] * 12 + ["no"] * 12)
        assert not np.array_equal(rows(after, "channels.tuned")["good"], rows(before, "channels.tuned")["good"])


def test_the_softmax_layer_is_copied_if_the_classes_are_the_same(initial):
    before = load_artifact(initial)
    for classes, same in ((["neg", "pos"], True), (["no", "yes"], False)):
        network = make_network(
            before.model,
            vocabulary_size=3 + FIRST_WORD,
            classes=2,
            vectors=torch.zeros(5, 8) if before.model.pretrained else None,
            # bad, good, bad good, good bad, good unheard
            ngrams=(torch.tensor([2, 4, 2 * 5 + 4, 4 * 5 + 2, 4 * 5 + 3]), torch.ones(5)),
        )
        copied = start(network, before, ["bad", "unheard", "good"], np.array(classes), None, TrainingConfig())
        bag = network.ngrams.weight.detach().numpy()
        ids = {word: i for i, word in enumerate(before.words, FIRST_WORD)}
        bad, good = (before.weights["ngrams.keys"].tolist().index(ids[word]) for word in ("bad", "good"))
        np.testing.assert_array_equal(bag[:2], before.weights["ngrams.weight"][[bad, good]] if same else 0)
        assert not bag[2:].any()  # not in the texts of the initial model
        assert copied == {"words": 2, "of": 3, "softmax": same}
        assert np.array_equal(network.softmax.weight.detach(), before.weights["softmax.weight"]) == same
        for name in ("fixed", "tuned"):
            table = getattr(network.channels, name)
            if table is not None:
                saved = rows(before, f"channels.{name}")
                np.testing.assert_array_equal(table[[2, 4]].detach(), [saved["bad"], saved["good"]])
                assert table[3].any()


def test_new_words_start_from_their_vectors(initial, tmp_path):
    vectors = tmp_path / "more.txt"
    vectors.write_text("food 1 2 3 4 5 6 7 8\ngood 9 9 9 9 9 9 9 9\n")
    before = load_artifact(initial)
    after = fit(initial, ["yes"] * 12 + ["no"] * 12, vectors=vectors, freeze="embeddings", vector_norm=0)
    for name in after.weights:
        if name.startswith("channels."):
            assert rows(after, name)["food"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
            np.testing.assert_array_equal(rows(after, name)["good"], rows(before, name)["good"])


def test_ngrams_of_several_words_are_copied():
    before = TextCNNClassifier(**SMALL, ngrams=3).fit(*(OLD[0], OLD[1] * 4)).model_.artifact
    words = ["good", "film", "new", "very"]  # ids 2 to 5
    keys = torch.tensor([2, 3, 4, 2 * 6 + 3, 5 * 6 + 2, (2 * 6 + 3) * 6 + 4])
    network = make_network(before.model, vocabulary_size=6, classes=2, vectors=None, ngrams=(keys, torch.ones(6)))
    start(network, before, words, before.classes, None, TrainingConfig())
    ids = {word: i for i, word in enumerate(before.words, FIRST_WORD)}
    row_of = {key: row for row, key in enumerate(before.weights["ngrams.keys"].tolist())}
    size = len(ids) + FIRST_WORD
    known = [row_of[key] for key in (ids["good"], ids["film"], ids["good"] * size + ids["film"])]
    known.append(row_of[ids["very"] * size + ids["good"]])
    weight = network.ngrams.weight.detach().numpy()
    np.testing.assert_array_equal(weight[[0, 1, 3, 4]], before.weights["ngrams.weight"][known])
    np.testing.assert_array_equal(network.ngrams.factors.numpy()[[0, 1, 3, 4]], before.weights["ngrams.factors"][known])
    assert network.ngrams.factors.numpy()[[2, 5]].tolist() == [1, 1]
    assert weight[0].any()
    assert not weight[[2, 5]].any()


def test_a_transferred_model_predicts_without_the_initial_one(initial, tmp_path):
    Model(fit(initial, ["yes"] * 12 + ["no"] * 12)).save(tmp_path / "new")
    assert set(load_model(tmp_path / "new").predict(NEW)) <= {"yes", "no"}


def test_settings_that_differ_from_the_initial_model():
    settings = Settings(model=KimConfig(feature_maps=7), init_from=Path("model"))
    initial = TextCNNClassifier(**SMALL).fit(OLD[0], OLD[1] * 4).model_.artifact
    with pytest.raises(ConfigError, match="^feature_maps: expected 5 .*found 7"):
        adopt(settings, initial)
    with pytest.raises(ConfigError, match="^tokenizer: expected 'unicode' .*found 'kim'"):
        adopt(dataclasses.replace(Settings(), text=dataclasses.replace(initial.text, tokenizer="kim")), initial)
    adopted = adopt(dataclasses.replace(Settings(), model=KimConfig(dropout=0.1)), initial)
    assert adopted.model == dataclasses.replace(initial.model, dropout=0.1)


def test_another_architecture(tmp_path):
    TextCNNClassifier(**SMALL).fit(OLD[0], OLD[1] * 4).save(tmp_path / "model")
    with pytest.raises(ConfigError, match="^arch: expected kim .*found dcnn"):
        TextCNNClassifier(arch="dcnn", init_from=tmp_path / "model").fit(OLD[0], OLD[1] * 4)


def test_a_missing_model(tmp_path):
    with pytest.raises(ModelError, match="expected a saved model"):
        TextCNNClassifier(init_from=tmp_path / "none").fit(OLD[0], OLD[1] * 4)


def test_layers_that_do_not_exist():
    with pytest.raises(ConfigError, match="^freeze: .*found 'softmax'"):
        TextCNNClassifier(freeze=("softmax",)).fit(OLD[0], OLD[1] * 4)
