"""Do the words that an explanation names matter? They are dropped, and the label's probability is looked at.

    textcnn train mr --data-dir DATA -o kim
    textcnn train mr --data-dir DATA --preset kalchbrenner2014 -o dcnn
    python -m experiments.deletion kim dcnn --data-dir DATA

From each of MR's test sentences of ten words or more one to five words are dropped: those with the largest scores of
`explain`, those with the largest gradient times input, and words at random (five draws). The table has the mean fall of
the predicted class's probability for each number of words, and how much larger it is with `explain` than with gradient
times input: the mean over the sentences and its 95% interval (bootstrap of sentences, 2,000 draws).

The bag of n-grams is part of all scores alike, gradient times input included. For a Kim CNN with ReLU gradient times
input then *is* the exact part of a word, since the network is linear between its kinks: the two cannot differ, and the
comparison is informative for the DCNN alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import textcnn
from experiments import shared
from textcnn.model import Model
from textcnn.settings.architectures import make_network  # a saved model as a torch network, for its gradients
from textcnn.text.vocabulary import FIRST_WORD

MOST = 5
DRAWS = 5
BOOTSTRAP = 2000
LEAST_WORDS = 10
HERE = Path(__file__).parent


def main() -> None:
    """Measure every model, print and save."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("models", nargs="*", type=Path, help="Kim CNNs or DCNNs trained on MR")
    parser.add_argument("--data-dir", metavar="DATA", help="folder of MR's files")
    parser.add_argument("--texts", type=int, help="test sentences [all]")
    arguments = shared.parse(parser, "models", "data-dir")
    path = arguments.output / "results.json"
    if not arguments.show:
        texts = list(textcnn.load_corpus("mr", data_dir=arguments.data_dir)["test"]["text"])[: arguments.texts]
        results = {folder.name: of_model(textcnn.load_model(folder), texts) for folder in arguments.models}
        shared.write_json(path, {"machine": shared.machine(), **results})
    print(markdown(shared.read_json(path)))


def of_model(model: Model, texts: list[str]) -> dict[str, Any]:
    """Return the mean falls of a model, and the differences between two ways of choosing words."""
    chosen = [text for text in texts if len(model.tokens(text)) >= LEAST_WORDS]
    falls = measure(model, chosen)
    pairs = zip(falls["explain"], falls["gradient x input"], strict=True)
    return {
        "texts": len(chosen),
        "ngrams": model.artifact.model.ngrams,
        "fall": {name: [float(fall.mean()) for fall in of_counts] for name, of_counts in falls.items()},
        "explain over gradient x input": [difference(*pair) for pair in pairs],
    }


def markdown(results: dict[str, Any]) -> str:
    """Return the table of mean falls by the number of words dropped."""
    rows = []
    for name, result in results.items():
        if name == "machine":
            continue
        rows += [(f"{name}, {how}", *(f"{mean:.3f}" for mean in means)) for how, means in result["fall"].items()]
        shown = [
            f"{more['mean']:+.3f} ({more['interval'][0]:.3f} to {more['interval'][1]:.3f})"
            for more in result["explain over gradient x input"]
        ]
        rows.append((f"{name}, explain over gradient x input", *shown))
    table = shared.table(("words dropped", *map(str, range(1, MOST + 1))), rows)
    return f"{table}\n\n{shared.machine_line(results.get('machine'))}"


def difference(ours: np.ndarray, theirs: np.ndarray) -> dict[str, object]:
    """Return the mean difference of two arrays of falls, (N,) each, and its 95% interval."""
    more = ours - theirs
    draws = np.random.default_rng(0).integers(0, len(more), (BOOTSTRAP, len(more)))
    low, high = np.quantile(more[draws].mean(axis=1), [0.025, 0.975])
    return {"mean": float(more.mean()), "interval": [round(float(low), 4), round(float(high), 4)]}


def measure(model: Model, texts: list[str]) -> dict[str, list[np.ndarray]]:
    """Return the falls of the label's probability, (N,) for each of one to MOST words, by how words are chosen."""
    explanations = model.explain(texts)
    labels = [explanation.predicted for explanation in explanations]
    before = np.array([explanation.probabilities[explanation.predicted] for explanation in explanations])
    generators = [np.random.default_rng(seed) for seed in range(DRAWS)]
    gradients = gradient_times_input(model, explanations)

    def fall(scores: Callable[[int], np.ndarray], count: int) -> np.ndarray:
        changed = []
        for i, explanation in enumerate(explanations):
            dropped = set(np.argsort(-scores(i), kind="stable")[:count].tolist())
            changed.append(" ".join(w.word for j, w in enumerate(explanation.words) if j not in dropped))
        after = model.predict_proba(changed)[np.arange(len(texts)), labels]
        return before - after

    counts = range(1, MOST + 1)
    return {
        "explain": [fall(lambda i: explanations[i].word_scores(), count) for count in counts],
        "gradient x input": [fall(lambda i: gradients[i], count) for count in counts],
        "random": [
            np.mean([fall(lambda i, g=g: g.random(len(explanations[i].words)), count) for g in generators], axis=0)
            for count in counts
        ],
    }


def gradient_times_input(model: Model, explanations: list[Any]) -> list[np.ndarray]:
    """Return each word's row times the gradient of the label's relative logit, plus its part of the bag of n-grams."""
    network = as_network(model)
    out = []
    for explanation in explanations:
        ids = torch.tensor([number for _, number in model.tokens(explanation.text)])
        with torch.no_grad():
            rows = network.channels(ids)  # (L, C, D)
        x = rows.requires_grad_()
        positions = torch.arange(len(ids), dtype=torch.int32)
        logits = network.softmax(network.penultimate(x, positions, torch.tensor([len(ids)])))[0]
        [grad] = torch.autograd.grad(logits[explanation.predicted] - logits.mean(), x)
        out.append((grad * x).sum(dim=(1, 2)).detach().numpy() + bag_scores(explanation))
    return out


def as_network(model: Model) -> torch.nn.Module:
    """Return a saved model as a torch network in evaluation mode."""
    artifact = model.artifact
    weights = {name: torch.from_numpy(array) for name, array in artifact.weights.items()}
    network = make_network(
        artifact.model,
        vocabulary_size=len(artifact.words) + FIRST_WORD,
        classes=len(artifact.classes),
        vectors=next((weights[name] for name in ("channels.fixed", "channels.tuned") if name in weights), None),
        ngrams=(weights["ngrams.keys"], weights["ngrams.factors"]) if artifact.model.ngrams else None,
    )
    network.load_state_dict(weights)
    return network.eval()


def bag_scores(explanation: Any) -> np.ndarray:
    """Return the words' scores from the bag of n-grams alone, (L,): each n-gram's, shared by all its words."""
    words, features = [word.word for word in explanation.words], explanation.features
    scores = np.zeros(len(words))
    for i in np.flatnonzero(features.feature_map < 0):  # n-grams of the bag
        ngram = words[features.begin[i] : features.end[i]]
        found = [j for j in range(len(words)) if words[j : j + len(ngram)] == ngram]
        score = features.parts[i, explanation.predicted] - features.parts[i].mean()
        for j in found:
            scores[j : j + len(ngram)] += score / (len(found) * len(ngram))
    return scores


if __name__ == "__main__":
    main()
