"""How the costs grow: a training step with vocabulary, length and batch, prediction with length and corpus size.

    python -m experiments.benchmarks.scaling

Texts are random words, drawn with the frequencies of real ones (Zipf's law), and the network is Kim's with 300-d
word vectors that are tuned. Figures are medians of several runs; the points of a curve take turns.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments import shared
from experiments.benchmarks.common import by_turns, keep

# Internals: single training steps are timed, and predictors are made of random weights.
from textcnn.inference.artifact import Artifact
from textcnn.inference.predictor import Predictor
from textcnn.settings.architectures import make_network
from textcnn.settings.config import KimConfig, TextConfig
from textcnn.settings.training import TrainingConfig
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import FIRST_WORD
from textcnn.training._batching import Batcher
from textcnn.training._loop import Trainer
from textcnn.training.progress import Progress

HERE = Path(__file__).parent
WORDS, LENGTH, BATCH = 20_000, 22, 50
VOCABULARIES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
LENGTHS = (5, 10, 22, 50, 100, 200, 400)
BATCHES = (10, 25, 50, 100, 200, 400)
CORPORA = (1_000, 10_000, 100_000, 1_000_000)
STEPS = 40


def main() -> None:
    """Measure the curves, print and plot them."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--runs", type=int, default=5, help="turns [5]")
    arguments = shared.parse(parser)
    path = arguments.output / "scaling.json"
    if not arguments.show:
        keep(path, {"curves": {name: curve(*what, arguments.runs) for name, what in CURVES.items()}})
    results = shared.read_json(path)
    print(markdown(results))
    plot(results["curves"], arguments.output / "scaling.png")


def markdown(results: dict[str, Any]) -> str:
    """Return a table for each curve, and how much a step grows with the vocabulary."""
    tables = []
    for name, points in results["curves"].items():
        what, unit, by = name.split(", ")
        header = (f"{what}, {by}", *(f"{int(size):,}" for size in points))
        tables.append(shared.table(header, [(f"median, {unit}", *(f"{value:.3g}" for value in points.values()))]))
    first, *_, last = results["curves"]["training step, ms, by vocabulary"].values()
    growth = f"A step with a vocabulary of 1,000,000 words takes {last / first:.2f} times as long as with 10,000."
    return "\n\n".join([*tables, growth, shared.machine_line(results["machine"])])


def curve(sizes: tuple[int, ...], make: Callable[[int], Callable[[], float]], runs: int) -> dict[int, float]:
    """Return the median figure at each size."""
    print(make.__name__, file=sys.stderr)
    figures = by_turns({str(size): make(size) for size in sizes}, runs=runs, quiet=True)
    return {size: statistics.median(figures[str(size)]) for size in sizes}


def random_texts(count: int, length: int, seed: int = 0) -> Encoded:
    """Return texts of the same length; the words are among the WORDS most frequent ones."""
    weights = 1 / np.arange(FIRST_WORD, WORDS)
    drawn = np.random.default_rng(seed).random(count * length)
    ids = FIRST_WORD + np.searchsorted(np.cumsum(weights / weights.sum()), drawn).clip(max=WORDS - FIRST_WORD - 1)
    return Encoded(ids.astype(np.int32), np.arange(0, count * length + 1, length))


def training_steps(*, vocabulary: int = WORDS, length: int = LENGTH, batch: int = BATCH) -> Callable[[], float]:
    """Return a turn: some steps, in milliseconds each."""
    config = KimConfig(channels="non-static", ngrams=0)
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
    """Return a turn with the same words per batch, spread over a larger table."""
    return training_steps(vocabulary=size)


def step_by_length(size: int) -> Callable[[], float]:
    """Return a turn with longer texts."""
    return training_steps(length=size)


def step_by_batch(size: int) -> Callable[[], float]:
    """Return a turn with more texts per step."""
    return training_steps(batch=size)


@cache
def predictor() -> Predictor:
    """Return Kim's network with random weights."""
    torch.manual_seed(0)
    config = KimConfig(ngrams=0)
    network = make_network(config, vocabulary_size=WORDS, classes=2, vectors=None)
    weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
    words = [f"word{i}" for i in range(WORDS - FIRST_WORD)]
    return Predictor(Artifact(TextConfig(), config, np.array(["a", "b"]), words, weights))


def prediction_turn(texts: Encoded, made: Predictor) -> Callable[[], float]:
    """Return a turn: ids to logits on one core, in microseconds per text."""

    def turn() -> float:
        begin = time.perf_counter()
        made.logits(texts)
        return 1e6 * (time.perf_counter() - begin) / len(texts.lengths)

    return turn


def prediction_by_length(size: int) -> Callable[[], float]:
    """Return a turn with longer texts."""
    return prediction_turn(random_texts(200_000 // size, size), predictor())


def prediction_by_corpus(size: int) -> Callable[[], float]:
    """Return a turn with more texts."""
    return prediction_turn(random_texts(size, LENGTH), predictor())


def plot(curves: dict[str, dict[str, float]], path: Path) -> None:
    """Draw a panel for each curve, both axes logarithmic."""
    plt = shared.pyplot()
    from matplotlib.ticker import LogLocator

    figure, axes = plt.subplots(1, len(curves), figsize=(3.2 * len(curves), 3), constrained_layout=True)
    for axis, (name, points) in zip(axes, curves.items(), strict=True):
        what, unit, by = name.split(", ")
        axis.plot([int(size) for size in points], list(points.values()), marker="o")
        axis.set(xscale="log", yscale="log", title=f"{what}, {unit}", xlabel=by.removeprefix("by "))
        axis.set_ylim(min(points.values()) / 2, max(points.values()) * 2)
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("")
        axis.grid(visible=True, alpha=0.3)
    shared.save_plot(figure, path)


CURVES = {
    "training step, ms, by vocabulary": (VOCABULARIES, step_by_vocabulary),
    "training step, ms, by words of a text": (LENGTHS, step_by_length),
    "training step, ms, by texts of a batch": (BATCHES, step_by_batch),
    "prediction, us a text, by words of a text": (LENGTHS, prediction_by_length),
    "prediction, us a text, by texts in all": (CORPORA, prediction_by_corpus),
}

if __name__ == "__main__":
    main()
