import dataclasses

import pytest
import torch

from textcnn.nn.stacked import StackedCNN
from textcnn.settings.config import StackedConfig

LENGTHS = [5, 0, 1, 2, 13]
SMALL = StackedConfig(dimension=6, region_sizes=(2, 3), feature_maps=(4, 3))
VECTORS = torch.linspace(-1, 1, 20 * 6).view(20, 6).sin() * 3
VARIANTS = [
    SMALL,
    dataclasses.replace(SMALL, activation="tanh", pool_size=3),
    dataclasses.replace(SMALL, global_pooling="average", activation="identity"),
    dataclasses.replace(SMALL, region_sizes=(3,), feature_maps=(4,)),
    dataclasses.replace(SMALL, region_sizes=(2, 3, 2), feature_maps=(4, 3, 5), channels="multichannel"),
    dataclasses.replace(SMALL, channels="multichannel", multichannel_filters="separate"),
    dataclasses.replace(SMALL, channels="static"),
]


pytestmark = pytest.mark.usefixtures("form")


def make(config):
    torch.manual_seed(0)
    vectors = VECTORS if config.pretrained else None
    model = StackedCNN(config, vocabulary_size=20, classes=3, vectors=vectors).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def texts():
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(1, 20, (length,), generator=generator) for length in LENGTHS]


def wide(rows, filters, bias):
    """Return the responses of filters, (h, D, F), at all windows over a list of vectors."""
    size = len(filters)
    windows = range(-(size - 1), len(rows)) if rows else []
    return [bias + sum(rows[i + j] @ filters[j] for j in range(size) if 0 <= i + j < len(rows)) for i in windows]


def naive(model, ids):
    """Return the logits of one text, layer by layer over lists."""
    config = model.config
    activation = {"relu": torch.relu, "tanh": torch.tanh, "identity": lambda x: x}[config.activation]
    tables = [t for t in (model.channels.fixed, model.channels.tuned) if t is not None]
    if config.channel_count == 1:
        tables = [sum(tables)]
    rows = [torch.cat([table[w] for table in tables]) for w in ids]
    layers = [(model.convolution.weight.transpose(1, 2), model.convolution.bias[0])]
    layers += [(layer.weight.permute(2, 1, 0), layer.bias) for layer in model.deeper]
    for number, (filters, bias) in enumerate(layers):
        if number:
            groups = [rows[i : i + config.pool_size] for i in range(0, len(rows), config.pool_size)]
            rows = [torch.stack(group).amax(dim=0) for group in groups]
        rows = [activation(x) for x in wide(rows, filters, bias)]
    if not rows:
        features = torch.zeros(config.features, dtype=torch.float64)
    else:
        stacked = torch.stack(rows)
        features = stacked.amax(dim=0) if config.global_pooling == "max" else stacked.mean(dim=0)
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
    gradients = torch.autograd.grad((logits * weight).sum(), list(parameters.values()))
    expected_gradients = torch.autograd.grad((expected * weight).sum(), list(parameters.values()))
    for name, a, b in zip(parameters, gradients, expected_gradients, strict=True):
        torch.testing.assert_close(a, b, msg=name)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_scores_do_not_depend_on_batch_mates(config):
    model = make(config).float()
    batch = texts()
    with torch.no_grad():
        together = model(torch.cat(batch), torch.tensor(LENGTHS)).softmax(dim=1)
        for row, ids in zip(together, batch, strict=True):
            alone = model(ids, torch.tensor([len(ids)])).softmax(dim=1)[0]
            torch.testing.assert_close(alone, row, rtol=0, atol=1e-5)
