"""Train, run and explain convolutional text classifiers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textcnn.data import load_corpus as load_corpus
    from textcnn.distillation.distilling import distill as distill
    from textcnn.errors import ConfigError as ConfigError
    from textcnn.errors import DataError as DataError
    from textcnn.errors import ModelError as ModelError
    from textcnn.errors import TextCNNError as TextCNNError
    from textcnn.errors import TrainingError as TrainingError
    from textcnn.errors import VectorsError as VectorsError
    from textcnn.estimator import TextCNNClassifier as TextCNNClassifier
    from textcnn.model import Model as Model
    from textcnn.model import load_model as load_model
    from textcnn.nn.dcnn import DCNN as DCNN
    from textcnn.nn.dpcnn import DPCNN as DPCNN
    from textcnn.nn.kim import KimCNN as KimCNN
    from textcnn.nn.stacked import StackedCNN as StackedCNN
    from textcnn.settings.config import DCNNConfig as DCNNConfig
    from textcnn.settings.config import DPCNNConfig as DPCNNConfig
    from textcnn.settings.config import KimConfig as KimConfig
    from textcnn.settings.config import StackedConfig as StackedConfig
    from textcnn.settings.config import TextConfig as TextConfig
    from textcnn.settings.training import TrainingConfig as TrainingConfig
    from textcnn.vectors import load_vectors as load_vectors
    from textcnn.vectors.from_transformer import transformer_vectors as transformer_vectors
    from textcnn.vectors.join import join_vectors as join_vectors
    from textcnn.vectors.word2vec import train_vectors as train_vectors

# A name is imported when it is first used: torch, scikit-learn and datasets cost seconds.
_HOMES = {
    "ConfigError": "errors",
    "DCNN": "nn.dcnn",
    "DCNNConfig": "settings.config",
    "DPCNN": "nn.dpcnn",
    "DPCNNConfig": "settings.config",
    "DataError": "errors",
    "KimCNN": "nn.kim",
    "KimConfig": "settings.config",
    "Model": "model",
    "ModelError": "errors",
    "StackedCNN": "nn.stacked",
    "StackedConfig": "settings.config",
    "TextCNNClassifier": "estimator",
    "TextCNNError": "errors",
    "TextConfig": "settings.config",
    "TrainingConfig": "settings.training",
    "TrainingError": "errors",
    "VectorsError": "errors",
    "__version__": "version",
    "distill": "distillation.distilling",
    "join_vectors": "vectors.join",
    "load_corpus": "data",
    "load_model": "model",
    "load_vectors": "vectors",
    "train_vectors": "vectors.word2vec",
    "transformer_vectors": "vectors.from_transformer",
}

__all__ = [
    "DCNN",
    "DPCNN",
    "ConfigError",
    "DCNNConfig",
    "DPCNNConfig",
    "DataError",
    "KimCNN",
    "KimConfig",
    "Model",
    "ModelError",
    "StackedCNN",
    "StackedConfig",
    "TextCNNClassifier",
    "TextCNNError",
    "TextConfig",
    "TrainingConfig",
    "TrainingError",
    "VectorsError",
    "distill",
    "join_vectors",
    "load_corpus",
    "load_model",
    "load_vectors",
    "train_vectors",
    "transformer_vectors",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'textcnn' has no attribute {name!r}")
    return getattr(import_module(f"textcnn.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
