"""What a process of the experiment measures: passes over a corpus with the other processes, or steps as one of many.

`python -m experiments.cluster` starts it, by torchrun where there are several.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.benchmarks.common import encoded_corpus

# Internals: the training loop alone is timed, and what it gives to the network is counted.
from textcnn.settings.architectures import make_network
from textcnn.settings.config import KimConfig, TextConfig
from textcnn.settings.training import TrainingConfig
from textcnn.text.ngrams import collect_ngrams
from textcnn.training._batching import Batch, Batcher, Examples, training_batches
from textcnn.training._loop import Trainer
from textcnn.training.distributed import Processes, join
from textcnn.training.group import ONE_PROCESS, TrainingGroup, is_launched
from textcnn.training.progress import Progress

CASES = {  # corpus, and how its texts are read
    "MR": ("mr", TextConfig()),
    "IMDB": ("imdb", TextConfig(max_length=400, min_count=5)),
}


class Metered(Processes):
    """Counts the bytes of each exchange, before any algorithm divides or repeats them, and the time in them.

    Attributes:
        gathered: bytes that each process gives to gathers, of ids and of their number.
        summed: bytes of the gradients that are summed.
        seconds: in exchanges, waiting for slower processes included.
    """

    gathered = summed = 0
    seconds = 0.0

    def _gather(self, own: torch.Tensor) -> torch.Tensor:
        self.gathered += own.nbytes
        begin = time.perf_counter()
        out = super()._gather(own)
        self.seconds += time.perf_counter() - begin
        return out

    def _add(self, own: torch.Tensor) -> None:
        self.summed += own.nbytes
        begin = time.perf_counter()
        super()._add(own)
        self.seconds += time.perf_counter() - begin


class OneOfMany(Metered):
    """The first of N processes without the others: their ids are known, their gradients are zeros, nothing is sent."""

    def __init__(self, size: int) -> None:
        super().__init__(None, 0, size)  # type: ignore[arg-type]
        self.rows: list[list[torch.Tensor]] = []  # of the tables, of each process, before each step

    def copy_first(self, tensors: Any) -> None:
        """Keep what there is."""

    def _gather(self, own: torch.Tensor) -> torch.Tensor:
        self.gathered += own.nbytes
        counts = torch.tensor([[len(rows) for rows in tables] for tables in self.rows])  # (N, tables)
        if own.shape == counts.shape[1:] and torch.equal(own, counts[0]):
            return counts
        out = own.new_zeros(self.size, len(own))
        for row, tables in zip(out, self.rows, strict=True):
            whole = torch.cat(tables)
            row[: len(whole)] = whole
        return out

    def _add(self, own: torch.Tensor) -> None:
        self.summed += own.nbytes


def make_trainer(examples: Examples, vocabulary: int, batch: int, group: TrainingGroup) -> Trainer:
    """Return a trainer of a network with the default settings, bag of n-grams included."""
    config = KimConfig()
    size = {"classes": int(examples.labels.max()) + 1, "vocabulary_size": vocabulary}
    ngrams = collect_ngrams(examples.texts, examples.labels, order=config.ngrams, **size)
    torch.manual_seed(0)
    network = make_network(config, ngrams=tuple(map(torch.from_numpy, ngrams)), **size)
    settings = TrainingConfig(batch_size=batch, device="cpu")
    return Trainer(network, settings, classes=size["classes"], progress=Progress(), group=group)


def passes(make: Callable[[TrainingGroup], Trainer], examples: Examples) -> dict[str, float]:
    """Return the seconds of a pass over all texts, those in exchanges, and what a step exchanges."""
    group: TrainingGroup = ONE_PROCESS
    if is_launched():
        joined = join()
        group = Metered(joined.store, joined.rank, joined.size)  # type: ignore[attr-defined]
    trainer = make(group)
    few = examples.take(np.arange(min(len(examples.labels), 2 * trainer.config.batch_size)))
    trainer.train_epoch(1, few)
    if isinstance(group, Metered):
        group.gathered, group.summed, group.seconds = 0, 0, 0.0
    batches = training_batches(examples.texts, batch_size=trainer.config.batch_size, generator=np.random.default_rng(0))
    steps = sum(1 for _ in batches)
    group.wait()
    begin = time.perf_counter()
    trainer.train_epoch(2, examples)
    found = {"seconds": time.perf_counter() - begin, "steps": steps}
    if isinstance(group, Metered):
        found |= {"exchange_seconds": group.seconds}
        found |= {"ids": group.gathered / steps, "gradients": group.summed / steps}
    return found


def steps_as_one_of(
    size: int, make: Callable[[TrainingGroup], Trainer], examples: Examples, most: int, runs: int
) -> dict[str, float]:
    """Return the seconds of a step as the first of N processes, but for the exchanges, and what these exchange.

    Args:
        size: N.
        make: the trainer of a group.
        examples: the texts.
        most: steps of a turn at most.
        runs: turns, of which the median counts.
    """
    group = OneOfMany(size) if size > 1 else ONE_PROCESS
    trainer = make(group)
    network, batcher = trainer.model.train(), Batcher(examples.texts)
    labels = torch.from_numpy(examples.labels)
    order = training_batches(examples.texts, batch_size=trainer.config.batch_size, generator=np.random.default_rng(0))
    batches = [rows for rows, _ in order][:most]

    def tables(batch: Batch) -> list[torch.Tensor]:
        matches = network.find(batch.distinct, batch.inverse, batch.lengths)
        return [*trainer.optimizer.touched(network.rows(batch.distinct, matches)).values()]

    turns = []
    for _ in range(1 + runs):
        seconds = 0.0
        for rows in batches:
            if isinstance(group, OneOfMany):
                shares = [OneOfMany.share(Processes(None, rank, size), len(rows)) for rank in range(size)]
                group.rows = [tables(batcher.batch(rows[share.part], share)) for share in shares]
            begin = time.perf_counter()
            share = group.share(len(rows))
            own = rows if share is None else rows[share.part]
            trainer.step(batcher.batch(own, share), labels[torch.from_numpy(own)])
            seconds += time.perf_counter() - begin
        turns.append(seconds / len(batches))
    found = {"seconds": statistics.median(turns[1:])}
    if isinstance(group, OneOfMany):
        steps = len(turns) * len(batches)
        found |= {"ids": group.gathered / steps, "gradients": group.summed / steps}
    return found


def main() -> None:
    """Measure one case with one batch size; the first process writes the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--texts", type=int)
    parser.add_argument("--machines", type=int, nargs="*")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--runs", type=int)
    arguments = parser.parse_args()
    corpus, text = CASES[arguments.case]
    texts, labels, vocabulary = encoded_corpus(corpus, arguments.data_dir, text)
    examples = Examples(texts, labels)
    if arguments.texts is not None:
        examples = examples.take(np.random.default_rng(0).permutation(len(labels))[: arguments.texts])

    def make(group: TrainingGroup) -> Trainer:
        return make_trainer(examples, len(vocabulary), arguments.batch, group)

    if arguments.machines:
        found: dict[str, Any] = {
            "texts": len(examples.labels),
            "words": len(examples.texts.ids) / len(examples.labels),
            "vocabulary": len(vocabulary),
            "as_one_of": {
                size: steps_as_one_of(size, make, examples, arguments.steps, arguments.runs)
                for size in arguments.machines
            },
        }
    else:
        found = passes(make, examples)
    if not (is_launched() and torch.distributed.get_rank()):
        arguments.output.write_text(json.dumps(found), encoding="utf-8")
    if is_launched():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
