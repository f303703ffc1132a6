"""Stratified splits and folds by seed, with numpy only: by class, or iteratively where texts have several labels.

They use only raw draws of PCG64, whose stream numpy guarantees, so a seed gives the same rows in every version of
numpy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textcnn.errors import ConfigError, DataError


def stratified_split(
    labels: np.ndarray,
    share: float,
    seed: int,
    groups: np.ndarray | None = None,
    *,
    names: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into training and validation in the same proportion for every class.

    Validation gets `share` of each class, rounded, but at least one row, and training keeps at least one. Groups are
    never divided; each counts as one unit of the rarest class among its rows, and proportions hold approximately.
    Texts of several labels are divided by iterative stratification (`_iterative`); a label may then be on one side.

    Args:
        labels: Class ids, (N,), 0 or more; or which labels each row has, (N, K) bool.
        share: The share of validation, between 0 and 1.
        seed: 0 or more.
        groups: Group of each row, (N,); rows of one group stay together.
        names: Class names, for the errors.

    Returns:
        Indices of the training and of the validation rows, both ascending.

    Raises:
        ConfigError: The share is not between 0 and 1.
        DataError: A class is not on both sides.
    """
    if not 0 < share < 1:
        raise ConfigError(f"expected a validation share between 0 and 1, found {share}")
    if labels.ndim == 2:
        part = _iterative(labels, groups, (1 - share, share), seed)
        if part.min(initial=1) == part.max(initial=0):
            raise DataError("expected two texts or groups to split, found one; give a validation file")
        return np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    unit_classes, unit_of_row = _units(labels, groups)
    _check_classes(labels, unit_of_row, 2, "a split in two", names)
    chosen = np.zeros(unit_classes.size, bool)
    for members in _shuffled_classes(unit_classes, seed):
        wanted = max(1, int(share * members.size + 0.5))
        chosen[members[: min(wanted, members.size - 1)]] = True
    held_out = chosen[unit_of_row]
    training, validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    for side in (training, validation):
        lost = np.setdiff1d(labels, labels[side])
        if lost.size:
            raise DataError(
                f"expected groups that can be split with every class on both sides, but with seed {seed} "
                f"class {_name(lost[0], names)} is on one side only; try another seed, or give a validation file"
            )
    return training, validation


def stratified_folds(
    labels: np.ndarray,
    folds: int,
    seed: int,
    groups: np.ndarray | None = None,
    *,
    names: Sequence[str] | None = None,
    scarce: bool = False,
) -> list[np.ndarray]:
    """Divide rows into folds in the same proportion for every class, or label where a text has several.

    Args:
        labels: Class ids, (N,), 0 or more; or which labels each row has, (N, K) bool, of which all count as scarce.
        folds: Number of folds, 2 or more.
        seed: 0 or more.
        groups: Group of each row, (N,); treated as in `stratified_split`.
        names: Class names, for the errors.
        scarce: Let a class have fewer examples than there are folds; it is missing in some of them.

    Returns:
        Indices of the test rows of each fold, ascending; every row is in exactly one fold. Without groups every class
        is in every fold.

    Raises:
        ConfigError: There are fewer than two folds.
        DataError: A class has fewer examples (or groups) than there are folds.
    """
    if folds < 2:
        raise ConfigError(f"expected 2 folds or more, found {folds}")
    if labels.ndim == 2:
        part = _iterative(labels, groups, (1 / folds,) * folds, seed)
        return [np.flatnonzero(part == fold) for fold in range(folds)]
    unit_classes, unit_of_row = _units(labels, groups)
    if not scarce:
        _check_classes(labels, unit_of_row, folds, f"{folds} folds", names)
    fold_of_unit = np.zeros(unit_classes.size, np.int64)
    dealt = 0
    for members in _shuffled_classes(unit_classes, seed):
        # Continuing where the previous class ended keeps the sizes of the folds within one of each other.
        fold_of_unit[members] = (dealt + np.arange(members.size)) % folds
        dealt += members.size
    fold_of_row = fold_of_unit[unit_of_row]
    return [np.flatnonzero(fold_of_row == fold) for fold in range(folds)]


