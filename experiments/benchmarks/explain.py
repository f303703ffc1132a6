"""How long an explanation takes, and what the filters of a model take on a corpus.

    python experiments/benchmarks/explain.py MODEL --data-dir DATA --output experiments/benchmarks/explain.json

MODEL is a Kim CNN trained on MR (`textcnn train mr --data-dir DATA -o MODEL`). Texts are MR's test sentences, one a
call in a warm process; filters are described on all of MR. Figures are medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from common import report, table

from textcnn import load_corpus, load_model
from textcnn.cli.explanations import lines
from textcnn.explain.filter_responses import describe_filters


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--texts", type=int, default=500)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    predictor = load_model(arguments.model)
    corpus = load_corpus("mr", data_dir=arguments.data_dir)
    texts = list(corpus["test"]["text"])[: arguments.texts]
    everything = pa.chunked_array([list(part["text"]) for part in corpus.values()])
    results = {
        "explain one sentence, ms": timed(lambda text: predictor.explain([text]), texts),
        "and as lines for a terminal, ms": timed(lambda text: lines(predictor.explain([text])[0]), texts),
        "and as HTML, ms": timed(lambda text: predictor.explain([text])[0].to_html(), texts),
        "filters on MR, s": timed(lambda _: describe_filters(predictor, everything), [""] * 5, unit=1.0),
    }
    print(table(("what", "median"), [(name, f"{value:.2f}") for name, value in results.items()]))
    report(arguments.output, {"results": results})


def timed(call: Callable[[str], object], texts: list[str], unit: float = 1e-3) -> float:
    """The median time of a call, after some to warm up."""
    for text in texts[:3]:
        call(text)
    seconds = []
    for text in texts:
        begin = time.perf_counter()
        call(text)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds) / unit


if __name__ == "__main__":
    main()
