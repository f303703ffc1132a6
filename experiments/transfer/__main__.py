r"""Learning curves: what a model of other data is worth, from 100 training texts to all.

    textcnn vectors imdb --unsupervised --data-dir DATA --architecture skip-gram -o vectors.bin
    textcnn train imdb --data-dir DATA --vectors vectors.bin --max-length 400 --min-count 5 \
        --learning-rate 0.0003 -o imdb-model
    python -m experiments.transfer --data-dir DATA --vectors vectors.bin --model imdb-model

TREC's question types and MR's sentences, each from scratch, with word vectors of IMDB's reviews, and from a model
of IMDB's labels: all of it tuned, its word vectors frozen, and word vectors and convolution frozen, so that only the
softmax layer and the bag of n-grams learn. There are three seeds, which draw the training texts too (the same for every
method); a tenth of them chooses the epoch; the fixed test set is scored once per run. What is done is not run again.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import textcnn
from experiments import shared
from experiments.shared import NAMES

HERE = Path(__file__).parent
SIZES = (100, 300, 1000, 3000, None)  # None: all
SEEDS = (0, 1, 2)
CORPORA = ("mr", "trec")
METHODS: dict[str, dict[str, Any]] = {
    "from scratch": {},
    "IMDB vectors": {"vectors": True},
    "IMDB model, tuned": {"init_from": True},
    "IMDB model, vectors frozen": {"init_from": True, "freeze": ("embeddings",)},
    "IMDB model, all but softmax frozen": {"init_from": True, "freeze": ("embeddings", "convolution")},
}


def main() -> None:
    """Run what is missing, then print the tables and draw the curves."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's files")
    parser.add_argument("--vectors", type=Path, metavar="FILE", help="word vectors of IMDB's reviews")
    parser.add_argument("--model", type=Path, metavar="MODEL", help="model of IMDB's labels")
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=CORPORA, help="only these [all]")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="[0 1 2]")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="training texts [100 to all]")
    arguments = shared.parse(parser, "data-dir", "vectors", "model")
    path = arguments.output / "results.json"
    results = shared.read_json(path)
    if not arguments.show:
        results["machine"] = shared.machine()
        for corpus in arguments.corpora:
            run(corpus, arguments, results, path)
    print(markdown(results))
    draw(results, arguments.output / "curves.png")


def run(corpus: str, arguments: argparse.Namespace, results: dict[str, Any], path: Path) -> None:
    """Run what is missing of a corpus, and keep each result as it comes."""
    parts = textcnn.load_corpus(corpus, data_dir=arguments.data_dir)
    texts, labels = np.array(parts["train"]["text"]), np.array(parts["train"]["label"])
    test = list(parts["test"]["text"]), np.array(parts["test"]["label"])
    files = {"vectors": arguments.vectors, "init_from": arguments.model}
    for method, keywords in METHODS.items():
        chosen = {key: files[key] if value is True else value for key, value in keywords.items()}
        for size in arguments.sizes:
            cell = results.setdefault(corpus, {}).setdefault(method, {}).setdefault(str(size or len(texts)), {})
            for seed in arguments.seeds:
                if str(seed) in cell:
                    continue
                rows = np.random.default_rng(seed).permutation(len(texts))[:size]
                begin = time.perf_counter()
                model = textcnn.TextCNNClassifier(random_state=seed, **chosen).fit(texts[rows], labels[rows])
                accuracy = float((model.predict(test[0]) == test[1]).mean())
                cell[str(seed)] = {"accuracy": accuracy, "seconds": round(time.perf_counter() - begin, 1)}
                shared.write_json(path, results)
            print(corpus, method, size, shared.spread(scores_of(cell)), flush=True)


def scores_of(cell: dict[str, Any]) -> list[float]:
    """Return the accuracies of the seeds."""
    return [run["accuracy"] for run in cell.values()]


def markdown(results: dict[str, Any]) -> str:
    """Return a table for each corpus: mean (range) over seeds by the number of training texts."""
    tables = []
    for corpus in filter(results.get, CORPORA):
        methods = results[corpus]
        header = [f"{NAMES[corpus]}, training texts", *next(iter(methods.values()))]
        rows = [
            [method, *(shared.spread(scores_of(cell)) for cell in cells.values())] for method, cells in methods.items()
        ]
        tables.append(shared.table(header, rows))
    return "\n\n".join([*tables, shared.machine_line(results.get("machine"))])


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw a curve for each method, the range of the seeds shaded."""
    corpora = [corpus for corpus in CORPORA if corpus in results]
    plt = shared.pyplot()
    fig, axes = plt.subplots(1, len(corpora), figsize=(5 * len(corpora), 3.6), squeeze=False)
    for axis, corpus in zip(axes[0], corpora, strict=True):
        for method, cells in results[corpus].items():
            sizes = [int(size) for size in cells]
            scores = [[100 * score for score in scores_of(cell)] for cell in cells.values()]
            axis.plot(sizes, [statistics.mean(values) for values in scores], "o-", ms=3, label=method)
            axis.fill_between(sizes, [min(values) for values in scores], [max(values) for values in scores], alpha=0.12)
        axis.set_xscale("log")
        axis.set_title(NAMES[corpus])
        axis.set_xlabel("training texts")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("test accuracy, %")
    axes[0][-1].legend(fontsize=7)
    fig.tight_layout()
    shared.save_plot(fig, path)


if __name__ == "__main__":
    main()
