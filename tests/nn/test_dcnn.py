import copy
import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.nn._pooling import fold
from textcnn.nn.dcnn import DCNN, dynamic_k
from textcnn.settings.config import DCNNConfig

LENGTHS = [5, 0, 1, 2, 13]
SMALL = DCNNConfig(dimension=8, region_sizes=(3, 2), feature_maps=(2, 3), k_top=2)
VECTORS = torch.linspace(-1, 1, 20 * 8).view(20, 8).sin() * 3
VARIANTS = [
    SMALL,
    dataclasses.replace(SMALL, region_sizes=(4,), feature_maps=(3,), k_top=3),
    dataclasses.replace(SMALL, region_sizes=(2, 3, 2), feature_maps=(2, 2, 2), k_top=1),
    dataclasses.replace(SMALL, k_top=6),
    dataclasses.replace(SMALL, dimension=2, region_sizes=(3,), feature_maps=(2,), channels="rand"),
    dataclasses.replace(SMALL, channels="static"),
    dataclasses.replace(SMALL, channels="non-static"),
    dataclasses.replace(SMALL, channels="multichannel"),
    dataclasses.replace(SMALL, channels="multichannel", multichannel_filters="separate"),
]


def make(config):
    torch.manual_seed(0)
    vectors = VECTORS[:, : config.dimension] if config.pretrained else None
    model = DCNN(config, vocabulary_size=20, classes=3, vectors=vectors).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def texts(lengths=LENGTHS):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(1, 20, (length,), generator=generator) for length in lengths]


def naive_k(length, layer, layers, k_top):
    return k_top if layer == layers else max(k_top, math.ceil((layers - layer) * length / layers))


def naive_k_max(values, k):
    chosen = sorted(range(len(values)), key=lambda i: (-float(values[i].detach()), i))[:k]
    return [values[i] for i in sorted(chosen)]


def wide(rows, weights):
    """Return the wide convolution of one row: s + m - 1 sums of s values and m weights."""
    m = len(weights)
    padded = [0.0] * (m - 1) + list(rows) + [0.0] * (m - 1)
    return [sum(padded[p + j] * weights[j] for j in range(m)) for p in range(len(rows) + m - 1)]


def add(rows):
    return [sum(column) for column in zip(*rows, strict=True)]


def paper(model, ids):
    """Return the logits of one text as the paper describes them, value by value."""
    config = model.config
    layers = len(config.region_sizes)
    tables = [t for t in (model.channels.fixed, model.channels.tuned) if t is not None]
    if len(tables) == 2 and config.multichannel_filters == "shared":
        tables = [tables[0] + tables[1]]
    # maps[c][i]: row i of map c, one value per word (section 3.1: the columns are the words' vectors)
    maps = [[[table[w, i] for w in ids] for i in range(config.dimension)] for table in tables]
    for layer in range(1, layers + 1):
        rows = len(maps[0])
        after = []
        for f in range(config.feature_maps[layer - 1]):
            convolved = []
            for i in range(rows):
                if layer == 1:
                    filters = [model.convolution.weight[c, :, f, i] for c in range(len(maps))]
                else:
                    filters = [model.deeper[layer - 2].weight[i, f, c] for c in range(len(maps))]
                if len(maps[0][i]):
                    convolved.append(add([wide(maps[c][i], filters[c]) for c in range(len(maps))]))
                else:
                    convolved.append([])
            folded = [add([convolved[i], convolved[i + 1]]) for i in range(0, rows, 2)]
            k = naive_k(len(ids), layer, layers, config.k_top)
            bias = model.biases[layer - 1][f]
            after.append([[torch.tanh(v + bias[i]) for v in naive_k_max(row, k)] for i, row in enumerate(folded)])
        maps = after
    zero = model.softmax.bias.new_zeros(())
    features = [
        maps[f][i][position] if position < len(maps[f][i]) else zero
        for position in range(config.k_top)
        for f in range(len(maps))
        for i in range(len(maps[0]))
    ]
    return model.softmax(torch.stack(features))


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_logits_and_gradients_equal_the_paper(config):
    model = make(config)
    batch = texts()
    logits = model(torch.cat(batch), torch.tensor(LENGTHS))
    expected = torch.stack([paper(model, ids.tolist()) for ids in batch])
    torch.testing.assert_close(logits, expected)
    weight = torch.linspace(-1, 1, logits.numel()).view_as(logits)
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad((logits * weight).sum(), list(parameters.values()), allow_unused=True)
    expected_gradients = torch.autograd.grad((expected * weight).sum(), list(parameters.values()), allow_unused=True)
    for name, a, b in zip(parameters, gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b, msg=name)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_single_precision_equals_double_precision_rounded(config):
    """The compiled loops need single precision; the loop over the paper's formulas is in double."""
    model = make(config)
    batch, lengths = torch.cat(texts()), torch.tensor(LENGTHS)
    results = []
    for network in (model, copy.deepcopy(model).float()):
        logits = network(batch, lengths)
        weight = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
        gradients = torch.autograd.grad((logits * weight).sum(), list(network.parameters()))
        results.append([logits, *gradients])
    for exact, rounded in zip(*results, strict=True):
        torch.testing.assert_close(rounded, exact.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_scores_do_not_depend_on_batch_mates(config):
    model = make(config).float()
    batch = texts()
    with torch.no_grad():
        together = model(torch.cat(batch), torch.tensor(LENGTHS)).softmax(dim=1)
        for row, ids in zip(together, batch, strict=True):
            alone = model(ids, torch.tensor([len(ids)])).softmax(dim=1)[0]
            torch.testing.assert_close(alone, row, rtol=0, atol=1e-5)


def test_dynamic_k_equals_the_example_of_the_paper():
    # Section 3.3: s = 18, three layers, k_top = 3: the first keeps 12, the second 6, the third 3.
    lengths = torch.tensor([18])
    assert [dynamic_k(lengths, layer, 3, 3).item() for layer in (1, 2, 3)] == [12, 6, 3]


@given(st.lists(st.integers(0, 200), min_size=1), st.integers(1, 5), st.integers(1, 9), st.data())
def test_dynamic_k_equals_the_formula(lengths, layers, k_top, data):
    layer = data.draw(st.integers(1, layers))
    expected = [naive_k(length, layer, layers, k_top) for length in lengths]
    assert dynamic_k(torch.tensor(lengths), layer, layers, k_top).tolist() == expected


@settings(max_examples=20)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_any_lengths_equal_the_paper(lengths):
    model = make(SMALL)
    batch = texts(lengths)
    with torch.no_grad():
        logits = model(torch.cat(batch), torch.tensor(lengths))
        torch.testing.assert_close(logits, torch.stack([paper(model, ids.tolist()) for ids in batch]))


def test_folding_sums_rows_in_pairs():
    assert fold(torch.tensor([[1.0, 2.0, 3.0, 5.0]])).tolist() == [[3.0, 8.0]]
