"""Where labelled text comes from: named corpora and local files, always as a ``DatasetDict``."""

from textcnn.data.sources import corpus_names, describe, load_corpus

__all__ = ["corpus_names", "describe", "load_corpus"]
