"""The page: all figures of a model as one self-contained HTML file."""

from __future__ import annotations

import dataclasses
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.data.labelled import Labelled
from textcnn.explain import html
from textcnn.files import written_whole
from textcnn.inference.artifact import Artifact
from textcnn.metrics import confusion_matrix
from textcnn.report.figures import MATRIX, Figures, gather
from textcnn.report.plots import as_svg, plots
from textcnn.settings.architectures import architecture_of
from textcnn.targets import SEVERAL_LABELS
from textcnn.version import __version__

if TYPE_CHECKING:
    from importlib.abc import Traversable

    from markupsafe import Markup

    from textcnn.explain.explanation import Explanation
    from textcnn.inference.predictor import Predictor

_CONTENTS = (
    ("score", "Score"),
    ("classes", "Classes"),
    ("curves", "Curves"),
    ("groups", "Long texts and unknown words"),
    ("ngrams", "Strongest n-grams per class"),
    ("mistakes", "Texts to look at"),
    ("words", "Word neighbours"),
    ("settings", "Settings and data"),
)
_MOST_LABELS = 4  # explained of a text
_LONGEST = 1500  # characters shown of a text


def write_report(
    predictor: Predictor,
    path: Path,
    test: Labelled,
    training: Labelled | None,
    *,
    source: str,
    split: str,
    folds: np.ndarray | None = None,
) -> Figures:
    """Write the page of a model; arguments as for `gather`.

    Returns:
        The figures on the page.

    Raises:
        OSError: the file cannot be written.
    """
    figures = gather(predictor, test, training, source=source, split=split, folds=folds)
    content = page(figures, predictor.artifact).encode("utf-8", "replace")
    with written_whole(path) as file:
        file.write(content)
    return figures


def page(figures: Figures, artifact: Artifact) -> str:
    """Return the page as HTML."""
    several = figures.target is SEVERAL_LABELS
    key, headline = figures.target.headline
    rivals = [("TF-IDF + logistic regression", figures.linear), ("most frequent class", figures.majority)]
    classes = figures.scores["classes"]
    own = figures.source == artifact.training.get("source")  # the texts whose scores are saved
    teacher = artifact.metrics.get(figures.split, {}).get("teacher") if own else None
    if teacher is not None and not several:
        rivals.insert(0, ("its teacher", teacher["accuracy"]))
    many = len(classes) > MATRIX
    if many:  # the worst first; classes without texts have no score
        classes = sorted(classes, key=lambda row: (not row["support"], row["f1"]))
    absent = {key: figures.absent.get(key, "") for key in ("linear", "majority", "mistakes", "suspects", "neighbours")}
    return render(
        resources.files("textcnn.report").joinpath("page.html"),
        title=f"A textcnn model of {figures.source}",
        f=dataclasses.replace(figures, absent=absent),
        contents=_contents(several),
        several=several,
        headline=headline,
        teacher=teacher,
        score=figures.scores[key],
        single="label" if several else "class",
        plural=figures.target.plural,
        accuracy="All labels right" if several else "Accuracy",
        classes=classes,
        many=many,
        rivals=[(name, value) for name, value in rivals if value is not None],
        matrix=[] if many or several else confusion_matrix(figures.scores).tolist(),
        largest=1 if several else max(1, *figures.scores["confusion"]["texts"]),
        plots=[(as_svg(name, caption, draw), caption) for name, (caption, draw) in plots(figures).items()],
        fragment=_fragment,
        hint=html.HINT,
        temperature=float(np.mean(artifact.temperature)),
        settings=_settings(artifact, figures),
    )


def render(template: Traversable, **values: Any) -> str:
    """Return a page in the style of all pages: text is escaped, and it has no script and loads nothing.

    Args:
        template: file of the page, which gets `style` and `version` too.
        values: what it shows.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["capitalize_first"] = lambda words: words[:1].upper() + words[1:]
    css = resources.files("textcnn.report").joinpath("style.css").read_text(encoding="utf-8")
    style = Markup(f"{css}{html.CSS}")  # noqa: S704 (our own)
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        style=style, version=__version__, **values
    )


def _contents(several: bool) -> list[tuple[str, str]]:
    """Return the ids and names of the page's parts."""
    return [(key, name.replace("Classes", "Labels").replace("class", "label") if several else name)
            for key, name in _CONTENTS]  # fmt: skip


def _fragment(explanation: Explanation) -> Markup:
    """Return an explanation as HTML, that of each label where a text has several."""
    from markupsafe import Markup

    return Markup().join(each.to_html() for each in explanation.shortened(_LONGEST).by_label()[:_MOST_LABELS])


def _settings(artifact: Artifact, figures: Figures) -> list[tuple[str, list[tuple[str, Any]]]]:
    training = artifact.training
    texts = training.get("texts")
    data = [("source", figures.source), ("training texts", "not recorded" if texts is None else texts)]
    for name, count in zip(figures.names, training.get("labels") or (), strict=False):
        data.append((f"of {'label' if figures.target is SEVERAL_LABELS else 'class'} {name}", count))
    data += [(f"{split} texts", scores["examples"]) for split, scores in artifact.metrics.items()]
    data.append(("vocabulary", len(artifact.words)))
    parts = [
        ("Data", data),
        ("Network", [("architecture", architecture_of(artifact.model).name), *artifact.model.used().items()]),
        ("Text", list(vars(artifact.text).items())),
    ]
    for name in ("settings", "environment"):
        if isinstance(training.get(name), dict):
            parts.append(("Training" if name == "settings" else "Environment", list(training[name].items())))
    return parts
