r"""What does a student of a transformer know, and what does each text cost?

    pip install '.[teacher]' fasttext-wheel
    python -m experiments.distillation.tasks --data-dir DATA --work work
    python -m experiments.distillation.teachers imdb-parts --base ENCODER --epochs 1 --texts 24000 --work work
    python -m experiments.distillation.teachers mr --base work/imdb-parts/teacher --work work
    textcnn vectors work/sentences.csv --architecture skip-gram --epochs 3 -o work/imdb.bin
    textcnn vectors work/trec/train.csv --from-transformer ENCODER --dimension 300 -o work/trec.bin
    python -m experiments.distillation --work work --tasks mr

ENCODER is a folder of all-MiniLM-L6-v2. The teachers of MR and SST begin with IMDB's labels and have two epochs, on a
random 25,000 (SST-2) or 40,000 (SST-1) phrases; TREC's begins with ENCODER and has five. IMDB's are three models of its
own labels, which answer its 50,000 unlabelled reviews. What is in the results is not repeated, and a teacher's answers
are kept. Test texts are scored once by each student; what settings are worth (`--what
choices`) is measured on validation texts of MR.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import shared
from experiments.distillation.tasks import FOLDS, REVIEWS, SENTENCES, read

SEEDS = (0, 1, 2)
PART = 2048  # texts of a file of answers: numbers of sentences are multiples of it
MOST = 20 * PART
LABELS, VECTORS = "labels alone", "and word vectors"
TRAINING, OUTSIDE = "and the teacher's answers to the training texts", "and to 41,000 sentences"
MIXED = "and these averaged with a model's answers"
MERGED = "one student of three models of the labels"
VARIANTS = (LABELS, VECTORS, TRAINING, MIXED, OUTSIDE, MERGED)
# What the best of IMDB's models have (`experiments.recipe`).
IMDB = ("--region-sizes", "5,7,9", "--vector-norm", "8", "--learning-rate", "0.0003", "--ngrams", "3")
IMDB += ("--min-count", "5", "--skip-missing")
CURVE = (0, 2 * PART, 10 * PART, MOST, 60 * PART)
CHOICES: dict[str, tuple[str, ...]] = {
    "defaults": (),
    "gold weight 0.25": ("--gold-weight", "0.25"),
    "temperature 2": ("--teacher-temperature", "2"),
    "learning rate 0.0003": ("--learning-rate", "0.0003"),
    "300 feature maps, learning rate 0.0003": ("--feature-maps", "300", "--learning-rate", "0.0003"),
    "multichannel": ("--channels", "multichannel"),
}  # of `textcnn distill`, without outside texts
NAMES = {**shared.NAMES, **{fold: f"MR, fold {fold[-1]}" for fold in FOLDS}}


class Run(NamedTuple):
    """A student: its task and row of a table, its seed, and the command without its folder."""

    task: str
    row: str
    seed: int
    command: tuple[str, ...]


def runs(work: Path, tasks: list[str], what: list[str], seeds: tuple[int, ...]) -> Iterator[Run]:
    """Yield the students of some tasks, the most telling first."""
    for task in tasks:
        folder = work / task
        vectors = ("--vectors", str(work / ("trec.bin" if task == "trec" else "imdb.bin")))
        answers = str(folder / "answers")
        teacher = ("--teacher", str(folder / "teacher"), "--answers", answers)
        ask = ("distill", str(folder), *vectors, *teacher)
        more = ("--unlabelled", str(work / SENTENCES), "--max-texts")
        own = IMDB if task == "imdb" else ()
        if "choices" in what:
            for row, options in CHOICES.items():
                yield Run(task, row, 0, (*ask, *options))
        if "curve" in what:
            for size in CURVE:
                yield Run(task, f"{size:,} sentences", 0, (*ask, *((*more, str(size)) if size else ())))
        for seed in seeds if {"table", "vectors"} & {*what} else ():
            if "table" in what:
                yield Run(task, LABELS, seed, ("train", str(folder), *own))
            yield Run(task, VECTORS, seed, ("train", str(folder), *vectors, *own))
            if "table" in what and task != "imdb":
                yield Run(task, TRAINING, seed, ask)
        for seed in seeds if "mixed" in what else ():
            both = ("--teacher", str(folder / "teacher"), "--teacher", str(student(work, task, VECTORS, 0)))
            kept = ("--answers", str(folder / "mixed-answers"))
            yield Run(task, MIXED, seed, ("distill", str(folder), *vectors, *both, *kept))
        for seed in seeds if "outside" in what else ():
            yield Run(task, OUTSIDE, seed, (*ask, *more, str(MOST)))
        for seed in seeds if "merged" in what else ():
            models = [part for number in SEEDS for part in ("--teacher", str(student(work, task, VECTORS, number)))]
            kept = ("--answers", str(folder / "models-answers"))
            texts = ("--unlabelled", str(folder / REVIEWS)) if task == "imdb" else (*more, str(MOST))
            yield Run(task, MERGED, seed, ("distill", str(folder), *vectors, *own, *models, *kept, *texts))


def student(work: Path, task: str, row: str, seed: int) -> Path:
    """Return the folder of a student."""
    return work / "students" / f"{task} {row} {seed}".replace(" ", "-").replace(",", "")


def main() -> None:
    """Run what is missing, then print the tables and draw the plots."""
    parser = shared.make_parser(__doc__ or "", Path(__file__).parent)
    parser.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="folders in the folder of --work")
    parser.add_argument(
        "--what",
        nargs="+",
        default=["table"],
        choices=("table", "vectors", "mixed", "outside", "merged", "choices", "curve", "speed"),
        help="[table]",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="[0 1 2]")
    arguments = shared.parse(parser, "tasks")
    path = arguments.output / "results.json"
    results = shared.read_json(path) or {"students": {}, "speed": {}}
    if not arguments.show:
        for run in runs(arguments.work, arguments.tasks, arguments.what, tuple(arguments.seeds)):
            cell = results["students"].setdefault(run.task, {}).setdefault(run.row, {})
            if str(run.seed) not in cell:
                cell[str(run.seed)] = train(run, arguments.work)
                results["machine"] = shared.machine()
                shared.write_json(path, results)
                print(run.task, run.row, run.seed, cell[str(run.seed)], file=sys.stderr, flush=True)
        for task in arguments.tasks if "speed" in arguments.what else ():
            results["speed"][task] = speeds(arguments.work, task)
            results["speed machine"] = shared.machine()
            shared.write_json(path, results)
    print(markdown(results))
    draw(results, arguments.output)


def train(run: Run, work: Path) -> dict[str, float]:
    """Train a student by the command line, and return its scores."""
    folder = student(work, run.task, run.row, run.seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "textcnn", *run.command, "--seed", str(run.seed), "-o", str(folder)]
    begin = time.perf_counter()
    with folder.with_suffix(".log").open("w") as log:
        subprocess.run([*command, "--no-report", "--overwrite"], check=True, stdout=log, stderr=log, env={**os.environ})
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    test, validation = metrics["test"], metrics["validation"]
    found = {"test": test["accuracy"], "validation": validation["accuracy"], "seconds": time.perf_counter() - begin}
    if "teacher" in test:
        found |= {"teacher": test["teacher"]["accuracy"], "agreement": test["teacher"]["agreement"]}
    return {key: round(value, 4) for key, value in found.items()}


def speeds(work: Path, task: str) -> dict[str, dict[str, float]]:
    """Return accuracy, texts a second and megabytes of the student, its teacher and the rivals, one after the other."""
    import textcnn
    from textcnn.distillation._teachers import make_teacher

    (texts, labels), (others, truth) = (read(work / task / f"{split}.csv") for split in ("train", "test"))
    folder = student(work, task, OUTSIDE, 0)
    model = textcnn.load_model(folder)
    place = work / task / "teacher"
    teacher = make_teacher(str(place), [str(name) for name in model.classes_], model.target)
    found = {
        "student": (lambda: model.predict(others), size_of(folder)),
        "teacher": (lambda: model.classes_[teacher.probabilities(others).argmax(axis=1)], size_of(place)),
        **rivals(texts, labels, others),
    }
    return {name: measured(predict, size, truth) for name, (predict, size) in found.items()}


def measured(predict: Any, size: float, truth: list[str]) -> dict[str, float]:
    """Return a classifier's accuracy, its speed (the median of five calls, after one) and its size."""
    accuracy = float((np.asarray(predict()) == np.array(truth)).mean())
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        predict()
        seconds.append(time.perf_counter() - begin)
    return {"accuracy": accuracy, "texts_per_second": len(truth) / float(np.median(seconds)), "megabytes": size}


