"""How the costs grow: a training step with vocabulary, length and batch, prediction with length and corpus size.

    python experiments/benchmarks/scaling.py --output experiments/benchmarks/scaling.json \
        --plot experiments/benchmarks/scaling.png

Texts are random words, drawn with the frequencies of real ones (Zipf's law), and the network is Kim's with 300-d
word vectors that are tuned. Figures are medians of several runs; the points of a curve take turns. The plot
needs matplotlib.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import by_turns, report, table

from textcnn.inference.artifact import Artifact
from textcnn.inference.predictor import Predictor
from textcnn.settings.architectures import make_network
from textcnn.settings.config import KimConfig, TextConfig, TrainingConfig
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import FIRST_WORD
from textcnn.training._batching import Batcher
from textcnn.training._loop import Trainer
from textcnn.training.progress import Progress

WORDS, LENGTH, BATCH = 20_000, 22, 50
VOCABULARIES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
LENGTHS = (5, 10, 22, 50, 100, 200, 400)
BATCHES = (10, 25, 50, 100, 200, 400)
CORPORA = (1_000, 10_000, 100_000, 1_000_000)
STEPS = 40


def main() -> None:
    """Measure the curves, print and plot them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    curves = {
        "training step, ms, by vocabulary": curve(VOCABULARIES, step_by_vocabulary, arguments.runs),
        "training step, ms, by words of a text": curve(LENGTHS, step_by_length, arguments.runs),
        "training step, ms, by texts of a batch": curve(BATCHES, step_by_batch, arguments.runs),
        "prediction, us a text, by words of a text": curve(LENGTHS, prediction_by_length, arguments.runs),
        "prediction, us a text, by texts in all": curve(CORPORA, prediction_by_corpus, arguments.runs),
    }
    for name, points in curves.items():
        print(table((name, "median"), [(f"{size:,}", f"{value:.3g}") for size, value in points.items()]))
    vocabulary = curves["training step, ms, by vocabulary"]
    growth = vocabulary[VOCABULARIES[-1]] / vocabulary[VOCABULARIES[0]]
    print(f"step time, {VOCABULARIES[-1]:,} words beside {VOCABULARIES[0]:,}: {growth:.2f}x")
    if arguments.plot:
        plot(curves, arguments.plot)
    report(arguments.output, {"curves": curves, "vocabulary growth": growth})


def curve(sizes: tuple[int, ...], make: Callable[[int], Callable[[], float]], runs: int) -> dict[int, float]:
    """The median figure at each size."""
    print(make.__name__, file=sys.stderr)
    figures = by_turns({str(size): make(size) for size in sizes}, runs=runs, quiet=True)
    return {size: statistics.median(figures[str(size)]) for size in sizes}


def random_texts(count: int, length: int, seed: int = 0) -> Encoded:
    """Texts of the same length; the words are among the WORDS most frequent ones."""
    weights = 1 / np.arange(FIRST_WORD, WORDS)
    places = np.random.default_rng(seed).random(count * length)
    ids = FIRST_WORD + np.searchsorted(np.cumsum(weights / weights.sum()), places).clip(max=WORDS - FIRST_WORD - 1)
    return Encoded(ids.astype(np.int32), np.arange(0, count * length + 1, length))


def training_steps(*, vocabulary: int = WORDS, length: int = LENGTH, batch: int = BATCH) -> Callable[[], float]:
    """A turn: some steps, in milliseconds each."""
    config = KimConfig(channels="non-static")
    torch.manual_seed(0)
    network = make_network(
        config, vocabulary_size=vocabulary, classes=2, vectors=torch.zeros(vocabulary, 300).uniform_(-0.25, 0.25)
    )
    trainer = Trainer(network, TrainingConfig(device="cpu"), classes=2, progress=Progress())
    steps = STEPS if length * batch <= 5000 else STEPS // 4
    texts = random_texts(steps * batch, length)
    spread = vocabulary // WORDS if vocabulary > WORDS else 1
    batcher = Batcher(Encoded(texts.ids * spread % vocabulary, texts.offsets))
    batches = [batcher.batch(np.arange(i * batch, (i + 1) * batch)) for i in range(steps)]
    targets = torch.arange(batch) % 2

    def turn() -> float:
        network.train()
        begin = time.perf_counter()
        for each in batches:
            trainer.step(each, targets)
        return 1000 * (time.perf_counter() - begin) / steps

    return turn


def step_by_vocabulary(size: int) -> Callable[[], float]:
    """The same words a batch, spread over a larger table."""
    return training_steps(vocabulary=size)


def step_by_length(size: int) -> Callable[[], float]:
    """Longer texts."""
    return training_steps(length=size)


def step_by_batch(size: int) -> Callable[[], float]:
    """More texts a step."""
    return training_steps(batch=size)


def predictor() -> Predictor:
    """Kim's network with random weights."""
    torch.manual_seed(0)
    network = make_network(KimConfig(), vocabulary_size=WORDS, classes=2, vectors=None)
    weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
    words = [f"word{i}" for i in range(WORDS - FIRST_WORD)]
    return Predictor(Artifact(TextConfig(), KimConfig(), np.array(["a", "b"]), words, weights))


def prediction_turn(texts: Encoded, made: Predictor) -> Callable[[], float]:
    """A turn: ids to logits on one core, in microseconds a text."""

    def turn() -> float:
        begin = time.perf_counter()
        made.logits(texts)
        return 1e6 * (time.perf_counter() - begin) / len(texts.lengths)

    return turn


def prediction_by_length(size: int) -> Callable[[], float]:
    """Longer texts."""
    return prediction_turn(random_texts(200_000 // size, size), _PREDICTOR)


def prediction_by_corpus(size: int) -> Callable[[], float]:
    """More texts."""
    return prediction_turn(random_texts(size, LENGTH), _PREDICTOR)


def plot(curves: dict[str, dict[int, float]], path: Path) -> None:
    """A panel for each curve, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import matplotlib.ticker

    figure, axes = plt.subplots(1, len(curves), figsize=(3.2 * len(curves), 3), constrained_layout=True)
    for axis, (name, points) in zip(axes, curves.items(), strict=True):
        what, unit, by = name.split(", ")
        axis.plot(list(points), list(points.values()), marker="o")
        axis.set(xscale="log", yscale="log", title=f"{what}, {unit}", xlabel=by.removeprefix("by "))
        axis.set_ylim(min(points.values()) / 2, max(points.values()) * 2)
        axis.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("")
        axis.grid(visible=True, alpha=0.3)
    figure.savefig(path, dpi=80)


_PREDICTOR = predictor()

if __name__ == "__main__":
    main()
