"""Word vectors: read from files of any usual format, described, and trained on texts."""

from textcnn.vectors.reading import load_vectors
from textcnn.vectors.rows import WordVectors

__all__ = ["WordVectors", "load_vectors"]
