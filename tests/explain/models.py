"""Models made by hand or by chance."""

import numpy as np

from textcnn.inference.artifact import Artifact, weight_shapes
from textcnn.model import Model
from textcnn.settings.config import KimConfig, TextConfig

WORDS = [f"w{i}" for i in range(8)]


def model(config, seed=0, classes=3, words=WORDS, tokenizer="whitespace"):
    """A predictor with random weights."""
    generator = np.random.default_rng(seed)
    size = len(words) + 2
    keys = np.array([2, 4, 5, 2 * size + 3, 4 * size + 4, 5 * size + 2], np.int64)
    shapes = weight_shapes(config, vocabulary_size=size, classes=classes, ngrams=len(keys))
    weights = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    for name in weights:
        if name.startswith("channels."):
            weights[name][:2] = 0
    if config.ngrams:
        weights["ngrams.keys"] = keys
        weights["ngrams.factors"] = 1 + generator.random(len(keys), dtype=np.float32)
    names = np.array(["no", "so", "yes"][:classes])
    return Model(Artifact(TextConfig(tokenizer=tokenizer), config, names, list(words), weights))


def hand_made():
    """Two filters of two words: `good` speaks for yes, `not good` against it, one window each."""
    words = ["not", "good", "film"]
    config = KimConfig(dimension=3, region_sizes=(2,), feature_maps=2, pooling="max", ngrams=1)
    rows = np.zeros((5, 3), np.float32)
    rows[2:] = np.eye(3)
    filters = np.zeros((2, 2, 3), np.float32)  # slot, filter, dimension
    filters[1, 0] = [0, 2, 0]  # any word, good
    filters[:, 1] = [[3, 0, 0], [0, 1, 0]]  # not, good
    weights = {
        "channels.tuned": rows,
        "convolution.weight": filters,
        "convolution.bias": np.array([[-0.5, -3.5]], np.float32),
        "softmax.weight": np.array([[0, 4], [1, 0]], np.float32),
        "softmax.bias": np.array([0.25, 0.0], np.float32),
        "ngrams.keys": np.array([4], np.int64),  # film
        "ngrams.factors": np.array([2], np.float32),
        "ngrams.weight": np.array([[0, 0.1]], np.float32),
    }
    return Model(Artifact(TextConfig(), config, np.array(["no", "yes"]), words, weights))
