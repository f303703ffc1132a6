"""textcnn trains and runs convolutional text classifiers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textcnn.data import load_corpus as load_corpus
    from textcnn.estimator import TextCNNClassifier as TextCNNClassifier
    from textcnn.model import load_model as load_model
    from textcnn.nn.dcnn import DCNN as DCNN
    from textcnn.nn.kim import KimCNN as KimCNN
    from textcnn.nn.stacked import StackedCNN as StackedCNN
    from textcnn.vectors.word2vec import train_vectors as train_vectors

# A name is imported when it is first used: torch, scikit-learn and datasets cost seconds.
_HOMES = {
    "DCNN": "textcnn.nn.dcnn",
    "KimCNN": "textcnn.nn.kim",
    "StackedCNN": "textcnn.nn.stacked",
    "TextCNNClassifier": "textcnn.estimator",
    "__version__": "textcnn.version",
    "load_corpus": "textcnn.data",
    "load_model": "textcnn.model",
    "train_vectors": "textcnn.vectors.word2vec",
}

__all__ = ["DCNN", "KimCNN", "StackedCNN", "TextCNNClassifier", "load_corpus", "load_model", "train_vectors"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'textcnn' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
