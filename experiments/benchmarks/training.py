"""Texts trained per second: textcnn beside the usual PyTorch networks, in turn in one process.

    python -m experiments.benchmarks.training --data-dir DATA

DATA holds the corpora's original files (`textcnn data` lists them). Each case trains the same network on the same
texts: the usual one for some steps, textcnn's for some epochs; a figure is a median of several turns, a ratio the
median of the turns' ratios. The dense bound is the rate of a network that spends no time on anything but three matrix
products of the first convolution's forward size (forward, and both gradients), at the measured rate of such products.

The last case trains Kim's network on MR with each pooling, in turn; its ratios are steps' times to that of max pooling.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments import shared
from experiments.benchmarks.common import by_turns, encoded_corpus, keep, ratios, rows_of, sgemm_rate, times
from experiments.benchmarks.usual import UsualDCNN, UsualKimCNN, padded_batches, train_steps

# Internals: the training loop alone is timed, from ids, without reading texts or validation.
from textcnn.settings.architectures import make_network
from textcnn.settings.config import DCNNConfig, KimConfig, TextConfig
from textcnn.settings.training import TrainingConfig
from textcnn.text.tokens import Encoded
from textcnn.training._batching import Examples
from textcnn.training._loop import Trainer
from textcnn.training.progress import Progress

HERE = Path(__file__).parent
BATCH = 50
CASES = {  # corpus, network, how texts are read, steps of the usual network per turn, texts of textcnn's per turn
    "Kim, MR": ("mr", KimConfig(channels="non-static", ngrams=0), TextConfig(), 40, 9_000),
    "Kim, IMDB": (
        "imdb",
        KimConfig(channels="non-static", ngrams=0),
        TextConfig(max_length=400, min_count=5),
        8,
        2_500,
    ),
    "DCNN, SST-2": ("sst2", DCNNConfig(ngrams=0), TextConfig(tokenizer="whitespace"), 30, 6_900),
}
PADDINGS, POOLINGS, ACTIVATIONS = ("wide", "narrow"), ("max", "average", "k-max"), ("relu", "tanh", "identity")
POOLING = "pooling, Kim, MR"


def main() -> None:
    """Measure the cases asked for and print a table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--cases", nargs="+", choices=[*CASES, POOLING], help="only these [all]")
    parser.add_argument("--runs", type=int, default=5, help="turns [5]")
    parser.add_argument("--seed", type=int, default=0, help="[0]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "training.json"
    if not arguments.show:
        wanted = arguments.cases or [*CASES, POOLING]
        results: dict[str, Any] = {"results": {name: measure(name, arguments) for name in CASES if name in wanted}}
        if POOLING in wanted:
            results["pooling"] = measure_pooling(arguments)
        keep(path, results)
    print(markdown(shared.read_json(path)))


def markdown(results: dict[str, Any]) -> str:
    """Return the table."""
    header = ("training", "usual, texts/s", "textcnn, texts/s", "ratio (range)", "dense bound", "of the bound")
    rows = [
        (
            name,
            f"{figures['baseline']:,.0f}",
            f"{figures['side']:,.0f}",
            times(figures),
            f"{figures['bound']['baseline']:,.0f}" if "bound" in figures else "-",
            f"{figures['bound']['ratio']:.1f}x" if "bound" in figures else "-",
        )
        for name, figures in results["results"].items()
    ]
    pooling_header = (
        "pooling, padding and activation (Kim, MR)",
        "texts/s",
        "time of a step, max pooling's as 1 (range)",
    )
    pooling_rows = [
        (name, f"{figures['baseline']:,.0f}", times(figures, digits=2))
        for name, figures in results.get("pooling", {}).items()
    ]
    tables = [shared.table(header, rows)] if rows else []
    tables += [shared.table(pooling_header, pooling_rows)] if pooling_rows else []
    return "\n\n".join([*tables, shared.machine_line(results["machine"])])


def measure(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return one case: texts per second of both sides."""
    corpus, config, text, usual_steps, texts_per_turn = CASES[name]
    texts, labels, vocabulary = encoded_corpus(corpus, arguments.data_dir, text)
    print(
        f"{name}: {len(labels):,} texts, {len(texts.ids) / len(labels):.1f} words each, {len(vocabulary):,} words",
        file=sys.stderr,
    )
    torch.manual_seed(arguments.seed)
    classes = int(labels.max()) + 1
    sides = {
        "usual": usual_side(config, texts, labels, len(vocabulary), classes, usual_steps, arguments.seed),
        "textcnn": textcnn_side(config, texts, labels, len(vocabulary), classes, texts_per_turn, arguments.seed),
    }
    if isinstance(config, KimConfig):
        operations = 3 * 2 * config.dimension * config.feature_maps * windows_of(texts, config) / len(labels)
        sides["dense bound"] = lambda: sgemm_rate() / operations
    figures = by_turns(sides, runs=arguments.runs)
    result = {**ratios(figures, "textcnn", "usual"), "runs": figures}
    if "dense bound" in sides:
        result["bound"] = ratios(figures, "textcnn", "dense bound")
    return result


def measure_pooling(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return texts per second with each pooling, and the time of a step as a multiple of max pooling's."""
    texts, labels, vocabulary = encoded_corpus("mr", arguments.data_dir, TextConfig())
    torch.manual_seed(arguments.seed)
    sides = {}
    for padding, pooling, activation in itertools.product(PADDINGS, POOLINGS, ACTIVATIONS):
        if pooling == "max" and activation != "relu":  # it takes the maximum first
            continue
        config = KimConfig(channels="non-static", ngrams=0, padding=padding, pooling=pooling, activation=activation)
        side = textcnn_side(config, texts, labels, len(vocabulary), 2, 3_000, arguments.seed)
        sides[f"{pooling}, {padding}, {activation}"] = side
    figures = by_turns(sides, runs=arguments.runs)
    return {name: ratios(figures, f"max, {name.split(', ')[1]}, relu", name) for name in sides}


def windows_of(texts: Encoded, config: KimConfig) -> int:
    """Return the number of words in all windows of all texts and regions: products of a word and a filter's slot."""
    return sum(size * (len(texts.ids) + (size - 1) * len(texts.lengths)) for size in config.region_sizes)


def usual_side(
    config: KimConfig | DCNNConfig, texts: Encoded, labels: np.ndarray, words: int, classes: int, steps: int, seed: int
) -> Callable[[], float]:
    """Return a turn of the usual network: some steps, in texts per second."""
    kind = UsualKimCNN if isinstance(config, KimConfig) else UsualDCNN
    model = kind(vocabulary_size=words, classes=classes)
    optimizer = torch.optim.Adam(model.parameters())
    generator = np.random.default_rng(seed)
    rows = rows_of(texts)

    def forever() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from padded_batches(rows, labels, batch_size=BATCH, generator=generator)

    batches = forever()

    def turn() -> float:
        begin = time.perf_counter()
        seen = train_steps(model, optimizer, batches, steps)
        return seen / (time.perf_counter() - begin)

    return turn


def textcnn_side(
    config: KimConfig | DCNNConfig, texts: Encoded, labels: np.ndarray, words: int, classes: int, some: int, seed: int
) -> Callable[[], float]:
    """Return a turn of textcnn: an epoch over some texts, in texts per second, batches included."""
    vectors = torch.randn(words, config.dimension) * 0.2 if config.pretrained else None
    model = make_network(config, vocabulary_size=words, classes=classes, vectors=vectors)
    generator = np.random.default_rng(seed)

    def turn() -> float:
        chosen = generator.permutation(len(labels))[:some]
        part = Examples(taken(texts, chosen), labels[chosen])
        trainer = Trainer(
            model, TrainingConfig(max_epochs=1, batch_size=BATCH, device="cpu"), classes=classes, progress=Progress()
        )
        begin = time.perf_counter()
        trainer.train_epoch(1, part)
        return len(part.labels) / (time.perf_counter() - begin)

    return turn


def taken(texts: Encoded, rows: np.ndarray) -> Encoded:
    """Return the texts of these rows."""
    each = [texts.ids[texts.offsets[row] : texts.offsets[row + 1]] for row in rows]
    return Encoded(np.concatenate(each), np.cumsum([0, *map(len, each)]))


if __name__ == "__main__":
    main()
