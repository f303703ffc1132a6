from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.data._trees import parse_tree


def test_tree():
    assert parse_tree(r"(3 (2 -LRB-) (4 (3 and\/or) (2 8\xa0B\*)))".replace("\\xa0", "\xa0")) == [
        ("( and/or 8\xa0B*", 3),
        ("(", 2),
        ("and/or 8\xa0B*", 4),
        ("and/or", 3),
        ("8\xa0B*", 2),
    ]


TREES = st.recursive(
    st.tuples(st.integers(0, 4), st.sampled_from(["a", "b", "c"])),
    lambda trees: st.tuples(st.integers(0, 4), trees, trees),
)


def write(tree) -> str:
    return f"({tree[0]} {' '.join(each if isinstance(each, str) else write(each) for each in tree[1:])})"


def naive(tree) -> list[tuple[str, int]]:
    if isinstance(tree[1], str):
        return [(tree[1], tree[0])]
    below = [naive(each) for each in tree[1:]]
    return [(" ".join(each[0][0] for each in below), tree[0]), *below[0], *below[1]]


@given(TREES)
def test_trees_equal_a_recursive_reading(tree):
    assert parse_tree(write(tree)) == naive(tree)


def test_deep_tree():
    depth = 2000
    assert len(parse_tree("(2 " * depth + "x" + ")" * depth)) == depth


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", "it is empty"),
        ("word", "'word' is outside the tree"),
        ("(3 (2 a) (2 b)", "1 brackets are not closed"),
        ("(3 (2 a)))", "')' is outside the tree"),
        ("(3 a) (2 b)", "a second tree begins"),
        ("(5 a)", "node 1 has no label from 0 to 4"),
        ("(3 (a))", "node 2 has no label from 0 to 4"),
        ("(3 (2 ) (2 b))", "node 2 has no words"),
        ("(3", "1 brackets are not closed"),
        ("(", "node 1 has no label from 0 to 4"),
    ],
)
def test_bad_trees(line, found):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_tree(line)
    assert str(caught.value) == found
