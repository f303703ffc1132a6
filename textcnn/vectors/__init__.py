"""Word vectors: read from files of any usual format, described, and trained on texts."""

from textcnn.vectors.reading import load_vectors
from textcnn.vectors.rows import WordVectors
from textcnn.vectors.unseen import with_unseen_words

__all__ = ["WordVectors", "load_vectors", "with_unseen_words"]
