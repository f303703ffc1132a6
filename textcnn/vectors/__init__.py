"""Word vectors: read from files of the usual formats, described, trained on texts, and their nearest neighbours."""

from textcnn.vectors._reading import VectorsSource, check_vectors, load_vectors
from textcnn.vectors._unseen import with_unseen_words
from textcnn.vectors._word_rows import WordVectors

__all__ = ["VectorsSource", "WordVectors", "check_vectors", "load_vectors", "with_unseen_words"]
