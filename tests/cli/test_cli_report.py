import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    generator = np.random.default_rng(0)
    for name, size in (("train", 60), ("test", 20)):
        y = generator.integers(0, 2, size)
        rows = [f"word{generator.integers(9)} mark{k},{'pos' if k else 'neg'}" for k in y]
        (folder / f"{name}.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    return folder


SMALL = ("--dimension", 8, "--feature-maps", 4, "--epochs", 2, "--learning-rate", 0.01)


def test_train_writes_a_page_beside_the_model(textcnn, files, tmp_path):
    model = tmp_path / "model"
    ended = textcnn("train", files / "train.csv", "--test", files / "test.csv", "-o", model, "--report", *SMALL)
    assert ended.code == 0
    assert ended.err.endswith("writing the report\n")
    assert f"report      {model / 'report.html'}\n" in ended.out
    content = (model / "report.html").read_text(encoding="utf-8")
    assert "TF-IDF with logistic regression" in content
    config = json.loads((model / "config.json").read_text())
    assert config["temperature"] > 0
    assert textcnn("predict", "-m", model, "mark1").code == 0  # a page in its folder does not harm a model


def test_a_page_that_fails_harms_no_model(textcnn, files, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("something unforeseen")

    monkeypatch.setattr("textcnn.report.page.gather", fail)
    ended = textcnn("train", files / "train.csv", "-o", tmp_path / "model", "--report", *SMALL)
    assert ended.code == 0
    assert "report      not written: something unforeseen\n" in ended.err
    assert textcnn("predict", "-m", tmp_path / "model", "mark1").code == 0


def test_without_test_texts_it_is_of_the_folds(textcnn, files, tmp_path):
    ended = textcnn("train", files / "train.csv", "-o", tmp_path / "model", "--report", *SMALL)
    assert ended.code == 0
    content = (tmp_path / "model" / "report.html").read_text(encoding="utf-8")
    scores = json.loads((tmp_path / "model" / "metrics.json").read_text())["validation"]
    assert f"on {scores['examples']} texts" in content
    assert "(validation)" in content
    assert f"Accuracy <b>{100 * scores['accuracy']:.1f}%</b>" in content
    assert "The figures are of networks that had not learned from the texts they scored." in content
    assert "Most uncertain" not in content
    assert "TF-IDF + logistic regression" in content  # in folds, too
    ended = textcnn(
        *("report", files / "test.csv", "-m", tmp_path / "model", "-o", tmp_path / "r.html", "--plots", tmp_path / "p")
    )
    assert (ended.code, ended.err) == (0, "writing the report\n")
    assert ended.out.startswith(f"report      {tmp_path / 'r.html'}\nplot        {tmp_path / 'p'}")
    assert "The training texts were not given" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert (tmp_path / "p" / "loss.png").exists()
    ended = textcnn("report", files / "test.csv", "-m", tmp_path / "model", "-o", tmp_path / "r.html")
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def test_with_a_held_out_share_the_page_is_of_that(textcnn, files, tmp_path):
    options = ("--validation-folds", "0")
    ended = textcnn("train", files / "train.csv", "-o", tmp_path / "model", "--report", *SMALL, *options)
    assert ended.code == 0
    content = (tmp_path / "model" / "report.html").read_text(encoding="utf-8")
    scores = json.loads((tmp_path / "model" / "metrics.json").read_text())["validation"]
    assert f"on {scores['examples']} texts" in content
    assert "Most uncertain" in content


def test_a_split_that_is_not_there(textcnn, files, tmp_path):
    textcnn("train", files / "train.csv", "-o", tmp_path / "model", *SMALL)
    ended = textcnn(
        *("report", files / "test.csv", "--split", "validation", "-m", tmp_path / "model", "-o", tmp_path / "r.html")
    )
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "expected the split validation" in ended.err
    assert not (tmp_path / "r.html").exists()


def test_a_misspelt_file_is_reported_before_an_output_that_is_there(textcnn, model, tmp_path):
    (tmp_path / "reviews.csv").touch()
    ended = textcnn("report", "-m", model, tmp_path / "reviws.csv", "-o", tmp_path / "reviews.csv")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "nearest to 'reviws.csv': reviews.csv" in ended.err
