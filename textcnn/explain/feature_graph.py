"""The feature graph that a DCNN induces over a sentence (Kalchbrenner et al. 2014, section 4).

Values that survive pooling are nodes. An edge joins a node to those that its convolution combined; nodes that no
surviving value uses vanish, and the last layer's join in a root. A network has such a graph for each row of each
feature map of its last layer. A convolution sums over all maps below, and folding over two rows, so that a graph of
everything is not to be read: of each layer below the one map and row is taken whose values weigh most in the nodes
above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from textcnn.explain.results import Word, relative
from textcnn.inference.scorers import DCNNScorer
from textcnn.text.vocabulary import UNKNOWN

if TYPE_CHECKING:
    from textcnn.inference.predictor import Predictor


@dataclass(frozen=True)
class Node:
    """A value that survived.

    Attributes:
        layer: 1 for the first convolution.
        position: among the layer's windows, before pooling.
        begin: first word that it rests on.
        end: behind the last.
        value: after pooling, bias and tanh.
        weight: of a node of the last layer: what it adds to the predicted class's logit, less what it adds to the mean
            of all classes; else 0.
    """

    layer: int
    position: int
    begin: int
    end: int
    value: float
    weight: float


@dataclass(frozen=True)
class Edge:
    """What a node (or word, in `below`) brings to a node above: numbers of both, and its part of that one's sum."""

    below: int
    above: int
    part: float


