"""Plots by matplotlib: as SVG in the page and in its colours, or as files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.report.figures import Figures

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

# Placeholders for the page's colours: text and axes, first series, second series, faint lines.
INK, FIRST, SECOND, FAINT = "#010203", "#1f5faf", "#b4540a", "#a0a1a2"
_PAGE = {INK: "currentColor", FIRST: "var(--first)", SECOND: "var(--second)", FAINT: "var(--faint)"}
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "textcnn",
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.5,
    "grid.color": FAINT,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "legend.frameon": False,
}
_MOST_CURVES = 6

Draw = Callable[["Axes"], None]


def plots(figures: Figures) -> dict[str, tuple[str, Draw]]:
    """Return the plots of a model: by name, a caption and a function that draws it."""
    out: dict[str, tuple[str, Draw]] = {}
    if figures.curves:
        best = [epoch["number"] for epoch in figures.curves if epoch["best"]][-1]
        out["loss"] = (
            f"Training and validation loss over {len(figures.curves)} epochs; the best is epoch {best}.",
            lambda axes: _learning(axes, figures),
        )
        out["accuracy"] = (
            f"Validation accuracy over {len(figures.curves)} epochs; the best is epoch {best}.",
            lambda axes: _accuracy(axes, figures),
        )
    if figures.roc:
        shown = figures.roc[:_MOST_CURVES]
        which = f" of the first {len(shown)} of {len(figures.roc)} classes" if len(shown) < len(figures.roc) else ""
        areas = ", ".join(f"{curve['name']} {curve['auc']:.3f}" for curve in shown)
        out["roc"] = (f"ROC curves{which}; area under the curve: {areas}.", lambda axes: _roc(axes, figures))
        averages = ", ".join(f"{curve['name']} {curve['average_precision']:.3f}" for curve in shown)
        out["precision-recall"] = (
            f"Precision-recall curves{which}; average precision: {averages}.",
            lambda axes: _precision_recall(axes, figures),
        )
    out["calibration"] = (
        f"Accuracy against confidence; expected calibration error {figures.before['error']:.3f} before and "
        f"{figures.after['error']:.3f} after temperature scaling.",
        lambda axes: _reliability(axes, figures),
    )
    return out


def as_svg(name: str, caption: str, draw: Draw) -> Markup:
    """Return a plot for the page: in the page's colours, with ids of its own and the caption as its label."""
    from markupsafe import Markup, escape

    svg = _rendered(draw, "svg").decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for placeholder, color in _PAGE.items():
        svg = svg.replace(placeholder, color)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{name}-", svg)
    head, rest = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]+"', head)
    title = f"<title>{escape(caption)}</title>"
    opening = (
        f'<svg role="img" aria-label="{escape(caption)}" {box[0] if box else ""} xmlns="http://www.w3.org/2000/svg" '
    )
    return Markup(opening + f'xmlns:xlink="http://www.w3.org/1999/xlink">{title}{rest}')  # noqa: S704 (escaped above)


def save(figures: Figures, folder: Path) -> list[Path]:
    """Write every plot as PNG and as SVG.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (_, draw) in plots(figures).items():
        for form in ("png", "svg"):
            paths.append(folder / f"{name}.{form}")
            paths[-1].write_bytes(_rendered(draw, form))
    return paths


def _rendered(draw: Draw, form: str) -> bytes:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.2, 3.0), layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        out = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(out, format=form, dpi=160, transparent=form == "svg", metadata=metadata)
    return out.getvalue()


def _learning(axes: Axes, figures: Figures) -> None:
    numbers = [epoch["number"] for epoch in figures.curves]
    axes.plot(numbers, [e["training_loss"] for e in figures.curves], "o-", ms=3, color=FIRST, label="training")
    axes.plot(numbers, [e["validation_loss"] for e in figures.curves], "s--", ms=3, color=SECOND, label="validation")
    axes.set_ylim(bottom=0)
    _epochs(axes, "loss, nats")


def _accuracy(axes: Axes, figures: Figures) -> None:
    numbers = [epoch["number"] for epoch in figures.curves]
    values = [100 * epoch["accuracy"] for epoch in figures.curves]
    axes.plot(numbers, values, "s--", ms=3, color=SECOND, label="validation")
    best = [i for i, epoch in enumerate(figures.curves) if epoch["best"]][-1]
    axes.plot(numbers[best], values[best], "o", ms=9, mfc="none", color=FIRST, label="best epoch")
    _epochs(axes, "accuracy, %")


def _epochs(axes: Axes, what: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(what)
    axes.legend()


_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


def _curve(axes: Axes, figures: Figures, key: str, figure: str) -> None:
    for number, curve in enumerate(figures.roc[:_MOST_CURVES]):
        name = curve["name"][:18].replace("$", r"\$")  # no formula
        label = f"{name} {curve[figure]:.3f}"
        color = FIRST if number % 2 == 0 else SECOND
        axes.plot(*curve[key], color=color, ls=_DASHES[number], label=label)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)


def _roc(axes: Axes, figures: Figures) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1)
    _curve(axes, figures, "roc", "auc")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.legend(title="area", loc="lower right")


def _precision_recall(axes: Axes, figures: Figures) -> None:
    _curve(axes, figures, "precision_recall", "average_precision")
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    axes.legend(title="average precision", loc="best")


def _reliability(axes: Axes, figures: Figures) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1)
    for found, color, style, label in (
        (figures.before, SECOND, "s--", "before scaling"),
        (figures.after, FIRST, "o-", "after"),
    ):
        x, y = (np.array([b[key] for b in found["bins"]]) for key in ("confidence", "accuracy"))
        axes.plot(x, y, style, ms=4, color=color, label=label)
    axes.set_xlim(1 / len(figures.names) - 0.02, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("confidence")
    axes.set_ylabel("accuracy")
    axes.legend(loc="lower right")
