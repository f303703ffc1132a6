"""Explanations of words that the model has not seen but knows by their character n-grams, and of single characters."""

import re

import numpy as np
import pytest

from textcnn import TextCNNClassifier
from textcnn.explain.counterfactual import counterfactual
from textcnn.explain.graph_svg import as_svg

TEXTS = ["goodly film", "goodish film", "badly made", "badness made"] * 10
LABELS = ["yes", "yes", "no", "no"] * 10
SMALL = {"dimension": 16, "max_epochs": 12, "learning_rate": 0.01, "validation_share": 0.2, "dropout": 0.0, "ngrams": 0}
ARCHITECTURES = {
    "kim": {"region_sizes": (1, 2), "feature_maps": 10},
    "dcnn": {"region_sizes": (3, 2), "feature_maps": (3, 3)},
    "stacked": {"region_sizes": (2, 2), "feature_maps": (8, 8)},
    "dpcnn": {"region_sizes": (1, 3), "feature_maps": 8, "blocks": 2},
}


def trained(arch="kim", **settings):
    classifier = TextCNNClassifier(arch=arch, **ARCHITECTURES[arch], **SMALL, **settings)
    return classifier.fit(TEXTS, LABELS, validation_data=(TEXTS[:4], LABELS[:4])).model_


@pytest.fixture(scope="module")
def kim():
    return trained(char_ngrams=(3, 4))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_an_unseen_word_has_a_part_of_its_own(arch):
    model = trained(arch, char_ngrams=(3, 4))
    [explanation] = model.explain(["goodest film zzz"])
    good, _, unknown = explanation.words
    assert (good.known, unknown.known) == (True, False)
    assert np.abs(explanation.word_parts[0]).max() > 1e-3
    assert not explanation.word_parts[2].any() or arch == "dcnn"  # whose pooling jumps
    total = explanation.word_parts.sum(axis=0) + explanation.bias
    np.testing.assert_allclose(total, explanation.logits, atol=1e-4 if arch == "kim" else 0.2)
    assert explanation.gap == pytest.approx(np.abs(total - explanation.logits).max())


def test_an_unseen_word_is_marked_as_any_other(kim):
    [explanation] = kim.explain(["goodest zzz"])
    assert explanation.word_scores(1)[0] > 0.01  # yes
    html = explanation.to_html()
    assert ">goodest</span>" in html
    assert 'unknown word">goodest' not in html
    assert 'title="unknown word">zzz' in html


def test_filters_show_the_words_that_they_pick(kim):
    picked = {one.text for found in kim.filters(["goodest", "badder baddest", "zzz"]) for one in found.picked}
    assert {"goodest", "baddest"} & {word for text in picked for word in text.split()}


def test_changes_of_a_text_with_an_unseen_word(kim):
    found = counterfactual(kim, "goodest badly")
    assert found is None or {edit.word for edit in found.edits} <= {"goodest", "badly"}


def test_a_graph_has_unseen_words():
    model = trained("dcnn", char_ngrams=(3, 4))
    graph = model.feature_graph("goodest film tonight")
    assert [word.word for word in graph.words] == ["goodest", "film", "tonight"]
    assert ">goodest</text>" in as_svg(graph)


@pytest.mark.parametrize("arch", ["kim", "stacked", "dpcnn"])
def test_characters_are_explained_one_by_one(arch):
    model = trained(arch, tokenizer="characters")
    [explanation] = model.explain(["Good \n film"])
    assert [word.word for word in explanation.words] == [*"good", " ", *"film"]
    assert [explanation.text[word.start : word.end] for word in explanation.words][4] == " \n "
    assert explanation.words[4].shown == "␣"
    assert re.search(r"<span[^>]*> \n </span>", explanation.to_html())


def test_spaces_are_seen_in_ngrams_and_filters():
    model = trained("kim", tokenizer="characters")
    [explanation] = model.explain(["good film"])
    ngrams = [ngram for ngram in explanation.ngrams() if " " in ngram.text]
    assert ngrams
    assert all(" " not in explanation.shown(ngram) and "␣" in explanation.shown(ngram) for ngram in ngrams)
    for found in model.filters(TEXTS[:4]):
        assert all(" " not in picked.text for picked in found.picked)
        assert " " not in found.wants
