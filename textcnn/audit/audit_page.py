"""Findings as one self-contained HTML page."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from textcnn.audit.auditing import Audit
from textcnn.audit.finding import KINDS
from textcnn.errors import beginning
from textcnn.files import written_whole
from textcnn.report.page import render

SHOWN = 100  # findings of a kind
_LONGEST = 400  # characters shown of a text


def write_page(found: Audit, path: Path, *, source: str) -> None:
    """Write the page.

    Args:
        found: what is on it.
        path: the HTML file.
        source: what the texts are, by name.

    Raises:
        OSError: the file cannot be written.
    """
    content = render(
        resources.files("textcnn.audit").joinpath("audit.html"),
        title=f"An audit of {source}",
        found=found,
        kinds=[(kind, *KINDS[kind], findings) for kind, findings in found.by_kind().items()],
        shown=SHOWN,
        cut=lambda text: beginning(text, _LONGEST),
    )
    with written_whole(path) as file:
        file.write(content.encode("utf-8", "replace"))
