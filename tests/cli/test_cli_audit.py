from __future__ import annotations

import csv

import numpy as np
import pytest

from textcnn.training.cross_validation import CrossValidation


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    """Folds of a model that is sure of a class by a word; the models themselves are tested in tests/audit."""

    def score(data, classes, settings, *, folds, scarce, progress, on_fold):
        fine = np.array(["fine" in text for text in data.texts.to_pylist()])
        order = np.array([0.1, 0.9] if classes[1] == "positive" else [0.9, 0.1])
        probabilities = np.where(fine[:, None], order, order[::-1]).astype(np.float32)
        return CrossValidation([], np.arange(len(data)) % folds + 1, probabilities)

    monkeypatch.setattr("textcnn.audit.auditing.cross_validate", score)


@pytest.fixture
def dirty(tmp_path):
    """The rows of a corpus with a wrong label in row 5 and a missing one in row 3."""
    rows = [[f"What a {('fine', 'dull')[i % 2]} film, number {i}!", ("positive", "negative")[i % 2]] for i in range(40)]
    rows[2][1] = ""
    rows[4][1] = "negative"
    path = tmp_path / "dirty.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text", "label"], *rows])
    return path


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_there_and_back(textcnn, dirty, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = textcnn("audit", dirty, "--csv", "findings.csv", "--skip-missing")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[:2] == [
        "agreement   97.4%  of the training labels are what models of the other folds predict",
        "label           1  Labels that may be wrong",
    ]
    assert ended.out.splitlines()[-2:] == ["findings   findings.csv", "page       audit.html"]
    assert f"{dirty}: 39 train; 2 classes (negative, positive)" in ended.err
    assert "Labels that may be wrong" in (tmp_path / "audit.html").read_text(encoding="utf-8")
    rows = read(tmp_path / "findings.csv")
    columns = "kind,split,row,text,label,suggested_label,score,other_split,other_row,drop"
    assert ",".join(rows[0]) == columns
    assert [(row["kind"], row["row"], row["label"], row["suggested_label"], row["drop"]) for row in rows] == [
        ("label", "5", "negative", "positive", "")
    ]
    edited = (
        (tmp_path / "findings.csv")
        .read_text(encoding="utf-8")
        .replace('number 4!","negative"', 'number 4!","positive"')
    )
    (tmp_path / "findings.csv").write_text(edited, encoding="utf-8")
    ended = textcnn("audit", dirty, "--skip-missing", "--apply", "findings.csv", "-o", "clean.csv")
    assert (ended.code, ended.out) == (0, "0 dropped, 1 relabelled, 39 texts left\nsaved      clean.csv\n"), ended.err
    clean = read(tmp_path / "clean.csv")
    assert [*clean[0]] == ["text", "label"]
    assert all(("fine" in row["text"]) == (row["label"] == "positive") for row in clean)
    assert len(clean) == 39


def test_a_clean_corpus(textcnn, reviews, tmp_path):
    ended = textcnn("audit", reviews, "-o", tmp_path / "p.html")
    assert ended.code == 0
    assert ended.out.splitlines()[1:] == ["nothing found", f"page       {tmp_path / 'p.html'}"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere.csv"], "nowhere.csv"),
        (["{data}", "-o", "{tmp}/no/p.html"], "to exist; create it first"),
        (["{data}", "-o", "{tmp}/x.csv", "--csv", "{tmp}/x.csv"], "two files for the page and the findings, found one"),
        (["{data}", "-o", "{data}"], "the file exists; choose another name or replace it (--overwrite)"),
        (["{data}", "--apply", "{tmp}/f.csv"], "--apply: expected -o FILE"),
        (["{data}", "--apply", "{tmp}/f.csv", "-o", "{tmp}/c.csv"], "expected a file, but there is no {tmp}/f.csv"),
        (["{data}", "--apply", "{data}", "-o", "{tmp}/c.csv"], "expected the columns split, row, text, label, drop"),
        (["{data}", "--apply", "{data}", "-o", "{tmp}/c.csv", "--split", "test"], "expected the split test"),
        (["{tmp}/empty.csv"], "empty"),
        (["{tmp}/one.csv"], "expected at least two classes"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(textcnn, reviews, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").touch()
    (tmp_path / "one.csv").write_text("text,label\n" + "a,b\n" * 20)
    before = sorted(tmp_path.iterdir())
    ended = textcnn("audit", *(arg.format(data=reviews, tmp=tmp_path) for arg in args))
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert message.format(tmp=tmp_path) in ended.err
    assert ended.err.splitlines()[-1].startswith("Error: ")
    assert sorted(tmp_path.iterdir()) == before
