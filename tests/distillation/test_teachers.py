import json
import re
import sys

import numpy as np
import pytest

from textcnn import TextCNNClassifier
from textcnn.distillation._teachers import Function, SavedModel, make_teacher
from textcnn.errors import ConfigError, DataError, ModelError
from textcnn.targets import ONE_CLASS, SEVERAL_LABELS

CLASSES = ["bad", "good"]
TEXTS = ["a good film", "a bad film", "", "films, good and bad !"]
SMALL = {"dimension": 4, "feature_maps": 3, "region_sizes": (1,), "max_epochs": 2, "vector_norm": 0}


def model(seed, labels=("bad", "good")):
    texts = [f"{'nice' if i % 2 else 'dull'} film {i % 7}" for i in range(40)]
    fitted = TextCNNClassifier(**SMALL, random_state=seed).fit(texts, [labels[i % 2] for i in range(40)])
    return fitted.model_


@pytest.fixture(scope="module")
def models():
    return [model(0), model(1)]


def teacher(given, classes=CLASSES, target=ONE_CLASS):
    return make_teacher(given, classes, target)


def test_several_models_are_averaged(models):
    found = teacher(models)
    expected = (models[0].predict_proba(TEXTS) + models[1].predict_proba(TEXTS)) / 2
    np.testing.assert_allclose(found.probabilities(TEXTS), expected, rtol=1e-6)
    assert found.digest != teacher(models[0]).digest != teacher(models[1]).digest


def test_teachers_of_unlike_kinds_are_averaged(models):
    found = teacher([models[0], lambda texts: ["good"] * len(texts)]).probabilities(TEXTS)
    np.testing.assert_allclose(found, (models[0].predict_proba(TEXTS) + np.array([0, 1])) / 2, rtol=1e-6)


def test_the_columns_are_those_of_the_students_classes(models):
    found = SavedModel(models[0], ["GOOD", "bad"], ONE_CLASS).probabilities(TEXTS)
    np.testing.assert_allclose(found, models[0].predict_proba(TEXTS)[:, ::-1])


def test_a_saved_model_is_read_from_its_folder(models, tmp_path):
    models[0].save(tmp_path / "one")
    models[1].save(tmp_path / "two")
    found = teacher([str(tmp_path / "one"), tmp_path / "two"])
    assert found.digest == teacher(models).digest
    assert (found.probabilities(TEXTS) == teacher(models).probabilities(TEXTS)).all()


def test_other_classes_are_refused(models):
    message = "expected a teacher of the classes good, ugly, found one of bad, good; give both the same names"
    with pytest.raises(ConfigError, match=re.escape(message)):
        teacher(models, ["good", "ugly"])
    with pytest.raises(ConfigError, match="expected a teacher of several labels a text, found .* of one class a text"):
        teacher(models, target=SEVERAL_LABELS)


@pytest.mark.parametrize(
    "answer",
    [
        lambda texts: [[0.25, 0.75]] * len(texts),
        lambda texts: np.array([[0.25, 0.75]] * len(texts)),
        lambda texts: [(0.25, 0.75)] * len(texts),
    ],
)
def test_a_function_gives_probabilities(answer):
    np.testing.assert_allclose(teacher(answer).probabilities(TEXTS), [[0.25, 0.75]] * 4)


