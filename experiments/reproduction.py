"""Run the cells of a table of accuracies by the command line, keep the results, and compare them with published ones.

A cell is a corpus and a variant of the network. A corpus with a fixed test set is trained with each of the seeds, and
its test texts are scored once per run; the others are cross-validated, with the same ten folds for every variant. Each
cell has a JSON file of its own, written as its runs end; a run that was stopped is resumed, a finished one is kept.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import textcnn
from experiments import shared
from experiments.shared import BASELINE, NAMES
from textcnn.report.baselines import linear

SEEDS = (0, 1, 2)
FOLDS = 10
CROSS_VALIDATED = ("mr", "subj", "cr", "mpqa")


@dataclass(frozen=True)
class Cell:
    """One figure of a table.

    Args:
        corpus: a named corpus.
        variant: a row of the table.
        options: of `textcnn train`, besides corpus, seed and files.
        vectors: which file of word vectors it takes, a key of `Table.files`; None for none.
        initial: which saved model it starts from, likewise.
    """

    corpus: str
    variant: str
    options: tuple[str, ...] = ()
    vectors: str | None = None
    initial: str | None = None


@dataclass(frozen=True)
class Table:
    """A table of accuracies.

    Args:
        name: of the experiment.
        title: of the plot.
        folder: where the results are.
        cells: what to run.
        published: accuracy in per cent by variant and corpus.
        files: names of the files that some cells need, with their help.
        averages: whether the mean probabilities of a cell's models, one per seed, get a row of their own.
    """

    name: str
    title: str
    folder: Path
    cells: Sequence[Cell]
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    averages: bool = False

    def path(self, cell: Cell) -> Path:
        """Return the file of a cell's result."""
        return self.folder / "results" / f"{cell.corpus}-{cell.variant.lower().replace(' ', '-')}.json"

    def result(self, cell: Cell) -> dict[str, Any]:
        """Return what there is of a cell's result."""
        return shared.read_json(self.path(cell)) or {"runs": {}}

    def keep(self, cell: Cell, result: dict[str, Any]) -> None:
        """Write a cell's result."""
        self.path(cell).parent.mkdir(exist_ok=True)
        shared.write_json(self.path(cell), result)

    @property
    def corpora(self) -> list[str]:
        """The corpora with results, in the order of the cells."""
        return list(dict.fromkeys(cell.corpus for cell in self.cells if self.result(cell)["runs"]))

    def cell(self, corpus: str, variant: str) -> Cell | None:
        """Return the cell of a corpus and a variant, or None."""
        return next((cell for cell in self.cells if (cell.corpus, cell.variant) == (corpus, variant)), None)


