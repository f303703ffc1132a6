"""What the papers argue about, one setting at a time, on MR's training texts.

    python -m experiments.ablations.run --data-dir DATA --vectors vectors.bin

Each setting is scored by cross-validation inside MR's fixed training split (five folds, of which FOLDS are run; a tenth
of the other four chooses the epoch), seed 0, so that no test text is read: the differences here led to the defaults.
The network is the default one, without the bag of n-grams where the question is the convolution's; with vectors it
takes steps of 0.0003. The linear yardstick is scored on the same folds. `vectors.bin` is from `textcnn vectors imdb
--unsupervised --architecture skip-gram`. Results are kept in `results.json`; what is done is not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

import textcnn

FOLDS = 3
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Question:
    """One comparison.

    Args:
        title: what it asks.
        answers: settings of `TextCNNClassifier` by the name of an answer.
        vectors: whether the networks take the word vectors.
        numbers: whether the answers are numbers, to be drawn as a curve.
    """

    title: str
    answers: dict[str, dict[str, Any]]
    vectors: bool = False
    numbers: bool = False
    shared: dict[str, Any] = field(default_factory=lambda: {"ngrams": 0})


def settings(name: str, values: tuple[Any, ...], **more: Any) -> dict[str, dict[str, Any]]:
    """Answers that differ in one setting."""
    return {str(value): {name: value, **more} for value in values}


DCNN = {"ngrams": 0, "arch": "dcnn", "optimizer": "adagrad", "learning_rate": 0.1, "l2": (1e-5, 1e-4, 1e-3)}
QUESTIONS = {
    "region": Question(
        "Region size, one alone",
        {str(size): {"region_sizes": (size,), "feature_maps": 300} for size in range(1, 11)},
        vectors=True,
        numbers=True,
    ),
    "maps": Question(
        "Feature maps of each region size (3, 4, 5)",
        settings("feature_maps", (25, 50, 100, 200, 400, 600)),
        vectors=True,
        numbers=True,
    ),
    "padding": Question("Convolution", settings("padding", ("wide", "narrow")), vectors=True),
    "pooling": Question(
        "Pooling",
        {
            "max": {"pooling": "max"},
            "average": {"pooling": "average"},
            **{f"{k}-max": {"pooling": "k-max", "k": k} for k in (2, 3, 5)},
        },
        vectors=True,
    ),
    "dynamic": Question(
        "DCNN: pooling before the last layer",
        {
            "dynamic, two layers": {"region_sizes": (7, 5), "feature_maps": (6, 14)},
            "dynamic, three layers": {"region_sizes": (7, 5, 3), "feature_maps": (6, 10, 14)},
            "one layer, 4-max": {"region_sizes": (7,), "feature_maps": (14,)},
            "one layer, max": {"region_sizes": (7,), "feature_maps": (14,), "k_top": 1},
        },
        shared=DCNN,
    ),
    "channels": Question(
        "Channels",
        {
            "rand": {"vectors": None},
            **settings("channels", ("static", "non-static", "multichannel")),
            "multichannel, separate": {"channels": "multichannel", "multichannel_filters": "separate"},
        },
        vectors=True,
    ),
    "channels_bag": Question(
        "Channels, beside a bag of n-grams",
        {
            "static": {"channels": "static"},
            "non-static": {"channels": "non-static"},
            "multichannel": {"channels": "multichannel"},
            "non-static, trigrams": {"channels": "non-static", "ngrams": 3},
        },
        vectors=True,
        shared={},
    ),
    "dropout": Question("Dropout", settings("dropout", (0.0, 0.25, 0.5, 0.75)), vectors=True, numbers=True),
    "norm": Question("Max-norm s, 0 for none", settings("max_norm", (0, 1, 3)), vectors=True),
    "bag": Question("Bag of n-grams, without word vectors", settings("ngrams", (0, 1, 2, 3)), shared={}),
    "bag_vectors": Question(
        "Bag of n-grams, with word vectors", settings("ngrams", (0, 1, 2, 3)), vectors=True, shared={}
    ),
    "vector_norm": Question(
        "Norm of the word vectors, 0 for their own",
        settings("vector_norm", (0, 2, 5, 8, 12)),
        vectors=True,
        shared={},
    ),
    "regions_bag": Question(
        "Region sizes, vectors of norm 8, beside a bag of n-grams",
        {
            "3 4 5": {"region_sizes": (3, 4, 5)},
            "7": {"region_sizes": (7,), "feature_maps": 300},
            "5 7 9": {"region_sizes": (5, 7, 9)},
        },
        vectors=True,
        shared={"vector_norm": 8.0},
    ),
    "unseen": Question(
        "Words of the vectors file that no training text has",
        settings("unseen_words", (0, 20_000)),
        vectors=True,
        shared={},
    ),
}


def main() -> None:
    """Run what is missing, then print the tables and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of MR's files; without it, only print and draw")
    parser.add_argument("--vectors", type=Path, metavar="FILE")
    parser.add_argument("--questions", nargs="+", choices=QUESTIONS, default=list(QUESTIONS))
    arguments = parser.parse_args()
    path = HERE / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if arguments.data_dir:
        train = textcnn.load_corpus("mr", data_dir=arguments.data_dir)["train"]
        texts, labels = np.array(train["text"]), np.array(train["label"])
        if "yardstick" not in results:
            results["yardstick"] = yardstick(texts, labels)
        for name in arguments.questions:
            for answer in QUESTIONS[name].answers:
                if answer not in results.setdefault(name, {}):
                    results[name][answer] = run(name, answer, arguments.vectors, texts, labels)
                    print(name, answer, statistics.mean(results[name][answer]["scores"]), flush=True)
                    path.write_text(json.dumps(results, indent=1) + "\n")
    print(tables(results))
    draw(results, HERE / "ablations.png")


