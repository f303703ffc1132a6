"""The networks by their settings."""

from __future__ import annotations

import torch

from textcnn.config import DCNNConfig, KimConfig, ModelConfig
from textcnn.nn.dcnn import DCNN
from textcnn.nn.kim import KimCNN
from textcnn.nn.stacked import StackedCNN

Network = KimCNN | DCNN | StackedCNN


def make_network(config: ModelConfig, *, vocabulary_size: int, classes: int, vectors: torch.Tensor | None) -> Network:
    """A fresh network of these settings; arguments as in `KimCNN`."""
    if isinstance(config, KimConfig):
        return KimCNN(config, vocabulary_size=vocabulary_size, classes=classes, vectors=vectors)
    if isinstance(config, DCNNConfig):
        return DCNN(config, vocabulary_size=vocabulary_size, classes=classes, vectors=vectors)
    return StackedCNN(config, vocabulary_size=vocabulary_size, classes=classes, vectors=vectors)
