"""word2vec vectors trained on texts, by gensim.

Source: Mikolov et al. (2013), Distributed Representations of Words and Phrases and their
Compositionality; CBOW (the mean of the context predicts a word) or skip-gram (a word predicts each
word of its context), with 5 negative samples and frequent words subsampled at 1e-3.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.errors import ConfigError
from textcnn.settings.config import TextConfig
from textcnn.text.columns import Texts
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.tokens import Tokens
from textcnn.text.vocabulary import count_words
from textcnn.vectors._output import (
    StepProgress,
    check_whole_number,
    columns_of,
    frequent_words,
    no_progress,
    vectors_file,
    write_vectors,
    writing,
)
from textcnn.vectors._word_rows import MAX_DIMENSION
from textcnn.vectors.neighbours import untrained

logger = logging.getLogger(__name__)

ARCHITECTURES = ("cbow", "skip-gram")

_MAX_SENTENCE = 10_000  # tokens; gensim drops the rest of a longer sentence
_REPORT = 1 << 18  # bytes of tokens between two progress reports


@dataclass(frozen=True, kw_only=True)
class VectorsConfig:
    """Settings of the training of word vectors: see `train_vectors`."""

    dimension: int = 300
    epochs: int = 5
    window: int = 5
    min_count: int = 5
    architecture: str = "cbow"
    seed: int = 0
    workers: int | None = None

    def __post_init__(self) -> None:
        bounds = {
            "dimension": (1, MAX_DIMENSION),
            "epochs": (1, 1_000_000),
            "window": (1, 1_000),
            "min_count": (1, 10**12),
            "seed": (0, 2**32 - 1),
            "workers": (1, 1_000),
        }
        for name, (least, most) in bounds.items():
            if getattr(self, name) is not None or name != "workers":
                check_whole_number(name, getattr(self, name), least, most)
        if self.architecture not in ARCHITECTURES:
            expected = " or ".join(ARCHITECTURES)
            raise ConfigError(f"architecture: expected {expected}, found {self.architecture!r}")


@dataclass(frozen=True)
class TrainedVectors:
    """What `train_vectors` wrote.

    Attributes:
        path: The file.
        size: Its size in bytes.
        words: Number of words in it.
        distinct: Number of distinct words in the texts, including rare ones.
        dimension: Length of a vector.
        texts: Number of texts read.
        tokens: Number of tokens in them.
        workers: Number of training threads.
        seconds: Time taken, including reading and writing.
    """

    path: Path
    size: int
    words: int
    distinct: int
    dimension: int
    texts: int
    tokens: int
    workers: int
    seconds: float


def train_vectors(
    texts: Texts,
    output: str | os.PathLike[str],
    *,
    dimension: int = 300,
    epochs: int = 5,
    window: int = 5,
    min_count: int = 5,
    architecture: str = "cbow",
    seed: int = 0,
    workers: int | None = None,
    tokenizer: str = "unicode",
    lowercase: bool = True,
    overwrite: bool = False,
    progress: StepProgress | None = None,
) -> TrainedVectors:
    """Train word2vec vectors on texts and write them as a word2vec binary file.

    The texts are tokenized as those of a model are, so that words match if the tokenizer settings do.
    Tokens go through a temporary file: memory holds one chunk of the texts, the vocabulary and the
    vectors. `output` appears whole at the end, or not at all.

    With one worker, equal seeds give equal bits. With more, threads update the same vectors in an order
    that no seed governs, and runs differ.

    Args:
        texts: Strings in any usual container (see `textcnn.text.columns.as_column`), or an iterator over
            such containers. Pass training texts alone: test texts must not shape the vectors of a model.
        output: The file to write; gzipped if the name ends in ``.gz``.
        dimension: D, the length of a vector.
        epochs: Passes over the texts.
        window: Size of the context: words on each side.
        min_count: Words that occur less often get no vector.
        architecture: ``cbow`` or ``skip-gram``, which is slower and often better for rare words.
        seed: Governs initial vectors and sampling.
        workers: Number of threads; None takes one per processor.
        tokenizer: Name of the tokenizer (see `textcnn.text.tokenizer`); not `characters`, since no file has a vector of
            the space.
        lowercase: Whether to lower-case the texts first.
        overwrite: Whether to replace an existing file.
        progress: Called from any thread with the name of each step and the share of training done, from 0
            to 1.

    Returns:
        What was written.

    Raises:
        ConfigError: A setting is out of range.
        DataError: The texts are not strings.
        VectorsError: No word occurs often enough, or the file cannot be written.

    Example:
        >>> textcnn.train_vectors(["a good film", "a bad film"], "vectors.bin", min_count=1)
    """
    config = VectorsConfig(
        dimension=dimension,
        epochs=epochs,
        window=window,
        min_count=min_count,
        architecture=architecture,
        seed=seed,
        workers=workers,
    )
    if tokenizer == "characters":
        raise ConfigError("tokenizer: expected one that makes words, found 'characters'; use another")
    tokens = Tokenizer(TextConfig(tokenizer=tokenizer, lowercase=lowercase))
    begin = time.monotonic()
    path = Path(output)
    with (
        vectors_file(path, overwrite=overwrite) as file,
        tempfile.TemporaryDirectory(prefix="textcnn-", ignore_cleanup_errors=True) as folder,
    ):
        corpus = _TokenFile(Path(folder) / "tokens", config.epochs, progress or no_progress)
        words, counts = count_words(corpus.write(columns_of(texts), tokens))
        kept = frequent_words(words, counts, config.min_count)
        threads = config.workers or os.cpu_count() or 1
        vectors = _train(corpus, kept, config, threads)
        write_vectors(list(kept), vectors, config.dimension, file, zipped=path.suffix == ".gz")
    if warning := untrained(vectors):
        logger.warning("%s: %s; give more texts or --epochs", path, warning)
    return TrainedVectors(
        path=path,
        size=path.stat().st_size,
        words=len(kept),
        distinct=len(words),
        dimension=config.dimension,
        texts=corpus.texts,
        tokens=corpus.tokens,
        workers=threads,
        seconds=time.monotonic() - begin,
    )


class _TokenFile:
    """Tokenized texts in a file, one sentence per line, which gensim iterates over once per epoch."""

    def __init__(self, path: Path, epochs: int, progress: StepProgress) -> None:
        self.path = path
        self.epochs = epochs
        self.progress = progress
        self.texts = self.tokens = self.sentences = self.size = 0
        self.epoch = 0
        self.failure: BaseException | None = None

    def write(self, columns: Iterable[pa.ChunkedArray], tokenizer: Tokenizer) -> Iterator[Tokens]:
        """Write the tokens of texts, and yield them."""
        self.progress("reading texts", 0.0)
        with self.path.open("wb") as file:
            for column in columns:
                for tokens in tokenizer.columns(column):
                    lines = _lines(tokens)
                    with writing(self.path):
                        file.write("".join(f"{line}\n" for line in lines).encode())
                        file.flush()
                    self.texts += len(tokens.offsets) - 1 - tokens.continued
                    self.tokens += len(tokens.words)
                    self.sentences += len(lines)
                    yield tokens
            self.size = file.tell()

    def __iter__(self) -> Iterator[list[str]]:
        # gensim iterates in a thread of its own, and waits forever if that thread dies of an error.
        try:
            yield from self._sentences()
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - raised again when gensim returns
            self.failure = error

    def _sentences(self) -> Iterator[list[str]]:
        self.epoch += 1
        step = f"epoch {self.epoch} of {self.epochs}"
        logger.info("word vectors: %s", step)
        done = reported = 0
        with self.path.open("rb") as file:
            for line in file:
                if self.failure is not None:
                    return
                if done >= reported:
                    reported += _REPORT
                    self.progress(step, (self.epoch - 1 + done / self.size) / self.epochs)
                done += len(line)
                yield line[:-1].decode().split(" ")
        self.progress(step, self.epoch / self.epochs)


def _lines(tokens: Tokens) -> list[str]:
    """Return each text's tokens joined by spaces; texts without tokens are left out, long ones are split."""
    offsets = np.unique(tokens.offsets)
    if len(offsets) > 1 and int(np.diff(offsets).max()) > _MAX_SENTENCE:
        cuts = [np.arange(start, end, _MAX_SENTENCE) for start, end in pairwise(offsets)]
        offsets = np.append(np.concatenate(cuts), offsets[-1])
    texts = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), tokens.words)
    return pc.binary_join(texts, " ").to_pylist()


def _train(corpus: _TokenFile, words: dict[str, int], config: VectorsConfig, threads: int) -> np.ndarray:
    """Return the vectors of the words, float32 (V, D)."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=config.dimension,
        window=config.window,
        min_count=1,
        sg=int(config.architecture == "skip-gram"),
        seed=config.seed,
        workers=threads,
        sorted_vocab=0,  # the words are sorted already
        # The learning rate decays from job to job, so a small corpus must make enough of them.
        batch_words=max(100, min(10_000, corpus.tokens // (20 * threads))),
    )
    model.build_vocab_from_freq(words, corpus_count=corpus.sentences)
    try:
        model.train(corpus, total_examples=corpus.sentences, epochs=config.epochs)
    except BaseException as error:
        corpus.failure = error  # makes its threads end early
        raise
    if corpus.failure is not None:
        raise corpus.failure
    return model.wv.vectors
