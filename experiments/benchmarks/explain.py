"""How long an explanation takes, and what the filters of a model take on a corpus.

    textcnn train mr --data-dir DATA -o mr-model
    python -m experiments.benchmarks.explain mr-model --data-dir DATA

Texts are MR's test sentences, one per call in a warm process; filters are described on all of MR. Figures are medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from experiments import shared
from experiments.benchmarks.common import keep
from textcnn import load_corpus, load_model

HERE = Path(__file__).parent


def main() -> None:
    """Measure and print a table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("model", nargs="?", type=Path, help="a Kim CNN trained on MR")
    parser.add_argument("--data-dir", metavar="DATA", help="folder of MR's files")
    parser.add_argument("--texts", type=int, default=500, help="test sentences [500]")
    arguments = shared.parse(parser, "model", "data-dir")
    path = arguments.output / "explain.json"
    if not arguments.show:
        from textcnn.cli.explanations import lines  # the only internal: what a terminal shows

        model = load_model(arguments.model)
        corpus = load_corpus("mr", data_dir=arguments.data_dir)
        texts = list(corpus["test"]["text"])[: arguments.texts]
        everything = pa.chunked_array([list(part["text"]) for part in corpus.values()])
        results = {
            "explain one sentence, ms": timed(lambda text: model.explain([text]), texts),
            "and as lines for a terminal, ms": timed(lambda text: lines(model.explain([text])[0]), texts),
            "and as HTML, ms": timed(lambda text: model.explain([text])[0].to_html(), texts),
            "filters on MR, s": timed(lambda _: model.filters(everything), [""] * 5, unit=1.0),
        }
        keep(path, {"results": results})
    print(markdown(shared.read_json(path)))


def markdown(results: dict[str, Any]) -> str:
    """Return the table."""
    rows = [(name, f"{value:.2f}") for name, value in results["results"].items()]
    return f"{shared.table(('what', 'median'), rows)}\n\n{shared.machine_line(results['machine'])}"


def timed(call: Callable[[str], object], texts: list[str], unit: float = 1e-3) -> float:
    """Return the median time of a call, after some to warm up."""
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
