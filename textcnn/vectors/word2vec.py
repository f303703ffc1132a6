"""word2vec vectors trained on texts, by gensim.

Source: Mikolov et al. (2013), Distributed Representations of Words and Phrases and their
Compositionality; CBOW (the mean of the words around predicts a word) or skip-gram (a word
predicts each word around), with 5 negative samples and frequent words subsampled at 1e-3.
"""

from __future__ import annotations

import gzip
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.errors import ConfigError, VectorsError
from textcnn.files import check_output, written_whole
from textcnn.settings.config import TextConfig
from textcnn.text.columns import as_column
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.tokens import Tokens
from textcnn.text.vocabulary import count_words
from textcnn.vectors._formats import MAX_WORD
from textcnn.vectors._word_rows import MAX_DIMENSION

logger = logging.getLogger(__name__)

ARCHITECTURES = ("cbow", "skip-gram")

Progress = Callable[[str, float], None]

_MAX_SENTENCE = 10_000  # tokens; gensim drops what follows
_REPORT = 1 << 18  # bytes of tokens between two reports of progress


@dataclass(frozen=True, kw_only=True)
class VectorsConfig:
    """How word vectors are trained: see `train_vectors`."""

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
            value = getattr(self, name)
            if value is None and name == "workers":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise ConfigError(f"{name}: expected a whole number from {least:,} to {most:,}, found {value!r}")
        if self.architecture not in ARCHITECTURES:
            expected = " or ".join(ARCHITECTURES)
            raise ConfigError(f"architecture: expected {expected}, found {self.architecture!r}")


@dataclass(frozen=True)
class TrainedVectors:
    """What `train_vectors` wrote.

    Attributes:
        path: the file.
        size: its bytes.
        words: words in it.
        distinct: words that were met, rare ones too.
        dimension: numbers in a vector.
        texts: texts read.
        tokens: tokens in them.
        workers: threads that trained.
        seconds: time taken, reading and writing included.
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
    texts: object,
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
    progress: Progress | None = None,
) -> TrainedVectors:
    """Train word2vec vectors on texts and write them as a word2vec binary file.

    The texts are tokenized as a model's texts are, so that words match where the two settings of
    the tokenizer do. Tokens go through a temporary file: memory holds one chunk of the texts, the
    vocabulary and the vectors. `output` appears whole, when all is done, or not at all.

    With one worker, equal seeds give equal bits. With more, threads write to the same vectors in
    an order that no seed governs, and no two runs are equal.

    Args:
        texts: strings in any usual container (see `textcnn.text.tokenizer.as_column`), or an iterator over such
            containers. Give training texts alone: test texts must not shape the words of a model.
        output: the file to write; gzipped if the name ends in ``.gz``.
        dimension: D, numbers in a vector.
        epochs: passes over the texts.
        window: words on each side that count as near.
        min_count: words that occur less often get no vector.
        architecture: ``cbow`` or ``skip-gram``, which is slower and often better for rare words.
        seed: governs initial vectors and sampling.
        workers: threads; None takes one for each processor.
        tokenizer: the grammar of the tokens: see `textcnn.text.tokenizer`.
        lowercase: whether each character is lower-cased first.
        overwrite: whether to replace a file that is there.
        progress: called with the name of each step and the share of training that is done, from 0
            to 1, from any thread.

    Returns:
        What was written.

    Raises:
        ConfigError: a setting is out of range.
        DataError: the texts are none.
        VectorsError: no word occurs often enough, or the file cannot be written.
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
    tokens = Tokenizer(TextConfig(tokenizer=tokenizer, lowercase=lowercase))
    begin = time.monotonic()
    path = Path(output)
    check_output(path, overwrite=overwrite, error=VectorsError)
    with (
        _writing(path),
        written_whole(path) as file,
        tempfile.TemporaryDirectory(prefix="textcnn-", ignore_cleanup_errors=True) as folder,
    ):
        corpus = _Corpus(Path(folder) / "tokens", config.epochs, progress or _no_progress)
        words, counts = count_words(corpus.write(_columns(texts), tokens))
        kept = _frequent(words, counts, config.min_count)
        threads = config.workers or os.cpu_count() or 1
        vectors = _train(corpus, kept, config, threads)
        _write(vectors, list(kept), file, zipped=path.suffix == ".gz")
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


