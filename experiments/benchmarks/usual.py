"""The baselines: Kim's CNN and the DCNN as they are usually written in PyTorch.

Padded batches, `nn.Embedding`, a `Conv2d` for each region size (Kim) or a grouped `Conv1d` and `topk` (DCNN), and a
dense optimiser over every weight. The benchmarks measure them beside textcnn with the same number of
threads; the tests hold textcnn to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

PADDING = 0


class UsualKimCNN(nn.Module):
    """Kim (2014): word vectors, convolutions padded by h - 1 on both sides, ReLU, max over time, dropout, softmax."""

    def __init__(
        self,
        *,
        vocabulary_size: int,
        classes: int,
        dimension: int = 300,
        region_sizes: Sequence[int] = (3, 4, 5),
        feature_maps: int = 100,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, dimension, padding_idx=PADDING)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(1, feature_maps, (size, dimension), padding=(size - 1, 0)) for size in region_sizes
        )
        self.dropout = nn.Dropout(dropout)
        self.softmax = nn.Linear(len(region_sizes) * feature_maps, classes)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, K) of padded ids (B, L)."""
        x = self.embedding(ids).unsqueeze(1)  # (B, 1, L, D)
        maps = [F.relu(convolution(x)).squeeze(3) for convolution in self.convolutions]  # (B, F, L + h - 1)
        pooled = [F.max_pool1d(responses, responses.shape[2]).squeeze(2) for responses in maps]  # (B, F)
        return self.softmax(self.dropout(torch.cat(pooled, dim=1)))  # (B, K)


def k_max_pool(x: torch.Tensor, k: int) -> torch.Tensor:
    """Return the k largest along the last axis in their order, (..., P) to (..., min(k, P))."""
    positions = x.topk(min(k, x.shape[-1]), dim=-1).indices.sort(dim=-1).values
    return x.gather(-1, positions)


class UsualDCNN(nn.Module):
    """Kalchbrenner et al. (2014): wide row-wise convolution, folding, (dynamic) k-max pooling, tanh; twice; softmax.

    As is usual, k comes from the padded length of the batch.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        classes: int,
        dimension: int = 48,
        region_sizes: Sequence[int] = (7, 5),
        feature_maps: Sequence[int] = (6, 14),
        k_top: int = 4,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, dimension, padding_idx=PADDING)
        self.k_top = k_top
        self.convolutions = nn.ModuleList()
        self.biases = nn.ParameterList()
        rows, maps_before = dimension, 1
        for size, maps in zip(region_sizes, feature_maps, strict=True):
            self.convolutions.append(
                nn.Conv1d(rows * maps_before, rows * maps, size, padding=size - 1, groups=rows, bias=False)
            )
            rows, maps_before = rows // 2, maps
            self.biases.append(nn.Parameter(torch.zeros(rows, maps, 1)))
        self.dropout = nn.Dropout(dropout)
        self.softmax = nn.Linear(rows * maps_before * k_top, classes)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, K) of padded ids (B, L)."""
        length, layers = ids.shape[1], len(self.convolutions)
        x = self.embedding(ids).transpose(1, 2)  # (B, D, L)
        for layer, (convolution, bias) in enumerate(zip(self.convolutions, self.biases, strict=True), 1):
            rows = convolution.groups
            x = convolution(x).unflatten(1, (rows, -1))  # (B, D, F, P)
            x = x[:, 0::2] + x[:, 1::2]  # (B, D / 2, F, P)
            k = max(self.k_top, -(-(layers - layer) * length // layers))
            x = torch.tanh(k_max_pool(x, k) + bias).flatten(1, 2)  # (B, D / 2 F, k)
        x = F.pad(x, (0, self.k_top - x.shape[2]))
        return self.softmax(self.dropout(x.flatten(1)))  # (B, K)


def padded_batches(
    texts: Sequence[np.ndarray], labels: np.ndarray, *, batch_size: int, generator: np.random.Generator | None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches of padded ids (B, L), and labels (B,); in random order where there is a generator."""
    order = np.arange(len(texts)) if generator is None else generator.permutation(len(texts))
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        ids = np.full((len(rows), max(1, *(len(texts[row]) for row in rows))), PADDING, dtype=np.int64)
        for line, row in zip(ids, rows, strict=True):
            line[: len(texts[row])] = texts[row]
        yield torch.from_numpy(ids), torch.from_numpy(labels[rows])


def train_steps(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    steps: int,
    max_norm: float = 3.0,
) -> int:
    """Train N steps, each with Kim's max-norm on the softmax weights; return the number of texts seen."""
    model.train()
    seen = 0
    for _, (ids, labels) in zip(range(steps), batches, strict=False):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids), labels)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            weight = model.softmax.weight
            weight.mul_(max_norm / weight.norm(dim=1, keepdim=True).clamp(min=max_norm))
        loss.item()  # reported, as is usual
        seen += len(labels)
    return seen


@torch.no_grad()
def predict(model: nn.Module, batches: Iterator[tuple[torch.Tensor, torch.Tensor]]) -> np.ndarray:
    """Return the class ids of the texts, in their order, (N,)."""
    model.eval()
    return torch.cat([model(ids).argmax(dim=1) for ids, _ in batches]).numpy()
