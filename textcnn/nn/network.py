"""The networks by their settings."""

from __future__ import annotations

from typing import Any

import torch

from textcnn.nn.dcnn import DCNN
from textcnn.nn.kim import KimCNN
from textcnn.nn.stacked import StackedCNN
from textcnn.settings.config import DCNNConfig, KimConfig, ModelConfig

Network = KimCNN | DCNN | StackedCNN


def make_network(
    config: ModelConfig,
    *,
    vocabulary_size: int,
    classes: int,
    vectors: torch.Tensor | None,
    ngrams: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> Network:
    """A fresh network of these settings; arguments as in `TextNetwork`."""
    shared: dict[str, Any] = {
        "vocabulary_size": vocabulary_size,
        "classes": classes,
        "vectors": vectors,
        "ngrams": ngrams,
    }
    if isinstance(config, KimConfig):
        return KimCNN(config, **shared)
    return DCNN(config, **shared) if isinstance(config, DCNNConfig) else StackedCNN(config, **shared)
