"""The networks against the usual PyTorch ones of the benchmarks, a text at a time: theirs look at padding."""

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


def compare(model, yardstick, pairs):
    """Logits and gradients of both; `pairs` are their parameters in the same shape."""
    for length in LENGTHS:
        ids = torch.randint(2, 30, (length,), generator=torch.Generator().manual_seed(length))
        results = []
        for network, logits in ((model, model(ids, torch.tensor([length]))), (yardstick, yardstick(ids[None]))):
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
    yardstick = usual.UsualKimCNN(
        vocabulary_size=30, classes=3, dimension=10, region_sizes=(2, 3, 5), feature_maps=4
    ).eval()
    slots = [range(0, 2), range(2, 5), range(5, 10)]
    with torch.no_grad():
        model.channels.tuned.copy_(yardstick.embedding.weight)
        model.softmax.load_state_dict(yardstick.softmax.state_dict())
        for region, convolution in enumerate(yardstick.convolutions):
            model.convolution.weight[slots[region]] = convolution.weight[:, 0].transpose(0, 1)
            model.convolution.bias[region] = convolution.bias

    def pairs():
        yield model.channels.tuned.grad, yardstick.embedding.weight.grad
        yield model.softmax.weight.grad, yardstick.softmax.weight.grad
        for region, convolution in enumerate(yardstick.convolutions):
            yield model.convolution.weight.grad[slots[region]], convolution.weight.grad[:, 0].transpose(0, 1)
            yield model.convolution.bias.grad[region], convolution.bias.grad

    compare(model, yardstick, pairs)


def test_dcnn(usual):
    torch.manual_seed(0)
    config = DCNNConfig(dimension=8, region_sizes=(4, 3), feature_maps=(3, 5), k_top=2)
    model = DCNN(config, vocabulary_size=30, classes=3).eval()
    yardstick = usual.UsualDCNN(
        vocabulary_size=30, classes=3, dimension=8, region_sizes=(4, 3), feature_maps=(3, 5), k_top=2
    ).eval()
    # The usual one lists its features by row, map and place, ours by place, map and row.
    features = yardstick.softmax.weight.detach().view(3, 2, 5, 2).permute(0, 3, 2, 1).reshape(3, -1)
    with torch.no_grad():
        model.channels.tuned.copy_(yardstick.embedding.weight)
        model.softmax.weight.copy_(features)
        model.softmax.bias.copy_(yardstick.softmax.bias)
        model.convolution.weight.copy_(yardstick.convolutions[0].weight.view(8, 3, 1, 4).permute(2, 3, 1, 0))
        model.deeper[0].weight.copy_(yardstick.convolutions[1].weight.view(4, 5, 3, 3))

    def pairs():
        yield model.channels.tuned.grad, yardstick.embedding.weight.grad
        yield model.convolution.weight.grad, yardstick.convolutions[0].weight.grad.view(8, 3, 1, 4).permute(2, 3, 1, 0)
        yield model.deeper[0].weight.grad, yardstick.convolutions[1].weight.grad.view(4, 5, 3, 3)
        for bias, expected in zip(model.biases, yardstick.biases, strict=True):
            yield bias.grad, expected.grad[:, :, 0].T

    compare(model, yardstick, pairs)