def test_a_function_gives_labels():
    found = teacher(lambda texts: ["good" if "good" in text else "bad" for text in texts])
    assert found.probabilities(TEXTS).tolist() == [[0, 1], [1, 0], [1, 0], [0, 1]]
    found = teacher(lambda texts: [[], ["good"], ["bad", "good"], []], target=SEVERAL_LABELS)
    assert found.probabilities(TEXTS).tolist() == [[0, 0], [0, 1], [1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda texts: [[0.5, 0.6]] * 4, "expected probabilities that sum to 1, found 1.1 in row 1; give the"),
        (
            lambda texts: [[0.5, 0.5]] * 3,
            "expected probabilities of 4 texts and 2 classes (bad, good), found the shape",
        ),
        (lambda texts: ["good"] * 3, "expected one label for each of the 4 texts, found the shape (3,)"),
        (lambda texts: ["good", "bad", "ugly", "bad"], "('bad', 'good'), found 'ugly'"),
        (lambda texts: 1 / 0, "expected answers to 4 texts, found an error: ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_function_does_wrong_is_said(answer, message):
    with pytest.raises(DataError, match=f"lambda>: .*{re.escape(message)}"):
        teacher(answer).probabilities(TEXTS)


def test_a_function_is_found_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "labellers.py").write_text("class Own:\n    ask = staticmethod(lambda texts: ['good'] * len(texts))\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    found = teacher("labellers:Own.ask")
    assert found.probabilities(TEXTS).tolist() == [[0, 1]] * 4
    before = found.digest
    (tmp_path / "labellers.py").write_text("# changed\n" + (tmp_path / "labellers.py").read_text())
    assert Function(found.function, found.name, CLASSES, ONE_CLASS).digest != before
    for name, reason in (("labellers:none", "no attribute 'none'"), ("no_such:ask", "No module named 'no_such'")):
        with pytest.raises(ConfigError, match=f"expected the function {name} as a teacher, found none: .*{reason}"):
            teacher(name)


def test_what_is_no_teacher_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for name in (str(tmp_path / "none"), str(tmp_path / "file"), "no such thing"):
        with pytest.raises(
            ConfigError, match=r"^expected a teacher: the folder of a saved model or of a transformer, "
        ):
            teacher(name)
    with pytest.raises(ConfigError, match=r"^expected a teacher: "):
        teacher([])


@pytest.fixture
def tiny_classifier(tiny_bert, tmp_path):
    """The folder of a transformer that classifies, with random weights: a function of its id2label."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    def make(id2label):
        torch.manual_seed(1)
        config = BertConfig.from_pretrained(tiny_bert, id2label=id2label)
        BertForSequenceClassification(config).save_pretrained(tmp_path / "classifier")
        AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path / "classifier")
        return tmp_path / "classifier"

    return make


def reference(folder, texts):
    """Return the logits of each text, computed alone."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        rows = [model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=64)).logits for text in texts]
    return torch.cat(rows)


@pytest.mark.parametrize("target", [ONE_CLASS, SEVERAL_LABELS])
def test_a_transformer_answers_as_it_does_text_by_text(tiny_classifier, target, monkeypatch):
    monkeypatch.setattr("textcnn.distillation._transformer.multiplies_bf16", lambda device: False)
    monkeypatch.setattr("textcnn.distillation._transformer._LONGEST", 64)
    folder = tiny_classifier({0: "GOOD", 1: "bad"})
    texts = [*TEXTS, *(" ".join(["good film"] * n) for n in range(1, 60)), "good " * 500]
    logits = reference(folder, texts)
    expected = logits.softmax(1) if target is ONE_CLASS else logits.sigmoid()
    found = teacher(str(folder), target=target)
    np.testing.assert_allclose(found.probabilities(texts), expected.numpy()[:, ::-1], atol=1e-5)
    assert found.digest == teacher(folder, target=target).digest
    assert found.probabilities([]).shape == (0, 2)


def test_a_transformer_of_other_classes_is_refused(tiny_classifier):
    folder = tiny_classifier({0: "LABEL_0", 1: "LABEL_1"})
    message = "expected a teacher of the classes bad, good, found one of LABEL_0, LABEL_1; give both the same names"
    with pytest.raises(ConfigError, match=re.escape(f"{folder}: {message}")):
        teacher(str(folder))


def test_an_encoder_alone_is_no_teacher(tiny_bert, tmp_path):
    with pytest.raises(ModelError, match="expected a transformer that was trained to classify, found no weights of"):
        teacher(str(tiny_bert), ["LABEL_0", "LABEL_1"])
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="expected a transformer that classifies sequences, with its tokenizer and"):
        teacher(str(tmp_path))
