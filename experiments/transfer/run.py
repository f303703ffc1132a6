r"""Learning curves: what a model of other data is worth, from 100 training texts to all.

    textcnn train imdb --data-dir DATA --vectors vectors.bin --max-length 400 --min-count 5 \
        --learning-rate 0.0003 -o imdb-model
    python -m experiments.transfer.run --data-dir DATA --vectors vectors.bin --model imdb-model

TREC's question types and MR's sentences, each from scratch, with word vectors of IMDB's reviews, and from a model
of IMDB's labels: all of it tuned, its word vectors frozen, and word vectors and convolution frozen, so that only the
softmax layer and the bag of n-grams learn. Three seeds, each of which draws the training texts too (the same for every
method); validation texts, a tenth as many, choose the epoch; the fixed test is scored once a run. Results are kept in
`results.json`; what is done is not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import textcnn

HERE = Path(__file__).parent
SIZES = (100, 300, 1000, 3000, None)  # None: all
SEEDS = (0, 1, 2)
CORPORA = {"mr": {}, "trec": {}}
METHODS: dict[str, dict[str, Any]] = {
    "from scratch": {},
    "IMDB vectors": {"vectors": True},
    "IMDB model, tuned": {"init_from": True},
    "IMDB model, vectors frozen": {"init_from": True, "freeze": ("embeddings",)},
    "IMDB model, all but softmax frozen": {"init_from": True, "freeze": ("embeddings", "convolution")},
}


def main() -> None:
    """Run what is missing, then print the tables and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of the corpora's files; without it, only print and draw")
    parser.add_argument("--vectors", type=Path, metavar="FILE")
    parser.add_argument("--model", type=Path, metavar="MODEL")
    arguments = parser.parse_args()
    path = HERE / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    files = {"vectors": arguments.vectors, "init_from": arguments.model}
    for corpus in CORPORA if arguments.data_dir else ():
        parts = textcnn.load_corpus(corpus, data_dir=arguments.data_dir)
        texts, labels = np.array(parts["train"]["text"]), np.array(parts["train"]["label"])
        test = list(parts["test"]["text"]), np.array(parts["test"]["label"])
        for method, keywords in METHODS.items():
            chosen = {key: files.get(key, value) if value is True else value for key, value in keywords.items()}
            for size in SIZES:
                cell = results.setdefault(corpus, {}).setdefault(method, {}).setdefault(str(size or len(texts)), {})
                for seed in SEEDS:
                    if str(seed) in cell:
                        continue
                    rows = np.random.default_rng(seed).permutation(len(texts))[:size]
                    begin = time.perf_counter()
                    model = textcnn.TextCNNClassifier(random_state=seed, **chosen).fit(texts[rows], labels[rows])
                    accuracy = float((model.predict(test[0]) == test[1]).mean())
                    cell[str(seed)] = {"accuracy": accuracy, "seconds": round(time.perf_counter() - begin, 1)}
                    path.write_text(json.dumps(results, indent=1) + "\n")
                print(corpus, method, size, f"{mean(cell):.1f}", flush=True)
    print(tables(results))
    draw(results, HERE / "curves.png")


def mean(cell: dict[str, Any]) -> float:
    """Per cent."""
    return 100 * statistics.mean(run["accuracy"] for run in cell.values())


def tables(results: dict[str, Any]) -> str:
    """Mean (range) over seeds by training texts, in Markdown."""
    lines = []
    for corpus, methods in results.items():
        sizes = list(next(iter(methods.values())))
        lines += [f"| {corpus}, training texts | " + " | ".join(sizes) + " |", "| --- |" + " --- |" * len(sizes)]
        for method, cells in methods.items():
            told = []
            for cell in cells.values():
                scores = [100 * run["accuracy"] for run in cell.values()]
                told.append(f"{statistics.mean(scores):.1f} ({min(scores):.1f}-{max(scores):.1f})")
            lines.append(f"| {method} | " + " | ".join(told) + " |")
        lines.append("")
    return "\n".join(lines)


def draw(results: dict[str, Any], path: Path) -> None:
    """A curve for each method, the range of the seeds shaded."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    if not results:
        return
    fig, axes = plt.subplots(1, len(results), figsize=(5 * len(results), 3.6), squeeze=False)
    for axis, (corpus, methods) in zip(axes[0], results.items(), strict=True):
        for method, cells in methods.items():
            sizes = [int(size) for size in cells]
            scores = [[100 * run["accuracy"] for run in cell.values()] for cell in cells.values()]
            axis.plot(sizes, [statistics.mean(values) for values in scores], "o-", ms=3, label=method)
            axis.fill_between(sizes, [min(values) for values in scores], [max(values) for values in scores], alpha=0.12)
        axis.set_xscale("log")
        axis.set_title(corpus)
        axis.set_xlabel("training texts")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("test accuracy, %")
    axes[0][-1].legend(fontsize=7)
    fig.tight_layout()
    fig.savefig(path, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    main()
