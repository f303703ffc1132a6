"""A feature graph as an SVG drawing over its sentence."""

from __future__ import annotations

import re
from html import escape

import numpy as np

from textcnn.explain.feature_graph import Edge, FeatureGraph
from textcnn.explain.results import Word

_CHARACTER, _GAP = 7.6, 16  # width of a character, space between words
_LEVEL, _TOP, _BOTTOM, _SIDE = 84, 84, 34, 14
_TEXT, _RADIUS = 18, 7  # height of a word, and of half a dot
_FIGURES = 40  # pixels that a number takes: where nodes are closer, it is left out

_STYLE = """
svg{--ink:#1c2024;--paper:#fcfcfa;--for:#15803d;--against:#b91c1c;background:var(--paper)}
@media (prefers-color-scheme:dark){svg{--ink:#e6e6e1;--paper:#17191c;--for:#4ade80;--against:#fc8181}}
text{font:13px ui-monospace,monospace;fill:var(--ink)}.figure{font-size:10px}.head{font:13px system-ui,sans-serif}
.key{font:11px system-ui,sans-serif}
.e{fill:none}.f{stroke:var(--for)}.a{stroke:var(--against);stroke-dasharray:5 3}
circle{fill:var(--paper);stroke-width:2}
""".strip()

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def valid_xml(text: str) -> str:
    """Return the text with U+FFFD for each character that XML 1.0 (section 2.2) does not allow.

    These are control characters, lone surrogates, U+FFFE and U+FFFF; escaping does not make them valid.
    """
    return _NOT_XML.sub("\ufffd", text)


def as_svg(graph: FeatureGraph) -> str:
    """Return the drawing: the words at the bottom, one level per layer, the root on top.

    Edges and nodes are green and solid where their part is positive, red and dashed where it is negative; an edge is
    the broader, the larger its part among those of its level. Where there is room a number is printed at each node: its
    value, and in the last layer what it adds to the label's score. Characters that XML does not allow become U+FFFD.
    """
    xs, width = _word_positions(graph)
    height = _TOP + _LEVEL * (len(graph.layers) + 1) + _BOTTOM
    ground = height - _BOTTOM
    words = [
        f'<text x="{x:.1f}" y="{ground:.0f}" text-anchor="middle">{escape(_shown(graph, word))}</text>'
        for x, word in zip(xs, graph.words, strict=True)
    ]
    lines, dots, top = _levels(graph, xs, width, ground)
    last = graph.layers[-1]
    total = sum(node.weight for node in last)
    centre = float(np.mean(top)) if len(top) else width / 2
    largest = max((abs(node.weight) for node in last), default=0) or 1
    for x, node in zip(top, last, strict=True):
        start = ground - len(graph.layers) * _LEVEL - _RADIUS
        lines.append(_edge(x, start, centre, _TOP + _RADIUS, node.weight, abs(node.weight) / largest))
    dots.append(_dot(centre, _TOP, total, f"root: {total:+.2f} in total", shown=True))
    drawn = ", ".join(f"layer {i} map {m} row {r}" for i, (m, r) in enumerate(graph.places, 1))
    title = f"Feature graph of {graph.text!r} for {graph.label}"
    described = f"{drawn}; the nodes of the last layer add {total:+.2f} to the score of {graph.label}."
    return valid_xml(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-labelledby="title described">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="described">{escape(described)}</desc>\n'
        f"<style>{_STYLE}</style>\n"
        f'<text class="head" x="{_SIDE}" y="20">{escape(str(graph.label))}: {escape(drawn)}</text>\n'
        + "\n".join([*_legend(), *lines, *dots, *words])
        + "\n</svg>\n"
    )


def _legend() -> list[str]:
    """Say what the lines mean, below the head."""
    out, x = [], _SIDE
    for sign, text in (("f", "positive"), ("a", "negative")):
        out.append(f'<path class="e {sign}" d="M{x} 39H{x + 24}" stroke-width="2.5"/>')
        out.append(f'<text class="key" x="{x + 29}" y="43">{text}</text>')
        x += 88
    return [*out, f'<text class="key" x="{x}" y="43">broader: larger part</text>']


