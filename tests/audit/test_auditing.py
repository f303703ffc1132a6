import dataclasses
import sys

import numpy as np
import pyarrow as pa
import pytest

from textcnn.audit import _label_errors
from textcnn.audit.audit_page import write_page
from textcnn.audit.auditing import Audit, audit
from textcnn.audit.corrections import COLUMNS, correct, findings_table
from textcnn.audit.finding import KINDS, Finding
from textcnn.cli.cells import write_csv
from textcnn.data.labelled import Labelled
from textcnn.errors import ConfigError, DataError
from textcnn.settings.options import make_settings
from textcnn.text.columns import as_column

SETTINGS = make_settings({"dimension": 8, "feature_maps": 4, "region_sizes": (1, 2), "max_epochs": 8, "ngrams": 1})
CLASSES = ["a", "b"]


def data(size=80, wrong=(3, 40), seed=0):
    """Texts whose mark tells the class, some with the other label."""
    generator = np.random.default_rng(seed)
    truth = np.arange(size) % 2
    fillers = generator.integers(0, 20, size=(size, 5))
    texts = [f"mark{k} " * 3 + " ".join(f"w{w}" for w in row) for k, row in zip(truth, fillers, strict=True)]
    labels = truth.copy()
    labels[[*wrong]] = 1 - labels[[*wrong]]
    return Labelled(as_column(texts), labels)


def test_wrong_labels_are_found():
    folds = []
    found = audit({"train": data()}, CLASSES, SETTINGS, folds=4, on_fold=folds.append)
    wrong = found.by_kind()["label"]
    assert {one.row for one in wrong} == {4, 41}
    assert all({one.label, one.suggested_label} == {*CLASSES} for one in wrong)
    assert [one.score for one in wrong] == sorted(one.score for one in wrong)
    assert len(folds) == 4
    assert found.accuracy == pytest.approx(78 / 80)
    assert (found.texts, found.classes) == ({"train": 80}, {"a": 40, "b": 40})
    assert [*found.by_kind()] == [*KINDS]


def test_spellings_of_a_class_are_learned_as_one_and_small_classes_are_not_judged():
    part = data()
    labels = np.where((np.arange(80) >= 60) & (part.labels == 0), 2, part.labels)  # A
    labels[:5] = 3
    found = audit({"train": Labelled(part.texts, labels)}, ["a", "b", "A", "odd"], SETTINGS, folds=4).by_kind()
    assert {one.row for one in found["label"]} == {41}
    assert [one.suggested_label for one in found["label"]] == ["a"] or found["label"][0].label == "a"
    assert {one.suggested_label for one in found["spelling"]} == {"a"}
    assert {one.row for one in found["small"]} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0] * 20, "expected two classes or more in training, found one"),
        ([0, 1] * 4, "expected 10 training texts or more for 5 folds, and two of each of two classes, found 8 with 4 "),
        ([0] * 19 + [1], "found 20 with 1 of the second largest class"),
    ],
)
def test_too_little_to_learn_from(labels, message):
    part = Labelled(as_column([f"text {i}" for i in range(len(labels))]), np.array(labels))
    with pytest.raises(DataError, match=f"^audit: .*{message}"):
        audit({"train": part}, CLASSES, SETTINGS)


def test_a_class_of_two_equal_texts():
    part = data(40, wrong=())
    part = Labelled(as_column([*part.texts.to_pylist(), "same", "same"]), np.append(part.labels, [2, 2]))
    assert len(audit({"train": part}, ["a", "b", "c"], SETTINGS, folds=3).by_kind()["small"]) == 2


def test_cleanlab_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"^audit: expected the library cleanlab, .*: pip install 'textcnn\[audit\]'$"
    ):
        audit({"train": data()}, CLASSES, SETTINGS)
    assert _label_errors.__doc__


HOSTILE = "<script>alert(1)</script> & more"
FINDING = Finding("label", "train", 2, HOSTILE, "b", "a", 0.25)


def test_the_page_has_all_kinds_and_no_markup_of_the_texts(tmp_path):
    findings = [dataclasses.replace(FINDING, kind=kind) for kind in KINDS]
    findings.append(Finding("near", "train", 3, "x", "a", "", 0.9, "test", 1200, HOSTILE, "b"))
    findings += [Finding("empty", "train", row, "", "a") for row in range(1, 200)]
    write_page(Audit({"train": 3, "test": 1200}, {"a": 2, "b": 1}, 0.5, findings), tmp_path / "p.html", source="mine")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    for kind, (title, _) in KINDS.items():
        assert f'id="{kind}"' in page
        assert title in page
    assert "test 1,200" in page
    assert "The first 100 of 200" in page
    assert "http" not in page.replace("http-equiv", "")


def table(tmp_path, rows):
    """A file of findings, edited: (row, changes)."""
    part = data()
    texts = part.texts.to_pylist()
    findings = [Finding("label", "train", row, texts[row - 1], CLASSES[part.labels[row - 1]]) for row, _ in rows]
    edited = findings_table(findings).to_pylist()
    for line, (_, changes) in zip(edited, rows, strict=True):
        line |= changes
    path = tmp_path / "findings.csv"
    with path.open("wb") as file:
        write_csv(file, pa.Table.from_pylist(edited, pa.schema(list(COLUMNS.items()))))
    return part, path


def test_corrections_are_applied(tmp_path):
    rows = [(1, {"drop": "x"}), (2, {}), (3, {"label": "new"}), (4, {"drop": "No"}), (1, {"label": "b"})]
    part, path = table(tmp_path, [*rows, (3, {"label": "new"})])
    done = correct(part, CLASSES, np.arange(1, 81), path, split="train")
    assert (done.dropped, done.relabelled, len(done.texts)) == (1, 1, 79)
    assert done.texts == part.texts.to_pylist()[1:]
    expected = [CLASSES[k] for k in part.labels.tolist()]
    expected[2] = "new"
    assert done.labels == expected[1:]
    none = correct(part, CLASSES, np.arange(1, 81), path, split="test")
    assert (none.dropped, none.relabelled, len(none.texts)) == (0, 0, 80)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1, {"text": "another"})], "expected a text of train in row 1, found 'another' as its number '1'; apply"),
        ([(1, {}), (1, {"row": 81})], "expected a text of train in row 2, found .* number '81'"),
        ([(1, {"row": None})], "number ''"),
        ([(1, {"label": " "})], "expected a label in row 1, found none"),
        ([(1, {"label": "x"}), (1, {"label": "y"})], r"expected one new label for a text, found 'x' and 'y' \(row 2\)"),
    ],
)
def test_corrections_that_make_no_sense(tmp_path, rows, message):
    part, path = table(tmp_path, rows)
    with pytest.raises(DataError, match=f"findings.csv: .*{message}"):
        correct(part, CLASSES, np.arange(1, 81), path, split="train")


def test_another_file_than_findings(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("text,label\na,b\n")
    with pytest.raises(DataError, match="expected the columns split, row, text, label, drop, found text, label;"):
        correct(data(), CLASSES, np.arange(1, 81), path, split="train")
