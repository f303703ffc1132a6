"""Everything that the page shows, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.data.labelled import Labelled
from textcnn.explain.explanation import Explanation, explain
from textcnn.inference.scorer import word_rows
from textcnn.metrics import calibration_error, reliability
from textcnn.report import baselines
from textcnn.settings.training import UNBALANCED
from textcnn.targets import SEVERAL_LABELS, Target, target_of
from textcnn.vectors.neighbours import neighbours_of_probes

if TYPE_CHECKING:
    import pyarrow as pa

    from textcnn.inference.predictor import Predictor

SHOWN = 6  # texts of each kind
NGRAMS = 15  # per class
EXPLAINED = 400  # texts whose n-grams are summed
EXPLAINED_SLOWLY = 40  # the same where an explanation takes hundreds of passes
EXPLAINED_TOKENS = 20_000  # of these texts, about
LENGTHS = (0, 5, 10, 20, 30, 50, 100, 200, 400)  # lower bounds of the groups by length
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)  # lower bounds of the groups by share of unknown words
CURVES = 6  # classes
PRECISIONS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
POINTS = 200  # per curve
MATRIX = 12  # classes up to which the whole confusion matrix is shown; n-grams are shown of the first MATRIX classes
CONFUSIONS = 15


@dataclass(frozen=True)
class Shown:
    """A text on the page.

    Attributes:
        explanation: of the label that the model gives it.
        label: its label in the data.
    """

    explanation: Explanation
    label: str


@dataclass(frozen=True)
class Group:
    """Texts with something in common.

    Attributes:
        name: what they have in common.
        texts: how many there are.
        right: how many the model labels correctly.
    """

    name: str
    texts: int
    right: int


@dataclass(frozen=True)
class Figures:
    """What the page shows of a model on N texts of K classes. What is None or empty has its reason in `absent`.

    Attributes:
        source: what the texts are, by name.
        split: which part of the source they are.
        names: the classes, (K,).
        target: what a text's labels are; its headline is the score below.
        scores: the target's figures on the texts.
        interval: 95% confidence interval of the score.
        majority: score of always predicting the class most frequent in training; None where texts have several labels.
        linear: score of the linear baseline (`textcnn.report.baselines.linear`).
        confusions: label, prediction and count of the most frequent confusions; empty up to `MATRIX` classes, whose
            whole matrix is shown.
        curves: per epoch of training its figures (`textcnn.training.progress.Epoch`, as JSON).
        roc: of the first `CURVES` classes that can have them, `name`, `auc`, `average_precision`, and the points of the
            curves `roc` (false and true positive rate) and `precision_recall` (recall and precision).
        thresholds: of the same classes, rows of a threshold, and the precision and recall that it gives.
        before: calibration without temperature scaling: `bins` (`textcnn.metrics.reliability`), `error`, `log_loss`.
        after: the same with it.
        by_length: the texts by their number of tokens.
        by_unknown: the texts by their share of unknown tokens.
        mistakes: wrongly labelled texts, the most confident first.
        uncertain: texts whose two best classes are closest.
        suspects: training texts whose own label the model finds least probable.
        ngrams: per class its strongest n-grams, each with the sum of its scores and the number of texts it occurs in.
        explained: how many texts the n-grams are from.
        neighbours: per probe word its nearest words and their cosines, before training and after.
        absent: why a field is None or empty, by the field's name.
    """

    source: str
    split: str
    names: list[str]
    target: Target
    scores: dict[str, Any]
    interval: tuple[float, float]
    majority: float | None
    linear: float | None
    confusions: list[tuple[str, str, int]]
    curves: list[dict[str, Any]]
    roc: list[dict[str, Any]]
    thresholds: dict[str, list[tuple[float, float, float]]]
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


def gather(
    predictor: Predictor,
    test: Labelled,
    training: Labelled | None,
    *,
    source: str,
    split: str,
    folds: np.ndarray | None = None,
) -> Figures:
    """Compute all figures of a model.

    Args:
        predictor: the model.
        test: texts to score, at least one.
        training: the training texts, for the linear baseline and for suspected labels; None leaves both out. Some may
            have been held out for validation.
        source: what the texts are, by name.
        split: which part of the source they are.
        folds: where `test` is the training texts: their probabilities by networks that did not learn from them, (N, K).
    """
    artifact = predictor.artifact
    names = [str(label) for label in predictor.classes_]
    labels = test.labels
    scored = predictor.scores(test.texts.to_pylist())
    probabilities = scored.probabilities if folds is None else folds
    target = predictor.target
    scores = target.evaluate(labels, probabilities, names, artifact.thresholds)
    predicted = predictor.decide(probabilities)
    right = target.right(labels, predicted)
    raw = target.probabilities(target.logits(probabilities), 1 / artifact.temperature)
    rows = _explained(predictor, scored.tokens)
    unknown = 1 - scored.known / np.maximum(scored.tokens, 1)
    absent: dict[str, str] = {}
    if folds is not None:
        absent["mistakes"] = (
            "The figures are of networks that had not learned from the texts they scored. The model has learned from "
            "all of them, so its own mistakes on them say little: score it on other texts with textcnn report."
        )
    before, after = artifact.training.get("neighbours"), _neighbours(predictor)
    if not before:
        absent["neighbours"] = (
            "The word vectors were initialized at random: before training they had no meaningful neighbours."
            if artifact.model.channels == "rand"
            else "The model has no record of neighbours before training, or does not know the words looked for."
        )
    several = target is SEVERAL_LABELS
    counts = artifact.training.get("labels")
    if several:
        counts = None
    elif counts is None:
        absent["majority"] = "The model has no record of how many training texts each class had."
    return Figures(
        source=source,
        split=split,
        names=names,
        target=target,
        scores=scores,
        interval=baselines.interval_of_f1(labels, predicted)
        if several
        else baselines.interval(int(right.sum()), len(right)),
        majority=None if counts is None else float((labels == int(np.argmax(counts))).mean()),
        linear=_linear(training, test, len(names), absent, folds is not None),
        confusions=[] if several else _confusions(scores["confusion"], names),
        curves=(artifact.training.get("history") or {}).get("epochs") or [],
        roc=_curves(probabilities, labels, names),
        thresholds=_thresholds(probabilities, labels, names),
        before=_calibration(target, raw, labels),
        after=_calibration(target, probabilities, labels),
        by_length=_groups(scored.tokens, right, LENGTHS, "{:g}"),
        by_unknown=_groups(unknown, right, SHARES, "{:.0%}"),
        mistakes=_mistakes(predictor, test, probabilities) if folds is None else [],
        uncertain=_uncertain(predictor, test, probabilities) if folds is None else [],
        suspects=_suspects(predictor, training, absent, folds),
        ngrams=_ngrams(predictor, test.texts.take(rows)),
        explained=len(rows),
        neighbours={word: (near, after[word]) for word, near in (before or {}).items() if word in after},
        absent=absent,
    )


def _confusions(cells: dict[str, list[int]], names: list[str]) -> list[tuple[str, str, int]]:
    """Return label, prediction and count of the most frequent confusions; none for few classes."""
    if len(names) <= MATRIX:
        return []
    pairs = zip(cells["label"], cells["predicted"], cells["texts"], strict=True)
    wrong = sorted((-texts, label, predicted) for label, predicted, texts in pairs if label != predicted)
    return [(names[label], names[predicted], -texts) for texts, label, predicted in wrong[:CONFUSIONS]]


def _linear(
    training: Labelled | None, test: Labelled, classes: int, absent: dict[str, str], in_folds: bool
) -> float | None:
    if training is None:
        absent["linear"] = "The training texts were not given, so there is no linear baseline."
        return None
    texts = len(training.labels)
    if texts > baselines.MOST_TEXTS or texts * classes > baselines.MOST_SCORES:
        absent["linear"] = (
            f"The linear baseline was left out: it is slow on {texts:,} training texts of {classes:,} classes."
        )
        return None
    try:
        if in_folds:
            return baselines.linear_in_folds(training)
        return baselines.linear(training.texts, training.labels, test.texts, test.labels)
    except ValueError as error:  # no word, or one class alone
        absent["linear"] = f"The linear baseline could not be trained: {error}."
        return None


def _calibration(target: Target, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the calibration of the predicted classes; of several labels, of every pair of a text and a label."""
    loss = -float(target.log_likelihoods(labels, probabilities).mean())
    if labels.ndim == 2:
        probabilities = probabilities.reshape(-1, 1)
        labels = np.where(labels.ravel(), 0, 1)  # whether the only class is the right one
    return {
        "bins": reliability(probabilities, labels),
        "error": calibration_error(probabilities, labels),
        "log_loss": loss,
    }


