from __future__ import annotations

import pytest


def test_both_models_are_shown_and_the_smaller_one_predicts(textcnn, model, reviews, tmp_path):
    small = tmp_path / "small"
    ended = textcnn("compress", model, "-o", small, "--data", reviews)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].split() == ["before", "after"]
    titles = [line[:11].strip() for line in lines]
    assert titles == [
        *("", "size, MB", "words", "n-grams", "dimensions"),
        "accuracy",
        "macro-F1",
        "same label",
        "saved",
    ]
    before, after = lines[1].split()[-2:]
    assert float(after) < float(before)
    assert textcnn("predict", "-m", small, "What a fine film!").code == 0


def test_a_loss_that_is_too_large_saves_nothing(textcnn, model, reviews, tmp_path, monkeypatch):
    small = tmp_path / "small"
    assert textcnn("compress", model, "-o", small, "--data", reviews, "--max-loss", 0).code == 0
    from textcnn.model import Model

    def spoilt(self, **_options):
        import dataclasses

        weights = {**self.artifact.weights, "softmax.bias": self.artifact.weights["softmax.bias"] + [100, 0]}
        weights["softmax.bias"] = weights["softmax.bias"].astype("float32")
        return Model(dataclasses.replace(self.artifact, weights=weights))

    monkeypatch.setattr(Model, "compress", spoilt)
    ended = textcnn("compress", model, "-o", tmp_path / "none", "--data", reviews, "--max-loss", 0.1)
    assert ended.code == 1
    assert "expected accuracy to fall by at most 0.1, found 0." in ended.err
    assert ended.err.rstrip().endswith("nothing is saved")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["{model}", "-o", "{tmp}/s", "--max-loss", "0.1"],
            "--max-loss: expected labelled texts beside it, found none",
        ),
        (["{model}", "-o", "{tmp}/s", "--max-mb", "0.0001"], "--max-mb: expected at least"),
        (["{model}", "-o", "{model}"], "a model is there already"),
        (["{tmp}/none", "-o", "{tmp}/s"], "expected a saved model, found nothing there"),
        (["{model}", "-o", "{tmp}/s", "--data", "{tmp}/none.csv"], "none.csv"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(textcnn, model, tmp_path, args, message):
    before = sorted(tmp_path.iterdir())
    ended = textcnn("compress", *(arg.format(model=model, tmp=tmp_path) for arg in args))
    assert ended.code == 2
    [line] = [line for line in ended.err.splitlines() if line.startswith("Error: ")]
    assert message in line
    assert sorted(tmp_path.iterdir()) == before
