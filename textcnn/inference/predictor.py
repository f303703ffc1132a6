"""Labels and probabilities of texts, with numpy and Arrow alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from textcnn.errors import ModelError
from textcnn.inference.artifact import Artifact, save_artifact
from textcnn.inference.bag_scorer import BagScorer
from textcnn.inference.class_ids import as_labels, class_ids
from textcnn.inference.codes import BUCKETS, TABLE
from textcnn.inference.label_sets import label_sets
from textcnn.inference.threads import in_order, processors
from textcnn.settings.architectures import architecture_of
from textcnn.targets import ONE_CLASS
from textcnn.text.columns import Texts, as_column, strings
from textcnn.text.encoding import encode_few, encode_texts
from textcnn.text.subwords import SubwordIndex, name_unknown
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.tokens import Encoded, Token
from textcnn.text.vocabulary import UNKNOWN, Vocabulary

if TYPE_CHECKING:
    import pyarrow as pa


Batch = TypeVar("Batch")

# At most this many texts of so many characters are encoded without Arrow, whose kernels cost milliseconds per call.
FEW, FEW_CHARACTERS = 16, 1 << 14
WARM = 16  # calls with few texts after which more such calls are expected
PIECE = 4096  # texts scored at a time by a thread
SHARE = 1 << 16  # bytes of texts that are worth a thread of their own
_LARGEST_LOGIT = float(np.finfo(np.float32).max) / 4


@dataclass(frozen=True)
class Scores:
    """The scores of N texts, and how much of each text the model knows.

    Attributes:
        probabilities: of each class, (N, K) float32.
        tokens: number of tokens of each text, (N,).
        known: number of these that the model knows, by its vocabulary or their character n-grams, (N,).
    """

    probabilities: np.ndarray
    tokens: np.ndarray
    known: np.ndarray


class Predictor:
    """Predicts labels and probabilities of texts by a saved model, without torch.

    Args:
        artifact: the model.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.classes_ = artifact.classes
        self.target = artifact.target
        self.tokenizer = Tokenizer(artifact.text)
        self.vocabulary = Vocabulary(artifact.words)
        self._few = 0  # calls with few texts so far
        self.scorer = architecture_of(artifact.model).scorer_class()(artifact.model, artifact.weights)
        if artifact.compression is not None and TABLE in artifact.compression.scales:
            self.scorer.use_codes(artifact.compression.bits, artifact.compression.scales[TABLE])
        self.subwords = None
        if artifact.model.char_ngrams:
            self.subwords = SubwordIndex(artifact.weights[BUCKETS], artifact.model.char_ngrams)
        self.bag = None
        if artifact.model.ngrams:
            arrays = [artifact.weights[f"ngrams.{name}"] for name in ("keys", "factors", "weight")]
            size = len(self.vocabulary)
            self.bag = BagScorer(*arrays, order=artifact.model.ngrams, vocabulary_size=size)

    def __reduce__(self) -> tuple[type[Predictor], tuple[Artifact]]:
        """Pickle and copy the model as plain data, without the tables that are made of it."""
        return type(self), (self.artifact,)

    def predict(self, texts: Texts) -> Any:
        """Return the most probable label of each text, or the list of the labels that reach their thresholds.

        Args:
            texts: strings in a list, numpy array, pandas Series, Arrow array or other iterable.

        Returns:
            Values of `classes_`, (N,); or N lists of such, which may be empty, of a model of several labels.

        Raises:
            DataError: a bare string, a missing value, or something that is not text.
            ModelError: the scores are not finite, since the model's weights are too large.
        """
        return self.target.named(self.decide(self.predict_proba(texts)), self.classes_)

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the predicted labels of probabilities, (N, K): class ids, (N,), or which labels, (N, K) bool."""
        return self.target.decide(probabilities, self.artifact.thresholds)

    def predict_proba(self, texts: Texts) -> np.ndarray:
        """Return the probabilities in the order of `classes_`, (N, K) float32; errors as in `predict`."""
        return self.scores(texts).probabilities

    def scores(self, texts: Texts) -> Scores:
        """Return the probabilities and the numbers of known tokens; errors as in `predict`."""
        few = _few_strings(texts)
        if few is not None:
            return self._scores(self._encode_few(few))
        column = as_column(texts)
        pieces = _pieces(column)
        if len(pieces) == 1:
            return self._scores_of_column(column)
        scores = [scores for _, scores in in_order(self._scores_of_column, pieces)]
        if not scores:
            return self._scores(self._encode_few([]))
        return Scores(
            probabilities=np.concatenate([part.probabilities for part in scores]),
            tokens=np.concatenate([part.tokens for part in scores]),
            known=np.concatenate([part.known for part in scores]),
        )

    def stream(
        self, batches: Iterable[Batch], texts_of: Callable[[Batch], pa.Array | pa.ChunkedArray]
    ) -> Iterator[tuple[Batch, Scores]]:
        """Yield each batch with the scores of its texts, in order, scoring several at once with few in memory.

        Args:
            batches: objects of any type.
            texts_of: returns the column of strings of a batch, none missing; called in another thread.
        """
        return in_order(lambda batch: self._scores_of_column(as_column(texts_of(batch))), batches)

    def warm_up(self) -> None:
        """Make the tables that fill as words are first met, so that a single new text is as fast as any later one.

        It takes a fraction of a second, of a large vocabulary seconds, and the memory that the tables have in the end.
        """
        self.scorer.table.fill()
        self.scores(strings([""] * (FEW + 1)))  # the vocabulary's table for many texts
        for _ in range(WARM + 1):
            self.scores([""])  # and that for few, which is made when there were some

    def margins(self, probabilities: np.ndarray) -> np.ndarray:
        """Return how far probabilities, (N, K), are from another prediction, (N,)."""
        return self.target.margins(probabilities, self.artifact.thresholds)

    def label_ids(self, labels: Any, texts: int) -> np.ndarray:
        """Return labels of N texts as class ids, (N,); of a model of several labels as which each has, (N, K) bool.

        Args:
            labels: values of `classes_`; where a text has several, lists of such, or a matrix of 0 and 1, (N, K).
            texts: N.

        Raises:
            DataError: labels that are not of this form, or not among `classes_`.
        """
        if self.target is ONE_CLASS:
            return class_ids(as_labels(labels, texts), self.classes_)
        return label_sets(labels, texts, self.classes_)

    def encode_ids(self, texts: Texts) -> Encoded:
        """Return the word ids of texts; errors as in `predict`."""
        return self._encode(as_column(texts))

    def read(self, text: str) -> tuple[list[Token], Encoded]:
        """Return the tokens of one text, with their offsets in it, and their word ids."""
        spans = self.tokenizer.spans(text)
        ids = np.array(self.vocabulary.ids(spans), np.int32)
        return spans, self._named([text], Encoded(ids, np.array([0, len(ids)])))

    def tokens(self, text: str) -> list[tuple[Token, int]]:
        """Return the tokens of one text and their word ids as pairs."""
        spans, encoded = self.read(text)
        return list(zip(spans, encoded.ids.tolist(), strict=True))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities of logits, (N, K), at the model's temperature."""
        with np.errstate(over="ignore", under="ignore"):  # a tiny temperature: probabilities of 0 and 1
            return self.target.probabilities(logits, self.artifact.temperature)

    def features(self, texts: Encoded) -> np.ndarray:
        """Return the penultimate layer of encoded texts, (N, features) float32.

        Raises:
            ModelError: it is not finite.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # an error below
            features = self.scorer.beside(texts.unseen).features(texts)
        check_finite(features)
        return features

    def logits(self, texts: Encoded) -> np.ndarray:
        """Return the logits of encoded texts, (N, K) float32, computed on one core.

        Raises:
            ModelError: they are not finite.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # an error below
            logits = self.scorer.beside(texts.unseen).logits(texts)
            if self.bag is not None:
                logits = logits + self.bag.logits(texts)
        # The differences of logits, divided by the temperature, are taken in their precision.
        check_finite(logits, most=_LARGEST_LOGIT)
        return logits

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Save the model as a folder (see `textcnn.inference.artifact`).

        Args:
            path: the folder.
            overwrite: replace a model that is there.

        Raises:
            ModelError: `path` exists already, or cannot be written.
        """
        save_artifact(self.artifact, Path(path), overwrite=overwrite)

    def _scores_of_column(self, column: pa.ChunkedArray) -> Scores:
        if len(column) <= FEW and column.nbytes <= FEW_CHARACTERS:
            return self._scores(self._encode_few(column.to_pylist()))
        return self._scores(self._encode(column))

    def _scores(self, encoded: Encoded) -> Scores:
        logits = self.logits(encoded)
        known, some = np.zeros(len(logits), np.int64), encoded.lengths > 0
        if some.any():
            known[some] = np.add.reduceat(encoded.ids != UNKNOWN, encoded.offsets[:-1][some], dtype=np.int64)
        return Scores(probabilities=self.probabilities(logits), tokens=encoded.lengths, known=known)

    def _encode_few(self, texts: Sequence[str]) -> Encoded:
        self._few += 1
        return self._named(texts, encode_few(texts, self.tokenizer, self.vocabulary, warm=self._few > WARM))

    def _encode(self, column: pa.ChunkedArray) -> Encoded:
        return self._named(column, encode_texts(column, self.tokenizer, self.vocabulary))

    def _named(self, texts: Sequence[str] | pa.ChunkedArray, encoded: Encoded) -> Encoded:
        """Give unknown words ids of their own, where their n-grams say something."""
        if self.subwords is None:
            return encoded
        return name_unknown(texts, encoded, self.tokenizer, self.subwords, len(self.vocabulary))


def _pieces(column: pa.ChunkedArray) -> list[pa.ChunkedArray]:
    """Cut a column of texts into pieces for the threads, of about as many bytes each."""
    import pyarrow.compute as pc

    number = max(-(-len(column) // PIECE), min(processors(), column.nbytes // SHARE))
    if number <= 1:
        return [column] if len(column) else []
    ends = np.cumsum(pc.binary_length(column).to_numpy(), dtype=np.int64)
    edges = np.searchsorted(ends, ends[-1] * np.arange(1, number) / number, side="right")
    return [
        column.slice(begin, end - begin)
        for begin, end in itertools.pairwise([0, *edges.tolist(), len(column)])
        if begin < end
    ]


def check_finite(*numbers: np.ndarray, most: float = np.inf) -> None:
    """Raise ModelError unless all numbers that a model computed are finite and smaller than `most`."""
    if not all((np.abs(array) < most).all() for array in numbers):
        raise ModelError(
            "expected finite scores, found an overflow: the model's weights are too large; train it again with a "
            "smaller learning rate"
        )


def _few_strings(texts: object) -> list[str] | tuple[str, ...] | None:
    """Return `texts` if they are a few short well-formed strings, which need no Arrow column, else None."""
    if not isinstance(texts, (list, tuple)) or len(texts) > FEW or any(type(text) is not str for text in texts):
        return None
    if sum(map(len, texts)) > FEW_CHARACTERS:
        return None
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return None
    return texts
