"""Is the structure that a DCNN induces like a syntax tree? Its spans beside SST's gold trees and beside plain trees.

    textcnn train sst2 --preset kalchbrenner2014 --data-dir DATA --seed 0 -o dcnn-0      (and seeds 1, 2)
    python -m experiments.structure.run dcnn-0 dcnn-1 dcnn-2 --data-dir DATA

One algorithm, chosen before any tree was looked at, turns a sentence's feature graphs (`textcnn.explain.feature_graph`) into a
binary tree, the same for trained and untrained networks: each node of the GRAPHS graphs that weigh most spreads the
size of its value evenly over the gaps between the words that it rests on; a span is split at its gap of least
cohesion, of equals the one nearest to its middle, and so are both parts. F1 is of unlabelled spans over all test
sentences of three words or more; single words and whole sentences do not count. An untrained network has the same shape
and words and fresh weights. With `--draw FOLDER` the graphs of the first five dev sentences of 8 to 14 words are drawn;
the pictures beside this file are of sentences of the built-in sample.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

import textcnn
from textcnn.data._trees import parse_tree
from textcnn.explain.feature_graph import feature_graph, feature_graphs
from textcnn.explain.graph_svg import as_svg
from textcnn.inference.predictor import Predictor
from textcnn.settings.architectures import make_network
from textcnn.text.vocabulary import FIRST_WORD

GRAPHS = 10
HERE = Path(__file__).parent
Spans = set[tuple[int, int]]


def main() -> None:
    """Score every kind of tree, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path, help="trained DCNNs, one a seed")
    parser.add_argument("--data-dir", required=True, type=Path)
    parser.add_argument("--draw", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    trained = [textcnn.load_model(model) for model in arguments.models]
    sentences = read(arguments.data_dir / "sst" / "test.txt")
    fresh = [untrained(predictor, seed) for seed, predictor in enumerate(trained)]
    kinds: dict[str, list[Callable[[list[str]], Spans]]] = {
        "DCNN, trained": [partial(induced, predictor) for predictor in trained],
        "DCNN, untrained": [partial(induced, predictor) for predictor in fresh],
        "random": [partial(random_tree, np.random.default_rng(seed)) for seed in range(3)],
        "left-branching": [lambda words: {(0, end) for end in range(2, len(words))}],
        "right-branching": [lambda words: {(begin, len(words)) for begin in range(1, len(words) - 1)}],
        "balanced": [lambda words: split(0, len(words), lambda b, e: (b + e) // 2)],
    }
    results = {name: [f1(sentences, tree) for tree in trees] for name, trees in kinds.items()}
    (HERE / "results.json").write_text(json.dumps({"sentences": len(sentences), "f1": results}, indent=1) + "\n")
    for name, scores in results.items():
        print(f"{name:16} {statistics.mean(scores):.1f} ({min(scores):.1f}-{max(scores):.1f})")
    plot(results, HERE / "structure.png")
    texts = list(textcnn.load_corpus("sample")["test"]["text"])
    pictures(trained[0], [t for t in texts if 8 <= len(t.split()) <= 14][:5], HERE)
    if arguments.draw:
        dev = [" ".join(words) for words, _ in read(arguments.data_dir / "sst" / "dev.txt")]
        pictures(trained[0], [t for t in dev if 8 <= len(t.split()) <= 14][:5], arguments.draw)


def read(path: Path) -> list[tuple[list[str], Spans]]:
    """Words and gold spans of the sentences of three words or more."""
    out = []
    for line in path.read_text(encoding="utf-8").splitlines():
        constituents = [len(text.split(" ")) for text, _ in parse_tree(line)]
        words = parse_tree(line)[0][0].split(" ")
        at, spans = 0, set()
        for length in constituents:  # a node begins where the words before it end
            spans.add((at, at + length))
            at += length == 1
        # A few words hold a no-break space, which parts them for the model.
        if len(words) > 2 and not any(re.search(r"\s", word) for word in words):
            out.append((words, {span for span in spans if 1 < span[1] - span[0] < len(words)}))
    return out


def induced(predictor: Predictor, words: list[str]) -> Spans:
    """The spans of a network's feature graphs."""
    cohesion = np.zeros(len(words) + 1)  # of the gap before each word
    for graph in feature_graphs(predictor, " ".join(words), GRAPHS):
        for nodes in graph.layers:
            for node in nodes:
                if node.end - node.begin > 1:
                    cohesion[node.begin + 1 : node.end] += abs(node.value) / (node.end - node.begin - 1)

    def weakest(begin: int, end: int) -> int:
        gaps = np.arange(begin + 1, end)
        return int(min(gaps, key=lambda gap: (cohesion[gap], abs(2 * gap - begin - end))))

    return split(0, len(words), weakest)


def split(begin: int, end: int, at: Callable[[int, int], int]) -> Spans:
    """The inner spans of the tree that splits each span where `at` says."""
    spans: Spans = set()
    todo = [(begin, end)]
    while todo:
        low, high = todo.pop()
        if high - low > 1:
            middle = at(low, high)
            todo += [(low, middle), (middle, high)]
            if (low, high) != (begin, end):
                spans.add((low, high))
    return spans


def random_tree(generator: np.random.Generator, words: list[str]) -> Spans:
    """Each span split anywhere."""
    return split(0, len(words), lambda begin, end: int(generator.integers(begin + 1, end)))


def untrained(predictor: Predictor, seed: int) -> Predictor:
    """The same network with fresh weights; its softmax layer, which would start at zeros, at random."""
    artifact = predictor.artifact
    torch.manual_seed(seed)
    size = {"vocabulary_size": len(artifact.words) + FIRST_WORD, "classes": len(artifact.classes)}
    network = make_network(artifact.model, vectors=None, **size)
    torch.nn.init.normal_(network.softmax.weight)
    weights = {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}
    return Predictor(dataclasses.replace(artifact, weights=weights))


def f1(sentences: list[tuple[list[str], Spans]], tree: Callable[[list[str]], Spans]) -> float:
    """Per cent, over all sentences together."""
    right = found = gold = 0
    for words, spans in sentences:
        mine = tree(words)
        right, found, gold = right + len(mine & spans), found + len(mine), gold + len(spans)
    return 100 * 2 * right / (found + gold)


def plot(results: dict[str, list[float]], path: Path) -> None:
    """A bar for each kind, a dot for each seed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    fig, axis = plt.subplots(figsize=(6, 2.6))
    for place, scores in enumerate(results.values()):
        axis.barh(place, statistics.mean(scores), color="tab:blue" if place == 0 else "0.75")
        axis.plot(scores, [place] * len(scores), "k.", ms=4)
    axis.set_yticks(range(len(results)), list(results))
    axis.invert_yaxis()
    axis.set_xlabel("unlabelled span F1 against SST's trees, %")
    fig.tight_layout()
    fig.savefig(path, dpi=120, metadata={"Software": None})


def pictures(predictor: Predictor, texts: list[str], folder: Path) -> None:
    """The strongest feature graph of each text."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts, 1):
        (folder / f"graph-{number}.svg").write_text(as_svg(feature_graph(predictor, text)), encoding="utf-8")


if __name__ == "__main__":
    main()
