from __future__ import annotations

import csv
import inspect
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

import textcnn as package
from textcnn.cli.display import make_progress
from textcnn.cli.train import command
from textcnn.data import corpus_names
from textcnn.inference.artifact import load_artifact
from textcnn.settings.options import all_settings, flags_of
from textcnn.training.progress import Epoch, History, describe_epoch

# Options that are not settings of a model: where texts come from, where the model goes, and what is run.
PLACES = {
    *("data", "output", "overwrite", "data_dir", "hub", "text_column", "label_column", "encoding", "delimiter"),
    *("quoting", "header", "skip_missing", "label_columns", "label_separator", "weight_column"),
    *("least_texts", "merge_rare", "soft_labels"),
    *("validation", "test", "phrases", "preset", "resume", "folds", "cv_probabilities", "final", "report"),
}


def options() -> dict[str, click.Parameter]:
    return {parameter.name: parameter for parameter in command.params}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("row", all_settings().values(), ids=lambda row: row.keyword)
def test_every_setting_is_an_option_and_a_keyword_with_one_default(row):
    option = options()[row.keyword]
    assert [*option.opts, *option.secondary_opts] == row.flag.split("/")
    default = option.default
    if option.callback:
        default = option.callback(None, option, default)
    assert default == inspect.signature(package.TextCNNClassifier).parameters[row.keyword].default


def test_lengths_of_ngrams_are_read_and_written_with_a_dash():
    option = options()["char_ngrams"]
    assert option.callback(None, option, "3-5") == (3, 5)
    with pytest.raises(click.BadParameter, match=r"expected numbers such as 3-5, found '3,5'"):
        option.callback(None, option, "3,5")
    assert flags_of({"char_ngrams": (3, 5), "region_sizes": (3, 4)}) == ["--char-ngrams 3-5", "--region-sizes 3,4"]


def test_estimator_and_command_have_no_other_settings():
    keywords = set(inspect.signature(package.TextCNNClassifier).parameters)
    named = {*all_settings(), "vectors", "trust_pickle", "max_words", "init_from"}
    assert keywords == named | {"verbose"}
    assert set(options()) - PLACES == named
    assert options()["vectors"].opts == ["--vectors"]
    assert options()["init_from"].opts == ["--init-from"]


def test_train_saves_a_model_and_reports(textcnn, reviews, tmp_path, tiny):
    ended = textcnn("train", reviews, "-o", tmp_path / "model", *tiny)
    assert ended.code == 0
    lines = ended.out.splitlines()
    scores = r"accuracy \d\.\d{4}  macro-F1 \d\.\d{4}  \(majority class 0\.5000\)"
    assert re.fullmatch(rf"validation  {scores}", lines[0])
    assert lines[1:] == [
        "test        no test texts; give some with --test, or see textcnn evaluate",
        f"saved       {tmp_path / 'model'}",
    ]
    assert ended.err.splitlines()[0] == f"{reviews}: 60 train; 2 classes (negative, positive)"
    assert [line.split()[:2] for line in ended.err.splitlines()[1:3]] == [["epoch", "1"], ["epoch", "2"]]
    assert re.fullmatch(
        r"best epoch: [12] of 2(, averaged with the linear model of n-grams)?", ended.err.splitlines()[3]
    )
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["validation"]["examples"] == 60  # in folds
    assert package.load_model(tmp_path / "model").classes_.tolist() == ["negative", "positive"]
    assert names(tmp_path) == ["model"]


def test_test_texts_are_scored(textcnn, reviews, tmp_path, tiny):
    args = ("--validation", reviews, "--test", reviews)
    ended = textcnn("train", reviews, "-o", tmp_path / "model", *tiny, *args)
    assert ended.err.startswith(f"{reviews}: 60 train, 60 validation, 60 test; 2 classes")
    assert [line.split()[0] for line in ended.out.splitlines()] == ["validation", "test", "saved"]
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text(encoding="utf-8"))
    for name, value in metrics["test"].items():
        # The network and the linear model are averaged once as logits and once as weights.
        expected = (
            pytest.approx(metrics["validation"][name], rel=1e-4) if name == "log_loss" else metrics["validation"][name]
        )
        assert value == expected, name


