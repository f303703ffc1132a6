"""The exceptions that textcnn raises for mistakes in its input, and the hints that complete their messages.

Each message is one line: what was expected, what was found and where, what to do. The command line prints it after
`Error:` and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LONGEST = 1000  # characters of a message
LONGEST_VALUE = 200  # characters of a value that it quotes

_NO_MEMORY = (
    "not enough memory",
    "out of memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "bad_alloc",
    "failed to map segment",
    "can't start new thread",
)


class TextCNNError(ValueError):
    """Base class of all errors that the caller can fix; a message of thousands of characters is shortened."""

    def __init__(self, message: str = "") -> None:
        super().__init__(shortened(message, LONGEST))


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


def shortened(text: str, room: int = LONGEST_VALUE) -> str:
    """Return a text of at most `room` characters: of a longer one the beginning and the end."""
    if len(text) <= room:
        return text
    end = (room - 5) // 4
    return f"{text[: room - 5 - end]} ... {text[len(text) - end :]}"


def beginning(text: str, most: int) -> str:
    """Return a text, of one longer than `most` characters these and three dots."""
    return text if len(text) <= most else text[:most] + "..."


def quoted(value: object) -> str:
    """Return a value found, as a message quotes it: the `repr`, shortened."""
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        value = shortened(value)  # before it is copied
    return shortened(repr(value), 2 * LONGEST_VALUE)


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
    return f"; nearest to {quoted(name)}: {', '.join(map(shortened, near))}" if near else ""


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


def is_of_memory(error: BaseException) -> bool:
    """Return whether an allocation failed: torch and C++ raise RuntimeError, the loader of libraries ImportError."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)