def size_of(folder: Path) -> float:
    """Return the size of a folder's files in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def rivals(texts: list[str], labels: list[str], others: list[str]) -> dict[str, Any]:
    """Return TF-IDF with logistic regression, and fastText with bigrams."""
    import pickle
    import tempfile

    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    linear = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=1000))
    linear.fit(texts, labels)
    model = shared.train_fasttext(texts, labels, order=0, wordNgrams=2, epoch=25)
    with tempfile.TemporaryDirectory() as folder:
        model.save_model(str(Path(folder) / "model.bin"))
        size = (Path(folder) / "model.bin").stat().st_size / 1e6

    def predict() -> list[str]:
        return [model.f.predict(f"{text}\n", 1, 0.0, "strict")[0][1].removeprefix("__label__") for text in others]

    return {
        shared.BASELINE: (lambda: linear.predict(others), len(pickle.dumps(linear)) / 1e6),
        "fastText": (predict, size),
    }


def markdown(results: dict[str, Any]) -> str:
    """Return all tables."""
    found = results["students"]
    tasks = [task for task in NAMES if task in found]
    rows = []
    teachers = [teacher_of(found[task], (TRAINING, OUTSIDE, MERGED)) for task in tasks]
    for name, scores in (
        ("the teacher", teachers),
        ("the mean of the teacher's and a model's answers", [teacher_of(found[task], (MIXED,)) for task in tasks]),
    ):
        rows.append([name, *("" if score is None else f"{100 * score:.1f}" for score in scores)])
    for row in VARIANTS:
        cells = [found[task].get(row, {}) for task in tasks]
        if not any(cells):
            continue
        rows.append([row, *(shared.spread([each["test"] for each in cell.values()]) if cell else "" for cell in cells)])
    shares = []
    for task, teacher in zip(tasks, teachers, strict=True):
        cells = next((found[task][row] for row in (OUTSIDE, TRAINING, MERGED) if found[task].get(row)), {})
        own = [each["test"] for each in cells.values()]
        shares.append(f"{100 * np.mean(own) / teacher:.1f}%" if own and teacher else "")
    rows.append(["the student of most texts, of its teacher", *shares])
    out = [shared.table(["accuracy, %", *(NAMES[task] for task in tasks)], rows)]
    for task in tasks:
        for title, names in (("validation, %", CHOICES), ("test, %", [f"{size:,} sentences" for size in CURVE])):
            cells = {name: found[task][name]["0"] for name in names if name in found[task]}
            key = title.partition(",")[0]
            if cells:
                lines = [[name, f"{100 * cell[key]:.1f}"] for name, cell in cells.items()]
                out.append(shared.table([NAMES[task], title], lines))
    for task, cells in results["speed"].items():
        lines = [
            [name, f"{100 * one['accuracy']:.1f}", f"{one['texts_per_second']:,.0f}", f"{one['megabytes']:.1f}"]
            for name, one in cells.items()
        ]
        out.append(shared.table([NAMES[task], "accuracy, %", "texts a second", "MB"], lines))
    return "\n\n".join([*out, shared.machine_line(results.get("machine"))])


def teacher_of(cells: dict[str, Any], rows: tuple[str, ...]) -> float | None:
    """Return the accuracy of the teacher of the first of some rows that has one."""
    runs = (run for row in rows for run in cells.get(row, {}).values())
    return next((run["teacher"] for run in runs if "teacher" in run), None)


def draw(results: dict[str, Any], folder: Path) -> None:
    """Draw accuracy against texts a second, a panel for each task."""
    if not results["speed"]:
        return
    plt = shared.pyplot()
    figure, axes = plt.subplots(1, len(results["speed"]), figsize=(4.5 * len(results["speed"]), 3.4), squeeze=False)
    for axis, (task, cells) in zip(axes[0], results["speed"].items(), strict=True):
        for name, one in cells.items():
            axis.plot(one["texts_per_second"], 100 * one["accuracy"], "o")
            axis.annotate(
                name, (one["texts_per_second"], 100 * one["accuracy"]), textcoords="offset points", xytext=(4, 4)
            )
        axis.set_xscale("log")
        axis.margins(0.25)
        axis.set_title(NAMES[task])
        axis.set_xlabel("texts a second")
        axis.set_ylabel("accuracy, %")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    shared.save_plot(figure, folder / "speed.png")


if __name__ == "__main__":
    main()
