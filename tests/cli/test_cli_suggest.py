from __future__ import annotations

import csv
import json

import pytest

from textcnn import load_model


@pytest.fixture
def unlabelled(tmp_path):
    path = tmp_path / "unlabelled.csv"
    rows = [f"{i},What a {('fine dull', 'dull fine', 'fine', 'dull')[i % 4]} book number {i}!\n" for i in range(60)]
    path.write_text("id,text\n" + "".join(rows) + '60,""\n61,\n', encoding="utf-8")
    return path


def test_rows_texts_and_predictions(textcnn, model, unlabelled, tmp_path):
    ended = textcnn("suggest", unlabelled, "-m", model, "-n", "5", "-o", tmp_path / "next.csv")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    with (tmp_path / "next.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == ["row", "text", "prediction", "probability", "note"]
    texts = [row["text"] for row in rows]
    assert len({*texts}) == 5
    assert all(text.endswith(f"number {int(row['row']) - 1}!") for row, text in zip(rows, texts, strict=True))
    assert load_model(model).predict(texts).tolist() == [row["prediction"] for row in rows]
    lines = textcnn("suggest", unlabelled, "-m", model, "-n", "5", "--format", "json").out.splitlines()
    assert [json.loads(line)["row"] for line in lines] == [int(row["row"]) for row in rows]
    shown = textcnn("suggest", unlabelled, "-m", model, "-n", "5", "--format", "text").out.splitlines()
    expected = [(row["row"], row["prediction"], row["text"]) for row in rows]
    assert [tuple(line.split("\t")[i] for i in (0, 1, 3)) for line in shown] == expected


def test_lines_and_fewer_than_are_wanted(textcnn, model, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("a fine film\nA FINE FILM\n\na dull film\n", encoding="utf-8")
    ended = textcnn("suggest", lines, "-m", model)
    assert ended.code == 0
    assert sorted(line.partition("\t")[0] for line in ended.out.splitlines()) == ["1", "3", "4"]
    assert ended.err == f"{lines}: only 3 distinct texts; all are suggested\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere.csv"], "there is no nowhere.csv"),
        (["{tmp}/empty.csv"], "empty"),
        (["{data}", "--text-column", "body"], "expected the columns ['body']"),
        (["{data}", "-o", "{data}", "--overwrite"], "expected a file other than the input"),
        (["{data}", "-o", "{tmp}/next.pdf"], "expected a name that ends in"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(textcnn, model, unlabelled, tmp_path, args, message):
    (tmp_path / "empty.csv").touch()
    before = sorted(tmp_path.iterdir())
    ended = textcnn("suggest", *(arg.format(data=unlabelled, tmp=tmp_path) for arg in args), "-m", model)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    assert message in ended.err
    assert sorted(tmp_path.iterdir()) == before
