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
    dataclasses.replace(SMALL, region_sizes=(2, 3, 2), feature_maps=(4, 3, 4), shortcut=True),
    dataclasses.replace(
        SMALL, region_sizes=(2, 3, 4, 1, 3), feature_maps=(4, 3, 5, 2, 5), shortcut=True, activation="tanh", pool_size=3
    ),
    dataclasses.replace(SMALL, feature_maps=(4, 6), branches=(1, 3)),
    dataclasses.replace(
        SMALL, region_sizes=(2, 4, 4), feature_maps=(4, 9, 3), branches=(4, 1, 2), global_pooling="average"
    ),
    dataclasses.replace(
        SMALL, region_sizes=(3, 3, 3), feature_maps=(4, 8, 6), branches=(3, 1), shortcut=True, activation="tanh"
    ),
]
DEEPEST = dataclasses.replace(SMALL, region_sizes=(3,) * 29, feature_maps=(4,) * 29)

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


def kept(rows, layer):
    """Return the responses at each position of a list of vectors to the window whose middle it is."""
    size = layer.weight.shape[2]
    out = []
    for i in range(len(rows)):
        near = [(j, i - size // 2 + j) for j in range(size)]
        out.append(layer.bias + sum(layer.weight[:, :, j] @ rows[at] for j, at in near if 0 <= at < len(rows)))
    return out


def layer_of(rows, layer, branches, activation):
    """Return the responses of a convolution, or of an inception module, to a list of vectors."""
    if not branches:
        return kept(rows, layer)
    parts = []
    for number, size in enumerate(branches):
        inner = rows
        if size > 1:
            inner = [activation(x) for x in kept(rows, layer.reductions[number])]
        parts.append(kept(inner, layer.branches[number]))
    return [torch.cat(part) for part in zip(*parts, strict=True)]


def stage_of(rows, stage, config, activation):
    """Return what follows local pooling, before the activation."""
    if not config.shortcut:
        return layer_of(rows, stage, config.branches, activation)
    inner = [activation(x) for x in layer_of(rows, stage.first, config.branches, activation)]
    outer = layer_of(inner, stage.second, config.branches, activation)
    return [
        y + (x if len(x) == len(y) else stage.projection.weight[:, :, 0] @ x + stage.projection.bias)
        for x, y in zip(rows, outer, strict=True)
    ]


def naive(model, ids):
    """Return the logits of one text, layer by layer over lists."""
    config = model.config
    activation = {"relu": torch.relu, "tanh": torch.tanh, "identity": lambda x: x}[config.activation]
    tables = [t for t in (model.channels.fixed, model.channels.tuned) if t is not None]
    if config.channel_count == 1:
        tables = [sum(tables)]
    rows = [torch.cat([table[w] for table in tables]) for w in ids]
    rows = [activation(x) for x in wide(rows, model.convolution.weight.transpose(1, 2), model.convolution.bias[0])]
    for stage in model.deeper:
        groups = [rows[i : i + config.pool_size] for i in range(0, len(rows), config.pool_size)]
        rows = [torch.stack(group).amax(dim=0) for group in groups]
        if config.shortcut or config.branches:
            rows = stage_of(rows, stage, config, activation)
        else:
            rows = wide(rows, stage.weight.permute(2, 1, 0), stage.bias)
        rows = [activation(x) for x in rows]
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


@pytest.mark.parametrize("options", [{"shortcut": True}, {"branches": (1, 3)}, {"shortcut": True, "branches": (1, 3)}])
def test_a_deep_stack_equals_a_loop(options):
    torch.manual_seed(0)
    model = StackedCNN(dataclasses.replace(DEEPEST, **options), vocabulary_size=20, classes=3).double().eval()
    torch.nn.init.normal_(model.softmax.weight)  # the other weights are small, so that the values do not explode
    batch = texts()
    logits = model(torch.cat(batch), torch.tensor(LENGTHS))
    torch.testing.assert_close(logits, torch.stack([naive(model, ids) for ids in batch]))


def test_a_shortcut_of_equal_maps_is_the_identity():
    model = make(dataclasses.replace(SMALL, region_sizes=(1, 3, 3), feature_maps=(4, 2, 4), pool_size=1, shortcut=True))
    assert model.deeper[0].projection is None
    torch.nn.init.zeros_(model.deeper[0].second.weight)
    torch.nn.init.zeros_(model.deeper[0].second.bias)
    alone = make(dataclasses.replace(SMALL, region_sizes=(1,), feature_maps=(4,)))
    alone.load_state_dict({name: model.state_dict()[name] for name in alone.state_dict()})
    batch = torch.cat(texts())
    torch.testing.assert_close(model(batch, torch.tensor(LENGTHS)), alone(batch, torch.tensor(LENGTHS)))