def _yes_or_no(labels: np.ndarray, names: list[str]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first `CURVES` classes whose texts have both answers, and which texts have each, (N,).

    Of two classes the rarer one is enough. Where some are much rarer than others (`UNBALANCED`), the rarest come first.
    """
    several = labels.ndim == 2
    counts = target_of(labels).counts(labels, len(names))
    some = counts[counts > 0]
    order = np.arange(len(names))
    if len(names) == 2 and not several:
        order = order[:1] if counts[0] < counts[1] else order[1:]
    elif len(some) and some.max() >= UNBALANCED * some.min():
        order = np.argsort(counts, kind="stable")
    shown = 0
    for k in order.tolist():
        if shown < CURVES and 0 < counts[k] < len(labels):
            shown += 1
            yield k, labels[:, k] if several else labels == k


def _curves(probabilities: np.ndarray, labels: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    """Return ROC and precision-recall curves of some classes against the others (`_yes_or_no`)."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    out: list[dict[str, Any]] = []
    for k, truth in _yes_or_no(labels, names):
        false, true, _ = roc_curve(truth, probabilities[:, k])
        precision, recall, _ = precision_recall_curve(truth, probabilities[:, k])
        out.append(
            {
                "name": names[k],
                "auc": float(roc_auc_score(truth, probabilities[:, k])),
                "average_precision": float(average_precision_score(truth, probabilities[:, k])),
                "roc": _thinned(false, true),
                "precision_recall": _thinned(recall[::-1], precision[::-1]),
            }
        )
    return out


def _thresholds(
    probabilities: np.ndarray, labels: np.ndarray, names: list[str]
) -> dict[str, list[tuple[float, float, float]]]:
    """Return for some classes the smallest threshold that reaches each of `PRECISIONS`, with precision and recall."""
    from sklearn.metrics import precision_recall_curve

    out: dict[str, list[tuple[float, float, float]]] = {}
    for k, truth in _yes_or_no(labels, names):
        precision, recall, found = precision_recall_curve(truth, probabilities[:, k])
        rows = []
        for wanted in PRECISIONS:
            reached = np.flatnonzero(precision[:-1] >= wanted)
            if len(reached):
                first = int(reached[0])
                rows.append((float(found[first]), float(precision[first]), float(recall[first])))
        out[names[k]] = list(dict.fromkeys(rows))
    return out


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    """Return at most `POINTS` points of a curve."""
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


def _shown(predictor: Predictor, data: Labelled, rows: np.ndarray) -> list[Shown]:
    texts = data.texts.to_pylist()
    explanations = explain(predictor, [texts[row] for row in rows.tolist()])
    labels = predictor.target.shown_as(data.labels[rows], [str(label) for label in predictor.classes_])
    return [Shown(*pair) for pair in zip(explanations, labels, strict=True)]


def _mistakes(predictor: Predictor, test: Labelled, probabilities: np.ndarray) -> list[Shown]:
    """Return the mistakes, the most confident first: of several labels those whose own are least probable."""
    wrong = np.flatnonzero(~predictor.target.right(test.labels, predictor.decide(probabilities)))
    if test.labels.ndim == 2:
        sure = -predictor.target.log_likelihoods(test.labels[wrong], probabilities[wrong])
    else:
        sure = probabilities[wrong].max(axis=1)
    return _shown(predictor, test, wrong[np.argsort(-sure, kind="stable")][:SHOWN])


def _uncertain(predictor: Predictor, test: Labelled, probabilities: np.ndarray) -> list[Shown]:
    """Return the texts whose two best classes are closest; of several labels, with the label nearest its threshold."""
    return _shown(predictor, test, np.argsort(predictor.margins(probabilities), kind="stable")[:SHOWN])


def _suspects(
    predictor: Predictor, training: Labelled | None, absent: dict[str, str], folds: np.ndarray | None
) -> list[Shown]:
    """Return the training texts whose own label is least probable; without folds no memorized text is among them."""
    if training is None:
        absent["suspects"] = "The training texts were not given."
        return []
    labels = training.labels
    probabilities = predictor.predict_proba(training.texts.to_pylist()) if folds is None else folds
    own = predictor.target.log_likelihoods(labels, probabilities)
    wrong = np.flatnonzero(~predictor.target.right(labels, predictor.decide(probabilities)))
    if not len(wrong):
        absent["suspects"] = (
            "The model predicts the label of every training text. It may have memorized them: this does not show that "
            "the labels are right."
        )
    return _shown(predictor, training, wrong[np.argsort(own[wrong], kind="stable")][:SHOWN])


def _explained(predictor: Predictor, tokens: np.ndarray) -> np.ndarray:
    """Return which of N texts are explained, evenly spaced and so few that a page takes seconds.

    Args:
        predictor: the model.
        tokens: the length of each text, (N,).
    """
    most = EXPLAINED if predictor.scorer.exact else EXPLAINED_SLOWLY
    count = max(1, min(most, len(tokens), int(EXPLAINED_TOKENS / max(1.0, tokens.mean()))))
    return np.arange(count) * len(tokens) // count


def _ngrams(predictor: Predictor, texts: pa.ChunkedArray) -> dict[str, list[tuple[str, float, int]]]:
    """Return n-grams of the first classes, with the sum of their scores over some texts and the number of texts.

    The sum would favour n-grams of many texts, the mean those of a single one: they are ordered by the sum over the
    square root of the number of texts.
    """
    shown = predictor.classes_[:MATRIX]
    sums: list[dict[str, float]] = [{} for _ in shown]
    counts: dict[str, int] = {}
    for text in texts.to_pylist():
        [explanation] = explain(predictor, [text])  # not all at once: each has parts for every class
        for k, of_class in enumerate(sums):
            for ngram in explanation.ngrams(k):
                key = predictor.tokenizer.shown([word.word for word in explanation.words[ngram.begin : ngram.end]])
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
        for name, of_class in zip(shown, sums, strict=True)
    }


def _neighbours(predictor: Predictor) -> dict[str, list[tuple[str, float]]]:
    return neighbours_of_probes(
        word_rows(predictor.artifact.model, predictor.artifact.weights), predictor.artifact.words
    )
