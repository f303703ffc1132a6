from __future__ import annotations

import json

import pytest

from textcnn import load_model


@pytest.fixture(scope="module")
def other(tmp_path_factory, reviews, tiny):
    from click.testing import CliRunner

    from textcnn.cli import cli

    path = tmp_path_factory.mktemp("models") / "other"
    args = ["train", str(reviews), "-o", str(path), *tiny, "--seed", "5", "--ngrams", "0", "--no-report"]
    assert CliRunner().invoke(cli, args, catch_exceptions=False).exit_code == 0
    return path


@pytest.fixture
def hard(tmp_path):
    """Texts of both words."""
    path = tmp_path / "hard.csv"
    rows = [f"What a {('fine dull', 'dull fine')[i % 2]} film number {i},{('positive', 'negative')[i % 2]}\n"
            for i in range(20)]  # fmt: skip
    path.write_text("text,label\n" + "".join(rows) * 3 + "a fine book,positive\na dull song,negative\n", "utf-8")
    return path


def test_all_as_json(textcnn, model, other, hard):
    ended = textcnn("compare", model, other, hard, "--json", "--texts", "2")
    assert (ended.code, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert (found["a"], found["b"], found["data"], found["split"]) == (str(model), str(other), str(hard), "all")
    assert sum(found["right"].values()) == found["first"]["examples"] == 62
    evaluated = json.loads(textcnn("evaluate", hard, "-m", other, "--json").out)
    assert found["second"] == {key: value for key, value in evaluated.items() if key not in ("model", "data", "split")}
    assert len(found["texts"]) == min(2, found["different_labels"])
    for each in found["texts"]:
        first, second = (explanation["prediction"] for explanation in each["explanations"])
        assert first != second
        assert [load_model(path).predict([each["text"]])[0] for path in (model, other)] == [first, second]


def test_a_page_for_the_terminal(textcnn, model, other, hard):
    ended = textcnn("compare", model, other, hard, "--texts", "1")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].startswith("A ")
    assert "McNemar    p = " in ended.out
    assert [line.split()[0] for line in lines if line.startswith(("accuracy", "macro-F1", "log-loss"))] == [
        "accuracy",
        "macro-F1",
        "log-loss",
    ]
    same = textcnn("compare", model, model, hard)
    assert same.out.splitlines()[-1] == "no text gets different labels"


def test_models_of_other_classes_are_one_line(textcnn, model, tmp_path, tiny):
    texts = tmp_path / "texts.csv"
    texts.write_text("text,label\n" + "some words,x\nother words,y\n" * 5, "utf-8")
    assert textcnn("train", texts, "-o", tmp_path / "m", *tiny).code == 0
    ended = textcnn("compare", model, tmp_path / "m", texts)
    assert (ended.code, ended.out, ended.err) == (
        2,
        "",
        "Error: expected two models of the same classes, found 'negative', 'positive' and 'x', 'y'; "
        "train them on the same labels\n",
    )


@pytest.mark.parametrize("args", [("{model}", "nowhere", "{hard}"), ("{model}", "{model}", "nowhere.csv")])
def test_what_is_not_there_is_one_line(textcnn, model, hard, args):
    ended = textcnn("compare", *(arg.format(model=model, hard=hard) for arg in args))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    assert "nowhere" in ended.err
