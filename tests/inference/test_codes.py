import dataclasses
import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from random_models import SMALL, corpus, make
from safetensors.numpy import load_file, save_file

from textcnn import kernels
from textcnn.errors import ModelError
from textcnn.inference import _look_up_table as look_up_table
from textcnn.inference.artifact import load_artifact, save_artifact
from textcnn.inference.codes import codes_of, compressed, from_saved, scale_of, to_saved
from textcnn.inference.compression import compress
from textcnn.inference.predictor import Predictor
from textcnn.model import Model

NUMBERS = st.floats(-1e6, 1e6, width=32)


@given(
    x=arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=NUMBERS),
    bits=st.sampled_from([8, 16]),
)
def test_numbers_are_rounded_by_half_a_step_at_most(x, bits):
    x[np.abs(x) < 1e-30] = 0  # whose scale float32 has no number for
    weights, compression = compressed({"some.weight": x, "some.bias": x[0]}, bits)
    steps = np.abs(x).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    assert (np.abs(weights["some.weight"] - x) <= steps * 0.5001).all()
    np.testing.assert_array_equal(weights["some.bias"], x[0])
    loaded, again = from_saved(to_saved(weights, compression))
    assert again is not None
    assert again.bits == bits
    for name, array in weights.items():
        np.testing.assert_array_equal(loaded[name], array)
    np.testing.assert_array_equal(to_saved(loaded, again)["some.weight"], to_saved(weights, compression)["some.weight"])


def test_codes_are_whole_numbers_of_a_scale():
    scale = scale_of(np.array([12.7, 0.0]), 8)
    np.testing.assert_allclose(scale, [0.1, 1])
    assert codes_of(np.array([12.7, -0.14, 0.16, 99]), scale[0], 8).tolist() == [127, -1, 2, 127]


@pytest.mark.parametrize("step", [1, 1 << 31, 1 << 33])
def test_numbers_of_ngrams_are_differences_where_these_are_small(step):
    weights = {"ngrams.keys": np.arange(2, 6) * step, "ngrams.weight": np.ones((4, 2), np.float32)}
    rounded, compression = compressed(weights, 8)
    saved = to_saved(rounded, compression)
    assert saved["ngrams.keys"].dtype == (np.uint32 if step < 1 << 31 else np.int64)
    np.testing.assert_array_equal(from_saved(saved)[0]["ngrams.keys"], weights["ngrams.keys"])


@pytest.fixture(params=["a table that is kept", "a table for each call"])
def table(request, monkeypatch):
    if request.param == "a table for each call":
        monkeypatch.setattr(look_up_table, "TABLE_BYTES", 0)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("padding", ["wide", "narrow"])
def test_compiled_and_numpy_predictions_and_explanations_are_of_the_same_table(table, monkeypatch, bits, padding):
    _, predictor = make(dataclasses.replace(SMALL, padding=padding))
    small = Model(compress(predictor.artifact, bits=bits))
    texts = corpus()
    found = small.predict_proba(texts)
    assert not np.array_equal(found, predictor.predict_proba(texts))
    np.testing.assert_allclose(found, predictor.predict_proba(texts), atol=0.1 if bits == 8 else 1e-3)
    logits = small.logits(small.encode_ids(texts))
    for row, explanation in enumerate(small.explain(texts)):
        np.testing.assert_allclose(explanation.word_parts.sum(axis=0) + explanation.bias, logits[row], atol=1e-4)
    monkeypatch.setattr(kernels, "compiled", False)
    np.testing.assert_allclose(Predictor(small.artifact).predict_proba(texts), found, atol=1e-5)


def test_a_saved_model_is_the_same_and_saved_again_too(tmp_path):
    _, predictor = make(SMALL)
    small = Model(compress(predictor.artifact))
    save_artifact(small.artifact, tmp_path / "small")
    save_artifact(predictor.artifact, tmp_path / "large")
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("small", "large")]
    assert sizes[0] < sizes[1]
    assert load_file(tmp_path / "small/model.safetensors")["channels.tuned"].dtype == np.int8
    loaded = Predictor(load_artifact(tmp_path / "small"))
    np.testing.assert_array_equal(loaded.predict_proba(corpus()), small.predict_proba(corpus()))
    save_artifact(loaded.artifact, tmp_path / "again")
    again, first = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("again", "small"))
    assert again == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels.tuned.scale": None}, r"expected channels.tuned.scale beside whole numbers in channels.tuned"),
        ({"channels.tuned.scale": np.zeros((32, 1), np.float32)}, "expected in channels.tuned.scale the scales of"),
        ({"channels.tuned.scale": np.ones((31, 1), np.float32)}, "expected in channels.tuned.scale the scales of"),
        ({"channels.tuned.scale": np.ones((32, 1))}, "expected in channels.tuned.scale the scales of"),
        ({"other.scale": np.ones(1, np.float32)}, "expected in other.scale the scales of other"),
        ({"table.scale": np.ones((2, 4), np.float32)}, r"expected scales of the table of the shape \(2, 5\)"),
        ({"convolution.weight": np.ones((6, 5, 6), np.int16)}, "expected whole numbers of 8 or 16 bits, found both"),
    ],
)
def test_damaged_scales_are_an_error_of_the_file(tmp_path, monkeypatch, change, message):
    _, predictor = make(SMALL)
    save_artifact(compress(predictor.artifact), tmp_path / "small")
    path = tmp_path / "small/model.safetensors"
    arrays = {**load_file(path), **change}
    save_file({name: array for name, array in arrays.items() if array is not None}, path)
    config = tmp_path / "small/config.json"
    fields = json.loads(config.read_text(encoding="utf-8"))
    fields["files"]["model.safetensors"] = hashlib.sha256(path.read_bytes()).hexdigest()
    del fields["sha256"]
    config.write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(ModelError, match=message) as error:
        load_artifact(tmp_path / "small")
    assert str(path) in str(error.value)


def test_other_arrays_are_left_as_they_are():
    arrays_ = {"a": np.ones(3, np.float32)}
    assert from_saved(arrays_) == (arrays_, None)
