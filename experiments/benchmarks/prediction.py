"""Texts predicted per second in one process: textcnn beside the usual PyTorch networks, in turn.

    python -m experiments.benchmarks.prediction --data-dir DATA

DATA holds the corpora's original files (`textcnn data` lists them). Kim's network is timed from ids to labels and from
raw texts, the DCNN from raw texts (the usual one from ids, which is in its favour); one text alone is timed in a warm
process. A figure is a median of several turns, a ratio the median of the turns' ratios. Weights are random:
they do not change the work.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from experiments import shared
from experiments.benchmarks.common import by_turns, encoded_corpus, keep, ratios, rows_of, times
from experiments.benchmarks.usual import UsualDCNN, UsualKimCNN, padded_batches, predict
from textcnn import load_corpus

# Internals: predictors are made of random weights, and one of the rows is timed from ids.
from textcnn.inference.artifact import Artifact
from textcnn.inference.predictor import PIECE, Predictor
from textcnn.inference.threads import in_order
from textcnn.settings.architectures import make_network
from textcnn.settings.config import DCNNConfig, KimConfig, NetworkConfig, TextConfig
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import Vocabulary

HERE = Path(__file__).parent
BATCH = 64
USUAL_TEXTS = {"kim": 1920, "dcnn": 3840}  # per turn of the usual networks


def main() -> None:
    """Measure and print a table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--runs", type=int, default=7, help="turns [7]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "prediction.json"
    if not arguments.show:
        keep(path, {"results": {**kim(arguments), **dcnn(arguments)}})
    print(markdown(shared.read_json(path)))


def markdown(results: dict[str, Any]) -> str:
    """Return the table."""
    header = ("prediction", "unit", "usual", "textcnn", "ratio (range)")
    rows = [
        (name, figures["unit"], f"{figures['baseline']:,.0f}", f"{figures['side']:,.0f}", times(figures))
        for name, figures in results["results"].items()
    ]
    return f"{shared.table(header, rows)}\n\n{shared.machine_line(results['machine'])}"


def make(config: NetworkConfig, vocabulary: Vocabulary, text: TextConfig) -> Predictor:
    """Return a predictor with random weights."""
    torch.manual_seed(0)
    vectors = torch.randn(len(vocabulary), config.dimension) * 0.2 if config.pretrained else None
    network = make_network(config, vocabulary_size=len(vocabulary), classes=2, vectors=vectors)
    torch.nn.init.normal_(network.softmax.weight)
    weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
    return Predictor(Artifact(text, config, np.array(["negative", "positive"]), vocabulary.words, weights))


def rate(work: Callable[[], object], texts: int) -> Callable[[], float]:
    """Return a turn of a piece of work, in texts per second."""

    def turn() -> float:
        begin = time.perf_counter()
        work()
        return texts / (time.perf_counter() - begin)

    return turn


def microseconds(predict_one: Callable[[int], object], texts: int) -> Callable[[], float]:
    """Return a turn of one text at a time, in microseconds: a median."""

    def turn() -> float:
        seconds = []
        for i in range(texts):
            begin = time.perf_counter()
            predict_one(i)
            seconds.append(time.perf_counter() - begin)
        return statistics.median(seconds) * 1e6

    return turn


def usual_rate(model: torch.nn.Module, texts: Encoded, labels: np.ndarray, some: int) -> Callable[[], float]:
    """Return a turn of the usual network from ids, in texts per second."""
    rows = rows_of(texts)[:some]
    return rate(lambda: predict(model, padded_batches(rows, labels, batch_size=BATCH, generator=None)), len(rows))


def labels_of_ids(predictor: Predictor, texts: Encoded) -> list[np.ndarray]:
    """Return the class ids of encoded texts, on all cores."""
    pieces = [
        Encoded(
            texts.ids[texts.offsets[i] : texts.offsets[min(i + PIECE, len(texts.lengths))]],
            texts.offsets[i : i + PIECE + 1] - texts.offsets[i],
        )
        for i in range(0, len(texts.lengths), PIECE)
    ]
    return [labels for _, labels in in_order(lambda piece: predictor.logits(piece).argmax(axis=1), pieces)]


def kim(arguments: argparse.Namespace) -> dict[str, dict]:
    """Measure Kim's network on MR: ids, raw texts, one text."""
    text = TextConfig()
    texts, labels, vocabulary = encoded_corpus("mr", arguments.data_dir, text)
    predictor = make(KimConfig(channels="non-static", ngrams=0), vocabulary, text)
    usual = UsualKimCNN(vocabulary_size=len(vocabulary), classes=2)
    column = load_corpus("mr", data_dir=arguments.data_dir)["train"].data.column("text").combine_chunks()
    figures = by_turns(
        {
            "usual": usual_rate(usual, texts, labels, USUAL_TEXTS["kim"]),
            "ids": rate(lambda: labels_of_ids(predictor, texts), len(labels)),
            "texts": rate(lambda: predictor.predict(column), len(labels)),
            "usual, one": microseconds(lambda i: predict(usual, iter([one_of(texts, i)])), 50),
            "one": microseconds(lambda i: predictor.predict([column[i].as_py()]), 500),
        },
        runs=arguments.runs,
    )
    alone = ratios(figures, "one", "usual, one")
    faster = {"ratio": 1 / alone["ratio"], "least": 1 / alone["most"], "most": 1 / alone["least"]}
    return {
        "Kim, MR, ids to labels": {**ratios(figures, "ids", "usual"), "unit": "texts/s"},
        "Kim, MR, raw text to labels": {**ratios(figures, "texts", "usual"), "unit": "texts/s"},
        "Kim, MR, one raw text": {**alone, **faster, "unit": "microseconds"},
    }


def one_of(texts: Encoded, i: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch of one text."""
    ids = torch.from_numpy(texts.ids[texts.offsets[i] : texts.offsets[i + 1]].astype(np.int64))
    return ids[None], torch.zeros(1)


def dcnn(arguments: argparse.Namespace) -> dict[str, dict]:
    """Measure the DCNN on SST-2's sentences."""
    text = TextConfig(tokenizer="whitespace")
    texts, labels, vocabulary = encoded_corpus("sst2", arguments.data_dir, text)
    predictor = make(DCNNConfig(ngrams=0), vocabulary, text)
    usual = UsualDCNN(vocabulary_size=len(vocabulary), classes=2)
    corpus = load_corpus("sst2", data_dir=arguments.data_dir, phrases=False)["train"]
    column: pa.Array = corpus.data.column("text").combine_chunks()
    figures = by_turns(
        {
            "usual": usual_rate(usual, texts, labels, USUAL_TEXTS["dcnn"]),
            "texts": rate(lambda: predictor.predict(column), len(labels)),
        },
        runs=arguments.runs,
    )
    return {"DCNN, SST-2 sentences, raw text to labels": {**ratios(figures, "texts", "usual"), "unit": "texts/s"}}


if __name__ == "__main__":
    main()
