"""The page on a search for settings: its trials, the best so far, and which settings mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from textcnn.files import written_whole
from textcnn.report.page import render
from textcnn.report.plots import FIRST, SECOND, as_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMES = {"macro_f1": "macro-F1"}  # of scores


@dataclass(frozen=True, kw_only=True)
class Row:
    """A trial on the page.

    Attributes:
        number: from 1.
        outcome: how it ended, in words.
        score: of its best epoch; None before the first.
        kept: whether its model could have been the best.
        epochs: trained.
        seconds: that it took.
        megabytes: size of the saved model; None if there was none.
        microseconds: to predict a text.
        settings: as flags.
    """

    number: int
    outcome: str
    score: float | None
    kept: bool
    epochs: int
    seconds: float
    megabytes: float | None
    microseconds: float | None
    settings: str


def write_search_page(
    path: Path,
    rows: Sequence[Row],
    *,
    source: str,
    monitor: str,
    best: int,
    importances: list[tuple[str, float]] | int,
) -> None:
    """Write the page: all text is escaped, and it has no script and loads nothing.

    Args:
        path: the file, which is replaced.
        rows: the trials, in order.
        source: what the texts are, by name.
        monitor: the validation score that was compared; `loss` is better where it is smaller.
        best: number of the best trial.
        importances: flag and share of each setting; with too few trials how many are needed.

    Raises:
        OSError: the file cannot be written.
    """
    name = _NAMES.get(monitor, monitor)
    smaller = monitor == "loss"
    caption = f"Validation {name} of each trial, and the best so far."
    content = render(
        resources.files("textcnn.report").joinpath("search.html"),
        title=f"A search for settings on {source}",
        rows=rows,
        best=next(row for row in rows if row.number == best),
        score=name,
        plot=as_svg("history", caption, lambda axes: _history(axes, rows, name, smaller=smaller)),
        caption=caption,
        importances=[] if isinstance(importances, int) else importances,
        needed=importances if isinstance(importances, int) else 0,
        finished=sum(row.megabytes is not None for row in rows),
    )
    with written_whole(path) as file:
        file.write(content.encode("utf-8", "replace"))


def _history(axes: Axes, rows: Sequence[Row], name: str, *, smaller: bool) -> None:
    """Draw the score of each trial, and the best so far as steps."""
    from matplotlib.ticker import MaxNLocator

    numbers: list[int] = []
    bests: list[float] = []
    for row in rows:
        if row.kept and row.score is not None:
            better = min if smaller else max
            numbers.append(row.number)
            bests.append(better(row.score, bests[-1]) if bests else row.score)
    others = [(row.number, row.score) for row in rows if not row.kept and row.score is not None]
    kept = [row.score for row in rows if row.kept and row.score is not None]
    if others:
        axes.plot(*zip(*others, strict=True), "x", ms=4, color=SECOND, label="stopped early or over a limit")
    axes.plot(numbers, kept, "o", ms=4, color=FIRST, label="finished")
    axes.step([*numbers, rows[-1].number], [*bests, bests[-1]], where="post", color=FIRST, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel(f"validation {name}")
    axes.legend(loc="best")