def main(table: Table, description: str) -> None:
    """Run what is missing, then print the table in Markdown and draw it."""
    parser = shared.make_parser(description, table.folder)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    for name, use in table.files.items():
        parser.add_argument(f"--{name}", type=Path, metavar="PATH", help=f"{use}; without it, its cells are left out")
    parser.add_argument("--corpora", nargs="+", metavar="NAME", help="only these [all]")
    parser.add_argument("--variants", nargs="+", metavar="NAME", help="only these [all]")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="[0 1 2]")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, which share the cores [1]")
    parser.add_argument("--train", nargs=argparse.REMAINDER, default=[], help="more options of `textcnn train`")
    arguments = shared.parse(parser)
    table = dataclasses.replace(table, folder=arguments.output)
    if not arguments.show:
        chosen = [
            cell
            for cell in table.cells
            if cell.corpus in (arguments.corpora or [cell.corpus])
            and cell.variant in (arguments.variants or [cell.variant])
            and all(name is None or getattr(arguments, name) is not None for name in (cell.vectors, cell.initial))
        ]
        if arguments.data_dir is None and any(cell.corpus != "sample" for cell in chosen):
            parser.error("expected --data-dir, --corpora sample or --show")
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
        """Run what is missing of the cells."""
        runs = [
            (cell, run)
            for cell in cells
            for run in self._runs(cell)
            if run not in self.table.result(cell)["runs"]
        ]  # fmt: skip
        with ThreadPoolExecutor(self.arguments.jobs) as pool:
            for future in [pool.submit(self._run, cell, run) for cell, run in runs]:
                future.result()
        for cell in cells if self.table.averages and tuple(self.arguments.seeds) == SEEDS else ():
            if cell.corpus not in CROSS_VALIDATED and cell.variant != BASELINE:
                self._average(cell)

    def _runs(self, cell: Cell) -> list[str]:
        """Return the names of a cell's runs; the baseline has no seed."""
        if cell.corpus in CROSS_VALIDATED:
            return ["folds"]
        return ["0"] if cell.variant == BASELINE else [str(seed) for seed in self.arguments.seeds]

    def _run(self, cell: Cell, run: str) -> None:
        begin = time.perf_counter()
        outcome = baseline(cell.corpus, self.arguments.data_dir) if cell.variant == BASELINE else self._train(cell, run)
        outcome["seconds"] = round(time.perf_counter() - begin, 1)
        outcome["environment"] = {**shared.machine(), "threads": self.threads}
        with self.lock:
            result = self.table.result(cell)
            result |= {"corpus": cell.corpus, "variant": cell.variant, "options": list(cell.options)}
            result["runs"][run] = outcome
            self.table.keep(cell, result)
        accuracy = f"{100 * outcome['accuracy']:.1f}"
        print(f"{cell.corpus:5} {cell.variant:14} run {run}: {accuracy}", file=sys.stderr, flush=True)

    def _average(self, cell: Cell) -> None:
        """Score the mean of the probabilities of a cell's models on its test texts."""
        models = [self._model(cell, run) for run in self._runs(cell)]
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
        """Return the folder of a run's model."""
        return self.arguments.work / self.table.name / f"{cell.corpus}-{cell.variant}-{run}"

    def _train(self, cell: Cell, run: str) -> dict[str, Any]:
        model = self._model(cell, run)
        model.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "textcnn", "train", cell.corpus, "-o", str(model), "--resume"]
        command += ["--data-dir", self.arguments.data_dir] if self.arguments.data_dir else []
        command += ["--seed", "0" if run == "folds" else run, *cell.options, *self.arguments.train]
        command += ["--cv", str(FOLDS)] if run == "folds" else []
        for flag, name in (("--vectors", cell.vectors), ("--init-from", cell.initial)):
            command += [flag, str(getattr(self.arguments, name))] if name is not None else []
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        log = model.with_name(model.name + ".log")
        if not (model / "config.json").exists():
            with log.open("w") as file:
                subprocess.run(command, check=True, env=environment, stdout=file, stderr=subprocess.STDOUT)
        return of_folds(model) if run == "folds" else of_model(model)


def of_folds(model: Path) -> dict[str, Any]:
    """Return what is kept of a cross-validation, from the file beside the model's folder."""
    kept = shared.read_json(model.with_name(model.name + ".cv.json"))
    scores = [fold["accuracy"] for fold in kept["folds"]]
    return {
        "accuracy": statistics.mean(scores),
        "folds": scores,
        "best_epochs": [fold["best_epoch"] for fold in kept["folds"]],
        "settings": {key: value for key, value in kept["identity"].items() if key.endswith("settings")},
    }


def of_model(model: Path) -> dict[str, Any]:
    """Return what is kept of a trained model."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    history = config["training"]["history"]
    return {
        "accuracy": metrics["test"]["accuracy"],
        "validation": metrics["validation"]["accuracy"],
        "best_epoch": history["best_epoch"],
        "epochs": len(history["epochs"]),
        "vectors": config["training"]["vectors"],
        "settings": {"text": config["text"], "model": config["model"], "training": config["training"]["settings"]},
    }


def baseline(corpus: str, data_dir: str | None) -> dict[str, Any]:
    """Return the linear baseline's score on the same texts and folds.

    It chooses nothing, and learns from training and validation texts together.
    """
    from textcnn.data.splits import stratified_folds  # the folds of `textcnn train --cv`

    parts = textcnn.load_corpus(corpus, data_dir=data_dir)
    whole = corpus in CROSS_VALIDATED
    names = [name for name in ("train", "validation", "test") if name in parts and (whole or name != "test")]
    texts = np.array([text for name in names for text in parts[name]["text"]], dtype=object)
    labels = np.array([label for name in names for label in parts[name]["label"]])
    if not whole:
        test = parts["test"]
        return {"accuracy": linear(texts, labels, list(test["text"]), np.array(test["label"]))}
    everything, scores = np.arange(len(labels)), []
    for rows in stratified_folds(labels, FOLDS, 0, names=parts["train"].features["label"].names):
        rest = np.setdiff1d(everything, rows)
        scores.append(linear(texts[rest], labels[rest], texts[rows], labels[rows]))
    return {"accuracy": statistics.mean(scores), "folds": scores}


def scores_of(result: dict[str, Any]) -> list[float]:
    """Return a cell's accuracies, one per seed or one per fold."""
    return [score for run in result["runs"].values() for score in run.get("folds", [run["accuracy"]])]


