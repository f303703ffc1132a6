import json
import re

import pytest

from textcnn import TextCNNClassifier


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain") / "model"
    texts = ["good film", "a very good one", "bad film", "a very bad one"] * 5
    settings = {"dimension": 8, "feature_maps": 4, "max_epochs": 8, "learning_rate": 0.01}
    TextCNNClassifier(**settings).fit(texts, ["pos", "pos", "neg", "neg"] * 5).save(path)
    return path


def test_texts_from_arguments(textcnn, model):
    ended = textcnn("explain", "-m", model, "a good film", "bad")
    assert (ended.code, ended.err) == (0, "")
    first, second = ended.out.rstrip("\n").split("\n\n")
    assert re.match(r"pos  0\.\d{4}\n  a good film\n  words for +good \+", first)
    assert re.match(r"neg  0\.\d{4}\n  bad\n  words for +bad \+", second)
    assert "\x1b" not in ended.out  # no terminal, no colours


def test_lines_of_stdin(textcnn, model):
    ended = textcnn("explain", "-m", model, "--format", "json", stdin="\ufeffa good film\r\n\nbad \ufffd\n".encode())
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert [line["text"] for line in found] == ["a good film", "", "bad \ufffd"]
    assert found[0]["prediction"] == "pos"
    assert "counterfactual" not in found[0]
    assert textcnn("explain", "-m", model, "--format", "json").out == ""


def test_a_change_that_flips_the_label(textcnn, model):
    ended = textcnn("explain", "-m", model, "a good film", "--counterfactual", "--format", "json")
    change = json.loads(ended.out)["counterfactual"]
    assert change["label"] == "neg"
    assert change["edits"][0]["word"] == "good"
    # The option takes no value: what follows it is a text.
    ended = textcnn("explain", "-m", model, "--counterfactual", "a good film", "--budget", "0")
    assert "a good film" in ended.out
    assert "smallest found" in ended.out


@pytest.mark.parametrize("seconds", ["nan", "-1", "soon"])
def test_a_budget_that_is_none(textcnn, model, seconds):
    ended = textcnn("explain", "-m", model, "good", "--counterfactual", f"--budget={seconds}")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "--budget" in ended.err


def test_stdin_is_read_as_predict_reads_it(textcnn, model):
    latin = "caf\u00e9 good\n".encode("latin-1")
    for command in ("explain", "predict"):
        ended = textcnn(command, "-m", model, stdin=latin)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.count("\n") == 1
        for part in ("UTF-8", "stdin", "0xe9", "line 1", "--encoding"):
            assert part in ended.err
        assert "caf\u00e9 good" in textcnn(command, "-m", model, "--encoding", "latin-1", stdin=latin).out
    ended = textcnn("explain", "-m", model, stdin=None)
    assert (ended.code, ended.err) == (2, "Error: expected texts as arguments or on stdin, found none\n")
    ended = textcnn("explain", "-m", model, "half \udcff")
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def test_an_html_file(textcnn, model, tmp_path):
    path = tmp_path / "why.html"
    assert textcnn("explain", "-m", model, "a <good> film", "-o", path).out == ""
    assert '">good</span>' in path.read_text(encoding="utf-8")
    ended = textcnn("explain", "-m", model, "bad", "-o", path)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert textcnn("explain", "-m", model, "bad", "-o", path, "--overwrite").code == 0
    assert '">bad</span>' in path.read_text(encoding="utf-8")


def test_no_model(textcnn, tmp_path):
    ended = textcnn("explain", "-m", tmp_path / "none", "good")
    assert ended.code == 2
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