def _no_progress(step: str, share: float) -> None:
    """Nobody looks on."""


def _columns(texts: object) -> Iterator[pa.ChunkedArray]:
    if isinstance(texts, Iterator):
        for part in texts:
            yield as_column(part)
    else:
        yield as_column(texts)


def _frequent(words: list[str], counts: np.ndarray, min_count: int) -> dict[str, int]:
    """Words that occur `min_count` times, the most frequent first, and that fit a word2vec file."""
    kept = {
        word: int(count)
        for word, count in zip(words, counts, strict=True)
        if count >= min_count and len(word.encode()) < MAX_WORD
    }
    if not kept:
        times = "once" if min_count == 1 else f"{min_count} times"
        raise VectorsError(
            f"expected words that occur {times} or more in the texts, found none among {len(words):,} words; "
            "give more texts or lower min_count (--min-count)"
        )
    return kept


class _Corpus:
    """Tokenized texts in a file, a sentence a line, which gensim iterates over once an epoch."""

    def __init__(self, path: Path, epochs: int, progress: Progress) -> None:
        self.path = path
        self.epochs = epochs
        self.progress = progress
        self.texts = self.tokens = self.sentences = self.size = 0
        self.epoch = 0
        self.failure: BaseException | None = None

    def write(self, columns: Iterable[pa.ChunkedArray], tokenizer: Tokenizer) -> Iterator[Tokens]:
        """Write the tokens of texts, and pass them on."""
        self.progress("reading texts", 0.0)
        with self.path.open("wb") as file:
            for column in columns:
                for tokens in tokenizer.columns(column):
                    lines = _lines(tokens)
                    with _writing(self.path):
                        file.write("".join(f"{line}\n" for line in lines).encode())
                        file.flush()
                    self.texts += len(tokens.offsets) - 1
                    self.tokens += len(tokens.words)
                    self.sentences += len(lines)
                    yield tokens
            self.size = file.tell()

    def __iter__(self) -> Iterator[list[str]]:
        # gensim iterates in a thread of its own, and would wait for ever if that died of an error.
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
    """The tokens of each text between spaces; texts without any are left out, long ones are cut."""
    offsets = np.unique(tokens.offsets)
    if len(offsets) > 1 and int(np.diff(offsets).max()) > _MAX_SENTENCE:
        cuts = [np.arange(start, end, _MAX_SENTENCE) for start, end in pairwise(offsets)]
        offsets = np.append(np.concatenate(cuts), offsets[-1])
    texts = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), tokens.words)
    return pc.binary_join(texts, " ").to_pylist()


def _train(corpus: _Corpus, words: dict[str, int], config: VectorsConfig, threads: int) -> np.ndarray:
    """Vectors of the words, float32 (V, D)."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=config.dimension,
        window=config.window,
        min_count=1,
        sg=int(config.architecture == "skip-gram"),
        seed=config.seed,
        workers=threads,
        sorted_vocab=0,  # they are
        # The learning rate falls from job to job: a small corpus is cut into enough of them.
        batch_words=max(100, min(10_000, corpus.tokens // (20 * threads))),
    )
    model.build_vocab_from_freq(words, corpus_count=corpus.sentences)
    try:
        model.train(corpus, total_examples=corpus.sentences, epochs=config.epochs)
    except BaseException as error:
        corpus.failure = error  # its threads end early
        raise
    if corpus.failure is not None:
        raise corpus.failure
    return model.wv.vectors


def _write(vectors: np.ndarray, words: list[str], file: IO[bytes], *, zipped: bool) -> None:
    """Write word2vec's binary form, without its optional newlines, as gensim does."""
    stream: Any = gzip.GzipFile(fileobj=file, mode="wb", mtime=0) if zipped else nullcontext(file)
    with stream as out:
        out.write(b"%d %d\n" % vectors.shape)
        for word, row in zip(words, vectors, strict=True):
            out.write(word.encode() + b" " + row.astype("<f4").tobytes())


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise VectorsError(f"{path}: could not write it: {reason}; mend that or write elsewhere") from error
