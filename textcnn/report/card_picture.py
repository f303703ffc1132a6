"""The picture of a model card: the confusion matrix of its test texts, or the F1 of each class where they are many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.explain.graph_svg import valid_xml
from textcnn.metrics import confusion_matrix
from textcnn.report.plots import FAINT, FIRST, Draw, as_png, short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 12  # classes of a matrix whose numbers can be read
_BARS = 20


def card_picture(metrics: Mapping[str, Any]) -> tuple[bytes, str] | None:
    """Return the picture as PNG, and a caption; None without scores.

    Args:
        metrics: scores by split; the test texts are shown, else those of the first split.
    """
    if not metrics:
        return None
    split = "test" if "test" in metrics else next(iter(metrics))
    figures = metrics[split]
    classes, texts = figures.get("classes") or [], f"{split}, {figures['examples']:,} texts"
    if not classes:
        return None
    if figures.get("confusion") and len(classes) <= _MOST:
        return as_png(_matrix(figures)), f"Confusion matrix on {texts} (a row per true class)"
    lowest = sorted((row for row in classes if row["support"]), key=lambda row: row["f1"])[:_BARS]
    which = "" if len(lowest) == len(classes) else f" (the {len(lowest)} lowest of {len(classes):,})"
    return as_png(_bars(lowest)), f"F1 by label on {texts}{which}"


def _matrix(figures: Mapping[str, Any]) -> Draw:
    counts = confusion_matrix(figures)  # (K, K)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names, places = _names(figures["classes"]), np.arange(len(counts))
    slanted: Any = {"rotation": 45, "ha": "right"} if len(names) > 3 else {}

    def draw(axes: Axes) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.grid(visible=False)
        for row, column in np.ndindex(counts.shape):
            color = "white" if shares[row, column] > 0.5 else "black"
            number = f"{counts[row, column]:,}"
            axes.text(column, row, number, ha="center", va="center", color=color, fontsize=7)
        axes.set_xticks(places, names, parse_math=False, **slanted)
        axes.set_yticks(places, names, parse_math=False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")

    return draw


def _bars(classes: list[dict[str, Any]]) -> Draw:
    def draw(axes: Axes) -> None:
        places = np.arange(len(classes))[::-1]  # the lowest on top
        axes.barh(places, [row["f1"] for row in classes], color=FIRST)
        axes.set_yticks(places, _names(classes), fontsize=6, parse_math=False)
        axes.grid(visible=False, axis="y")
        axes.axvline(1, color=FAINT, lw=1)
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("F1")

    return draw


def _names(classes: list[dict[str, Any]]) -> list[str]:
    return [short_name(valid_xml(row["name"])) for row in classes]
