"""Is the structure that a DCNN induces like a syntax tree? Its spans against SST's gold trees, beside simple trees'.

    textcnn train sst2 --preset kalchbrenner2014 --data-dir DATA --seed 0 -o dcnn-0      (and seeds 1, 2)
    python -m experiments.structure dcnn-0 dcnn-1 dcnn-2 --data-dir DATA

One algorithm, chosen before any tree was looked at, turns a sentence's feature graphs into a binary tree, the same for
trained and untrained networks: each node of the GRAPHS graphs that weigh most spreads its absolute value evenly over
the gaps between the words that it depends on; a span is split at its gap of least cohesion (of equal gaps, the one
nearest to its middle), and so are both parts. F1 is of unlabelled spans over all test sentences of three words or more;
single words and whole sentences do not count. An untrained network has the same shape and words and fresh weights. The
pictures beside this file are of sentences of the sample corpus, by the first model.
"""

from __future__ import annotations

import dataclasses
import re
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import textcnn
from experiments import shared

# Internals: the strongest graphs of all maps and rows at once, and a trained network's shape with fresh weights.
from textcnn.explain.feature_graph import feature_graphs
from textcnn.explain.graph_svg import as_svg
from textcnn.model import Model
from textcnn.settings.architectures import make_network
from textcnn.text.vocabulary import FIRST_WORD

GRAPHS = 10
HERE = Path(__file__).parent
Spans = set[tuple[int, int]]
ESCAPES = {"-LRB-": "(", "-RRB-": ")"}  # of the Penn Treebank


def main() -> None:
    """Score every kind of tree, print and draw."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("models", nargs="*", type=Path, help="trained DCNNs, one per seed")
    parser.add_argument("--data-dir", metavar="DATA", type=Path, help="folder of SST's files")
    arguments = shared.parse(parser, "models", "data-dir")
    path = arguments.output / "results.json"
    if not arguments.show:
        trained = [textcnn.load_model(model) for model in arguments.models]
        sentences = read(arguments.data_dir / "sst" / "test.txt")
        scores = {name: [f1(sentences, tree) for tree in trees] for name, trees in kinds(trained).items()}
        shared.write_json(path, {"machine": shared.machine(), "sentences": len(sentences), "f1": scores})
        texts = list(textcnn.load_corpus("sample")["test"]["text"])
        pictures(trained[0], [text for text in texts if 8 <= len(text.split()) <= 14][:5], arguments.output)
    results = shared.read_json(path)
    print(markdown(results))
    plot(results["f1"], arguments.output / "structure.png")


def kinds(trained: list[Model]) -> dict[str, list[Callable[[list[str]], Spans]]]:
    """Return what makes a tree of a sentence, by the name of the kind, one per seed."""
    fresh = [untrained(model, seed) for seed, model in enumerate(trained)]
    return {
        "DCNN, trained": [partial(induced, model) for model in trained],
        "DCNN, untrained": [partial(induced, model) for model in fresh],
        "random": [partial(random_tree, np.random.default_rng(seed)) for seed in range(3)],
        "left-branching": [lambda words: {(0, end) for end in range(2, len(words))}],
        "right-branching": [lambda words: {(begin, len(words)) for begin in range(1, len(words) - 1)}],
        "balanced": [lambda words: split(0, len(words), lambda b, e: (b + e) // 2)],
    }


def markdown(results: dict[str, Any]) -> str:
    """Return the table: mean (range) over seeds."""
    rows = [(name, shared.spread(scores, scale=1)) for name, scores in results["f1"].items()]
    table = shared.table((f"unlabelled span F1, {results['sentences']:,} sentences", "mean (range)"), rows)
    return f"{table}\n\n{shared.machine_line(results.get('machine'))}"


def read(path: Path) -> list[tuple[list[str], Spans]]:
    """Return words and gold spans of the sentences of three words or more."""
    out = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words, spans = parse(line)
        # A few words hold a no-break space, at which the model splits them.
        if len(words) > 2 and not any(re.search(r"\s", word) for word in words):
            out.append((words, {span for span in spans if 1 < span[1] - span[0] < len(words)}))
    return out


def parse(line: str) -> tuple[list[str], Spans]:
    """Return the words of a tree such as `(3 (2 good) (2 film))`, and the spans of its nodes."""
    words: list[str] = []
    spans: Spans = set()
    begins: list[int] = []
    pieces = re.findall(r"\(\d|\)|[^() ]+", line)  # an opening bracket with its label
    for piece in pieces:
        if piece.startswith("("):
            begins.append(len(words))
        elif piece == ")":
            spans.add((begins.pop(), len(words)))
        else:
            words.append(ESCAPES.get(piece, piece.replace("\\/", "/").replace("\\*", "*")))
    return words, spans


def induced(model: Model, words: list[str]) -> Spans:
    """Return the spans of the tree that a network's feature graphs make."""
    cohesion = np.zeros(len(words) + 1)  # of the gap before each word
    for graph in feature_graphs(model, " ".join(words), GRAPHS):
        for nodes in graph.layers:
            for node in nodes:
                if node.end - node.begin > 1:
                    cohesion[node.begin + 1 : node.end] += abs(node.value) / (node.end - node.begin - 1)

    def weakest(begin: int, end: int) -> int:
        gaps = np.arange(begin + 1, end)
        return int(min(gaps, key=lambda gap: (cohesion[gap], abs(2 * gap - begin - end))))

    return split(0, len(words), weakest)


def split(begin: int, end: int, at: Callable[[int, int], int]) -> Spans:
    """Return the inner spans of the tree that splits each span where `at` says."""
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
    """Return the spans of a tree that splits each span anywhere."""
    return split(0, len(words), lambda begin, end: int(generator.integers(begin + 1, end)))


def untrained(model: Model, seed: int) -> Model:
    """Return the same network with fresh weights; its softmax layer, which would start at zeros, is random."""
    artifact = model.artifact
    torch.manual_seed(seed)
    size = {"vocabulary_size": len(artifact.words) + FIRST_WORD, "classes": len(artifact.classes)}
    network = make_network(artifact.model, vectors=None, **size)
    torch.nn.init.normal_(network.softmax.weight)
    weights = {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}
    return Model(dataclasses.replace(artifact, weights=weights))


def f1(sentences: list[tuple[list[str], Spans]], tree: Callable[[list[str]], Spans]) -> float:
    """Return F1 in per cent, over all sentences together."""
    right = found = gold = 0
    for words, spans in sentences:
        mine = tree(words)
        right, found, gold = right + len(mine & spans), found + len(mine), gold + len(spans)
    return 100 * 2 * right / (found + gold)


def plot(results: dict[str, list[float]], path: Path) -> None:
    """Draw a bar for each kind, a dot for each seed."""
    plt = shared.pyplot()
    fig, axis = plt.subplots(figsize=(6, 2.6))
    for height, scores in enumerate(results.values()):
        axis.barh(height, statistics.mean(scores), color="tab:blue" if height == 0 else "0.75")
        axis.plot(scores, [height] * len(scores), "k.", ms=4)
    axis.set_yticks(range(len(results)), list(results))
    axis.invert_yaxis()
    axis.set_xlabel("unlabelled span F1 against SST's trees, %")
    fig.tight_layout()
    shared.save_plot(fig, path)


def pictures(model: Model, texts: list[str], folder: Path) -> None:
    """Draw the strongest feature graph of each text."""
    for number, text in enumerate(texts, 1):
        (folder / f"graph-{number}.svg").write_text(as_svg(model.feature_graph(text)), encoding="utf-8")


if __name__ == "__main__":
    main()
