"""The feature graph that a DCNN induces over a sentence (Kalchbrenner et al. 2014, section 4).

The values that pooling keeps are nodes. An edge joins a node to the values that its convolution combined; nodes that no
kept value uses are left out, and the last layer's nodes join in a root. There is such a graph for each row of each
feature map of the last layer. A convolution sums over all maps below, and folding over two rows, so a complete graph
would be unreadable: from each layer below, the graph takes the one map and row whose values contribute most to the
nodes above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.errors import ConfigError
from textcnn.explain.results import Word, words_of
from textcnn.inference.scorer import PooledLayer

if TYPE_CHECKING:
    from textcnn.inference.predictor import Predictor


@dataclass(frozen=True)
class Node:
    """A value that pooling kept.

    Attributes:
        layer: 1 for the first convolution.
        position: index of its window among the layer's, before pooling.
        begin: index of the first word that it depends on.
        end: index after the last one.
        value: after pooling, bias and tanh.
        weight: in the last layer, what the node adds to the predicted class's logit, less the mean over all classes;
            else 0.
    """

    layer: int
    position: int
    begin: int
    end: int
    value: float
    weight: float


@dataclass(frozen=True)
class Edge:
    """What a node contributes to a node above: the indices of both, and its part of the sum there.

    In the first layer `below` is the index of a word.
    """

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
        places: map and row taken from each layer, from the first layer up.
        layers: the nodes of each layer.
        edges: into each layer from the one below; into the first from the words.
    """

    text: str
    words: tuple[Word, ...]
    label: Any
    places: tuple[tuple[int, int], ...]
    layers: tuple[tuple[Node, ...], ...]
    edges: tuple[tuple[Edge, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as a JSON object; the root, which joins the last layer's nodes, is not part of it."""
        return {
            "text": self.text,
            "prediction": self.label.item() if isinstance(self.label, np.generic) else self.label,
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


def feature_graph(predictor: Predictor, text: str, place: tuple[int, int] | None = None) -> FeatureGraph:
    """Return the feature graph of one row of one map of the last layer.

    Args:
        predictor: a DCNN.
        text: the sentence.
        place: map and row; None takes those that contribute most to the predicted class.

    Raises:
        ConfigError: the model is not a DCNN, or has no such map or row.
    """
    return feature_graphs(predictor, text, 1, place)[0]


def feature_graphs(
    predictor: Predictor, text: str, most: int, place: tuple[int, int] | None = None
) -> list[FeatureGraph]:
    """Return the graphs of the `most` rows that contribute most, in that order; otherwise as `feature_graph`."""
    scorer = predictor.scorer
    if not scorer.row_layers:
        raise ConfigError("expected a DCNN, which has a feature graph, found another network")
    tokens, encoded = predictor.read(text)
    words, ids, scorer = words_of(tokens, encoded), encoded.ids, scorer.beside(encoded.unseen)
    layers = [
        PooledLayer(layer.kept[0], layer.responses[0], layer.values[0], layer.filters)
        for layer in scorer.layers(ids[None])
    ]  # of the one text, (k, F, D)
    top = layers[-1].values  # (k, F, D)
    maps, rows = top.shape[1:]
    if place is not None and not (0 <= place[0] < maps and 0 <= place[1] < rows):
        raise ConfigError(f"expected a map below {maps} and a row below {rows}, found {place[0]} and {place[1]}")
    label = predictor.predict_proba([text])[0].argmax()
    weights = predictor.target.relative(scorer.softmax_weight.T)[:, label].reshape(-1, maps, rows)  # (k_top, F, D)
    parts = weights[: len(top)] * top
    places = [place] if place is not None else _largest_places(np.abs(parts.sum(axis=0)), most)
    look_ups = scorer.look_ups(ids)
    look_ups = look_ups.reshape(*look_ups.shape[:2], *layers[0].values.shape[1:])  # (L, m, F, D)
    graphs = []
    for chosen in places:
        places_below, numbers, edges = _descend(layers, look_ups, chosen)
        nodes = _nodes(layers, places_below, numbers, edges, parts[:, chosen[0], chosen[1]], len(words))
        graphs.append(FeatureGraph(text, words, predictor.classes_[label], places_below, nodes, edges))
    return graphs


def _largest_places(strength: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Return map and row of the `most` largest of (F, D), the largest first."""
    order = np.argsort(-strength, axis=None, kind="stable")[:most]
    maps, rows = np.unravel_index(order, strength.shape)
    return list(zip(maps.tolist(), rows.tolist(), strict=True))


def _descend(
    layers: list[PooledLayer], look_ups: np.ndarray, place: tuple[int, int]
) -> tuple[tuple[tuple[int, int], ...], list[np.ndarray], tuple[tuple[Edge, ...], ...]]:
    """Follow one place of the last layer down to the words.

    Args:
        layers: of one text.
        look_ups: of its words, (L, m, F, D).
        place: map and row of the last layer.

    Returns:
        Of each layer from the first one up: its map and row; which of its kept values are nodes; and the edges into it.
    """
    places, numbers = [place], [np.arange(len(layers[-1].kept))]
    edges: list[tuple[Edge, ...]] = []
    for layer, below in zip(layers[:0:-1], layers[-2::-1], strict=True):
        filters = layer.filters
        if filters is None:
            raise TypeError("expected filters in each layer above the first")
        kept = layer.kept[:, places[0][0], places[0][1]][numbers[0]]  # windows of the nodes above
        feature_map, row = _strongest(below.values, filters, kept, places[0])
        values = below.values[:, feature_map, row]
        parts = filters[places[0][0], :, feature_map, row] * values[:, None]  # (k, m)
        found = _edges(kept, parts)
        used = np.unique([edge.below for edge in found]).astype(int)
        edges.insert(0, tuple(Edge(int(np.searchsorted(used, e.below)), e.above, e.part) for e in found))
        places.insert(0, (feature_map, row))
        numbers.insert(0, used)
    kept = layers[0].kept[:, places[0][0], places[0][1]][numbers[0]]
    edges.insert(0, _edges(kept, look_ups[:, :, places[0][0], places[0][1]]))
    return tuple(places), numbers, tuple(edges)


def _edges(kept: np.ndarray, parts: np.ndarray) -> tuple[Edge, ...]:
    """Return the edges into the nodes of some windows of a wide convolution.

    Args:
        kept: the windows, in the order of the nodes.
        parts: what each value below adds in each slot of a window, (k, m).
    """
    size = parts.shape[1]
    return tuple(
        Edge(window + j - (size - 1), above, float(parts[window + j - (size - 1), j]))
        for above, window in enumerate(kept.tolist())
        for j in range(size)
        if 0 <= window + j - (size - 1) < len(parts)
    )


def _nodes(
    layers: list[PooledLayer],
    places: tuple[tuple[int, int], ...],
    numbers: list[np.ndarray],
    edges: tuple[tuple[Edge, ...], ...],
    weights: np.ndarray,
    words: int,
) -> tuple[tuple[Node, ...], ...]:
    """Return the nodes of each layer.

    Args:
        layers: of one text.
        places: map and row of each.
        numbers: which of its kept values are nodes.
        edges: into each layer.
        weights: of the last layer's values in the label's score, (k,).
        words: L.
    """
    spans = [(i, i + 1) for i in range(words)]  # words that each node below depends on
    found: list[tuple[Node, ...]] = []
    for number, (layer, (feature_map, row), chosen) in enumerate(zip(layers, places, numbers, strict=True), 1):
        below: list[list[tuple[int, int]]] = [[] for _ in chosen]
        for edge in edges[number - 1]:
            below[edge.above].append(spans[edge.below])
        nodes = tuple(
            Node(
                layer=number,
                position=int(layer.kept[i, feature_map, row]),
                begin=min((begin for begin, _ in of_node), default=0),
                end=max((end for _, end in of_node), default=0),
                value=float(layer.values[i, feature_map, row]),
                weight=float(weights[i]) if number == len(layers) else 0.0,
            )
            for i, of_node in zip(chosen.tolist(), below, strict=True)
        )
        spans = [(node.begin, node.end) for node in nodes]
        found.append(nodes)
    return tuple(found)


def _strongest(values: np.ndarray, filters: np.ndarray, kept: np.ndarray, place: tuple[int, int]) -> tuple[int, int]:
    """Return the map and row below whose values add most, in absolute terms, to the windows kept above.

    Args:
        values: of the layer below, (k, F', D).
        filters: (F, m, F', D).
        kept: windows of the layer above.
        place: map and row of the layer above.
    """
    size = filters.shape[1]
    rows = slice(2 * place[1], 2 * place[1] + 2)  # folding sums these two
    total = np.zeros((values.shape[1], 2))
    for window in kept:
        for j in range(size):
            i = window + j - (size - 1)
            if 0 <= i < len(values):
                total += np.abs(filters[place[0], j, :, rows] * values[i, :, rows])
    feature_map, row = divmod(int(total.argmax()), 2)
    return feature_map, 2 * place[1] + row
