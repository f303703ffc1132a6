"""The exceptions that textcnn raises for mistakes in its input, and the hints that complete their messages.

Each message is one line: what was expected, what was found and where, what to do. The command line prints it after
`Error:` and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class TextCNNError(ValueError):
    """Base class of all errors that the caller can fix."""


class ConfigError(TextCNNError):
    """A setting is out of range, or two settings contradict each other."""


class DataError(TextCNNError):
    """A corpus, file, column, text or label is not valid."""


class VectorsError(TextCNNError):
    """A word-vector file cannot be read."""


class ModelError(TextCNNError):
    """A saved model cannot be read or written."""


class TrainingError(TextCNNError):
    """Training cannot continue, for instance because the loss is no longer finite."""


def nearest_names(name: str, known: Iterable[str]) -> str:
    """Return the known names most similar to an unknown one, as the middle or end of a message.

    Args:
        name: The unknown name.
        known: The names that exist.

    Returns:
        For instance `"; nearest to 'smaple': sample"`; empty if no name is similar.
    """
    import difflib

    near = difflib.get_close_matches(name, list(known), cutoff=0.5)
    return f"; nearest to {name!r}: {', '.join(near)}" if near else ""


def listed(names: Sequence[object], most: int = 10) -> str:
    """Return names as a list in a message; of a long list the beginning.

    Args:
        names: The names.
        most: How many are shown at most.

    Returns:
        For instance `"negative, positive"`, or `"0, 1, 2 and 7,997 more"`.
    """
    shown = ", ".join(map(str, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def one_line(error: BaseException) -> str:
    """Return an error's message on one line, without a final full stop."""
    return " ".join(str(error).split()).rstrip(".")
