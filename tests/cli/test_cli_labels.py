"""Several labels a text, thresholds and weights from the command line."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from textcnn import load_model
from textcnn.data import load_corpus
from textcnn.data.labelled import Labelled

WORDS = {"food": "soup", "rooms": "bed", "staff": "waiter"}
PAGE = ("report.html", "README.md")


@pytest.fixture(scope="module")
def stays(tmp_path_factory):
    """Texts with labels between semicolons, and the same in columns."""
    folder = tmp_path_factory.mktemp("stays")
    generator = np.random.default_rng(0)
    rows = []
    for number in range(150):
        own = [name for name in WORDS if generator.random() < 0.4]
        rows.append((" ".join(["we", "say", *(WORDS[name] for name in own), f"n{number % 9}"]), own))
    with (folder / "stays.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["text", "label", *WORDS])
        out.writerows([text, ";".join(own), *(int(name in own) for name in WORDS)] for text, own in rows)
    return folder / "stays.csv"


@pytest.fixture(scope="module")
def model(stays, tmp_path_factory):
    from textcnn import TextCNNClassifier

    part = Labelled.from_dataset(load_corpus(stays, label_separator=";")["train"])
    labels = [[name for name, has in zip(sorted(WORDS), row, strict=True) if has] for row in part.labels]
    found = TextCNNClassifier(dimension=8, feature_maps=4, max_epochs=6, learning_rate=0.02, region_sizes=(1, 2))
    path = tmp_path_factory.mktemp("model") / "m"
    found.fit(part.texts, labels).save(path)
    return path


def test_train_evaluate_and_report(textcnn, stays, tmp_path, tiny):
    path = tmp_path / "m"
    ended = textcnn("train", stays, "--label-separator", ";", "--test", stays, "-o", path, "--report", *tiny)
    assert ended.code == 0, ended.err
    assert "150 train, 150 test; 3 labels (food, rooms, staff)" in ended.err
    assert "micro-F1 0." in ended.err or "micro-F1 1." in ended.err
    shown = [line.split()[0] for line in ended.out.splitlines()]
    assert shown == ["validation", "test", "saved", "report"]
    assert "all labels right" in ended.out
    same = textcnn("train", stays, "--label-columns", "food,rooms,staff", "-o", tmp_path / "n", *tiny)
    assert same.code == 0, same.err
    for folder in (path, tmp_path / "n"):
        assert load_model(folder).artifact.thresholds.shape == (3,)
    ended = textcnn("evaluate", stays, "-m", path, "--label-separator", ";")
    assert ended.code == 0, ended.err
    for name in ("macro-F1", "all labels right", "F1 per text", "ranking loss", "threshold"):
        assert name in ended.out
    figures = json.loads(textcnn("evaluate", stays, "-m", path, "--label-separator", ";", "--json").out)
    assert ["micro-F1", f"{figures['micro_f1']:.4f}"] in [line.split() for line in ended.out.splitlines()]
    assert [row["name"] for row in figures["classes"]] == sorted(WORDS)
    wrong = textcnn("evaluate", stays, "-m", path)
    assert (wrong.code, wrong.out) == (2, "")
    assert "found" in wrong.err or "row" in wrong.err


def test_predict_in_each_form(textcnn, model):
    texts = ["we say soup and bed", "we say", "a waiter"]
    expected = load_model(model).predict(texts)
    stdin = "\n".join(texts).encode()
    written = textcnn("predict", "-m", model, "--format", "json", stdin=stdin).out
    lines = [json.loads(line) for line in written.splitlines()]
    assert [line["prediction"] for line in lines] == expected == [["food", "rooms"], [], ["staff"]]
    assert [len(line["probability"]) for line in lines] == [2, 0, 1]
    rows = [line.split("\t") for line in textcnn("predict", "-m", model, stdin=stdin).out.splitlines()]
    assert [row[0] for row in rows] == ["food;rooms", "-", "staff"]
    assert [row[1].count(".") or row[1] for row in rows] == [2, "-", 1]
    written = textcnn("predict", "-m", model, "--format", "csv", "--proba", "--label-separator", "|", stdin=stdin).out
    table = list(csv.DictReader(io.StringIO(written)))
    assert [row["prediction"] for row in table] == ["food|rooms", "", "staff"]
    for row, line in zip(table, lines, strict=True):
        assert row["probability"] == "|".join(map(str, line["probability"]))
        assert all(0 <= float(row[f"probability:{name}"]) <= 1 for name in WORDS)


def test_the_best_labels_and_the_least_confidence(textcnn, model):
    stdin = b"we say soup and bed\nwe say\n"
    probabilities = load_model(model).predict_proba(["we say soup and bed", "we say"])
    ended = textcnn("predict", "-m", model, "--top-k", "2", "--format", "json", stdin=stdin)
    found = [json.loads(line)["prediction"] for line in ended.out.splitlines()]
    names = sorted(WORDS)
    assert found == [[names[k] for k in np.argsort(-row, kind="stable")[:2]] for row in probabilities]
    ended = textcnn("predict", "-m", model, "--threshold", "0", "--format", "json", stdin=stdin)
    assert [json.loads(line)["prediction"] for line in ended.out.splitlines()] == [names, names]
    limits = ("--threshold", "0", "--threshold", "food=1")
    ended = textcnn("predict", "-m", model, *limits, "--format", "json", stdin=stdin)
    assert [json.loads(line)["prediction"] for line in ended.out.splitlines()] == [names[1:], names[1:]]
    ended = textcnn("predict", "-m", model, "--threshold", "0", "--min-confidence", "1", stdin=stdin)
    assert [line.split("\t")[0] for line in ended.out.splitlines()] == ["-", "-"]


def test_explain_shows_each_label(textcnn, model):
    ended = textcnn("explain", "-m", model, "we say soup and bed", "we say")
    assert ended.code == 0, ended.err
    assert "in log-odds (exact)" in ended.out
    heads = [line.split()[0] for line in ended.out.splitlines() if line and not line.startswith(" ")]
    assert sorted(heads[:2]) == ["food", "rooms"]
    assert "(not given)" in ended.out
    page = textcnn("explain", "-m", model, "--format", "html", "we say soup and bed").out
    assert "food" in page
    assert "rooms" in page


def test_a_label_with_the_separator_in_it(textcnn, model):
    wrong = textcnn("predict", "-m", model, "--label-separator", "oo", "we say soup")
    assert (wrong.code, wrong.out) == (2, "")
    assert "expected labels without 'oo', which stands between them, found 'food'" in wrong.err


def test_cross_validation(textcnn, stays, tmp_path, tiny):
    ended = textcnn("train", stays, "--label-separator", ";", "--cv", "3", "-o", tmp_path / "m", *tiny)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert [line.split()[:5] for line in lines if line.startswith("fold")] == [
        ["fold", str(number), "of", "3", "micro-F1"] for number in (1, 2, 3)
    ]
    titles = [line.partition(" mean ")[0].strip() for line in lines if " mean " in line]
    assert titles == ["micro-F1", "macro-F1", "all labels right"]
    saved = json.loads((tmp_path / "m.cv.json").read_text(encoding="utf-8"))
    assert all(0 <= fold["micro_f1"] <= 1 for fold in saved["folds"])


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    """A model of one class a text."""
    from textcnn import TextCNNClassifier

    texts = [f"{'alarm' if i % 5 == 0 else 'calm'} day {i % 7}" for i in range(100)]
    labels = ["bad" if i % 5 == 0 else "good" for i in range(100)]
    path = tmp_path_factory.mktemp("rare") / "m"
    TextCNNClassifier(dimension=8, feature_maps=4, max_epochs=6, region_sizes=(1,)).fit(texts, labels).save(path)
    return path


def test_a_threshold_of_one_class(textcnn, rare):
    stdin = b"alarm day\ncalm day\nother\n"
    bad = load_model(rare).predict_proba(["alarm day", "calm day", "other"])[:, 0]
    for limit in (0.0, float(np.median(bad)), 1.0):
        ended = textcnn("predict", "-m", rare, "--threshold", f"bad={limit}", "--format", "json", stdin=stdin)
        rows = [json.loads(line) for line in ended.out.splitlines()]
        assert [row["prediction"] for row in rows] == ["bad" if p >= limit else "good" for p in bad]
        for row, p in zip(rows, bad, strict=True):
            assert row["probability"] == pytest.approx(p if row["prediction"] == "bad" else 1 - p, abs=1e-5)
    both = textcnn("predict", "-m", rare, "--threshold", "bad=1", "--threshold", "good=1", stdin=stdin)
    assert [line.split("\t")[0] for line in both.out.splitlines()] == ["-", "-", "-"]
    ranked = textcnn("predict", "-m", rare, "--threshold", "bad=0", "--top-k", "2", "--format", "csv", stdin=stdin).out
    assert [(row["prediction"], row["prediction_2"]) for row in csv.DictReader(io.StringIO(ranked))] == [
        ("bad", "good")
    ] * 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0.5", "expected a label and a probability, such as good=0.8, found '0.5'"),
        ("bad=", "expected a label and a probability"),
        ("bad=2", "expected a label and a probability"),
        ("bad=nan", "expected a label and a probability"),
        ("worse=0.5", "expected one of the labels 'bad', 'good', found 'worse'"),
    ],
)
def test_wrong_thresholds(textcnn, rare, given, expected):
    ended = textcnn("predict", "-m", rare, "--threshold", given, "a text")
    assert (ended.code, ended.out) == (2, "")
    assert f"--threshold: {expected}" in ended.err


def test_weights_of_texts_change_the_model(textcnn, tmp_path, tiny):
    lines = [f"day {i % 3},{'ab'[i % 2]},{1 if i % 2 else 50}" for i in range(60)]
    (tmp_path / "w.csv").write_text("\n".join(["text,label,weight", *lines]) + "\n", encoding="utf-8")
    for name, options in (("plain", ()), ("weighted", ("--weight-column", "weight"))):
        ended = textcnn("train", tmp_path / "w.csv", "-o", tmp_path / name, *options, *tiny)
        assert ended.code == 0, ended.err
    means = [load_model(tmp_path / name).predict_proba(["day 1"])[0, 0] for name in ("plain", "weighted")]
    assert means[1] > means[0]
    ended = textcnn("train", tmp_path / "w.csv", "-o", tmp_path / "x", "--weight-column", "none", *tiny)
    assert (ended.code, ended.out) == (2, "")
    assert "expected the column 'none' once" in ended.err


def test_compare_suggest_and_the_probabilities_of_folds(textcnn, stays, model, tmp_path, tiny):
    folds = ("--cv", "3", "--cv-probabilities", tmp_path / "p.csv")
    ended = textcnn("train", stays, "--label-separator", ";", "-o", tmp_path / "m", *folds, *tiny)
    assert ended.code == 0, ended.err
    with stays.open(newline="", encoding="utf-8") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == labels
    for row in rows:
        given = [name for name in sorted(WORDS) if float(row[f"probability:{name}"]) >= 0.5]
        assert row["prediction"] == ";".join(given)
    textcnn("train", stays, "--label-separator", ";", "-o", tmp_path / "other", "--epochs", "1", *tiny[:4])
    ended = textcnn("compare", model, tmp_path / "other", stays, "--label-separator", ";", "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    part = Labelled.from_dataset(load_corpus(stays, label_separator=";")["train"])
    first, second = (load_model(path).evaluate(part.texts, part.labels) for path in (model, tmp_path / "other"))
    assert (found["first"], found["second"]) == (first, second)
    assert found["differences"]["micro_f1"]["value"] == pytest.approx(second["micro_f1"] - first["micro_f1"])
    assert found["right"]["both"] + found["right"]["first_only"] == round(first["accuracy"] * len(labels))
    shown = textcnn("compare", model, tmp_path / "other", stays, "--label-separator", ";").out
    assert "micro-F1" in shown
    (tmp_path / "lines.txt").write_text("we say\nsoup\nbed or waiter\nn1\n", encoding="utf-8")
    ended = textcnn("suggest", tmp_path / "lines.txt", "-m", model, "-n", "2", "--format", "json")
    assert ended.code == 0, ended.err
    suggested = [json.loads(line) for line in ended.out.splitlines()]
    assert len(suggested) == 2
    assert all(isinstance(row["prediction"], list) for row in suggested)


def test_models_of_one_class_and_of_several_labels_are_not_compared(textcnn, rare, model, stays):
    ended = textcnn("compare", rare, model, stays)
    assert (ended.code, ended.out) == (2, "")
    assert "found one of each" in ended.err
