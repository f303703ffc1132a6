"""What `textcnn compress` costs in accuracy, and what it saves in megabytes and time.

    python -m experiments.compression --data-dir DATA

A model of MR and one of IMDB, both with the defaults, and what is made of them. Accuracy is that of the test texts;
"same label" is the share of these that get the label of the model before. Texts per second are of the test texts, of MR
ten times over, on one thread: from ids to logits, of the network alone and with the bag of n-grams, and from strings to
labels. A figure is the median of the turns, after one to fill the table.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments import shared
from experiments.benchmarks.common import by_turns
from textcnn import Model, load_corpus, load_model
from textcnn.inference.compression import size_of

HERE = Path(__file__).parent
TIMES = {"mr": 10, "imdb": 1}
KINDS: dict[str, dict[str, Any]] = {
    "as it was trained": {},
    "16 bits": {"bits": 16},
    "8 bits": {"bits": 8},
    "5 MB": {"max_mb": 5},
    "2 MB": {"max_mb": 2},
    "1 MB": {"max_mb": 1},
}
SPEEDS = ("network", "with the bag", "from strings")


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--runs", type=int, default=5, help="turns [5]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "results.json"
    results: dict[str, Any] = shared.read_json(path)
    if not arguments.show:
        for corpus in TIMES:
            results[corpus] = measure(corpus, arguments.data_dir, arguments.work, arguments.runs)
            results["machine"] = shared.machine()
            shared.write_json(path, results)
    print(markdown(results))


def measure(corpus: str, data_dir: str, work: Path, runs: int) -> dict[str, dict[str, float]]:
    """Return the figures of each model of a corpus."""
    folder = work / f"compression-{corpus}"
    if not folder.exists():
        command = ("train", corpus, "--data-dir", data_dir, "-o", str(folder), "--no-report")
        subprocess.run([sys.executable, "-m", "textcnn", *command], check=True)
    test = load_corpus(corpus, data_dir=data_dir)["test"]
    texts, labels = list(test["text"]), [test.features["label"].names[i] for i in test["label"]]
    first = load_model(folder)
    models = {name: first.compress(**options) if options else first for name, options in KINDS.items()}
    before = first.predict(texts)
    many = texts * TIMES[corpus]
    found = {
        name: {
            "megabytes": size_of(model.artifact) / 1e6,
            "words": len(model.artifact.words),
            "dimension": model.artifact.model.dimension,
            "accuracy": model.score(texts, labels),
            "same": float((model.predict(texts) == before).mean()),
        }
        for name, model in models.items()
    }
    for speed in SPEEDS:
        turns = {name: rate(model, many, speed) for name, model in models.items()}
        for name, each in by_turns(turns, runs=runs).items():
            found[name][speed] = statistics.median(each)
    return found


def rate(model: Model, texts: list[str], speed: str) -> Callable[[], float]:
    """Return a turn over texts, in texts per second."""
    encoded = model.encode_ids(texts)
    work = {
        "network": lambda: model.scorer.logits(encoded),
        "with the bag": lambda: model.logits(encoded),
        "from strings": lambda: model.predict(texts),
    }[speed]

    def turn() -> float:
        begin = time.perf_counter()
        work()
        return len(texts) / (time.perf_counter() - begin)

    return turn


def markdown(results: dict[str, Any]) -> str:
    """Return a table for each corpus."""
    header = ("MB", "words", "dimensions", "test, %", "same label, %", *(f"texts/s: {speed}" for speed in SPEEDS))
    out = []
    for corpus in TIMES:
        rows = [
            (
                name,
                *(f"{one['megabytes']:.1f}", f"{one['words']:,}", str(one["dimension"])),
                *(f"{100 * one['accuracy']:.1f}", f"{100 * one['same']:.1f}"),
                *(f"{one[speed]:,.0f}" for speed in SPEEDS),
            )
            for name, one in results.get(corpus, {}).items()
        ]
        out.append(shared.table((shared.NAMES[corpus], *header), rows))
    return "\n\n".join([*out, shared.machine_line(results.get("machine"))])


if __name__ == "__main__":
    main()
