"""Word vectors: read from files of any usual format, described, and trained on texts."""

from textcnn.vectors._reading import load_vectors
from textcnn.vectors._unseen import with_unseen_words
from textcnn.vectors._word_rows import WordVectors

__all__ = ["WordVectors", "load_vectors", "with_unseen_words"]
