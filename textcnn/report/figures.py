"""Everything that the page tells, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.explain.explanation import Explanation, explain
from textcnn.inference.scorer import word_rows
from textcnn.metrics import calibration_error, evaluate, log_loss, reliability, softmax
from textcnn.report import _baselines as baselines
from textcnn.vectors.neighbours import neighbours_of_probes

if TYPE_CHECKING:
    from textcnn.inference.predictor import Predictor

SHOWN = 6  # texts of each kind
NGRAMS = 15  # of each class
EXPLAINED = 400  # texts whose n-grams are added up
EXPLAINED_SLOWLY = 40  # the same where an explanation takes hundreds of passes
LENGTHS = (0, 5, 10, 20, 30, 50, 100, 200, 400)  # where groups of texts by length begin
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)  # the same for the share of unknown words
POINTS = 200  # of a curve
MATRIX = 12  # classes, up to which the whole confusion matrix is shown, and that are told of by n-grams
CONFUSIONS = 15


@dataclass(frozen=True)
class Shown:
    """A text that the page shows, with its label and why it was chosen."""

    explanation: Explanation
    label: str


@dataclass(frozen=True)
class Group:
    """Texts that are alike in something: how many, and how many of them are right."""

    name: str
    texts: int
    right: int


@dataclass(frozen=True)
class Figures:
    """What the page tells of a model on test texts; None, or nothing, is told with its reason in `absent`."""

    source: str
    split: str
    names: list[str]
    scores: dict[str, Any]
    interval: tuple[float, float]
    majority: float | None
    linear: float | None
    confusions: list[tuple[str, str, int]]
    curves: list[dict[str, Any]]
    roc: list[dict[str, Any]]
    before: dict[str, Any]
    after: dict[str, Any]
    by_length: list[Group]
    by_unknown: list[Group]
    mistakes: list[Shown]
    uncertain: list[Shown]
    suspects: list[Shown]
    ngrams: dict[str, list[tuple[str, float, int]]]
    explained: int
    neighbours: dict[str, tuple[list[tuple[str, float]], list[tuple[str, float]]]]
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Texts:
    """Labelled texts: N strings, and class ids (N,)."""

    texts: Sequence[str]
    labels: np.ndarray


def gather(predictor: Predictor, test: Texts, training: Texts | None, *, source: str, split: str) -> Figures:
    """All figures of a model.

    Args:
        predictor: the model.
        test: texts to score, one or more.
        training: the texts that it learned from, if they are at hand: for the linear baseline and for
            suspected labels.
        source: what the texts are, by name.
        split: which part of it they are.
    """
    artifact = predictor.artifact
    names = [str(label) for label in predictor.classes_]
    scored = predictor.scores(list(test.texts))
    probabilities = scored.probabilities
    scores = evaluate(test.labels, probabilities, names)
    right = probabilities.argmax(axis=1) == test.labels
    raw = softmax(np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)), 1 / artifact.temperature)
    unknown = 1 - scored.known / np.maximum(scored.tokens, 1)
    absent: dict[str, str] = {}
    before, after = artifact.training.get("neighbours"), _neighbours(predictor)
    if not before:
        absent["neighbours"] = (
            "The word vectors started at random: before training they have no neighbours that mean anything."
            if artifact.model.channels == "rand"
            else "The model keeps no neighbours from before its training, or knows none of the words looked for."
        )
    counts = artifact.training.get("labels")
    if counts is None:
        absent["majority"] = "The model does not tell how many training texts each class had."
    return Figures(
        source=source,
        split=split,
        names=names,
        scores=scores,
        interval=baselines.interval(int(right.sum()), len(right)),
        majority=None if counts is None else float((test.labels == int(np.argmax(counts))).mean()),
        linear=_linear(training, test, absent),
        confusions=_confusions(scores["confusion"], names),
        curves=artifact.training.get("history", {}).get("epochs", []),
        roc=_curves(probabilities, test.labels, names),
        before=_calibration(raw, test.labels),
        after=_calibration(probabilities, test.labels),
        by_length=_groups(scored.tokens, right, LENGTHS, "{:g}"),
        by_unknown=_groups(unknown, right, SHARES, "{:.0%}"),
        mistakes=_mistakes(predictor, test, probabilities),
        uncertain=_uncertain(predictor, test, probabilities),
        suspects=_suspects(predictor, training, absent),
        ngrams=_ngrams(predictor, test),
        explained=min(explained(predictor), len(test.texts)),
        neighbours={word: (near, after[word]) for word, near in (before or {}).items() if word in after},
        absent=absent,
    )


def _confusions(matrix: list[list[int]], names: list[str]) -> list[tuple[str, str, int]]:
    """Of many classes the most frequent confusions: label, what the model said, and how often; none of few classes."""
    if len(names) <= MATRIX:
        return []
    counts = np.array(matrix)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [divmod(int(i), len(names)) for i in order]
    return [(names[i], names[j], int(counts[i, j])) for i, j in pairs if counts[i, j]]


def _linear(training: Texts | None, test: Texts, absent: dict[str, str]) -> float | None:
    if training is None:
        absent["linear"] = "The training texts were not at hand, so that there is no linear model to compare with."
        return None
    if len(training.labels) > baselines.MOST_TEXTS:
        absent["linear"] = f"The linear model was left out: it takes long for {len(training.labels):,} training texts."
        return None
    try:
        return baselines.linear(training.texts, training.labels, test.texts, test.labels)
    except ValueError as error:  # no word at all
        absent["linear"] = f"The linear model could not be trained: {error}."
        return None


def _calibration(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    return {
        "bins": reliability(probabilities, labels),
        "error": calibration_error(probabilities, labels),
        "log_loss": log_loss(labels, probabilities),
    }


def _curves(probabilities: np.ndarray, labels: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    """ROC and precision-recall curves of each class against the others, where the texts have both."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    out = []
    for k, name in enumerate(names):
        truth = labels == k
        if truth.all() or not truth.any() or (len(names) == 2 and k == 0):
            continue  # of two classes the second's say it all
        false, true, _ = roc_curve(truth, probabilities[:, k])
        precision, recall, _ = precision_recall_curve(truth, probabilities[:, k])
        out.append(
            {
                "name": name,
                "auc": float(roc_auc_score(truth, probabilities[:, k])),
                "average_precision": float(average_precision_score(truth, probabilities[:, k])),
                "roc": _thinned(false, true),
                "precision_recall": _thinned(recall[::-1], precision[::-1]),
            }
        )
    return out


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    """A curve of not too many points."""
    rows = np.unique(np.linspace(0, len(x) - 1, POINTS).round().astype(int))
    return x[rows].round(4).tolist(), y[rows].round(4).tolist()


