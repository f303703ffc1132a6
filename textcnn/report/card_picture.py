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
    from matplotlib.text import Text

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
    names, places = [row["name"] for row in figures["classes"]], np.arange(len(counts))

    def draw(axes: Axes) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.grid(visible=False)
        for row, column in np.ndindex(counts.shape):
            color = "white" if shares[row, column] > 0.5 else "black"
            number = f"{counts[row, column]:,}"
            axes.text(column, row, number, ha="center", va="center", color=color, fontsize=7)
        axes.set_xticks(places, names, rotation=45 if len(names) > 3 else 0, ha="right" if len(names) > 3 else "center")
        axes.set_yticks(places, names)
        _name(axes.get_xticklabels(), names)
        _name(axes.get_yticklabels(), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")

    return draw


def _bars(classes: list[dict[str, Any]]) -> Draw:
    names = [row["name"] for row in classes]

    def draw(axes: Axes) -> None:
        places = np.arange(len(names))[::-1]  # the lowest on top
        axes.barh(places, [row["f1"] for row in classes], color=FIRST)
        axes.set_yticks(places, names, fontsize=6)
        _name(axes.get_yticklabels(), names)
        axes.grid(visible=False, axis="y")
        axes.axvline(1, color=FAINT, lw=1)
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("F1")

    return draw


def _name(labels: list[Text], names: list[str]) -> None:
    """Write class names as they are, cut to a length: no formula."""
    for label, name in zip(labels, names, strict=True):
        label.set_parse_math(False)
        label.set_text(short_name(valid_xml(name)))