@dataclass(frozen=True)
class FeatureGraph:
    """One feature graph over a sentence.

    Attributes:
        text: as it was given.
        words: its tokens.
        label: the predicted class.
        places: map and row drawn of each layer, the first layer first.
        layers: the nodes of each layer.
        edges: to each layer from the one below; to the first from the words.
    """

    text: str
    words: tuple[Word, ...]
    label: Any
    places: tuple[tuple[int, int], ...]
    layers: tuple[tuple[Node, ...], ...]
    edges: tuple[tuple[Edge, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON; the root is not written: it joins the last layer's nodes."""
        return {
            "text": self.text,
            "label": self.label.item() if isinstance(self.label, np.generic) else self.label,
            "words": [vars(word) for word in self.words],
            "layers": [
                {
                    "map": place[0],
                    "row": place[1],
                    "nodes": [vars(node) for node in nodes],
                    "edges": [vars(edge) for edge in edges],
                }
                for place, nodes, edges in zip(self.places, self.layers, self.edges, strict=True)
            ],
        }


@dataclass(frozen=True)
class _Layer:
    """One layer's forward: which windows survived, and their values, (k, F, D) both."""

    kept: np.ndarray
    values: np.ndarray


def feature_graph(predictor: Predictor, text: str, place: tuple[int, int] | None = None) -> FeatureGraph:
    """The feature graph of one row of one map of the last layer.

    Args:
        predictor: a DCNN.
        text: the sentence.
        place: map and row; None takes those that weigh most for the predicted class.

    Raises:
        ValueError: the model is no DCNN, or has no such map or row.
    """
    return feature_graphs(predictor, text, 1, place)[0]


def feature_graphs(
    predictor: Predictor, text: str, most: int, place: tuple[int, int] | None = None
) -> list[FeatureGraph]:
    """The same for the `most` rows that weigh most, these first."""
    scorer = predictor.scorer
    if not isinstance(scorer, DCNNScorer):
        raise ValueError("expected a DCNN, which has a feature graph, found another network")  # noqa: TRY004
    tokens = predictor.tokens(text)
    words = tuple(Word(token.text, token.start, token.end, number != UNKNOWN) for token, number in tokens)
    ids = np.array([number for _, number in tokens], np.int32)
    maps, rows = scorer.config.feature_maps[-1], scorer.biases[-1].shape[1]
    if place is not None and not (0 <= place[0] < maps and 0 <= place[1] < rows):
        raise ValueError(f"expected a map below {maps} and a row below {rows}, found {place[0]} and {place[1]}")
    label = predictor.predict_proba([text])[0].argmax()
    layers, look_ups = forward(scorer, ids)
    weights = relative(scorer.weights.T).T.reshape(len(scorer.weights), scorer.config.k_top, maps, rows)[label]
    top = layers[-1].values  # (k, F, D)
    parts = weights[: len(top)] * top
    places = [place]
    if place is None:
        order = np.argsort(-np.abs(parts.sum(axis=0)).ravel(), kind="stable")[:most]
        places = [cast("tuple[int, int]", divmod(int(i), rows)) for i in order]
    return [
        _graph(scorer, layers, look_ups, parts, chosen, (text, words, predictor.classes_[label]))
        for chosen in places
        if chosen is not None
    ]


def forward(scorer: DCNNScorer, ids: np.ndarray) -> tuple[list[_Layer], np.ndarray]:
    """What survives in every layer for one text, and the look-ups of its words, (L, m, F, D / 2)."""
    config = scorer.config
    sizes = config.region_sizes
    table, places = scorer.table.look_up(ids)
    maps, rows = config.feature_maps[0], config.dimension // 2
    look_ups = table[places].reshape(len(ids), sizes[0], maps, rows)  # (L, m, F, D / 2)
    layers: list[_Layer] = []
    for number, size in enumerate(sizes, 1):
        if number == 1:
            x = np.zeros((len(ids) + size - 1, *look_ups.shape[2:]), np.float32)  # (P, F, D)
            for j in range(size):
                x[size - 1 - j : size - 1 - j + len(ids)] += look_ups[:, j]
        else:
            x = _convolved(layers[-1].values, scorer.deeper[number - 2])
        if not len(ids):
            x = x[:0]
        k = config.k_top
        if number < len(sizes):
            k = max(k, -(-(len(sizes) - number) * len(ids) // len(sizes)))
        kept = np.sort(np.argsort(-x, axis=0, kind="stable")[:k], axis=0)  # (k, F, D), of equals the first
        values = np.tanh(np.take_along_axis(x, kept, axis=0) + scorer.biases[number - 1])
        layers.append(_Layer(kept, values))
    return layers, look_ups


def _convolved(x: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Wide convolution of values (k, F', D) by filters (F, m, F', D), folded, (k + m - 1, F, D / 2)."""
    size = filters.shape[1]
    total = np.zeros((len(x) + size - 1, len(filters), x.shape[2]), np.float32)
    for j in range(size):
        # Window p has value p + j - (m - 1) at slot j.
        total[size - 1 - j : size - 1 - j + len(x)] += np.einsum("kgd,fgd->kfd", x, filters[:, j])
    folded: np.ndarray = total[..., 0::2] + total[..., 1::2]
    return folded


def _graph(
    scorer: DCNNScorer,
    layers: list[_Layer],
    look_ups: np.ndarray,
    parts: np.ndarray,
    place: tuple[int, int],
    of: tuple[str, tuple[Word, ...], Any],
) -> FeatureGraph:
    """The graph of one place in the last layer, from the top to the words."""
    places, numbers = [place], [np.arange(len(layers[-1].kept))]
    edges: list[tuple[Edge, ...]] = []
    for number in range(len(layers) - 1, 0, -1):
        filters = scorer.deeper[number - 1]
        kept = layers[number].kept[:, places[0][0], places[0][1]][numbers[0]]  # windows of the nodes above
        below = _strongest(layers[number - 1].values, filters, kept, places[0])
        feature_map, row = below
        size = filters.shape[1]
        found = [
            (int(kept_at) + j - (size - 1), above, filters[places[0][0], j, feature_map, row])
            for above, kept_at in enumerate(kept)
            for j in range(size)
            if 0 <= kept_at + j - (size - 1) < len(layers[number - 1].values)
        ]
        used = np.unique([i for i, _, _ in found]).astype(int)
        values = layers[number - 1].values[:, feature_map, row]
        edges.insert(0, tuple(Edge(int(np.searchsorted(used, i)), a, float(w * values[i])) for i, a, w in found))
        places.insert(0, below)
        numbers.insert(0, used)
    size = look_ups.shape[1]
    first = layers[0].kept[:, places[0][0], places[0][1]][numbers[0]]
    own = look_ups[:, :, places[0][0], places[0][1]]  # (L, m)
    edges.insert(
        0,
        tuple(
            Edge(int(p) + j - (size - 1), above, float(own[p + j - (size - 1), j]))
            for above, p in enumerate(first)
            for j in range(size)
            if 0 <= p + j - (size - 1) < len(own)
        ),
    )
    nodes: list[tuple[Node, ...]] = []
    for number, (layer, at, chosen, of_layer) in enumerate(zip(layers, places, numbers, edges, strict=True), 1):
        spans = [(i, i + 1) for i in range(len(of[1]))] if number == 1 else [(n.begin, n.end) for n in nodes[-1]]
        below_of: list[list[tuple[int, int]]] = [[] for _ in chosen]
        for edge in of_layer:
            below_of[edge.above].append(spans[edge.below])
        last = number == len(layers)
        nodes.append(
            tuple(
                Node(
                    layer=number,
                    position=int(layer.kept[i, at[0], at[1]]),
                    begin=min((span[0] for span in below), default=0),
                    end=max((span[1] for span in below), default=0),
                    value=float(layer.values[i, at[0], at[1]]),
                    weight=float(parts[i, at[0], at[1]]) if last else 0.0,
                )
                for i, below in zip(chosen.tolist(), below_of, strict=True)
            )
        )
    return FeatureGraph(*of, tuple(places), tuple(nodes), tuple(edges))


def _strongest(values: np.ndarray, filters: np.ndarray, kept: np.ndarray, place: tuple[int, int]) -> tuple[int, int]:
    """The map and row below whose values weigh most, by their absolute parts, in the windows kept above."""
    size = filters.shape[1]
    rows = slice(2 * place[1], 2 * place[1] + 2)  # folding sums these two
    total = np.zeros((values.shape[1], 2))
    for p in kept:
        for j in range(size):
            i = p + j - (size - 1)
            if 0 <= i < len(values):
                total += np.abs(filters[place[0], j, :, rows] * values[i, :, rows])
    feature_map, row = divmod(int(total.argmax()), 2)
    return feature_map, 2 * place[1] + row
