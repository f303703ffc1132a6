import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, get_scorer
from sklearn.pipeline import make_pipeline

from textcnn import DataError, Model, ModelError, TextCNNClassifier, load_model

TEXTS = ["a good film", "good fun for all", "a bad film", "bad jokes and no fun"] * 12
LABELS = np.array(["yes", "yes", "no", "no"] * 12)
SMALL = {"dimension": 8, "feature_maps": 4, "region_sizes": (1, 2), "max_epochs": 8, "learning_rate": 0.02}
THREE = np.array(["a", "b", "c", "c"] * 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m"
    TextCNNClassifier(**SMALL).fit(TEXTS, LABELS).save(path)
    return path


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder)


def test_it_predicts_and_scores(model):
    assert isinstance(model, Model)
    assert model.score(TEXTS, LABELS) == accuracy_score(LABELS, model.predict(TEXTS)) == 1.0
    figures = model.evaluate(TEXTS[:6], list(LABELS[:6]))
    assert (figures["accuracy"], figures["examples"]) == (1.0, 6)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(TEXTS[:5])), model.predict_proba(TEXTS[:5]), rtol=1e-6)
    with pytest.raises(DataError, match=r"\('no', 'yes'\).*'maybe'"):
        model.score(["a text"], ["maybe"])
    with pytest.raises(DataError, match="one label for each of the 2 texts"):
        model.score(["a", "b"], ["yes"])


def test_decisions_are_logits(model):
    two = model.decision_function(TEXTS[:7])
    assert two.shape == (7,)
    assert ((two > 0) == (model.predict(TEXTS[:7]) == "yes")).all()
    three = TextCNNClassifier(**SMALL).fit(TEXTS, THREE)
    assert three.decision_function(TEXTS[:7]).shape == (7, 3)
    assert (three.classes_[three.decision_function(TEXTS).argmax(axis=1)] == three.predict(TEXTS)).all()


def test_sentence_vectors_are_what_the_softmax_layer_sees(model):
    vectors = model.encode([*TEXTS[:4], ""])
    assert vectors.shape == (5, 8)
    assert not vectors[4].any()
    weights = model.artifact.weights
    logits = vectors @ weights["softmax.weight"].T + weights["softmax.bias"]
    rest = model.bag.logits(model.encode_ids([*TEXTS[:4], ""]))
    np.testing.assert_allclose(logits + rest, model.logits(model.encode_ids([*TEXTS[:4], ""])), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.transform(TEXTS), model.encode(TEXTS))


def test_it_explains_itself(model, tmp_path):
    [explanation] = model.explain(["a good film"])
    assert explanation.classes[explanation.predicted] == "yes"
    assert "good" in explanation._repr_html_()
    change = model.counterfactual("a good film", budget=0.1)
    assert change is None or change.label == "no"
    assert model.filters(TEXTS, most=2)[0].picked
    figures = model.report(tmp_path / "page.html", TEXTS, LABELS, training=(TEXTS, LABELS), source="mine")
    assert figures.scores["accuracy"] == 1.0
    assert "mine" in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(DataError, match="page.html: the file exists"):
        model.report(tmp_path / "page.html", TEXTS, LABELS)


def test_it_shows_what_it_is(model):
    assert "kim" in repr(model)
    assert "no, yes" in repr(model)
    assert len(repr(model)) < 100
    assert "<table>" in model._repr_html_()


def test_it_is_saved_again(model, tmp_path):
    model.save(tmp_path / "again")
    np.testing.assert_array_equal(load_model(str(tmp_path / "again")).predict_proba(TEXTS), model.predict_proba(TEXTS))
    with pytest.raises(ModelError, match="--overwrite"):
        model.save(tmp_path / "again")


def test_scikit_learn_takes_it(model):
    for name in ("accuracy", "f1_macro", "neg_log_loss"):
        assert np.isfinite(get_scorer(name)(model, TEXTS, LABELS))
    assert get_scorer("roc_auc")(model, TEXTS, LABELS == "yes") == 1.0
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(TEXTS, LABELS)
    assert calibrated.score(TEXTS, LABELS) == 1.0
    with pytest.raises(TypeError, match="TextCNNClassifier"):
        model.fit(TEXTS, LABELS)


def test_a_fitted_classifier_transforms_in_a_pipeline():
    from sklearn.linear_model import LogisticRegression

    pipeline = make_pipeline(TextCNNClassifier(**SMALL), LogisticRegression(C=1e4)).fit(TEXTS, LABELS)
    assert pipeline.score(TEXTS, LABELS) == 1.0


def test_a_classifier_of_a_saved_model(folder, model):
    classifier = TextCNNClassifier.load(folder)
    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert classifier.classes_.tolist() == ["no", "yes"]
    given = classifier.get_params()
    assert {name: given[name] for name in SMALL} == SMALL
    again = classifier.fit(TEXTS, LABELS)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), model.predict_proba(TEXTS))
