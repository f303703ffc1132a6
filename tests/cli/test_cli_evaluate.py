from __future__ import annotations

import json
import re

import numpy as np
import pytest

from textcnn import load_model
from textcnn.cli.evaluate import _lines
from textcnn.cli.terminal import TextLayout
from textcnn.metrics import confusion_matrix, sparse_confusion
from textcnn.targets import ONE_CLASS, SEVERAL_LABELS


def figures_of(ended, err="") -> dict:
    assert (ended.code, ended.err) == (0, err)
    assert ended.out.count("\n") == 1
    return json.loads(ended.out)


def learned(reviews) -> str:
    """The warning where the texts of training are scored."""
    return f"{reviews}: the model was trained on these texts: expect lower scores on new ones\n"


def test_json_holds_all_figures(textcnn, model, reviews):
    figures = figures_of(textcnn("evaluate", reviews, "-m", model, "--json"), learned(reviews))
    assert {key: figures[key] for key in ("model", "data", "split", "examples", "majority")} == {
        "model": str(model),
        "data": str(reviews),
        "split": "all",
        "examples": 60,
        "majority": 0.5,
    }
    assert [row["name"] for row in figures["classes"]] == ["negative", "positive"]
    assert confusion_matrix(figures).sum() == 60
    assert confusion_matrix(figures).trace() / 60 == figures["accuracy"]
    assert set(figures) >= {"macro_f1", "log_loss"}


def test_the_figures_are_those_of_the_predictions(textcnn, model, reviews):
    rows = [line.split(",") for line in reviews.read_text(encoding="utf-8").splitlines()[1:]]
    texts = [",".join(row[1:-1]).strip('"') for row in rows]
    predicted = load_model(model).predict(texts)
    accuracy = np.mean(predicted == np.array([row[-1] for row in rows]))
    figures = figures_of(textcnn("evaluate", reviews, "-m", model, "--json"), learned(reviews))
    assert figures["accuracy"] == pytest.approx(accuracy)


def test_a_table_for_the_reader(textcnn, model, reviews):
    ended = textcnn("evaluate", reviews, "-m", model)
    assert (ended.code, ended.err) == (0, learned(reviews))
    number = r"\d\.\d{4}"
    assert re.fullmatch(
        rf"{re.escape(str(model))}\son\s{re.escape(str(reviews))}\s\(all\),\s60\stexts\n"
        rf"\n"
        rf"accuracy   {number}\n"
        rf"macro-F1   {number}\n"
        rf"log-loss   {number}\n"
        rf"majority   0\.5000  \(always predicting the most frequent class\)\n"
        rf"\n"
        rf"class     precision  recall      F1  support\n"
        rf"negative     {number}  {number}  {number}       30\n"
        rf"positive     {number}  {number}  {number}       30\n"
        rf"\n"
        rf"confusion matrix \(rows: true class, columns: predicted\)\n"
        rf"          negative  positive\n"
        rf"negative  [ \d]{{8}}  [ \d]{{8}}\n"
        rf"positive  [ \d]{{8}}  [ \d]{{8}}\n",
        ended.out,
    )


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("classes", [2, 5, 9, 60])
@pytest.mark.parametrize("target", [ONE_CLASS, SEVERAL_LABELS])
def test_the_table_fits_its_width(monkeypatch, capsys, classes, width, target):
    names = [f"a class of a long name, number {i}" for i in range(classes)]
    row = {"precision": 1.0, "recall": 0.0, "f1": 0.5, "support": 1_000_000, "threshold": 0.5}
    monkeypatch.setenv("COLUMNS", str(width))
    layout = TextLayout()
    several = {"micro_f1": 1.0, "samples_f1": 1.0, "average_precision": None, "ranking_loss": 0.0}
    lines = _lines(
        {
            **{"model": "m", "data": "d", "split": "test", "examples": 1},
            **{"accuracy": 1.0, "macro_f1": 1.0, "log_loss": 0.1, "majority": 0.5},
            **several,
            "classes": [{"name": name, **row} for name in names],
            "confusion": sparse_confusion([[1_000_000] * classes] * classes),
        },
        layout,
        target,
    )
    layout.show(lines)
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= width
    wide = target is ONE_CLASS and (classes > 4 or (classes, width) == (4, 60))
    assert (shown[-1] == f"too wide for {width} columns; see --json") == wide


