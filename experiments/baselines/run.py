"""The default classifier beside TF-IDF + logistic regression, through the command line.

    python experiments/baselines/run.py --data-dir DATA --output experiments/baselines/results.json

DATA holds the original files of the corpora (`textcnn data NAME` names them). Each corpus is
trained with the seeds given and its test split scored once a run; finished runs are kept in the
output and not run again. Settings are the defaults, but for those that OPTIONS names. TF-IDF is of
1-2-grams with sublinear counts, logistic regression has C = 10; both learn from train and
validation together, since they choose nothing on the latter.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from textcnn import load_corpus

SEEDS = {"sample": (0, 1, 2), "mr": (0, 1, 2), "trec": (0, 1, 2), "imdb": (0, 1, 2)}
OPTIONS = {
    "trec": ("--keep-case",),  # as the paper's code
    "imdb": ("--max-length", "400", "--min-count", "5"),
}


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--corpora", nargs="+", default=list(SEEDS), choices=SEEDS)
    arguments = parser.parse_args()
    results = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    results["machine"] = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    for name in arguments.corpora:
        runs = results.setdefault(name, {})
        if "tfidf" not in runs:
            runs["tfidf"] = tfidf(name, arguments.data_dir)
            save(arguments.output, results)
        for seed in SEEDS[name]:
            if str(seed) not in runs:
                runs[str(seed)] = textcnn(name, arguments.data_dir, seed)
                save(arguments.output, results)
    print(table(results))


def save(path: Path, results: dict) -> None:
    """Write the results so far."""
    path.write_text(json.dumps(results, indent=2) + "\n")


def tfidf(name: str, data_dir: str) -> dict:
    """Test accuracy of the linear yardstick."""
    corpus = load_corpus(name, data_dir=data_dir, phrases=False)
    parts = [corpus[split] for split in ("train", "validation") if split in corpus]
    texts = [text for part in parts for text in part["text"]]
    labels = [label for part in parts for label in part["label"]]
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
    )
    begin = time.perf_counter()
    model.fit(texts, labels)
    seconds = time.perf_counter() - begin
    accuracy = model.score(list(corpus["test"]["text"]), list(corpus["test"]["label"]))
    return {"accuracy": accuracy, "seconds": seconds}


def textcnn(name: str, data_dir: str, seed: int) -> dict:
    """One run of `textcnn train`: its test accuracy, epochs and time."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        command = ["train", name, "--data-dir", data_dir, "--seed", str(seed), "-o", str(model), *OPTIONS.get(name, ())]
        print("textcnn", *command, flush=True)
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "textcnn", *command], check=True)
        seconds = time.perf_counter() - begin
        metrics = json.loads((model / "metrics.json").read_text())
        history = json.loads((model / "config.json").read_text())["training"]["history"]
    return {
        "accuracy": metrics["test"]["accuracy"],
        "validation": metrics["validation"]["accuracy"],
        "best_epoch": history["best_epoch"],
        "epochs": len(history["epochs"]),
        "seconds": seconds,
        "texts_per_second": statistics.median(epoch["texts_per_second"] for epoch in history["epochs"]),
        "options": OPTIONS.get(name, ()),
    }


def table(results: dict) -> str:
    """The results as a Markdown table."""
    lines = [
        "| corpus | TF-IDF + LR | textcnn, mean (range) | seeds | time a run |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in SEEDS:
        runs = results.get(name)
        if not runs:
            continue
        seeds = [runs[key] for key in runs if key != "tfidf"]
        scores = [100 * run["accuracy"] for run in seeds]
        seconds = statistics.median(run["seconds"] for run in seeds)
        lines.append(
            f"| {name} | {100 * runs['tfidf']['accuracy']:.1f} | "
            f"{statistics.mean(scores):.1f} ({min(scores):.1f}-{max(scores):.1f}) | {len(seeds)} | {seconds:.0f} s |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
