import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.nn.dpcnn import DPCNN, halve
from textcnn.settings.config import DPCNNConfig

LENGTHS = [5, 0, 1, 2, 13]
SMALL = DPCNNConfig(dimension=6, feature_maps=3, blocks=3)
VECTORS = torch.linspace(-1, 1, 20 * 6).view(20, 6).sin() * 3
VARIANTS = [
    SMALL,
    dataclasses.replace(SMALL, region_sizes=(2, 4), activation="tanh"),
    dataclasses.replace(SMALL, region_sizes=(3,), blocks=1, activation="identity", channels="static"),
    dataclasses.replace(SMALL, blocks=8, channels="multichannel", multichannel_filters="separate"),
]

pytestmark = pytest.mark.usefixtures("form")


def make(config):
    torch.manual_seed(0)
    vectors = VECTORS if config.pretrained else None
    model = DPCNN(config, vocabulary_size=20, classes=3, vectors=vectors).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model


def texts():
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(1, 20, (length,), generator=generator) for length in LENGTHS]


def convolved(rows, layer):
    """Return the responses of a convolution of three positions to a list of vectors."""
    out = []
    for i in range(len(rows)):
        near = [(j, rows[i + j - 1]) for j in range(3) if 0 <= i + j - 1 < len(rows)]
        out.append(layer.bias + sum(layer.weight[:, :, j] @ x for j, x in near))
    return out


def naive(model, ids):
    """Return the logits of one text, layer by layer over lists."""
    config = model.config
    activation = {"relu": torch.relu, "tanh": torch.tanh, "identity": lambda x: x}[config.activation]
    tables = [t for t in (model.channels.fixed, model.channels.tuned) if t is not None]
    if config.channel_count == 1:
        tables = [sum(tables)]
    words = [torch.cat([table[w] for table in tables]) for w in ids]
    rows = []
    for i in range(len(words)):
        parts, slot = [], 0
        for size, bias in zip(config.region_sizes, model.convolution.bias, strict=True):
            first = i - size // 2  # of the window whose middle, or the place after it, is the word
            inside = [j for j in range(size) if 0 <= first + j < len(words)]
            parts.append(bias + sum(model.convolution.weight[slot + j] @ words[first + j] for j in inside))
            slot += size
        rows.append(torch.cat(parts))
    for number, block in enumerate(model.deeper):
        if number:
            if len(rows) < 2:
                break
            rows = [torch.stack(rows[i : i + 3]).amax(dim=0) for i in range(0, len(rows), 2)]
        added = rows
        for layer in (block.first, block.second):
            added = convolved([activation(x) for x in added], layer)
        rows = [x + y for x, y in zip(rows, added, strict=True)]
    features = torch.stack(rows).amax(dim=0) if rows else torch.zeros(config.features, dtype=torch.float64)
    return model.softmax(features)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_logits_and_gradients_equal_a_loop(config):
    model = make(config)
    batch = texts()
    logits = model(torch.cat(batch), torch.tensor(LENGTHS))
    expected = torch.stack([naive(model, ids) for ids in batch])
    torch.testing.assert_close(logits, expected)
    weight = torch.linspace(-1, 1, logits.numel()).view_as(logits)
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad((logits * weight).sum(), list(parameters.values()), allow_unused=True)
    expected_gradients = torch.autograd.grad((expected * weight).sum(), list(parameters.values()), allow_unused=True)
    for name, a, b in zip(parameters, gradients, expected_gradients, strict=True):
        torch.testing.assert_close(
            torch.zeros(()) if a is None else a, torch.zeros_like(a) if b is None else b, msg=name
        )


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_scores_do_not_depend_on_batch_mates(config):
    model = make(config).float()
    batch = texts()
    with torch.no_grad():
        together = model(torch.cat(batch), torch.tensor(LENGTHS))
        alone = torch.cat([model(ids, torch.tensor([len(ids)])) for ids in batch])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_halving_takes_the_largest_of_three(lengths, seed):
    x = torch.randn(len(lengths), max(max(lengths), 1), 2, generator=torch.Generator().manual_seed(seed))
    found, counts = halve(x, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        expected = [x[row, i : min(i + 3, length)].amax(dim=0) for i in range(0, length, 2)]
        assert counts[row] == len(expected)
        torch.testing.assert_close(
            found[row, : len(expected)], torch.stack(expected) if expected else torch.zeros(0, 2)
        )
        assert not found[row, len(expected) :].any()
