import dataclasses
import functools
import itertools
import pickle

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from random_models import CLASSES, DCNN_SMALL, DCNNS, DPCNNS, SMALL, STACKED, VARIANTS, WORDS, corpus, make

from textcnn import kernels
from textcnn.inference import _look_up_table as look_up_table
from textcnn.inference import dcnn_scorer
from textcnn.inference import scorer as scorer_module
from textcnn.inference.scorer import first_largest, k_largest, k_max, mean
from textcnn.settings.architectures import architecture_of
from textcnn.settings.config import KimConfig, StackedConfig
from textcnn.text.tokens import Encoded, offsets_of

ATOL = 1e-5
ONE_OF_EACH = [
    *(dataclasses.replace(SMALL, pooling=pooling) for pooling in ("max", "average", "k-max")),
    *(dataclasses.replace(SMALL, pooling=pooling, padding="narrow") for pooling in ("max", "average", "k-max")),
    DCNN_SMALL,
    DCNNS[-1],
    StackedConfig(ngrams=0, dimension=6),
    DPCNNS[0],
]
IDS = st.lists(st.lists(st.integers(1, len(WORDS) + 1), max_size=9), max_size=5)


@pytest.fixture(params=[True, False], ids=["compiled", "numpy"])
def compiled(request, monkeypatch):
    """Run a test with the compiled loops and without."""
    if request.param and not kernels.compiled:
        pytest.skip("no compiled loops here")
    monkeypatch.setattr(kernels, "compiled", request.param)
    return request.param


def encoded(texts):
    """Lists of word ids as the scorers take them."""
    flat = np.array([i for ids in texts for i in ids], np.int32)
    return Encoded(flat, offsets_of(np.array([len(ids) for ids in texts], np.int64)))


def torch_arguments(texts):
    distinct, places = np.unique(texts.ids, return_inverse=True)
    return torch.from_numpy(distinct.astype(np.int64)), torch.from_numpy(places.astype(np.int32)), texts.lengths


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_features_and_probabilities_equal_the_network(compiled, config):
    network, predictor = make(config)
    texts = predictor.encode_ids(corpus())
    distinct, places, lengths = torch_arguments(texts)
    lengths = torch.from_numpy(lengths)
    with torch.no_grad():
        features = network.penultimate(network.channels(distinct), places, lengths).numpy()
        expected = network.logits(distinct, places, lengths).softmax(dim=1).numpy()
    np.testing.assert_allclose(predictor.scorer.features(texts), features, rtol=1e-4, atol=1e-4)
    found = predictor.predict_proba(corpus())
    np.testing.assert_allclose(found, expected, atol=ATOL)
    assert predictor.predict(corpus()).tolist() == CLASSES[expected.argmax(axis=1)].tolist()


@pytest.mark.parametrize("config", ONE_OF_EACH, ids=str)
def test_the_shapes_of_the_weights_are_the_networks(config):
    network, predictor = make(config)
    shapes = architecture_of(config).scorer_class().weight_shapes(config)
    shared = ("softmax.", "channels.", "ngrams.")
    own = {name: tuple(x.shape) for name, x in network.state_dict().items() if not name.startswith(shared)}
    assert shapes == own
    assert isinstance(predictor.scorer, architecture_of(config).scorer_class())


