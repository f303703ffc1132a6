import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from textcnn import kernels
from textcnn.nn import lookup
from textcnn.nn.lookup import LookupConvolution, window_counts


def plain_convolution(layer, words, inverse, lengths):
    """Return the responses of the layer, computed by conv1d on each text by itself."""
    out = []
    slot = 0
    for region, size in enumerate(layer.region_sizes):
        filters = layer.weight[slot : slot + size].permute(1, 2, 0)  # (F, D, h)
        texts = []
        begin = 0
        for length in lengths.tolist():
            rows = words[inverse[begin : begin + length]].T  # (D, L)
            begin += length
            if not length:
                texts.append(filters.new_zeros(0, len(filters)))
                continue
            if layer.padding == "wide":
                rows = F.pad(rows, (size - 1, size - 1))
            elif length < size:
                rows = F.pad(rows, (0, size - length))
            texts.append(F.conv1d(rows[None], filters, layer.bias[region])[0].T)  # (P, F)
        out.append(texts)
        slot += size
    return out


@st.composite
def cases(draw):
    lengths = draw(st.lists(st.integers(0, 9), min_size=1, max_size=5))
    distinct = draw(st.integers(1, 6))
    inverse = draw(st.lists(st.integers(0, distinct - 1), min_size=sum(lengths), max_size=sum(lengths)))
    sizes = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    padding = draw(st.sampled_from(["wide", "narrow"]))
    return distinct, torch.tensor(inverse, dtype=torch.int64), torch.tensor(lengths), sizes, padding


def make_layer(sizes, padding, dtype):
    layer = LookupConvolution(dimension=4, region_sizes=sizes, feature_maps=3, padding=padding).to(dtype)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    return layer


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@given(case=cases())
def test_values_and_gradients_equal_conv1d(dtype, tolerance, case):
    distinct, inverse, lengths, sizes, padding = case
    torch.manual_seed(0)
    layer = make_layer(sizes, padding, dtype)
    words = torch.randn(distinct, 4, dtype=dtype, requires_grad=True)
    inputs = [words, layer.weight, layer.bias]

    expected = plain_convolution(layer, words, inverse, lengths)
    found = [[x[b, : counts[b]] for b in range(len(lengths))] for x, counts in layer(words, inverse, lengths)]
    total_expected, total_found = words.sum() * 0, words.sum() * 0
    for region_expected, region_found in zip(expected, found, strict=True):
        for a, b in zip(region_expected, region_found, strict=True):
            assert a.shape == b.shape
            torch.testing.assert_close(b, a, rtol=tolerance, atol=tolerance)
            total_expected = total_expected + (a**2).sum()
            total_found = total_found + (b**2).sum()
    for a, b in zip(
        torch.autograd.grad(total_expected, inputs, allow_unused=True, materialize_grads=True),
        torch.autograd.grad(total_found, inputs, allow_unused=True, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(b, a, rtol=tolerance * 100, atol=tolerance * 100)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@given(case=cases())
def test_the_largest_responses_equal_conv1d_and_max(dtype, tolerance, case):
    """Single precision tests the compiled loops, double precision those in torch."""
    distinct, inverse, lengths, sizes, padding = case
    torch.manual_seed(0)
    layer = make_layer(sizes, padding, dtype)
    words = torch.randn(distinct, 4, dtype=dtype, requires_grad=True)
    inputs = [words, layer.weight, layer.bias]
    regions = plain_convolution(layer, words, inverse, lengths)
    expected = torch.stack(
        [
            torch.cat(
                [texts[b].max(dim=0).values if len(texts[b]) else layer.bias[r] for r, texts in enumerate(regions)]
            )
            for b in range(len(lengths))
        ]
    )
    found = layer.largest(words, inverse, lengths)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    for a, b in zip(
        torch.autograd.grad((expected**2).sum(), inputs, allow_unused=True, materialize_grads=True),
        torch.autograd.grad((found**2).sum(), inputs, allow_unused=True, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(b, a, rtol=tolerance * 100, atol=tolerance * 100)


@pytest.mark.parametrize("padding", ["wide", "narrow"])
def test_gradcheck_of_the_largest(padding):
    torch.manual_seed(0)
    layer = make_layer((2, 3), padding, torch.float64)
    words = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    inverse, lengths = torch.tensor([0, 3, 1, 1, 2]), torch.tensor([4, 0, 1])

    def largest(words, weight, bias):
        return lookup._TorchMaxOfWindows.apply(words, weight, inverse, lengths, (2, 3), padding, False) + bias.flatten()

    assert torch.autograd.gradcheck(largest, (words, layer.weight, layer.bias))


@pytest.mark.parametrize("form", ["plain", "compiled"])
def test_the_gradient_of_a_tie_goes_to_the_first_window(monkeypatch, form):
    monkeypatch.setattr(kernels, "compiled", kernels.compiled and form == "compiled")
    layer = make_layer((1,), "wide", torch.float32)
    words = torch.ones(2, 4, requires_grad=True)  # two words with equal embeddings
    layer.largest(words, torch.tensor([1, 0]), torch.tensor([2])).sum().backward()
    assert words.grad.any(dim=1).tolist() == [False, True]


def test_bf16_is_used_in_training_alone():
    layer = make_layer((2, 3), "wide", torch.float32)
    words, inverse, lengths = torch.randn(5, 4), torch.tensor([0, 3, 1, 4, 2]), torch.tensor([3, 2])
    exact = layer.largest(words, inverse, lengths)
    layer.bf16 = True
    rounded = layer.largest(words, inverse, lengths)
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, rtol=2e-2, atol=5e-2)
    assert torch.equal(layer.eval().largest(words, inverse, lengths), exact)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("padding", ["wide", "narrow"])
def test_the_largest_on_cuda(padding):
    torch.manual_seed(0)
    layer = make_layer((2, 3), padding, torch.float32)
    words = torch.randn(4, 4)
    inverse, lengths = torch.tensor([0, 3, 1, 1, 2]), torch.tensor([4, 0, 1])
    results = []
    for device in ("cpu", "cuda"):
        layer = layer.to(device)
        inputs = words.to(device).requires_grad_()
        largest = layer.largest(inputs, inverse.to(device), lengths.to(device))
        gradients = torch.autograd.grad((largest**2).sum(), [inputs, layer.weight, layer.bias])
        results.append([tensor.cpu() for tensor in (largest, *gradients)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("padding", ["wide", "narrow"])
def test_gradcheck(padding):
    torch.manual_seed(0)
    layer = make_layer((2, 3), padding, torch.float64)
    words = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    inverse, lengths = torch.tensor([0, 3, 1, 1, 2]), torch.tensor([4, 0, 1])

    def real_responses(words, weight, bias):
        layer_out = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (words, inverse, lengths))
        return torch.cat([x[b, : counts[b]].flatten() for x, counts in layer_out for b in range(3)])

    assert torch.autograd.gradcheck(real_responses, (words, layer.weight, layer.bias))


def test_window_counts():
    lengths = torch.tensor([0, 1, 2, 3, 7])
    assert window_counts(lengths, 3, "wide").tolist() == [0, 3, 4, 5, 9]  # s + h - 1
    assert window_counts(lengths, 3, "narrow").tolist() == [0, 1, 1, 1, 5]  # s - h + 1, at least one
