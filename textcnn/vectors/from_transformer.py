"""Vectors of single words from a pretrained transformer.

Each word goes alone through the encoder, once; its vector is the mean of the last hidden states of its pieces. Of all
these the principal components are kept. So a small network gets some of what the large one knows of words, at the
price of a look-up.

Source: the method of model2vec (Tulkens and van Dongen, 2024, https://github.com/MinishLab/model2vec), which makes
sentence embeddings so. Two deviations. The special pieces around a word are left out of the mean: they are the same for
all words, and centring takes away what they have in common. And vectors are not weighted by frequency: model2vec takes
the mean of a sentence's words, in which frequent words would drown the others, while a network's filters learn how much
each word counts, and textcnn by default scales all vectors to one norm when it reads them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from textcnn.errors import ConfigError, VectorsError
from textcnn.settings.config import TextConfig
from textcnn.text.columns import Texts
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.tokens import Tokens
from textcnn.text.vocabulary import count_words
from textcnn.vectors._block_stream import counted
from textcnn.vectors._encoder import WordEncoder
from textcnn.vectors._output import (
    StepProgress,
    check_whole_number,
    columns_of,
    fits,
    frequent_words,
    no_progress,
    vectors_file,
    write_vectors,
)
from textcnn.vectors._word_rows import MAX_DIMENSION
from textcnn.vectors.transformer_files import check_transformer

_BLOCK = 4096  # rows that are in double precision at once


@dataclass(frozen=True)
class TransformerVectors:
    """What `transformer_vectors` wrote.

    Attributes:
        path: The file.
        size: Its size in bytes.
        words: Number of words in it.
        more_words: Number of these that come from `more_words` alone.
        unknown: Number of words left out because the encoder's tokenizer knows no piece of them.
        distinct: Number of distinct words in the texts, including rare ones.
        dimension: Length of a vector.
        hidden: H, the length of the encoder's hidden states.
        variance: Share of the variance that the principal components keep, from 0 to 1.
        texts: Number of texts read.
        tokens: Number of tokens in them.
        seconds: Time taken, including reading and writing.
    """

    path: Path
    size: int
    words: int
    more_words: int
    unknown: int
    distinct: int
    dimension: int
    hidden: int
    variance: float
    texts: int
    tokens: int
    seconds: float


def transformer_vectors(
    texts: Texts,
    encoder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    more_words: Texts = (),
    dimension: int = 300,
    min_count: int = 1,
    tokenizer: str = "unicode",
    lowercase: bool = True,
    overwrite: bool = False,
    progress: StepProgress | None = None,
) -> TransformerVectors:
    """Write the vectors that a transformer gives the words of texts, as a word2vec binary file.

    The texts are tokenized as those of a model are, so that words match if the tokenizer settings do. The words of the
    texts come first, the most frequent at the top, then those of `more_words`. A word of which the encoder's tokenizer
    knows no piece is left out: its vector would be that of all such words. Each word is encoded by itself, so no text
    shapes a vector but through the choice of words, whose components are taken together.

    `output` appears whole at the end, or not at all. Equal input gives equal bits on the same machine, versions and
    number of threads.

    Args:
        texts: Strings in any usual container (see `textcnn.text.columns.as_column`), or an iterator over such
            containers. Pass training texts alone: test texts must not shape the vectors of a model.
        encoder: The folder of a `transformers` model with safetensors weights, or its name on the Hugging Face hub.
        output: The file to write; gzipped if the name ends in ``.gz``.
        more_words: Words beside those of the texts, for texts to come; tokenized like these, and never too rare.
        dimension: D, the length of a vector: at most the encoder's, and less than the number of words.
        min_count: Words of the texts that occur less often get no vector.
        tokenizer: Name of the tokenizer: see `textcnn.text.tokenizer`.
        lowercase: Whether to lower-case the texts first.
        overwrite: Whether to replace an existing file.
        progress: Called with the name of each step and the share of it done, from 0 to 1.

    Returns:
        What was written.

    Raises:
        ConfigError: A setting is out of range, or `transformers` is not installed.
        DataError: The texts are not strings.
        VectorsError: No word occurs often enough, the encoder cannot be read, or the file cannot be written.

    Example:
        >>> textcnn.transformer_vectors(texts, "sentence-transformers/all-MiniLM-L6-v2", "vectors.bin")
    """
    check_whole_number("dimension", dimension, 1, MAX_DIMENSION)
    check_whole_number("min_count", min_count, 1, 10**12)
    grammar = Tokenizer(TextConfig(tokenizer=tokenizer, lowercase=lowercase))
    begin = time.monotonic()
    path, name, show = Path(output), os.fspath(encoder), progress or no_progress
    check_transformer(name, VectorsError)
    with vectors_file(path, overwrite=overwrite) as file:
        show("loading the encoder", 0.0)
        loaded = WordEncoder(name)
        if dimension > loaded.dimension:
            raise ConfigError(
                f"dimension: expected at most {loaded.dimension:,}, the length of the hidden states of {name}, "
                f"found {dimension:,}"
            )
        show("reading texts", 0.0)
        corpus = _CountedTexts(columns_of(texts), grammar)
        words, counts = count_words(corpus)
        kept = frequent_words(words, counts, min_count)
        more = dict.fromkeys(word for word in _words_of(more_words, grammar) if word not in kept and fits(word))
        pieces = loaded.split([*kept, *more])
        if dimension >= len(pieces):
            raise ConfigError(
                f"dimension: expected fewer than the {counted(len(pieces), 'word')} that the encoder knows, "
                f"found {dimension:,}; give more texts or a smaller one"
            )
        states = loaded.encode([*pieces.values()], lambda share: show("encoding words", share))
        vectors, variance = principal_components(states, dimension)
        write_vectors([*pieces], vectors, dimension, file, zipped=path.suffix == ".gz")
    return TransformerVectors(
        path=path,
        size=path.stat().st_size,
        words=len(pieces),
        more_words=len(pieces.keys() & more.keys()),
        unknown=len(kept) + len(more) - len(pieces),
        distinct=len(words),
        dimension=dimension,
        hidden=loaded.dimension,
        variance=variance,
        texts=corpus.texts,
        tokens=int(counts.sum()),
        seconds=time.monotonic() - begin,
    )


class _CountedTexts:
    """The tokens of texts, which are counted on the way."""

    def __init__(self, columns: Iterable[pa.ChunkedArray], tokenizer: Tokenizer) -> None:
        self.columns = columns
        self.tokenizer = tokenizer
        self.texts = 0

    def __iter__(self) -> Iterator[Tokens]:
        for column in self.columns:
            self.texts += len(column)
            yield from self.tokenizer.columns(column)


def _words_of(texts: Texts, tokenizer: Tokenizer) -> Iterator[str]:
    """Yield the tokens of texts in their order."""
    for tokens in _CountedTexts(columns_of(texts), tokenizer):
        yield from tokens.words.unique().to_pylist()


def principal_components(rows: np.ndarray, dimension: int) -> tuple[np.ndarray, float]:
    """Return vectors in the coordinates of their principal components.

    These are the eigenvectors of the covariance with the largest eigenvalues, not scaled (no whitening). Of an
    eigenvector, whose sign is arbitrary, the number with the largest absolute value is made positive.

    Args:
        rows: V vectors, float32 (V, H).
        dimension: D, the number of components, at most H.

    Returns:
        float32 (V, D) with means of zero, the component of the largest variance first, and the share of the variance
        that they keep, from 0 to 1.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(rows), _BLOCK)]
    scatter = np.zeros((len(mean), len(mean)))  # (H, H), the covariance times V
    for block in blocks:
        difference = rows[block] - mean
        scatter += difference.T @ difference
    values, vectors = np.linalg.eigh(scatter)  # ascending
    axes = vectors[:, ::-1][:, :dimension]  # (H, D)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None, :], axis=0)
    axes = axes * np.where(largest < 0, -1, 1)
    projected = np.empty((len(rows), dimension), np.float32)
    for block in blocks:
        projected[block] = (rows[block] - mean) @ axes
    total = values.sum()
    return projected, float(values[::-1][:dimension].sum() / total) if total > 0 else 1.0