def markdown(table: Table) -> str:
    """Return the table: published / reproduced, with the range over seeds or folds, and the hours in total."""
    rows = []
    for variant in dict.fromkeys(cell.variant for cell in table.cells):
        cells = {corpus: table.cell(corpus, variant) for corpus in table.corpora}
        rows.append([variant, *(_shown(table, cells[corpus], corpus, variant) for corpus in table.corpora)])
        averages = [table.result(cell).get("average") if cell else None for cell in cells.values()]
        if any(averages):
            means = ["" if average is None else f"{100 * average:.1f}" for average in averages]
            rows.append([f"{variant}, average of {len(SEEDS)} models", *means])
    runs = [run for cell in table.cells for run in table.result(cell)["runs"].values()]
    lines = [shared.table(["", *(NAMES.get(corpus, corpus) for corpus in table.corpora)], rows), ""]
    found = [run["environment"] for run in runs if "environment" in run]
    threads = " or ".join(map(str, sorted({each["threads"] for each in found})))
    lines += dict.fromkeys(shared.machine_line({**each, "threads": threads}) for each in found)
    hours = sum(run["seconds"] for run in runs) / 3600
    return "\n".join([*lines, f"All runs: {hours:.1f} hours, one after the other."])


def _shown(table: Table, cell: Cell | None, corpus: str, variant: str) -> str:
    scores = scores_of(table.result(cell)) if cell is not None else []
    published = table.published.get(variant, {}).get(corpus)
    shown = "" if published is None else f"{published} / "
    if not scores:
        return shown and f"{shown}-"
    mean, *interval = shared.spread(scores).split(" ")
    difference = paired(table, corpus, scores) if corpus in CROSS_VALIDATED and variant != BASELINE else ""
    return shown + " ".join([f"**{mean}**", *interval]) + difference


def paired(table: Table, corpus: str, scores: list[float]) -> str:
    """Return the difference to the baseline over the same folds, with its standard error."""
    cell = table.cell(corpus, BASELINE)
    base = scores_of(table.result(cell)) if cell is not None else []
    if len(base) != len(scores):
        return ""
    differences = 100 * np.subtract(scores, base)
    return f", {differences.mean():+.1f} ± {differences.std(ddof=1) / len(scores) ** 0.5:.1f}"


def draw(table: Table, path: Path) -> None:
    """Draw published figures as rings, reproduced ones as dots with their range."""
    if not table.corpora:
        return
    plt = shared.pyplot()
    fig, axes = plt.subplots(1, len(table.corpora), figsize=(3.2 * len(table.corpora), 3.2), squeeze=False)
    for axis, corpus in zip(axes[0], table.corpora, strict=True):
        cells = [cell for cell in table.cells if cell.corpus == corpus]
        for height, cell in enumerate(cells):
            scores = 100 * np.array(scores_of(table.result(cell)))
            published = table.published.get(cell.variant, {}).get(corpus)
            if published is not None:
                axis.plot(published, height, "o", mfc="none", color="0.35", ms=8)
            if len(scores):
                error = scores.std() / len(scores) ** 0.5
                interval = [scores.mean() - error, scores.mean() + error]
                if corpus not in CROSS_VALIDATED:
                    interval = [scores.min(), scores.max()]
                axis.plot(interval, [height, height], color="tab:blue", lw=2)
                axis.plot(scores.mean(), height, "o", color="tab:blue", ms=5)
        axis.set_yticks(range(len(cells)), [cell.variant for cell in cells])
        axis.invert_yaxis()
        axis.set_title(NAMES.get(corpus, corpus))
        axis.set_xlabel("accuracy, %")
        axis.grid(axis="x", alpha=0.3)
    rings = "published (rings), reproduced (dots" if table.published else "accuracy (dots"
    fig.suptitle(f"{table.title}: {rings}; range of seeds, standard error of folds)", size=9)
    fig.tight_layout()
    shared.save_plot(fig, path)
