"""Exported models in onnxruntime beside the predictor: texts per second, file sizes, differences.

    python -m experiments.onnx

A model of each architecture is trained on the sample corpus with the defaults, of Kim's network with each pooling and
without the bag of n-grams too, and exported. Both sides go from ids to probabilities, 4,096 texts at a time (the
corpus several times over), in turn, on one thread and on two; and one text at a time. A figure is a median of the
turns. Differences of probabilities are the largest over the corpus.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from experiments import shared
from experiments.benchmarks.common import by_turns
from textcnn import Model, TextCNNClassifier, load_corpus, load_model
from textcnn.text.tokens import Encoded  # internal: both sides are timed from ids

HERE = Path(__file__).parent
BATCH, BATCHES, ONE = 4096, 4, 200
MODELS: dict[str, dict[str, Any]] = {
    "kim": {},
    "kim, without n-grams": {"ngrams": 0},
    "kim, average pooling": {"pooling": "average"},
    "kim, k-max pooling": {"pooling": "k-max"},
    "dcnn": {"arch": "dcnn"},
    "stacked": {"arch": "stacked"},
}


def main() -> None:
    """Measure and print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--runs", type=int, default=7, help="turns [7]")
    arguments = shared.parse(parser)
    path = arguments.output / "results.json"
    if not arguments.show:
        corpus = load_corpus("sample")
        rows = {name: measure(name, settings, corpus, arguments) for name, settings in MODELS.items()}
        versions = {"onnxruntime": onnxruntime.__version__}
        shared.write_json(path, {"machine": {**shared.machine(), **versions}, "models": rows})
    print(markdown(shared.read_json(path)))


def markdown(results: dict[str, Any]) -> str:
    """Return the table."""
    header = (
        "model",
        "textcnn, texts/s on 1 and 2 threads",
        "onnxruntime",
        "one text, microseconds: textcnn",
        "onnxruntime",
        "MB: saved",
        "ONNX",
        "JSON",
        "largest difference",
    )
    rows = [
        (
            name,
            *(f"{found[f'{side}, 1']:,.0f}, {found[f'{side}, 2']:,.0f}" for side in ("textcnn", "onnxruntime")),
            *(f"{found[f'{side}, one']:,.0f}" for side in ("textcnn", "onnxruntime")),
            *(f"{found[kind] / 1e6:.1f}" for kind in ("saved", "onnx", "json")),
            f"{found['difference']:.0e}",
        )
        for name, found in results["models"].items()
    ]
    version = results["machine"]["onnxruntime"]
    return f"{shared.table(header, rows)}\n\n{shared.machine_line(results['machine'])} onnxruntime {version}."


def measure(name: str, settings: dict[str, Any], corpus: Any, arguments: argparse.Namespace) -> dict[str, float]:
    """Train and export one model, and return its figures."""
    folder = arguments.work / f"onnx-{name.replace(', ', '-').replace(' ', '-')}"
    if not folder.exists():
        classifier = TextCNNClassifier(device="cpu", **settings)
        classifier.fit(list(corpus["train"]["text"]), list(corpus["train"]["label"])).save(folder)
    model, file = load_model(folder), folder.with_suffix(".onnx")
    model.to_onnx(file, overwrite=True)
    texts = [*corpus["train"]["text"], *corpus["test"]["text"]]
    encoded = model.encode_ids(texts)
    sessions = {threads: session_of(file, threads) for threads in (1, 2)}
    difference = np.abs(run(sessions[1], encoded) - model.predict_proba(texts)).max()
    many = model.encode_ids((texts * (BATCH * BATCHES // len(texts) + 1))[: BATCH * BATCHES])
    batches = [many.take(np.arange(i * BATCH, (i + 1) * BATCH)) for i in range(BATCHES)]
    singles = [encoded.take(np.array([i])) for i in range(ONE)]
    with ThreadPoolExecutor(2) as pool:
        figures = by_turns(
            {
                "textcnn, 1": rate(lambda: [predict(model, one) for one in batches]),
                "onnxruntime, 1": rate(lambda: [run(sessions[1], one) for one in batches]),
                "textcnn, 2": rate(lambda: [*pool.map(lambda one: predict(model, one), batches)]),
                "onnxruntime, 2": rate(lambda: [run(sessions[2], one) for one in batches]),
                "textcnn, one": microseconds(lambda one: predict(model, one), singles),
                "onnxruntime, one": microseconds(lambda one: run(sessions[1], one), singles),
            },
            runs=arguments.runs,
        )
    return {
        **{side: statistics.median(each) for side, each in figures.items()},
        "saved": sum(one.stat().st_size for one in folder.iterdir() if one.suffix in (".json", ".safetensors")),
        "onnx": file.stat().st_size,
        "json": file.with_suffix(".json").stat().st_size,
        "difference": float(difference),
    }


def session_of(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Return an exported model on a number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, texts: Encoded) -> np.ndarray:
    """Return an exported model's probabilities."""
    return session.run(None, {"ids": texts.ids.astype(np.int64), "offsets": texts.offsets})[0]


def predict(model: Model, texts: Encoded) -> np.ndarray:
    """Return the predictor's probabilities, computed on one core."""
    return model.probabilities(model.logits(texts))


def rate(work: Callable[[], object]) -> Callable[[], float]:
    """Return a turn over all batches, in texts per second."""

    def turn() -> float:
        begin = time.perf_counter()
        work()
        return BATCH * BATCHES / (time.perf_counter() - begin)

    return turn


def microseconds(work: Callable[[Encoded], object], texts: list[Encoded]) -> Callable[[], float]:
    """Return a turn of one text at a time, in microseconds: a median."""

    def turn() -> float:
        seconds = []
        for one in texts:
            begin = time.perf_counter()
            work(one)
            seconds.append(time.perf_counter() - begin)
        return statistics.median(seconds) * 1e6

    return turn


if __name__ == "__main__":
    main()
