"""Do the words that an explanation names matter? They are dropped, and the label's probability is looked at.

    textcnn train mr --data-dir DATA -o kim
    textcnn train mr --data-dir DATA --preset kalchbrenner2014 -o dcnn
    python -m experiments.explain.deletion kim dcnn --data-dir DATA

From each of MR's test sentences of ten words or more one to five words are dropped: those with the largest scores of
`explain`, those with the largest gradient times input, and words at random (five draws). The mean fall of the predicted
class's probability is told for each number of words, and how much larger it is with `explain` than with gradient times
input: the mean over the sentences and its 95% interval (bootstrap of sentences, 2,000 draws).

A bag of n-grams is in all scores alike, gradient times input too. For a Kim CNN with ReLU gradient times input then
*is* the exact part of a word, for the network is linear between its kinks: the two cannot differ, and the comparison
says something for the DCNN alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import textcnn
from textcnn.explain._bag_parts import bag_parts
from textcnn.explain._torch_network import as_network
from textcnn.explain.results import relative
from textcnn.inference.predictor import Predictor
from textcnn.inference.scorer import word_rows

MOST = 5
DRAWS = 5
BOOTSTRAP = 2000
LEAST_WORDS = 10
HERE = Path(__file__).parent


def main() -> None:
    """Measure every model, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--data-dir", required=True)
    arguments = parser.parse_args()
    texts = list(textcnn.load_corpus("mr", data_dir=arguments.data_dir)["test"]["text"])
    results = {}
    for model in arguments.models:
        predictor = textcnn.load_model(model)
        chosen = [text for text in texts if len(predictor.tokens(text)) >= LEAST_WORDS]
        falls = measure(predictor, chosen)
        results[model.name] = {
            "texts": len(chosen),
            "ngrams": predictor.artifact.model.ngrams,
            "fall": {name: [float(fall.mean()) for fall in of_counts] for name, of_counts in falls.items()},
            "explain over gradient x input": [
                difference(*pair) for pair in zip(falls["explain"], falls["gradient x input"], strict=True)
            ],
        }
        for name, means in results[model.name]["fall"].items():
            print(f"{model.name:8} {name:20} " + "  ".join(f"{mean:.3f}" for mean in means))
        for more in results[model.name]["explain over gradient x input"]:
            print(f"{model.name:8} explain over gradient x input: {more['mean']:+.4f} {more['interval']}")
    (HERE / "deletion.json").write_text(json.dumps(results, indent=1) + "\n")


def difference(ours: np.ndarray, theirs: np.ndarray) -> dict[str, object]:
    """The mean of what N falls are more than others, and its 95% interval."""
    more = ours - theirs
    draws = np.random.default_rng(0).integers(0, len(more), (BOOTSTRAP, len(more)))
    low, high = np.quantile(more[draws].mean(axis=1), [0.025, 0.975])
    return {"mean": float(more.mean()), "interval": [round(float(low), 4), round(float(high), 4)]}


def measure(predictor: Predictor, texts: list[str]) -> dict[str, list[np.ndarray]]:
    """The falls of the label's probability, (N,) for each of one to MOST words, by how the words are chosen."""
    explanations = predictor.explain(texts)
    labels = [explanation.predicted for explanation in explanations]
    before = np.array([explanation.probabilities[explanation.predicted] for explanation in explanations])
    generators = [np.random.default_rng(seed) for seed in range(DRAWS)]
    gradients = gradient_times_input(predictor, texts, labels)

    def fall(scores: Callable[[int], np.ndarray], count: int) -> np.ndarray:
        changed = []
        for i, explanation in enumerate(explanations):
            dropped = set(np.argsort(-scores(i), kind="stable")[:count].tolist())
            changed.append(" ".join(w.word for j, w in enumerate(explanation.words) if j not in dropped))
        after = predictor.predict_proba(changed)[np.arange(len(texts)), labels]
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


def gradient_times_input(predictor: Predictor, texts: list[str], labels: list[int]) -> list[np.ndarray]:
    """Each word's row times the gradient of the label's relative logit, with its part of the bag of n-grams."""
    network = as_network(predictor.artifact)
    rows = torch.from_numpy(word_rows(predictor.artifact.model, predictor.artifact.weights))
    out = []
    for text, label in zip(texts, labels, strict=True):
        ids = torch.tensor([number for _, number in predictor.tokens(text)])
        x = rows[ids].requires_grad_()  # (L, C, D)
        places = torch.arange(len(ids), dtype=torch.int32)
        logits = network.softmax(network.penultimate(x, places, torch.tensor([len(ids)])))[0]
        weights = torch.from_numpy(relative(np.eye(len(logits)))[label]).float()
        [grad] = torch.autograd.grad((logits * weights).sum(), x)
        scores = (grad * x).sum(dim=(1, 2)).detach().numpy()
        if predictor.bag is not None:
            of_words, _ = bag_parts(predictor.bag, ids.numpy().astype(np.int32))
            scores = scores + relative(of_words)[:, label]
        out.append(scores)
    return out


if __name__ == "__main__":
    main()
