import copy
import dataclasses
import itertools

import pytest
import torch
from torch.nn import functional as F

from textcnn.nn.kim import KimCNN
from textcnn.settings.config import KimConfig

LENGTHS = [5, 0, 1, 2, 12]
SMALL = KimConfig(dimension=6, region_sizes=(2, 4), feature_maps=3, k=2)
VECTORS = torch.linspace(-1, 1, 20 * 6).view(20, 6).sin() * 3
VARIANTS = [
    dataclasses.replace(SMALL, channels=c, multichannel_filters=m, padding=p, pooling=q, activation=a)
    for (c, m), p, q, a in itertools.product(
        [("rand", "shared"), ("static", "shared"), ("multichannel", "shared"), ("multichannel", "separate")],
        ["wide", "narrow"],
        ["max", "average", "k-max"],
        ["relu", "tanh", "identity"],
    )
]


pytestmark = pytest.mark.usefixtures("form")


def make(config, seed=0):
    torch.manual_seed(seed)
    model = KimCNN(config, vocabulary_size=20, classes=3, vectors=VECTORS if config.pretrained else None)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model.eval()


def texts(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(1, 20, (length,), generator=generator) for length in LENGTHS]


def paper(model, ids):
    """Return the logits of one text as the paper describes them, word by word: convolve, activate, pool."""
    config = model.config
    activation = {"relu": torch.relu, "tanh": torch.tanh, "identity": lambda x: x}[config.activation]
    tables = [t for t in (model.channels.fixed, model.channels.tuned) if t is not None]
    features = []
    slot = 0
    for region, size in enumerate(config.region_sizes):
        weight = model.convolution.weight[slot : slot + size].permute(2, 0, 1)  # (C D, h, F)
        slot += size
        bias = model.convolution.bias[region]
        separate = len(tables) == 2 and config.multichannel_filters == "separate"
        parts = weight.chunk(2) if separate else [weight] * len(tables)
        before = size - 1 if config.padding == "wide" else 0
        after = size - 1 if config.padding == "wide" else max(size - len(ids), 0)
        responses = []
        for i in range(-before, len(ids) + after - size + 1):
            total = bias.clone()
            for table, part in zip(tables, parts, strict=True):
                for j in range(size):
                    if 0 <= i + j < len(ids):
                        total = total + table[ids[i + j]] @ part[:, j]
            responses.append(activation(total))
        for f in range(config.feature_maps):
            column = [float(r[f]) for r in responses] if len(ids) else []
            if config.pooling == "max":
                features.append(max(column, default=0.0))
            elif config.pooling == "average":
                features.append(sum(column) / len(column) if column else 0.0)
            else:
                best = sorted(sorted(range(len(column)), key=lambda i: (-column[i], i))[: config.k])
                features.append([column[i] for i in best] + [0.0] * (config.k - len(best)))
        if config.pooling == "k-max":  # the network has the first values of all maps, then the second ones
            maps = features[-config.feature_maps :]
            features[-config.feature_maps :] = [row[i] for i in range(config.k) for row in maps]
    return F.linear(torch.tensor(features), model.softmax.weight, model.softmax.bias)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_logits_equal_the_paper(config):
    model = make(config)
    batch = texts()
    with torch.no_grad():
        logits = model(torch.cat(batch), torch.tensor(LENGTHS))
        for row, ids in zip(logits, batch, strict=True):
            torch.testing.assert_close(row, paper(model, ids), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_single_precision_equals_double_precision_rounded(config):
    """The compiled loops need single precision; in double the layers are torch's."""
    model = make(config)
    batch, lengths = torch.cat(texts()), torch.tensor(LENGTHS)
    results = []
    for network in (copy.deepcopy(model).double(), model):
        logits = network(batch, lengths)
        weight = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
        results.append([logits, *torch.autograd.grad((logits * weight).sum(), list(network.parameters()))])
    for exact, rounded in zip(*results, strict=True):
        torch.testing.assert_close(rounded, exact.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pooling", ["max", "average", "k-max"])
def test_equal_responses_have_the_gradient_of_the_first(pooling, form):
    """ReLU makes many responses equal: k-max pooling keeps the first zeros, and none has a gradient."""
    config = dataclasses.replace(SMALL, pooling=pooling, k=3, region_sizes=(2,), channels="rand")
    model = make(config)
    with torch.no_grad():
        model.channels.tuned.copy_(torch.arange(20 * 6).view(20, 6) % 3 - 1)
        model.convolution.weight.copy_(torch.arange(2 * 3 * 6).view(2, 3, 6) % 4 - 2)
        model.convolution.bias.copy_(torch.tensor([[0.0, -1.0, 1.0]]))
    ids, lengths = torch.tensor([3, 4, 3, 4, 3, 4, 5, 6, 7]), torch.tensor([6, 3])
    results = []
    for network in (copy.deepcopy(model).double(), model):
        logits = network(ids, lengths)
        results.append([logits, *torch.autograd.grad(logits[:, 0].sum(), list(network.parameters()))])
    for exact, found in zip(*results, strict=True):
        torch.testing.assert_close(found, exact.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("config", VARIANTS, ids=str)
def test_scores_do_not_depend_on_batch_mates(config):
    model = make(config)
    batch = texts()
    with torch.no_grad():
        together = model(torch.cat(batch), torch.tensor(LENGTHS)).softmax(dim=1)
        for row, ids in zip(together, batch, strict=True):
            alone = model(ids, torch.tensor([len(ids)])).softmax(dim=1)[0]
            torch.testing.assert_close(alone, row, rtol=0, atol=1e-5)


def test_only_tuned_channels_have_a_gradient():
    for channels, trained in (("rand", True), ("static", False), ("non-static", True), ("multichannel", True)):
        model = make(dataclasses.replace(SMALL, channels=channels))
        model(torch.tensor([4, 5, 4]), torch.tensor([3])).sum().backward()
        names = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        assert ("channels.tuned" in names) == trained
        assert "convolution.weight" in names
        if trained:
            rows = model.channels.tuned.grad.abs().sum(dim=1).nonzero()[:, 0].tolist()
            assert rows == [4, 5]


def test_both_channels_start_from_the_vectors():
    model = KimCNN(dataclasses.replace(SMALL, channels="multichannel"), vocabulary_size=20, classes=2, vectors=VECTORS)
    assert torch.equal(model.channels.fixed, VECTORS)
    assert torch.equal(model.channels.tuned, VECTORS)


def test_vectors_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"channels static: .*\(20, 6\), found None"):
        KimCNN(dataclasses.replace(SMALL, channels="static"), vocabulary_size=20, classes=2)


def test_dropout_acts_in_training_only():
    model = make(SMALL)
    ids, lengths = torch.tensor([4, 5, 4]), torch.tensor([3])
    assert torch.equal(model(ids, lengths), model(ids, lengths))
    model.train()
    assert not torch.equal(model(ids, lengths), model(ids, lengths))


def test_a_fresh_model_has_logits_of_zero():
    model = KimCNN(SMALL, vocabulary_size=20, classes=4)
    assert model(torch.tensor([4, 5]), torch.tensor([2])).tolist() == [[0.0] * 4]
