"""Where labelled text comes from: named corpora, files, folders and the hub, always as a ``DatasetDict``."""

from textcnn.data._sources import corpus_names, describe, load_corpus

__all__ = ["corpus_names", "describe", "load_corpus"]
