"""Networks with random weights, and predictors of the same weights."""

import dataclasses
import itertools

import numpy as np
import torch

from textcnn.inference.artifact import Artifact
from textcnn.inference.predictor import Predictor
from textcnn.settings.architectures import make_network
from textcnn.settings.config import DCNNConfig, DPCNNConfig, KimConfig, StackedConfig, TextConfig

WORDS = [f"w{i}" for i in range(30)]
SMALL = KimConfig(ngrams=0, dimension=6, region_sizes=(2, 4), feature_maps=5, k=2)
KIM = [
    dataclasses.replace(SMALL, channels=c, multichannel_filters=m, padding=p, pooling=q, activation=a)
    for (c, m), p, q, a in itertools.product(
        [("rand", "shared"), ("static", "shared"), ("multichannel", "shared"), ("multichannel", "separate")],
        ["wide", "narrow"],
        ["max", "average", "k-max"],
        ["relu", "tanh", "identity"],
    )
]
DCNN_SMALL = DCNNConfig(ngrams=0, dimension=8, region_sizes=(3, 2), feature_maps=(2, 3), k_top=2)
DCNNS = [
    DCNN_SMALL,
    dataclasses.replace(DCNN_SMALL, channels="static", k_top=6),
    dataclasses.replace(DCNN_SMALL, channels="multichannel", region_sizes=(4,), feature_maps=(3,)),
    dataclasses.replace(DCNN_SMALL, channels="multichannel", multichannel_filters="separate"),
    dataclasses.replace(DCNN_SMALL, region_sizes=(2, 3, 2), feature_maps=(2, 2, 2), k_top=1),
]
STACKED = [
    StackedConfig(ngrams=0, dimension=6, region_sizes=(2, 3), feature_maps=(4, 5)),
    StackedConfig(
        ngrams=0, dimension=6, region_sizes=(2, 3, 1), feature_maps=(4, 5, 3), pool_size=3, activation="tanh"
    ),
    StackedConfig(
        ngrams=0, dimension=6, region_sizes=(3,), feature_maps=(4,), global_pooling="average", channels="multichannel"
    ),
    StackedConfig(ngrams=0, dimension=6, channels="multichannel", multichannel_filters="separate"),
    StackedConfig(ngrams=0, dimension=6, region_sizes=(2, 3), feature_maps=(4, 5), pool_size=2**32),  # past any text
    StackedConfig(ngrams=0, dimension=6, region_sizes=(2, 3, 2), feature_maps=(4, 5, 4), shortcut=True),
    StackedConfig(
        ngrams=0,
        dimension=6,
        region_sizes=(2, 4, 4),
        feature_maps=(4, 6, 9),
        branches=(1, 2, 4),
        activation="tanh",
    ),
    StackedConfig(
        ngrams=0,
        dimension=6,
        region_sizes=(3, 3, 3, 3, 3),
        feature_maps=(4, 6, 2, 2, 4),
        shortcut=True,
        branches=(3, 1),
        pool_size=3,
        global_pooling="average",
    ),
]
DPCNN_SMALL = DPCNNConfig(ngrams=0, dimension=6, feature_maps=4, blocks=3)
DPCNNS = [
    DPCNN_SMALL,
    dataclasses.replace(DPCNN_SMALL, region_sizes=(2,), blocks=1, channels="multichannel"),
    dataclasses.replace(
        DPCNN_SMALL, blocks=7, activation="tanh", channels="multichannel", multichannel_filters="separate"
    ),
]
VARIANTS = [*KIM, *DCNNS, *STACKED, *DPCNNS]
CLASSES = np.array(["a", "b", "c"])


def make(config):
    """A network in evaluation mode, and a predictor with its weights."""
    torch.manual_seed(0)
    vectors = torch.randn(len(WORDS) + 2, config.dimension) if config.pretrained else None
    network = make_network(config, vocabulary_size=len(WORDS) + 2, classes=3, vectors=vectors).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    return network, Predictor(Artifact(TextConfig(tokenizer="whitespace"), config, CLASSES, WORDS, weights))


def corpus(size=60):
    """Texts of several lengths, with none and with many words among them."""
    generator = np.random.default_rng(1)
    return [
        " ".join(generator.choice([*WORDS, "unknown"], size=length))
        for length in [0, 1, 2, 3, 40, *generator.integers(0, 12, size=size)]
    ]
