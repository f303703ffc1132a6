from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.data.splits import stratified_folds, stratified_split
from textcnn.errors import ConfigError, DataError

SEEDS = st.integers(0, 2**64)
SHARES = st.floats(0.01, 0.99)


@st.composite
def labels(draw, least=2):
    counts = draw(st.lists(st.integers(least, 30), min_size=1, max_size=5))
    return np.array(draw(st.permutations(np.repeat(np.arange(len(counts)), counts).tolist())))


@given(labels(), SHARES, SEEDS)
def test_split_is_a_stratified_partition(labels, share, seed):
    training, validation = stratified_split(labels, share, seed)
    assert np.array_equal(np.sort(np.concatenate([training, validation])), np.arange(labels.size))
    assert (np.diff(training) > 0).all()
    assert (np.diff(validation) > 0).all()
    for label, count in enumerate(np.bincount(labels)):
        chosen = (labels[validation] == label).sum()
        assert 1 <= chosen < count
        assert abs(chosen - share * count) <= 1


@given(labels(), SHARES, SEEDS)
def test_split_is_determined_by_its_seed(labels, share, seed):
    first, second = stratified_split(labels, share, seed), stratified_split(labels, share, seed)
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


@given(labels(), st.integers(1, 60), SHARES, SEEDS)
def test_groups_stay_together(labels, number, share, seed):
    groups = np.random.default_rng(number).integers(0, number, labels.size) * 7 - 20
    try:
        training, validation = stratified_split(labels, share, seed, groups)
    except DataError:
        return
    assert not set(groups[training]) & set(groups[validation])
    assert set(labels[training]) == set(labels[validation]) == set(labels)
    assert training.size + validation.size == labels.size


def test_group_shares_hold_about():
    groups = np.repeat(np.arange(1000), 5)
    labels = np.random.default_rng(0).integers(0, 3, 5000)
    _, validation = stratified_split(labels, 0.1, 0, groups)
    assert 450 <= validation.size <= 550
    assert np.bincount(labels[validation]).min() > 140


@given(labels(least=6), st.integers(2, 6), SEEDS)
def test_folds_are_a_stratified_partition(labels, folds, seed):
    parts = stratified_folds(labels, folds, seed)
    assert len(parts) == folds
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(labels.size))
    sizes = [part.size for part in parts]
    assert max(sizes) - min(sizes) <= 1
    counts = np.array([np.bincount(labels[part], minlength=labels.max() + 1) for part in parts])
    assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()
    assert counts.min() >= 1


@given(labels(least=6), SEEDS)
def test_folds_keep_groups(labels, seed):
    groups = np.arange(labels.size) // 2
    try:
        parts = stratified_folds(labels, 2, seed, groups)
    except DataError:
        return
    assert not set(groups[parts[0]]) & set(groups[parts[1]])


def test_rows_do_not_change_with_versions():
    training, validation = stratified_split(np.arange(200) % 3, 0.1, 7)
    assert validation[:6].tolist() == [6, 23, 24, 32, 37, 46]
    folds = stratified_folds(np.arange(200) % 3, 10, 7)
    assert hashlib.sha256(np.concatenate([training, *folds]).astype("<i8")).hexdigest()[:16] == "459e06cd21288158"


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1, float("nan")])
def test_share(share):
    with pytest.raises(ConfigError, match=f"between 0 and 1, found {share}"):
        stratified_split(np.array([0, 0, 1, 1]), share, 0)


def test_one_fold():
    with pytest.raises(ConfigError, match="2 folds or more, found 1"):
        stratified_folds(np.array([0, 0, 1, 1]), 1, 0)


def test_lone_example():
    with pytest.raises(DataError, match="class 'pos' has one example, expected at least 2"):
        stratified_split(np.array([0, 0, 1]), 0.5, 0, names=["neg", "pos"])


def test_lone_group():
    with pytest.raises(DataError, match="class 1 has one group, expected at least 2"):
        stratified_split(np.array([0, 0, 1, 1]), 0.5, 0, np.array([0, 1, 1, 1]))


def test_fewer_examples_than_folds():
    with pytest.raises(DataError, match="class 'pos' has 3 examples, expected at least 5 for 5 folds"):
        stratified_folds(np.array([0] * 9 + [1] * 3), 5, 0, names=["neg", "pos"])


def test_groups_that_cannot_be_split():
    # classes 0 and 1 share both their groups, so either side of class 2's split lacks nothing, but class 1 may
    labels = np.array([0, 1, 0, 1, 0, 2, 0, 2])
    groups = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    refusals = {}
    for seed in range(20):
        try:
            stratified_split(labels, 0.5, seed, groups)
        except DataError as error:
            refusals[seed] = str(error)
    assert refusals
    for seed, message in refusals.items():
        assert re.search(rf"with seed {seed} class [012] is on one side only", message)
