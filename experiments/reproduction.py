"""Runs the cells of a paper's table through the command line, keeps each result, and sets it beside what was published.

A cell is a corpus and a variant of the network. A corpus with a fixed test is trained with each of the seeds, and
its test scored once a run; the others are cross-validated, by the same ten folds for every variant. Each cell has
a JSON file of its own, written as its runs end; a run that was stopped goes on, one that is done is not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import textcnn

SEEDS = (0, 1, 2)
FOLDS = 10
CROSS_VALIDATED = ("mr", "subj", "cr", "mpqa")
YARDSTICK = "TF-IDF + LR"


@dataclass(frozen=True)
class Cell:
    """One figure of a table.

    Args:
        corpus: a named corpus.
        variant: a row of the table.
        options: of `textcnn train`, beside corpus, seed and places.
        vectors: which file of word vectors it takes, a key of those given; None for none.
        initial: which saved model it starts from, likewise.
    """

    corpus: str
    variant: str
    options: tuple[str, ...] = ()
    vectors: str | None = None
    initial: str | None = None


@dataclass(frozen=True)
class Table:
    """A paper's table.

    Args:
        title: of the plot.
        folder: where the results lie.
        cells: what to run.
        published: accuracy in per cent by variant and corpus.
        files: what must be given to run all cells, and what it is.
        averages: whether the mean probabilities of a cell's models, one a seed, get a row of their own.
    """

    title: str
    folder: Path
    cells: Sequence[Cell]
    published: dict[str, dict[str, float]]
    files: dict[str, str] = field(default_factory=dict)
    averages: bool = False

    def path(self, cell: Cell) -> Path:
        """The cell's result."""
        return self.folder / "results" / f"{cell.corpus}-{cell.variant.lower().replace(' ', '-')}.json"

    def result(self, cell: Cell) -> dict:
        """What there is of it."""
        path = self.path(cell)
        return json.loads(path.read_text()) if path.exists() else {"runs": {}}

    def keep(self, cell: Cell, result: dict) -> None:
        """Write it."""
        path = self.path(cell)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")


