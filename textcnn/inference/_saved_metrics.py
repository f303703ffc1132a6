"""The scores in a saved model's `metrics.json`."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from textcnn.errors import ModelError
from textcnn.inference._metadata import check_metrics
from textcnn.inference._saved_json import parse
from textcnn.metrics import sparse_confusion


class SavedMetrics(MutableMapping[str, Any]):
    """Scores by split, parsed when they are first asked for: a prediction does not need them.

    Every access raises ModelError if they are not what they should be.

    Args:
        content: of the file.
        path: the file, for errors.
        classes: K.
    """

    def __init__(self, content: bytes, path: Path, classes: int) -> None:
        self._content, self._path, self._classes = content, path, classes
        self._scores: dict[str, Any] | None = None

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """Pickle the scores alone: the path means nothing elsewhere."""
        return dict, (self._parsed(),)

    def _parsed(self) -> dict[str, Any]:
        if self._scores is None:
            scores = parse(self._content, self._path)
            try:
                check_metrics(scores, self._classes)
            except ValueError as error:
                raise ModelError(f"{self._path}: {error}") from None
            for figures in scores.values():
                if isinstance(figures.get("confusion"), list):  # the whole matrix, as it once was saved
                    figures["confusion"] = sparse_confusion(figures["confusion"])
            self._scores, self._content = scores, b""
        return self._scores

    def __getitem__(self, split: str) -> Any:
        return self._parsed()[split]

    def __setitem__(self, split: str, figures: Any) -> None:
        self._parsed()[split] = figures

    def __delitem__(self, split: str) -> None:
        del self._parsed()[split]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed())

    def __len__(self) -> int:
        return len(self._parsed())

    def __repr__(self) -> str:
        return repr(self._parsed())
