"""Words of a vectors file that no training text has: they keep their vectors, and mean something at prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from textcnn.settings.config import TextConfig
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import Vocabulary
from textcnn.vectors._reading import first_words


def with_unseen_words(vocabulary: Vocabulary, path: Path, config: TextConfig) -> Vocabulary:
    """The vocabulary and, behind it, the first words of a file that it lacks.

    A file knows no label, so that nothing of validation or test enters. Only words that the grammar makes of a text
    are taken, in the form in which it makes them.

    Args:
        vocabulary: of the training texts.
        path: file of word vectors.
        config: the grammar, and how many words to take at most.

    Raises:
        VectorsError: the file cannot be read.
    """
    if not config.unseen_words:
        return vocabulary
    # Twice as many: some are other spellings of a word, and some are none of the grammar's.
    names = first_words(path, 2 * (config.unseen_words + len(vocabulary.words)))
    known = set(vocabulary.words)
    unseen: dict[str, None] = {}
    for tokens in Tokenizer(config).columns(pa.array(names, pa.string())):
        whole = tokens.offsets[:-1][tokens.lengths == 1]  # a name that is one token
        unseen |= dict.fromkeys(
            word for word in tokens.words.take(whole.astype(np.int64)).to_pylist() if word not in known
        )
    return Vocabulary([*vocabulary.words, *list(unseen)[: config.unseen_words]])
