import contextlib
import itertools
import math
import signal
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn import kernels

# Few values, so that equal ones are frequent; small integers, so that sums are exact in any order.
NUMBERS = st.integers(-3, 3)


@st.composite
def texts(draw, longest=9):
    """Ids, offsets, and how many distinct words there are."""
    lengths = draw(st.lists(st.integers(0, longest), min_size=1, max_size=5))
    distinct = draw(st.integers(1, 6))
    ids = draw(st.lists(st.integers(0, distinct - 1), min_size=sum(lengths), max_size=sum(lengths)))
    return np.array(ids, np.int32), np.cumsum([0, *lengths]), distinct


def array(draw, *shape, dtype=np.float32):
    size = math.prod(shape)
    return np.array(draw(st.lists(NUMBERS, min_size=size, max_size=size)), dtype).reshape(shape)


def windows(text, size, wide):
    """Of each window its start and its words, as (slot, word)."""
    if not len(text):
        return []
    starts = range(1 - size, len(text)) if wide else range(max(len(text) - size + 1, 1))
    return [(s, [(j, text[s + j]) for j in range(size) if 0 <= s + j < len(text)]) for s in starts]


def split(ids, offsets):
    return [ids[a:b].tolist() for a, b in itertools.pairwise(offsets)]


@st.composite
def convolutions(draw):
    ids, offsets, distinct = draw(texts())
    sizes = np.array(draw(st.lists(st.integers(1, 10), min_size=1, max_size=3)), np.int32)
    maps = draw(st.sampled_from([1, 3, 17]))
    return ids, offsets, sizes, maps, draw(st.booleans()), distinct


@settings(max_examples=60, deadline=None)
@given(data=st.data(), case=convolutions())
def test_ties_of_windows_go_to_the_first(data, case):
    ids, offsets, sizes, maps, wide, distinct = case
    table = array(data.draw, distinct, int(sizes.sum()), maps)
    best, where = kernels.max_windows(table, ids, offsets, sizes, wide=wide, places=True)
    for b, text in enumerate(split(ids, offsets)):
        slot = 0
        for r, size in enumerate(sizes.tolist()):
            for f in range(maps):
                sums = [(sum(table[w, slot + j, f] for j, w in words), s) for s, words in windows(text, size, wide)]
                value, start = max(sums, key=lambda pair: pair[0], default=(0, 0))
                assert best[b, r * maps + f] == value
                assert where[b, r * maps + f] == start
            slot += size


@pytest.mark.parametrize("maps", [1, 20])
def test_nan_is_not_hidden_by_a_maximum(maps):
    table = np.ones((3, 1, maps), np.float32)
    table[1] = np.nan
    ids, offsets, sizes = np.array([0, 1, 2, 0, 2], np.int32), np.array([0, 3, 5]), np.array([1], np.int32)
    best, where = kernels.max_windows(table, ids, offsets, sizes, wide=True, places=True)
    assert np.isnan(best[0]).all()
    assert (best[1] == 1).all()
    assert (where == [[1], [0]]).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), case=convolutions(), dimension=st.sampled_from([1, 5, 11]))
def test_gradients_of_the_largest_windows_go_to_their_words(data, case, dimension):
    ids, offsets, sizes, maps, wide, distinct = case
    words, filters = array(data.draw, distinct, dimension), array(data.draw, int(sizes.sum()), maps, dimension)
    table = np.einsum("ud,sfd->usf", words, filters)
    best, where = kernels.max_windows(table, ids, offsets, sizes, wide=wide, places=True)
    grad = array(data.draw, *best.shape)
    grad[np.diff(offsets) == 0] = 0
    table_grad = np.zeros_like(table)
    for b, text in enumerate(split(ids, offsets)):
        slot = 0
        for r, size in enumerate(sizes.tolist()):
            for f in range(maps):
                for start, window in windows(text, size, wide):
                    if start == where[b, r * maps + f]:
                        for j, word in window:
                            table_grad[word, slot + j, f] += grad[b, r * maps + f]
            slot += size
    arguments = (grad, where, ids, offsets, sizes, words, filters)
    filters_grad, words_grad = kernels.max_windows_back(*arguments, words_too=True)
    np.testing.assert_array_equal(filters_grad, np.einsum("usf,ud->sfd", table_grad, words))
    np.testing.assert_array_equal(words_grad, np.einsum("usf,sfd->ud", table_grad, filters))
    alone, nothing = kernels.max_windows_back(*arguments, words_too=False)
    np.testing.assert_array_equal(alone, filters_grad)
    assert nothing is None


