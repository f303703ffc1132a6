"""Models with random weights, and what onnxruntime makes of them."""

import dataclasses
import itertools

import numpy as np
import onnxruntime

from textcnn.export._scoring import scoring_graph
from textcnn.inference.artifact import Artifact, weight_shapes
from textcnn.inference.predictor import Predictor
from textcnn.settings.config import DCNNConfig, DPCNNConfig, KimConfig, StackedConfig, TextConfig
from textcnn.targets import ONE_CLASS
from textcnn.text.ngrams import ngrams_of
from textcnn.text.tokens import Encoded, offsets_of

WORDS = [f"w{i}" for i in range(7)]  # few, so that windows and n-grams come again
V = len(WORDS) + 2
SMALL = KimConfig(dimension=6, region_sizes=(2, 4), feature_maps=5, k=2)
KIM = [
    dataclasses.replace(SMALL, channels=c, multichannel_filters=m, padding=p, pooling=q, activation=a)
    for (c, m), p, q, a in itertools.product(
        [("rand", "shared"), ("multichannel", "shared"), ("multichannel", "separate")],
        ["wide", "narrow"],
        ["max", "average", "k-max"],
        ["relu", "tanh", "identity"],
    )
]
DCNN_SMALL = DCNNConfig(dimension=8, region_sizes=(3, 2), feature_maps=(2, 3), k_top=2)
DCNNS = [
    DCNN_SMALL,
    dataclasses.replace(DCNN_SMALL, channels="static", k_top=6),
    dataclasses.replace(DCNN_SMALL, channels="multichannel", region_sizes=(4,), feature_maps=(3,)),
    dataclasses.replace(DCNN_SMALL, channels="multichannel", multichannel_filters="separate"),
    dataclasses.replace(DCNN_SMALL, region_sizes=(2, 3, 2), feature_maps=(2, 2, 2), k_top=1),
]
STACKED_SMALL = StackedConfig(dimension=6, region_sizes=(2, 3), feature_maps=(4, 5))
STACKED = [
    STACKED_SMALL,
    dataclasses.replace(STACKED_SMALL, region_sizes=(2, 3, 1), feature_maps=(4, 5, 3), pool_size=3, activation="tanh"),
    dataclasses.replace(STACKED_SMALL, region_sizes=(3,), feature_maps=(4,), global_pooling="average"),
    dataclasses.replace(STACKED_SMALL, activation="identity", global_pooling="average"),
    dataclasses.replace(STACKED_SMALL, channels="multichannel", multichannel_filters="separate"),
    dataclasses.replace(STACKED_SMALL, pool_size=2**32),  # past any text
    dataclasses.replace(STACKED_SMALL, region_sizes=(2, 3, 2), feature_maps=(4, 5, 4), shortcut=True),
    dataclasses.replace(
        STACKED_SMALL, region_sizes=(2, 4, 4), feature_maps=(4, 6, 9), branches=(1, 2, 4), activation="tanh"
    ),
    dataclasses.replace(
        STACKED_SMALL,
        region_sizes=(3,) * 5,
        feature_maps=(4, 6, 2, 2, 4),
        shortcut=True,
        branches=(3, 1),
        pool_size=3,
        global_pooling="average",
    ),
]
DPCNN_SMALL = DPCNNConfig(ngrams=0, dimension=6, feature_maps=4, blocks=4)
DPCNNS = [
    DPCNN_SMALL,
    dataclasses.replace(DPCNN_SMALL, region_sizes=(2, 3), blocks=1, activation="identity"),
    dataclasses.replace(DPCNN_SMALL, activation="tanh", channels="multichannel", multichannel_filters="separate"),
]
VARIANTS = [*KIM, *DCNNS, *STACKED, *DPCNNS]


def make(config, *, classes=3, **artifact):
    """A predictor with random weights, whose bag has some of the possible n-grams."""
    generator = np.random.default_rng(0)
    keys = np.zeros(0, np.int64)
    if config.ngrams:
        possible = np.array(list(itertools.product(range(2, V), repeat=3)), np.int32).ravel()
        keys = np.unique(ngrams_of(Encoded(possible, np.array([0, len(possible)])), config.ngrams, V)[0])
        keys = np.sort(generator.permutation(keys)[: len(keys) * 2 // 3])
    shapes = weight_shapes(config, vocabulary_size=V, classes=classes, ngrams=len(keys))
    weights = {name: generator.normal(size=shape, scale=0.5).astype(np.float32) for name, shape in shapes.items()}
    if config.ngrams:
        weights["ngrams.keys"] = keys
        weights["ngrams.factors"] = np.abs(weights["ngrams.factors"]) + np.float32(0.3)
    names = np.array([f"class {i}" for i in range(classes)])
    artifact.setdefault("target", ONE_CLASS)
    return Predictor(Artifact(TextConfig(tokenizer="whitespace"), config, names, WORDS, weights, **artifact))


def encoded(texts):
    """Lists of word ids as scorers take them."""
    flat = np.array([i for ids in texts for i in ids], np.int32)
    return Encoded(flat, offsets_of(np.array([len(ids) for ids in texts], np.int64)))


def ragged(*lengths):
    """Texts of these lengths, of random ids."""
    generator = np.random.default_rng(1)
    return [generator.integers(1, V, size=length).tolist() for length in lengths]


def session_of(predictor):
    """A session of the exported model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = scoring_graph(predictor).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(session, texts):
    """Probabilities of encoded texts by a session."""
    return session.run(None, {"ids": texts.ids.astype(np.int64), "offsets": texts.offsets})[0]


def expected(predictor, texts):
    """Probabilities of encoded texts by the predictor."""
    return predictor.probabilities(predictor.logits(texts))
