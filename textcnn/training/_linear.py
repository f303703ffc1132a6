"""The bag of n-grams as a linear model by itself, solved to convergence.

Trained beside a network by a few epochs of small steps, the bag of n-grams (`textcnn.text.ngrams`) stops far from its
optimum, and on few texts a converged linear model is hard to beat. Its features, those of the bag, have unit length;
with U its weights, (G, K), and b its bias, (K,), the objective is

    1/N sum_n w_n cross-entropy(x_n U + b, y_n) + 1 / (2 C N) ||U||^2,    C = 10

as in scikit-learn's `LogisticRegression`, minimised by L-BFGS; y_n may be probabilities. Where a text has several
labels, the cross-entropy is the sum of one for each label, as in `OneVsRestClassifier`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from textcnn.targets import target_of
from textcnn.text.ngrams import LEAST_RATIO, SCALE
from textcnn.text.tokens import Encoded, offsets_of

if TYPE_CHECKING:
    import scipy.sparse

    from textcnn.nn.bag import NgramBag
    from textcnn.training._batching import Examples

STRENGTH = 10.0  # C
_MOST_WEIGHTS = 1 << 22  # G K: the solver keeps a dozen arrays of them in double precision
_MOST_FEATURES = 1 << 25  # of all texts, and scores, N K: 40 bytes each
_ITERATIONS = 300
_TOLERANCE = 1e-5  # largest element of the gradient
_REMEMBERED = 40  # models, each of 16 MB at most

Memory = dict[bytes, tuple[np.ndarray, np.ndarray]]  # weights and bias by a hash of all that they are solved from


@dataclass(frozen=True)
class LinearModel:
    """A solved linear model on the features of a bag.

    Attributes:
        bag: the n-grams, and their factors.
        weights: in the scale of the bag's own, (G, K) float32.
        bias: (K,) float32.
    """

    bag: NgramBag
    weights: np.ndarray
    bias: np.ndarray

    def logits(self, texts: Encoded) -> np.ndarray:
        """Return the logits of N texts, (N, K)."""
        out: np.ndarray = features(self.bag, texts) @ (SCALE * self.weights) + self.bias
        return out


def solvable(bag: NgramBag, texts: Encoded) -> bool:
    """Return whether the linear model of a bag can be solved in a gigabyte or two; else the network's steps suffice."""
    classes = bag.weight.shape[1]
    most = max(bag.index.order * len(texts.ids), classes * len(texts.lengths))
    return bag.weight.numel() <= _MOST_WEIGHTS and most <= _MOST_FEATURES


def features(bag: NgramBag, texts: Encoded) -> scipy.sparse.csr_array:
    """Return the features of N texts, each of the length 1, (N, G) float64; all 0 for a text without known n-grams."""
    import scipy.sparse

    rows, counts = bag.index.find(texts)  # (M,), (N,)
    rows = rows.astype(np.int32)
    values = bag.factors.cpu().numpy()[rows].astype(np.float64)  # (M,)
    out = scipy.sparse.csr_array((values, rows, offsets_of(counts)), shape=(len(counts), len(bag.keys)))
    squares = out.power(2).sum(axis=1)  # (N,)
    out.data /= np.repeat(np.sqrt(np.maximum(squares, LEAST_RATIO**2)), counts)
    return out


def solve_once(bag: NgramBag, training: Examples, *, weights: np.ndarray | None = None, memory: Memory) -> LinearModel:
    """Fit the linear model, unless it was fitted before.

    Args:
        bag: as of `solve`, as are the training texts and the weights.
        training: N texts.
        weights: of these.
        memory: the last models, to which this one is added.
    """
    data = hashlib.sha256(repr(bag.weight.shape).encode())
    texts = training.texts
    arrays = (
        *(bag.keys.cpu().numpy(), bag.factors.cpu().numpy(), texts.ids, texts.offsets),
        *(training.labels, training.probabilities, weights),
    )
    for array in arrays:
        data.update(b"" if array is None else repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    key = data.digest()
    if key not in memory:
        model = solve(bag, training, weights=weights)
        memory[key] = (model.weights, model.bias)
        if len(memory) > _REMEMBERED:
            memory.pop(next(iter(memory)))
    return LinearModel(bag, *memory[key])


def solve(bag: NgramBag, training: Examples, *, weights: np.ndarray | None = None) -> LinearModel:
    """Fit the linear model.

    Args:
        bag: the n-grams, and their factors.
        training: N texts, their own weights aside.
        weights: of the texts in the loss, (N,), or of their labels, (N, 1) or (N, K); None if all are 1.
    """
    from scipy.optimize import minimize

    x, labels = features(bag, training.texts), training.labels
    count, classes = bag.weight.shape
    target, wanted = target_of(labels), training.probabilities
    targets, independent = target.columns(target.as_probabilities(labels, classes) if wanted is None else wanted)
    columns = targets.shape[1]  # of (N, columns)
    of_text = np.ones((len(labels), 1)) if weights is None else weights.reshape(len(labels), -1)
    of_text = of_text / len(labels)  # (N, 1) or (N, columns)
    penalty = 1 / (STRENGTH * len(labels))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        u, b = flat[:-columns].reshape(count, columns), flat[-columns:]
        logits = x @ u + b  # (N, columns)
        if independent:
            losses = np.logaddexp(0, logits) - targets * logits
            probabilities = np.exp(-np.logaddexp(0, -logits))
        else:
            logits -= logits.max(axis=1, keepdims=True)
            sums = np.exp(logits).sum(axis=1, keepdims=True)
            losses = np.log(sums) - (targets * logits).sum(axis=1, keepdims=True)
            probabilities = np.exp(logits) / sums
        errors = of_text * (probabilities - targets)  # (N, columns)
        gradient = np.concatenate([(x.T @ errors + penalty * u).ravel(), errors.sum(axis=0)])
        return float((of_text * losses).sum() + penalty / 2 * (u**2).sum()), gradient

    options = {"maxiter": _ITERATIONS, "maxcor": 5, "gtol": _TOLERANCE, "ftol": 0.0}
    found = minimize(objective, np.zeros((count + 1) * columns), jac=True, method="L-BFGS-B", options=options).x
    u, b = found[:-columns].reshape(count, columns), found[-columns:]
    if columns < classes:  # the difference of two classes: half of it is each one's weight
        u, b = u * [-0.5, 0.5], b * [-0.5, 0.5]
    return LinearModel(bag, (u / SCALE).astype(np.float32), b.astype(np.float32))
