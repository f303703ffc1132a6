import re

import click
import numpy as np
import pytest
from models import hand_made, model
from rich.cells import cell_len

from textcnn.cli.terminal import columns, lines
from textcnn.explain.counterfactual import counterfactual
from textcnn.explain.html import CSS, page
from textcnn.settings.config import DCNNConfig, KimConfig


def test_lines_for_a_terminal():
    predictor = hand_made()
    [explanation] = predictor.explain(["so not good, at all"])
    change = counterfactual(predictor, explanation.text)
    output = lines(explanation, change)
    # not good: filter 1 gives no 4 (3 + 1 - 3.5), filter 0 gives yes 2 - 0.5.
    plain = click.unstyle(output).split("\n")
    assert plain[:2] == [f"no  {explanation.probabilities[0]:.4f}", "  so not good, at all"]
    assert [line.split() for line in plain[2:4]] == [
        ["words", "for", "not", "+6.00", "good", "+1.00"],
        ["n-grams", "for", "not", "good", "+0.25"],
    ]
    rest = " ".join(" ".join(plain[4:]).split())
    assert "words +7.00, bias -6.62: +0.38 for no" in rest
    assert "exact" in rest
    assert change.phrase() in rest
    assert click.style("not", fg="green", bold=True) in output
    assert click.style("so", dim=True) in output


@pytest.mark.parametrize("text", ["", "word " * 300, "x" * 500, "<b>\t\nnot good</b>", "no\u00a0break"])
def test_lines_stay_within_the_terminal(text):
    for predictor in (hand_made(), model(DCNNConfig(dimension=4, region_sizes=(2,), feature_maps=(2,)))):
        output = click.unstyle(lines(predictor.explain([text])[0]))
        for line in output.split("\n"):
            assert len(line) <= 79 or len(line.split()) == 1
        assert "".join(text.split()) in "".join(output.split())


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


def test_a_text_does_not_steer_the_terminal():
    predictor = model(KimConfig(dimension=4, region_sizes=(1, 2), feature_maps=3), words=["w\x1b[2J", "good"])
    [explanation] = predictor.explain(["w\x1b[2J good \x1b]0;title\x07 \x9b31m"])
    output = lines(explanation)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", click.unstyle(output))
    assert "w\ufffd[2J good \ufffd]0;title\ufffd \ufffd31m" in click.unstyle(output)


def test_wide_characters_take_two_columns():
    text = "这部电影非常糟糕完全是浪费时间" * 5
    words = sorted(set(text))
    config = KimConfig(dimension=4, region_sizes=(2, 9), feature_maps=6)
    [explanation] = model(config, words=words, tokenizer="unicode").explain([text])
    output = lines(explanation).split("\n")
    shown = "".join(click.unstyle(line).strip() for line in output[1:4])
    assert shown.startswith(text)
    for line in output:
        assert cell_len(click.unstyle(line)) <= 79
    assert columns("e\u0301a 好") == cell_len("e\u0301a 好") == 5


def test_a_text_from_right_to_left_runs_so():
    """dir=auto takes the direction of the first letter that is not in a <bdi>; lists isolate their n-grams."""
    config = KimConfig(dimension=4, region_sizes=(2,), feature_maps=6)
    [explanation] = model(config, words=["هذا", "الفيلم"]).explain(["هذا الفيلم good"])
    html = explanation.to_html()
    text = re.search(r'<p class="text" dir="auto">.*?</p>', html, re.DOTALL)[0]
    assert "هذا" in text
    assert "<bdi" not in text
    assert re.search(r"<dd><bdi>[^<]*هذا", html)
