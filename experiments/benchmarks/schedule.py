"""Accuracy at the time spent: a falling learning rate and few epochs beside a constant rate, and beside linear models.

    pip install fasttext-wheel
    python -m experiments.benchmarks.schedule --data-dir DATA

Validation accuracy against the seconds since training began, on a tenth of the training texts of MR and IMDB by seed
(test texts are not read). textcnn has a point for each epoch, with everything that comes before the first: vocabulary,
n-grams and their linear model. The others have one: TF-IDF with logistic regression as in all tables, a linear SVM on
presence times naive-Bayes ratios (NBSVM, Wang and Manning 2012, uni- and bigrams, beta 0.25), and fastText with bigrams
and 5 or 25 epochs. Each has the strings as they are, and one thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import shared
from experiments.benchmarks.command import separated
from textcnn import TextCNNClassifier, load_corpus
from textcnn.training.progress import Epoch, Progress

HERE = Path(__file__).parent
SEEDS = {"mr": (0, 1, 2), "imdb": (0,)}
WORDS = r"(?u)\b\w+\b|[^\w\s]"  # of NBSVM
LINEAR, CONSTANT = "textcnn", "textcnn, constant rate, 25 epochs at most"
SCHEDULES: dict[str, dict[str, Any]] = {LINEAR: {}, CONSTANT: {"schedule": "constant"}}


class Parts(NamedTuple):
    """Texts with class ids to learn from, and those to score."""

    texts: list[str]
    labels: np.ndarray
    held_out: list[str]
    truth: np.ndarray


Point = tuple[float, float]  # seconds, accuracy


def main() -> None:
    """Run what is not in the results yet, print the table, draw the plot."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--corpora", nargs="+", default=[*SEEDS], choices=[*SEEDS], help="[all]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "schedule.json"
    results = shared.read_json(path) or {"points": {}}
    if not arguments.show:
        import torch

        torch.set_num_threads(1)
        for corpus in arguments.corpora:
            for seed in SEEDS[corpus]:
                parts = divided(corpus, arguments.data_dir, seed)
                for method, run in METHODS.items():
                    cell = results["points"].setdefault(corpus, {}).setdefault(method, {})
                    if str(seed) not in cell:
                        cell[str(seed)] = run(parts, seed)
                        results["machine"] = shared.machine()
                        shared.write_json(path, results)
                        print(corpus, seed, method, cell[str(seed)][-1], flush=True)
    print(markdown(results))
    draw(results, arguments.output)


def divided(corpus: str, data_dir: str, seed: int) -> Parts:
    """Hold out a tenth of a corpus's training texts."""
    from sklearn.model_selection import train_test_split

    train = load_corpus(corpus, data_dir=data_dir)["train"]
    texts, labels = list(train["text"]), np.array(train["label"])
    rows, held_out = train_test_split(np.arange(len(texts)), test_size=0.1, random_state=seed, stratify=labels)
    return Parts([texts[i] for i in rows], labels[rows], [texts[i] for i in held_out], labels[held_out])


def network(parts: Parts, seed: int, **settings: Any) -> list[Point]:
    """Return a point for each epoch of textcnn's network, averaged with its linear model as the saved one would be."""

    class Clock(Progress):
        def __init__(self) -> None:
            self.points: list[Point] = []
            self.begin_time = time.perf_counter()

        def epoch(self, epoch: Epoch) -> None:
            self.points.append((time.perf_counter() - self.begin_time, epoch.accuracy))

    clock = Clock()
    classifier = TextCNNClassifier(random_state=seed, **settings)
    classifier.fit(parts.texts, parts.labels, validation_data=(parts.held_out, parts.truth), progress=clock)
    return clock.points


