import dataclasses
import re
import xml.dom.minidom
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import hand_made, model

from textcnn.errors import ConfigError
from textcnn.explain.feature_graph import feature_graph, feature_graphs
from textcnn.explain.graph_svg import as_svg, valid_xml
from textcnn.inference.artifact import Artifact
from textcnn.model import Model
from textcnn.settings.config import DCNNConfig, TextConfig
from textcnn.text.tokens import Encoded

CONFIGS = [
    DCNNConfig(ngrams=0, dimension=8, region_sizes=(3, 2), feature_maps=(2, 3), k_top=2),
    DCNNConfig(dimension=8, region_sizes=(2, 3, 2), feature_maps=(2, 2, 2), k_top=3, ngrams=2),
    DCNNConfig(ngrams=0, dimension=4, region_sizes=(3,), feature_maps=(3,), k_top=2),
]
TEXTS = st.lists(st.sampled_from([*(f"w{i}" for i in range(8)), "unheard"]), max_size=9).map(" ".join)


def hand_made_dcnn():
    """Two layers of one map: the first layer sums two words, the second two neighbours; all rows alike."""
    words = ["a", "good", "film", "indeed"]
    rows = np.zeros((6, 4), np.float32)
    rows[2:] = np.array([0.1, 0.5, 0.2, 0.3])[:, None]
    weights = {
        "channels.tuned": rows,
        "convolution.weight": np.full((1, 2, 1, 4), 0.5, np.float32),  # folded: a word counts its value
        "deeper.0.weight": np.full((2, 1, 1, 2), 0.5, np.float32),
        "biases.0": np.zeros((1, 2), np.float32),
        "biases.1": np.zeros((1, 1), np.float32),
        "softmax.weight": np.array([[1], [-1]], np.float32),
        "softmax.bias": np.zeros(2, np.float32),
    }
    config = DCNNConfig(ngrams=0, dimension=4, region_sizes=(2, 2), feature_maps=(1, 1), k_top=1)
    return Model(Artifact(TextConfig(), config, np.array(["no", "yes"]), words, weights))


def test_a_graph_that_is_known():
    graph = feature_graph(hand_made_dcnn(), "A good film indeed")
    # Windows of the first layer: a .1, a good .6, good film .7, film indeed .5, indeed .3. Four words: k_1 = 2.
    first, second = graph.layers
    assert [(n.begin, n.end, n.position) for n in first] == [(0, 2, 1), (1, 3, 2)]
    values = np.tanh([0.6, 0.7])
    assert [n.value for n in first] == pytest.approx(values)
    # The second layer's windows: .54, .54 + .60, .60; the middle one is kept, and combines both.
    assert [(n.begin, n.end, n.position) for n in second] == [(0, 3, 1)]
    assert second[0].value == pytest.approx(np.tanh(values.sum()), rel=1e-6)
    assert second[0].weight == pytest.approx(second[0].value)  # 1 - (1 - 1) / 2
    assert [(e.below, e.above, pytest.approx(e.part)) for e in graph.edges[0]] == [
        (0, 0, 0.1),
        (1, 0, 0.5),
        (1, 1, 0.5),
        (2, 1, 0.2),
    ]
    # Folding sums two rows, of which one is drawn.
    assert [(e.below, e.above, pytest.approx(e.part)) for e in graph.edges[1]] == [
        (0, 0, values[0] / 2),
        (1, 0, values[1] / 2),
    ]
    assert (graph.label, graph.places) == ("no", ((0, 0), (0, 0)))


