import numpy as np
import pytest
import torch

from textcnn.inference.bag_scorer import BagScorer
from textcnn.nn.bag import NgramBag
from textcnn.settings.architectures import make_network
from textcnn.settings.config import DCNNConfig, KimConfig, StackedConfig
from textcnn.text.ngrams import collect_ngrams
from textcnn.text.tokens import Encoded

V = 12
GENERATOR = np.random.default_rng(0)
LENGTHS = [4, 0, 7, 1]
IDS = GENERATOR.integers(1, V, sum(LENGTHS)).astype(np.int32)
TEXTS = Encoded(IDS, np.cumsum([0, *LENGTHS]))
TRAINING = Encoded(IDS[:9], np.array([0, 4, 9]))
KEYS, FACTORS = collect_ngrams(TRAINING, np.array([0, 2]), classes=3, order=2, vocabulary_size=V)


def make():
    bag = NgramBag(torch.from_numpy(KEYS), torch.from_numpy(FACTORS), order=2, vocabulary_size=V, classes=3)
    torch.nn.init.normal_(bag.weight)
    return bag


def test_training_and_prediction_agree(form):
    bag = make()
    logits = bag(bag.find(torch.from_numpy(IDS), torch.tensor(LENGTHS)), len(LENGTHS))
    weights = bag.weight.detach().numpy()
    expected = BagScorer(KEYS, FACTORS, weights, order=2, vocabulary_size=V).logits(TEXTS)
    np.testing.assert_allclose(logits.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert logits[1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("sparse", [False, True])
def test_gradients(sparse):
    bag = make().double()
    matches = bag.find(torch.from_numpy(IDS), torch.tensor(LENGTHS))
    assert torch.autograd.gradcheck(lambda w: _with(bag, w, matches), bag.weight.detach().clone().requires_grad_())
    dense = torch.autograd.grad(bag(matches, 4).square().sum(), bag.weight)[0]
    bag.sparse = sparse
    grad = torch.autograd.grad(bag(matches, 4).square().sum(), bag.weight)[0]
    assert grad.is_sparse == sparse
    torch.testing.assert_close(grad.to_dense() if sparse else grad, dense)


def _with(bag, weight, matches):
    return torch.func.functional_call(bag, {"weight": weight}, (matches, 4))


@pytest.mark.parametrize("config", [KimConfig(ngrams=2), DCNNConfig(ngrams=2), StackedConfig(ngrams=2)])
def test_the_bag_adds_to_the_logits_of_every_network(config):
    ngrams = (torch.from_numpy(KEYS), torch.from_numpy(FACTORS))
    torch.manual_seed(0)
    network = make_network(config, vocabulary_size=V, classes=3, vectors=None, ngrams=ngrams).eval()
    torch.nn.init.normal_(network.softmax.weight)
    ids, lengths = torch.from_numpy(IDS).long(), torch.tensor(LENGTHS)
    without = network(ids, lengths)
    torch.nn.init.normal_(network.ngrams.weight)
    part = network.ngrams(network.ngrams.find(ids, lengths), len(LENGTHS))
    torch.testing.assert_close(network(ids, lengths), without + part)
    for text in range(len(LENGTHS)):  # what the bag adds to a text depends on that text alone
        own = ids[TEXTS.offsets[text] : TEXTS.offsets[text + 1]]
        torch.testing.assert_close(network(own, lengths[text : text + 1])[0], network(ids, lengths)[text])


def test_ngrams_need_settings_with_a_bag():
    assert make_network(KimConfig(ngrams=1), vocabulary_size=V, classes=2).ngrams is None
    with pytest.raises(ValueError, match="ngrams"):
        make_network(
            KimConfig(ngrams=0),
            vocabulary_size=V,
            classes=2,
            ngrams=(torch.from_numpy(KEYS), torch.from_numpy(FACTORS)),
        )