def test_labels_are_matched_by_name(textcnn, model, tmp_path):
    """A file that sorts its labels otherwise, or lacks one, is scored the same."""
    rows = {"positive": "What a fine film!", "negative": "What a dull film!"}
    path = tmp_path / "given.jsonl"
    path.write_text(
        "".join(json.dumps({"text": text, "label": label}) + "\n" for label, text in rows.items()), encoding="utf-8"
    )
    figures = figures_of(textcnn("evaluate", path, "-m", model, "--json"))
    truth = ["positive", "negative"]
    predicted = load_model(model).predict(list(rows.values()))
    assert figures["accuracy"] == np.mean(predicted == truth)
    assert [row["support"] for row in figures["classes"]] == [1, 1]


def test_a_file_of_one_class_is_scored(textcnn, model, tmp_path):
    path = tmp_path / "given.csv"
    path.write_text("text,label\nWhat a fine film,positive\nWhat a fine meal,positive\n", encoding="utf-8")
    figures = figures_of(textcnn("evaluate", path, "-m", model, "--json"))
    assert [row["support"] for row in figures["classes"]] == [0, 2]
    assert figures["majority"] == 1.0


def test_unknown_labels_are_one_line(textcnn, model, tmp_path):
    path = tmp_path / "given.csv"
    path.write_text("text,label\nfine,positive\nso so,neutral\n", encoding="utf-8")
    ended = textcnn("evaluate", path, "-m", model)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    for part in ("'negative', 'positive'", str(path), "'neutral'", "row 2"):
        assert part in ended.err


def test_a_split_is_chosen(textcnn, model, reviews):
    assert figures_of(textcnn("evaluate", "sample", "-m", model, "--json"))["split"] == "test"
    figures = figures_of(textcnn("evaluate", "sample", "-m", model, "--json", "--split", "train"))
    assert (figures["split"], figures["examples"]) == ("train", 1000)
    ended = textcnn("evaluate", reviews, "-m", model, "--split", "test")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"Error: {reviews}: expected the split test, found only train")


def test_a_missing_model_is_one_line(textcnn, reviews, tmp_path):
    ended = textcnn("evaluate", reviews, "-m", tmp_path / "none")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"Error: {tmp_path / 'none'}: expected a saved model")
    assert ended.err.count("\n") == 1


def test_missing_data_is_one_line(textcnn, model, tmp_path):
    ended = textcnn("evaluate", tmp_path / "held-out.csv", "-m", model)
    assert (ended.code, ended.out) == (2, "")
    assert re.fullmatch(r"Error: expected a corpus \(.*\), a file.*, found '.*held-out\.csv'.*\n", ended.err)


@pytest.mark.parametrize("command", ["evaluate", "report", "filters"])
def test_the_sample_is_not_taken_in_silence(textcnn, model, tmp_path, command):
    """Without DATA only a model that was trained on the sample is scored on it."""
    ended = textcnn(command, "-m", model, *(("-o", tmp_path / "r.html") if command == "report" else ()))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"Error: expected DATA, found none, and {model} was not trained on the sample; name texts such as FILE.csv\n"
    )


def test_a_model_of_the_sample_is_scored_on_it(textcnn, tiny, tmp_path):
    assert textcnn("train", "-o", tmp_path / "m", *tiny).code == 0
    assert figures_of(textcnn("evaluate", "-m", tmp_path / "m", "--json"))["data"] == "sample"
    assert textcnn("filters", "-m", tmp_path / "m").code == 0


