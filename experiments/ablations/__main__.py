"""What the papers argue about, one setting at a time, on MR's training texts.

    textcnn vectors imdb --unsupervised --data-dir DATA --architecture skip-gram -o vectors.bin
    python -m experiments.ablations --data-dir DATA --vectors vectors.bin

Each setting is scored by cross-validation inside MR's fixed training split (five folds, of which FOLDS are run; a tenth
of the other four chooses the epoch), seed 0, so that no test text is read: the differences here led to the defaults.
The network is the default one, without the bag of n-grams where the question is the convolution's; with vectors its
learning rate is 0.0003. The linear baseline is scored on the same folds. What is done is not run again.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold

import textcnn
from experiments import shared
from experiments.shared import BASELINE
from textcnn.report.baselines import linear

FOLDS = 3
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Question:
    """One comparison.

    Args:
        title: what is asked.
        answers: settings of `TextCNNClassifier` by the name of the answer.
        vectors: whether the networks take the word vectors.
        numbers: whether the answers are numbers, to be drawn as a curve.
        shared: settings of all answers.
    """

    title: str
    answers: dict[str, dict[str, Any]]
    vectors: bool = False
    numbers: bool = False
    shared: dict[str, Any] = field(default_factory=lambda: {"ngrams": 0})


def settings(name: str, values: tuple[Any, ...], **more: Any) -> dict[str, dict[str, Any]]:
    """Return answers that differ in one setting."""
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
    """Run what is missing, then print the table and draw it."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of MR's files")
    parser.add_argument("--vectors", type=Path, metavar="FILE", help="word vectors of IMDB's reviews")
    parser.add_argument("--questions", nargs="+", choices=QUESTIONS, default=list(QUESTIONS), help="only these [all]")
    parser.add_argument("--epochs", type=int, default=25, help="epochs at most [25]")
    arguments = shared.parse(parser, "data-dir", "vectors")
    path = arguments.output / "results.json"
    results = shared.read_json(path)
    if not arguments.show:
        results["machine"] = shared.machine()
        train = textcnn.load_corpus("mr", data_dir=arguments.data_dir)["train"]
        texts, labels = np.array(train["text"]), np.array(train["label"])
        if "baseline" not in results:
            results["baseline"] = baseline(texts, labels)
        for name in arguments.questions:
            for answer in QUESTIONS[name].answers:
                if answer not in results.setdefault(name, {}):
                    keywords = {"vectors": arguments.vectors, "max_epochs": arguments.epochs}
                    results[name][answer] = run(name, answer, keywords, texts, labels)
                    print(name, answer, statistics.mean(results[name][answer]["scores"]), flush=True)
                    shared.write_json(path, results)
    print(markdown(results))
    draw(results, arguments.output / "ablations.png")


def folds(texts: np.ndarray, labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows to train on and those to score, of each fold."""
    return list(StratifiedKFold(5, shuffle=True, random_state=0).split(texts, labels))[:FOLDS]


def run(name: str, answer: str, keywords: dict[str, Any], texts: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the scores of one answer, one per fold."""
    question = QUESTIONS[name]
    vectors = {"learning_rate": 3e-4} if question.vectors else {"vectors": None}
    keywords = {**keywords, **vectors, **question.shared, **question.answers[answer]}
    scores = []
    begin = time.perf_counter()
    for train, test in folds(texts, labels):
        model = textcnn.TextCNNClassifier(random_state=0, **keywords).fit(texts[train], labels[train])
        scores.append(float((model.predict(texts[test]) == labels[test]).mean()))
    return {"scores": scores, "seconds": round(time.perf_counter() - begin, 1)}


def baseline(texts: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the scores of the linear baseline on the same folds."""
    return {
        "scores": [
            linear(texts[train], labels[train], texts[test], labels[test]) for train, test in folds(texts, labels)
        ]
    }


def mean(result: dict[str, Any]) -> float:
    """Return the mean of the folds in per cent."""
    return 100 * statistics.mean(result["scores"])


def markdown(results: dict[str, Any]) -> str:
    """Return a table with a line for each question."""
    rows = []
    for name, question in QUESTIONS.items():
        answers = ", ".join(f"{answer}: {mean(result):.1f}" for answer, result in results.get(name, {}).items())
        rows.append((question.title, answers))
    rows.append((f"{BASELINE} on the same folds", f"{mean(results['baseline']):.1f}"))
    table = shared.table(("question", "accuracy, mean of the folds"), rows)
    return f"{table}\n\n{shared.machine_line(results.get('machine'))}"


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw all questions, with the range of the folds; the dashed line is the linear baseline."""
    plt = shared.pyplot()
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
        positions = [float(answer) for answer in answers] if QUESTIONS[name].numbers else range(len(answers))
        axis.errorbar(positions, means, spread, fmt="o-" if QUESTIONS[name].numbers else "o", capsize=3, ms=4)
        if not QUESTIONS[name].numbers:
            axis.set_xticks(list(positions), [answer.replace(", ", ",\n") for answer in answers], fontsize=7)
            axis.margins(x=0.15)
        axis.axhline(mean(results["baseline"]), ls="--", color="0.5", lw=1)
        axis.set_title(QUESTIONS[name].title, fontsize=9)
        axis.grid(alpha=0.3)
    fig.supylabel("accuracy, %", fontsize=9)
    fig.tight_layout()
    shared.save_plot(fig, path)


if __name__ == "__main__":
    main()
