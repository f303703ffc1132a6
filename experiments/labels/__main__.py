"""Several labels a text: the defaults beside linear models and fastText.

    python -m experiments.labels --data-dir DATA

DATA holds the corpora's original files. No corpus of those has several labels a text, so two are made of TREC's
questions: each question with its coarse and its fine class as two labels, and texts of one to three questions, with
their coarse classes, beside movie review sentences without a label. Training texts are drawn from TREC's training
questions, and scored once on texts from its test questions (review sentences: SST's). The other methods see the same
texts: one logistic regression (C = 10) or linear SVM for each label on TF-IDF of uni- and bigrams, as scikit-learn
does it in one line, and, where `fasttext` is installed, fastText with independent labels (`loss="ova"`), wordNgrams 2
and 25 epochs, both at thresholds of 0.5. textcnn has its defaults and its own thresholds.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import shared
from textcnn import TextCNNClassifier, load_corpus

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
SHARE_WITHOUT = 0.15  # of the texts of several questions, those that have no question
FIGURES = {"micro_f1": "micro-F1", "macro_f1": "macro-F1", "average_precision": "mean average precision"}


class Task(NamedTuple):
    """Training texts with lists of labels, and those to score."""

    texts: list[str]
    labels: list[list[str]]
    test_texts: list[str]
    test_labels: list[list[str]]


Method = Callable[[Task, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a task and the labels' names, (K,), to what is predicted, (N, K) bool, and scores, (N, K)."""


def main() -> None:
    """Run what is not in the results yet, print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--methods", nargs="+", default=[*METHODS], choices=[*METHODS], help="[all]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "results.json"
    results = shared.read_json(path)
    if not arguments.show:
        for name, seed, task in tasks(arguments.data_dir):
            for method in arguments.methods:
                cell = results.setdefault("scores", {}).setdefault(name, {}).setdefault(method, {})
                if str(seed) not in cell:
                    cell[str(seed)] = score(task, METHODS[method])
                    results["machine"] = shared.machine()
                    shared.write_json(path, results)
                    print(name, seed, method, cell[str(seed)], flush=True)
    print(markdown(results))


def score(task: Task, method: Method) -> dict[str, float]:
    """Return the figures of a method; labels that no test text has do not count."""
    from sklearn.metrics import average_precision_score, f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    binarizer = MultiLabelBinarizer().fit(task.labels + task.test_labels)
    truth = binarizer.transform(task.test_labels)
    predicted, scores = method(task, binarizer.classes_)
    some = truth.any(axis=0)
    return {
        "micro_f1": float(f1_score(truth, predicted, average="micro", zero_division=0)),
        "macro_f1": float(f1_score(truth[:, some], predicted[:, some], average="macro", zero_division=0)),
        "average_precision": float(average_precision_score(truth[:, some], scores[:, some])),
    }


def markdown(results: dict[str, Any]) -> str:
    """Return the table of all tasks."""
    methods = [method for method in METHODS if any(method in cells for cells in results["scores"].values())]
    rows = []
    for name, cells in results["scores"].items():
        for figure, title in FIGURES.items():
            found = {method: [each[figure] for each in cells[method].values()] for method in methods if method in cells}
            best = max(np.mean(values) for values in found.values())
            row = [f"**{shared.spread(v)}**" if np.mean(v) == best else shared.spread(v) for v in found.values()]
            rows.append([f"{name}, {title}", *row])
    return f"{shared.table(['', *methods], rows)}\n\n{shared.machine_line(results.get('machine'))}"


def tasks(folder: str) -> Iterator[tuple[str, int, Task]]:
    """Yield each task with its name and seed."""
    train, test = (questions(folder, name) for name in ("train_5500.label", "TREC_10.label"))
    reviews = load_corpus("sst2", data_dir=folder, phrases=False)
    for size in (1000, len(train)):
        for seed in SEEDS:
            rows = np.random.default_rng([seed, 7]).permutation(len(train))[:size]
            drawn = [train[row] for row in rows.tolist()]
            texts, labels = map(list, zip(*drawn, strict=True))
            yield (
                f"coarse and fine classes of {size:,} questions",
                seed,
                Task(texts, labels, *map(list, zip(*test, strict=True))),
            )
    for size in (500, 3000):
        for seed in SEEDS:
            generator = np.random.default_rng([seed, 7])
            parts = joined(train, reviews["train"]["text"][:], size, generator)
            scored = joined(test, reviews["test"]["text"][:], 1000, np.random.default_rng(7))
            yield f"one to three questions in each of {size:,} texts", seed, Task(*parts, *scored)


Questions = list[tuple[str, list[str]]]


def questions(folder: str, name: str) -> Questions:
    """Return the questions of a file of TREC with their coarse and fine classes."""
    [path] = Path(folder).rglob(name)
    pairs = [line.partition(" ")[::2] for line in path.read_text("latin-1").splitlines()]
    return [(text, [label.partition(":")[0], label]) for label, text in pairs]


def joined(
    found: Questions, others: list[str], size: int, generator: np.random.Generator
) -> tuple[list[str], list[list[str]]]:
    """Return texts of one to three questions with their coarse classes, and some of none."""
    texts, labels = [], []
    for _ in range(size):
        if generator.random() < SHARE_WITHOUT:
            texts.append(others[int(generator.integers(len(others)))])
            labels.append([])
            continue
        drawn = [found[row] for row in generator.integers(len(found), size=generator.integers(1, 4)).tolist()]
        texts.append(" ".join(text for text, _ in drawn))
        labels.append(sorted({own[0] for _, own in drawn}))
    return texts, labels


def textcnn(task: Task, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what a classifier with its defaults predicts."""
    classifier = TextCNNClassifier(device="cpu").fit(task.texts, task.labels)
    found = np.searchsorted(names, classifier.classes_)
    scores = np.zeros((len(task.test_texts), len(names)))
    scores[:, found] = classifier.predict_proba(task.test_texts)
    own = [set(labels) for labels in classifier.predict(task.test_texts)]
    return np.array([[name in labels for name in names.tolist()] for labels in own]), scores


