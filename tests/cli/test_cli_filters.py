import json

import pytest

from textcnn import TextCNNClassifier, load_model

TEXTS = ["good film", "a very good one", "bad film", "a very bad one"] * 5
LABELS = ["pos", "pos", "neg", "neg"] * 5


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filters")
    shared = {"max_epochs": 6, "learning_rate": 0.01}
    TextCNNClassifier(dimension=8, feature_maps=4, **shared).fit(TEXTS, LABELS).save(folder / "kim")
    TextCNNClassifier(arch="dcnn", dimension=8, feature_maps=(2, 3), **shared).fit(TEXTS, LABELS).save(folder / "dcnn")
    (folder / "texts.csv").write_text(
        "text,label\n" + "".join(f"{t},{y}\n" for t, y in zip(TEXTS, LABELS, strict=True))
    )
    return folder


def test_filters_as_text_and_json(textcnn, models, tmp_path):
    ended = textcnn("filters", models / "texts.csv", "-m", models / "kim", "--most", 3)
    assert ended.code == 0
    assert ended.out.count("filter ") == ended.out.count("  picks  ") == ended.out.count("  wants  ") == 3
    assert all(len(line) <= 80 for line in ended.out.splitlines())
    path = tmp_path / "filters.json"
    textcnn("filters", models / "texts.csv", "-m", models / "kim", "--format", "json", "-o", path)
    found = json.loads(path.read_text())
    assert len(found) == 8
    assert set(found[0]) == {"name", "classes", "active", "mean", "picked", "wants", "most"}


def test_filters_of_a_dcnn(textcnn, models):
    ended = textcnn("filters", models / "texts.csv", "-m", models / "dcnn", "--most", 2)
    assert (ended.code, ended.out.count(", row ")) == (0, 2)
    ended = textcnn("filters", models / "texts.csv", "-m", models / "dcnn", "--layer", 2, "--most", 2)
    assert (ended.code, ended.out.count(", row "), ended.out.count("  wants  ")) == (0, 2, 2)
    assert all(len(line) <= 80 for line in ended.out.splitlines())
    ended = textcnn("filters", models / "texts.csv", "-m", models / "dcnn", "--layer", 2, "--format", "json")
    assert json.loads(ended.out)[0]["picked"][0]["source"] in TEXTS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--layer", 2), "layer: expected 1, this model's only layer, found 2"),
        (("--word", "unheard"), "found 'unheard'"),
    ],
)
def test_what_cannot_be_shown(textcnn, models, options, message):
    ended = textcnn("filters", models / "texts.csv", "-m", models / "kim", *options)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert message in ended.err


def test_a_graph_as_svg_and_json(textcnn, models, tmp_path):
    path = tmp_path / "graph.svg"
    assert textcnn("graph", "a good <film>", "-m", models / "dcnn", "-o", path).code == 0
    assert path.read_text(encoding="utf-8").startswith("<svg")
    ended = textcnn("graph", "a good film", "-m", models / "dcnn", "--place", 1, 0, "--format", "json")
    found = json.loads(ended.out)
    assert found["prediction"] in load_model(models / "dcnn").classes_
    assert [(layer["map"], layer["row"]) for layer in found["layers"]][-1] == (1, 0)
    ended = textcnn("graph", "a good film", "-m", models / "kim")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "expected a DCNN" in ended.err
    assert textcnn("graph", "a good film", "-m", models / "dcnn", "--place", 9, 0).code == 2


@pytest.mark.parametrize("name", ["filters", "graph"])
def test_what_is_not_there(textcnn, models, name):
    ended = textcnn(name, "none.csv", "-m", models / "none")
    assert ended.code == 2
    assert ended.err.startswith(f"Error: {models / 'none'}: expected a saved model")
    ended = textcnn("filters", "none.csv", "-m", models / "kim")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "found 'none.csv'" in ended.err
    assert "--" not in ended.err