def _groups(values: np.ndarray, right: np.ndarray, begins: tuple[float, ...], form: str) -> list[Group]:
    out = []
    for begin, end in zip(begins, (*begins[1:], np.inf), strict=True):
        inside = (values >= begin) & (values < end)
        if inside.any():
            name = f"{form.format(begin)} and more" if end == np.inf else f"{form.format(begin)} to {form.format(end)}"
            out.append(Group(name, int(inside.sum()), int(right[inside].sum())))
    return out


def _shown(predictor: Predictor, texts: Texts, rows: np.ndarray) -> list[Shown]:
    explanations = explain(predictor, [texts.texts[row] for row in rows.tolist()])
    labels = [str(predictor.classes_[texts.labels[row]]) for row in rows.tolist()]
    return [Shown(*pair) for pair in zip(explanations, labels, strict=True)]


def _mistakes(predictor: Predictor, test: Texts, probabilities: np.ndarray) -> list[Shown]:
    """Wrong labels, the most confident first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != test.labels)
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return _shown(predictor, test, wrong[order][:SHOWN])


def _uncertain(predictor: Predictor, test: Texts, probabilities: np.ndarray) -> list[Shown]:
    """Texts whose two best classes are nearest."""
    best = np.sort(probabilities, axis=1)[:, -2:]
    return _shown(predictor, test, np.argsort(best[:, 1] - best[:, 0], kind="stable")[:SHOWN])


def _suspects(predictor: Predictor, training: Texts | None, absent: dict[str, str]) -> list[Shown]:
    """Training texts whose own label is least probable, though the model has learned from it."""
    if training is None:
        absent["suspects"] = "The training texts were not at hand."
        return []
    probabilities = predictor.predict_proba(list(training.texts))
    own = probabilities[np.arange(len(training.labels)), training.labels]
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != training.labels)
    if not len(wrong):
        absent["suspects"] = "The model agrees with the label of every training text."
    return _shown(predictor, training, wrong[np.argsort(own[wrong], kind="stable")][:SHOWN])


def explained(predictor: Predictor) -> int:
    """How many texts are explained at most, so that a page takes seconds."""
    return EXPLAINED if predictor.scorer.exact else EXPLAINED_SLOWLY


def _ngrams(predictor: Predictor, test: Texts) -> dict[str, list[tuple[str, float, int]]]:
    """For each of the first classes n-grams: the sum of their scores over the first texts, and in how many they stand.

    Those that many texts have would come first by their sum, those of a single text by their mean: they are ordered by
    the sum over the root of the number of texts.
    """
    sums: list[dict[str, float]] = [{} for _ in predictor.classes_]
    counts: dict[str, int] = {}
    for explanation in explain(predictor, list(test.texts[: explained(predictor)])):
        for k, of_class in enumerate(sums):
            for ngram in explanation.ngrams(k):
                key = " ".join(word.word for word in explanation.words[ngram.begin : ngram.end])
                of_class[key] = of_class.get(key, 0.0) + ngram.score
                if not k:
                    counts[key] = counts.get(key, 0) + 1
    return {
        str(name): [
            (key, score, counts[key])
            for key, score in sorted(of_class.items(), key=lambda item: (-item[1] / counts[item[0]] ** 0.5, item[0]))[
                :NGRAMS
            ]
            if score > 0
        ]
        for name, of_class in [*zip(predictor.classes_, sums, strict=True)][:MATRIX]
    }


def _neighbours(predictor: Predictor) -> dict[str, list[tuple[str, float]]]:
    return neighbours_of_probes(
        word_rows(predictor.artifact.model, predictor.artifact.weights), predictor.artifact.words
    )