def folds(texts: np.ndarray, labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on and to score."""
    return list(StratifiedKFold(5, shuffle=True, random_state=0).split(texts, labels))[:FOLDS]


def run(name: str, answer: str, vectors: Path, texts: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Scores of one answer, a fold each."""
    question = QUESTIONS[name]
    shared = {"vectors": vectors, "learning_rate": 3e-4} if question.vectors else {"vectors": None}
    keywords = {**shared, **question.shared, **question.answers[answer]}
    scores = []
    begin = time.perf_counter()
    for train, test in folds(texts, labels):
        model = textcnn.TextCNNClassifier(random_state=0, **keywords).fit(texts[train], labels[train])
        scores.append(float((model.predict(texts[test]) == labels[test]).mean()))
    return {"scores": scores, "seconds": round(time.perf_counter() - begin, 1)}


def yardstick(texts: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """TF-IDF of 1-2-grams and logistic regression, C = 10, on the same folds."""
    scores = []
    for train, test in folds(texts, labels):
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        model = make_pipeline(vectorizer, LogisticRegression(C=10, max_iter=1000)).fit(texts[train], labels[train])
        scores.append(float(model.score(texts[test], labels[test])))
    return {"scores": scores}


def mean(result: dict[str, Any]) -> float:
    """Per cent."""
    return 100 * statistics.mean(result["scores"])


def tables(results: dict[str, Any]) -> str:
    """A line for each question in Markdown."""
    lines = ["| question | accuracy, mean of the folds |", "| --- | --- |"]
    for name, question in QUESTIONS.items():
        told = ", ".join(f"{answer}: {mean(result):.1f}" for answer, result in results.get(name, {}).items())
        lines.append(f"| {question.title} | {told} |")
    return "\n".join([*lines, "", f"TF-IDF + LR on the same folds: {mean(results['yardstick']):.1f}"])


def draw(results: dict[str, Any], path: Path) -> None:
    """All questions, with the range of the folds; the dashed line is the linear yardstick."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    asked = [name for name in QUESTIONS if results.get(name)]
    fig, axes = plt.subplots(-(-len(asked) // 3), 3, figsize=(13, 2.6 * -(-len(asked) // 3)), squeeze=False)
    for axis in axes.flat[len(asked) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, asked, strict=False):
        answers = results[name]
        means = [mean(result) for result in answers.values()]
        low = [100 * min(result["scores"]) for result in answers.values()]
        high = [100 * max(result["scores"]) for result in answers.values()]
        spread = [np.subtract(means, low), np.subtract(high, means)]
        places = [float(answer) for answer in answers] if QUESTIONS[name].numbers else range(len(answers))
        axis.errorbar(places, means, spread, fmt="o-" if QUESTIONS[name].numbers else "o", capsize=3, ms=4)
        if not QUESTIONS[name].numbers:
            axis.set_xticks(list(places), [answer.replace(", ", ",\n") for answer in answers], fontsize=7)
            axis.margins(x=0.15)
        axis.axhline(mean(results["yardstick"]), ls="--", color="0.5", lw=1)
        axis.set_title(QUESTIONS[name].title, fontsize=9)
        axis.grid(alpha=0.3)
    fig.supylabel("accuracy, %", fontsize=9)
    fig.tight_layout()
    fig.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
