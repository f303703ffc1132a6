"""The words that training starts from: the vocabulary of the texts, and vectors for them."""

from __future__ import annotations

import logging
from os import PathLike
from typing import Any

import numpy as np

from textcnn.data.labelled import Labelled
from textcnn.errors import VectorsError
from textcnn.settings.options import Settings
from textcnn.text.vocabulary import FIRST_WORD, Vocabulary, build_vocabulary
from textcnn.training.progress import Progress
from textcnn.vectors import VectorsSource, WordVectors, load_vectors, with_unseen_words
from textcnn.vectors.neighbours import untrained

logger = logging.getLogger(__name__)

_LOW_COVERAGE = 0.05  # share of the training words; vectors of their language and spelling cover far more


def read_words(
    training: Labelled, settings: Settings, progress: Progress
) -> tuple[Vocabulary, WordVectors | None, int]:
    """Return the vocabulary, its word vectors or None, and how many of its words are in the training texts."""
    vocabulary = build_vocabulary(training.texts, settings.text)
    seen = len(vocabulary.words)
    if settings.vectors is None:
        return vocabulary, None, seen
    reading: dict[str, Any] = {"max_words": settings.max_words, "trust_pickle": settings.trust_pickle}
    vocabulary = with_unseen_words(vocabulary, settings.vectors, settings.text, **reading)
    vectors = load_vectors(
        settings.vectors,
        vocabulary.words,
        dimension=settings.vector_dimension,
        **reading,
        progress=lambda done: progress.stage("reading vectors", done),
    )
    _report_coverage(settings.vectors, vectors, seen)
    return vocabulary, vectors, seen


def _report_coverage(source: VectorsSource, vectors: WordVectors, seen: int) -> None:
    """Log how many of the training texts' words, the first `seen`, have vectors.

    Raises:
        VectorsError: none of them has a vector; the words added from the file do not count.
    """
    found = int(vectors.found[:seen].sum())
    name = source if isinstance(source, (str, PathLike)) else "KeyedVectors"
    if not found:
        raise VectorsError(
            f"{name}: expected vectors of words of the training texts, found none of their {seen:,} distinct words "
            f"({vectors.words_in_file:,} words, {vectors.dimension}-d); use a file in their language and spelling"
        )
    if warning := untrained(vectors.matrix[:seen][vectors.found[:seen]]):
        logger.warning("%s: %s", name, warning)
    low = found < _LOW_COVERAGE * seen
    logger.log(
        logging.WARNING if low else logging.INFO,
        "%s has vectors of %s of the training texts' %s distinct words (%.1f%%)%s",
        name,
        f"{found:,}",
        f"{seen:,}",
        100 * found / seen,
        "; check that it is in their language and spelling" if low else "",
    )


def coverage(vectors: WordVectors, seen: int) -> dict[str, int]:
    """Return how many of the training texts' words have vectors, and how many other words are kept."""
    return {"found": int(vectors.found[:seen].sum()), "words": seen, "unseen": len(vectors.found) - seen}


def initial_rows(settings: Settings, vocabulary: Vocabulary, vectors: WordVectors | None) -> np.ndarray | None:
    """Return the rows that the channels start from, (V, D), zeros for padding and the unknown word; None for random."""
    if settings.init_from is not None:  # `transfer.start` fills them
        shape = (len(vocabulary), settings.model.dimension)
        return np.zeros(shape, np.float32) if settings.model.pretrained else None
    if vectors is None:
        return None
    matrix = vectors.filled(np.random.default_rng(settings.training.seed), norm=settings.training.vector_norm)
    return np.concatenate([np.zeros((FIRST_WORD, matrix.shape[1]), np.float32), matrix])