def main(table: Table, description: str) -> None:
    """Run what is missing, then print the table in Markdown and draw it."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of the corpora's original files; without it, only print and draw")
    for name, use in table.files.items():
        parser.add_argument(f"--{name}", type=Path, metavar="PATH", help=use)
    parser.add_argument("--corpora", nargs="+", help="only these [all whose files are there]")
    parser.add_argument("--variants", nargs="+", help="only these")
    parser.add_argument("--work", type=Path, default=Path("work"), help="folder for models and unfinished runs")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, which share the cores")
    arguments = parser.parse_args()
    if arguments.data_dir:
        chosen = [
            cell
            for cell in table.cells
            if cell.corpus in (arguments.corpora or [cell.corpus])
            and cell.variant in (arguments.variants or [cell.variant])
            and all(name is None or getattr(arguments, name) is not None for name in (cell.vectors, cell.initial))
        ]
        Runner(table, arguments).run(chosen)
    print(markdown(table))
    draw(table, table.folder / "table.png")


class Runner:
    """Runs cells, several at a time, each with its share of the cores."""

    def __init__(self, table: Table, arguments: argparse.Namespace) -> None:
        self.table = table
        self.arguments = arguments
        self.threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
        self.lock = threading.Lock()

    def run(self, cells: Sequence[Cell]) -> None:
        """Run those of a cell's runs that are missing."""
        runs = [
            (cell, run)
            for cell in cells
            for run in (("folds",) if cell.corpus in CROSS_VALIDATED else map(str, SEEDS))
            if run not in self.table.result(cell)["runs"] and not (cell.variant == YARDSTICK and run in ("1", "2"))
        ]
        with ThreadPoolExecutor(self.arguments.jobs) as pool:
            for future in [pool.submit(self._run, cell, run) for cell, run in runs]:
                future.result()
        for cell in cells if self.table.averages else ():
            if cell.corpus not in CROSS_VALIDATED and cell.variant != YARDSTICK:
                self._average(cell)

    def _run(self, cell: Cell, run: str) -> None:
        begin = time.perf_counter()
        if cell.variant == YARDSTICK:
            outcome = yardstick(cell.corpus, self.arguments.data_dir)
        else:
            outcome = self._train(cell, run)
        outcome["seconds"] = round(time.perf_counter() - begin, 1)
        with self.lock:
            result = self.table.result(cell)
            result |= {"corpus": cell.corpus, "variant": cell.variant, "options": list(cell.options)}
            result["runs"][run] = outcome
            self.table.keep(cell, result)
        print(
            f"{cell.corpus:5} {cell.variant:14} run {run}: {100 * outcome['accuracy']:.1f}", file=sys.stderr, flush=True
        )

    def _average(self, cell: Cell) -> None:
        """Score the mean of the probabilities of a cell's models on its test texts."""
        models = [self._model(cell, str(seed)) for seed in SEEDS]
        result = self.table.result(cell)
        if "average" in result or not all((model / "config.json").exists() for model in models):
            return
        test = textcnn.load_corpus(cell.corpus, data_dir=self.arguments.data_dir)["test"]
        loaded = [textcnn.load_model(model) for model in models]
        probabilities = np.mean([model.predict_proba(list(test["text"])) for model in loaded], axis=0)  # (N, K)
        names = test.features["label"].int2str(test["label"])
        predicted = loaded[0].classes_[probabilities.argmax(axis=1)]
        self.table.keep(cell, result | {"average": float((predicted == np.array(names)).mean())})

    def _model(self, cell: Cell, run: str) -> Path:
        """Folder of a run's model."""
        return self.arguments.work / self.table.folder.name / f"{cell.corpus}-{cell.variant}-{run}"

    def _train(self, cell: Cell, run: str) -> dict:
        model = self._model(cell, run)
        model.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "textcnn", "train", cell.corpus, "--data-dir", self.arguments.data_dir]
        command += ["-o", str(model), "--resume", "--seed", "0" if run == "folds" else run, *cell.options]
        command += ["--cv", str(FOLDS)] if run == "folds" else []
        for flag, name in (("--vectors", cell.vectors), ("--init-from", cell.initial)):
            command += [flag, str(getattr(self.arguments, name))] if name is not None else []
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        log = model.with_name(model.name + ".log")
        if not (model / "config.json").exists():
            with log.open("w") as file:
                subprocess.run(command, check=True, env=environment, stdout=file, stderr=subprocess.STDOUT)
        shared = {"environment": {**environment_of(), "threads": self.threads}}
        if run == "folds":
            kept = json.loads(model.with_name(model.name + ".cv.json").read_text())
            scores = [fold["accuracy"] for fold in kept["folds"]]
            settings = {key: value for key, value in kept["identity"].items() if key.endswith("settings")}
            epochs = [fold["best_epoch"] for fold in kept["folds"]]
            return {
                "accuracy": statistics.mean(scores),
                "folds": scores,
                "best_epochs": epochs,
                "settings": settings,
                **shared,
            }
        config = json.loads((model / "config.json").read_text())
        metrics = json.loads((model / "metrics.json").read_text())
        history = config["training"]["history"]
        return {
            "accuracy": metrics["test"]["accuracy"],
            "validation": metrics["validation"]["accuracy"],
            "best_epoch": history["best_epoch"],
            "epochs": len(history["epochs"]),
            "vectors": config["training"]["vectors"],
            "settings": {
                "text": config["text"],
                "model": config["model"],
                "training": config["training"]["settings"],
            },
            **shared,
        }


