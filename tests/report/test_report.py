import dataclasses
import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline

from textcnn import TextCNNClassifier, load_model
from textcnn.data.labelled import Labelled
from textcnn.explain.graph_svg import valid_xml
from textcnn.metrics import sparse_confusion
from textcnn.model import Model
from textcnn.report.baselines import interval
from textcnn.report.figures import gather
from textcnn.report.page import page, write_report
from textcnn.report.plots import _families, as_svg, plots, save
from textcnn.text.columns import as_column


def strings(part):
    return part.texts.to_pylist()


def labelled(texts, labels):
    return Labelled(as_column(texts), np.asarray(labels))


SVG_TEXT = "{http://www.w3.org/2000/svg}text"
SMALL = {"dimension": 8, "feature_maps": 4, "region_sizes": (1, 2), "max_epochs": 4, "learning_rate": 0.01}


def corpus(classes, size=None, seed=0):
    generator = np.random.default_rng(seed)
    size = size or max(120, 12 * classes)
    y = np.concatenate([np.repeat(np.arange(classes), 2), generator.integers(0, classes, size - 2 * classes)])
    wrong = generator.random(size) < 0.15
    words = [f"w{i}" for i in range(30)]
    texts = [
        " ".join([*generator.choice(words, generator.integers(1, 12)), f"mark{(k + wrong[i]) % classes}"])
        for i, k in enumerate(y)
    ]
    return texts, y


def made(classes=2, names=None, **settings):
    """A model, its training texts, and test texts."""
    texts, y = corpus(classes)
    names = np.array([f"class {k}" for k in range(classes)]) if names is None else np.array(names)
    model = TextCNNClassifier(**SMALL, **settings).fit(texts, names[y]).model_
    test_texts, test_y = corpus(classes, max(80, 3 * classes), seed=1)
    return model, labelled(texts, y), labelled([*test_texts, "", "unheard of"], np.append(test_y, [0, 1]))


@pytest.fixture(scope="module")
def three():
    return made(3)


@pytest.fixture(scope="module")
def figures(three):
    model, training, test = three
    return gather(model, test, training, source="texts", split="test")


def test_figures_against_scikit_learn(three, figures):
    model, training, test = three
    probabilities = model.predict_proba(test.texts)
    assert figures.scores["accuracy"] == (probabilities.argmax(axis=1) == test.labels).mean()
    assert [curve["name"] for curve in figures.roc] == figures.names
    for k, curve in enumerate(figures.roc):
        truth = test.labels == k
        assert curve["auc"] == pytest.approx(roc_auc_score(truth, probabilities[:, k]))
        assert curve["average_precision"] == pytest.approx(average_precision_score(truth, probabilities[:, k]))
        assert np.trapezoid(*curve["roc"][::-1]) == pytest.approx(curve["auc"], abs=0.01)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    baseline = make_pipeline(vectorizer, LogisticRegression(C=10, max_iter=1000)).fit(
        strings(training), training.labels
    )
    assert figures.linear == baseline.score(strings(test), test.labels)


def test_groups_hold_every_text_once(figures, three):
    model, _, test = three
    for groups in (figures.by_length, figures.by_unknown):
        assert sum(group.texts for group in groups) == len(test.labels)
        right = (model.predict_proba(test.texts).argmax(axis=1) == test.labels).sum()
        assert sum(group.right for group in groups) == right
    lengths = [len(text.split()) for text in strings(test)]
    expected = sum(5 <= length < 10 for length in lengths)
    assert next(group.texts for group in figures.by_length if group.name == "5 to 10") == expected


def test_texts_to_look_at(figures, three):
    model, training, test = three
    probabilities = dict(zip(strings(test), model.predict_proba(test.texts).max(axis=1), strict=True))
    shown = [item.explanation.text for item in figures.mistakes]
    for item in figures.mistakes:
        assert item.label != item.explanation.classes[item.explanation.predicted]
    assert [probabilities[text] for text in shown] == sorted((probabilities[text] for text in shown), reverse=True)
    margins = np.sort(model.predict_proba(test.texts), axis=1)
    assert figures.uncertain[0].explanation.text == strings(test)[(margins[:, -1] - margins[:, -2]).argmin()]
    assert {item.explanation.text for item in figures.suspects} <= set(strings(training))
    content = page(figures, model.artifact)
    assert "may have been held out" in content or not figures.suspects
    assert "learned from these labels" not in content


def test_ngrams_that_speak_for_a_class(figures):
    for k, name in enumerate(figures.names):
        assert any(f"mark{k}" in text for text, _, _ in figures.ngrams[name][:4])


