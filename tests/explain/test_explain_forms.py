import re

import numpy as np
from models import hand_made, model

from textcnn.explain.counterfactual import counterfactual
from textcnn.explain.html import CSS, page
from textcnn.settings.config import KimConfig


def test_a_fragment_marks_words_and_escapes_them():
    [explanation] = hand_made().explain(["<script>alert(1)</script> not good"])
    html = explanation.to_html()
    assert "<script" not in html
    text = re.sub(r"<[^>]+>", "", re.search(r'<p class="text".*?</p>', html, re.DOTALL)[0])
    assert text == "&lt;script&gt;alert(1)&lt;/script&gt; not good"
    assert 'class="w f4" title="+6.00">not</span>' in html
    assert 'class="w f1" title="+1.00">good</span>' in html
    assert 'title="unknown word">script</span>' in html


def test_a_page_needs_nothing_else():
    predictor = hand_made()
    explanations = predictor.explain(["good film", "", "not good"])
    changes = [None, None, counterfactual(predictor, "not good")]
    html = page([one.to_html(change) for one, change in zip(explanations, changes, strict=True)])
    assert html.count('class="explained"') == 3
    assert CSS in html
    assert "(no words)" in html
    assert "smallest change found" in html
    assert not re.search(r"https?://|<script|<link|@import|url\(", html)


def test_a_notebook_shows_the_fragment_with_its_styles():
    [explanation] = hand_made().explain(["<b>not</b> good"])
    html = explanation._repr_html_()
    assert html == f"<style>{CSS}</style>{explanation.to_html()}"
    assert "<b>" not in html
    [total] = re.findall(r"<dt>total</dt><dd>(.*?)</dd>", html)
    assert re.sub("<.*?>", "", total).startswith("words +")
    assert total.count("&middot;") == 2


def test_the_score_of_a_word_is_shown():
    [explanation] = hand_made().explain(["good film"])
    assert np.round(explanation.word_scores(), 2).tolist() == [1, 1]
    assert 'title="+1.00">good</span>' in explanation.to_html()


def test_a_shortened_explanation_still_sums_up():
    [explanation] = hand_made().explain(["film film. not good at all. film good film indeed"])
    short = explanation.shortened(15)
    assert short.text == "film film. not ..."
    assert [word.word for word in short.words] == ["film", "film", ".", "not"]
    np.testing.assert_allclose(short.word_parts.sum(axis=0) + short.bias, explanation.logits)
    assert (short.features.end <= 4).all()
    assert len(short.features.parts) == len(short.features.begin)
    assert explanation.shortened(1000) is explanation
    assert "indeed" not in short.to_html()


def test_a_text_from_right_to_left_runs_so():
    """dir=auto takes the direction of the first letter that is not in a <bdi>; lists isolate their n-grams."""
    config = KimConfig(ngrams=0, dimension=4, region_sizes=(2,), feature_maps=6)
    [explanation] = model(config, words=["هذا", "الفيلم"]).explain(["هذا الفيلم good"])
    html = explanation.to_html()
    text = re.search(r'<p class="text" dir="auto">.*?</p>', html, re.DOTALL)[0]
    assert "هذا" in text
    assert "<bdi" not in text
    assert re.search(r"<dd><bdi>[^<]*هذا", html)
