"""`textcnn tune` beside fastText's autotune: the same texts, the same validation texts, the same time.

    python -m experiments.tuning --data-dir DATA

DATA holds the corpora's original files. Of each task both choose on the same validation texts, the corpus's own where
it has such, else a tenth of the training texts; the test texts are scored once by what was chosen. fastText searches
with `autotuneDuration` (its time for the last training comes on top, in both) on texts in lower case with punctuation
apart, and has all cores. Beside each search stands the same program under its defaults (fastText: 25 epochs, as
elsewhere here).
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import shared
from textcnn import load_corpus, load_model

HERE = Path(__file__).parent
TASKS = {"mr": "MR", "trec": "TREC", "sst2": "SST-2, sentences", "fine": "TREC, fine classes"}
METHODS = ("textcnn", "textcnn tune", "fastText", "fastText autotune")
LEAST = 10  # texts of a fine class


class Part(NamedTuple):
    """Texts and the names of their classes."""

    texts: list[str]
    labels: list[str]


Task = dict[str, Part]  # train, validation, test


def main() -> None:
    """Run what is not in the results yet, print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--budget", type=int, default=300, metavar="SECONDS", help="of each search [300]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], metavar="SEED", help="[1 2]")
    parser.add_argument("--tasks", nargs="+", default=[*TASKS], choices=[*TASKS], help="[all]")
    parser.add_argument("--methods", nargs="+", default=[*METHODS], choices=METHODS, help="[all]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "results.json"
    results = shared.read_json(path)
    if not arguments.show:
        if results and results["budget"] != arguments.budget:
            parser.error(f"expected the budget of {path}, {results['budget']}, found {arguments.budget}")
        results.setdefault("budget", arguments.budget)
        for name in arguments.tasks:
            for seed in arguments.seeds:
                task = read(name, arguments.data_dir, seed)
                for method in arguments.methods:
                    cell = results.setdefault("scores", {}).setdefault(TASKS[name], {}).setdefault(method, {})
                    if str(seed) not in cell:
                        cell[str(seed)] = run(method, task, seed, arguments.budget, arguments.work / f"{name}-{seed}")
                        results["machine"] = shared.machine()
                        shared.write_json(path, results)
                        print(name, seed, method, cell[str(seed)], flush=True)
    print(markdown(results))


def markdown(results: dict[str, Any]) -> str:
    """Return the table of all tasks: test accuracy, and the seconds of the searches."""
    rows = []
    for name, cells in results["scores"].items():
        means = {m: np.mean([one["test"] for one in cells[m].values()]) for m in METHODS if cells.get(m)}
        row = [shared.spread([one["test"] for one in cells[m].values()]) if m in means else "" for m in METHODS]
        best = max(means.values())
        marked = [f"**{cell}**" if means.get(m) == best else cell for m, cell in zip(METHODS, row, strict=True)]
        rows.append([name, *marked])
    lines = [
        shared.table(["", *METHODS], rows),
        f"Budget of a search: {results['budget']} seconds.",
        shared.machine_line(results.get("machine")),
    ]
    return "\n\n".join(lines)


def read(name: str, folder: str, seed: int) -> Task:
    """Return a task; the seed draws validation texts where the corpus has none of its own."""
    if name == "fine":
        task = fine(folder)
    else:
        options = {"phrases": False} if name == "sst2" else {}
        corpus = load_corpus(name, data_dir=folder, **options)
        names = corpus["train"].features["label"].names
        task = {
            split: Part([*part["text"]], [names[label] for label in part["label"]]) for split, part in corpus.items()
        }
    if "validation" not in task:
        rows = np.random.default_rng([seed, 7]).permutation(len(task["train"].texts))
        cut = len(rows) // 10
        task["validation"], task["train"] = (pick(task["train"], part) for part in (rows[:cut], np.sort(rows[cut:])))
    return task


def pick(part: Part, rows: np.ndarray) -> Part:
    """Return the texts at these rows."""
    return Part([part.texts[row] for row in rows], [part.labels[row] for row in rows])


def fine(folder: str) -> Task:
    """Return TREC with its fine classes, of those with some texts."""
    parts = []
    for name in ("train_5500.label", "TREC_10.label"):
        [path] = Path(folder).rglob(name)
        pairs = [line.partition(" ")[::2] for line in path.read_text("latin-1").splitlines()]
        parts.append(Part([text for _, text in pairs], [label for label, _ in pairs]))
    names, counts = np.unique(parts[0].labels, return_counts=True)
    kept = {*names[counts >= LEAST].tolist()}
    train, test = (pick(part, np.flatnonzero([label in kept for label in part.labels])) for part in parts)
    return {"train": train, "test": test}


def run(method: str, task: Task, seed: int, budget: int, work: Path) -> dict[str, float]:
    """Return the accuracy of a method on validation and test texts, and the seconds that it took."""
    work.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    model = textcnn if method.startswith("textcnn") else fasttext
    predict = model(task, seed, budget if method in ("textcnn tune", "fastText autotune") else None, work)
    seconds = time.perf_counter() - begin
    scores = {}
    for split in ("validation", "test"):
        predicted = predict(task[split].texts)
        scores[split] = float(np.mean([a == b for a, b in zip(predicted, task[split].labels, strict=True)]))
    return {**scores, "seconds": round(seconds, 1)}


def textcnn(task: Task, seed: int, budget: int | None, work: Path) -> Any:
    """Train with the command line, which is what users call, and return the model's `predict`."""
    for split, part in task.items():
        with (work / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "label"), *zip(*part, strict=True)])
    model = work / ("tuned" if budget else "trained")
    search = ["tune", "--budget", f"{budget}s"] if budget else ["train"]
    # Without the test texts, which `run` scores.
    options = [work / "train.csv", "--validation", work / "validation.csv", "-o", model, "--overwrite", "--no-report"]
    command = [sys.executable, "-m", "textcnn", *search, *map(str, options), "--seed", str(seed), "--device", "cpu"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return load_model(model).predict


def fasttext(task: Task, seed: int, budget: int | None, work: Path) -> Any:
    """Train fastText, and return a function that predicts."""
    from fasttext import train_supervised

    def line(text: str) -> str:
        return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))

    names = sorted({*task["train"].labels})
    for split in ("train", "validation"):
        pairs = zip(task[split].texts, task[split].labels, strict=True)
        lines = (f"__label__{names.index(label)} {line(text)}\n" for text, label in pairs if label in names)
        (work / f"{split}.txt").write_text("".join(lines), encoding="utf-8")
    search = {"autotuneValidationFile": str(work / "validation.txt"), "autotuneDuration": budget}
    settings = search if budget else {"wordNgrams": 2, "epoch": 25}
    model = train_supervised(str(work / "train.txt"), seed=seed, thread=os.cpu_count() or 1, verbose=0, **settings)

    def predict(texts: Sequence[str]) -> list[str]:
        found = []
        for text in texts:
            [(_, label)] = model.f.predict(line(text) + "\n", 1, 0.0, "strict")
            found.append(names[int(label.removeprefix("__label__"))])
        return found

    return predict


if __name__ == "__main__":
    main()
