import dataclasses
import functools

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx_models import (
    DCNN_SMALL,
    DCNNS,
    SMALL,
    STACKED_SMALL,
    VARIANTS,
    V,
    encoded,
    expected,
    make,
    ragged,
    run,
    session_of,
)

from textcnn.errors import ConfigError
from textcnn.export import _graph, _scoring
from textcnn.export._scoring import scoring_graph
from textcnn.inference import _look_up_table
from textcnn.inference.compression import compress
from textcnn.inference.predictor import Predictor
from textcnn.inference.scorer import CHUNK
from textcnn.settings import architectures
from textcnn.targets import SEVERAL_LABELS

ATOL = 1e-5
LENGTHS = [0, 1, 2, 3, 40, 0, 5, 7, 7, 2, 1, 12]
ONE_OF_EACH = [
    SMALL,
    *(dataclasses.replace(SMALL, pooling=pooling, padding="narrow") for pooling in ("average", "k-max")),
    dataclasses.replace(SMALL, pooling="k-max", ngrams=3),
    dataclasses.replace(DCNN_SMALL, ngrams=3),
    DCNNS[-1],
    STACKED_SMALL,
]
IDS = st.lists(st.lists(st.integers(1, V - 1), max_size=12), max_size=6)


def assert_equal(predictor, texts, session=None):
    found = run(session or session_of(predictor), texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(predictor, texts), atol=ATOL)
    return found


@pytest.mark.parametrize("ngrams", [0, 1, 2, 3])
@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_probabilities_are_the_predictors(config, ngrams):
    assert_equal(make(dataclasses.replace(config, ngrams=ngrams)), encoded(ragged(*LENGTHS)))


@functools.cache
def exported(config):
    predictor = make(config)
    return predictor, session_of(predictor)


@pytest.mark.parametrize("config", ONE_OF_EACH, ids=str)
@settings(max_examples=60)
@given(texts=IDS)
@example(texts=[])
@example(texts=[[]])
@example(texts=[[], []])
@example(texts=[[1, 1, 1]])  # no known n-gram
@example(texts=[[2] * 12, [2, 3] * 6, [2, 2, 3] * 4])  # equal maxima
def test_any_texts(config, texts):
    assert_equal(*_with_texts(exported(config), texts))


def _with_texts(pair, texts):
    predictor, session = pair
    return predictor, encoded(texts), session


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("config", [ONE_OF_EACH[3], SMALL, DCNN_SMALL], ids=str)
def test_compressed_models(config, bits):
    small = Predictor(compress(make(dataclasses.replace(config, ngrams=2)).artifact, bits=bits))
    assert_equal(small, encoded(ragged(*LENGTHS)))


@pytest.mark.parametrize("config", ONE_OF_EACH, ids=str)
def test_a_text_does_not_depend_on_the_texts_beside_it(config):
    predictor, session = exported(config)
    texts = ragged(2 * CHUNK, 3, *[2] * 3000, 0, CHUNK + 1, 5)  # more than one step for a length, a text or both
    together = assert_equal(predictor, encoded(texts), session)
    for at in (0, 1, 2, 2000, -3, -2, -1):
        np.testing.assert_allclose(run(session, encoded([texts[at]]))[0], together[at], atol=ATOL)


def test_offsets_may_begin_in_the_middle():
    predictor, session = exported(SMALL)
    texts = encoded(ragged(4, 2, 6))
    texts_after_the_first = dataclasses.replace(texts, offsets=texts.offsets[1:])
    np.testing.assert_allclose(run(session, texts_after_the_first), expected(predictor, texts)[1:], atol=ATOL)


@pytest.mark.parametrize("limit", ["TABLE_BYTES", "TIMES"])
@pytest.mark.parametrize("config", [*ONE_OF_EACH, DCNNS[3], dataclasses.replace(SMALL, channels="static")], ids=str)
def test_of_a_large_table_the_words_are_projected(config, limit, monkeypatch):
    table = make(config).scorer.table.look_up(np.arange(V))[0]
    slots = {np.ascontiguousarray(slot).tobytes() for slot in table.swapaxes(0, 1)}

    def tables(predictor):
        return slots & {constant.raw_data for constant in scoring_graph(predictor).graph.initializer}

    assert tables(make(config)) == slots
    monkeypatch.setattr(_look_up_table if limit == "TABLE_BYTES" else _scoring, limit, 0)
    predictor = make(config)
    assert not tables(predictor)
    session = session_of(predictor)
    assert_equal(predictor, encoded(ragged(*LENGTHS)), session)
    assert_equal(predictor, encoded([[], []]), session)


@pytest.mark.parametrize("temperature", [1.0, 0.3, 2.5, 1e-30, 1e30])
def test_temperature_of_one_class(temperature):
    assert_equal(make(SMALL, temperature=temperature), encoded(ragged(*LENGTHS)))


def test_large_logits_at_a_small_temperature():
    predictor = make(SMALL, temperature=1e-3)
    predictor.artifact.weights["softmax.bias"][:] = [100, 100.001, 99.999]
    found = assert_equal(predictor, encoded([[]]))  # whose logits are these
    assert found.max() < 0.9


@pytest.mark.parametrize("temperature", [0.7, np.array([0.5, 1.0, 2.0, 3.0]), np.array([1e-30, 1e30, 1.0, 0.1])])
def test_several_labels(temperature):
    thresholds = np.array([0.1, 0.2, 0.3, 0.4])
    predictor = make(SMALL, classes=4, temperature=temperature, target=SEVERAL_LABELS, thresholds=thresholds)
    found = assert_equal(predictor, encoded(ragged(*LENGTHS)))
    assert (found.sum(axis=1) > 1).any()


def test_a_bag_without_longer_ngrams_and_an_empty_one():
    for most in (V, 0):
        predictor = make(dataclasses.replace(SMALL, ngrams=3))
        weights = predictor.artifact.weights
        kept = weights["ngrams.keys"] < most
        weights |= {name: weights[name][kept] for name in weights if name.startswith("ngrams.")}
        assert_equal(type(predictor)(predictor.artifact), encoded(ragged(*LENGTHS)))


def test_the_file_states_its_versions_and_shapes():
    model = scoring_graph(make(SMALL))
    onnx.checker.check_model(model, full_check=True)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 12)]
    assert model.ir_version == 7
    shapes = [
        (one.name, one.type.tensor_type.elem_type, [d.dim_param or d.dim_value for d in one.type.tensor_type.shape.dim])
        for one in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [
        ("ids", onnx.TensorProto.INT64, ["N"]),
        ("offsets", onnx.TensorProto.INT64, ["B + 1"]),
        ("probabilities", onnx.TensorProto.FLOAT, ["B", 3]),
    ]


def test_too_many_weights_are_refused(monkeypatch):
    monkeypatch.setattr(_graph, "MOST_BYTES", 1000)
    message = (
        r"^expected a model of less than 0\.0 GB, which an ONNX file can hold, found a larger one; train a model of "
    )
    with pytest.raises(ConfigError, match=message + r"fewer words \(--max-size, --unseen-words\)$"):
        scoring_graph(make(SMALL))


def test_a_network_without_a_graph_is_refused(monkeypatch):
    without = dataclasses.replace(architectures.ARCHITECTURES["kim"], graph=None)
    monkeypatch.setitem(architectures.ARCHITECTURES, "kim", without)
    with pytest.raises(
        ConfigError, match=r"^expected a network that can be exported, found kim, which has no ONNX graph$"
    ):
        scoring_graph(make(SMALL))
