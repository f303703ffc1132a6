"""What the benchmarks share: corpora as ids, timing by turns, the machine, tables and JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

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
    """The training texts of a named corpus as ids, their classes, and the vocabulary."""
    corpus = load_corpus(name, data_dir=data_dir, phrases=phrases)["train"]
    column = as_column(corpus.data.column("text").combine_chunks())
    vocabulary = build_vocabulary(column, text)
    return encode_texts(column, Tokenizer(text), vocabulary), np.array(corpus["label"]), vocabulary


def rows_of(texts: Encoded) -> list[np.ndarray]:
    """Each text's ids by itself."""
    return np.split(texts.ids, texts.offsets[1:-1])


def by_turns(
    sides: dict[str, Callable[[], float]], *, runs: int, warm_up: int = 1, quiet: bool = False
) -> dict[str, list[float]]:
    """Run all sides in turn, so that a slow moment of the machine meets them all; each returns its own figure."""
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


def ratios(figures: dict[str, list[float]], side: str, yardstick: str) -> dict[str, float]:
    """Median figures of both, and the median, least and largest ratio turn by turn."""
    each = [a / b for a, b in zip(figures[side], figures[yardstick], strict=True)]
    return {
        "side": statistics.median(figures[side]),
        "yardstick": statistics.median(figures[yardstick]),
        "ratio": statistics.median(each),
        "least": min(each),
        "most": max(each),
    }


def sgemm_rate(rows: int = 1000, inner: int = 300, columns: int = 1200, repeats: int = 50) -> float:
    """Floating-point operations a second of a matrix product of about the layer's shape, the median of many."""
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - begin)
    return 2 * rows * inner * columns / statistics.median(seconds)


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    try:
        text = subprocess.run(["lscpu"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("Model name")), "")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    lines = [list(header), ["---"] * len(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def report(path: Path | None, results: dict[str, object]) -> None:
    """Keep the figures as JSON, with the machine."""
    if path is not None:
        path.write_text(json.dumps({"machine": machine(), **results}, indent=2) + "\n", encoding="utf-8")