@settings(max_examples=25)
@given(text=TEXTS, seed=st.integers(0, 50))
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(len(config.region_sizes)))
def test_a_graph_agrees_with_the_forward(config, text, seed):
    predictor = model(config, seed)
    ids = np.array([number for _, number in predictor.tokens(text)], np.int32)
    layers = predictor.scorer.layers(ids[None])
    flat = np.zeros(config.features, np.float32)
    values = layers[-1].values.reshape(-1)
    flat[: len(values)] = values
    expected = predictor.scorer.logits(Encoded(ids, np.array([0, len(ids)])))[0]
    found = predictor.scorer.softmax_weight @ flat + predictor.scorer.softmax_bias
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    graphs = feature_graphs(predictor, text, 3)
    assert len({graph.places[-1] for graph in graphs}) == len(graphs)
    for graph in graphs:
        assert len(graph.layers) == len(config.region_sizes)
        below = len(graph.words)
        for number, (nodes, edges, place) in enumerate(zip(graph.layers, graph.edges, graph.places, strict=True)):
            kept = layers[number]
            positions = kept.kept[0, :, place[0], place[1]].tolist()
            for node in nodes:
                assert kept.values[0, positions.index(node.position), place[0], place[1]] == pytest.approx(node.value)
                assert 0 <= node.begin <= node.end <= len(graph.words)
            assert all(0 <= edge.below < below and 0 <= edge.above < len(nodes) for edge in edges)
            if number:  # no node below is without use
                assert {edge.below for edge in edges} == set(range(below))
            below = len(nodes)


def test_edges_to_words_sum_up_to_the_response():
    predictor = model(CONFIGS[2], 3)
    graph = feature_graph(predictor, "w0 w3 w3 w5")
    place = graph.places[0]
    bias = predictor.scorer.biases[0][place]
    for i, node in enumerate(graph.layers[0]):
        response = sum(edge.part for edge in graph.edges[0] if edge.above == i)
        assert np.tanh(response + bias) == pytest.approx(node.value, rel=1e-4)


def test_a_place_may_be_given():
    predictor = model(CONFIGS[0])
    assert feature_graph(predictor, "w0 w1", (2, 1)).places[-1] == (2, 1)
    with pytest.raises(ConfigError, match="expected a map below 3 and a row below 2, found 3 and 0"):
        feature_graph(predictor, "w0 w1", (3, 0))
    with pytest.raises(ConfigError, match="expected a DCNN, which has a feature graph"):
        feature_graph(hand_made(), "good")


@pytest.mark.parametrize("text", ["", "w0", "w1 w2 w3 w4 w5", "w0 " * 30, '<b>&" w0', "unheard of"])
def test_the_drawing(text):
    for config in CONFIGS:
        graph = feature_graph(model(config), text)
        svg = as_svg(graph)
        assert all(f">{key}</text>" in svg for key in ("positive", "negative", "broader: larger part"))  # the legend
        drawing = xml.dom.minidom.parseString(svg)  # noqa: S318 (our own)
        shown = [
            node.firstChild.data for node in drawing.getElementsByTagName("text") if not node.getAttribute("class")
        ]
        assert shown == text.split()
        circles = drawing.getElementsByTagName("circle")
        assert len(circles) == sum(map(len, graph.layers)) + 1  # and the root
        assert len(drawing.getElementsByTagName("path")) == sum(map(len, graph.edges)) + len(graph.layers[-1]) + 2
        width = float(re.search(r'width="(\d+)"', svg)[1])
        for circle in circles:
            assert 0 <= float(circle.getAttribute("cx")) <= width
        assert f"layer 1 map {graph.places[0][0]} row {graph.places[0][1]}" in svg


def test_characters_that_xml_does_not_allow():
    text = "w0\ufffe w1\uffff w\x07 \x00 \x1b[1m \ud800 \udfff \U0001f600 ok"
    for config in CONFIGS:
        read = text.replace("\ud800", "?").replace("\udfff", "?")  # a model refuses lone surrogates
        graph = dataclasses.replace(feature_graph(model(config), read), text=text, label="\x01\ud83d\uffff$")
        svg = as_svg(graph)
        root = ElementTree.fromstring(svg.encode())  # noqa: S314 (our own)
        words = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text") if "class" not in node.attrib]
        assert words == [valid_xml(text[word.start : word.end]) for word in graph.words]
        assert "\ufffd\ufffd\ufffd$: layer 1" in svg
    assert valid_xml(text) == "w0\ufffd w1\ufffd w\ufffd \ufffd \ufffd[1m \ufffd \ufffd \U0001f600 ok"
    assert valid_xml("\t\n\r \x85\ud7ff\ue000\ufffd") == "\t\n\r \x85\ud7ff\ue000\ufffd"
