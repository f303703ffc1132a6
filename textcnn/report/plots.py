"""Plots by matplotlib: as SVG in the page and in its colours, or as files."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.explain.graph_svg import valid_xml
from textcnn.report.figures import CURVES, Figures
from textcnn.targets import SEVERAL_LABELS

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

# Placeholders for the page's colours: text and axes, first series, second series, faint lines.
INK, FIRST, SECOND, FAINT = "#010203", "#1f5faf", "#b4540a", "#a0a1a2"
_PAGE = {INK: "currentColor", FIRST: "var(--first)", SECOND: "var(--second)", FAINT: "var(--faint)"}
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "textcnn",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.5,
    "grid.color": FAINT,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "legend.frameon": False,
}
_LONGEST = 18  # characters of a class name
# For letters that matplotlib's own font lacks; those installed are tried in this order.
_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei"),
    *("WenQuanYi Zen Hei", "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB", "Yu Gothic"),
    *("Noto Sans CJK KR", "Malgun Gothic", "Apple SD Gothic Neo", "Noto Sans Arabic", "Noto Sans Hebrew"),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Nirmala UI", "Droid Sans Fallback", "Arial Unicode MS"),
)

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
        what = "accuracy" if figures.curves[0].get("micro_f1") is None else "micro-F1"
        out["accuracy"] = (
            f"Validation {what} over {len(figures.curves)} epochs; the best is epoch {best}.",
            lambda axes: _scores(axes, figures, what),
        )
    if figures.roc:
        shown, classes = len(figures.roc), len(figures.names)
        which = f" of {shown} of {classes:,} {figures.target.plural}" if classes > CURVES else ""
        areas = ", ".join(f"{curve['name']} {curve['auc']:.3f}" for curve in figures.roc)
        out["roc"] = (f"ROC curves{which}; area under the curve: {areas}.", lambda axes: _roc(axes, figures))
        averages = ", ".join(f"{curve['name']} {curve['average_precision']:.3f}" for curve in figures.roc)
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
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^>]+>", lambda tag: _for_page(tag[0], name), svg)
    caption = valid_xml(caption)
    head, rest = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]+"', head)
    title = f"<title>{escape(caption)}</title>"
    opening = (
        f'<svg role="img" aria-label="{escape(caption)}" {box[0] if box else ""} xmlns="http://www.w3.org/2000/svg" '
    )
    return Markup(opening + f'xmlns:xlink="http://www.w3.org/1999/xlink">{title}{rest}')  # noqa: S704 (escaped above)


def _for_page(tag: str, name: str) -> str:
    """Return a tag in the page's colours and with ids of the plot's own; the text between tags stays as it is."""
    for placeholder, color in _PAGE.items():
        tag = tag.replace(placeholder, color)
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    return re.sub(r'(href="#|url\(#)', rf"\1{name}-", tag)


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


def as_png(draw: Draw) -> bytes:
    """Return a plot as PNG."""
    return _rendered(draw, "png")


def short_name(name: str) -> str:
    """Return a class name that fits into a plot."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _rendered(draw: Draw, form: str) -> bytes:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A letter that no font has is a box in a PNG; an SVG holds text, which the viewer's fonts draw.
    with mpl.rc_context({**_STYLE, "font.family": _families()}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from|Matplotlib currently does not support", UserWarning)
        figure = Figure(figsize=(4.2, 3.0), layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        out = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(out, format=form, dpi=160, transparent=form == "svg", metadata=metadata)
    return out.getvalue()


@cache
def _families() -> list[str]:
    """Return the font families for labels; matplotlib warns of those that are not installed, so they are left out."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return ["sans-serif", *(name for name in _FONTS if name in installed)]


def _learning(axes: Axes, figures: Figures) -> None:
    numbers = [epoch["number"] for epoch in figures.curves]
    axes.plot(numbers, [e["training_loss"] for e in figures.curves], "o-", ms=3, color=FIRST, label="training")
    axes.plot(numbers, [e["validation_loss"] for e in figures.curves], "s--", ms=3, color=SECOND, label="validation")
    axes.set_ylim(bottom=0)
    _epochs(axes, "loss, nats")


def _scores(axes: Axes, figures: Figures, what: str) -> None:
    numbers = [epoch["number"] for epoch in figures.curves]
    key = "accuracy" if what == "accuracy" else "micro_f1"
    values = [100 * epoch[key] for epoch in figures.curves]
    axes.plot(numbers, values, "s--", ms=3, color=SECOND, label="validation")
    best = [i for i, epoch in enumerate(figures.curves) if epoch["best"]][-1]
    axes.plot(numbers[best], values[best], "o", ms=9, mfc="none", color=FIRST, label="best epoch")
    _epochs(axes, f"{what}, %")


def _epochs(axes: Axes, what: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0.5, axes.dataLim.x1 + 0.5)
    axes.set_xlabel("epoch")
    axes.set_ylabel(what)
    axes.legend()


_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


def _curves(axes: Axes, figures: Figures, key: str) -> None:
    for number, curve in enumerate(figures.roc):
        color = FIRST if number % 2 == 0 else SECOND
        axes.plot(*curve[key], color=color, ls=_DASHES[number], label=f"curve {number}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)


def _name_curves(legend: Legend, figures: Figures, figure: str) -> None:
    """Write the class names into a legend as they are: no formula, and with names that begin with `_`.

    matplotlib leaves curves with such labels out of a legend, so that the curves have other labels.
    """
    for text, curve in zip(legend.get_texts(), figures.roc, strict=True):
        text.set_parse_math(False)
        text.set_text(f"{short_name(valid_xml(curve['name']))} {curve[figure]:.3f}")


def _roc(axes: Axes, figures: Figures) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1)
    _curves(axes, figures, "roc")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    _name_curves(axes.legend(title="area", loc="lower right"), figures, "auc")


def _precision_recall(axes: Axes, figures: Figures) -> None:
    _curves(axes, figures, "precision_recall")
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    _name_curves(axes.legend(title="average precision", loc="best"), figures, "average_precision")


def _reliability(axes: Axes, figures: Figures) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1)
    for found, color, style, label in (
        (figures.before, SECOND, "s--", "before scaling"),
        (figures.after, FIRST, "o-", "after"),
    ):
        x, y = (np.array([b[key] for b in found["bins"]]) for key in ("confidence", "accuracy"))
        axes.plot(x, y, style, ms=4, color=color, label=label)
    several = figures.target is SEVERAL_LABELS
    axes.set_xlim(0 if several else 1 / len(figures.names) - 0.02, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("probability of a label" if several else "confidence")
    axes.set_ylabel("share that is right" if several else "accuracy")
    axes.legend(loc="lower right")
