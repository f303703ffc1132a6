"""Words of a word-vector file that no training text has: with their vectors they mean something at prediction."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from textcnn.settings.config import TextConfig
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import Vocabulary
from textcnn.vectors._reading import VectorsSource, first_words


def with_unseen_words(
    vocabulary: Vocabulary,
    source: VectorsSource,
    config: TextConfig,
    *,
    max_words: int | None = None,
    trust_pickle: bool = False,
) -> Vocabulary:
    """Return the vocabulary followed by the first words of a word-vector file that it lacks.

    The file knows no label, so nothing of validation or test enters. Only words that are one token of the
    tokenizer are taken, in the form of that token.

    Args:
        vocabulary: Of the training texts.
        source: As for `load_vectors`.
        config: The tokenizer, and the number of words to add at most (`unseen_words`).
        max_words: As for `load_vectors`.
        trust_pickle: As for `load_vectors`.

    Raises:
        VectorsError: The file cannot be read (see `load_vectors`).
        ConfigError: `max_words` is out of range.
    """
    if not config.unseen_words:
        return vocabulary
    # Twice as many, as some differ only in case and some are not one token.
    limit = 2 * (config.unseen_words + len(vocabulary.words))
    names = first_words(source, limit, max_words=max_words, trust_pickle=trust_pickle)
    known = set(vocabulary.words)
    unseen: dict[str, None] = {}
    for tokens in Tokenizer(config).columns(pa.array(names, pa.string())):
        whole = tokens.offsets[:-1][tokens.lengths == 1]  # words that are one token
        unseen |= dict.fromkeys(
            word for word in tokens.words.take(whole.astype(np.int64)).to_pylist() if word not in known
        )
    return Vocabulary([*vocabulary.words, *list(unseen)[: config.unseen_words]])