@settings(max_examples=60, deadline=None)
@given(data=st.data(), case=convolutions())
def test_sums_of_all_windows_and_their_gradient(data, case):
    ids, offsets, sizes, maps, wide, distinct = case
    size, before = int(sizes[0]), int(sizes[1:].sum())
    table = array(data.draw, distinct, before + size, maps)
    longest = max(len(windows(text, size, wide)) for text in split(ids, offsets))
    options = {"size": size, "slot": before, "wide": wide}
    out = kernels.sum_windows(table, ids, offsets, positions=longest + 1, **options)
    grad = array(data.draw, *out.shape)
    table_grad, expected_grad = np.ones_like(table), np.ones_like(table)
    kernels.sum_windows_back(grad, ids, offsets, table_grad, **options)
    for b, text in enumerate(split(ids, offsets)):
        expected = np.zeros_like(out[b])
        for p, (_, words) in enumerate(windows(text, size, wide)):
            for j, word in words:
                expected[p] += table[word, before + j]
                expected_grad[word, before + j] += grad[b, p]
        np.testing.assert_array_equal(out[b], expected)
    np.testing.assert_array_equal(table_grad, expected_grad)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), counts=st.lists(st.integers(0, 12), min_size=1, max_size=4), maps=st.sampled_from([1, 5, 19]))
def test_k_max_keeps_the_order_and_ties_go_to_the_first(data, counts, maps):
    positions = max(counts) + 1
    ks = np.array(data.draw(st.lists(st.integers(0, 14), min_size=len(counts), max_size=len(counts))))
    x = array(data.draw, len(counts), positions, maps)
    most = int(ks.max())
    values, where = kernels.k_max(x, np.array(counts), ks, most)
    for b, (count, k) in enumerate(zip(counts, ks.tolist(), strict=True)):
        for f in range(maps):
            column = x[b, :count, f].tolist()
            kept = sorted(sorted(range(count), key=lambda p: (-column[p], p))[:k])
            empty = most - len(kept)
            assert where[b, :, f].tolist() == kept + [-1] * empty
            assert values[b, :, f].tolist() == [column[p] for p in kept] + [0] * empty


