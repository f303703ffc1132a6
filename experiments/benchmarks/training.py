"""Texts trained a second: textcnn beside the usual PyTorch networks, by turns in one process.

    python experiments/benchmarks/training.py --data-dir DATA --output experiments/benchmarks/training.json

DATA holds the corpora's original files (`textcnn data`). Each case trains the same network on the same texts: the
usual one for some steps, textcnn's for some epochs; a figure is a median of several turns, a ratio the
median of the turns' ratios. The dense bound is what a network could do that spends no time on
anything but three matrix products of the first convolution's forward size (forward, and both gradients) at the measured
rate of such products.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from common import by_turns, encoded_corpus, ratios, report, rows_of, sgemm_rate, table
from usual import UsualDCNN, UsualKimCNN, padded_batches, train_steps

from textcnn.settings.architectures import make_network
from textcnn.settings.config import DCNNConfig, KimConfig, TextConfig, TrainingConfig
from textcnn.text.tokens import Encoded
from textcnn.training._loop import Trainer
from textcnn.training.progress import Progress

BATCH = 50
CASES = {  # corpus, network, how texts are read, steps of the usual network a turn, texts of textcnn's a turn
    "Kim, MR": ("mr", KimConfig(channels="non-static"), TextConfig(), 40, 9_000),
    "Kim, IMDB": ("imdb", KimConfig(channels="non-static"), TextConfig(max_length=400, min_count=5), 8, 2_500),
    "DCNN, SST-2": ("sst2", DCNNConfig(), TextConfig(tokenizer="whitespace"), 30, 6_900),
}


def main() -> None:
    """Measure the cases asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    results = {name: measure(name, arguments) for name in arguments.cases}
    header = ("training", "usual, texts/s", "textcnn, texts/s", "ratio (range)", "dense bound", "of the bound")
    rows = [
        (
            name,
            f"{figures['yardstick']:,.0f}",
            f"{figures['side']:,.0f}",
            f"{figures['ratio']:.1f}x ({figures['least']:.1f}-{figures['most']:.1f})",
            f"{figures['bound']['yardstick']:,.0f}" if "bound" in figures else "-",
            f"{figures['bound']['ratio']:.1f}x" if "bound" in figures else "-",
        )
        for name, figures in results.items()
    ]
    print(table(header, rows))
    report(arguments.output, {"results": results})


def measure(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """One case: texts a second of both sides."""
    corpus, config, text, usual_steps, texts_a_turn = CASES[name]
    texts, labels, vocabulary = encoded_corpus(corpus, arguments.data_dir, text)
    print(
        f"{name}: {len(labels):,} texts, {len(texts.ids) / len(labels):.1f} words each, {len(vocabulary):,} words",
        file=sys.stderr,
    )
    torch.manual_seed(arguments.seed)
    classes = int(labels.max()) + 1
    sides = {
        "usual": usual_side(config, texts, labels, len(vocabulary), classes, usual_steps, arguments.seed),
        "textcnn": textcnn_side(config, texts, labels, len(vocabulary), classes, texts_a_turn, arguments.seed),
    }
    if isinstance(config, KimConfig):
        operations = 3 * 2 * config.dimension * config.feature_maps * windows_of(texts, config) / len(labels)
        sides["dense bound"] = lambda: sgemm_rate() / operations
    figures = by_turns(sides, runs=arguments.runs)
    result = {**ratios(figures, "textcnn", "usual"), "runs": figures}
    if "dense bound" in sides:
        result["bound"] = ratios(figures, "textcnn", "dense bound")
    return result


def windows_of(texts: Encoded, config: KimConfig) -> int:
    """Words in all windows of all texts and regions: products of a word and a filter's slot."""
    return sum(size * (len(texts.ids) + (size - 1) * len(texts.lengths)) for size in config.region_sizes)


def usual_side(
    config: KimConfig | DCNNConfig, texts: Encoded, labels: np.ndarray, words: int, classes: int, steps: int, seed: int
) -> Callable[[], float]:
    """A turn of the usual network: so many steps, in texts a second."""
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
    """A turn of textcnn: an epoch over the first texts (of all classes), in texts a second, batches included."""
    vectors = torch.randn(words, config.dimension) * 0.2 if config.pretrained else None
    model = make_network(config, vocabulary_size=words, classes=classes, vectors=vectors)
    generator = np.random.default_rng(seed)

    def turn() -> float:
        chosen = generator.permutation(len(labels))[:some]
        part = taken(texts, chosen), labels[chosen]
        few = taken(texts, chosen[:50]), labels[chosen[:50]]
        trainer = Trainer(
            model, TrainingConfig(max_epochs=1, batch_size=BATCH, device="cpu"), classes=classes, progress=Progress()
        )
        return trainer.run(part, few).epochs[0].texts_per_second

    return turn


def taken(texts: Encoded, rows: np.ndarray) -> Encoded:
    """The texts of these rows."""
    each = [texts.ids[texts.offsets[row] : texts.offsets[row + 1]] for row in rows]
    return Encoded(np.concatenate(each), np.cumsum([0, *map(len, each)]))


if __name__ == "__main__":
    main()