def environment_of() -> dict:
    """What the results may depend on."""
    import torch

    return {
        "textcnn": textcnn.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def yardstick(corpus: str, data_dir: str) -> dict:
    """TF-IDF of 1-2-grams with sublinear counts and logistic regression, C = 10, on the same texts and folds.

    It chooses nothing, and learns from training and validation texts together.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from textcnn.data.splits import stratified_folds

    parts = textcnn.load_corpus(corpus, data_dir=data_dir)
    whole = corpus in CROSS_VALIDATED
    names = [name for name in ("train", "validation", "test") if name in parts and (whole or name != "test")]
    texts = [text for name in names for text in parts[name]["text"]]
    labels = np.array([label for name in names for label in parts[name]["label"]])

    def score(train: np.ndarray, test_texts: Sequence[str], test_labels: np.ndarray) -> float:
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = make_pipeline(vectorizer, LogisticRegression(C=10, max_iter=1000))
        model.fit([texts[row] for row in train], labels[train])
        return model.score(test_texts, test_labels)

    everything = np.arange(len(labels))
    if not whole:
        test = parts["test"]
        return {"accuracy": score(everything, list(test["text"]), np.array(test["label"]))}
    classes = parts["train"].features["label"].names
    scores = [
        score(np.setdiff1d(everything, rows), [texts[row] for row in rows], labels[rows])
        for rows in stratified_folds(labels, FOLDS, 0, names=classes)
    ]
    return {"accuracy": statistics.mean(scores), "folds": scores}


def figures(result: dict) -> list[float]:
    """Per cent, one a seed or one a fold."""
    runs = result["runs"].values()
    return [100 * score for run in runs for score in run.get("folds", [run["accuracy"]])]


def markdown(table: Table) -> str:
    """Published / reproduced, with the range over seeds or folds, and hours in all."""
    corpora = list(dict.fromkeys(cell.corpus for cell in table.cells if table.result(cell)["runs"]))
    variants = list(dict.fromkeys(cell.variant for cell in table.cells))
    lines = ["| | " + " | ".join(corpora) + " |", "| --- |" + " --- |" * len(corpora)]
    for variant in variants:
        row = [variant]
        for corpus in corpora:
            cell = next((cell for cell in table.cells if (cell.corpus, cell.variant) == (corpus, variant)), None)
            scores = figures(table.result(cell)) if cell is not None else []
            published = table.published.get(variant, {}).get(corpus)
            told = "" if published is None else f"{published} / "
            if scores:
                told += f"**{statistics.mean(scores):.1f}**"
                told += f" ({min(scores):.1f}-{max(scores):.1f})" if len(scores) > 1 else ""
                told += paired(table, corpus, scores) if corpus in CROSS_VALIDATED and variant != YARDSTICK else ""
            row.append(told + ("-" if not scores and published is not None else ""))
        lines.append("| " + " | ".join(row) + " |")
        cells = {cell.corpus: table.result(cell).get("average") for cell in table.cells if cell.variant == variant}
        if any(cells.values()):
            told = [f"{100 * cells[corpus]:.1f}" if cells.get(corpus) else "" for corpus in corpora]
            lines.append(f"| {variant}, average of {len(SEEDS)} models | " + " | ".join(told) + " |")
    seconds = sum(run["seconds"] for cell in table.cells for run in table.result(cell)["runs"].values())
    return "\n".join([*lines, "", f"All runs together: {seconds / 3600:.1f} hours, one at a time."])


def paired(table: Table, corpus: str, scores: list[float]) -> str:
    """The difference to the yardstick over the same folds, with its standard error."""
    cell = next((cell for cell in table.cells if (cell.corpus, cell.variant) == (corpus, YARDSTICK)), None)
    base = figures(table.result(cell)) if cell is not None else []
    if len(base) != len(scores):
        return ""
    differences = np.subtract(scores, base)
    return f", {differences.mean():+.1f} ± {differences.std(ddof=1) / len(scores) ** 0.5:.1f}"


def draw(table: Table, path: Path) -> None:
    """Published figures as rings, reproduced ones as dots with their range."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    corpora = list(dict.fromkeys(cell.corpus for cell in table.cells if table.result(cell)["runs"]))
    if not corpora:
        return
    fig, axes = plt.subplots(1, len(corpora), figsize=(3.2 * len(corpora), 3.2), squeeze=False)
    for axis, corpus in zip(axes[0], corpora, strict=True):
        cells = [cell for cell in table.cells if cell.corpus == corpus]
        for place, cell in enumerate(cells):
            scores = figures(table.result(cell))
            published = table.published.get(cell.variant, {}).get(corpus)
            if published is not None:
                axis.plot(published, place, "o", mfc="none", color="0.35", ms=8)
            if scores:
                whole = corpus not in CROSS_VALIDATED
                spread = np.std(scores) / len(scores) ** 0.5
                low, high = (
                    (min(scores), max(scores)) if whole else (np.mean(scores) - spread, np.mean(scores) + spread)
                )
                axis.plot([low, high], [place, place], color="tab:blue", lw=2)
                axis.plot(np.mean(scores), place, "o", color="tab:blue", ms=5)
        axis.set_yticks(range(len(cells)), [cell.variant for cell in cells])
        axis.invert_yaxis()
        axis.set_title(corpus)
        axis.set_xlabel("accuracy, %")
        axis.grid(axis="x", alpha=0.3)
    fig.suptitle(
        f"{table.title}: published (rings), reproduced (dots; range of seeds, standard error of folds)", size=9
    )
    fig.tight_layout()
    fig.savefig(path, dpi=130, metadata={"Software": None})