@pytest.mark.parametrize("count", [100, 257])
def test_k_max_of_many_positions(count):
    x = np.random.default_rng(0).normal(size=(2, count, 3)).astype(np.float32)
    values, where = kernels.k_max(x, np.array([count, count - 1]), np.array([count // 2, 3]), count // 2)
    for b, (n, k) in enumerate([(count, count // 2), (count - 1, 3)]):
        best = np.sort(np.argsort(-x[b, :n], axis=0, kind="stable")[:k], axis=0)
        np.testing.assert_array_equal(where[b, :k], best)
        np.testing.assert_array_equal(values[b, :k], np.take_along_axis(x[b], best, axis=0))


def test_k_max_of_numbers_without_order_stays_within_its_memory():
    x = np.random.default_rng(0).choice(np.array([1, 2, np.nan], np.float32), size=(50, 9, 20))
    values, where = kernels.k_max(x, np.full(50, 9), np.full(50, 3), 3)
    assert values.shape == (50, 3, 20)
    assert where.max() < 9


ACTIVATIONS = {"identity": lambda x: x, "relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}
SLOPES = {"identity": np.ones_like, "relu": lambda y: (y > 0).astype(y.dtype), "tanh": lambda y: 1 - y * y}


def responses(table, ids, offsets, sizes, wide, bias, activation):
    """Of each text and region its windows and their responses, (P, F), in double precision."""
    for b, text in enumerate(split(ids, offsets)):
        slot = 0
        for r, size in enumerate(sizes.tolist()):
            found = windows(text, size, wide)
            sums = [sum(table[w, slot + j].astype(float) for j, w in words) + bias[r] for _, words in found]
            rows = np.array(sums, float).reshape(len(found), table.shape[2])
            yield b, r, slot, found, ACTIVATIONS[activation](rows)
            slot += size


@settings(max_examples=60, deadline=None)
@given(data=st.data(), case=convolutions(), k=st.sampled_from([1, 2, 3, 7, 11]))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_k_windows_and_their_gradient(data, case, k, activation):
    ids, offsets, sizes, maps, wide, distinct = case
    words, filters = array(data.draw, distinct, 5), array(data.draw, int(sizes.sum()), maps, 5)
    table, bias = np.einsum("ud,sfd->usf", words, filters), array(data.draw, len(sizes), maps)
    if activation == "tanh":  # equal numbers are equal after it, and others are not
        table, bias = np.clip(table, -1, 1) / 16, bias / 16
    options = {"wide": wide, "bias": bias, "activation": activation}
    values, where = kernels.k_windows(table, ids, offsets, sizes, **options, k=k)
    shape = (len(offsets) - 1, len(sizes), k, maps)
    values, where = values.reshape(shape), where.reshape(shape)
    grad = array(data.draw, *shape)
    table_grad = np.zeros_like(table)
    for b, r, slot, found, rows in responses(table, ids, offsets, sizes, wide, bias, activation):
        for f in range(maps):
            column = rows[:, f].tolist()
            kept = sorted(sorted(range(len(column)), key=lambda p: (-column[p], p))[:k])
            empty = k - len(kept)
            np.testing.assert_allclose(values[b, r, :, f], [column[p] for p in kept] + [0] * empty, atol=1e-6)
            assert where[b, r, :, f].tolist() == [found[p][0] for p in kept] + [np.iinfo(np.int32).min] * empty
            for i, p in enumerate(kept):
                for j, word in found[p][1]:
                    table_grad[word, slot + j, f] += grad[b, r, i, f]
    flat = (grad.reshape(len(grad), -1), where.reshape(len(where), -1))
    filters_grad, words_grad = kernels.max_windows_back(
        *(*flat, ids, offsets, sizes, words, filters), words_too=True, k=k
    )
    np.testing.assert_array_equal(filters_grad, np.einsum("usf,ud->sfd", table_grad, words))
    np.testing.assert_array_equal(words_grad, np.einsum("usf,sfd->ud", table_grad, filters))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), case=convolutions())
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mean_windows_and_their_gradient(data, case, activation):
    ids, offsets, sizes, maps, wide, distinct = case
    table, bias = array(data.draw, distinct, int(sizes.sum()), maps), array(data.draw, len(sizes), maps)
    options = {"wide": wide, "bias": bias, "activation": activation}
    means = kernels.mean_windows(table, ids, offsets, sizes, **options)
    grad = array(data.draw, *means.shape)
    grads = kernels.mean_windows_back(grad, table, ids, offsets, sizes, **options)
    table_grad, bias_grad = np.zeros(table.shape), np.zeros(bias.shape)
    for b, r, slot, found, rows in responses(table, ids, offsets, sizes, wide, bias, activation):
        columns = slice(r * maps, (r + 1) * maps)
        expected = rows.mean(axis=0) if found else np.zeros(maps)
        np.testing.assert_allclose(means[b, columns], expected, rtol=1e-5, atol=1e-5)
        slopes = SLOPES[activation](rows) * grad[b, columns] / max(len(found), 1)
        bias_grad[r] += slopes.sum(axis=0)
        for (_, words), row in zip(found, slopes, strict=True):
            for j, word in words:
                table_grad[word, slot + j] += row
    np.testing.assert_allclose(grads[0], table_grad, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(grads[1], bias_grad, rtol=1e-4, atol=1e-4)


def test_the_mean_of_many_windows_is_exact():
    table = np.full((1, 1, 3), 0.1, np.float32)
    words = 3_000_000  # one sum of so many in single precision is wrong by a hundredth
    options = {"wide": True, "bias": np.zeros((1, 3), np.float32), "activation": "identity"}
    means = kernels.mean_windows(
        table, np.zeros(words, np.int32), np.array([0, words]), np.ones(1, np.int32), **options
    )
    np.testing.assert_allclose(means, 0.1, rtol=1e-3)


@st.composite
def networks(draw):
    """Texts, and a DCNN of one to three layers."""
    ids, offsets, distinct = draw(texts(longest=14))
    layers = draw(st.integers(1, 3))
    sizes = draw(st.lists(st.integers(1, 4), min_size=layers, max_size=layers))
    maps = draw(st.lists(st.sampled_from([1, 2, 5, 18]), min_size=layers, max_size=layers))
    dimension = 2**layers * draw(st.sampled_from([1, 3, 6]))
    return ids, offsets, distinct, sizes, maps, dimension, draw(st.integers(1, 6)), draw(st.integers(1, 2))


def dcnn(words, first, biases, filters, text, k_top):
    """Return the features of one text in torch, value by value of the paper's formulas, from its words (s, C, D)."""
    import torch

    layers, maps = len(biases), None
    x = words[text].permute(1, 2, 0)  # (C, D, s)
    for layer, bias in enumerate(biases, 1):
        weights = first.permute(3, 2, 0, 1) if layer == 1 else filters[layer - 2].permute(0, 3, 2, 1)  # (D, F, F', m)
        size = weights.shape[3]
        x = torch.nn.functional.pad(x, (size - 1, size - 1)).unfold(2, size, 1)  # (F', D, P, m)
        x = torch.einsum("gdpm,dfgm->fdp", x, weights)
        x = x[:, 0::2] + x[:, 1::2]
        k = min(max(k_top, math.ceil((layers - layer) * len(text) / layers)), x.shape[2])
        kept = x.sort(dim=2, descending=True, stable=True).indices[:, :, :k].sort(dim=2).values
        x = torch.tanh(x.gather(2, kept) + bias[:, :, None])
        maps = x
    missing = k_top - maps.shape[2]
    return torch.nn.functional.pad(maps.permute(2, 0, 1), (0, 0, 0, 0, 0, missing)).flatten()


@settings(max_examples=60, deadline=None)
@given(case=networks(), seed=st.integers(0, 1 << 16), ties=st.booleans())
def test_the_layers_of_the_dcnn_and_their_gradients(case, seed, ties):
    import torch

    ids, offsets, distinct, sizes, maps, dimension, k_top, channels = case
    generator = np.random.default_rng(seed)

    def numbers(*shape):
        # Small whole numbers make equal windows in the first layer, whose sums are exact.
        found = generator.integers(-1, 2, shape) if ties else generator.normal(size=shape) / 2
        return found.astype(np.float32)

    if ties:  # the layers above see tanh, whose last bits would choose among equal windows
        sizes, maps = sizes[:1], maps[:1]
    words, first = numbers(distinct, channels, dimension), numbers(channels, sizes[0], maps[0], dimension)
    biases = [numbers(f, dimension >> layer) for layer, f in enumerate(maps, 1)]
    filters = [
        numbers(dimension >> layer, size, below, f)
        for layer, (size, below, f) in enumerate(zip(sizes[1:], maps, maps[1:], strict=False), 1)
    ]
    arguments = {
        "first": first,
        "sizes": np.array(sizes, np.int32),
        "maps": np.array(maps, np.int32),
        "k_top": k_top,
        "biases": np.concatenate([bias.ravel() for bias in biases]),
        "filters": np.concatenate([np.zeros(0, np.float32), *(f.ravel() for f in filters)]),
    }
    found = kernels.row_layers(words, ids, offsets, **arguments)
    grad = generator.normal(size=found[0].shape).astype(np.float32)
    grads = kernels.row_layers_back(grad, found, words, ids, offsets, **arguments)
    exact = [torch.tensor(x).double().requires_grad_() for x in (words, first, *biases, *filters)]
    split_at = 2 + len(biases)
    expected = torch.stack(
        [
            dcnn(*exact[:2], exact[2:split_at], exact[split_at:], text, k_top)
            if text
            else torch.zeros(found[0].shape[1], dtype=torch.float64)
            for text in split(ids, offsets)
        ]
    )
    np.testing.assert_allclose(found[0], expected.detach(), atol=1e-4)
    if expected.requires_grad:
        (expected * torch.tensor(grad)).sum().backward()
    exact_grads = [np.zeros(x.shape) if x.grad is None else x.grad.numpy() for x in exact]
    expected_grads = [
        *exact_grads[:2],
        np.concatenate([x.ravel() for x in exact_grads[2:split_at]]),
        np.concatenate([np.zeros(0), *(x.ravel() for x in exact_grads[split_at:])]),
    ]
    for one, other in zip(grads, expected_grads, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_results_do_not_depend_on_the_number_of_threads():
    generator = np.random.default_rng(0)

    def normal(*shape):
        return generator.normal(size=shape).astype(np.float32)

    lengths = generator.integers(0, 40, size=50)
    offsets, sizes = np.concatenate([[0], np.cumsum(lengths)]), np.array([3, 4], np.int32)
    ids = generator.integers(0, 300, size=offsets[-1]).astype(np.int32)
    words, filters = normal(300, 50), normal(7, 60, 50)
    table, x, grad = np.einsum("ud,sfd->usf", words, filters), normal(50, 43, 60), normal(50, 42, 60)
    pooling = {"wide": False, "bias": normal(2, 60), "activation": "relu"}
    rows = normal(300, 1, 24)
    layers = {"first": normal(1, 3, 4, 24), "sizes": sizes, "maps": np.array([4, 5], np.int32), "k_top": 3}
    layers |= {"biases": normal(4 * 12 + 5 * 6), "filters": normal(12 * 4 * 4 * 5)}

    def everything(threads):
        best, where = kernels.max_windows(table, ids, offsets, sizes, wide=True, places=True, threads=threads)
        values, places = kernels.k_max(x, lengths, np.maximum(lengths // 2, 3), 20, threads=threads)
        largest, starts = kernels.k_windows(table, ids, offsets, sizes, **pooling, k=3, threads=threads)
        means = kernels.mean_windows(table, ids, offsets, sizes, **pooling, threads=threads)
        found = kernels.row_layers(rows, ids, offsets, **layers, threads=threads)
        sums_grad = np.zeros_like(table)
        kernels.sum_windows_back(grad, ids, offsets, sums_grad, size=3, slot=4, wide=True, threads=threads)
        arguments = (best, where, ids, offsets, sizes, words, filters)
        return (
            *(best, where, values, places, sums_grad, largest, starts, means, found[0], found[2]),
            kernels.sum_windows(table, ids, offsets, size=4, slot=3, wide=True, positions=43, threads=threads),
            *kernels.max_windows_back(*arguments, words_too=True, threads=threads),
            *kernels.mean_windows_back(means, table, ids, offsets, sizes, **pooling, threads=threads),
            *kernels.row_layers_back(found[0], found, rows, ids, offsets, **layers, threads=threads),
        )

    import torch  # noqa: F401 (its threads are those that are used)

    for threads in (2, 3, 100):
        for one, many in zip(everything(1), everything(threads), strict=True):
            np.testing.assert_array_equal(one, many)


def test_arrays_of_another_type_are_refused():
    table, ids, offsets, sizes = (
        np.zeros((2, 1, 3), np.float32),
        np.zeros(2, np.int64),
        np.array([0, 2]),
        np.ones(1, np.int32),
    )
    with pytest.raises(TypeError, match="expected an array of int32, found one of int64"):
        kernels.max_windows(table, ids, offsets, sizes, wide=True)
    with pytest.raises(TypeError, match="expected an array of float32, found one of float64"):
        kernels.max_windows(table.astype(float), ids.astype(np.int32), offsets, sizes, wide=True)
    with pytest.raises(ValueError, match="contiguous"):
        kernels.max_windows(table.transpose(2, 1, 0), ids.astype(np.int32), offsets, sizes, wide=True)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
@pytest.mark.parametrize("name", ["max_windows", "max_logits", "k_windows", "mean_windows"])
def test_ctrl_c_is_answered_within_a_long_text(name):
    """What a signal's handler raises ends the call long before its text ends: sooner than half of it takes."""

    class Interrupted(Exception):  # noqa: N818
        pass

    def handler(*args):
        raise Interrupted

    others = {} if name == "max_windows" else {"bias": np.zeros((1, 16), np.float32), "activation": "relu"}
    if name == "max_logits":
        others |= {"weights": np.zeros((2, 16), np.float32), "weights_bias": np.zeros(2, np.float32)}
    if name == "k_windows":
        others |= {"k": 2}

    def seconds(words, alarm=0.0):
        table, ids = np.zeros((1, 30, 16), np.float32), np.zeros(words, np.int32)
        begin = time.perf_counter()
        sizes = np.array([30], np.int32)
        with contextlib.suppress(Interrupted):
            signal.setitimer(signal.ITIMER_REAL, alarm)  # here, so that it does not ring before
            getattr(kernels, name)(table, ids, np.array([0, words]), sizes, wide=True, **others)
        return time.perf_counter() - begin

    half = seconds(4_000_000)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        assert seconds(8_000_000, half / 50) < half
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@settings(max_examples=60)
@given(data=st.data(), case=convolutions(), kind=st.sampled_from([np.int8, np.int16]))
@pytest.mark.parametrize("activation", ["identity", "relu", "tanh"])
def test_logits_over_whole_numbers(data, case, kind, activation):
    ids, offsets, sizes, _, wide, distinct = case
    maps = data.draw(st.sampled_from([1, 3, 16, 17, 33, 64, 65, 129, 200]))  # fewer, as many and more than registers
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 16)))
    most = np.iinfo(kind).max
    table = rng.integers(-most, most, (distinct, int(sizes.sum()), maps), endpoint=True).astype(kind)
    table[0] = most  # sums of these are the largest there are
    scales, bias = (rng.random((len(sizes), maps), np.float32) / np.float32(x) for x in (most, 1))
    weights, weights_bias = rng.random((2, len(sizes) * maps), np.float32), rng.random(2, np.float32)
    network = {"wide": wide, "bias": bias, "activation": activation, "weights": weights, "weights_bias": weights_bias}
    found = kernels.code_logits(table, scales, ids, offsets, sizes, **network)
    numbers = table.astype(np.float32) * np.repeat(scales, sizes, axis=0)
    expected = kernels.max_logits(numbers, ids, offsets, sizes, **network)
    for b, text in enumerate(split(ids, offsets)):
        features, slot = [], 0
        for r, size in enumerate(sizes.tolist()):
            sums = [sum(table[w, slot + j].astype(np.int64) for j, w in ws) for _, ws in windows(text, size, wide)]
            features.append(np.max(sums, axis=0) * scales[r].astype(np.float64) + bias[r] if text else np.zeros(maps))
            slot += size
        flat = np.concatenate(features)
        flat = {"identity": flat, "relu": np.maximum(flat, 0), "tanh": np.tanh(flat)}[activation]
        np.testing.assert_allclose(found[b], weights @ flat + weights_bias, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
