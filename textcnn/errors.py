"""The exceptions that textcnn raises for a caller's mistake.

Each message is one line: what was expected, what was found and where, what to do. The command
line prints it after `Error:` and exits with 2.
"""

from __future__ import annotations


class TextCNNError(ValueError):
    """Base of all errors that the caller can mend."""


class ConfigError(TextCNNError):
    """A setting is out of range, or two settings contradict each other."""


class DataError(TextCNNError):
    """A corpus, a file, a column, a text or a label is not what it should be."""


class VectorsError(TextCNNError):
    """A word-vector file cannot be read."""


class ModelError(TextCNNError):
    """A saved model cannot be read or written."""


class TrainingError(TextCNNError):
    """Training cannot go on, such as when the loss is no longer finite."""
