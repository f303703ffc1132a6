"""What the benchmarks share: corpora as ids, timing in turn, and their results.

The usual networks read ids, so corpora are encoded here by textcnn's internals.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments import shared
from textcnn import load_corpus
from textcnn.settings.config import TextConfig
from textcnn.text.columns import as_column
from textcnn.text.encoding import encode_texts
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import Vocabulary, build_vocabulary


def encoded_corpus(
    name: str, data_dir: str, text: TextConfig, *, phrases: bool = False
) -> tuple[Encoded, np.ndarray, Vocabulary]:
    """Return the training texts of a named corpus as ids, their classes, and the vocabulary."""
    corpus = load_corpus(name, data_dir=data_dir, phrases=phrases)["train"]
    column = as_column(corpus.data.column("text").combine_chunks())
    vocabulary = build_vocabulary(column, text)
    return encode_texts(column, Tokenizer(text), vocabulary), np.array(corpus["label"]), vocabulary


def rows_of(texts: Encoded) -> list[np.ndarray]:
    """Return the ids of each text."""
    return np.split(texts.ids, texts.offsets[1:-1])


def by_turns(
    sides: dict[str, Callable[[], float]], *, runs: int, warm_up: int = 1, quiet: bool = False
) -> dict[str, list[float]]:
    """Run all sides in turn, so that a slow moment of the machine affects them all; each returns its own figure."""
    figures: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(warm_up + runs):
        for name, side in sides.items():
            figure = side()
            if turn >= warm_up:
                figures[name].append(figure)
            if not quiet:
                print(
                    f"  {'warm-up' if turn < warm_up else f'run {turn - warm_up + 1}'}: {name} {figure:,.6g}",
                    file=sys.stderr,
                )
    return figures


def ratios(figures: dict[str, list[float]], side: str, baseline: str) -> dict[str, float]:
    """Return the median figures of both, and the median, least and largest ratio of the turns."""
    each = [a / b for a, b in zip(figures[side], figures[baseline], strict=True)]
    return {
        "side": statistics.median(figures[side]),
        "baseline": statistics.median(figures[baseline]),
        "ratio": statistics.median(each),
        "least": min(each),
        "most": max(each),
    }


def sgemm_rate(rows: int = 1000, inner: int = 300, columns: int = 1200, repeats: int = 50) -> float:
    """Return the floating-point operations per second of a matrix product of about the layer's shape: a median."""
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - begin)
    return 2 * rows * inner * columns / statistics.median(seconds)


def times(figures: Mapping[str, float], digits: int = 1) -> str:
    """Return a ratio with its range."""
    return f"{figures['ratio']:.{digits}f}x ({figures['least']:.{digits}f}-{figures['most']:.{digits}f})"


def keep(path: Path, results: Mapping[str, Any]) -> None:
    """Write results as JSON, with the machine."""
    shared.write_json(path, {"machine": shared.machine(), **results})