def loosened(labels: np.ndarray, groups: np.ndarray, parts: int) -> np.ndarray:
    """Return groups of which every class has enough: the rows of a class that has not are each on their own.

    Groups of rows with several labels stay as they are.

    Args:
        labels: Class ids, (N,), 0 or more; or (N, K) bool.
        groups: Group of each row, (N,), 0 or more.
        parts: How many groups a class needs.

    Returns:
        Group of each row, (N,). A split with as many parts has every class in each, if it has as many rows.
    """
    if labels.ndim == 2:
        return groups
    unit_classes, _ = _units(labels, groups)
    scarce = np.bincount(unit_classes, minlength=labels.max(initial=0) + 1)[labels] < parts
    return np.where(scarce, groups.max(initial=0) + 1 + np.arange(labels.size), groups)


def _iterative(labels: np.ndarray, groups: np.ndarray | None, shares: Sequence[float], seed: int) -> np.ndarray:
    """Divide rows of several labels by iterative stratification (Sechidis et al. 2011, algorithm 1).

    The label that is rarest among the rows not yet placed comes first. Each row that has it goes to the part that
    lacks most rows of this label; of such parts, to the one that lacks most rows at all; then to the first in an order
    drawn for the row. Rows without labels fill up the parts. A group is one row with the labels of all its rows.

    Args:
        labels: Which labels each row has, (N, K) bool.
        groups: Group of each row, (N,), or None.
        shares: Of each part, which add up to 1.
        seed: 0 or more.

    Returns:
        The part of each row, (N,).
    """
    unit_of_row = np.arange(len(labels))
    if groups is not None:
        unit_of_row = np.unique(groups, return_inverse=True)[1]
        merged = np.zeros((unit_of_row.max(initial=-1) + 1, labels.shape[1]), bool)
        np.logical_or.at(merged, unit_of_row, labels)
        labels = merged
    share = np.array(shares)
    units, counts = len(labels), labels.sum(axis=0)
    lacking, room = share[:, None] * counts, share * units  # (P, K), (P,): rows that the parts lack
    draws = np.random.PCG64(seed).random_raw(units * (len(share) + 1)).reshape(units, -1)
    own = [np.flatnonzero(row) for row in labels]
    part = np.full(units, -1)
    order = np.argsort(draws[:, -1], kind="stable")

    def place(unit: int, wanted: np.ndarray) -> None:
        best = int(np.lexsort((draws[unit, :-1], -room, -wanted))[0])
        part[unit] = best
        lacking[best, own[unit]] -= 1
        room[best] -= 1
        counts[own[unit]] -= 1

    while (counts > 0).any():
        rarest = int(np.where(counts > 0, counts, units + 1).argmin())
        for unit in order[labels[order, rarest] & (part[order] < 0)].tolist():
            place(unit, lacking[:, rarest])
    for unit in order[part[order] < 0].tolist():
        place(unit, room)
    return part[unit_of_row]


def _units(labels: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return what is divided, rows or groups: the class of each unit, (U,), and the unit of each row, (N,)."""
    if groups is None:
        return labels, np.arange(labels.size)
    names, unit_of_row = np.unique(groups, return_inverse=True)
    classes, class_of_row, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_rarity = np.argsort(counts, kind="stable")
    rank = np.empty_like(by_rarity)
    rank[by_rarity] = np.arange(by_rarity.size)
    rarest = np.full(names.size, classes.size)
    np.minimum.at(rarest, unit_of_row, rank[class_of_row])
    return classes[by_rarity[rarest]], unit_of_row


def _shuffled_classes(unit_classes: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return the units of each class, shuffled by the seed."""
    order = np.argsort(np.random.PCG64(seed).random_raw(unit_classes.size), kind="stable")
    return [order[unit_classes[order] == each] for each in np.unique(unit_classes)]


def _check_classes(
    labels: np.ndarray,
    unit_of_row: np.ndarray,
    least: int,
    purpose: str,
    names: Sequence[str] | None,
) -> None:
    pairs = np.unique(np.stack([labels, unit_of_row]), axis=1)
    classes, counts = np.unique(pairs[0], return_counts=True)
    if counts.size and counts.min() < least:
        scarce = counts.argmin()
        thing = "example" if counts[scarce] == (labels == classes[scarce]).sum() else "group"
        found = f"one {thing}" if counts[scarce] == 1 else f"{counts[scarce]} {thing}s"
        raise DataError(
            f"class {_name(classes[scarce], names)} has {found}, expected at least {least} for {purpose}; "
            "add some, or leave the class out"
        )


def _name(label: int, names: Sequence[str] | None) -> str:
    return repr(names[label]) if names is not None else str(label)
