"""A model and texts to a page, written whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textcnn.files import written_whole
from textcnn.report.figures import Figures, Texts, gather
from textcnn.report.page import page

if TYPE_CHECKING:
    from textcnn.inference import Predictor

NAME = "report.html"


def write_report(
    predictor: Predictor, path: Path, test: Texts, training: Texts | None, *, source: str, split: str
) -> Figures:
    """Write the page of a model; arguments as for `gather`.

    Returns:
        What it tells.

    Raises:
        OSError: the file cannot be written.
    """
    figures = gather(predictor, test, training, source=source, split=split)
    content = page(figures, predictor.artifact).encode("utf-8", "replace")
    with written_whole(path) as file:
        file.write(content)
    return figures