def test_the_interval_is_that_of_a_bootstrap():
    generator = np.random.default_rng(1)
    right = np.arange(200) < 140
    drawn = [right[generator.integers(0, 200, 200)].mean() for _ in range(4000)]
    assert interval(140, 200) == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))), abs=0.01)
    assert interval(5, 5) == (1, 1)


@pytest.mark.parametrize(("classes", "names"), [(2, None), (6, None), (2, [0, 1]), (3, [1.0, 2.0, 3.0])])
def test_a_page_for_any_labels(classes, names, tmp_path):
    model, training, test = made(classes, names)
    write_report(model, tmp_path / "report.html", test, training, source="texts", split="test")
    content = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(content) < 2_000_000
    assert not re.search(r"<script|<link|@import|src=|https?://(?!www\.w3\.org/)", content)
    ids = re.findall(r'\bid="([^"]+)"', content)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', content)) <= set(ids)
    levels = [int(level) for level in re.findall(r"<h(\d)", content)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    for name in model.classes_:
        assert str(name) in content


def test_texts_and_names_are_escaped(monkeypatch):
    monkeypatch.setattr("textcnn.report.figures.SHOWN", 999)
    model, training, test = made(2, ["<script>alert(1)</script>", "b & c"])
    hostile = labelled(
        ["<img src=x onerror=alert(2)> mark0 \" ' </title>", *strings(test)], np.append([1], test.labels)
    )
    content = page(gather(model, hostile, training, source="<b>x</b>", split="test"), model.artifact)
    assert "<script>" not in content
    assert "<img" not in content
    assert "<b>x</b>" not in content
    assert "&lt;img" in re.sub(r"</?(?:span|bdi)[^>]*>", "", content)


def test_what_is_absent_says_why(three):
    model, _, test = three
    old = Model(dataclasses.replace(model.artifact, training={}, metrics={}))
    found = gather(old, test, None, source="texts", split="all")
    assert (found.linear, found.majority, found.curves, found.suspects) == (None, None, [], [])
    content = page(found, old.artifact)
    for reason in (
        "The training texts were not given, so there is no linear baseline.",
        "The model has no record of how many training texts each class had.",
        "The model has no record of its training.",
        "The word vectors were initialized at random",
    ):
        assert reason in content


@pytest.mark.parametrize(
    "training",
    [
        dict.fromkeys(("source", "texts", "labels", "settings", "environment", "neighbours", "history")),
        {"history": {"epochs": None}, "settings": {}, "environment": {}, "neighbours": {}},
        {
            "history": {
                "epochs": [
                    {"number": 0, "training_loss": -1e30, "validation_loss": 1e30, "accuracy": 1e30, "best": True},
                    {"number": 10**30, "training_loss": 10**29, "validation_loss": 0, "accuracy": -5, "best": False},
                ]
            },
            "labels": [0, 0, 10**30],
            "settings": {"<x>": "<x>", "freeze": [None, True]},
            "neighbours": {"w1": [["<x>", 1e30]], "w2": []},
        },
    ],
)
def test_a_page_for_any_facts_that_load(three, training, tmp_path):
    model, _, test = three
    metrics = {"<x>": {"accuracy": 1, "examples": 10**30}}
    Model(dataclasses.replace(model.artifact, training=training, metrics=metrics)).save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    write_report(loaded, tmp_path / "report.html", test, None, source="t", split="all")
    content = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<x>" not in content + loaded._repr_html_()
    assert "not recorded" in content


def test_one_class_and_one_text(three):
    model, training, test = three
    only = np.flatnonzero(test.labels == 0)[:1]
    content = page(
        gather(model, labelled([strings(test)[only[0]]], test.labels[only]), training, source="t", split="test"),
        model.artifact,
    )
    assert "No ROC curves" in content


def test_neighbours_before_and_after(tmp_path):
    words = ["good", "bad", "fine", "dull", *[f"w{i}" for i in range(5)]]
    rows = np.random.default_rng(0).normal(size=(len(words), 4))
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{w} {' '.join(map(str, row))}\n" for w, row in zip(words, rows, strict=True)))
    texts = ["good w0", "fine w1", "bad w2", "dull w3"] * 10
    classifier = TextCNNClassifier(vectors=path, feature_maps=2, max_epochs=4, learning_rate=0.1, batch_size=4)
    model = classifier.fit(texts, ["p", "p", "n", "n"] * 10).model_
    model.save(tmp_path / "model")
    model = load_model(tmp_path / "model")
    found = gather(model, labelled(texts, np.array([1, 1, 0, 0] * 10)), None, source="t", split="all").neighbours
    before, after = found["good"]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = {word: float(unit[0] @ unit[i]) for i, word in enumerate(words) if word != "good"}
    nearest = sorted(cosines, key=lambda word: -cosines[word])[:6]
    assert [(word, pytest.approx(cosines[word], abs=1e-3)) for word in nearest] == [tuple(pair) for pair in before]
    assert [tuple(pair) for pair in before] != [tuple(pair) for pair in after]


def test_plots_as_files(figures, tmp_path):
    paths = save(figures, tmp_path / "plots")
    assert (
        {path.stem for path in paths}
        == set(plots(figures))
        == {
            "loss",
            "accuracy",
            "roc",
            "precision-recall",
            "calibration",
        }
    )
    for path in paths:
        begins = path.read_bytes()[:8]
        assert begins.startswith(b"\x89PNG" if path.suffix == ".png" else b"<?xml")


@pytest.mark.parametrize(
    "names",
    [
        ["$50_to_$100", "$100+", "a$b^{$c"],
        ["_good", "_bad", "__"],
        ["财经", "اقتصاد", "한국어"],
        ["<b>&amp;", 'id="x"', "#1f5faf"],
        ["nul\0\x1b", "\ufffe\uffff", "\ud800"],
    ],
)
def test_class_names_are_drawn_as_they_are(figures, names, tmp_path, recwarn, capfd, caplog):
    curves = [{**curve, "name": name} for curve, name in zip(figures.roc, names, strict=True)]
    found = dataclasses.replace(figures, roc=curves)
    drawn = plots(found)
    save(found, tmp_path)
    for plot, figure in (("roc", "auc"), ("precision-recall", "average_precision")):
        expected = [f"{valid_xml(curve['name'])} {curve[figure]:.3f}" for curve in curves]
        for svg in (as_svg(plot, *drawn[plot]), (tmp_path / f"{plot}.svg").read_text(encoding="utf-8")):
            texts = [node.text for node in ElementTree.fromstring(svg.encode()).iter(SVG_TEXT)]  # noqa: S314 (our own)
            assert [text for text in texts if text in expected] == expected
    assert [str(warning.message) for warning in recwarn] == []
    assert (capfd.readouterr(), caplog.messages) == (("", ""), [])


def test_long_class_names_are_cut(figures):
    curves = [{**figures.roc[0], "name": name} for name in ("x" * 18, "x" * 19)]
    svg = as_svg("roc", *plots(dataclasses.replace(figures, roc=curves))["roc"])
    assert re.findall(r">(x+\S?) 0", svg) == ["x" * 18, "x" * 17 + "…"]


def test_installed_fonts_are_tried_in_turn(monkeypatch):
    from matplotlib.font_manager import FontEntry, fontManager

    installed = [FontEntry(name=name) for name in ("WenQuanYi Zen Hei", "Other", "Noto Sans CJK SC")]
    monkeypatch.setattr(fontManager, "ttflist", installed)
    assert _families.__wrapped__() == ["sans-serif", "Noto Sans CJK SC", "WenQuanYi Zen Hei"]


def test_many_classes_make_no_large_page():
    model, training, test = made(100, [f"a rather long name of the class {k}" for k in range(100)])
    content = page(gather(model, test, training, source="texts", split="all"), model.artifact)
    assert len(content) < 2_000_000
    assert "Most frequent confusions" in content
    assert "Confusion matrix" not in content
    assert "trained on says little" in content
    assert "lowest F1 first" in content
    table = content.partition("lowest F1 first")[2].partition("</table>")[0]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>.*?(\d\.\d+)</td><td class="n">(\d+)</td></tr>', table)
    assert len(rows) == 100
    scores = [float(score) for _, score, texts in rows if texts != "0"]
    assert scores == sorted(scores)
    assert all(texts == "0" for _, _, texts in rows[len(scores) :])
    assert " of 6 of 100 classes" in content


@pytest.mark.parametrize(("bound", "most"), [("MOST_TEXTS", 10), ("MOST_SCORES", 100)])
def test_no_linear_baseline_where_it_takes_minutes(three, monkeypatch, bound, most):
    model, training, test = three
    monkeypatch.setattr(f"textcnn.report.baselines.{bound}", most)
    figures = gather(model, test, training, source="t", split="test")
    assert figures.linear is None
    assert f"slow on {len(training.labels):,} training texts of 3 classes" in figures.absent["linear"]


def test_the_most_frequent_confusions():
    from textcnn.report.figures import _confusions

    matrix = np.diag([5] * 13)
    matrix[2, 7], matrix[7, 2], matrix[0, 1] = 4, 9, 1
    names = [str(k) for k in range(13)]
    assert _confusions(sparse_confusion(matrix), names) == [("7", "2", 9), ("2", "7", 4), ("0", "1", 1)]
    assert _confusions(sparse_confusion(matrix[:12, :12]), names[:12]) == []
