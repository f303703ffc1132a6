import numpy as np
import pytest
from models import hand_made, model

from textcnn.explain.counterfactual import counterfactual, neighbours
from textcnn.settings.config import KimConfig


def test_a_word_in_place_of_another():
    """Without `not` the text is for yes already, with `film` there more so."""
    change = counterfactual(hand_made(), "so not good, it is")
    assert (change.label, change.text) == ("yes", "so film good, it is")
    assert change.phrase() == f"'film' for 'not': yes {change.probability:.4f}"
    assert change.to_json()["edits"] == [{"start": 3, "end": 6, "word": "not", "new": "film"}]
    assert hand_made().predict_proba([change.text])[0, 1] == pytest.approx(change.probability)


def test_dropping_a_word(monkeypatch):
    monkeypatch.setattr("textcnn.explain.counterfactual.NEAR", 0)
    change = counterfactual(hand_made(), "so not good, it is")
    assert (change.label, change.text) == ("yes", "so good, it is")
    assert change.phrase() == f"without 'not': yes {change.probability:.4f}"
    assert change.tried == 6


def test_two_words(monkeypatch):
    """Either word alone is enough for yes."""
    monkeypatch.setattr("textcnn.explain.counterfactual.NEAR", 0)
    change = counterfactual(hand_made(), "good it, film", budget_seconds=60)
    assert (change.label, change.text) == ("no", "it, ")
    assert [(edit.word, edit.new) for edit in change.edits] == [("good", ""), ("film", "")]
    assert change.phrase() == f"without 'good' and without 'film': no {change.probability:.4f}"
    assert counterfactual(hand_made(), "good it, film", budget_seconds=0) is None


def test_none_is_found_where_there_is_none():
    predictor = hand_made()
    predictor.artifact.weights["softmax.bias"][0] = 100
    assert counterfactual(predictor, "good film", budget_seconds=0.2) is None
    assert counterfactual(predictor, "", budget_seconds=0) is None


def test_neighbours_are_the_nearest_by_cosine():
    predictor = model(KimConfig(ngrams=0, dimension=5, region_sizes=(1,), feature_maps=2))
    rows = predictor.artifact.weights["channels.tuned"][2:]
    words = predictor.artifact.words
    found = neighbours(predictor, [2, 5])
    for number, near in found.items():
        row = rows[number - 2]
        cosines = {
            word: float(row @ other / np.linalg.norm(row) / np.linalg.norm(other))
            for word, other in zip(words, rows, strict=True)
            if word != words[number - 2]
        }
        assert near == sorted(cosines, key=lambda word: -cosines[word])[: len(near)]
        assert len(near) == 7


@pytest.mark.parametrize("budget", [0, 1])
def test_the_largest_of_the_smallest_changes(budget):
    """Of all single changes that flip the label, the one whose new label is most probable."""
    predictor = model(KimConfig(ngrams=0, dimension=5, region_sizes=(1, 2), feature_maps=3), seed=1)
    text = "w0 w1 w2 w3"
    before = predictor.predict([text])[0]
    near = neighbours(predictor, [2, 3, 4, 5])
    tokens = text.split()
    texts = [
        " ".join(tokens[:i] + ([new] if new else []) + tokens[i + 1 :]) for i in range(4) for new in ("", *near[i + 2])
    ]
    probabilities = predictor.predict_proba(texts)
    flips = [row.max() for row in probabilities if predictor.classes_[row.argmax()] != before]
    change = counterfactual(predictor, text, budget_seconds=budget)
    assert change.probability == pytest.approx(max(flips), abs=1e-6)
    assert len(change.edits) == 1
    assert change.tried == len(texts)
