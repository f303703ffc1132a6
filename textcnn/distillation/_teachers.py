"""Teachers: what gives a text the probability of each class, be it saved models, a transformer or a function."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.data.soft_labels import checked_probabilities
from textcnn.distillation._teacher import Teacher, order_of
from textcnn.errors import ConfigError, DataError, listed, one_line, quoted
from textcnn.files import nearest_files
from textcnn.hub import REPOSITORY
from textcnn.inference.artifact import digest_of
from textcnn.inference.class_ids import as_labels, class_ids
from textcnn.inference.label_sets import label_sets
from textcnn.model import Model, load_model
from textcnn.targets import ONE_CLASS, Target

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class SavedModel(Teacher):
    """A model of this toolkit.

    Args:
        model: the model.
        classes: of the student, (K,).
        target: what the texts' labels are.

    Raises:
        ConfigError: its classes or its target are others.
    """

    def __init__(self, model: Model, classes: Sequence[str], target: Target) -> None:
        self.model, self.name = model, repr(model)
        if model.target is not target:
            raise ConfigError(f"expected a teacher of {_kind(target)}, found {self.name} of {_kind(model.target)}")
        self.digest = digest_of(model.artifact)
        self._order = order_of([str(name) for name in model.classes_], classes, self.name)

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Return the model's probabilities, (N, K)."""
        return self.model.predict_proba(texts)[:, self._order]


class Mean(Teacher):
    """Several teachers, whose probabilities are averaged.

    Args:
        teachers: at least one.
    """

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self.teachers = teachers
        self.name = f"the mean of {len(teachers)} teachers"
        self.digest = _digest([teacher.digest for teacher in teachers])

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Return the mean of the teachers' probabilities, (N, K)."""
        out: np.ndarray = np.mean([teacher.probabilities(texts) for teacher in self.teachers], axis=0)
        return out


class Function(Teacher):
    """A function of a list of N texts that returns probabilities, (N, K), in the order of the classes, or N labels.

    Args:
        function: the function.
        name: its name.
        classes: of the student, (K,).
        target: what the texts' labels are.
    """

    def __init__(self, function: Callable[[list[str]], Any], name: str, classes: Sequence[str], target: Target) -> None:
        self.function, self.name, self.classes, self.target = function, name, list(classes), target
        source = name
        with suppress(OSError, TypeError):  # no source: a program, or something that is called
            source += Path(inspect.getsourcefile(inspect.unwrap(function)) or "").read_text(encoding="utf-8")
        self.digest = _digest([source])

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Return what the function returns; labels as probabilities of 0 and 1."""
        try:
            given = self.function(texts)
        except Exception as error:
            raise DataError(
                f"{self.name}: expected answers to {len(texts):,} texts, found an error: {type(error).__name__}: "
                f"{one_line(error)}"
            ) from error
        rows = np.asarray(given) if not isinstance(given, (list, tuple)) or _are_numbers(given) else None
        if rows is not None and rows.ndim == 2 and rows.dtype.kind in "biuf":
            if rows.shape != (len(texts), len(self.classes)):
                raise DataError(
                    f"{self.name}: expected probabilities of {len(texts)} texts and {len(self.classes)} classes "
                    f"({listed(self.classes)}), found the shape {rows.shape}"
                )
            return checked_probabilities(rows, self.target, what=self.name)
        known = np.array(self.classes)
        if self.target is ONE_CLASS:
            named = as_labels([str(label) for label in given], len(texts), what=self.name)
            ids = class_ids(named, known, what=self.name)
        else:
            ids = label_sets(given, len(texts), known, what=self.name)
        return self.target.as_probabilities(ids, len(known))


def make_teacher(given: Any, classes: Sequence[str], target: Target, *, device: str = "auto") -> Teacher:
    """Return a teacher.

    Args:
        given: a `Teacher`; a saved model, loaded or its folder; the folder of a transformer that classifies sequences,
            or its name on the Hugging Face hub; a function, or `module:function`; or a list of such, to be averaged.
        classes: of the student, (K,).
        target: what the texts' labels are.
        device: where a transformer computes: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        ConfigError: it is none of these, its classes are others, or a library is missing.
        ModelError: a saved model or a transformer cannot be read.
    """
    if isinstance(given, (list, tuple)) and given:
        teachers = [make_teacher(one, classes, target, device=device) for one in given]
        return teachers[0] if len(teachers) == 1 else Mean(teachers)
    if isinstance(given, Teacher):
        return given
    if isinstance(given, Model) or _is_saved_model(given):
        return SavedModel(given if isinstance(given, Model) else load_model(given), classes, target)
    if callable(given):
        name = f"{getattr(given, '__module__', '')}:{getattr(given, '__qualname__', type(given).__name__)}"
        return Function(given, name, classes, target)
    name = str(given)
    if _FUNCTION.fullmatch(name) and not Path(name).exists():
        return Function(_imported(name), name, classes, target)
    if not Path(name).is_dir() and (Path(name).exists() or not REPOSITORY.fullmatch(name)):
        raise ConfigError(
            "expected a teacher: the folder of a saved model or of a transformer, its name on the Hugging Face hub, or "
            f"module:function, found {quoted(name)}{nearest_files(Path(name))}"
        )
    from textcnn.distillation._transformer import Transformer

    return Transformer(name, classes, target, device=device)


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _is_saved_model(given: Any) -> bool:
    """Return whether a folder holds a model of this toolkit, not a transformer."""
    try:
        config = json.loads((Path(given) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False
    return not isinstance(config, dict) or "model_type" not in config


def _imported(name: str) -> Callable[[list[str]], Any]:
    """Return the function `module:function`, whose module may be in the current folder."""
    module, _, path = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"expected the function {name} as a teacher, found none: {one_line(error)}") from error
    if not callable(found):
        raise ConfigError(f"expected the function {name} as a teacher, found {quoted(found)}")
    out: Callable[[list[str]], Any] = found
    return out


def _are_numbers(rows: Sequence[Any]) -> bool:
    """Return whether rows hold numbers, which are probabilities, not labels."""
    return bool(len(rows)) and all(
        isinstance(row, (list, tuple, np.ndarray)) and all(isinstance(x, (int, float, np.number)) for x in row)
        for row in rows
    )


def _kind(target: Target) -> str:
    return "one class a text" if target is ONE_CLASS else "several labels a text"