def test_many_classes_are_one_short_line(textcnn, tmp_path, tiny, caplog):
    path = tmp_path / "rows.csv"
    path.write_text("text,id\n" + "".join(f"text {i % 500},{i // 2}\n" for i in range(1000)), encoding="utf-8")
    options = ("--label-column", "id")
    ended = textcnn("train", path, "-o", tmp_path / "m", *tiny, *options, "--epochs", 1)
    assert ended.code == 0, ended.err
    assert f"{path}: 1,000 train; 500 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 490 more)\n" in ended.err
    assert f"{path}: 500 classes for 1,000 training texts: does the column 'id' hold the labels?" in caplog.messages[0]
    assert len((tmp_path / "m" / "README.md").read_text(encoding="utf-8")) < 10_000
    ended = textcnn("data", path, *options)
    assert "\n  49: 2 (0.2%)\n  and 450 more\n" in ended.out
    assert len(ended.out.splitlines()) < 60


def test_a_training_that_diverged_is_told(textcnn, tmp_path, tiny, caplog):
    rows = "".join(f"word{i} word{i * 7 % 11},{'yes' if i * i % 7 > 2 else 'no'}\n" for i in range(100))
    (tmp_path / "given.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    textcnn("train", tmp_path / "given.csv", "-o", tmp_path / "m", *tiny, "--learning-rate", 1000)
    [message] = caplog.messages
    assert re.fullmatch(r"validation: the log-loss \d+\.\d\d is far above 0\.69, .*a smaller learning rate", message)


def test_settings_reach_the_model(textcnn, reviews, tmp_path, tiny):
    given = ("--region-sizes", "2", "--keep-case", "--max-norm", "0", "--class-weight", "positive=2,negative=1")
    ended = textcnn("train", reviews, "-o", tmp_path / "model", *tiny, *given, "--seed", "3", "--min-count", "2")
    assert ended.code == 0, ended.err
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["model"]["region_sizes"] == [2]
    assert config["text"]["lowercase"] is False
    assert config["text"]["min_count"] == 2
    training = config["training"]["settings"]
    assert (training["class_weight"], training["seed"], training["max_norm"]) == ([1.0, 2.0], 3, 0)


def test_shortcuts_and_branches_reach_the_model(textcnn, reviews, tmp_path, tiny):
    given = ("--arch", "stacked", "--region-sizes", "2,3,3", "--feature-maps", "4,4,6", "--shortcut", "--branches")
    for branches, expected in (("1,3", [1, 3]), ("3", [3])):
        ended = textcnn("train", reviews, "-o", tmp_path / branches, *tiny, *given, branches)
        assert ended.code == 0, ended.err
        config = json.loads((tmp_path / branches / "config.json").read_text(encoding="utf-8"))
        assert (config["model"]["shortcut"], config["model"]["branches"]) == (True, expected)


def test_word_vectors_are_used_and_their_coverage_told(textcnn, reviews, tmp_path):
    (tmp_path / "vectors.txt").write_text("2 4\nfine 1 0 0 0\ndull 0 1 0 0\n", encoding="utf-8")
    args = ("--vectors", tmp_path / "vectors.txt", "--feature-maps", "4", "--epochs", "1", "--channels", "static")
    ended = textcnn("train", reviews, "-o", tmp_path / "model", *args)
    assert re.match(r"vectors     2 of \d+ words found, 0 others kept\n", ended.out)
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert (config["model"]["channels"], config["model"]["dimension"]) == ("static", 4)


def test_a_model_is_replaced_only_with_overwrite(textcnn, reviews, tmp_path, tiny):
    target = tmp_path / "model"
    assert textcnn("train", reviews, "-o", target, *tiny).code == 0
    before = _contents(target)
    ended = textcnn("train", reviews, "-o", target, *tiny, "--seed", "1")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"Error: {target}: a model is there already; choose another name or replace it (--overwrite)\n"
    )
    assert _contents(target) == before
    assert textcnn("train", reviews, "-o", target, *tiny, "--seed", "1", "--overwrite").code == 0
    assert _contents(target) != before
    assert names(tmp_path) == ["model"]