@settings(max_examples=25)
@given(texts=IDS)
@pytest.mark.parametrize("config", ONE_OF_EACH, ids=str)
def test_the_numpy_forward_equals_the_compiled_one_and_no_text_depends_on_another(config, texts):
    _, predictor = make(config)
    logits, features = predictor.scorer.logits(encoded(texts)), predictor.scorer.features(encoded(texts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "compiled", False)
        np.testing.assert_allclose(predictor.scorer.logits(encoded(texts)), logits, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(predictor.scorer.features(encoded(texts)), features, rtol=1e-4, atol=1e-4)
    for row, ids in enumerate(texts):
        np.testing.assert_allclose(predictor.scorer.logits(encoded([ids]))[0], logits[row], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(predictor.scorer.features(encoded([ids]))[0], features[row], rtol=1e-4, atol=1e-4)
        assert ids or not features[row].any()


@pytest.mark.parametrize("config", ONE_OF_EACH, ids=str)
def test_scores_do_not_depend_on_batches_or_tables(compiled, monkeypatch, config):
    texts = corpus()
    together = make(config)[1].predict_proba(texts)
    warm = make(config)[1]
    alone = np.concatenate([warm.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(alone, together, atol=ATOL)
    np.testing.assert_allclose(warm.predict_proba(texts[::-1])[::-1], together, atol=ATOL)
    monkeypatch.setattr(scorer_module, "CHUNK", 7)
    np.testing.assert_allclose(warm.predict_proba(texts), together, atol=ATOL)
    monkeypatch.setattr(look_up_table, "TABLE_BYTES", 0)
    np.testing.assert_allclose(make(config)[1].predict_proba(texts), together, atol=ATOL)


@pytest.mark.parametrize("config", ONE_OF_EACH, ids=str)
def test_no_words_and_a_table_too_large_to_keep(compiled, monkeypatch, config):
    monkeypatch.setattr(look_up_table, "TABLE_BYTES", 0)
    _, predictor = make(config)
    assert predictor.predict_proba([]).shape == (0, 3)
    np.testing.assert_allclose(predictor.predict_proba([""]), predictor.predict_proba(["", "w1"])[:1], atol=1e-6)


@pytest.mark.parametrize("config", ONE_OF_EACH, ids=str)
def test_a_pickled_scorer(config):
    _, predictor = make(config)
    texts = predictor.encode_ids(corpus())
    before = predictor.scorer.logits(texts)
    copied = pickle.loads(pickle.dumps(predictor.scorer))  # noqa: S301 (our own)
    assert copied.table.missing.sum() == len(WORDS) + 1  # its table is not kept
    np.testing.assert_allclose(copied.logits(texts), before, rtol=1e-5, atol=1e-5)


@settings(max_examples=25)
@given(texts=IDS)
@pytest.mark.parametrize("config", [SMALL, dataclasses.replace(SMALL, padding="narrow"), DCNN_SMALL], ids=str)
def test_window_sums_and_the_largest_windows_against_a_slow_loop(config, texts):
    scorer = make(config)[1].scorer
    maps = scorer.bias.shape[1]
    for patched in (kernels.compiled, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "compiled", patched)
            largest, begins = scorer.largest_windows(encoded(texts))
            for row, ids in enumerate(texts):
                words = np.array(ids, np.int32)
                look_ups = scorer.look_ups(words)
                for region, size in enumerate(scorer.region_sizes):
                    expected = slow_sums(look_ups[:, scorer.slots[region] :], size, scorer.wide)
                    np.testing.assert_allclose(scorer.window_sums(words[None], region)[0], expected, atol=ATOL)
                    columns = slice(region * maps, (region + 1) * maps)
                    if not ids:
                        assert not largest[row, columns].any()
                        continue
                    np.testing.assert_allclose(largest[row, columns], expected.max(axis=0), atol=ATOL)
                    windows = begins[row, columns] + (size - 1 if scorer.wide else 0)
                    np.testing.assert_allclose(expected[windows, range(maps)], expected.max(axis=0), atol=ATOL)


def slow_sums(look_ups, size, wide):
    """The sum of each window, word by word."""
    length = len(look_ups)
    starts = range(1 - size, length) if wide else range(max(length - size, 0) + 1)
    sums = [
        sum((look_ups[start + j, j] for j in range(size) if 0 <= start + j < length), np.zeros(look_ups.shape[2]))
        for start in (starts if length else ())
    ]
    return np.array(sums).reshape(len(sums), look_ups.shape[2])


@given(
    x=arrays.arrays(
        np.float32, arrays.array_shapes(min_dims=3, max_dims=3, max_side=6), elements=st.sampled_from([-1, 0, 0.5, 1])
    ),
    k=st.integers(1, 7),
)
def test_k_max_keeps_the_order_and_ties_go_to_the_first(x, k):
    for patched in (kernels.compiled, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "compiled", patched)
            values, kept = k_max(x, k)
        for b in range(x.shape[0]):
            for f in range(x.shape[2]):
                column = x[b, :, f].tolist()
                best = sorted(sorted(range(len(column)), key=lambda i: (-column[i], i))[:k])
                assert kept[b, :, f].tolist() == best
                assert values[b, :, f].tolist() == [column[i] for i in best]


POOLINGS = itertools.product(("max", "average", "k-max"), ("wide", "narrow"))
LONG = [*(dataclasses.replace(SMALL, pooling=q, padding=p) for q, p in POOLINGS), *DCNNS, *STACKED]


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("config", LONG, ids=str)
def test_a_long_text_is_scored_in_pieces(compiled, monkeypatch, config, keep):
    monkeypatch.setattr(look_up_table, "TABLE_BYTES", (1 << 28) * keep)
    scorer = make(config)[1].scorer
    scorer.bias[:] = 0.5
    ids = [np.random.default_rng(length).integers(1, 9, length).tolist() for length in (40, 0, 7, 23)]
    texts = encoded(ids)
    features, logits = scorer.features(texts), scorer.logits(texts)
    largest, begins = scorer.largest_windows(texts)
    for module in (scorer_module, dcnn_scorer):
        monkeypatch.setattr(module, "PIECE", 5)
    monkeypatch.setattr(scorer_module, "AT_ONCE", 4)
    monkeypatch.setattr(dcnn_scorer, "AT_ONCE", 3)
    monkeypatch.setattr(look_up_table, "MOST_BYTES", 0)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    # A product has the same bits for as many words only; deeper layers and averages are rounded elsewhere.
    same = np.testing.assert_array_equal if keep else close
    found = scorer.largest_windows(texts)
    same(found[0], largest)
    np.testing.assert_array_equal(found[1], begins)
    deep = not isinstance(config, KimConfig) or config.pooling == "average"
    (close if deep else same)(scorer.features(texts), features)
    close(scorer.logits(texts), logits)


BLOCKS = arrays.arrays(np.float32, (2, 17, 3), elements=st.sampled_from([-1.0, 0.0, 1.0, 2.0]))


@given(x=BLOCKS, cuts=st.lists(st.integers(1, 16), max_size=4), k=st.integers(1, 20))
def test_pooling_of_blocks_is_pooling_of_the_whole(x, cuts, k):
    blocks = np.split(x, sorted(set(cuts)), axis=1)
    for found, expected in zip(k_largest(blocks, k), k_max(x, k), strict=True):
        np.testing.assert_array_equal(found, expected)
    values, at = first_largest(blocks)
    np.testing.assert_array_equal(at, x.argmax(axis=1))
    np.testing.assert_array_equal(values, x.max(axis=1))
    np.testing.assert_allclose(mean(blocks), x.mean(axis=1), atol=1e-6)


@given(x=BLOCKS, k=st.integers(1, 20), wrong=st.booleans())
@example(x=np.full((2, 17, 3), -1, np.float32), k=4, wrong=True)
def test_the_largest_of_many_are_those_of_few(x, k, wrong):
    if wrong:
        x[0, 3, 1] = np.nan
    expected = k_max(x, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer_module, "PIECE", 5)
        for found, right in zip(k_max(x, k), expected, strict=True):
            np.testing.assert_array_equal(found, right)


def test_a_value_that_is_not_a_number_is_the_largest_of_any_block():
    x = np.array([[[1], [np.nan], [2], [np.nan]]], np.float32)
    values, at = first_largest(np.split(x, [1, 3], axis=1))
    assert np.isnan(values).all()
    assert at.tolist() == [[1]]
