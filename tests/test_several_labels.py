"""Several labels a text, from lists and matrices to a saved model, its explanations and its page."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import f1_score, get_scorer
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import MultiLabelBinarizer

from textcnn import DataError, ModelError, TextCNNClassifier, load_model
from textcnn.data.splits import stratified_folds, stratified_split
from textcnn.explain.counterfactual import counterfactual
from textcnn.inference.label_sets import as_label_sets
from textcnn.targets import SEVERAL_LABELS

TOPICS = {"food": "soup", "rooms": "bed", "staff": "waiter"}
SMALL = {"dimension": 8, "feature_maps": 4, "region_sizes": (1, 2), "max_epochs": 6, "learning_rate": 0.02}


def corpus(size=120, seed=0):
    generator = np.random.default_rng(seed)
    texts, labels = [], []
    for number in range(size):
        own = [name for name in TOPICS if generator.random() < 0.4]
        words = [*generator.choice(["so", "we", "say", "it"], 3), *(TOPICS[name] for name in own)]
        texts.append(f"{' '.join(generator.permutation(words))} {number}")
        labels.append(own)
    return texts, labels


TEXTS, LABELS = corpus()
BINARIZER = MultiLabelBinarizer().fit(LABELS)
MATRIX = BINARIZER.transform(LABELS)


@pytest.fixture(scope="module")
def classifier():
    return TextCNNClassifier(**SMALL).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def folder(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m"
    classifier.save(path)
    return path


def test_lists_in_and_lists_out(classifier):
    texts, labels = corpus(40, seed=1)
    assert classifier.classes_.tolist() == sorted(TOPICS)
    assert classifier.predict(texts) == labels
    assert classifier.score(texts, labels) == 1
    np.testing.assert_array_equal(BINARIZER.transform(classifier.predict(texts)), BINARIZER.transform(labels))
    assert classifier.predict(["we say so"]) == [[]]
    assert classifier.predict([]) == []
    assert classifier.predict_proba(texts).shape == classifier.decision_function(texts).shape == (40, 3)
    assert classifier.score(texts, labels, sample_weight=np.arange(40)) == 1


@pytest.mark.parametrize("form", ["dense", "sparse", "lists", "booleans", "frame"])
def test_a_matrix_in_and_a_matrix_out(form, classifier):
    matrix = {
        "dense": MATRIX,
        "sparse": sparse.csr_matrix(MATRIX),
        "lists": MATRIX.tolist(),
        "booleans": MATRIX.astype(bool),
        "frame": pd.DataFrame(MATRIX, columns=BINARIZER.classes_),
    }[form]
    found = TextCNNClassifier(**SMALL).fit(TEXTS, matrix)
    assert found.classes_.tolist() == (BINARIZER.classes_.tolist() if form == "frame" else [0, 1, 2])
    predicted = found.predict(TEXTS[:50])
    np.testing.assert_array_equal(predicted, BINARIZER.transform(classifier.predict(TEXTS[:50])))
    assert predicted.dtype == np.int64
    np.testing.assert_array_equal(found.predict_proba(TEXTS), classifier.predict_proba(TEXTS))


@pytest.mark.parametrize("name", ["f1_micro", "f1_macro", "accuracy", "roc_auc", "average_precision"])
def test_scorers_of_scikit_learn(name):
    found = TextCNNClassifier(**SMALL).fit(TEXTS, MATRIX)
    texts, labels = corpus(40, seed=1)
    assert get_scorer(name)(found, texts, BINARIZER.transform(labels)) == 1


def test_cross_validation_of_scikit_learn():
    scores = cross_val_score(TextCNNClassifier(**SMALL), TEXTS, MATRIX, cv=3, scoring="f1_micro")
    assert scores.min() > 0.8


def test_it_is_saved_with_its_thresholds(classifier, folder):
    model = load_model(folder)
    assert model.target is SEVERAL_LABELS
    np.testing.assert_array_equal(model.artifact.thresholds, classifier.model_.artifact.thresholds)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), classifier.predict_proba(TEXTS))
    assert model.predict(TEXTS) == classifier.predict(TEXTS)
    figures = model.evaluate(TEXTS, LABELS)
    assert figures["micro_f1"] == f1_score(MATRIX, BINARIZER.transform(model.predict(TEXTS)), average="micro")
    assert model.evaluate(TEXTS, MATRIX) == figures
    assert "any number of its 3 labels" in (folder / "README.md").read_text(encoding="utf-8")
    assert "micro-F1" in model._repr_html_()
    again = TextCNNClassifier.load(folder)
    assert again.predict(TEXTS[:5]) == model.predict(TEXTS[:5])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"thresholds": [0.5, 0.5]}, "expected 3 thresholds above 0 and up to 1"),
        ({"thresholds": [0.5, 0.5, 0.0]}, "expected 3 thresholds above 0 and up to 1"),
        ({"thresholds": [0.5, 0.5, "a"]}, "expected 3 thresholds above 0 and up to 1"),
        ({"thresholds": None}, "expected 3 thresholds above 0 and up to 1"),
        ({"target": "class"}, "expected no thresholds"),
        ({"target": "words"}, "expected a target"),
        ({"target": []}, "expected a target"),
        ({"temperature": [1.0, 1.0]}, "expected a finite temperature"),
        ({"temperature": [1.0, 1.0, 0.0]}, "expected a finite temperature"),
        ({"temperature": {}}, "expected a finite temperature"),
    ],
)
def test_a_damaged_model_is_refused(folder, tmp_path, change, expected):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    del config["sha256"]
    config.update(change)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match=expected):
        load_model(tmp_path)


def test_each_given_label_is_explained(classifier):
    [explanation] = classifier.explain(["we say soup and bed"])
    labels = explanation.by_label()
    assert {str(each.classes[each.predicted]) for each in labels} == {"food", "rooms"}
    for each in labels:
        scores = dict(zip((word.word for word in each.words), each.word_scores(), strict=True))
        assert max(scores, key=scores.get) == TOPICS[str(each.classes[each.predicted])]
        logit = each.word_scores().sum() + each.bias_score()
        assert logit == pytest.approx(each.logits[each.predicted], abs=1e-4)
        temperature = classifier.model_.artifact.temperature
        scaled = logit / np.broadcast_to(temperature, 3)[each.predicted]
        assert 1 / (1 + np.exp(-scaled)) == pytest.approx(each.probabilities[each.predicted], abs=1e-4)
    assert sorted(explanation.to_json()["prediction"]) == ["food", "rooms"]
    [none] = classifier.explain(["we say so"])
    assert none.given == ()
    assert none.to_json()["prediction"] == []
    assert len(none.by_label()) == 1
    assert none.label().endswith("(not given)")
    assert "not given" in none.to_html()


def test_a_change_flips_the_most_probable_label(classifier):
    found = counterfactual(classifier.model_, "we say so soup")
    assert (found.label, found.given) == ("food", False)
    assert "soup" in found.edits[0].word
    assert "not food" in found.phrase()
    assert classifier.predict([found.text]) == [[]]


def test_the_page_has_the_figures_of_labels(classifier, tmp_path):
    texts, labels = corpus(60, seed=2)
    labels[0] = ["staff"] if labels[0] != ["staff"] else ["food"]
    figures = classifier.model_.report(tmp_path / "r.html", texts, labels, training=(TEXTS, LABELS))
    assert figures.scores == classifier.model_.evaluate(texts, labels)
    assert figures.interval[0] <= figures.scores["micro_f1"] <= figures.interval[1]
    assert figures.linear > 0.9
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    for expected in ("Micro-F1", "ranking loss", "threshold", "All labels right by"):
        assert expected in page
    assert "Confusion" not in page
    assert set(figures.thresholds) == set(TOPICS)
    for rows in figures.thresholds.values():
        assert all(precision >= 0.3 for _, precision, _ in rows)


def test_weights_and_class_weights():
    doubled = TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, sample_weight=np.full(len(TEXTS), 2.0))
    np.testing.assert_allclose(
        doubled.predict_proba(TEXTS), TextCNNClassifier(**SMALL).fit(TEXTS, LABELS).predict_proba(TEXTS), atol=1e-4
    )
    rare = [[label for label in own if label != "staff" or number < 12] for number, own in enumerate(LABELS)]
    plain = TextCNNClassifier(**SMALL).fit(TEXTS, rare).predict_proba(TEXTS)[:, 2].mean()
    for weights in ("balanced", {"food": 1.0, "rooms": 1.0, "staff": 20.0}):
        assert (
            TextCNNClassifier(**SMALL, class_weight=weights).fit(TEXTS, rare).predict_proba(TEXTS)[:, 2].mean() > plain
        )


def test_validation_texts_may_be_given():
    texts, labels = corpus(40, seed=3)
    found = TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, validation_data=(texts, labels))
    assert found.model_.artifact.metrics["validation"]["examples"] == 40
    with pytest.raises(DataError, match=r"validation y: expected labels seen in training \('food', 'rooms', 'staff'\)"):
        TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, validation_data=(texts, [["x"]] * 40))
    with pytest.raises(DataError, match="expected a list of labels for each text, such as"):
        TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, validation_data=(texts, ["food"] * 40))


@pytest.mark.parametrize("arch", ["dcnn", "stacked"])
def test_every_network_learns_them(arch):
    size = {"dimension": 8, "max_epochs": 20, "patience": 20, "learning_rate": 0.01, "ngrams": 0}
    found = TextCNNClassifier(arch=arch, **size).fit(TEXTS, LABELS)
    assert found.score(TEXTS, LABELS) > 0.5
    assert len(found.explain(TEXTS[:1])) == 1


def test_a_checkpoint_is_resumed_to_the_same_bits(tmp_path):
    class StopError(Exception):
        pass

    from textcnn.training.progress import Progress

    class Stopping(Progress):
        def epoch(self, epoch):
            if epoch.number == 2:
                raise StopError

    path = tmp_path / "c"
    with pytest.raises(StopError):
        TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, checkpoint=path, progress=Stopping())
    resumed = TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, checkpoint=path, resume=True)
    whole = TextCNNClassifier(**SMALL).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(resumed.predict_proba(TEXTS), whole.predict_proba(TEXTS))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([["a"], ["b"], "c"], "expected a list of labels for each text, such as .* found 'c' for one"),
        ([["a"], ["b"]], "expected a list of labels for each of the 3 texts, found 2"),
        ([["a"], ["a"], []], "expected two labels or more in all, found a"),
        ([[], [], []], "expected two labels or more in all, found none"),
        ([["a", None], ["b"], []], "expected labels of one type, none missing"),
        ([["a"], [1], []], "expected labels of one type, none missing"),
        (np.ones((3, 2)) * 2, "expected 0 or 1 for each text and label"),
        (np.ones((2, 2)), r"expected a matrix of 3 texts by two labels or more, found the shape \(2, 2\)"),
        (sparse.csr_matrix(np.ones((3, 1))), "expected a matrix of 3 texts by two labels or more"),
        (np.zeros((3, 0)), "expected a matrix of 3 texts by two labels or more"),
    ],
)
def test_wrong_labels(labels, expected):
    with pytest.raises(DataError, match=f"^y: {expected}"):
        TextCNNClassifier().fit(["x", "y", "z"], labels)


def test_a_column_is_one_class_a_text():
    found = TextCNNClassifier(**SMALL).fit(TEXTS, MATRIX[:, :1])
    assert found.predict(TEXTS).shape == (120,)


def test_containers_of_lists():
    for y in (LABELS, tuple(map(tuple, LABELS)), list(map(set, LABELS)), pd.Series(LABELS)):
        classes, matrix, is_matrix = as_label_sets(y, len(LABELS))
        assert classes.tolist() == sorted(TOPICS)
        np.testing.assert_array_equal(matrix, MATRIX)
        assert not is_matrix


def test_splits_keep_the_share_of_each_label_and_equal_groups_together():
    generator = np.random.default_rng(0)
    labels = generator.random((600, 8)) < np.array([0.5, 0.3, 0.2, 0.1, 0.1, 0.05, 0.05, 0.02])
    folds = stratified_folds(labels, 5, 3)
    assert sorted(np.concatenate(folds).tolist()) == list(range(600))
    for rows in folds:
        assert abs(len(rows) - 120) <= 8
        np.testing.assert_allclose(labels[rows].sum(axis=0), labels.sum(axis=0) / 5, atol=2.5)
    training, validation = stratified_split(labels, 0.1, 3)
    assert len(np.intersect1d(training, validation)) == 0
    np.testing.assert_allclose(labels[validation].sum(axis=0), labels.sum(axis=0) / 10, atol=2.5)
    groups = np.repeat(np.arange(200), 3)
    for rows in stratified_folds(labels, 4, 0, groups):
        assert all((np.isin(np.flatnonzero(groups == group), rows)).all() for group in set(groups[rows].tolist()))
    assert [rows.tolist() for rows in stratified_folds(labels, 4, 0, groups)] == [
        rows.tolist() for rows in stratified_folds(labels, 4, 0, groups)
    ]
    with pytest.raises(DataError, match="expected two texts or groups to split, found one"):
        stratified_split(labels, 0.1, 0, np.zeros(600, int))
