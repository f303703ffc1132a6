"""A teacher's answers to texts, kept in a folder of Parquet files that are written one by one as they come.

Each file holds `PART` texts with the columns of `textcnn predict --proba`, and says of which teacher and texts it is. A
run that was killed continues after the last whole file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from textcnn.data.soft_labels import PREFIX
from textcnn.distillation._teacher import Teacher
from textcnn.errors import DataError
from textcnn.files import written_whole

PART = 2048
_KEY = b"textcnn"


@dataclass(frozen=True)
class Answers:
    """The answers of a teacher, made where they are missing.

    Attributes:
        folder: of the files.
        teacher: whose answers they are.
        classes: the names of the classes, (K,).
    """

    folder: Path
    teacher: Teacher
    classes: Sequence[str]

    def to(
        self, name: str, texts: pa.ChunkedArray, *, on_texts: Callable[[int], None] = lambda texts: None
    ) -> np.ndarray:
        """Return the probabilities of N texts, (N, K) float32.

        Args:
            name: how their files' names begin.
            texts: strings.
            on_texts: is called with the number of texts of each file.

        Raises:
            DataError: the files hold the answers of another teacher or to other texts, or cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        found = [np.zeros((0, len(self.classes)), np.float32)]
        for number, begin in enumerate(range(0, len(texts), PART), 1):
            part = texts.slice(begin, PART)
            path = self.folder / f"{name}-{number:05}.parquet"
            identity = self._identity(part)
            if path.exists():
                found.append(self._read(path, identity, len(part)))
            else:
                found.append(self.teacher.probabilities(part.to_pylist()).astype(np.float32))
                self._write(path, part, found[-1], identity)
            on_texts(len(part))
        return np.concatenate(found)

    def _identity(self, texts: pa.ChunkedArray) -> dict[str, str]:
        """Return what a file must have in common with a teacher and texts."""
        content = hashlib.sha256(json.dumps(texts.to_pylist()).encode())
        return {"teacher": self.teacher.digest, "texts": content.hexdigest()}

    def _write(self, path: Path, texts: pa.ChunkedArray, probabilities: np.ndarray, identity: dict[str, str]) -> None:
        import pyarrow.parquet as pq

        columns = {f"{PREFIX}{name}": column for name, column in zip(self.classes, probabilities.T, strict=True)}
        table = pa.table({"text": texts, **columns})
        with written_whole(path) as file:
            pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(identity)}), file)

    def _read(self, path: Path, identity: dict[str, str], texts: int) -> np.ndarray:
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
            kept = json.loads((table.schema.metadata or {})[_KEY])
            columns = [table[f"{PREFIX}{name}"].to_numpy() for name in self.classes]
        except (pa.ArrowException, OSError, KeyError, ValueError):
            kept, columns = {}, []
        if kept != identity or len(columns[0]) != texts:
            found = "other content"
            if kept:
                found = "another teacher's" if kept.get("teacher") != identity["teacher"] else "those to other texts"
            raise DataError(
                f"{path}: expected the answers of this teacher to these texts, found {found}; remove the folder, or "
                "give another one (--answers)"
            )
        return np.stack(columns, axis=1).astype(np.float32)
