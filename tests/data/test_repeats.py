from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.data.labelled import Labelled
from textcnn.data.repeats import first_equal, groups_for_split
from textcnn.data.splits import stratified_folds, stratified_split

ACCENTED = ("e\u0301t\u00e9", "\u00e9te\u0301", "K", "\u212a")
WORDS = st.sampled_from(["fine", "Fine", "FINE ", "\tdull", "dull", "", " ", "x" * 70, *ACCENTED])
TEXTS = st.lists(WORDS | st.text(max_size=3) | st.text(max_size=3).map(lambda end: "y" * 64 + end), max_size=30)


def column(texts: list[str], chunk: int = 4) -> pa.ChunkedArray:
    return pa.chunked_array([texts[i : i + chunk] for i in range(0, len(texts), chunk)], pa.string())


def slowly(texts: list[str]) -> list[int]:
    seen: dict[str, int] = {}
    trimmed = [unicodedata.normalize("NFC", text) for text in texts]
    keys = pa.compute.utf8_lower(pa.compute.utf8_trim_whitespace(pa.array(trimmed, pa.string()))).to_pylist()
    return [seen.setdefault(key, row) for row, key in enumerate(keys)]


@given(TEXTS, st.integers(1, 9))
def test_first_equal_is_that_of_a_loop(texts, chunk):
    assert first_equal(column(texts, chunk)).tolist() == slowly(texts)


def test_case_outer_blanks_and_composition_make_no_difference():
    texts = ["A Caf\u00e9", " a cafe\u0301\n", "a caf\u00e9", "a  caf\u00e9", "a cafe"]
    texts += ["x" * 64 + "A", "x" * 64 + "b", "X" * 64 + "a"]
    assert first_equal(column(texts)).tolist() == [0, 0, 0, 3, 4, 5, 6, 5]


LABELLED = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2)), min_size=6, max_size=40)


@given(LABELLED, st.integers(0, 50))
def test_equal_texts_stay_on_one_side_and_every_class_on_both(pairs, seed):
    texts, labels = (np.array(part) for part in zip(*pairs, strict=True))
    labels = np.unique(np.concatenate([labels, labels]), return_inverse=True)[1]
    texts = np.concatenate([texts, texts])  # so that every class has two rows
    groups = groups_for_split(Labelled(column([f"text {i}" for i in texts]), labels), 2)
    training, validation = stratified_split(labels, 0.3, seed, groups)
    assert set(labels[training]) == set(labels[validation]) == set(labels)
    own = [set(texts[labels == each]) - set(texts[labels != each]) for each in set(labels)]
    if min(map(len, own)) >= 2:
        assert not set(texts[training]) & set(texts[validation])


def test_folds_keep_equal_texts_together():
    texts = [f"text {i % 40}" for i in range(200)]
    labels = np.arange(200) % 2
    folds = stratified_folds(labels, 4, 0, groups_for_split(Labelled(column(texts), labels), 4))
    held = [{texts[row] for row in rows} for rows in folds]
    assert sum(map(len, held)) == 40
    assert [len(rows) for rows in folds] == [50] * 4


def test_without_equal_texts_there_are_no_groups():
    labels = np.arange(20) % 2
    assert groups_for_split(Labelled(column([f"text {i}" for i in range(20)]), labels), 2) is None


def test_groups_that_are_given_decide():
    groups = np.arange(8) // 2
    part = Labelled(column(["same"] * 8), np.arange(8) % 2, groups)
    assert groups_for_split(part, 2) is groups


@pytest.mark.parametrize("parts", [2, 3])
def test_a_class_of_one_text_is_split_all_the_same(parts):
    texts, labels = ["good"] * 6 + ["bad", "dull", "poor"] * 2, np.repeat([0, 1], 6)
    groups = groups_for_split(Labelled(column(texts), labels), parts)
    for rows in stratified_folds(labels, parts, 0, groups):
        assert set(labels[rows]) == {0, 1}
    assert len(set(groups[labels == 0])) == 6
    assert len(set(groups[labels == 1])) == 3