def test_one_class_for_all_texts_is_told(model, caplog):
    texts = ["What a fine film!"] * 12
    load_model(model).evaluate(texts, ["positive", "negative"] * 6)
    assert [re.sub("'.*'", "...", message) for message in caplog.messages] == [
        "the model predicts ... for each of 12 texts"
    ]


def test_figures_that_are_high_enough(textcnn, model, reviews):
    plain = textcnn("evaluate", reviews, "-m", model)
    figures = figures_of(textcnn("evaluate", reviews, "-m", model, "--json"), learned(reviews))
    floors = (f"accuracy={figures['accuracy']}", f"macro_f1={figures['macro_f1']}", "macro_f1=0")
    ended = textcnn("evaluate", reviews, "-m", model, *(arg for each in floors for arg in ("--at-least", each)))
    assert ended == plain


def test_figures_that_are_too_low(textcnn, model, tmp_path):
    path = tmp_path / "wrong.csv"
    path.write_text("text,label\nfine,positive\nfine,negative\nfine,negative\nfine,negative\n", encoding="utf-8")
    plain = textcnn("evaluate", path, "-m", model)
    args = ("evaluate", path, "-m", model, "--at-least", "accuracy=0.5", "--at-least", "macro_f1=0.1")
    ended = textcnn(*args)
    assert (ended.code, ended.out) == (1, plain.out)
    assert ended.err == f"Error: {path}: expected accuracy of at least 0.5, found 0.25\n"
    ended = textcnn(*args, "--at-least", "macro_f1=.9", "--json")
    assert (ended.code, ended.err) == (
        1,
        f"Error: {path}: expected accuracy of at least 0.5, found 0.25; macro_f1 of at least 0.9, found 0.2\n",
    )
    assert json.loads(ended.out)["accuracy"] == 0.25


KNOWN = "expected one of the figures accuracy, macro_f1, found"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("acuracy=0.9", f"{KNOWN} 'acuracy'; nearest to 'acuracy': accuracy"),
        ("log_loss=0.5", f"{KNOWN} 'log_loss'"),
        ("micro_f1=0.5", f"{KNOWN} 'micro_f1'; nearest to 'micro_f1': macro_f1"),
        *(
            (wrong, f"expected a figure and a number from 0 to 1, such as accuracy=0.9, found {wrong!r}")
            for wrong in ("accuracy", "accuracy=", "accuracy=90", "accuracy=-1", "accuracy=nan", "0.9", "=x")
        ),
    ],
)
def test_what_is_no_figure_is_refused_before_any_text_is_scored(textcnn, model, given, message):
    ended = textcnn("evaluate", "none.csv", "-m", model, "--at-least", given)
    assert (ended.code, ended.out, ended.err) == (2, "", f"Error: --at-least: {message}\n")


def test_figures_of_several_labels_that_are_too_low(textcnn, tmp_path, tiny):
    path = tmp_path / "topics.csv"
    rows = (f"{word} number {i},{label}\n" for i in range(20) for word, label in (("food", "a"), ("both", "a;b")))
    path.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    separated = ("--label-separator", ";")
    assert textcnn("train", path, *separated, "-o", tmp_path / "model", *tiny).code == 0
    args = ("evaluate", path, *separated, "-m", tmp_path / "model", "--at-least")
    known = "micro_f1, macro_f1, accuracy, samples_f1, average_precision"
    assert f"expected one of the figures {known}, found 'majority'" in textcnn(*args, "majority=0.1").err
    for name in known.split(", "):
        assert textcnn(*args, f"{name}=0").code == 0
    path = tmp_path / "one.csv"
    path.write_text("text,label\nfood number 1,a\n", encoding="utf-8")
    ended = textcnn("evaluate", path, *args[2:], "average_precision=0.1")
    assert (ended.code, ended.err) == (1, f"Error: {path}: expected average_precision of at least 0.1, found none\n")
