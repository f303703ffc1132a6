"""Other models behind the same server: fastText, TF-IDF with logistic regression, and one that computes nothing.

    python -m experiments.serving.models NAME FILE

serves on a free port the model NAME that `experiments.serving` saved as FILE.
"""

from __future__ import annotations

import functools
import pickle
import re
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from textcnn.inference.predictor import Scores
from textcnn.serving import serve
from textcnn.targets import ONE_CLASS


class Other(ABC):
    """What the server needs of a model, over something else that predicts."""

    architecture: str
    target = ONE_CLASS
    artifact = SimpleNamespace(thresholds=None, words=["not", "bad", "at", "all"])
    classes_ = np.array(["negative", "positive"])

    @abstractmethod
    def predict_proba(self, texts: list[str]) -> np.ndarray:
        """Return the probabilities, (N, 2)."""

    def scores(self, texts: pa.Array) -> Scores:
        """Return the probabilities; every word counts as known."""
        ones = np.ones(len(texts), np.int64)
        return Scores(self.predict_proba(texts.to_pylist()), tokens=ones, known=ones)


class Constant(Other):
    """Computes nothing."""

    architecture = "none"

    def __init__(self, file: Path) -> None:
        self.answer = np.array([[0.25, 0.75]], np.float32)

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        """Return the probabilities, (N, 2)."""
        return np.repeat(self.answer, len(texts), axis=0)


class Linear(Other):
    """scikit-learn's TF-IDF and logistic regression."""

    architecture = "TF-IDF + LR"

    def __init__(self, file: Path) -> None:
        self.pipeline = pickle.loads(file.read_bytes())  # noqa: S301 (our own file)

    @staticmethod
    def train(texts: list[str], labels: np.ndarray, file: Path) -> None:
        """Train it as the baseline of all experiments is, and save it."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        file.write_bytes(
            pickle.dumps(make_pipeline(words, LogisticRegression(C=10, max_iter=10_000)).fit(texts, labels))
        )

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        """Return the probabilities, (N, 2)."""
        return self.pipeline.predict_proba(texts)


class FastText(Other):
    """fastText with uni- and bigrams; its texts are lower case, punctuation apart."""

    architecture = "fastText"

    def __init__(self, file: Path) -> None:
        from fasttext import load_model

        self.model = load_model(str(file))

    @staticmethod
    def words(text: str) -> str:
        """Return a text as fastText is given it."""
        return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))

    @classmethod
    def train(cls, texts: list[str], labels: np.ndarray, file: Path) -> None:
        """Train and save it."""
        from fasttext import train_supervised

        lines = file.with_suffix(".txt")
        pairs = zip(labels.tolist(), texts, strict=True)
        lines.write_text("".join(f"__label__{label} {cls.words(text)}\n" for label, text in pairs), encoding="utf-8")
        train_supervised(str(lines), wordNgrams=2, epoch=25, thread=1, verbose=0).save_model(str(file))

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        """Return the probabilities, (N, 2)."""
        out = np.zeros((len(texts), 2))
        found = self.model.predict([self.words(text) for text in texts], k=2)
        for row, (labels, probabilities) in enumerate(zip(*found, strict=True)):
            for label, probability in zip(labels, probabilities, strict=True):
                out[row, int(label.removeprefix("__label__"))] = probability
        return out


OTHERS = {"none": Constant, "TF-IDF + LR": Linear, "fastText": FastText}

if __name__ == "__main__":
    _, name, path = sys.argv
    serve(functools.partial(OTHERS[name], Path(path)), port=0)
