"""Texts to labels and probabilities, in numpy and Arrow alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textcnn.artifact import Artifact, load_artifact, save_artifact
from textcnn.columns import as_column
from textcnn.scorers import make_scorer
from textcnn.text import UNKNOWN, Encoded, Tokenizer, Vocabulary, encode_texts

FEW = 16  # up to so many texts take the path that costs little to start


@dataclass(frozen=True)
class Scores:
    """What a model makes of N texts.

    Attributes:
        probabilities: of each class, (N, K) float32.
        tokens: words of each text, (N,).
        known: how many of them are in the model's vocabulary, (N,).
    """

    probabilities: np.ndarray
    tokens: np.ndarray
    known: np.ndarray


class Predictor:
    """A saved model at work: texts to labels and probabilities, without torch.

    Args:
        artifact: the model.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.classes_ = artifact.classes
        self._tokenizer = Tokenizer(artifact.text)
        self._vocabulary = Vocabulary(artifact.words)
        self._scorer = make_scorer(artifact.model, artifact.weights)

    def predict(self, texts: object) -> np.ndarray:
        """The most probable label of each text.

        Args:
            texts: strings in a list, numpy array, pandas Series, Arrow array or other iterable.

        Returns:
            Values of `classes_`, (N,).

        Raises:
            DataError: a bare string, a missing value, or something that is not text.
        """
        return self.classes_[self.predict_proba(texts).argmax(axis=1)]

    def predict_proba(self, texts: object) -> np.ndarray:
        """Probabilities of each class, in the order of `classes_`, (N, K) float32; errors as in `predict`."""
        return self.scores(texts).probabilities

    def scores(self, texts: object) -> Scores:
        """Probabilities and what they rest on; errors as in `predict`."""
        encoded = self._encode(texts)
        logits = self._scorer.logits(encoded)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        known_before = np.concatenate([[0], np.cumsum(encoded.ids != UNKNOWN)])
        return Scores(
            probabilities=shifted / shifted.sum(axis=1, keepdims=True),
            tokens=encoded.lengths,
            known=np.diff(known_before[encoded.offsets]),
        )

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Save the model as a folder (see `textcnn.artifact`).

        Raises:
            ModelError: something is at `path` already, or it cannot be written.
        """
        save_artifact(self.artifact, Path(path), overwrite=overwrite)

    def _encode(self, texts: object) -> Encoded:
        few = _few_strings(texts)
        if few is None:
            column = as_column(texts)
            if len(column) > FEW:
                return encode_texts(column, self._tokenizer, self._vocabulary)
            few = column.to_pylist()
        ids = [self._vocabulary.ids(self._tokenizer.spans(text)) for text in few]
        offsets = np.cumsum([0, *map(len, ids)])
        return Encoded(np.array([i for text in ids for i in text], dtype=np.int32), offsets)


def _few_strings(texts: object) -> list[str] | tuple[str, ...] | None:
    """`texts` if they are a few well-formed strings, which need no Arrow column; else None."""
    if not isinstance(texts, (list, tuple)) or len(texts) > FEW or any(type(text) is not str for text in texts):
        return None
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return None
    return texts


def load_model(path: Path | str) -> Predictor:
    """The predictor of a saved model; needs neither torch nor the training data.

    Raises:
        ModelError: `path` is no model, or a damaged, altered or newer one.

    Example:
        >>> model = load_model("textcnn-model")
        >>> model.predict(["not bad at all"])
        array(['positive'], dtype='<U8')
    """
    return Predictor(load_artifact(path))
