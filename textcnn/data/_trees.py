"""Trees of the Stanford Sentiment Treebank: `(3 (2 good) (2 film))`, a label from 0 to 4 at every node."""

from __future__ import annotations

import re

_PIECE = re.compile(r"[()]|[^() \t]+")  # words may contain other spaces: "8\xa01\/2"
_ESCAPES = {"-LRB-": "(", "-RRB-": ")"}
_LABELS = {"0": 0, "1": 1, "2": 2, "3": 3, "4": 4}


def parse_tree(line: str) -> list[tuple[str, int]]:
    r"""Return a tree's constituents, parsed in one pass without recursion.

    Brackets (`-LRB-`, `-RRB-`) and the Penn Treebank's `\/` and `\*` are unescaped.

    Args:
        line: One tree.

    Returns:
        Text and label of every constituent, words joined by spaces; the whole sentence comes first.

    Raises:
        ValueError: The line is no tree; the message says what was found.
    """
    pieces = _PIECE.findall(line)
    words: list[str] = []
    spans: list[tuple[int, int, int]] = []  # label, first word, word after the last
    open_nodes: list[int] = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if piece == "(":
            label = _LABELS.get(pieces[at + 1] if at + 1 < len(pieces) else "")
            if label is None:
                raise ValueError(f"node {len(spans) + 1} has no label from 0 to 4")
            if spans and not open_nodes:
                raise ValueError("a second tree begins")
            open_nodes.append(len(spans))
            spans.append((label, len(words), -1))
            at += 2
            continue
        if not open_nodes:
            raise ValueError(f"{piece!r} is outside the tree")
        if piece == ")":
            node = open_nodes.pop()
            label, first, _ = spans[node]
            if first == len(words):
                raise ValueError(f"node {node + 1} has no words")
            spans[node] = (label, first, len(words))
        else:
            words.append(_ESCAPES.get(piece, piece.replace("\\/", "/").replace("\\*", "*")))
        at += 1
    if open_nodes or not spans:
        raise ValueError(f"{len(open_nodes)} brackets are not closed" if open_nodes else "it is empty")
    return [(" ".join(words[first:last]), label) for label, first, last in spans]
