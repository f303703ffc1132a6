"""The networks against the usual PyTorch ones of the benchmarks, one text at a time, since theirs look at padding."""

import importlib.util
from pathlib import Path

import pytest
import torch

from textcnn.nn.dcnn import DCNN
from textcnn.nn.kim import KimCNN
from textcnn.settings.config import DCNNConfig, KimConfig

SOURCE = Path(__file__).parents[2] / "experiments" / "benchmarks" / "usual.py"
LENGTHS = [1, 2, 5, 11, 40]
pytestmark = pytest.mark.usefixtures("form")


@pytest.fixture(scope="module")
def usual():
    if not SOURCE.exists():
        pytest.skip("the benchmarks are not here")
    spec = importlib.util.spec_from_file_location("usual", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare(model, baseline, pairs):
    """Logits and gradients of both; `pairs` are their parameters in the same shape."""
    for length in LENGTHS:
        ids = torch.randint(2, 30, (length,), generator=torch.Generator().manual_seed(length))
        results = []
        for network, logits in ((model, model(ids, torch.tensor([length]))), (baseline, baseline(ids[None]))):
            network.zero_grad()
            (logits * torch.tensor([1.0, -2.0, 0.5])).sum().backward()
            results.append(logits.detach())
        torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)
        for found, expected in pairs():
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_kim(usual):
    torch.manual_seed(0)
    config = KimConfig(dimension=10, region_sizes=(2, 3, 5), feature_maps=4)
    model = KimCNN(config, vocabulary_size=30, classes=3).eval()
    baseline = usual.UsualKimCNN(
        vocabulary_size=30, classes=3, dimension=10, region_sizes=(2, 3, 5), feature_maps=4
    ).eval()
    slots = [range(0, 2), range(2, 5), range(5, 10)]
    with torch.no_grad():
        model.channels.tuned.copy_(baseline.embedding.weight)
        model.softmax.load_state_dict(baseline.softmax.state_dict())
        for region, convolution in enumerate(baseline.convolutions):
            model.convolution.weight[slots[region]] = convolution.weight[:, 0].transpose(0, 1)
            model.convolution.bias[region] = convolution.bias

    def pairs():
        yield model.channels.tuned.grad, baseline.embedding.weight.grad
        yield model.softmax.weight.grad, baseline.softmax.weight.grad
        for region, convolution in enumerate(baseline.convolutions):
            yield model.convolution.weight.grad[slots[region]], convolution.weight.grad[:, 0].transpose(0, 1)
            yield model.convolution.bias.grad[region], convolution.bias.grad

    compare(model, baseline, pairs)


def test_dcnn(usual):
    torch.manual_seed(0)
    config = DCNNConfig(dimension=8, region_sizes=(4, 3), feature_maps=(3, 5), k_top=2)
    model = DCNN(config, vocabulary_size=30, classes=3).eval()
    baseline = usual.UsualDCNN(
        vocabulary_size=30, classes=3, dimension=8, region_sizes=(4, 3), feature_maps=(3, 5), k_top=2
    ).eval()
    # The usual one lists its features by row, map and position, ours by position, map and row.
    features = baseline.softmax.weight.detach().view(3, 2, 5, 2).permute(0, 3, 2, 1).reshape(3, -1)
    with torch.no_grad():
        model.channels.tuned.copy_(baseline.embedding.weight)
        model.softmax.weight.copy_(features)
        model.softmax.bias.copy_(baseline.softmax.bias)
        model.convolution.weight.copy_(baseline.convolutions[0].weight.view(8, 3, 1, 4).permute(2, 3, 1, 0))
        model.deeper[0].weight.copy_(baseline.convolutions[1].weight.view(4, 5, 3, 3))

    def pairs():
        yield model.channels.tuned.grad, baseline.embedding.weight.grad
        yield model.convolution.weight.grad, baseline.convolutions[0].weight.grad.view(8, 3, 1, 4).permute(2, 3, 1, 0)
        yield model.deeper[0].weight.grad, baseline.convolutions[1].weight.grad.view(4, 5, 3, 3)
        for bias, expected in zip(model.biases, baseline.biases, strict=True):
            yield bias.grad, expected.grad[:, :, 0].T

    compare(model, baseline, pairs)
