from __future__ import annotations

import json
import sys

import numpy as np
import onnxruntime
import pytest

from textcnn import load_model

TEXTS = ["What a fine film", "", "dull"]


def test_a_model_beside_what_turns_texts_into_ids(textcnn, model, tmp_path):
    ended = textcnn("export", model, "-o", tmp_path / "fine.onnx")
    assert ended.code == 0
    assert ended.out == f"model       {tmp_path / 'fine.onnx'}\ntexts       {tmp_path / 'fine.json'}\n"
    trained = load_model(model)
    texts = trained.encode_ids(TEXTS)
    session = onnxruntime.InferenceSession(tmp_path / "fine.onnx", providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"ids": texts.ids.astype(np.int64), "offsets": texts.offsets})
    np.testing.assert_allclose(found, trained.predict_proba(TEXTS), atol=1e-5)
    rules = json.loads((tmp_path / "fine.json").read_text(encoding="utf-8"))
    assert rules["classes"] == ["negative", "positive"]
    assert textcnn("export", model, "-o", tmp_path / "fine.onnx").err.endswith("(--overwrite)\n")
    assert textcnn("export", model, "-o", tmp_path / "fine.onnx", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["{tmp}/nowhere"], "expected a saved model, found nothing there"),
        (["{model}", "-o", "{tmp}/model.json"], "model.json: expected a name that ends in .onnx"),
        (["{model}", "-o", "{tmp}/nowhere/model.onnx"], "expected the folder {tmp}/nowhere to exist"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(textcnn, model, tmp_path, args, message):
    ended = textcnn("export", *(arg.format(model=model, tmp=tmp_path) for arg in args))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    assert message.format(tmp=tmp_path) in ended.err
    assert list(tmp_path.iterdir()) == []


def test_onnx_is_asked_for_by_name(textcnn, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    ended = textcnn("export", model, "-o", tmp_path / "model.onnx")
    assert ended.code == 2
    assert ended.err == (
        "Error: export: expected the library onnx, which is not installed; install it: pip install 'textcnn[onnx]'\n"
    )