def _levels(graph: FeatureGraph, xs: np.ndarray, width: float, ground: int) -> tuple[list[str], list[str], np.ndarray]:
    """Draw the layers from the words up.

    Returns:
        The edges, the nodes, and the horizontal positions of the last layer's nodes.
    """
    lines, dots = [], []
    below = xs
    for level, (nodes, edges) in enumerate(zip(graph.layers, graph.edges, strict=True), 1):
        y = ground - level * _LEVEL
        above = _spread(_centres(below, edges, len(nodes)), _SIDE, width - _SIDE)
        largest = max((abs(edge.part) for edge in edges), default=0) or 1
        start = y + _LEVEL - (_TEXT if level == 1 else _RADIUS)
        for edge in edges:
            share = abs(edge.part) / largest
            lines.append(_edge(below[edge.below], start, above[edge.above], y + _RADIUS, edge.part, share))
        last = level == len(graph.layers)
        room = min(np.diff(np.sort(above)), default=_FIGURES) >= _FIGURES
        for x, node in zip(above, nodes, strict=True):
            span = " ".join(word.shown for word in graph.words[node.begin : node.end])
            adds = f", adds {node.weight:+.2f}" if last else ""
            tooltip = f"layer {level}: {span}, value {node.value:+.2f}{adds}"
            dots.append(_dot(x, y, node.weight if last else node.value, tooltip, shown=room))
        below = above
    return lines, dots, below


def _shown(graph: FeatureGraph, word: Word) -> str:
    """Return a word as it is in the text, unless it is a space."""
    return word.shown if word.word == " " else graph.text[word.start : word.end]


def _word_positions(graph: FeatureGraph) -> tuple[np.ndarray, float]:
    """Return the middle of each word, and the width of the drawing."""
    sizes = np.array([max(len(_shown(graph, w)), 2) * _CHARACTER for w in graph.words])
    ends = _SIDE + np.cumsum(sizes + _GAP)
    drawn = sum(len(f"layer {i} map {m} row {r}, ") for i, (m, r) in enumerate(graph.places, 1))
    head = 8 * (drawn + len(str(graph.label)) + 4)
    width = max(float(ends[-1]) if len(ends) else 0.0, head, 320.0)
    return ends - _GAP - sizes / 2, width + _SIDE


def _centres(below: np.ndarray, edges: tuple[Edge, ...], nodes: int) -> np.ndarray:
    """Return for each node the mean position of what it joins."""
    members: list[list[float]] = [[] for _ in range(nodes)]
    for edge in edges:
        members[edge.above].append(float(below[edge.below]))
    return np.array([np.mean(xs) if xs else 0.0 for xs in members])


def _spread(xs: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the positions in the same order, moved apart so that dots do not overlap where there is room."""
    if len(xs) < 2:
        return xs
    least = min(34.0, (high - low) / (len(xs) - 1))
    order = np.argsort(xs, kind="stable")
    placed = xs[order].copy()
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + least)
    placed[-1] = min(placed[-1], high)
    for i in range(len(placed) - 2, -1, -1):
        placed[i] = min(placed[i], placed[i + 1] - least)
    out = np.empty_like(xs)
    out[order] = placed
    return out


def _sign(part: float) -> str:
    return "f" if part >= 0 else "a"


def _edge(x: float, y: float, to_x: float, to_y: float, part: float, share: float) -> str:
    middle = (y + to_y) / 2
    return (
        f'<path class="e {_sign(part)}" d="M{x:.1f} {y:.1f}C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} '
        f'{to_y:.1f}" stroke-width="{0.6 + 3.4 * share:.1f}" stroke-opacity="{0.25 + 0.75 * share:.2f}"/>'
    )


def _dot(x: float, y: float, figure: float, tooltip: str, *, shown: bool) -> str:
    circle = f'<circle class="{_sign(figure)}" cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}">'
    dot = f"{circle}<title>{escape(tooltip)}</title></circle>"
    if not shown:
        return dot
    return f'{dot}<text class="figure" x="{x:.1f}" y="{y - 11:.1f}" text-anchor="middle">{figure:+.2f}</text>'