def _contents(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (["--epochs", "0"], ("--epochs", "at least 1", "0")),
        (["--dropout", "1"], ("--dropout", "at least 0 and below 1", "1.0")),
        (["--region-sizes", "0,3"], ("--region-sizes", "at least 1", "0")),
        (["--learning-rate", "nan"], ("--learning-rate", "above 0", "nan")),
        (["--device", "tpu"], ("--device", "cuda:N", "'tpu'")),
        (["--region-sizes", "three"], ("--region-sizes", "3,4,5", "'three'", "train --help")),
        (["--arch", "stacked", "--shortcut"], ("--region-sizes", "odd number", "(3, 3)")),
        (["--arch", "stacked", "--branches", "1,5"], ("--region-sizes", "expected 5", "(3, 3)")),
        (["--pooling", "mean"], ("--pooling", "'max', 'average', 'k-max'", "'mean'")),
        (["--channels", "static"], ("channels static", "--vectors FILE")),
        (["--channels", "rand", "--vectors", "vectors.txt"], ("channels rand", "no word vectors")),
        (["--class-weight", "positive=1"], ("--class-weight", "'negative', 'positive'", "for 'positive'")),
        (["--class-weight", "positive=1,negative=x"], ("--class-weight", "good=1,bad=2", "'positive=1,negative=x'")),
        (["--class-weight", '{"positive": 1'], ("--class-weight", '{"good": 1, "bad": 2}')),
        (["--class-weight", "positive=1,negative=-1"], ("--class-weight", "above 0", "-1.0")),
        (["--text-column", "review"], ("'review', 'label'", "'id', 'text', 'label'", "{data}", "--text-column")),
        (["--encoding", "utf-9"], ("encoding", "latin-1", "'utf-9'")),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(textcnn, reviews, tmp_path, args, parts):
    ended = textcnn("train", reviews, "-o", tmp_path / "model", *args)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    for part in parts:
        assert part.replace("{data}", str(reviews)) in ended.err
    assert names(tmp_path) == []


def test_class_weights_of_names_with_commas(textcnn, tmp_path, tiny):
    rows = [f'good text {i},"Business, Finance"\nbad text {i},a=b' for i in range(12)]
    (tmp_path / "texts.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    weights = '{"Business, Finance": 1, "a=b": 2}'
    ended = textcnn("train", tmp_path / "texts.csv", "-o", tmp_path / "m", *tiny, "--class-weight", weights)
    assert ended.code == 0
    assert load_artifact(tmp_path / "m").training["settings"]["class_weight"] == [1.0, 2.0]


def test_a_missing_vectors_file_is_one_line(textcnn, reviews, tmp_path):
    ended = textcnn("train", reviews, "-o", tmp_path / "model", "--vectors", tmp_path / "none.bin")
    assert (ended.code, ended.out) == (2, "")
    assert re.fullmatch(rf"Error: [^\n]*{re.escape(str(tmp_path / 'none.bin'))}[^\n]*\n", _last_line(ended.err))
    assert names(tmp_path) == []


def test_unknown_data_is_one_line(textcnn, tmp_path):
    ended = textcnn("train", "smaple", "-o", tmp_path / "model")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"Error: expected a corpus ({', '.join(corpus_names())}), a file")
    assert ended.err.endswith(", found 'smaple'; nearest to 'smaple': sample\n")
    assert ended.err.count("\n") == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("file", "{path}: expected a folder to save the model in, found a file; choose another name"),
        (
            "folder",
            "{path}: expected a new folder or a saved model, found a folder of other files; choose another",
        ),
        ("none/model", "{path}: expected the folder {parent} to exist; create it first"),
    ],
)
def test_a_model_goes_nowhere_else(textcnn, reviews, tmp_path, tiny, place, message):
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("kept", encoding="utf-8")
    path = tmp_path / place
    ended = textcnn("train", reviews, "-o", path, "--overwrite", *tiny)
    assert (ended.code, ended.out, ended.err) == (2, "", f"Error: {message.format(path=path, parent=path.parent)}\n")
    assert names(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept"
    assert names(tmp_path / "folder") == ["file"]


def _last_line(text: str) -> str:
    return text.splitlines(keepends=True)[-1]


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_keeps_the_best_epoch(reviews, tmp_path):
    args = (
        "train",
        reviews,
        "-o",
        tmp_path / "model",
        "--dimension",
        "8",
        "--epochs",
        "100000",
        "--patience",
        "100000",
    )
    with subprocess.Popen(
        [sys.executable, "-m", "textcnn", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = next(line for line in process.stderr if line.startswith("epoch"))
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert line.startswith("epoch  1  loss ")
    kept = re.search(r"^interrupted: the weights of epoch (\d+), the best so far, are kept$", err, re.MULTILINE)[1]
    assert re.search(rf"^best epoch: {kept} of \d+(, averaged with .*)?$", err, re.MULTILINE)
    assert "Traceback" not in err
    assert out.splitlines()[-1] == f"saved       {tmp_path / 'model'}"
    assert package.load_model(tmp_path / "model").predict(["fine"]).shape == (1,)


def test_ctrl_c_before_the_first_epochs_end_leaves_nothing(textcnn, reviews, tmp_path, monkeypatch):
    def interrupted(*args: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("textcnn.training._fitting.Fitting.run", interrupted)
    ended = textcnn("train", reviews, "-o", tmp_path / "model")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err == f"{reviews}: 60 train; 2 classes (negative, positive)\n\nError: interrupted\n"
    assert names(tmp_path) == []


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_live_on_a_terminal(monkeypatch):
    screen = _Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    epoch = Epoch(
        number=1,
        training_loss=0.6,
        validation_loss=0.7,
        accuracy=0.5,
        macro_f1=0.4,
        seconds=1.0,
        texts_per_second=120.0,
        best=True,
        monitor="accuracy",
    )
    with make_progress() as progress:
        progress.stage("reading vectors", 0.5)
        progress.display.bars.refresh()
        progress.begin(texts=120, epochs=10)
        progress.batch(epoch=1, texts=120, loss=0.6123)
        progress.display.bars.refresh()
        progress.epoch(epoch)
        progress.end(History((epoch,), best_epoch=1, interrupted=False))
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen.getvalue())
    assert "reading vectors ━" in shown
    assert re.search(r"epoch 1 [━╸╺]+ loss 0\.6123  [\d,]+/s  0:\d\d left at most", shown)
    lines = [line.strip() for line in re.split(r"[\r\n]+", shown)]
    assert max(map(len, lines)) <= 80
    assert describe_epoch(epoch) in lines
    assert "best epoch: 1 of 1" in lines


def test_a_model_to_start_from(textcnn, reviews, tmp_path, tiny):
    first, second = tmp_path / "first", tmp_path / "second"
    assert textcnn("train", reviews, "-o", first, *tiny).code == 0
    ended = textcnn("train", reviews, "-o", second, "--init-from", first, "--freeze", "embeddings", "--epochs", "1")
    assert ended.code == 0
    assert ended.out.startswith("start       convolution and softmax, ")
    before, after = load_artifact(first), load_artifact(second)
    assert after.model == before.model
    assert after.training["settings"]["freeze"] == ["embeddings"]
    ended = textcnn("train", reviews, "-o", tmp_path / "third", "--init-from", first, "--feature-maps", "77")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"Error: --feature-maps: expected {before.model.feature_maps} as in the model to start from, found 77; "
        "leave it out\n"
    )
    ended = textcnn("train", reviews, "-o", tmp_path / "third", "--freeze", "all")
    assert ended.code == 2
    assert ended.err == "Error: --freeze: expected one of embeddings, convolution, found 'all'\n"
    assert not (tmp_path / "third").exists()


def test_files_are_read_as_the_options_say_by_every_command(textcnn, tmp_path, tiny, caplog):
    rows = [("fine", "positive"), ("dull", "negative")] * 20
    lines = [f'{label};"What a;{word} film {i}\n' for i, (word, label) in enumerate(rows)]
    data, missing = tmp_path / "data.csv", tmp_path / "missing.csv"
    data.write_text("".join(lines), encoding="utf-8")
    missing.write_text("".join([*lines, ";a;b\n", "positive;;\n"]), encoding="utf-8")
    reading = ("--no-header", "--quoting", "none", "--delimiter", ";", "--text-column", "2,3", "--label-column", "1")
    model = tmp_path / "model"
    for arguments in (
        ("train", data, "-o", model, *tiny, "--test", data),
        ("data", data),
        ("evaluate", data, "-m", model),
        ("report", data, "-m", model, "-o", tmp_path / "a.html"),
        ("vectors", data, "-o", tmp_path / "v.bin", "--epochs", "1", "--dimension", "2", "--workers", "1"),
    ):
        ended = textcnn(*arguments, *reading)
        assert ended.code == 0, ended.err
        if arguments[0] in ("train", "data", "evaluate"):
            arguments = [missing if argument == data else argument for argument in arguments]
            more = ("--overwrite",) if arguments[0] == "train" else ()
            ended = textcnn(*arguments, *reading, *more)
            assert ended.code == 2
            assert "--skip-missing" in ended.err
            caplog.clear()
            ended = textcnn(*arguments, *reading, *more, "--skip-missing")
            assert ended.code == 0, ended.err
            assert "2 of 42 rows have no text or label: left out" in caplog.text
    assert '"what' not in textcnn("vectors", "--info", tmp_path / "v.bin", "--near", "film").out
    ended = textcnn("predict", "-m", model, "--input", data, *reading[:-2])
    assert [row[0] for row in csv.reader(io.StringIO(ended.out))] == ["1", *(label for _, label in rows)]


def test_only_the_first_words_of_a_vectors_file_are_read(textcnn, reviews, tmp_path, tiny):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("fine 1 2\nfilm 2 1\ndull 1 1\nnot numbers\n", encoding="utf-8")
    arguments = ("train", reviews, *tiny[2:], "--vectors", vectors, "-o", tmp_path / "model")
    assert textcnn(*arguments).code == 2
    ended = textcnn(*arguments, "--max-words", "2")
    assert ended.code == 0, ended.err
    assert "2 of " in ended.out
    for number in ("0", "-1", "1.5", "x"):
        ended = textcnn(*arguments, "--overwrite", "--max-words", number)
        assert ended.code == 2
        assert "--max-words" in ended.err
    ended = textcnn("train", reviews, *tiny, "-o", tmp_path / "other", "--max-words", "2")
    assert ended.code == 2
    assert "--max-words: expected a file of word vectors with it, found none; give one (--vectors FILE)" in ended.err


@pytest.mark.parametrize(
    "args",
    [
        ["{tmp}/reviws.csv"],
        ["{data}", "--test", "{tmp}/reviws.csv"],
        ["{data}", "--validation", "{tmp}/reviws.csv"],
        ["{data}", "--vectors", "{tmp}/reviws.csv"],
        ["{data}", "--init-from", "{tmp}/reviws.csv"],
        ["{data}", "--cv", "3", "--test", "{tmp}/reviws.csv"],
    ],
)
def test_a_misspelt_file_is_reported_before_a_model_that_is_there(textcnn, model, reviews, tmp_path, args):
    (tmp_path / "reviews.csv").touch()
    names = [arg.format(tmp=tmp_path, data=reviews) for arg in args]
    ended = textcnn("train", *names, "-o", model)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "reviws.csv" in ended.err
    assert "nearest to 'reviws.csv': reviews.csv" in ended.err