def linear(task: Task, names: np.ndarray, *, svm: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return what a linear model for each label predicts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MultiLabelBinarizer
    from sklearn.svm import LinearSVC

    binarizer = MultiLabelBinarizer().fit(task.labels)
    one = LinearSVC() if svm else LogisticRegression(C=10, solver="liblinear")
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), OneVsRestClassifier(one))
    model.fit(task.texts, binarizer.transform(task.labels))
    scores = np.full((len(task.test_texts), len(names)), -np.inf)
    scores[:, np.searchsorted(names, binarizer.classes_)] = model.decision_function(task.test_texts)
    return scores > 0, np.maximum(scores, -1e9)


def fasttext(task: Task, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what fastText predicts; its texts are lower case, punctuation apart, and its labels are numbers."""
    from fasttext import train_supervised

    def lines(texts: list[str]) -> list[str]:
        return [" ".join(re.findall(r"\w+|[^\w\s]", text.lower())) for text in texts]

    number = {name: i for i, name in enumerate(names.tolist())}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        pairs = zip(task.labels, lines(task.texts), strict=True)
        path.write_text("".join(f"{' '.join(f'__label__{number[n]}' for n in own)} {line}\n" for own, line in pairs))
        model = train_supervised(str(path), wordNgrams=2, epoch=25, loss="ova", thread=1, verbose=0)
    scores = np.zeros((len(task.test_texts), len(names)))
    for row, line in enumerate(lines(task.test_texts)):
        for probability, label in model.f.predict(line + "\n", -1, 0.0, "strict"):
            scores[row, int(label.removeprefix("__label__"))] = probability
    return scores >= 0.5, scores


METHODS: dict[str, Method] = {
    "textcnn": textcnn,
    shared.BASELINE: lambda task, names: linear(task, names, svm=False),
    "TF-IDF + SVM": lambda task, names: linear(task, names, svm=True),
    "fastText": fasttext,
}


if __name__ == "__main__":
    main()
