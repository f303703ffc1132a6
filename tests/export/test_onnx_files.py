import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_models import SMALL, encoded, expected, make, ragged, run

from textcnn import TextCNNClassifier, load_corpus, load_model
from textcnn.errors import ConfigError, ModelError
from textcnn.export.onnx_files import to_onnx
from textcnn.targets import SEVERAL_LABELS
from textcnn.version import __version__

GOLDEN = Path(__file__).parent.parent / "golden"
EXAMPLE = Path(__file__).parents[2] / "experiments" / "onnx" / "serve_without_textcnn.py"
BLOCKED = ("textcnn", "pyarrow", "safetensors", "torch", "click")
ODD = [
    "",
    " \t\n",
    "unheard words alone",
    "Good!",
    "don't, won\u2019t 'n' rock'n'roll",
    "bad " * 5000,
    "die naïve Σ ΑΣ İstanbul 好き film e\u0301te\u0301",
    "👩\u200d👧 👍🏽 🇫🇷🇩 ไม่ 한국어 x\u200by\ufeffz",
    "good film , warm and funny (really)!",
    "--help",
]


def labelled(path, texts):
    """What the example prints of texts, in a process that cannot import textcnn and its libraries."""
    code = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({BLOCKED!r})); sys.argv[0] = {str(EXAMPLE)!r}; "
        "runpy.run_path(sys.argv[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), *texts], capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_labelled_as_by(model, path, texts):
    found = labelled(path, texts)
    assert [line["text"] for line in found] == texts
    np.testing.assert_allclose([line["probabilities"] for line in found], model.predict_proba(texts), atol=1e-5)
    predicted = model.predict(texts)
    several = model.target is SEVERAL_LABELS
    assert [line["labels"] for line in found] == [own if several else [own] for own in list(predicted)]


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the experiments are not here")
@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("v4-*")), ids=lambda folder: folder.name)
def test_texts_are_labelled_without_textcnn(folder, tmp_path):
    model = load_model(folder)
    model.to_onnx(tmp_path / "model.onnx")
    assert_labelled_as_by(model, tmp_path / "model.onnx", ODD)


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the experiments are not here")
def test_the_sample_corpus_is_labelled_without_textcnn(tmp_path):
    corpus = load_corpus("sample")
    classifier = TextCNNClassifier(max_epochs=1, dimension=16, feature_maps=8, validation_folds=0, device="cpu")
    classifier.fit(list(corpus["train"]["text"]), list(corpus["train"]["label"]))
    classifier.save(tmp_path / "model")
    model = load_model(tmp_path / "model")
    model.to_onnx(str(tmp_path / "model.onnx"))
    assert_labelled_as_by(model, tmp_path / "model.onnx", [*corpus["test"]["text"], *ODD])


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the experiments are not here")
def test_several_labels_are_given_without_textcnn(tmp_path):
    texts = ["good food", "bad staff", "good staff and food", "nothing"] * 10
    labels = [["food"], ["staff"], ["food", "staff"], []] * 10
    classifier = TextCNNClassifier(max_epochs=2, dimension=4, feature_maps=3, learning_rate=0.05, device="cpu")
    classifier.fit(texts, labels).save(tmp_path / "model")
    model = load_model(tmp_path / "model")
    model.to_onnx(tmp_path / "model.onnx")
    assert_labelled_as_by(model, tmp_path / "model.onnx", [*texts[:4], *ODD])


@pytest.fixture
def several():
    thresholds = np.array([0.1, 0.2, 0.3])
    return make(SMALL, temperature=np.array([0.5, 1.0, 2.0]), target=SEVERAL_LABELS, thresholds=thresholds)


def test_what_the_files_say(tmp_path, several):
    beside = to_onnx(several, tmp_path / "a.b.onnx")
    assert beside == tmp_path / "a.b.json"
    model = onnx.load(tmp_path / "a.b.onnx")
    assert (model.producer_name, model.producer_version) == ("textcnn", __version__)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties == {
        "textcnn": __version__,
        "target": '"labels"',
        "classes": '["class 0", "class 1", "class 2"]',
        "thresholds": "[0.1, 0.2, 0.3]",
    }
    assert json.loads(beside.read_text(encoding="utf-8")) == {
        "textcnn": __version__,
        "normalization": "NFC",
        "lowercase": True,
        "before_lower": {"Σ": "σ", "İ": "i"},
        "pattern": r"\S+",
        "one_space": False,
        "max_length": None,
        "unknown_id": 1,
        "first_id": 2,
        "words": several.vocabulary.words,
        "target": "labels",
        "classes": ["class 0", "class 1", "class 2"],
        "thresholds": [0.1, 0.2, 0.3],
    }
    session = onnxruntime.InferenceSession(tmp_path / "a.b.onnx", providers=["CPUExecutionProvider"])
    texts = encoded(ragged(3, 0, 5))
    np.testing.assert_allclose(run(session, texts), expected(several, texts), atol=1e-5)


def test_the_same_model_is_the_same_file(tmp_path, several):
    for name in ("a", "b"):
        to_onnx(several, tmp_path / f"{name}.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_one_class_has_no_thresholds(tmp_path):
    beside = to_onnx(make(SMALL), tmp_path / "model.onnx")
    properties = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert properties == {"textcnn": __version__, "target": '"class"', "classes": '["class 0", "class 1", "class 2"]'}
    assert json.loads(beside.read_text(encoding="utf-8"))["thresholds"] is None


def test_files_are_replaced_only_where_that_is_asked_for(tmp_path):
    predictor = make(SMALL)
    for name in ("model.onnx", "model.json"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(ModelError, match=rf"{name}: the file exists; choose another name or replace it"):
            to_onnx(predictor, tmp_path / "model.onnx")
        assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
        to_onnx(predictor, tmp_path / "model.onnx", overwrite=True)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.onnx"]
        (tmp_path / "model.json").unlink()
        (tmp_path / "model.onnx").unlink()


def test_what_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx.ModelProto, "SerializeToString", fail)
    with pytest.raises(KeyboardInterrupt):
        to_onnx(make(SMALL), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"model\.json: expected a name that ends in \.onnx$"):
        to_onnx(make(SMALL), tmp_path / "model.json")


def test_onnx_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        ConfigError,
        match=r"^export: expected the library onnx, which is not installed; install it: pip install 'textcnn\[onnx\]'$",
    ):
        to_onnx(make(SMALL), tmp_path / "model.onnx")
