import numpy as np
import pytest

from textcnn import DataError, TextCNNClassifier, load_model
from textcnn.data.labelled import Labelled
from textcnn.model import Model
from textcnn.settings.training import TrainingConfig
from textcnn.text.columns import as_column
from textcnn.training.increments import learn_more

TEXTS = [f"{word} {noun} {i % 5}" for i in range(24) for word, noun in (("good", "film"), ("bad", "meal"))]
LABELS = ["yes", "no"] * 24
SMALL = {"dimension": 8, "max_epochs": 6, "learning_rate": 0.02, "device": "cpu"}
DEEP = {"arch": "stacked", "region_sizes": (2,) * 3, "feature_maps": (4,) * 3, "shortcut": True, "branches": (1, 2)}
NEW = [f"{word} song" for _ in range(20) for word in ("splendid", "dreadful")]


def config(rate=0.02):
    return TrainingConfig(learning_rate=rate, device="cpu", batch_size=10)


@pytest.fixture(scope="module")
def fitted():
    return TextCNNClassifier(**SMALL, feature_maps=4, region_sizes=(1, 2)).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    "settings", [{"arch": "kim"}, {"arch": "dcnn"}, {"arch": "stacked"}, DEEP, {"arch": "dpcnn"}, {"ngrams": 0}]
)
def test_what_is_known_stays(settings):
    model = TextCNNClassifier(**SMALL, **settings).fit(TEXTS, LABELS).model_
    part = Labelled(as_column(NEW), np.array([1, 0] * 20))
    more = Model(learn_more(model.artifact, part, config(1e-12)))
    np.testing.assert_allclose(more.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-5)
    assert list(more.artifact.words[: len(model.artifact.words)]) == list(model.artifact.words)
    assert set(more.artifact.words) - set(model.artifact.words) == {"splendid", "dreadful", "song"}
    assert more.artifact.training["texts"] == 88
    assert more.artifact.training["labels"] == [44, 44]
    assert not more.artifact.metrics


def test_new_words_are_learned_and_old_ones_kept(fitted, tmp_path):
    before = fitted.model_.predict_proba(TEXTS)
    classifier = TextCNNClassifier(**SMALL, feature_maps=4, region_sizes=(1, 2)).fit(TEXTS, LABELS)
    for _ in range(3):
        classifier.partial_fit(NEW, ["yes", "no"] * 20)
    assert classifier.predict(NEW).tolist() == ["yes", "no"] * 20
    assert classifier.predict(TEXTS).tolist() == LABELS
    np.testing.assert_array_equal(fitted.model_.predict_proba(TEXTS), before)
    classifier.save(tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").predict_proba(NEW), classifier.predict_proba(NEW))


def test_a_compressed_model_that_learns_more_is_not_compressed(fitted, tmp_path):
    part = Labelled(as_column(NEW), np.array([1, 0] * 20))
    more = Model(learn_more(fitted.model_.compress().artifact, part, config()))
    assert more.artifact.compression is None
    assert "compression" not in more.artifact.training
    more.save(tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").predict_proba(NEW), more.predict_proba(NEW))


def test_ngrams_are_found_under_their_new_numbers(fitted):
    words = [*fitted.model_.artifact.words]
    part = Labelled(as_column(NEW), np.array([1, 0] * 20))
    more = Model(learn_more(fitted.model_.artifact, part, config(1e-12)))
    keys = more.artifact.weights["ngrams.keys"]
    assert (np.diff(keys) > 0).all()
    old, new = len(words) + 2, len(more.artifact.words) + 2
    for model, size in ((fitted.model_, old), (more, new)):
        key = model.vocabulary.ids(model.tokenizer.spans("good film"))
        number = key[0] * size + key[1]
        assert number in model.artifact.weights["ngrams.keys"]
    key = more.vocabulary.ids(more.tokenizer.spans("dreadful song"))
    assert key[0] * new + key[1] in keys


def test_the_first_call_is_one_of_fit(fitted):
    classifier = TextCNNClassifier(**SMALL, feature_maps=4, region_sizes=(1, 2))
    classifier.partial_fit(TEXTS, LABELS, classes=["no", "yes"])
    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    with pytest.raises(DataError, match=r"y: expected labels seen in training \('no', 'yes'\), found 'maybe'"):
        classifier.partial_fit(["a text"], ["maybe"])
    other = TextCNNClassifier(**SMALL, feature_maps=4, region_sizes=(1, 2))
    with pytest.raises(DataError, match=r"^classes: expected those that the first texts have \('no', 'yes'\)"):
        other.partial_fit(TEXTS, LABELS, classes=["no", "yes", "maybe"])
    assert not hasattr(other, "model_")


def test_several_labels():
    texts = [f"{words} {i}" for i in range(20) for words in ("soup", "bed", "soup bed", "none")]
    labels = [["food"], ["rooms"], ["food", "rooms"], []] * 20
    classifier = TextCNNClassifier(**SMALL, feature_maps=4, region_sizes=(1, 2)).fit(texts, labels)
    new, own = ["some broth", "a mattress", "nothing much"] * 20, [["food"], ["rooms"], []] * 20
    for _ in range(5):
        classifier.partial_fit([*texts, *new], [*labels, *own])
    assert classifier.predict(["some broth", "a mattress", "nothing much"]) == [["food"], ["rooms"], []]
    assert classifier.predict(texts[:1]) == [["food"]]


def test_weights(fitted):
    part = Labelled(as_column(NEW), np.array([1, 0] * 20), weights=np.array([1.0, 0.0] * 20))
    more = Model(learn_more(fitted.model_.artifact, part, config()))
    plain = Model(learn_more(fitted.model_.artifact, Labelled(part.texts, part.labels), config()))
    assert more.predict_proba(["splendid song"])[0, 1] > 0.5
    assert more.predict_proba(["dreadful song"])[0, 1] > plain.predict_proba(["dreadful song"])[0, 1]
