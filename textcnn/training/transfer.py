"""Transfer learning: a network that starts from the layers of a saved model.

The new network has the settings and the tokenizer of the initial model. Words that this model knows, and
character n-grams, keep their embeddings; other words start from word vectors, if a file has them, or at random, and
other n-grams from zero. The convolution is copied, and so is the
softmax layer if the classes are the same. `TrainingConfig.freeze` says which layers stay unchanged in training: for
similar data all but the softmax layer, for other data perhaps the embeddings alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from textcnn.errors import ConfigError
from textcnn.inference.artifact import Artifact
from textcnn.inference.codes import BUCKETS, NGRAMS
from textcnn.nn.bag import NgramBag
from textcnn.nn.base import TextNetwork, tensor_of
from textcnn.settings.architectures import architecture_of
from textcnn.settings.config import TextConfig
from textcnn.settings.options import Settings
from textcnn.settings.training import TrainingConfig
from textcnn.text.vocabulary import FIRST_WORD
from textcnn.training._char_ngrams import own_rows
from textcnn.vectors import WordVectors

_TABLES = ("channels.fixed", "channels.tuned")
# Settings of the new run: its regularisation, and which texts and words it reads.
_OWN = {"model": ("dropout",), "text": ("min_count", "max_size", "max_length", "unseen_words")}


def adopt(settings: Settings, initial: Artifact) -> Settings:
    """Return the settings with the network and tokenizer of the initial model.

    Raises:
        ConfigError: a setting is neither its default nor the initial model's value.
    """
    new_arch, arch = architecture_of(settings.model).name, architecture_of(initial.model).name
    if new_arch != arch:
        raise ConfigError(f"arch: expected {arch} as in the model to start from, found {new_arch}; set it to {arch}")
    adopted: dict[str, Any] = {}
    for component, defaults in (("model", type(settings.model)()), ("text", TextConfig())):
        new, old = getattr(settings, component), getattr(initial, component)
        own = {name: getattr(new, name) for name in _OWN[component]}
        for name in (field.name for field in dataclasses.fields(old) if field.name not in own):
            value, default = getattr(new, name), getattr(defaults, name)
            if name == "channels":
                default = "rand" if settings.vectors is None else "non-static"
            if name == "dimension" and settings.vector_dimension is None:
                continue
            if value not in (default, getattr(old, name)):
                raise ConfigError(
                    f"{name}: expected {getattr(old, name)!r} as in the model to start from, found {value!r}; "
                    "leave it out"
                )
        adopted[component] = dataclasses.replace(old, **own)
    return dataclasses.replace(settings, vector_dimension=initial.model.dimension, **adopted)


@torch.no_grad()
def start(
    network: TextNetwork,
    initial: Artifact,
    words: Sequence[str],
    classes: np.ndarray,
    vectors: WordVectors | None,
    config: TrainingConfig,
) -> dict[str, Any]:
    """Copy the layers of the initial model into a network.

    Args:
        network: a fresh network with the initial model's settings.
        initial: the initial model.
        words: the network's vocabulary, without padding and the unknown word, (W,).
        classes: the network's labels, (K,).
        vectors: of `words`, for those that the initial model does not know; None draws these at random.
        config: the seed for words without vectors, and the norm of the vectors.

    Returns:
        What was copied, as JSON: the number of `words`, `of` how many, and whether the `softmax` layer was.
    """
    old_rows = {word: row for row, word in enumerate(initial.words, FIRST_WORD)}
    known = np.array([row for row, word in enumerate(words, FIRST_WORD) if word in old_rows], dtype=np.int64)
    source = np.array([old_rows[words[row - FIRST_WORD]] for row in known.tolist()], dtype=np.int64)
    fresh = _fresh_rows(initial, len(words), vectors, config)  # (W, D)
    weights = dict(network.named_parameters()) | dict(network.named_buffers())
    same_classes = classes.tolist() == initial.classes.tolist()
    for name, saved in own_rows(initial).items():
        if name in _TABLES:
            table = np.concatenate([saved[:FIRST_WORD], fresh])  # (V, D)
            table[known] = saved[source]
            weights[name].copy_(torch.from_numpy(table))
        elif name.startswith(("ngrams.", "channels.subwords.")):
            continue
        elif same_classes or not name.startswith("softmax."):
            weights[name].copy_(tensor_of(saved))
    if network.channels.subwords is not None:
        subwords = network.channels.subwords
        places = np.searchsorted(subwords.buckets.numpy(), initial.weights[BUCKETS])  # the network has all of them
        subwords.weight[torch.from_numpy(places)] = tensor_of(initial.weights["channels.subwords.weight"])
    if network.ngrams is not None and same_classes:
        _copy_ngrams(network.ngrams, initial, words)
    return {"words": len(known), "of": len(words), "softmax": same_classes}


def _copy_ngrams(bag: NgramBag, initial: Artifact, words: Sequence[str]) -> None:
    """Copy the factors and weights of the n-grams that both bags know."""
    keys = old_ngrams(initial, words)
    _, new, old = np.intersect1d(bag.keys.numpy(), keys, assume_unique=False, return_indices=True)
    for name, table in (("factors", bag.factors), ("weight", bag.weight)):
        table[torch.from_numpy(new)] = torch.from_numpy(initial.weights[f"ngrams.{name}"][old])


def old_ngrams(initial: Artifact, words: Sequence[str]) -> np.ndarray:
    """Return the numbers in the new vocabulary of the initial model's n-grams, (G,); -1 where it lacks a word.

    The digits of an n-gram's number are the ids of its words (`textcnn.text.ngrams`).

    Args:
        initial: the initial model.
        words: the new vocabulary, without padding and the unknown word, (W,).
    """
    old_rows = {word: row for row, word in enumerate(initial.words, FIRST_WORD)}
    # By old id; 0 where the new vocabulary lacks the word.
    new_ids = np.zeros(len(initial.words) + FIRST_WORD, np.int64)
    for row, word in enumerate(words, FIRST_WORD):
        if word in old_rows:
            new_ids[old_rows[word]] = row
    rest = initial.weights[NGRAMS]
    keys, unit, known = np.zeros(len(rest), np.int64), 1, np.ones(len(rest), bool)
    while rest.any():
        rest, digit = np.divmod(rest, len(new_ids))
        known &= (digit == 0) | (new_ids[digit] > 0)
        keys += new_ids[digit] * unit
        unit *= len(words) + FIRST_WORD
    return np.where(known, keys, -1)


def _fresh_rows(initial: Artifact, count: int, vectors: WordVectors | None, config: TrainingConfig) -> np.ndarray:
    """Return embeddings for new words, (W, D): their vectors, or uniform with the variance of the initial model's."""
    generator = np.random.default_rng(config.seed)
    if vectors is not None:
        return vectors.filled(generator, norm=config.vector_norm)
    rows = next(initial.weights[name] for name in _TABLES[::-1] if name in initial.weights)[FIRST_WORD:]
    bound = math.sqrt(3 * float(rows.var())) if rows.size else 0.25
    return generator.uniform(-bound, bound, (count, initial.model.dimension)).astype(np.float32)