def tfidf(parts: Parts, seed: int) -> list[Point]:
    """Return the point of TF-IDF with logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=10_000)
    )
    return timed(lambda: model.fit(parts.texts, parts.labels).predict(parts.held_out), parts)


def nbsvm(parts: Parts, seed: int) -> list[Point]:
    """Return the point of NBSVM, of two classes."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.svm import LinearSVC

    def predict() -> np.ndarray:
        vectorizer = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=WORDS)
        present = vectorizer.fit_transform(parts.texts)  # (N, G)
        p, q = (1 + np.asarray(present[parts.labels == k].sum(axis=0)).ravel() for k in (1, 0))  # (G,)
        ratios = np.log(p / p.sum()) - np.log(q / q.sum())  # (G,)
        model = LinearSVC(C=1).fit(present.multiply(ratios).tocsr(), parts.labels)
        weights = model.coef_[0]  # (G,)
        model.coef_ = (0.25 * weights + 0.75 * np.abs(weights).mean())[None]  # interpolated (section 2.3)
        found: np.ndarray = model.predict(vectorizer.transform(parts.held_out).multiply(ratios).tocsr())
        return found

    return timed(predict, parts)


def fasttext(parts: Parts, seed: int, epochs: int) -> list[Point]:
    """Return the point of fastText."""
    from fasttext import FastText

    FastText.eprint = lambda *_, **__: None

    def predict() -> np.ndarray:
        texts = [*map(separated, parts.texts)]
        model = shared.train_fasttext(texts, parts.labels.tolist(), order=seed, wordNgrams=2, epoch=epochs, seed=seed)
        labels, _ = model.predict([separated(text) for text in parts.held_out])
        return np.array([int(label[0].removeprefix("__label__")) for label in labels])

    return timed(predict, parts)


def timed(predict: Callable[[], np.ndarray], parts: Parts) -> list[Point]:
    """Return the seconds that training and prediction take, and the accuracy."""
    begin = time.perf_counter()
    found = predict()
    return [(time.perf_counter() - begin, float((found == parts.truth).mean()))]


METHODS: dict[str, Callable[[Parts, int], list[Point]]] = {
    **{name: lambda parts, seed, own=own: network(parts, seed, **own) for name, own in SCHEDULES.items()},
    shared.BASELINE: tfidf,
    "NBSVM": nbsvm,
    "fastText, 5 epochs": lambda parts, seed: fasttext(parts, seed, 5),
    "fastText, 25 epochs": lambda parts, seed: fasttext(parts, seed, 25),
}


def markdown(results: dict[str, Any]) -> str:
    """Return a table of seconds and of the best accuracy of each method."""
    rows = []
    for method in METHODS:
        row = [method]
        for cells in results["points"].values():
            runs = [*cells.get(method, {}).values()]
            row.append(f"{statistics.median(points[-1][0] for points in runs):.1f}" if runs else "")
            row.append(shared.spread([max(accuracy for _, accuracy in points) for points in runs]) if runs else "")
        rows.append(row)
    header = ["", *(f"{shared.NAMES[corpus]}, {what}" for corpus in results["points"] for what in ("s", "%"))]
    return shared.table(header, rows) + "\n\n" + shared.machine_line(results.get("machine"))


def draw(results: dict[str, Any], folder: Path) -> None:
    """Draw accuracy against seconds, of the first seed."""
    plt = shared.pyplot()
    figure, axes = plt.subplots(1, len(results["points"]), figsize=(11, 4.2), layout="constrained", squeeze=False)
    for axis, (corpus, cells) in zip(axes[0], results["points"].items(), strict=True):
        for method in METHODS:
            for points in [*cells.get(method, {}).values()][:1]:
                seconds, accuracies = zip(*points, strict=True)
                axis.plot(seconds, [100 * accuracy for accuracy in accuracies], marker="o", label=method)
        axis.set(title=shared.NAMES[corpus], xlabel="seconds, one thread", ylabel="accuracy, %")
        axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=8)
    shared.save_plot(figure, folder / "schedule.png")


if __name__ == "__main__":
    main()
