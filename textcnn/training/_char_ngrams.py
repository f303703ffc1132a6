"""What training needs of character n-grams: words of all texts, buckets, and rows put together or taken apart."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from textcnn.inference.artifact import Artifact
from textcnn.inference.codes import BUCKETS
from textcnn.settings.config import NetworkConfig
from textcnn.text.subwords import SubwordIndex, hash_ngrams
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.tokens import Ngrams
from textcnn.text.vocabulary import FIRST_WORD, Vocabulary, count_words

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class WordNgrams:
    """The words of all texts of a run, and their character n-grams.

    Attributes:
        vocabulary: the model's words, then the others of all texts, whose ids follow.
        buckets: those that have a row, ascending, (B,) int32.
        ngrams: of all ids, (W,); padding and the unknown word have none.
    """

    vocabulary: Vocabulary
    buckets: np.ndarray
    ngrams: Ngrams

    def of_network(self) -> tuple[torch.Tensor, Ngrams]:
        """Return buckets and n-grams as arguments of a network."""
        import torch

        return torch.from_numpy(self.buckets), self.ngrams


def find_subwords(
    config: NetworkConfig,
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    texts: Sequence[pa.ChunkedArray],
    *,
    seen: int,
    initial: Artifact | None,
) -> WordNgrams | None:
    """Return the words of all texts with their n-grams; None for settings without character n-grams.

    Args:
        config: the lengths of the n-grams.
        tokenizer: splits the texts.
        vocabulary: the model's words.
        texts: the training texts, whose n-grams have rows, and the others.
        seen: how many of the vocabulary's words, its first, are in the training texts.
        initial: the model to start from, whose n-grams have rows too; None for none.
    """
    if not config.char_ngrams:
        return None
    known = set(vocabulary.words)
    others = [
        [word for word in count_words(tokenizer.columns(part))[0] if word not in known] for part in texts
    ]  # the first are training words that the vocabulary leaves out
    trained = [*vocabulary.words[:seen], *itertools.chain(*others[:1])]
    buckets = np.unique(hash_ngrams(trained, *config.char_ngrams)[0])
    if initial is not None:
        buckets = np.union1d(buckets, initial.weights[BUCKETS])
    everything = Vocabulary([*vocabulary.words, *dict.fromkeys(itertools.chain(*others))])
    return WordNgrams(everything, buckets, _with_special(SubwordIndex(buckets, config.char_ngrams), everything.words))


def whole_rows(config: NetworkConfig, weights: Mapping[str, np.ndarray], words: Sequence[str]) -> dict[str, np.ndarray]:
    """Return a network's arrays as a model keeps them: words' rows with what their n-grams add."""
    return _moved(config, weights, words, 1.0)


def own_rows(initial: Artifact) -> dict[str, np.ndarray]:
    """Return a model's arrays as a network keeps them: words' rows without their n-grams'."""
    return _moved(initial.model, initial.weights, initial.words, -1.0)


def _moved(
    config: NetworkConfig, weights: Mapping[str, np.ndarray], words: Sequence[str], sign: float
) -> dict[str, np.ndarray]:
    if not config.char_ngrams:
        return dict(weights)
    ngrams = _with_special(SubwordIndex(weights[BUCKETS], config.char_ngrams), words)
    sums = ngrams.sums(weights["channels.subwords.weight"])
    return {**weights, "channels.tuned": weights["channels.tuned"] + np.float32(sign) * sums}


def _with_special(index: SubwordIndex, words: Sequence[str]) -> Ngrams:
    """Return the n-grams of words by id: padding and the unknown word have none."""
    found = index.find(words)
    none = np.zeros(FIRST_WORD, np.int64)
    return dataclasses.replace(
        found, offsets=np.concatenate([none, found.offsets]), counts=np.concatenate([none, found.counts])
    )
