"""Transfer learning: a network that starts from the layers of a saved model.

The new network has the settings of the old one, and reads texts as it does. Words that the old model knows keep their
rows; the others start from word vectors, where a file has them, or at random. The convolution is the old one, and
so is the softmax layer if the classes are the same. Which layers then stay as they are is a setting of
the training (`TrainingConfig.freeze`): for data like the old ones it may be all but the softmax layer, for
other data the lower ones.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from textcnn.errors import ConfigError
from textcnn.inference.artifact import NGRAMS, Artifact
from textcnn.nn.bag import NgramBag
from textcnn.nn.base import TextNetwork
from textcnn.settings.architectures import architecture_of
from textcnn.settings.config import TextConfig, TrainingConfig
from textcnn.settings.options import Settings
from textcnn.text.vocabulary import FIRST_WORD
from textcnn.vectors import WordVectors

_TABLES = ("channels.fixed", "channels.tuned")
# What is the new run's own: how it is regularised, and which of its texts and words it reads.
_OWN = {"model": ("dropout",), "text": ("min_count", "max_size", "max_length", "unseen_words")}


def adopt(settings: Settings, initial: Artifact) -> Settings:
    """The settings with the network and the grammar of the model to start from.

    Raises:
        ConfigError: a setting was given (is not its default) that the model has otherwise.
    """
    wanted_arch, arch = architecture_of(settings.model).name, architecture_of(initial.model).name
    if wanted_arch != arch:
        raise ConfigError(
            f"arch: expected {arch}, as the model to start from has it, found {wanted_arch}; give it as {arch}"
        )
    chosen: dict[str, Any] = {}
    for component, defaults in (("model", type(settings.model)()), ("text", TextConfig())):
        wanted, had = getattr(settings, component), getattr(initial, component)
        own = {name: getattr(wanted, name) for name in _OWN[component]}
        names = [field.name for field in dataclasses.fields(had) if field.name not in own]
        for name in names:
            value, default = getattr(wanted, name), getattr(defaults, name)
            if name == "channels":
                default = "rand" if settings.vectors is None else "non-static"
            if name == "dimension" and settings.vector_dimension is None:
                continue
            if value not in (default, getattr(had, name)):
                raise ConfigError(
                    f"{name}: expected {getattr(had, name)!r}, as the model to start from has it, found {value!r}; "
                    "leave it out"
                )
        chosen[component] = dataclasses.replace(had, **own)
    return dataclasses.replace(settings, vector_dimension=initial.model.dimension, **chosen)


@torch.no_grad()
def start(
    network: TextNetwork,
    initial: Artifact,
    words: Sequence[str],
    classes: np.ndarray,
    vectors: WordVectors | None,
    config: TrainingConfig,
) -> dict[str, Any]:
    """Put the layers of a saved model into a network.

    Args:
        network: a fresh one with the model's settings.
        initial: the model.
        words: the network's vocabulary, without padding and the unknown word.
        classes: the network's labels, (K,).
        vectors: of these words, for those that the model does not know; None draws them at random.
        config: seed, for the words that neither knows, and the norm of the vectors.

    Returns:
        What was taken over, as JSON.
    """
    old = {word: row for row, word in enumerate(initial.words, FIRST_WORD)}
    known = np.array([row for row, word in enumerate(words, FIRST_WORD) if word in old], dtype=np.int64)
    source = np.array([old[words[row - FIRST_WORD]] for row in known.tolist()], dtype=np.int64)
    fresh = _fresh_rows(initial, len(words), vectors, config)  # (W, D)
    weights = dict(network.named_parameters()) | dict(network.named_buffers())
    same_classes = classes.tolist() == initial.classes.tolist()
    for name, saved in initial.weights.items():
        if name in _TABLES:
            table = np.concatenate([saved[:FIRST_WORD], fresh])
            table[known] = saved[source]
            weights[name].copy_(torch.from_numpy(table))
        elif name.startswith("ngrams."):
            continue
        elif same_classes or not name.startswith("softmax."):
            weights[name].copy_(torch.from_numpy(saved))
    if network.ngrams is not None and same_classes:
        _take_ngrams(network.ngrams, initial, old, words)
    return {"words": len(known), "of": len(words), "softmax": same_classes}


def _take_ngrams(bag: NgramBag, initial: Artifact, old: dict[str, int], words: Sequence[str]) -> None:
    """Give the n-grams that both know the factors and weights that they had."""
    number_of = np.zeros(len(initial.words) + FIRST_WORD, np.int64)  # of the old ids, in the new vocabulary
    for row, word in enumerate(words, FIRST_WORD):
        if word in old:
            number_of[old[word]] = row
    keys = np.zeros(len(initial.weights[NGRAMS]), np.int64)
    left, unit, known = initial.weights[NGRAMS], 1, np.ones(len(keys), bool)
    while left.any():
        left, last = np.divmod(left, len(number_of))
        known &= (last == 0) | (number_of[last] > 0)
        keys += number_of[last] * unit
        unit *= len(words) + FIRST_WORD
    mine = bag.keys.numpy()
    _, new, had = np.intersect1d(mine, np.where(known, keys, -1), assume_unique=False, return_indices=True)
    for name, table in (("factors", bag.factors), ("weight", bag.weight)):
        table[torch.from_numpy(new)] = torch.from_numpy(initial.weights[f"ngrams.{name}"][had])


def _fresh_rows(initial: Artifact, count: int, vectors: WordVectors | None, config: TrainingConfig) -> np.ndarray:
    """Rows for words that the model does not know, (W, D): their vectors, or uniform with its rows' variance."""
    generator = np.random.default_rng(config.seed)
    if vectors is not None:
        return vectors.filled(generator, norm=config.vector_norm)
    rows = next(initial.weights[name] for name in _TABLES[::-1] if name in initial.weights)[FIRST_WORD:]
    bound = math.sqrt(3 * float(rows.var())) if rows.size else 0.25
    return generator.uniform(-bound, bound, (count, initial.model.dimension)).astype(np.float32)
